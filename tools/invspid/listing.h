/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions to a listing of the IKE daemon's SAs and to its connections. Each is
 * indexed once, when it is complete, so that with 10,000 SAs an answer takes no
 * longer than with ten. A NULL listing has nothing in it.
 */
#ifndef INVSPID_LISTING_H
#define INVSPID_LISTING_H

#include "flow.h"
#include "ike.h"

/* Return: 0 or -ENOMEM. The index is one block, freed with free(). */
int listing_index(struct ike_listing *l);
/* For ike_listing_age(): numbers all children of the listing, in order, from 0. */
void listing_index_flat(struct ike_listing *l);
size_t listing_children(const struct ike_listing *l);
int conns_index(struct ike_conns *c);

/* Children that are INSTALLED or REKEYING, IKE_SAs that are authenticated. */
bool child_counts(const struct ike_child *c);
bool sa_counts(const struct ike_sa *sa);

const struct ike_sa *listing_id(const struct ike_listing *l, uint32_t id);
const struct ike_child *listing_spi(const struct ike_listing *l, uint32_t spi, uint8_t proto,
				    const struct ike_sa **sa);
const struct ike_child *listing_child(const struct ike_listing *l, const char *conn,
				      const char *child);
/* The same of an older listing, which has no children any more. */
bool listing_was_spi(const struct ike_listing *l, uint32_t spi, uint8_t proto,
		     struct ike_trace *was);
bool listing_was_child(const struct ike_listing *l, const char *conn, const char *child);
const struct ike_sa *listing_conn(const struct ike_listing *l, const char *conn);
/* The newest one of a connection with that peer, by its identity. */
const struct ike_sa *listing_peer(const struct ike_listing *l, const char *conn, const char *id);
const struct ike_sa *listing_source(const struct ike_listing *l, const struct invspi_flow *f);
/* The next one after @sa, in any order; the first one if that is NULL. */
const struct ike_sa *listing_source_next(const struct ike_listing *l, const struct invspi_flow *f,
					 const struct ike_sa *sa);
const struct ike_sa *listing_conn_source(const struct ike_listing *l, const char *conn,
					 const struct invspi_flow *f);

const struct ike_conn *conns_name(const struct ike_conns *c, const char *name);
const struct ike_conn *conns_source(const struct ike_conns *c, const struct invspi_flow *f);

#endif
