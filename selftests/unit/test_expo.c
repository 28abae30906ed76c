// SPDX-License-Identifier: GPL-2.0-only
/* Metrics as text, in both formats. */
#include "expo.h"
#include "ktap.h"

static char *text;

static void begin(struct expo *x, bool open)
{
	memset(x, 0, sizeof(*x));
	x->open_metrics = open;
}

static void expect(struct expo *x, const char *what, const char *want)
{
	size_t len;

	free(text);
	text = expo_end(x, &len);
	ktap_str(what, want, text);
	ktap_int(what, (long long)strlen(want), (long long)len);
}

static void test_formats(void)
{
	const int64_t bound[] = { 50, 1000 };
	const uint64_t count[] = { 1, 2, 3 };
	struct expo x;
	int i;

	for (i = 0; i < 2; i++) {
		begin(&x, i);
		expo_family(&x, EXPO_COUNTER, "a_packets", "Packets.");
		expo_number(&x, 18446744073709551615u, "family", "ipv4", "reason", "no_state",
			    NULL);
		expo_family(&x, EXPO_INFO, "a_build", "Version.");
		expo_number(&x, 1, "version", "1", NULL);
		expo_family(&x, EXPO_COUNTER, "a_cpu_seconds", "Time.");
		expo_ms(&x, 1234, NULL);
		expo_family(&x, EXPO_HISTOGRAM, "a_time_seconds", "Times.");
		expo_buckets(&x, bound, count, 2, 60500, "kind", "x", NULL);
		if (i)
			expect(&x, "OpenMetrics",
			       "# TYPE a_packets counter\n"
			       "# HELP a_packets Packets.\n"
			       "a_packets_total{family=\"ipv4\",reason=\"no_state\"} 18446744073709551615\n"
			       "# TYPE a_build info\n"
			       "# HELP a_build Version.\n"
			       "a_build_info{version=\"1\"} 1\n"
			       "# TYPE a_cpu_seconds counter\n"
			       "# UNIT a_cpu_seconds seconds\n"
			       "# HELP a_cpu_seconds Time.\n"
			       "a_cpu_seconds_total 1.234\n"
			       "# TYPE a_time_seconds histogram\n"
			       "# UNIT a_time_seconds seconds\n"
			       "# HELP a_time_seconds Times.\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"0.05\"} 1\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"1.0\"} 3\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"+Inf\"} 6\n"
			       "a_time_seconds_sum{kind=\"x\"} 60.5\n"
			       "a_time_seconds_count{kind=\"x\"} 6\n"
			       "# EOF\n");
		else
			expect(&x, "text 0.0.4",
			       "# TYPE a_packets_total counter\n"
			       "# HELP a_packets_total Packets.\n"
			       "a_packets_total{family=\"ipv4\",reason=\"no_state\"} 18446744073709551615\n"
			       "# TYPE a_build_info gauge\n"
			       "# HELP a_build_info Version.\n"
			       "a_build_info{version=\"1\"} 1\n"
			       "# TYPE a_cpu_seconds_total counter\n"
			       "# HELP a_cpu_seconds_total Time.\n"
			       "a_cpu_seconds_total 1.234\n"
			       "# TYPE a_time_seconds histogram\n"
			       "# HELP a_time_seconds Times.\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"0.05\"} 1\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"1.0\"} 3\n"
			       "a_time_seconds_bucket{kind=\"x\",le=\"+Inf\"} 6\n"
			       "a_time_seconds_sum{kind=\"x\"} 60.5\n"
			       "a_time_seconds_count{kind=\"x\"} 6\n");
	}
}

static void test_values(void)
{
	static const struct {
		int64_t ms;
		const char *want;
	} t[] = {
		{ 0, "0.0" },
		{ 1, "0.001" },
		{ 10, "0.01" },
		{ 100, "0.1" },
		{ 1000, "1.0" },
		{ 300000, "300.0" },
		{ -1, "-0.001" },
		{ -1500, "-1.5" },
		{ INT64_MAX, "9223372036854775.807" },
		{ 1234567890123, "1234567890.123" },
	};
	char want[96];
	struct expo x;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(&x, false);
		expo_family(&x, EXPO_GAUGE, "a", "A.");
		expo_ms(&x, t[i].ms, NULL);
		snprintf(want, sizeof(want), "# TYPE a gauge\n# HELP a A.\na %s\n", t[i].want);
		expect(&x, t[i].want, want);
	}
}

/* The value of a label is what stands between the quotes. */
static void test_labels(void)
{
	static const struct {
		const char *name, *want;
	} t[] = {
		{ "", "" },
		{ "gw", "gw" },
		{ "a\"b", "a\\\"b" },
		{ "a\\b", "a\\\\\\\\b" },
		{ "a\nb", "a\\\\x0ab" },
		{ "a\x1b[2Jb", "a\\\\x1b[2Jb" },
		{ "\xff\xfe", "\\\\xff\\\\xfe" },
		{ "b\xc3\xbcr", "b\xc3\xbcr" },
		{ "x\xe2\x80\xaey", "x\\\\xe2\\\\x80\\\\xaey" }, /* right to left */
		{ "\"} 1\nforged 2\n#", "\\\"} 1\\\\x0aforged 2\\\\x0a#" },
	};
	char want[160], *longname = malloc(100001);
	struct expo x;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(&x, false);
		expo_family(&x, EXPO_GAUGE, "a", "A.");
		expo_number(&x, 1, "l", t[i].name, NULL);
		snprintf(want, sizeof(want), "# TYPE a gauge\n# HELP a A.\na{l=\"%s\"} 1\n",
			 t[i].want);
		expect(&x, t[i].want, want);
	}
	memset(longname, 'n', 100000);
	longname[100000] = '\0';
	begin(&x, true);
	expo_family(&x, EXPO_GAUGE, "a", "A.");
	expo_number(&x, 1, "l", longname, NULL);
	free(text);
	text = expo_end(&x, &len);
	ktap_ok(text && len < 4096, "a very long value is cut");
	ktap_ok(text && strstr(text, "n\"} 1\n# EOF\n"), "and what follows it is whole");
	free(longname);
}

/* A page of any length, with pieces of all lengths at the ends of the buffer. */
static void test_long(void)
{
	char name[300];
	struct expo x;
	size_t i, len, want = strlen("# TYPE a gauge\n# HELP a A.\n");
	const char *p;

	begin(&x, false);
	expo_family(&x, EXPO_GAUGE, "a", "A.");
	for (i = 0; i < 5000; i++) {
		memset(name, 'n', sizeof(name));
		name[i % 299] = '\0';
		expo_number(&x, i, "l", name, NULL);
		want += strlen("a{l=\"\"}") + 2 + strlen(name) +
			(size_t)snprintf(NULL, 0, "%zu", i);
	}
	free(text);
	text = expo_end(&x, &len);
	ktap_int("length", (long long)want, (long long)len);
	for (i = 0, p = text; p && (p = strchr(p, '\n')); p++)
		i++;
	ktap_int("lines", 5002, (long long)i);
}

int main(void)
{
	test_formats();
	test_values();
	test_labels();
	test_long();
	free(text);
	return ktap_done();
}
