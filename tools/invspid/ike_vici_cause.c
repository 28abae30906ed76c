// SPDX-License-Identifier: GPL-2.0-only
/*
 * From strongSwan's log lines to the causes of a CHILD_SA's end; see the header.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_cause.h"

/* 5.9 writes one line per selector of a terminate command, at once; they may be read later. */
#define BY_HAND_JOIN_MS 300
#define ONCE_MS 2000
#define OWN_MS 5000
#define LINE_MAX_LEN 512

/* Whose end it is, and where in the line that is said. */
enum scope {
	SCOPE_NOBODY, /* only here to keep a later row from matching */
	SCOPE_ALL,
	SCOPE_IKE, /* the IKE_SA that the line belongs to */
	SCOPE_ONCE, /* one CHILD_SA of it, which goes down right now */
	SCOPE_SPI_IN, /* "... SPI c0bb82ef" */
	SCOPE_SPI_OUT,
	SCOPE_BRACES, /* "net{3} ..." */
	SCOPE_UNBOUND, /* the CHILD_SA that the next SCOPE_BIND line names */
	SCOPE_BIND,
	SCOPE_TAKE_BACK, /* takes END_REKEYED back from the IKE_SA */
	SCOPE_SELECTOR, /* "CHILD_SA 'net' #3 of IKE_SA 'gw' #1" */
	SCOPE_STROKE, /* "net{3}', 'gw[1]'" */
};

/*
 * First match. The texts are the same in 5.9.8, 6.0.1 and 6.1.0 where no version is
 * given. "received" ones carry the peer's view, so their SPI is our outbound one.
 */
static const struct {
	const char *group, *begins;
	enum scope scope;
	enum sa_end end;
	enum cause_line line;
} table[] = {
	/* terminate() in vici_control.c; one line per selector in 5.9, one in all in 6.0 */
	{ "CFG", "vici terminate ", SCOPE_SELECTOR, END_OPERATOR, LINE_OTHER },
	/* clear_start_action() in vici_config.c: the operator unloaded or changed it */
	{ "CFG", "vici closing ", SCOPE_SELECTOR, END_OPERATOR, LINE_CONNS },
	{ "CFG", "closing IKE_SA #", SCOPE_SELECTOR, END_OPERATOR, LINE_CONNS }, /* 5.9 */
	{ "CFG", "closing '", SCOPE_SELECTOR, END_OPERATOR, LINE_CONNS }, /* 5.9 */
	/* stroke_terminate() in stroke_socket.c: `ipsec down` */
	{ "CFG", "received stroke: terminate '", SCOPE_STROKE, END_OPERATOR, LINE_OTHER },

	/* retransmit() in task_manager_v2.c and task_manager_v1.c */
	{ "IKE", "giving up after ", SCOPE_IKE, END_GAVE_UP, LINE_OTHER },
	/* execute() in dpd_timeout_job.c, IKEv1 */
	{ "JOB", "DPD check timed out", SCOPE_IKE, END_GAVE_UP, LINE_OTHER },

	/* process_r() in ike_delete.c; isakmp_delete.c for IKEv1 */
	{ "IKE", "received DELETE for different IKE_SA", SCOPE_NOBODY, END_NONE, LINE_OTHER },
	{ "IKE", "received DELETE for IKE_SA ", SCOPE_IKE, END_DELETED_PEER, LINE_OTHER },
	/* build_i() there */
	{ "IKE", "sending DELETE for IKE_SA ", SCOPE_IKE, END_DELETED_LOCAL, LINE_OTHER },
	/* process_payloads() in child_delete.c; quick_delete.c for IKEv1 */
	{ "IKE", "received DELETE for unknown ", SCOPE_NOBODY, END_NONE, LINE_OTHER },
	{ "IKE", "received DELETE for ", SCOPE_SPI_OUT, END_DELETED_PEER, LINE_OTHER },
	/* build_payloads() there */
	{ "IKE", "sending DELETE for ", SCOPE_SPI_IN, END_DELETED_LOCAL, LINE_OTHER },
	/* log_children() there; delete_child() in quick_delete.c */
	{ "IKE", "closing expired CHILD_SA ", SCOPE_BRACES, END_EXPIRED, LINE_OTHER },
	{ "IKE", "closing CHILD_SA ", SCOPE_BIND, END_NONE, LINE_OTHER },

	/* execute() in inactivity_job.c */
	{ "JOB", "deleting CHILD_SA after ", SCOPE_UNBOUND, END_INACTIVITY, LINE_OTHER },
	{ "JOB", "deleting IKE_SA after ", SCOPE_IKE, END_INACTIVITY, LINE_OTHER },

	/*
	 * check_uniqueness() and enforce_replace() in ike_sa_manager.c; the line belongs
	 * to the old IKE_SA, which is checked out by then
	 */
	{ "IKE", "destroying duplicate IKE_SA ", SCOPE_IKE, END_REPLACED, LINE_OTHER },
	{ "IKE", "deleting duplicate IKE_SA ", SCOPE_IKE, END_REPLACED, LINE_OTHER },
	{ "IKE", "schedule delete of duplicate IKE_SA ", SCOPE_IKE, END_REPLACED, LINE_OTHER },

	/* reauth() in ike_sa.c: the children are made anew, so they are still wanted */
	{ "IKE", "reauthenticating IKE_SA failed", SCOPE_TAKE_BACK, END_NONE, LINE_OTHER },
	{ "IKE", "reauthenticating IKE_SA ", SCOPE_IKE, END_REKEYED, LINE_OTHER },
	/* process_i() in child_rekey.c: the daemon makes a new one in its place */
	{ "IKE", "peer didn't find the CHILD_SA we tried to rekey", SCOPE_ONCE, END_REKEYED,
	  LINE_OTHER }, /* 5.9 */
	{ "IKE", "peer didn't find CHILD_SA ", SCOPE_BRACES, END_REKEYED, LINE_OTHER },

	/* run() in charon-systemd.c, charon.c */
	{ "DMN", "SIGTERM received, shutting down", SCOPE_ALL, END_DAEMON_LOST, LINE_STOPPING },
	{ "DMN", "SIGINT received, shutting down", SCOPE_ALL, END_DAEMON_LOST, LINE_STOPPING },

	/* merge_config() and, from 6.0.2 on, unload_conn() in vici_config.c */
	{ "CFG", "added vici connection: ", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	{ "CFG", "updated vici connection: ", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	{ "CFG", "replaced vici connection: ", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	{ "CFG", "removed vici connection: ", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	/* stroke_config.c: those of `ipsec add` and `ipsec delete` */
	{ "CFG", "added configuration '", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	{ "CFG", "added child to existing configuration '", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	{ "CFG", "deleted connection '", SCOPE_NOBODY, END_NONE, LINE_CONNS },
	/* send_() in vici_socket.c */
	{ "CFG", "vici message size ", SCOPE_NOBODY, END_NONE, LINE_DISCARDED },
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static void mark_clear(struct cause_mark *m)
{
	free(m->conn);
	free(m->child);
	memset(m, 0, sizeof(*m));
}

static struct cause_mark *mark_new(struct causes *c, enum sa_end end, const struct vici_log *line,
				   int64_t now)
{
	struct cause_mark *m = &c->mark[c->next];

	c->next = (c->next + 1) % CAUSE_MARKS;
	c->changes++;
	mark_clear(m);
	m->at = now;
	m->end = end;
	m->thread = line->thread;
	return m;
}

/* The mark made last, or NULL. */
static struct cause_mark *mark_last(struct causes *c)
{
	struct cause_mark *m = &c->mark[(c->next + CAUSE_MARKS - 1) % CAUSE_MARKS];

	return m->end == END_NONE ? NULL : m;
}

static bool number_at(const char *s, int base, uint32_t *v)
{
	unsigned long n;
	char *end;

	if (!isxdigit((unsigned char)*s))
		return false;
	n = strtoul(s, &end, base);
	if (end == s || n > UINT32_MAX || !n)
		return false;
	*v = n;
	return true;
}

/* "net{3} with SPIs ...": a name can hold braces itself, so the first {number} it is. */
static bool braces_at(const char *s, uint32_t *id)
{
	while ((s = strchr(s, '{'))) {
		s++;
		if (number_at(s, 10, id) && s[strspn(s, "0123456789")] == '}')
			return true;
	}
	return false;
}

static bool spi_at(const char *s, uint32_t *spi)
{
	static const char before[] = "CHILD_SA with SPI ";

	s = strstr(s, before);
	return s && number_at(s + sizeof(before) - 1, 16, spi);
}

/* "'name' #id", "'name'" or "#id", up to @end. */
static bool selector_one(const char *s, const char *end, char **name, uint32_t *id)
{
	const char *quote;

	if (*s == '\'') {
		for (quote = end - 1; quote > s && *quote != '\''; quote--)
			;
		if (quote == s)
			return false;
		*name = strndup(s + 1, quote - s - 1);
		if (!*name)
			return false;
		s = quote + 1;
		while (*s == ' ')
			s++;
		if (s >= end)
			return true;
	}
	return *s == '#' && number_at(s + 1, 10, id);
}

/* Fills the selectors of @m from "CHILD_SA ... of IKE_SA ...", or one of the two. */
static bool selector(const char *s, struct cause_mark *m)
{
	static const char child[] = "CHILD_SA ", ike[] = "IKE_SA ", of[] = " of IKE_SA ";
	const char *end = s + strlen(s), *mid;

	if (!strncmp(s, ike, sizeof(ike) - 1))
		return selector_one(s + sizeof(ike) - 1, end, &m->conn, &m->ike_id);
	if (!strncmp(s, child, sizeof(child) - 1))
		s += sizeof(child) - 1;
	mid = strstr(s, of);
	if (!selector_one(s, mid ? mid : end, &m->child, &m->child_id))
		return false;
	return !mid || selector_one(mid + sizeof(of) - 1, end, &m->conn, &m->ike_id);
}

/*
 * 5.9 logs the selectors of one command as consecutive lines of one thread, in the
 * order IKE_SA id, CHILD_SA id, IKE_SA name, CHILD_SA name. They restrict each other:
 * without joining them, `terminate --child net --ike gw` would claim all of gw.
 */
static bool join(struct cause_mark *last, struct cause_mark *m)
{
	if (!last || !last->by_hand || last->thread != m->thread ||
	    m->at - last->at > BY_HAND_JOIN_MS)
		return false;
	if (last->child || (last->conn && (m->ike_id || m->child_id || m->conn)) ||
	    (last->child_id && (m->ike_id || m->child_id)) || (last->ike_id && m->ike_id))
		return false;
	last->ike_id |= m->ike_id;
	last->child_id |= m->child_id;
	if (m->conn)
		last->conn = m->conn;
	if (m->child)
		last->child = m->child;
	last->at = m->at;
	m->conn = NULL;
	m->child = NULL;
	return true;
}

static bool is_own(struct causes *c, const struct cause_mark *m, int64_t now)
{
	unsigned int i;

	if (!m->ike_id == !m->child_id || m->conn || m->child)
		return false;
	for (i = 0; i < CAUSE_OWN; i++) {
		if (c->own[i].ike_id == m->ike_id && c->own[i].child_id == m->child_id &&
		    c->own[i].until >= now) {
			c->own[i].until = 0;
			return true;
		}
	}
	return false;
}

static void log_selector(struct causes *c, const char *rest, bool terminate,
			 const struct vici_log *line, int64_t now)
{
	struct cause_mark m = { .at = now, .thread = line->thread }, *to;
	bool own;

	if (selector(rest, &m) && !(terminate && join(mark_last(c), &m))) {
		own = terminate && is_own(c, &m, now);
		to = mark_new(c, END_OPERATOR, line, now);
		m.end = own ? END_DELETED_LOCAL : END_OPERATOR;
		m.by_hand = terminate && !own;
		*to = m;
		return;
	}
	mark_clear(&m);
}

/* `ipsec down`: "net", "net{3}", "net{*}", "gw[1]", "gw[*]", "{3}", "[1]". */
static void log_stroke(struct causes *c, const char *rest, const struct vici_log *line, int64_t now)
{
	size_t name = strcspn(rest, "[{'");
	struct cause_mark *m;
	char **to, kind = rest[name];
	uint32_t id = 0;

	if (kind == '[' || kind == '{')
		number_at(rest + name + 1, 10, &id);
	if (!name && !id)
		return;
	m = mark_new(c, END_OPERATOR, line, now);
	to = kind == '[' ? &m->conn : &m->child;
	if (kind == '[')
		m->ike_id = id;
	else
		m->child_id = id;
	/* An id says it all; a name that can't be kept must not become "any". */
	if (!id) {
		*to = strndup(rest, name);
		if (!*to)
			mark_clear(m);
	}
}

static void bind_mark(struct causes *c, uint32_t ike_id, uint32_t child_id)
{
	struct cause_mark *m;
	unsigned int i;

	for (i = 0; i < CAUSE_MARKS; i++) {
		m = &c->mark[(c->next + i) % CAUSE_MARKS];
		if (m->end != END_NONE && m->unbound && m->ike_id == ike_id) {
			m->unbound = false;
			m->child_id = child_id;
			c->changes++;
			return;
		}
	}
}

static void take_back(struct causes *c, uint32_t ike_id)
{
	unsigned int i;

	for (i = 0; i < CAUSE_MARKS; i++)
		if (c->mark[i].end == END_REKEYED && c->mark[i].ike_id == ike_id)
			mark_clear(&c->mark[i]);
}

/* Lines whose cause belongs to something inside the IKE_SA of the line. */
static void log_in_ike(struct causes *c, enum scope whose, enum sa_end end, const char *rest,
		       const struct vici_log *line, int64_t now)
{
	uint32_t id = 0;
	struct cause_mark *m;

	if (!line->ike_id)
		return;
	if (whose == SCOPE_TAKE_BACK) {
		take_back(c, line->ike_id);
		return;
	}
	if ((whose == SCOPE_BIND || whose == SCOPE_BRACES) && !braces_at(rest, &id))
		return;
	if ((whose == SCOPE_SPI_IN || whose == SCOPE_SPI_OUT) && !spi_at(rest, &id))
		return;
	if (whose == SCOPE_BIND) {
		bind_mark(c, line->ike_id, id);
		return;
	}
	m = mark_new(c, end, line, now);
	m->ike_id = line->ike_id;
	m->unbound = whose == SCOPE_UNBOUND;
	m->once = whose == SCOPE_ONCE;
	if (whose == SCOPE_BRACES)
		m->child_id = id;
	else if (whose == SCOPE_SPI_IN)
		m->spi_in = id;
	else if (whose == SCOPE_SPI_OUT)
		m->spi_out = id;
}

enum cause_line cause_log(struct causes *c, const struct vici_log *line, int64_t now)
{
	char msg[LINE_MAX_LEN];
	const char *rest;
	size_t i, len;

	for (i = 0; i < ROWS; i++)
		if (vici_str_is(line->group, table[i].group) &&
		    vici_str_begins(line->msg, table[i].begins))
			break;
	if (i == ROWS)
		return LINE_OTHER;
	len = line->msg.len < sizeof(msg) - 1 ? line->msg.len : sizeof(msg) - 1;
	memcpy(msg, line->msg.s, len);
	msg[len] = '\0';
	rest = msg + strlen(table[i].begins);
	switch (table[i].scope) {
	case SCOPE_NOBODY:
		break;
	case SCOPE_ALL:
		mark_new(c, table[i].end, line, now);
		break;
	case SCOPE_SELECTOR:
		/* The selector begins behind the verb, which is all or part of the row. */
		rest = strstr(msg, "vici ") == msg ? rest : msg + strlen("closing ");
		log_selector(c, rest, vici_str_begins(line->msg, "vici terminate "), line, now);
		break;
	case SCOPE_STROKE:
		log_stroke(c, rest, line, now);
		break;
	default:
		log_in_ike(c, table[i].scope, table[i].end, rest, line, now);
	}
	return table[i].line;
}

void cause_own_terminate(struct causes *c, uint32_t ike_id, uint32_t child_id, int64_t now)
{
	c->own[c->next_own].ike_id = ike_id;
	c->own[c->next_own].child_id = child_id;
	c->own[c->next_own].until = now + OWN_MS;
	c->next_own = (c->next_own + 1) % CAUSE_OWN;
}

static bool fits(const struct cause_mark *m, const struct cause_child *child, int64_t now)
{
	if (m->end == END_NONE || m->unbound || now - m->at > (m->once ? ONCE_MS : CAUSE_KEEP_MS))
		return false;
	/* A child that came after the mark was made is not meant by it. */
	if (child->installed_at > m->at)
		return false;
	return (!m->ike_id || m->ike_id == child->ike_id) &&
	       (!m->child_id || m->child_id == child->child_id) &&
	       (!m->spi_in || m->spi_in == child->spi_in) &&
	       (!m->spi_out || m->spi_out == child->spi_out) &&
	       (!m->conn || !strcmp(m->conn, child->conn)) &&
	       (!m->child || !strcmp(m->child, child->child));
}

enum sa_end cause_find(struct causes *c, const struct cause_child *child, int64_t now)
{
	struct cause_mark *m;
	enum sa_end end;
	unsigned int i;

	for (i = 0; i < CAUSE_MARKS; i++) {
		m = &c->mark[(c->next + i) % CAUSE_MARKS];
		if (!fits(m, child, now))
			continue;
		end = m->end;
		if (m->once)
			mark_clear(m);
		return end;
	}
	return END_NONE;
}

void cause_clear(struct causes *c)
{
	unsigned int i;

	for (i = 0; i < CAUSE_MARKS; i++)
		mark_clear(&c->mark[i]);
	memset(c, 0, sizeof(*c));
}
