// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what the IKE daemon sends. The first byte of an input says what
 * the rest is taken for: a message that one of the parsers gets, or the bytes of a
 * connection. corpus/vici has messages of real daemons, 5.9.8 and 6.0.1.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "ike_vici_cause.h"
#include "ike_vici_parse.h"
#include "vici.h"

/* Kept over all inputs, as the daemon's log goes on. */
static struct causes causes;
static int64_t now;
static size_t used;

static void must_be_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	while (len--)
		must(!*b++);
}

/* A text must be readable to its end, and what it says of itself must hold. */
static void use(const char *s)
{
	used += strlen(s);
}

static void use_sa(const struct ike_sa *sa)
{
	size_t i;

	must(sa->uniqueid);
	use(sa->conn);
	use(sa->local_id);
	use(sa->remote_id);
	must(!sa->task_child || sa->task_any);
	for (i = 0; i < sa->nchild; i++) {
		struct cause_child child = {
			.conn = sa->conn,
			.child = sa->child[i].name,
			.ike_id = sa->uniqueid,
			.child_id = sa->child[i].uniqueid,
			.spi_in = sa->child[i].spi_in,
			.spi_out = sa->child[i].spi_out,
			.installed_at = now,
		};

		must(sa->child[i].uniqueid);
		use(sa->child[i].name);
		must(!sa->child[i].spi_in || sa->child[i].proto);
		use(sa->child[i].mode);
		use(sa->child[i].algs);
		use(sa->child[i].local_ts);
		use(sa->child[i].remote_ts);
		cause_find(&causes, &child, now);
	}
}

static void walk(const uint8_t *msg, size_t len)
{
	struct vici_parser p;
	struct vici_element e;
	uint64_t n;
	int type;

	vici_parser_init(&p, msg, len);
	while ((type = vici_next(&p, &e)) > 0) {
		must(p.depth <= VICI_DEPTH_MAX);
		must(e.name.len <= VICI_NAME_MAX && e.value.len <= VICI_VALUE_MAX);
		vici_str_number(e.value, 16, UINT32_MAX, &n);
		if (type == VICI_LIST_START || (type == VICI_SECTION_START && e.name.len == 4))
			vici_skip(&p);
	}
	must(type == VICI_END || vici_next(&p, &e) == -EBADMSG);
}

static void sa(const uint8_t *msg, size_t len)
{
	struct ike_sa s = { 0 };

	if (parse_list_sa(msg, len, &s))
		must_be_zero(&s, sizeof(s));
	else
		use_sa(&s);
	ike_sa_clear(&s);
}

static void conn(const uint8_t *msg, size_t len)
{
	struct ike_conn c = { 0 };
	size_t i;

	if (parse_list_conn(msg, len, &c)) {
		must_be_zero(&c, sizeof(c));
	} else {
		must(c.dynamic == !c.nremote);
		use(c.name);
		use(c.unique);
		for (i = 0; i < c.nchild; i++)
			use(c.child[i]);
	}
	ike_conn_clear(&c);
}

static void updown(const uint8_t *msg, size_t len)
{
	struct vici_updown u = { 0 };

	if (parse_updown(msg, len, &u))
		must_be_zero(&u.sa, sizeof(u.sa));
	else
		use_sa(&u.sa);
	ike_sa_clear(&u.sa);
}

static void rekey(const uint8_t *msg, size_t len)
{
	struct vici_rekey r = { 0 };

	if (parse_rekey(msg, len, &r))
		must_be_zero(&r, sizeof(r));
	else
		must(r.old.name && r.new.name);
	ike_sa_clear(&r.sa);
	ike_child_clear(&r.old);
	ike_child_clear(&r.new);
}

static void line(const uint8_t *msg, size_t len)
{
	struct vici_log l = { 0 };

	if (!parse_log(msg, len, &l))
		cause_log(&causes, &l, ++now);
}

static void answer(const uint8_t *msg, size_t len)
{
	struct vici_answer a = { 0 };

	if (parse_answer(msg, len, &a))
		must_be_zero(&a, sizeof(a));
	free(a.errmsg);
}

static void stats(const uint8_t *msg, size_t len)
{
	bool libipsec = false;

	parse_stats(msg, len, &libipsec);
}

static void version(const uint8_t *msg, size_t len)
{
	char *v = NULL;

	must(!parse_version(msg, len, &v) == !!v);
	free(v);
}

static unsigned int replies, closed;

static void on_reply(void *arg, int err, const uint8_t *msg, size_t len)
{
	(void)arg;
	replies++;
	if (!err)
		walk(msg, len);
}

static void on_item(void *arg, const uint8_t *msg, size_t len)
{
	(void)arg;
	sa(msg, len);
}

static void on_event(void *arg, struct vici_str name, const uint8_t *msg, size_t len)
{
	(void)arg;
	if (vici_str_is(name, "log"))
		line(msg, len);
	else
		updown(msg, len);
}

static void on_closed(void *arg, int err)
{
	(void)arg;
	(void)err;
	closed++;
}

/* Bytes of a connection: a registration and a command are on their way. */
static void stream(const uint8_t *bytes, size_t len)
{
	static const struct vici_ops ops = { .event = on_event, .closed = on_closed };
	struct vici_request q = {
		.command = "list-sas",
		.stream = "list-sa",
		.item = on_item,
		.timeout_ms = 10000,
		.cb = on_reply,
	};
	struct vici *v;
	uv_loop_t loop;
	int fd[2], err;

	/* more would need a reader while it is written */
	if (len > 65536)
		return;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	must(!uv_loop_init(&loop));
	v = vici_attach(&loop, fd[0], &ops, NULL, &err);
	must(v);
	replies = 0;
	closed = 0;
	must(!vici_register(v, "list-sa", 10000, on_reply, NULL));
	must(!vici_send(v, &q));
	must(write(fd[1], bytes, len) == (ssize_t)len);
	shutdown(fd[1], SHUT_WR);
	uv_run(&loop, UV_RUN_DEFAULT);
	must(replies == 2 && closed == 1);
	vici_close(v);
	uv_run(&loop, UV_RUN_DEFAULT);
	must(!uv_loop_close(&loop));
	close(fd[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const take[])(const uint8_t *, size_t) = {
		walk, sa, conn, updown, rekey, line, answer, stats, version, stream,
	};

	if (size && data[0] < sizeof(take) / sizeof(take[0]))
		take[data[0]](data + 1, size - 1);
	return 0;
}
