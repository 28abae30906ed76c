// SPDX-License-Identifier: GPL-2.0-only
/*
 * What strongSwan lists and tells, turned into our structures. Keys are those that
 * list_ike(), list_child() and list_conns() of vici_query.c write; unknown ones are
 * passed over, since each version adds some. A key that we do use must make sense,
 * or the whole message is refused: a listing with a hole in it would be taken for
 * the absence of an SA.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "ike_vici_parse.h"
#include "intern.h"

struct name_value {
	const char *name;
	int value;
};

/* Names of ike_sa_state_names and child_sa_state_names; others are "other". */
static const struct name_value ike_states[] = {
	{ "CONNECTING", IKE_CONNECTING },
	{ "ESTABLISHED", IKE_ESTABLISHED },
	{ "REKEYING", IKE_REKEYING },
	{ "PASSIVE", IKE_PASSIVE },
	{ "REKEYED", IKE_DELETING }, /* replaced; its children have moved */
	{ "DELETING", IKE_DELETING },
	{ "DESTROYING", IKE_DELETING },
	{ NULL, IKE_OTHER },
};

static const struct name_value child_states[] = {
	{ "INSTALLED", CHILD_INSTALLED }, { "REKEYING", CHILD_REKEYING },
	{ "REKEYED", CHILD_REKEYED },	  { "DELETING", CHILD_DELETING },
	{ "DELETED", CHILD_DELETED },	  { NULL, CHILD_OTHER },
};

static int lookup(const struct name_value *table, struct vici_str name)
{
	while (table->name && !vici_str_is(name, table->name))
		table++;
	return table->value;
}

static int get_u32(struct vici_str s, int base, uint32_t *v)
{
	uint64_t n;
	int err;

	err = vici_str_number(s, base, UINT32_MAX, &n);
	if (!err)
		*v = n;
	return err;
}

static int get_port(struct vici_str s, uint16_t *port)
{
	uint64_t n;
	int err;

	err = vici_str_number(s, 10, UINT16_MAX, &n);
	if (!err)
		*port = n;
	return err;
}

void parse_addr_text(struct vici_str s, struct ike_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	memset(addr, 0, sizeof(*addr));
	if (s.len >= sizeof(text) || (s.len && memchr(s.s, 0, s.len)))
		return;
	if (s.len)
		memcpy(text, s.s, s.len);
	text[s.len] = '\0';
	if (inet_pton(AF_INET, text, addr->addr) == 1)
		addr->family = AF_INET;
	else if (inet_pton(AF_INET6, text, addr->addr) == 1)
		addr->family = AF_INET6;
}

bool parse_copy_name(struct vici_str name, struct vici_str *original)
{
	const size_t prefix = sizeof(IKE_COPY_PREFIX) - 1;
	size_t len = name.len, digits = 0;

	if (!vici_str_begins(name, IKE_COPY_PREFIX))
		return false;
	while (len > prefix && name.s[len - 1] >= '0' && name.s[len - 1] <= '9') {
		len--;
		digits++;
	}
	if (!digits || len < prefix + 2 || name.s[len - 1] != '-')
		return false;
	original->s = name.s + prefix;
	original->len = len - 1 - prefix;
	return true;
}

int parse_text(struct vici_str str, char **text)
{
	char *s;

	if (str.len && memchr(str.s, 0, str.len))
		return -EBADMSG;
	s = intern(str.len ? str.s : "", str.len);
	if (!s)
		return -ENOMEM;
	intern_put(*text);
	*text = s;
	return 0;
}

/* The same for one that was put together, and is freed. */
static int take_text(char *from, char **text)
{
	int err = parse_text((struct vici_str){ from ? from : "", from ? strlen(from) : 0 }, text);

	free(from);
	return err;
}

/* Adds @s to the text *@list, with @sep between. */
static int add_text(char **list, const char *sep, struct vici_str s)
{
	size_t old = *list ? strlen(*list) : 0, gap = old ? strlen(sep) : 0;
	char *p;

	if (s.len && memchr(s.s, 0, s.len))
		return -EBADMSG;
	p = realloc(*list, old + gap + s.len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p + old, sep, gap);
	if (s.len)
		memcpy(p + old + gap, s.s, s.len);
	p[old + gap + s.len] = '\0';
	*list = p;
	return 0;
}

static int list_to_text(struct vici_parser *p, char **text)
{
	struct vici_element e;
	char *list = NULL;
	int type, err = 0;

	while (!err) {
		type = vici_next(p, &e);
		if (type == VICI_LIST_END)
			return take_text(list, text);
		err = type < 0 ? type : add_text(&list, ",", e.value);
	}
	free(list);
	return err;
}

/* Algorithms of an IKE_SA or a child while its keys are gathered. */
struct algs {
	struct vici_str encr, encr_size, integ, integ_size, prf, dh;
	bool esn;
};

static int add_alg(char **text, const char *sep, struct vici_str name, struct vici_str size)
{
	int err;

	if (!name.len)
		return 0;
	err = add_text(text, sep, name);
	if (!err && size.len)
		err = add_text(text, "-", size);
	return err;
}

static int algs_to_text(const struct algs *a, char **text)
{
	char *list = NULL;
	int err;

	err = add_alg(&list, "", a->encr, a->encr_size);
	if (!err)
		err = add_alg(&list, "/", a->integ, a->integ_size);
	if (!err)
		err = add_alg(&list, "/", a->prf, (struct vici_str){ 0 });
	if (!err && a->esn)
		err = add_text(&list, "/", (struct vici_str){ "ESN", 3 });
	/* last: history_sync.c puts it there, too */
	if (!err)
		err = add_alg(&list, "/", a->dh, (struct vici_str){ 0 });
	if (!err)
		return take_text(list, text);
	free(list);
	return err;
}

static bool algs_key(struct algs *a, const struct vici_element *e)
{
	if (vici_str_is(e->name, "encr-alg"))
		a->encr = e->value;
	else if (vici_str_is(e->name, "encr-keysize"))
		a->encr_size = e->value;
	else if (vici_str_is(e->name, "integ-alg"))
		a->integ = e->value;
	else if (vici_str_is(e->name, "integ-keysize"))
		a->integ_size = e->value;
	else if (vici_str_is(e->name, "prf-alg"))
		a->prf = e->value;
	else if (vici_str_is(e->name, "dh-group"))
		a->dh = e->value;
	else if (vici_str_is(e->name, "esn"))
		a->esn = true;
	else
		return false;
	return true;
}

static int get_proto(struct vici_str s, uint8_t *proto)
{
	if (vici_str_is(s, "ESP"))
		*proto = IPPROTO_ESP;
	else if (vici_str_is(s, "AH"))
		*proto = IPPROTO_AH;
	else
		return -EBADMSG;
	return 0;
}

static int child_key(struct ike_child *c, const struct vici_element *e)
{
	struct vici_str k = e->name, v = e->value;
	uint64_t n;
	int err;

	if (vici_str_is(k, "name"))
		return parse_text(v, &c->name);
	if (vici_str_is(k, "mode"))
		return parse_text(v, &c->mode);
	if (vici_str_is(k, "uniqueid"))
		return get_u32(v, 10, &c->uniqueid);
	if (vici_str_is(k, "reqid"))
		return get_u32(v, 10, &c->reqid);
	if (vici_str_is(k, "protocol"))
		return get_proto(v, &c->proto);
	if (vici_str_is(k, "spi-in"))
		return get_u32(v, 16, &c->spi_in);
	if (vici_str_is(k, "spi-out"))
		return get_u32(v, 16, &c->spi_out);
	if (vici_str_is(k, "if-id-in"))
		return get_u32(v, 16, &c->if_id_in);
	if (vici_str_is(k, "if-id-out"))
		return get_u32(v, 16, &c->if_id_out);
	if (vici_str_is(k, "mark-in"))
		return get_u32(v, 16, &c->mark_in);
	if (vici_str_is(k, "mark-mask-in"))
		return get_u32(v, 16, &c->mark_in_mask);
	if (vici_str_is(k, "mark-out"))
		return get_u32(v, 16, &c->mark_out);
	if (vici_str_is(k, "mark-mask-out"))
		return get_u32(v, 16, &c->mark_out_mask);
	if (vici_str_is(k, "packets-in"))
		return vici_str_number(v, 10, UINT64_MAX, &c->packets_in);
	if (vici_str_is(k, "install-time")) {
		err = vici_str_number(v, 10, INT64_MAX, &n);
		c->install_age_s = err ? 0 : n;
		return err;
	}
	if (vici_str_is(k, "state"))
		c->state = lookup(child_states, v);
	else if (vici_str_is(k, "encap"))
		c->encap = vici_str_is(v, "yes");
	else if (vici_str_is(k, "cpi-in"))
		c->no_copy = "IPComp";
	else if (vici_str_is(k, "label"))
		c->no_copy = "a security label";
	else if (vici_str_begins(k, "ake"))
		c->no_copy = "an additional key exchange";
	return 0;
}

/* Nobody who uses them shall have to ask whether they are there. */
static int fill_texts(char ***text)
{
	int err = 0;

	for (; !err && *text; text++)
		if (!**text)
			err = parse_text((struct vici_str){ "", 0 }, *text);
	return err;
}

/* The section of one CHILD_SA, after its start, up to and with its end. */
static int parse_child(struct vici_parser *p, struct ike_child *c)
{
	char **texts[] = { &c->mode, &c->algs, &c->local_ts, &c->remote_ts, NULL };
	bool mask_in = false, mask_out = false;
	struct vici_element e;
	struct algs algs = { 0 };
	int type, err = 0;

	while (!err) {
		type = vici_next(p, &e);
		if (type < 0)
			return type;
		if (type == VICI_SECTION_END)
			break;
		if (type == VICI_LIST_START && vici_str_is(e.name, "local-ts"))
			err = list_to_text(p, &c->local_ts);
		else if (type == VICI_LIST_START && vici_str_is(e.name, "remote-ts"))
			err = list_to_text(p, &c->remote_ts);
		else if (type != VICI_KEY_VALUE)
			err = vici_skip(p);
		else if (!algs_key(&algs, &e))
			err = child_key(c, &e);
		mask_in |= vici_str_is(e.name, "mark-mask-in");
		mask_out |= vici_str_is(e.name, "mark-mask-out");
	}
	/* add_mark() of vici_query.c leaves a mask of all ones out */
	if (c->mark_in && !mask_in)
		c->mark_in_mask = UINT32_MAX;
	if (c->mark_out && !mask_out)
		c->mark_out_mask = UINT32_MAX;
	if (!err)
		err = algs_to_text(&algs, &c->algs);
	c->no_group = algs.encr.len && !algs.dh.len;
	if (!err)
		err = fill_texts(texts);
	/* Without these three a child can't be told from others. */
	if (!err && (!c->name || !c->uniqueid || (c->spi_in && !c->proto)))
		err = -EBADMSG;
	return err;
}

static int sa_key(struct ike_sa *sa, const struct vici_element *e)
{
	struct vici_str k = e->name, v = e->value;
	uint32_t n;
	int err;

	if (vici_str_is(k, "uniqueid"))
		return get_u32(v, 10, &sa->uniqueid);
	if (vici_str_is(k, "local-id"))
		return parse_text(v, &sa->local_id);
	if (vici_str_is(k, "remote-id"))
		return parse_text(v, &sa->remote_id);
	if (vici_str_is(k, "local-port"))
		return get_port(v, &sa->local_port);
	if (vici_str_is(k, "remote-port"))
		return get_port(v, &sa->remote_port);
	if (vici_str_is(k, "version")) {
		err = get_u32(v, 10, &n);
		sa->version = err ? 0 : n;
		return err;
	}
	if (vici_str_is(k, "state"))
		sa->state = lookup(ike_states, v);
	else if (vici_str_is(k, "local-host"))
		parse_addr_text(v, &sa->local);
	else if (vici_str_is(k, "remote-host"))
		parse_addr_text(v, &sa->remote);
	else if (vici_str_is(k, "initiator"))
		sa->initiator = vici_str_is(v, "yes");
	else if (vici_str_is(k, "initiator-spi"))
		return vici_str_number(v, 16, UINT64_MAX, &sa->spi_initiator);
	else if (vici_str_is(k, "nat-any"))
		sa->nat = vici_str_is(v, "yes");
	else if (vici_str_is(k, "remote-xauth-id") || vici_str_is(k, "remote-eap-id"))
		sa->no_copy = "EAP or XAuth";
	else if (vici_str_is(k, "ppk"))
		sa->no_copy = "a postquantum preshared key";
	else if (vici_str_begins(k, "ake"))
		sa->no_copy = "an additional key exchange";
	return 0;
}

/* Names of task_type_names: CHILD_* in IKEv2, QUICK_* in IKEv1. */
static int parse_tasks(struct vici_parser *p, struct ike_sa *sa)
{
	struct vici_element e;
	int type;

	while ((type = vici_next(p, &e)) == VICI_LIST_ITEM) {
		sa->task_any = true;
		if (vici_str_begins(e.value, "CHILD_") || vici_str_begins(e.value, "QUICK_"))
			sa->task_child = true;
	}
	return type == VICI_LIST_END ? 0 : -EBADMSG;
}

static int add_child(struct vici_parser *p, struct ike_sa *sa)
{
	struct ike_child *child;

	child = realloc(sa->child, (sa->nchild + 1) * sizeof(*child));
	if (!child)
		return -ENOMEM;
	sa->child = child;
	memset(&child[sa->nchild], 0, sizeof(*child));
	return parse_child(p, &child[sa->nchild++]);
}

/* "child-sas" of child-rekey: the name of the child, and in it "old" and "new". */
static int parse_rekey_child(struct vici_parser *p, struct vici_rekey *rekey)
{
	struct vici_element e;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_SECTION_START && vici_str_is(e.name, "old") && !rekey->old.name)
			err = parse_child(p, &rekey->old);
		else if (type == VICI_SECTION_START && vici_str_is(e.name, "new") &&
			 !rekey->new.name)
			err = parse_child(p, &rekey->new);
		else if (type == VICI_SECTION_START || type == VICI_LIST_START)
			err = vici_skip(p);
		else if (type != VICI_KEY_VALUE)
			err = -EBADMSG;
	}
	return err;
}

static int parse_children(struct vici_parser *p, struct ike_sa *sa, struct vici_rekey *rekey)
{
	struct vici_element e;
	int type, err = 0;

	while (!err && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_SECTION_START)
			err = rekey ? parse_rekey_child(p, rekey) : add_child(p, sa);
		else if (type == VICI_LIST_START)
			err = vici_skip(p);
		else if (type != VICI_KEY_VALUE)
			err = -EBADMSG;
	}
	return err;
}

/* The section of one IKE_SA, after its start. @rekey: its children are old/new pairs. */
static int parse_sa(struct vici_parser *p, struct vici_str conn, struct ike_sa *sa,
		    struct vici_rekey *rekey)
{
	struct vici_str original = conn;
	struct vici_element e;
	struct algs algs = { 0 };
	int type, err;

	parse_copy_name(conn, &original);
	err = parse_text(conn, &sa->name);
	if (!err)
		err = parse_text(original, &sa->conn);
	while (!err) {
		type = vici_next(p, &e);
		if (type < 0)
			return type;
		if (type == VICI_SECTION_END)
			break;
		if (type == VICI_KEY_VALUE && algs_key(&algs, &e))
			continue;
		if (type == VICI_KEY_VALUE)
			err = sa_key(sa, &e);
		else if (type == VICI_LIST_START && vici_str_begins(e.name, "tasks-"))
			err = parse_tasks(p, sa);
		else if (type == VICI_SECTION_START && vici_str_is(e.name, "child-sas"))
			err = parse_children(p, sa, rekey);
		else
			err = vici_skip(p);
		/* Listed only if there are any. */
		if (type == VICI_LIST_START &&
		    (vici_str_is(e.name, "local-vips") || vici_str_is(e.name, "remote-vips")))
			sa->no_copy = "a virtual IP";
	}
	if (!err)
		err = algs_to_text(&algs, &sa->algs);
	if (!err)
		err = fill_texts((char **[]){ &sa->local_id, &sa->remote_id, NULL });
	return !err && !sa->uniqueid ? -EBADMSG : err;
}

int parse_list_sa(const uint8_t *msg, size_t len, struct ike_sa *sa)
{
	struct vici_parser p;
	struct vici_element e;
	int err = -EBADMSG;

	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) == VICI_SECTION_START)
		err = parse_sa(&p, e.name, sa, NULL);
	if (!err && vici_next(&p, &e) != VICI_END)
		err = -EBADMSG;
	if (err)
		ike_sa_clear(sa);
	return err;
}

/* What the events have in common: "up", perhaps addresses, and one IKE_SA. */
static int parse_event(const uint8_t *msg, size_t len, bool *up, struct ike_sa *sa,
		       struct vici_rekey *rekey)
{
	struct vici_parser p;
	struct vici_element e;
	int type, err = 0;

	vici_parser_init(&p, msg, len);
	while (!err && (type = vici_next(&p, &e)) != VICI_END) {
		if (type == VICI_KEY_VALUE && vici_str_is(e.name, "up"))
			*up = vici_str_is(e.value, "yes");
		else if (type == VICI_SECTION_START && !sa->conn)
			err = parse_sa(&p, e.name, sa, rekey);
		else if (type == VICI_SECTION_START || type == VICI_LIST_START)
			err = vici_skip(&p);
		else if (type != VICI_KEY_VALUE)
			err = -EBADMSG;
	}
	return !err && !sa->conn ? -EBADMSG : err;
}

int parse_updown(const uint8_t *msg, size_t len, struct vici_updown *u)
{
	int err = parse_event(msg, len, &u->up, &u->sa, NULL);

	if (err)
		ike_sa_clear(&u->sa);
	return err;
}

int parse_rekey(const uint8_t *msg, size_t len, struct vici_rekey *r)
{
	bool up;
	int err = parse_event(msg, len, &up, &r->sa, r);

	if (!err && (!r->old.name || !r->new.name))
		err = -EBADMSG;
	if (err) {
		ike_sa_clear(&r->sa);
		ike_child_clear(&r->old);
		ike_child_clear(&r->new);
	}
	return err;
}
