// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the two formats a client prefers, by its Accept header: a list of media
 * ranges, each with parameters, of which q is how much it is wanted. Anything may
 * come; what makes no sense counts as if it were not there.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"

/* A piece of the header, without the blanks around it. */
struct piece {
	const char *s;
	size_t len;
};

static struct piece trim(struct piece p)
{
	while (p.len && (*p.s == ' ' || *p.s == '\t'))
		p.s++, p.len--;
	while (p.len && (p.s[p.len - 1] == ' ' || p.s[p.len - 1] == '\t'))
		p.len--;
	return p;
}

/* Takes what stands before the next @sep, which is not looked for in "quotes". */
static struct piece cut(struct piece *rest, char sep)
{
	struct piece p = { .s = rest->s };
	bool quoted = false;
	size_t i;

	for (i = 0; i < rest->len && (quoted || rest->s[i] != sep); i++)
		if (rest->s[i] == '"')
			quoted = !quoted;
		else if (rest->s[i] == '\\' && quoted && i + 1 < rest->len)
			i++;
	p.len = i;
	i += i < rest->len;
	rest->s += i;
	rest->len -= i;
	return trim(p);
}

static bool is(struct piece p, const char *text)
{
	return p.len == strlen(text) && !strncasecmp(p.s, text, p.len);
}

static struct piece unquote(struct piece p)
{
	if (p.len >= 2 && p.s[0] == '"' && p.s[p.len - 1] == '"') {
		p.s++;
		p.len -= 2;
	}
	return p;
}

/* "0.75" in thousandths; more than 1, or nonsense, is 0. */
static int quality(struct piece p)
{
	int q, unit = 100;
	size_t i;

	if (!p.len || (p.s[0] != '0' && p.s[0] != '1') || p.len > 5 || (p.len > 1 && p.s[1] != '.'))
		return 0;
	q = (p.s[0] - '0') * 1000;
	for (i = 2; i < p.len; i++, unit /= 10) {
		if (p.s[i] < '0' || p.s[i] > '9')
			return 0;
		q += (p.s[i] - '0') * unit;
	}
	return q <= 1000 ? q : 0;
}

/**
 * struct range - a media range that was understood
 * @q: in thousandths
 * @version: empty if none was asked for
 */
struct range {
	struct piece type, version;
	int q;
};

static struct range parse(struct piece p)
{
	struct range r = { .q = 1000 };
	struct piece param, name;

	r.type = cut(&p, ';');
	while (p.len) {
		param = cut(&p, ';');
		name = cut(&param, '=');
		if (is(name, "q"))
			r.q = quality(trim(param));
		else if (is(name, "version"))
			r.version = unquote(trim(param));
	}
	return r;
}

/**
 * struct wish - how much a format is wanted
 * @rank: how exactly it was named; the most exact range counts
 */
struct wish {
	int rank, q;
};

static void want(struct wish *w, int rank, int q)
{
	if (rank < w->rank || (rank == w->rank && q <= w->q))
		return;
	w->rank = rank;
	w->q = q;
}

bool metrics_wants_open(const char *accept)
{
	struct piece all = { .s = accept, .len = accept ? strlen(accept) : 0 };
	struct wish open = { 0 }, text = { 0 };
	struct range r;

	while (all.len) {
		r = parse(cut(&all, ','));
		if (is(r.type, "application/openmetrics-text")) {
			if (!r.version.len || is(r.version, "1.0.0"))
				want(&open, 3, r.q);
		} else if (is(r.type, "text/plain")) {
			if (!r.version.len || is(r.version, "0.0.4"))
				want(&text, 3, r.q);
		} else if (is(r.type, "text/*")) {
			want(&text, 2, r.q);
		} else if (is(r.type, "*/*")) {
			want(&text, 1, r.q);
		}
	}
	/* Whoever takes anything, a person with a browser or curl, gets the text. */
	return open.q && open.q >= text.q;
}
