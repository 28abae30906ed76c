/* SPDX-License-Identifier: GPL-2.0-only */
/* What all who read or write the history's file share, invspi among them. */
#ifndef INVSPID_HISTORY_DB_H
#define INVSPID_HISTORY_DB_H

#include "history_int.h"

#define HIST_FILE "history.db"
#define APPLICATION_ID 0x69767370 /* "ivsp": tells ours from other files of SQLite */
#define SCHEMA_VERSION 3

/* All columns, in the order of sa_bind() and sa_read(). */
#define SA_COLUMNS                                                                    \
	"id, ord, spi, proto, conn, child, local_id, remote_id, local, remote, "      \
	"local_port, remote_port, encap, reqid, if_id, mark, mark_mask, mode, algs, " \
	"local_ts, remote_ts, rekeyed_from, rekeyed_to, installed, last_alive, "      \
	"cause, ended, ended_wall, installed_wall, if_id_out, mark_out, "             \
	"mark_out_mask, ike_version, ike_algs, no_copy"
#define SA_COLUMN_COUNT 35
#define ACTION_COLUMNS                                                         \
	"conn, child, spi, src, grade, action, outcome, first_drop, verdict, " \
	"acted, first_new, wall, done"

/* A number that the file tells, or -1. */
int64_t db_ask(sqlite3 *db, const char *sql);
void sa_bind(sqlite3_stmt *stmt, const struct hist_sa *sa, int64_t ord);
/* Strings are the statement's, until its next step. */
void sa_read(sqlite3_stmt *stmt, struct hist_sa *sa, int64_t *ord);
void bind_text(sqlite3_stmt *stmt, int at, const char *text);

#endif
