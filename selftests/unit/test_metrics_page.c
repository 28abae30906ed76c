// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page of metrics for a helper that is made up here, with names that try to forge
 * lines. With an argument, open or text, it is only printed, for promtool.
 */
#include <errno.h>

#include "ktap.h"
#include "daemon.h"
#include "hook.h"
#include "metrics.h"
#include "mode.h"

static struct invspid d;
static struct conf conf = { .metrics_connections = 4 };
static int module_answer;
static const char *history_error;

/* ---- what the page asks for ---- */

int invspi_nl_stats_get(struct invspi_nl *nl, struct invspi_stats *st, struct invspi_err *err)
{
	(void)nl;
	(void)err;
	memset(st, 0, sizeof(*st));
	st->ipv4[INVSPI_REASON_NO_STATE] = 41;
	st->ipv6[INVSPI_REASON_ACQUIRE] = 1;
	st->flows = 3;
	st->flows_max = 4096;
	st->evicted_packets = 7;
	return module_answer;
}

void record_counts(const struct recorder *r, struct record_counts *c)
{
	(void)r;
	*c = (struct record_counts){ true, 3, 4711, 5, 1 };
}

void hooks_counts(const struct hooks *hs, uint64_t *run, uint64_t *failed, uint64_t *dropped)
{
	(void)hs;
	*run = 8;
	*failed = 2;
	*dropped = 1;
}

enum daemon_state ike_state(const struct ike *ike)
{
	(void)ike;
	return DAEMON_READY;
}

const char *ike_word(const struct ike *ike)
{
	(void)ike;
	return "libreswan";
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	static struct ike_conns conns = { .nconn = 7 };

	(void)ike;
	return &conns;
}

const char *daemon_state_name(enum daemon_state s)
{
	static const char *const names[] = { "absent", "foreign", "settling", "ready", "stopping" };

	return names[s];
}

unsigned int xfrm_count(const struct xfrm *x)
{
	(void)x;
	return 12;
}

uint64_t xfrm_overruns(const struct xfrm *x)
{
	(void)x;
	return 0;
}

const char *hist_error(struct history *h)
{
	(void)h;
	return history_error;
}

const char *settings_error(const struct settings *s)
{
	(void)s;
	return NULL;
}

bool settings_held(const struct settings *s, const char *conn)
{
	(void)s;
	return !strcmp(conn, "gw");
}

unsigned int settings_holds(const struct settings *s,
			    void (*cb)(void *arg, const struct setting_hold *hold), void *arg)
{
	(void)s;
	(void)cb;
	(void)arg;
	return 1;
}

enum mode mode_in_force(const struct conf *c, const struct settings *s, bool dry_run,
			const char *conn, const char **from)
{
	(void)c;
	(void)s;
	(void)dry_run;
	(void)conn;
	(void)from;
	return MODE_ADVISE;
}

/* ---- */

static const char *const names[] = {
	"gw",
	"evil\"} 1\nforged_metric 2\n# EOF\n#",
	"b\xc3\xbc\xff\x1b[2J",
	"(others)",
	"gw4",
	"gw5",
	"gw6",
};

static const char *name(const void *arg, size_t i)
{
	(void)arg;
	return names[i];
}

static void make_up(void)
{
	static const struct tally_end healed = {
		GRADE_LOST_IN_KERNEL, ACTION_REKEY, OUTCOME_HEALED, 471, 1000, 1700000000123
	};
	static struct attempt gave_up = { .conn = "gw6", .gave_up_at = 5 };
	static struct ike_sa sa[3] = { { .conn = (char *)"gw", .nchild = 2 },
				       { .conn = (char *)"unheard of", .nchild = 1 },
				       { .conn = (char *)"gw2", .again = true } };
	static struct ike_listing l = { .sa = sa, .nsa = 3 };

	d.conf = &conf;
	d.version = "1.0";
	d.nl = (void *)&d;
	d.ike = (void *)&d;
	d.started_wall = 1700000000000;
	d.tally = tally_new();
	d.attempts = &gave_up;
	d.listing[LISTING_LAST] = &l;
	tally_conns(d.tally, ARRAY_SIZE(names), name, NULL);
	tally_flow(d.tally, "gw", GRADE_LOST_IN_KERNEL, true, 20);
	tally_flow(d.tally, names[1], GRADE_NEVER_OURS, true, 5);
	tally_flow(d.tally, "gw5", GRADE_NEVER_OURS, false, 6);
	tally_flow(d.tally, "gw6", GRADE_NEVER_OURS, true, 7);
	tally_end(d.tally, "gw", &healed);
}

static char *page(bool open)
{
	size_t len;
	char *text = metrics_page(&d, open, &len);

	if (!ktap_ok(text && len == strlen(text), "a page"))
		abort();
	return text;
}

/* Without the newline that it begins with. */
static const char *line(const char *s)
{
	return s + (*s == '\n');
}

static void test_page(bool open)
{
	static const char *const lines[] = {
		"\nxfrm_invspi_up 1\n",
		"\nxfrm_invspi_packets_total{family=\"ipv4\",reason=\"no_state\"} 41\n",
		"\nxfrm_invspi_packets_total{family=\"ipv6\",reason=\"acquire\"} 1\n",
		"\nxfrm_invspi_flows 3\n",
		"\nxfrm_invspi_evicted_packets_total 7\n",
		"\ninvspid_build_info{version=\"1.0\"} 1\n",
		"\ninvspid_mode{mode=\"advise\"} 1\n",
		"\ninvspid_mode{mode=\"recover\"} 0\n",
		"\ninvspid_ike_daemon_info{backend=\"libreswan\"} 1\n",
		"\ninvspid_ike_daemon_state{state=\"ready\"} 1\n",
		"\ninvspid_ike_daemon_state{state=\"absent\"} 0\n",
		"\ninvspid_ike_sas 2\n",
		"\ninvspid_child_sas 3\n",
		"\ninvspid_kernel_sas 12\n",
		"\ninvspid_history_ok 1\n",
		"\ninvspid_recorder_ok 1\n",
		"\ninvspid_bundles 3\n",
		"\ninvspid_bundles_size_bytes 4711\n",
		"\ninvspid_bundles_written_total 5\n",
		"\ninvspid_bundles_failed_total 1\n",
		"\ninvspid_hooks_run_total 8\n",
		"\ninvspid_hooks_failed_total 2\n",
		"\ninvspid_hooks_dropped_total 1\n",
		"\ninvspid_recoveries_total{action=\"rekey\",outcome=\"healed\"} 1\n",
		"\ninvspid_recovery_duration_seconds_bucket{evidence=\"certain\",le=\"0.25\"} 0\n",
		"\ninvspid_recovery_duration_seconds_bucket{evidence=\"certain\",le=\"0.5\"} 1\n",
		"\ninvspid_recovery_duration_seconds_sum{evidence=\"certain\"} 0.471\n",
		"\ninvspid_flows{grade=\"lost_in_kernel\"} 1\n",
		"\ninvspid_connection_dropped_packets_total{connection=\"gw\"} 20\n",
		"\ninvspid_connection_desync_flows{connection=\"gw\"} 1\n",
		"\ninvspid_connection_held{connection=\"gw\"} 1\n",
		"\ninvspid_connection_child_sas{connection=\"gw\"} 2\n",
		"\ninvspid_connection_recoveries_total{connection=\"gw\",outcome=\"healed\"} 1\n",
		"\ninvspid_connection_last_recovery_duration_seconds{connection=\"gw\"} 0.471\n",
		"\ninvspid_connection_last_recovery_timestamp_seconds{connection=\"gw\"} 1700000000.123\n",
		/* four have their own labels; the one that is called so is among the rest */
		"\ninvspid_connection_dropped_packets_total{connection=\"(others)\"} 13\n",
		"\ninvspid_connection_desync_flows{connection=\"(others)\"} 1\n",
		"\ninvspid_connection_gave_up{connection=\"(others)\"} 1\n",
		"\ninvspid_connection_child_sas{connection=\"(others)\"} 1\n",
		"\ninvspid_connection_dropping_flows{connection=\"gw4\"} 0\n",
		/* names that would forge something */
		"{connection=\"evil\\\"} 1\\\\x0aforged_metric 2\\\\x0a# EOF\\\\x0a#\"} 5\n",
		"{connection=\"b\xc3\xbc\\\\xff\\\\x1b[2J\"} 0\n",
		"\nprocess_start_time_seconds 1700000000.0\n",
		"\nprocess_cpu_seconds_total ",
		"\nprocess_resident_memory_bytes ",
	};
	char *text = page(open), *p;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		ktap_ok(strstr(text, lines[i]), "has %.*s", (int)strcspn(line(lines[i]), "\n"),
			line(lines[i]));
	ktap_ok(!strstr(text, "\nforged_metric"), "nothing is forged");
	ktap_ok(!strstr(text, "gw5"), "no more labels than are allowed");
	for (p = text; (p = strstr(p, "_total{connection=\"(others)\"}")); p++)
		n++;
	ktap_int("one sum of the others", 1, n);
	ktap_int("the end", open, strlen(text) > 6 && !strcmp(text + strlen(text) - 6, "# EOF\n"));
	free(text);
}

/* No name comes twice: a page with one would be refused as a whole. */
static void test_families(void)
{
	char *text = page(true), *p, *end, *other;
	bool ok = true;

	for (p = text; (p = strstr(p, "# TYPE ")); p = end) {
		p += 7;
		end = p + strcspn(p, "\n");
		*end++ = '\0';
		p[strcspn(p, " ")] = '\0';
		for (other = end; (other = strstr(other, "# TYPE ")); other++)
			if (!strncmp(other + 7, p, strlen(p)) && other[7 + strlen(p)] == ' ')
				ok = ktap_ok(false, "%s comes twice", p);
	}
	ktap_ok(ok, "no family comes twice");
	free(text);
}

static void test_absent(void)
{
	char *text;

	module_answer = -EOPNOTSUPP;
	history_error = "disk full";
	text = page(true);
	ktap_has("no module", "\nxfrm_invspi_up 0\n", text);
	ktap_ok(!strstr(text, "xfrm_invspi_packets"), "and none of its numbers");
	ktap_has("no history", "\ninvspid_history_ok 0\n", text);
	free(text);
	conf.metrics_connections = 4096;
	text = page(true);
	ktap_has("room for all", "{connection=\"gw5\"} 6\n", text);
	ktap_has("but for the one", "{connection=\"(others)\"} 0\n", text);
	free(text);
}

int main(int argc, char **argv)
{
	char *text;
	size_t len;

	make_up();
	if (argc > 1) {
		text = metrics_page(&d, !strcmp(argv[1], "open"), &len);
		return !text || fputs(text, stdout) < 0;
	}
	test_page(false);
	test_page(true);
	test_families();
	test_absent();
	return ktap_done();
}
