// SPDX-License-Identifier: GPL-2.0-only
/* What a listing of the IKE daemon's SAs is made of, and how it ages and goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intern.h"
#include "listing.h"

void ike_child_clear(struct ike_child *c)
{
	intern_put(c->name);
	intern_put(c->mode);
	intern_put(c->algs);
	intern_put(c->local_ts);
	intern_put(c->remote_ts);
	memset(c, 0, sizeof(*c));
}

void ike_sa_clear(struct ike_sa *sa)
{
	size_t i;

	for (i = 0; i < sa->nchild; i++)
		ike_child_clear(&sa->child[i]);
	free(sa->child);
	intern_put(sa->name);
	intern_put(sa->conn);
	intern_put(sa->algs);
	intern_put(sa->local_id);
	intern_put(sa->remote_id);
	memset(sa, 0, sizeof(*sa));
}

struct ike_listing *ike_listing_get(struct ike_listing *l)
{
	l->ref++;
	return l;
}

/* Their pointers count only when the listing is complete: the block may still move. */
int ike_listing_take_children(struct ike_listing *l, struct ike_sa *sa)
{
	size_t need = l->nchild + sa->nchild, room = l->child_room ? l->child_room : 16;
	struct ike_child *p;

	while (room < need)
		room *= 2;
	if (room > l->child_room) {
		p = reallocarray(l->child, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		l->child = p;
		l->child_room = room;
	}
	if (sa->nchild)
		memcpy(l->child + l->nchild, sa->child, sa->nchild * sizeof(*sa->child));
	l->nchild = need;
	free(sa->child);
	sa->child = NULL;
	return 0;
}

/* The IKE_SAs have none from then on. */
static void free_children(struct ike_listing *l)
{
	size_t i;

	for (i = 0; i < l->nchild; i++)
		ike_child_clear(&l->child[i]);
	for (i = 0; i < l->nsa; i++) {
		if (!l->child)
			free(l->sa[i].child);
		l->sa[i].child = NULL;
		l->sa[i].nchild = 0;
	}
	free(l->child);
	l->child = NULL;
	l->nchild = 0;
}

void ike_listing_put(struct ike_listing *l)
{
	size_t i;

	if (!l || --l->ref)
		return;
	if (l->child)
		free_children(l);
	for (i = 0; i < l->nsa; i++)
		ike_sa_clear(&l->sa[i]);
	for (i = 0; i < l->ntrace; i++)
		intern_put(l->trace[i].name);
	free(l->sa);
	free(l->trace);
	free(l->index);
	free(l);
}

void ike_listing_age(struct ike_listing *l)
{
	struct ike_trace *t;
	struct ike_child *c;
	size_t i, k;

	if (l->trace)
		return;
	t = calloc(listing_children(l) + 1, sizeof(*t));
	if (!t)
		return;
	listing_index_flat(l);
	l->trace = t;
	for (i = 0; i < l->nsa; i++) {
		for (k = 0; k < l->sa[i].nchild; k++, l->ntrace++) {
			c = &l->sa[i].child[k];
			t[l->ntrace] = (struct ike_trace){
				.name = c->name,
				.sa = (uint32_t)i,
				.uniqueid = c->uniqueid,
				.spi_in = c->spi_in,
				.proto = c->proto,
				.state = (uint8_t)c->state,
			};
			c->name = NULL;
			ike_child_clear(c);
		}
	}
	free_children(l);
}
