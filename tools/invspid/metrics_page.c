// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metrics. Their number is bounded by what is compiled in and by
 * metrics_connections: nothing that comes in packets becomes a label.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon.h"
#include "expo.h"
#include "hook.h"
#include "metrics.h"
#include "mode.h"

/* No connection can have this name twice: one that has it is counted there. */
#define OTHERS "(others)"

static void one(struct expo *x, enum expo_type type, const char *name, const char *help,
		uint64_t value)
{
	expo_family(x, type, name, help);
	expo_number(x, value, NULL);
}

/* ---- the kernel module ---- */

static void module_packets(struct expo *x, const struct invspi_stats *st)
{
	unsigned int i;

	expo_family(x, EXPO_COUNTER, "xfrm_invspi_packets",
		    "Inbound ESP and AH packets that were dropped, by family and reason.");
	for (i = 0; i < INVSPI_REASONS; i++)
		expo_number(x, st->ipv4[i], "family", "ipv4", "reason", invspi_reason_name(i),
			    NULL);
	for (i = 0; i < INVSPI_REASONS; i++)
		expo_number(x, st->ipv6[i], "family", "ipv6", "reason", invspi_reason_name(i),
			    NULL);
}

static void module_page(struct expo *x, struct invspid *d)
{
	struct invspi_stats st;
	bool up = d->nl && !invspi_nl_stats_get(d->nl, &st, NULL);

	one(x, EXPO_GAUGE, "xfrm_invspi_up", "Whether the kernel module answers.", up);
	if (!up)
		return;
	module_packets(x, &st);
	one(x, EXPO_GAUGE, "xfrm_invspi_flows", "Flows in the module's table.", st.flows);
	one(x, EXPO_GAUGE, "xfrm_invspi_flows_max", "Slots of the module's table.", st.flows_max);
	one(x, EXPO_COUNTER, "xfrm_invspi_evicted_flows", "Flows that had to make room for others.",
	    st.evicted_flows);
	one(x, EXPO_COUNTER, "xfrm_invspi_evicted_packets", "Packets of those flows.",
	    st.evicted_packets);
	one(x, EXPO_COUNTER, "xfrm_invspi_deleted_packets",
	    "Packets of flows that were deleted by hand or by a resize.", st.deleted_packets);
	one(x, EXPO_COUNTER, "xfrm_invspi_untracked_packets",
	    "Packets of flows that found no room.", st.untracked_packets);
	one(x, EXPO_COUNTER, "xfrm_invspi_log_suppressed", "Lines that the kernel log was spared.",
	    st.log_suppressed);
	one(x, EXPO_COUNTER, "xfrm_invspi_events_sent", "Netlink events that were sent.",
	    st.events_sent);
	one(x, EXPO_COUNTER, "xfrm_invspi_events_suppressed",
	    "Netlink events that were not sent, for there were too many.", st.events_suppressed);
}

/* ---- the helper and what it talks to ---- */

static void mode_page(struct expo *x, struct invspid *d)
{
	enum mode now = mode_in_force(d->conf, d->settings, d->dry_run, NULL, NULL);
	unsigned int i;

	expo_family(x, EXPO_GAUGE, "invspid_mode", "The mode in force has 1.");
	for (i = MODE_RECOVER; i <= MODE_OBSERVE; i++)
		expo_number(x, i == now, "mode", mode_name((enum mode)i), NULL);
}

static void daemon_page(struct expo *x, struct invspid *d)
{
	enum daemon_state now = d->ike ? ike_state(d->ike) : DAEMON_ABSENT;
	const struct ike_conns *conns = d->ike ? ike_conns(d->ike) : NULL;
	const struct ike_listing *l = d->listing[LISTING_LAST];
	uint64_t ikes = 0, children = 0;
	unsigned int i;
	size_t k;

	for (k = 0; l && k < l->nsa; k++) {
		ikes += !l->sa[k].again;
		children += l->sa[k].nchild;
	}
	expo_family(x, EXPO_INFO, "invspid_ike_daemon",
		    "The IKE daemon in charge; auto as long as none was found.");
	expo_number(x, 1, "backend", d->ike ? ike_word(d->ike) : "auto", NULL);
	expo_family(x, EXPO_GAUGE, "invspid_ike_daemon_state",
		    "The state of the IKE daemon has 1; ready is the good one.");
	for (i = DAEMON_ABSENT; i <= DAEMON_STOPPING; i++)
		expo_number(x, i == now, "state", daemon_state_name((enum daemon_state)i), NULL);
	one(x, EXPO_GAUGE, "invspid_ike_connections", "Connections that the IKE daemon has loaded.",
	    conns ? conns->nconn : 0);
	one(x, EXPO_GAUGE, "invspid_ike_sas", "IKE_SAs, as last listed.", ikes);
	one(x, EXPO_GAUGE, "invspid_child_sas", "CHILD_SAs, as last listed.", children);
	one(x, EXPO_GAUGE, "invspid_kernel_sas", "SAs that the kernel has.", xfrm_count(d->xfrm));
	one(x, EXPO_COUNTER, "invspid_kernel_overruns",
	    "How often the kernel had to drop events about SAs.", xfrm_overruns(d->xfrm));
}

static void health_page(struct expo *x, struct invspid *d)
{
	one(x, EXPO_GAUGE, "invspid_history_ok", "Whether the history can be written.",
	    !hist_error(d->hist));
	one(x, EXPO_GAUGE, "invspid_settings_ok", "Whether holds and modes can be saved.",
	    !settings_error(d->settings));
	one(x, EXPO_GAUGE, "invspid_stopped",
	    "Whether all actions are stopped, since most SAs are missing from the kernel.",
	    !!d->stopped);
	one(x, EXPO_GAUGE, "invspid_holds", "Connections on hold; a hold on all counts as one.",
	    settings_holds(d->settings, NULL, NULL));
	one(x, EXPO_COUNTER, "invspid_looks", "How often everything was looked at.",
	    d->count.looks);
	one(x, EXPO_COUNTER, "invspid_event_overruns",
	    "How often events of the module were lost; the table was read instead.",
	    d->count.overruns);
	one(x, EXPO_COUNTER, "invspid_log_suppressed", "Log lines about flows that were left out.",
	    d->count.logs_suppressed);
}

static void recorder_page(struct expo *x, struct invspid *d)
{
	uint64_t run, failed, dropped;
	struct record_counts c;

	record_counts(d->record, &c);
	one(x, EXPO_GAUGE, "invspid_recorder_ok",
	    "Whether the flight recorder could write its last bundle.", c.ok);
	one(x, EXPO_GAUGE, "invspid_bundles", "Bundles of the flight recorder that are kept.",
	    c.bundles);
	one(x, EXPO_GAUGE, "invspid_bundles_size_bytes", "What they take on disk.", c.bytes);
	one(x, EXPO_COUNTER, "invspid_bundles_written", "Bundles that were written.", c.written);
	one(x, EXPO_COUNTER, "invspid_bundles_failed", "Bundles that could not be written.",
	    c.failed);
	hooks_counts(d->hooks, &run, &failed, &dropped);
	one(x, EXPO_COUNTER, "invspid_hooks_run", "Hooks that were run.", run);
	one(x, EXPO_COUNTER, "invspid_hooks_failed",
	    "Hooks that could not be run, failed, or took too long.", failed);
	one(x, EXPO_COUNTER, "invspid_hooks_dropped",
	    "Hooks that were not run, for too many waited.", dropped);
}

static void process_page(struct expo *x, struct invspid *d)
{
	unsigned long size, pages = 0;
	uint64_t fds = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit max = { 0 };

	if (f && fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	while (dir && readdir(dir))
		fds++;
	if (dir)
		closedir(dir);
	expo_family(x, EXPO_COUNTER, "process_cpu_seconds", "User and system CPU time.");
	expo_ms(x, clock_ms(CLOCK_PROCESS_CPUTIME_ID), NULL);
	expo_family(x, EXPO_GAUGE, "process_start_time_seconds", "When the helper was started.");
	expo_ms(x, d->started_wall, NULL);
	if (pages)
		one(x, EXPO_GAUGE, "process_resident_memory_bytes", "Resident memory.",
		    (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
	/* Less . and .. and the one it was read by. */
	if (fds > 3)
		one(x, EXPO_GAUGE, "process_open_fds", "Open files.", fds - 3);
	if (!getrlimit(RLIMIT_NOFILE, &max))
		one(x, EXPO_GAUGE, "process_max_fds", "How many files may be open.", max.rlim_cur);
}

/* ---- what was seen and done ---- */

static void actions_page(struct expo *x, struct invspid *d)
{
	static const char *const evidence[] = { "uncertain", "certain" };
	const struct tally *t = d->tally;
	unsigned int a, o;

	expo_family(x, EXPO_COUNTER, "invspid_recoveries",
		    "Actions that have ended, by kind and outcome.");
	for (a = ACTION_REKEY; a < TALLY_ACTIONS; a++)
		for (o = OUTCOME_HEALED; o < TALLY_OUTCOMES; o++)
			expo_number(x, t->ended[a][o], "action", action_name((enum action)a),
				    "outcome", outcome_name((enum outcome)o), NULL);
	expo_family(x, EXPO_HISTOGRAM, "invspid_recovery_duration_seconds",
		    "From the first dropped to the first delivered packet, of what was healed.");
	for (a = 0; a < 2; a++)
		expo_buckets(x, tally_bucket_ms, t->times[a].bucket, TALLY_BUCKETS,
			     t->times[a].sum_ms, "evidence", evidence[a], NULL);
	expo_family(x, EXPO_GAUGE, "invspid_recoveries_in_flight", "Actions under way.");
	expo_number(x, d->uncertain_in_flight, "evidence", evidence[0], NULL);
	expo_number(x, d->in_flight, "evidence", evidence[1], NULL);
}

static void grades_page(struct expo *x, struct invspid *d)
{
	unsigned int i;

	expo_family(x, EXPO_GAUGE, "invspid_flows",
		    "Flows that grow, by what they were found to be.");
	for (i = 0; i < GRADE__COUNT; i++)
		expo_number(x, d->tally->flows[i], "grade", grade_name((enum grade)i), NULL);
	expo_family(x, EXPO_COUNTER, "invspid_decisions", "Decisions that differed from the last.");
	for (i = 0; i < GRADE__COUNT; i++)
		expo_number(x, d->count.decisions[i], "grade", grade_name((enum grade)i), NULL);
}

/* ---- each connection ---- */

/**
 * struct row - what there is to tell of a connection, or of all that have no place
 * @children: CHILD_SAs as last listed
 */
struct row {
	const char *name;
	struct tally_conn c;
	uint64_t gave_up, held, children;
};

struct rows {
	struct row *row;
	size_t n, max;
	size_t *row_of; /* by place in the tally */
	bool others; /* not all have a row of their own */
};

static void add_to(struct row *to, const struct tally_conn *c)
{
	unsigned int o;

	to->c.dropped += c->dropped;
	to->c.flows += c->flows;
	to->c.desync += c->desync;
	for (o = 0; o < TALLY_OUTCOMES; o++)
		to->c.ended[o] += c->ended[o];
	if (c->has_last && (!to->c.has_last || c->last.at > to->c.last.at)) {
		to->c.last = c->last;
		to->c.has_last = true;
	}
}

/* The row of a connection by name: its own or the last one, which is for the others. */
static struct row *row_of(struct rows *r, struct invspid *d, const char *name)
{
	const struct tally_conn *c = tally_conn(d->tally, name);

	return c == &d->tally->others ? &r->row[r->max] : &r->row[r->row_of[c - d->tally->conn]];
}

static bool rows_init(struct rows *r, struct invspid *d)
{
	const struct tally *t = d->tally;
	const struct tally_conn *c;
	size_t i;

	r->max = d->conf->metrics_connections;
	r->row = calloc(r->max + 1, sizeof(*r->row));
	r->row_of = calloc(t->nconn + 1, sizeof(*r->row_of));
	if (!r->row || !r->row_of)
		return false;
	r->row[r->max].name = OTHERS;
	r->others = t->others.configured || t->others.dropped || t->others.has_last;
	add_to(&r->row[r->max], &t->others);
	for (i = 0; i < t->nconn; i++) {
		c = &t->conn[i];
		/* An unloaded one is not shown by name: it may never come back. */
		r->row_of[i] =
			c->configured && r->n < r->max && strcmp(c->name, OTHERS) ? r->n++ : r->max;
		if (r->row_of[i] == r->max)
			r->others = true;
		else
			r->row[r->row_of[i]].name = c->name;
		add_to(&r->row[r->row_of[i]], c);
	}
	return true;
}

static void rows_fill(struct rows *r, struct invspid *d)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct attempt *a;
	size_t i;

	for (a = d->attempts; a; a = a->next)
		if (a->gave_up_at != LONG_AGO)
			row_of(r, d, a->conn)->gave_up++;
	for (i = 0; l && i < l->nsa; i++)
		row_of(r, d, l->sa[i].conn)->children += l->sa[i].nchild;
	for (i = 0; i < r->n; i++)
		r->row[i].held = settings_held(d->settings, r->row[i].name);
	if (!r->others)
		return;
	r->row[r->n] = r->row[r->max];
	r->n++;
}

static uint64_t get_dropped(const struct row *r)
{
	return r->c.dropped;
}

static uint64_t get_flows(const struct row *r)
{
	return r->c.flows;
}

static uint64_t get_desync(const struct row *r)
{
	return r->c.desync;
}

static uint64_t get_gave_up(const struct row *r)
{
	return r->gave_up;
}

static uint64_t get_held(const struct row *r)
{
	return r->held;
}

static uint64_t get_children(const struct row *r)
{
	return r->children;
}

static const struct {
	const char *name, *help;
	enum expo_type type;
	uint64_t (*get)(const struct row *r);
} columns[] = {
	{ "invspid_connection_dropped_packets", "Packets of its peers that no SA matched.",
	  EXPO_COUNTER, get_dropped },
	{ "invspid_connection_dropping_flows", "Flows of its peers that are dropped now.",
	  EXPO_GAUGE, get_flows },
	{ "invspid_connection_desync_flows",
	  "Those of them that no rekeying explains: the two ends are out of step.", EXPO_GAUGE,
	  get_desync },
	{ "invspid_connection_gave_up", "What was given up after too many failures.", EXPO_GAUGE,
	  get_gave_up },
	{ "invspid_connection_held", "Whether it is on hold.", EXPO_GAUGE, get_held },
	{ "invspid_connection_child_sas", "Its CHILD_SAs, as last listed.", EXPO_GAUGE,
	  get_children },
};

static void rows_page(struct expo *x, const struct rows *r)
{
	unsigned int o;
	size_t i, k;

	for (k = 0; k < sizeof(columns) / sizeof(*columns); k++) {
		expo_family(x, columns[k].type, columns[k].name, columns[k].help);
		for (i = 0; i < r->n; i++)
			expo_number(x, columns[k].get(&r->row[i]), "connection", r->row[i].name,
				    NULL);
	}
	expo_family(x, EXPO_COUNTER, "invspid_connection_recoveries",
		    "Actions for it that have ended, by outcome.");
	for (i = 0; i < r->n; i++)
		for (o = OUTCOME_HEALED; o < TALLY_OUTCOMES; o++)
			expo_number(x, r->row[i].c.ended[o], "connection", r->row[i].name,
				    "outcome", outcome_name((enum outcome)o), NULL);
	expo_family(x, EXPO_GAUGE, "invspid_connection_last_recovery_timestamp_seconds",
		    "When the last action for it ended.");
	for (i = 0; i < r->n; i++)
		if (r->row[i].c.has_last)
			expo_ms(x, r->row[i].c.last.wall, "connection", r->row[i].name, NULL);
	expo_family(x, EXPO_GAUGE, "invspid_connection_last_recovery_duration_seconds",
		    "If that healed: from the first dropped to the first delivered packet.");
	for (i = 0; i < r->n; i++)
		if (r->row[i].c.has_last && r->row[i].c.last.took_ms >= 0)
			expo_ms(x, r->row[i].c.last.took_ms, "connection", r->row[i].name, NULL);
}

char *metrics_page(struct invspid *d, bool open_metrics, size_t *len)
{
	struct expo x = { .open_metrics = open_metrics };
	struct rows r = { 0 };

	expo_family(&x, EXPO_INFO, "invspid_build", "Version of the helper.");
	expo_number(&x, 1, "version", d->version, NULL);
	module_page(&x, d);
	mode_page(&x, d);
	daemon_page(&x, d);
	health_page(&x, d);
	recorder_page(&x, d);
	actions_page(&x, d);
	grades_page(&x, d);
	x.failed |= !rows_init(&r, d);
	if (!x.failed) {
		rows_fill(&r, d);
		rows_page(&x, &r);
	}
	free(r.row);
	free(r.row_of);
	process_page(&x, d);
	return expo_end(&x, len);
}
