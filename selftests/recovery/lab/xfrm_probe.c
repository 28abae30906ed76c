// SPDX-License-Identifier: GPL-2.0-only
/*
 * xfrm_probe - the helper's mirror of the SAD alone, for tests: prints what it
 * tells, a line each, and does what it reads, a line each:
 *
 *	count			-> count N
 *	find SPI		-> sa ..., found N
 *	get DST SPI MARK	-> sa ..., got 0; or got ERR
 *	left DST SPI		-> left HOW; or left ENOENT
 *	local ADDR		-> local N
 *	flush_seen		-> flush_seen N		(since the start)
 *	overruns		-> overruns N
 *	resync			-> resynced ERR
 *	small			-> small N		(receive buffer of the events)
 *	wait			stops until the next line: events pile up
 *
 * Ends with its input. ERR is 0 or a name such as ESRCH.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "xfrm.h"

static const char *const hows[] = { "deleted", "expired", "flushed", "unseen" };

static struct xfrm *xfrm;
static int64_t started;

static const char *err_text(int err)
{
	return err ? uv_err_name(err) : "0";
}

static void print_sa(const char *what, const struct xfrm_sa *sa, const char *end)
{
	char src[64] = "?", dst[64] = "?";

	inet_ntop(sa->src.family, sa->src.addr, src, sizeof(src));
	inet_ntop(sa->dst.family, sa->dst.addr, dst, sizeof(dst));
	printf("%s %s %s 0x%08" PRIx32 " proto %u reqid %" PRIu32 " mark 0x%" PRIx32 "/0x%" PRIx32
	       " if_id %" PRIu32 " mode %u encap %u/%u/%u packets %" PRIu64 "%s%s\n",
	       what, src, dst, sa->spi, sa->proto, sa->reqid, sa->mark, sa->mark_mask, sa->if_id,
	       sa->mode, sa->encap_type, sa->encap_sport, sa->encap_dport, sa->packets,
	       sa->larval ? " larval" : "", end);
}

static void on_added(void *arg, const struct xfrm_sa *sa)
{
	(void)arg;
	print_sa("added", sa, "");
}

static void on_removed(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how)
{
	char end[32];

	(void)arg;
	snprintf(end, sizeof(end), " %s", hows[how]);
	print_sa("removed", sa, end);
}

static void on_flushed(void *arg)
{
	(void)arg;
	printf("flushed\n");
}

static void each(void *arg, const struct xfrm_sa *sa)
{
	(void)arg;
	print_sa("sa", sa, "");
}

static int addr(const char *text, struct ike_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(a->family, text, a->addr) == 1;
}

/* The only netlink socket of ours that is subscribed to something. */
static int events_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int fd, found = -1;

	while (dir && (d = readdir(dir))) {
		uint32_t groups[4] = { 0 };
		socklen_t len = sizeof(groups);

		fd = atoi(d->d_name);
		if (!getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len) &&
		    groups[0])
			found = fd;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void do_get(const char *dst, uint32_t spi, uint32_t mark)
{
	struct ike_addr a;
	struct xfrm_sa sa;
	int ret;

	addr(dst, &a);
	ret = xfrm_sa_get(xfrm, &a, spi, 50, mark, &sa);
	if (!ret)
		print_sa("sa", &sa, "");
	printf("got %s\n", err_text(ret));
}

static void do_left(const char *dst, uint32_t spi)
{
	enum xfrm_gone how = XFRM_GONE_UNSEEN;
	struct ike_addr a;
	int64_t when = 0;
	int ret;

	addr(dst, &a);
	ret = xfrm_seen_leaving(xfrm, &a, spi, 50, &when, &how);
	printf("left %s\n", ret ? err_text(ret) : when < started ? "in the past" : hows[how]);
}

static void do_line(char *line)
{
	char word[32] = "", a1[64] = "", a2[64] = "", a3[64] = "", more[16];
	struct pollfd in = { .fd = 0, .events = POLLIN };
	struct ike_addr a;
	int size = 4096, ret;

	if (sscanf(line, "%31s %63s %63s %63s", word, a1, a2, a3) < 1) {
		return;
	} else if (!strcmp(word, "count")) {
		printf("count %u\n", xfrm_count(xfrm));
	} else if (!strcmp(word, "find")) {
		ret = xfrm_find(xfrm, (uint32_t)strtoul(a1, NULL, 0), 50, each, NULL);
		printf("found %d\n", ret);
	} else if (!strcmp(word, "get")) {
		do_get(a1, (uint32_t)strtoul(a2, NULL, 0), (uint32_t)strtoul(a3, NULL, 0));
	} else if (!strcmp(word, "left")) {
		do_left(a1, (uint32_t)strtoul(a2, NULL, 0));
	} else if (!strcmp(word, "local")) {
		printf("local %d\n", addr(a1, &a) ? xfrm_addr_local(xfrm, &a) : -1);
	} else if (!strcmp(word, "flush_seen")) {
		printf("flush_seen %d\n", xfrm_flush_seen(xfrm, started));
	} else if (!strcmp(word, "overruns")) {
		printf("overruns %" PRIu64 "\n", xfrm_overruns(xfrm));
	} else if (!strcmp(word, "resync")) {
		printf("resynced %s\n", err_text(xfrm_resync(xfrm)));
	} else if (!strcmp(word, "small")) {
		ret = setsockopt(events_fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		printf("small %s\n", err_text(ret ? -errno : 0));
	} else if (!strcmp(word, "wait")) {
		printf("waiting\n");
		if (poll(&in, 1, -1) != 1 || read(0, more, sizeof(more)) <= 0)
			exit(3);
		printf("goes on\n");
	} else {
		printf("what is \"%s\"?\n", word);
	}
}

static void on_input(uv_poll_t *poll, int status, int events)
{
	static char buf[4096];
	static size_t len;
	char *end;
	ssize_t n;

	(void)events;
	n = status < 0 ? 0 : read(0, buf + len, sizeof(buf) - 1 - len);
	if (n <= 0) {
		uv_poll_stop(poll);
		uv_close((uv_handle_t *)poll, NULL);
		xfrm_free(xfrm);
		return;
	}
	len += (size_t)n;
	buf[len] = '\0';
	while ((end = strchr(buf, '\n'))) {
		*end = '\0';
		do_line(buf);
		len -= (size_t)(end + 1 - buf);
		memmove(buf, end + 1, len + 1);
	}
}

int main(void)
{
	static const struct xfrm_events ev = { on_added, on_removed, on_flushed };
	uv_loop_t loop;
	uv_poll_t in;
	char *err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	started = now_ms();
	uv_loop_init(&loop);
	xfrm = xfrm_new(&loop, &ev, NULL, &err);
	if (!xfrm) {
		printf("failed: %s\n", err);
		return 1;
	}
	printf("ready\n");
	uv_poll_init(&loop, &in, 0);
	uv_poll_start(&in, UV_READABLE, on_input);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 2 : 0;
}
