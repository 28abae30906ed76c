/* SPDX-License-Identifier: GPL-2.0-only */
/* What commands that ask invspid share. */
#ifndef INVSPI_REQUEST_H
#define INVSPI_REQUEST_H

#include <jansson.h>

#include "invspi.h"

json_t *request_new(const char *command);
/* False if @value is not UTF-8. */
bool request_put(json_t *request, const char *key, const char *value);
/* Drops @request; a usage error about @what, which is not UTF-8. */
int request_bad(json_t *request, struct args *args, const char *what);

/**
 * request_run() - ask, and print the answer
 * @request: dropped
 * @key: member of the answer that text mode prints; NULL: none
 * @none: what to write if that is an empty array
 *
 * Return: enum exit_code.
 */
int request_run(struct invspi *inv, json_t *request, const char *key, const char *none);

/**
 * request_print() - the same, with a text of one's own
 * @print: writes @what, the member @key of @answer
 */
int request_print(struct invspi *inv, json_t *request, const char *key,
		  void (*print)(struct invspi *inv, json_t *answer, json_t *what));

/* The same for an answer about one connection, which may say that it failed. */
int request_conn(struct invspi *inv, json_t *request);

#endif /* INVSPI_REQUEST_H */
