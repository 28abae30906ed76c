// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: one line of JSON in, one line of JSON out, then closed.
 *
 * Only root gets in (mode 0600). With record_group anybody can knock, but who is neither
 * root nor in that group is turned away before he can say a word, and its members can ask
 * for a recording and nothing else; see control_peer.c. A client that never reads or never
 * writes is cut off after a while, and there are never more than a few.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_int.h"

#define CLIENTS_MAX 16
#define CLIENT_MS 10000

struct control {
	struct invspid *d;
	uv_pipe_t server;
	char *path;
	unsigned int clients;
	struct client *client;
	bool closed;
};

json_t *json_addr(int family, const uint8_t *addr)
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
	look_forget(cl->d, cl);
	by_hand_free(cl);
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

void client_answer(struct client *cl, json_t *j)
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

void client_refuse(struct client *cl, const char *format, const char *value)
{
	char buf[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(buf, sizeof(buf), format, value);
#pragma GCC diagnostic pop
	client_answer(cl, json_pack("{s:b, s:o}", "ok", 0, "error", json_text(buf)));
}

void client_wait(struct client *cl, uint64_t ms)
{
	uv_timer_start(&cl->timer, on_client_timer, ms, 0);
}

const char *client_arg(const struct client *cl, const char *key)
{
	return json_string_value(json_object_get(cl->args, key));
}

const char *client_conn(struct client *cl, const char *or_all)
{
	const char *conn = client_arg(cl, "conn");

	if (conn && conn[0])
		return conn;
	client_refuse(cl, "which connection? Give its name%s", or_all);
	return NULL;
}

/* ---- socket ---- */

static void handle(struct client *cl)
{
	static const struct {
		const char *name;
		void (*fn)(struct client *cl);
	} commands[] = {
		{ "status", do_status },
		{ "explain", do_explain },
		{ "hold-add", do_hold_add },
		{ "hold-del", do_hold_del },
		{ "hold-show", do_hold_show },
		{ "mode-set", do_mode_set },
		{ "mode-show", do_mode_show },
		{ "recover", do_recover },
		{ "peer-show", do_peer_show },
		{ "peer-retry", do_peer_retry },
		{ "record-status", do_record_status },
		{ "record-take", do_record_take },
		{ "record-live", do_record_live },
		{ "record-delete", do_record_delete },
		{ "top", do_top },
	};
	const char *command;
	json_error_t err;
	size_t i;

	cl->args = json_loadb(cl->request, cl->len, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(cl->args)) {
		client_refuse(cl, "a JSON object is wanted: %s",
			      cl->args ? "this is none" : err.text);
		return;
	}
	command = json_string_value(json_object_get(cl->args, "command"));
	if (cl->peer != PEER_ROOT && (!command || strcmp(command, "record-take"))) {
		client_refuse(cl, "%s", "only root may ask for that");
		return;
	}
	for (i = 0; command && i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(command, commands[i].name)) {
			commands[i].fn(cl);
			return;
		}
	}
	client_refuse(
		cl, "unknown command \"%s\": is this invspid of the same version as what asks it?",
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
		client_refuse(cl, "the request is longer than %s bytes", "4096");
	}
}

static bool is_welcome(struct client *cl)
{
	int fd;

	if (uv_fileno((uv_handle_t *)&cl->pipe, &fd))
		return false;
	cl->peer = control_peer(fd, cl->d->conf->record_group);
	return cl->peer != PEER_NOBODY;
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
	cl->d = c->d;
	uv_pipe_init(c->d->loop, &cl->pipe, 0);
	uv_timer_init(c->d->loop, &cl->timer);
	cl->pipe.data = cl;
	cl->timer.data = cl;
	cl->next = c->client;
	c->client = cl;
	c->clients++;
	if (uv_accept(server, (uv_stream_t *)&cl->pipe) || c->clients > CLIENTS_MAX ||
	    !is_welcome(cl)) {
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
		mask = umask(d->conf->record_group ? 0111 : 0177);
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
