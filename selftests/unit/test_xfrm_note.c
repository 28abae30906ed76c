// SPDX-License-Identifier: GPL-2.0-only
/* XFRM messages in words: those that the kernel makes, and those that make no sense. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "ktap.h"
#include "xfrm_note.h"

static uint8_t buf[2048];
static size_t len;

static void begin(const void *fixed, size_t size)
{
	memset(buf, 0, sizeof(buf));
	memcpy(buf, fixed, size);
	len = NLMSG_ALIGN(size);
}

static void attr(uint16_t type, const void *data, size_t size)
{
	struct nlattr a = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size) };

	memcpy(buf + len, &a, sizeof(a));
	memcpy(buf + len + NLA_HDRLEN, data, size);
	len += NLA_ALIGN(a.nla_len);
}

static struct xfrm_selector selector(void)
{
	struct xfrm_selector s = { .family = AF_INET, .prefixlen_s = 16, .prefixlen_d = 24 };

	inet_pton(AF_INET, "10.1.0.0", &s.saddr);
	inet_pton(AF_INET, "10.2.3.0", &s.daddr);
	return s;
}

static struct xfrm_userpolicy_info policy(void)
{
	struct xfrm_userpolicy_info p = { .sel = selector(), .priority = 375423, .dir = 1 };

	return p;
}

static void put_template(const char *src, const char *dst)
{
	struct xfrm_user_tmpl t = { .reqid = 4, .mode = XFRM_MODE_TUNNEL };

	t.family = strchr(src, ':') ? AF_INET6 : AF_INET;
	t.id.proto = IPPROTO_ESP;
	inet_pton(t.family, src, &t.saddr);
	inet_pton(t.family, dst, &t.id.daddr);
	attr(XFRMA_TMPL, &t, sizeof(t));
}

static struct xfrm_usersa_info state(void)
{
	struct xfrm_usersa_info s = { .family = AF_INET };

	s.id.proto = IPPROTO_ESP;
	s.id.spi = htonl(0xc0ffee11);
	s.curlft.packets = 1234;
	inet_pton(AF_INET, "192.0.2.2", &s.saddr);
	inet_pton(AF_INET, "192.0.2.1", &s.id.daddr);
	return s;
}

static char *addr_text(const struct ike_addr *a)
{
	static char text[2][64];
	static int which;

	which = !which;
	strcpy(text[which], "-");
	if (a->family)
		inet_ntop(a->family, a->addr, text[which], sizeof(text[which]));
	return text[which];
}

static void is(const char *what, uint16_t type, enum note_kind kind, const char *src,
	       const char *dst, uint32_t spi, const char *text)
{
	struct xfrm_said said;

	if (!ktap_ok(xfrm_describe(type, buf, len, &said), "%s: says something", what))
		return;
	ktap_int(what, kind, said.kind);
	ktap_str("src", src, addr_text(&said.src));
	ktap_str("dst", dst, addr_text(&said.dst));
	ktap_int("spi", spi, said.spi);
	ktap_str("text", text, said.text);
}

static void test_policies(void)
{
	struct xfrm_userpolicy_info p = policy();
	struct xfrm_userpolicy_id id = { .dir = 1, .index = 9 };
	struct xfrm_user_polexpire pe = { .pol = p, .hard = 1 };
	uint32_t if_id = 42;

	begin(&p, sizeof(p));
	put_template("192.0.2.1", "192.0.2.2");
	attr(XFRMA_IF_ID, &if_id, sizeof(if_id));
	is("a policy", XFRM_MSG_NEWPOLICY, NOTE_POLICY, "192.0.2.1", "192.0.2.2", 0,
	   "policy added: out 10.1.0.0/16 -> 10.2.3.0/24 allow priority 375423; "
	   "esp tunnel 192.0.2.1 -> 192.0.2.2 reqid 4 if_id 0x2a");
	is("an update", XFRM_MSG_UPDPOLICY, NOTE_POLICY, "192.0.2.1", "192.0.2.2", 0,
	   "policy updated: out 10.1.0.0/16 -> 10.2.3.0/24 allow priority 375423; "
	   "esp tunnel 192.0.2.1 -> 192.0.2.2 reqid 4 if_id 0x2a");
	p.action = XFRM_POLICY_BLOCK;
	p.sel.proto = 17;
	p.sel.dport = htons(53);
	p.sel.dport_mask = 0xffff;
	p.dir = 77;
	begin(&p, sizeof(p));
	is("one that blocks", XFRM_MSG_NEWPOLICY, NOTE_POLICY, "-", "-", 0,
	   "policy added: ? 10.1.0.0/16 -> 10.2.3.0/24 proto 17 ports 0 -> 53 block priority 375423");

	p = policy();
	begin(&id, sizeof(id));
	attr(XFRMA_POLICY, &p, sizeof(p));
	put_template("2001:db8::1", "2001:db8::2");
	is("a policy that goes", XFRM_MSG_DELPOLICY, NOTE_POLICY, "2001:db8::1", "2001:db8::2", 0,
	   "policy deleted: out 10.1.0.0/16 -> 10.2.3.0/24 allow priority 375423; "
	   "esp tunnel 2001:db8::1 -> 2001:db8::2 reqid 4");
	begin(&id, sizeof(id));
	is("... by its number", XFRM_MSG_DELPOLICY, NOTE_POLICY, "-", "-", 0,
	   "policy deleted: out any -> any");
	begin(&pe, sizeof(pe));
	is("its lifetime", XFRM_MSG_POLEXPIRE, NOTE_EXPIRE, "-", "-", 0,
	   "policy has reached its hard lifetime: out 10.1.0.0/16 -> 10.2.3.0/24 allow priority 375423");
	len = 0;
	is("all policies", XFRM_MSG_FLUSHPOLICY, NOTE_POLICY, "-", "-", 0,
	   "policies flushed: all of them");
}

static void test_states(void)
{
	struct xfrm_user_expire e = { .state = state(), .hard = 0 };
	struct xfrm_user_acquire a = { .sel = selector() };
	struct xfrm_user_mapping m = { .old_sport = htons(4500), .new_sport = htons(61234) };

	begin(&e, sizeof(e));
	is("a soft lifetime", XFRM_MSG_EXPIRE, NOTE_EXPIRE, "192.0.2.2", "192.0.2.1", 0xc0ffee11,
	   "SA has reached its soft lifetime: 192.0.2.2 -> 192.0.2.1 esp spi 0xc0ffee11 after 1234 packets");
	e.hard = 1;
	begin(&e, sizeof(e));
	is("a hard one", XFRM_MSG_EXPIRE, NOTE_EXPIRE, "192.0.2.2", "192.0.2.1", 0xc0ffee11,
	   "SA has reached its hard lifetime: 192.0.2.2 -> 192.0.2.1 esp spi 0xc0ffee11 after 1234 packets");
	a.id = state().id;
	a.id.spi = 0;
	inet_pton(AF_INET, "192.0.2.9", &a.saddr);
	begin(&a, sizeof(a));
	is("an acquire", XFRM_MSG_ACQUIRE, NOTE_ACQUIRE, "192.0.2.9", "192.0.2.1", 0,
	   "the kernel wants an SA: esp 192.0.2.9 -> 192.0.2.1 for 10.1.0.0/16 -> 10.2.3.0/24");
	m.id = (struct xfrm_usersa_id){
		.daddr = state().id.daddr,
		.spi = state().id.spi,
		.proto = IPPROTO_ESP,
		.family = AF_INET,
	};
	inet_pton(AF_INET, "192.0.2.2", &m.old_saddr);
	inet_pton(AF_INET, "192.0.2.3", &m.new_saddr);
	begin(&m, sizeof(m));
	is("a NAT that changes", XFRM_MSG_MAPPING, NOTE_SA, "192.0.2.2", "192.0.2.1", 0xc0ffee11,
	   "the peer's NAT has moved it: 192.0.2.2 port 4500 -> 192.0.2.3 port 61234: esp spi 0xc0ffee11");
}

static void test_sa(void)
{
	struct xfrm_sa sa = {
		.src = { .family = AF_INET, .addr = { 192, 0, 2, 2 } },
		.dst = { .family = AF_INET, .addr = { 192, 0, 2, 1 } },
		.spi = 0xc0ffee11,
		.proto = IPPROTO_ESP,
		.reqid = 3,
		.mode = XFRM_MODE_TUNNEL,
	};
	struct xfrm_said said;

	xfrm_describe_sa(&sa, "added", &said);
	ktap_str("an SA", "SA added: 192.0.2.2 -> 192.0.2.1 esp spi 0xc0ffee11 tunnel reqid 3",
		 said.text);
	ktap_int("its spi", 0xc0ffee11, said.spi);
	sa.if_id = 1;
	sa.mark_mask = 0xff;
	sa.encap_type = 2;
	sa.encap_sport = 4500;
	sa.encap_dport = 4501;
	sa.proto = 200;
	sa.mode = 99;
	xfrm_describe_sa(&sa, "deleted", &said);
	ktap_str("all of it",
		 "SA deleted: 192.0.2.2 -> 192.0.2.1 proto 200 spi 0xc0ffee11 other mode reqid 3 "
		 "if_id 0x1 mark 0x0/0xff in UDP, ports 4500 -> 4501",
		 said.text);
}

/* Any length, any bytes: an answer, and a text that ends. */
static void test_noise(void)
{
	struct xfrm_said said;
	unsigned int seed = 1, i, k;
	uint8_t *copy;
	bool ok = true;

	for (i = 0; i < 20000; i++) {
		size_t n = (size_t)rand_r(&seed) % 400;

		/* Memory that ends with the message, at an odd address. */
		copy = malloc(n + 1);
		for (k = 0; k <= n; k++)
			copy[k] = (uint8_t)(rand_r(&seed) % 4 ? 0 : rand_r(&seed));
		said.text[0] = '\0';
		if (xfrm_describe((uint16_t)(XFRM_MSG_BASE + rand_r(&seed) % 32), copy + 1, n,
				  &said))
			ok &= said.text[0] &&
			      strnlen(said.text, sizeof(said.text)) < sizeof(said.text);
		free(copy);
	}
	ktap_ok(ok, "20,000 messages of noise");
	len = 3;
	ktap_ok(!xfrm_describe(XFRM_MSG_NEWPOLICY, buf, 3, &said), "too short a policy");
	ktap_ok(!xfrm_describe(XFRM_MSG_NEWSA, buf, sizeof(buf), &said), "SAs are not told here");
}

int main(void)
{
	test_policies();
	test_states();
	test_sa();
	test_noise();
	return ktap_done();
}
