// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: one line of JSON in, one line of JSON out, then closed.
 *
 * Only root gets in (mode 0600). A client that never reads or never writes is
 * cut off after a while, and there are never more than a few.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"
#include "fmt.h"
#include "log.h"
#include "parse.h"

#define CLIENTS_MAX 16
#define REQUEST_MAX 4096
#define CLIENT_MS 10000
#define EXPLAIN_MAX 256

struct control {
	struct invspid *d;
	uv_pipe_t server;
	char *path;
	unsigned int clients;
	struct client *client;
	bool closed;
};

struct client {
	struct client *next;
	struct control *c;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	char request[REQUEST_MAX];
	size_t len;
	char *answer;
	json_t *args;
	int closing;
};

/* Any bytes as a JSON string: what is not UTF-8 is shown as \xNN. */
static json_t *text(const char *s)
{
	char buf[1024];
	json_t *j = json_string(s);

	if (j)
		return j;
	fmt_escape(buf, sizeof(buf), s, strlen(s));
	return json_string(buf);
}

static json_t *text_addr(int family, const uint8_t *addr)
{
	return json_string(show_addr(family, addr));
}

static void control_done(struct control *c)
{
	if (c->closed && !c->clients) {
		free(c->path);
		free(c);
	}
}

static void client_closed(uv_handle_t *handle)
{
	struct client *cl = handle->data, **p;
	struct control *c = cl->c;

	if (--cl->closing)
		return;
	for (p = &c->client; *p && *p != cl; p = &(*p)->next)
		;
	if (*p)
		*p = cl->next;
	c->clients--;
	json_decref(cl->args);
	free(cl->answer);
	free(cl);
	control_done(c);
}

static void client_close(struct client *cl)
{
	if (cl->closing)
		return;
	look_forget(cl->c->d, cl);
	cl->closing = 2;
	uv_close((uv_handle_t *)&cl->timer, client_closed);
	uv_close((uv_handle_t *)&cl->pipe, client_closed);
}

static void on_client_timer(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void on_written(uv_write_t *req, int status)
{
	(void)status;
	client_close(req->data);
}

static void answer(struct client *cl, json_t *j)
{
	uv_buf_t buf;
	char *s = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(j);
	if (!s || asprintf(&cl->answer, "%s\n", s) < 0) {
		free(s);
		cl->answer = NULL;
		client_close(cl);
		return;
	}
	free(s);
	buf = uv_buf_init(cl->answer, (unsigned int)strlen(cl->answer));
	cl->write.data = cl;
	if (uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &buf, 1, on_written))
		client_close(cl);
}

static void refuse(struct client *cl, const char *format, const char *value)
{
	char buf[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(buf, sizeof(buf), format, value);
#pragma GCC diagnostic pop
	answer(cl, json_pack("{s:b, s:o}", "ok", 0, "error", text(buf)));
}

/* ---- status ---- */

static json_t *module_status(struct invspid *d)
{
	struct invspi_stats st;
	uint64_t sum = 0;
	unsigned int i;

	if (!d->nl || invspi_nl_stats_get(d->nl, &st, NULL))
		return json_pack("{s:s, s:s}", "state", "absent", "why", d->module_why);
	for (i = 0; i < INVSPI_REASONS; i++)
		sum += st.packets[i];
	return json_pack("{s:s, s:I, s:I, s:I, s:I}", "state", "loaded", "packets", (json_int_t)sum,
			 "no_state", (json_int_t)st.packets[INVSPI_REASON_NO_STATE], "flows",
			 (json_int_t)st.flows, "overruns", (json_int_t)d->count.overruns);
}

static json_t *counts(const struct invspid *d)
{
	json_t *j = json_object();
	unsigned int i;

	for (i = OUTCOME_HEALED; i <= OUTCOME_FAILED; i++)
		json_object_set_new(j, outcome_name((enum outcome)i),
				    json_integer((json_int_t)d->count.outcomes[i]));
	return j;
}

static void count_hold(void *arg, const struct hist_hold *hold)
{
	(void)hold;
	++*(unsigned int *)arg;
}

static void do_status(struct client *cl)
{
	struct invspid *d = cl->c->d;
	const struct ike_conns *conns = ike_conns(d->ike);
	const char *hist_err = hist_error(d->hist);
	unsigned int holds = 0;
	json_t *j;

	hist_hold_each(d->hist, count_hold, &holds);
	j = json_pack(
		"{s:s, s:b, s:o, s:{s:s, s:s, s:o, s:i, s:I}, s:{s:I}, s:{s:o}, s:I, s:o, s:I, s:I}",
		"mode", mode_name(d->conf->mode), "dry_run", d->dry_run, "module", module_status(d),
		"daemon", "backend", "strongswan", "state", daemon_state_name(ike_state(d->ike)),
		"why", text(d->daemon_why), "pid", (int)d->ike_pid, "connections",
		(json_int_t)(conns ? conns->nconn : 0), "kernel", "sas",
		(json_int_t)xfrm_count(d->xfrm), "history", "error",
		hist_err ? text(hist_err) : json_null(), "holds", (json_int_t)holds, "outcomes",
		counts(d), "in_flight", (json_int_t)d->in_flight, "looks",
		(json_int_t)d->count.looks);
	if (d->stopped)
		json_object_set_new(j, "stopped", json_string(d->stopped));
	answer(cl, json_pack("{s:b, s:o}", "ok", 1, "status", j));
}

/* ---- holds ---- */

static const char *conn_arg(struct client *cl)
{
	const char *conn = json_string_value(json_object_get(cl->args, "conn"));

	if (!conn || !conn[0])
		refuse(cl, "which connection? Give its name, or \"all\"%s", "");
	return conn && conn[0] ? conn : NULL;
}

static void do_hold_add(struct client *cl)
{
	struct invspid *d = cl->c->d;
	const struct ike_conns *conns = ike_conns(d->ike);
	const char *reason = json_string_value(json_object_get(cl->args, "reason"));
	const char *conn = conn_arg(cl);
	json_int_t seconds = json_integer_value(json_object_get(cl->args, "seconds"));
	bool known = !conns || !conns->nconn;
	json_t *j;
	size_t i;
	int ret;

	if (!conn)
		return;
	if (seconds < 0 || seconds > 10 * 365 * 86400LL) {
		refuse(cl, "a hold lasts from 1 second to 10 years%s", "");
		return;
	}
	ret = hist_hold_add(d->hist, conn, seconds, reason ? reason : "");
	if (ret == -EINVAL || ret == -ENOSPC || ret == -ENOMEM) {
		refuse(cl, "the hold was not taken: %s", strerror(-ret));
		return;
	}
	log_notice("hold on %s%s%s", conn, reason && reason[0] ? ": " : "", reason ? reason : "");
	for (i = 0; conns && i < conns->nconn; i++)
		known |= !strcmp(conns->conn[i].name, conn);
	j = json_pack("{s:b}", "ok", 1);
	if (ret)
		json_object_set_new(
			j, "warning",
			json_string("in effect, but not on disk: a restart forgets it"));
	else if (!known && strcmp(conn, "all"))
		json_object_set_new(j, "warning",
				    json_string("no connection of that name is loaded now"));
	look_soon(d, 0);
	answer(cl, j);
}

static void do_hold_del(struct client *cl)
{
	const char *conn = conn_arg(cl);
	int ret;

	if (!conn)
		return;
	ret = hist_hold_del(cl->c->d->hist, conn);
	if (ret == -ENOENT) {
		refuse(cl, "no hold on \"%s\"; `invspi hold show' lists them", conn);
		return;
	}
	log_notice("hold on %s removed", conn);
	look_soon(cl->c->d, 0);
	if (ret)
		answer(cl, json_pack("{s:b, s:s}", "ok", 1, "warning",
				     "removed, but not on disk: a restart brings it back"));
	else
		answer(cl, json_pack("{s:b}", "ok", 1));
}

static void add_hold(void *arg, const struct hist_hold *h)
{
	char since[FMT_TIME_LEN], until[FMT_TIME_LEN];

	json_array_append_new(arg,
			      json_pack("{s:o, s:s, s:o, s:o}", "conn", text(h->conn), "since",
					fmt_time(since, h->since_wall), "until",
					h->until_wall ? json_string(fmt_time(until, h->until_wall))
						      : json_null(),
					"reason", text(h->reason ? h->reason : "")));
}

static void do_hold_show(struct client *cl)
{
	json_t *holds = json_array();

	hist_hold_each(cl->c->d->hist, add_hold, holds);
	answer(cl, json_pack("{s:b, s:o}", "ok", 1, "holds", holds));
}

/* ---- explain ---- */

static const char *presence_name(enum presence p)
{
	return p == PRESENCE_THERE ? "there" : p == PRESENCE_ABSENT ? "absent" : "unknown";
}

static json_t *evidence_json(const struct tracked *t)
{
	const struct evidence *ev = &t->ev;

	return json_pack(
		"{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:b, s:b, s:b, s:i, s:b, s:b, s:s}",
		"desync", ev->desync, "dst_local", ev->dst_local, "sa_here", ev->sa_here,
		"sa_elsewhere", ev->sa_elsewhere, "sa_larval", ev->sa_larval, "sa_seen_leaving",
		ev->sa_seen_leaving, "other_keyer", ev->other_keyer, "daemon",
		daemon_state_name(ev->daemon), "inbound", presence_name(ev->inbound), "ike_sa",
		presence_name(ev->ike_sa), "task", ev->task_since != INT64_MAX, "conn_known",
		ev->conn_known, "conn_loaded", ev->conn_loaded, "conn_dynamic", ev->conn_dynamic,
		"hist_known", ev->hist_known, "hist_end",
		ev->hist_known ? end_name(ev->hist_end) : "", "hist_addr_same", ev->hist_addr_same,
		"hist_port_same", ev->hist_port_same, "child_up", ev->child_up, "children_down",
		(int)ev->children_down, "hold", ev->hold, "by_hand", ev->by_hand, "mode",
		mode_name(ev->mode));
}

static json_t *explain_flow(const struct tracked *t)
{
	const struct invspi_flow *f = &t->flow;
	char spi[16];
	json_t *j;

	snprintf(spi, sizeof(spi), "0x%08" PRIx32, f->spi);
	j = json_object();
	json_object_set_new(j, "src", text_addr(f->family, f->src.b));
	json_object_set_new(j, "dst", text_addr(f->family, f->dst.b));
	json_object_set_new(j, "proto", json_string(invspi_proto_name(f->proto)));
	json_object_set_new(j, "spi", json_string(spi));
	json_object_set_new(j, "packets", json_integer((json_int_t)f->packets));
	json_object_set_new(j, "conn", text(t->conn));
	json_object_set_new(j, "child", text(t->child));
	json_object_set_new(j, "grade", json_string(grade_name(t->dec.grade)));
	json_object_set_new(j, "action", json_string(action_name(t->dec.action)));
	json_object_set_new(j, "wanted", json_string(action_name(t->dec.wanted)));
	json_object_set_new(j, "why", json_string(t->dec.why ? t->dec.why : ""));
	json_object_set_new(j, "blocked",
			    t->dec.blocked ? json_string(t->dec.blocked) : json_null());
	json_object_set_new(j, "evidence", evidence_json(t));
	return j;
}

/**
 * struct selector - which flows explain is about
 */
struct selector {
	bool has_src, has_dst, has_spi;
	struct invspi_prefix src, dst;
	uint32_t spi;
	uint8_t proto;
};

static bool in_prefix(const struct invspi_prefix *p, int family, const uint8_t *addr)
{
	unsigned int bytes = p->plen / 8, bits = p->plen % 8;

	if (p->family != family || memcmp(p->addr.b, addr, bytes))
		return false;
	return !bits || !((p->addr.b[bytes] ^ addr[bytes]) >> (8 - bits));
}

static bool selected(const struct selector *s, const struct invspi_flow *f)
{
	return (!s->has_src || in_prefix(&s->src, f->family, f->src.b)) &&
	       (!s->has_dst || in_prefix(&s->dst, f->family, f->dst.b)) &&
	       (!s->has_spi || s->spi == f->spi) && (!s->proto || s->proto == f->proto);
}

static int get_selector(struct client *cl, struct selector *s, struct invspi_err *err)
{
	const char *v;

	memset(s, 0, sizeof(*s));
	v = json_string_value(json_object_get(cl->args, "src"));
	s->has_src = v;
	if (v && parse_prefix(v, &s->src, err))
		return -EINVAL;
	v = json_string_value(json_object_get(cl->args, "dst"));
	s->has_dst = v;
	if (v && parse_prefix(v, &s->dst, err))
		return -EINVAL;
	v = json_string_value(json_object_get(cl->args, "spi"));
	s->has_spi = v;
	if (v && parse_spi(v, &s->spi, err))
		return -EINVAL;
	v = json_string_value(json_object_get(cl->args, "proto"));
	if (v && strcmp(v, "esp") && strcmp(v, "ah"))
		return invspi_err_set(err, EINVAL, "proto \"%s\": esp or ah is wanted", v);
	if (v)
		s->proto = strcmp(v, "ah") ? IPPROTO_ESP : IPPROTO_AH;
	return 0;
}

static void on_looked(void *arg)
{
	struct client *cl = arg;
	struct invspid *d = cl->c->d;
	json_t *flows = json_array();
	struct selector s;
	size_t i, n = 0, left = 0;

	if (cl->closing) {
		json_decref(flows);
		return;
	}
	get_selector(cl, &s, NULL);
	for (i = 0; i < d->nflow; i++) {
		if (!d->flow[i].active || !selected(&s, &d->flow[i].flow))
			continue;
		if (n++ < EXPLAIN_MAX)
			json_array_append_new(flows, explain_flow(&d->flow[i]));
		else
			left++;
	}
	answer(cl,
	       json_pack("{s:b, s:o, s:I}", "ok", 1, "flows", flows, "left_out", (json_int_t)left));
}

static void do_explain(struct client *cl)
{
	struct invspi_err err = { "" };
	struct selector s;

	if (get_selector(cl, &s, &err)) {
		refuse(cl, "%s", err.text);
		return;
	}
	if (!cl->c->d->nl) {
		refuse(cl, "the kernel module is not there: %s", cl->c->d->module_why);
		return;
	}
	/* All flows get fresh evidence in the next look, also the quiet ones. */
	look_then(cl->c->d, on_looked, cl);
}

/* ---- socket ---- */

static void handle(struct client *cl)
{
	static const struct {
		const char *name;
		void (*fn)(struct client *cl);
	} commands[] = {
		{ "status", do_status },     { "hold-add", do_hold_add },
		{ "hold-del", do_hold_del }, { "hold-show", do_hold_show },
		{ "explain", do_explain },
	};
	const char *command;
	json_error_t err;
	size_t i;

	cl->args = json_loadb(cl->request, cl->len, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(cl->args)) {
		refuse(cl, "a JSON object is wanted: %s", cl->args ? "this is none" : err.text);
		return;
	}
	command = json_string_value(json_object_get(cl->args, "command"));
	for (i = 0; command && i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(command, commands[i].name)) {
			commands[i].fn(cl);
			return;
		}
	}
	refuse(cl,
	       "unknown command \"%s\": status, hold-add, hold-del, hold-show or explain is wanted",
	       command ? command : "");
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct client *cl = h->data;

	(void)size;
	*buf = uv_buf_init(cl->request + cl->len, (unsigned int)(REQUEST_MAX - cl->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *cl = stream->data;
	char *end;

	(void)buf;
	if (n < 0) {
		client_close(cl);
		return;
	}
	cl->len += (size_t)n;
	end = memchr(cl->request, '\n', cl->len);
	if (end) {
		cl->len = (size_t)(end - cl->request);
		uv_read_stop(stream);
		handle(cl);
	} else if (cl->len == REQUEST_MAX) {
		uv_read_stop(stream);
		refuse(cl, "the request is longer than 4096 bytes%s", "");
	}
}

static void on_connection(uv_stream_t *server, int status)
{
	struct control *c = server->data;
	struct client *cl;

	if (status)
		return;
	cl = calloc(1, sizeof(*cl));
	if (!cl)
		return;
	cl->c = c;
	uv_pipe_init(c->d->loop, &cl->pipe, 0);
	uv_timer_init(c->d->loop, &cl->timer);
	cl->pipe.data = cl;
	cl->timer.data = cl;
	cl->next = c->client;
	c->client = cl;
	c->clients++;
	if (uv_accept(server, (uv_stream_t *)&cl->pipe) || c->clients > CLIENTS_MAX) {
		client_close(cl);
		return;
	}
	uv_timer_start(&cl->timer, on_client_timer, CLIENT_MS, 0);
	uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read);
}

/* A socket that nobody answers is left from a helper that was killed. */
static bool is_stale(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	bool stale;
	int fd;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	stale = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static void on_server_closed(uv_handle_t *handle)
{
	struct control *c = handle->data;

	c->closed = true;
	control_done(c);
}

struct control *control_new(struct invspid *d, const char *path, char **err)
{
	struct control *c = calloc(1, sizeof(*c));
	mode_t mask;
	int ret;

	if (!c)
		return NULL;
	c->d = d;
	c->path = strdup(path);
	uv_pipe_init(d->loop, &c->server, 0);
	c->server.data = c;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		ret = UV_ENAMETOOLONG;
	} else {
		if (is_stale(path))
			unlink(path);
		mask = umask(0177);
		ret = uv_pipe_bind(&c->server, path);
		umask(mask);
	}
	if (!ret)
		ret = uv_listen((uv_stream_t *)&c->server, CLIENTS_MAX, on_connection);
	if (!ret)
		return c;
	if (asprintf(err, "cannot listen on control socket %s: %s%s", path, uv_strerror(ret),
		     ret == UV_EADDRINUSE ? "; another invspid uses it, choose one with --control"
					  : "") < 0)
		*err = NULL;
	free(c->path);
	c->path = NULL;
	uv_close((uv_handle_t *)&c->server, on_server_closed);
	return NULL;
}

void control_free(struct control *c)
{
	struct client *cl;

	for (cl = c->client; cl; cl = cl->next)
		client_close(cl);
	uv_close((uv_handle_t *)&c->server, on_server_closed);
}
