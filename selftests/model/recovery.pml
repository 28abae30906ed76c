/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recovery of one connection: the helper's own decide(), plan(), actions and memory of
 * them (tools/invspid, linked into the verifier) against every order of packets, losses,
 * crashes and answers. Here are the IKE daemon, the peer, the kernel, the operator and
 * whoever forges packets; helper.c is what stands between them and the helper.
 *
 * Time goes in ticks. Within one, everything that is due happens, in any order; each
 * flow, and the peer on each child, has at most one packet. The limits are configured
 * small (world.h), in the order that the stock ones have.
 *
 * Nothing ever must make @bad anything but 0. And once nothing breaks any more (@calm;
 * forged packets go on), whatever can be healed is healed: ltl heals.
 */
#include "world.h"

typedef kid_t {
	byte spi; /* inbound SA that the IKE daemon lists; 0: none */
	byte id; /* its unique id */
	byte peer; /* SA that the peer sends to; 0: none */
	bool here; /* the kernel has the daemon's SA */
	bool ever, moved; /* its counter is not 0; has moved since it was read */
	bool delivered; /* something came in on any SA since this one was lost */
	byte task; /* exchange under way */
	bool ours; /* ... that the helper has asked for */
	/* what the helper's mirror of the kernel and its counters remember */
	byte left, left_age, looked; /* looked: as of a flow, where there is none */
	bool watched;
	byte since;
	bool asked; /* in this look the kernel was asked, and had none */
	/* the history: the newest SA and the one before, how they ended and when */
	byte row, row_end, row_age;
	byte old, old_end, old_age;
	byte up_age;
	byte fails, fail_age; /* attempts that failed since anything changed */
};

/*
 * A flow of dropped packets: ages of its first and last packet, since when it is known,
 * and since when it is known what comes in meanwhile.
 */
typedef flow_t {
	byte first, last, seen, looked;
};

/* What a listing of the IKE daemon says. */
typedef snap_t {
	bool valid, task, updown;
	byte ike, ike_id;
	byte spi[CHILDREN], id[CHILDREN];
};

kid_t kid[CHILDREN];
flow_t flow[FLOWS];
snap_t snap[2]; /* of the look before, and at the beginning of this one */

byte ike, ike_id;
bool ike_ours; /* the helper has begun it, or its reauthentication */
bool reauth;
bool peer_ike; /* the peer has it, too */
bool answers = true, refuses = REFUSES;
byte exchange_age; /* of the exchange that goes unanswered */
byte task_age = NEVER; /* since the helper has seen one */
bool updown; /* turns when an IKE_SA comes or goes */
byte daemon; /* enum daemon_state */
bool hold;

bool look, looking, looked;
bool calm;
bool traffic; /* packets of this tick are still to come */
byte faults, forged;
byte uncertain_age = NEVER, disrupted_age = NEVER;
byte fails, fail_age; /* of the connection */
byte bad;

c_decl {
\#include "packed.h"
};
c_state "struct packed helper" "Global"
c_code {
\#include "helper.c"
};

/* (spin takes a name with a parenthesis right behind it for a side effect.) */

/* Something happens to the world, and perhaps the helper is told. */
#define event(what) c_code { what; }; assert(bad == 0)
#define may_break(kind) (!traffic && !calm && faults < FAULTS && (KINDS & kind))
#define breaks(what) faults++; event(what)
#define perhaps(can, what) \
	if \
	:: d_step { c_expr { can }; event(what) } \
	:: c_expr { may_skip (can) } \
	fi

proctype clock()
{
	do
	:: d_step { c_expr { can_tick () }; event(tick()) }
#ifdef CALM
	:: d_step { !calm && !traffic; calm = true; event(become_calm()) }
#endif
	od
}

proctype helper_process()
{
	do
	:: d_step { c_expr { timer_due (0) }; event(timer_fire(0)) }
	:: d_step { c_expr { timer_due (1) }; event(timer_fire(1)) }
	:: d_step { c_expr { reply_ready (0) }; event(reply(0)) }
	:: d_step { c_expr { reply_ready (1) }; event(reply(1)) }
	:: d_step { !traffic && !looking && (look || !looked); event(look_first()) }
	:: d_step { !traffic && looking; event(look_last()) }
	od
}

/* The daemon answers VICI by itself; here is what comes from the peer. */
proctype peer()
{
	do
	:: d_step { c_expr { can_answer_ike () }; event(answer_ike()) }
	:: d_step { c_expr { can_answer_reauth () }; event(answer_reauth()) }
	:: d_step { c_expr { can_answer_child (0) }; event(answer_child(0)) }
#if CHILDREN > 1
	:: d_step { c_expr { can_answer_child (1) }; event(answer_child(1)) }
#endif
	:: d_step { !traffic && daemon == 0; event(daemon_back()) }
	od
}

/*
 * The packets of a tick come first in it: what the peer sends, and what is forged: an SPI
 * that nobody ever had, and those that child 0 has or had.
 */
proctype network()
{
	do
	:: traffic;
		perhaps(can_send (0), send_packet(0));
#if CHILDREN > 1
		perhaps(can_send (1), send_packet(1));
#endif
#if ATTACK
		perhaps(can_forge (FORGED), forge(FORGED));
#endif
#if ATTACK > 1
		perhaps(can_forge (1), forge(1));
		perhaps(can_forge (2), forge(2));
		perhaps(can_forge (3), forge(3));
#endif
		traffic = false
	od
}

proctype trouble()
{
	do
	:: d_step { may_break(FAULT_LOSS) && kid[0].here; breaks(lose(0)) }
#if CHILDREN > 1
	:: d_step { may_break(FAULT_LOSS) && kid[1].here; breaks(lose(1)) }
#endif
	:: d_step { may_break(FAULT_DAEMON) && daemon != 0; breaks(daemon_crash()) }
	:: d_step { may_break(FAULT_MACHINE); breaks(machine_reboot()) }
	:: d_step { may_break(FAULT_HELPER); breaks(helper_restart()) }
	:: d_step { may_break(FAULT_PEER); breaks(peer_reboot()) }
	:: d_step { may_break(FAULT_SILENT); breaks(now.answers = !now.answers) }
	:: d_step { may_break(FAULT_REFUSE); breaks(now.refuses = !now.refuses) }
	:: d_step { may_break(FAULT_CLOSE) && peer_ike && kid[0].spi != 0; breaks(peer_closes(0)) }
	:: d_step { may_break(FAULT_HAND) && kid[0].spi != 0; breaks(by_hand(0)) }
	:: d_step { may_break(FAULT_HOLD); breaks(now.hold = !now.hold) }
	:: d_step { may_break(FAULT_REKEY) && kid[0].spi != 0 && kid[0].task == TASK_NONE;
		breaks(own_rekey(0)) }
	:: d_step { may_break(FAULT_COMES) && daemon != 0; breaks(peer_comes()) }
	od
}

init
{
	atomic {
		c_code { begin(); };
		run clock();
		run helper_process();
		run peer();
		run network();
		run trouble()
	}
}

ltl heals { [] (calm -> <> c_expr { all_well () }) }
