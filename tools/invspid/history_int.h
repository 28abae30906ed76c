/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the history.
 *
 *   history.c        the interface: what is taken in
 *   history_sync.c   listings
 *   history_ask.c    what is given out
 *   history_rows.c   rows in memory: alive, not yet written, newest of a child
 *   history_db.c     the file: open, check, load, look up
 *   history_sa.c     and what invspi needs of that, too
 *   history_write.c  queue and writer thread
 *   history_prune.c  quota, age and size, in the writer thread
 *
 * Threads: everything belongs to the caller's thread, but for what struct
 * writer says.
 *
 * The history's clock counts the milliseconds that the machine has been up,
 * over all boots since the file was made: CLOCK_BOOTTIME + @base. It neither
 * jumps nor runs back, so rows age by it, and a time before @base is of an
 * earlier boot. Times in memory and in the file are on it; only the interface
 * speaks CLOCK_BOOTTIME.
 */
#ifndef INVSPID_HISTORY_INT_H
#define INVSPID_HISTORY_INT_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

#include "history.h"
#include "pool.h"

#define HIST_QUOTA 4096 /* rows of one connection */
#define HIST_ACTIONS 1000 /* actions of one connection, ten times that in all */
#define HIST_DAYS 30
#define HIST_MIB 64
#define HIST_PAGE 4096
#define HIST_MEMORY_ROWS 16384 /* ended rows, if there is no file */
#define HIST_QUEUE_MAX 65536
#define HIST_ORD_ALIVE (INT64_MAX / 2) /* + id: newer than all that have ended */

/**
 * struct hist_env - what a test may replace
 * @boot_id: of this boot, "" if not known; only while the history is opened
 */
struct hist_env {
	const char *boot_id;
	int64_t (*boot_ms)(void);
	int64_t (*wall_ms)(void);
};

struct kid;
struct op;

/**
 * struct row - one SA in memory
 * @sa: times on the history's clock; its strings are interned
 * @ord: newest of a child has the highest: by end, and alive ones above all
 * @seen_at: when this process first heard of it, CLOCK_BOOTTIME
 * @listed: number of the last hist_sync() that had it in a listing
 * @op: queued write, valid if @op_batch is the writer's current one
 * @pending: writes that are queued or under way; the thread counts them down
 * @stored: a write was ever queued
 * @in_ended: on the list of ended rows
 */
struct row {
	struct hist_sa sa;
	int64_t ord;
	int64_t seen_at;
	struct kid *kid;
	struct row *spi_next;
	struct row *alive_next, **alive_pprev;
	struct row *ended_next;
	struct op *op;
	uint32_t op_batch, listed;
	atomic_uint pending;
	bool stored, in_ended;
};

/*
 * A child of a connection with one peer: its rows that are alive, and the one that
 * ended last. @conn_next: others of which the connection's name has the same hash.
 */
struct kid {
	struct kid *hash_next, *conn_next, *next;
	char *conn, *child, *peer;
	struct row *alive, *last_ended;
};

enum op_type { OP_ROW, OP_ACTION };

struct op {
	struct op *next;
	enum op_type type;
	struct row *row; /* whose it is; the writer knows only its @pending */
	bool fresh; /* first write of the row */
	int64_t ord;
	union {
		struct hist_sa sa;
		struct {
			struct hist_action action;
			int64_t done; /* its end, history's clock */
		};
	};
	char *strings; /* all strings of the above */
};

/* One line of the file's own state. */
struct hist_meta {
	char boot_id[64];
	int64_t base; /* of this boot */
	int64_t last; /* history's clock when last written */
	int64_t last_wall; /* wall clock then, Unix ms */
	int64_t last_alive; /* when the daemon was last seen alive */
	int64_t daemon_pid, daemon_start;
};

/**
 * struct writer - queue and thread
 *
 * @db, @stmt, @since_prune and @flag are the thread's while it runs. The rest is
 * under @lock; @flag_fd and @path never change.
 * @open: there is a file, and a queue; @running: and the thread
 * @first, @last: queue, @n long
 * @batch_no: counts the queues that the thread took
 * @queued, @written: ops ever, for hist_flush()
 * @fails: failed transactions ever
 * @dropped: changes that found the queue full, ever
 * @flag: the file lacks changes, see writer_flag()
 * @days, @mib: limits; @new_limits: the file does not know of them yet
 */
struct writer {
	pthread_t thread;
	bool open, running;
	sqlite3 *db;
	struct sqlite3_stmt *stmt[8];
	unsigned int since_prune;
	char *path;
	int flag_fd;

	pthread_mutex_t lock;
	pthread_cond_t wake, wrote;
	struct op *first, **last;
	unsigned int n, batch_n;
	uint32_t batch_no;
	uint64_t queued, written, fails, dropped;
	bool urgent, stop, meta_dirty, flag;
	struct hist_meta meta;
	unsigned int days, mib;
	bool new_limits;
	int error_code;
	char error[256];
};

#define HIST_BUCKETS 8192
#define HIST_BLOOM_BITS (1u << 21)
#define HIST_LINEAGES 16

struct history {
	struct hist_env env;
	char *dir;
	int lock_fd;
	struct writer w;
	sqlite3 *rdb; /* for reads; NULL if there is no file */
	sqlite3_stmt *by_spi;
	struct row *scratch; /* what the last look-up on disk found */
	struct hist_meta meta;
	int64_t wall_before; /* at the end of the last boot, meta.base - 1 */
	int64_t next_id, ord;
	uint32_t seed;
	struct row *spi[HIST_BUCKETS];
	struct kid *kid[HIST_BUCKETS], *conn[HIST_BUCKETS], *kids;
	struct pool row_pool, kid_pool;
	struct row *ended, **ended_last; /* oldest first */
	unsigned int nended;
	int64_t reaped_at, heartbeat_at;
	uint32_t syncs;
	struct {
		uint32_t old, new;
		uint8_t proto;
	} lineage[HIST_LINEAGES];
	unsigned int lineage_next;
	uint8_t *bloom; /* SPIs that may be in the file */
	uint32_t spi_min, spi_max; /* of all that were ever added; none if max < min */
	char error[256];
};

struct history *hist_open_env(const char *dir, const struct hist_env *env, char **err);
int64_t hist_in(const struct history *h, int64_t boot_ms);
int64_t hist_out(const struct history *h, int64_t t);
int64_t hist_wall(const struct history *h, int64_t t);

/* history_ask.c */
bool end_is_wanted(enum sa_end end); /* should a child that ended so be up again */

/* history_rows.c */
struct row *row_new(struct history *h, const struct hist_sa *sa); /* NULL: no memory */
int row_change(struct row *row, const struct hist_sa *sa);
int row_insert(struct history *h, struct row *row);
void row_free(struct history *h, struct row *row);
void row_end(struct history *h, struct row *row, enum sa_end end, int64_t at);
void row_revive(struct history *h, struct row *row);
struct row *row_by_spi(const struct history *h, uint32_t spi, uint8_t proto);
struct kid *kid_find(const struct history *h, const char *conn, const char *child,
		     const char *peer);
struct kid *kid_first(const struct history *h, const char *conn); /* then conn_next */
struct row *kid_newest(const struct kid *kid);
void rows_reap(struct history *h, int64_t now);
void rows_free(struct history *h);
void bloom_add(struct history *h, uint32_t spi, uint8_t proto);
bool bloom_maybe(const struct history *h, uint32_t spi, uint8_t proto);
int hist_strings(struct hist_sa *sa, char **strings); /* makes copies of all strings */

/* history_db.c */
int db_open(struct history *h); /* 0, or -errno: go on without a file */
void db_close(struct history *h);
struct row *db_by_spi(struct history *h, uint32_t spi, uint8_t proto);
int db_errno(int sqlite_code);

/* history_write.c */
int writer_prepare(struct history *h);
int writer_start(struct history *h);
void writer_stop(struct history *h);
void writer_flag(struct writer *w, bool flag);
void write_row(struct history *h, struct row *row, bool urgent);
int write_op(struct history *h, struct op *op, bool urgent); /* takes @op; 0 or -errno */
void write_meta(struct history *h);
int write_wait(struct history *h, int64_t ms);
void writer_error(struct writer *w, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* history_prune.c: @now on the history's clock, @full: the file could not grow */
int prune(struct writer *w, int64_t now, bool full);
int limit_size(struct writer *w);

#endif
