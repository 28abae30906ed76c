// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's SAs come and go: that is recorded, and it is a hint to look at an IKE
 * daemon that tells nothing by itself. They also have what such a one does not tell of
 * its own.
 */
#include "daemon.h"

struct search {
	const struct ike_addr *dst;
	struct ike_kernel *kernel;
};

static void found_sa(void *arg, const struct xfrm_sa *sa)
{
	struct search *s = arg;

	if (!ike_addr_same(&sa->dst, s->dst))
		return;
	*s->kernel = (struct ike_kernel){
		.there = true,
		.encap = sa->encap_type,
		.sport = sa->encap_sport,
		.dport = sa->encap_dport,
		.reqid = sa->reqid,
		.if_id = sa->if_id,
		.mark = sa->mark,
		.mark_mask = sa->mark_mask,
	};
}

void hint_kernel(void *arg, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		 struct ike_kernel *kernel)
{
	struct invspid *d = arg;
	struct search s = { .dst = dst, .kernel = kernel };

	xfrm_find(d->xfrm, spi, proto, found_sa, &s);
}

static void hint(struct invspid *d)
{
	if (d->ike)
		ike_hint(d->ike);
}

void hint_added(void *arg, const struct xfrm_sa *sa)
{
	record_sa(arg, sa, "added");
	hint(arg);
}

void hint_removed(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how)
{
	static const char *const what[] = {
		[XFRM_GONE_DELETED] = "deleted",
		[XFRM_GONE_EXPIRED] = "expired",
		[XFRM_GONE_FLUSHED] = "flushed",
		[XFRM_GONE_UNSEEN] = "gone, and no event has told",
	};

	record_sa(arg, sa, what[how]);
	hint(arg);
	lost_on_removed(arg, sa, how);
}
