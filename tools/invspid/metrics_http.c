// SPDX-License-Identifier: GPL-2.0-only
/*
 * The HTTP server for metrics. libmicrohttpd has no thread here: its epoll descriptor
 * is one more in the loop.
 *
 * Whoever reaches the port may ask, so it is bounded what that costs: so many clients
 * at once, each for so long and for one request; a page is made at most four times a
 * second, and all of it takes at most a fifth of a CPU.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "metrics_mhd.h"
#include "parse.h"

#define CLIENTS_MAX 16
#ifndef CLIENT_MS
#define CLIENT_MS 10000 /* from its connecting to its end */
#define RETRY_MS 30000
#endif
#define CLIENT_MEMORY 8192 /* the request's head must fit */
#define PAGE_MS 250
#define SHARE 5 /* one part of so many of a CPU */
#define PAUSE_MS 20 /* less than that is not worth a pause */

static const char open_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";
static const char plain_type[] = "text/plain; charset=utf-8";

struct client {
	struct client *next;
	int fd;
	int64_t since;
	bool cut_off;
};

/**
 * struct server - one that listens; it goes when the configuration changes
 * @again: a client went. With as many as are allowed libmicrohttpd stops listening,
 *	and begins again only when it is run once more after that
 * @owed_us: for how long it has to pause, for the CPU time that it took
 * @ran_at: when that was last settled
 */
struct server {
	struct metrics *m;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer;
	int closing;
	bool paused, again;
	int64_t owed_us, ran_at;
	struct client *clients;
};

/**
 * struct metrics - the server, if there is one, and its pages
 * @where: as configured; NULL = off
 * @page: in both formats, of @page_at; NULL if there is none
 */
struct metrics {
	struct invspid *d;
	char *where;
	struct invspi_err error;
	struct server *server;
	uv_timer_t *retry;
	struct MHD_Response *page[2];
	int64_t page_at[2];
};

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned int status, struct MHD_Response *r)
{
	return MHD_queue_response(c, status, r);
}

static void add_headers(struct MHD_Response *r, const char *type)
{
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned int status, const char *text)
{
	struct MHD_Response *r;
	enum MHD_Result ret;

	r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
					    MHD_RESPMEM_PERSISTENT);
	if (!r)
		return MHD_NO;
	add_headers(r, plain_type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = answer(c, status, r);
	MHD_destroy_response(r);
	return ret;
}

static void forget_page(struct metrics *m, bool open)
{
	if (m->page[open])
		MHD_destroy_response(m->page[open]);
	m->page[open] = NULL;
}

/* The page, made anew unless the last one is of just now. */
static struct MHD_Response *page(struct metrics *m, bool open)
{
	int64_t now = now_ms();
	size_t len;
	char *text;

	if (m->page[open] && now - m->page_at[open] < PAGE_MS)
		return m->page[open];
	forget_page(m, open);
	text = metrics_page(m->d, open, &len);
	if (!text)
		return NULL;
	m->page[open] = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!m->page[open]) {
		free(text);
		return NULL;
	}
	add_headers(m->page[open], open ? open_type : text_type);
	MHD_add_response_header(m->page[open], MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
	m->page_at[open] = now;
	return m->page[open];
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **request)
{
	struct MHD_Response *r;

	(void)version;
	(void)data;
	(void)size;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, METRICS_PATH))
		return refuse(c, MHD_HTTP_NOT_FOUND, "metrics are at " METRICS_PATH "\n");
	r = page(arg, metrics_wants_open(MHD_lookup_connection_value(c, MHD_HEADER_KIND,
								     MHD_HTTP_HEADER_ACCEPT)));
	if (!r)
		return refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n");
	return answer(c, MHD_HTTP_OK, r);
}

/* ---- clients ---- */

static void on_client(void *arg, struct MHD_Connection *c, void **context,
		      enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct server *s = arg;
	struct client *cl = *context, **p;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
		cl = info ? calloc(1, sizeof(*cl)) : NULL;
		if (!cl)
			return;
		cl->fd = info->connect_fd;
		cl->since = now_ms();
		cl->next = s->clients;
		s->clients = cl;
		*context = cl;
		return;
	}
	for (p = &s->clients; *p && *p != cl; p = &(*p)->next)
		;
	if (*p)
		*p = cl->next;
	free(cl);
	s->again = true;
}

/* Cuts off who has been here for too long. Return: when that is due next, in ms. */
static int64_t cut_off(struct server *s, int64_t now)
{
	int64_t left, next = INT64_MAX;
	struct client *cl;

	for (cl = s->clients; cl; cl = cl->next) {
		left = cl->since + CLIENT_MS - now;
		if (cl->cut_off)
			continue;
		if (left <= 0) {
			/* libmicrohttpd sees that and closes it. */
			shutdown(cl->fd, SHUT_RDWR);
			cl->cut_off = true;
		} else if (left < next) {
			next = left;
		}
	}
	return next;
}

/* ---- the loop ---- */

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_timer(uv_timer_t *timer)
{
	struct server *s = timer->data;

	if (s->paused) {
		s->paused = false;
		uv_poll_start(&s->poll, UV_READABLE, on_ready);
	}
	on_ready(&s->poll, 0, 0);
}

static void wait(struct server *s, int64_t now)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;
	int64_t ms = cut_off(s, now);

	if (MHD_get_timeout(s->mhd, &mhd_ms) == MHD_YES && mhd_ms < (uint64_t)ms)
		ms = (int64_t)mhd_ms;
	if (s->again)
		ms = 0;
	s->again = false;
	if (s->owed_us >= PAUSE_MS * 1000) {
		uv_poll_stop(&s->poll);
		s->paused = true;
		ms = s->owed_us / 1000;
	}
	if (ms < INT64_MAX)
		uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static int64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct server *s = poll->data;
	int64_t begun = cpu_us(), now = now_ms();

	(void)status;
	(void)events;
	s->owed_us -= (now - s->ran_at) * 1000;
	if (s->owed_us < 0)
		s->owed_us = 0;
	s->ran_at = now;
	MHD_run(s->mhd);
	s->owed_us += (cpu_us() - begun) * (SHARE - 1);
	wait(s, now);
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	if (!--s->closing)
		free(s);
}

static void server_stop(struct server *s)
{
	s->closing = 2;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	/* Closes the descriptor that is no longer polled, and all clients. */
	MHD_stop_daemon(s->mhd);
}

/* ---- listening ---- */

static int open_socket(const char *where, struct invspi_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd, one = 1;

	if (parse_listen(where, &sa, &len, err))
		return -1;
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, CLIENTS_MAX))
		return fd;
	invspi_err_set(err, errno, "cannot listen for metrics at %s: %s%s", where, strerror(errno),
		       errno == EADDRINUSE	? "; choose another port with metrics_listen"
		       : errno == EADDRNOTAVAIL ? "; no interface here has that address"
						: "");
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool server_start(struct metrics *m)
{
	const union MHD_DaemonInfo *info;
	struct server *s;
	int fd;

	if (mhd_load(&m->error))
		return false;
	fd = open_socket(m->where, &m->error);
	if (fd < 0)
		return false;
	s = calloc(1, sizeof(*s));
	if (s)
		s->mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
					  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned int)CLIENTS_MAX,
					  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
					  MHD_OPTION_NOTIFY_CONNECTION, on_client, s,
					  MHD_OPTION_END);
	info = s && s->mhd ? MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		invspi_err_set(&m->error, EIO, "cannot serve metrics at %s: %s", m->where,
			       s ? "libmicrohttpd does not start" : "out of memory");
		if (s && s->mhd)
			MHD_stop_daemon(s->mhd); /* with the socket */
		else
			close(fd);
		free(s);
		return false;
	}
	s->m = m;
	s->ran_at = now_ms();
	uv_timer_init(m->d->loop, &s->timer);
	uv_poll_init(m->d->loop, &s->poll, info->epoll_fd);
	s->timer.data = s;
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_ready);
	m->server = s;
	m->error.text[0] = '\0';
	return true;
}

static void on_retry(uv_timer_t *timer);

static void try_to_listen(struct metrics *m)
{
	struct invspi_err before = m->error;

	if (server_start(m)) {
		log_info("metrics at http://%s" METRICS_PATH, m->where);
		uv_timer_stop(m->retry);
		return;
	}
	if (strcmp(before.text, m->error.text))
		log_warn("%s; trying again now and then", m->error.text);
	uv_timer_start(m->retry, on_retry, RETRY_MS, 0);
}

static void on_retry(uv_timer_t *timer)
{
	try_to_listen(timer->data);
}

static void on_retry_closed(uv_handle_t *handle)
{
	free(handle);
}

struct metrics *metrics_new(struct invspid *d)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m)
		m->retry = calloc(1, sizeof(*m->retry));
	if (!m || !m->retry) {
		free(m);
		return NULL;
	}
	m->d = d;
	uv_timer_init(d->loop, m->retry);
	m->retry->data = m;
	metrics_reload(m);
	return m;
}

void metrics_reload(struct metrics *m)
{
	const char *where = m->d->conf->metrics_listen;

	if (m->where && where && !strcmp(m->where, where) && m->server)
		return;
	if (m->server)
		server_stop(m->server);
	m->server = NULL;
	free(m->where);
	m->where = where ? strdup(where) : NULL;
	m->error.text[0] = '\0';
	uv_timer_stop(m->retry);
	if (m->where)
		try_to_listen(m);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	if (m->server)
		server_stop(m->server);
	uv_close((uv_handle_t *)m->retry, on_retry_closed);
	forget_page(m, false);
	forget_page(m, true);
	free(m->where);
	free(m);
}

const char *metrics_where(const struct metrics *m)
{
	return m->where;
}

const char *metrics_error(const struct metrics *m)
{
	return m->error.text[0] ? m->error.text : NULL;
}
