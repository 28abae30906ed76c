// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject - sends ESP packets (IPv4) that anybody could forge: any source, any
 * SPI, rising sequence numbers, random contents.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct esp_packet {
	struct iphdr ip;
	uint32_t spi, seq;
	uint8_t data[96];
};

static unsigned long number(const char *text, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (errno || end == text || *end || n > max)
		error(2, 0, "'%s' is not a number up to %lu", text, max);
	return n;
}

static void address(const char *text, uint32_t *to)
{
	if (inet_pton(AF_INET, text, to) != 1)
		error(2, 0, "'%s' is not an IPv4 address", text);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned long count, interval, i;
	struct esp_packet p = { 0 };
	struct timespec next;
	char path[300];
	uint32_t seq;
	int fd;

	if (argc != 8) {
		fputs("Usage: inject NETNS SRC DST SPI FIRST-SEQ COUNT INTERVAL-MS\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "/run/netns/%s", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		error(1, errno, "network namespace %s", argv[1]);
	close(fd);
	address(argv[2], &p.ip.saddr);
	address(argv[3], &p.ip.daddr);
	to.sin_addr.s_addr = p.ip.daddr;
	p.spi = htonl(number(argv[4], UINT32_MAX));
	seq = number(argv[5], UINT32_MAX);
	count = number(argv[6], 10000000);
	interval = number(argv[7], 60000);
	p.ip.version = 4;
	p.ip.ihl = 5;
	p.ip.ttl = 64;
	p.ip.protocol = IPPROTO_ESP;
	p.ip.tot_len = htons(sizeof(p));
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		error(1, errno, "raw socket");
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; i < count; i++) {
		p.seq = htonl(seq++);
		if (getrandom(p.data, sizeof(p.data), 0) != sizeof(p.data))
			error(1, errno, "getrandom");
		if (sendto(fd, &p, sizeof(p), 0, (void *)&to, sizeof(to)) != sizeof(p))
			error(1, errno, "send");
		next.tv_nsec += interval % 1000 * 1000000;
		next.tv_sec += interval / 1000 + next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return 0;
}
