/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the configuration reader. */
#ifndef INVSPID_CONF_INT_H
#define INVSPID_CONF_INT_H

#include <confuse.h>

#include "conf.h"

/* The global keys that a connection can have of its own. */
extern const char *const conf_own_names[OWN_KEYS];
const struct conf_key *conf_key_named(const char *name);

/* Text for conf_load()'s @err: malloc'd, control bytes escaped. */
char *conf_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text of a file, comments blanked out (malloc'd), or NULL with *@err set. */
char *conf_read(const char *path, char **err);

/* conf_copy.c: copy { ... } of a connection */
cfg_opt_t *conf_copy_opts(void);
int conf_copy_take(struct conf_conn *conn, cfg_t *sec);
void conf_copy_free(struct conf_conn *conn);

/* conf_program.c: capture { ... } and hook { ... }; two options */
extern const char *const conf_program_keys[]; /* ends with NULL */
void conf_program_opts(cfg_opt_t *opts);
int conf_program_take(struct conf *c, cfg_t *cfg);
void conf_program_free(struct conf *c);

void *conf_member(const struct conf *c, const struct conf_key *key);

#endif
