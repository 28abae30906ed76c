// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has happened, and who gets to know: hooks, and the flight recorder. The log has
 * been told by whoever calls this.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "hook.h"
#include "json.h"
#include "record.h"
#include "daemon.h"

/*
 * A peer whose SAs are flushed has lost all of its children at once: one desync is
 * enough to tell. The table is by hash: a collision tells once more, no harm.
 */
#define AGAIN_MS 10000

static bool again(struct invspid *d, const struct happened *h)
{
	uint64_t key = hash64_bytes(HASH64_BEGIN, h->conn, strlen(h->conn));
	struct told *t;
	int64_t now = now_ms();

	key = hash64_bytes(key, h->peer.addr, sizeof(h->peer.addr));
	key = hash64_bytes(key, &h->what, sizeof(h->what));
	t = &d->told[key % TOLD];
	if (t->key == key && now - t->at < AGAIN_MS)
		return true;
	t->key = key;
	t->at = now;
	return false;
}

void happen(struct invspid *d, const struct happened *h)
{
	if (d->hooks)
		hooks_run(d->hooks, d->conf, d->control_path ? d->control_path : d->conf->control,
			  h);
}

void happen_alert(struct invspid *d, enum happening what, const char *conn, const char *format, ...)
{
	struct happened h = { .what = what, .conn = conn, .grade = GRADE__COUNT };
	const struct ike_conn *c;
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	h.why = text;
	c = conn[0] && d->ike ? conns_name(ike_conns(d->ike), conn) : NULL;
	if (c && c->nremote == 1)
		h.peer = c->remote[0];
	record_told(d, conn, 0, 0, "%s: %s", happening_name(what), text);
	happen(d, &h);
}

static void fill(struct happened *h, const struct invspi_flow *f)
{
	h->peer.family = f->family;
	h->local.family = f->family;
	memcpy(h->peer.addr, f->src.b, sizeof(h->peer.addr));
	memcpy(h->local.addr, f->dst.b, sizeof(h->local.addr));
	h->spi = f->spi;
	h->proto = f->proto;
}

/* As the history has it, or the IKE daemon; valid until either is asked again. */
static const char *peer_id(struct invspid *d, const struct invspi_flow *f)
{
	const struct ike_sa *sa;
	struct hist_sa h;

	if (d->hist && !hist_lookup(d->hist, f->spi, f->proto, &h))
		return h.remote_id;
	sa = listing_source(d->listing[LISTING_LAST], f);
	return sa ? sa->remote_id : "";
}

static json_t *about(const struct tracked *t)
{
	char spi[16];

	snprintf(spi, sizeof(spi), "0x%08x", t->flow.spi);
	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:s}", "conn", json_text(t->conn), "child",
			 json_text(t->child), "spi", spi, "grade", grade_name(t->dec.grade),
			 "action", action_name(t->dec.action), "why", t->dec.why);
}

static void record(struct invspid *d, const struct tracked *t, const struct happened *h,
		   const char *text)
{
	struct recording what = {
		.class = h->what == HAPPEN_DESYNC ? BUNDLE_CERTAIN : BUNDLE_UNCERTAIN,
		.peer = &h->peer,
		.cause = text,
		.after_ms = h->what == HAPPEN_DESYNC ? d->conf->record_after_ms : 0,
	};
	unsigned int number;
	char why[160];

	if (!whom_has(d->conf->record, h->conn, &h->peer))
		return;
	what.about = about(t);
	record_begin(d, &what, &number, why, sizeof(why));
}

int happen_level(const struct tracked *t)
{
	const struct evidence *ev = &t->ev;

	if (t->dec.grade == GRADE_LOST_IN_KERNEL || t->dec.grade == GRADE_LOST_WITH_DAEMON)
		return 2;
	if (!ev->desync)
		return 0;
	/* A helper that only observes does not say what it would be otherwise. */
	return is_uncertain(t->dec.grade) ||
	       (t->dec.grade == GRADE_HELD && ev->mode == MODE_OBSERVE && !ev->hold &&
		!ev->by_hand);
}

void happen_decided(struct invspid *d, struct tracked *t, const char *text)
{
	int level = happen_level(t);
	struct happened h = {
		.what = level == 2 ? HAPPEN_DESYNC : HAPPEN_SUSPECTED,
		.conn = t->conn,
		.child = t->child,
		.grade = t->dec.grade,
		.action = t->dec.action,
		.why = t->dec.why,
	};

	record_about_flow(d, NOTE_DECISION, &t->flow, t->conn, text);
	if (level <= t->happened)
		return;
	t->happened = level;
	fill(&h, &t->flow);
	if (level < 2 && !record_knows(d, &h.peer))
		return;
	record(d, t, &h, text);
	if (again(d, &h))
		return;
	h.peer_id = peer_id(d, &t->flow);
	happen(d, &h);
}

void happen_ended(struct invspid *d, const struct invspi_flow *f, struct happened *h,
		  const char *text)
{
	record_about_flow(d, NOTE_ACTION, f, h->conn, text);
	fill(h, f);
	h->peer_id = peer_id(d, f);
	happen(d, h);
}
