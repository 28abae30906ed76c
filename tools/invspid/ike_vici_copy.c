// SPDX-License-Identifier: GPL-2.0-only
/*
 * A copy of a connection, for a peer without a fixed address: what was negotiated
 * with it before, said in the words of the daemon's configuration. What is not known
 * is not guessed: then there is no copy.
 *
 * The copy must be of use to nobody else while it is loaded, since the daemon prefers
 * it to the original for whoever comes from that address: so its identities are
 * exact, and such as could be read as a pattern are refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ike_vici_copy.h"

/* ---- algorithms ---- */

enum alg_kind { ALG_ENCR, ALG_OTHER, ALG_DH };

/*
 * Names as listed (encryption_algorithm_names and its like in libstrongswan), and
 * their keywords (proposal_keywords_static.txt), between whose parts a key size goes.
 */
static const struct alg {
	enum alg_kind kind;
	bool sized;
	const char *listed, *before, *after;
} algs[] = {
	{ ALG_ENCR, true, "AES_CBC", "aes", "" },
	{ ALG_ENCR, true, "AES_CTR", "aes", "ctr" },
	{ ALG_ENCR, true, "AES_CCM_8", "aes", "ccm8" },
	{ ALG_ENCR, true, "AES_CCM_12", "aes", "ccm12" },
	{ ALG_ENCR, true, "AES_CCM_16", "aes", "ccm16" },
	{ ALG_ENCR, true, "AES_GCM_8", "aes", "gcm8" },
	{ ALG_ENCR, true, "AES_GCM_12", "aes", "gcm12" },
	{ ALG_ENCR, true, "AES_GCM_16", "aes", "gcm16" },
	{ ALG_ENCR, true, "NULL_AES_GMAC", "aes", "gmac" },
	{ ALG_ENCR, true, "CAMELLIA_CBC", "camellia", "" },
	{ ALG_ENCR, true, "CAMELLIA_CTR", "camellia", "ctr" },
	{ ALG_ENCR, true, "CAMELLIA_CCM_8", "camellia", "ccm8" },
	{ ALG_ENCR, true, "CAMELLIA_CCM_12", "camellia", "ccm12" },
	{ ALG_ENCR, true, "CAMELLIA_CCM_16", "camellia", "ccm16" },
	{ ALG_ENCR, false, "CHACHA20_POLY1305", "chacha20poly1305", "" },
	{ ALG_ENCR, false, "3DES_CBC", "3des", "" },
	{ ALG_ENCR, false, "NULL", "null", "" },
	{ ALG_OTHER, false, "HMAC_SHA1_96", "sha1", "" },
	{ ALG_OTHER, false, "HMAC_SHA1_160", "sha1_160", "" },
	{ ALG_OTHER, false, "HMAC_SHA2_256_96", "sha256_96", "" },
	{ ALG_OTHER, false, "HMAC_SHA2_256_128", "sha256", "" },
	{ ALG_OTHER, false, "HMAC_SHA2_384_192", "sha384", "" },
	{ ALG_OTHER, false, "HMAC_SHA2_512_256", "sha512", "" },
	{ ALG_OTHER, false, "HMAC_MD5_96", "md5", "" },
	{ ALG_OTHER, false, "HMAC_MD5_128", "md5_128", "" },
	{ ALG_OTHER, false, "AES_XCBC_96", "aesxcbc", "" },
	{ ALG_OTHER, false, "AES_CMAC_96", "aescmac", "" },
	{ ALG_OTHER, false, "PRF_HMAC_MD5", "prfmd5", "" },
	{ ALG_OTHER, false, "PRF_HMAC_SHA1", "prfsha1", "" },
	{ ALG_OTHER, false, "PRF_HMAC_SHA2_256", "prfsha256", "" },
	{ ALG_OTHER, false, "PRF_HMAC_SHA2_384", "prfsha384", "" },
	{ ALG_OTHER, false, "PRF_HMAC_SHA2_512", "prfsha512", "" },
	{ ALG_OTHER, false, "PRF_AES128_XCBC", "prfaesxcbc", "" },
	{ ALG_OTHER, false, "PRF_AES128_CMAC", "prfaescmac", "" },
	{ ALG_OTHER, false, "ESN", "esn", "" },
	{ ALG_DH, false, "MODP_NONE", "", "" }, /* of history_sync.c */
	{ ALG_DH, false, "MODP_768", "modp768", "" },
	{ ALG_DH, false, "MODP_1024", "modp1024", "" },
	{ ALG_DH, false, "MODP_1536", "modp1536", "" },
	{ ALG_DH, false, "MODP_2048", "modp2048", "" },
	{ ALG_DH, false, "MODP_3072", "modp3072", "" },
	{ ALG_DH, false, "MODP_4096", "modp4096", "" },
	{ ALG_DH, false, "MODP_6144", "modp6144", "" },
	{ ALG_DH, false, "MODP_8192", "modp8192", "" },
	{ ALG_DH, false, "MODP_1024_160", "modp1024s160", "" },
	{ ALG_DH, false, "MODP_2048_224", "modp2048s224", "" },
	{ ALG_DH, false, "MODP_2048_256", "modp2048s256", "" },
	{ ALG_DH, false, "ECP_192", "ecp192", "" },
	{ ALG_DH, false, "ECP_224", "ecp224", "" },
	{ ALG_DH, false, "ECP_256", "ecp256", "" },
	{ ALG_DH, false, "ECP_384", "ecp384", "" },
	{ ALG_DH, false, "ECP_521", "ecp521", "" },
	{ ALG_DH, false, "ECP_224_BP", "ecp224bp", "" },
	{ ALG_DH, false, "ECP_256_BP", "ecp256bp", "" },
	{ ALG_DH, false, "ECP_384_BP", "ecp384bp", "" },
	{ ALG_DH, false, "ECP_512_BP", "ecp512bp", "" },
	{ ALG_DH, false, "CURVE_25519", "curve25519", "" },
	{ ALG_DH, false, "CURVE_448", "curve448", "" },
};

#define ALGS (sizeof(algs) / sizeof(algs[0]))

/* One of them: NAME or NAME-SIZE. */
static const struct alg *alg_find(const char *s, size_t len, size_t *name)
{
	const char *dash = memchr(s, '-', len);
	size_t i;

	*name = dash ? (size_t)(dash - s) : len;
	for (i = 0; i < ALGS; i++)
		if (strlen(algs[i].listed) == *name && !strncmp(algs[i].listed, s, *name))
			return algs[i].sized == (*name + 1 < len) ? &algs[i] : NULL;
	return NULL;
}

static bool add(char *buf, size_t size, size_t *at, const char *s, size_t len)
{
	if (*at + len >= size)
		return false;
	memcpy(buf + *at, s, len);
	*at += len;
	buf[*at] = '\0';
	return true;
}

static bool add_text(char *buf, size_t size, size_t *at, const char *s)
{
	return add(buf, size, at, s, strlen(s));
}

bool copy_proposal(const char *text, const char *dh, const char **dh_found, char *buf, size_t size)
{
	const struct alg *a;
	size_t at = 0, len, name;
	bool encr = false, ok = size;

	*dh_found = NULL;
	for (; ok && *text; text += len + (text[len] == '/')) {
		len = strcspn(text, "/");
		a = alg_find(text, len, &name);
		if (!a)
			return false;
		encr |= a->kind == ALG_ENCR;
		if (a->kind == ALG_DH)
			*dh_found = a->before;
		if (!a->before[0])
			continue;
		ok = (!at || add_text(buf, size, &at, "-")) &&
		     add_text(buf, size, &at, a->before) &&
		     (!a->sized || add(buf, size, &at, text + name + 1, len - name - 1)) &&
		     add_text(buf, size, &at, a->after);
	}
	if (ok && dh && !*dh_found)
		ok = add_text(buf, size, &at, "-") && add_text(buf, size, &at, dh);
	return ok && encr;
}

/* ---- what is known ---- */

/**
 * struct build - a message being written
 * @b: the message
 * @why: what is not known; the first of it
 */
struct build {
	const struct ike_copy *copy;
	struct vici_buf *b;
	char *why;
	size_t size;
	bool bad;
};

static void unknown(struct build *u, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void unknown(struct build *u, const char *format, ...)
{
	va_list ap;

	if (!u->bad && u->why) {
		va_start(ap, format);
		vsnprintf(u->why, u->size, format, ap);
		va_end(ap);
	}
	u->bad = true;
}

static const struct ike_setting *given(const struct build *u, const char *child, const char *key)
{
	const struct ike_copy *c = u->copy;
	const struct ike_setting *s;
	size_t i;

	for (i = 0; i < c->nsetting; i++) {
		s = &c->setting[i];
		if (!strcmp(s->key, key) && !s->child == !child &&
		    (!child || !strcmp(s->child, child)))
			return s;
	}
	return NULL;
}

static void put(struct build *u, const char *child, const char *key, const char *value)
{
	if (!given(u, child, key))
		vici_put(u->b, key, value);
}

static void put_list(struct build *u, const char *key, const char *items)
{
	static const char blanks[] = " \t\n";
	char item[IKE_SETTING_MAX + 1];
	bool any = false;
	size_t len, n;

	vici_put_list(u->b, key);
	for (; *items; items += len + (items[len] == ',')) {
		items += strspn(items, blanks);
		len = strcspn(items, ",");
		for (n = len; n && strchr(blanks, items[n - 1]); n--)
			;
		snprintf(item, sizeof(item), "%.*s", (int)n, items);
		if (!n)
			continue;
		vici_put_item(u->b, item);
		any = true;
	}
	vici_put_list_end(u->b);
	if (!any)
		unknown(u, "%s", key);
}

static bool is_list(const char *key)
{
	return !strcmp(key, "proposals") || !strcmp(key, "esp_proposals") ||
	       !strcmp(key, "ah_proposals");
}

static void put_given(struct build *u, const char *child)
{
	const struct ike_copy *c = u->copy;
	const struct ike_setting *s;
	size_t i;

	for (i = 0; i < c->nsetting; i++) {
		s = &c->setting[i];
		if (!s->child != !child || (child && strcmp(s->child, child)))
			continue;
		if (is_list(s->key))
			put_list(u, s->key, s->value);
		else
			vici_put(u->b, s->key, s->value);
	}
}

static void put_told(struct build *u, const char *child)
{
	const struct ike_conn *conn = u->copy->conn;
	const struct ike_setting *s;
	size_t i;

	for (i = 0; i < conn->ntold; i++) {
		s = &conn->told[i];
		if (!s->child == !child && (!child || !strcmp(s->child, child)))
			put(u, child, s->key, s->value);
	}
}

/* ---- addresses and identities ---- */

static void put_addr(struct build *u, const char *key, const struct ike_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	if (!addr->family || !inet_ntop(addr->family, addr->addr, text, sizeof(text))) {
		unknown(u, "the address of the peer, or ours");
		return;
	}
	put_list(u, key, text);
}

/* Whether the daemon reads it as a net or a range: NET/BITS, FIRST-LAST. */
static bool is_many_addresses(const char *id)
{
	size_t len = strcspn(id, "/-");
	char first[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (!id[len] || len >= sizeof(first))
		return false;
	memcpy(first, id, len);
	first[len] = '\0';
	return inet_pton(AF_INET, first, &addr) == 1 || inet_pton(AF_INET6, first, &addr) == 1;
}

/*
 * An identity comes from the peer: none that stands for others than itself may pass,
 * nor one that is not read as it is printed ('?' stands for bytes that are no text;
 * what begins with a type or with '@' is read as of that type).
 */
static bool is_exact(const char *id)
{
	static const char *const any[] = { "0.0.0.0", "::", "0::0", NULL };
	static const char *const types[] = {
		"ipv4:",   "ipv6:",	"ipv4net:",  "ipv6net:", "ipv4range:", "ipv6range:",
		"rfc822:", "email:",	"userfqdn:", "fqdn:",	 "dns:",       "asn1dn:",
		"asn1gn:", "xmppaddr:", "keyid:",    "uri:",	 NULL,
	};
	size_t i;

	for (i = 0; any[i]; i++)
		if (!strcmp(id, any[i]))
			return false;
	for (i = 0; types[i]; i++)
		if (!strncasecmp(id, types[i], strlen(types[i])))
			return false;
	return id[0] && !strchr("%^{(@", id[0]) && !strpbrk(id, "*?") && !is_many_addresses(id);
}

static void put_auth(struct build *u, const char *side, const char *auth, const char *id)
{
	if (!auth || !auth[0])
		unknown(u, "how the %s side authenticates: psk or pubkey, in one round", side);
	else if (!is_exact(id))
		unknown(u, "the exact identity of the %s side", side);
	vici_put_section(u->b, side);
	vici_put(u->b, "auth", auth ? auth : "");
	vici_put(u->b, "id", id);
	vici_put_section_end(u->b);
}

/* ---- children ---- */

/*
 * One selector as it is listed, as one of the configuration. What is just the address
 * of that end is "dynamic", which stays right behind a NAT.
 */
static void ts_to_text(const char *s, size_t len, const struct ike_addr *end, char *buf,
		       size_t size)
{
	size_t net = len, addr, at = 0;
	char text[INET6_ADDRSTRLEN];
	const char *p;

	p = memchr(s, '[', len);
	if (p)
		net = (size_t)(p - s);
	buf[0] = '\0';
	if (!inet_ntop(end->family, end->addr, text, sizeof(text)))
		text[0] = '\0';
	addr = strlen(text);
	if (net > addr && !strncmp(s, text, addr) &&
	    !strncmp(s + addr, end->family == AF_INET ? "/32" : "/128", net - addr) &&
	    net - addr == (end->family == AF_INET ? 3 : 4)) {
		add_text(buf, size, &at, "dynamic");
		s += net;
		len -= net;
	}
	for (; len; s++, len--) {
		/* A range is listed with two dots. */
		if (len > 1 && s[0] == '.' && s[1] == '.') {
			add_text(buf, size, &at, "-");
			s++;
			len--;
		} else {
			add(buf, size, &at, s, 1);
		}
	}
}

static void put_ts(struct build *u, const char *child, const char *key, const char *ts,
		   const struct ike_addr *end)
{
	char text[256];
	size_t len;

	if (!ts[0] || strstr(ts, "OPAQUE") || strstr(ts, "icmp"))
		unknown(u, "%s of child %s", key, child);
	vici_put_list(u->b, key);
	for (; *ts; ts += len + (ts[len] == ',')) {
		len = strcspn(ts, ",");
		ts_to_text(ts, len, end, text, sizeof(text));
		vici_put_item(u->b, text);
	}
	vici_put_list_end(u->b);
}

static void put_number(struct build *u, const char *child, const char *key, uint32_t n)
{
	if (n && !given(u, child, key))
		vici_putf(u->b, key, "0x%x", n);
}

static void put_mark(struct build *u, const char *child, const char *key, uint32_t mark,
		     uint32_t mask)
{
	if ((mark || mask) && !given(u, child, key))
		vici_putf(u->b, key, "0x%x/0x%x", mark, mask);
}

/*
 * Without a group in it the SA was made with the IKE_SA, and whether a rekey is to
 * have one is not known: then both are offered, and the peer's configuration decides.
 * libreswan 4.10 that is to have none gets that wrong: it answers with an empty KE payload.
 */
static void put_proposals(struct build *u, const struct ike_copy_child *c, const char *ike_dh)
{
	const char *key = c->proto == 51 ? "ah_proposals" : "esp_proposals", *dh;
	char with[256], without[256];

	if (given(u, c->name, "esp_proposals") || given(u, c->name, "ah_proposals"))
		return;
	if (c->proto == 51 || !copy_proposal(c->algs, NULL, &dh, without, sizeof(without)) ||
	    !copy_proposal(c->algs, ike_dh, &dh, with, sizeof(with))) {
		unknown(u, "%s of child %s (%s)", key, c->name, c->algs);
		return;
	}
	vici_put_list(u->b, key);
	if (!dh && ike_dh)
		vici_put_item(u->b, with);
	vici_put_item(u->b, without);
	vici_put_list_end(u->b);
}

static const char *mode_word(const char *mode)
{
	return !strcmp(mode, "TUNNEL")	    ? "tunnel"
	       : !strcmp(mode, "TRANSPORT") ? "transport"
	       : !strcmp(mode, "BEET")	    ? "beet"
					    : NULL;
}

static void put_child(struct build *u, const struct ike_copy_child *c, const char *ike_dh)
{
	const char *mode = mode_word(c->mode);

	vici_put_section(u->b, c->name);
	if (mode)
		vici_put(u->b, "mode", mode);
	else
		unknown(u, "the mode of child %s (%s)", c->name, c->mode);
	put_proposals(u, c, ike_dh);
	put_ts(u, c->name, "local_ts", c->local_ts, &u->copy->local);
	put_ts(u, c->name, "remote_ts", c->remote_ts, &u->copy->remote);
	put_number(u, c->name, "if_id_in", c->if_id_in);
	put_number(u, c->name, "if_id_out", c->if_id_out);
	put_mark(u, c->name, "mark_in", c->mark_in, c->mark_in_mask);
	put_mark(u, c->name, "mark_out", c->mark_out, c->mark_out_mask);
	if ((c->mark_in || c->mark_in_mask) && !given(u, c->name, "mark_in_sa"))
		unknown(u, "mark_in_sa of child %s", c->name);
	put_told(u, c->name);
	put_given(u, c->name);
	/* What has no address of its own to go to must not begin anything by itself. */
	vici_put(u->b, "start_action", "none");
	vici_put(u->b, "dpd_action", "none");
	vici_put(u->b, "close_action", "none");
	vici_put_section_end(u->b);
}

/* ---- the whole ---- */

static const char *unique_word(const char *unique)
{
	return !strcmp(unique, "UNIQUE_NEVER")	   ? "never"
	       : !strcmp(unique, "UNIQUE_REPLACE") ? "replace"
	       : !strcmp(unique, "UNIQUE_KEEP")	   ? "keep"
						   : "no";
}

static void put_ike(struct build *u, const char **dh)
{
	const struct ike_copy *c = u->copy;
	char proposal[256];

	vici_putf(u->b, "version", "%d", c->version);
	if (c->version != 1 && c->version != 2)
		unknown(u, "the version of IKE");
	if (c->version == 1 && !given(u, NULL, "aggressive"))
		unknown(u, "aggressive");
	put_addr(u, "local_addrs", &c->local);
	put_addr(u, "remote_addrs", &c->remote);
	if (c->local_port)
		vici_putf(u->b, "local_port", "%u", c->local_port);
	if (c->remote_port)
		vici_putf(u->b, "remote_port", "%u", c->remote_port);
	if (!copy_proposal(c->algs, NULL, dh, proposal, sizeof(proposal)))
		proposal[0] = '\0';
	if (!given(u, NULL, "proposals")) {
		if (!*dh || !proposal[0])
			unknown(u, "proposals (%s)", c->algs);
		put_list(u, "proposals", proposal);
	}
	put(u, NULL, "unique", unique_word(c->conn->unique));
	put_told(u, NULL);
	put_given(u, NULL);
	put_auth(u, "local", c->conn->auth_local, c->local_id);
	put_auth(u, "remote", c->conn->auth_remote, c->remote_id);
}

static int build(struct build *u)
{
	const struct ike_copy *c = u->copy;
	const char *dh = NULL;
	size_t i;
	int err;

	if (c->conn->no_copy)
		unknown(u, "%s", c->conn->no_copy);
	vici_put_section(u->b, c->name);
	put_ike(u, &dh);
	vici_put_section(u->b, "children");
	for (i = 0; i < c->nchild; i++)
		put_child(u, &c->child[i], dh);
	vici_put_section_end(u->b);
	vici_put_section_end(u->b);
	err = vici_buf_check(u->b);
	return err ? err : u->bad ? -EINVAL : 0;
}

int copy_message(const struct ike_copy *copy, struct vici_buf *b)
{
	struct build u = { .copy = copy, .b = b };

	return build(&u);
}

bool ike_vici_copy_check(const struct ike_copy *copy, char *why, size_t size)
{
	struct vici_buf b = { 0 };
	struct build u = { .copy = copy, .b = &b, .why = why, .size = size };
	int err;

	why[0] = '\0';
	err = build(&u);
	vici_buf_free(&b);
	if (err && !why[0])
		snprintf(why, size, "it does not fit into a message: %s", strerror(-err));
	return !err;
}
