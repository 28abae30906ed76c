// SPDX-License-Identifier: GPL-2.0-only
/* Strict parsers for what people type. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

/*
 * Digits of @s up to the first other character. Return: 0 with *@end behind
 * them, -EINVAL without any digit or with a leading 0, -ERANGE beyond 64 bits.
 */
static int digits(const char *s, uint64_t *value, const char **end)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	unsigned int base = hex ? 16 : 10, d;
	const char *p = hex ? s + 2 : s;
	const char *start = p;
	bool over = false;
	uint64_t v = 0;

	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			d = *p - '0';
		else if (hex && *p >= 'a' && *p <= 'f')
			d = *p - 'a' + 10;
		else if (hex && *p >= 'A' && *p <= 'F')
			d = *p - 'A' + 10;
		else
			break;
		if (v > (UINT64_MAX - d) / base)
			over = true;
		v = v * base + d;
	}
	*end = p;
	*value = v;
	if (p == start || (!hex && *start == '0' && p > start + 1))
		return -EINVAL;
	return over ? -ERANGE : 0;
}

int parse_number(const char *s, const char *what, uint64_t min, uint64_t max, uint64_t *value,
		 struct invspi_err *err)
{
	const char *end;
	uint64_t v;
	int rc;

	rc = digits(s, &v, &end);
	if (*end || rc == -EINVAL)
		return invspi_err_set(err, EINVAL,
				      "bad %s \"%s\": want a number from %" PRIu64 " to %" PRIu64,
				      what, s, min, max);
	if (rc || v < min || v > max)
		return invspi_err_set(err, ERANGE,
				      "%s \"%s\" is out of range: want %" PRIu64 " to %" PRIu64,
				      what, s, min, max);
	*value = v;
	return 0;
}

int parse_spi(const char *s, uint32_t *spi, struct invspi_err *err)
{
	uint64_t v, dec;
	const char *end;
	int rc;

	rc = digits(s, &v, &end);
	if (!rc && *end == '(' && s[0] == '0' && end > s + 2) {
		rc = digits(end + 1, &dec, &end);
		if (!rc && (strcmp(end, ")") || dec != v))
			rc = -EINVAL;
		else
			end = "";
	}
	if (rc || *end || v > UINT32_MAX)
		return invspi_err_set(err, EINVAL,
				      "bad SPI \"%s\": want 32 bits in hexadecimal "
				      "such as 0xb761863e, or in decimal",
				      s);
	*spi = (uint32_t)v;
	return 0;
}

static int addr_family(const char *s, union invspi_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, s, &addr->v4) == 1)
		return AF_INET;
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET6, s, &addr->v6) == 1)
		return AF_INET6;
	return AF_UNSPEC;
}

int parse_addr(const char *s, int *family, union invspi_addr *addr, struct invspi_err *err)
{
	*family = addr_family(s, addr);
	if (*family == AF_UNSPEC)
		return invspi_err_set(err, EINVAL,
				      "bad address \"%s\": want IPv4 such as 192.0.2.1 "
				      "or IPv6 such as 2001:db8::1",
				      s);
	return 0;
}

int parse_listen(const char *s, struct sockaddr_storage *sa, socklen_t *len, struct invspi_err *err)
{
	struct sockaddr_in6 *v6 = (void *)sa;
	struct sockaddr_in *v4 = (void *)sa;
	const char *colon = strrchr(s, ':');
	bool v6_given, brackets = s[0] == '[' && colon > s + 1 && colon[-1] == ']';
	union invspi_addr addr;
	char host[INET6_ADDRSTRLEN];
	uint64_t port = 0;
	int n = colon ? (int)(colon - s) - 2 * brackets : 0, family = AF_UNSPEC;

	if (n > 0 && (size_t)n < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", n, s + brackets);
		family = addr_family(host, &addr);
	}
	/* 1::2:3 could be either */
	v6_given = family == AF_INET6;
	if (family == AF_UNSPEC || v6_given != brackets)
		return invspi_err_set(
			err, EINVAL,
			"\"%s\": want ADDRESS:PORT such as 127.0.0.1:9850 or [::1]:9850", s);
	if (parse_number(colon + 1, "port", 1, 65535, &port, err))
		return -EINVAL;
	memset(sa, 0, sizeof(*sa));
	sa->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_addr = addr.v4;
		v4->sin_port = htons((uint16_t)port);
		*len = sizeof(*v4);
	} else {
		v6->sin6_addr = addr.v6;
		v6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*v6);
	}
	return 0;
}

static bool host_bits(const union invspi_addr *addr, unsigned int plen, unsigned int bits)
{
	for (; plen < bits; plen++)
		if (addr->b[plen / 8] & (0x80 >> plen % 8))
			return true;
	return false;
}

int parse_prefix(const char *s, struct invspi_prefix *prefix, struct invspi_err *err)
{
	const char *slash = strchr(s, '/'), *end;
	char host[INET6_ADDRSTRLEN];
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	unsigned int bits;
	uint64_t plen;

	if (len >= sizeof(host))
		goto bad;
	memcpy(host, s, len);
	host[len] = '\0';

	prefix->family = addr_family(host, &prefix->addr);
	if (prefix->family == AF_UNSPEC)
		goto bad;
	bits = prefix->family == AF_INET ? 32 : 128;
	plen = bits;
	if (slash && (digits(slash + 1, &plen, &end) || *end))
		goto bad;
	if (plen > bits)
		return invspi_err_set(err, ERANGE,
				      "bad prefix \"%s\": the length of an %s prefix is 0 to %u", s,
				      bits == 32 ? "IPv4" : "IPv6", bits);
	if (host_bits(&prefix->addr, plen, bits))
		return invspi_err_set(err, EINVAL,
				      "bad prefix \"%s\": bits are set behind the length; "
				      "for the one address leave the length out",
				      s);
	prefix->plen = plen;
	return 0;
bad:
	return invspi_err_set(err, EINVAL,
			      "bad prefix \"%s\": want an address or a prefix "
			      "such as 192.0.2.0/24 or 2001:db8::/32",
			      s);
}

bool prefix_has(const struct invspi_prefix *prefix, int family, const union invspi_addr *addr)
{
	unsigned int bytes = prefix->plen / 8, bits = prefix->plen % 8;

	if (prefix->family != family || memcmp(prefix->addr.b, addr->b, bytes))
		return false;
	return !bits || !((prefix->addr.b[bytes] ^ addr->b[bytes]) >> (8 - bits));
}

int parse_duration(const char *s, const char *what, unsigned int bare_ms, uint64_t min_ms,
		   uint64_t max_ms, uint64_t *ms, struct invspi_err *err)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	uint64_t v, unit = 0;
	const char *end;
	size_t i;
	int rc;

	rc = digits(s, &v, &end);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name))
			unit = units[i].ms;
	if (!*end)
		unit = bare_ms;
	if (rc == -EINVAL || !unit)
		return invspi_err_set(err, EINVAL,
				      "bad %s \"%s\": want a time such as 500ms, 2s, 10m, 1h or 1d",
				      what, s);
	if (rc || v > UINT64_MAX / unit || v * unit < min_ms || v * unit > max_ms)
		return invspi_err_set(err, ERANGE,
				      "%s \"%s\" is out of range: want %" PRIu64 "ms to %" PRIu64
				      "ms",
				      what, s, min_ms, max_ms);
	*ms = v * unit;
	return 0;
}

static void list_words(char *buf, size_t size, const char *const *words)
{
	size_t used = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; words[i] && used < size; i++)
		used += snprintf(buf + used, size - used, "%s%s", i ? ", " : "", words[i]);
}

int parse_keyword(const char *s, const char *what, const char *const *words, struct invspi_err *err)
{
	size_t len = strlen(s);
	int i, found = -1;
	char list[256];

	for (i = 0; words[i]; i++) {
		if (!strcmp(s, words[i]))
			return i;
		if (len && !strncmp(s, words[i], len))
			found = found == -1 ? i : -2;
	}
	if (found >= 0)
		return found;
	list_words(list, sizeof(list), words);
	return invspi_err_set(err, EINVAL, "%s %s \"%s\": want one of %s",
			      found == -2 ? "ambiguous" : "unknown", what, s, list);
}
