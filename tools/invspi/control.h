/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INVSPI_CONTROL_H
#define INVSPI_CONTROL_H

#include <jansson.h>

#include "err.h"

/**
 * control_call() - ask invspid
 * @path: its socket
 * @request: the reference is taken
 * @answer: what it said, an object with "ok": true; the caller's to release
 *
 * One line of JSON goes, one comes, and the connection is closed.
 *
 * Return: 0, or a negative errno: -EREMOTEIO with the daemon's own text if it
 * refused.
 */
int control_call(const char *path, json_t *request, json_t **answer, struct invspi_err *err);

/* "explain" may wait for a listing of the IKE daemon. */
#define ANSWER_TIMEOUT_S 30

/* The same for one who does not want to wait so long. */
int control_call_within(const char *path, int timeout_s, json_t *request, json_t **answer,
			struct invspi_err *err);

#endif /* INVSPI_CONTROL_H */
