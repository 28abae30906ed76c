/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the strongSwan backend:
 *
 *   ike_vici.c        connecting, settling, losing the daemon
 *   ike_vici_conns.c  its connections, and when they have settled
 *   ike_vici_op.c     listings and commands
 *   ike_vici_split.c  IKE_SAs too large for one message
 *   ike_vici_copy.c   copies of connections for dynamic peers
 *   ike_vici_event.c  what the daemon tells by itself
 *   ike_vici_cause.c  why a CHILD_SA ended
 *   ike_vici_parse*.c messages as structures
 *
 * Connections to the daemon: @events carries events and nothing else, so that no
 * command holds them up. @query carries what never blocks: listings with noblock,
 * connections, statistics. What can block, because the daemon waits for an IKE_SA
 * that one of its threads holds or for the peer (blocking listings, rekey, initiate,
 * terminate), goes out on one of a few workers, a command at a time each.
 *
 * User callbacks may call ike_free(): after each of them look at ike->freed. The
 * memory stays until the loop has closed the timers.
 */
#ifndef INVSPID_IKE_VICI_INT_H
#define INVSPID_IKE_VICI_INT_H

#include "clock.h"
#include "ike_backend.h"
#include "ike_vici_cause.h"
#include "ike_vici_parse.h"
#include "vici.h"

#define CAUSE_WAIT_MS 250 /* for the log line of a CHILD_SA that went down */
#define DOWN_MAX 256 /* CHILD_SAs waiting for it */
#define UPS 256 /* CHILD_SAs that came up lately */
#define DISCARDED_MS 60000 /* an old daemon's listings are not complete for so long */
#define WHY_MAX IKE_WHY_MAX

/*
 * A blocking command occupies a thread of the daemon (it has 16 by default) until it
 * is answered, even if we have given up on it; so there are few, and few listings.
 */
#define WORKERS 8
#define WORKERS_LISTING 2

struct op;

struct worker {
	struct ike_vici *ike;
	struct vici *vici; /* NULL if not connected */
	bool listing; /* what it is, or was last, used for */
	bool registered; /* for list-sa events */
};

/* A CHILD_SA that went down and whose cause is not known yet. */
struct down {
	struct down *next;
	struct cause_child child; /* its names are the copies below */
	char *conn, *name;
	uint8_t proto;
	int64_t due;
};

struct ike_vici {
	struct ike_backend b;
	uv_loop_t *loop;
	char *path; /* NULL: the stock places */
	const char *path_tried; /* the socket in use, or the one that should be there */
	int64_t settle_ms, timeout_ms, backoff_min_ms, backoff_max_ms;

	bool freed;
	int handles;
	uv_timer_t timer; /* connecting, and asking for connections */
	uv_fs_event_t fs; /* the directory of a socket that is not there */
	uv_timer_t soon; /* callbacks that must come from the loop; causes that wait */

	int64_t backoff_ms;
	char *version;
	unsigned int setup; /* requests of the set-up not yet answered */
	bool checked; /* it is the right daemon, events are registered */

	struct vici *events, *query;
	struct worker worker[WORKERS];
	struct op *op; /* all that are under way */
	struct op *failed; /* those whose callback waits for the loop */

	uint64_t conns_hash;
	int64_t conns_since; /* unchanged since; CLOCK_BOOTTIME ms */
	bool conns_asked;
	bool conns_again; /* something changed since */
	uint64_t names_hash; /* of their names, which are asked for more often */
	int64_t conns_at; /* when they were last asked for */

	uint32_t queued; /* jobs, when last asked */
	bool queue_asked;
	bool large; /* there may be an IKE_SA too large for one message */
	const char *large_told; /* static: what was last said about it */
	unsigned int larges; /* counts the signs of one */
	uint32_t large_id; /* the last one that was */
	int64_t discarded_at; /* a message that was too large; LONG_AGO if never */
	struct causes causes;
	struct {
		uint32_t child_id;
		int64_t at;
	} up[UPS]; /* a ring */
	unsigned int next_up;
	struct down *down, **down_last;
	unsigned int ndown;
};

static inline struct ike_vici *ike_vici(struct ike_backend *b)
{
	return (struct ike_vici *)b;
}

/* ike_vici.c */
void ike_vici_lost(struct ike_vici *ike, int err, const char *what);
void ike_vici_arm(struct ike_vici *ike, int64_t ms);
void ike_vici_arm_soon(struct ike_vici *ike);

/* ike_vici_conns.c */
int ike_vici_new_conns(struct ike_vici *ike, struct ike_conns *conns, uint64_t hash);
void ike_vici_ask_conns(struct ike_vici *ike); /* now */
void ike_vici_poll_conns(struct ike_vici *ike); /* if their names have changed */

/* ike_vici_op.c: see struct ike_ops */
void ike_vici_list(struct ike_backend *b, const char *conn, bool blocking, ike_list_cb cb,
		   void *arg);
void ike_vici_reload_conns(struct ike_backend *b, ike_done_cb cb, void *arg);
void ike_vici_rekey_child(struct ike_backend *b, uint32_t child_id, ike_done_cb cb, void *arg);
void ike_vici_initiate(struct ike_backend *b, const char *conn, const char *child,
		       int64_t timeout_ms, bool sparing, ike_done_cb cb, void *arg);
void ike_vici_load_copy(struct ike_backend *b, const struct ike_copy *copy, ike_done_cb cb,
			void *arg);
void ike_vici_unload_copy(struct ike_backend *b, const char *name, ike_done_cb cb, void *arg);
void ike_vici_terminate_ike(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
void ike_vici_terminate_child(struct ike_backend *b, uint32_t child_id, int64_t timeout_ms,
			      ike_done_cb cb, void *arg);
void ike_vici_reauth(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
uint32_t ike_vici_queued(struct ike_backend *b);
void ike_vici_op_deliver_failed(struct ike_vici *ike);
void ike_vici_op_cancel(struct ike_vici *ike, int err);

/*
 * ike_vici_split.c: adds to @l the IKE_SAs that are too large for one message, of one
 * connection or of all. -EMSGSIZE: there is one, and it can't.
 */
void ike_vici_split(struct ike_vici *ike, struct ike_listing *l, const char *conn,
		    void (*done)(void *arg, int err), void *arg);
int ike_vici_listing_add(struct ike_listing *l, struct ike_sa *sa); /* takes it */

/* ike_vici_event.c */
extern const char *const ike_vici_event_names[];
void ike_vici_event(struct ike_vici *ike, struct vici_str name, const uint8_t *msg, size_t len);
void ike_vici_resolve_downs(struct ike_vici *ike, bool lost);
int64_t ike_vici_downs_due(const struct ike_vici *ike);
void ike_vici_downs_drop(struct ike_vici *ike);

#endif
