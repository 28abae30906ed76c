// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi status as a person reads it: first whether all is well, then a line for each
 * part, then the connections that are not well. What this program does not know of yet
 * is written behind it, as it comes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "status.h"

static const char *const known[] = {
	"mode",	     "version", "pid",	    "uptime_ms", "dry_run",   "module",	 "daemon",
	"kernel",    "history", "settings", "metrics",	 "record",    "hooks",	 "outcomes",
	"in_flight", "looks",	"decided",  "decide_us", "attention", "stopped",
};

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_int_t number_of(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static const char *part(json_t *st, const char *key, const char *member)
{
	return text_of(json_object_get(st, key), member);
}

/* ---- is all well? ---- */

struct verdict {
	const char *word, *text, *more;
};

static bool has(json_t *attention, const char *key)
{
	json_t *c;
	size_t i;

	json_array_foreach(attention, i, c)
		if (number_of(c, key))
			return true;
	return false;
}

/* The worst of it. */
static struct verdict judge(json_t *st)
{
	json_t *attention = json_object_get(st, "attention");
	const char *mode = text_of(st, "mode");

	if (*text_of(st, "stopped"))
		return (struct verdict){ "STOPPED", "nothing is done: ", text_of(st, "stopped") };
	if (strcmp(part(st, "module", "state"), "loaded"))
		return (struct verdict){ "BROKEN", "the kernel module is not there: ",
					 part(st, "module", "why") };
	if (strcmp(part(st, "daemon", "state"), "ready"))
		return (struct verdict){ "BROKEN", "the IKE daemon cannot be asked: ",
					 part(st, "daemon", "why") };
	if (has(attention, "gave_up"))
		return (struct verdict){ "TROUBLE", "given up after too many failures, see below",
					 "" };
	if (has(attention, "desync"))
		return (struct verdict){ "TROUBLE", "out of step and not healed yet, see below",
					 "" };
	if (*part(st, "history", "error") || *part(st, "settings", "error") ||
	    *part(st, "record", "error"))
		return (struct verdict){ "WARNING", "its state directory cannot be written", "" };
	if (json_is_true(json_object_get(st, "dry_run")))
		return (struct verdict){ "PASSIVE", "it runs with --dry-run, and does nothing",
					 "" };
	if (strcmp(mode, "recover"))
		return (struct verdict){ "PASSIVE", "it heals nothing by itself: mode ", mode };
	return (struct verdict){ "OK", "what falls out of step is healed", "" };
}

/* ---- its parts ---- */

static void label(struct fmt *f, const char *name)
{
	fmt_text(f, "  %-11s ", name);
}

static void print_error(struct fmt *f, const char *error)
{
	if (*error)
		fmt_string(f, FMT_NO_KEY, "  ERROR: %s", error);
	fmt_text(f, "\n");
}

static void print_helper(struct fmt *f, json_t *st)
{
	char age[FMT_AGE_LEN];

	label(f, "invspid");
	fmt_string(f, FMT_NO_KEY, "%s", text_of(st, "version"));
	fmt_text(f, ", pid %" JSON_INTEGER_FORMAT, number_of(st, "pid"));
	fmt_text(f, ", up %s", fmt_age(age, (uint64_t)number_of(st, "uptime_ms")));
	fmt_string(f, FMT_NO_KEY, ", mode %s", text_of(st, "mode"));
	fmt_text(f, "%s\n", json_is_true(json_object_get(st, "dry_run")) ? " (dry run)" : "");
}

static void print_module(struct fmt *f, json_t *st)
{
	json_t *m = json_object_get(st, "module");

	label(f, "module");
	fmt_string(f, FMT_NO_KEY, "%s", text_of(m, "state"));
	if (json_object_get(m, "packets"))
		fmt_text(f,
			 ", %" JSON_INTEGER_FORMAT
			 " packets dropped (no_state %" JSON_INTEGER_FORMAT
			 "), %" JSON_INTEGER_FORMAT " flows",
			 number_of(m, "packets"), number_of(m, "no_state"), number_of(m, "flows"));
	print_error(f, text_of(m, "why"));
}

static void print_daemon(struct fmt *f, json_t *st)
{
	json_t *ike = json_object_get(st, "daemon");
	bool ready = !strcmp(text_of(ike, "state"), "ready");

	label(f, "IKE daemon");
	fmt_string(f, FMT_NO_KEY, "%s ", text_of(ike, "backend"));
	fmt_string(f, FMT_NO_KEY, "%s", text_of(ike, "state"));
	if (ready)
		fmt_text(f,
			 ", %" JSON_INTEGER_FORMAT " connection%s, %" JSON_INTEGER_FORMAT
			 " SAs in the kernel",
			 number_of(ike, "connections"),
			 number_of(ike, "connections") == 1 ? "" : "s",
			 number_of(json_object_get(st, "kernel"), "sas"));
	if (*text_of(ike, "why"))
		fmt_string(f, FMT_NO_KEY, ready ? " (%s)" : ": %s", text_of(ike, "why"));
	fmt_text(f, "\n");
}

static void print_recorder(struct fmt *f, json_t *st)
{
	json_t *r = json_object_get(st, "record");

	if (!json_is_object(r))
		return;
	label(f, "recorder");
	fmt_string(f, FMT_NO_KEY, "%s", text_of(r, "state"));
	fmt_text(f, ", %" JSON_INTEGER_FORMAT " bundles (%" JSON_INTEGER_FORMAT " KiB)",
		 number_of(r, "bundles"), (number_of(r, "bytes") + 1023) / 1024);
	fmt_string(f, FMT_NO_KEY, " in %s", text_of(r, "folder"));
	if (number_of(r, "refused"))
		fmt_text(f,
			 ", %" JSON_INTEGER_FORMAT
			 " more refused, see record_per_peer and record_per_hour",
			 number_of(r, "refused"));
	print_error(f, text_of(r, "error"));
}

/* Nobody need know of hooks who has none. */
static void print_hooks(struct fmt *f, json_t *st)
{
	json_t *h = json_object_get(st, "hooks");

	if (!number_of(h, "run") && !number_of(h, "failed") && !number_of(h, "dropped"))
		return;
	label(f, "hooks");
	fmt_text(f,
		 "%" JSON_INTEGER_FORMAT " run, %" JSON_INTEGER_FORMAT
		 " failed, %" JSON_INTEGER_FORMAT " dropped\n",
		 number_of(h, "run"), number_of(h, "failed"), number_of(h, "dropped"));
}

static void print_rest(struct fmt *f, json_t *st)
{
	json_t *settings = json_object_get(st, "settings");
	const char *listen = part(st, "metrics", "listen");

	label(f, "history");
	fmt_string(f, FMT_NO_KEY, "%s", part(st, "history", "file"));
	print_error(f, part(st, "history", "error"));
	label(f, "settings");
	fmt_text(f, "%" JSON_INTEGER_FORMAT " holds, %" JSON_INTEGER_FORMAT " modes",
		 number_of(settings, "holds"), number_of(settings, "modes"));
	print_error(f, text_of(settings, "error"));
	label(f, "metrics");
	fmt_string(f, FMT_NO_KEY, *listen ? "http://%s/metrics" : "off", listen);
	print_error(f, part(st, "metrics", "error"));
}

static void print_actions(struct fmt *f, json_t *st)
{
	json_t *o = json_object_get(st, "outcomes");

	label(f, "actions");
	fmt_text(f,
		 "%" JSON_INTEGER_FORMAT " healed, %" JSON_INTEGER_FORMAT
		 " quiet, %" JSON_INTEGER_FORMAT " stale, %" JSON_INTEGER_FORMAT
		 " failed, %" JSON_INTEGER_FORMAT " under way\n",
		 number_of(o, "healed"), number_of(o, "quiet"), number_of(o, "stale"),
		 number_of(o, "failed"), number_of(st, "in_flight"));
}

/* ---- connections ---- */

static void print_last(struct fmt *f, json_t *last)
{
	char age[FMT_AGE_LEN];

	if (!json_is_object(last)) {
		fmt_text(f, "; nothing done yet\n");
		return;
	}
	fmt_string(f, FMT_NO_KEY, "; last: %s ", text_of(last, "action"));
	fmt_string(f, FMT_NO_KEY, "%s", text_of(last, "outcome"));
	fmt_text(f, " %s ago\n", fmt_age(age, (uint64_t)number_of(last, "ago_ms")));
}

static void print_connection(struct fmt *f, json_t *c)
{
	const char *name = text_of(c, "conn");
	bool gave_up = number_of(c, "gave_up");

	fmt_string(f, FMT_NO_KEY, "%s: ", name);
	if (number_of(c, "desync"))
		fmt_text(f, "out of step, %" JSON_INTEGER_FORMAT " packets lost",
			 number_of(c, "packets"));
	if (gave_up)
		fmt_text(f, "%sgiven up", number_of(c, "desync") ? ", " : "");
	if (json_is_true(json_object_get(c, "held")))
		fmt_text(f, ", on hold");
	fmt_string(f, FMT_NO_KEY, ", peer %s", *text_of(c, "peer") ? text_of(c, "peer") : "-");
	print_last(f, json_object_get(c, "last"));
	fmt_string(f, FMT_NO_KEY,
		   gave_up ? "    -> invspi history conn %s" : "    -> invspi explain conn %s",
		   name);
	if (gave_up)
		fmt_string(f, FMT_NO_KEY, "; invspi peer retry %s", name);
	fmt_text(f, "\n");
}

/* What is told beside what is known here. */
static json_t *unknown(json_t *st)
{
	json_t *rest = json_copy(st);
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		json_object_del(rest, known[i]);
	return rest;
}

void status_print(struct invspi *inv, json_t *answer, json_t *st)
{
	struct verdict v = judge(st);
	struct fmt *f = &inv->out;
	json_t *c, *rest;
	size_t i;

	/* Of another version: all of it, as it comes. */
	if (!json_object_get(st, "module") || !json_object_get(st, "daemon")) {
		render(inv, answer, st, "");
		return;
	}
	fmt_text(f, "%s: %s", v.word, v.text);
	fmt_string(f, FMT_NO_KEY, "%s\n", v.more);
	print_helper(f, st);
	print_module(f, st);
	print_daemon(f, st);
	print_rest(f, st);
	print_recorder(f, st);
	print_hooks(f, st);
	print_actions(f, st);
	rest = unknown(st);
	if (json_object_size(rest))
		render(inv, answer, rest, "");
	json_decref(rest);
	json_array_foreach(json_object_get(st, "attention"), i, c)
		print_connection(f, c);
}
