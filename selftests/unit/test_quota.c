// SPDX-License-Identifier: GPL-2.0-only
/* Which bundles may be begun, and which one goes: no forgery pushes out what is real. */
#include "decide.h"
#include "ktap.h"
#include "quota.h"

#define NOW 10000000
#define MINUTE 60000

static const struct quota q = { .per_hour = 6, .per_peer = 2, .most = 4, .bytes = 1000 };

static struct ike_addr addr(uint8_t n)
{
	return (struct ike_addr){ .family = AF_INET, .addr = { 192, 0, 2, n } };
}

/* "C5 U60 A1.2": class, minutes ago, peer if one is named (else one of its own) */
static size_t parse(struct bundle_id *b, const char *text)
{
	size_t n = 0;
	int min, peer, len;
	char class;

	while (sscanf(text, " %c%d%n", &class, &min, &len) == 2) {
		text += len;
		peer = 100 + (int)n;
		if (*text == '.' && sscanf(text, ".%d%n", &peer, &len) == 1)
			text += len;
		b[n] = (struct bundle_id){
			.number = (unsigned int)n + 1,
			.class = class == 'C'	? BUNDLE_CERTAIN
				 : class == 'A' ? BUNDLE_ASKED
						: BUNDLE_UNCERTAIN,
			.begun = NOW - min * MINUTE,
			.age = min * MINUTE,
			.size = 10,
			.npeers = 1,
			.peer = { addr((uint8_t)peer) },
		};
		n++;
	}
	return n;
}

static const struct {
	const char *recent;
	enum bundle_class class;
	const char *refused;
} refuse_rows[] = {
	/* in all */
	{ "", BUNDLE_CERTAIN, NULL },
	{ "C1 C2 C3 C4 C5", BUNDLE_CERTAIN, NULL },
	{ "C1 C2 C3 C4 C5 C59", BUNDLE_CERTAIN, "record_per_hour" },
	{ "C1 C2 C3 C4 C5 C60", BUNDLE_CERTAIN, NULL },
	{ "C1 C2 C3 C4 U5 U6", BUNDLE_CERTAIN, "record_per_hour" },
	/* what is forged leaves four */
	{ "U1", BUNDLE_UNCERTAIN, NULL },
	{ "U1 U2", BUNDLE_UNCERTAIN, "record_per_hour" },
	{ "U1 U2", BUNDLE_CERTAIN, NULL },
	{ "U1 U2 C1 C2 C3", BUNDLE_CERTAIN, NULL },
	{ "C1 C2 C3 C4 C5 C6", BUNDLE_UNCERTAIN, "record_per_hour" },
	/* what is asked for is counted by itself */
	{ "A1 A2 A3 A4 A5 A6", BUNDLE_CERTAIN, NULL },
	{ "A1 A2 A3 A4 A5 A6", BUNDLE_ASKED, "record_per_hour" },
	{ "C1 C2 C3 C4 C5 C6", BUNDLE_ASKED, NULL },
	/* of one peer */
	{ "C1.7", BUNDLE_CERTAIN, NULL },
	{ "C1.7 C2.7", BUNDLE_CERTAIN, "record_per_peer" },
	{ "C1.7 U2.7", BUNDLE_CERTAIN, "record_per_peer" },
	{ "C1.7 C60.7", BUNDLE_CERTAIN, NULL },
	{ "A1.7 A2.7", BUNDLE_CERTAIN, NULL },
	{ "C1.7 C2.7", BUNDLE_ASKED, NULL },
};

static void test_refuse(void)
{
	struct ike_addr peer = addr(7);
	struct bundle_id b[16];
	char what[96];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(refuse_rows); i++) {
		n = parse(b, refuse_rows[i].recent);
		snprintf(what, sizeof(what), "one more, %s, after \"%s\"",
			 bundle_class_name(refuse_rows[i].class), refuse_rows[i].recent);
		ktap_str(what, refuse_rows[i].refused,
			 quota_refuses(&q, b, n, refuse_rows[i].class, &peer, NOW));
	}
	n = parse(b, "C1.7 C2.7");
	ktap_str("about nobody", NULL, quota_refuses(&q, b, n, BUNDLE_CERTAIN, NULL, NOW));
}

static const struct {
	const char *recent, *newcomer;
	bool first;
} first_rows[] = {
	{ "", "C0.7", true },	    { "C1.8", "C0.7", true },  { "C1.7", "C0.7", false },
	{ "C59.7", "C0.7", false }, { "C60.7", "C0.7", true }, { "U1.7", "C0.7", true },
	{ "C1.7", "U0.7", false },  { "A1.7", "C0.7", true },  { "A1.7", "A0.7", false },
};

static void test_first(void)
{
	struct bundle_id b[16], one[1];
	char what[96];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(first_rows); i++) {
		n = parse(b, first_rows[i].recent);
		parse(one, first_rows[i].newcomer);
		snprintf(what, sizeof(what), "%s after \"%s\" is a first one",
			 first_rows[i].newcomer, first_rows[i].recent);
		ktap_int(what, first_rows[i].first, quota_first(b, n, one, NOW));
	}
}

/* "F" before a class: the first of its incident. @gone: its place in @have. */
static const struct {
	const char *have, *newcomer;
	int gone;
} evict_rows[] = {
	{ "C3 C2 C1", "C0", -1 },
	/* the oldest of the least */
	{ "C4 C3 C2 C1", "C0", 0 },
	{ "C4 A3 U2 U1", "C0", 2 },
	{ "C4 A3 A2 C1", "C0", 1 },
	{ "FC4 C3 C2 C1", "C0", 1 },
	{ "FC4 FC3 C2 FC1", "C0", 2 },
	{ "FC4 FC3 FC2 FC1", "FC0", 0 },
	/* a later one does not evict the first one of an incident, of whatever class */
	{ "FC4 FC3 FC2 FC1", "C0", -2 },
	{ "FU4 FU3 FU2 FU1", "U0", -2 },
	{ "FU4 FU3 FU2 FU1", "FU0", 0 },
	/* nor does what is worth less what is worth more */
	{ "C4 C3 C2 C1", "FU0", -2 },
	{ "A4 A3 A2 A1", "FU0", -2 },
	{ "C4 C3 C2 C1", "FA0", -2 },
	{ "FU4 C3 C2 C1", "A0", 0 },
	{ "C4 C3 C2 U1", "U0", 3 },
	/* but after a week all give way, what is uncertain first */
	{ "FC10080 FC3 FC2 FC1", "U0", 0 },
	{ "FC10079 FC3 FC2 FC1", "U0", -2 },
	{ "FC20000 FC10081 U10080 C1", "U0", 2 },
};

static size_t parse_firsts(struct bundle_id *b, const char *text)
{
	char plain[96], *p = plain;
	bool first[16] = { false };
	size_t n = 0, i;

	for (; *text; text++) {
		if (*text == ' ')
			n++;
		if (*text == 'F')
			first[n] = true;
		else
			*p++ = *text;
	}
	*p = '\0';
	n = parse(b, plain);
	for (i = 0; i < n; i++)
		b[i].first = first[i];
	return n;
}

static void test_evict(void)
{
	struct bundle_id b[16], one[1];
	char what[96];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(evict_rows); i++) {
		n = parse_firsts(b, evict_rows[i].have);
		parse_firsts(one, evict_rows[i].newcomer);
		snprintf(what, sizeof(what), "for %s, of \"%s\", goes", evict_rows[i].newcomer,
			 evict_rows[i].have);
		ktap_int(what, evict_rows[i].gone, quota_evict(&q, b, n, one));
	}
	n = parse(b, "C3 C2 C1");
	parse(one, "C0");
	b[1].size = 980;
	ktap_int("too many bytes: one goes", 0, quota_evict(&q, b, n, one));
	b[1].size = 970;
	ktap_int("just as many as there may be", -1, quota_evict(&q, b, n, one));
	one[0].size = 1001;
	ktap_int("one that is too large by itself", -2, quota_evict(&q, b, 0, one));
}

int main(void)
{
	test_refuse();
	test_first();
	test_evict();
	return ktap_done();
}
