// SPDX-License-Identifier: GPL-2.0-only
/*
 * capture "NAME" { command = ... } and hook "NAME" { command = ... events = ... for = ... }:
 * programs that the helper runs. A command is cut into words at blanks, and that is all:
 * there is no shell, and nothing in it means anything else than itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_int.h"
#include "happen.h"
#include "whom.h"

#define BLANKS " \t\r\n"
#define WORDS_MAX 32
#define COMMAND_MAX 1000
#define NAME_MAX_LEN 32
#define PROGRAMS_MAX 32
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

enum { COMMAND, EVENTS, FOR, KEYS };

const char *const conf_program_keys[] = {
	[COMMAND] = "command", [EVENTS] = "events", [FOR] = "for", [KEYS] = NULL
};

static cfg_opt_t capture_opts[KEYS + 1], hook_opts[KEYS + 1];
static const cfg_opt_t *last[KEYS]; /* of the last section that has the key */

/* ---- values ---- */

/* Return: an array that ends with NULL, one block with its words; NULL without memory. */
static char **split(const char *command)
{
	size_t room = (WORDS_MAX + 1) * sizeof(char *), len = strlen(command) + 1, n = 0;
	char **argv = malloc(room + len), *copy, *s, *rest;

	if (!argv)
		return NULL;
	copy = memcpy((char *)argv + room, command, len);
	for (s = strtok_r(copy, BLANKS, &rest); s && n < WORDS_MAX;
	     s = strtok_r(NULL, BLANKS, &rest))
		argv[n++] = s;
	argv[n] = NULL;
	return argv;
}

static size_t count_words(const char *s)
{
	size_t n = 0;

	for (s += strspn(s, BLANKS); *s; s += strspn(s, BLANKS)) {
		s += strcspn(s, BLANKS);
		n++;
	}
	return n;
}

static int check_command(const char *value, struct invspi_err *err)
{
	size_t n = count_words(value);

	value += strspn(value, BLANKS);
	if (!n)
		return invspi_err_set(err, EINVAL, "bad command: it is empty");
	if (n > WORDS_MAX || strlen(value) > COMMAND_MAX)
		return invspi_err_set(err, ERANGE,
				      "bad command: at most %d words and %d bytes; write a script",
				      WORDS_MAX, COMMAND_MAX);
	if (value[0] != '/' && memchr(value, '/', strcspn(value, BLANKS)))
		return invspi_err_set(
			err, EINVAL,
			"bad command \"%s\": want a path that begins with /, or a name", value);
	return 0;
}

/* Sets @events to a bit for each. */
static int take_events(const char *value, unsigned int *events, struct invspi_err *err)
{
	char buf[256], *s, *rest;
	int i;

	*events = 0;
	if (snprintf(buf, sizeof(buf), "%s", value) >= (int)sizeof(buf))
		return invspi_err_set(err, ERANGE, "bad events: too long");
	for (s = strtok_r(buf, BLANKS, &rest); s; s = strtok_r(NULL, BLANKS, &rest)) {
		for (i = 0; i < HAPPEN__COUNT && strcmp(s, happening_name((enum happening)i)); i++)
			;
		if (i == HAPPEN__COUNT)
			return invspi_err_set(
				err, EINVAL,
				"unknown event \"%s\": there are desync, suspected, recovered, failed, gave_up, alert, recorded",
				s);
		*events |= 1u << i;
	}
	if (!*events)
		return invspi_err_set(err, EINVAL, "bad events: none is named");
	return 0;
}

static int check(int key, const char *value, struct invspi_err *err)
{
	unsigned int events;
	struct whom *w;

	switch (key) {
	case COMMAND:
		return check_command(value, err);
	case EVENTS:
		return take_events(value, &events, err);
	default:
		w = whom_parse(value, "for", err);
		whom_free(w);
		return w ? 0 : -EINVAL;
	}
}

static int refuse(cfg_t *cfg, const char *what)
{
	cfg_error(cfg, "%s", what);
	return -1;
}

static int on_key(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);
	struct invspi_err err = { "" };
	char again[96];
	int i;

	/* It is one of them: NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	for (i = 0; strcmp(conf_program_keys[i], opt->name); i++)
		;
	if (last[i] == opt) {
		snprintf(again, sizeof(again), "%s is given twice: keep one of the lines",
			 opt->name);
		return refuse(cfg, again);
	}
	last[i] = opt;
	return check(i, value ? value : "", &err) ? refuse(cfg, err.text) : 0;
}

/* ---- sections ---- */

static const char *const reserved[] = { "bundle",      "timeline",  "events",
					"ike-sas",     "xfrm-stat", "xfrm-state",
					"xfrm-policy", "flows",	    NULL };

/* The name of a capture becomes that of a file. */
static int check_name(cfg_t *cfg, const char *section, const char *name, bool is_file)
{
	char msg[160];
	int i;

	if (!name || !name[0] || strlen(name) > NAME_MAX_LEN ||
	    strspn(name, NAME_CHARS) != strlen(name)) {
		snprintf(msg, sizeof(msg),
			 "a %s needs a name of at most %d small letters, digits and -", section,
			 NAME_MAX_LEN);
		return refuse(cfg, msg);
	}
	for (i = 0; is_file && reserved[i]; i++) {
		if (strcmp(name, reserved[i]))
			continue;
		snprintf(msg, sizeof(msg),
			 "a bundle has a file \"%s\" already: choose another name", name);
		return refuse(cfg, msg);
	}
	return 0;
}

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *sec = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	bool hook = !strcmp(opt->name, "hook");
	char msg[96];

	if (check_name(cfg, opt->name, cfg_title(sec), !hook))
		return -1;
	if (cfg_opt_size(opt) > PROGRAMS_MAX) {
		snprintf(msg, sizeof(msg), "more than %d of %s { }", PROGRAMS_MAX, opt->name);
		return refuse(cfg, msg);
	}
	if (!cfg_getstr(sec, conf_program_keys[COMMAND])) {
		snprintf(msg, sizeof(msg), "a %s needs a line command = \"...\"", opt->name);
		return refuse(cfg, msg);
	}
	if (hook && !cfg_getstr(sec, conf_program_keys[EVENTS]))
		return refuse(cfg,
			      "a hook needs a line events = \"...\", such as \"desync recorded\"");
	return 0;
}

static cfg_opt_t section(const char *name, cfg_opt_t *opts, int keys)
{
	cfg_opt_t key = CFG_STR(NULL, NULL, CFGF_NONE), end = CFG_END();
	cfg_opt_t sec = CFG_SEC(NULL, NULL, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	int i;

	for (i = 0; i < keys; i++) {
		opts[i] = key;
		opts[i].name = conf_program_keys[i];
		opts[i].validcb = on_key;
	}
	opts[i] = end;
	sec.name = name;
	sec.subopts = opts;
	sec.validcb = on_section;
	return sec;
}

void conf_program_opts(cfg_opt_t *opts)
{
	memset(last, 0, sizeof(last));
	opts[0] = section("capture", capture_opts, COMMAND + 1);
	opts[1] = section("hook", hook_opts, KEYS);
}

/* All was checked when it was read. */
static int take(struct conf_program *p, cfg_t *sec, bool hook)
{
	const char *whom = hook ? cfg_getstr(sec, conf_program_keys[FOR]) : NULL;
	const char *command = cfg_getstr(sec, conf_program_keys[COMMAND]);

	p->name = strdup(cfg_title(sec));
	p->command = strdup(command);
	p->argv = split(command);
	p->whom = whom_parse(whom ? whom : "all", "for", NULL);
	if (hook)
		take_events(cfg_getstr(sec, conf_program_keys[EVENTS]), &p->events, NULL);
	return p->name && p->command && p->argv && p->whom ? 0 : -ENOMEM;
}

static int take_all(struct conf_program **list, size_t *n, cfg_t *cfg, const char *section)
{
	size_t count = cfg_size(cfg, section);
	int ret = 0;

	*list = calloc(count + 1, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (*n = 0; !ret && *n < count; ++*n)
		ret = take(&(*list)[*n], cfg_getnsec(cfg, section, (unsigned int)*n),
			   !strcmp(section, "hook"));
	return ret;
}

int conf_program_take(struct conf *c, cfg_t *cfg)
{
	int ret = take_all(&c->capture, &c->ncapture, cfg, "capture");

	return ret ? ret : take_all(&c->hook, &c->nhook, cfg, "hook");
}

static void free_all(struct conf_program *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(list[i].name);
		free(list[i].command);
		free(list[i].argv);
		whom_free(list[i].whom);
	}
	free(list);
}

void conf_program_free(struct conf *c)
{
	free_all(c->capture, c->ncapture);
	free_all(c->hook, c->nhook);
}
