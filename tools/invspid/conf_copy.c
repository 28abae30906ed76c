// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy { ... } of a connection: what a temporary copy of it shall have beside what was
 * negotiated with the peer. Keys and values are those of swanctl.conf(5); addresses,
 * ports, identities, authentication and selectors are none of them, since those the
 * history knows better than any file, nor is what would make a copy begin something by
 * itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_int.h"

static const char *const conn_keys[] = {
	"proposals",   "aggressive",	"dscp",	     "encap",	     "mobike",	  "dpd_delay",
	"dpd_timeout", "fragmentation", "childless", "send_certreq", "send_cert", "unique",
	"reauth_time", "rekey_time",	"over_time", "rand_time",
};

static const char *const child_keys[] = {
	"esp_proposals", "updown",	 "hostaccess",	  "policies",	  "policies_fwd_out",
	"replay_window", "rekey_time",	 "life_time",	  "rand_time",	  "rekey_bytes",
	"life_bytes",	 "rand_bytes",	 "rekey_packets", "life_packets", "rand_packets",
	"inactivity",	 "reqid",	 "mark_in",	  "mark_in_sa",	  "mark_out",
	"set_mark_in",	 "set_mark_out", "if_id_in",	  "if_id_out",	  "tfc_padding",
	"priority",	 "interface",	 "hw_offload",	  "sha256_96",	  "copy_df",
	"copy_ecn",	 "copy_dscp",
};

#define CONN_KEYS (sizeof(conn_keys) / sizeof(conn_keys[0]))
#define CHILD_KEYS (sizeof(child_keys) / sizeof(child_keys[0]))

/* Of the last section of its kind that has the key: a second one is in the same. */
static const cfg_opt_t *last_conn[CONN_KEYS], *last_child[CHILD_KEYS];
static cfg_opt_t conn_opts[CONN_KEYS + 2], child_opts[CHILD_KEYS + 1];

static int check(cfg_t *cfg, cfg_opt_t *opt, const char *const *keys, const cfg_opt_t **last)
{
	const char *value = cfg_opt_getnstr(opt, 0);
	size_t i;

	for (i = 0; strcmp(keys[i], opt->name); i++)
		;
	if (last[i] == opt) {
		cfg_error(cfg, "%s is given twice: keep one of the lines", opt->name);
		return -1;
	}
	last[i] = opt;
	if (value && value[0] && strlen(value) <= IKE_SETTING_MAX)
		return 0;
	cfg_error(cfg, "bad %s: want 1 to %d bytes, as swanctl.conf(5) has them", opt->name,
		  IKE_SETTING_MAX);
	return -1;
}

static int on_conn_key(cfg_t *cfg, cfg_opt_t *opt)
{
	return check(cfg, opt, conn_keys, last_conn);
}

static int on_child_key(cfg_t *cfg, cfg_opt_t *opt)
{
	return check(cfg, opt, child_keys, last_child);
}

cfg_opt_t *conf_copy_opts(void)
{
	cfg_opt_t key = CFG_STR(NULL, NULL, CFGF_NONE), end = CFG_END();
	cfg_opt_t child =
		CFG_SEC("child", child_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	size_t i;

	for (i = 0; i < CHILD_KEYS; i++) {
		child_opts[i] = key;
		child_opts[i].name = child_keys[i];
		child_opts[i].validcb = on_child_key;
	}
	child_opts[i] = end;
	for (i = 0; i < CONN_KEYS; i++) {
		conn_opts[i] = key;
		conn_opts[i].name = conn_keys[i];
		conn_opts[i].validcb = on_conn_key;
	}
	conn_opts[i++] = child;
	conn_opts[i] = end;
	memset(last_conn, 0, sizeof(last_conn));
	memset(last_child, 0, sizeof(last_child));
	return conn_opts;
}

static int add(struct conf_conn *conn, const char *child, const char *key, const char *value)
{
	struct ike_setting *s = reallocarray(conn->copy, conn->ncopy + 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	conn->copy = s;
	s += conn->ncopy++;
	s->child = child ? strdup(child) : NULL;
	s->key = strdup(key);
	s->value = strdup(value);
	return s->key && s->value && (!child || s->child) ? 0 : -ENOMEM;
}

static int take(struct conf_conn *conn, const char *child, cfg_t *sec, const char *const *keys,
		size_t n)
{
	const char *value;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < n; i++) {
		value = cfg_getstr(sec, keys[i]);
		if (value)
			ret = add(conn, child, keys[i], value);
	}
	return ret;
}

int conf_copy_take(struct conf_conn *conn, cfg_t *sec)
{
	unsigned int i;
	cfg_t *child;
	int ret;

	ret = take(conn, NULL, sec, conn_keys, CONN_KEYS);
	for (i = 0; !ret && i < cfg_size(sec, "child"); i++) {
		child = cfg_getnsec(sec, "child", i);
		ret = take(conn, cfg_title(child), child, child_keys, CHILD_KEYS);
	}
	return ret;
}

void conf_copy_free(struct conf_conn *conn)
{
	size_t i;

	for (i = 0; i < conn->ncopy; i++) {
		free(conn->copy[i].child);
		free(conn->copy[i].key);
		free(conn->copy[i].value);
	}
	free(conn->copy);
}

const struct ike_setting *conf_copy(const struct conf *c, const char *conn, size_t *n)
{
	size_t i;

	*n = 0;
	for (i = 0; i < c->nconn; i++) {
		if (strcmp(c->conn[i].name, conn))
			continue;
		*n = c->conn[i].ncopy;
		return c->conn[i].copy;
	}
	return NULL;
}
