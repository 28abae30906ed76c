// SPDX-License-Identifier: GPL-2.0-only
/* The keys of invspid.conf: names, defaults, bounds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "conf.h"
#include "conf_int.h"
#include "paths.h"

static const char *const modes[] = {
	[MODE_RECOVER] = "recover", [MODE_ADVISE] = "advise", [MODE_OBSERVE] = "observe", NULL
};

static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };

static const char *const what_disruptive[] = {
	[DISRUPTIVE_NEVER] = "never", [DISRUPTIVE_CHILD] = "child", [DISRUPTIVE_IKE] = "ike", NULL
};

static const char *const no_yes[] = { "no", "yes", NULL };

const char *const conf_own_names[OWN_KEYS] = {
	[OWN_MODE] = "mode",	       [OWN_DISRUPTIVE] = "disruptive",
	[OWN_ALLOW_GAP] = "allow_gap", [OWN_INITIATE_UNKNOWN] = "initiate_unknown",
	[OWN_DYNAMIC] = "dynamic",
};

static const char *const ikes[] = {
	[IKE_AUTO] = "auto", [IKE_STRONGSWAN] = "strongswan", [IKE_LIBRESWAN] = "libreswan", NULL
};

#define SECOND 1000ull
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define TEXT(n, k, def)                                                \
	{                                                              \
#n, k, offsetof(struct conf, n), 0, 0, 0, def, NULL, 0 \
	}
#define WORD(n, words, base, def)                                                     \
	{                                                                             \
#n, CONF_WORD, offsetof(struct conf, n), 0, 0, def, NULL, words, base \
	}
#define MS(n, def, lo, hi)                                                        \
	{                                                                         \
#n, CONF_MS, offsetof(struct conf, n), lo, hi, def, NULL, NULL, 0 \
	}
#define COUNT(n, def, lo, hi)                                                        \
	{                                                                            \
#n, CONF_COUNT, offsetof(struct conf, n), lo, hi, def, NULL, NULL, 0 \
	}
#define LIMIT_MS(n, def, lo, hi)                                                         \
	{                                                                                \
#n, CONF_MS, offsetof(struct conf, limits.n), lo, hi, def, NULL, NULL, 0 \
	}
#define LIMIT(n, def, lo, hi)                                                               \
	{                                                                                   \
#n, CONF_COUNT, offsetof(struct conf, limits.n), lo, hi, def, NULL, NULL, 0 \
	}

const struct conf_key conf_keys[] = {
	WORD(ike, ikes, 0, IKE_AUTO),
	TEXT(vici, CONF_SOCKET, NULL),
	TEXT(rundir, CONF_PATH, "/run/pluto"),
	TEXT(whack, CONF_PATH, NULL),
	TEXT(pluto_log, CONF_PATH, NULL),
	TEXT(control, CONF_SOCKET, CONTROL_PATH),
	TEXT(state, CONF_PATH, STATE_DIR),
	WORD(mode, modes, 0, MODE_RECOVER),
	WORD(disruptive, what_disruptive, 0, DISRUPTIVE_NEVER),
	WORD(allow_gap, no_yes, 0, 0),
	WORD(initiate_unknown, no_yes, 0, 0),
	WORD(dynamic, no_yes, 0, 0),
	MS(dynamic_max_age_ms, HOUR, MINUTE, 7 * DAY),
	MS(dynamic_psk_max_age_ms, 10 * MINUTE, MINUTE, 7 * DAY),
	WORD(log_level, levels, LOG_ERR, LOG_INFO - LOG_ERR),
	MS(settle_ms, 1000, 0, MINUTE),
	/* Longer, and the daemon has changed too much between the two listings. */
	MS(listing_gap_ms, 300, 100, 4 * SECOND),
	MS(request_timeout_ms, 2000, 100, MINUTE),
	MS(initiate_delay_ms, 300, 0, 10 * SECOND),
	MS(initiate_timeout_ms, 5000, 500, MINUTE),
	MS(poll_ms, 30000, SECOND, HOUR),
	COUNT(history_days, 30, 1, 3650),
	COUNT(history_mib, 64, 1, 4096),
	TEXT(metrics_listen, CONF_LISTEN, NULL),
	COUNT(metrics_connections, 256, 1, 4096),
	/* strongSwan keeps a rekeyed inbound SA for 5 s by default. */
	LIMIT_MS(in_passing_ms, 6000, SECOND, 10 * MINUTE),
	/* The answer to the peer's rekey may be lost: strongSwan asks after 4 s, and 7.2 s more. */
	LIMIT_MS(came_up_ms, 13000, SECOND, 10 * MINUTE),
	LIMIT_MS(in_progress_ms, 5000, 500, 10 * MINUTE),
	LIMIT_MS(quiet_ms, 3000, 500, MINUTE),
	LIMIT_MS(stand_down_ms, 2000, 500, MINUTE),
	LIMIT(in_flight, 8, 1, 64),
	LIMIT(uncertain_in_flight, 2, 1, 64),
	LIMIT(uncertain_all, 30, 1, 10000),
	LIMIT_MS(uncertain_peer_ms, MINUTE, SECOND, DAY),
	LIMIT_MS(spoofed_delay_ms, 10 * SECOND, SECOND, HOUR),
	LIMIT_MS(retransmit_ms, 165 * SECOND, SECOND, HOUR),
	LIMIT_MS(disruptive_ms, 10 * MINUTE, SECOND, DAY),
	LIMIT(give_up, 8, 1, 1000),
	LIMIT_MS(give_up_ms, HOUR, MINUTE, 7 * DAY),
	LIMIT_MS(backoff_min_ms, 2000, 500, HOUR),
	LIMIT_MS(backoff_max_ms, 10 * MINUTE, 500, DAY),
	TEXT(record, CONF_WHOM, "all"),
	TEXT(verbose, CONF_WHOM, "none"),
	MS(record_after_ms, 18 * SECOND, 0, 10 * MINUTE),
	TEXT(record_group, CONF_GROUP, NULL),
	COUNT(record_memory_kib, 1024, 64, 1 << 20),
	COUNT(record_per_hour, 6, 1, 32),
	COUNT(record_per_peer, 2, 1, 32),
	COUNT(record_bundles, 32, 1, 1000),
	COUNT(record_mib, 64, 1, 1 << 16),
	WORD(capture_defaults, no_yes, 0, 1),
	MS(capture_timeout_ms, 5 * SECOND, 100, MINUTE),
	COUNT(capture_kib, 1024, 1, 1 << 14),
	MS(hook_timeout_ms, 10 * SECOND, 100, 10 * MINUTE),
	COUNT(hooks_at_once, 4, 1, 32),
	{ 0 }
};

const struct conf_key *conf_key_named(const char *name)
{
	const struct conf_key *key = conf_keys;

	while (strcmp(key->name, name))
		key++;
	return key;
}

void *conf_member(const struct conf *c, const struct conf_key *key)
{
	return (char *)(uintptr_t)c + key->offset;
}

const char *conf_text(const struct conf *c, const struct conf_key *key, char buf[32])
{
	const void *member = conf_member(c, key);

	switch (key->kind) {
	case CONF_PATH:
	case CONF_SOCKET:
	case CONF_GROUP:
		return *(char *const *)member;
	case CONF_LISTEN:
		return *(char *const *)member ? *(char *const *)member : "off";
	case CONF_WORD:
		return key->words[*(const int *)member - key->base];
	case CONF_MS:
		snprintf(buf, 32, "%" PRId64, *(const int64_t *)member);
		return buf;
	case CONF_COUNT:
		snprintf(buf, 32, "%u", *(const unsigned int *)member);
		return buf;
	case CONF_WHOM:
		return whom_text(*(struct whom *const *)member);
	}
	return NULL;
}
