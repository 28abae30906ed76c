// SPDX-License-Identifier: GPL-2.0-only
/* Output: escaping, times, JSON. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/socket.h>

#include "ktap.h"
#include "fmt.h"
#include "json.h"

static void test_escape(void)
{
	static const struct {
		const char *in;
		size_t len; /* 0: up to the NUL */
		const char *value, *line, *json;
	} t[] = {
		{ "", 0, "", "", "" },
		{ "plain text", 0, "plain text", "plain text", "plain text" },
		{ "a\\b", 0, "a\\\\b", "a\\b", "a\\\\b" },
		{ "a\"b", 0, "a\"b", "a\"b", "a\\\"b" },
		{ "\x1b[2J", 0, "\\x1b[2J", "\\x1b[2J", "\\u001b[2J" },
		{ "a\nb\tc", 0, "a\\x0ab\\x09c", "a\\x0ab\\x09c", "a\\u000ab\\u0009c" },
		{ "a\0b", 3, "a\\x00b", "a\\x00b", "a\\u0000b" },
		{ "\x7f", 0, "\\x7f", "\\x7f", "\\u007f" },
		{ "M\xc3\xbcller", 0, "M\xc3\xbcller", "M\xc3\xbcller", "M\xc3\xbcller" },
		{ "\xf0\x9f\x98\x80", 0, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80",
		  "\xf0\x9f\x98\x80" },
		{ "\xff", 0, "\\xff", "\\xff", "\\\\xff" },
		{ "\xc3", 0, "\\xc3", "\\xc3", "\\\\xc3" },
		{ "\xc3(", 0, "\\xc3(", "\\xc3(", "\\\\xc3(" },
		{ "\xc0\xaf", 0, "\\xc0\\xaf", "\\xc0\\xaf", "\\\\xc0\\\\xaf" },
		{ "\xe0\x80\xaf", 0, "\\xe0\\x80\\xaf", "\\xe0\\x80\\xaf",
		  "\\\\xe0\\\\x80\\\\xaf" },
		{ "\xed\xa0\x80", 0, "\\xed\\xa0\\x80", "\\xed\\xa0\\x80",
		  "\\\\xed\\\\xa0\\\\x80" },
		{ "\xf4\x90\x80\x80", 0, "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80",
		  "\\\\xf4\\\\x90\\\\x80\\\\x80" },
		{ "\xc2\x9b[J", 0, "\\xc2\\x9b[J", "\\xc2\\x9b[J", "\\u009b[J" },
		{ "a\xe2\x80\xaez", 0, "a\\xe2\\x80\\xaez", "a\\xe2\\x80\\xaez", "a\\u202ez" },
		{ "\xe2\x80\xa8", 0, "\\xe2\\x80\\xa8", "\\xe2\\x80\\xa8", "\\u2028" },
	};
	char buf[128];
	size_t i, n, len;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		len = t[i].len ? t[i].len : strlen(t[i].in);
		n = fmt_escape(buf, sizeof(buf), t[i].in, len);
		ktap_str("escaped value", t[i].value, buf);
		ktap_int("its length", (long long)strlen(t[i].value), (long long)n);
		fmt_escape_line(buf, sizeof(buf), t[i].in, len);
		ktap_str("escaped line", t[i].line, buf);
		fmt_escape_json(buf, sizeof(buf), t[i].in, len);
		ktap_str("escaped for JSON", t[i].json, buf);
	}
}

/* Whatever the room: terminated, within it, no piece cut, length as needed. */
static void test_escape_room(void)
{
	static const char in[] = "ab\x1b\xc3\xbc\xff\\z";
	const char *full = "ab\\x1b\xc3\xbc\\xff\\\\z";
	bool ok = true, fits = true;
	char buf[64];
	size_t size, n;

	for (size = 0; size < sizeof(buf); size++) {
		memset(buf, 'X', sizeof(buf));
		n = fmt_escape(size ? buf : NULL, size, in, sizeof(in) - 1);
		ok = ok && n == strlen(full);
		if (!size)
			continue;
		fits = fits && strlen(buf) < size && buf[size] == 'X' &&
		       !strncmp(buf, full, strlen(buf));
		/* A cut inside \x1b would leave this behind. */
		n = strlen(buf);
		ok = ok && !(n >= 3 && !strcmp(buf + n - 2, "\\x"));
	}
	ktap_ok(ok, "the needed length is told for any room, and no piece is cut");
	ktap_ok(fits, "never more than the room is written");
}

/* What a JSON parser makes of any bytes is those bytes. */
static void test_json_round_trip(void)
{
	char *text = NULL;
	bool ok = true;
	char in[2];
	size_t size;
	struct fmt f;
	json_t *root;
	FILE *out;
	int c;

	for (c = 1; c < 256; c++) {
		in[0] = (char)c;
		in[1] = '\0';
		out = open_memstream(&text, &size);
		fmt_init(&f, out, FMT_JSON);
		fmt_object(&f, NULL);
		fmt_string(&f, "v", NULL, in);
		fmt_object_end(&f);
		fclose(out);
		root = json_loads(text, 0, NULL);
		if (!root || (c < 128 && strcmp(json_string_value(json_object_get(root, "v")), in)))
			ok = ktap_ok(false, "byte 0x%02x as JSON: %s", c, text);
		json_decref(root);
		free(text);
	}
	ktap_ok(ok, "every byte makes valid JSON, ASCII comes back as it was");
}

static void render_all(struct fmt *f)
{
	fmt_array(f, NULL);
	fmt_object(f, NULL);
	fmt_string(f, "name", "name %s", "x\x1by");
	fmt_number(f, "n", " n %" PRIu64, UINT64_MAX);
	fmt_bool(f, "b", " b %s", true);
	fmt_null(f, "none");
	fmt_object(f, "in");
	fmt_object_end(f);
	fmt_array(f, "list");
	fmt_number(f, NULL, NULL, 1);
	fmt_number(f, NULL, NULL, 2);
	fmt_array_end(f);
	fmt_string(f, FMT_NO_KEY, " text %s", "only");
	fmt_text(f, " %d", 7);
	fmt_object_end(f);
	fmt_object(f, NULL);
	fmt_object_end(f);
	fmt_array_end(f);
	fmt_line(f);
}

static void test_modes(void)
{
	static const struct {
		enum fmt_mode mode;
		const char *expected;
	} t[] = {
		{ FMT_TEXT, "name x\\x1by n 18446744073709551615 b yes text only 7\n" },
		{ FMT_JSON, "[{\"name\":\"x\\u001by\",\"n\":18446744073709551615,\"b\":true,"
			    "\"none\":null,\"in\":{},\"list\":[1,2]},{}]\n" },
		{ FMT_JSON_PRETTY, "[\n    {\n        \"name\": \"x\\u001by\",\n"
				   "        \"n\": 18446744073709551615,\n        \"b\": true,\n"
				   "        \"none\": null,\n        \"in\": {},\n"
				   "        \"list\": [\n            1,\n            2\n        ]\n"
				   "    },\n    {}\n]\n" },
	};
	char *text = NULL;
	size_t i, size;
	struct fmt f;
	FILE *out;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		out = open_memstream(&text, &size);
		fmt_init(&f, out, t[i].mode);
		render_all(&f);
		fclose(out);
		ktap_str("one call, any mode", t[i].expected, text);
		free(text);
	}
}

static void test_lines(void)
{
	struct fmt f;
	FILE *full;
	int rc;

	full = fopen("/dev/full", "w");
	if (!full) {
		ktap_ok(true, "full disk # SKIP no /dev/full");
		return;
	}
	fmt_init(&f, full, FMT_JSON);
	fmt_number(&f, NULL, NULL, 1);
	rc = fmt_line(&f);
	ktap_int("a full disk is told", -ENOSPC, rc);
	fclose(full);
}

static void test_time(void)
{
	static const struct {
		int64_t ms;
		const char *text;
	} t[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ 951782399999, "2000-02-28T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 4102444800042, "2100-01-01T00:00:00.042Z" },
		{ -1, "1970-01-01T00:00:00.000Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
	};
	char buf[FMT_TIME_LEN];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		ktap_str("time", t[i].text, fmt_time(buf, t[i].ms));
}

static void test_json_text(void)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "" },
		{ "gw-\xc3\xa4 \"\\\n", "gw-\xc3\xa4 \"\\\n" },
		{ "gw-\xe4", "gw-\\xe4" },
	};
	char text[3000], out[12000];
	json_t *j;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		j = json_text(t[i].in);
		ktap_str("text in JSON", t[i].out, json_string_value(j));
		json_decref(j);
	}
	memset(text, 0xff, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < sizeof(text) - 1; i++)
		memcpy(out + 4 * i, "\\xff", 5);
	j = json_text(text);
	ktap_str("of any length", out, json_string_value(j));
	json_decref(j);
}

static void test_age(void)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} t[] = {
		{ 0, "0.000s" },
		{ 250, "0.250s" },
		{ 9999, "9.999s" },
		{ 12345, "12.3s" },
		{ 59999, "59.9s" },
		{ 60000, "1m00s" },
		{ 307000, "5m07s" },
		{ 3600000, "1h00m" },
		{ 11520000, "3h12m" },
		{ 86400000, "1d00h" },
		{ UINT64_MAX, "213503982334d14h" },
	};
	char buf[FMT_AGE_LEN];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		ktap_str("age", t[i].text, fmt_age(buf, t[i].ms));
}

static void test_addr(void)
{
	union invspi_addr a = {
		.b = { 192, 0, 2, 1 },
	};
	char buf[FMT_ADDR_LEN];

	ktap_str("IPv4", "192.0.2.1", fmt_addr(buf, AF_INET, &a));
	memset(&a, 0xff, sizeof(a));
	ktap_str("longest IPv6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 fmt_addr(buf, AF_INET6, &a));
	ktap_str("unknown family", "?", fmt_addr(buf, 99, &a));
}

int main(void)
{
	test_escape();
	test_escape_room();
	test_json_round_trip();
	test_json_text();
	test_modes();
	test_lines();
	test_time();
	test_age();
	test_addr();
	return ktap_done();
}
