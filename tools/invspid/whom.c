// SPDX-License-Identifier: GPL-2.0-only
/* See whom.h. A word that is an address or a prefix is one; any other is a connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "whom.h"

#define BLANKS " \t\r\n"
#define WORDS_MAX 256

/* @name: of a connection, NULL with a prefix */
struct word {
	bool excluded;
	const char *name;
	struct invspi_prefix prefix;
};

/* @words: @text cut into pieces */
struct whom {
	char *text, *words;
	bool all;
	struct word *word;
	size_t n;
};

static bool looks_like_address(const char *s)
{
	return strchr(s, ':') || strchr(s, '/') ||
	       (s[0] && strspn(s, "0123456789.") == strlen(s) && strchr(s, '.'));
}

static int take_word(struct whom *w, const char *s, const char *what, struct invspi_err *err)
{
	struct invspi_err why = { "" };
	struct word *word;

	if (!strcmp(s, "all")) {
		w->all = true;
		return 0;
	}
	if (!strcmp(s, "none"))
		return invspi_err_set(err, EINVAL, "bad %s: \"none\" stands alone", what);
	if (w->n == WORDS_MAX)
		return invspi_err_set(err, ERANGE, "%s has too many words: at most %d", what,
				      WORDS_MAX);
	word = &w->word[w->n++];
	word->excluded = s[0] == '!';
	s += word->excluded;
	if (!s[0])
		return invspi_err_set(err, EINVAL,
				      "bad %s: want a connection or an address behind the !", what);
	if (!looks_like_address(s)) {
		word->name = s;
		return 0;
	}
	if (parse_prefix(s, &word->prefix, &why))
		return invspi_err_set(err, EINVAL, "bad %s: %s", what, why.text);
	return 0;
}

static int take_words(struct whom *w, const char *what, struct invspi_err *err)
{
	bool only_excluded = true;
	char *s, *rest;
	size_t i;
	int ret;

	for (s = strtok_r(w->words, BLANKS, &rest); s; s = strtok_r(NULL, BLANKS, &rest)) {
		ret = take_word(w, s, what, err);
		if (ret)
			return ret;
	}
	for (i = 0; i < w->n; i++)
		only_excluded &= w->word[i].excluded;
	if (w->all || !only_excluded)
		return 0;
	return invspi_err_set(err, EINVAL,
			      "bad %s \"%s\": want all, none, connections or addresses%s", what,
			      w->text, w->n ? "; before those with a ! write all" : "");
}

struct whom *whom_parse(const char *text, const char *what, struct invspi_err *err)
{
	struct whom *w = calloc(1, sizeof(*w));

	if (w) {
		w->text = strdup(text);
		w->words = strdup(text);
		w->word = calloc(WORDS_MAX, sizeof(*w->word));
	}
	if (!w || !w->text || !w->words || !w->word) {
		invspi_err_set(err, ENOMEM, "out of memory");
		whom_free(w);
		return NULL;
	}
	if (strcmp(text, "none") && take_words(w, what, err)) {
		whom_free(w);
		return NULL;
	}
	return w;
}

void whom_free(struct whom *w)
{
	if (!w)
		return;
	free(w->text);
	free(w->words);
	free(w->word);
	free(w);
}

const char *whom_text(const struct whom *w)
{
	return w->text;
}

static bool is(const struct word *word, const char *conn, const struct ike_addr *addr)
{
	union invspi_addr a = { 0 };

	if (word->name)
		return conn && !strcmp(word->name, conn);
	if (!addr)
		return false;
	memcpy(a.b, addr->addr, sizeof(a.b));
	return prefix_has(&word->prefix, addr->family, &a);
}

bool whom_has(const struct whom *w, const char *conn, const struct ike_addr *addr)
{
	bool yes = w->all;
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (!is(&w->word[i], conn, addr))
			continue;
		if (w->word[i].excluded)
			return false;
		yes = true;
	}
	return yes;
}

bool whom_none(const struct whom *w)
{
	return !w->all && !w->n;
}
