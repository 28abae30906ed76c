// SPDX-License-Identifier: GPL-2.0-only
/* What a listing of the IKE daemon's SAs is made of, and how it ages and goes. */
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

void ike_listing_put(struct ike_listing *l)
{
	size_t i;

	if (!l || --l->ref)
		return;
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
		free(l->sa[i].child);
		l->sa[i].child = NULL;
		l->sa[i].nchild = 0;
	}
}
