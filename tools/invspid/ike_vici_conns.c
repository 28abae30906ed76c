// SPDX-License-Identifier: GPL-2.0-only
/*
 * strongSwan's connections: listed when its log says that there is a change, when
 * their names have changed (it does not always tell of one that was unloaded), and now
 * and then.
 */
#include <errno.h>
#include <stdio.h>

#include "hash.h"
#include "ike_vici_int.h"

#define POLL_SETTLING_MS 200
#define POLL_READY_MS 5000
#define POLL_ALL_MS 300000
#define DEAF_MS 10000 /* a daemon that answers nothing for so long is lost */

static void check_settled(struct ike_vici *ike)
{
	char why[WHY_MAX];

	if (ike->b.state != DAEMON_SETTLING || !ike->b.conns.nconn ||
	    now_ms() - ike->conns_since < ike->settle_ms)
		return;
	ike->backoff_ms = ike->backoff_min_ms;
	snprintf(why, sizeof(why), "strongSwan %s, pid %d, %zu connection%s",
		 ike->version ? ike->version : "of unknown version", (int)ike->b.pid,
		 ike->b.conns.nconn, ike->b.conns.nconn == 1 ? "" : "s");
	ike_backend_state(&ike->b, DAEMON_READY, why);
}

/**
 * ike_vici_new_conns() - take a complete list of connections
 * @conns: emptied if it is taken
 * @hash: of all that the daemon told about them
 *
 * Return: 0.
 */
int ike_vici_new_conns(struct ike_vici *ike, struct ike_conns *conns, uint64_t hash)
{
	struct ike_conns old;
	bool changed;

	changed = hash != ike->conns_hash || conns->nconn != ike->b.conns.nconn;
	old = ike->b.conns;
	ike->b.conns = *conns;
	*conns = old; /* freed with the request */
	ike->conns_hash = hash;
	if (changed)
		ike->conns_since = now_ms();
	if (ike->b.state == DAEMON_READY && changed)
		ike_backend_state(&ike->b, DAEMON_SETTLING, "the connections changed");
	else
		check_settled(ike);
	if (!ike->freed && ike->b.ev.conns)
		ike->b.ev.conns(ike->b.arg);
	return 0;
}

static void answered(struct ike_vici *ike, int err)
{
	ike->conns_asked = false;
	if (ike->freed || !ike->checked)
		return;
	if (vici_overdue(ike->query) > DEAF_MS) {
		ike_vici_lost(ike, 0, "the IKE daemon does not answer");
		return;
	}
	if (err) /* not known to be unchanged */
		ike->conns_since = now_ms();
	if (ike->conns_again)
		ike_vici_ask_conns(ike);
	else
		ike_vici_arm(ike, ike->b.state == DAEMON_READY ? POLL_READY_MS : POLL_SETTLING_MS);
}

static void conns_told(void *arg, int err, const char *errmsg)
{
	(void)errmsg;
	answered(arg, err);
}

/**
 * ike_vici_ask_conns() - ask for the connections now
 *
 * If they are being asked for, then once more: that list may have been begun before
 * what made the caller call.
 */
void ike_vici_ask_conns(struct ike_vici *ike)
{
	if (ike->freed || !ike->checked || ike->b.state == DAEMON_STOPPING)
		return;
	ike->conns_again = ike->conns_asked;
	if (ike->conns_asked)
		return;
	ike->conns_asked = true;
	ike->conns_at = now_ms();
	ike_vici_reload_conns(&ike->b, conns_told, ike);
}

static void names_told(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike_vici *ike = arg;
	uint64_t hash = err ? 0 : hash64_bytes(HASH64_BEGIN, msg, len);
	bool same = !err && hash == ike->names_hash;

	ike->names_hash = hash;
	if (!same)
		ike->conns_again = true;
	if (same && !ike->freed)
		check_settled(ike);
	if (same && !ike->freed && ike->b.ev.conns)
		ike->b.ev.conns(ike->b.arg);
	answered(ike, 0);
}

/**
 * ike_vici_poll_conns() - has anything changed?
 *
 * With thousands of connections their names are a hundredth of what there is to tell.
 */
void ike_vici_poll_conns(struct ike_vici *ike)
{
	struct vici_request q = {
		.command = "get-conns",
		.timeout_ms = ike->timeout_ms,
		.cb = names_told,
		.arg = ike,
	};

	if (ike->conns_asked || !ike->checked || ike->b.state == DAEMON_STOPPING ||
	    now_ms() - ike->conns_at >= POLL_ALL_MS || vici_send(ike->query, &q))
		ike_vici_ask_conns(ike);
	else
		ike->conns_asked = true;
}
