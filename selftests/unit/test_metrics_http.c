// SPDX-License-Identifier: GPL-2.0-only
/*
 * The HTTP server for metrics, on real sockets, with clients of all kinds: those that
 * are slow, silent, many, that send nonsense or never read. The page is made up here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktap.h"

/* Nobody wants to wait. */
#define CLIENT_MS 700
#define RETRY_MS 200
#include "../../tools/invspid/metrics_http.c"

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER_MAX (4 << 20)
#define DEADLINE_MS 20000

static struct invspid d;
static struct conf conf;
static struct metrics *m;
static size_t page_len = 100;
static unsigned int pages;
static uint16_t port;
static char where[32], answer_text[ANSWER_MAX + 1];

char *metrics_page(struct invspid *daemon, bool open_metrics, size_t *len)
{
	char *text = malloc(page_len + 1);

	(void)daemon;
	if (!text)
		return NULL;
	memset(text, open_metrics ? 'o' : 't', page_len);
	text[page_len] = '\0';
	*len = page_len;
	pages++;
	return text;
}

/* One turn of the loop, which does not wait for long. */
static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void turn(void)
{
	uv_run(d.loop, UV_RUN_ONCE);
}

static int dial(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	int64_t until = now_ms() + DEADLINE_MS;
	ssize_t n;

	while (len && now_ms() < until) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		turn();
	}
}

/* All that comes until the server closes. Return: its length, or -1 after too long. */
static ssize_t hear(int fd)
{
	int64_t until = now_ms() + DEADLINE_MS;
	size_t len = 0;
	ssize_t n;

	while (now_ms() < until) {
		n = recv(fd, answer_text + len, ANSWER_MAX - len, 0);
		if (!n || (n < 0 && errno != EAGAIN)) {
			answer_text[len] = '\0';
			close(fd);
			return (ssize_t)len;
		}
		len += n > 0 ? (size_t)n : 0;
		turn();
	}
	answer_text[len] = '\0';
	close(fd);
	return -1;
}

static ssize_t ask_raw(const char *text, size_t len)
{
	int fd = dial();

	say(fd, text, len);
	return hear(fd);
}

static ssize_t ask(const char *text)
{
	return ask_raw(text, strlen(text));
}

static void reload(const char *listen)
{
	conf.metrics_listen = (char *)(uintptr_t)listen;
	metrics_reload(m);
}

/* ---- cases ---- */

static void test_requests(void)
{
	static const struct {
		const char *what, *request, *want[3];
	} rows[] = {
		{ "the page",
		  "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 200 OK\r\n", "Content-Type: text/plain; version=0.0.4",
		    "\r\n\r\ntttt" } },
		{ "OpenMetrics",
		  "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n",
		  { "HTTP/1.1 200 OK\r\n",
		    "Content-Type: application/openmetrics-text; version=1.0.0", "\r\n\r\noooo" } },
		{ "with a query",
		  "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 200 OK\r\n" } },
		{ "HTTP/1.0", "GET /metrics HTTP/1.0\r\n\r\n", { " 200 OK\r\n", "tttt" } },
		{ "HEAD",
		  "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 200 OK\r\n", "Content-Length: 100\r\n" } },
		{ "another path",
		  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 404 Not Found\r\n", "metrics are at /metrics" } },
		{ "a path that begins so",
		  "GET /metricsx HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 404 Not Found\r\n" } },
		{ "a path that leads out",
		  "GET /../../etc/shadow HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 404 Not Found\r\n" } },
		{ "POST",
		  "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		  { "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n" } },
		{ "a method nobody knows",
		  "BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 405 " } },
		{ "DELETE without a body",
		  "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		  { "HTTP/1.1 405 " } },
	};
	char what[96];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(what, sizeof(what), "%s: is answered and closed", rows[i].what);
		ktap_ok(ask(rows[i].request) > 0, "%s", what);
		for (k = 0; k < ARRAY_SIZE(rows[i].want) && rows[i].want[k]; k++)
			ktap_has(rows[i].what, rows[i].want[k], answer_text);
	}
	ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	ktap_str("HEAD has no body", "\r\n\r\n", answer_text + strlen(answer_text) - 4);
}

/* None of it is a page; all of it is closed, and the next one is served. */
static void test_nonsense(void)
{
	static const struct {
		const char *what, *text;
	} rows[] = {
		{ "no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" },
		{ "an empty line", "\r\n\r\n" },
		{ "only a word", "GET\r\n\r\n" },
		{ "a header without a colon", "GET /metrics HTTP/1.1\r\nHost\r\n\r\n" },
		{ "a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" },
		{ "a huge length",
		  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n" },
		{ "chunks that are none",
		  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" },
	};
	char *big = malloc(100000);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_ok(ask(rows[i].text) >= 0, "%s: is closed", rows[i].what);
		ktap_ok(!strstr(answer_text, "tttt"), "%s: gets no page", rows[i].what);
	}
	memset(big, 'x', 100000);
	memcpy(big, "GET /metrics HTTP/1.1\r\nX: ", 26);
	ktap_ok(ask_raw(big, 100000) >= 0, "a header of 100,000 bytes: is closed");
	ktap_ok(!strstr(answer_text, "tttt"), "a header of 100,000 bytes: gets no page");
	memcpy(big, "GET /", 5);
	memset(big + 5, 'y', 95000);
	ktap_ok(ask_raw(big, 100000) >= 0, "a path of 95,000 bytes: is closed");
	ktap_ok(!strstr(answer_text, "tttt"), "a path of 95,000 bytes: gets no page");
	free(big);
	ask(GET);
	ktap_has("the next one is served", "tttt", answer_text);
}

/* Whoever sends a byte now and then has as long as everyone else. */
static void test_slow(void)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxx";
	int64_t begun = now_ms(), took;
	int fd = dial(), i;
	char byte;

	for (i = 0; i < (int)sizeof(request) && now_ms() < begun + DEADLINE_MS; i++) {
		say(fd, request + i, 1);
		while (now_ms() < begun + (i + 1) * 50)
			turn();
		if (!recv(fd, &byte, 1, 0))
			break;
	}
	took = now_ms() - begun;
	close(fd);
	ktap_ok(took >= CLIENT_MS && took < CLIENT_MS + 2000,
		"a byte every 50 ms: is cut off after %d ms # %lld ms", CLIENT_MS, (long long)took);
}

/* A page that does not fit into what the kernel buffers, for one who reads nothing. */
static void test_never_reads(void)
{
	int fd = dial(), small = 4096;
	int64_t until = now_ms() + DEADLINE_MS;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	page_len = 64 << 20;
	while (now_ms() < until && m->page[0])
		forget_page(m, false);
	say(fd, GET, strlen(GET));
	while (now_ms() < until && !m->server->clients)
		turn();
	ktap_ok(m->server->clients, "one that never reads is there");
	while (now_ms() < until && m->server->clients)
		turn();
	ktap_ok(!m->server->clients, "and is cut off");
	page_len = 100;
	forget_page(m, false);
	close(fd);
}

static void test_many(void)
{
	int fd[CLIENTS_MAX + 8], i;
	int64_t until = now_ms() + DEADLINE_MS;
	struct client *cl;
	unsigned int n;

	for (i = 0; i < CLIENTS_MAX + 8; i++) {
		fd[i] = dial();
		turn();
	}
	do {
		turn();
		for (n = 0, cl = m->server->clients; cl; cl = cl->next)
			n++;
	} while (n < CLIENTS_MAX && now_ms() < until);
	for (i = 0; i < 20; i++)
		turn();
	for (n = 0, cl = m->server->clients; cl; cl = cl->next)
		n++;
	ktap_int("so many silent ones are let in", CLIENTS_MAX, n);
	ktap_ok(ask(GET) > 0, "another one has its turn");
	ktap_has("another one has its turn", "tttt", answer_text);
	for (i = 0; i < CLIENTS_MAX + 8; i++)
		close(fd[i]);
}

/* However often it is asked for, a page is made four times a second. */
static void test_cost(void)
{
	int64_t begun = now_ms(), took;
	unsigned int i, ok = 0;

	pages = 0;
	for (i = 0; i < 200; i++) {
		ask(GET);
		ok += !!strstr(answer_text, "tttt");
	}
	took = now_ms() - begun;
	ktap_int("200 requests are served", 200, ok);
	ktap_ok(pages <= 2 + took / PAGE_MS, "from %u pages in %lld ms", pages, (long long)took);
}

static void test_listen(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int64_t until = now_ms() + DEADLINE_MS;
	struct server *before = m->server;
	int fd, one = 1;

	reload(where);
	ktap_ok(m->server == before, "the same address again changes nothing");
	reload(NULL);
	turn();
	ktap_ok(!metrics_where(m) && !metrics_error(m), "off");
	ktap_int("off: nobody listens", 0, ask("GET /metrics HTTP/1.1\r\n\r\n"));

	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1))
		ktap_ok(false, "cannot take the port: %s", strerror(errno));
	reload(where);
	ktap_has("a port that is taken", "choose another port with metrics_listen",
		 metrics_error(m) ? metrics_error(m) : "(no error)");
	close(fd);
	while (metrics_error(m) && now_ms() < until)
		turn();
	ktap_str("it is tried again", NULL, metrics_error(m));
	ask(GET);
	ktap_has("and served", "tttt", answer_text);

	reload("192.0.2.77:9850");
	ktap_has("an address of somebody else", "no interface here has that address",
		 metrics_error(m) ? metrics_error(m) : "(no error)");
	reload("[::1]:9");
	reload(where);
	ktap_str("back again", NULL, metrics_error(m));
	ask(GET);
	ktap_has("back again", "tttt", answer_text);
}

/* At its end, with clients of all kinds. */
static void test_end(void)
{
	int fd[4], i;

	for (i = 0; i < 4; i++) {
		fd[i] = dial();
		if (i & 1)
			say(fd[i], "GET /met", 8);
	}
	metrics_free(m);
	metrics_free(NULL);
	for (i = 0; i < 4; i++)
		ktap_ok(hear(fd[i]) >= 0, "client %d is closed", i);
}

/* A port that nobody has just now. */
static void choose_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sa, len) || getsockname(fd, (struct sockaddr *)&sa, &len))
		abort();
	port = ntohs(sa.sin_port);
	close(fd);
	snprintf(where, sizeof(where), "127.0.0.1:%u", port);
}

int main(void)
{
	uv_timer_t tick;

	log_level(LOG_ERR);
	choose_port();
	d.loop = uv_default_loop();
	d.conf = &conf;
	uv_timer_init(d.loop, &tick);
	uv_timer_start(&tick, on_tick, 5, 5);
	conf.metrics_listen = where;
	m = metrics_new(&d);
	if (!ktap_ok(m && !metrics_error(m), "listens"))
		return ktap_done();
	ktap_str("where", where, metrics_where(m));
	test_requests();
	test_nonsense();
	test_slow();
	test_never_reads();
	test_many();
	test_cost();
	test_listen();
	test_end();
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(d.loop, UV_RUN_DEFAULT);
	ktap_int("nothing is left in the loop", 0, uv_loop_close(d.loop));
	return ktap_done();
}
