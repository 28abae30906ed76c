// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader of the configuration file. libconfuse knows the grammar and the
 * lines; every value is taken as text and judged here, so that each error
 * names the value and what is wanted.
 */
#include <confuse.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

#include "conf.h"
#include "conf_int.h"
#include "err.h"
#include "parse.h"

#define NAME_MAX_LEN 127
#define KEYS_MAX 64

/* The file being read: libconfuse's callbacks take no argument of ours. */
static struct {
	const char *path;
	struct conf *conf;
	char *err; /* the first error */
	int line[KEYS_MAX]; /* where a key is given, 0 = nowhere */
	const cfg_opt_t *last_own[OWN_KEYS]; /* of the last connection that has one */
} cur;

/* ---- names that were perhaps meant ---- */

enum section { IN_FILE, IN_CONNECTION, IN_COPY, IN_PROGRAM };

static enum section section_of(const cfg_t *cfg)
{
	if (!strcmp(cfg->name, "copy") || !strcmp(cfg->name, "child"))
		return IN_COPY;
	if (!strcmp(cfg->name, "capture") || !strcmp(cfg->name, "hook"))
		return IN_PROGRAM;
	return cfg->title ? IN_CONNECTION : IN_FILE;
}

static size_t distance(const char *a, const char *b)
{
	size_t row[64], la = strlen(a), lb = strlen(b), i, k, diag, up;

	if (la >= 64 || lb >= 64)
		return SIZE_MAX;
	for (k = 0; k <= lb; k++)
		row[k] = k;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = i;
		for (k = 1; k <= lb; k++) {
			up = row[k];
			row[k] = diag + (a[i - 1] != b[k - 1]);
			if (up + 1 < row[k])
				row[k] = up + 1;
			if (row[k - 1] + 1 < row[k])
				row[k] = row[k - 1] + 1;
			diag = up;
		}
	}
	return row[lb];
}

/* What @name is perhaps meant to be; keeps the nearest one of several calls. */
static void compare(const char *name, const char *with, const char **best, size_t *distance_best)
{
	size_t d = distance(name, with);

	/* quiet = 3s: the unit is part of the name */
	if (!strncmp(with, name, strlen(name)) && !strcmp(with + strlen(name), "_ms"))
		d = 0;
	if (d >= *distance_best)
		return;
	*distance_best = d;
	*best = with;
}

static const char *nearest(const char *name, enum section in)
{
	const char *best = NULL;
	size_t d = 2 + strlen(name) / 3, i;

	for (i = 0; in == IN_CONNECTION && i < OWN_KEYS; i++)
		compare(name, conf_own_names[i], &best, &d);
	for (i = 0; in == IN_PROGRAM && conf_program_keys[i]; i++)
		compare(name, conf_program_keys[i], &best, &d);
	if (in == IN_FILE) {
		compare(name, "connection", &best, &d);
		compare(name, "capture", &best, &d);
		compare(name, "hook", &best, &d);
	}
	for (i = 0; in == IN_FILE && conf_keys[i].name; i++)
		compare(name, conf_keys[i].name, &best, &d);
	return best;
}

/* ---- errors ---- */

/* libconfuse tells an unknown key only by its message. */
static bool is_unknown_key(const char *msg, char name[64])
{
	return sscanf(msg, "no such option '%63[^']'", name) == 1;
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
	static const char *const where[] = {
		[IN_FILE] = "",
		[IN_CONNECTION] = " in a connection",
		[IN_COPY] = " in a copy",
		[IN_PROGRAM] = " in a ",
	};
	enum section in = section_of(cfg);
	const char *near;
	char msg[640], name[64];

	if (cur.err)
		return;
	vsnprintf(msg, sizeof(msg), format, ap);
	if (is_unknown_key(msg, name)) {
		near = nearest(name, in);
		cur.err = conf_error("%s:%d: unknown key \"%s\"%s%s%s%s%s%s", cur.path, cfg->line,
				     name, where[in], in == IN_PROGRAM ? cfg->name : "",
				     near ? ": did you mean \"" : "", near ? near : "",
				     near ? "\"?" : "",
				     near ? "" : ": invspid.conf(5) lists all keys");
		return;
	}
	/* refuse(), and those of copies */
	if ((format[0] == '%' && format[1] == 's' && !format[2]) || in == IN_COPY) {
		cur.err = conf_error("%s:%d: %s", cur.path, cfg->line, msg);
		return;
	}
	cur.err = conf_error("%s:%d: %s: want KEY = VALUE, or connection \"NAME\" { mode = MODE }",
			     cur.path, cfg->line, msg);
}

static int refuse(cfg_t *cfg, const char *what)
{
	cfg_error(cfg, "%s", what);
	return -1;
}

/* ---- values ---- */

static int take_path(char **member, const struct conf_key *key, const char *value,
		     struct invspi_err *err)
{
	size_t max =
		key->kind == CONF_SOCKET ? sizeof(((struct sockaddr_un *)0)->sun_path) : PATH_MAX;
	char *copy;

	/* As strongSwan's own configuration writes it. */
	if (key->kind == CONF_SOCKET && !strncmp(value, "unix://", 7))
		value += 7;
	if (value[0] != '/')
		return invspi_err_set(err, EINVAL, "bad %s \"%s\": want a path that begins with /",
				      key->name, value);
	if (strlen(value) >= max)
		return invspi_err_set(err, ERANGE, "%s \"%.40s...\" is too long: at most %zu bytes",
				      key->name, value, max - 1);
	copy = strdup(value);
	if (!copy)
		return invspi_err_set(err, ENOMEM, "out of memory");
	free(*member);
	*member = copy;
	return 0;
}

static int take_group(char **member, const char *name, const char *value, struct invspi_err *err)
{
	char *copy;

	if (!getgrnam(value))
		return invspi_err_set(err, EINVAL, "bad %s \"%s\": there is no such group", name,
				      value);
	copy = strdup(value);
	if (!copy)
		return invspi_err_set(err, ENOMEM, "out of memory");
	free(*member);
	*member = copy;
	return 0;
}

static int take_listen(char **member, const struct conf_key *key, const char *value,
		       struct invspi_err *err)
{
	struct sockaddr_storage sa;
	struct invspi_err why = { "" };
	char *copy = NULL;
	socklen_t len;

	if (!strcmp(value, "on"))
		value = METRICS_ON;
	if (strcmp(value, "off")) {
		if (parse_listen(value, &sa, &len, &why))
			return invspi_err_set(err, EINVAL, "bad %s: %s; or on, or off", key->name,
					      why.text);
		copy = strdup(value);
		if (!copy)
			return invspi_err_set(err, ENOMEM, "out of memory");
	}
	free(*member);
	*member = copy;
	return 0;
}

/* Modes and levels in full: a file is written once and read often. */
static int take_word(const char *name, const char *value, const char *const *words,
		     struct invspi_err *err)
{
	int i = parse_keyword(value, name, words, err);

	if (i >= 0 && strcmp(words[i], value))
		return invspi_err_set(err, EINVAL, "unknown %s \"%s\": did you mean \"%s\"?", name,
				      value, words[i]);
	return i;
}

static int take_value(struct conf *c, const struct conf_key *key, const char *value,
		      struct invspi_err *err)
{
	void *member = conf_member(c, key);
	struct whom *whom;
	uint64_t n;
	int ret;

	switch (key->kind) {
	case CONF_PATH:
	case CONF_SOCKET:
		return take_path(member, key, value, err);
	case CONF_GROUP:
		return take_group(member, key->name, value, err);
	case CONF_LISTEN:
		return take_listen(member, key, value, err);
	case CONF_WORD:
		ret = take_word(key->name, value, key->words, err);
		if (ret >= 0)
			*(int *)member = key->base + ret;
		return ret;
	case CONF_MS:
		ret = parse_duration(value, key->name, 1, key->min, key->max, &n, err);
		if (!ret)
			*(int64_t *)member = (int64_t)n;
		return ret;
	case CONF_WHOM:
		whom = whom_parse(value, key->name, err);
		if (!whom)
			return -EINVAL;
		whom_free(*(struct whom **)member);
		*(struct whom **)member = whom;
		return 0;
	case CONF_COUNT:
		ret = parse_number(value, key->name, key->min, key->max, &n, err);
		if (!ret)
			*(unsigned int *)member = (unsigned int)n;
		return ret;
	}
	return -EINVAL;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);
	struct invspi_err err = { "" };
	char again[96];
	size_t i;

	for (i = 0; strcmp(conf_keys[i].name, opt->name); i++)
		;
	if (cur.line[i]) {
		snprintf(again, sizeof(again), "%s is given twice: keep one of the lines",
			 opt->name);
		return refuse(cfg, again);
	}
	cur.line[i] = cfg->line;
	if (take_value(cur.conf, &conf_keys[i], value ? value : "", &err) < 0)
		return refuse(cfg, err.text);
	return 0;
}

static int on_own(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);
	const struct conf_key *key = conf_key_named(opt->name);
	struct invspi_err err = { "" };
	char again[96];
	size_t i;

	for (i = 0; strcmp(conf_own_names[i], opt->name); i++)
		;
	if (opt == cur.last_own[i]) {
		snprintf(again, sizeof(again), "%s is given twice: keep one of the lines",
			 opt->name);
		return refuse(cfg, again);
	}
	cur.last_own[i] = opt;
	if (take_word(key->name, value ? value : "", key->words, &err) < 0)
		return refuse(cfg, err.text);
	return 0;
}

static int on_connection(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *name = cfg_title(cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1));
	char msg[96];

	if (!name || !name[0])
		return refuse(cfg, "a connection needs a name: connection \"NAME\" { ... }");
	if (strlen(name) > NAME_MAX_LEN) {
		snprintf(msg, sizeof(msg), "the name of a connection has at most %d bytes",
			 NAME_MAX_LEN);
		return refuse(cfg, msg);
	}
	return 0;
}

static void take_own(struct conf_conn *conn, cfg_t *sec)
{
	const char *value;
	size_t i;

	for (i = 0; i < OWN_KEYS; i++) {
		value = cfg_getstr(sec, conf_own_names[i]);
		conn->value[i] = value ? take_word(conf_own_names[i], value,
						   conf_key_named(conf_own_names[i])->words, NULL)
				       : -1;
	}
}

static int take_connections(struct conf *c, cfg_t *cfg)
{
	size_t n = cfg_size(cfg, "connection"), i;
	cfg_t *sec;

	c->conn = calloc(n ? n : 1, sizeof(*c->conn));
	if (!c->conn)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		sec = cfg_getnsec(cfg, "connection", (unsigned int)i);
		c->conn[i].name = strdup(cfg_title(sec));
		if (!c->conn[i].name)
			return -ENOMEM;
		c->nconn++;
		take_own(&c->conn[i], sec);
		if (conf_copy_take(&c->conn[i], cfg_getsec(sec, "copy")))
			return -ENOMEM;
	}
	return 0;
}

/* ---- the whole ---- */

static int check_whole(const struct conf *c)
{
	int min = cur.line[conf_key_named("backoff_min_ms") - conf_keys];
	int max = cur.line[conf_key_named("backoff_max_ms") - conf_keys];

	if (c->limits.backoff_min_ms <= c->limits.backoff_max_ms)
		return 0;
	cur.err = conf_error("%s:%d: backoff_min_ms (%lld) exceeds backoff_max_ms (%lld): lower "
			     "the one or raise the other",
			     cur.path, min > max ? min : max, (long long)c->limits.backoff_min_ms,
			     (long long)c->limits.backoff_max_ms);
	return -1;
}

static int parse_text(struct conf *c, const char *buf)
{
	cfg_opt_t conn_opts[OWN_KEYS + 2], copy = CFG_SEC("copy", conf_copy_opts(), CFGF_NONE);
	cfg_opt_t opts[KEYS_MAX + 4], conn = CFG_SEC("connection", conn_opts,
						     CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	cfg_opt_t key = CFG_STR(NULL, NULL, CFGF_NONE), end = CFG_END();
	char own[64];
	size_t i;
	cfg_t *cfg;
	int ret;

	for (i = 0; i < OWN_KEYS; i++) {
		conn_opts[i] = key;
		conn_opts[i].name = conf_own_names[i];
	}
	conn_opts[i++] = copy;
	conn_opts[i] = end;
	for (i = 0; i < KEYS_MAX && conf_keys[i].name; i++) {
		opts[i] = key;
		opts[i].name = conf_keys[i].name;
	}
	opts[i++] = conn;
	conf_program_opts(&opts[i]);
	opts[i + 2] = end;
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, on_error);
	for (i = 0; conf_keys[i].name; i++)
		cfg_set_validate_func(cfg, conf_keys[i].name, on_value);
	cfg_set_validate_func(cfg, "connection", on_connection);
	for (i = 0; i < OWN_KEYS; i++) {
		snprintf(own, sizeof(own), "connection|%s", conf_own_names[i]);
		cfg_set_validate_func(cfg, own, on_own);
	}

	ret = cfg_parse_buf(cfg, buf) == CFG_SUCCESS && !cur.err ? 0 : -EINVAL;
	if (!ret)
		ret = take_connections(c, cfg);
	if (!ret)
		ret = conf_program_take(c, cfg);
	if (!ret)
		ret = check_whole(c);
	cfg_free(cfg);
	return ret;
}

static int set_defaults(struct conf *c)
{
	const struct conf_key *key;
	struct whom **whom;
	char **path;

	for (key = conf_keys; key->name; key++) {
		switch (key->kind) {
		case CONF_PATH:
		case CONF_SOCKET:
		case CONF_GROUP:
		case CONF_LISTEN:
			path = conf_member(c, key);
			*path = key->text ? strdup(key->text) : NULL;
			if (key->text && !*path)
				return -ENOMEM;
			break;
		case CONF_WHOM:
			whom = conf_member(c, key);
			*whom = whom_parse(key->text, key->name, NULL);
			if (!*whom)
				return -ENOMEM;
			break;
		case CONF_WORD:
			*(int *)conf_member(c, key) = key->base + (int)key->value;
			break;
		case CONF_MS:
			*(int64_t *)conf_member(c, key) = (int64_t)key->value;
			break;
		case CONF_COUNT:
			*(unsigned int *)conf_member(c, key) = (unsigned int)key->value;
			break;
		}
	}
	return 0;
}

struct conf *conf_load(const char *path, char **err)
{
	struct conf *c = calloc(1, sizeof(*c));
	char *buf = NULL;
	int ret = -ENOMEM;

	memset(&cur, 0, sizeof(cur));
	cur.path = path;
	cur.conf = c;
	if (c)
		ret = set_defaults(c);
	if (!ret && path) {
		buf = conf_read(path, &cur.err);
		ret = buf ? parse_text(c, buf) : -EINVAL;
		free(buf);
	}
	if (!ret)
		return c;
	conf_free(c);
	*err = cur.err ? cur.err : conf_error("%s: out of memory", path ? path : "configuration");
	return NULL;
}

void conf_free(struct conf *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->nconn; i++) {
		free(c->conn[i].name);
		conf_copy_free(&c->conn[i]);
	}
	free(c->conn);
	conf_program_free(c);
	whom_free(c->record);
	whom_free(c->verbose);
	free(c->vici);
	free(c->rundir);
	free(c->whack);
	free(c->pluto_log);
	free(c->control);
	free(c->state);
	free(c->record_group);
	free(c->metrics_listen);
	free(c);
}

static int own(const struct conf *c, const char *conn, enum conf_own key)
{
	size_t i;

	for (i = 0; conn && i < c->nconn; i++)
		if (c->conn[i].value[key] >= 0 && !strcmp(c->conn[i].name, conn))
			return c->conn[i].value[key];
	return -1;
}

int conf_own(const struct conf *c, const char *conn, enum conf_own key)
{
	int value = own(c, conn, key);

	return value < 0 ? *(const int *)conf_member(c, conf_key_named(conf_own_names[key]))
			 : value;
}

bool conf_mode(const struct conf *c, const char *conn, enum mode *mode)
{
	int value = own(c, conn, OWN_MODE);

	if (value >= 0)
		*mode = (enum mode)value;
	return value >= 0;
}
