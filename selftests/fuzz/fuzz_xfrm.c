// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: XFRM netlink messages. The first byte of an input chooses
 * the type, the rest is the message. corpus/xfrm has messages as the kernel
 * makes them.
 */
#include <errno.h>
#include <linux/xfrm.h>

#include "fuzz.h"
#include "xfrm_note.h"
#include "xfrm_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xfrm_msg nothing;
	struct xfrm_msg msg, again;
	struct xfrm_said said;
	uint8_t *copy;
	int ret;

	if (!size)
		return 0;
	/* Memory that ends with the message, at an odd address. */
	copy = malloc(size);
	must(copy);
	memcpy(copy, data, size);
	ret = xfrm_parse(XFRM_MSG_BASE + copy[0] % 32, copy + 1, size - 1, &msg);
	must(!ret || ret == -EBADMSG);
	if (ret)
		must(!memcmp(&msg, &nothing, sizeof(msg)));
	if (msg.kind == XFRM_KIND_SA || msg.kind == XFRM_KIND_GONE || msg.kind == XFRM_KIND_EXPIRED)
		must(msg.sa.dst.family == AF_INET || msg.sa.dst.family == AF_INET6);
	/* Pure: the same bytes give the same. */
	must(xfrm_parse(XFRM_MSG_BASE + copy[0] % 32, copy + 1, size - 1, &again) == ret);
	must(!memcmp(&msg, &again, sizeof(msg)));
	if (xfrm_describe(XFRM_MSG_BASE + copy[0] % 32, copy + 1, size - 1, &said))
		must(said.text[0] && strnlen(said.text, sizeof(said.text)) < sizeof(said.text));
	free(copy);
	return 0;
}
