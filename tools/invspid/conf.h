/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration file, invspid.conf(5). Every key has a default; no file is needed. */
#ifndef INVSPID_CONF_H
#define INVSPID_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide.h"
#include "ike.h"
#include "whom.h"

/* Keys that a connection can have of its own; their global values are in struct conf. */
enum conf_own {
	OWN_MODE,
	OWN_DISRUPTIVE,
	OWN_ALLOW_GAP,
	OWN_INITIATE_UNKNOWN,
	OWN_DYNAMIC,
	OWN_KEYS
};

/* connection "NAME" { ... }; @value is -1 where it has none of its own */
struct conf_conn {
	char *name;
	int value[OWN_KEYS];
	struct ike_setting *copy; /* of copy { } */
	size_t ncopy;
};

/**
 * struct conf_program - capture "NAME" { ... } or hook "NAME" { ... }
 * @argv: @command cut into words, ends with NULL
 * @whom: which peers a hook is for
 * @events: of a hook: a bit for each enum happening
 */
struct conf_program {
	char *name, *command, **argv;
	struct whom *whom;
	unsigned int events;
};

/* Keys of the file are named as the members; see conf_keys[] for bounds. */
struct conf {
	int ike; /* enum ike_kind */
	char *vici; /* VICI socket of strongSwan, NULL = stock places */
	char *rundir; /* of libreswan's pluto: /run/pluto */
	char *whack; /* libreswan's program, NULL = stock places */
	char *pluto_log; /* its log file, NULL = as it says */
	char *control; /* CONTROL_PATH */
	char *state; /* STATE_DIR */
	int mode; /* enum mode */
	int disruptive; /* enum disruptive */
	int allow_gap, initiate_unknown, dynamic; /* 0 or 1 */
	int log_level; /* LOG_ERR to LOG_DEBUG */
	struct limits limits;
	int64_t settle_ms; /* 1000 */
	int64_t listing_gap_ms; /* 300: between two listings that prove absence */
	int64_t request_timeout_ms; /* 2000 */
	int64_t initiate_delay_ms; /* 300: at most, at random */
	int64_t initiate_timeout_ms; /* 5000 */
	int64_t poll_ms; /* 30000: slow timer */
	int64_t dynamic_max_age_ms; /* 3600000 */
	int64_t dynamic_psk_max_age_ms; /* 600000 */
	unsigned int history_days; /* 30 */
	unsigned int history_mib; /* 64 */
	struct whom *record, *verbose;
	int64_t record_after_ms; /* 18000 */
	char *record_group; /* a group of the system, NULL = none */
	unsigned int record_memory_kib; /* 2048 */
	unsigned int record_per_hour, record_per_peer; /* 6, 2 */
	unsigned int record_bundles, record_mib; /* 32, 64 */
	int capture_defaults; /* 0 or 1 */
	int64_t capture_timeout_ms; /* 5000 */
	unsigned int capture_kib; /* 1024 */
	int64_t hook_timeout_ms; /* 10000 */
	unsigned int hooks_at_once; /* 4 */
	struct conf_program *capture, *hook;
	size_t ncapture, nhook;
	char *metrics_listen; /* ADDRESS:PORT, NULL = off */
	unsigned int metrics_connections; /* 256: that have labels of their own */
	struct conf_conn *conn;
	size_t nconn;
};

#define CONF_DEFAULT "/etc/invspid.conf"

/* The file to read: what was @given, else the default one, or NULL if it isn't there. */
const char *conf_file(const char *given);

/**
 * conf_load() - read the file
 * @path: the file, or NULL for defaults only
 * @err: on failure a text with file, line, the bad value and the remedy
 *	(malloc'd, caller frees); untouched otherwise
 *
 * Not for use by two threads at once (libconfuse's lexer is global).
 * Return: the configuration, or NULL.
 */
struct conf *conf_load(const char *path, char **err);
void conf_free(struct conf *c);

/* Mode of a connection's section; false if it has none. See also mode.h. */
bool conf_mode(const struct conf *c, const char *conn, enum mode *mode);
/* Value for a connection, the global one if it has none of its own. @conn may be NULL. */
int conf_own(const struct conf *c, const char *conn, enum conf_own key);

/* What a copy of this connection shall have; NULL if nothing is said of it. */
const struct ike_setting *conf_copy(const struct conf *c, const char *conn, size_t *n);

#define METRICS_ON "127.0.0.1:9850" /* "on" is short for it */

enum conf_kind {
	CONF_PATH,
	CONF_SOCKET,
	CONF_LISTEN,
	CONF_GROUP,
	CONF_WHOM,
	CONF_WORD,
	CONF_MS,
	CONF_COUNT,
};

/**
 * struct conf_key - a global key
 * @offset: of the member in struct conf
 * @min: smallest value of a number (ms or count)
 * @max: largest
 * @value: default of a number; of a word, its index
 * @text: default of a path, of peers, of a group, of an address; NULL if none
 * @words: what there is to choose from, NULL at the end
 * @base: number of the first of them
 */
struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset;
	uint64_t min, max, value;
	const char *text;
	const char *const *words;
	int base;
};

/* Ends with a NULL name. */
extern const struct conf_key conf_keys[];

/**
 * conf_text() - value of a key as it is written in the file
 * @buf: for numbers
 *
 * Return: the text, NULL for a path that is not set; "off" for such an address.
 */
const char *conf_text(const struct conf *c, const struct conf_key *key, char buf[32]);

#endif
