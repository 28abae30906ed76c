// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decision about one flow, in three steps: the evidence becomes a word of
 * facts (every threshold is there and nowhere else), the first row whose facts
 * fit gives the grade and what it asks for, and if that is an exchange, the
 * first gate that is closed stops or delays it.
 *
 * No condition here is implied by another one: what an earlier row has settled
 * is not asked again, so that a test can tell each condition from its absence.
 */
#include <linux/const.h>
#include <stddef.h>
#include <sys/param.h>

#include "decide.h"

enum fact {
	/* the operator, and this machine */
	FACT_HOLD,
	FACT_BY_HAND,
	FACT_OBSERVE,
	FACT_PASSIVE,
	FACT_DST_LOCAL,
	/* the kernel */
	FACT_OTHER_KEYER,
	FACT_SA_ELSEWHERE,
	FACT_SA_HERE,
	FACT_SA_LARVAL,
	FACT_SA_SEEN_LEAVING,
	FACT_EXPIRED_NOW,
	/* the flow */
	FACT_STOPPED, /* it does not grow any more */
	FACT_DESYNC,
	FACT_DOWN_DUE, /* that, or lost with the daemon, and the peer has had its time */
	FACT_SEQ_RISING,
	FACT_SPI_PLAUSIBLE,
	/* the IKE daemon */
	FACT_DAEMON_ABSENT,
	FACT_DAEMON_FOREIGN,
	FACT_DAEMON_STOPPING,
	FACT_DAEMON_READY,
	FACT_EXCHANGE, /* one is in progress */
	FACT_SILENT, /* ... for so long that the peer is silent */
	FACT_INBOUND_UNKNOWN,
	FACT_INBOUND_ABSENT,
	FACT_INBOUND_THERE,
	FACT_INBOUND_BUSY,
	FACT_IKE_SA_UNKNOWN,
	FACT_IKE_SA_ABSENT,
	FACT_IKE_SA_THERE,
	FACT_CONN_KNOWN,
	FACT_CONN_LOADED,
	FACT_CONN_DYNAMIC,
	FACT_COPY_ALLOWED,
	FACT_COPY_KNOWN,
	/* the history */
	FACT_HIST_KNOWN,
	FACT_END_OPERATOR,
	FACT_END_IN_ORDER,
	FACT_END_DAEMON,
	FACT_END_JUST_NOW,
	FACT_ADDR_SAME,
	FACT_PORT_SAME,
	FACT_PEER_RECENT,
	FACT_END_GAVE_UP,
	FACT_CHILD_UP,
	FACT_CHILD_UP_NOW,
	FACT_CHILD_DOWN,
	FACT_CHILDREN_DOWN,
	FACT_CHILDREN_NEW,
	/* what came in meanwhile, and what became of our exchanges */
	FACT_CHILD_SILENT,
	FACT_ONE_SILENT,
	FACT_IN_STEP,
	FACT_G1_REFUSED,
	FACT_G1_UNANSWERED,
	FACT_RECREATED,
	FACT_REAUTHENTICATED,
	/* the configuration */
	FACT_INITIATE_UNKNOWN,
	FACT_MAY_RECREATE,
	FACT_MAY_RESTART,
};

/* Facts about budgets, and about what an interruption would do: other words. */
enum budget_fact {
	FACT_ALL_STOPPED,
	FACT_ADVISE,
	FACT_ATTEMPTS_SPENT,
	FACT_GAVE_UP_RECENTLY,
	FACT_PEER_BUSY,
	FACT_IN_FLIGHT_FULL,
	FACT_BACKOFF,
	FACT_SUSPECT, /* signs of spoofing, and the flow is young */
	FACT_PEER_TRIED,
	FACT_ALL_TRIED,
};

enum interruption_fact {
	FACT_SPOOFED,
	FACT_EAP_OR_VIP,
	FACT_NO_WAY_BACK,
	FACT_NOT_SILENT,
	FACT_GAP,
	FACT_DISRUPTED_RECENTLY,
};

#define F(name) _BITULL(FACT_##name)

/* Ends after which packets may still be under way, and ends with the daemon. */
#define ENDS_IN_ORDER                                                                    \
	(_BITULL(END_REKEYED) | _BITULL(END_DELETED_LOCAL) | _BITULL(END_DELETED_PEER) | \
	 _BITULL(END_INACTIVITY) | _BITULL(END_EXPIRED) | _BITULL(END_REPLACED))
#define ENDS_WITH_DAEMON (_BITULL(END_DAEMON_LOST) | _BITULL(END_MACHINE_DOWN))

/* Grades that rest on packets that anybody could have sent. */
#define UNCERTAIN                                                                           \
	(_BITULL(GRADE_OURS_GONE) | _BITULL(GRADE_NEVER_OURS) | _BITULL(GRADE_NO_HISTORY) | \
	 _BITULL(GRADE_DYNAMIC))
#define INTERRUPTING (_BITULL(ACTION_RECREATE) | _BITULL(ACTION_REAUTH) | _BITULL(ACTION_RESTART))
#define EXCHANGES \
	(_BITULL(ACTION_REKEY) | _BITULL(ACTION_INITIATE) | _BITULL(ACTION_COPY) | INTERRUPTING)

/* When to look again. */
enum look {
	LOOK_NOT, /* not because of time */
	LOOK_SOON,
	LOOK_PASSED, /* when late packets of the ended SA are no excuse any more */
	LOOK_EXPIRED, /* ... of the expired one */
	LOOK_UP, /* ... of the one before that which is up now */
	LOOK_NEXT_TRY, /* when the backoff ends */
	LOOK_OLD, /* when the flow is no longer young */
	LOOK_PEER, /* when the peer may be tried again */
	LOOK_BUDGET, /* only others can change it */
};

/**
 * struct row - a rule about the evidence
 * @grade: the grade of a flow that fits
 * @need: facts that must all hold
 * @deny: facts of which none may hold
 * @action: what the grade asks for
 * @look: when to look again if nothing happens
 * @why: for the log and explain
 */
struct row {
	enum grade grade;
	uint64_t need;
	uint64_t deny;
	enum action action;
	enum look look;
	const char *why;
};

/* First match. The last row fits everything. */
static const struct row rows[] = {
	/* clang-format off */
	{ GRADE_HELD, F(HOLD), 0, ACTION_NONE, LOOK_NOT,
	  "the operator holds this connection" },
	{ GRADE_HELD, F(BY_HAND), 0, ACTION_NONE, LOOK_NOT,
	  "the child was terminated by hand and has not been up since" },
	{ GRADE_HELD, F(HIST_KNOWN) | F(END_OPERATOR), 0, ACTION_NONE, LOOK_NOT,
	  "this SA was terminated by hand" },
	{ GRADE_HELD, F(OBSERVE), 0, ACTION_NONE, LOOK_NOT,
	  "mode observe" },
	{ GRADE_HELD, F(PASSIVE), 0, ACTION_NONE, LOOK_NOT,
	  "the IKE_SA is passive: another node of the cluster is active" },
	{ GRADE_HELD, 0, F(DST_LOCAL), ACTION_NONE, LOOK_NOT,
	  "the destination is not an address of this namespace" },

	{ GRADE_OTHER_KEYER, F(OTHER_KEYER), 0, ACTION_REPORT, LOOK_NOT,
	  "the SPI belongs to an SA that the IKE daemon did not make" },

	{ GRADE_MISDIRECTED, F(SA_ELSEWHERE), 0, ACTION_REPORT, LOOK_NOT,
	  "the kernel has an SA with this SPI under another destination, mark or if_id" },

	{ GRADE_IN_PASSING, F(SA_HERE), 0, ACTION_NONE, LOOK_NOT,
	  "the SA is in the kernel now" },
	{ GRADE_IN_PASSING, F(SA_LARVAL), 0, ACTION_NONE, LOOK_NOT,
	  "the SA is being negotiated" },
	{ GRADE_IN_PASSING, F(HIST_KNOWN) | F(END_IN_ORDER) | F(END_JUST_NOW), 0,
	  ACTION_NONE, LOOK_PASSED,
	  "the SA ended in order just now: late packets are normal" },
	{ GRADE_IN_PASSING, F(EXPIRED_NOW), 0, ACTION_NONE, LOOK_EXPIRED,
	  "the SA's hard lifetime has ended just now: that is the IKE daemon's own doing" },
	{ GRADE_IN_PASSING, F(EXCHANGE), F(SILENT), ACTION_NONE, LOOK_SOON,
	  "an exchange with the peer is in progress" },
	/*
	 * A flow that stopped needs nothing, unless our SA left the kernel
	 * behind the daemon's back: then the tunnel is broken, packets or not.
	 */
	{ GRADE_IN_PASSING, F(STOPPED), F(SA_SEEN_LEAVING), ACTION_NONE, LOOK_NOT,
	  "the flow stopped" },
	{ GRADE_IN_PASSING, F(STOPPED) | F(INBOUND_ABSENT), 0, ACTION_NONE, LOOK_NOT,
	  "the flow stopped, and the SA is gone from the daemon too" },

	{ GRADE_PENDING, F(DAEMON_ABSENT), 0, ACTION_REPORT, LOOK_NOT,
	  "no connection to the IKE daemon: decided when it is back" },
	{ GRADE_PENDING, F(DAEMON_FOREIGN), 0, ACTION_REPORT, LOOK_NOT,
	  "the IKE daemon is in another network namespace, or does ESP in user space" },
	{ GRADE_PENDING, F(DAEMON_STOPPING), 0, ACTION_REPORT, LOOK_NOT,
	  "the IKE daemon is shutting down" },
	{ GRADE_PENDING, 0, F(DAEMON_READY), ACTION_WAIT, LOOK_SOON,
	  "the IKE daemon's connections are not settled yet" },
	/* Our own rekey is the exchange that goes unanswered, and too long. */
	{ GRADE_LOST_IN_KERNEL, F(INBOUND_BUSY) | F(G1_UNANSWERED) | F(MAY_RESTART), 0,
	  ACTION_RESTART, LOOK_NOT,
	  "the kernel has lost this SPI, and the peer has not answered the rekey" },
	/*
	 * Before the presences: they stay unknown as long as the exchange lasts,
	 * and neither a rekey nor an initiation may be queued behind it.
	 */
	{ GRADE_PENDING, F(SILENT), 0, ACTION_REPORT, LOOK_NOT,
	  "an exchange has gone unanswered: the peer is silent on IKE, nothing is added" },
	{ GRADE_PENDING, F(INBOUND_UNKNOWN), 0, ACTION_WAIT, LOOK_SOON,
	  "not known yet whether the IKE daemon has this SPI" },
	{ GRADE_PENDING, F(IKE_SA_UNKNOWN), F(INBOUND_THERE), ACTION_WAIT, LOOK_SOON,
	  "not known yet whether there is an IKE_SA with the peer" },

	{ GRADE_LOST_IN_KERNEL, F(INBOUND_THERE) | F(G1_REFUSED) | F(MAY_RECREATE),
	  F(RECREATED), ACTION_RECREATE, LOOK_NOT,
	  "the kernel has lost this SPI, and the peer has refused to rekey it" },
	{ GRADE_LOST_IN_KERNEL, F(INBOUND_THERE) | F(G1_REFUSED) | F(MAY_RESTART),
	  F(REAUTHENTICATED), ACTION_REAUTH, LOOK_NOT,
	  "the kernel has lost this SPI, and the peer refuses a new CHILD_SA" },
	{ GRADE_LOST_IN_KERNEL, F(INBOUND_THERE) | F(G1_REFUSED) | F(MAY_RESTART), 0,
	  ACTION_RESTART, LOOK_NOT,
	  "the kernel has lost this SPI, and reauthentication did not help" },
	{ GRADE_LOST_IN_KERNEL, F(INBOUND_THERE), 0, ACTION_REKEY, LOOK_NOT,
	  "the IKE daemon lists this SPI, the kernel has lost it" },

	/* From here on the daemon does not list the SPI. */
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT) | F(CONN_DYNAMIC), F(COPY_ALLOWED),
	  ACTION_REPORT, LOOK_NOT,
	  "alive when the IKE daemon or machine stopped, but its connection has no address: dynamic = yes would let us copy it"
	},
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT) | F(CONN_DYNAMIC) | F(CHILDREN_DOWN), F(PEER_RECENT),
	  ACTION_REPORT, LOOK_NOT,
	  "alive when the IKE daemon or machine stopped, but too long ago to trust the peer's address"
	},
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT) | F(CONN_DYNAMIC) | F(CHILDREN_DOWN), F(COPY_KNOWN),
	  ACTION_REPORT, LOOK_NOT,
	  "alive when the IKE daemon or machine stopped, but not all is known that a copy of its connection needs"
	},
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT) | F(CONN_DYNAMIC) | F(CHILDREN_DOWN), 0,
	  ACTION_COPY, LOOK_NOT,
	  "alive when the IKE daemon or machine stopped, from the address that its peer had then" },
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT) | F(CHILDREN_DOWN), 0, ACTION_INITIATE, LOOK_NOT,
	  "alive when the IKE daemon or the machine stopped, and there is no IKE_SA" },
	{ GRADE_LOST_WITH_DAEMON, F(HIST_KNOWN) | F(END_DAEMON) | F(CONN_LOADED) | F(ADDR_SAME) |
	  F(PORT_SAME) | F(IKE_SA_ABSENT), 0, ACTION_REPORT, LOOK_NOT,
	  "alive when the IKE daemon or the machine stopped, but nothing should be up" },

	{ GRADE_IN_PASSING, F(HIST_KNOWN) | F(CHILD_UP) | F(CHILD_UP_NOW), 0, ACTION_NONE, LOOK_UP,
	  "its child has come up again just now: late packets are normal" },

	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_UP) | F(IN_STEP), 0,
	  ACTION_REPORT, LOOK_NOT,
	  "the peer is in step since a rekey was completed: stale or forged" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_UP) | F(CHILD_SILENT),
	  F(DESYNC), ACTION_NONE, LOOK_NOT,
	  "an SA of ours that is gone; too few packets yet" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_UP) | F(CHILD_SILENT), 0,
	  ACTION_REKEY, LOOK_NOT,
	  "an SA of ours that is gone; on the one that replaced it nothing has come in since" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_UP), 0,
	  ACTION_REPORT, LOOK_NOT,
	  "an SA of ours that is gone; its child is up with another SPI: stale or forged" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_DOWN) | F(CONN_LOADED),
	  F(CONN_DYNAMIC) | F(DOWN_DUE), ACTION_NONE, LOOK_NOT,
	  "its child should be up and is not; too few packets yet" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE) | F(CHILD_DOWN) | F(CONN_LOADED),
	  F(CONN_DYNAMIC), ACTION_INITIATE, LOOK_NOT,
	  "an SA of ours that is gone; its child should be up and has no SA" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(IKE_SA_THERE), 0,
	  ACTION_REPORT, LOOK_NOT,
	  "an SA of ours that is gone; its child is not up, the IKE_SA is" },
	{ GRADE_OURS_GONE,
	  F(HIST_KNOWN) | F(END_GAVE_UP) | F(CONN_LOADED) | F(ADDR_SAME) | F(PORT_SAME) |
	  F(CHILDREN_DOWN), F(CONN_DYNAMIC) | F(DESYNC), ACTION_NONE, LOOK_NOT,
	  "the IKE daemon gave up on the peer; too few packets yet" },
	{ GRADE_OURS_GONE,
	  F(HIST_KNOWN) | F(END_GAVE_UP) | F(CONN_LOADED) | F(ADDR_SAME) | F(PORT_SAME) |
	  F(CHILDREN_DOWN), F(CONN_DYNAMIC), ACTION_INITIATE, LOOK_NOT,
	  "the IKE daemon gave up on the peer, which sends again" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(END_DAEMON), F(CONN_LOADED),
	  ACTION_REPORT, LOOK_NOT,
	  "lost with the IKE daemon, and its connection is not loaded" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN) | F(END_DAEMON), 0,
	  ACTION_REPORT, LOOK_NOT,
	  "lost with the IKE daemon, but address or port are not those of the SA" },
	{ GRADE_OURS_GONE, F(HIST_KNOWN), 0, ACTION_REPORT, LOOK_NOT,
	  "an SA of ours that is gone, and so is its IKE_SA, but not with the IKE daemon" },

	/* From here on the history does not know the SPI. */
	{ GRADE_NEVER_OURS, F(IKE_SA_THERE), F(DESYNC), ACTION_NONE, LOOK_NOT,
	  "never an SPI of ours, from a peer with an IKE_SA; too few packets yet" },
	{ GRADE_NEVER_OURS, F(IKE_SA_THERE) | F(CHILDREN_DOWN) | F(CONN_LOADED),
	  F(CONN_DYNAMIC), ACTION_INITIATE, LOOK_NOT,
	  "never an SPI of ours, from a peer of whom a child should be up and has no SA" },
	{ GRADE_NEVER_OURS, F(IKE_SA_THERE) | F(IN_STEP), 0, ACTION_REPORT, LOOK_NOT,
	  "never an SPI of ours, and the peer is in step since a rekey was completed" },
	{ GRADE_NEVER_OURS, F(IKE_SA_THERE) | F(ONE_SILENT), 0, ACTION_REKEY, LOOK_NOT,
	  "never an SPI of ours, from a peer of whom one child is silent since it began" },
	{ GRADE_NEVER_OURS, F(IKE_SA_THERE), 0, ACTION_REPORT, LOOK_NOT,
	  "never an SPI of ours, from a peer with an IKE_SA" },
	{ GRADE_NO_HISTORY, F(CONN_KNOWN), F(CONN_DYNAMIC) | F(DESYNC), ACTION_NONE, LOOK_NOT,
	  "never an SPI of ours, from a configured peer; too few packets yet" },
	{ GRADE_NO_HISTORY, F(CONN_KNOWN) | F(SEQ_RISING) | F(SPI_PLAUSIBLE) |
	  F(CHILDREN_NEW) | F(INITIATE_UNKNOWN), F(CONN_DYNAMIC), ACTION_INITIATE, LOOK_NOT,
	  "never an SPI of ours, from a configured peer without an IKE_SA, as if it had one" },
	{ GRADE_NO_HISTORY, F(CONN_KNOWN) | F(SEQ_RISING) | F(SPI_PLAUSIBLE) | F(CHILDREN_NEW),
	  F(CONN_DYNAMIC), ACTION_ADVISE, LOOK_NOT,
	  "a configured peer sends as if it had an IKE_SA: initiate_unknown would bring it up" },
	{ GRADE_NO_HISTORY, F(CONN_KNOWN), F(CONN_DYNAMIC), ACTION_REPORT, LOOK_NOT,
	  "never an SPI of ours, from a configured peer without an IKE_SA" },
	{ GRADE_DYNAMIC, F(CONN_KNOWN), 0, ACTION_REPORT, LOOK_NOT,
	  "a peer with a dynamic address, without an IKE_SA" },
	{ GRADE_UNKNOWN_SOURCE, 0, 0, ACTION_REPORT, LOOK_NOT,
	  "nothing is known about the source" },
	/* clang-format on */
};

/**
 * struct gate - what can stop or delay what a row asks for
 * @need: facts that must all hold
 * @action: what happens instead
 * @look: when to look again
 * @blocked: for the log and explain
 */
struct gate {
	uint64_t need;
	enum action action;
	enum look look;
	const char *blocked;
};

/* First match; the empty one at the end is the open road. */
static const struct gate gates[] = {
	/* clang-format off */
	{ F(ALL_STOPPED), ACTION_REPORT, LOOK_NOT,
	  "recovery is stopped until an operator has looked" },
	{ F(ADVISE), ACTION_REPORT, LOOK_NOT,
	  "mode advise" },
	{ F(ATTEMPTS_SPENT) | F(GAVE_UP_RECENTLY), ACTION_REPORT, LOOK_NOT,
	  "given up after too many attempts" },
	{ F(PEER_BUSY), ACTION_WAIT, LOOK_SOON,
	  "an action for this peer is under way" },
	{ F(BACKOFF), ACTION_WAIT, LOOK_NEXT_TRY,
	  "backing off after the last attempt" },
	{ F(SUSPECT), ACTION_WAIT, LOOK_OLD,
	  "there are signs of spoofing: waiting longer" },
	{ F(PEER_TRIED), ACTION_WAIT, LOOK_PEER,
	  "the evidence is uncertain, and this peer was tried a moment ago" },
	{ F(ALL_TRIED), ACTION_WAIT, LOOK_BUDGET,
	  "the evidence is uncertain, and too many peers were tried a moment ago" },
	{ F(IN_FLIGHT_FULL), ACTION_WAIT, LOOK_SOON,
	  "too many actions are under way" },
	{ 0 },
	/* clang-format on */
};

/**
 * struct bar - what keeps us from interrupting something: the next row that fits counts
 * @need: facts that must all hold
 * @blocked: for the log and explain
 */
struct bar {
	uint64_t need;
	const char *blocked;
};

/* First match; the empty one at the end is none. */
static const struct bar bars[] = {
	/* clang-format off */
	{ F(SPOOFED),
	  "not interrupted: there are signs of spoofing" },
	{ F(EAP_OR_VIP),
	  "not interrupted: with EAP, XAuth or a virtual IP it may not come back" },
	{ F(NO_WAY_BACK),
	  "not interrupted: we could not initiate it again" },
	{ F(NOT_SILENT),
	  "not interrupted: a child of the IKE_SA has received something since" },
	{ F(GAP),
	  "not interrupted: packets could leave in clear meanwhile, and allow_gap is not set" },
	{ F(DISRUPTED_RECENTLY),
	  "not interrupted: that was done a moment ago" },
	{ 0 },
	/* clang-format on */
};

static uint64_t when(uint64_t fact, bool holds)
{
	return holds ? fact : 0;
}

static uint64_t facts(const struct evidence *ev, const struct limits *lim, int64_t now)
{
	uint64_t f = when(F(HOLD), ev->hold), end = _BITULL(ev->hist_end);

	f |= when(F(BY_HAND), ev->by_hand);
	f |= when(F(OBSERVE), ev->mode == MODE_OBSERVE);
	f |= when(F(PASSIVE), ev->ike_passive);
	f |= when(F(DST_LOCAL), ev->dst_local);
	f |= when(F(OTHER_KEYER), ev->other_keyer);
	f |= when(F(SA_ELSEWHERE), ev->sa_elsewhere);
	f |= when(F(SA_HERE), ev->sa_here);
	f |= when(F(SA_LARVAL), ev->sa_larval);
	f |= when(F(SA_SEEN_LEAVING), ev->sa_seen_leaving);
	f |= when(F(EXPIRED_NOW), ev->sa_expired && now - ev->lost_at < lim->in_passing_ms);
	f |= when(F(DESYNC), ev->desync);
	f |= when(F(SEQ_RISING), ev->seq_rising);
	f |= when(F(SPI_PLAUSIBLE), ev->spi_plausible);
	f |= when(F(STOPPED), now - ev->last_drop > lim->quiet_ms);
	f |= when(F(DAEMON_ABSENT), ev->daemon == DAEMON_ABSENT);
	f |= when(F(DAEMON_FOREIGN), ev->daemon == DAEMON_FOREIGN);
	f |= when(F(DAEMON_STOPPING), ev->daemon == DAEMON_STOPPING);
	f |= when(F(DAEMON_READY), ev->daemon == DAEMON_READY);
	f |= when(F(EXCHANGE), ev->task_since != INT64_MAX);
	f |= when(F(SILENT), now - ev->task_since >= lim->in_progress_ms);
	f |= when(F(INBOUND_UNKNOWN), ev->inbound == PRESENCE_UNKNOWN);
	f |= when(F(INBOUND_ABSENT), ev->inbound == PRESENCE_ABSENT);
	f |= when(F(INBOUND_THERE), ev->inbound == PRESENCE_THERE);
	f |= when(F(INBOUND_BUSY), ev->inbound_busy);
	f |= when(F(IKE_SA_UNKNOWN), ev->ike_sa == PRESENCE_UNKNOWN);
	f |= when(F(IKE_SA_ABSENT), ev->ike_sa == PRESENCE_ABSENT);
	f |= when(F(IKE_SA_THERE), ev->ike_sa == PRESENCE_THERE);
	f |= when(F(CONN_KNOWN), ev->conn_known);
	f |= when(F(CONN_LOADED), ev->conn_loaded);
	f |= when(F(CONN_DYNAMIC), ev->conn_dynamic);
	f |= when(F(COPY_ALLOWED), ev->copy_allowed);
	f |= when(F(COPY_KNOWN), ev->copy_known);
	f |= when(F(PEER_RECENT), ev->peer_recent);
	f |= when(F(HIST_KNOWN), ev->hist_known);
	f |= when(F(END_OPERATOR), ev->hist_end == END_OPERATOR);
	f |= when(F(END_IN_ORDER), end & ENDS_IN_ORDER);
	f |= when(F(END_DAEMON), end & ENDS_WITH_DAEMON);
	/* A peer that has lost its SAs at the same time sends only what was under way. */
	f |= when(F(DOWN_DUE),
		  ev->desync || ((end & ENDS_WITH_DAEMON) && ev->hist_addr_same &&
				 ev->hist_port_same && now - ev->first_drop >= lim->stand_down_ms));
	f |= when(F(END_JUST_NOW), now - ev->hist_ended_at < lim->in_passing_ms);
	f |= when(F(ADDR_SAME), ev->hist_addr_same);
	f |= when(F(PORT_SAME), ev->hist_port_same);
	f |= when(F(END_GAVE_UP), ev->hist_end == END_GAVE_UP);
	f |= when(F(CHILD_UP), ev->child_up);
	f |= when(F(CHILD_UP_NOW), now - ev->child_up_at < lim->came_up_ms);
	f |= when(F(CHILD_DOWN), ev->child_down);
	f |= when(F(CHILDREN_DOWN), ev->children_down > 0);
	f |= when(F(CHILDREN_NEW), ev->children_new > 0);
	f |= when(F(CHILD_SILENT), ev->child_silent);
	f |= when(F(ONE_SILENT), ev->silent == 1);
	f |= when(F(IN_STEP), ev->in_step);
	f |= when(F(G1_REFUSED), ev->g1_refused);
	f |= when(F(G1_UNANSWERED), now - ev->g1_since >= lim->retransmit_ms);
	f |= when(F(RECREATED), ev->recreated);
	f |= when(F(REAUTHENTICATED), ev->reauthenticated);
	f |= when(F(INITIATE_UNKNOWN), ev->initiate_unknown);
	f |= when(F(MAY_RECREATE), ev->disruptive != DISRUPTIVE_NEVER);
	f |= when(F(MAY_RESTART), ev->disruptive == DISRUPTIVE_IKE);
	return f;
}

static uint64_t budget_facts(const struct evidence *ev, const struct decide_state *st,
			     const struct limits *lim, int64_t now, bool uncertain)
{
	uint64_t f = when(F(ALL_STOPPED), st->stopped);
	unsigned int busy = uncertain ? st->uncertain_in_flight : st->in_flight;
	unsigned int most = uncertain ? MIN(lim->uncertain_in_flight, st->slots) : st->slots;

	f |= when(F(ADVISE), ev->mode == MODE_ADVISE);
	f |= when(F(ATTEMPTS_SPENT), st->attempts >= lim->give_up);
	/* What was lost after we gave up is new evidence. */
	f |= when(F(GAVE_UP_RECENTLY), now - st->gave_up_at < lim->give_up_ms &&
					       (uncertain || ev->lost_at <= st->gave_up_at));
	f |= when(F(PEER_BUSY), st->peer_busy);
	f |= when(F(IN_FLIGHT_FULL), busy >= most);
	f |= when(F(BACKOFF), st->next_try > now);
	f |= when(F(SUSPECT),
		  uncertain && ev->spoofed && now - ev->first_drop < lim->spoofed_delay_ms);
	f |= when(F(PEER_TRIED), uncertain && now - st->uncertain_at < lim->uncertain_peer_ms);
	f |= when(F(ALL_TRIED), uncertain && st->uncertain_spent);
	return f;
}

static uint64_t interruption_facts(const struct evidence *ev, const struct decide_state *st,
				   const struct limits *lim, int64_t now)
{
	uint64_t f = when(F(SPOOFED), ev->spoofed);

	f |= when(F(EAP_OR_VIP), ev->eap_or_vip);
	f |= when(F(NO_WAY_BACK), ev->conn_dynamic || !ev->conn_loaded);
	f |= when(F(NOT_SILENT), !ev->ike_silent);
	f |= when(F(GAP), !ev->no_gap);
	f |= when(F(DISRUPTED_RECENTLY), now - st->disrupted_at < lim->disruptive_ms);
	return f;
}

static const struct row *first_row(const struct row *row, uint64_t f)
{
	while ((f & row->need) != row->need || (f & row->deny))
		row++;
	return row;
}

static const struct gate *first_gate(uint64_t f)
{
	const struct gate *gate = gates;

	while ((f & gate->need) != gate->need)
		gate++;
	return gate;
}

static const char *first_bar(uint64_t f)
{
	const struct bar *bar = bars;

	while ((f & bar->need) != bar->need)
		bar++;
	return bar->blocked;
}

static int64_t look_ms(enum look look, const struct evidence *ev, const struct decide_state *st,
		       const struct limits *lim, int64_t now)
{
	switch (look) {
	case LOOK_SOON:
		return LOOK_AGAIN_MS;
	case LOOK_PASSED:
		return ev->hist_ended_at + lim->in_passing_ms - now;
	case LOOK_EXPIRED:
		return ev->lost_at + lim->in_passing_ms - now;
	case LOOK_UP:
		return ev->child_up_at + lim->came_up_ms - now;
	case LOOK_NEXT_TRY:
		return st->next_try - now;
	case LOOK_OLD:
		return ev->first_drop + lim->spoofed_delay_ms - now;
	case LOOK_PEER:
		return st->uncertain_at + lim->uncertain_peer_ms - now;
	case LOOK_BUDGET:
		return LOOK_BUDGET_MS;
	case LOOK_NOT:
		break;
	}
	return 0;
}

bool is_exchange(enum action a)
{
	return _BITULL(a) & EXCHANGES;
}

bool interrupts(enum action a)
{
	return _BITULL(a) & INTERRUPTING;
}

bool is_uncertain(enum grade g)
{
	return _BITULL(g) & UNCERTAIN;
}

enum grade grade_flow(const struct evidence *ev, const struct limits *lim, int64_t now,
		      const char **why)
{
	const struct row *row = first_row(rows, facts(ev, lim, now));

	if (why)
		*why = row->why;
	return row->grade;
}

struct decision decide(const struct evidence *ev, const struct decide_state *st,
		       const struct limits *lim, int64_t now)
{
	uint64_t f = facts(ev, lim, now);
	const struct row *row = first_row(rows, f);
	struct decision d = { .grade = row->grade, .wanted = row->action, .why = row->why };
	const struct gate *gate;

	if (interrupts(row->action)) {
		d.blocked = first_bar(interruption_facts(ev, st, lim, now));
		while (d.blocked && interrupts(row->action))
			row = first_row(row + 1, f);
	}
	d.action = row->action;
	d.wait_ms = look_ms(row->look, ev, st, lim, now);
	if (!is_exchange(row->action))
		return d;

	gate = first_gate(budget_facts(ev, st, lim, now, is_uncertain(row->grade)));
	if (gate->blocked) {
		d.action = gate->action;
		d.blocked = gate->blocked;
		d.wait_ms = look_ms(gate->look, ev, st, lim, now);
	}
	return d;
}
