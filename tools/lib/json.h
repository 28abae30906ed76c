/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INVSPI_LIB_JSON_H
#define INVSPI_LIB_JSON_H

#include <jansson.h>

/**
 * json_text() - any bytes as a JSON string
 *
 * JSON holds UTF-8 only: a text that is not is shown as fmt_escape() shows it.
 *
 * Return: a new reference, or NULL without memory.
 */
json_t *json_text(const char *s);

#endif /* INVSPI_LIB_JSON_H */
