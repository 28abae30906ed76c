// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is noted, and whose it is.
 *
 * A ring belongs to an address: it is what packets, SAs and IKE_SAs have in common. It
 * is made only for those whom the IKE daemon or the kernel names, never for what a
 * packet says of itself.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "record_int.h"
#include "redact.h"

#define VERBOSE_BURST 200 /* lines of what is noted, for `verbose', then 50 a second */
#define VERBOSE_RATE 50.0

static const struct ike_conns *conns(const struct invspid *d)
{
	return d->ike ? ike_conns(d->ike) : NULL;
}

/* ---- whose ---- */

static struct invspi_flow from(const struct ike_addr *addr)
{
	struct invspi_flow f = { .family = addr->family };

	memcpy(f.src.b, addr->addr, sizeof(f.src.b));
	return f;
}

bool record_knows(const struct invspid *d, const struct ike_addr *addr)
{
	struct invspi_flow f = from(addr);

	return d->record && (rings_has(d->record->rings, addr) || conns_source(conns(d), &f) ||
			     listing_source(d->listing[LISTING_LAST], &f));
}

/* The connection of an address that it is in the configuration of, or has an IKE_SA of. */
static const char *conn_of(const struct invspid *d, const struct ike_addr *addr)
{
	struct invspi_flow f = from(addr);
	const struct ike_sa *sa = listing_source(d->listing[LISTING_LAST], &f);
	const struct ike_conn *c = sa ? NULL : conns_source(conns(d), &f);

	return sa ? sa->conn : c ? c->name : "";
}

static void remember(struct recorder *r, uint32_t ike_id, const struct ike_addr *addr)
{
	r->id[ike_id % IKE_IDS].id = ike_id;
	r->id[ike_id % IKE_IDS].addr = *addr;
}

/* The peer's address, as far as it can be told; family 0 if not. */
static struct ike_addr addr_of(const struct invspid *d, const char *conn, uint32_t ike_id)
{
	const struct ike_conn *c = conn[0] ? conns_name(conns(d), conn) : NULL;
	const struct ike_id_of *known = &d->record->id[ike_id % IKE_IDS];
	const struct ike_addr none = { 0 };
	const struct ike_sa *sa;

	if (c && !c->dynamic && c->nremote == 1)
		return c->remote[0];
	if (ike_id && known->id == ike_id)
		return known->addr;
	sa = ike_id ? listing_id(d->listing[LISTING_LAST], ike_id) : NULL;
	if (!sa && !ike_id && conn[0])
		sa = listing_conn(d->listing[LISTING_LAST], conn);
	if (!sa)
		return none;
	remember(d->record, sa->uniqueid, &sa->remote);
	return sa->remote;
}

/* Of the two ends of an SA, which one is the peer? Family 0 if neither can be told. */
static struct ike_addr peer_of(struct invspid *d, const struct ike_addr *src,
			       const struct ike_addr *dst)
{
	const struct ike_addr none = { 0 };

	if (src->family && record_knows(d, src))
		return *src;
	if (dst->family && record_knows(d, dst))
		return *dst;
	/* It may be a peer that the daemon has not told of yet. */
	if (!src->family || !dst->family || !d->xfrm)
		return none;
	if (xfrm_addr_local(d->xfrm, dst) == 1)
		return *src;
	return xfrm_addr_local(d->xfrm, src) == 1 ? *dst : none;
}

/* ---- noting ---- */

static bool verbose_allowed(struct recorder *r, int64_t now)
{
	r->verbose_tokens += (double)(now - r->verbose_at) * VERBOSE_RATE / 1000;
	r->verbose_at = now;
	if (r->verbose_tokens > VERBOSE_BURST)
		r->verbose_tokens = VERBOSE_BURST;
	if (r->verbose_tokens < 1)
		return false;
	r->verbose_tokens--;
	return true;
}

static void add(struct invspid *d, struct note *n)
{
	const struct ike_addr *addr = n->peer.family ? &n->peer : NULL;
	const char *conn = n->conn;
	char text[INET6_ADDRSTRLEN] = "-";

	if (!conn[0] && addr)
		conn = conn_of(d, addr);
	n->at = now_ms();
	/* What belongs to nobody may be about anybody. */
	if (addr || conn[0] ? whom_has(d->conf->record, conn, addr) : !whom_none(d->conf->record))
		rings_add(d->record->rings, n);
	if (whom_none(d->conf->verbose) || !whom_has(d->conf->verbose, conn, addr) ||
	    !verbose_allowed(d->record, n->at))
		return;
	if (addr)
		inet_ntop(addr->family, addr->addr, text, sizeof(text));
	log_info("%s %s %s%s%.*s", text, note_kind_name(n->kind), conn, conn[0] ? ": " : "",
		 NOTE_MAX, n->text);
}

void record_note(struct recorder *r, enum note_kind kind, const struct ike_addr *peer,
		 const char *conn, const char *text)
{
	struct note n = {
		.kind = kind,
		.of = peer && peer->family ? RING_PEER : RING_COMMON,
		.conn = conn,
		.text = text,
	};

	if (n.of == RING_PEER)
		n.peer = *peer;
	add(r->d, &n);
}

/* ---- the IKE daemon ---- */

void record_daemon(struct invspid *d, enum daemon_state state, const char *why)
{
	char text[NOTE_MAX];

	if (!d->record)
		return;
	/* Another one counts its IKE_SAs from 1 again. */
	if (state == DAEMON_ABSENT)
		memset(d->record->id, 0, sizeof(d->record->id));
	xfrm_listen_acquire(d->record->listen, state == DAEMON_SETTLING || state == DAEMON_READY);
	snprintf(text, sizeof(text), "IKE daemon %s%s%s", daemon_state_name(state),
		 why && why[0] ? ": " : "", why ? why : "");
	record_note(d->record, NOTE_DAEMON, NULL, "", text);
}

static void note_of_conn(struct invspid *d, enum note_kind kind, const char *conn, uint32_t ike_id,
			 uint32_t spi, const char *text)
{
	struct note n = {
		.kind = kind,
		.of = RING_COMMON,
		.ike_id = ike_id,
		.spi = spi,
		.conn = conn ? conn : "",
		.text = text,
	};

	n.peer = addr_of(d, n.conn, ike_id);
	if (n.peer.family)
		n.of = RING_PEER;
	add(d, &n);
}

void record_ike_log(void *arg, const char *group, const char *conn, uint32_t ike_id,
		    const char *msg)
{
	struct invspid *d = arg;
	char text[NOTE_MAX + REDACT_AHEAD];

	if (!d->record)
		return;
	snprintf(text, sizeof(text), "[%s] %s", group, msg);
	note_of_conn(d, NOTE_IKE, conn, ike_id, 0, text);
}

void record_told(struct invspid *d, const char *conn, uint32_t ike_id, uint32_t spi,
		 const char *format, ...)
{
	char text[NOTE_MAX];
	va_list ap;

	if (!d->record)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	note_of_conn(d, NOTE_DAEMON, conn, ike_id, spi, text);
}

/* ---- the kernel ---- */

static void note_said(struct invspid *d, const struct xfrm_said *said)
{
	struct note n = {
		.kind = said->kind,
		.of = RING_COMMON,
		.spi = said->spi,
		.conn = "",
		.text = said->text,
	};

	n.peer = peer_of(d, &said->src, &said->dst);
	if (n.peer.family)
		n.of = RING_PEER;
	add(d, &n);
}

void record_on_said(void *arg, const struct xfrm_said *said)
{
	struct recorder *r = arg;

	note_said(r->d, said);
}

void record_sa(struct invspid *d, const struct xfrm_sa *sa, const char *what)
{
	struct xfrm_said said;

	if (!d->record)
		return;
	xfrm_describe_sa(sa, what, &said);
	note_said(d, &said);
}

/* ---- packets: of whoever has sent them ---- */

static void note_flow(struct invspid *d, enum note_kind kind, const struct invspi_flow *f,
		      const char *conn, const char *text)
{
	struct note n = {
		.kind = kind,
		.of = RING_STRANGERS,
		.peer = { .family = f->family },
		.spi = f->spi,
		.conn = conn,
		.text = text,
	};

	memcpy(n.peer.addr, f->src.b, sizeof(n.peer.addr));
	if (record_knows(d, &n.peer))
		n.of = RING_PEER;
	add(d, &n);
}

void record_flow(struct invspid *d, enum invspi_event event, const struct invspi_flow *f)
{
	static const char *const names[INVSPI_EVENTS] = {
		[INVSPI_EVENT_NEW] = "new",
		[INVSPI_EVENT_DESYNC] = "desync",
		[INVSPI_EVENT_CEASED] = "ceased",
	};
	char text[NOTE_MAX], dst[INET6_ADDRSTRLEN], src[INET6_ADDRSTRLEN];

	if (!d->record || event >= INVSPI_EVENTS)
		return;
	snprintf(src, sizeof(src), "%s", show_addr(f->family, f->src.b));
	snprintf(dst, sizeof(dst), "%s", show_addr(f->family, f->dst.b));
	snprintf(text, sizeof(text),
		 "flow %s: %s -> %s %s spi 0x%08" PRIx32 " %" PRIu64 " packets, last seq %u",
		 names[event], src, dst, f->proto == IPPROTO_AH ? "ah" : "esp", f->spi, f->packets,
		 f->last_seq);
	note_flow(d, NOTE_FLOW, f, "", text);
}

void record_about_flow(struct invspid *d, enum note_kind kind, const struct invspi_flow *f,
		       const char *conn, const char *text)
{
	if (d->record)
		note_flow(d, kind, f, conn, text);
}
