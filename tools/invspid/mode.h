/* SPDX-License-Identifier: GPL-2.0-only */
/* Which mode is in force: the configuration file's and what was set at run time. */
#ifndef INVSPID_MODE_H
#define INVSPID_MODE_H

#include "conf.h"
#include "settings.h"

/**
 * mode_in_force() - mode of a connection
 * @dry_run: the helper was started to do nothing
 * @conn: its name; NULL for those without one of their own
 * @from: set to where it comes from, for people, if not NULL
 *
 * A connection has the mode that was set for it at run time, or else the one of
 * its section in the file, or else what was set for all at run time, or else the
 * file's. What was set for all at run time is a limit as well: no connection
 * does more than it allows. So a standby gateway that is told to observe does,
 * whatever was said about single connections.
 */
enum mode mode_in_force(const struct conf *conf, const struct settings *s, bool dry_run,
			const char *conn, const char **from);

#endif
