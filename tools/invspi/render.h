/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INVSPI_RENDER_H
#define INVSPI_RENDER_H

#include <jansson.h>

#include "invspi.h"

/**
 * render() - write what the daemon said
 * @answer: all of it, for -j
 * @what: the part of it that a person wants to read
 * @none: what to write for an empty array
 */
void render(struct invspi *inv, json_t *answer, json_t *what, const char *none);

/* Writes it on one line, or on many where that was asked for; all of it is ASCII. */
void render_json(struct fmt *f, const json_t *j);

#endif /* INVSPI_RENDER_H */
