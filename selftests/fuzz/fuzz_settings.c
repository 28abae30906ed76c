// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: the file of holds and modes. Whatever is in it, holds that may
 * have been there are not lost: what cannot be read holds everything.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "dir.h"
#include "log.h"
#include "mode.h"

#define NOW_MS INT64_C(1000000)
#define WALL_MS INT64_C(1790000000000)

static int64_t test_boot_ms(void)
{
	return NOW_MS;
}

static int64_t test_wall_ms(void)
{
	return WALL_MS;
}

static const struct settings_env env = { "boot-1", test_boot_ms, test_wall_ms };

static void see_hold(void *arg, const struct setting_hold *h)
{
	bool *all = arg;

	must(h->conn[0] && h->reason);
	*all |= !strcmp(h->conn, ALL_CONNS);
}

static void see_mode(void *arg, const struct setting_mode *m)
{
	const struct settings *s = arg;
	enum mode mode;

	must(m->mode >= MODE_RECOVER && m->mode <= MODE_OBSERVE);
	must(settings_mode(s, m->conn, &mode) && mode == m->mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *dir = fuzz_dir();
	struct settings *s, *again;
	unsigned int holds, modes;
	bool all = false;

	log_level(-1);
	fuzz_put(dir, "settings.json", data, size);
	s = settings_open(dir, &env);
	must(s);
	holds = settings_holds(s, see_hold, &all);
	modes = settings_modes(s, see_mode, s);
	must(!settings_error(s) || all);
	must(settings_held(s, "gw") || !all);
	/* Written anew it says the same. */
	must(!settings_hold_add(s, "fuzz", 60, "a reason") && settings_held(s, "fuzz"));
	again = settings_open(dir, &env);
	must(again && !settings_error(again) && settings_held(again, "fuzz"));
	must(settings_holds(again, NULL, NULL) >= holds);
	must(settings_modes(again, see_mode, again) == modes);
	settings_close(again);
	settings_close(s);
	return 0;
}
