// SPDX-License-Identifier: GPL-2.0-only
/* See copy.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"

#define CHILDREN_MAX 64
#define STRINGS (4 + CHILDREN_MAX * 5)

/**
 * struct copy - a copy with the memory of its strings
 * @no_copy: what its SAs had that a copy could not, "" if nothing
 */
struct copy {
	struct ike_copy ike;
	struct ike_copy_child child[CHILDREN_MAX];
	char no_copy[64];
	char *string[STRINGS];
	size_t nstring;
	bool out_of_memory;
};

static const char *keep(struct copy *c, const char *s)
{
	char *copy = strdup(s ? s : "");

	if (!copy)
		c->out_of_memory = true;
	else
		c->string[c->nstring++] = copy;
	return copy ? copy : "";
}

struct copy *copy_new(const struct hist_sa *sa, const struct ike_conn *conn,
		      const struct ike_setting *setting, size_t nsetting, const char *name)
{
	struct copy *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ike.name = keep(c, name);
	c->ike.conn = conn;
	c->ike.setting = setting;
	c->ike.nsetting = nsetting;
	c->ike.version = sa->ike_version;
	c->ike.local = sa->local;
	c->ike.remote = sa->remote;
	/*
	 * A NAT lets in only what comes from the port that the peer has sent to, and the
	 * daemon puts the marker in front of IKE that is due there. Without one the stock
	 * ports are right.
	 */
	if (sa->encap) {
		c->ike.local_port = sa->local_port;
		c->ike.remote_port = sa->remote_port;
	}
	c->ike.local_id = keep(c, sa->local_id);
	c->ike.remote_id = keep(c, sa->remote_id);
	c->ike.algs = keep(c, sa->ike_algs);
	c->ike.child = c->child;
	if (!c->out_of_memory)
		return c;
	copy_free(c);
	return NULL;
}

void copy_free(struct copy *c)
{
	size_t i;

	for (i = 0; c && i < c->nstring; i++)
		free(c->string[i]);
	free(c);
}

static bool same_ike_sa(const struct ike_copy *c, const struct hist_sa *sa)
{
	return c->version == sa->ike_version && ike_addr_same(&c->local, &sa->local) &&
	       ike_addr_same(&c->remote, &sa->remote) &&
	       c->remote_port == (sa->encap ? sa->remote_port : 0) &&
	       !strcmp(c->local_id, sa->local_id) && !strcmp(c->remote_id, sa->remote_id);
}

int copy_add(struct copy *c, const struct hist_sa *sa)
{
	struct ike_copy_child *child = &c->child[c->ike.nchild];

	if (c->ike.nchild == CHILDREN_MAX)
		return -ENOSPC;
	if (!same_ike_sa(&c->ike, sa))
		return -EXDEV;
	child->name = keep(c, sa->child);
	child->mode = keep(c, sa->mode);
	child->algs = keep(c, sa->algs);
	child->local_ts = keep(c, sa->local_ts);
	child->remote_ts = keep(c, sa->remote_ts);
	child->proto = sa->proto;
	child->if_id_in = sa->if_id;
	child->if_id_out = sa->if_id_out;
	child->mark_in = sa->mark;
	child->mark_in_mask = sa->mark_mask;
	child->mark_out = sa->mark_out;
	child->mark_out_mask = sa->mark_out_mask;
	if (c->out_of_memory)
		return -ENOMEM;
	if (sa->no_copy && sa->no_copy[0] && !c->no_copy[0])
		snprintf(c->no_copy, sizeof(c->no_copy), "%s", sa->no_copy);
	c->ike.nchild++;
	return 0;
}

bool copy_group_known(const struct ike_copy_child *c)
{
	static const char *const groups[] = { "/MODP_", "/ECP_", "/CURVE_", NULL };
	const char *last = strrchr(c->algs, '/'), *const *g = groups;

	while (last && *g && strncmp(last, *g, strlen(*g)))
		g++;
	return last && *g;
}

const struct ike_copy *copy_get(const struct copy *c)
{
	return &c->ike;
}

bool copy_check(const struct copy *c, char *why, size_t size)
{
	if (!c->no_copy[0] && c->ike.nchild)
		return true;
	snprintf(why, size, "%s", c->no_copy[0] ? c->no_copy : "its children");
	return false;
}
