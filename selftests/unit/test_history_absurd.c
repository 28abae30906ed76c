// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers in the history's file that no history of ours has: whoever wrote them, the
 * file is put aside as any that is not whole, and nothing is computed with them.
 */
#include "history_help.h"

#define HIGHEST "9223372036854775807"
#define LOWEST "-9223372036854775807 - 1"

static const struct {
	const char *sql;
	bool aside;
} cases[] = {
	{ "UPDATE sa SET id = " HIGHEST, true },
	{ "UPDATE sa SET id = 0", true },
	{ "UPDATE sa SET id = -7", true },
	{ "UPDATE sa SET id = 9007199254740993", true },
	{ "UPDATE sa SET id = 9007199254740992", false },
	{ "UPDATE sa SET ord = " HIGHEST, true },
	{ "UPDATE sa SET ord = -1", true },
	{ "UPDATE sa SET cause = 4, ord = 7", false },
	{ "UPDATE sa SET installed = " LOWEST, true },
	{ "UPDATE sa SET installed = 'soon'", true },
	{ "UPDATE sa SET installed = NULL, ended = NULL, ended_wall = NULL", false },
	{ "UPDATE sa SET installed = -5000", false },
	{ "UPDATE sa SET last_alive = " HIGHEST, true },
	{ "UPDATE sa SET ended = " HIGHEST ", cause = 4", true },
	{ "UPDATE sa SET ended_wall = " LOWEST, true },
	{ "UPDATE sa SET installed_wall = " HIGHEST, true },
	{ "UPDATE meta SET base = " HIGHEST, true },
	{ "UPDATE meta SET last = " HIGHEST ", boot_id = 'other'", true },
	{ "UPDATE meta SET last_alive = " LOWEST, true },
	{ "UPDATE meta SET last_wall = " LOWEST, true },
	{ "UPDATE meta SET last_wall = x'00', daemon_pid = " HIGHEST, true },
	{ "UPDATE meta SET boot_id = NULL, daemon_pid = -1", false },
	{ "UPDATE sa SET spi = " HIGHEST ", proto = " HIGHEST ", local_port = -1", false },
	{ "UPDATE sa SET cause = -9", false },
};

static void test_absurd(void)
{
	const char *dir;
	struct history *h;
	char name[160];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dir = new_dir();
		h = open_dir(dir);
		sync_one(h, "net", 0x100);
		hist_flush(h);
		hist_close(h);
		query(dir, cases[i].sql);
		h = open_dir(dir);
		snprintf(name, sizeof(name), "%s: put aside", cases[i].sql);
		ktap_int(name, cases[i].aside, exists(dir, "history.db.corrupt"));
		/* Everything that computes with times. */
		clock_ms += 5000;
		hist_end(h, 0x100, ESP, END_DELETED_LOCAL, clock_ms);
		hist_daemon_lost(h, true, clock_ms);
		sync_one(h, "net", 0x101);
		snprintf(name, sizeof(name), "%s: it goes on", cases[i].sql);
		ktap_end(name, END_NONE, end_of(h, 0x101));
		hist_close(h);
	}
}

int main(void)
{
	static const history_test tests[] = { test_absurd, NULL };

	return history_main(tests);
}
