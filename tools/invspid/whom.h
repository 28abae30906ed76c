/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which peers a thing is for: "all", "none", or connections and addresses, as in
 *	gw 192.0.2.0/24 2001:db8::1		only these
 *	all !partner !198.51.100.7		all but these
 */
#ifndef INVSPID_WHOM_H
#define INVSPID_WHOM_H

#include "err.h"
#include "ike.h"

struct whom;

/**
 * whom_parse() - read such a text
 * @what: name of the value, for errors
 *
 * Return: NULL with @err set, which names the bad word.
 */
struct whom *whom_parse(const char *text, const char *what, struct invspi_err *err);
void whom_free(struct whom *w);

/* As it was written. */
const char *whom_text(const struct whom *w);

/**
 * whom_has() - is a peer meant
 * @conn: its connection; "" or NULL if not known
 * @addr: its address; NULL if not known
 *
 * What is not known matches nothing but "all".
 */
bool whom_has(const struct whom *w, const char *conn, const struct ike_addr *addr);

/* For nobody at all? */
bool whom_none(const struct whom *w);

#endif
