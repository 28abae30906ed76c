// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi_comp - counts IPComp inside of ESP or AH that has no SA
 *
 * The kernel counts that as XfrmInNoStates, too, and xfrm_invspi does not: what a test
 * that throws dice wants to compare has to be without it. Such a packet's callback comes
 * without a sec_path, which the kernel takes away only where an SA is missing; for IPComp
 * that is not inside of anything it would also come so for other reasons.
 */
#include <linux/atomic.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <net/xfrm.h>

static atomic_t comp_missing = ATOMIC_INIT(0);
module_param_named(missing, comp_missing.counter, int, 0444);
MODULE_PARM_DESC(missing, "packets without an SA");

static int comp_rcv(struct sk_buff *skb)
{
	return -EINVAL;
}

static int comp_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return -EINVAL;
}

static int comp_cb(struct sk_buff *skb, int err)
{
	if (err < 0 && !skb_sec_path(skb))
		atomic_inc(&comp_missing);
	return 1;
}

static int comp_err4(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

static int comp_err6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
		     __be32 info)
{
	return -ENOENT;
}

static struct xfrm4_protocol comp4 = {
	.handler = comp_rcv,
	.input_handler = comp_input,
	.cb_handler = comp_cb,
	.err_handler = comp_err4,
	.priority = INT_MAX,
};

static struct xfrm6_protocol comp6 = {
	.handler = comp_rcv,
	.input_handler = comp_input,
	.cb_handler = comp_cb,
	.err_handler = comp_err6,
	.priority = INT_MAX,
};

static int __init comp_init(void)
{
	int err = xfrm4_protocol_register(&comp4, IPPROTO_COMP);

	if (err)
		return err;
	err = xfrm6_protocol_register(&comp6, IPPROTO_COMP);
	if (err)
		xfrm4_protocol_deregister(&comp4, IPPROTO_COMP);
	return err;
}

static void __exit comp_exit(void)
{
	xfrm6_protocol_deregister(&comp6, IPPROTO_COMP);
	xfrm4_protocol_deregister(&comp4, IPPROTO_COMP);
}

module_init(comp_init);
module_exit(comp_exit);

MODULE_DESCRIPTION("Counts IPComp that has no SA, inside of ESP or AH");
MODULE_LICENSE("GPL");
