// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi_rival - has what xfrm_invspi needs before it comes
 *
 * For the test that the module then refuses to load. What to take is said by the
 * parameters: the first place among the handlers of a protocol, and the name of the
 * netlink family.
 */
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/xfrm.h>

static char *hook = "";
module_param(hook, charp, 0);
MODULE_PARM_DESC(hook, "whose first place to take: esp4, ah4, esp6 or ah6 (none)");
static bool family;
module_param(family, bool, 0);
MODULE_PARM_DESC(family, "take the name of the netlink family (N)");

static int rival_rcv(struct sk_buff *skb)
{
	return -EINVAL;
}

static int rival_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return -EINVAL;
}

static int rival_cb(struct sk_buff *skb, int err)
{
	return 1;
}

static int rival_err4(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

static int rival_err6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code, int offset,
		      __be32 info)
{
	return -ENOENT;
}

static struct xfrm4_protocol rival4 = {
	.handler = rival_rcv,
	.input_handler = rival_input,
	.cb_handler = rival_cb,
	.err_handler = rival_err4,
	.priority = INT_MAX,
};

static struct xfrm6_protocol rival6 = {
	.handler = rival_rcv,
	.input_handler = rival_input,
	.cb_handler = rival_cb,
	.err_handler = rival_err6,
	.priority = INT_MAX,
};

static struct genl_family rival_family = {
	.name = "xfrm_invspi",
	.version = 1,
	.module = THIS_MODULE,
};

static u8 rival_proto(void)
{
	return !strncmp(hook, "ah", 2) ? IPPROTO_AH : IPPROTO_ESP;
}

static bool rival_is(const char *name)
{
	return !strcmp(hook, name);
}

static int rival_take_hook(void)
{
	if (!*hook)
		return 0;
	if (rival_is("esp4") || rival_is("ah4"))
		return xfrm4_protocol_register(&rival4, rival_proto());
	if (rival_is("esp6") || rival_is("ah6"))
		return xfrm6_protocol_register(&rival6, rival_proto());
	pr_err("hook '%s': must be esp4, ah4, esp6 or ah6\n", hook);
	return -EINVAL;
}

static void rival_leave_hook(void)
{
	if (rival_is("esp4") || rival_is("ah4"))
		xfrm4_protocol_deregister(&rival4, rival_proto());
	else if (rival_is("esp6") || rival_is("ah6"))
		xfrm6_protocol_deregister(&rival6, rival_proto());
}

static int __init rival_init(void)
{
	int err = rival_take_hook();

	if (err || !family)
		return err;
	err = genl_register_family(&rival_family);
	if (err)
		rival_leave_hook();
	return err;
}

static void __exit rival_exit(void)
{
	if (family)
		genl_unregister_family(&rival_family);
	rival_leave_hook();
}

module_init(rival_init);
module_exit(rival_exit);

MODULE_DESCRIPTION("Has what xfrm_invspi needs, to test that it says so");
MODULE_LICENSE("GPL");
