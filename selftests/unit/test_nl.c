// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink attributes to structures: whole, truncated at every byte, and
 * garbage. Each message ends where an unreadable page begins, so that reading
 * one byte too many is a crash with any compiler.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "ktap.h"
#include "nl.h"
#include "nl_sock.h"

#define ROOM 4096

static char *guarded_page;

/* Copies the message right before the unreadable page. */
static const void *guarded(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!guarded_page) {
		guarded_page = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (guarded_page == MAP_FAILED || mprotect(guarded_page + page, page, PROT_NONE))
			abort();
	}
	return memcpy(guarded_page + page - len, data, len);
}

struct attrs {
	char data[ROOM];
	size_t len;
};

static void put(struct attrs *a, unsigned int type, const void *data, size_t len)
{
	struct nlattr nla = { .nla_len = (uint16_t)(sizeof(nla) + len),
			      .nla_type = (uint16_t)type };

	memset(a->data + a->len, 0, NLA_ALIGN(sizeof(nla) + len));
	memcpy(a->data + a->len, &nla, sizeof(nla));
	memcpy(a->data + a->len + sizeof(nla), data, len);
	a->len += NLA_ALIGN(sizeof(nla) + len);
}

static void put_u8(struct attrs *a, unsigned int type, uint8_t v)
{
	put(a, type, &v, sizeof(v));
}

static void put_u16(struct attrs *a, unsigned int type, uint16_t v)
{
	put(a, type, &v, sizeof(v));
}

static void put_u32(struct attrs *a, unsigned int type, uint32_t v)
{
	put(a, type, &v, sizeof(v));
}

static void put_u64(struct attrs *a, unsigned int type, uint64_t v)
{
	put(a, type, &v, sizeof(v));
}

static void put_reasons(struct attrs *a, unsigned int type, uint64_t first)
{
	struct attrs nest = { .len = 0 };

	put_u64(&nest, XFRM_INVSPI_A_REASONS_NO_STATE, first);
	put(&nest, XFRM_INVSPI_A_REASONS_PAD, "", 0);
	put_u64(&nest, XFRM_INVSPI_A_REASONS_ACQUIRE, first + 1);
	put_u64(&nest, XFRM_INVSPI_A_REASONS_STATE_INVALID, first + 2);
	put_u64(&nest, XFRM_INVSPI_A_REASONS_ENCAP_MISMATCH, first + 3);
	put(a, type | NLA_F_NESTED, nest.data, nest.len);
}

static void put_flow(struct attrs *a, bool v6)
{
	static const uint8_t src6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	static const uint8_t dst6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	static const uint8_t src4[4] = { 192, 0, 2, 1 }, dst4[4] = { 198, 51, 100, 2 };

	put(a, v6 ? XFRM_INVSPI_A_FLOW_SRC6 : XFRM_INVSPI_A_FLOW_SRC4, v6 ? src6 : src4,
	    v6 ? 16 : 4);
	put(a, v6 ? XFRM_INVSPI_A_FLOW_DST6 : XFRM_INVSPI_A_FLOW_DST4, v6 ? dst6 : dst4,
	    v6 ? 16 : 4);
	put_u8(a, XFRM_INVSPI_A_FLOW_PROTO, IPPROTO_ESP);
	put_u32(a, XFRM_INVSPI_A_FLOW_SPI, htonl(0xb761863e));
	put_u32(a, XFRM_INVSPI_A_FLOW_ENCAP_TYPE, XFRM_INVSPI_ENCAP_ESPINUDP);
	put_u16(a, XFRM_INVSPI_A_FLOW_ENCAP_SPORT, htons(4501));
	put_u16(a, XFRM_INVSPI_A_FLOW_ENCAP_DPORT, htons(4500));
	put_u64(a, XFRM_INVSPI_A_FLOW_PACKETS, 10);
	put_u64(a, XFRM_INVSPI_A_FLOW_BYTES, UINT64_MAX);
	put_reasons(a, XFRM_INVSPI_A_FLOW_REASONS, 1);
	put_u64(a, XFRM_INVSPI_A_FLOW_FIRST_SEEN_AGE_MS, 5000);
	put_u64(a, XFRM_INVSPI_A_FLOW_LAST_SEEN_AGE_MS, 20);
	put_u32(a, XFRM_INVSPI_A_FLOW_IFINDEX, 3);
	put_u32(a, XFRM_INVSPI_A_FLOW_LAST_SEQ, 77);
	put_u32(a, XFRM_INVSPI_A_FLOW_MARK, 0x2a);
	put_u32(a, XFRM_INVSPI_A_FLOW_STATE, XFRM_INVSPI_FLOW_STATE_DESYNC);
}

static bool flow_right(const struct invspi_flow *f, bool v6)
{
	return f->family == (v6 ? AF_INET6 : AF_INET) && f->proto == IPPROTO_ESP &&
	       f->src.b[v6 ? 15 : 3] == 1 && f->dst.b[v6 ? 15 : 3] == 2 && (v6 || !f->src.b[4]) &&
	       f->spi == 0xb761863e && f->encap_type == XFRM_INVSPI_ENCAP_ESPINUDP &&
	       f->sport == 4501 && f->dport == 4500 && f->packets == 10 && f->bytes == UINT64_MAX &&
	       f->reasons[0] == 1 && f->reasons[1] == 2 && f->reasons[2] == 3 &&
	       f->reasons[3] == 4 && f->first_age_ms == 5000 && f->last_age_ms == 20 &&
	       f->ifindex == 3 && f->last_seq == 77 && f->mark == 0x2a &&
	       f->state == XFRM_INVSPI_FLOW_STATE_DESYNC;
}

static int parse_flow(const struct attrs *a, struct invspi_flow *f, struct invspi_err *err)
{
	return invspi_nl_parse_flow(guarded(a->data, a->len), a->len, f, err);
}

static void test_whole(void)
{
	struct invspi_flow f;
	int v6;

	for (v6 = 0; v6 < 2; v6++) {
		struct attrs a = { .len = 0 };

		put_flow(&a, v6);
		ktap_int("a whole flow is taken", 0, parse_flow(&a, &f, NULL));
		ktap_ok(flow_right(&f, v6), "every member is right, IPv%d", v6 ? 6 : 4);
		put_u64(&a, XFRM_INVSPI_A_FLOW_MAX + 1, 1);
		put(&a, 4000, "later", 5);
		ktap_int("attributes of a newer kernel do no harm", 0, parse_flow(&a, &f, NULL));
		ktap_ok(flow_right(&f, v6), "and change nothing");
	}
}

/*
 * A cut either hits a boundary between attributes, and then it's a shorter
 * message, or it is malformed. What is refused is zeroed.
 */
static void test_truncated(void)
{
	struct attrs a = { .len = 0 };
	struct invspi_flow f, zero;
	bool zeroed = true;
	int taken = 0, refused = 0;
	size_t len;

	memset(&zero, 0, sizeof(zero));
	put_flow(&a, true);
	for (len = 0; len < a.len; len++) {
		memset(&f, 0x55, sizeof(f));
		if (!invspi_nl_parse_flow(guarded(a.data, len), len, &f, NULL)) {
			taken++;
			continue;
		}
		refused++;
		zeroed = zeroed && !memcmp(&f, &zero, sizeof(f));
	}
	/* From SPI on, at the end of 12 attributes, 7 of which end in padding. */
	ktap_ok(taken >= 12 && taken < 40, "cuts between attributes are shorter messages: %d",
		taken);
	ktap_ok(refused > 150, "other cuts are refused: %d", refused);
	ktap_ok(zeroed, "what is refused is zeroed");
}

/* Every attribute one byte short, one byte long, and empty. */
static void test_lengths(void)
{
	static const int off[] = { -1, 1, -1000 };
	bool refused = true;
	char big[64] = { 0 };
	struct invspi_flow f;
	struct nlattr nla;
	unsigned int i, k;
	size_t at, len;

	for (k = 0; k < ARRAY_SIZE(off); k++) {
		struct attrs whole = { .len = 0 };

		put_flow(&whole, false);
		for (i = 0, at = 0; at < whole.len; i++, at += NLA_ALIGN(nla.nla_len)) {
			struct attrs a = { .len = 0 };

			memcpy(&nla, whole.data + at, sizeof(nla));
			if ((nla.nla_type & NLA_TYPE_MASK) == XFRM_INVSPI_A_FLOW_REASONS)
				continue;
			len = nla.nla_len - sizeof(nla);
			len = off[k] == -1000 ? 0 : len + (size_t)off[k];
			put_flow(&a, false);
			put(&a, nla.nla_type, big, len);
			if (parse_flow(&a, &f, NULL) != -EBADMSG)
				refused = ktap_ok(false, "attribute %u with %zu bytes is refused",
						  nla.nla_type & NLA_TYPE_MASK, len);
		}
	}
	ktap_ok(refused, "wrong lengths of any attribute are refused");
}

static void test_missing(void)
{
	static const uint8_t addr[16];
	struct invspi_err err;
	struct invspi_flow f;
	struct attrs a = { .len = 0 };

	ktap_int("nothing is no flow", -EBADMSG, parse_flow(&a, &f, &err));
	put(&a, XFRM_INVSPI_A_FLOW_SRC4, addr, 4);
	put_u32(&a, XFRM_INVSPI_A_FLOW_SPI, 1);
	put_u8(&a, XFRM_INVSPI_A_FLOW_PROTO, IPPROTO_AH);
	ktap_int("a source alone is none", -EBADMSG, parse_flow(&a, &f, &err));
	put(&a, XFRM_INVSPI_A_FLOW_DST6, addr, 16);
	ktap_int("nor a mixture of families", -EBADMSG, parse_flow(&a, &f, &err));
	ktap_has("the text says so", "two IPv4 or two IPv6", err.text);
	put(&a, XFRM_INVSPI_A_FLOW_DST4, addr, 4);
	ktap_int("two of one family are", 0, parse_flow(&a, &f, &err));
	put(&a, XFRM_INVSPI_A_FLOW_SRC6, addr, 16);
	ktap_int("but not both families", -EBADMSG, parse_flow(&a, &f, &err));

	a.len = 0;
	put(&a, XFRM_INVSPI_A_FLOW_SRC4, addr, 4);
	put(&a, XFRM_INVSPI_A_FLOW_DST4, addr, 4);
	put_u8(&a, XFRM_INVSPI_A_FLOW_PROTO, IPPROTO_AH);
	ktap_int("a flow needs its SPI", -EBADMSG, parse_flow(&a, &f, &err));
}

static void test_nested(void)
{
	struct attrs a = { .len = 0 }, nest = { .len = 0 };
	struct invspi_flow f;

	put_flow(&a, false);
	put_u32(&nest, XFRM_INVSPI_A_REASONS_NO_STATE, 1);
	put(&a, XFRM_INVSPI_A_FLOW_REASONS | NLA_F_NESTED, nest.data, nest.len);
	ktap_int("a reason of 32 bits is refused", -EBADMSG, parse_flow(&a, &f, NULL));

	a.len = 0;
	put_flow(&a, false);
	put(&a, XFRM_INVSPI_A_FLOW_REASONS | NLA_F_NESTED, "\x40\0\2\0", 4);
	ktap_int("a nest that points outside is refused", -EBADMSG, parse_flow(&a, &f, NULL));

	a.len = 0;
	put_flow(&a, false);
	put(&a, XFRM_INVSPI_A_FLOW_REASONS | NLA_F_NESTED, "", 0);
	ktap_int("an empty nest has no reasons", 0, parse_flow(&a, &f, NULL));
	ktap_int("none", 0, (long long)f.reasons[0]);
}

/* xorshift: the same bytes on every machine. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void test_garbage(void)
{
	struct attrs a = { .len = 0 };
	uint32_t seed = 0x1badb002;
	struct invspi_config config;
	struct invspi_stats stats;
	struct invspi_flow f;
	struct invspi_err err;
	char data[ROOM];
	const void *p;
	size_t len, k;
	int i;

	put_flow(&a, true);
	for (i = 0; i < 200000; i++) {
		memcpy(data, a.data, a.len);
		len = next_random(&seed) % (a.len + 1);
		for (k = next_random(&seed) % 8; k; k--)
			data[next_random(&seed) % a.len] = (char)next_random(&seed);
		p = guarded(data, len);
		invspi_nl_parse_flow(p, len, &f, &err);
		invspi_nl_parse_stats(p, len, &stats, &err);
		invspi_nl_parse_config(p, len, &config, &err);
	}
	ktap_ok(true, "%d mutated messages, none read beyond its end", i);
}

static void test_stats(void)
{
	struct attrs a = { .len = 0 };
	struct invspi_stats st;
	const uint64_t *const totals[] = {
		&st.evicted_flows,     &st.evicted_packets, &st.deleted_packets,
		&st.untracked_packets, &st.log_suppressed,  &st.events_sent,
		&st.events_suppressed,
	};
	unsigned int type;

	put_reasons(&a, XFRM_INVSPI_A_STATS_PACKETS, 100);
	put_reasons(&a, XFRM_INVSPI_A_STATS_IPV4, 200);
	put_reasons(&a, XFRM_INVSPI_A_STATS_IPV6, 300);
	put_u32(&a, XFRM_INVSPI_A_STATS_FLOWS, XFRM_INVSPI_A_STATS_FLOWS);
	put_u32(&a, XFRM_INVSPI_A_STATS_FLOWS_MAX, XFRM_INVSPI_A_STATS_FLOWS_MAX);
	for (type = XFRM_INVSPI_A_STATS_EVICTED_FLOWS; type <= XFRM_INVSPI_A_STATS_MAX; type++)
		put_u64(&a, type, type);

	ktap_int("statistics are taken", 0,
		 invspi_nl_parse_stats(guarded(a.data, a.len), a.len, &st, NULL));
	ktap_int("the first reason of all", 100, (long long)st.packets[0]);
	ktap_int("the last", 103, (long long)st.packets[3]);
	ktap_int("one of IPv4", 201, (long long)st.ipv4[1]);
	ktap_int("one of IPv6", 302, (long long)st.ipv6[2]);
	/* Each total came with its attribute's number as value. */
	ktap_int("flows", XFRM_INVSPI_A_STATS_FLOWS, st.flows);
	ktap_int("flows_max", XFRM_INVSPI_A_STATS_FLOWS_MAX, st.flows_max);
	for (type = 0; type < ARRAY_SIZE(totals); type++)
		ktap_int("total", XFRM_INVSPI_A_STATS_EVICTED_FLOWS + type,
			 (long long)*totals[type]);
	put_u32(&a, XFRM_INVSPI_A_STATS_EVICTED_FLOWS, 1);
	ktap_int("a total of 32 bits is refused", -EBADMSG,
		 invspi_nl_parse_stats(guarded(a.data, a.len), a.len, &st, NULL));
}

static void test_config(void)
{
	const struct invspi_config_key *key;
	struct attrs a = { .len = 0 };
	struct invspi_config c;
	unsigned int n = 0;

	put_u32(&a, XFRM_INVSPI_A_CONFIG_IDLE_MS, 30000);
	ktap_int("settings are taken", 0,
		 invspi_nl_parse_config(guarded(a.data, a.len), a.len, &c, NULL));
	ktap_int("only what came is present", INVSPI_CONFIG_BIT(XFRM_INVSPI_A_CONFIG_IDLE_MS),
		 c.present);
	ktap_int("its value", 30000, c.value[XFRM_INVSPI_A_CONFIG_IDLE_MS]);
	for (key = invspi_config_keys; key->name; key++)
		n++;
	ktap_int("every setting has a name", XFRM_INVSPI_A_CONFIG_MAX, n);
	put(&a, XFRM_INVSPI_A_CONFIG_LOG_RATE, "\1\2", 2);
	ktap_int("a short setting is refused", -EBADMSG,
		 invspi_nl_parse_config(guarded(a.data, a.len), a.len, &c, NULL));
	ktap_int("and nothing is present", 0, c.present);
}

struct refusal {
	char data[512] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
};

/* What the kernel answers: error, the request's header, then its attributes. */
static void refuse(struct refusal *r, const struct nlmsghdr *request, int code,
		   const struct attrs *tlvs, uint16_t flags)
{
	struct nlmsgerr e = { .error = -code };

	memset(r, 0, sizeof(*r));
	r->nlh = (struct nlmsghdr *)r->data;
	e.msg = *request;
	r->nlh->nlmsg_type = NLMSG_ERROR;
	r->nlh->nlmsg_flags = flags;
	memcpy(r->data + NLMSG_HDRLEN, &e, sizeof(e));
	memcpy(r->data + NLMSG_HDRLEN + sizeof(e), tlvs->data, tlvs->len);
	r->nlh->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + sizeof(e) + tlvs->len);
}

static void test_extack(void)
{
	char buf[256] __attribute__((aligned(8))) = { 0 };
	struct nlmsghdr *req = (struct nlmsghdr *)buf;
	struct genlmsghdr genl = { .cmd = XFRM_INVSPI_CMD_CONFIG_SET };
	struct attrs own = { .len = 0 }, tlvs = { .len = 0 }, policy = { .len = 0 };
	struct invspi_err err;
	struct refusal r;
	uint32_t offset;
	int rc;

	put_u32(&own, XFRM_INVSPI_A_CONFIG_LOG_RATE, 5);
	put_u32(&own, XFRM_INVSPI_A_CONFIG_FLOWS_MAX, 3);
	memcpy(buf + NLMSG_HDRLEN, &genl, sizeof(genl));
	memcpy(buf + NLMSG_HDRLEN + GENL_HDRLEN, own.data, own.len);
	req->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + GENL_HDRLEN + own.len);

	offset = NLMSG_HDRLEN + GENL_HDRLEN + 8;
	put(&tlvs, NLMSGERR_ATTR_MSG, "integer out of range", sizeof("integer out of range"));
	put_u32(&tlvs, NLMSGERR_ATTR_OFFS, offset);
	put_u64(&policy, NL_POLICY_TYPE_ATTR_MIN_VALUE_U, 16);
	put_u64(&policy, NL_POLICY_TYPE_ATTR_MAX_VALUE_U, 1048576);
	put(&tlvs, NLMSGERR_ATTR_POLICY | NLA_F_NESTED, policy.data, policy.len);

	refuse(&r, req, ERANGE, &tlvs, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	rc = nl_extack_text(r.nlh, req, "config-set", ERANGE, &err);
	ktap_int("the errno comes back", -ERANGE, rc);
	ktap_str("text, attribute and bounds",
		 "config-set: integer out of range, attribute flows-max, "
		 "allowed 16 to 1048576 (Numerical result out of range)",
		 err.text);

	r.nlh->nlmsg_flags = NLM_F_CAPPED;
	nl_extack_text(r.nlh, req, "config-set", ERANGE, &err);
	ktap_str("without extack", "config-set: Numerical result out of range", err.text);

	tlvs.len = 0;
	put_u32(&tlvs, NLMSGERR_ATTR_MISS_TYPE, XFRM_INVSPI_A_CONFIG_IDLE_MS);
	put_u32(&tlvs, NLMSGERR_ATTR_OFFS, 0xfffffff0);
	put(&tlvs, NLMSGERR_ATTR_MSG, "no end", 3);
	refuse(&r, req, EINVAL, &tlvs, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	nl_extack_text(r.nlh, req, "config-set", EINVAL, &err);
	ktap_str("missing attribute; an offset outside and an unterminated text are left out",
		 "config-set: Invalid argument, missing attribute idle-ms", err.text);

	nl_extack_text(r.nlh, req, "config-set", EPERM, &err);
	r.nlh->nlmsg_flags = NLM_F_CAPPED;
	nl_extack_text(r.nlh, req, "config-set", EPERM, &err);
	ktap_has("permission", "CAP_NET_ADMIN is needed, run as root", err.text);

	tlvs.len = 0;
	put(&tlvs, NLMSGERR_ATTR_MSG, "only lower", sizeof("only lower"));
	refuse(&r, req, EPERM, &tlvs, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	nl_extack_text(r.nlh, req, "config-set", EPERM, &err);
	ktap_str("the module's own refusal", "config-set: only lower (Operation not permitted)",
		 err.text);

	tlvs.len = 0;
	put(&tlvs, NLMSGERR_ATTR_MSG, "evil\x1b[2J", 9);
	refuse(&r, req, EINVAL, &tlvs, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	nl_extack_text(r.nlh, req, "x", EINVAL, &err);
	ktap_has("control bytes are escaped", "evil\\x1b[2J", err.text);
}

int main(void)
{
	test_whole();
	test_truncated();
	test_lengths();
	test_missing();
	test_nested();
	test_garbage();
	test_stats();
	test_config();
	test_extack();
	return ktap_done();
}
