// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what people type. The first byte of an input says what the rest
 * is taken for.
 */
#include <errno.h>
#include <stdio.h>

#include "fmt.h"
#include "fuzz.h"
#include "parse.h"

/* What is refused is refused with a text that can be shown. */
static bool refused(int rc, const struct invspi_err *err)
{
	must(!rc || ((rc == -EINVAL || rc == -ERANGE) && err->text[0] && is_printable(err->text)));
	return rc;
}

static void addr(const char *s)
{
	char text[FMT_ADDR_LEN];
	struct invspi_err err = { "" };
	union invspi_addr a, again;
	int family, family_again;

	if (refused(parse_addr(s, &family, &a, &err), &err))
		return;
	must(family == AF_INET || family == AF_INET6);
	fmt_addr(text, family, &a);
	must(!parse_addr(text, &family_again, &again, NULL));
	must(family == family_again && !memcmp(&a, &again, sizeof(a)));
}

static void prefix(const char *s)
{
	struct invspi_err err = { "" };
	struct invspi_prefix p, again;
	char text[FMT_ADDR_LEN], whole[FMT_ADDR_LEN + 8];

	if (refused(parse_prefix(s, &p, &err), &err))
		return;
	must(p.plen <= (p.family == AF_INET ? 32 : 128));
	must(prefix_has(&p, p.family, &p.addr));
	must(!prefix_has(&p, p.family == AF_INET ? AF_INET6 : AF_INET, &p.addr));
	snprintf(whole, sizeof(whole), "%s/%u", fmt_addr(text, p.family, &p.addr), p.plen);
	must(!parse_prefix(whole, &again, NULL));
	must(again.family == p.family && again.plen == p.plen &&
	     !memcmp(&again.addr, &p.addr, sizeof(p.addr)));
}

static void spi(const char *s)
{
	struct invspi_err err = { "" };
	uint32_t v, again;
	char text[32];

	if (refused(parse_spi(s, &v, &err), &err))
		return;
	snprintf(text, sizeof(text), "0x%08X(%u)", v, v);
	must(!parse_spi(text, &again, NULL) && again == v);
}

static void number(const char *s)
{
	static const uint64_t bounds[][2] = { { 0, UINT64_MAX }, { 1, 65535 }, { 7, 7 } };
	struct invspi_err err = { "" };
	uint64_t v;
	size_t i;

	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		if (!refused(parse_number(s, "number", bounds[i][0], bounds[i][1], &v, &err), &err))
			must(v >= bounds[i][0] && v <= bounds[i][1]);
}

static void duration(const char *s)
{
	static const unsigned int bare[] = { 0, 1, 1000 };
	struct invspi_err err = { "" };
	uint64_t ms;
	size_t i;

	for (i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		if (!refused(parse_duration(s, "time", bare[i], 5, 86400000, &ms, &err), &err))
			must(ms >= 5 && ms <= 86400000);
	if (!refused(parse_duration(s, "time", 1, 0, UINT64_MAX, &ms, &err), &err))
		must(s[0] >= '0' && s[0] <= '9');
}

static void keyword(const char *s)
{
	static const char *const words[] = { "show", "set", "settle", "delete", "", NULL };
	struct invspi_err err = { "" };
	int i = parse_keyword(s, "word", words, &err);

	if (i >= 0)
		must(!strncmp(words[i], s, strlen(s)));
	else
		refused(i, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *) = {
		addr, prefix, spi, number, duration, keyword,
	};
	struct input in = { data, size };
	uint8_t what = take_byte(&in);
	char *s = take_rest(&in);

	if (what < sizeof(parsers) / sizeof(parsers[0]))
		parsers[what](s);
	free(s);
	return 0;
}
