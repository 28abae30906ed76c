// SPDX-License-Identifier: GPL-2.0-only
/* What the values of decide.h are called in the log, in JSON and in the history. */
#include "decide.h"

const char *grade_name(enum grade g)
{
	switch (g) {
	case GRADE_HELD:
		return "held";
	case GRADE_OTHER_KEYER:
		return "other_keyer";
	case GRADE_MISDIRECTED:
		return "misdirected";
	case GRADE_IN_PASSING:
		return "in_passing";
	case GRADE_PENDING:
		return "pending";
	case GRADE_LOST_IN_KERNEL:
		return "lost_in_kernel";
	case GRADE_LOST_WITH_DAEMON:
		return "lost_with_daemon";
	case GRADE_OURS_GONE:
		return "ours_gone";
	case GRADE_NEVER_OURS:
		return "never_ours";
	case GRADE_NO_HISTORY:
		return "no_history";
	case GRADE_DYNAMIC:
		return "dynamic";
	case GRADE_UNKNOWN_SOURCE:
		return "unknown_source";
	case GRADE__COUNT:
		break;
	}
	return "?";
}

const char *action_name(enum action a)
{
	switch (a) {
	case ACTION_NONE:
		return "none";
	case ACTION_REPORT:
		return "report";
	case ACTION_WAIT:
		return "wait";
	case ACTION_REKEY:
		return "rekey";
	case ACTION_INITIATE:
		return "initiate";
	case ACTION_COPY:
		return "copy";
	case ACTION_RECREATE:
		return "recreate";
	case ACTION_REAUTH:
		return "reauth";
	case ACTION_RESTART:
		return "restart";
	case ACTION_ADVISE:
		return "advise";
	}
	return "?";
}

const char *end_name(enum sa_end e)
{
	switch (e) {
	case END_NONE:
		return "alive";
	case END_REKEYED:
		return "rekeyed";
	case END_DELETED_LOCAL:
		return "deleted_local";
	case END_DELETED_PEER:
		return "deleted_peer";
	case END_INACTIVITY:
		return "inactivity";
	case END_OPERATOR:
		return "operator";
	case END_GAVE_UP:
		return "gave_up";
	case END_DAEMON_LOST:
		return "daemon_lost";
	case END_KERNEL_LOST:
		return "kernel_lost";
	case END_MACHINE_DOWN:
		return "machine_down";
	case END_EXPIRED:
		return "expired";
	case END_REPLACED:
		return "replaced";
	case END_UNSEEN:
		return "unseen";
	case END__COUNT:
		break;
	}
	return "?";
}

const char *outcome_name(enum outcome o)
{
	switch (o) {
	case OUTCOME_PENDING:
		return "pending";
	case OUTCOME_HEALED:
		return "healed";
	case OUTCOME_QUIET:
		return "quiet";
	case OUTCOME_STALE:
		return "stale";
	case OUTCOME_FAILED:
		return "failed";
	}
	return "?";
}

const char *mode_name(enum mode m)
{
	switch (m) {
	case MODE_RECOVER:
		return "recover";
	case MODE_ADVISE:
		return "advise";
	case MODE_OBSERVE:
		return "observe";
	}
	return "?";
}

const char *disruptive_name(enum disruptive what)
{
	switch (what) {
	case DISRUPTIVE_NEVER:
		return "never";
	case DISRUPTIVE_CHILD:
		return "child";
	case DISRUPTIVE_IKE:
		return "ike";
	}
	return "?";
}
