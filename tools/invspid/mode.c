// SPDX-License-Identifier: GPL-2.0-only
/* See mode.h. */
#include <stddef.h>

#include "mode.h"

/* The careful ones are the greater. */
_Static_assert(MODE_RECOVER < MODE_ADVISE && MODE_ADVISE < MODE_OBSERVE, "an order");

static void limit(enum mode *mode, const char **why, enum mode to, const char *from)
{
	if (*mode >= to)
		return;
	*mode = to;
	*why = from;
}

enum mode mode_in_force(const struct conf *conf, const struct settings *s, bool dry_run,
			const char *conn, const char **from)
{
	const char *why = "the configuration file, for all";
	enum mode mode = conf->mode, all;
	bool has_all = settings_mode(s, ALL_CONNS, &all);

	if (conn && settings_mode(s, conn, &mode)) {
		why = "`invspi mode', for this connection";
	} else if (conn && conf_mode(conf, conn, &mode)) {
		why = "the configuration file, for this connection";
	} else if (has_all) {
		mode = all;
		why = "`invspi mode', for all";
	}
	if (has_all)
		limit(&mode, &why, all, "`invspi mode', for all: a limit");
	if (dry_run)
		limit(&mode, &why, MODE_ADVISE, "--dry-run");
	if (from)
		*from = why;
	return mode;
}
