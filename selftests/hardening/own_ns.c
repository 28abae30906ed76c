// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "own_ns.h"

#define NOBODY 65534

static void write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", file);
	close(fd);
}

void own_user_ns(void)
{
	if (setgid(NOBODY) || setuid(NOBODY) || unshare(CLONE_NEWUSER))
		err(1, "user namespace of one's own");
	/* a change of the user took /proc/self away */
	prctl(PR_SET_DUMPABLE, 1);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 65534 1");
	write_file("/proc/self/gid_map", "0 65534 1");
}

void own_net_ns(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "network namespace of one's own");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		err(1, "lo");
	close(fd);
}

uint32_t own_spi(struct rnd *r)
{
	return 0x1000 + rnd_below(r, 64);
}

void own_address(struct rnd *r, uint8_t *p, unsigned int n)
{
	memset(p, 0, n);
	if (n == 4) {
		p[0] = 127;
		p[3] = 1 + rnd_below(r, 4);
	} else {
		p[15] = 1;
	}
}

unsigned int own_packets(struct rnd *r, unsigned int most)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	int raw4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ESP);
	int raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ESP);
	unsigned int n = rnd_below(r, most + 1), sent = 0;
	uint32_t esp[10] = { 0 };

	if (raw4 < 0 || raw6 < 0)
		err(1, "raw socket");
	while (sent < n) {
		ssize_t ok;

		esp[0] = htonl(own_spi(r));
		own_address(r, (uint8_t *)&in4.sin_addr, 4);
		own_address(r, (uint8_t *)&in6.sin6_addr, 16);
		if (rnd_one_in(r, 2))
			ok = sendto(raw4, esp, sizeof(esp), 0, (void *)&in4, sizeof(in4));
		else
			ok = sendto(raw6, esp, sizeof(esp), 0, (void *)&in6, sizeof(in6));
		if (ok < 0 && errno != ENOBUFS)
			err(1, "sending ESP");
		sent += ok > 0;
	}
	close(raw4);
	close(raw6);
	return sent;
}
