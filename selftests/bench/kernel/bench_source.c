// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_source - feeds packets into the stack and counts what each one costs
 *
 * In debugfs, folder invspi_bench:
 *   packet  write: a packet from its IP header on; that of ESP follows without
 *           options. It comes in through the device of the parameter "dev".
 *   send    write "COUNT FIRST FLOWS": sends COUNT of them. The SPI of the i-th
 *           one belongs to number FIRST + i % FLOWS; without flows (0) it stays
 *           as it is. Read: "MEASURED CYCLES MIN MAX" of these.
 *
 * Cycles are those of the TSC, from netif_receive_skb() until all softirq work
 * of the packet is done. A packet in whose time a tick fell is sent and not
 * measured; nothing else can come in between, for preemption is off.
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <net/esp.h>

#define BENCH_PACKET_MAX 2048
#define BENCH_OBJECTS 256 /* of a cache, more than a few slabs */

static char *dev = "";
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "name of the device, in the initial namespace");

static DEFINE_MUTEX(bench_lock); /* all that follows */
static struct net_device *bench_dev;
static struct dentry *bench_dir;
static u8 bench_packet[BENCH_PACKET_MAX];
static unsigned int bench_len;

static struct {
	u64 measured;
	u64 cycles;
	u64 min;
	u64 max;
} bench_result;

/* Odd, so that no two numbers have the same SPI */
static __be32 bench_spi(u32 number)
{
	return htonl(number * 0x9e3779b1U);
}

static struct sk_buff *bench_skb(void)
{
	struct sk_buff *skb = netdev_alloc_skb(bench_dev, ETH_HLEN + bench_len);
	struct ethhdr *eth;

	if (!skb)
		return NULL;
	eth = skb_put_zero(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, bench_dev->dev_addr);
	eth->h_proto = htons(bench_packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
	skb_put_data(skb, bench_packet, bench_len);
	skb->protocol = eth_type_trans(skb, bench_dev);
	return skb;
}

static u64 bench_receive(struct sk_buff *skb)
{
	u64 begin, end;

	preempt_disable();
	begin = get_cycles();
	local_bh_disable();
	netif_receive_skb(skb);
	local_bh_enable();
	end = get_cycles();
	preempt_enable();
	return end - begin;
}

/*
 * Takes so many objects of the caches a packet uses, and gives them back, the last one
 * first, that the processor is left with a slab that has room. With just one free object
 * left in it, two that a packet needs at a time would lie in two slabs, and so it stays
 * from packet to packet: some 300 instructions more for each, whoever is being measured.
 */
static void bench_fresh_slabs(void)
{
	static void *taken[BENCH_OBJECTS];
	static struct sk_buff *skbs[BENCH_OBJECTS];
	size_t size;
	int i;

	for (size = 64; size <= 2048; size += size < 256 ? 32 : size) {
		for (i = 0; i < BENCH_OBJECTS; i++)
			taken[i] = kmalloc(size, GFP_KERNEL);
		while (--i >= 0)
			kfree(taken[i]);
	}
	for (i = 0; i < BENCH_OBJECTS; i++) {
		skbs[i] = bench_skb();
		if (skbs[i])
			skb_ext_add(skbs[i], SKB_EXT_SEC_PATH);
	}
	while (--i >= 0)
		kfree_skb(skbs[i]);
}

static int bench_send(u32 count, u32 first, u32 flows)
{
	unsigned int esp =
		bench_packet[0] >> 4 == 6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	u32 i;

	memset(&bench_result, 0, sizeof(bench_result));
	bench_result.min = U64_MAX;
	if (bench_len < esp + sizeof(struct ip_esp_hdr))
		return -ENODATA;
	bench_fresh_slabs();
	for (i = 0; i < count; i++) {
		struct sk_buff *skb = bench_skb();
		u64 tick = get_jiffies_64(), cycles;

		if (!skb)
			return -ENOMEM;
		if (flows)
			((struct ip_esp_hdr *)(skb->data + esp))->spi =
				bench_spi(first + i % flows);
		cycles = bench_receive(skb);
		if (!time_after64(get_jiffies_64(), tick)) {
			bench_result.measured++;
			bench_result.cycles += cycles;
			bench_result.min = min(bench_result.min, cycles);
			bench_result.max = max(bench_result.max, cycles);
		}
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static ssize_t bench_packet_write(struct file *file, const char __user *buf, size_t size,
				  loff_t *pos)
{
	ssize_t ret = size;

	if (*pos || size > BENCH_PACKET_MAX)
		return -EMSGSIZE;
	mutex_lock(&bench_lock);
	bench_len = size;
	if (copy_from_user(bench_packet, buf, size))
		ret = -EFAULT;
	mutex_unlock(&bench_lock);
	return ret;
}

static ssize_t bench_send_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	u32 count, first, flows;
	char text[64];
	int err;

	if (*pos || size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	text[size] = '\0';
	if (sscanf(text, "%u %u %u", &count, &first, &flows) != 3)
		return -EINVAL;
	mutex_lock(&bench_lock);
	err = bench_send(count, first, flows);
	mutex_unlock(&bench_lock);
	return err ?: (ssize_t)size;
}

static ssize_t bench_send_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	char text[128];
	int n;

	mutex_lock(&bench_lock);
	n = scnprintf(text, sizeof(text), "%llu %llu %llu %llu\n", bench_result.measured,
		      bench_result.cycles, bench_result.min, bench_result.max);
	mutex_unlock(&bench_lock);
	return simple_read_from_buffer(buf, size, pos, text, n);
}

static const struct file_operations bench_packet_fops = {
	.owner = THIS_MODULE,
	.write = bench_packet_write,
};

static const struct file_operations bench_send_fops = {
	.owner = THIS_MODULE,
	.read = bench_send_read,
	.write = bench_send_write,
};

static int __init bench_init(void)
{
	bench_dev = dev_get_by_name(&init_net, dev);
	if (!bench_dev) {
		pr_err("bench_source: parameter dev: no device '%s'\n", dev);
		return -ENODEV;
	}
	bench_dir = debugfs_create_dir("invspi_bench", NULL);
	debugfs_create_file("packet", 0200, bench_dir, NULL, &bench_packet_fops);
	debugfs_create_file("send", 0600, bench_dir, NULL, &bench_send_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(bench_dir);
	dev_put(bench_dev);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Packet source that counts cycles");
MODULE_LICENSE("GPL");
