// SPDX-License-Identifier: GPL-2.0-only
/*
 * VICI: a connection to a daemon that does what daemons should not.
 */
#include "fake_vici.h"
#include "ktap.h"

static uv_loop_t loop;

struct client {
	struct vici *v;
	int replies, items, events, closed;
	int last_err, closed_err;
	char last[64]; /* value of "x" in the last answer */
	bool done;
	bool close_in_reply, close_in_item, close_in_event, close_in_closed;
};

static void take_x(struct client *c, const uint8_t *msg, size_t len)
{
	struct vici_parser p;
	struct vici_element e;

	c->last[0] = '\0';
	vici_parser_init(&p, msg, len);
	while (vici_next(&p, &e) > 0)
		if (vici_str_is(e.name, "x"))
			snprintf(c->last, sizeof(c->last), "%.*s", (int)e.value.len, e.value.s);
}

static void close_client(struct client *c)
{
	struct vici *v = c->v;

	c->v = NULL;
	vici_close(v);
}

static void on_reply(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct client *c = arg;

	c->replies++;
	c->last_err = err;
	take_x(c, msg, len);
	c->done = true;
	if (c->close_in_reply) {
		c->close_in_reply = false;
		close_client(c);
	}
}

static void on_item(void *arg, const uint8_t *msg, size_t len)
{
	struct client *c = arg;

	(void)msg;
	(void)len;
	c->items++;
	if (c->close_in_item)
		close_client(c);
}

static void on_event(void *arg, struct vici_str name, const uint8_t *msg, size_t len)
{
	struct client *c = arg;

	(void)name;
	(void)msg;
	(void)len;
	c->events++;
	if (c->close_in_event)
		close_client(c);
}

static void on_closed(void *arg, int err)
{
	struct client *c = arg;

	c->closed++;
	c->closed_err = err;
	c->done = true;
	if (c->close_in_closed)
		close_client(c);
}

static const struct vici_ops ops = { .event = on_event, .closed = on_closed };

static void keep_silent(struct fake_client *c, int type, struct vici_str name, const uint8_t *msg,
			size_t len)
{
	(void)c, (void)type, (void)name, (void)msg, (void)len;
}

/* Answers "NAME" with {x=NAME}, "list-N" with N items first; knows no "unknown". */
static void echo(struct fake_client *c, int type, struct vici_str name, const uint8_t *msg,
		 size_t len)
{
	struct vici_buf b = { 0 };
	char text[256];
	int i, n;

	(void)msg;
	(void)len;
	snprintf(text, sizeof(text), "%.*s", (int)name.len, name.s);
	if (!strcmp(text, "unknown")) {
		fake_send(c, type == VICI_CMD_REQUEST ? VICI_CMD_UNKNOWN : VICI_EVENT_UNKNOWN, NULL,
			  NULL);
		return;
	}
	if (type == VICI_EVENT_REGISTER) {
		fake_send(c, VICI_EVENT_CONFIRM, NULL, NULL);
		return;
	}
	vici_put(&b, "x", text);
	if (sscanf(text, "list-%d", &n) == 1)
		for (i = 0; i < n; i++)
			fake_send(c, VICI_EVENT, "item", &b);
	fake_send(c, VICI_CMD_RESPONSE, NULL, &b);
	vici_buf_free(&b);
}

static struct fake fake;
static struct fake_client *server;

static void begin(struct client *c, void (*request)(struct fake_client *, int, struct vici_str,
						    const uint8_t *, size_t))
{
	int err;

	memset(c, 0, sizeof(*c));
	fake_init(&fake, &loop);
	fake.request = request;
	c->v = vici_attach(&loop, fake_pair(&fake, &server), &ops, c, &err);
	fake_must(c->v, "vici_attach");
}

static void end(struct client *c)
{
	close_client(c);
	fake_stop(&fake, false);
	uv_run(&loop, UV_RUN_DEFAULT); /* until no handle is left */
}

static int ask(struct client *c, const char *command, int64_t timeout_ms)
{
	struct vici_request q = {
		.command = command,
		.stream = "item",
		.item = on_item,
		.timeout_ms = timeout_ms,
		.cb = on_reply,
		.arg = c,
	};

	c->done = false;
	return vici_send(c->v, &q);
}

static void test_ask(void)
{
	struct client c;
	int i;

	begin(&c, echo);
	ktap_int("a request is taken", 0, ask(&c, "hello", 1000));
	ktap_int("its callback does not come from inside the call", 0, c.replies);
	fake_run(&loop, &c.done, 2000);
	ktap_str("the answer", "hello", c.last);
	ktap_ok(vici_idle(c.v), "then the connection is idle");
	ask(&c, "list-500", 2000);
	fake_run(&loop, &c.done, 5000);
	ktap_int("500 items of a streamed answer", 500, c.items);
	ktap_int("none of them is an event for the owner", 0, c.events);
	ask(&c, "unknown", 1000);
	fake_run(&loop, &c.done, 2000);
	ktap_int("a command that the daemon does not know", -EOPNOTSUPP, c.last_err);
	c.done = false;
	vici_register(c.v, "unknown", 1000, on_reply, &c);
	fake_run(&loop, &c.done, 2000);
	ktap_int("an event that it does not know", -EOPNOTSUPP, c.last_err);
	c.done = false;
	vici_register(c.v, "log", 1000, on_reply, &c);
	fake_run(&loop, &c.done, 2000);
	ktap_int("one that it knows", 0, c.last_err);
	fake_send(server, VICI_EVENT, "log", NULL);
	fake_run_for(&loop, 20);
	ktap_int("an event at any time", 1, c.events);
	c.replies = 0;
	for (i = 0; i < 10; i++)
		ask(&c, i == 9 ? "last" : "more", 1000);
	for (i = 0; i < 100 && c.replies < 10; i++)
		fake_run_for(&loop, 10);
	ktap_int("ten requests at once, ten answers", 10, c.replies);
	ktap_str("in their order", "last", c.last);
	end(&c);
	ktap_int("no closing is told to who closed", 0, c.closed);
}

/* What is on the wire for "list-2" with event and answer, for cutting it up. */
static size_t wire_answer(uint8_t *wire, size_t size)
{
	struct fake_client tmp = { .fake = &fake };
	struct vici_buf b = { 0 };
	int fd[2];
	size_t n;

	fake_must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd), "socketpair");
	tmp.fd = fd[0];
	vici_put(&b, "x", "cut");
	fake_send(&tmp, VICI_EVENT, "item", &b);
	fake_send(&tmp, VICI_EVENT, "other", &b);
	fake_send(&tmp, VICI_CMD_RESPONSE, NULL, &b);
	n = recv(fd[1], wire, size, 0);
	close(fd[0]);
	close(fd[1]);
	vici_buf_free(&b);
	return n;
}

static void reset_counts(struct client *c)
{
	c->items = 0;
	c->events = 0;
	c->replies = 0;
}

static void test_segmentation(void)
{
	uint8_t wire[256];
	unsigned int good = 0;
	struct client c;
	size_t len, cut;

	begin(&c, keep_silent);
	len = wire_answer(wire, sizeof(wire));
	for (cut = 0; cut <= len; cut++) {
		reset_counts(&c);
		ask(&c, "cut", 1000);
		fake_run_for(&loop, 1);
		fake_raw(server, wire, cut);
		fake_run_for(&loop, 1);
		fake_raw(server, wire + cut, len - cut);
		fake_run(&loop, &c.done, 1000);
		good += c.items == 1 && c.events == 1 && c.replies == 1 && !c.last_err &&
			!strcmp(c.last, "cut");
	}
	ktap_int("cut in two at every byte, the same answer", len + 1, good);
	reset_counts(&c);
	ask(&c, "cut", 2000);
	fake_run_for(&loop, 1);
	for (cut = 0; cut < len; cut++) {
		fake_raw(server, wire + cut, 1);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	fake_run(&loop, &c.done, 1000);
	ktap_int("byte by byte too", 0, c.last_err);
	ktap_int("and once", 1, c.replies);
	end(&c);
}

static void test_large(void)
{
	struct vici_buf b = { 0 };
	struct vici_request q = {
		.command = "big",
		.args = &b,
		.timeout_ms = 2000,
		.cb = on_reply,
	};
	struct client c;
	char *big = malloc(60001);
	int i;

	memset(big, 'y', 60000);
	big[60000] = '\0';
	for (i = 0; i < 8; i++)
		vici_put(&b, "big", big);
	vici_put(&b, "x", "whole");
	begin(&c, keep_silent);
	ask(&c, "large", 2000);
	fake_run_for(&loop, 5);
	fake_send(server, VICI_CMD_RESPONSE, NULL, &b);
	fake_run(&loop, &c.done, 2000);
	ktap_str("an answer of 480 KB", "whole", c.last);
	q.arg = &c;
	ktap_int("a request of 480 KB is taken", 0, vici_send(c.v, &q));
	fake_run_for(&loop, 200);
	ktap_int("and arrives", 2, fake.requests);
	end(&c);
	vici_buf_free(&b);
	free(big);
}

/* The daemon sends @bytes while a request is under way; the connection must end. */
static void nonsense(const char *name, const void *bytes, size_t len, int expected)
{
	struct client c;

	begin(&c, keep_silent);
	ask(&c, "x", 2000);
	fake_run_for(&loop, 2);
	fake_raw(server, bytes, len);
	while (!c.closed && fake_run(&loop, &c.done, 1000))
		c.done = false;
	ktap_int(name, expected, c.closed_err);
	ktap_ok(c.replies == 1 && c.last_err == -ENOTCONN && c.closed == 1,
		"%s: one callback with ENOTCONN, one closing (%d, %d, %d)", name, c.replies,
		c.last_err, c.closed);
	ktap_int("and nothing more can be asked", -ENOTCONN, ask(&c, "y", 1000));
	end(&c);
}

static void test_nonsense(void)
{
	struct client c;

	nonsense("a segment of 512 KiB and a byte", "\0\10\0\1", 4, -EMSGSIZE);
	nonsense("one of 4 GiB", "\377\377\377\377", 4, -EMSGSIZE);
	nonsense("an empty one", "\0\0\0\0", 4, -EBADMSG);
	nonsense("an unknown type", "\0\0\0\1\10", 5, -EBADMSG);
	nonsense("a request", "\0\0\0\3\0\1x", 7, -EBADMSG);
	nonsense("an event without name", "\0\0\0\1\7", 5, -EBADMSG);
	nonsense("an event whose name is too long", "\0\0\0\3\7\5x", 7, -EBADMSG);
	nonsense("a confirmation of nothing", "\0\0\0\1\5", 5, -EBADMSG);
	begin(&c, keep_silent);
	fake_raw(server, "\0\0\0\1\1", 5);
	fake_run(&loop, &c.done, 1000);
	ktap_int("an answer that nobody asked for", -EBADMSG, c.closed_err);
	end(&c);
}

static void test_late_answer(void)
{
	struct vici_buf late = { 0 }, second = { 0 };
	struct client c;

	vici_put(&late, "x", "late");
	vici_put(&second, "x", "second");
	begin(&c, keep_silent);
	ask(&c, "slow", 30);
	fake_run(&loop, &c.done, 1000);
	ktap_int("a request without answer times out", -ETIMEDOUT, c.last_err);
	ktap_ok(vici_overdue(c.v) > 0 && !vici_idle(c.v), "the connection waits for its answer");
	ask(&c, "next", 2000);
	fake_run_for(&loop, 30);
	ktap_int("the next is held back", 1, fake.requests);
	ktap_int("without a callback", 1, c.replies);
	fake_send(server, VICI_EVENT, "item", &late);
	fake_send(server, VICI_CMD_RESPONSE, NULL, &late);
	fake_run_for(&loop, 30);
	ktap_ok(c.replies == 1 && !c.items, "the late answer is nobody's");
	ktap_int("now the next one is sent", 2, fake.requests);
	fake_send(server, VICI_CMD_RESPONSE, NULL, &second);
	fake_run(&loop, &c.done, 1000);
	ktap_str("and gets its own answer", "second", c.last);
	ktap_int("each callback came once", 2, c.replies);
	ktap_int("nothing is overdue", 0, vici_overdue(c.v));

	c.replies = 0;
	ask(&c, "stuck", 30);
	ask(&c, "behind", 50);
	fake_run_for(&loop, 150);
	ktap_int("what waits behind a stuck one times out too", 2, c.replies);
	ktap_int("and was never sent", 3, fake.requests);
	end(&c);
	ktap_int("closing does not call back again", 2, c.replies);
	vici_buf_free(&late);
	vici_buf_free(&second);
}

/* A listing of thousands of SAs: no part of it is late, but all of it takes long. */
static void test_long_answer(void)
{
	struct vici_buf item = { 0 };
	struct client c;
	int i;

	vici_put(&item, "x", "item");
	begin(&c, keep_silent);
	ask(&c, "long", 600);
	fake_run_for(&loop, 20);
	ask(&c, "behind", 600);
	for (i = 0; i < 10; i++) {
		fake_run_for(&loop, 150);
		fake_send(server, VICI_EVENT, "item", &item);
	}
	fake_run_for(&loop, 20);
	ktap_int("an answer of two timeouts whose parts keep coming: no timeout", 0, c.replies);
	ktap_int("all parts came", 10, c.items);
	fake_send(server, VICI_CMD_RESPONSE, NULL, &item);
	fake_run(&loop, &c.done, 1000);
	ktap_int("it ends well", 0, c.last_err);
	c.done = false;
	fake_run(&loop, &c.done, 2000);
	ktap_int("what waited behind it has its own time", -ETIMEDOUT, c.last_err);
	end(&c);

	begin(&c, keep_silent);
	ask(&c, "endless", 40);
	for (i = 0; i < 200 && !c.replies; i++) {
		fake_run_for(&loop, 10);
		fake_send(server, VICI_EVENT, "item", &item);
	}
	ktap_int("one that never ends does time out", -ETIMEDOUT, c.last_err);
	end(&c);
	vici_buf_free(&item);
}

static void test_disconnect(void)
{
	struct client c;

	begin(&c, keep_silent);
	ask(&c, "one", 1000);
	ask(&c, "two", 1000);
	fake_run_for(&loop, 2);
	fake_raw(server, "\0\0\0\20\1\3", 6); /* the beginning of an answer */
	fake_drop(server);
	while (!c.closed && fake_run(&loop, &c.done, 1000))
		c.done = false;
	ktap_int("a daemon that goes in mid answer", -ECONNRESET, c.closed_err);
	ktap_int("all requests end", 2, c.replies);
	ktap_int("with ENOTCONN", -ENOTCONN, c.last_err);
	end(&c);
}

/* The daemon dies with our request unread: its last words must still be heard. */
static void test_last_words(void)
{
	struct client c;

	begin(&c, keep_silent);
	fake_send(server, VICI_EVENT, "child-updown", NULL);
	fake_send(server, VICI_EVENT, "child-updown", NULL);
	ask(&c, "unread", 1000);
	fake_drop(server);
	while (!c.closed && fake_run(&loop, &c.done, 1000))
		c.done = false;
	ktap_int("events sent before the daemon died", 2, c.events);
	ktap_int("it is noticed", 1, c.closed);
	end(&c);
}

static void test_queue_limit(void)
{
	struct client c;
	int i, err = 0;

	begin(&c, keep_silent);
	for (i = 0; i < 1000 && !err; i++)
		err = ask(&c, "more", 1000);
	ktap_int("the queue is bounded", -ENOBUFS, err);
	ktap_int("one on its way and so many waiting", VICI_QUEUE_MAX + 1, i - 1);
	close_client(&c);
	ktap_int("closing ends them all", VICI_QUEUE_MAX + 1, c.replies);
	ktap_int("with ECANCELED", -ECANCELED, c.last_err);
	end(&c);
}

static void test_close_in_callback(void)
{
	struct client c;

	begin(&c, echo);
	c.close_in_reply = true;
	ask(&c, "one", 1000);
	ask(&c, "two", 1000);
	fake_run(&loop, &c.done, 1000);
	end(&c);
	ktap_int("closed in a callback: the others end", 2, c.replies);

	begin(&c, echo);
	c.close_in_item = true;
	ask(&c, "list-5", 1000);
	fake_run(&loop, &c.done, 1000);
	end(&c);
	ktap_ok(c.items == 1 && c.replies == 1 && c.last_err == -ECANCELED,
		"closed at the first item: no second one (%d, %d, %d)", c.items, c.replies,
		c.last_err);

	begin(&c, echo);
	c.close_in_event = true;
	fake_send(server, VICI_EVENT, "log", NULL);
	fake_send(server, VICI_EVENT, "log", NULL);
	fake_run_for(&loop, 20);
	end(&c);
	ktap_int("closed at an event: no second one", 1, c.events);

	begin(&c, keep_silent);
	c.close_in_reply = true;
	ask(&c, "slow", 10);
	ask(&c, "behind", 5000);
	fake_run_for(&loop, 50);
	end(&c);
	ktap_int("closed at a timeout", 2, c.replies);

	begin(&c, keep_silent);
	c.close_in_reply = true;
	ask(&c, "one", 1000);
	ask(&c, "two", 1000);
	fake_drop(server);
	fake_run_for(&loop, 20);
	end(&c);
	ktap_ok(c.replies == 2 && !c.closed, "closed when it breaks: not told again (%d, %d)",
		c.replies, c.closed);

	begin(&c, keep_silent);
	c.close_in_closed = true;
	fake_drop(server);
	fake_run(&loop, &c.done, 1000);
	end(&c);
	ktap_int("closed when told", 1, c.closed);
}

static void test_open(void)
{
	char long_path[300];
	struct vici *v;
	int err = 0;

	memset(long_path, 'p', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	v = vici_open(&loop, "/nonexistent/vici", &ops, NULL, &err);
	ktap_ok(!v && err == -ENOENT, "no socket there: ENOENT (%d)", err);
	v = vici_open(&loop, long_path, &ops, NULL, &err);
	ktap_ok(!v && err == -ENAMETOOLONG, "a path too long for a socket (%d)", err);
}

static void test_peer(void)
{
	struct client c;

	begin(&c, echo);
	ktap_int("the peer's process", getpid(), vici_peer(c.v));
	end(&c);
}

int main(void)
{
	uv_loop_init(&loop);
	test_ask();
	test_segmentation();
	test_large();
	test_nonsense();
	test_late_answer();
	test_long_answer();
	test_disconnect();
	test_last_words();
	test_queue_limit();
	test_close_in_callback();
	test_open();
	test_peer();
	ktap_int("no handle is left", 0, uv_loop_close(&loop));
	return ktap_done();
}
