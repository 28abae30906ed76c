/* SPDX-License-Identifier: GPL-2.0-only */
/* What the senders of packets read from their command lines, strictly. */
#ifndef SELFTESTS_NET_ARGS_H
#define SELFTESTS_NET_ARGS_H

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define die_usage(fmt, ...) errx(2, fmt " (see --help)", ##__VA_ARGS__)

static inline unsigned long number(const char *opt, const char *s, unsigned long min,
				   unsigned long max)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(s, &end, 0);
	if (*s == '-' || end == s || *end || errno || v < min || v > max)
		die_usage("%s '%s': must be a number from %lu to %lu", opt, s, min, max);
	return v;
}

static inline void parse_mac(const char *what, const char *s, uint8_t mac[6])
{
	if (sscanf(s, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		   &mac[5]) != 6)
		die_usage("%s '%s': must be six hexadecimal bytes with colons", what, s);
}

#endif
