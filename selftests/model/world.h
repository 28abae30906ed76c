/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words that recovery.pml and helper.c share. Both are read by the preprocessor, so
 * there is nothing else here.
 */

/* ---- size of the model; an instance may define them otherwise ---- */
#ifndef CHILDREN
#define CHILDREN 1 /* of the one connection */
#endif
#ifndef FAULTS
#define FAULTS 2 /* how often something breaks or is done by somebody */
#endif
#ifndef KINDS
#define KINDS 65535 /* which faults there are: bits of FAULT_* */
#endif
#ifndef ATTACK
#define ATTACK 1 /* are packets forged, too: 1: with an SPI nobody had, 2: and with others */
#endif
#ifndef FORGERIES
#define FORGERIES 0 /* how many of them; 0: any number */
#endif
#ifndef REFUSES
#define REFUSES 0 /* the peer refuses CHILD_SAs from the beginning */
#endif
#ifndef DISRUPTIVE
#define DISRUPTIVE 2 /* DISRUPTIVE_IKE */
#endif
#ifndef INITIATE_UNKNOWN
#define INITIATE_UNKNOWN 0
#endif

#define FAULT_LOSS 1 /* the kernel loses an inbound SA */
#define FAULT_DAEMON 2 /* the IKE daemon crashes */
#define FAULT_MACHINE 4 /* the machine reboots, with the helper */
#define FAULT_HELPER 8 /* the helper is killed, and begins anew */
#define FAULT_PEER 16 /* the peer reboots */
#define FAULT_SILENT 32 /* the peer's IKE daemon falls silent, or answers again */
#define FAULT_REFUSE 64 /* ... refuses CHILD_SAs, or grants them again */
#define FAULT_CLOSE 128 /* the peer closes a child in order */
#define FAULT_HAND 256 /* the operator terminates a child */
#define FAULT_HOLD 512 /* the operator holds the connection, or ends that */
#define FAULT_REKEY 1024 /* the IKE daemon rekeys a child by itself */
#define FAULT_COMES 2048 /* the peer initiates, by itself */

/*
 * Times in ticks of a second, in the order that the real ones have, but small: see run
 * for those that are no configuration.
 */
#define TICK_MS 1000
#define QUIET 1
#define IN_PROGRESS 2
#define IN_PASSING 2
#define STAND_DOWN 2
#define CAME_UP 3
#define INITIATE_TIMEOUT 2
#define RETRANSMIT 4
#define UNCERTAIN_PEER 5
#define DISRUPTIVE_GAP 6
#define GIVE_UP_GAP 6
#define BACKOFF_MIN 1
#define BACKOFF_MAX 2
#define GIVE_UP 2
#ifndef IN_FLIGHT
#define IN_FLIGHT 2
#endif

#define VERIFY_TIMEOUT 3
#define REFUSED 1 /* seen three times, at the latest when that time is over */
#define RESUME 4
#define SPLIT_BRAIN 6
#define OLD 5 /* an age: that, or more */
#define NEVER 255

/* SPIs of a child are numbered; the last of child 0 is one that nobody ever had. */
#define SPIS 3
#define FORGED 4
#define FLOWS (CHILDREN * FORGED)

/* The IKE_SA, as the daemon has it. */
#define IKE_NONE 0
#define IKE_HALF 1 /* we have begun it, the peer has not answered */
#define IKE_UP 2

/* What is under way for a child. */
#define TASK_NONE 0
#define TASK_REKEY 1
#define TASK_CREATE 2

/* What must never be: see bad. */
#define BAD_TWO_AT_ONCE 1 /* an exchange is added to one that is under way */
#define BAD_RATE 2 /* uncertain evidence led to two in too short a time */
#define BAD_TRIES 3 /* more attempts than there may be */
#define BAD_IN_FLIGHT 4 /* more exchanges than there may be, or a wrong count */
#define BAD_HEALTHY 5 /* interrupted what carried traffic */
#define BAD_NOT_LOST 6 /* interrupted though nothing was lost */
#define BAD_NOT_ALLOWED 7 /* interrupted though the operator has not allowed it */
#define BAD_TOO_OFTEN 8 /* interrupted twice in too short a time */
#define BAD_REOPENED 9 /* initiated what was closed in order */
#define BAD_HELD 10 /* acted on what the operator holds */
#define BAD_MEMORY 11 /* something of the helper is not part of the state */
