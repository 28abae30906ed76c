// SPDX-License-Identifier: GPL-2.0-only
/* Parsers for what people type. */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "ktap.h"
#include "fmt.h"
#include "parse.h"

/* Every error must quote the bad value. */
static void check_quoted(const char *value, int rc, const struct invspi_err *err)
{
	char escaped[300], quoted[310];

	if (!rc)
		return;
	fmt_escape_line(escaped, sizeof(escaped), value, strlen(value));
	snprintf(quoted, sizeof(quoted), "\"%s\"", escaped);
	ktap_has("the error quotes the value", quoted, err->text);
}

static void test_number(void)
{
	static const struct {
		const char *s;
		uint64_t min, max;
		int rc;
		uint64_t value;
	} t[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "4", 5, 10, -ERANGE, 0 },
		{ "0x1f", 0, 100, 0, 31 },
		{ "0X1F", 0, 100, 0, 31 },
		{ "0x", 0, 100, -EINVAL, 0 },
		{ "", 0, 100, -EINVAL, 0 },
		{ " 1", 0, 100, -EINVAL, 0 },
		{ "1 ", 0, 100, -EINVAL, 0 },
		{ "+1", 0, 100, -EINVAL, 0 },
		{ "-1", 0, 100, -EINVAL, 0 },
		{ "010", 0, 100, -EINVAL, 0 },
		{ "1e3", 0, 10000, -EINVAL, 0 },
		{ "12abc", 0, 100, -EINVAL, 0 },
		{ "0xfg", 0, 100, -EINVAL, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "0x10000000000000000", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
		{ "1\x1b[2J", 0, 100, -EINVAL, 0 },
	};
	struct invspi_err err;
	char name[128];
	uint64_t v;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		v = 0;
		rc = parse_number(t[i].s, "count", t[i].min, t[i].max, &v, &err);
		snprintf(name, sizeof(name), "number case %zu: status", i);
		ktap_int(name, t[i].rc, rc);
		snprintf(name, sizeof(name), "number case %zu: value", i);
		ktap_ok(v == t[i].value, "%s", name);
		check_quoted(t[i].s, rc, &err);
	}
}

static void test_spi(void)
{
	static const struct {
		const char *s;
		int rc;
		uint32_t spi;
	} t[] = {
		{ "0xb761863e", 0, 0xb761863e },
		{ "0XB761863E", 0, 0xb761863e },
		{ "3076621886", 0, 3076621886u },
		{ "0xB761863E(3076621886)", 0, 0xb761863e },
		{ "0xB761863E(3076621887)", -EINVAL, 0 },
		{ "0xB761863E(3076621886", -EINVAL, 0 },
		{ "0xB761863E(3076621886)x", -EINVAL, 0 },
		{ "0xB761863E()", -EINVAL, 0 },
		{ "3076621886(3076621886)", -EINVAL, 0 },
		{ "0x100", 0, 0x100 },
		{ "0xff000000", 0, 0xff000000 },
		{ "0xffffffff", 0, 0xffffffff },
		{ "4294967295", 0, 0xffffffff },
		{ "0x100000000", -EINVAL, 0 },
		{ "4294967296", -EINVAL, 0 },
		{ "b761863e", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
	};
	struct invspi_err err;
	uint32_t spi;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		spi = 0;
		rc = parse_spi(t[i].s, &spi, &err);
		ktap_int("SPI: status", t[i].rc, rc);
		ktap_ok(spi == t[i].spi, "SPI %s: value", t[i].s);
		check_quoted(t[i].s, rc, &err);
	}
}

static void test_prefix(void)
{
	static const struct {
		const char *s;
		int rc;
		int family;
		unsigned int plen;
	} t[] = {
		{ "192.0.2.1", 0, AF_INET, 32 },
		{ "192.0.2.0/24", 0, AF_INET, 24 },
		{ "0.0.0.0/0", 0, AF_INET, 0 },
		{ "192.0.2.128/25", 0, AF_INET, 25 },
		{ "192.0.2.129/25", -EINVAL, 0, 0 },
		{ "192.0.2.1/32", 0, AF_INET, 32 },
		{ "192.0.2.1/33", -ERANGE, 0, 0 },
		{ "192.0.2.0/", -EINVAL, 0, 0 },
		{ "192.0.2.0/08", -EINVAL, 0, 0 },
		{ "192.0.2.0/-1", -EINVAL, 0, 0 },
		{ "192.0.2.0/24/24", -EINVAL, 0, 0 },
		{ "192.0.2", -EINVAL, 0, 0 },
		{ "192.0.2.256", -EINVAL, 0, 0 },
		{ "2001:db8::1", 0, AF_INET6, 128 },
		{ "2001:db8::/32", 0, AF_INET6, 32 },
		{ "2001:db8::1/32", -EINVAL, 0, 0 },
		{ "::/0", 0, AF_INET6, 0 },
		{ "2001:db8::/129", -ERANGE, 0, 0 },
		{ "2001:db8:::1", -EINVAL, 0, 0 },
		{ "fe80::1%eth0", -EINVAL, 0, 0 },
		{ "", -EINVAL, 0, 0 },
		{ "/24", -EINVAL, 0, 0 },
		{ "any", -EINVAL, 0, 0 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1",
		  -EINVAL, 0, 0 },
	};
	struct invspi_prefix p;
	struct invspi_err err;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&p, 0, sizeof(p));
		rc = parse_prefix(t[i].s, &p, &err);
		ktap_int("prefix: status", t[i].rc, rc);
		if (!rc)
			ktap_ok(p.family == t[i].family && p.plen == t[i].plen,
				"prefix %s: family and length", t[i].s);
		check_quoted(t[i].s, rc, &err);
	}
}

static void test_prefix_has(void)
{
	static const struct {
		const char *prefix, *addr;
		bool has;
	} t[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "198.51.100.96/27", "198.51.100.127", true },
		{ "198.51.100.96/27", "198.51.100.128", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "0.0.0.0/0", "203.0.113.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "203.0.113.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
	};
	struct invspi_prefix p;
	union invspi_addr addr;
	char name[128];
	int family;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(name, sizeof(name), "is %s in %s", t[i].addr, t[i].prefix);
		if (parse_prefix(t[i].prefix, &p, NULL) ||
		    parse_addr(t[i].addr, &family, &addr, NULL))
			ktap_ok(false, "%s: bad test", name);
		else
			ktap_int(name, t[i].has, prefix_has(&p, family, &addr));
	}
}

static void test_duration(void)
{
	static const struct {
		const char *s;
		unsigned int bare;
		int rc;
		uint64_t ms;
	} t[] = {
		{ "500ms", 0, 0, 500 },
		{ "2s", 0, 0, 2000 },
		{ "10m", 0, 0, 600000 },
		{ "1h", 0, 0, 3600000 },
		{ "1d", 0, 0, 86400000 },
		{ "1500", 1, 0, 1500 },
		{ "1500", 0, -EINVAL, 0 },
		{ "0", 1, 0, 0 },
		{ "s", 1, -EINVAL, 0 },
		{ "", 1, -EINVAL, 0 },
		{ "1.5s", 1, -EINVAL, 0 },
		{ "1 s", 1, -EINVAL, 0 },
		{ "-1s", 1, -EINVAL, 0 },
		{ "1S", 1, -EINVAL, 0 },
		{ "1sec", 1, -EINVAL, 0 },
		{ "1m30s", 1, -EINVAL, 0 },
		{ "2d", 0, -ERANGE, 0 },
		{ "18446744073709551615d", 0, -ERANGE, 0 },
		{ "99999999999999999999s", 0, -ERANGE, 0 },
	};
	struct invspi_err err;
	uint64_t ms;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		ms = 0;
		rc = parse_duration(t[i].s, "time", t[i].bare, 0, 86400000, &ms, &err);
		ktap_int("duration: status", t[i].rc, rc);
		ktap_ok(ms == t[i].ms, "duration %s: value", t[i].s);
		check_quoted(t[i].s, rc, &err);
	}
	rc = parse_duration("999ms", "time", 0, 1000, 2000, &ms, &err);
	ktap_int("duration below the least", -ERANGE, rc);
	ktap_has("which is named", "1000ms to 2000ms", err.text);
}

static void test_listen(void)
{
	static const struct {
		const char *s;
		int rc, family, port;
	} t[] = {
		{ "127.0.0.1:9850", 0, AF_INET, 9850 },
		{ "0.0.0.0:1", 0, AF_INET, 1 },
		{ "[::1]:65535", 0, AF_INET6, 65535 },
		{ "[2001:db8::1]:9850", 0, AF_INET6, 9850 },
		{ "[::ffff:192.0.2.1]:9850", 0, AF_INET6, 9850 },
		{ "", -EINVAL, 0, 0 },
		{ ":", -EINVAL, 0, 0 },
		{ ":9850", -EINVAL, 0, 0 },
		{ "9850", -EINVAL, 0, 0 },
		{ "127.0.0.1", -EINVAL, 0, 0 },
		{ "127.0.0.1:", -EINVAL, 0, 0 },
		{ "127.0.0.1:0", -EINVAL, 0, 0 },
		{ "127.0.0.1:65536", -EINVAL, 0, 0 },
		{ "127.0.0.1:9850 ", -EINVAL, 0, 0 },
		{ " 127.0.0.1:9850", -EINVAL, 0, 0 },
		{ "127.0.0.1:9850x", -EINVAL, 0, 0 },
		{ "127.1:9850", -EINVAL, 0, 0 },
		{ "localhost:9850", -EINVAL, 0, 0 },
		{ "*:9850", -EINVAL, 0, 0 },
		{ "::1:9850", -EINVAL, 0, 0 },
		{ "[::1]", -EINVAL, 0, 0 },
		{ "[::1:9850", -EINVAL, 0, 0 },
		{ "::1]:9850", -EINVAL, 0, 0 },
		{ "[]:9850", -EINVAL, 0, 0 },
		{ "[127.0.0.1]:9850", -EINVAL, 0, 0 },
		{ "[fe80::1%eth0]:9850", -EINVAL, 0, 0 },
		{ "0000000000000000000000000000000000000000000000000000.0.0.1:1", -EINVAL, 0, 0 },
	};
	struct sockaddr_storage sa;
	struct invspi_err err;
	socklen_t len;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		rc = parse_listen(t[i].s, &sa, &len, &err);
		ktap_ok(rc == t[i].rc || (t[i].rc && rc < 0), "listen \"%s\": status", t[i].s);
		if (rc < 0)
			continue;
		ktap_int("listen: family", t[i].family, sa.ss_family);
		/* at the same place in both */
		ktap_int("listen: port", t[i].port, ntohs(((struct sockaddr_in *)&sa)->sin_port));
		ktap_int("listen: length",
			 t[i].family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6),
			 len);
	}
}

static void test_keyword(void)
{
	static const char *const words[] = { "show", "set", "status", "stat", NULL };
	static const struct {
		const char *s;
		int rc;
	} t[] = {
		{ "show", 0 },	  { "sh", 0 },	       { "set", 1 },	     { "se", 1 },
		{ "s", -EINVAL }, { "sta", -EINVAL },  { "stat", 3 },	     { "statu", 2 },
		{ "", -EINVAL },  { "SHOW", -EINVAL }, { "showx", -EINVAL },
	};
	struct invspi_err err;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		rc = parse_keyword(t[i].s, "command", words, &err);
		ktap_int("keyword", t[i].rc, rc);
		if (rc < 0)
			check_quoted(t[i].s, rc, &err);
	}
	ktap_has("the words are listed", "show, set, status, stat", err.text);
}

static void test_addr(void)
{
	union invspi_addr a;
	struct invspi_err err;
	int family;

	ktap_int("IPv4", 0, parse_addr("192.0.2.1", &family, &a, &err));
	ktap_ok(family == AF_INET && a.b[0] == 192 && a.b[3] == 1 && !a.b[4], "IPv4 bytes");
	ktap_int("IPv6", 0, parse_addr("2001:db8::1", &family, &a, &err));
	ktap_ok(family == AF_INET6 && a.b[0] == 0x20 && a.b[15] == 1, "IPv6 bytes");
	ktap_int("a prefix is no address", -EINVAL, parse_addr("192.0.2.0/24", &family, &a, &err));
	ktap_has("quoted", "\"192.0.2.0/24\"", err.text);
	ktap_int("without a text", -EINVAL, parse_addr("x", &family, &a, NULL));
}

int main(void)
{
	test_number();
	test_spi();
	test_prefix();
	test_prefix_has();
	test_duration();
	test_listen();
	test_keyword();
	test_addr();
	return ktap_done();
}
