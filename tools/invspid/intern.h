/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Texts that occur again and again, in each listing of thousands of SAs: one
 * copy of each, counted. For one thread.
 */
#ifndef INVSPID_INTERN_H
#define INVSPID_INTERN_H

#include <stddef.h>

/* Return: the text, to be given back with intern_put(); NULL without memory. */
char *intern(const char *s, size_t len);
void intern_put(char *s); /* NULL is fine */

#endif
