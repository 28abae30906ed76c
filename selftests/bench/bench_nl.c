// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_nl - netlink at its barest, as a yardstick
 *
 * bench_nl audit
 *	turns the audit subsystem on and reads its records; says "ready". For
 *	each line on standard input it prints how many records of dropped IPsec
 *	packets came; when that ends, it turns audit off.
 * bench_nl dump FAMILY-ID|xfrm|conntrack
 *	dumps the flows of the generic netlink family, the SAs or the connections,
 *	and prints "MESSAGES BYTES NANOSECONDS", the last of processor time.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <linux/xfrm_invspi.h>

struct request {
	struct nlmsghdr nlh;
	union {
		struct audit_status status;
		struct genlmsghdr genl;
		struct nfgenmsg nf;
	};
};

static char buffer[256 * 1024];

static void die(const char *what)
{
	fprintf(stderr, "bench_nl: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
	int size = 64 << 20;

	if (fd < 0)
		die("socket");
	/* records come in bursts */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("SO_RCVBUFFORCE");
	return fd;
}

static void send_request(int fd, struct request *r, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	r->nlh.nlmsg_len = NLMSG_LENGTH(size);
	if (sendto(fd, r, r->nlh.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		die("sendto");
}

static void audit_set(int fd, uint32_t enabled)
{
	struct request r = { .nlh = { .nlmsg_type = AUDIT_SET, .nlmsg_flags = NLM_F_REQUEST } };

	r.status.mask = AUDIT_STATUS_ENABLED | AUDIT_STATUS_PID | AUDIT_STATUS_BACKLOG_LIMIT;
	r.status.enabled = enabled;
	r.status.pid = enabled ? getpid() : 0;
	r.status.backlog_limit = 0; /* none */
	send_request(fd, &r, sizeof(r.status));
}

static int run_audit(void)
{
	int fd = open_socket(NETLINK_AUDIT);
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	unsigned long records = 0;
	char line[16];

	audit_set(fd, 1);
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents) {
			const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
			ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

			if (n < 0)
				die("recv");
			/* in these, the length is that of the payload */
			if (n >= (ssize_t)sizeof(*nlh) && nlh->nlmsg_type == AUDIT_MAC_IPSEC_EVENT)
				records++;
		} else if (fds[1].revents) {
			if (read(0, line, sizeof(line)) <= 0)
				break;
			printf("%lu\n", records);
			fflush(stdout);
		}
	}
	audit_set(fd, 0);
	return 0;
}

/* Returns the protocol; sets the size of the part behind the header. */
static int dump_request(const char *what, struct request *r, size_t *size)
{
	r->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (!strcmp(what, "xfrm")) {
		r->nlh.nlmsg_type = XFRM_MSG_GETSA;
		*size = 0;
		return NETLINK_XFRM;
	}
	if (!strcmp(what, "conntrack")) {
		r->nlh.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
		*size = sizeof(r->nf);
		return NETLINK_NETFILTER;
	}
	r->nlh.nlmsg_type = atoi(what);
	r->genl.cmd = XFRM_INVSPI_CMD_FLOW_GET;
	r->genl.version = XFRM_INVSPI_FAMILY_VERSION;
	*size = sizeof(r->genl);
	return NETLINK_GENERIC;
}

static int run_dump(const char *what)
{
	unsigned long messages = 0, bytes = 0;
	struct request r = {};
	struct timespec t;
	size_t size;
	int fd = open_socket(dump_request(what, &r, &size));

	send_request(fd, &r, size);
	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0)
			die("recv");
		bytes += n;
		for (; NLMSG_OK(nlh, (size_t)n); nlh = NLMSG_NEXT(nlh, n)) {
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				errno = -((const struct nlmsgerr *)NLMSG_DATA(nlh))->error;
				die("refused");
			}
			if (nlh->nlmsg_type == NLMSG_DONE)
				goto done;
			messages++;
		}
	}
done:
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	printf("%lu %lu %lu\n", messages, bytes, t.tv_sec * 1000000000UL + t.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "audit"))
		return run_audit();
	if (argc == 3 && !strcmp(argv[1], "dump"))
		return run_dump(argv[2]);
	fputs("usage: bench_nl audit | bench_nl dump FAMILY-ID|xfrm|conntrack\n", stderr);
	return 2;
}
