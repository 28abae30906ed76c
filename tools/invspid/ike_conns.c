// SPDX-License-Identifier: GPL-2.0-only
/* What a connection of the IKE daemon is made of, and how it goes. */
#include <stdlib.h>
#include <string.h>

#include "ike_backend.h"
#include "intern.h"

void ike_conn_clear(struct ike_conn *c)
{
	size_t i;

	for (i = 0; i < c->nchild; i++)
		intern_put(c->child[i]);
	free(c->child);
	for (i = 0; i < c->ntold; i++) {
		intern_put(c->told[i].child);
		intern_put(c->told[i].key);
		intern_put(c->told[i].value);
	}
	free(c->told);
	intern_put(c->name);
	free(c->remote);
	free(c->local);
	intern_put(c->unique);
	memset(c, 0, sizeof(*c));
}

void ike_conns_clear(struct ike_conns *conns)
{
	size_t i;

	for (i = 0; i < conns->nconn; i++)
		ike_conn_clear(&conns->conn[i]);
	for (i = 0; i < conns->ncopy; i++)
		free(conns->copy[i]);
	free(conns->copy);
	free(conns->conn);
	free(conns->index);
	memset(conns, 0, sizeof(*conns));
}
