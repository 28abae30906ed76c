/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SELFTESTS_TABLE_MODEL_H
#define SELFTESTS_TABLE_MODEL_H

#include <stddef.h>
#include <stdint.h>

/**
 * model_run() - do the same with a flow table and with a simple model
 * @data: what to do
 * @size: of it
 *
 * Aborts, after saying where, as soon as the two differ.
 */
void model_run(const uint8_t *data, size_t size);

#endif /* SELFTESTS_TABLE_MODEL_H */
