/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the running helper and how they hang together.
 *
 *   daemon.c    loop, timers, signals, the module's events
 *   look.c      one look: flow table, listings, kernel, decision; level triggered
 *   evidence.c  what is known about a flow
 *   listing.c   look-ups in the IKE daemon's listings; listing_kept.c: those kept
 *   recover.c   actions and their verification
 *   record.c    the flight recorder; happen.c, hook.c: who is told at once
 *   control.c   the control socket
 *   metrics.h   metrics over HTTP; tally.c: what is counted for people
 *   settings.c  what the operator said at run time
 *
 * One thread runs all of it (the history has a writer of its own behind its
 * interface), so nothing here is locked. A look never assumes that it saw the
 * event that made it start: events are hints, and whatever was missed is found
 * by the next look.
 */
#ifndef INVSPID_DAEMON_H
#define INVSPID_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "clock.h"
#include "conf.h"
#include "decide.h"
#include "flow.h"
#include "history.h"
#include "ike.h"
#include "listing.h"
#include "nl.h"
#include "record.h"
#include "settings.h"
#include "tally.h"
#include "track.h"
#include "watch.h"
#include "xfrm.h"

#define NAME_LEN 128
#define PEER_SEPARATOR "\n"
#define PEER_LEN (NAME_LEN + 18) /* see peer_key() */
#define TELL_BURST 40 /* log lines about decisions at once */
#define MANY_SAS 1000 /* their listings take megabytes */
#define STRANGE 1024 /* places for counts by source */
#define TOLD 256 /* places for what hooks were told lately */
#define NAMED 1024 /* SPIs from the IKE daemon's events that are remembered */

/**
 * struct tracked - what we remember about a flow between two looks
 * @flow: as last read
 * @time: when it came, see there
 * @kernel_asked: when the kernel was last asked for its SA, and said no
 * @ev: evidence of the last look
 * @dec: decision of the last look
 * @conn: connection it was traced to, "" if none
 * @peer: connection, or one of the peers of a connection with many; see peer_key()
 * @child: child, "" if not known
 * @child_id: unique id of the CHILD_SA that the daemon lists, 0 if none; with
 *	uncertain evidence, of the one that would be rekeyed
 * @ike_id: unique id of its IKE_SA
 * @elsewhere: the SA with this SPI under another destination, mark or if_id
 * @active: evidence and decision are of the last look, not older
 * @told: what was last logged about it
 * @happened: that it is a desync was told: 0 not, or see happen_level()
 * @counted: so many of its packets are in the tally, or came before this helper
 */
struct tracked {
	struct invspi_flow flow;
	struct track time;
	int64_t kernel_asked;
	struct evidence ev;
	struct decision dec;
	char conn[NAME_LEN], peer[PEER_LEN];
	char child[NAME_LEN];
	uint32_t child_id, ike_id;
	struct xfrm_sa elsewhere;
	bool active;
	bool relevant;
	struct decision told;
	int happened;
	uint64_t counted;
};

/**
 * struct attempt - what we did for one (peer, child, grade)
 * @conn: connection of the peer
 * @child: "" if the grade is about the whole connection
 * @next_try: not before this
 * @gave_up_at: LONG_AGO if we did not
 * @brought_up: an IKE_SA that we brought up is still there
 * @removed: how many of those were removed since @removed_since
 * @unlisted_since: an initiation was begun then, and the daemon has listed no SA
 *	of it since; 0 if there is none such. See recover_resume()
 * @outcome: of the last one that ended
 * @begun_at: when the last one was begun
 * @in_step_at: when a rekey of the child was last completed
 * @refused: the last rekey was refused by the peer
 * @g1_since: a rekey is under way since; INT64_MAX if not
 * @recreated, @reauthenticated: was tried since it last healed
 * @owed: we began to initiate children, or ended them, and they are not all up yet
 * @took_down: ... and it was we who ended them
 * @disrupted_at: when the connection was last interrupted, for its first entry
 * @cause: the flow that it was begun for, @cause_child and @first_drop are its
 */
struct attempt {
	struct attempt *next;
	char conn[NAME_LEN], peer[PEER_LEN];
	char child[NAME_LEN];
	enum grade grade;
	unsigned int attempts;
	int64_t next_try;
	int64_t gave_up_at;
	int64_t begun_at, in_step_at, g1_since, disrupted_at;
	bool refused, recreated, reauthenticated, owed, took_down;
	bool brought_up;
	unsigned int removed;
	enum outcome outcome;
	int64_t removed_since;
	int64_t unlisted_since;
	bool copied; /* ... by a copy */
	struct invspi_flow cause;
	char cause_child[NAME_LEN];
	int64_t first_drop;
};

/* An IKE_SA that is seen with an exchange under way, since when and until when. */
struct task {
	uint32_t ike_id;
	int64_t since, seen;
};

struct recovery;
struct look;
struct control;

/*
 * Listings that are kept. ANCHOR and the one before it are at least
 * listing_gap_ms apart, so that together with the newest they can prove that
 * something is absent, however often a look comes.
 */
enum { LISTING_LAST, LISTING_PREV, LISTING_ANCHOR, LISTING_ANCHOR_OLD, LISTINGS };

struct counters {
	uint64_t looks, overruns, decisions[GRADE__COUNT];
	uint64_t outcomes[OUTCOME_FAILED + 1];
	uint64_t logs_suppressed;
	uint64_t decided, decided_ns; /* flows, and the CPU time that they took */
};

struct named {
	uint32_t spi;
	uint8_t proto;
};

/* What hooks were told, and when; see happen.c. */
struct told {
	uint64_t key;
	int64_t at;
};

/**
 * struct invspid - the helper
 * @flow: flows of the last look, @nflow of them
 * @lost: SAs that left the kernel while the IKE daemon lists them, @nlost of them;
 *	each as a flow without a packet
 * @strange: by source, how many flows nobody knows; of the last look, and of this one
 * @listing: see LISTING_*
 * @named: inbound SPIs that the IKE daemon's events have told of, also of SAs that came
 *	and went between two listings; @named_next is the oldest place
 * @task: since when an IKE_SA is seen with a task, by unique id
 * @removed_at: when an SA left the kernel that is not known to have ended
 * @lost_at: when the IKE daemon's socket broke, 0 if it is there or known dead
 * @ike_since: when this instance of the IKE daemon was first seen
 * @record: NULL without memory for it; so is @hooks
 * @stopped: text of the alert that stopped all actions, or NULL
 */
struct invspid {
	uv_loop_t *loop;
	struct conf *conf;
	const char *conf_given; /* -c */
	const char *conf_path; /* what was read; NULL = defaults */
	char *vici, *rundir, *control_path, *state_dir; /* options; NULL if not given */
	bool dry_run;
	bool closing;

	struct invspi_nl *nl;
	struct invspi_events *events;
	uv_poll_t events_poll;
	bool events_polling;
	char module_why[256];

	struct xfrm *xfrm;
	struct ike *ike;
	struct history *hist;
	struct settings *settings;
	char daemon_why[256];
	enum daemon_state ike_state;
	pid_t ike_pid;
	uint64_t ike_start;
	int64_t ike_since;

	uv_timer_t look_timer, module_timer, watchdog;
	uv_signal_t sighup, sigterm, sigint;
	struct look *look;
	bool want_listing;
	int64_t removed_at;
	int64_t lost_at;
	uv_timer_t lost_timer;
	struct tracked *flow, *lost;
	size_t nflow, nlost;
	struct watch *watch;
	uint16_t strange[2][STRANGE];

	struct ike_listing *listing[LISTINGS];
	struct task *task;
	size_t ntask;
	struct named named[NAMED];
	unsigned int named_next;

	struct attempt *attempts;
	struct recovery *recoveries;
	unsigned int in_flight, uncertain_in_flight, slots;
	uint32_t queued;
	double uncertain_tokens;
	int64_t uncertain_at;
	const char *stopped;

	struct recorder *record;
	struct hooks *hooks;
	struct told told[TOLD];

	struct control *control;
	struct metrics *metrics;
	struct tally *tally;
	struct counters count;
	const char *version;
	int64_t started, started_wall;
	double log_tokens;
	int64_t log_at;
};

/* daemon.c */
int invspid_open(struct invspid *d);
void invspid_ike_options(const struct invspid *d, struct ike_options *opt);
int invspid_run(struct invspid *d);
void invspid_close(struct invspid *d);
const char *daemon_state_name(enum daemon_state s);

/* service.c */
void service_ready(struct invspid *d);
void service_state(enum daemon_state state);
void service_ending(void);

/* check.c: `invspid --check` */
int invspid_check(struct invspid *d);

const char *show_addr(int family, const uint8_t *addr);
uint32_t random32(void);

/* look.c: start a look within @delay_ms */
void look_soon(struct invspid *d, int64_t delay_ms);
/* Calls @done when the next whole look has ended; for explain. */
void look_then(struct invspid *d, void (*done)(void *arg), void *arg);
void look_forget(struct invspid *d, void *arg);
void look_stop(struct invspid *d);
/* Log a decision if it is another one than the last. */
void look_tell(struct invspid *d, struct tracked *t, int64_t now);
bool copy_lacks(struct invspid *d, const struct tracked *t, char *why, size_t size);
void listing_add(struct invspid *d, struct ike_listing *l);
void listing_clear(struct invspid *d);
int64_t task_since(const struct invspid *d, uint32_t ike_id);
/* The older of the two listings that together prove an absence, or NULL. */
const struct ike_listing *listing_gap(const struct invspid *d);

/* lost.c: SAs that leave the kernel behind the daemon's back */
void lost_collect(struct invspid *d, const struct ike_listing *l);
void lost_clear(struct invspid *d);
/* Has the kernel no SA for what comes in on this child? As the mirror has it. */
bool lost_in_mirror(const struct invspid *d, const struct ike_sa *sa, const struct ike_child *c);
void lost_on_removed(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how);

/* hint.c: callbacks of the kernel's SAs, and of the IKE daemon about them */
void hint_added(void *arg, const struct xfrm_sa *sa);
void hint_removed(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how);
void hint_kernel(void *arg, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		 struct ike_kernel *kernel);

/* plan.c: whose turn it is */
void plan(struct invspid *d, struct tracked **t, size_t n, int64_t now, int64_t *next);
bool plan_uncertain(struct invspid *d, int64_t now, bool take);
void plan_slots(struct invspid *d);

/* silence.c: what has come in since a flow began */
void silence_fill(struct invspid *d, struct tracked *t, const struct ike_sa *sa);
const struct ike_child *silence_child(struct invspid *d, struct tracked *t,
				      const struct ike_sa **sa);

/* gap.c: can packets leave in clear while this child is down? */
bool gap_none(const struct ike_child *c);

/* evidence.c */
void evidence_ask_kernel(struct invspid *d, struct tracked *t);
void evidence_init(struct evidence *ev, const struct tracked *t);
void evidence_fill(struct invspid *d, struct tracked *t);
/* The IKE daemon has told of an SA with this inbound SPI. */
void evidence_note_named(struct invspid *d, uint32_t spi, uint8_t proto);
/* Has this flow anything to do with us at all? Cheap; decides who is asked about. */
bool evidence_relevant(struct invspid *d, const struct invspi_flow *f);

/* dynamic.c: copies of connections for peers without an address */
struct copy;
struct copy *dynamic_copy(struct invspid *d, uint32_t spi, uint8_t proto, const char *name);
bool dynamic_check(struct invspid *d, uint32_t spi, uint8_t proto, char *why, size_t size);
void dynamic_sweep(struct invspid *d);
bool dynamic_end(struct invspid *d);

/* recover.c */
void recover_state(struct invspid *d, const struct tracked *t, enum grade grade,
		   struct decide_state *st);
void recover_start(struct invspid *d, const struct tracked *t);
void recover_stop_all(struct invspid *d);
bool recover_busy(const struct invspid *d, const char *conn);
void recover_daemon_lost(struct invspid *d, bool in_order);

/* Would it interrupt by itself what @conn has? Then its end is ours. */
bool recover_interrupts(const struct invspid *d, const char *conn);

/* resume.c */
void recover_resume(struct invspid *d);
void recover_owed(struct invspid *d, int64_t now, int64_t *next);

/* attempt.c */
/* Budgets are for a connection, or for each peer (@id) of one that has many. */
void peer_key(char key[PEER_LEN], const char *conn, const char *id);
struct attempt *attempt_find(struct invspid *d, const char *peer, const char *child,
			     enum grade grade);
struct attempt *attempt_get(struct invspid *d, const char *peer, const char *child,
			    enum grade grade);
const char *attempt_child(const char *child, enum grade grade);
void attempt_begin(struct invspid *d, const char *peer, const char *child, enum grade grade);
void attempt_end(struct invspid *d, const char *peer, const char *child, enum grade grade,
		 enum outcome outcome);
/* What is remembered of rekeys of a child, whatever the grade. */
struct attempt *attempt_child_memory(struct invspid *d, const char *peer, const char *child,
				     bool make);
int64_t attempt_uncertain_at(const struct invspid *d, const char *peer);
int64_t attempt_disrupted_at(const struct invspid *d, const char *peer);
void attempts_free(struct invspid *d);
void recover_listed(struct invspid *d, const struct ike_listing *l);
unsigned int recover_retry(struct invspid *d, const char *conn);
void recover_ike_up(struct invspid *d, const char *conn, const char *id, uint32_t ike_id);
void recover_ike_down(struct invspid *d, const char *conn, const char *id);

/* control.c */
struct control *control_new(struct invspid *d, const char *path, char **err);
void control_free(struct control *c);

#endif
