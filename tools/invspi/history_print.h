/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INVSPI_HISTORY_PRINT_H
#define INVSPI_HISTORY_PRINT_H

#include <jansson.h>

#include "invspi.h"

/* The text of a record, as history.c makes it. */
void history_print(struct invspi *inv, json_t *record);

#endif /* INVSPI_HISTORY_PRINT_H */
