// SPDX-License-Identifier: GPL-2.0-only
/* `invspi record': what is in the flight recorder, and bundles that somebody asks for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control_int.h"
#include "log.h"
#include "parse.h"
#include "record.h"

#define REASON_MAX 400

static bool is_there(struct client *cl)
{
	if (!cl->d->record)
		client_refuse(cl, "nothing is recorded: %s", "out of memory when invspid started");
	return cl->d->record;
}

/* An address, or a connection whose peer's address is known. */
static bool find_peer(struct invspid *d, const char *peer, struct ike_addr *addr)
{
	const struct ike_conn *c;
	const struct ike_sa *sa;
	union invspi_addr a;
	int family;

	memset(addr, 0, sizeof(*addr));
	if (!parse_addr(peer, &family, &a, NULL)) {
		addr->family = family;
		memcpy(addr->addr, a.b, sizeof(addr->addr));
		return record_knows(d, addr);
	}
	sa = listing_conn(d->listing[LISTING_LAST], peer);
	c = sa ? NULL : conns_name(ike_conns(d->ike), peer);
	if (sa)
		*addr = sa->remote;
	else if (c && c->nremote == 1)
		*addr = c->remote[0];
	return addr->family;
}

/* The request's "peer": false if it was refused; family 0 if it names none. */
static bool get_peer(struct client *cl, struct ike_addr *addr)
{
	const char *peer = client_arg(cl, "peer");

	memset(addr, 0, sizeof(*addr));
	if (!peer || find_peer(cl->d, peer, addr))
		return true;
	client_refuse(
		cl,
		"\"%s\" is neither the address of a peer nor a connection whose peer is known; `invspi status' and `swanctl --list-conns' show what there is",
		peer);
	return false;
}

void do_record_status(struct client *cl)
{
	if (is_there(cl))
		client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "record",
					    record_status(cl->d->record)));
}

void do_record_take(struct client *cl)
{
	const char *peer = client_arg(cl, "peer"), *reason = client_arg(cl, "reason");
	bool now = json_is_true(json_object_get(cl->args, "now"));
	struct recording what = {
		.class = BUNDLE_ASKED,
		.after_ms = now ? 0 : cl->d->conf->record_after_ms,
	};
	char cause[REASON_MAX + 32], why[160], path[32];
	struct ike_addr addr;
	unsigned int number;

	if (!is_there(cl) || !get_peer(cl, &addr))
		return;
	snprintf(cause, sizeof(cause), "asked for%s%.*s", reason && reason[0] ? ": " : "",
		 REASON_MAX, reason ? reason : "");
	what.cause = cause;
	what.peer = addr.family ? &addr : NULL;
	what.about = json_pack("{s:o}", "asked_for", json_text(peer ? peer : "all"));
	if (!record_begin(cl->d, &what, &number, why, sizeof(why))) {
		client_refuse(cl, "not recorded: %s", why);
		return;
	}
	snprintf(path, sizeof(path), "/%06u", number);
	client_answer(cl, json_pack("{s:b, s:{s:I, s:s+, s:I}}", "ok", 1, "record", "bundle",
				    (json_int_t)number, "path", record_dir(cl->d->record), path,
				    "ready_in_ms", (json_int_t)what.after_ms));
}

void do_record_live(struct client *cl)
{
	struct ike_addr addr;
	json_t *list;

	if (!is_there(cl) || !get_peer(cl, &addr))
		return;
	list = record_live(cl->d->record, addr.family ? &addr : NULL);
	if (list)
		client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "events", list));
	else
		client_refuse(cl, "cannot answer: %s", "out of memory");
}

void do_record_delete(struct client *cl)
{
	json_int_t number = json_integer_value(json_object_get(cl->args, "bundle"));
	char text[64];
	int ret;

	if (!is_there(cl))
		return;
	ret = number > 0 && number <= UINT32_MAX
		      ? record_delete(cl->d->record, (unsigned int)number)
		      : -ENOENT;
	if (ret) {
		snprintf(text, sizeof(text), "%lld: %s", (long long)number,
			 ret == -ENOENT ? "there is none of that number" : strerror(-ret));
		client_refuse(cl, "cannot delete bundle %s", text);
		return;
	}
	log_notice("bundle %u deleted by hand", (unsigned int)number);
	client_answer(cl, json_pack("{s:b}", "ok", 1));
}
