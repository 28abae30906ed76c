// SPDX-License-Identifier: GPL-2.0-only
/*
 * See ike_whack_cause.h. A line begins with the time (a file of pluto's own), or with
 * time, host and pluto[PID] (a file of syslog); then follows what it is about:
 *
 *	"net" #4: STATE_V2_ESTABLISHED_IKE_SA: 60 second timeout exceeded after 7 retransmits.  ...
 *	"net"[1] 192.0.2.2 #4: ...
 *	"net2": terminating SAs using this connection
 *	"net2": added IKEv2 connection
 *	"net2": initiating delete of connection's Child SA #5 using IKE SA #1
 *	Pluto is shutting down
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ike_whack_cause.h"
#include "intern.h"

static size_t left(struct whack_text t)
{
	return (size_t)(t.end - t.s);
}

/* Takes a word and the blanks behind it off. */
static struct whack_text take_word(struct whack_text *t)
{
	struct whack_text word = { t->s, t->s };

	while (word.end < t->end && *word.end != ' ')
		word.end++;
	t->s = word.end;
	while (t->s < t->end && *t->s == ' ')
		t->s++;
	return word;
}

static bool is_program(struct whack_text word, pid_t pid)
{
	char tag[32];
	int len = snprintf(tag, sizeof(tag), "pluto[%d]:", (int)pid);

	return left(word) == (size_t)len && !memcmp(word.s, tag, (size_t)len);
}

/* "Nov" or "2026-11-28T17:25:28.118904+00:00": how many words have the time? */
static int words_of_time(struct whack_text t)
{
	struct whack_text word = take_word(&t);

	if (left(word) > 19 && isdigit((unsigned char)word.s[0]) && word.s[10] == 'T')
		return 1;
	if (left(word) != 3 || !isupper((unsigned char)word.s[0]))
		return 0;
	word = take_word(&t);
	if (word.s == word.end || !isdigit((unsigned char)*word.s))
		return 0;
	word = take_word(&t);
	return left(word) >= 8 && word.s[2] == ':' && word.s[5] == ':' ? 3 : 0;
}

static bool skip_head(struct whack_text *t, pid_t pid)
{
	int n = words_of_time(*t);
	struct whack_text word = { t->s, t->s };

	while (n-- > 0)
		word = take_word(t);
	/* pluto's own: the time ends with a colon, or there is none */
	if (word.s == word.end || word.end[-1] == ':')
		return true;
	take_word(t); /* the host */
	return is_program(take_word(t), pid);
}

/* Behind the name: " ADDRESS" of an instance, " #N", and a colon. */
static bool take_number(struct whack_log_line *line)
{
	struct whack_text t = line->msg;
	const char *hash = whack_find(t, " #"), *colon = whack_find(t, ": ");
	uint64_t n;

	if (!colon)
		return false;
	if (hash && hash < colon) {
		t.s = hash + 2;
		if (!whack_number(&t, UINT32_MAX, &n) || t.s != colon)
			return false;
		line->serial = (uint32_t)n;
	}
	line->msg.s = colon + 2;
	return true;
}

static enum whack_line what_is(const struct whack_log_line *line)
{
	struct whack_text t = line->msg;

	if (!line->name.name)
		return whack_skip(&t, "Pluto is shutting down") || whack_skip(&t, "shutting down")
			       ? WHACK_LINE_STOPPING
			       : WHACK_LINE_OTHER;
	if (whack_skip(&t, "liveness action"))
		return WHACK_LINE_LIVENESS;
	/* libreswan 4, and 5 */
	if (whack_skip(&t, "terminating SAs using this connection") ||
	    whack_skip(&t, "initiating delete of connection's "))
		return WHACK_LINE_BY_HAND;
	if (!line->serial)
		return whack_skip(&t, "added ") ? WHACK_LINE_LOADED : WHACK_LINE_OTHER;
	if (whack_skip(&t, "received whack to delete"))
		return WHACK_LINE_BY_HAND;
	/* The state comes first, which is one word. */
	if (!whack_skip(&t, "STATE_") && !isupper((unsigned char)(t.s < t.end ? *t.s : 0)))
		return WHACK_LINE_OTHER;
	take_word(&t);
	if (whack_skip(&t, "max number of retransmissions ("))
		return WHACK_LINE_GAVE_UP;
	take_word(&t); /* the number of seconds */
	return whack_skip(&t, "second timeout exceeded after ") ? WHACK_LINE_GAVE_UP
								: WHACK_LINE_OTHER;
}

bool parse_log_line(struct whack_text text, pid_t pid, struct whack_log_line *line)
{
	memset(line, 0, sizeof(*line));
	if (!skip_head(&text, pid) || text.s == text.end || *text.s == '|')
		return false;
	line->msg = text;
	if (*text.s == '"' && (whack_take_name(&line->msg, &line->name) || !take_number(line))) {
		whack_log_line_clear(line);
		return false;
	}
	line->what = what_is(line);
	return true;
}

void whack_log_line_clear(struct whack_log_line *line)
{
	intern_put(line->name.name);
	line->name.name = NULL;
}

/* ---- causes ---- */

void whack_cause_note(struct whack_causes *c, const struct whack_log_line *line, int64_t now)
{
	struct whack_cause *cause;

	if (line->what == WHACK_LINE_OTHER || line->what == WHACK_LINE_LOADED ||
	    line->what == WHACK_LINE_STOPPING)
		return;
	cause = &c->cause[c->next];
	c->next = (c->next + 1) % WHACK_CAUSES;
	cause->at = now;
	cause->what = line->what;
	cause->serial = line->serial;
	snprintf(cause->name, sizeof(cause->name), "%s", line->name.name);
}

static bool is_recent(const struct whack_cause *cause, int64_t now)
{
	return cause->what != WHACK_LINE_OTHER && now - cause->at < WHACK_CAUSE_MS;
}

enum sa_end whack_cause_find(const struct whack_causes *c, const char *conn, uint32_t serial,
			     uint32_t ike, int64_t now)
{
	bool gave_up = false, by_hand = false, dead = false;
	const struct whack_cause *cause;

	for (cause = c->cause; cause < c->cause + WHACK_CAUSES; cause++) {
		if (!is_recent(cause, now))
			continue;
		if (cause->what == WHACK_LINE_GAVE_UP)
			gave_up |= ike && cause->serial == ike;
		else if (cause->what == WHACK_LINE_LIVENESS)
			dead |= !strcmp(cause->name, conn);
		else if (cause->serial)
			by_hand |= cause->serial == serial || cause->serial == ike;
		else
			by_hand |= !strcmp(cause->name, conn);
	}
	/* pluto itself terminates what has a dead peer, with the same words. */
	if (by_hand && !dead)
		return END_OPERATOR;
	return gave_up || dead ? END_GAVE_UP : END_UNSEEN;
}
