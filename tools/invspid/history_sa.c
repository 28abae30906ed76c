// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history's file as both programs read it: a number, or an SA as a row. Text
 * comes from outside and may hold any byte but NUL; it is only ever bound, with
 * its length.
 */
#include <string.h>
#include <sys/socket.h>

#include "history_db.h"

int64_t db_ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return v;
}

void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	if (!text)
		text = "";
	sqlite3_bind_text64(stmt, at, text, strlen(text), SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void bind_addr(sqlite3_stmt *stmt, int at, const struct ike_addr *addr)
{
	int len = addr->family == AF_INET ? 4 : addr->family == AF_INET6 ? 16 : 0;

	sqlite3_bind_blob(stmt, at, addr->addr, len, SQLITE_TRANSIENT);
}

static void read_addr(sqlite3_stmt *stmt, int at, struct ike_addr *addr)
{
	const void *data = sqlite3_column_blob(stmt, at);
	int len = sqlite3_column_bytes(stmt, at);

	memset(addr, 0, sizeof(*addr));
	if (!data || (len != 4 && len != 16))
		return;
	addr->family = len == 4 ? AF_INET : AF_INET6;
	memcpy(addr->addr, data, (size_t)len);
}

static const char *read_text(sqlite3_stmt *stmt, int at)
{
	const unsigned char *text = sqlite3_column_text(stmt, at);

	return text ? (const char *)text : "";
}

void sa_bind(sqlite3_stmt *stmt, const struct hist_sa *sa, int64_t ord)
{
	int at = 1;

	sqlite3_bind_int64(stmt, at++, sa->id);
	sqlite3_bind_int64(stmt, at++, ord);
	sqlite3_bind_int64(stmt, at++, sa->spi);
	sqlite3_bind_int(stmt, at++, sa->proto);
	bind_text(stmt, at++, sa->conn);
	bind_text(stmt, at++, sa->child);
	bind_text(stmt, at++, sa->local_id);
	bind_text(stmt, at++, sa->remote_id);
	bind_addr(stmt, at++, &sa->local);
	bind_addr(stmt, at++, &sa->remote);
	sqlite3_bind_int(stmt, at++, sa->local_port);
	sqlite3_bind_int(stmt, at++, sa->remote_port);
	sqlite3_bind_int(stmt, at++, sa->encap);
	sqlite3_bind_int64(stmt, at++, sa->reqid);
	sqlite3_bind_int64(stmt, at++, sa->if_id);
	sqlite3_bind_int64(stmt, at++, sa->mark);
	sqlite3_bind_int64(stmt, at++, sa->mark_mask);
	bind_text(stmt, at++, sa->mode);
	bind_text(stmt, at++, sa->algs);
	bind_text(stmt, at++, sa->local_ts);
	bind_text(stmt, at++, sa->remote_ts);
	sqlite3_bind_int64(stmt, at++, sa->rekeyed_from);
	sqlite3_bind_int64(stmt, at++, sa->rekeyed_to);
	sqlite3_bind_int64(stmt, at++, sa->installed_at);
	sqlite3_bind_int64(stmt, at++, sa->last_alive);
	sqlite3_bind_int(stmt, at++, (int)sa->end);
	sqlite3_bind_int64(stmt, at++, sa->ended_at);
	sqlite3_bind_int64(stmt, at++, sa->ended_wall);
	sqlite3_bind_int64(stmt, at++, sa->installed_wall);
	sqlite3_bind_int64(stmt, at++, sa->if_id_out);
	sqlite3_bind_int64(stmt, at++, sa->mark_out);
	sqlite3_bind_int64(stmt, at++, sa->mark_out_mask);
	sqlite3_bind_int(stmt, at++, sa->ike_version);
	bind_text(stmt, at++, sa->ike_algs);
	bind_text(stmt, at, sa->no_copy);
}

void sa_read(sqlite3_stmt *stmt, struct hist_sa *sa, int64_t *ord)
{
	int at = 0, end;

	memset(sa, 0, sizeof(*sa));
	sa->id = sqlite3_column_int64(stmt, at++);
	*ord = sqlite3_column_int64(stmt, at++);
	sa->spi = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->proto = (uint8_t)sqlite3_column_int(stmt, at++);
	sa->conn = read_text(stmt, at++);
	sa->child = read_text(stmt, at++);
	sa->local_id = read_text(stmt, at++);
	sa->remote_id = read_text(stmt, at++);
	read_addr(stmt, at++, &sa->local);
	read_addr(stmt, at++, &sa->remote);
	sa->local_port = (uint16_t)sqlite3_column_int(stmt, at++);
	sa->remote_port = (uint16_t)sqlite3_column_int(stmt, at++);
	sa->encap = sqlite3_column_int(stmt, at++);
	sa->reqid = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->if_id = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->mark = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->mark_mask = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->mode = read_text(stmt, at++);
	sa->algs = read_text(stmt, at++);
	sa->local_ts = read_text(stmt, at++);
	sa->remote_ts = read_text(stmt, at++);
	sa->rekeyed_from = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->rekeyed_to = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->installed_at = sqlite3_column_int64(stmt, at++);
	sa->last_alive = sqlite3_column_int64(stmt, at++);
	end = sqlite3_column_int(stmt, at++);
	/* A cause that this version does not know is at least an end. */
	sa->end = end >= 0 && end < END__COUNT ? (enum sa_end)end : END_UNSEEN;
	sa->ended_at = sqlite3_column_int64(stmt, at++);
	sa->ended_wall = sqlite3_column_int64(stmt, at++);
	sa->installed_wall = sqlite3_column_int64(stmt, at++);
	sa->if_id_out = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->mark_out = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->mark_out_mask = (uint32_t)sqlite3_column_int64(stmt, at++);
	sa->ike_version = sqlite3_column_int(stmt, at++);
	sa->ike_algs = read_text(stmt, at++);
	sa->no_copy = read_text(stmt, at);
}
