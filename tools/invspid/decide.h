/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision about one flow of packets that no SA matches.
 *
 * decide() is pure: everything it knows is in its arguments, it reads no clock
 * and does no I/O. Anyone can forge the packets that bring us here, so what is
 * not known is never taken for "no": a presence is unknown until a complete
 * listing says otherwise, and unknown means wait.
 *
 * All times are milliseconds of CLOCK_BOOTTIME; LONG_AGO is before any boot.
 */
#ifndef INVSPID_DECIDE_H
#define INVSPID_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#define LONG_AGO (INT64_MIN / 4)

enum presence {
	PRESENCE_UNKNOWN, /* no complete listing, or one that is too old */
	PRESENCE_ABSENT, /* complete listings say that it is not there */
	PRESENCE_THERE, /* twice there, same unique id, no task */
};

enum mode { MODE_RECOVER, MODE_ADVISE, MODE_OBSERVE };

/* What may be interrupted to heal what a rekey cannot: one child, or a whole IKE_SA. */
enum disruptive { DISRUPTIVE_NEVER, DISRUPTIVE_CHILD, DISRUPTIVE_IKE };

/* What the IKE daemon is to us right now. */
enum daemon_state {
	DAEMON_ABSENT, /* no connection to it */
	DAEMON_FOREIGN, /* another network namespace, or user-space ESP */
	DAEMON_SETTLING, /* connected; connections not unchanged for settle_ms yet */
	DAEMON_READY,
	DAEMON_STOPPING, /* it is shutting down: its own doing */
};

/* How an SA of the daemon ended. The order is that of the database: append only. */
enum sa_end {
	END_NONE, /* alive, as far as we know */
	END_REKEYED,
	END_DELETED_LOCAL, /* orderly DELETE, ours */
	END_DELETED_PEER, /* orderly DELETE, the peer's */
	END_INACTIVITY,
	END_OPERATOR, /* terminated by hand */
	END_GAVE_UP, /* retransmissions exhausted */
	END_DAEMON_LOST, /* vanished with the daemon */
	END_KERNEL_LOST, /* vanished from the kernel alone */
	END_MACHINE_DOWN, /* alive when the machine went down */
	END_EXPIRED, /* hard lifetime */
	END_REPLACED, /* INITIAL_CONTACT or uniqueness policy */
	END_UNSEEN, /* gone while this helper was not looking */
	END__COUNT
};

/**
 * struct evidence - all that is known about a flow and whom it may belong to
 * @encapsulated: ESP in UDP
 * @desync: the module's verdict: enough packets over enough time
 * @first_drop: time of the flow's first packet
 * @last_drop: time of the flow's last packet
 * @seq_rising: its sequence numbers have risen as those of a sender do
 * @spi_plausible: the SPI is of the range that the daemon uses
 * @spoofed: there are signs of spoofing: senseless sequence numbers, or many SPIs
 *	of that source at once that nobody knows
 * @dst_local: the destination is an address of this namespace
 * @sa_here: the kernel has an SA for exactly this destination, SPI and protocol
 * @sa_elsewhere: the kernel has an SA with this SPI and protocol, but under
 *	another destination, mark or if_id
 * @sa_larval: the kernel has a larval SA with this SPI (being negotiated)
 * @sa_seen_leaving: this helper saw the SA in the kernel and then saw it leave
 * @sa_expired: ... by its hard lifetime
 * @lost_at: when it left, or when it ended by the history; LONG_AGO if not known
 * @other_keyer: the SPI belongs, or belonged, to an SA that the daemon never listed
 * @daemon: see enum daemon_state
 * @inbound: the daemon lists the SPI as the inbound one of an INSTALLED or
 *	REKEYING CHILD_SA, judged list -> kernel -> list
 * @inbound_busy: it does, and so did the listing before, but an exchange of CHILD_SAs
 *	is under way on that IKE_SA, so that nothing is certain
 * @ike_sa: an established IKE_SA of the flow's connection, or with the flow's
 *	source if the connection is not known
 * @ike_passive: that IKE_SA is PASSIVE (standby of a cluster)
 * @task_since: when the oldest exchange on that IKE_SA, ours or the daemon's, was
 *	first seen in progress; INT64_MAX if there is none
 * @conn_known: the flow was traced to a connection (by SPI, or by its source)
 * @conn_loaded: the daemon has that connection loaded
 * @conn_dynamic: its remote address is %any
 * @eap_or_vip: it has EAP, XAuth or a virtual IP: this side may not be able to bring
 *	it back
 * @copy_allowed: the operator lets us copy it, with an address that the peer had
 * @copy_known: all is known that a copy for this peer needs
 * @peer_recent: the peer was there not too long ago for that
 * @hist_known: the history knows the SPI as the daemon's
 * @hist_end: how it ended
 * @hist_ended_at: when, or when it left the kernel if that was later; LONG_AGO if in an
 *	earlier boot
 * @hist_addr_same: source and destination are those that the SA had
 * @hist_port_same: so is the peer's UDP port (true if not encapsulated then and now)
 * @child_up: the child that the SPI belonged to is up, with another SPI
 * @child_up_at: since when; LONG_AGO if not known
 * @child_down: that child should be up and has no SA
 * @child_silent: it is up, and nothing has come in on it since the flow began
 * @silent: children of the IKE_SAs with the flow's source of which the same is true
 * @ike_silent: it is true of all children of the IKE_SA
 * @in_step: a rekey of ours was completed since the flow began: the peer is in step
 * @children_down: children of the connection that should be up and have no SA
 * @children_new: its children that have none, and of which the history knows nothing
 * @g1_refused: the last rekey that we asked for was refused by the peer
 * @g1_since: ... or is under way since then; INT64_MAX if there is none
 * @recreated: terminating the child and initiating it again was tried
 * @reauthenticated: so was reauthentication
 * @no_gap: nothing can leave in clear while the child is down
 * @disruptive: what the operator lets us interrupt
 * @initiate_unknown: the operator wants unknown SPIs of configured peers answered
 * @hold: the operator holds this connection, or all
 * @by_hand: the child was terminated by hand and has not been up since
 * @mode: mode in force for the connection
 */
struct evidence {
	bool encapsulated;
	bool desync;
	int64_t first_drop;
	int64_t last_drop;
	bool seq_rising;
	bool spi_plausible;
	bool spoofed;
	bool dst_local;
	bool sa_here;
	bool sa_elsewhere;
	bool sa_larval;
	bool sa_seen_leaving;
	bool sa_expired;
	int64_t lost_at;
	bool other_keyer;
	enum daemon_state daemon;
	enum presence inbound;
	bool inbound_busy;
	enum presence ike_sa;
	bool ike_passive;
	int64_t task_since;
	bool conn_known;
	bool conn_loaded;
	bool conn_dynamic;
	bool eap_or_vip;
	bool copy_allowed;
	bool copy_known;
	bool peer_recent;
	bool hist_known;
	enum sa_end hist_end;
	int64_t hist_ended_at;
	bool hist_addr_same;
	bool hist_port_same;
	bool child_up;
	int64_t child_up_at;
	bool child_down;
	bool child_silent;
	unsigned int silent;
	bool ike_silent;
	bool in_step;
	unsigned int children_down;
	unsigned int children_new;
	bool g1_refused;
	int64_t g1_since;
	bool recreated;
	bool reauthenticated;
	bool no_gap;
	enum disruptive disruptive;
	bool initiate_unknown;
	bool hold;
	bool by_hand;
	enum mode mode;
};

/**
 * struct limits - the numbers, each a configuration key of the same name
 */
struct limits {
	int64_t in_passing_ms; /* 6000: after an end, late packets are normal */
	int64_t came_up_ms; /* 13000: the same after a child came up */
	int64_t in_progress_ms; /* 5000: then the peer counts as silent */
	int64_t quiet_ms; /* 3000: a flow that stopped growing */
	int64_t stand_down_ms; /* 2000: for the peer's own exchange */
	unsigned int in_flight; /* 8: exchanges for certain grades at once */
	unsigned int uncertain_in_flight; /* 2: and for uncertain ones */
	unsigned int uncertain_all; /* 30 attempts a minute on uncertain evidence */
	int64_t uncertain_peer_ms; /* 60000: between two of them at the same peer */
	int64_t spoofed_delay_ms; /* 10000: signs of spoofing make them wait so long */
	int64_t retransmit_ms; /* 165000: the IKE daemon goes on asking for so long */
	int64_t disruptive_ms; /* 600000: between two interruptions of the same peer */
	unsigned int give_up; /* 8 attempts per (peer, grade) */
	int64_t give_up_ms; /* 3600000: an hour ends the giving up */
	int64_t backoff_min_ms; /* 2000 */
	int64_t backoff_max_ms; /* 600000 */
};

/**
 * struct decide_state - what we did so far, for this (peer, grade)
 *
 * The caller looks it up by the grade that grade_flow() gives.
 * @attempts: since the last success
 * @next_try: not before this time
 * @gave_up_at: LONG_AGO if we did not; the caller sets it when an attempt brings
 *	@attempts to the limit or beyond it, so that after give_up_ms there is one
 *	more attempt, or a new series if the caller also resets @attempts
 * @peer_busy: an exchange for this peer is under way
 * @in_flight: exchanges under way for certain grades
 * @slots: how many there may be: in_flight, fewer while the daemon's queue grows
 * @uncertain_in_flight: exchanges under way for uncertain grades
 * @uncertain_at: when an uncertain grade last led to one with this peer
 * @uncertain_spent: so many of them were begun within a minute that there is none left
 * @disrupted_at: when a connection to this peer was last interrupted
 * @stopped: mass loss or split brain: nothing is done until an operator looks
 */
struct decide_state {
	unsigned int attempts;
	int64_t next_try;
	int64_t gave_up_at;
	bool peer_busy;
	unsigned int in_flight;
	unsigned int slots;
	unsigned int uncertain_in_flight;
	int64_t uncertain_at;
	bool uncertain_spent;
	int64_t disrupted_at;
	bool stopped;
};

enum grade {
	GRADE_HELD,
	GRADE_OTHER_KEYER,
	GRADE_MISDIRECTED,
	GRADE_IN_PASSING,
	GRADE_PENDING, /* evidence is incomplete: look again */
	GRADE_LOST_IN_KERNEL,
	GRADE_LOST_WITH_DAEMON,
	GRADE_OURS_GONE,
	GRADE_NEVER_OURS,
	GRADE_NO_HISTORY,
	GRADE_DYNAMIC,
	GRADE_UNKNOWN_SOURCE,
	GRADE__COUNT
};

enum action {
	ACTION_NONE, /* nothing, and nothing to tell */
	ACTION_REPORT, /* tell, do nothing */
	ACTION_ADVISE, /* tell, and name the command that would help */
	ACTION_WAIT, /* look again after wait_ms */
	ACTION_REKEY, /* G1: rekey that one CHILD_SA */
	ACTION_INITIATE, /* G2: initiate every child that should be up */
	ACTION_COPY, /* D: initiate them by a temporary copy of the connection */
	ACTION_RECREATE, /* I1: terminate the child and initiate it */
	ACTION_REAUTH, /* I2: reauthenticate the IKE_SA */
	ACTION_RESTART, /* I3: terminate the IKE_SA and initiate its children */
};

/* Look again after this where an answer is due: the gap between two listings. */
#define LOOK_AGAIN_MS 300
/* ... and after this where only a budget can change. */
#define LOOK_BUDGET_MS 2000

/**
 * struct decision - what to do and why
 * @grade: which row matched
 * @action: what to do now
 * @wanted: what the grade asks for; differs from @action if @blocked is set
 * @why: the reason, for the log and explain; static text
 * @blocked: what blocks @wanted (a budget, the mode, or a condition of what would
 *	interrupt something: then @action may be a gentler one), or NULL; static text
 * @wait_ms: if not 0, look again after this: always with ACTION_WAIT, and with
 *	ACTION_NONE where the reason for doing nothing will pass without an event
 */
struct decision {
	enum grade grade;
	enum action action;
	enum action wanted;
	const char *why;
	const char *blocked;
	int64_t wait_ms;
};

/**
 * grade_flow() - which row of the table a flow matches
 * @ev: evidence
 * @lim: limits
 * @now: milliseconds, CLOCK_BOOTTIME
 * @why: set to the row's text if not NULL
 *
 * Return: the grade, first match.
 */
enum grade grade_flow(const struct evidence *ev, const struct limits *lim, int64_t now,
		      const char **why);

/**
 * decide() - what is to be done about a flow
 * @ev: evidence
 * @st: state of its (peer, grade)
 * @lim: limits
 * @now: milliseconds, CLOCK_BOOTTIME
 *
 * Return: the decision; never touches its arguments.
 */
struct decision decide(const struct evidence *ev, const struct decide_state *st,
		       const struct limits *lim, int64_t now);

/* Is the action an exchange of IKE, or several? */
bool is_exchange(enum action a);
/* Does it interrupt what may still work? */
bool interrupts(enum action a);
/* Does the grade rest on nothing but packets that anybody could have sent? */
bool is_uncertain(enum grade g);

/* ---- verify.c ---- */

/**
 * backoff_ms() - how long to wait after an attempt
 * @attempts: attempts so far, the first one is 1
 * @lim: limits
 * @random: 32 random bits, for the jitter of 25 %
 *
 * Return: milliseconds, backoff_min_ms doubling up to backoff_max_ms, +-25 %.
 */
int64_t backoff_ms(unsigned int attempts, const struct limits *lim, uint32_t random);

/**
 * enum outcome - what became of an action
 */
enum outcome {
	OUTCOME_PENDING,
	OUTCOME_HEALED, /* the flow stopped and the new SA carries traffic */
	OUTCOME_QUIET, /* the flow stopped, no traffic either: neither success nor failure */
	OUTCOME_STALE, /* there is a new SA, but the old SPI is still sent to */
	OUTCOME_FAILED, /* refused, or no new SA in time and the flow goes on */
};

/**
 * struct verification - what is seen after an action
 * @started: when the action was taken
 * @new_sa: a new inbound SA of the child is in the kernel
 * @new_moved: its inbound counter moved
 * @refused: the daemon refused or its attempt failed
 * @no_flow: there was no packet yet when the action was taken
 * @last_drop: last packet of the flow
 */
struct verification {
	int64_t started;
	bool new_sa;
	bool new_moved;
	bool refused;
	bool no_flow;
	int64_t last_drop;
};

/* A flow silent for longer has stopped; what has not healed by the timeout never will. */
#define VERIFY_STOPPED_MS 500
#define VERIFY_TIMEOUT_MS 8000

/**
 * verify() - what became of an action
 * @v: what is seen
 * @now: milliseconds, CLOCK_BOOTTIME
 *
 * Return: OUTCOME_PENDING means look again, at the latest at the timeout.
 */
enum outcome verify(const struct verification *v, int64_t now);

/* ---- decide_names.c ---- */
const char *grade_name(enum grade g);
const char *action_name(enum action a);
const char *end_name(enum sa_end e);
const char *outcome_name(enum outcome o);
const char *mode_name(enum mode m);
const char *disruptive_name(enum disruptive what);

#endif
