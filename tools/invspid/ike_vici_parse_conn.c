// SPDX-License-Identifier: GPL-2.0-only
/*
 * strongSwan's connections, log lines and plain answers as our structures; the SAs
 * are in ike_vici_parse.c, and what is said there about keys holds here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_parse.h"

void ike_conn_clear(struct ike_conn *c)
{
	size_t i;

	for (i = 0; i < c->nchild; i++)
		free(c->child[i]);
	free(c->child);
	free(c->name);
	free(c->remote);
	free(c->local);
	free(c->unique);
	memset(c, 0, sizeof(*c));
}

void ike_conns_clear(struct ike_conns *conns)
{
	size_t i;

	for (i = 0; i < conns->nconn; i++)
		ike_conn_clear(&conns->conn[i]);
	free(conns->conn);
	free(conns->index);
	memset(conns, 0, sizeof(*conns));
}

static bool unspecified(const struct ike_addr *addr)
{
	static const uint8_t zero[16];

	return !memcmp(addr->addr, zero, sizeof(zero));
}

static int add_addr(struct ike_addr **list, size_t *n, const struct ike_addr *addr)
{
	struct ike_addr *p;

	p = realloc(*list, (*n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	p[(*n)++] = *addr;
	*list = p;
	return 0;
}

/* Keeps the literal addresses of a list. 0.0.0.0 and :: stand for %any. */
static int parse_addrs(struct vici_parser *p, struct ike_addr **list, size_t *n)
{
	struct vici_element e;
	struct ike_addr addr;
	int type, err = 0;

	while (!err) {
		type = vici_next(p, &e);
		if (type < 0)
			return type;
		if (type == VICI_LIST_END)
			return 0;
		parse_addr_text(e.value, &addr);
		if (addr.family && !unspecified(&addr))
			err = add_addr(list, n, &addr);
	}
	return err;
}

/* A "local-N" or "remote-N" section: EAP and XAuth can't be begun by a responder. */
static int parse_auth(struct vici_parser *p, struct ike_conn *c)
{
	struct vici_element e;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_KEY_VALUE) {
			if (vici_str_begins(e.name, "eap") || vici_str_begins(e.name, "xauth") ||
			    (vici_str_is(e.name, "class") &&
			     (vici_str_is(e.value, "EAP") || vici_str_is(e.value, "XAuth"))))
				c->eap_or_vip = true;
		} else if (type == VICI_SECTION_START || type == VICI_LIST_START) {
			err = vici_skip(p);
		} else {
			err = -EBADMSG;
		}
	}
	return err;
}

static int parse_conn_children(struct vici_parser *p, struct ike_conn *c)
{
	struct vici_element e;
	char **child;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_SECTION_START) {
			child = realloc(c->child, (c->nchild + 1) * sizeof(*child));
			if (!child)
				return -ENOMEM;
			c->child = child;
			child[c->nchild] = NULL;
			err = vici_str_dup(e.name, &child[c->nchild++]);
			if (!err)
				err = vici_skip(p);
		} else if (type == VICI_LIST_START) {
			err = vici_skip(p);
		} else if (type != VICI_KEY_VALUE) {
			err = -EBADMSG;
		}
	}
	return err;
}

static int conn_element(struct vici_parser *p, const struct vici_element *e, struct ike_conn *c)
{
	struct vici_str k = e->name;

	if (e->type == VICI_KEY_VALUE) {
		if (vici_str_is(k, "unique"))
			return vici_str_dup(e->value, &c->unique);
		/* ike_version_names: IKEv1, IKEv2, and IKEv1/2 for any */
		if (vici_str_is(k, "version"))
			c->version = vici_str_is(e->value, "IKEv1")   ? 1
				     : vici_str_is(e->value, "IKEv2") ? 2
								      : 0;
		return 0;
	}
	if (e->type == VICI_LIST_START) {
		if (vici_str_is(k, "remote_addrs"))
			return parse_addrs(p, &c->remote, &c->nremote);
		if (vici_str_is(k, "local_addrs"))
			return parse_addrs(p, &c->local, &c->nlocal);
		/* not shown by any version known; taken if one ever does */
		if (vici_str_is(k, "vips") || vici_str_is(k, "pools"))
			c->eap_or_vip = true;
		return vici_skip(p);
	}
	if (vici_str_is(k, "children"))
		return parse_conn_children(p, c);
	if (vici_str_begins(k, "local-") || vici_str_begins(k, "remote-"))
		return parse_auth(p, c);
	return vici_skip(p);
}

int parse_list_conn(const uint8_t *msg, size_t len, struct ike_conn *c)
{
	struct vici_parser p;
	struct vici_element e;
	int type, err = -EBADMSG;

	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) == VICI_SECTION_START)
		err = vici_str_dup(e.name, &c->name);
	while (!err) {
		type = vici_next(&p, &e);
		if (type == VICI_SECTION_END)
			break;
		err = type < 0 ? type : conn_element(&p, &e, c);
	}
	if (!err && vici_next(&p, &e) != VICI_END)
		err = -EBADMSG;
	if (!err && !c->unique)
		err = vici_str_dup((struct vici_str){ "", 0 }, &c->unique);
	if (err)
		ike_conn_clear(c);
	else
		c->dynamic = !c->nremote;
	return err;
}

static int get_u32(struct vici_str s, uint32_t *v)
{
	uint64_t n;
	int err;

	err = vici_str_number(s, 10, UINT32_MAX, &n);
	if (!err)
		*v = n;
	return err;
}

/*
 * Messages that are a flat list of keys at their top level: @key gets those, and
 * items of lists under the name of the list. The rest is passed over.
 */
static int parse_flat(const uint8_t *msg, size_t len, void *arg,
		      int (*key)(void *arg, struct vici_str name, struct vici_str value))
{
	struct vici_str list = { 0 };
	struct vici_parser p;
	struct vici_element e;
	int type, err = 0;

	vici_parser_init(&p, msg, len);
	while (!err && (type = vici_next(&p, &e)) != VICI_END) {
		if (type < 0)
			return type;
		if (type == VICI_KEY_VALUE)
			err = key(arg, e.name, e.value);
		else if (type == VICI_LIST_START)
			list = e.name;
		else if (type == VICI_LIST_ITEM)
			err = key(arg, list, e.value);
		else if (type == VICI_SECTION_START)
			err = vici_skip(&p);
	}
	return err;
}

static int log_key(void *arg, struct vici_str name, struct vici_str value)
{
	struct vici_log *l = arg;

	if (vici_str_is(name, "group"))
		l->group = value;
	else if (vici_str_is(name, "ikesa-name"))
		l->conn = value;
	else if (vici_str_is(name, "msg"))
		l->msg = value;
	else if (vici_str_is(name, "ikesa-uniqueid"))
		return get_u32(value, &l->ike_id);
	else if (vici_str_is(name, "thread"))
		return get_u32(value, &l->thread);
	return 0;
}

int parse_log(const uint8_t *msg, size_t len, struct vici_log *l)
{
	return parse_flat(msg, len, l, log_key);
}

static int answer_key(void *arg, struct vici_str name, struct vici_str value)
{
	struct vici_answer *a = arg;

	if (vici_str_is(name, "success"))
		a->success = vici_str_is(value, "yes");
	else if (vici_str_is(name, "errmsg"))
		return vici_str_dup(value, &a->errmsg);
	else if (vici_str_is(name, "matches"))
		return get_u32(value, &a->matches);
	return 0;
}

int parse_answer(const uint8_t *msg, size_t len, struct vici_answer *a)
{
	int err = parse_flat(msg, len, a, answer_key);

	if (err) {
		free(a->errmsg);
		memset(a, 0, sizeof(*a));
	}
	return err;
}

static int stats_key(void *arg, struct vici_str name, struct vici_str value)
{
	bool *libipsec = arg;

	if (vici_str_is(name, "plugins") && vici_str_is(value, "kernel-libipsec"))
		*libipsec = true;
	return 0;
}

int parse_stats(const uint8_t *msg, size_t len, bool *libipsec)
{
	return parse_flat(msg, len, libipsec, stats_key);
}

int parse_queues(const uint8_t *msg, size_t len, uint32_t *jobs)
{
	struct vici_parser p;
	struct vici_element e;
	bool queues = false;
	uint32_t n;
	int type;

	*jobs = 0;
	vici_parser_init(&p, msg, len);
	while ((type = vici_next(&p, &e)) != VICI_END) {
		if (type < 0)
			return type;
		if (type == VICI_SECTION_START)
			queues = vici_str_is(e.name, "queues");
		else if (type == VICI_SECTION_END)
			queues = false;
		else if (type == VICI_KEY_VALUE && queues && !get_u32(e.value, &n))
			*jobs += n;
	}
	return 0;
}

static int version_key(void *arg, struct vici_str name, struct vici_str value)
{
	return vici_str_is(name, "version") ? vici_str_dup(value, arg) : 0;
}

int parse_version(const uint8_t *msg, size_t len, char **version)
{
	int err = parse_flat(msg, len, version, version_key);

	if (!err && !*version)
		err = -EBADMSG;
	if (err) {
		free(*version);
		*version = NULL;
	}
	return err;
}
