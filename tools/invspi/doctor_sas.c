// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor: the kernel's SAs. Those that send and never receive are this side of
 * somebody else's black hole; those that a network card handles alone hide what it drops.
 * The messages carry keys: only what is named here is read, and the buffer is wiped.
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/xfrm.h>

#include "doctor.h"
#include "xfrm_parse.h"
#include "xfrm_query.h"

#define YOUNG_S 60 /* what is younger has had no time to be answered */
#define IDLE_S 120 /* what has not sent for so long does not matter now */
#define SENT_MIN 20
#define OFFLOAD_PACKET 4 /* XFRM_OFFLOAD_PACKET, newer than some headers */

struct sas {
	struct kernel_sa *sa;
	size_t n, room;
	uint64_t now_s;
	struct xfrm_query *route;
};

static bool has_algorithm(uint16_t type)
{
	return type == XFRMA_ALG_AUTH || type == XFRMA_ALG_CRYPT || type == XFRMA_ALG_AEAD ||
	       type == XFRMA_ALG_AUTH_TRUNC || type == XFRMA_ALG_COMP;
}

int doctor_take_kernel_sa(const void *payload, size_t len, uint64_t now_s,
			  bool (*is_local)(void *arg, int family, const uint8_t *addr), void *arg,
			  struct kernel_sa *sa)
{
	uint64_t used = 0, made;
	struct xfrm_usersa_info info;
	const uint8_t *p = payload;
	struct xfrm_user_offload offload;
	struct xfrm_attr attr;
	bool whole = false;
	int ret;

	memset(sa, 0, sizeof(*sa));
	if (len < sizeof(info))
		return -EBADMSG;
	memcpy(&info, payload, sizeof(info));
	sa->family = info.family;
	memcpy(sa->src, &info.saddr, sizeof(sa->src));
	memcpy(sa->dst, &info.id.daddr, sizeof(sa->dst));
	sa->spi = ntohl(info.id.spi);
	sa->proto = info.id.proto;
	sa->reqid = info.reqid;
	sa->packets = info.curlft.packets;
	made = info.curlft.add_time;
	sa->age_s = now_s > made ? now_s - made : 0;
	/* Before 6.2 the kernel does not tell when an SA was used last: then it is in use. */
	sa->idle_s = 0;
	p += sizeof(info);
	len -= sizeof(info);
	while ((ret = xfrm_attr_next(&p, &len, &attr)) > 0) {
		whole |= has_algorithm(attr.type);
		if (attr.type == XFRMA_LASTUSED && attr.len == sizeof(used)) {
			memcpy(&used, attr.data, sizeof(used));
			sa->idle_s = now_s > used ? now_s - used : 0;
		} else if (attr.type == XFRMA_OFFLOAD_DEV && attr.len >= sizeof(offload)) {
			memcpy(&offload, attr.data, sizeof(offload));
			sa->ifindex = offload.ifindex;
			sa->offload_packet = offload.flags & OFFLOAD_PACKET;
		}
	}
	if (ret < 0)
		return -EBADMSG;
	sa->out = !is_local(arg, sa->family, sa->dst);
	return whole ? 0 : -EAGAIN;
}

static bool is_local(void *arg, int family, const uint8_t *addr)
{
	struct sas *s = arg;
	struct ike_addr a = { .family = family };

	memcpy(a.addr, addr, sizeof(a.addr));
	return xfrm_query_addr_local(s->route, &a) == 1;
}

static int take(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct sas *s = arg;
	struct kernel_sa *sa;
	size_t room;

	if (type != XFRM_MSG_NEWSA)
		return 0;
	if (s->n == s->room) {
		room = s->room ? s->room * 2 : 64;
		sa = reallocarray(s->sa, room, sizeof(*sa));
		if (!sa)
			return -ENOMEM;
		s->sa = sa;
		s->room = room;
	}
	if (!doctor_take_kernel_sa(payload, len, s->now_s, is_local, s, &s->sa[s->n]) &&
	    (s->sa[s->n].proto == IPPROTO_ESP || s->sa[s->n].proto == IPPROTO_AH))
		s->n++;
	return 0;
}

/* All SAs of this namespace; NULL, with a finding, if they cannot be read. */
static struct kernel_sa *read_sas(struct doctor *d, size_t *n)
{
	static struct xfrm_query route = { .bus = NETLINK_ROUTE };
	struct sas s = { .now_s = (uint64_t)time(NULL), .route = &route };
	int ret;

	ret = xfrm_query_dump(NETLINK_XFRM, XFRM_MSG_GETSA, sizeof(struct xfrm_usersa_id), take,
			      &s);
	xfrm_query_close(&route);
	/* It changed meanwhile: what was read is good enough for this. */
	if (ret && ret != -EINTR) {
		found(d, SEVERITY_WARNING, NULL, "sudo invspi doctor",
		      "cannot read the kernel's SAs: %s", strerror(-ret));
		free(s.sa);
		return NULL;
	}
	*n = s.n;
	return s.sa ? s.sa : calloc(1, sizeof(*s.sa));
}

/* ---- those that only send ---- */

/* Do the two belong to one child, in opposite directions? */
static bool are_pair(const struct kernel_sa *out, const struct kernel_sa *in)
{
	return !in->out && in->family == out->family && in->proto == out->proto &&
	       in->reqid == out->reqid && !memcmp(in->src, out->dst, sizeof(in->src)) &&
	       !memcmp(in->dst, out->src, sizeof(in->dst));
}

/*
 * One that has outlived its IKE daemon, which was killed: the one that runs lists others of
 * that child, so nobody sends by this one any more, whatever it has seen.
 */
static bool is_left_over(const struct doctor *d, const struct kernel_sa *sa)
{
	bool others = false;
	size_t i;

	for (i = 0; i < d->nsa; i++) {
		if (d->sa[i].reqid != sa->reqid)
			continue;
		if ((sa->out ? d->sa[i].spi_out : d->sa[i].spi_in) == sa->spi)
			return false;
		others = true;
	}
	return others;
}

static void name_of(const struct doctor *d, const struct kernel_sa *sa, char *buf, size_t size)
{
	union invspi_addr addr;
	char text[FMT_ADDR_LEN];
	size_t i;

	for (i = 0; i < d->nsa; i++) {
		if (d->sa[i].spi_out == sa->spi && d->sa[i].reqid == sa->reqid) {
			snprintf(buf, size, "%s/%s", d->sa[i].conn, d->sa[i].child);
			return;
		}
	}
	memcpy(addr.b, sa->dst, sizeof(addr.b));
	snprintf(buf, size, "to %s spi 0x%08" PRIx32, fmt_addr(text, sa->family, &addr), sa->spi);
}

void doctor_judge_one_way(struct doctor *d, struct kernel_sa *sa, size_t n)
{
	uint64_t received, age;
	bool paired, first;
	char name[256];
	size_t i, k;

	for (i = 0; i < n; i++)
		sa[i].left_over = is_left_over(d, &sa[i]);
	for (i = 0; i < n; i++) {
		if (!sa[i].out || sa[i].packets < SENT_MIN || sa[i].idle_s > IDLE_S ||
		    sa[i].left_over)
			continue;
		received = 0;
		age = 0;
		paired = false;
		first = true;
		for (k = 0; k < n; k++) {
			if (sa[k].left_over)
				continue;
			if (are_pair(&sa[i], &sa[k])) {
				received += sa[k].packets;
				paired = true;
			} else if (sa[k].out && sa[k].reqid == sa[i].reqid &&
				   !memcmp(sa[k].dst, sa[i].dst, sizeof(sa[k].dst))) {
				/* one finding for all generations of a child */
				first &= k >= i || sa[k].packets < SENT_MIN;
				age = sa[k].age_s > age ? sa[k].age_s : age;
			}
		}
		if (received || !first || age < YOUNG_S)
			continue;
		name_of(d, &sa[i], name, sizeof(name));
		found(d, SEVERITY_WARNING, name,
		      "on the peer: invspi flow show, or grep XfrmInNoStates /proc/net/xfrm_stat; here: invspi recover CONNECTION",
		      paired ? "sends, and has never received anything: is it out of step at the peer?"
			     : "sends, but there is no SA to receive by");
	}
}

void check_one_way(struct doctor *d)
{
	struct kernel_sa *sa;
	size_t n;

	sa = read_sas(d, &n);
	if (!sa)
		return;
	doctor_ask_ike(d); /* for their names */
	doctor_judge_one_way(d, sa, n);
	free(sa);
}

void check_offload(struct doctor *d)
{
	char name[256], dev[IF_NAMESIZE];
	struct kernel_sa *sa;
	size_t n, i;

	sa = read_sas(d, &n);
	for (i = 0; sa && i < n; i++) {
		if (!sa[i].offload_packet || sa[i].out)
			continue;
		snprintf(name, sizeof(name), "%s",
			 if_indextoname((unsigned int)sa[i].ifindex, dev) ? dev : "?");
		found(d, SEVERITY_WARNING, name,
		      "in swanctl.conf: children { NAME { hw_offload = crypto } } (or no), then swanctl --load-conns",
		      "receives IPsec by itself (packet offload): what it drops for want of an SA is counted by nobody");
	}
	free(sa);
}
