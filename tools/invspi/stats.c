// SPDX-License-Identifier: GPL-2.0-only
/* invspi stats: totals of the network namespace. */
#include <inttypes.h>

#include "invspi.h"

static const char stats_usage[] = "Usage: invspi stats [ show ]\n";

static void print_reasons(struct fmt *f, const char *key, bool all,
			  const uint64_t reasons[INVSPI_REASONS])
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < INVSPI_REASONS; i++)
		sum += reasons[i];
	fmt_text(f, "%s %" PRIu64, key, sum);
	fmt_object(f, key);
	for (i = 0; i < INVSPI_REASONS; i++) {
		if (reasons[i] || all)
			fmt_text(f, " %s ", invspi_reason_name(i));
		fmt_number(f, invspi_reason_name(i), reasons[i] || all ? "%" PRIu64 : NULL,
			   reasons[i]);
	}
	fmt_object_end(f);
	fmt_text(f, "\n");
}

static int stats_show(struct invspi *inv, struct args *args)
{
	struct fmt *f = &inv->out;
	struct invspi_stats st;
	struct invspi_err err;
	struct invspi_nl *nl;
	int rc;

	if (want_end(args))
		return EXIT_USAGE;
	if (invspi_nl_open(&nl, &err))
		return failed(&err);
	rc = invspi_nl_stats_get(nl, &st, &err);
	invspi_nl_close(nl);
	if (rc)
		return failed(&err);

	fmt_object(f, NULL);
	print_reasons(f, "packets", inv->details, st.packets);
	print_reasons(f, "ipv4", inv->details, st.ipv4);
	print_reasons(f, "ipv6", inv->details, st.ipv6);
	fmt_number(f, "flows", "flows %" PRIu64, st.flows);
	fmt_number(f, "flows_max", " flows_max %" PRIu64 "\n", st.flows_max);
	fmt_number(f, "evicted_flows", "evicted_flows %" PRIu64, st.evicted_flows);
	fmt_number(f, "evicted_packets", " evicted_packets %" PRIu64, st.evicted_packets);
	fmt_number(f, "deleted_packets", " deleted_packets %" PRIu64, st.deleted_packets);
	fmt_number(f, "untracked_packets", " untracked_packets %" PRIu64 "\n",
		   st.untracked_packets);
	fmt_number(f, "log_suppressed", "log_suppressed %" PRIu64, st.log_suppressed);
	fmt_number(f, "events_sent", " events_sent %" PRIu64, st.events_sent);
	fmt_number(f, "events_suppressed", " events_suppressed %" PRIu64, st.events_suppressed);
	fmt_object_end(f);
	fmt_line(f);
	return EXIT_FINE;
}

int stats_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", stats_show },
		{ "list", stats_show },
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, stats_usage, stats_show);
}
