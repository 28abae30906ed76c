/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes metrics as text: OpenMetrics 1.0, or the format before it (Prometheus text
 * 0.0.4), which differs in what a counter's family is called, in its types, and in
 * the end. No I/O.
 *
 * All samples of a family follow its expo_family() at once. Text from outside
 * becomes the value of a label: control bytes and invalid UTF-8 are escaped as
 * everywhere, then what the format itself wants escaped.
 */
#ifndef INVSPID_EXPO_H
#define INVSPID_EXPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum expo_type { EXPO_GAUGE, EXPO_COUNTER, EXPO_HISTOGRAM, EXPO_INFO };

/**
 * struct expo - a page being written; zero it and set @open_metrics to begin
 * @family: name of the current one, without the suffix of its samples
 * @failed: there was no memory; later calls do nothing
 */
struct expo {
	bool open_metrics;
	char *text;
	size_t len, size;
	const char *family;
	enum expo_type type;
	bool failed;
};

/**
 * expo_family() - begin a family of metrics
 * @name: without _total, _info or _bucket, which the samples get. The unit is told by
 *	its end, "seconds" or "bytes". Must live until the next one.
 * @help: one line
 */
void expo_family(struct expo *x, enum expo_type type, const char *name, const char *help);

/**
 * expo_number() - a sample with a whole number
 * @...: labels: name and value in turn, then NULL
 */
void expo_number(struct expo *x, uint64_t value, ...) __attribute__((sentinel));

/* The same for a number of milliseconds, written as seconds. */
void expo_ms(struct expo *x, int64_t ms, ...) __attribute__((sentinel));

/**
 * expo_buckets() - the samples of a histogram of times
 * @bound_ms: upper bounds, @n of them
 * @count: how many fell into each bucket, @n + 1 of them: the last has no bound
 * @...: labels, as above
 */
void expo_buckets(struct expo *x, const int64_t *bound_ms, const uint64_t *count, size_t n,
		  int64_t sum_ms, ...) __attribute__((sentinel));

/**
 * expo_end() - the page is complete
 *
 * Return: its text, which the caller frees, and its length in @len; NULL if there was
 * no memory.
 */
char *expo_end(struct expo *x, size_t *len);

#endif
