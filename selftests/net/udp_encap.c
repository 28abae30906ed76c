// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a UDP socket that takes ESP in UDP, as an IKE daemon does: without one
 * the kernel never sees the ESP in these packets. Prints "ready", then the length
 * of each datagram that the kernel left to the socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr *sa = (struct sockaddr *)&in4;
	int fd, one = 1, type = UDP_ENCAP_ESPINUDP;
	socklen_t len = sizeof(in4);
	char buf[65536];
	ssize_t n;

	if (argc != 3) {
		fputs("Usage: udp_encap ADDRESS PORT\n", stderr);
		return 2;
	}
	in4.sin_port = htons(atoi(argv[2]));
	in6.sin6_port = in4.sin_port;
	if (inet_pton(AF_INET, argv[1], &in4.sin_addr) != 1) {
		if (inet_pton(AF_INET6, argv[1], &in6.sin6_addr) != 1) {
			fprintf(stderr, "udp_encap: '%s' is not an address\n", argv[1]);
			return 2;
		}
		sa = (struct sockaddr *)&in6;
		len = sizeof(in6);
	}
	fd = socket(sa->sa_family, SOCK_DGRAM, 0);
	if (fd < 0 ||
	    (len == sizeof(in6) && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, sa, len) || setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type))) {
		fprintf(stderr, "udp_encap: %s port %s: %s\n", argv[1], argv[2], strerror(errno));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while ((n = recv(fd, buf, sizeof(buf), 0)) >= 0) {
		printf("%zd\n", n);
		fflush(stdout);
	}
	perror("udp_encap: recv");
	return 1;
}
