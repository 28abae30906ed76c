// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines that whack prints, and what they say of states: show_state() and
 * show_established_child_details() of pluto, and its --trafficstatus.
 *
 *	#1: "net":500 ESTABLISHED_IKE_SA (established IKE SA); ... newest; idle;
 *	#2: "net"[1] 192.0.2.2:500 STATE_V2_ESTABLISHED_CHILD_SA (...); newest; IKE SA #1; idle;
 *	#2: "net" esp.OUT@PEER esp.IN@US tun.0@PEER tun.0@US Traffic: ...
 *	#3: pending CHILD SA for "net2"
 *	#2: "net", type=ESP, add_time=N, inBytes=N, outBytes=N, id='@b.example'
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "ike_whack_parse.h"
#include "intern.h"

#define STATES_MAX 300000 /* more is not a listing but nonsense */

/* ---- text ---- */

static size_t left(struct whack_text t)
{
	return (size_t)(t.end - t.s);
}

static bool is_code(const struct whack_text *t)
{
	return left(*t) >= 4 && isdigit((unsigned char)t->s[0]) &&
	       isdigit((unsigned char)t->s[1]) && isdigit((unsigned char)t->s[2]) && t->s[3] == ' ';
}

bool whack_line(struct whack_text *rest, struct whack_text *line)
{
	const char *end;

	if (rest->s == rest->end)
		return false;
	end = memchr(rest->s, '\n', left(*rest));
	line->s = rest->s;
	line->end = end ? end : rest->end;
	rest->s = end ? end + 1 : rest->end;
	if (is_code(line))
		line->s += 4;
	return true;
}

bool whack_skip(struct whack_text *t, const char *prefix)
{
	size_t len = strlen(prefix);

	if (left(*t) < len || memcmp(t->s, prefix, len))
		return false;
	t->s += len;
	return true;
}

const char *whack_find(struct whack_text t, const char *s)
{
	return memmem(t.s, left(t), s, strlen(s));
}

bool whack_number(struct whack_text *t, uint64_t max, uint64_t *n)
{
	const char *begin = t->s;

	for (*n = 0; t->s < t->end && isdigit((unsigned char)*t->s); t->s++) {
		*n = *n * 10 + (uint64_t)(*t->s - '0');
		if (*n > max)
			return false;
	}
	return t->s > begin;
}

static bool take_hex(struct whack_text *t, uint32_t *n)
{
	const char *begin = t->s;

	for (*n = 0; t->s < t->end && isxdigit((unsigned char)*t->s); t->s++) {
		if (*n >> 28)
			return false;
		*n = *n << 4 | (uint32_t)(isdigit((unsigned char)*t->s)
						  ? *t->s - '0'
						  : tolower((unsigned char)*t->s) - 'a' + 10);
	}
	return t->s > begin;
}

bool whack_addr(struct whack_text t, struct ike_addr *addr)
{
	char buf[INET6_ADDRSTRLEN];

	memset(addr, 0, sizeof(*addr));
	if (left(t) >= sizeof(buf))
		return false;
	memcpy(buf, t.s, left(t));
	buf[left(t)] = '\0';
	if (inet_pton(AF_INET, buf, addr->addr) == 1)
		addr->family = AF_INET;
	else if (inet_pton(AF_INET6, buf, addr->addr) == 1)
		addr->family = AF_INET6;
	return addr->family;
}

int whack_keep(struct whack_text t, char **text)
{
	char *s;

	if (memchr(t.s, '\0', left(t)))
		return -EBADMSG;
	s = intern(t.s, left(t));
	if (!s)
		return -ENOMEM;
	intern_put(*text);
	*text = s;
	return 0;
}

/* Up to the first @c, or all; takes it off, and @c. */
static struct whack_text take_until(struct whack_text *t, char c)
{
	const char *end = memchr(t->s, c, left(*t));
	struct whack_text word = { t->s, end ? end : t->end };

	t->s = end ? end + 1 : t->end;
	return word;
}

int whack_take_name(struct whack_text *t, struct whack_name *name)
{
	struct whack_text text;
	uint64_t n = 0;
	int err;

	if (!whack_skip(t, "\"") || !memchr(t->s, '"', left(*t)))
		return -EBADMSG;
	text = take_until(t, '"');
	if (text.s == text.end)
		return -EBADMSG;
	if (whack_skip(t, "[") && (!whack_number(t, UINT32_MAX, &n) || !n || !whack_skip(t, "]")))
		return -EBADMSG;
	err = whack_keep(text, &name->name);
	name->instance = (unsigned int)n;
	return err;
}

/* What an instance has behind its name: " ADDRESS", or both ends of an opportunistic one. */
static void set_suffix(struct whack_name *name, struct whack_text t)
{
	whack_skip(&t, " ");
	name->opportunistic = whack_find(t, "...") || whack_find(t, "===");
	if (!name->opportunistic)
		whack_addr(t, &name->peer);
}

/* ---- one state ---- */

struct state_name {
	const char *name;
	enum whack_kind kind;
	int version;
};

/*
 * Without "STATE_" and "V2_", which only libreswan 4 has. What is in no table is a
 * CHILD_SA being negotiated if its name says so, else another IKE_SA.
 */
static const struct state_name state_names[] = {
	{ "ESTABLISHED_IKE_SA", WHACK_IKE, 2 },
	{ "ESTABLISHED_CHILD_SA", WHACK_CHILD, 2 },
	{ "PARENT_I0", WHACK_UNANSWERED, 2 },
	{ "PARENT_I1", WHACK_UNANSWERED, 2 },
	{ "PARENT_I2", WHACK_HALF_OPEN_I, 2 },
	{ "PARENT_R0", WHACK_HALF_OPEN_R, 2 },
	{ "PARENT_R1", WHACK_HALF_OPEN_R, 2 },
	{ "PARENT_R_EAP", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_SA_INIT_I0", WHACK_UNANSWERED, 2 },
	{ "IKE_SA_INIT_I", WHACK_UNANSWERED, 2 },
	{ "IKE_SA_INIT_R", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_SA_INIT_IR", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_INTERMEDIATE_I", WHACK_HALF_OPEN_I, 2 },
	{ "IKE_INTERMEDIATE_R", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_INTERMEDIATE_IR", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_SESSION_RESUME_I0", WHACK_UNANSWERED, 2 },
	{ "IKE_SESSION_RESUME_I", WHACK_UNANSWERED, 2 },
	{ "IKE_SESSION_RESUME_R0", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_SESSION_RESUME_R", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_SESSION_RESUME_IR", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_AUTH_I", WHACK_HALF_OPEN_I, 2 },
	{ "IKE_AUTH_EAP_R", WHACK_HALF_OPEN_R, 2 },
	{ "UNSECURED_R", WHACK_HALF_OPEN_R, 2 },
	{ "IKE_AUTH_CHILD_I0", WHACK_LARVAL, 2 },
	{ "IKE_AUTH_CHILD_R0", WHACK_LARVAL, 2 },
	{ "NEW_CHILD_I0", WHACK_LARVAL, 2 },
	{ "NEW_CHILD_I1", WHACK_LARVAL, 2 },
	{ "NEW_CHILD_R0", WHACK_LARVAL, 2 },
	{ "REKEY_CHILD_I0", WHACK_LARVAL, 2 },
	{ "REKEY_CHILD_I1", WHACK_LARVAL, 2 },
	{ "REKEY_CHILD_R0", WHACK_LARVAL, 2 },
	{ "MAIN_I1", WHACK_UNANSWERED, 1 },
	{ "MAIN_I2", WHACK_HALF_OPEN_I, 1 },
	{ "MAIN_I3", WHACK_HALF_OPEN_I, 1 },
	{ "MAIN_I4", WHACK_IKE, 1 },
	{ "MAIN_R0", WHACK_HALF_OPEN_R, 1 },
	{ "MAIN_R1", WHACK_HALF_OPEN_R, 1 },
	{ "MAIN_R2", WHACK_HALF_OPEN_R, 1 },
	{ "MAIN_R3", WHACK_IKE, 1 },
	{ "AGGR_I1", WHACK_UNANSWERED, 1 },
	{ "AGGR_I2", WHACK_IKE, 1 },
	{ "AGGR_R0", WHACK_HALF_OPEN_R, 1 },
	{ "AGGR_R1", WHACK_HALF_OPEN_R, 1 },
	{ "AGGR_R2", WHACK_IKE, 1 },
	{ "QUICK_R0", WHACK_LARVAL, 1 },
	{ "QUICK_I1", WHACK_LARVAL, 1 },
	{ "QUICK_R1", WHACK_LARVAL, 1 },
	{ "QUICK_I2", WHACK_CHILD, 1 },
	{ "QUICK_R2", WHACK_CHILD, 1 },
	{ NULL, WHACK_OTHER, 0 },
};

static bool is_text(struct whack_text t, const char *s)
{
	return left(t) == strlen(s) && !memcmp(t.s, s, left(t));
}

static void set_state_name(struct whack_state *st, struct whack_text t)
{
	const struct state_name *n = state_names;

	whack_skip(&t, "STATE_");
	if (whack_skip(&t, "V2_"))
		st->version = 2;
	while (n->name && !is_text(t, n->name))
		n++;
	st->kind = n->kind;
	if (n->version)
		st->version = n->version;
	if (!n->name && (whack_find(t, "CHILD") || whack_find(t, "QUICK")))
		st->kind = WHACK_LARVAL;
	/* After main mode, and always so: users of XAuth and Mode Config. */
	if (!n->name && (whack_find(t, "XAUTH_") || whack_find(t, "MODE_CFG_"))) {
		st->kind = WHACK_IKE;
		st->version = 1;
	}
}

/*
 * Where the part of an instance ends and ":PORT STATE (" begins: an IPv6 address has
 * colons, too. Return: the colon, or NULL; @t is then what follows the port.
 */
static const char *find_port(struct whack_text *t, uint16_t *port)
{
	struct whack_text rest = *t;
	const char *colon;
	uint64_t n;

	while ((colon = memchr(rest.s, ':', left(rest)))) {
		rest.s = colon + 1;
		if (!whack_number(&rest, UINT16_MAX, &n))
			continue;
		whack_skip(&rest, "(tcp)");
		if (!whack_skip(&rest, " ") || rest.s == rest.end ||
		    !isupper((unsigned char)*rest.s))
			continue;
		*port = (uint16_t)n;
		*t = rest;
		return colon;
	}
	return NULL;
}

/* A number behind @mark, 0 if there is none. */
static uint32_t number_behind(struct whack_text t, const char *mark)
{
	const char *at = whack_find(t, mark);
	uint64_t n;

	if (!at)
		return 0;
	t.s = at + strlen(mark);
	return whack_number(&t, UINT32_MAX, &n) ? (uint32_t)n : 0;
}

/* @t begins behind the name. */
static int take_state_line(struct whack_state *st, struct whack_text t)
{
	struct whack_text suffix = t;

	suffix.end = find_port(&t, &st->port);
	if (!suffix.end)
		return -EBADMSG;
	if (st->name.instance)
		set_suffix(&st->name, suffix);
	else if (suffix.s != suffix.end)
		return -EBADMSG;
	set_state_name(st, take_until(&t, ' '));
	st->newest = whack_find(t, " newest;");
	st->ike = number_behind(t, " SA #");
	return 0;
}

/* esp.SPI@ADDRESS, esp:SPI@ADDRESS for IPv6. Return: its protocol, 0 if it is none of ours. */
static uint8_t take_said(struct whack_text word, uint32_t *spi, struct ike_addr *addr)
{
	uint8_t proto = 0;

	if (whack_skip(&word, "esp.") || whack_skip(&word, "esp:"))
		proto = IPPROTO_ESP;
	else if (whack_skip(&word, "ah.") || whack_skip(&word, "ah:"))
		proto = IPPROTO_AH;
	if (!proto || !take_hex(&word, spi) || !whack_skip(&word, "@") || !whack_addr(word, addr))
		return 0;
	return proto;
}

/*
 * The SAs of a CHILD_SA, each in both directions, first the one that is sent to. Of a
 * bundle ESP counts.
 */
static int take_details(struct whack_state *st, struct whack_text t)
{
	struct ike_addr addr, remote = { 0 };
	uint32_t spi, spi_out = 0;
	uint8_t proto, out = 0;
	struct whack_text word;

	t.end = whack_find(t, " Traffic:");
	while (t.s < t.end) {
		word = take_until(&t, ' ');
		if (word.end - word.s > 4 && !memcmp(word.s, "tun", 3))
			st->tunnel = true;
		proto = take_said(word, &spi, &addr);
		if (!proto)
			continue;
		if (out != proto) {
			out = proto;
			spi_out = spi;
			remote = addr;
			continue;
		}
		out = 0;
		if (st->proto == IPPROTO_ESP)
			continue;
		st->proto = proto;
		st->spi_in = spi;
		st->local = addr;
		st->spi_out = spi_out;
		st->remote = remote;
	}
	return st->proto && st->spi_in && !out ? 0 : -EBADMSG;
}

/* id='...', which may hold a quote, is the last but for ", lease=". */
static int take_traffic(struct whack_state *st, struct whack_text t)
{
	const char *at = whack_find(t, ", lease=");

	if (at)
		t.end = at;
	st->add_time = number_behind(t, ", add_time=");
	at = whack_find(t, ", id='");
	if (!at || t.end[-1] != '\'' || at + 6 >= t.end)
		return 0;
	t.s = at + 6;
	t.end--;
	return whack_keep(t, &st->id);
}

/* ---- all of them ---- */

static int by_serial(const void *pa, const void *pb)
{
	const struct whack_state *a = pa, *b = pb;

	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

const struct whack_state *whack_state_find(const struct whack_states *states, uint32_t serial)
{
	struct whack_state key = { .serial = serial };

	if (!states->n)
		return NULL;
	return bsearch(&key, states->state, states->n, sizeof(key), by_serial);
}

static struct whack_state *add(struct whack_states *s, size_t *size, uint32_t serial)
{
	struct whack_state *p;

	if (s->n == *size) {
		p = reallocarray(s->state, *size ? *size * 2 : 16, sizeof(*p));
		if (!p)
			return NULL;
		s->state = p;
		*size = *size ? *size * 2 : 16;
	}
	p = &s->state[s->n++];
	memset(p, 0, sizeof(*p));
	p->serial = serial;
	return p;
}

/**
 * struct reading - so far
 * @traffic: of the states that --trafficstatus has told; they come first
 * @size, @traffic_size: room
 * @details: those of the last state are to come
 * @brief: the line that is always there has come, and says that
 * @total: so many CHILD_SAs are established
 */
struct reading {
	struct whack_states *s, traffic;
	size_t size, traffic_size;
	bool details, brief;
	uint64_t total;
};

static void clear(struct whack_state *st)
{
	intern_put(st->name.name);
	intern_put(st->id);
	memset(st, 0, sizeof(*st));
}

void whack_states_clear(struct whack_states *states)
{
	size_t i;

	for (i = 0; i < states->n; i++)
		clear(&states->state[i]);
	free(states->state);
	memset(states, 0, sizeof(*states));
}

/* One that waits for its IKE_SA has no number: @serial is that one's. */
static int take_pending(struct reading *r, struct whack_text t)
{
	const char *name = memchr(t.s, '"', left(t));
	struct whack_state *st = name ? add(r->s, &r->size, 0) : NULL;

	if (!name)
		return -EBADMSG;
	if (!st)
		return -ENOMEM;
	t.s = name;
	st->kind = WHACK_LARVAL;
	return whack_take_name(&t, &st->name);
}

/* The details of the state before; an IKEv1 responder has them early. */
static int take_details_line(struct reading *r, uint32_t serial, struct whack_text t)
{
	struct whack_state *last = r->s->n ? &r->s->state[r->s->n - 1] : NULL;

	if (!last || last->serial != serial ||
	    (last->kind != WHACK_CHILD && last->kind != WHACK_LARVAL))
		return -EBADMSG;
	r->details = false;
	last->kind = WHACK_CHILD;
	return take_details(last, t);
}

static int take_new_state(struct reading *r, uint32_t serial, struct whack_name *name,
			  struct whack_text t)
{
	struct whack_state *st;
	int err;

	if (r->details || r->s->n >= STATES_MAX)
		return -EBADMSG;
	st = add(r->s, &r->size, serial);
	if (!st)
		return -ENOMEM;
	st->name = *name;
	name->name = NULL;
	err = take_state_line(st, t);
	r->details = st->kind == WHACK_CHILD;
	return err;
}

static int take_named(struct reading *r, uint32_t serial, struct whack_text t)
{
	struct whack_name name = { 0 };
	struct whack_text behind;
	struct whack_state *st;
	uint16_t port;
	int err;

	err = whack_take_name(&t, &name);
	behind = t;
	if (!err && whack_find(t, " Traffic:")) {
		err = take_details_line(r, serial, t);
	} else if (!err && whack_find(t, ", type=")) {
		st = r->traffic.n < STATES_MAX ? add(&r->traffic, &r->traffic_size, serial) : NULL;
		err = st ? take_traffic(st, t) : -ENOMEM;
	} else if (!err && find_port(&behind, &port)) {
		err = take_new_state(r, serial, &name, t);
	} else if (!err) {
		err = -EBADMSG;
	}
	intern_put(name.name);
	return err;
}

static int take_line(struct reading *r, struct whack_text line)
{
	uint64_t serial;

	if (whack_skip(&line, "IPsec SAs: total("))
		r->brief = whack_number(&line, UINT32_MAX, &r->total);
	if (!whack_skip(&line, "#"))
		return r->details ? -EBADMSG : 0;
	if (!whack_number(&line, UINT32_MAX, &serial) || !serial || !whack_skip(&line, ": "))
		return -EBADMSG;
	if (whack_skip(&line, "pending "))
		return r->details ? -EBADMSG : take_pending(r, line);
	return take_named(r, (uint32_t)serial, line);
}

/* @line as it came, but what could harm a terminal. */
static void keep_bad(struct whack_states *s, struct whack_text line)
{
	snprintf(s->bad, sizeof(s->bad), "%.*s", (int)MIN(left(line), 100u), line.s);
}

/* What --trafficstatus has told, and whether all is there that was announced. */
static void merge(struct whack_states *s, struct whack_states *traffic, uint64_t total)
{
	const struct whack_state *t;
	uint64_t children = 0;
	size_t i;

	if (traffic->n)
		qsort(traffic->state, traffic->n, sizeof(*traffic->state), by_serial);
	for (i = 0; i < s->n; i++) {
		if (s->state[i].kind != WHACK_CHILD)
			continue;
		children++;
		t = whack_state_find(traffic, s->state[i].serial);
		if (!t)
			continue;
		s->state[i].id = t->id ? intern(t->id, strlen(t->id)) : NULL;
		s->state[i].add_time = t->add_time;
	}
	s->missing = children < total ? (unsigned int)(total - children) : 0;
}

int parse_states(const char *text, size_t len, struct whack_states *states)
{
	struct whack_text rest = { text, text + len }, line;
	struct reading r = { .s = states };
	int err = 0;

	memset(states, 0, sizeof(*states));
	while (!err && whack_line(&rest, &line)) {
		err = take_line(&r, line);
		if (err == -EBADMSG)
			keep_bad(states, line);
	}
	if (!err && (!r.brief || r.details || (len && text[len - 1] != '\n')))
		err = -EBADMSG;
	if (!err) {
		if (states->n)
			qsort(states->state, states->n, sizeof(*states->state), by_serial);
		merge(states, &r.traffic, r.total);
	}
	whack_states_clear(&r.traffic);
	if (err) {
		char bad[sizeof(states->bad)];

		memcpy(bad, states->bad, sizeof(bad));
		whack_states_clear(states);
		memcpy(states->bad, bad, sizeof(bad));
	}
	return err;
}
