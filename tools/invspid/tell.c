// SPDX-License-Identifier: GPL-2.0-only
/* Decisions in the log: each once, and not more than somebody can read. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon.h"
#include "log.h"

#define TELL_RATE 10.0 /* log lines about decisions a second, after TELL_BURST */

static bool tell_allowed(struct invspid *d, int64_t now)
{
	d->log_tokens += (double)(now - d->log_at) * TELL_RATE / 1000;
	d->log_at = now;
	if (d->log_tokens > TELL_BURST)
		d->log_tokens = TELL_BURST;
	if (d->log_tokens < 1) {
		d->count.logs_suppressed++;
		return false;
	}
	d->log_tokens--;
	return true;
}

/**
 * copy_lacks() - what keeps a copy of the flow's connection from being made
 *
 * Return: false if it is not that.
 */
bool copy_lacks(struct invspid *d, const struct tracked *t, char *why, size_t size)
{
	const struct evidence *ev = &t->ev;

	return t->dec.grade == GRADE_LOST_WITH_DAEMON && t->dec.action == ACTION_REPORT &&
	       ev->conn_dynamic && ev->copy_allowed && ev->peer_recent && !ev->copy_known &&
	       !dynamic_check(d, t->flow.spi, t->flow.proto, why, size);
}

/* The other side of what is misdirected, and what would help. */
static void tell_more(struct invspid *d, const struct tracked *t, char *buf, size_t size)
{
	const struct ike_words *words = ike_words(d->ike);
	const struct xfrm_sa *sa = &t->elsewhere;
	bool to = t->ev.conn_dynamic && words->initiate_to;
	char why[160];

	buf[0] = '\0';
	if (t->dec.grade == GRADE_MISDIRECTED)
		snprintf(buf, size,
			 "; the SA: to %s, mark 0x%x/0x%x, if_id %u; the packet: mark 0x%x",
			 show_addr(sa->dst.family, sa->dst.addr), sa->mark, sa->mark_mask,
			 sa->if_id, t->flow.mark);
	else if (copy_lacks(d, t, why, sizeof(why)))
		snprintf(buf, size, "; not known: %s", why);
	else if (t->dec.action == ACTION_ADVISE)
		snprintf(buf, size, "; by hand: `%s%s%s%s%s'", words->initiate, t->conn,
			 words->initiate_end, to ? words->initiate_to : "",
			 to ? show_addr(t->flow.family, t->flow.src.b) : "");
}

void look_tell(struct invspid *d, struct tracked *t, int64_t now)
{
	const struct decision *a = &t->dec, *b = &t->told;
	const struct invspi_flow *f = &t->flow;
	char src[64], more[NAME_LEN + 160], text[1024];
	bool changed = a->grade != b->grade || a->action != b->action || a->why != b->why ||
		       a->blocked != b->blocked;

	if (!changed && happen_level(t) <= t->happened)
		return;
	t->told = *a;
	if (changed)
		d->count.decisions[a->grade]++;
	if (!t->relevant)
		return;
	snprintf(src, sizeof(src), "%s", show_addr(f->family, f->src.b));
	tell_more(d, t, more, sizeof(more));
	snprintf(text, sizeof(text),
		 "flow %s -> %s spi 0x%08" PRIx32 "%s%s%s%s%s: %s: %s (%s)%s%s%s", src,
		 show_addr(f->family, f->dst.b), f->spi, t->conn[0] ? " of " : "", t->conn,
		 t->child[0] ? "/" : "", t->child, t->ev.desync ? " (desync)" : "",
		 grade_name(a->grade), action_name(a->action), a->why,
		 a->blocked ? "; blocked: " : "", a->blocked ? a->blocked : "", more);
	if (changed && tell_allowed(d, now))
		log_msg(a->action == ACTION_WAIT || a->action == ACTION_NONE ? LOG_INFO
									     : LOG_NOTICE,
			"%s", text);
	happen_decided(d, t, text);
}
