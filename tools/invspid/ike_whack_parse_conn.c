// SPDX-License-Identifier: GPL-2.0-only
/*
 * What whack prints of connections: show_connection_status() of pluto. Each has two
 * dozen lines; these count:
 *
 *	"net": 10.1.0.0/16===192.0.2.1[@a.example]...192.0.2.2[@b.example]===10.2.0.0/16; ...
 *	"net":   our auth:secret, their auth:secret, our autheap:none, their autheap:none;
 *	"net":   xauth us:none, xauth them:none, ...
 *	"net":   modecfg info: us:none, them:none, ...
 *	"net":   policy: IKEv2+PSK+ENCRYPT+TUNNEL+...;
 *	"net":   our idtype: ID_FQDN; our id=@a.example; their idtype: ID_FQDN; their id=@b.example
 *
 * The first end is ours if pluto has found out which of them that is.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "ike_whack_parse.h"
#include "intern.h"

#define CONNS_MAX 100000

static size_t left(struct whack_text t)
{
	return (size_t)(t.end - t.s);
}

static void conn_clear(struct whack_conn *c)
{
	intern_put(c->name.name);
	intern_put(c->local_id);
	intern_put(c->remote_id);
	intern_put(c->local_ts);
	intern_put(c->remote_ts);
}

void whack_status_clear(struct whack_status *status)
{
	size_t i;

	for (i = 0; i < status->n; i++)
		conn_clear(&status->conn[i]);
	free(status->conn);
	free(status->version);
	free(status->log);
	memset(status, 0, sizeof(*status));
}

/* ---- one end of a connection ---- */

/* The first @s that is in no brackets, as identities are. */
static const char *find_outside(struct whack_text t, const char *s)
{
	size_t len = strlen(s);
	bool inside = false;

	for (; left(t) >= len; t.s++) {
		if (*t.s == '[' || *t.s == ']')
			inside = *t.s == '[';
		else if (!inside && !memcmp(t.s, s, len))
			return t.s;
	}
	return NULL;
}

/*
 * HOST[<NAME>][[ID]][---NEXTHOP]; HOST is an address, with a port [ADDRESS]:PORT, or
 * a word with a percent sign.
 */
static int take_host(struct whack_text t, struct ike_addr *addr)
{
	struct whack_text host = t;
	const char *end;

	if (whack_skip(&t, "[")) {
		end = memchr(t.s, ']', left(t));
		if (!end)
			return -EBADMSG;
		host = (struct whack_text){ t.s, end };
		t.s = end + 1;
	} else {
		while (t.s < t.end && *t.s != '<' && *t.s != '[' && *t.s != ' ' &&
		       !(left(t) >= 3 && !memcmp(t.s, "---", 3)))
			t.s++;
		host.end = t.s;
	}
	/* 192.0.2.1:4500 */
	end = memchr(host.s, ':', left(host));
	if (!whack_addr(host, addr) && end && !memchr(end + 1, ':', (size_t)(host.end - end - 1)))
		whack_addr((struct whack_text){ host.s, end }, addr);
	return 0;
}

static int take_topology(struct whack_conn *c, struct whack_text t)
{
	struct whack_text ours = t, theirs = t, ts = { t.s, t.s };
	const char *dots = find_outside(t, "..."), *at;
	int err;

	if (!dots)
		return -EBADMSG;
	ours.end = dots;
	theirs.s = dots + 3;
	at = find_outside(ours, "===");
	if (at) {
		ts.end = at;
		ours.s = at + 3;
	}
	err = whack_keep(ts, &c->local_ts);
	at = find_outside(theirs, "===");
	ts.s = at ? at + 3 : t.s;
	ts.end = at ? theirs.end : t.s;
	if (at)
		theirs.end = at;
	if (!err)
		err = whack_keep(ts, &c->remote_ts);
	if (!err)
		err = take_host(ours, &c->local);
	if (!err)
		err = take_host(theirs, &c->remote);
	c->dynamic = !c->remote.family;
	return err;
}

/* ---- the other lines ---- */

/* The word behind @mark, up to a comma, semicolon or blank. */
static struct whack_text word_behind(struct whack_text t, const char *mark)
{
	struct whack_text word = { t.end, t.end };
	const char *at = whack_find(t, mark);

	if (!at)
		return word;
	word.s = at + strlen(mark);
	for (word.end = word.s; word.end < t.end && !strchr(",; ", *word.end); word.end++)
		;
	return word;
}

static bool is_text(struct whack_text t, const char *s)
{
	return left(t) == strlen(s) && !memcmp(t.s, s, left(t));
}

static const char *auth_name(struct whack_text t)
{
	if (is_text(t, "secret"))
		return "psk";
	if (is_text(t, "rsasig") || is_text(t, "ecdsa") || is_text(t, "digsig"))
		return "pubkey";
	return "";
}

static bool is_set(struct whack_text t, const char *mark)
{
	struct whack_text word = word_behind(t, mark);

	return left(word) && !is_text(word, "none");
}

/* Does a policy have this word? They are joined by plus signs. */
static bool has_policy(struct whack_text t, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (; (at = memmem(t.s, left(t), word, len)); t.s = at + len)
		if ((at[-1] == '+' || at[-1] == ' ') &&
		    (at + len == t.end || at[len] == '+' || at[len] == ';'))
			return true;
	return false;
}

static void take_policy(struct whack_conn *c, struct whack_text t)
{
	static const char *const never[] = { "OPPORTUNISTIC", "OPPO",	 "GROUP",
					     "GROUPINSTANCE", "GROUTED", "NEVER_NEGOTIATE" };
	size_t i;

	c->up = has_policy(t, "UP");
	c->version = has_policy(t, "IKEv1") ? 1 : has_policy(t, "IKEv2") ? 2 : 0;
	for (i = 0; i < sizeof(never) / sizeof(*never); i++)
		c->never |= has_policy(t, never[i]);
}

/* An identity may hold anything: up to what follows it, or to the end. */
static int take_ids(struct whack_conn *c, struct whack_text t)
{
	const char *ours = whack_find(t, " our id="), *next = whack_find(t, "; their idtype: ");
	const char *theirs = whack_find(t, "; their id=");
	int err;

	if (!ours || !next || !theirs || next < ours || theirs < next)
		return -EBADMSG;
	if (t.end[-1] == ';')
		t.end--;
	err = whack_keep((struct whack_text){ ours + 8, next }, &c->local_id);
	return err ? err : whack_keep((struct whack_text){ theirs + 11, t.end }, &c->remote_id);
}

static int take_more(struct whack_conn *c, struct whack_text t)
{
	if (whack_find(t, " our idtype: "))
		return take_ids(c, t);
	if (whack_find(t, " our auth:")) {
		c->auth_local = auth_name(word_behind(t, " our auth:"));
		c->auth_remote = auth_name(word_behind(t, " their auth:"));
		c->vip |= is_set(t, " our autheap:") || is_set(t, " their autheap:");
	} else if (whack_find(t, " xauth us:")) {
		c->vip |= is_set(t, " xauth us:") || is_set(t, " xauth them:");
	} else if (whack_find(t, " modecfg info:")) {
		c->vip |= is_set(t, " us:") || is_set(t, " them:");
	} else if (whack_find(t, " policy: ")) {
		t.s = whack_find(t, " policy: ") + 8;
		take_policy(c, t);
	}
	return 0;
}

/* ---- all of them ---- */

static bool same_name(const struct whack_name *a, const struct whack_name *b)
{
	return a->name == b->name && a->instance == b->instance;
}

/* The one that the lines before were about, or a new one. */
static struct whack_conn *conn_of(struct whack_status *st, size_t *size, struct whack_name *name)
{
	struct whack_conn *c = st->n ? &st->conn[st->n - 1] : NULL;

	if (c && same_name(&c->name, name))
		return c;
	if (st->n == *size) {
		c = reallocarray(st->conn, *size ? *size * 2 : 16, sizeof(*c));
		if (!c)
			return NULL;
		st->conn = c;
		*size = *size ? *size * 2 : 16;
	}
	c = &st->conn[st->n++];
	/* There is room: NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	memset(c, 0, sizeof(*c));
	c->name = *name;
	c->auth_local = "";
	c->auth_remote = "";
	name->name = NULL;
	return c;
}

static int take_conn_line(struct whack_status *st, size_t *size, struct whack_text t)
{
	struct whack_name name = { 0 };
	struct whack_conn *c = NULL;
	const char *colon;
	int err;

	err = whack_take_name(&t, &name);
	colon = whack_find(t, ": ");
	if (!err && !colon)
		err = -EBADMSG;
	if (!err) {
		c = conn_of(st, size, &name);
		err = c && st->n < CONNS_MAX ? 0 : -ENOMEM;
	}
	intern_put(name.name);
	if (err)
		return err;
	t.s = colon + 1;
	/* The first line has one blank; of several pairs of selectors the first counts. */
	if (left(t) >= 2 && t.s[1] != ' ') {
		const char *end = find_outside(t, "; ");

		t.s++;
		t.end = end ? end : t.end;
		return c->local_ts ? 0 : take_topology(c, t);
	}
	return take_more(c, t);
}

static int compare_names(const struct whack_name *a, const struct whack_name *b)
{
	int cmp = strcmp(a->name, b->name);

	return cmp ? cmp : a->instance < b->instance ? -1 : a->instance > b->instance;
}

static int by_name(const void *pa, const void *pb)
{
	const struct whack_conn *a = pa, *b = pb;

	return compare_names(&a->name, &b->name);
}

static const struct whack_conn *find_exact(const struct whack_status *status,
					   const struct whack_name *name)
{
	const struct whack_conn key = { .name = *name };

	return status->n ? bsearch(&key, status->conn, status->n, sizeof(key), by_name) : NULL;
}

const struct whack_conn *whack_conn_find(const struct whack_status *status,
					 const struct whack_name *name)
{
	const struct whack_name plain = { .name = name->name };
	const struct whack_conn *c = status ? find_exact(status, name) : NULL;

	return c || !status || !name->instance ? c : find_exact(status, &plain);
}

static char *text_behind(struct whack_text t, const char *mark, char end)
{
	const char *at = whack_find(t, mark), *stop;

	if (!at)
		return NULL;
	at += strlen(mark);
	stop = memchr(at, end, (size_t)(t.end - at));
	return stop && stop > at ? strndup(at, (size_t)(stop - at)) : NULL;
}

static uint64_t hash_text(uint64_t hash, const char *s)
{
	return hash64_bytes(hash, s ? s : "", s ? strlen(s) + 1 : 1);
}

/* Instances come and go: that is no change of the configuration. */
static void hash_conn(uint64_t *hash, const struct whack_conn *c)
{
	const uint8_t flags[] = { (uint8_t)c->version, c->dynamic, c->never, c->vip };

	if (c->name.instance)
		return;
	*hash = hash_text(*hash, c->name.name);
	*hash = hash_text(*hash, c->local_id);
	*hash = hash_text(*hash, c->remote_id);
	*hash = hash_text(*hash, c->local_ts);
	*hash = hash_text(*hash, c->remote_ts);
	*hash = hash64_bytes(*hash, c->local.addr, sizeof(c->local.addr));
	*hash = hash64_bytes(*hash, c->remote.addr, sizeof(c->remote.addr));
	*hash = hash64_bytes(*hash, flags, sizeof(flags));
}

int parse_status(const char *text, size_t len, struct whack_status *status)
{
	struct whack_text rest = { text, text + len }, line;
	bool complete = false;
	size_t size = 0, i;
	int err = 0;

	memset(status, 0, sizeof(*status));
	while (!err && !complete && whack_line(&rest, &line)) {
		complete = whack_skip(&line, "Total IPsec connections:");
		if (line.s < line.end && *line.s == '"')
			err = take_conn_line(status, &size, line);
		if (!status->version)
			status->version = text_behind(line, "pluto_version=", ',');
		if (!status->log)
			status->log = text_behind(line, "logfile='", '\'');
	}
	if (!err && !complete)
		err = -EBADMSG;
	status->hash = HASH64_BEGIN;
	for (i = 0; !err && i < status->n; i++)
		hash_conn(&status->hash, &status->conn[i]);
	if (status->n)
		qsort(status->conn, status->n, sizeof(*status->conn), by_name);
	if (err)
		whack_status_clear(status);
	return err;
}
