// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi explain as a person reads it: whose flow that is, what it was found to be, what
 * is done and what is in the way; then what was known, of which only what holds is shown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"
#include "status.h"

#define WIDTH 78
#define INDENT 14

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static bool is_exchange(const char *action)
{
	static const char *const words[] = { "rekey",	 "initiate", "copy",
					     "recreate", "reauth",   "restart" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(action, words[i]))
			return true;
	return false;
}

static void label(struct fmt *f, const char *name)
{
	fmt_text(f, "    %-10s", name);
}

static void print_whose(struct fmt *f, json_t *flow)
{
	const char *conn = text_of(flow, "conn"), *child = text_of(flow, "child");
	json_int_t packets = json_integer_value(json_object_get(flow, "packets"));

	fmt_string(f, FMT_NO_KEY, "%s -> ", text_of(flow, "src"));
	fmt_string(f, FMT_NO_KEY, "%s ", text_of(flow, "dst"));
	fmt_string(f, FMT_NO_KEY, "%s ", text_of(flow, "proto"));
	fmt_string(f, FMT_NO_KEY, "spi %s", text_of(flow, "spi"));
	if (*conn)
		fmt_string(f, FMT_NO_KEY, " of %s", conn);
	else
		fmt_text(f, " of nobody known");
	if (*child)
		fmt_string(f, FMT_NO_KEY, "/%s", child);
	if (packets)
		fmt_text(f, ": %" JSON_INTEGER_FORMAT " packet%s dropped", packets,
			 packets == 1 ? "" : "s");
	fmt_text(f, "\n");
}

static void print_action(struct fmt *f, json_t *flow)
{
	const char *action = text_of(flow, "action"), *wanted = text_of(flow, "wanted");
	const char *blocked = text_of(flow, "blocked"), *outcome = text_of(flow, "outcome");

	label(f, "action");
	if (is_exchange(action))
		fmt_string(f, FMT_NO_KEY, "%s", action);
	else if (!strcmp(action, "wait"))
		fmt_text(f, "look again soon");
	else if (!strcmp(action, "none"))
		fmt_text(f, "nothing");
	else
		fmt_string(f, FMT_NO_KEY, "%s, nothing more", action);
	if (*outcome)
		fmt_string(f, FMT_NO_KEY, ": %s", outcome);
	fmt_text(f, "\n");
	if (!*blocked)
		return;
	label(f, "blocked");
	fmt_string(f, FMT_NO_KEY, "%s: ", wanted);
	fmt_string(f, FMT_NO_KEY, "%s\n", blocked);
}

/* What is no, unknown or nothing says little; -s shows it, too. */
static bool says_something(json_t *v)
{
	const char *s = json_string_value(v);

	if (s)
		return strcmp(s, "unknown") && strcmp(s, "absent") && *s;
	return json_is_true(v) || (json_is_integer(v) && json_integer_value(v));
}

static int piece(char **text, const char *key, json_t *v)
{
	if (json_is_string(v))
		return asprintf(text, "%s=%s", key, json_string_value(v));
	if (json_is_integer(v))
		return asprintf(text, "%s=%" JSON_INTEGER_FORMAT, key, json_integer_value(v));
	if (json_is_true(v))
		return asprintf(text, "%s", key);
	return asprintf(text, "%s=%s", key, json_is_null(v) ? "-" : "no");
}

static void print_evidence(struct fmt *f, json_t *evidence, bool all)
{
	size_t column = INDENT;
	const char *key;
	char *text;
	json_t *v;

	label(f, "evidence");
	json_object_foreach(evidence, key, v)
	{
		if ((!all && !says_something(v)) || piece(&text, key, v) < 0)
			continue;
		if (column > INDENT && column + strlen(text) + 1 > WIDTH) {
			fmt_text(f, "\n%*s", INDENT, "");
			column = INDENT;
		}
		fmt_string(f, FMT_NO_KEY, column > INDENT ? " %s" : "%s", text);
		column += strlen(text) + (column > INDENT);
		free(text);
	}
	fmt_text(f, "\n");
}

static void print_elsewhere(struct fmt *f, json_t *e)
{
	if (!json_is_object(e))
		return;
	label(f, "the SA");
	fmt_string(f, FMT_NO_KEY, "to %s", text_of(e, "dst"));
	fmt_text(f, ", mark 0x%x/0x%x, if_id %u; the packet has mark 0x%x\n",
		 (unsigned int)json_integer_value(json_object_get(e, "mark")),
		 (unsigned int)json_integer_value(json_object_get(e, "mark_mask")),
		 (unsigned int)json_integer_value(json_object_get(e, "if_id")),
		 (unsigned int)json_integer_value(json_object_get(e, "packet_mark")));
}

static void print_one(struct invspi *inv, json_t *flow)
{
	struct fmt *f = &inv->out;

	print_whose(f, flow);
	label(f, "found");
	fmt_string(f, FMT_NO_KEY, "%s: ", text_of(flow, "grade"));
	fmt_string(f, FMT_NO_KEY, "%s\n", text_of(flow, "why"));
	print_action(f, flow);
	print_elsewhere(f, json_object_get(flow, "elsewhere"));
	print_evidence(f, json_object_get(flow, "evidence"), inv->details);
}

bool explain_knows(json_t *flows)
{
	json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow)
		if (!json_is_object(json_object_get(flow, "evidence")) ||
		    !json_is_string(json_object_get(flow, "wanted")) ||
		    !json_is_string(json_object_get(flow, "grade")))
			return false;
	return json_array_size(flows);
}

void explain_print(struct invspi *inv, json_t *answer, json_t *flows)
{
	json_int_t left = json_integer_value(json_object_get(answer, "left_out"));
	json_t *flow;
	size_t i;

	if (!explain_knows(flows)) {
		render(inv, answer, flows, "no flow to explain");
		return;
	}
	json_array_foreach(flows, i, flow)
		print_one(inv, flow);
	if (left)
		fmt_text(&inv->out,
			 "and %" JSON_INTEGER_FORMAT " more: name some with src, dst or spi\n",
			 left);
}
