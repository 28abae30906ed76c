// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: the kernel's policies and interfaces, and a child's selectors, of
 * which gap.c judges whether packets could leave in clear. An input is the selectors, a
 * few numbers of the child, then messages, each with type and length before it.
 */
#include "../../tools/invspid/gap.c"
#include "fuzz.h"

static struct input wire;
static bool broken;

/* Hands out the input's messages, as a dump does; now and then one that fails. */
int xfrm_query_dump(int bus, uint16_t want, size_t body, xfrm_query_cb cb, void *arg)
{
	struct input in = wire;
	uint8_t *copy;
	uint16_t type;
	int ret = 0;
	size_t n, i;

	(void)want;
	(void)body;
	if (broken)
		return -EINTR;
	while (in.left && !ret) {
		type = take_byte(&in) % 2 ? (bus == NETLINK_XFRM ? XFRM_MSG_NEWPOLICY : RTM_NEWLINK)
					  : take_byte(&in);
		n = (size_t)take_byte(&in) << 8;
		n |= take_byte(&in);
		if (n > in.left)
			n = in.left;
		/* memory that ends with the message */
		copy = malloc(n ? n : 1);
		must(copy);
		for (i = 0; i < n; i++)
			copy[i] = take_byte(&in);
		ret = cb(arg, type, copy, n);
		free(copy);
	}
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = take_byte(&in);
	struct ike_child c = {
		.local_ts = take_text(&in, 255),
		.remote_ts = take_text(&in, 255),
		.proto = flags & 1 ? IPPROTO_ESP : IPPROTO_AH,
		.reqid = take_byte(&in),
		.if_id_out = flags & 2 ? 1 : 0,
		.mark_in = take_byte(&in),
	};
	bool none;

	broken = flags & 4;
	wire = in;
	none = gap_none(&c);
	/* Bound to an interface, or else by what policies say; and those are unknown. */
	if (c.if_id_out)
		must(none);
	else if (broken)
		must(!none);
	/* Pure: the same again. */
	must(gap_none(&c) == none);
	free(c.local_ts);
	free(c.remote_ts);
	return 0;
}
