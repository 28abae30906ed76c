// SPDX-License-Identifier: GPL-2.0-only
/* A record of invspi history as a person reads it: one line, with -s the times, too. */
#include <string.h>

#include "decide.h"
#include "history_print.h"

static const char *member(json_t *record, const char *key)
{
	const char *s = json_string_value(json_object_get(record, key));

	return s ? s : "-";
}

static void put(struct fmt *f, json_t *record, const char *text_format, const char *key)
{
	fmt_string(f, FMT_NO_KEY, text_format, member(record, key));
}

static void put_span(struct fmt *f, json_t *record, const char *text_format, const char *key)
{
	json_t *ms = json_object_get(record, key);
	char age[FMT_AGE_LEN];

	if (json_is_integer(ms))
		fmt_string(f, FMT_NO_KEY, text_format,
			   fmt_age(age, (uint64_t)json_integer_value(ms)));
}

static void print_action(struct invspi *inv, json_t *record)
{
	struct fmt *f = &inv->out;

	put(f, record, "%s", "action");
	put(f, record, " %s", "outcome");
	put_span(f, record, ", %s from the first dropped to the first delivered packet", "took_ms");
	put(f, record, " (%s", "grade");
	put(f, record, ", peer %s", "src");
	put(f, record, ", spi %s)\n", "spi");
	if (!inv->details)
		return;
	put(f, record, "    first_drop %s", "first_drop");
	put(f, record, " verdict %s", "verdict");
	put(f, record, "\n    acted %s", "acted");
	put(f, record, " first_new %s\n", "first_new");
}

static void print_sa(struct invspi *inv, json_t *record)
{
	bool alive = !strcmp(member(record, "end"), end_name(END_NONE));
	struct fmt *f = &inv->out;

	put(f, record, "SA %s", "spi");
	put(f, record, " from %s ", "src");
	if (alive) {
		fmt_text(f, "installed, alive\n");
		return;
	}
	put(f, record, "ended: %s", "end");
	if (json_is_string(json_object_get(record, "rekeyed_to")))
		put(f, record, " to %s", "rekeyed_to");
	put_span(f, record, ", after %s", "lived_ms");
	fmt_text(f, "\n");
	if (inv->details)
		put(f, record, "    installed %s\n", "installed");
}

void history_print(struct invspi *inv, json_t *record)
{
	bool action = !strcmp(member(record, "type"), "action");
	const char *child = member(record, "child");
	struct fmt *f = &inv->out;

	/* An SA that is alive has no end yet. */
	put(f, record, "%s",
	    json_is_string(json_object_get(record, "ended")) ? "ended" : "installed");
	put(f, record, " %s", "conn");
	fmt_string(f, FMT_NO_KEY, *child ? "/%s: " : ": %s", child);
	if (action)
		print_action(inv, record);
	else
		print_sa(inv, record);
}
