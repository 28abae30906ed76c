/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operator said at run time: holds and modes. They survive restarts and
 * reboots in a small file of their own, settings.json, which is replaced whole:
 * whatever becomes of the history, a hold stays.
 *
 * A hold that is not for ever ends by CLOCK_BOOTTIME in the boot it was set in,
 * so that a step of the wall clock cannot end it; in a later boot by the wall
 * clock.
 */
#ifndef INVSPID_SETTINGS_H
#define INVSPID_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "decide.h"

#define ALL_CONNS "all" /* stands for every connection */

struct settings;

struct setting_hold {
	const char *conn; /* or ALL_CONNS */
	const char *reason;
	int64_t since_wall, until_wall; /* Unix ms; until 0 = for ever */
};

struct setting_mode {
	const char *conn; /* or ALL_CONNS */
	enum mode mode;
	int64_t since_wall;
};

/**
 * struct settings_env - what a test may replace
 * @boot_id: of this boot, "" if not known; the rest as the names say
 */
struct settings_env {
	const char *boot_id;
	int64_t (*boot_ms)(void);
	int64_t (*wall_ms)(void);
};

/**
 * settings_open() - read the file
 * @dir: state directory; it need not be there
 * @env: NULL = the real ones
 *
 * A file that is there but cannot be read, or makes no sense, may have had holds
 * in it: then everything is on hold until an operator has looked.
 *
 * Return: the settings, NULL without memory.
 */
struct settings *settings_open(const char *dir, const struct settings_env *env);
void settings_close(struct settings *s);

/* What keeps the settings from the disk, NULL if nothing. */
const char *settings_error(const struct settings *s);

/**
 * settings_hold_add() - hold a connection, or all; replaces an earlier hold of it
 * @seconds: 0 = for ever
 *
 * In effect at once, and on disk when it returns. Return: 0; -EINVAL for no name
 * or a bad time, -ENOSPC if there are 10,000, -ENOMEM: no hold; 1: it holds, but
 * could not be saved. The same holds for the next three, which also return
 * -ENOENT if there is no such hold or mode.
 */
int settings_hold_add(struct settings *s, const char *conn, int64_t seconds, const char *reason);
int settings_hold_del(struct settings *s, const char *conn);
int settings_mode_set(struct settings *s, const char *conn, enum mode mode);
int settings_mode_del(struct settings *s, const char *conn);

/* That one, or all. */
bool settings_held(const struct settings *s, const char *conn);
/* False if none was set for exactly this name. */
bool settings_mode(const struct settings *s, const char *conn, enum mode *mode);

/* Return: their number. @cb may be NULL. */
unsigned int settings_holds(const struct settings *s,
			    void (*cb)(void *arg, const struct setting_hold *hold), void *arg);
unsigned int settings_modes(const struct settings *s,
			    void (*cb)(void *arg, const struct setting_mode *mode), void *arg);

#endif
