/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The history of the IKE daemon's inbound SAs: whose SPI was it, and how did it
 * end. It survives reboots of daemon and machine. Only SAs that the daemon
 * itself listed get a row: packets cannot fill it.
 *
 * Reads are synchronous and indexed; writes are queued and done in batches by a
 * thread, so that a slow disk never stops the loop. What is queued is seen by
 * the reads at once (an in-memory index of queued and live rows).
 *
 * Times: CLOCK_BOOTTIME ms within this boot, LONG_AGO for earlier boots; wall
 * clock is stored beside it for people only. Rows carry the boot id.
 */
#ifndef INVSPID_HISTORY_H
#define INVSPID_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "decide.h"
#include "ike.h"

struct history;

/* One inbound SA. Strings belong to the history, valid until the next call. */
struct hist_sa {
	int64_t id;
	uint32_t spi;		/* inbound, host order */
	uint8_t proto;
	const char *conn, *child;
	const char *local_id, *remote_id;
	struct ike_addr local, remote;
	uint16_t local_port, remote_port;	/* IKE's, 4500 if NAT-T */
	bool encap;
	uint32_t reqid, if_id, mark, mark_mask;
	const char *mode, *algs, *local_ts, *remote_ts;
	uint32_t rekeyed_from, rekeyed_to;	/* SPIs, 0 if none */
	int64_t installed_at, last_alive;
	enum sa_end end;
	int64_t ended_at;
	int64_t ended_wall;	/* Unix ms */
};

struct hist_hold {
	const char *conn;	/* "all" for all */
	const char *reason;
	int64_t since_wall, until_wall;	/* Unix ms; until 0 = for ever */
};

/**
 * hist_open() - open or create the database
 * @dir: state directory; the file is history.db in it
 * @err: set to a text (malloc'd, caller frees) on failure
 *
 * A corrupt file is put aside as history.db.corrupt and a new one begun. At open,
 * rows still alive from an earlier boot end as END_MACHINE_DOWN.
 */
struct history *hist_open(const char *dir, char **err);
void hist_close(struct history *h);	/* flushes */
int hist_flush(struct history *h);	/* waits until all is on disk; 0 or -errno */
const char *hist_error(struct history *h);	/* last write error, NULL if none: the helper goes on */

/**
 * hist_daemon() - a daemon was (re)connected
 * If it is another process than the one the live rows came from, they end as
 * END_DAEMON_LOST.
 */
void hist_daemon(struct history *h, pid_t pid, uint64_t starttime, int64_t now);

/**
 * hist_daemon_lost() - the connection to the daemon broke
 * Live rows, and those that ended as END_DELETED_LOCAL less than 2 s ago, end as
 * END_DAEMON_LOST if the process is gone (@gone); otherwise nothing changes.
 */
void hist_daemon_lost(struct history *h, bool gone, int64_t now);

/**
 * hist_sync() - take in a listing
 * Adds and refreshes every INSTALLED or REKEYING child. Rows of this daemon that
 * are alive but lack in @l and in @prev (both complete, see evidence rules) end as
 * END_UNSEEN unless hist_end() told how.
 */
void hist_sync(struct history *h, const struct ike_listing *prev, const struct ike_listing *l,
	       int64_t now);

/* The SA with inbound @spi ended so. A later, more telling cause (operator, peer) wins. */
void hist_end(struct history *h, uint32_t spi, uint8_t proto, enum sa_end end, int64_t now);
void hist_rekey(struct history *h, uint32_t spi_old, uint32_t spi_new, uint8_t proto, int64_t now);

/* Newest owner of @spi. Return: 0, -ENOENT. */
int hist_lookup(struct history *h, uint32_t spi, uint8_t proto, struct hist_sa *sa);

/* The newest row of a child. Return: 0, -ENOENT. */
int hist_child(struct history *h, const char *conn, const char *child, struct hist_sa *sa);

/**
 * hist_should_be_up() - children of a connection that should be up
 * INSTALLED when the daemon was last seen alive, and not ended in order, by
 * inactivity or by the operator.
 * @cb: called per child; its strings are valid during the call
 * Return: their number.
 */
int hist_should_be_up(struct history *h, const char *conn,
		      void (*cb)(void *arg, const struct hist_sa *sa), void *arg);

/* Was the child terminated by hand and not up since? */
bool hist_by_hand(struct history *h, const char *conn, const char *child);

/* Outcome of an action, for `invspi history`. All times CLOCK_BOOTTIME ms, 0 if not reached. */
struct hist_action {
	const char *conn, *child;
	uint32_t spi;
	struct ike_addr src;
	enum grade grade;
	enum action action;
	enum outcome outcome;
	int64_t first_drop, verdict, acted, first_new;
	int64_t wall;
};
void hist_action(struct history *h, const struct hist_action *a);

/* Holds survive reboots. Return: 0 or -errno. */
int hist_hold_add(struct history *h, const char *conn, int64_t seconds, const char *reason);
int hist_hold_del(struct history *h, const char *conn);	/* -ENOENT */
bool hist_held(struct history *h, const char *conn);	/* that one, or "all" */
int hist_hold_each(struct history *h, void (*cb)(void *arg, const struct hist_hold *hold), void *arg);

#endif
