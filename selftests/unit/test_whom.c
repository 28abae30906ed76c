// SPDX-License-Identifier: GPL-2.0-only
/* Which peers a thing is for. */
#include <arpa/inet.h>

#include "ktap.h"
#include "whom.h"

static const struct {
	const char *text, *conn, *addr;
	bool has;
} rows[] = {
	{ "all", "gw", "192.0.2.1", true },
	{ "all", NULL, NULL, true },
	{ "none", "gw", "192.0.2.1", false },
	{ "none", NULL, NULL, false },
	{ "gw", "gw", NULL, true },
	{ "gw", "gw2", "192.0.2.1", false },
	{ "gw", "", "192.0.2.1", false },
	{ "gw", NULL, "192.0.2.1", false },
	{ "gw other", "other", NULL, true },
	{ "192.0.2.1", NULL, "192.0.2.1", true },
	{ "192.0.2.1", "gw", "192.0.2.2", false },
	{ "192.0.2.0/24", "", "192.0.2.2", true },
	{ "192.0.2.0/24", "", "192.0.3.2", false },
	{ "192.0.2.0/24", "", NULL, false },
	{ "2001:db8::/32", "", "2001:db8::1", true },
	{ "2001:db8::/32", "", "192.0.2.1", false },
	{ "gw 192.0.2.0/24", "x", "192.0.2.7", true },
	{ "\tgw  192.0.2.0/24 ", "gw", NULL, true },
	{ "all !gw", "gw", "192.0.2.7", false },
	{ "all !gw", "gx", "192.0.2.7", true },
	{ "!gw all", "gw", NULL, false },
	{ "all !192.0.2.7", "gw", "192.0.2.7", false },
	{ "192.0.2.0/24 !192.0.2.7", "gw", "192.0.2.7", false },
	{ "192.0.2.0/24 !192.0.2.7", "gw", "192.0.2.8", true },
	{ "!192.0.2.7 192.0.2.0/24", "gw", "192.0.2.7", false },
	/* names that are nearly something else */
	{ "10gw", "10gw", NULL, true },
	{ "1", "1", NULL, true },
	{ "nones", "nones", NULL, true },
	{ "fe80", "fe80", NULL, true },
};

static const struct {
	const char *text, *want;
} bad[] = {
	{ "", "bad x \"\": want all, none, connections or addresses" },
	{ " \t", "want all, none" },
	{ "!gw", "before those with a ! write all" },
	{ "gw none", "\"none\" stands alone" },
	{ "all !", "behind the !" },
	{ "192.0.2.1/33", "192.0.2.1/33" },
	{ "192.0.2.1/24", "192.0.2.1/24" },
	{ "192.0.2.256", "192.0.2.256" },
	{ "2001:db8::g", "2001:db8::g" },
};

static void test_has(void)
{
	struct invspi_err err = { "" };
	struct ike_addr a;
	struct whom *w;
	char what[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&a, 0, sizeof(a));
		if (rows[i].addr) {
			a.family = strchr(rows[i].addr, ':') ? AF_INET6 : AF_INET;
			inet_pton(a.family, rows[i].addr, a.addr);
		}
		snprintf(what, sizeof(what), "\"%s\": %s at %s", rows[i].text,
			 rows[i].conn ? rows[i].conn : "?", rows[i].addr ? rows[i].addr : "?");
		w = whom_parse(rows[i].text, "x", &err);
		if (!ktap_ok(w, "%s: is taken", what))
			continue;
		ktap_int(what, rows[i].has, whom_has(w, rows[i].conn, rows[i].addr ? &a : NULL));
		ktap_str("as it was written", rows[i].text, whom_text(w));
		ktap_int("for nobody", !strcmp(rows[i].text, "none"), whom_none(w));
		whom_free(w);
	}
}

static void test_bad(void)
{
	struct invspi_err err;
	char many[2048] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = '\0';
		ktap_ok(!whom_parse(bad[i].text, "x", &err), "\"%s\" is refused", bad[i].text);
		ktap_has("... with", bad[i].want, err.text);
	}
	for (i = 0; i < 300; i++)
		strcat(many, "gw ");
	ktap_ok(!whom_parse(many, "x", &err), "300 words are refused");
	ktap_has("... with", "at most 256", err.text);
}

int main(void)
{
	test_has();
	test_bad();
	return ktap_done();
}
