// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe - one-way UDP streams with sequence numbers, to see from the inside of
 * a tunnel what it loses and for how long.
 *
 * One process holds both ends of every stream, each socket in the network
 * namespace of its host, so that there is one clock and one record. Each packet
 * carries its stream, sequence number and time of sending. The record is text,
 * written as things happen:
 *
 *	N STREAM NAME			names a stream by its number
 *	S STREAM SEQ SENT
 *	R STREAM SEQ SENT RECEIVED	time of reception as the kernel took it
 *
 * All times are microseconds of CLOCK_REALTIME, which the shell knows as well.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 256
#define MAGIC 0x70726f62
#define PAYLOAD 64 /* of a packet, bytes */
/* A packet that is younger than this at the end may still be on its way. */
#define GRACE_US 250000

struct payload {
	uint32_t magic;
	uint32_t stream;
	uint32_t seq;
	uint32_t pad;
	int64_t sent;
};

struct stream {
	const char *name;
	int tx, rx;
	struct sockaddr_storage to;
	socklen_t to_len;
	uint32_t seq;
};

static struct stream streams[MAX_STREAMS];
static unsigned int nstreams;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void enter_netns(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		error(1, errno, "network namespace %s", name);
	close(fd);
}

static socklen_t parse_addr(const char *text, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	error(2, 0, "'%s' is not an address", text);
	return 0;
}

static int open_socket(const char *netns, const char *addr, uint16_t port, bool stamps)
{
	struct sockaddr_storage ss;
	int one = 1, fd;
	socklen_t len;

	enter_netns(netns);
	len = parse_addr(addr, port, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		error(1, errno, "socket");
	if (stamps && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)))
		error(1, errno, "SO_TIMESTAMPNS");
	if (bind(fd, (void *)&ss, len))
		error(1, errno, "bind to %s port %u in %s", addr, port, netns);
	return fd;
}

/* NAME,SRCNS,SRC,DSTNS,DST,PORT */
static void add_stream(char *text)
{
	char *f[6], *save = NULL, *end;
	struct stream *s;
	long port;
	int i;

	if (nstreams == MAX_STREAMS)
		error(2, 0, "more than %d streams", MAX_STREAMS);
	s = &streams[nstreams++];
	for (i = 0; i < 6; i++) {
		f[i] = strtok_r(i ? NULL : text, ",", &save);
		if (!f[i])
			error(2, 0, "a stream is NAME,SRCNS,SRC,DSTNS,DST,PORT");
	}
	port = strtol(f[5], &end, 10);
	if (*end || port < 1 || port > 65535)
		error(2, 0, "'%s' is not a port", f[5]);
	s->name = f[0];
	s->tx = open_socket(f[1], f[2], 0, false);
	s->rx = open_socket(f[3], f[4], port, true);
	s->to_len = parse_addr(f[4], port, &s->to);
}

static void send_one(FILE *out, unsigned int i)
{
	unsigned char buf[PAYLOAD] = { 0 };
	struct stream *s = &streams[i];
	struct payload p = {
		.magic = MAGIC,
		.stream = i,
		.seq = ++s->seq,
		.sent = now_us(),
	};

	memcpy(buf, &p, sizeof(p));
	fprintf(out, "S %u %u %" PRId64 "\n", i, p.seq, p.sent);
	/*
	 * No route, no policy, no buffer: whatever keeps the packet from leaving
	 * is a loss like any other.
	 */
	if (sendto(s->tx, buf, sizeof(buf), 0, (void *)&s->to, s->to_len) < 0)
		return;
}

static void receive_all(FILE *out, unsigned int i)
{
	for (;;) {
		char buf[256], ctl[128];
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr m = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl,
			.msg_controllen = sizeof(ctl),
		};
		struct timespec ts;
		struct cmsghdr *c;
		struct payload p;
		int64_t at = 0;
		ssize_t n;

		n = recvmsg(streams[i].rx, &m, 0);
		if (n < 0)
			return;
		if (n < (ssize_t)sizeof(p))
			continue;
		memcpy(&p, buf, sizeof(p));
		if (p.magic != MAGIC || p.stream != i)
			continue;
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
				continue;
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			at = ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
		}
		fprintf(out, "R %u %u %" PRId64 " %" PRId64 "\n", i, p.seq, p.sent,
			at ? at : now_us());
	}
}

static int run(const char *file, long interval_ms, char **argv)
{
	struct itimerspec every = {
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
		.it_value = { 0, 1000000 },
	};
	struct pollfd pfd[MAX_STREAMS + 1];
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int i;
	uint64_t ticks;
	FILE *out;

	out = fopen(file, "we");
	if (!out)
		error(1, errno, "%s", file);
	for (; *argv; argv++)
		add_stream(*argv);
	if (!nstreams)
		error(2, 0, "no stream given");
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	pfd[0].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	timerfd_settime(pfd[0].fd, 0, &every, NULL);
	pfd[0].events = POLLIN;
	for (i = 0; i < nstreams; i++) {
		fprintf(out, "N %u %s\n", i, streams[i].name);
		pfd[i + 1].fd = streams[i].rx;
		pfd[i + 1].events = POLLIN;
	}
	while (!stop) {
		fflush(out);
		if (poll(pfd, nstreams + 1, -1) < 0 && errno != EINTR)
			error(1, errno, "poll");
		if (read(pfd[0].fd, &ticks, sizeof(ticks)) == sizeof(ticks))
			for (i = 0; i < nstreams; i++)
				send_one(out, i);
		for (i = 0; i < nstreams; i++)
			receive_all(out, i);
	}
	if (fclose(out))
		error(1, errno, "%s", file);
	return 0;
}

static int find_stream(const char *name, const char *line)
{
	char n[64];
	int i;

	if (sscanf(line, "N %d %63s", &i, n) == 2 && !strcmp(n, name))
		return i;
	return -1;
}

/*
 * Waits until a packet that @name sent at or after @after was delivered. The
 * record is written while it is read, so a line may come in pieces.
 */
static int wait_for(const char *file, const char *name, int64_t after, long timeout_ms)
{
	int64_t end = now_us() + timeout_ms * 1000, sent, received;
	int want = -1, stream;
	char *line = NULL;
	size_t size = 0;
	unsigned int seq;
	long at = 0;
	ssize_t n;
	FILE *in;

	in = fopen(file, "re");
	if (!in)
		error(1, errno, "%s", file);
	for (;;) {
		n = getline(&line, &size, in);
		if (n > 0 && line[n - 1] == '\n') {
			at += n;
			if (want < 0)
				want = find_stream(name, line);
			else if (sscanf(line, "R %d %u %" SCNd64 " %" SCNd64, &stream, &seq, &sent,
					&received) == 4 &&
				 stream == want && sent >= after)
				break;
			continue;
		}
		if (now_us() > end)
			return 1;
		clearerr(in);
		fseek(in, at, SEEK_SET);
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	}
	printf("%" PRId64 " %" PRId64 "\n", sent, received);
	free(line);
	fclose(in);
	return 0;
}

struct packet {
	int64_t sent, received;
	bool was_sent;
};

struct record {
	char name[64];
	struct packet *p;
	unsigned int n, room, duplicates;
};

static struct packet *packet(struct record *r, unsigned int seq)
{
	unsigned int room = r->room;

	if (seq > 10000000)
		error(1, 0, "sequence number %u makes no sense", seq);
	if (seq >= room) {
		room = seq * 2 + 1024;
		r->p = reallocarray(r->p, room, sizeof(*r->p));
		if (!r->p)
			error(1, errno, "record");
		memset(r->p + r->room, 0, (room - r->room) * sizeof(*r->p));
		r->room = room;
	}
	if (seq >= r->n)
		r->n = seq + 1;
	return &r->p[seq];
}

/* NAME sent N received N lost N duplicates N gaps N [FROM TO|- LOST]... */
static void report_stream(struct record *r, int64_t from, int64_t to, int64_t end)
{
	unsigned int i, sent = 0, received = 0, gaps = 0, run = 0;
	int64_t begin = 0;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	out = open_memstream(&text, &size);
	for (i = 1; i < r->n; i++) {
		struct packet *p = &r->p[i];

		if (!p->was_sent || p->sent < from || p->sent > to)
			continue;
		if (!p->received && p->sent > end - GRACE_US)
			continue;
		sent++;
		if (p->received) {
			received++;
			if (run)
				fprintf(out, " %" PRId64 " %" PRId64 " %u", begin, p->received,
					run);
			run = 0;
		} else if (!run++) {
			begin = p->sent;
			gaps++;
		}
	}
	if (run)
		fprintf(out, " %" PRId64 " - %u", begin, run);
	fclose(out);
	printf("%s sent %u received %u lost %u duplicates %u gaps %u%s\n", r->name, sent, received,
	       sent - received, r->duplicates, gaps, text);
	free(text);
}

static int report(const char *file, int64_t from, int64_t to)
{
	static struct record records[MAX_STREAMS];
	int64_t sent, received, end = 0;
	unsigned int stream, seq;
	char line[200];
	FILE *in;

	in = fopen(file, "re");
	if (!in)
		error(1, errno, "%s", file);
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line + 1, "%u %u %" SCNd64 " %" SCNd64, &stream, &seq, &sent,
			   &received) < 1 ||
		    stream >= MAX_STREAMS)
			continue;
		if (line[0] == 'N') {
			if (sscanf(line, "N %*u %63s", records[stream].name) != 1)
				error(1, 0, "%s: a stream without a name", file);
		} else if (line[0] == 'S') {
			packet(&records[stream], seq)->sent = sent;
			packet(&records[stream], seq)->was_sent = true;
			end = sent;
		} else if (line[0] == 'R') {
			struct packet *p = packet(&records[stream], seq);

			records[stream].duplicates += p->received != 0;
			if (!p->received)
				p->received = received;
		}
	}
	fclose(in);
	for (stream = 0; stream < MAX_STREAMS; stream++)
		if (records[stream].name[0])
			report_stream(&records[stream], from, to, end);
	return 0;
}

static int64_t number(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		error(2, 0, "'%s' is not a number", text);
	return n;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && !strcmp(argv[1], "run"))
		return run(argv[2], number(argv[3]), argv + 4);
	if (argc == 6 && !strcmp(argv[1], "wait"))
		return wait_for(argv[2], argv[3], number(argv[4]), number(argv[5]));
	if (argc >= 3 && argc <= 5 && !strcmp(argv[1], "report"))
		return report(argv[2], argc > 3 ? number(argv[3]) : 0,
			      argc > 4 ? number(argv[4]) : INT64_MAX);
	fputs("Usage: probe run FILE INTERVAL-MS NAME,SRCNS,SRC,DSTNS,DST,PORT...\n"
	      "       probe wait FILE NAME AFTER-US TIMEOUT-MS\n"
	      "       probe report FILE [FROM-US [TO-US]]\n",
	      stderr);
	return 2;
}
