// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what invspi makes of the bytes that come on the control socket.
 * The first byte of an input chooses text or JSON, the member that is shown, and by whom.
 */
#include "../../tools/invspi/control.c"
#include "fuzz.h"
#include "render.h"
#include "status.h"
#include "top.h"

static json_t *answer_of(const char *bytes, size_t len)
{
	struct invspi_err err = { "" };
	json_t *answer = NULL;
	char *buf = NULL;
	size_t n = 0;
	int fd[2], rc;

	/* more would need a reader while it is written */
	if (len > 65536)
		return NULL;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	must(!len || send(fd[1], bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
	close(fd[1]);
	rc = receive_line(fd[0], 1, &buf, &n, &err);
	must(!rc && n <= len);
	rc = parse_answer(buf, n, &answer, &err);
	must(rc ? !answer && err.text[0] && is_printable(err.text) : json_is_object(answer));
	free(buf);
	close(fd[0]);
	return answer;
}

typedef void (*print_fn)(struct invspi *inv, json_t *answer);

static void print_status(struct invspi *inv, json_t *answer)
{
	json_t *st = json_object_get(answer, "status");

	if (fmt_is_json(&inv->out))
		render(inv, answer, st, NULL);
	else if (st)
		status_print(inv, answer, st);
}

static void print_flows(struct invspi *inv, json_t *answer)
{
	explain_print(inv, answer, json_object_get(answer, "flows"));
}

static void print_holds(struct invspi *inv, json_t *answer)
{
	render(inv, answer, json_object_get(answer, "holds"), "no holds");
}

static void print_all(struct invspi *inv, json_t *answer)
{
	render(inv, answer, answer, "nothing");
}

/* What is shown has no control byte but those that part lines. */
static void show(json_t *answer, print_fn print, enum fmt_mode mode)
{
	char *text = NULL, *p;
	struct invspi inv = { 0 };
	size_t len;
	FILE *f = open_memstream(&text, &len);

	must(f);
	fmt_init(&inv.out, f, mode);
	print(&inv, answer);
	fclose(f);
	must(strlen(text) == len);
	for (p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	must(mode == FMT_TEXT ? is_printable(text) : is_ascii(text));
	free(text);
}

static void top(json_t *answer)
{
	struct top_sample s = { 0 };
	struct top_flow *f = calloc(1, sizeof(*f));
	size_t i;

	/* what the module has: a flow that the answer may tell something of */
	must(f);
	f->flow.family = AF_INET;
	f->flow.proto = IPPROTO_ESP;
	f->flow.src.b[0] = 1;
	f->flow.dst.b[0] = 2;
	f->flow.spi = 256;
	s.flow = f;
	s.nflow = 1;
	top_take_answer(&s, answer);
	top_rates(&s, NULL);
	must(is_printable(f->conn) && is_printable(f->child) && is_printable(f->grade));
	must(is_printable(f->action) && is_printable(f->why) && is_printable(f->blocked));
	for (i = 0; i < s.nconn; i++) {
		must(is_printable(s.conn[i].name) && is_printable(s.conn[i].peer));
		must(is_printable(s.conn[i].mode) && is_printable(s.conn[i].action));
		must(is_printable(s.conn[i].outcome));
	}
	top_sample_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const print_fn prints[] = {
		print_status,
		print_flows,
		print_holds,
		print_all,
	};
	struct input in = { data, size };
	uint8_t how = take_byte(&in);
	json_t *answer = answer_of((const char *)in.p, in.left);

	if (!answer)
		return 0;
	if (how % 5 < 4)
		show(answer, prints[how % 5], (enum fmt_mode)(how / 5 % 3));
	else
		top(answer);
	json_decref(answer);
	return 0;
}
