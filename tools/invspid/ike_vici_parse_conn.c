// SPDX-License-Identifier: GPL-2.0-only
/*
 * strongSwan's connections, log lines and plain answers as our structures; the SAs
 * are in ike_vici_parse.c, and what is said there about keys holds here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_parse.h"
#include "intern.h"

int ike_conns_add_copy(struct ike_conns *conns, const char *name)
{
	char **copy = realloc(conns->copy, (conns->ncopy + 1) * sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	conns->copy = copy;
	copy[conns->ncopy] = strdup(name);
	return copy[conns->ncopy++] ? 0 : -ENOMEM;
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

/* Keys that a copy has as the original has them; the daemon tells no others of them. */
static const char *const conn_told[] = { "reauth_time", "rekey_time", "dpd_delay", "dpd_timeout",
					 NULL };
static const char *const child_told[] = { "rekey_time", "rekey_bytes", "rekey_packets",
					  "interface",	"priority",    NULL };

static bool is_one_of(struct vici_str key, const char *const *names)
{
	while (*names && !vici_str_is(key, *names))
		names++;
	return *names;
}

static int add_told(struct ike_conn *c, const char *child, const struct vici_element *e)
{
	struct ike_setting *told;
	int err;

	told = realloc(c->told, (c->ntold + 1) * sizeof(*told));
	if (!told)
		return -ENOMEM;
	c->told = told;
	told += c->ntold++;
	memset(told, 0, sizeof(*told));
	if (child) {
		told->child = intern(child, strlen(child));
		if (!told->child)
			return -ENOMEM;
	}
	err = parse_text(e->name, &told->key);
	return err ? err : parse_text(e->value, &told->value);
}

/* auth_class_names; others can't be begun by a responder, or leave open which it is. */
static const char *auth_class(struct vici_str class)
{
	if (vici_str_is(class, "pre-shared key"))
		return "psk";
	return vici_str_is(class, "public key") ? "pubkey" : "";
}

/* What it demands of the peer's certificates, the daemon tells only in part. */
static int parse_auth_list(struct vici_parser *p, struct ike_conn *c, bool local)
{
	struct vici_element e;
	int type;

	while ((type = vici_next(p, &e)) == VICI_LIST_ITEM)
		if (!local)
			c->no_copy = "demands on the peer's certificate";
	return type == VICI_LIST_END ? 0 : -EBADMSG;
}

/* A "local-N" or "remote-N" section: EAP and XAuth can't be begun by a responder. */
static int parse_auth(struct vici_parser *p, struct ike_conn *c, bool local)
{
	const char **auth = local ? &c->auth_local : &c->auth_remote;
	const char *class = "";
	struct vici_element e;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_KEY_VALUE) {
			if (vici_str_begins(e.name, "eap") || vici_str_begins(e.name, "xauth") ||
			    (vici_str_is(e.name, "class") &&
			     (vici_str_is(e.value, "EAP") || vici_str_is(e.value, "XAuth"))))
				c->eap_or_vip = true;
			else if (vici_str_is(e.name, "class"))
				class = auth_class(e.value);
			else if (!vici_str_is(e.name, "id"))
				c->no_copy = "demands on the peer's authentication";
		} else if (type == VICI_LIST_START) {
			err = parse_auth_list(p, c, local);
		} else if (type == VICI_SECTION_START) {
			err = vici_skip(p);
		} else {
			err = -EBADMSG;
		}
	}
	*auth = *auth ? "" : class; /* a second round is one too many */
	return err;
}

static int parse_conn_child(struct vici_parser *p, const char *name, struct ike_conn *c)
{
	struct vici_element e;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_SECTION_START || type == VICI_LIST_START)
			err = vici_skip(p);
		else if (type != VICI_KEY_VALUE)
			err = -EBADMSG;
		else if (is_one_of(e.name, child_told))
			err = add_told(c, name, &e);
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
			err = parse_text(e.name, &child[c->nchild++]);
			if (!err)
				err = parse_conn_child(p, child[c->nchild - 1], c);
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
	int err;

	if (e->type == VICI_KEY_VALUE) {
		if (vici_str_begins(k, "ppk_"))
			c->no_copy = "a postquantum preshared key";
		err = is_one_of(k, conn_told) ? add_told(c, NULL, e) : 0;
		if (!err && vici_str_is(k, "unique"))
			err = parse_text(e->value, &c->unique);
		/* ike_version_names: IKEv1, IKEv2, and IKEv1/2 for any */
		if (vici_str_is(k, "version"))
			c->version = vici_str_is(e->value, "IKEv1")   ? 1
				     : vici_str_is(e->value, "IKEv2") ? 2
								      : 0;
		return err;
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
		return parse_auth(p, c, vici_str_begins(k, "local-"));
	return vici_skip(p);
}

int parse_list_conn(const uint8_t *msg, size_t len, struct ike_conn *c)
{
	struct vici_parser p;
	struct vici_element e;
	int type, err = -EBADMSG;

	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) == VICI_SECTION_START)
		err = parse_text(e.name, &c->name);
	while (!err) {
		type = vici_next(&p, &e);
		if (type == VICI_SECTION_END)
			break;
		err = type < 0 ? type : conn_element(&p, &e, c);
	}
	if (!err && vici_next(&p, &e) != VICI_END)
		err = -EBADMSG;
	if (!err && !c->unique)
		err = parse_text((struct vici_str){ "", 0 }, &c->unique);
	if (err)
		ike_conn_clear(c);
	else
		c->dynamic = !c->nremote;
	if (!err && c->eap_or_vip)
		c->no_copy = "EAP, XAuth or a virtual IP";
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
