/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics for Prometheus and the like, over HTTP.
 *
 *   metrics_page.c   what there is to tell, as text
 *   metrics_http.c   who may ask for it, how often and in which format
 *   expo.c           the format
 *   tally.c          what was counted
 */
#ifndef INVSPID_METRICS_H
#define INVSPID_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct invspid;
struct metrics;

#define METRICS_PATH "/metrics"

/**
 * metrics_page() - everything, as it is now
 * @open_metrics: the format
 *
 * Return: the text, which the caller frees; NULL without memory.
 */
char *metrics_page(struct invspid *d, bool open_metrics, size_t *len);

/**
 * metrics_new() - listen as the configuration says
 *
 * What keeps it from listening is logged, told by metrics_error() and tried again by
 * itself: the address may come later.
 *
 * Return: NULL without memory.
 */
struct metrics *metrics_new(struct invspid *d);
/* The configuration was read again. */
void metrics_reload(struct metrics *m);
void metrics_free(struct metrics *m);

/* Where it listens, NULL if it is off. */
const char *metrics_where(const struct metrics *m);
/* What keeps it from listening, NULL if nothing. */
const char *metrics_error(const struct metrics *m);

/**
 * metrics_wants_open() - which format a client prefers
 * @accept: value of its Accept header, or NULL
 *
 * Return: OpenMetrics 1.0 rather than the older text.
 */
bool metrics_wants_open(const char *accept);

#endif
