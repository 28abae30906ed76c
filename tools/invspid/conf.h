/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration file, invspid.conf(5). Every key has a default; no file is needed. */
#ifndef INVSPID_CONF_H
#define INVSPID_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide.h"

/* connection "NAME" { ... } */
struct conf_conn {
	char *name;
	bool has_mode;
	enum mode mode;
};

struct conf {
	char *vici;		/* VICI socket, NULL = stock places */
	char *control;		/* /run/invspid.sock */
	char *state;		/* /var/lib/invspid */
	enum mode mode;
	int log_level;
	struct limits limits;
	int64_t settle_ms;	/* 1000 */
	int64_t listing_gap_ms;	/* 300: between two listings that prove absence */
	int64_t request_timeout_ms;	/* 2000 */
	int64_t initiate_delay_ms;	/* 300: at most, at random */
	int64_t initiate_timeout_ms;	/* 5000 */
	int64_t poll_ms;	/* 30000: slow timer */
	struct conf_conn *conn;
	size_t nconn;
};

/**
 * conf_load() - read the file
 * @path: the file, or NULL for defaults only
 * @err: on failure a text with file, line, the bad value and the remedy (malloc'd)
 * Return: the configuration, or NULL.
 */
struct conf *conf_load(const char *path, char **err);
void conf_free(struct conf *c);
enum mode conf_mode(const struct conf *c, const char *conn);

#endif
