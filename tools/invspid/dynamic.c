// SPDX-License-Identifier: GPL-2.0-only
/*
 * D: a peer without a fixed address, and the IKE_SA with it is gone. Its connection
 * cannot be initiated, so a copy of it is loaded that has the address and the port
 * that the peer was last seen at, and all else as it was negotiated then. What G2
 * does, it does with that copy, which is unloaded when the last child is up or the
 * attempt has failed; the IKE_SA stays, and a peer that connects anew gets the
 * original.
 *
 * Nothing remembers which copies are loaded but the IKE daemon: whatever it has that
 * no recovery of ours uses is of a helper that died, and is unloaded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "copy.h"
#include "log.h"
#include "recover_int.h"

#define END_MS 1000 /* the helper's own end waits so long for copies to be unloaded */
#define ID_MAX 1024

struct gather {
	struct copy *copy;
	int err;
};

static void add_child(void *arg, const struct hist_sa *sa)
{
	struct gather *g = arg;
	int err = copy_add(g->copy, sa);

	/* What was negotiated on other terms comes up in its own time, or never did. */
	if (err && err != -EXDEV)
		g->err = err;
}

/**
 * dynamic_copy() - a copy for the peer that an SA of the history was with
 * @name: of the copy
 *
 * Return: the copy with all children that should be up; valid until the connections
 * are listed again or the configuration is read again. NULL: there is no such SA or
 * connection, or no memory.
 */
struct copy *dynamic_copy(struct invspid *d, uint32_t spi, uint8_t proto, const char *name)
{
	const struct ike_setting *setting;
	const struct ike_conn *conn;
	struct gather g = { 0 };
	char id[ID_MAX], of[NAME_LEN];
	struct hist_sa sa;
	size_t n;

	if (!d->ike || hist_lookup(d->hist, spi, proto, &sa) ||
	    strlen(sa.remote_id) >= sizeof(id) || strlen(sa.conn) >= sizeof(of))
		return NULL;
	memcpy(id, sa.remote_id, strlen(sa.remote_id) + 1);
	memcpy(of, sa.conn, strlen(sa.conn) + 1);
	conn = conns_name(ike_conns(d->ike), of);
	if (!conn)
		return NULL;
	setting = conf_copy(d->conf, of, &n);
	g.copy = copy_new(&sa, conn, setting, n, name);
	if (!g.copy)
		return NULL;
	hist_should_be_up(d->hist, of, id, add_child, &g);
	if (!g.err)
		return g.copy;
	copy_free(g.copy);
	return NULL;
}

static bool all_known(const struct invspid *d, const struct copy *c, char *why, size_t size)
{
	return copy_check(c, why, size) && ike_copy_check(d->ike, copy_get(c), why, size);
}

/**
 * dynamic_check() - could a copy be made for the peer of this SA
 * @why: what is not known, if it could not
 */
bool dynamic_check(struct invspid *d, uint32_t spi, uint8_t proto, char *why, size_t size)
{
	struct copy *c = dynamic_copy(d, spi, proto, IKE_COPY_PREFIX "-1");
	bool ok;

	if (!c) {
		snprintf(why, size, "its SAs");
		return false;
	}
	ok = all_known(d, c, why, size);
	copy_free(c);
	return ok;
}

/* Of the peer that a copy is for; also the one that it has begun by itself meanwhile. */
const struct ike_sa *dynamic_ike_sa(const struct recovery *r, const struct ike_listing *l)
{
	return listing_peer(l, r->conn, copy_get(r->copy)->remote_id);
}

/**
 * dynamic_begin() - make the copy, and note the children to initiate
 *
 * Return: NULL, or why not; static.
 */
const char *dynamic_begin(struct recovery *r)
{
	static unsigned int nr;
	const struct ike_copy *ike;
	char why[160];
	size_t i;

	snprintf(r->ike, sizeof(r->ike), IKE_COPY_PREFIX "%s-%u", r->conn, ++nr);
	r->copy = dynamic_copy(r->d, r->flow.spi, r->flow.proto, r->ike);
	if (!r->copy)
		return "the connection or the history of its peer is gone";
	if (!all_known(r->d, r->copy, why, sizeof(why))) {
		log_info("no copy of %s: not known: %s", r->conn, why);
		return "not all is known that a copy of the connection needs";
	}
	/* The first one comes with the IKE_SA, which leaves its own key exchange open. */
	ike = copy_get(r->copy);
	for (i = 0; i < ike->nchild; i++)
		if (!copy_group_known(&ike->child[i]))
			recovery_add_name(r, ike->child[i].name);
	for (i = 0; i < ike->nchild; i++)
		recovery_add_name(r, ike->child[i].name);
	return NULL;
}

void dynamic_load(struct recovery *r, ike_done_cb cb)
{
	const struct ike_copy *c = copy_get(r->copy);

	log_notice("%s: loading %s, a copy of %s for %s port %u", grade_name(r->grade), r->ike,
		   r->conn, show_addr(c->remote.family, c->remote.addr),
		   c->remote_port ? c->remote_port : 500);
	r->polling = true;
	ike_load_copy(r->d->ike, c, cb, r);
}

static void on_unloaded(void *arg, int err, const char *errmsg)
{
	(void)arg;
	/* What was not unloaded now is found with the next listing of connections. */
	if (err && err != -ENOENT && err != -ENOTCONN && err != -ECANCELED)
		log_warn("cannot unload a copy of a connection yet: %s",
			 errmsg ? errmsg : strerror(-err));
}

/* The copy has done its work; whatever it has begun goes on without it. */
void dynamic_unload(struct recovery *r)
{
	if (!r->copy)
		return;
	recovery_forget_copy(r);
	ike_unload_copy(r->d->ike, r->ike, on_unloaded, NULL);
}

static bool is_used(const struct invspid *d, const char *name)
{
	const struct recovery *r;

	for (r = d->recoveries; r; r = r->next)
		if (r->copy && !strcmp(r->ike, name))
			return true;
	return false;
}

/**
 * dynamic_sweep() - the connections were listed: unload copies that nobody uses
 *
 * Also without any recovery allowed: they are ours, and should not be there.
 */
void dynamic_sweep(struct invspid *d)
{
	const struct ike_conns *conns = ike_conns(d->ike);
	size_t i;

	for (i = 0; i < conns->ncopy; i++) {
		if (is_used(d, conns->copy[i]))
			continue;
		log_notice("unloading %s: left over", conns->copy[i]);
		ike_unload_copy(d->ike, conns->copy[i], on_unloaded, NULL);
	}
}

static void on_end_timer(uv_timer_t *timer)
{
	struct invspid *d = timer->data;

	uv_stop(d->loop);
}

static void on_last_unloaded(void *arg, int err, const char *errmsg)
{
	struct invspid *d = arg;

	on_unloaded(NULL, err, errmsg);
	if (err != -ECANCELED)
		uv_stop(d->loop);
}

/**
 * dynamic_end() - the helper ends in order: unload what is loaded
 *
 * Return: false if there is nothing; otherwise the loop will be stopped soon.
 */
bool dynamic_end(struct invspid *d)
{
	struct recovery *r, *last = NULL;
	char name[sizeof(last->ike)];

	for (r = d->recoveries; r; r = r->next) {
		if (!r->copy)
			continue;
		if (last)
			dynamic_unload(last);
		last = r;
	}
	if (!last || ike_state(d->ike) == DAEMON_ABSENT)
		return false;
	memcpy(name, last->ike, sizeof(name));
	recovery_forget_copy(last);
	d->look_timer.data = d;
	uv_timer_start(&d->look_timer, on_end_timer, END_MS, 0);
	ike_unload_copy(d->ike, name, on_last_unloaded, d);
	return true;
}
