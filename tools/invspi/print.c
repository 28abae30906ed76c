// SPDX-License-Identifier: GPL-2.0-only
/* A flow, as a block of text or a JSON object. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>

#include "invspi.h"

/*
 * Name of an interface that may be gone by now; NULL if none is known. Of one
 * listing the last is remembered: most flows come in by one, and to ask costs three
 * system calls.
 */
static const char *ifname(const struct invspi *inv, uint32_t ifindex)
{
	static char name[IF_NAMESIZE + 8];
	static uint32_t last;
	static int64_t when;

	if (!ifindex)
		return NULL;
	if (ifindex == last && inv->now_ms == when)
		return name;
	if (!if_indextoname(ifindex, name))
		snprintf(name, sizeof(name), "if%" PRIu32, ifindex);
	last = ifindex;
	when = inv->now_ms;
	return name;
}

static const char *or_unknown(const char *name)
{
	return name ? name : "unknown";
}

static int64_t time_of(const struct invspi *inv, uint64_t age_ms)
{
	return age_ms > (uint64_t)inv->now_ms ? 0 : inv->now_ms - (int64_t)age_ms;
}

static void json_flow(struct invspi *inv, const char *event, bool resync,
		      const struct invspi_flow *flow)
{
	char addr[FMT_ADDR_LEN], when[FMT_TIME_LEN], spi[12];
	struct fmt *f = &inv->out;
	const char *name = ifname(inv, flow->ifindex);
	unsigned int i;

	fmt_object(f, NULL);
	if (event)
		fmt_string(f, "event", NULL, event);
	if (resync)
		fmt_bool(f, "resync", NULL, true);
	fmt_string(f, "src", NULL, fmt_addr(addr, flow->family, &flow->src));
	fmt_string(f, "dst", NULL, fmt_addr(addr, flow->family, &flow->dst));
	fmt_string(f, "proto", NULL, or_unknown(invspi_proto_name(flow->proto)));
	snprintf(spi, sizeof(spi), "0x%08" PRIx32, flow->spi);
	fmt_string(f, "spi", NULL, spi);
	fmt_number(f, "packets", NULL, flow->packets);
	fmt_number(f, "bytes", NULL, flow->bytes);
	fmt_string(f, "first_seen", NULL, fmt_time(when, time_of(inv, flow->first_age_ms)));
	fmt_string(f, "last_seen", NULL, fmt_time(when, time_of(inv, flow->last_age_ms)));
	if (name)
		fmt_string(f, "ifname", NULL, name);
	else
		fmt_null(f, "ifname");
	fmt_number(f, "last_seq", NULL, flow->last_seq);
	fmt_number(f, "mark", NULL, flow->mark);
	if (flow->encap_type != XFRM_INVSPI_ENCAP_NONE) {
		fmt_object(f, "encap");
		fmt_string(f, "type", NULL, or_unknown(invspi_encap_name(flow->encap_type)));
		if (flow->encap_type == XFRM_INVSPI_ENCAP_ESPINUDP) {
			fmt_number(f, "sport", NULL, flow->sport);
			fmt_number(f, "dport", NULL, flow->dport);
		}
		fmt_object_end(f);
	}
	fmt_object(f, "reasons");
	for (i = 0; i < INVSPI_REASONS; i++)
		fmt_number(f, invspi_reason_name(i), NULL, flow->reasons[i]);
	fmt_object_end(f);
	fmt_string(f, "state", NULL, or_unknown(invspi_state_name(flow->state)));
	fmt_object_end(f);
}

/*
 * The first line is made of selectors, so that it can be pasted behind
 * `invspi flow delete'.
 */
static void text_flow(struct invspi *inv, const char *sep, const struct invspi_flow *flow)
{
	char addr[FMT_ADDR_LEN], when[FMT_TIME_LEN], age[FMT_AGE_LEN];
	struct fmt *f = &inv->out;
	const char *name = ifname(inv, flow->ifindex);
	bool udp = flow->encap_type == XFRM_INVSPI_ENCAP_ESPINUDP;
	unsigned int i;

	fmt_text(f, "src %s", fmt_addr(addr, flow->family, &flow->src));
	fmt_text(f, " dst %s", fmt_addr(addr, flow->family, &flow->dst));
	fmt_text(f, " proto %s", or_unknown(invspi_proto_name(flow->proto)));
	fmt_text(f, " spi 0x%08" PRIx32, flow->spi);
	if (flow->encap_type != XFRM_INVSPI_ENCAP_NONE || inv->details)
		fmt_text(f, " encap %s", or_unknown(invspi_encap_name(flow->encap_type)));
	if (udp)
		fmt_text(f, " sport %u", flow->sport);
	fmt_text(f, " state %s%s", or_unknown(invspi_state_name(flow->state)), sep);

	fmt_text(f, "packets %" PRIu64 " bytes %" PRIu64, flow->packets, flow->bytes);
	for (i = 0; i < INVSPI_REASONS; i++)
		if (flow->reasons[i] || inv->details)
			fmt_text(f, " %s %" PRIu64, invspi_reason_name(i), flow->reasons[i]);
	if (name)
		fmt_string(f, FMT_NO_KEY, " dev %s", name);
	if (udp)
		fmt_text(f, " dport %u", flow->dport);
	fmt_text(f, "%sfirst %s ago", sep, fmt_age(age, flow->first_age_ms));
	fmt_text(f, " last %s ago", fmt_age(age, flow->last_age_ms));
	if (!inv->details)
		return;
	fmt_text(f, " last_seq %" PRIu32 " mark 0x%" PRIx32, flow->last_seq, flow->mark);
	fmt_text(f, "%sfirst_seen %s", sep, fmt_time(when, time_of(inv, flow->first_age_ms)));
	fmt_text(f, " last_seen %s", fmt_time(when, time_of(inv, flow->last_age_ms)));
}

/**
 * print_flow() - one flow
 * @event: of `monitor', which wants one line; else NULL
 * @resync: the event was made up from the table after an overrun
 */
void print_flow(struct invspi *inv, const char *event, bool resync, const struct invspi_flow *flow)
{
	char when[FMT_TIME_LEN];

	if (fmt_is_json(&inv->out)) {
		json_flow(inv, event, resync, flow);
		return;
	}
	if (event)
		fmt_text(&inv->out, "%s %s%s ", fmt_time(when, inv->now_ms), event,
			 resync ? " (re-read)" : "");
	text_flow(inv, event ? " " : "\n    ", flow);
	if (!event)
		fmt_text(&inv->out, "\n");
}
