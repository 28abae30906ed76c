/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's SAs, as XFRM netlink tells them. Dumps and events carry keys:
 * XFRMA_ALG_* are never copied out of the receive buffer, and the buffer is
 * wiped after each message.
 *
 * A mirror of the SAD is kept from a dump and the events; an overrun (ENOBUFS)
 * or an interrupted dump starts a new one. Since events can be lost, what an
 * action rests on is asked of the kernel again: xfrm_sa_get().
 */
#ifndef INVSPID_XFRM_H
#define INVSPID_XFRM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ike.h"

struct xfrm;

struct xfrm_sa {
	struct ike_addr src, dst;
	uint32_t spi;		/* host order */
	uint8_t proto;
	uint32_t reqid, if_id, mark, mark_mask;
	uint8_t mode;
	bool larval;		/* no algorithms yet: being negotiated */
	uint64_t packets, bytes;	/* as of the last dump or xfrm_sa_get() */
	uint8_t encap_type;
	uint16_t encap_sport, encap_dport;
};

/* Why an SA left. */
enum xfrm_gone { XFRM_GONE_DELETED, XFRM_GONE_EXPIRED, XFRM_GONE_FLUSHED, XFRM_GONE_UNSEEN };

struct xfrm_events {
	void (*added)(void *arg, const struct xfrm_sa *sa);
	/* pid: netlink port of who did it, 0 if the kernel */
	void (*removed)(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how);
	void (*flushed)(void *arg);
};

struct xfrm *xfrm_new(uv_loop_t *loop, const struct xfrm_events *ev, void *arg, char **err);
void xfrm_free(struct xfrm *x);
int xfrm_resync(struct xfrm *x);	/* dump again; 0 or -errno */

/* Calls cb for each SA in the mirror with this SPI and protocol, any destination, mark, if_id. */
int xfrm_find(const struct xfrm *x, uint32_t spi, uint8_t proto,
	      void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg);
/* Did this process see an SA (dst, spi, proto) leave, and when? -ENOENT, else 0. Bounded memory. */
int xfrm_seen_leaving(const struct xfrm *x, const struct ike_addr *dst, uint32_t spi,
		      uint8_t proto, int64_t *when, enum xfrm_gone *how);
/*
 * Asks the kernel now (XFRM_MSG_GETSA with the mark given; counters fresh).
 * Return: 0, -ESRCH if there is none, other -errno if it could not be asked.
 */
int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa);
/* Is the address one of this namespace? RTM_GETROUTE/GETADDR; 1, 0 or -errno. */
int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr);
unsigned int xfrm_count(const struct xfrm *x);
bool xfrm_flush_seen(const struct xfrm *x, int64_t since);

#endif
