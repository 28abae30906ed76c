/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The strongSwan backend with a scripted daemon behind it: what the daemon has, what
 * the backend tells of it, and the steps that the tests are made of.
 */
#ifndef SELFTESTS_UNIT_FAKE_CHARON_H
#define SELFTESTS_UNIT_FAKE_CHARON_H

#include "fake_vici.h"
#include "ike.h"
#include "ktap.h"

/* What the scripted daemon has and does. */
static struct script {
	int conns; /* how many connections are loaded */
	int conns_listed; /* how often */
	int sas; /* how many IKE_SAs, with two children each */
	int large; /* number of one that is too large for a message, of connection @large_conn */
	bool large_part; /* so is one child */
	const char *large_conn;
	bool no_filters; /* for children, as before 5.9.6 */
	bool libipsec;
	bool bad_sa; /* the second one can't be understood */
	bool mute_blocking; /* blocking listings get no answer */
	bool mute; /* nothing does */
	const char *answer; /* of commands: "yes", or an errmsg */
	int matches;
	char command[256]; /* the last one, with its arguments */
	int registered;
} script;

static uv_loop_t loop;
static struct fake fake;
static char socket_path[64];

static void put_child(struct vici_buf *b, const char *name, int id, const char *state,
		      unsigned int spi, int age)
{
	char key[64];

	snprintf(key, sizeof(key), "%s-%d", name, id);
	vici_put_section(b, key);
	vici_put(b, "name", name);
	vici_putf(b, "uniqueid", "%d", id);
	vici_put(b, "reqid", "7");
	vici_put(b, "state", state);
	vici_put(b, "mode", "TUNNEL");
	vici_put(b, "protocol", "ESP");
	vici_put(b, "encap", "yes");
	vici_putf(b, "spi-in", "%.8x", spi);
	vici_putf(b, "spi-out", "%.8x", spi + 1);
	vici_put(b, "mark-in", "00000007");
	vici_put(b, "if-id-in", "0000002a");
	vici_put(b, "if-id-out", "0000002b");
	vici_put(b, "encr-alg", "AES_CBC");
	vici_put(b, "encr-keysize", "128");
	vici_put(b, "integ-alg", "HMAC_SHA2_256_128");
	vici_put(b, "esn", "1");
	vici_put(b, "bytes-in", "84");
	vici_put(b, "packets-in", "18446744073709551615");
	vici_putf(b, "install-time", "%d", age);
	vici_put_list(b, "local-ts");
	vici_put_item(b, "10.1.0.0/16");
	vici_put_item(b, "10.3.0.0/16");
	vici_put_list_end(b);
	vici_put_list(b, "remote-ts");
	vici_put_list_end(b);
	vici_put_section_end(b);
}

static void put_ike(struct vici_buf *b, int id)
{
	vici_putf(b, "uniqueid", "%d", id);
	vici_put(b, "version", "2");
	vici_put(b, "state", "ESTABLISHED");
	vici_put(b, "local-host", "192.0.2.1");
	vici_put(b, "local-port", "4500");
	vici_put(b, "local-id", "a.example");
	vici_put(b, "remote-host", "2001:db8::2");
	vici_put(b, "remote-port", "4500");
	vici_put(b, "remote-id", "b.example");
	vici_put(b, "initiator", "yes");
	vici_put(b, "initiator-spi", "fedcba9876543210");
	vici_put(b, "nat-any", "yes");
	vici_put(b, "new-in-some-version", "x");
}

/* @child: only the one of that name */
static void put_sa(struct vici_buf *b, int id, const char *child)
{
	vici_putf(b, "up", "%s", "yes");
	b->len = 0; /* only to have the buffer */
	vici_put_section(b, id == script.large ? script.large_conn : "gw");
	put_ike(b, id);
	vici_put_list(b, "tasks-queued");
	vici_put_item(b, "CHILD_REKEY");
	vici_put_list_end(b);
	vici_put_section(b, "child-sas");
	if (!child || !strcmp(child, "net"))
		put_child(b, "net", 2 * id, "INSTALLED", 0xc0000000 + 4 * id, 5);
	if (!child || !strcmp(child, "net2"))
		put_child(b, "net2", 2 * id + 1, "DELETED", 0xc0000002 + 4 * id, 5);
	vici_put_section_end(b);
	vici_put_section_end(b);
}

static void put_conn(struct vici_buf *b, int n)
{
	char name[32];

	snprintf(name, sizeof(name), "gw%d", n);
	vici_put_section(b, name);
	vici_put_list(b, "local_addrs");
	vici_put_item(b, "192.0.2.1");
	vici_put_list_end(b);
	vici_put_list(b, "remote_addrs");
	if (!n) {
		vici_put_item(b, "192.0.2.2");
		vici_put_item(b, "2001:db8::2");
		vici_put_item(b, "peer.example");
	} else {
		vici_put_item(b, n == 1 ? "%any" : "0.0.0.0");
		vici_put_item(b, "192.0.2.0/24");
	}
	vici_put_list_end(b);
	vici_put(b, "version", n ? "IKEv1/2" : "IKEv2");
	vici_put(b, "unique", "UNIQUE_NO");
	vici_put_section(b, "remote-1");
	vici_put(b, "class", n == 1 ? "EAP" : "pre-shared key");
	vici_put_section_end(b);
	vici_put_section(b, "children");
	vici_put_section(b, "net");
	vici_put(b, "mode", "TUNNEL");
	vici_put_list(b, "local-ts");
	vici_put_list_end(b);
	vici_put_section_end(b);
	vici_put_section(b, "net2");
	vici_put_section_end(b);
	vici_put_section_end(b);
	vici_put_section_end(b);
}

static void send_conns(struct fake_client *c)
{
	struct vici_buf b = { 0 };
	int i;

	for (i = 0; i < script.conns; i++) {
		put_conn(&b, i);
		fake_send(c, VICI_EVENT, "list-conn", &b);
		vici_buf_free(&b);
	}
	fake_send(c, VICI_CMD_RESPONSE, NULL, NULL);
}

static void send_names(struct fake_client *c)
{
	struct vici_buf b = { 0 };
	char name[32];
	int i;

	vici_put_list(&b, "conns");
	for (i = 0; i < script.conns; i++) {
		snprintf(name, sizeof(name), "gw%d", i);
		vici_put_item(&b, name);
	}
	vici_put_list_end(&b);
	fake_send(c, VICI_CMD_RESPONSE, NULL, &b);
	vici_buf_free(&b);
}

/* The value of an argument of a request, NULL if it has none of that name. */
static const char *argument(const uint8_t *msg, size_t len, const char *name)
{
	static char value[64];
	struct vici_parser p;
	struct vici_element e;

	vici_parser_init(&p, msg, len);
	while (vici_next(&p, &e) == VICI_KEY_VALUE) {
		if (vici_str_is(e.name, name)) {
			snprintf(value, sizeof(value), "%.*s", (int)e.value.len, e.value.s);
			return value;
		}
	}
	return NULL;
}

/* As charon: with filters for children every IKE_SA is listed, if need be without any. */
static void send_sas(struct fake_client *c, const uint8_t *msg, size_t len)
{
	bool none = !script.no_filters && argument(msg, len, "child-id");
	struct vici_buf b = { 0 };
	const char *text;
	char child[64] = "";
	int i, id;

	text = argument(msg, len, "child");
	if (text && !script.no_filters)
		snprintf(child, sizeof(child), "%s", text);
	text = argument(msg, len, "ike-id");
	id = text ? atoi(text) : 0;
	for (i = 0; i < script.sas; i++) {
		if (id && id != i + 1)
			continue;
		if (i + 1 == script.large && !none &&
		    (!child[0] || (script.large_part && !strcmp(child, "net2"))))
			continue;
		put_sa(&b, i + 1, none ? "" : child[0] ? child : NULL);
		/* cut at a child's end: what is left is nested wrongly */
		if (script.bad_sa && i == 1)
			b.len -= 2;
		fake_send(c, VICI_EVENT, "list-sa", &b);
		vici_buf_free(&b);
	}
	fake_send(c, VICI_CMD_RESPONSE, NULL, NULL);
}

static void note_command(const char *name, const uint8_t *msg, size_t len)
{
	struct vici_parser p;
	struct vici_element e;
	size_t n;

	n = snprintf(script.command, sizeof(script.command), "%s", name);
	vici_parser_init(&p, msg, len);
	while (vici_next(&p, &e) == VICI_KEY_VALUE && n < sizeof(script.command))
		n += snprintf(script.command + n, sizeof(script.command) - n, " %.*s=%.*s",
			      (int)e.name.len, e.name.s, (int)e.value.len, e.value.s);
}

static void send_answer(struct fake_client *c)
{
	bool yes = !strcmp(script.answer, "yes");
	struct vici_buf b = { 0 };

	vici_put(&b, "success", yes ? "yes" : "no");
	vici_putf(&b, "matches", "%d", script.matches);
	if (!yes)
		vici_put(&b, "errmsg", script.answer);
	fake_send(c, VICI_CMD_RESPONSE, NULL, &b);
	vici_buf_free(&b);
}

static void on_request(struct fake_client *c, int type, struct vici_str name, const uint8_t *msg,
		       size_t len)
{
	struct vici_buf b = { 0 };
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)name.len, name.s);
	if (script.mute)
		return;
	if (type == VICI_EVENT_REGISTER) {
		script.registered++;
		fake_send(c, VICI_EVENT_CONFIRM, NULL, NULL);
	} else if (!strcmp(text, "version")) {
		vici_put(&b, "version", "5.9.8");
		fake_send(c, VICI_CMD_RESPONSE, NULL, &b);
	} else if (!strcmp(text, "stats")) {
		vici_put_section(&b, "uptime");
		vici_put_section_end(&b);
		vici_put_list(&b, "plugins");
		vici_put_item(&b, script.libipsec ? "kernel-libipsec" : "kernel-netlink");
		vici_put_list_end(&b);
		fake_send(c, VICI_CMD_RESPONSE, NULL, &b);
	} else if (!strcmp(text, "list-conns")) {
		script.conns_listed++;
		send_conns(c);
	} else if (!strcmp(text, "get-conns")) {
		send_names(c);
	} else if (!strcmp(text, "list-sas")) {
		/* Not those that look for what is too large. */
		if (!argument(msg, len, "child-id") && !argument(msg, len, "ike-id"))
			note_command(text, msg, len);
		if (!script.mute_blocking || argument(msg, len, "noblock"))
			send_sas(c, msg, len);
	} else {
		note_command(text, msg, len);
		if (script.answer)
			send_answer(c);
	}
	vici_buf_free(&b);
}

/* ---- what the backend tells ---- */

static struct told {
	struct ike *ike;
	enum daemon_state state;
	char why[256];
	int states, ups, downs, rekeys, ike_updowns, logs;
	char down[128], rekey[128], log[128];
	enum sa_end end;
	bool free_at_state, free_at_down, free_at_log;

	int lists, list_err, list_nsa;
	bool free_at_list;
	struct ike_listing *kept;
	int dones, done_err;
	char errmsg[128];
	bool done, free_at_done;
} told;

static void free_ike(void)
{
	struct ike *ike = told.ike;

	told.ike = NULL;
	ike_free(ike);
}

static void on_state(void *arg, enum daemon_state state, const char *why)
{
	(void)arg;
	told.states++;
	told.state = state;
	snprintf(told.why, sizeof(told.why), "%s", why);
	told.done = true;
	if (told.free_at_state)
		free_ike();
}

static void on_child_up(void *arg, const char *conn, const char *child)
{
	(void)arg, (void)conn, (void)child;
	told.ups++;
	told.done = true;
}

static void on_child_down(void *arg, const char *conn, const char *child, uint32_t spi_in,
			  uint8_t proto, enum sa_end end)
{
	(void)arg;
	told.downs++;
	told.end = end;
	snprintf(told.down, sizeof(told.down), "%s/%s %08x %d", conn, child, spi_in, proto);
	told.done = true;
	if (told.free_at_down)
		free_ike();
}

static void on_child_rekey(void *arg, const char *conn, const char *child, uint32_t old,
			   uint32_t new, uint8_t proto)
{
	(void)arg;
	told.rekeys++;
	snprintf(told.rekey, sizeof(told.rekey), "%s/%s %08x %08x %d", conn, child, old, new,
		 proto);
	told.done = true;
}

static void on_ike_updown(void *arg, const char *conn, const char *remote_id, uint32_t ike_id,
			  bool up)
{
	(void)arg, (void)conn, (void)remote_id, (void)ike_id, (void)up;
	told.ike_updowns++;
}

static void on_log(void *arg, const char *group, const char *conn, uint32_t ike_id, const char *msg)
{
	(void)arg;
	told.logs++;
	snprintf(told.log, sizeof(told.log), "%s %s %u %s", group, conn ? conn : "-", ike_id, msg);
	if (told.free_at_log)
		free_ike();
}

static const struct ike_events events = {
	.state = on_state,
	.child_up = on_child_up,
	.child_down = on_child_down,
	.child_rekey = on_child_rekey,
	.ike_updown = on_ike_updown,
	.log = on_log,
};

static void on_list(void *arg, int err, struct ike_listing *l)
{
	(void)arg;
	told.lists++;
	told.list_err = err;
	told.list_nsa = l ? (int)l->nsa : -1;
	if (l && !told.kept)
		told.kept = ike_listing_get(l);
	told.done = true;
	if (told.free_at_list && told.ike)
		free_ike();
}

static void on_done(void *arg, int err, const char *errmsg)
{
	(void)arg;
	told.dones++;
	told.done_err = err;
	snprintf(told.errmsg, sizeof(told.errmsg), "%s", errmsg ? errmsg : "");
	told.done = true;
	if (told.free_at_done && told.ike)
		free_ike();
}

/* ---- helpers ---- */

/* What a test of an answer that does not come can wait for; a busy machine may be slower. */
static int request_ms = 100;

static void begin_with(int conns)
{
	struct ike_options opt = {
		.kind = IKE_STRONGSWAN,
		.vici = socket_path,
		.settle_ms = 300,
		.timeout_ms = request_ms,
		.backoff_min_ms = 20,
		.backoff_max_ms = 100,
	};

	memset(&script, 0, sizeof(script));
	memset(&told, 0, sizeof(told));
	script.conns = conns;
	script.sas = 1;
	script.answer = "yes";
	script.matches = 1;
	fake_init(&fake, &loop);
	fake.request = on_request;
	fake_listen(&fake, socket_path);
	told.ike = ike_new(&loop, &opt, &events, NULL);
	fake_must(told.ike, "ike_new");
}

static bool wait_state(enum daemon_state state, int64_t ms)
{
	uint64_t end = uv_hrtime() + ms * 1000000ULL;

	while (told.state != state && uv_hrtime() < end) {
		told.done = false;
		fake_run(&loop, &told.done, 50);
	}
	return told.state == state;
}

static void begin(void)
{
	begin_with(1);
	fake_must(wait_state(DAEMON_READY, 5000), "the backend never got ready");
}

static bool wait_done(void)
{
	return fake_run(&loop, &told.done, 5000);
}

static void end(void)
{
	ike_listing_put(told.kept);
	told.kept = NULL;
	if (told.ike)
		free_ike();
	fake_stop(&fake, false);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* The client that has registered for events is the first one. */
static void event(const char *name, const struct vici_buf *b)
{
	fake_send(&fake.client[0], VICI_EVENT, name, b);
}

static void say(const char *group, uint32_t ike_id, const char *msg)
{
	struct vici_buf b = { 0 };

	vici_put(&b, "group", group);
	vici_put(&b, "level", "1");
	vici_put(&b, "thread", "7");
	if (ike_id) {
		vici_put(&b, "ikesa-name", "gw");
		vici_putf(&b, "ikesa-uniqueid", "%u", ike_id);
	}
	vici_put(&b, "msg", msg);
	event("log", &b);
	vici_buf_free(&b);
}

static void child_goes(const char *name, int id, unsigned int spi)
{
	struct vici_buf b = { 0 };

	vici_put_section(&b, "gw");
	put_ike(&b, 1);
	vici_put_section(&b, "child-sas");
	put_child(&b, name, id, "DELETED", spi, 5);
	vici_put_section_end(&b);
	vici_put_section_end(&b);
	event("child-updown", &b);
	vici_buf_free(&b);
}

#endif
