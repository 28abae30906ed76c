// SPDX-License-Identifier: GPL-2.0-only
/* XFRM netlink messages: what is taken from them, and any bytes whatever. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "ktap.h"
#include "xfrm_parse.h"

struct build {
	uint8_t b[4096];
	size_t len;
};

static void put(struct build *m, const void *data, size_t len)
{
	memcpy(m->b + m->len, data, len);
	m->len += NLMSG_ALIGN(len);
}

static void put_attr(struct build *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	memcpy(m->b + m->len, &attr, sizeof(attr));
	memcpy(m->b + m->len + NLA_HDRLEN, data, len);
	m->len += NLA_ALIGN(attr.nla_len);
}

static struct xfrm_usersa_info info(int family)
{
	struct xfrm_usersa_info i;

	memset(&i, 0, sizeof(i));
	i.family = (uint16_t)family;
	i.id.spi = htonl(0xc0a80001);
	i.id.proto = 50;
	i.reqid = 7;
	i.mode = XFRM_MODE_TUNNEL;
	i.curlft.packets = 1000;
	memset(&i.saddr, 0x11, sizeof(i.saddr));
	memset(&i.id.daddr, 0x22, sizeof(i.id.daddr));
	return i;
}

/* As the kernel sends a whole SA: key, counters, mark, interface, encapsulation. */
static void put_attrs(struct build *m)
{
	struct {
		struct xfrm_algo_aead a;
		char key[36];
	} aead = { { "rfc4106(gcm(aes))", 288, 128 }, "0123456789abcdef0123456789abcdef" };
	struct xfrm_encap_tmpl encap = { .encap_type = 2,
					 .encap_sport = htons(4500),
					 .encap_dport = htons(30001) };
	struct xfrm_mark mark = { 0x11, 0xff };
	uint32_t if_id = 42, unknown = 0xdeadbeef;
	uint64_t used = 5;

	put_attr(m, XFRMA_ALG_AEAD, &aead, sizeof(aead));
	put_attr(m, XFRMA_LASTUSED, &used, sizeof(used));
	put_attr(m, 200, &unknown, sizeof(unknown));
	put_attr(m, XFRMA_ENCAP, &encap, sizeof(encap));
	put_attr(m, XFRMA_MARK, &mark, sizeof(mark));
	put_attr(m, XFRMA_IF_ID, &if_id, sizeof(if_id));
}

/* From memory that ends with the message, so that a read behind it is found. */
static int parse(uint16_t type, const uint8_t *data, size_t len, struct xfrm_msg *msg)
{
	uint8_t *copy = malloc(len + 1);
	int ret;

	/* Odd address: nothing may count on alignment. */
	memcpy(copy + 1, data, len);
	ret = xfrm_parse(type, copy + 1, len, msg);
	free(copy);
	return ret;
}

static void check_whole(const char *name, const struct xfrm_msg *m, int family)
{
	char what[128];

#define IS(expr, want)                                               \
	do {                                                         \
		snprintf(what, sizeof(what), "%s: %s", name, #expr); \
		ktap_int(what, want, (long long)(expr));             \
	} while (0)
	IS(m->sa.src.family, family);
	IS(m->sa.src.addr[0], 0x11);
	IS(m->sa.dst.family, family);
	IS(m->sa.dst.addr[3], 0x22);
	IS(m->sa.dst.addr[4], family == AF_INET ? 0 : 0x22);
	IS(m->sa.spi, 0xc0a80001);
	IS(m->sa.proto, 50);
	IS(m->sa.reqid, 7);
	IS(m->sa.mode, XFRM_MODE_TUNNEL);
	IS(m->sa.packets, 1000);
	IS(m->sa.mark, 0x11);
	IS(m->sa.mark_mask, 0xff);
	IS(m->sa.if_id, 42);
	IS(m->sa.encap_type, 2);
	IS(m->sa.encap_sport, 4500);
	IS(m->sa.encap_dport, 30001);
	IS(m->sa.larval, false);
#undef IS
}

static void build_sa(struct build *m, int family)
{
	struct xfrm_usersa_info i = info(family);

	m->len = 0;
	put(m, &i, sizeof(i));
	put_attrs(m);
}

static void build_gone(struct build *m, int family)
{
	struct xfrm_usersa_info i = info(family);
	struct xfrm_usersa_id id;

	memset(&id, 0, sizeof(id));
	id.family = (uint16_t)family;
	id.spi = i.id.spi;
	id.proto = 50;
	id.daddr = i.id.daddr;
	m->len = 0;
	put(m, &id, sizeof(id));
	put_attr(m, XFRMA_SA, &i, sizeof(i));
	put_attrs(m);
}

static void build_expire(struct build *m, uint8_t hard)
{
	struct xfrm_user_expire e;
	struct xfrm_mark mark = { 0x11, 0xff };

	memset(&e, 0, sizeof(e));
	e.state = info(AF_INET);
	e.hard = hard;
	m->len = 0;
	put(m, &e, sizeof(e));
	put_attr(m, XFRMA_MARK, &mark, sizeof(mark));
}

static void test_kinds(void)
{
	struct xfrm_usersa_info i = info(AF_INET);
	uint8_t proto = 255;
	struct xfrm_msg msg;
	struct build m;

	build_sa(&m, AF_INET);
	ktap_int("NEWSA", 0, parse(XFRM_MSG_NEWSA, m.b, m.len, &msg));
	ktap_int("NEWSA", XFRM_KIND_SA, msg.kind);
	check_whole("NEWSA", &msg, AF_INET);
	ktap_int("UPDSA", 0, parse(XFRM_MSG_UPDSA, m.b, m.len, &msg));
	ktap_int("UPDSA", XFRM_KIND_SA, msg.kind);
	build_sa(&m, AF_INET6);
	ktap_int("NEWSA IPv6", 0, parse(XFRM_MSG_NEWSA, m.b, m.len, &msg));
	check_whole("NEWSA IPv6", &msg, AF_INET6);
	build_gone(&m, AF_INET6);
	ktap_int("DELSA", 0, parse(XFRM_MSG_DELSA, m.b, m.len, &msg));
	ktap_int("DELSA", XFRM_KIND_GONE, msg.kind);
	check_whole("DELSA", &msg, AF_INET6);

	m.len = 0;
	put(&m, &i, sizeof(i));
	ktap_int("larval", 0, parse(XFRM_MSG_NEWSA, m.b, m.len, &msg));
	ktap_int("larval", true, msg.sa.larval);

	build_expire(&m, 1);
	ktap_int("EXPIRE hard", 0, parse(XFRM_MSG_EXPIRE, m.b, m.len, &msg));
	ktap_int("EXPIRE hard", XFRM_KIND_EXPIRED, msg.kind);
	ktap_int("EXPIRE: mark", 0x11, msg.sa.mark);
	build_expire(&m, 0);
	ktap_int("EXPIRE soft", 0, parse(XFRM_MSG_EXPIRE, m.b, m.len, &msg));
	ktap_int("EXPIRE soft: the SA stays", XFRM_KIND_OTHER, msg.kind);

	ktap_int("FLUSHSA", 0, parse(XFRM_MSG_FLUSHSA, &proto, 1, &msg));
	ktap_int("FLUSHSA", XFRM_KIND_FLUSHED, msg.kind);
	ktap_int("FLUSHSA: protocol", 255, msg.proto);
	ktap_int("FLUSHSA without a body", -EBADMSG, parse(XFRM_MSG_FLUSHSA, &proto, 0, &msg));
	ktap_int("MIGRATE", 0, parse(XFRM_MSG_MIGRATE, m.b, 0, &msg));
	ktap_int("MIGRATE", XFRM_KIND_MIGRATED, msg.kind);
	ktap_int("ACQUIRE", 0, parse(XFRM_MSG_ACQUIRE, m.b, m.len, &msg));
	ktap_int("ACQUIRE is not for us", XFRM_KIND_OTHER, msg.kind);
	ktap_int("unknown type", 0, parse(0xffff, m.b, m.len, &msg));
	ktap_int("unknown type", XFRM_KIND_OTHER, msg.kind);

	build_sa(&m, AF_UNIX);
	ktap_int("unknown family", -EBADMSG, parse(XFRM_MSG_NEWSA, m.b, m.len, &msg));
	ktap_int("nothing is left of it", 0, (long long)msg.sa.spi + msg.kind);
}

/* One at a time, up to the end, or to the first whose length makes no sense. */
static void test_attr_next(void)
{
	static const uint8_t seven[7] = { 1, 2, 3, 4, 5, 6, 7 };
	struct xfrm_attr attr = { 0 };
	uint8_t *copy, b[64];
	const uint8_t *p;
	struct build m;
	size_t len;
	int bad = 0;

	m.len = 0;
	put_attr(&m, 0x8000 | 17, seven, 5);
	put_attr(&m, 18, seven, 0);
	put_attr(&m, 19, seven, 7);
	len = m.len - 1; /* the last one is not padded */
	copy = malloc(len + 1);
	memcpy(copy + 1, m.b, len);
	p = copy + 1;
	ktap_int("first attribute", 1, xfrm_attr_next(&p, &len, &attr));
	ktap_int("its type, without flags", 17, attr.type);
	ktap_int("its length", 5, (long long)attr.len);
	ktap_int("its last byte", 5, attr.data[4]);
	ktap_int("empty attribute", 1, xfrm_attr_next(&p, &len, &attr));
	ktap_int("its length", 0, (long long)attr.len);
	ktap_int("last attribute", 1, xfrm_attr_next(&p, &len, &attr));
	ktap_int("its last byte", 7, attr.data[6]);
	ktap_int("the end", 0, xfrm_attr_next(&p, &len, &attr));
	free(copy);

	for (len = 0; len < sizeof(b); len++) {
		struct nlattr head = { .nla_len = (uint16_t)len };
		size_t left = 20;

		memcpy(b, &head, sizeof(head));
		p = b;
		bad += xfrm_attr_next(&p, &left, &attr) != (len < 4 || len > 20 ? -EBADMSG : 1);
	}
	ktap_int("lengths told that are wrongly taken or refused", 0, bad);
}

/* No key may be in what is kept. */
static void test_no_keys(void)
{
	struct xfrm_msg msg;
	struct build m;

	build_sa(&m, AF_INET);
	parse(XFRM_MSG_NEWSA, m.b, m.len, &msg);
	ktap_ok(!memmem(&msg, sizeof(msg), "0123456789abcdef", 16), "NEWSA: no key is copied");
	build_gone(&m, AF_INET);
	parse(XFRM_MSG_DELSA, m.b, m.len, &msg);
	ktap_ok(!memmem(&msg, sizeof(msg), "0123456789abcdef", 16), "DELSA: no key is copied");
}

static void test_truncated(void)
{
	static const uint16_t types[] = { XFRM_MSG_NEWSA, XFRM_MSG_DELSA, XFRM_MSG_EXPIRE };
	struct xfrm_msg msg;
	struct build m;
	size_t i, len, bad;
	int ret;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i] == XFRM_MSG_NEWSA)
			build_sa(&m, AF_INET6);
		else if (types[i] == XFRM_MSG_DELSA)
			build_gone(&m, AF_INET6);
		else
			build_expire(&m, 1);
		for (len = 0, bad = 0; len < m.len; len++) {
			ret = parse(types[i], m.b, len, &msg);
			if (ret && (ret != -EBADMSG || msg.kind != XFRM_KIND_OTHER))
				bad++;
			/* The fixed part is never guessed. */
			if (!ret && len < sizeof(struct xfrm_usersa_id))
				bad++;
		}
		ktap_int("cut at every byte: refused, or the rest is right", 0, (long long)bad);
	}
}

static void test_noise(void)
{
	static const uint16_t types[] = {
		XFRM_MSG_NEWSA,	 XFRM_MSG_DELSA,   XFRM_MSG_UPDSA,
		XFRM_MSG_EXPIRE, XFRM_MSG_FLUSHSA, XFRM_MSG_MIGRATE,
	};
	unsigned int seed = 1, i, k;
	struct xfrm_msg msg;
	struct build m;
	int bad = 0, ret;

	for (i = 0; i < 200000; i++) {
		if (i % 2)
			build_sa(&m, AF_INET);
		else
			build_gone(&m, AF_INET6);
		for (k = 0; k < 1 + i % 7; k++)
			m.b[(unsigned int)rand_r(&seed) % m.len] = (uint8_t)rand_r(&seed);
		ret = parse(types[i % ARRAY_SIZE(types)], m.b,
			    (unsigned int)rand_r(&seed) % (m.len + 1), &msg);
		bad += ret && ret != -EBADMSG;
	}
	ktap_int("200000 changed messages", 0, bad);
}

int main(void)
{
	test_kinds();
	test_attr_next();
	test_no_keys();
	test_truncated();
	test_noise();
	return ktap_done();
}
