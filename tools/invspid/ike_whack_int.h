/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the libreswan backend:
 *
 *   ike_whack.c        finding pluto, settling, losing it
 *   ike_whack_op.c     listings and commands, one whack at a time
 *   ike_whack_call.c   ... which is called so
 *   ike_whack_ask.c    what is asked for
 *   ike_whack_start.c  initiating, which is watched until it has succeeded or failed
 *   ike_whack_diff.c   what has happened between two listings
 *   ike_whack_log.c    pluto's log, if it is a file
 *   ike_whack_cause.c  ... and what its lines tell of SAs that go
 *   ike_whack_build.c  pluto's states as a listing
 *   ike_whack_parse*.c what whack prints, as structures
 *
 * pluto tells nothing by itself. What it does to its SAs it does in the kernel, too, so
 * the kernel's events are the hint to list them, and the events of ike.h come out of
 * the comparison with the listing before. That tells that an SA has gone, and not why:
 * it is END_UNSEEN then, which means that nobody brings it back, unless a line of the
 * log says more. What comes and goes between two listings is not seen at all.
 *
 * pluto has one thread and serves a whack from start to end, so every listing is
 * complete and of one moment: what it lists as established while the kernel has no SA
 * for it pluto did not take away.
 *
 * User callbacks may call ike_free(): after each of them look at ike->freed. The
 * memory stays until the loop has closed the handles.
 */
#ifndef INVSPID_IKE_WHACK_INT_H
#define INVSPID_IKE_WHACK_INT_H

#include "child.h"
#include "clock.h"
#include "ike_backend.h"
#include "ike_whack_build.h"
#include "ike_whack_cause.h"

#define WHACK_GONE 64 /* CHILD_SAs that have gone lately */
#define ENDED 64 /* CHILD_SAs that we have ended lately */
#define BEGUN 32 /* connections that are to be up because of us */
#define OWN 64 /* connections of which we have ended a half-made IKE_SA lately */
#define OWN_LINE_MS 3000 /* so long the log may tell of a command of ours as of one by hand */

enum whack_op_kind {
	OP_LIST,
	OP_CONNS,
	OP_REKEY,
	OP_INITIATE,
	OP_END_IKE,
	OP_END_CHILD,
	OP_DONE, /* what needs no whack, or has failed before one was started */
};

/**
 * struct whack_op - something asked for
 * @running: of the whack that runs
 * @watched: whack has ended, and the listings will show what became of it
 * @err: of OP_DONE; @why is its text, static
 * @serial: of the state that it is about; with OP_INITIATE, CHILD_SAs with higher
 *	numbers are new
 * @conn: connection to initiate, or of the half-made IKE_SA to end
 * @host: ... with the peer at this address, family 0 if it has one of its own
 * @peer: that address, in either case
 * @asked: when
 * @looked: pluto was listed since, for this
 * @deadline: it has failed then
 * @idle: so often nothing of it was to be seen
 */
struct whack_op {
	struct whack_op *next;
	enum whack_op_kind kind;
	bool running, watched;
	int err;
	const char *why;
	ike_list_cb list_cb;
	ike_done_cb done_cb;
	void *arg;
	uint32_t serial;
	char *conn;
	struct ike_addr host, peer;
	int64_t asked, deadline;
	int64_t silent_deadline; /* if the peer has answered nothing until then */
	bool looked;
	unsigned int idle;
};

/* A connection to a peer without an address: known only to us, see ike_load_copy(). */
struct whack_copy {
	struct whack_copy *next;
	char *name, *conn;
	struct ike_addr host;
};

/* A CHILD_SA that has gone, of which the log may yet tell why. */
struct whack_gone {
	char *conn; /* interned; NULL: none */
	uint32_t serial, ike, spi_in;
	uint8_t proto;
	enum sa_end end; /* as it was told */
	int64_t at;
};

/* That a half-made IKE_SA of the connection was ended is our doing; interned. */
struct whack_own {
	char *conn;
	int64_t at;
};

struct whack_log;

struct ike_whack {
	struct ike_backend b;
	uv_loop_t *loop;
	char *rundir;
	char *program; /* NULL: stock places */
	char *log_path; /* NULL: where pluto says that it is */
	const char *program_used;
	int64_t settle_ms, timeout_ms, backoff_min_ms, backoff_max_ms;

	bool freed;
	int handles;
	uv_timer_t timer; /* connecting, and asking for connections */
	uv_timer_t soon; /* listings that are due, and callbacks that must come from the loop */
	uv_fs_event_t fs; /* where pluto's files appear */
	uv_poll_t *end; /* of pluto's process; NULL if there is none */
	int pidfd;
	int64_t backoff_ms;
	bool connected;

	struct child *child; /* the whack that runs; NULL if none does */
	struct whack_op *op; /* all that are under way, in the order of asking */
	int64_t list_at; /* a listing is due then; INT64_MAX if none is */
	int64_t run_since; /* when it was started; 0 again when its answer was dealt with */
	int64_t cost_ms, status_cost_ms; /* of the last listing, and of connections */
	int64_t silent_since; /* pluto has answered nothing since; 0 if it does */
	bool listing_run; /* the whack that runs lists */

	struct whack_status status;
	bool have_status;
	int64_t conns_since, conns_at; /* unchanged since, asked for at */
	bool conns_news; /* the log tells of others since they were asked for */

	struct whack_memory memory;
	struct ike_listing *last;
	uint32_t top; /* the highest number of a state so far */
	struct whack_copy *copy;
	struct whack_log *log; /* NULL if there is none to follow */
	struct whack_causes causes;
	struct whack_gone gone[WHACK_GONE]; /* a ring */
	unsigned int next_gone;
	uint32_t ended[ENDED]; /* a ring of numbers */
	unsigned int next_ended;
	char *begun[BEGUN]; /* a ring of names, interned */
	unsigned int next_begun;
	struct whack_own own[OWN]; /* a ring */
	unsigned int next_own;
	bool bad_told;
	unsigned int missing, missing_seen; /* see is_cut_off() */
};

static inline struct ike_whack *ike_whack(struct ike_backend *b)
{
	return (struct ike_whack *)b;
}

/* ike_whack.c */
void ike_whack_arm(struct ike_whack *ike, int64_t ms);
/* pluto has loaded a connection. */
void ike_whack_conns_news(struct ike_whack *ike);
void ike_whack_new_status(struct ike_whack *ike, struct whack_status *status);

/* ike_whack_op.c */
struct whack_op *whack_op_new(struct ike_whack *ike, enum whack_op_kind kind, void *arg);
/* Does it run whack? */
bool whack_is_command(const struct whack_op *op);
/* Takes it out, gives its answer and frees it. */
void whack_op_end(struct ike_whack *ike, struct whack_op *op, int err, const char *why);
/* The answer comes from the loop. */
void whack_op_later(struct ike_whack *ike, struct whack_op *op, int err, const char *why);
void whack_pump(struct ike_whack *ike);
void whack_arm_soon(struct ike_whack *ike);
void whack_list_within(struct ike_whack *ike, int64_t ms);
void whack_cancel(struct ike_whack *ike, int err);
void whack_begin(struct ike_whack *ike, struct whack_op *op);
void ike_whack_hint(struct ike_backend *b);

/* ike_whack_call.c: 0, or a negative errno and @done does not come */
int whack_call_status(struct ike_whack *ike, child_cb done);
int whack_call_listing(struct ike_whack *ike, child_cb done);
int whack_call_command(struct ike_whack *ike, const struct whack_op *op, child_cb done);
/* Is it still being called when it has done its work? */
bool whack_may_wait(const struct whack_op *op);

/* ike_whack_ask.c: see struct ike_ops */
void ike_whack_list(struct ike_backend *b, const char *conn, bool blocking, ike_list_cb cb,
		    void *arg);
void ike_whack_reload_conns(struct ike_backend *b, ike_done_cb cb, void *arg);
void ike_whack_rekey_child(struct ike_backend *b, uint32_t child_id, ike_done_cb cb, void *arg);
void ike_whack_terminate_ike(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
void ike_whack_terminate_child(struct ike_backend *b, uint32_t child_id, int64_t timeout_ms,
			       ike_done_cb cb, void *arg);
void ike_whack_reauth(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
uint32_t ike_whack_queued(struct ike_backend *b);
/* So many CHILD_SAs of the connection were up when pluto was last listed. */
unsigned int whack_count_up(const struct ike_whack *ike, const char *conn);

/* ike_whack_start.c */
void ike_whack_initiate(struct ike_backend *b, const char *conn, const char *child,
			int64_t timeout_ms, bool sparing, ike_done_cb cb, void *arg);
bool ike_whack_copy_check(const struct ike_copy *copy, char *why, size_t size);
void ike_whack_load_copy(struct ike_backend *b, const struct ike_copy *copy, ike_done_cb cb,
			 void *arg);
void ike_whack_unload_copy(struct ike_backend *b, const char *name, ike_done_cb cb, void *arg);
void whack_copies_free(struct ike_whack *ike);
/* What a new listing says of those that are watched. Return: whether any are left. */
bool whack_watch(struct ike_whack *ike, const struct ike_listing *l);

/* ike_whack_log.c: NULL ends it, as the other one does */
void whack_log_follow(struct ike_whack *ike, const char *path);
void whack_log_end(struct ike_whack *ike);

/* ike_whack_diff.c: tells what has changed since ike->last */
void whack_diff(struct ike_whack *ike, const struct ike_listing *l);

#endif
