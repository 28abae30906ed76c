// SPDX-License-Identifier: GPL-2.0-only
/*
 * IKE_SAs that are too large for one message of the daemon (512 KiB, some 800
 * CHILD_SAs): it leaves them out of a listing, and only its log tells so. Asked for
 * CHILD_SAs of a number that there is not (5.9.6 or later), it lists every IKE_SA
 * without any; those that the listing lacks are asked for child by child, by the
 * names that their connection has. A listing that can't be made whole fails.
 *
 * Children that are not configured any more stay unlisted. They can't be rekeyed or
 * initiated by their name either, so nothing is done for them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_int.h"
#include "intern.h"
#include "listing.h"
#include "log.h"

#define NO_CHILD 2147483647 /* the daemon counts from 1 */
#define SPLIT_MS 30000 /* longer is as good as no answer */
#define NAMES_MAX 4096
#define TRIES 5 /* for a part of one that is busy for a moment */

#define TOO_LARGE "too large for VICI (over 512 KiB, some 800 CHILD_SAs)"

static const char listed[] = "listed child by child";

/**
 * struct split - a listing being made whole
 * @have: unique ids of the IKE_SAs that are in it, sorted
 * @missing: and of those that are not; @at counts on in them
 * @sa: the one that is asked for, @whole: in one piece, else child by child: @name
 * @unfiltered: the daemon does not know how to filter
 */
struct split {
	struct ike_vici *ike;
	struct ike_listing *l;
	void (*done)(void *arg, int err);
	void *arg;
	int64_t begun;
	uint32_t *have, *missing;
	size_t nhave, nmissing, at;
	struct ike_sa sa;
	bool whole, got, unfiltered;
	char **name;
	size_t nname, part;
	unsigned int tries;
	int err;
};

int ike_vici_listing_add(struct ike_listing *l, struct ike_sa *sa)
{
	struct ike_sa *p;

	if (!(l->nsa & (l->nsa - 1))) { /* full at each power of two */
		p = realloc(l->sa, (l->nsa ? l->nsa * 2 : 1) * sizeof(*p));
		if (!p) {
			ike_sa_clear(sa);
			return -ENOMEM;
		}
		l->sa = p;
	}
	if (ike_listing_take_children(l, sa)) {
		ike_sa_clear(sa);
		return -ENOMEM;
	}
	l->sa[l->nsa++] = *sa;
	memset(sa, 0, sizeof(*sa));
	return 0;
}

static void names_free(struct split *s)
{
	while (s->nname)
		intern_put(s->name[--s->nname]);
	free(s->name);
	s->name = NULL;
	s->part = 0;
}

static void finish(struct split *s, int err)
{
	s->done(s->arg, err);
	ike_sa_clear(&s->sa);
	names_free(s);
	free(s->have);
	free(s->missing);
	free(s);
}

/* @why: static */
static void fail(struct split *s, const char *why)
{
	if (s->ike->large_told != why)
		log_warn(
			"the IKE daemon has an IKE_SA " TOO_LARGE
			", and %s: listings are not complete, and nothing is done on their word; spread its CHILD_SAs over more connections",
			why);
	s->ike->large_told = why;
	finish(s, -EMSGSIZE);
}

static int by_id(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static int ask(struct split *s, struct vici_buf *args,
	       void (*item)(void *arg, const uint8_t *msg, size_t len), vici_reply_cb cb)
{
	struct vici_request q = {
		.command = "list-sas",
		.args = args,
		.stream = "list-sa",
		.item = item,
		.timeout_ms = s->ike->timeout_ms,
		.cb = cb,
		.arg = s,
	};
	int err = -ENOTCONN;

	vici_put(args, "noblock", "yes");
	if (now_ms() - s->begun > SPLIT_MS)
		err = -ETIMEDOUT;
	else if (s->ike->checked && s->ike->query)
		err = vici_send(s->ike->query, &q);
	vici_buf_free(args);
	return err;
}

/* ---- one that is missing ---- */

static void next_missing(struct split *s);
static void next_part(struct split *s);

/* Its state is that of the last part, a task that any of them had counts. */
static int merge(struct ike_sa *to, struct ike_sa *from)
{
	struct ike_child *child;

	child = realloc(to->child, (to->nchild + from->nchild + 1) * sizeof(*child));
	if (!child)
		return -ENOMEM;
	to->child = child;
	if (from->nchild)
		memcpy(child + to->nchild, from->child, from->nchild * sizeof(*child));
	to->nchild += from->nchild;
	from->nchild = 0;
	to->state = from->state;
	to->task_any |= from->task_any;
	to->task_child |= from->task_child;
	return 0;
}

static void part_item(void *arg, const uint8_t *msg, size_t len)
{
	struct ike_sa sa = { 0 };
	struct split *s = arg;

	if (s->err)
		return;
	s->err = parse_list_sa(msg, len, &sa);
	if (s->err || sa.uniqueid != s->missing[s->at]) {
		ike_sa_clear(&sa);
		return;
	}
	s->got = true;
	if (s->sa.conn) {
		s->err = merge(&s->sa, &sa);
		ike_sa_clear(&sa);
	} else {
		s->sa = sa;
	}
}

static int take_names(struct split *s, const struct ike_conn *c)
{
	s->name = calloc(c->nchild + 1, sizeof(*s->name));
	if (!s->name)
		return -ENOMEM;
	for (; s->nname < c->nchild; s->nname++) {
		s->name[s->nname] = intern(c->child[s->nname], strlen(c->child[s->nname]));
		if (!s->name[s->nname])
			return -ENOMEM;
	}
	return 0;
}

/* The IKE_SA without children tells the connection, and with it the children's names. */
static void got_head(struct split *s)
{
	const struct ike_conn *c = conns_name(&s->ike->b.conns, s->sa.conn);
	int err;

	if (!c) {
		fail(s, "its connection is not loaded any more");
		return;
	}
	if (c->nchild > NAMES_MAX) {
		fail(s, "its connection has more than 4096 children");
		return;
	}
	err = take_names(s, c);
	if (err)
		finish(s, err);
	else
		next_part(s);
}

static void part_done(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct split *s = arg;

	(void)msg;
	(void)len;
	if (!err)
		err = s->err;
	if (err) {
		finish(s, err);
	} else if (s->whole && s->got) {
		/* It was only busy before. */
		err = ike_vici_listing_add(s->l, &s->sa);
		s->at++;
		if (err)
			finish(s, err);
		else
			next_missing(s);
	} else if (s->whole) {
		s->whole = false;
		next_part(s);
	} else if (!s->got && !s->name) {
		/* Gone, or busy: it may be left out as any other. */
		s->at++;
		next_missing(s);
	} else if (!s->got && ++s->tries < TRIES) {
		next_part(s);
	} else if (!s->got) {
		fail(s, "it was busy, or a child of it alone is too large");
	} else if (!s->name) {
		got_head(s);
	} else {
		s->part++;
		s->tries = 0;
		next_part(s);
	}
}

static void tell_listed(struct split *s)
{
	if (s->ike->large_told != listed)
		log_notice(
			"the IKE daemon has an IKE_SA " TOO_LARGE
			": connection %s, %zu CHILD_SAs; it is listed child by child, which takes longer: spread them over more connections",
			s->sa.conn, s->sa.nchild);
	s->ike->large_told = listed;
	s->ike->large_id = s->sa.uniqueid;
	s->ike->larges++;
}

/* Whole at first; then without children; then each of them. */
static void next_part(struct split *s)
{
	struct vici_buf args = { 0 };
	int err;

	if (s->name && s->part == s->nname) {
		tell_listed(s);
		err = ike_vici_listing_add(s->l, &s->sa);
		names_free(s);
		s->at++;
		if (err)
			finish(s, err);
		else
			next_missing(s);
		return;
	}
	s->got = false;
	vici_putf(&args, "ike-id", "%u", s->missing[s->at]);
	if (s->name)
		vici_put(&args, "child", s->name[s->part]);
	else if (!s->whole)
		vici_putf(&args, "child-id", "%d", NO_CHILD);
	err = ask(s, &args, part_item, part_done);
	if (err)
		finish(s, err);
}

static void next_missing(struct split *s)
{
	if (s->at == s->nmissing) {
		finish(s, 0);
		return;
	}
	s->whole = s->missing[s->at] != s->ike->large_id;
	s->tries = 0;
	next_part(s);
}

/* ---- which are missing ---- */

static void head_item(void *arg, const uint8_t *msg, size_t len)
{
	struct ike_sa sa = { 0 };
	struct split *s = arg;
	uint32_t *p;

	if (s->err)
		return;
	s->err = parse_list_sa(msg, len, &sa);
	if (s->err)
		return;
	s->unfiltered |= sa.nchild;
	if (!s->nhave || !bsearch(&sa.uniqueid, s->have, s->nhave, sizeof(*s->have), by_id)) {
		p = reallocarray(s->missing, s->nmissing + 1, sizeof(*p));
		if (p) {
			s->missing = p;
			p[s->nmissing++] = sa.uniqueid;
		} else {
			s->err = -ENOMEM;
		}
	}
	ike_sa_clear(&sa);
}

static void heads_done(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct split *s = arg;

	(void)msg;
	(void)len;
	if (!err)
		err = s->err;
	if (err)
		finish(s, err);
	else if (!s->unfiltered)
		next_missing(s);
	else if (now_ms() - s->ike->discarded_at < DISCARDED_MS)
		fail(s, "the daemon can't list single CHILD_SAs (strongSwan 5.9.6 can)");
	else
		finish(s, 0); /* as far as one can tell */
}

void ike_vici_split(struct ike_vici *ike, struct ike_listing *l, const char *conn,
		    void (*done)(void *arg, int err), void *arg)
{
	struct split *s = calloc(1, sizeof(*s));
	struct vici_buf args = { 0 };
	size_t i;
	int err;

	if (!s) {
		done(arg, -ENOMEM);
		return;
	}
	s->ike = ike;
	s->l = l;
	s->done = done;
	s->arg = arg;
	s->begun = now_ms();
	s->have = calloc(l->nsa + 1, sizeof(*s->have));
	if (!s->have) {
		finish(s, -ENOMEM);
		return;
	}
	for (i = 0; i < l->nsa; i++)
		s->have[s->nhave++] = l->sa[i].uniqueid;
	if (s->nhave)
		qsort(s->have, s->nhave, sizeof(*s->have), by_id);
	if (conn)
		vici_put(&args, "ike", conn);
	vici_putf(&args, "child-id", "%d", NO_CHILD);
	err = ask(s, &args, head_item, heads_done);
	if (err)
		finish(s, err);
}
