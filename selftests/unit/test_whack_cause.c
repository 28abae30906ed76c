// SPDX-License-Identifier: GPL-2.0-only
/* What the lines of pluto's log are about, and what they tell of SAs that go. */
#include "ike_whack_cause.h"
#include "intern.h"
#include "ktap.h"

#define PID 352
#define OWN "Nov 28 17:25:28.118904: "
#define SYSLOG "Nov 28 17:25:28 gw pluto[352]: "
#define RFC3339 "2026-11-28T17:25:28.118904+00:00 gw pluto[352]: "

static const struct {
	const char *text;
	bool ours;
	const char *expected; /* name[instance] number kind message */
} log_cases[] = {
	{ OWN
	  "\"net\" #4: STATE_V2_ESTABLISHED_IKE_SA: 60 second timeout exceeded after 7 retransmits.  No response",
	  true, "net 4 gave-up" },
	{ OWN
	  "\"net\"[3] 192.0.2.2 #4: ESTABLISHED_IKE_SA: 5 second timeout exceeded after 3 retransmits.",
	  true, "net[3] 4 gave-up" },
	{ OWN
	  "\"net\"[3] 2001:db8::2 #4: ESTABLISHED_IKE_SA: max number of retransmissions (3) reached after 5 seconds",
	  true, "net[3] 4 gave-up" },
	{ SYSLOG "\"net\" #4: STATE_V2_PARENT_I1: 60 second timeout exceeded after 7 retransmits.",
	  true, "net 4 gave-up" },
	{ RFC3339 "\"net2\": terminating SAs using this connection", true, "net2 0 by-hand" },
	{ OWN "\"net2\": initiating delete of connection's Child SA #5 using IKE SA #1", true,
	  "net2 0 by-hand" },
	{ OWN "\"net\" #6: received whack to delete IKEv2 state #6 STATE_V2_ESTABLISHED_CHILD_SA",
	  true, "net 6 by-hand" },
	{ OWN "\"net\": liveness action - clearing connection kind CK_PERMANENT", true,
	  "net 0 liveness" },
	{ OWN "\"net\": added IKEv2 connection", true, "net 0 loaded" },
	{ OWN "\"net\": added unoriented IKEv2 connection (neither left=192.0.2.1 nor x)", true,
	  "net 0 loaded" },
	{ OWN "\"net\" #4: added IKEv2 connection", true, "net 4 other" },
	{ OWN "added IKEv2 connection", true, "- 0 other" },
	{ OWN "Pluto is shutting down", true, "- 0 stopping" },
	{ SYSLOG "Pluto is shutting down", true, "- 0 stopping" },
	{ "\"net2\": terminating SAs using this connection", true, "net2 0 by-hand" },
	{ OWN "\"net2\" #8: ESP traffic information: in=0B out=0B", true, "net2 8 other" },
	{ OWN "packet from 192.0.2.2:500: terminating SAs using this connection", true,
	  "- 0 other" },
	/* for debugging: it may have keys */
	{ OWN "| ", false, "" },
	{ OWN "| Skeyseed:", false, "" },
	{ OWN "|   9f 1c 5e 07  22 1b 60 7a", false, "" },
	{ SYSLOG "| \"net\" #4: terminating SAs using this connection", false, "" },
	/* what a peer calls itself, and others say */
	{ OWN "\"net\" #4: peer ID is @x: 60 second timeout exceeded after 7 retransmits", true,
	  "net 4 other" },
	{ OWN "\"net\" #4: x: terminating SAs using this connection", true, "net 4 other" },
	{ "Nov 28 17:25:28 gw sshd[352]: \"net2\": terminating SAs using this connection", false,
	  "" },
	{ "Nov 28 17:25:28 gw sshd[9]: Invalid user pluto[352]: \"net2\": terminating SAs using this connection",
	  false, "" },
	{ "Nov 28 17:25:28 gw pluto[353]: \"net2\": terminating SAs using this connection", false,
	  "" },
	{ "Nov 28 17:25:28 gw pluto[35]: x", false, "" },
	{ OWN "\"net\" #4x: Pluto is shutting down", false, "" },
	{ OWN "\"net\" #4294967296: x", false, "" },
	{ OWN "\"net", false, "" },
	{ OWN "\"net\"", false, "" },
	{ OWN "\"\": x", false, "" },
	{ OWN, false, "" },
	{ "", false, "" },
	{ "Nov", true, "- 0 other" },
};

static void test_log(void)
{
	static const char *const kinds[] = { "other",	 "gave-up", "by-hand",
					     "liveness", "loaded",  "stopping" };
	struct whack_log_line line;
	struct whack_text text;
	char shown[64], name[40];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(log_cases); i++) {
		text.s = log_cases[i].text;
		text.end = text.s + strlen(text.s);
		shown[0] = '\0';
		ktap_int(log_cases[i].text, log_cases[i].ours, parse_log_line(text, PID, &line));
		if (log_cases[i].ours) {
			snprintf(name, sizeof(name), line.name.instance ? "%s[%u]" : "%s",
				 line.name.name ? line.name.name : "-", line.name.instance);
			snprintf(shown, sizeof(shown), "%s %u %s", name, line.serial,
				 kinds[line.what]);
		}
		ktap_str(log_cases[i].text, log_cases[i].expected, shown);
		whack_log_line_clear(&line);
	}
}

static void note(struct whack_causes *c, const char *s, int64_t now)
{
	struct whack_text text = { s, s + strlen(s) };
	struct whack_log_line line;

	if (!parse_log_line(text, PID, &line))
		abort();
	whack_cause_note(c, &line, now);
	whack_log_line_clear(&line);
}

static void test_causes(void)
{
	const char *gave_up = "\"net\" #4: ESTABLISHED_IKE_SA: 5 second timeout exceeded after 3 r";
	struct whack_causes c = { 0 };

	ktap_int("nothing was told", END_UNSEEN, whack_cause_find(&c, "net", 5, 4, 1000));
	note(&c, gave_up, 1000);
	ktap_int("its IKE_SA was given up", END_GAVE_UP, whack_cause_find(&c, "net2", 5, 4, 1100));
	ktap_int("another one's was", END_UNSEEN, whack_cause_find(&c, "net", 5, 3, 1100));
	ktap_int("it has none", END_UNSEEN, whack_cause_find(&c, "net", 5, 0, 1100));
	ktap_int("long ago", END_UNSEEN, whack_cause_find(&c, "net", 5, 4, 12000));
	note(&c, "\"net\": terminating SAs using this connection", 1200);
	ktap_int("and by hand: that counts", END_OPERATOR, whack_cause_find(&c, "net", 5, 4, 1300));
	ktap_int("another connection was not", END_GAVE_UP,
		 whack_cause_find(&c, "net2", 6, 4, 1300));
	note(&c, "\"net\": liveness action - clearing connection kind X", 1200);
	ktap_int("it was not by hand: the peer is dead", END_GAVE_UP,
		 whack_cause_find(&c, "net", 5, 9, 1300));
	note(&c, "\"x\" #7: received whack to delete IKEv2 state #7", 2000);
	ktap_int("a state by hand", END_OPERATOR, whack_cause_find(&c, "net3", 7, 4, 2100));
	ktap_int("its IKE_SA by hand", END_OPERATOR, whack_cause_find(&c, "net3", 8, 7, 2100));
}

int main(void)
{
	test_log();
	test_causes();
	return ktap_done();
}
