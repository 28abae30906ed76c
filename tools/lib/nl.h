/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client of the generic netlink family xfrm_invspi.
 *
 * Requests block until the kernel has answered, which it does at once; a
 * socket that stays silent for five seconds fails with -ETIMEDOUT. Nothing
 * here is thread-safe. All descriptors are close-on-exec.
 *
 * Errors common to all requests, each with a text that names the remedy:
 *  -EPERM		CAP_NET_ADMIN is missing
 *  -EOPNOTSUPP		the module isn't loaded (or is gone since)
 *  -EBADMSG		the kernel's answer is malformed
 *  others		the kernel's own refusal, with its extack text
 */
#ifndef INVSPI_LIB_NL_H
#define INVSPI_LIB_NL_H

#include <stddef.h>

#include "err.h"
#include "flow.h"

struct invspi_nl;
struct invspi_events;

/* Return 0 to go on; anything else ends the walk and is returned. */
typedef int (*invspi_flow_cb)(const struct invspi_flow *flow, void *arg);

typedef void (*invspi_event_cb)(enum invspi_event event, const struct invspi_flow *flow, void *arg);

/**
 * invspi_nl_open() - socket for requests, in the current network namespace
 *
 * Resolves the family, which loads the module where it is installed. A module
 * that is reloaded later is found again by itself.
 *
 * Return: 0 and the handle in @nlp, or a negative errno and NULL.
 */
int invspi_nl_open(struct invspi_nl **nlp, struct invspi_err *err);
void invspi_nl_close(struct invspi_nl *nl);

/* Version of the family that answers; XFRM_INVSPI_FAMILY_VERSION is what we speak. */
unsigned int invspi_nl_version(const struct invspi_nl *nl);

/**
 * invspi_nl_flow_dump() - all flows that match a filter
 * @filter: NULL for all
 *
 * The dump is complete before the first @cb, and begun again a few times if
 * the table was flushed or resized meanwhile, so no flow comes twice.
 *
 * Return: 0, the non-zero value of @cb, or a negative errno: -EINTR when the
 * table did not hold still.
 */
int invspi_nl_flow_dump(struct invspi_nl *nl, const struct invspi_filter *filter, invspi_flow_cb cb,
			void *arg, struct invspi_err *err);

/**
 * invspi_nl_flow_get() - one flow
 * @key: family, addresses, proto, spi, encap_type and sport of it
 *
 * Return: 0, or a negative errno: -ENOENT if there is none.
 */
int invspi_nl_flow_get(struct invspi_nl *nl, const struct invspi_flow *key,
		       struct invspi_flow *flow, struct invspi_err *err);

/**
 * invspi_nl_flow_del() - delete the flows that match a filter
 * @filter: NULL, or one with nothing set, deletes every flow
 *
 * Return: 0, or a negative errno: -ENOENT if a filter matched nothing.
 */
int invspi_nl_flow_del(struct invspi_nl *nl, const struct invspi_filter *filter,
		       struct invspi_err *err);

int invspi_nl_stats_get(struct invspi_nl *nl, struct invspi_stats *stats, struct invspi_err *err);
int invspi_nl_config_get(struct invspi_nl *nl, struct invspi_config *config,
			 struct invspi_err *err);

/**
 * invspi_nl_config_set() - change what @config has, leave the rest
 *
 * All or nothing. Return: 0 or a negative errno, -ERANGE or -EINVAL for a
 * value that the kernel does not take.
 */
int invspi_nl_config_set(struct invspi_nl *nl, const struct invspi_config *config,
			 struct invspi_err *err);

/**
 * invspi_events_open() - subscribe to the multicast group
 * @rcvbuf: receive buffer in bytes, 0 for a default of 1 MiB
 *
 * Open it before the first dump, else what happens between is missed.
 */
int invspi_events_open(struct invspi_events **evp, int rcvbuf, struct invspi_err *err);
void invspi_events_close(struct invspi_events *ev);

/**
 * invspi_events_fd() - non-blocking descriptor to poll for reading
 */
int invspi_events_fd(const struct invspi_events *ev);

/**
 * invspi_events_recv() - hand out what has arrived, never blocking
 *
 * Reads a bounded number of messages, so that a flood can't keep the caller
 * here; poll again afterwards.
 *
 * Return: number of events handed out, or a negative errno:
 *  -ENOBUFS	overrun: events were lost, re-read the table and go on
 *  -ENODEV	the module was unloaded: close, and open again later
 *  others	the socket is broken: close and open
 */
int invspi_events_recv(struct invspi_events *ev, invspi_event_cb cb, void *arg,
		       struct invspi_err *err);

/*
 * Pure functions from bytes to structures, for the above, for tests and for
 * fuzzing. @attrs and @len are the attributes after the generic netlink
 * header, with any contents and alignment. Attributes unknown to us are
 * ignored. Return 0, or -EBADMSG with the structure zeroed.
 */
int invspi_nl_parse_flow(const void *attrs, size_t len, struct invspi_flow *flow,
			 struct invspi_err *err);
int invspi_nl_parse_stats(const void *attrs, size_t len, struct invspi_stats *stats,
			  struct invspi_err *err);
int invspi_nl_parse_config(const void *attrs, size_t len, struct invspi_config *config,
			   struct invspi_err *err);

#endif /* INVSPI_LIB_NL_H */
