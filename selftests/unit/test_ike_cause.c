// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why did a CHILD_SA end: strongSwan's log lines, as 5.9.8, 6.0.1 and 6.1.0 write
 * them, and what is made of them. recovery/ike_vici.sh has the real daemon say them.
 *
 * The child that ends is net{3} of gw[1], SPIs c1111111 (in) and c2222222 (out),
 * installed at 100 s; lines come at 200 s and it ends at 201 s, unless said otherwise.
 */
#include "ktap.h"
#include "ike_vici_cause.h"

struct line {
	const char *group;
	uint32_t ike_id;
	const char *msg;
	int64_t at; /* 0: 200 s */
	uint32_t thread;
};

static struct causes causes;

static const struct cause_child net = {
	.conn = "gw",
	.child = "net",
	.ike_id = 1,
	.child_id = 3,
	.spi_in = 0xc1111111,
	.spi_out = 0xc2222222,
	.installed_at = 100000,
};

/* A sibling on the same IKE_SA, and one of the same name on another. */
static const struct cause_child net2 = {
	.conn = "gw",
	.child = "net2",
	.ike_id = 1,
	.child_id = 4,
	.spi_in = 0xc3333333,
	.spi_out = 0xc4444444,
	.installed_at = 100000,
};

static const struct cause_child other = {
	.conn = "other",
	.child = "net",
	.ike_id = 2,
	.child_id = 5,
	.spi_in = 0xc5555555,
	.spi_out = 0xc6666666,
	.installed_at = 100000,
};

static enum cause_line say(const struct line *l)
{
	struct vici_log log = {
		.group = { l->group, strlen(l->group) },
		.msg = { l->msg, strlen(l->msg) },
		.ike_id = l->ike_id,
		.thread = l->thread ? l->thread : 7,
	};

	return cause_log(&causes, &log, l->at ? l->at : 200000);
}

#define IKE "IKE", 1
#define CFG "CFG", 0
#define JOB "JOB", 1

/* Lines, and what they are for the three children (END_NONE: no cause told). */
static const struct {
	const char *name;
	struct line line[8];
	enum sa_end net, net2, other;
} cases[] = {
	{ "nothing said", { { IKE, "sending keep alive", 0, 0 } }, 0, 0, 0 },
	{ "swanctl --terminate --ike-id, 5.9 and 6.0",
	  { { CFG, "vici terminate IKE_SA #1", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "swanctl --terminate --child-id, 5.9 and 6.0",
	  { { CFG, "vici terminate CHILD_SA #3", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "swanctl --terminate --ike, 5.9 and 6.0",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "swanctl --terminate --child, 5.9 and 6.0",
	  { { CFG, "vici terminate CHILD_SA 'net'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  END_OPERATOR },
	{ "--ike and --child, 5.9: two lines",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { CFG, "vici terminate CHILD_SA 'net'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "--ike and --child, 6.0: one line",
	  { { CFG, "vici terminate CHILD_SA 'net' of IKE_SA 'gw'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "all four selectors, 6.0",
	  { { CFG, "vici terminate CHILD_SA 'net' #3 of IKE_SA 'gw' #1", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "all four selectors, 5.9",
	  { { CFG, "vici terminate IKE_SA #1", 0, 0 },
	    { CFG, "vici terminate CHILD_SA #3", 0, 0 },
	    { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { CFG, "vici terminate CHILD_SA 'net'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "the same, but of two threads: two commands",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { CFG, "vici terminate CHILD_SA 'net'", 0, 8 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  END_OPERATOR },
	{ "the same, on a machine so busy that 200 ms lie between the lines",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { CFG, "vici terminate CHILD_SA 'net'", 200200, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "the same, but 400 ms apart: two commands",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { CFG, "vici terminate CHILD_SA 'net'", 200400, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  END_OPERATOR },
	{ "a child with quotes in its name does not widen it",
	  { { CFG, "vici terminate CHILD_SA 'it's' of IKE_SA 'gw'", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "a selector that is cut off claims nobody",
	  { { CFG, "vici terminate CHILD_SA '", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "an id of 0 claims nobody", { { CFG, "vici terminate IKE_SA #0", 0, 0 } }, 0, 0, 0 },
	{ "unloaded with start_action, 6.0",
	  { { CFG, "vici closing CHILD_SA 'net' #3", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "unloaded with start_action, IKE_SA, 6.0",
	  { { CFG, "vici closing IKE_SA 'gw' #1", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "unloaded with start_action, 5.9",
	  { { CFG, "closing 'net' #3", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "unloaded with start_action, IKE_SA, 5.9",
	  { { CFG, "closing IKE_SA #1", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "ipsec down net",
	  { { CFG, "received stroke: terminate 'net'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  END_OPERATOR },
	{ "ipsec down net{3}",
	  { { CFG, "received stroke: terminate 'net{3}'", 0, 0 } },
	  END_OPERATOR,
	  0,
	  0 },
	{ "ipsec down gw[*]",
	  { { CFG, "received stroke: terminate 'gw[*]'", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "ipsec down [1]",
	  { { CFG, "received stroke: terminate '[1]'", 0, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "ipsec down of nothing", { { CFG, "received stroke: terminate ''", 0, 0 } }, 0, 0, 0 },
	{ "the peer's DELETE of the child",
	  { { IKE, "received DELETE for ESP CHILD_SA with SPI c2222222", 0, 0 },
	    { IKE,
	      "closing CHILD_SA net{3} with SPIs c1111111_i (0 bytes) c2222222_o (0 bytes) and TS 10.1.0.0/16 === 10.2.0.0/16",
	      0, 0 },
	    { IKE, "sending DELETE for ESP CHILD_SA with SPI c1111111", 0, 0 },
	    { IKE, "CHILD_SA closed", 0, 0 } },
	  END_DELETED_PEER,
	  0,
	  0 },
	{ "our DELETE and the peer's answer",
	  { { IKE,
	      "closing CHILD_SA net{3} with SPIs c1111111_i (0 bytes) c2222222_o (0 bytes) and TS 10.1.0.0/16 === 10.2.0.0/16",
	      0, 0 },
	    { IKE, "sending DELETE for ESP CHILD_SA with SPI c1111111", 0, 0 },
	    { IKE, "received DELETE for ESP CHILD_SA with SPI c2222222", 0, 0 } },
	  END_DELETED_LOCAL,
	  0,
	  0 },
	{ "an AH child",
	  { { IKE, "received DELETE for AH CHILD_SA with SPI c2222222", 0, 0 } },
	  END_DELETED_PEER,
	  0,
	  0 },
	{ "a DELETE for a child that we don't have",
	  { { IKE, "received DELETE for unknown ESP CHILD_SA with SPI c2222222", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "the peer's DELETE of the IKE_SA",
	  { { IKE, "received DELETE for IKE_SA gw[1]", 0, 0 },
	    { IKE, "deleting IKE_SA gw[1] between 192.0.2.1[a]...192.0.2.2[b]", 0, 0 },
	    { IKE, "IKE_SA deleted", 0, 0 } },
	  END_DELETED_PEER,
	  END_DELETED_PEER,
	  0 },
	{ "a DELETE for another IKE_SA, IKEv1",
	  { { IKE, "received DELETE for different IKE_SA, ignored", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "our DELETE of the IKE_SA",
	  { { IKE, "deleting IKE_SA gw[1] between 192.0.2.1[a]...192.0.2.2[b]", 0, 0 },
	    { IKE, "sending DELETE for IKE_SA gw[1]", 0, 0 } },
	  END_DELETED_LOCAL,
	  END_DELETED_LOCAL,
	  0 },
	{ "retransmission exhausted",
	  { { IKE, "retransmit 5 of request with message ID 2", 0, 0 },
	    { IKE, "giving up after 5 retransmits", 0, 0 } },
	  END_GAVE_UP,
	  END_GAVE_UP,
	  0 },
	{ "DPD of IKEv1",
	  { { JOB, "DPD check timed out, enforcing DPD action", 0, 0 } },
	  END_GAVE_UP,
	  END_GAVE_UP,
	  0 },
	{ "terminated by hand, the DELETE unanswered: all by hand",
	  { { CFG, "vici terminate IKE_SA 'gw'", 0, 0 },
	    { IKE, "sending DELETE for IKE_SA gw[1]", 0, 0 },
	    { IKE, "giving up after 5 retransmits", 200500, 0 } },
	  END_OPERATOR,
	  END_OPERATOR,
	  0 },
	{ "one child terminated by hand, the DELETE unanswered: the other given up on",
	  { { CFG, "vici terminate CHILD_SA #3", 0, 0 },
	    { IKE, "sending DELETE for ESP CHILD_SA with SPI c1111111", 0, 0 },
	    { IKE, "giving up after 5 retransmits", 200500, 0 } },
	  END_OPERATOR,
	  END_GAVE_UP,
	  0 },
	{ "hard lifetime",
	  { { IKE,
	      "closing expired CHILD_SA net{3} with SPIs c1111111_i c2222222_o and TS 10.1.0.0/16 === 10.2.0.0/16",
	      0, 0 },
	    { IKE, "sending DELETE for ESP CHILD_SA with SPI c1111111", 0, 0 } },
	  END_EXPIRED,
	  0,
	  0 },
	{ "a name with braces",
	  { { IKE, "closing expired CHILD_SA n{x}{3} with SPIs c1111111_i c2222222_o", 0, 0 } },
	  END_EXPIRED,
	  0,
	  0 },
	{ "inactivity of a child",
	  { { JOB, "deleting CHILD_SA after 10 seconds of inactivity", 0, 0 },
	    { IKE, "closing CHILD_SA net2{4} with SPIs c3333333_i (0 bytes)", 0, 0 },
	    { IKE, "sending DELETE for ESP CHILD_SA with SPI c3333333", 0, 0 } },
	  0,
	  END_INACTIVITY,
	  0 },
	{ "inactivity, closing not yet begun: nobody's",
	  { { JOB, "deleting CHILD_SA after 10 seconds of inactivity", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "inactivity of both, in turn",
	  { { JOB, "deleting CHILD_SA after 10 seconds of inactivity", 0, 0 },
	    { JOB, "deleting CHILD_SA after 10 seconds of inactivity", 0, 0 },
	    { IKE, "closing CHILD_SA net{3} with SPIs c1111111_i (0 bytes)", 0, 0 },
	    { IKE, "closing CHILD_SA net2{4} with SPIs c3333333_i (0 bytes)", 0, 0 } },
	  END_INACTIVITY,
	  END_INACTIVITY,
	  0 },
	{ "inactivity of the only child",
	  { { JOB, "deleting IKE_SA after 10 seconds of CHILD_SA inactivity", 0, 0 },
	    { IKE, "sending DELETE for IKE_SA gw[1]", 0, 0 } },
	  END_INACTIVITY,
	  END_INACTIVITY,
	  0 },
	{ "INITIAL_CONTACT",
	  { { IKE, "destroying duplicate IKE_SA for peer 'a.example', received INITIAL_CONTACT", 0,
	      0 } },
	  END_REPLACED,
	  END_REPLACED,
	  0 },
	{ "uniqueness",
	  { { IKE, "deleting duplicate IKE_SA for peer 'a.example' due to uniqueness", 0, 0 },
	    { IKE, "sending DELETE for IKE_SA gw[1]", 0, 0 } },
	  END_REPLACED,
	  END_REPLACED,
	  0 },
	{ "reauthentication",
	  { { IKE, "reauthenticating IKE_SA gw[1]", 0, 0 },
	    { IKE, "sending DELETE for IKE_SA gw[1]", 0, 0 } },
	  END_REKEYED,
	  END_REKEYED,
	  0 },
	{ "reauthentication that failed, then given up on",
	  { { IKE, "reauthenticating IKE_SA gw[1]", 0, 0 },
	    { IKE, "reauthenticating IKE_SA failed", 0, 0 },
	    { IKE, "giving up after 5 retransmits", 0, 0 } },
	  END_GAVE_UP,
	  END_GAVE_UP,
	  0 },
	{ "the peer lost the child, 6.0",
	  { { IKE, "peer didn't find CHILD_SA net{3} we tried to rekey, create a replacement", 0,
	      0 } },
	  END_REKEYED,
	  0,
	  0 },
	{ "the daemon stops",
	  { { "DMN", 0, "SIGTERM received, shutting down", 0, 0 } },
	  END_DAEMON_LOST,
	  END_DAEMON_LOST,
	  END_DAEMON_LOST },
	{ "terminated by hand, then the daemon stops",
	  { { CFG, "vici terminate CHILD_SA #3", 0, 0 },
	    { "DMN", 0, "SIGTERM received, shutting down", 0, 0 } },
	  END_OPERATOR,
	  END_DAEMON_LOST,
	  END_DAEMON_LOST },
	{ "a peer's identity can't pose as a cause",
	  { { IKE, "looking for peer configs matching 192.0.2.1[vici terminate IKE_SA #1]", 0, 0 },
	    { IKE, "vici terminate IKE_SA #1", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "a line of another IKE_SA",
	  { { "IKE", 9, "giving up after 5 retransmits", 0, 0 } },
	  0,
	  0,
	  0 },
	{ "a line of no IKE_SA", { { "IKE", 0, "giving up after 5 retransmits", 0, 0 } }, 0, 0, 0 },
	{ "made before the child was installed: of an earlier try",
	  { { IKE, "giving up after 5 retransmits", 90000, 0 } },
	  0,
	  0,
	  0 },
	{ "made just before", { { IKE, "giving up after 5 retransmits", 99999, 0 } }, 0, 0, 0 },
	{ "made just then",
	  { { IKE, "giving up after 5 retransmits", 100000, 0 } },
	  END_GAVE_UP,
	  END_GAVE_UP,
	  0 },
	{ "too long ago",
	  { { CFG, "vici terminate IKE_SA #1", 201000 - CAUSE_KEEP_MS - 1, 0 } },
	  0,
	  0,
	  0 },
};

static void found(const char *name, const char *which, enum sa_end expected,
		  const struct cause_child *child)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", name, which);
	ktap_int(text, expected, cause_find(&causes, child, 201000));
}

static void test_cases(void)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (k = 0; k < ARRAY_SIZE(cases[i].line) && cases[i].line[k].group; k++)
			say(&cases[i].line[k]);
		found(cases[i].name, "the child", cases[i].net, &net);
		found(cases[i].name, "its sibling", cases[i].net2, &net2);
		found(cases[i].name, "one of another IKE_SA", cases[i].other, &other);
		cause_clear(&causes);
	}
}

static void test_own(void)
{
	static const struct line line = { CFG, "vici terminate IKE_SA #1", 0, 0 };
	char text[64];
	const struct line child = { CFG, text, 0, 0 };

	snprintf(text, sizeof(text), "vici terminate CHILD_SA #%u", net.child_id);
	cause_own_terminate(&causes, 1, 0, 199900);
	say(&line);
	found("terminated by this program", "not by hand", END_DELETED_LOCAL, &net);
	cause_clear(&causes);
	cause_own_terminate(&causes, 2, 0, 199900);
	say(&line);
	found("another one terminated by this program", "by hand", END_OPERATOR, &net);
	cause_clear(&causes);
	cause_own_terminate(&causes, 1, 0, 190000);
	say(&line);
	found("terminated by this program long before", "by hand", END_OPERATOR, &net);
	cause_clear(&causes);
	cause_own_terminate(&causes, 0, net.child_id, 199900);
	say(&child);
	found("a child terminated by this program", "not by hand", END_DELETED_LOCAL, &net);
	cause_clear(&causes);
	cause_own_terminate(&causes, 0, net.child_id + 100, 199900);
	say(&child);
	found("another child terminated by this program", "by hand", END_OPERATOR, &net);
	cause_clear(&causes);
	cause_own_terminate(&causes, net.child_id, 0, 199900);
	say(&child);
	found("an IKE_SA of that number, by this program", "by hand", END_OPERATOR, &net);
	cause_clear(&causes);
}

static void test_once(void)
{
	static const struct line line = { IKE, "peer didn't find the CHILD_SA we tried to rekey", 0,
					  0 };

	say(&line);
	found("the peer lost a child, 5.9", "the next that goes", END_REKEYED, &net);
	found("the peer lost a child, 5.9", "no other", END_NONE, &net2);
	cause_clear(&causes);
}

static void test_ring(void)
{
	static const struct line first = { CFG, "vici terminate IKE_SA 'gw'", 0, 0 };
	static const struct line more = { "IKE", 9, "giving up after 5 retransmits", 0, 0 };
	int i;

	say(&first);
	for (i = 0; i < CAUSE_MARKS - 1; i++)
		say(&more);
	found("as many causes as fit", "the first is known", END_OPERATOR, &net);
	say(&more);
	found("one more", "the first is forgotten", END_NONE, &net);
	cause_clear(&causes);
}

static void test_lines(void)
{
	static const struct {
		struct line line;
		enum cause_line expected;
	} lines[] = {
		{ { "DMN", 0, "SIGTERM received, shutting down", 0, 0 }, LINE_STOPPING },
		{ { "DMN", 0, "SIGINT received, shutting down", 0, 0 }, LINE_STOPPING },
		{ { "IKE", 1, "SIGTERM received, shutting down", 0, 0 }, LINE_OTHER },
		{ { "CFG", 0, "added vici connection: gw", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "replaced vici connection: gw", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "removed vici connection: gw", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "added configuration 'gw'", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "added child to existing configuration 'gw'", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "deleted connection 'gw'", 0, 0 }, LINE_CONNS },
		{ { "CFG", 0, "vici message size 600000 exceeds maximum size of 524288, discarded",
		    0, 0 },
		  LINE_DISCARDED },
		{ { "CFG", 0, "", 0, 0 }, LINE_OTHER },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		ktap_int(lines[i].line.msg, lines[i].expected, say(&lines[i].line));
	cause_clear(&causes);
}

/* Lines of any length, cut at any place: nothing is read behind the end. */
static void test_cut(void)
{
	size_t i, k, len;
	char *copy;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (k = 0; k < ARRAY_SIZE(cases[i].line) && cases[i].line[k].group; k++) {
			for (len = 0; len <= strlen(cases[i].line[k].msg); len++) {
				struct vici_log l = { .ike_id = 1, .thread = 7 };

				copy = malloc(len + 1);
				memcpy(copy, cases[i].line[k].msg, len);
				l.group.s = cases[i].line[k].group;
				l.group.len = strlen(l.group.s);
				l.msg.s = copy;
				l.msg.len = len;
				cause_log(&causes, &l, 200000);
				free(copy);
			}
		}
	}
	cause_clear(&causes);
	ktap_ok(true, "lines cut at every byte");
}

int main(void)
{
	test_cases();
	test_own();
	test_once();
	test_ring();
	test_lines();
	test_cut();
	return ktap_done();
}
