// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi top: what is made of a sample, and how it is drawn on screens of all sizes.
 * The terminal itself is tested by test_top_term.py.
 */
#include <arpa/inet.h>
#include <locale.h>

#include "ktap.h"
#include "../../tools/invspi/top.h"

#define ROWS 400

static char screen_text[ROWS][2048];
static enum top_style style[ROWS];
static int drawn, too_long;

static void put(void *arg, int row, enum top_style how, const char *text)
{
	const struct top_screen *sc = arg;

	if (row < 0 || row >= ROWS)
		abort();
	snprintf(screen_text[row], sizeof(screen_text[row]), "%s", text);
	style[row] = how;
	drawn = row + 1;
	too_long += sc->width && top_width(text) != sc->width;
}

static void draw(const struct top_sample *s, const struct top_order *o, struct top_screen *sc)
{
	memset(screen_text, 0, sizeof(screen_text));
	drawn = 0;
	top_draw(s, o, sc, put, sc);
}

static bool shows(const char *text)
{
	int i;

	for (i = 0; i < drawn; i++)
		if (strstr(screen_text[i], text))
			return true;
	return false;
}

static void expect_shown(const char *text)
{
	if (!ktap_ok(shows(text), "shows %s", text))
		for (int i = 0; i < drawn; i++)
			fprintf(ktap_out, "# |%s|\n", screen_text[i]);
}

static int row_of(const char *text)
{
	int i;

	for (i = 0; i < drawn; i++)
		if (strstr(screen_text[i], text))
			return i;
	return -1;
}

/* ---- a sample ---- */

static void add_flow(struct top_sample *s, const char *src, uint32_t spi, uint64_t packets,
		     bool desync, uint64_t last_age)
{
	struct top_flow *f;

	s->flow = reallocarray(s->flow, s->nflow + 1, sizeof(*f));
	f = &s->flow[s->nflow++];
	memset(f, 0, sizeof(*f));
	f->flow.family = strchr(src, ':') ? AF_INET6 : AF_INET;
	inet_pton(f->flow.family, src, f->flow.src.b);
	inet_pton(AF_INET, "192.0.2.1", f->flow.dst.b);
	f->flow.proto = IPPROTO_ESP;
	f->flow.spi = spi;
	f->flow.packets = packets;
	f->flow.state = desync ? XFRM_INVSPI_FLOW_STATE_DESYNC : XFRM_INVSPI_FLOW_STATE_NEW;
	f->flow.first_age_ms = 41000;
	f->flow.last_age_ms = last_age;
	f->rate = -1;
}

static const char answer_text[] =
	"{\"ok\":true,\"status\":{\"mode\":\"recover\",\"dry_run\":false,\"uptime_ms\":187000,"
	"\"daemon\":{\"state\":\"ready\",\"why\":\"\"},\"outcomes\":{\"healed\":12,\"quiet\":3,"
	"\"stale\":0,\"failed\":1},\"in_flight\":0,\"settings\":{\"holds\":1},"
	"\"history\":{\"error\":null}},"
	"\"connections\":["
	"{\"conn\":\"gw\",\"peer\":\"192.0.2.2\",\"children\":2,\"mode\":\"recover\",\"held\":false,"
	"\"flows\":1,\"desync\":1,\"packets\":412,\"gave_up\":0,\"outcomes\":{\"healed\":2,\"quiet\":0,"
	"\"stale\":0,\"failed\":0},\"last\":{\"grade\":\"lost_in_kernel\",\"action\":\"rekey\","
	"\"outcome\":\"healed\",\"ago_ms\":63000,\"took_ms\":471}},"
	"{\"conn\":\"evil\\u001b[2J\\u202ename\",\"peer\":null,\"children\":0,\"mode\":\"observe\","
	"\"held\":true,\"flows\":0,\"desync\":0,\"packets\":0,\"gave_up\":0,\"outcomes\":{},"
	"\"last\":null},"
	"{\"conn\":\"b\\u00fccher\",\"peer\":\"2001:db8:1111:2222:3333:4444:5555:6666\",\"children\":1,"
	"\"mode\":\"recover\",\"held\":false,\"flows\":0,\"desync\":0,\"packets\":7,\"gave_up\":1,"
	"\"outcomes\":{\"failed\":8},\"last\":{\"action\":\"initiate\",\"outcome\":\"failed\","
	"\"ago_ms\":3700000,\"took_ms\":null}}],"
	"\"flows\":["
	"{\"src\":\"192.0.2.2\",\"dst\":\"192.0.2.1\",\"proto\":\"esp\",\"spi\":\"0xb761863e\","
	"\"sport\":0,\"conn\":\"gw\",\"child\":\"net\",\"grade\":\"lost_in_kernel\","
	"\"action\":\"wait\",\"why\":\"the IKE daemon lists this SPI\",\"blocked\":\"backoff\"},"
	"{\"src\":\"203.0.113.9\",\"dst\":\"192.0.2.1\",\"proto\":\"esp\",\"spi\":\"0x1\","
	"\"sport\":0,\"conn\":\"gone\",\"child\":\"\",\"grade\":\"x\",\"action\":\"y\",\"why\":\"z\","
	"\"blocked\":null},"
	"{\"src\":\"nonsense\",\"dst\":1,\"spi\":null},17,null,[]],"
	"\"connections_left_out\":5,\"flows_left_out\":0}";

static void make_sample(struct top_sample *s, int64_t at, uint64_t packets)
{
	json_t *answer = json_loads(answer_text, 0, NULL);

	memset(s, 0, sizeof(*s));
	s->at = at;
	s->wall = 1764340000000 + at;
	s->module = true;
	s->daemon = true;
	s->rate = -1;
	s->stats.packets[INVSPI_REASON_NO_STATE] = packets + 100;
	s->stats.flows = 3;
	s->stats.flows_max = 4096;
	add_flow(s, "192.0.2.2", 0xb761863e, packets, true, 84);
	add_flow(s, "198.51.100.7", 0xc0000001, 3, false, 15000);
	add_flow(s, "2001:db8:1111:2222:3333:4444:5555:6666", 0x100, 90000000, true, 400);
	top_take_answer(s, answer);
	json_decref(answer);
}

/* ---- cases ---- */

static void test_cells(void)
{
	static const struct {
		const char *text;
		int width;
		bool right;
		const char *want;
	} t[] = {
		{ "abc", 5, false, "abc  " },
		{ "abc", 5, true, "  abc" },
		{ "abc", 3, false, "abc" },
		{ "abcd", 3, false, "ab+" },
		{ "abcd", 1, false, "a" },
		{ "", 2, false, "  " },
		{ "abcd", 0, false, "" },
		{ "b\xc3\xbcr", 4, false, "b\xc3\xbcr " },
		{ "b\xc3\xbcrxx", 4, false, "b\xc3\xbcr+" },
		/* two columns each; a combining mark, none */
		{ "\xe6\x97\xa5\xe6\x9c\xac", 5, false, "\xe6\x97\xa5\xe6\x9c\xac " },
		{ "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, false, "\xe6\x97\xa5+ " },
		{ "e\xcc\x81x", 3, false, "e\xcc\x81x " },
		{ "a\x1b[2Jb", 6, false, "a?[2Jb" },
		{ "a\xffx", 3, false, "a?x" },
		{ "\xc3", 2, false, "? " },
	};
	char buf[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		top_cell(buf, sizeof(buf), t[i].text, t[i].width, t[i].right);
		ktap_str(t[i].want, t[i].want, buf);
	}
}

static void test_merge(void)
{
	struct top_sample a, b;

	make_sample(&a, 1000, 400);
	make_sample(&b, 3000, 412);
	top_rates(&a, NULL);
	top_rates(&b, &a);
	/* in the order of SPIs */
	ktap_str("a flow without an owner", "", b.flow[0].conn);
	ktap_str("connection", "gw", b.flow[1].conn);
	ktap_str("child", "net", b.flow[1].child);
	ktap_str("grade", "lost_in_kernel", b.flow[1].grade);
	ktap_str("what blocks it", "backoff", b.flow[1].blocked);
	ktap_int("rate", 60, (int)(b.flow[1].rate * 10));
	ktap_int("rate of all", 60, (int)(b.rate * 10));
	ktap_ok(a.rate < 0 && a.flow[1].rate < 0, "the first sample has no rates");
	ktap_int("connections", 3, (long long)b.nconn);
	ktap_str("a name from outside is escaped", "evil\\x1b[2J\\xe2\\x80\\xaename",
		 b.conn[1].name);
	ktap_int("took", 471, b.conn[2].took_ms);
	ktap_int("took nothing", -1, b.conn[0].took_ms);
	ktap_int("rate of a connection", 0, (int)b.conn[2].rate);
	top_sample_free(&a);

	/* After a flush the counters begin anew. */
	make_sample(&a, 4000, 3);
	top_rates(&a, &b);
	ktap_ok(a.flow[1].rate < 0, "what has become less has no rate");
	top_sample_free(&a);
	top_sample_free(&b);
}

static void test_nonsense(void)
{
	static const char *const answers[] = {
		"{}",
		"{\"connections\":7,\"flows\":{},\"status\":[]}",
		"{\"connections\":[null,1,\"x\",{}],\"flows\":[{\"src\":{}}],\"status\":null}",
		"{\"connections\":[{\"conn\":null,\"children\":-1,\"packets\":-5,\"last\":[]}],"
		"\"status\":{\"daemon\":5,\"outcomes\":null,\"uptime_ms\":-1,\"stopped\":7}}",
	};
	struct top_order o = { .view = TOP_CONNECTIONS };
	struct top_screen sc = { .width = 80, .height = 24 };
	struct top_sample s;
	json_t *j;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		memset(&s, 0, sizeof(s));
		s.module = true;
		s.daemon = true;
		add_flow(&s, "192.0.2.2", 1, 1, false, 1);
		j = json_loads(answers[i], 0, NULL);
		top_take_answer(&s, j);
		top_rates(&s, NULL);
		json_decref(j);
		draw(&s, &o, &sc);
		ktap_int("an answer that makes no sense is drawn", 24, drawn);
		top_sample_free(&s);
	}
}

static void test_connections(void)
{
	struct top_order o = { .view = TOP_CONNECTIONS };
	struct top_screen sc = { .width = 80, .height = 24 };
	struct top_sample s;
	size_t n;

	make_sample(&s, 3000, 412);
	top_rates(&s, NULL);
	o.sort[TOP_CONNECTIONS] = top_column(TOP_CONNECTIONS, "state");
	draw(&s, &o, &sc);
	ktap_int("24 lines", 24, drawn);
	expect_shown(
		"invspi top 14:26:43 UTC  module loaded  IKE daemon ready  mode recover  up 3m07s");
	expect_shown("dropped 512 (no_state 512)  -/s  flows 3 of 4096, 2 desync");
	expect_shown("actions: 12 healed, 3 quiet, 0 stale, 1 failed, 0 under way  holds 1");
	expect_shown("CONNECTION ");
	expect_shown("STATE ");
	expect_shown("LAST ACTION ");
	ktap_int("the last column", 4, row_of(" TOOK"));
	expect_shown("rekey healed ");
	expect_shown(" 1m03s ");
	expect_shown(" 0.47s");
	expect_shown("initiate failed 1h01m      -");
	expect_shown("GAVE UP ");
	expect_shown("DESYNC ");
	ktap_ok(!shows("\x1b"), "no control byte is shown");
	ktap_ok(row_of("GAVE UP") < row_of("DESYNC") && row_of("DESYNC") < row_of("held  "),
		"the worst first");
	ktap_int("the row that is chosen", TOP_CURSOR, style[row_of("GAVE UP")]);
	ktap_int("what is bad stands out", TOP_BAD, style[row_of("DESYNC")]);
	expect_shown(": 0 flows dropped now, 0 desync; 1 CHILD_SA, mode recover, peer 2001");
	expect_shown("given up, `invspi peer retry' tries again");
	ktap_has("keys", "q quit", screen_text[23]);
	o.reverse = true;
	draw(&s, &o, &sc);
	ktap_ok(row_of("GAVE UP") > row_of("DESYNC"), "the other way round");
	o.trouble = true;
	draw(&s, &o, &sc);
	ktap_ok(!shows("held  ") && shows("GAVE UP"), "only what is in trouble");
	o.trouble = false;
	snprintf(o.filter, sizeof(o.filter), "2001:DB8");
	free(top_rows(&s, &o, &n));
	ktap_int("by a part of the address, whatever its case", 1, (long long)n);
	snprintf(o.filter, sizeof(o.filter), "nowhere");
	draw(&s, &o, &sc);
	expect_shown("(nothing of that)");
	ktap_has("the filter is shown", "/nowhere", screen_text[23]);
	top_sample_free(&s);
}

static void test_flows(void)
{
	struct top_order o = { .view = TOP_FLOWS };
	struct top_screen sc = { .width = 80, .height = 24 };
	struct top_sample s, before;

	make_sample(&before, 1000, 400);
	top_rates(&before, NULL);
	make_sample(&s, 3000, 412);
	top_rates(&s, &before);
	o.sort[TOP_FLOWS] = top_column(TOP_FLOWS, "rate");
	draw(&s, &o, &sc);
	expect_shown("SOURCE ");
	expect_shown("0xb761863e DESYNC ");
	expect_shown(" 6.0 ");
	expect_shown(" 90000k ");
	expect_shown("gw/net");
	ktap_int("the fastest first", 5, row_of("0xb761863e"));
	expect_shown("192.0.2.2 -> 192.0.2.1 esp spi 0xb761863e: 412 packets in 41.0s");
	expect_shown("lost_in_kernel: wait (the IKE daemon lists this SPI); blocked: backoff");
	sc.width = 200;
	draw(&s, &o, &sc);
	expect_shown("DESTINATION ");
	expect_shown("2001:db8:1111:2222:3333:4444:5555:6666 ");
	o.trouble = true;
	draw(&s, &o, &sc);
	ktap_ok(!shows("198.51.100.7"), "only desync");
	top_sample_free(&s);
	top_sample_free(&before);
}

static void test_absent(void)
{
	struct top_screen sc = { .width = 80, .height = 24 };
	struct top_order o = { .view = TOP_CONNECTIONS };
	struct top_sample s = { .module = true, .rate = -1 };

	snprintf(s.daemon_why, sizeof(s.daemon_why), "cannot reach invspid");
	add_flow(&s, "192.0.2.2", 1, 1, true, 1);
	draw(&s, &o, &sc);
	expect_shown("only the module's data: cannot reach invspid");
	expect_shown("(connections are known to invspid; v shows the flows)");
	top_choose(&o, &s);
	ktap_int("without invspid it is the flows", TOP_FLOWS, o.view);
	draw(&s, &o, &sc);
	expect_shown("0x00000001 DESYNC");
	s.module = false;
	snprintf(s.module_why, sizeof(s.module_why), "the module is not loaded");
	draw(&s, &o, &sc);
	expect_shown("no module: the module is not loaded");
	top_sample_free(&s);
}

/* No screen is too small, too large or too full. */
static void test_sizes(void)
{
	struct top_order o = { .view = TOP_FLOWS };
	struct top_sample s;
	int w, h, v, ok = 1, i;

	make_sample(&s, 1000, 400);
	for (i = 0; i < 300; i++)
		add_flow(&s, "203.0.113.1", 1000 + (uint32_t)i, (uint64_t)i, i & 1, 1);
	top_rates(&s, NULL);
	too_long = 0;
	for (w = 1; w <= 250; w += w < 100 ? 1 : 50) {
		for (h = 1; h <= 60; h += h < 30 ? 1 : 15) {
			for (v = 0; v < 4; v++) {
				struct top_screen sc = { .width = w,
							 .height = h,
							 .cursor = v < 3 ? v * 150 : -1,
							 .help = v == 3 };

				o.view = v & 1;
				draw(&s, &o, &sc);
				ok &= drawn == h;
			}
		}
	}
	ktap_ok(ok, "every screen is filled and not more");
	ktap_int("lines of another width", 0, too_long);
	top_sample_free(&s);
}

static void test_cursor(void)
{
	struct top_order o = { .view = TOP_FLOWS };
	struct top_screen sc = { .width = 80, .height = 24, .cursor = 1000000 };
	struct top_sample s;
	int i;

	make_sample(&s, 1000, 400);
	for (i = 0; i < 50; i++)
		add_flow(&s, "203.0.113.1", 1000 + (uint32_t)i, (uint64_t)i, false, 1);
	top_rates(&s, NULL);
	o.sort[TOP_FLOWS] = top_column(TOP_FLOWS, "spi");
	draw(&s, &o, &sc);
	ktap_int("the end", 52, sc.cursor);
	expect_shown("0xc0000001");
	ktap_int("is the last line of the table", TOP_CURSOR, style[20]);
	sc.cursor = 0;
	draw(&s, &o, &sc);
	ktap_int("the beginning", TOP_CURSOR, style[5]);
	expect_shown("0x00000100");
	snprintf(o.filter, sizeof(o.filter), "0xc0000001");
	sc.cursor = 40;
	draw(&s, &o, &sc);
	ktap_int("fewer rows than before", 0, sc.cursor);
	top_sample_free(&s);
}

static void test_batch(void)
{
	struct top_order o = { .view = TOP_CONNECTIONS };
	struct top_screen sc = { .cursor = -1 };
	struct top_sample s;
	int i;

	make_sample(&s, 1000, 400);
	top_rates(&s, NULL);
	draw(&s, &o, &sc);
	expect_shown("2001:db8:1111:2222:3333:4444:5555:6666");
	expect_shown("(and 5 more connections)");
	ktap_ok(!shows("q quit"), "no keys");
	for (i = 0; i < drawn; i++)
		if (*screen_text[i] && screen_text[i][strlen(screen_text[i]) - 1] == ' ')
			ktap_ok(false, "blanks at the end of line %d", i);
	top_sample_free(&s);
}

int main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 4;
	test_cells();
	test_merge();
	test_nonsense();
	test_connections();
	test_flows();
	test_absent();
	test_sizes();
	test_cursor();
	test_batch();
	return ktap_done();
}
