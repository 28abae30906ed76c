// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is loaded into the daemon for a peer without a fixed address: the whole
 * message, from what the history has of its SAs and what the daemon tells of the
 * connection; and all that must keep it from being made.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "ktap.h"
#include "copy.h"
#include "ike_vici_copy.h"
#include "ike_vici_parse.h"

/* ---- a message as text ---- */

static char shown[8192];
static size_t at;

__attribute__((format(printf, 1, 2))) static void show(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	at += (size_t)vsnprintf(shown + at, sizeof(shown) - at, format, ap);
	va_end(ap);
}

static const char *message(const struct vici_buf *b)
{
	struct vici_parser p;
	struct vici_element e;
	int type, items = 0;

	at = 0;
	shown[0] = '\0';
	vici_parser_init(&p, b->data, b->len);
	while ((type = vici_next(&p, &e)) > 0) {
		if (type == VICI_SECTION_START)
			show("%.*s { ", (int)e.name.len, e.name.s);
		else if (type == VICI_SECTION_END)
			show("} ");
		else if (type == VICI_KEY_VALUE)
			show("%.*s=%.*s ", (int)e.name.len, e.name.s, (int)e.value.len, e.value.s);
		else if (type == VICI_LIST_START)
			show("%.*s=[", (int)e.name.len, e.name.s);
		else if (type == VICI_LIST_ITEM)
			show("%s%.*s", items ? "," : "", (int)e.value.len, e.value.s);
		else
			show("] ");
		items = type == VICI_LIST_ITEM;
	}
	if (type < 0)
		show("<bad>");
	return shown;
}

/* ---- what there is ---- */

static struct ike_setting told[] = {
	{ NULL, (char *)"reauth_time", (char *)"0" },
	{ NULL, (char *)"rekey_time", (char *)"14400" },
	{ NULL, (char *)"dpd_delay", (char *)"30" },
	{ (char *)"net", (char *)"rekey_time", (char *)"3600" },
	{ (char *)"net2", (char *)"rekey_time", (char *)"1800" },
};

static const struct ike_conn gw = {
	.name = (char *)"gw",
	.dynamic = true,
	.unique = (char *)"UNIQUE_REPLACE",
	.auth_local = "psk",
	.auth_remote = "psk",
	.told = told,
	.ntold = ARRAY_SIZE(told),
};

static struct hist_sa net_sa(void)
{
	struct hist_sa sa = {
		.spi = 0xc0000001,
		.proto = 50,
		.conn = "gw",
		.child = "net",
		.local_id = "a.example",
		.remote_id = "b.example",
		.local = { AF_INET, { 192, 0, 2, 1 } },
		.remote = { AF_INET, { 192, 0, 2, 2 } },
		.local_port = 4500,
		.remote_port = 4500,
		.mode = "TUNNEL",
		.algs = "AES_GCM_16-128",
		.local_ts = "10.1.0.0/16",
		.remote_ts = "10.2.0.0/16",
		.ike_algs = "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519",
		.ike_version = 2,
		.no_copy = "",
	};

	return sa;
}

static const char *built(const struct hist_sa *sa, size_t n, const struct ike_conn *conn,
			 const struct ike_setting *setting, size_t nsetting)
{
	struct copy *c = copy_new(sa, conn, setting, nsetting, "invspid-gw-1");
	struct vici_buf b = { 0 };
	static char why[256];
	bool known;
	size_t i;
	int err;

	for (i = 0; i < n; i++)
		if (copy_add(c, &sa[i]))
			return "not added";
	known = copy_check(c, why, sizeof(why)) &&
		ike_vici_copy_check(copy_get(c), why, sizeof(why));
	err = copy_message(copy_get(c), &b);
	if (!err && known)
		message(&b);
	else if (!known)
		snprintf(shown, sizeof(shown), "%s", why);
	else
		snprintf(shown, sizeof(shown), "known, but %s", strerror(-err));
	vici_buf_free(&b);
	copy_free(c);
	return shown;
}

#define BUILT(change)                        \
	({                                   \
		struct hist_sa s = net_sa(); \
		change;                      \
		built(&s, 1, &gw, NULL, 0);  \
	})

#define HEAD "invspid-gw-1 { version=2 local_addrs=[192.0.2.1] remote_addrs=[192.0.2.2] "
#define IKE                                                                            \
	"proposals=[aes128-sha256-prfsha256-curve25519] unique=replace reauth_time=0 " \
	"rekey_time=14400 dpd_delay=30 "
#define AUTH "local { auth=psk id=a.example } remote { auth=psk id=b.example } children { "
#define NONE "start_action=none dpd_action=none close_action=none } "
#define ESP "esp_proposals=[aes128gcm16-curve25519,aes128gcm16] "
#define TS "local_ts=[10.1.0.0/16] remote_ts=[10.2.0.0/16] "

static void test_golden(void)
{
	struct hist_sa sa[2] = { net_sa(), net_sa() };

	ktap_str("one child, no NAT",
		 HEAD IKE AUTH "net { mode=tunnel " ESP TS "rekey_time=3600 " NONE "} } ",
		 built(sa, 1, &gw, NULL, 0));
	sa[0].encap = true;
	sa[0].remote_port = 25081;
	sa[0].remote = (struct ike_addr){ AF_INET, { 192, 0, 2, 254 } };
	sa[0].if_id = 42;
	sa[0].if_id_out = 43;
	sa[0].algs = "AES_CBC-256/HMAC_SHA2_512_256/ECP_384/ESN";
	sa[1] = sa[0];
	sa[1].child = "net2";
	sa[1].mode = "BEET";
	sa[1].if_id = 0;
	sa[1].mark_out = 7;
	sa[1].mark_out_mask = 0xff;
	sa[1].local_ts = "10.11.0.1..10.11.0.9,10.11.1.0/24[tcp/http]";
	ktap_str("two children, behind a NAT, interface and mark",
		 "invspid-gw-1 { version=2 local_addrs=[192.0.2.1] remote_addrs=[192.0.2.254] "
		 "local_port=4500 remote_port=25081 " IKE AUTH
		 "net { mode=tunnel esp_proposals=[aes256-sha512-ecp384-esn] " TS
		 "if_id_in=0x2a if_id_out=0x2b rekey_time=3600 " NONE
		 "net2 { mode=beet esp_proposals=[aes256-sha512-ecp384-esn] "
		 "local_ts=[10.11.0.1-10.11.0.9,10.11.1.0/24[tcp/http]] "
		 "remote_ts=[10.2.0.0/16] if_id_out=0x2b mark_out=0x7/0xff rekey_time=1800 " NONE
		 "} } ",
		 built(sa, 2, &gw, NULL, 0));
	ktap_str("a child made without a key exchange of its own",
		 HEAD IKE AUTH "net { mode=tunnel esp_proposals=[aes128gcm16] " TS
			       "rekey_time=3600 " NONE "} } ",
		 BUILT(s.algs = "AES_GCM_16-128/MODP_NONE"));
	ktap_str("transport mode: the hosts themselves",
		 HEAD IKE AUTH
		 "net { mode=transport " ESP
		 "local_ts=[dynamic[gre]] remote_ts=[dynamic[gre]] rekey_time=3600 " NONE "} } ",
		 BUILT((s.mode = "TRANSPORT", s.local_ts = "192.0.2.1/32[gre]",
			s.remote_ts = "192.0.2.2/32[gre]")));
}

static void test_given(void)
{
	static const struct ike_setting given[] = {
		{ NULL, (char *)"proposals",
		  (char *)"aes256-sha512-x448, aes128gcm16-prfsha256-x25519" },
		{ NULL, (char *)"mobike", (char *)"no" },
		{ NULL, (char *)"rekey_time", (char *)"2h" },
		{ (char *)"net", (char *)"esp_proposals", (char *)"aes256gcm16-x448" },
		{ (char *)"net", (char *)"mark_in_sa", (char *)"yes" },
		{ (char *)"other", (char *)"updown", (char *)"/bin/false" },
	};
	struct hist_sa sa = net_sa();

	sa.mark = 7;
	sa.mark_mask = UINT32_MAX;
	sa.algs = "something of tomorrow";
	sa.ike_algs = "";
	ktap_str("what the operator gave wins, and makes up for what is not known",
		 HEAD "unique=replace reauth_time=0 dpd_delay=30 "
		      "proposals=[aes256-sha512-x448,aes128gcm16-prfsha256-x25519] mobike=no "
		      "rekey_time=2h " AUTH "net { mode=tunnel " TS
		      "mark_in=0x7/0xffffffff rekey_time=3600 "
		      "esp_proposals=[aes256gcm16-x448] mark_in_sa=yes " NONE "} } ",
		 built(&sa, 1, &gw, given, ARRAY_SIZE(given)));
}

/* Items of a list as swanctl reads them: however long, without the blanks around them. */
static void test_lists(void)
{
	char value[IKE_SETTING_MAX + 1], want[IKE_SETTING_MAX + 32];
	struct ike_setting given = { NULL, (char *)"proposals", value };
	struct hist_sa sa = net_sa();
	size_t len;

	snprintf(value, sizeof(value), " aes256-sha512-x448 ,aes128-sha256-x25519\t,, ");
	ktap_has("blanks, and items that are empty",
		 "proposals=[aes256-sha512-x448,aes128-sha256-x25519] ",
		 built(&sa, 1, &gw, &given, 1));
	snprintf(value, sizeof(value), " , ");
	ktap_str("nothing in it", "proposals", built(&sa, 1, &gw, &given, 1));
	for (len = 0; len + 7 < sizeof(value); len += 7)
		memcpy(value + len, "-aes256", 8);
	value[0] = 'x';
	snprintf(want, sizeof(want), "proposals=[%s] ", value);
	ktap_has("a long item", want, built(&sa, 1, &gw, &given, 1));
}

/* Every single thing that is not known, by the text that says so. */
static void test_unknown(void)
{
	struct ike_conn conn = gw;
	struct hist_sa sa = net_sa();

	ktap_str("no IKE algorithms", "proposals ()", BUILT(s.ike_algs = ""));
	ktap_str("an unknown one", "proposals (AES_CBC-128/FOO/CURVE_25519)",
		 BUILT(s.ike_algs = "AES_CBC-128/FOO/CURVE_25519"));
	ktap_str("no key exchange", "proposals (AES_CBC-128/HMAC_SHA2_256_128)",
		 BUILT(s.ike_algs = "AES_CBC-128/HMAC_SHA2_256_128"));
	ktap_str("a size where there is none", "proposals (CHACHA20_POLY1305-256/CURVE_25519)",
		 BUILT(s.ike_algs = "CHACHA20_POLY1305-256/CURVE_25519"));
	ktap_str("no size where there is one", "proposals (AES_CBC/CURVE_25519)",
		 BUILT(s.ike_algs = "AES_CBC/CURVE_25519"));
	ktap_str("an empty size", "proposals (AES_CBC-/CURVE_25519)",
		 BUILT(s.ike_algs = "AES_CBC-/CURVE_25519"));
	ktap_str("no ESP algorithms", "esp_proposals of child net ()", BUILT(s.algs = ""));
	ktap_str("no cipher", "esp_proposals of child net (HMAC_SHA2_256_128)",
		 BUILT(s.algs = "HMAC_SHA2_256_128"));
	ktap_str("AH", "ah_proposals of child net (HMAC_SHA2_256_128)",
		 BUILT((s.proto = 51, s.algs = "HMAC_SHA2_256_128")));
	ktap_str("no version", "the version of IKE", BUILT(s.ike_version = 0));
	ktap_str("IKEv1: which mode", "aggressive", BUILT(s.ike_version = 1));
	ktap_str("no mode", "the mode of child net ()", BUILT(s.mode = ""));
	ktap_str("no selectors", "local_ts of child net", BUILT(s.local_ts = ""));
	ktap_str("selectors that can't be written", "remote_ts of child net",
		 BUILT(s.remote_ts = "10.0.0.0/8[icmp/8(0)]"));
	ktap_str("mark_in_sa", "mark_in_sa of child net", BUILT(s.mark = 7));
	ktap_str("a virtual IP", "a virtual IP", BUILT(s.no_copy = "a virtual IP"));
	ktap_str("no children", "its children", built(&sa, 0, &gw, NULL, 0));
	ktap_str("no address", "the address of the peer, or ours", BUILT(s.remote.family = 0));
	conn.auth_remote = "";
	ktap_str("other authentication",
		 "how the remote side authenticates: psk or pubkey, in one round",
		 built(&sa, 1, &conn, NULL, 0));
	conn = gw;
	conn.auth_local = NULL;
	ktap_str("none told", "how the local side authenticates: psk or pubkey, in one round",
		 built(&sa, 1, &conn, NULL, 0));
	conn = gw;
	conn.no_copy = "demands on the peer's certificate";
	ktap_str("demands", conn.no_copy, built(&sa, 1, &conn, NULL, 0));
}

/* The peer says who it is; what it says must not match anybody else. */
static void test_identities(void)
{
	static const char *const bad[] = {
		"", "%any", "%any6", "*", "*.example", "::", "0::0", "0.0.0.0", "CN=*", "^b.*$",
		"b?c", "{x", "C=CH, CN=*.example",
		/* nets and ranges, and what is said of another type than it is */
		"0.0.0.0/0", "192.0.2.0/24", "2001:db8::/32", "192.0.2.1-192.0.2.9",
		"2001:db8::1-2001:db8::9", "ipv4net:0.0.0.0/0", "IPv6Range:::1-::9", "fqdn:^.+$",
		"asn1dn:#30", "keyid:b", "@b.example", "@@b@example", "@#62"
	};
	static const char *const good[] = { "b.example",
					    "b@example",
					    "192.0.2.2",
					    "2001:db8::1",
					    "C=CH, O=x, CN=b.example",
					    "b-1.example",
					    "192-0-2-1.example",
					    "C=CH, O=x/y, CN=b",
					    "ipv4.example",
					    "http://b.example/" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ktap_str(bad[i], "the exact identity of the remote side",
			 BUILT(s.remote_id = bad[i]));
	for (i = 0; i < ARRAY_SIZE(good); i++)
		ktap_ok(strstr(BUILT(s.remote_id = good[i]), good[i]), "%s", good[i]);
}

static void test_rows(void)
{
	struct hist_sa sa = net_sa(), other;
	struct copy *c = copy_new(&sa, &gw, NULL, 0, "invspid-gw-1");
	int i, err = 0;

	other = sa;
	other.remote.addr[3] = 3;
	ktap_int("another address", -EXDEV, copy_add(c, &other));
	other = sa;
	other.encap = true;
	ktap_int("behind a NAT", -EXDEV, copy_add(c, &other));
	other = sa;
	other.remote_id = "c.example";
	ktap_int("another peer", -EXDEV, copy_add(c, &other));
	other = sa;
	other.ike_version = 1;
	ktap_int("another version", -EXDEV, copy_add(c, &other));
	for (i = 0; !err; i++)
		err = copy_add(c, &sa);
	ktap_int("too many", -ENOSPC, err);
	copy_free(c);
}

static void test_names(void)
{
	static const struct {
		const char *name, *original;
	} names[] = {
		{ "invspid-gw-1", "gw" },
		{ "invspid-a-b-2-17", "a-b-2" },
		{ "invspid-invspid-gw-1-2", "invspid-gw-1" },
		{ "invspid-gw-", NULL },
		{ "invspid-gw-x", NULL },
		{ "invspid--1", NULL },
		{ "invspid-1", NULL },
		{ "invspid-", NULL },
		{ "invspid", NULL },
		{ "gw-1", NULL },
		{ "", NULL },
		{ "xinvspid-gw-1", NULL },
	};
	struct vici_str got;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		bool is = parse_copy_name((struct vici_str){ names[i].name, strlen(names[i].name) },
					  &got);

		ktap_ok(is == !!names[i].original && (!is || vici_str_is(got, names[i].original)),
			"name '%s'", names[i].name);
	}
}

int main(void)
{
	test_golden();
	test_given();
	test_lists();
	test_unknown();
	test_identities();
	test_rows();
	test_names();
	return ktap_done();
}
