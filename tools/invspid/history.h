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
 * clock is stored beside it for people only. Rows age by a clock of the
 * machine's uptime over all boots, since wall clocks jump.
 *
 * One thread calls all of it.
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
	uint32_t spi; /* inbound, host order */
	uint8_t proto;
	bool encap;
	const char *conn, *child;
	const char *local_id, *remote_id;
	struct ike_addr local, remote;
	uint16_t local_port, remote_port; /* IKE's, 4500 if NAT-T */
	uint32_t reqid, if_id, mark, mark_mask;
	uint32_t if_id_out, mark_out, mark_out_mask;
	int ike_version;
	const char *mode, *algs, *local_ts, *remote_ts;
	const char *ike_algs; /* of its IKE_SA */
	const char *no_copy; /* what a copy of it could not have; empty if nothing */
	uint32_t rekeyed_from, rekeyed_to; /* SPIs, 0 if none */
	int64_t installed_at, last_alive;
	int64_t installed_wall; /* Unix ms */
	int64_t ended_at; /* 0 while alive */
	int64_t ended_wall; /* Unix ms */
	/* ms since it was last known to be alive, also over boots; INT64_MAX: not known */
	int64_t ago;
	enum sa_end end;
};

/**
 * hist_open() - open or create the database
 * @dir: state directory, made if it isn't there; the file is history.db in it
 * @err: set to a text (malloc'd, caller frees) on failure
 *
 * A corrupt file, or one of another version, is put aside as history.db.corrupt
 * and a new one begun. At open, rows still alive from an earlier boot end as
 * END_MACHINE_DOWN. If the last process could not write all of its changes (a
 * full disk, a file that it could not open), all that should be up ends as
 * END_UNSEEN: it may have ended in any way, and what somebody closed must not be
 * reopened.
 *
 * A directory that cannot be used is no failure: hist_error() tells, and the
 * history is then kept in memory, bounded. Its being in use by another process
 * is one: errno EWOULDBLOCK.
 */
struct history *hist_open(const char *dir, char **err);
void hist_close(struct history *h); /* flushes; NULL is fine */

/* Waits until all is on disk or was tried; 0 or -errno. Else it takes up to 100 ms. */
int hist_flush(struct history *h);

/**
 * hist_limits() - how much is kept; in effect with the next write
 * @days: age, of the machine's uptime
 * @mib: size of the file
 */
void hist_limits(struct history *h, unsigned int days, unsigned int mib);

/* What keeps the history from the disk, NULL if nothing: the helper goes on. */
const char *hist_error(struct history *h);
const char *hist_path(const struct history *h); /* of the file */

/**
 * hist_daemon() - a daemon was (re)connected
 *
 * If it is another process than the one the live rows came from, they end as
 * END_DAEMON_LOST, at the time when the old one was last seen alive.
 */
void hist_daemon(struct history *h, pid_t pid, uint64_t starttime, int64_t now);

/**
 * hist_daemon_lost() - the connection to the daemon broke
 *
 * Live rows end as END_DAEMON_LOST if the process is gone (@gone); otherwise
 * nothing changes. So do those that ended as END_DELETED_LOCAL, END_REKEYED or
 * END_KERNEL_LOST less than 2 s before @now, since the DELETE may not have left
 * in time, and what the kernel had lost and no rekey has replaced. What the
 * operator or the peer ended stays so.
 */
void hist_daemon_lost(struct history *h, bool gone, int64_t now);

/**
 * hist_sync() - take in a whole listing
 * @prev: an earlier one, or NULL
 * @l: all connections, not a filtered one
 *
 * Adds and refreshes every INSTALLED or REKEYING child. Rows of this daemon that
 * are alive but lack in @l and in @prev end as END_UNSEEN, if the two prove it:
 * one of them is blocking, or no IKE_SA came or went between them; and the row
 * is older than both. A row that had ended but is listed as INSTALLED by a
 * listing begun later is alive again (a wrong guess, or a termination that
 * failed), unless it was rekeyed or it is the kernel that lost it.
 */
void hist_sync(struct history *h, const struct ike_listing *prev, const struct ike_listing *l,
	       int64_t now);

/**
 * hist_end() - the SA with inbound @spi ended so
 *
 * A later, more telling cause within 10 s corrects an earlier one: the
 * daemon's word the kernel's, the operator and the peer the daemon's.
 */
void hist_end(struct history *h, uint32_t spi, uint8_t proto, enum sa_end end, int64_t now);

/**
 * hist_rekey() - @spi_old was replaced by @spi_new
 *
 * The new SA has a row at once, with what the old one had.
 */
void hist_rekey(struct history *h, uint32_t spi_old, uint32_t spi_new, uint8_t proto, int64_t now);

/* Newest owner of @spi. Return: 0, -ENOENT. */
int hist_lookup(struct history *h, uint32_t spi, uint8_t proto, struct hist_sa *sa);

/* The smallest and the largest SPI that it knows; false if it knows none. */
bool hist_spi_range(const struct history *h, uint32_t *min, uint32_t *max);

/*
 * A connection may have many peers: those questions are about one, by its identity,
 * or about whichever is the newest (NULL).
 */
#define HIST_EACH_PEER "" /* hist_should_be_up() of every one of them */

/* A row of the child that is alive, or else the one that ended last. Return: 0, -ENOENT. */
int hist_child(struct history *h, const char *conn, const char *child, const char *peer,
	       struct hist_sa *sa);

/**
 * hist_should_be_up() - children of a connection that should be up
 * @cb: called per child, those that are up included; its strings are valid
 *	during the call
 *
 * INSTALLED when the daemon was last seen alive, and not ended in order, by
 * inactivity or by the operator. By the cause of the newest row's end:
 *
 *   NONE		yes: alive as far as we know
 *   REKEYED		yes: it has a successor, only that we did not hear of it
 *   GAVE_UP		yes: the peer was silent, nobody wanted it down
 *   DAEMON_LOST	yes: it lived until the daemon went
 *   KERNEL_LOST	yes: the daemon never meant to end it
 *   MACHINE_DOWN	yes: it lived until the machine went
 *   DELETED_LOCAL	no: in order (the daemon's own end makes it DAEMON_LOST)
 *   DELETED_PEER	no: in order; the peer brings it back if it wants to
 *   INACTIVITY		no: configured so
 *   OPERATOR		no: somebody wanted it down
 *   EXPIRED		no: the hard lifetime is the daemon's doing, and the peer
 *			was told
 *   REPLACED		no: the peer began anew and says which children it wants
 *   UNSEEN		no: we cannot know that it was not in order
 *
 * Return: their number.
 */
int hist_should_be_up(struct history *h, const char *conn, const char *peer,
		      void (*cb)(void *arg, const struct hist_sa *sa), void *arg);

/* Was the child terminated by hand and not up since? */
bool hist_by_hand(struct history *h, const char *conn, const char *child, const char *peer);

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

#endif
