/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's SAs, as XFRM netlink tells them. Dumps and events carry keys:
 * XFRMA_ALG_* are never copied out of the receive buffer, and the buffer is
 * wiped after each message.
 *
 * A mirror of the SAD is kept from a dump and the events; an overrun (ENOBUFS)
 * or an interrupted dump starts a new one. Since events can be lost, what an
 * action rests on is asked of the kernel again: xfrm_sa_get().
 *
 * Larval SAs are not in the mirror: they come, and are replaced, without an
 * event, so that only the kernel itself knows of them.
 *
 * Times are CLOCK_BOOTTIME ms.
 */
#ifndef INVSPID_XFRM_H
#define INVSPID_XFRM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ike.h"

struct xfrm;

struct xfrm_sa {
	uint64_t packets; /* as of the last dump or xfrm_sa_get() */
	uint32_t spi; /* host order */
	uint32_t reqid, if_id, mark, mark_mask;
	uint16_t encap_sport, encap_dport;
	struct ike_addr src, dst;
	uint8_t proto;
	uint8_t mode; /* XFRM_MODE_* */
	bool larval; /* no algorithms yet: being negotiated */
	uint8_t encap_type; /* UDP_ENCAP_*, 0 if none */
};

/* Why an SA left; UNSEEN: a dump lacked it, and no event had told. */
enum xfrm_gone { XFRM_GONE_DELETED, XFRM_GONE_EXPIRED, XFRM_GONE_FLUSHED, XFRM_GONE_UNSEEN };

/*
 * All from the loop or from xfrm_resync(), never from xfrm_new(). The mirror
 * is already as after the event. They may call everything but xfrm_free();
 * xfrm_resync() answers -EBUSY there.
 */
struct xfrm_events {
	void (*added)(void *arg, const struct xfrm_sa *sa);
	void (*removed)(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how);
	void (*flushed)(void *arg); /* once, after the removals */
};

/**
 * xfrm_new() - subscribe to the kernel's events and fill the mirror
 * @ev: copied; each member may be NULL
 * @err: on failure a text with the remedy (malloc'd, caller frees)
 *
 * Needs CAP_NET_ADMIN. Return: the mirror, or NULL.
 */
struct xfrm *xfrm_new(uv_loop_t *loop, const struct xfrm_events *ev, void *arg, char **err);

/**
 * xfrm_free() - close; the loop must run once more for its handles
 */
void xfrm_free(struct xfrm *x);

/**
 * xfrm_resync() - take in the events that wait, then dump and compare
 *
 * Blocks for as long as the kernel takes, at most two seconds.
 * Return: 0, -EBUSY in a callback, or -errno; it is then tried again by itself.
 */
int xfrm_resync(struct xfrm *x);

/**
 * xfrm_find() - SAs of the mirror with this SPI and protocol
 * @cb: called for each, whatever its destination, mark and if_id
 *
 * Return: their number.
 */
int xfrm_find(const struct xfrm *x, uint32_t spi, uint8_t proto,
	      void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg);

/**
 * xfrm_seen_leaving() - did this process see an SA leave that is not back since
 * @when: set to the time; may be NULL
 * @how: set to the cause; may be NULL
 *
 * The last 4096 are remembered. Return: 0 or -ENOENT.
 */
int xfrm_seen_leaving(const struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		      int64_t *when, enum xfrm_gone *how);

/**
 * xfrm_sa_get() - ask the kernel now
 * @mark: of the packet; the SA is looked up with it as the kernel would
 * @sa: with fresh counters; @sa->larval if it is being negotiated
 *
 * Return: 0, -ESRCH if there is none, other -errno if it could not be asked.
 */
int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa);

/**
 * xfrm_addr_local() - is the address one of this namespace
 *
 * By the routing tables (which know ranges of local addresses too), then by
 * the addresses of all interfaces (which know those in a VRF). Asked anew each
 * time, since addresses move. Return: 1, 0 or -errno.
 */
int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr);

unsigned int xfrm_count(const struct xfrm *x);

/* Has a flush of all SAs of some protocol been seen at or after @since? */
bool xfrm_flush_seen(const struct xfrm *x, int64_t since);

/* How often the kernel dropped events because we were too slow. */
uint64_t xfrm_overruns(const struct xfrm *x);

#endif
