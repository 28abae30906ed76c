// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: whoever reaches the port of the metrics. The first byte of an input
 * says what the rest is: an Accept header, names of connections on the page, or what a
 * client sends, in two pieces, to the real server with the real library.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "expo.h"
#include "fuzz.h"
#include "log.h"
#include "parse.h"

#define TURNS_MAX 1000
#define CUT_OFF_TURNS 20

/* The server listens where no other process is, and its time goes as we want it to. */
static int64_t virtual_ms = 1000000;

static int64_t virtual_now(void)
{
	return virtual_ms;
}

static int listen_here(const char *s, struct sockaddr_storage *sa, socklen_t *len,
		       struct invspi_err *err)
{
	struct sockaddr_un *un = (void *)sa;

	(void)s;
	(void)err;
	memset(sa, 0, sizeof(*sa));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "invspi-fuzz-%d", (int)getpid());
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(un->sun_path + 1));
	return 0;
}

static int no_time(clockid_t id, struct timespec *ts)
{
	(void)id;
	memset(ts, 0, sizeof(*ts));
	return 0;
}

#define parse_listen listen_here
#define clock_gettime no_time
#define now_ms virtual_now
#include "../../tools/invspid/metrics_http.c"
#undef parse_listen
#undef clock_gettime
#undef now_ms

#define PAGE "x 1\n"

char *metrics_page(struct invspid *d, bool open_metrics, size_t *len)
{
	(void)d;
	(void)open_metrics;
	*len = strlen(PAGE);
	return strdup(PAGE);
}

/* ---- a client ---- */

static struct invspid d;
static struct conf conf = { .metrics_listen = (char[]){ "here" } };
static struct metrics *m;

static void start(void)
{
	static uv_loop_t loop;

	if (m)
		return;
	log_level(-1);
	must(!uv_loop_init(&loop));
	d.loop = &loop;
	d.conf = &conf;
	m = metrics_new(&d);
	must(m && m->server);
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len;

	listen_here("", &sa, &len, NULL);
	must(fd >= 0 && !connect(fd, (struct sockaddr *)&sa, len));
	return fd;
}

/* Whoever has not asked to the end by then is cut off. */
static void turn(int turns)
{
	must(turns < TURNS_MAX);
	uv_run(d.loop, UV_RUN_NOWAIT);
	if (turns % CUT_OFF_TURNS)
		return;
	virtual_ms += CLIENT_MS;
	on_ready(&m->server->poll, 0, 0);
}

/* Says all of it, and then nothing more. Return: what is answered. */
static char *ask(const uint8_t *text, size_t len, size_t first)
{
	char *answer = calloc(1, 65536);
	int fd = dial(), turns = 1;
	size_t got = 0;
	ssize_t n;

	must(answer && first <= len);
	/* The server may have closed already: what it does not want to hear, it does not. */
	send(fd, text, first, MSG_NOSIGNAL);
	uv_run(d.loop, UV_RUN_NOWAIT);
	send(fd, text + first, len - first, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	do {
		turn(turns++);
		n = recv(fd, answer + got, 65535 - got, 0);
		got += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	close(fd);
	while (m->server->clients)
		turn(turns++);
	must(strlen(answer) == got);
	return answer;
}

/*
 * One answer of ours and no more. (The library says some of its own twice, such as that
 * a Content-Length is absurd.)
 */
static void must_be_one_answer(const char *answer)
{
	static const char ours[] = "Cache-Control: no-store\r\n";
	const char *body = strstr(answer, "\r\n\r\n"), *p = strstr(answer, ours);

	if (!answer[0])
		return;
	must(!strncmp(answer, "HTTP/1.", 7) && body);
	must(!p || !strstr(p + 1, ours));
	if (!strncmp(answer + 8, " 200 ", 5))
		must(!strcmp(body + 4, PAGE) || !body[4]);
}

static void client(struct input *in)
{
	static const char get[] = "GET " METRICS_PATH " HTTP/1.0\r\n\r\n";
	size_t first = take_byte(in);
	char *answer;

	start();
	answer = ask(in->p, in->left, first < in->left ? first : in->left);
	must_be_one_answer(answer);
	free(answer);
	/* The next one is served, whatever that was. */
	answer = ask((const uint8_t *)get, strlen(get), 0);
	must(strstr(answer, " 200 ") && strstr(answer, "\r\n\r\n" PAGE));
	free(answer);
}

/* ---- the rest ---- */

static void accept_header(struct input *in)
{
	char *s = take_rest(in);

	if (metrics_wants_open(s))
		must(strcasestr(s, "application/openmetrics-text"));
	free(s);
}

/* name{conn="...",child="..."} 1 */
static const char *sample(const char *line)
{
	const char *p = strchr(line, '{');
	int label;

	must(p && !strncmp(line, "x", 1));
	for (label = 0; label < 2; label++) {
		p = strstr(p, label ? ",child=\"" : "{conn=\"");
		must(p);
		for (p = strchr(p, '"') + 1; *p != '"'; p++) {
			must(*p && *p != '\n');
			if (*p != '\\')
				continue;
			p++;
			must(*p == '\\' || *p == '"' || *p == 'n');
		}
		p++;
	}
	must(!strncmp(p, "} 1\n", 4));
	return p + 4;
}

static void names(struct input *in)
{
	struct expo x = { .open_metrics = take_byte(in) & 1 };
	char *conn = take_text(in, 255), *child = take_rest(in), *text;
	const char *p;
	size_t len;

	expo_family(&x, EXPO_GAUGE, "x", "a name");
	expo_number(&x, 1, "conn", conn, "child", child, NULL);
	text = expo_end(&x, &len);
	must(text && strlen(text) == len);
	for (p = text; *p;) {
		if (*p != '#') {
			p = sample(p);
			continue;
		}
		p = strchr(p, '\n');
		must(p);
		p++;
	}
	free(text);
	free(child);
	free(conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	switch (take_byte(&in)) {
	case 0:
		accept_header(&in);
		break;
	case 1:
		names(&in);
		break;
	default:
		client(&in);
	}
	return 0;
}
