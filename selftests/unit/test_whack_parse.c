// SPDX-License-Identifier: GPL-2.0-only
/*
 * What whack prints, as structures. The files in whack/ were recorded from pluto 4.10
 * and 5.2; the texts here are what they might print, and what must do no harm.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "ike_whack_parse.h"
#include "intern.h"
#include "ktap.h"

static char *read_file(const char *name, size_t *len)
{
	char path[128], *text;
	FILE *f;

	snprintf(path, sizeof(path), "whack/%s", name);
	f = fopen(path, "r");
	if (!f) {
		fprintf(stderr, "%s is not there\n", path);
		exit(1);
	}
	text = malloc(1 << 16);
	*len = fread(text, 1, 1 << 16, f);
	fclose(f);
	return text;
}

static const char *addr(const struct ike_addr *a, char buf[INET6_ADDRSTRLEN])
{
	return a->family ? inet_ntop(a->family, a->addr, buf, INET6_ADDRSTRLEN) : "-";
}

/* One word a fact, one line a state. */
static void show_state(FILE *out, const struct whack_state *s)
{
	static const char *const kinds[] = { "other", "unanswered", "half-open-i", "half-open-r",
					     "ike",   "larval",	    "child" };
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];

	fprintf(out, "%u %s v%d %s", s->serial, kinds[s->kind], s->version, s->name.name);
	if (s->name.instance)
		fprintf(out, "[%u] %s", s->name.instance, addr(&s->name.peer, a));
	fprintf(out, "%s :%u%s", s->name.opportunistic ? " opportunistic" : "", s->port,
		s->newest ? " newest" : "");
	if (s->kind == WHACK_CHILD)
		fprintf(out, " on %u, %d in %08x@%s out %08x@%s %s id %s", s->ike, s->proto,
			s->spi_in, addr(&s->local, a), s->spi_out, addr(&s->remote, b),
			s->tunnel ? "tunnel" : "transport", s->id ? s->id : "-");
	fputc('\n', out);
}

static char *show_states(const struct whack_states *states)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	for (i = 0; i < states->n; i++)
		show_state(out, &states->state[i]);
	if (states->missing)
		fprintf(out, "missing %u\n", states->missing);
	fclose(out);
	return text;
}

#define BRIEF                                                                           \
	"State Information: DDoS cookies not required, Accepting new IKE connections\n" \
	"IKE SAs: total(1), half-open(0), open(0), authenticated(1), anonymous(0)\n"
#define TOTAL(n) BRIEF "IPsec SAs: total(" #n "), authenticated(" #n "), anonymous(0)\n\040\n"
#define CHILD_OF(name, suffix)                                                                \
	"#2: \"" name "\"" suffix                                                             \
	":500 ESTABLISHED_CHILD_SA (established Child SA); newest; eroute owner; IKE SA #1; " \
	"idle;\n"
#define DETAILS_OF(name, suffix, saids) \
	"#2: \"" name "\"" suffix " " saids " Traffic: ESPin=0B\040\n"
#define SAIDS "esp.a@192.0.2.2 esp.b@192.0.2.1 tun.0@192.0.2.2 tun.0@192.0.2.1"
#define CHILD CHILD_OF("net", "")
#define DETAILS DETAILS_OF("net", "", SAIDS)
#define NET \
	"2 child v2 net :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n"

static const struct {
	const char *what, *file, *text;
	int err;
	const char *expected; /* or the line at fault */
} cases[] = {
	{
		"4.10: one child, an SPI with a zero in front",
		"flushed-4.10",
		NULL,
		0,
		"4 ike v2 net :500 newest\n"
		"6 child v2 net :500 newest on 4, 50 in 1e9e3801@192.0.2.1 out 00acbe91@192.0.2.2 tunnel id @b.example\n",
	},
	{
		"4.10: two of one connection",
		"twice-4.10",
		NULL,
		0,
		"4 ike v2 net :500 newest\n"
		"6 child v2 net :500 on 4, 50 in 1e9e3801@192.0.2.1 out 00acbe91@192.0.2.2 tunnel id @b.example\n"
		"7 child v2 net :500 newest on 4, 50 in 53575fbf@192.0.2.1 out 1ada5572@192.0.2.2 tunnel id @b.example\n",
	},
	{
		"4.10: a child on another connection's IKE_SA",
		"net-terminated-4.10",
		NULL,
		0,
		"4 ike v2 net :500 newest\n"
		"9 child v2 net2 :500 newest on 4, 50 in 4d46fda8@192.0.2.1 out ee3afaa1@192.0.2.2 tunnel id @b.example\n",
	},

	{
		"5.2: two of one connection",
		"twice-5.2",
		NULL,
		0,
		"1 ike v2 net :500 newest\n"
		"3 child v2 net2 :500 on 1, 50 in d65c4d27@192.0.2.1 out 9b7ae9ce@192.0.2.2 tunnel id @b.example\n"
		"4 child v2 net :500 newest on 1, 50 in a01bf688@192.0.2.1 out ed3d5261@192.0.2.2 tunnel id @b.example\n"
		"5 child v2 net2 :500 newest on 1, 50 in a2142692@192.0.2.1 out ef32827b@192.0.2.2 tunnel id @b.example\n",
	},
	{
		"5.2: instances",
		"any-5.2",
		NULL,
		0,
		"1 ike v2 net[1] 192.0.2.2 :500 newest\n"
		"2 child v2 net[1] 192.0.2.2 :500 newest on 1, 50 in a2085deb@192.0.2.1 out 10fe740c@192.0.2.2 tunnel id @b.example\n"
		"3 child v2 net2[1] 192.0.2.2 :500 newest on 1, 50 in dbf83b4a@192.0.2.1 out 227de02e@192.0.2.2 tunnel id @b.example\n",
	},

	{ "nothing at all: it was not pluto who said that", NULL, "", -EBADMSG, "" },
	{ "no states", NULL, TOTAL(0), 0, "" },
	{ "one child", NULL, TOTAL(1) CHILD DETAILS, 0, NET },
	{ "its lines in the other order of lines", NULL, TOTAL(1) DETAILS CHILD, -EBADMSG,
	  "#2: \"net\" esp.a@192.0.2.2" },
	{ "a child without its SPIs", NULL, TOTAL(1) CHILD, -EBADMSG, "" },
	{ "... and another line instead", NULL,
	  TOTAL(1) CHILD "#3: \"net\":500 ESTABLISHED_IKE_SA (x); newest;\n", -EBADMSG,
	  "#3: \"net\":500 ESTABLISHED_IKE_SA" },
	{ "... and an end of the line instead", NULL, TOTAL(1) CHILD "\n", -EBADMSG, "" },
	{ "one child of two that were announced", NULL, TOTAL(2) CHILD DETAILS, 0,
	  NET "missing 1\n" },
	{ "the last line without its end", NULL, TOTAL(0) "#1: \"net\":500 MAIN_I1 (x);", -EBADMSG,
	  "" },
	{ "a negotiation that needs no details", NULL,
	  TOTAL(0) "#3: \"net\":500 REKEY_CHILD_I1 (x); idle;\n", 0, "3 larval v2 net :500\n" },
	{ "... of an unknown kind", NULL, TOTAL(0) "#3: \"net\":500 NEWER_CHILD_X9 (x);\n", 0,
	  "3 larval v0 net :500\n" },
	{ "an IKE_SA of an unknown kind", NULL, TOTAL(0) "#3: \"net\":500 NEWER_X9 (x);\n", 0,
	  "3 other v0 net :500\n" },
	{ "half-open, 4 and 5, each side", NULL,
	  TOTAL(0) "000 #1: \"a\":500 STATE_V2_PARENT_I1 (x);\n"
		   "000 #2: \"a\":500 STATE_V2_PARENT_R1 (x);\n"
		   "#3: \"a\":4500 IKE_SA_INIT_I (x);\n#4: \"a\":4500 IKE_SA_INIT_R (x);\n",
	  0,
	  "1 unanswered v2 a :500\n2 half-open-r v2 a :500\n"
	  "3 unanswered v2 a :4500\n4 half-open-r v2 a :4500\n" },
	{ "half-open, answered", NULL,
	  TOTAL(0) "000 #1: \"a\":500 STATE_V2_PARENT_I2 (x);\n#3: \"a\":4500 IKE_AUTH_I (x);\n", 0,
	  "1 half-open-i v2 a :500\n3 half-open-i v2 a :4500\n" },
	{
		"IKEv1",
		NULL,
		TOTAL(1) "#1: \"net\":500 MAIN_I4 (x); newest;\n"
			 "#2: \"net\":500 QUICK_I2 (x); newest; ISAKMP SA #1;\n" DETAILS,
		0,
		"1 ike v1 net :500 newest\n"
		"2 child v1 net :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n",
	},
	{
		"IKEv1, the responder has details early",
		NULL,
		TOTAL(0) "#2: \"net\":500 QUICK_R1 (x); ISAKMP SA #1;\n" DETAILS,
		0,
		"2 child v1 net :500 on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n",
	},
	{ "IKEv1 with XAuth", NULL, TOTAL(0) "#2: \"net\":500 STATE_XAUTH_R1 (x);\n", 0,
	  "2 ike v1 net :500\n" },
	{ "one that waits for its IKE_SA", NULL,
	  TOTAL(0) "#3: \"a\":500 IKE_SA_INIT_I (x);\n#3: pending CHILD SA for \"net\"\n"
		   "000 #3: pending Phase 2 for \"b\"[3] 192.0.2.7 replacing #1\n",
	  0, "0 larval v0 net :0\n0 larval v0 b[3] - :0\n3 unanswered v2 a :500\n" },
	{ "a pending one without a name", NULL, TOTAL(0) "#3: pending CHILD SA\n", -EBADMSG,
	  "#3: pending" },

	{
		"an instance",
		NULL,
		TOTAL(1) CHILD_OF("any", "[12] 192.0.2.2")
			DETAILS_OF("any", "[12] 192.0.2.2", SAIDS),
		0,
		"2 child v2 any[12] 192.0.2.2 :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n",
	},
	{
		"an instance and IPv6, whose addresses have colons",
		NULL,
		TOTAL(1) CHILD_OF("any", "[1] 2001:db8::2")
			DETAILS_OF("any", "[1] 2001:db8::2",
				   "used 3s ago; esp:a@2001:db8::2 esp:b@2001:db8::1"),
		0,
		"2 child v2 any[1] 2001:db8::2 :500 newest on 1, 50 in 0000000b@2001:db8::1 out 0000000a@2001:db8::2 transport id -\n",
	},
	{
		"an instance whose address is not told",
		NULL,
		TOTAL(1) CHILD_OF("any", "[1] <address>") DETAILS_OF("any", "[1] <address>", SAIDS),
		0,
		"2 child v2 any[1] - :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n",
	},
	{
		"an opportunistic one",
		NULL,
		TOTAL(1)
			CHILD_OF("clear#10.0.0.0/8", "[1] 10.0.0.0/8=== ...192.0.2.2===10.1.0.0/16")
				DETAILS_OF("clear#10.0.0.0/8",
					   "[1] 10.0.0.0/8=== ...192.0.2.2===10.1.0.0/16", SAIDS),
		0,
		"2 child v2 clear#10.0.0.0/8[1] - opportunistic :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id -\n",
	},
	{ "TCP", NULL, TOTAL(0) "#1: \"net\":4500(tcp) ESTABLISHED_IKE_SA (x);\n", 0,
	  "1 ike v2 net :4500\n" },
	{ "a bundle: ESP counts", NULL,
	  TOTAL(1) CHILD DETAILS_OF("net", "",
				    "ah.1@192.0.2.2 ah.2@192.0.2.1 esp.a@192.0.2.2 esp.b@192.0.2.1 "
				    "comp.7@192.0.2.2 comp.8@192.0.2.1 tun.0@192.0.2.2"),
	  0, NET },
	{
		"AH",
		NULL,
		TOTAL(1) CHILD DETAILS_OF("net", "", "ah.1@192.0.2.2 ah.2@192.0.2.1"),
		0,
		"2 child v2 net :500 newest on 1, 51 in 00000002@192.0.2.1 out 00000001@192.0.2.2 transport id -\n",
	},
	{ "one direction only", NULL, TOTAL(1) CHILD DETAILS_OF("net", "", "esp.a@192.0.2.2"),
	  -EBADMSG, "#2: \"net\" esp.a@192.0.2.2" },
	{ "an SPI that is none", NULL,
	  TOTAL(1) CHILD DETAILS_OF("net", "", "esp.a@192.0.2.2 esp.b00000000@192.0.2.1"), -EBADMSG,
	  "#2: \"net\" esp.a" },
	{ "an SPI of 0", NULL,
	  TOTAL(1) CHILD DETAILS_OF("net", "", "esp.a@192.0.2.2 esp.0@192.0.2.1"), -EBADMSG,
	  "#2: \"net\" esp.a" },
	{ "an address that is none", NULL,
	  TOTAL(1) CHILD DETAILS_OF("net", "", "esp.a@192.0.2.2 esp.b@192.0.2.1.5"), -EBADMSG,
	  "#2: \"net\" esp.a" },
	{ "details of another state", NULL, TOTAL(1) CHILD "#7" DETAILS, -EBADMSG, "#7#2" },

	{
		"identities, with a quote and with a lease behind",
		NULL,
		"006 #2: \"net\", type=ESP, add_time=17, inBytes=0, id='CN=it's me, O=x', "
		"lease=10.3.0.1/32\n" TOTAL(1) CHILD DETAILS,
		0,
		"2 child v2 net :500 newest on 1, 50 in 0000000b@192.0.2.1 out 0000000a@192.0.2.2 tunnel id CN=it's me, O=x\n",
	},
	{ "none, but the name of a user", NULL,
	  "#2: \"net\", username=x, type=ESP, add_time=17\n" TOTAL(1) CHILD DETAILS, 0, NET },
	{ "traffic of a state that is not listed", NULL,
	  "#9: \"net\", type=ESP, add_time=17, id='x'\n" TOTAL(1) CHILD DETAILS, 0, NET },

	{ "lines of other kinds", NULL,
	  "whack: x\nfips mode=disabled;\n\n" TOTAL(1) CHILD DETAILS "000 Bare Shunt list:\n", 0,
	  NET },
	{ "no number", NULL, TOTAL(0) "#: \"net\":500 MAIN_I1 (x);\n", -EBADMSG, "#: " },
	{ "number 0", NULL, TOTAL(0) "#0: \"net\":500 MAIN_I1 (x);\n", -EBADMSG, "#0: " },
	{ "a number that is too large", NULL, TOTAL(0) "#4294967296: \"net\":500 MAIN_I1 (x);\n",
	  -EBADMSG, "#4294967296: " },
	{ "no name", NULL, TOTAL(0) "#1: net:500 MAIN_I1 (x);\n", -EBADMSG, "#1: net" },
	{ "an empty name", NULL, TOTAL(0) "#1: \"\":500 MAIN_I1 (x);\n", -EBADMSG, "#1: \"\"" },
	{ "a name without end", NULL, TOTAL(0) "#1: \"net:500 MAIN_I1 (x);\n", -EBADMSG, "#1: " },
	{ "instance 0", NULL, TOTAL(0) "#1: \"net\"[0]:500 MAIN_I1 (x);\n", -EBADMSG, "#1: " },
	{ "an instance without end", NULL, TOTAL(0) "#1: \"net\"[1:500 MAIN_I1 (x);\n", -EBADMSG,
	  "#1: " },
	{ "no port", NULL, TOTAL(0) "#1: \"net\" MAIN_I1 (x);\n", -EBADMSG, "#1: " },
	{ "port 65536", NULL, TOTAL(0) "#1: \"net\":65536 MAIN_I1 (x);\n", -EBADMSG, "#1: " },
	{ "something before the port", NULL, TOTAL(0) "#1: \"net\" x:500 MAIN_I1 (x);\n", -EBADMSG,
	  "#1: " },
	{ "no state", NULL, TOTAL(0) "#1: \"net\":500\040\n", -EBADMSG, "#1: " },
	{ "no count", NULL, BRIEF "IPsec SAs: total(x)\n", -EBADMSG, "" },
};

static void test_states(void)
{
	struct whack_states s;
	size_t i, len;
	char *text, *shown;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].file)
			text = read_file(cases[i].file, &len);
		else
			text = strdup(cases[i].text);
		if (!cases[i].file)
			len = strlen(text);
		ktap_int(cases[i].what, cases[i].err, parse_states(text, len, &s));
		if (cases[i].err) {
			ktap_ok(!strncmp(s.bad, cases[i].expected, strlen(cases[i].expected)),
				"%s: the line at fault: %s", cases[i].what, s.bad);
		} else {
			shown = show_states(&s);
			ktap_str(cases[i].what, cases[i].expected, shown);
			free(shown);
		}
		whack_states_clear(&s);
		free(text);
	}
}

/* Cut at every byte: an error, or it is said that something is missing. */
static void test_cut(const char *name)
{
	struct whack_states s;
	size_t len, all, cut;
	char *text = read_file(name, &len);
	unsigned int wrong = 0;

	parse_states(text, len, &s);
	all = s.n;
	whack_states_clear(&s);
	for (cut = 0; cut < len; cut++) {
		char *part = malloc(cut + 1); /* not one byte more, for the sanitizers */

		memcpy(part, text, cut);
		if (!parse_states(part, cut, &s) && s.n < all && !s.missing)
			wrong++;
		whack_states_clear(&s);
		free(part);
	}
	ktap_int(name, 0, wrong);
	free(text);
}

/* ---- connections ---- */

static char *show_conns(const struct whack_status *st)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN], *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	for (i = 0; i < st->n; i++) {
		const struct whack_conn *c = &st->conn[i];

		fprintf(out, "%s", c->name.name);
		if (c->name.instance)
			fprintf(out, "[%u]", c->name.instance);
		fprintf(out, " v%d %s[%s]%s to %s[%s]%s %s/%s%s%s%s%s\n", c->version,
			addr(&c->local, a), c->local_id ? c->local_id : "-",
			c->local_ts ? c->local_ts : "-", addr(&c->remote, b),
			c->remote_id ? c->remote_id : "-", c->remote_ts ? c->remote_ts : "-",
			c->auth_local, c->auth_remote, c->dynamic ? " dynamic" : "",
			c->never ? " never" : "", c->vip ? " vip" : "", c->up ? " up" : "");
	}
	fclose(out);
	return text;
}

#define END "Total IPsec connections: loaded 1, active 0\n"
#define IDS "\"net\":   our idtype: ID_FQDN; our id=@a; their idtype: ID_FQDN; their id=@b\n"

static const struct {
	const char *what, *file, *text;
	int err;
	const char *expected;
} conn_cases[] = {
	{
		"4.10",
		"status-4.10",
		NULL,
		0,
		"net v2 192.0.2.1[@a.example]10.1.0.0/16 to 192.0.2.2[@b.example]10.2.0.0/16 psk/psk up\n"
		"net2 v2 192.0.2.1[@a.example]10.11.0.0/16 to 192.0.2.2[@b.example]10.12.0.0/16 psk/psk up\n",
	},
	{
		"5.2, with instances",
		"status-5.2",
		NULL,
		0,
		"net v2 192.0.2.1[@a.example]10.1.0.0/16 to -[@b.example]10.2.0.0/16 psk/psk dynamic\n"
		"net[1] v2 192.0.2.1[@a.example]10.1.0.0/16 to 192.0.2.2[@b.example]10.2.0.0/16 psk/psk up\n"
		"net2 v2 192.0.2.1[@a.example]10.11.0.0/16 to -[@b.example]10.12.0.0/16 psk/psk dynamic\n"
		"net2[1] v2 192.0.2.1[@a.example]10.11.0.0/16 to 192.0.2.2[@b.example]10.12.0.0/16 psk/psk up\n",
	},
	{ "none", NULL, END, 0, "" },
	{ "not all", NULL, "\"net\": 192.0.2.1...192.0.2.2; unrouted\n", -EBADMSG, NULL },
	{ "hosts only, identities behind their addresses", NULL,
	  "\"net\": 192.0.2.1[@a,+S=C]---192.0.2.9...192.0.2.2<gw.example>[@b]; unrouted\n" IDS END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] /\n" },
	{ "IPv6, with a port", NULL,
	  "\"net\": fd01::/64===2001:db8::1[@a...x]...[2001:db8::2]:4500"
	  "[@b]===fd02::/64; unrouted\n" IDS END,
	  0, "net v0 2001:db8::1[@a]fd01::/64 to 2001:db8::2[@b]fd02::/64 /\n" },
	{ "IPv4, with a port", NULL, "\"net\": 192.0.2.1:4500...192.0.2.2:4500; unrouted\n" IDS END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] /\n" },
	{ "no address", NULL, "\"net\": 192.0.2.1...%any; unrouted\n" IDS END, 0,
	  "net v0 192.0.2.1[@a] to -[@b] / dynamic\n" },
	{ "a name that is not resolved", NULL,
	  "\"net\": 192.0.2.1...%dns<gw.example>[@b]; unrouted\n" IDS END, 0,
	  "net v0 192.0.2.1[@a] to -[@b] / dynamic\n" },
	{ "an instance", NULL,
	  "000 \"net\"[3] 2001:db8::2: 2001:db8::1...2001:db8::2; unrouted\n"
	  "000 \"net\"[3] 2001:db8::2:   our idtype: x; our id=@a; "
	  "their idtype: y; their id=CN=b; c;\n" END,
	  0, "net[3] v0 2001:db8::1[@a] to 2001:db8::2[CN=b; c] /\n" },
	{ "several pairs of selectors: the first", NULL,
	  "\"net\": 10.1.0.0/16===192.0.2.1...192.0.2.2===10.2.0.0/16; unrouted\n"
	  "\"net\": 10.3.0.0/16===192.0.2.1...192.0.2.2===10.4.0.0/16; unrouted\n" IDS END,
	  0, "net v0 192.0.2.1[@a]10.1.0.0/16 to 192.0.2.2[@b]10.2.0.0/16 /\n" },
	{ "certificates, IKEv1", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   our auth:rsasig, their auth:ecdsa, our autheap:none, their autheap:none;\n"
	  "\"net\":   policy: IKEv1+RSASIG+ENCRYPT+TUNNEL;\n" END,
	  0, "net v1 192.0.2.1[@a] to 192.0.2.2[@b] pubkey/pubkey\n" },
	{ "XAuth", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   xauth us:none, xauth them:client,  my_username=[any]\n" END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] / vip\n" },
	{ "Mode Config", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   modecfg info: us:server, them:client, modecfg policy:pull\n" END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] / vip\n" },
	{ "EAP", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   our auth:rsasig, their auth:eap, our autheap:none, their autheap:tls;\n" END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] pubkey/ vip\n" },
	{ "a group", NULL,
	  "\"net\": 192.0.2.1...%group; unrouted\n" IDS
	  "\"net\":   policy: IKEv2+AUTHNULL+OPPORTUNISTIC+GROUP+failurePASS;\n" END,
	  0, "net v2 192.0.2.1[@a] to -[@b] / dynamic never\n" },
	{ "the word as a part of another one", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   policy: IKEv2+NOGROUP+GROUPS+ENCRYPT;\n" END,
	  0, "net v2 192.0.2.1[@a] to 192.0.2.2[@b] /\n" },
	{ "a connection that never negotiates", NULL,
	  "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
	  "\"net\":   policy: AUTH_NEVER+PASS+NEVER_NEGOTIATE;\n" END,
	  0, "net v0 192.0.2.1[@a] to 192.0.2.2[@b] / never\n" },
	{ "no ends", NULL, "\"net\": 192.0.2.1; unrouted\n" END, -EBADMSG, NULL },
	{ "an address without its bracket", NULL, "\"net\": [192.0.2.1...192.0.2.2; x\n" END,
	  -EBADMSG, NULL },
	{ "identities in disorder", NULL,
	  "\"net\":   our idtype: x; their id=@b; their idtype: y; our id=@a\n" END, -EBADMSG,
	  NULL },
	{ "a name without a colon", NULL, "\"net\"\n" END, -EBADMSG, NULL },
};

static void test_conns(void)
{
	struct whack_status st;
	size_t i, len;
	char *text, *shown;

	for (i = 0; i < ARRAY_SIZE(conn_cases); i++) {
		text = conn_cases[i].file ? read_file(conn_cases[i].file, &len)
					  : strdup(conn_cases[i].text);
		if (!conn_cases[i].file)
			len = strlen(text);
		ktap_int(conn_cases[i].what, conn_cases[i].err, parse_status(text, len, &st));
		if (!conn_cases[i].err) {
			shown = show_conns(&st);
			ktap_str(conn_cases[i].what, conn_cases[i].expected, shown);
			free(shown);
		}
		whack_status_clear(&st);
		free(text);
	}
}

static uint64_t hash_of(const char *text)
{
	struct whack_status st;
	uint64_t hash;

	parse_status(text, strlen(text), &st);
	hash = st.hash;
	whack_status_clear(&st);
	return hash;
}

static void test_changes(void)
{
	const char *a = "\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS END;

	ktap_ok(hash_of(a) == hash_of("\"net\": 192.0.2.1...192.0.2.2; erouted\n" IDS END),
		"that it has come up is no change of the configuration");
	ktap_ok(hash_of(a) == hash_of("\"net\": 192.0.2.1...192.0.2.2; unrouted\n" IDS
				      "\"net\"[1] 192.0.2.2: 192.0.2.1...192.0.2.2; erouted\n" END),
		"nor is an instance");
	ktap_ok(hash_of(a) != hash_of("\"net\": 192.0.2.1...192.0.2.3; unrouted\n" IDS END),
		"another address is");
}

static void test_version(void)
{
	static const char text[] = "pluto_version=5.2, pluto_vendorid=OE\n"
				   "config setup logfile='/var/log/pluto.log', logappend=yes\n" END;
	struct whack_status st;

	ktap_int("version and log", 0, parse_status(text, sizeof(text) - 1, &st));
	ktap_str("version", "5.2", st.version);
	ktap_str("log", "/var/log/pluto.log", st.log);
	whack_status_clear(&st);
}

static const struct {
	const char *name;
	unsigned int instance;
	const char *expected;
} find_cases[] = {
	{ "b", 0, "b 0" },	   { "b", 2, "b 2" },  { "b", 1, "b 0" },
	{ "c", 7, "c 7" },	   { "c", 0, "none" }, { "c", 8, "none" },
	{ "a/1x1", 0, "a/1x1 0" }, { "a", 0, "none" }, { "zz", 3, "none" },
};

/* As pluto may not tell them: in no order. */
static void test_find(void)
{
	static const char text[] = "\"c\"[7] 192.0.2.7: 192.0.2.1...192.0.2.7; x\n"
				   "\"b\"[2] 192.0.2.2: 192.0.2.1...192.0.2.2; x\n"
				   "\"b\": 192.0.2.1...%any; x\n"
				   "\"a/1x1\": 192.0.2.1...192.0.2.3; x\n" END;
	const struct whack_conn *c;
	struct whack_status st;
	struct whack_name name;
	char shown[64];
	size_t i;

	ktap_int("connections", 0, parse_status(text, sizeof(text) - 1, &st));
	for (i = 0; i < ARRAY_SIZE(find_cases); i++) {
		name = (struct whack_name){ .name = (char *)(uintptr_t)find_cases[i].name,
					    .instance = find_cases[i].instance };
		c = whack_conn_find(&st, &name);
		snprintf(shown, sizeof(shown), c ? "%s %u" : "none", c ? c->name.name : "",
			 c ? c->name.instance : 0);
		ktap_str("of an instance, or of the connection", find_cases[i].expected, shown);
	}
	whack_status_clear(&st);
	ktap_ok(!whack_conn_find(&st, &name) && !whack_conn_find(NULL, &name), "of none");
}

int main(void)
{
	test_states();
	test_cut("twice-4.10");
	test_conns();
	test_changes();
	test_version();
	test_find();
	return ktap_done();
}
