/* SPDX-License-Identifier: GPL-2.0-only */
/* The environment of a program that the helper runs: nothing of our own is in it. */
#ifndef INVSPID_ENV_H
#define INVSPID_ENV_H

#include <stddef.h>

/* @v ends with NULL; NULL itself without memory. */
struct env {
	char **v;
	size_t n;
};

/* Begins with PATH and LC_ALL. Return: 0 or -ENOMEM. */
int env_begin(struct env *e);

/**
 * env_add() - one more variable
 * @value: any bytes; what would change how a line is read is escaped as fmt_escape() does
 *
 * Return: 0 or -ENOMEM.
 */
int env_add(struct env *e, const char *name, const char *value);
int env_format(struct env *e, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void env_free(struct env *e);

#endif
