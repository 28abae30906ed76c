// SPDX-License-Identifier: GPL-2.0-only
/* `invspi status': what is there, what was done. */
#include <unistd.h>

#include "control_int.h"
#include "hook.h"
#include "metrics.h"
#include "mode.h"

static json_t *module_status(struct invspid *d)
{
	struct invspi_stats st;
	uint64_t sum = 0;
	unsigned int i;

	if (!d->nl || invspi_nl_stats_get(d->nl, &st, NULL))
		return json_pack("{s:s, s:s}", "state", "absent", "why", d->module_why);
	for (i = 0; i < INVSPI_REASONS; i++)
		sum += st.packets[i];
	return json_pack("{s:s, s:I, s:I, s:I, s:I}", "state", "loaded", "packets", (json_int_t)sum,
			 "no_state", (json_int_t)st.packets[INVSPI_REASON_NO_STATE], "flows",
			 (json_int_t)st.flows, "overruns", (json_int_t)d->count.overruns);
}

static json_t *counts(const struct invspid *d)
{
	json_t *j = json_object();
	unsigned int i;

	for (i = OUTCOME_HEALED; i <= OUTCOME_FAILED; i++)
		json_object_set_new(j, outcome_name((enum outcome)i),
				    json_integer((json_int_t)d->count.outcomes[i]));
	return j;
}

static json_t *hooks_status(const struct hooks *hs)
{
	uint64_t run, failed, dropped;

	hooks_counts(hs, &run, &failed, &dropped);
	return json_pack("{s:I, s:I, s:I}", "run", (json_int_t)run, "failed", (json_int_t)failed,
			 "dropped", (json_int_t)dropped);
}

static json_t *or_null(const char *text)
{
	return text ? json_text(text) : json_null();
}

static json_t *daemon_status(struct invspid *d)
{
	const struct ike_conns *conns = ike_conns(d->ike);
	struct ike_options opt = { 0 };

	invspid_ike_options(d, &opt);
	return json_pack("{s:s, s:s, s:o, s:i, s:I, s:o, s:o}", "backend", ike_word(d->ike),
			 "state", daemon_state_name(ike_state(d->ike)), "why",
			 json_text(d->daemon_why), "pid", (int)d->ike_pid, "connections",
			 (json_int_t)(conns ? conns->nconn : 0), "vici", or_null(opt.vici),
			 "rundir", or_null(opt.rundir));
}

static void put_work(struct invspid *d, json_t *j)
{
	json_object_set_new(j, "outcomes", counts(d));
	json_object_set_new(j, "in_flight",
			    json_integer((json_int_t)d->in_flight + d->uncertain_in_flight));
	json_object_set_new(j, "looks", json_integer((json_int_t)d->count.looks));
	json_object_set_new(j, "decided", json_integer((json_int_t)d->count.decided));
	json_object_set_new(j, "decide_us",
			    json_real(d->count.decided ? (double)d->count.decided_ns / 1e3 /
								 (double)d->count.decided
						       : 0));
	if (d->stopped)
		json_object_set_new(j, "stopped", json_string(d->stopped));
}

json_t *status_json(struct invspid *d)
{
	json_t *j;

	j = json_pack("{s:s, s:s, s:i, s:I, s:b, s:o, s:o}", "mode",
		      mode_name(mode_in_force(d->conf, d->settings, d->dry_run, NULL, NULL)),
		      "version", d->version, "pid", (int)getpid(), "uptime_ms",
		      (json_int_t)(now_ms() - d->started), "dry_run", d->dry_run, "module",
		      module_status(d), "daemon", daemon_status(d));
	json_object_set_new(j, "kernel",
			    json_pack("{s:I}", "sas", (json_int_t)xfrm_count(d->xfrm)));
	json_object_set_new(j, "history",
			    json_pack("{s:o, s:o}", "file", json_text(hist_path(d->hist)), "error",
				      or_null(hist_error(d->hist))));
	json_object_set_new(j, "settings",
			    json_pack("{s:I, s:I, s:o}", "holds",
				      (json_int_t)settings_holds(d->settings, NULL, NULL), "modes",
				      (json_int_t)settings_modes(d->settings, NULL, NULL), "error",
				      or_null(settings_error(d->settings))));
	json_object_set_new(j, "metrics",
			    json_pack("{s:o, s:o}", "listen", or_null(metrics_where(d->metrics)),
				      "error", or_null(metrics_error(d->metrics))));
	json_object_set_new(j, "record", d->record ? record_status(d->record) : json_null());
	json_object_set_new(j, "hooks", hooks_status(d->hooks));
	put_work(d, j);
	json_object_set_new(j, "attention", attention_json(d));
	return j;
}

void do_status(struct client *cl)
{
	client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "status", status_json(cl->d)));
}
