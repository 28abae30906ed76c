// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_empty - handler and callback of ESP that do nothing
 *
 * The least that any module can cost which hears of dropped packets through
 * xfrm's own callbacks: the yardstick for what ours costs an accepted packet.
 */
#include <linux/limits.h>
#include <linux/module.h>
#include <net/protocol.h>
#include <net/xfrm.h>

static int bench_rcv(struct sk_buff *skb)
{
	return -EINVAL;
}

static int bench_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return -EINVAL;
}

static int bench_cb(struct sk_buff *skb, int err)
{
	return 1;
}

static int bench_err4(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

static int bench_err6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
		      __be32 info)
{
	return -ENOENT;
}

static struct xfrm4_protocol bench_esp4 __read_mostly = {
	.handler = bench_rcv,
	.input_handler = bench_input,
	.cb_handler = bench_cb,
	.err_handler = bench_err4,
	.priority = INT_MAX,
};

static struct xfrm6_protocol bench_esp6 __read_mostly = {
	.handler = bench_rcv,
	.input_handler = bench_input,
	.cb_handler = bench_cb,
	.err_handler = bench_err6,
	.priority = INT_MAX,
};

static int __init bench_init(void)
{
	int err = xfrm4_protocol_register(&bench_esp4, IPPROTO_ESP);

	if (err)
		return err;
	err = xfrm6_protocol_register(&bench_esp6, IPPROTO_ESP);
	if (err)
		xfrm4_protocol_deregister(&bench_esp4, IPPROTO_ESP);
	return err;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	xfrm6_protocol_deregister(&bench_esp6, IPPROTO_ESP);
	xfrm4_protocol_deregister(&bench_esp4, IPPROTO_ESP);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Empty xfrm callbacks");
MODULE_LICENSE("GPL");
