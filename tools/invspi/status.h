/* SPDX-License-Identifier: GPL-2.0-only */
/* What invspid tells, as a person reads it; with -j all of it is passed on as it is. */
#ifndef INVSPI_STATUS_H
#define INVSPI_STATUS_H

#include <jansson.h>

#include "invspi.h"

/**
 * status_print() - text of `status'
 * @answer: all that invspid said
 * @st: its member "status"
 */
void status_print(struct invspi *inv, json_t *answer, json_t *st);

/* Are these flows or SAs of `explain', as this program knows them? There must be one. */
bool explain_knows(json_t *flows);
/* Their text. What is not known so is written as it comes. */
void explain_print(struct invspi *inv, json_t *answer, json_t *flows);

#endif /* INVSPI_STATUS_H */
