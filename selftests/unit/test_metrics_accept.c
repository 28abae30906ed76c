// SPDX-License-Identifier: GPL-2.0-only
/* Which format a client of the metrics gets, by what it says that it takes. */
#include "ktap.h"
#include "metrics.h"

static const struct {
	const char *accept;
	bool open;
} rows[] = {
	{ NULL, false },
	{ "", false },
	{ "*/*", false },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false },
	{ "text/plain", false },
	{ "application/openmetrics-text", true },
	{ "Application/OpenMetrics-Text; Version=1.0.0", true },
	{ "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", true },
	/* versions that this is not */
	{ "application/openmetrics-text; version=0.0.1", false },
	{ "application/openmetrics-text; version=2.0.0,text/plain;q=0.1", false },
	/* as Prometheus 2.x and 3.x ask */
	{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  true },
	{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  true },
	{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
	  false },
	/* the one that is wanted more, and what q may be */
	{ "application/openmetrics-text;q=0.5,text/plain;q=0.6", false },
	{ "application/openmetrics-text;q=0.6,text/plain;q=0.5", true },
	{ "application/openmetrics-text;q=0.5,text/plain;q=0.5", true },
	{ "application/openmetrics-text;q=0.5,text/*;q=0.6", false },
	{ "application/openmetrics-text;q=0.5,text/plain;q=0.1,text/*;q=0.9", true },
	{ "application/openmetrics-text;q=0", false },
	{ "application/openmetrics-text;q=0.000", false },
	{ "application/openmetrics-text;q=0.001", true },
	{ "application/openmetrics-text;q=1.000", true },
	{ "application/openmetrics-text;q=1.001", false },
	{ "application/openmetrics-text;q=1.", true },
	{ "application/openmetrics-text;q=2", false },
	{ "application/openmetrics-text;q=-1", false },
	{ "application/openmetrics-text;q=0.0001", false },
	{ "application/openmetrics-text;q=.5", false },
	{ "application/openmetrics-text;q=", false },
	{ "application/openmetrics-text;q", false },
	{ "application/openmetrics-text;q=0,application/openmetrics-text;q=1", true },
	/* blanks, commas and quotes in odd places */
	{ "  application/openmetrics-text  ;  q=0.9  ,  text/plain ; q=0.1", true },
	{ ",,,application/openmetrics-text,,,", true },
	{ ";;;application/openmetrics-text", false },
	{ "application/openmetrics-text;;;version=1.0.0", true },
	{ "text/plain;x=\"a,application/openmetrics-text\"", false },
	{ "text/plain;x=\"a\\\",application/openmetrics-text", false },
	{ "application/openmetrics-text;version=\"1.0.0", false },
	{ "application/openmetrics-textual", false },
	{ "application/openmetrics-tex", false },
	{ "\"", false },
	{ "\\", false },
	{ "=", false },
	{ "application/openmetrics-text;q=0.9;q=0", false },
};

int main(void)
{
	size_t i, n;
	char *big;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ktap_int(rows[i].accept ? rows[i].accept : "(none)", rows[i].open,
			 metrics_wants_open(rows[i].accept));
	n = 1 << 20;
	big = malloc(n + 64);
	memset(big, ';', n);
	strcpy(big + n, ",application/openmetrics-text");
	ktap_ok(metrics_wants_open(big), "a megabyte of nothing before it");
	free(big);
	return ktap_done();
}
