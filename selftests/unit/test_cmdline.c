// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real invspi, run with good and bad command lines: exit status, what is
 * on stdout and what on stderr. Needs no module: a good line may then fail with
 * 1, but never with 2.
 */
#include "cmdline.h"

#define ANY -1 /* anything but a usage error */

struct row {
	const char *args; /* divided at blanks; '_' stands for a blank */
	int status;
	const char *out; /* NULL: stdout is empty */
	const char *err; /* NULL: stderr is empty */
};

static const struct row rows[] = {
	/* help and version */
	{ "", 2, NULL, "Usage: invspi [ OPTIONS ] OBJECT" },
	{ "help", 0, "Usage: invspi [ OPTIONS ] OBJECT", NULL },
	{ "he", 0, "Usage: invspi [ OPTIONS ] OBJECT", NULL },
	{ "-h", 0, "OBJECT := { flow | stats | config | monitor", NULL },
	{ "--help", 0, "Usage: invspi", NULL },
	{ "-V", 0, "invspi ", NULL },
	{ "--version", 0, "invspi ", NULL },
	{ "flow help", 0, "Usage: invspi flow [ show [ SELECTORS ] ]", NULL },
	{ "f h", 0, "Usage: invspi flow", NULL },
	{ "stats help", 0, "Usage: invspi stats", NULL },
	{ "config help", 0, "Usage: invspi config", NULL },
	{ "monitor help", 0, "Usage: invspi monitor", NULL },
	{ "status help", 0, "Usage: invspi status", NULL },
	{ "hold help", 0, "Usage: invspi hold", NULL },
	{ "explain help", 0, "Usage: invspi explain", NULL },
	{ "-j flow help", 0, "Usage: invspi flow", NULL },

	/* options */
	{ "-x", 2, NULL, "unrecognized option '-x'" },
	{ "--nonsense", 2, NULL, "nonsense" },
	{ "-n", 2, NULL, "requires an argument" },
	{ "--control", 2, NULL, "requires an argument" },
	{ "-n nosuch-netns-of-this-test flow", 1, NULL,
	  "no network namespace \"nosuch-netns-of-this-test\"" },
	{ "-n /dev/null flow", 1, NULL, "/dev/null" },
	{ "-n  flow", 1, NULL, "no network namespace \"flow\"" },
	{ "-n .. flow", 1, NULL, "bad network namespace \"..\"" },

	/* objects and commands */
	{ "nonsense", 2, NULL, "unknown object \"nonsense\": want one of flow, stats" },
	{ "sta", 2, NULL, "ambiguous object \"sta\"" },
	{ "flow nonsense", 2, NULL, "unknown command \"nonsense\": want one of show" },
	{ "flow showx", 2, NULL, "unknown command \"showx\"" },
	{ "FLOW", 2, NULL, "unknown object \"FLOW\"" },
	{ "stats show more", 2, NULL, "unexpected \"more\"" },
	{ "config show more", 2, NULL, "unexpected \"more\"" },
	{ "monitor more", 2, NULL, "unknown command \"more\"" },
	{ "status more", 2, NULL, "unknown command \"more\"" },
	{ "flow", ANY, "", "" },
	{ "f s", ANY, "", "" },
	{ "-j -s flow show", ANY, "", "" },
	{ "-js flow list", ANY, "", "" },
	{ "-json -pretty stats", ANY, "", "" },
	{ "stats s", ANY, "", "" },
	{ "config", ANY, "", "" },

	/* the flight recorder */
	{ "record help", 0, "Usage: invspi record [ list ]", NULL },
	{ "record take now gw", 2, NULL, "unexpected \"gw\": now or reason is wanted" },
	{ "record take gw reason", 2, NULL, "\"reason\" needs a value" },
	{ "record delete", 2, NULL, "which bundle? `invspi record list' shows" },
	{ "record delete 0", 2, NULL, "number of a bundle \"0\" is out of range" },
	{ "record show seven", 2, NULL, "bad number of a bundle \"seven\"" },
	{ "record show 7 8", 2, NULL, "unexpected \"8\"" },
	{ "record live a b", 2, NULL, "unexpected \"b\"" },
	{ "--state /nonexistent record", 1, NULL, "/nonexistent/record: No such file" },
	{ "--state /nonexistent record show 7", 1, NULL,
	  "bundle 7: /nonexistent/record/000007/timeline.txt: No such file" },
	{ "--state /nonexistent record export 7 /dev/null", 1, NULL, "tar could not make" },
	{ "--state /dev record", 0, "no bundles", NULL },

	/* selectors */
	{ "flow show src 192.0.2.0/24 dst 198.51.100.1 spi 0xb761863e proto esp state desync"
	  " encap espinudp sport 4500",
	  ANY, "", "" },
	{ "flow show src 2001:db8::/32 dst 2001:db8::1 pro a st n en none", ANY, "", "" },
	{ "flow show spi 0xB761863E(3076621886)", ANY, "", "" },
	{ "flow show src", 2, NULL, "\"src\" needs a value" },
	{ "flow show src 192.0.2.1/24", 2, NULL, "\"192.0.2.1/24\"" },
	{ "flow show src 192.0.2.0/33", 2, NULL, "0 to 32" },
	{ "flow show src gateway.example", 2, NULL, "\"gateway.example\"" },
	{ "flow show src 192.0.2.1 src 192.0.2.2", 2, NULL, "\"src\" is given twice" },
	{ "flow show src 192.0.2.1 dst 2001:db8::1", 2, NULL, "another address family" },
	{ "flow show spi b761863e", 2, NULL, "bad SPI \"b761863e\"" },
	{ "flow show spi 0x100000000", 2, NULL, "bad SPI \"0x100000000\"" },
	{ "flow show proto tcp", 2, NULL, "unknown protocol \"tcp\": want one of esp, ah" },
	{ "flow show proto 50", 2, NULL, "unknown protocol \"50\"" },
	{ "flow show state ceased", 2, NULL, "unknown state \"ceased\"" },
	{ "flow show encap gre", 2, NULL, "unknown encapsulation \"gre\"" },
	{ "flow show sport 65536", 2, NULL, "port \"65536\" is out of range" },
	{ "flow show sport 4500 encap none", 2, NULL, "\"encap espinudp\" only" },
	{ "flow show sp 1", 2, NULL, "ambiguous selector \"sp\"" },
	{ "flow show colour red", 2, NULL, "unknown selector \"colour\"" },
	{ "flow show spi \x1b[31m", 2, NULL, "\\x1b[31m" },
	{ "flow delete", 2, NULL, "\"flow delete\" needs a selector" },
	{ "flow delete spi", 2, NULL, "\"spi\" needs a value" },
	{ "flow delete spi 1", ANY, "", "" },
	{ "flow flush nonsense", 2, NULL, "unknown selector \"nonsense\"" },

	/* settings */
	{ "config set", 2, NULL, "needs a key and a value" },
	{ "config set flows-max", 2, NULL, "key \"flows-max\" needs a value" },
	{ "config set flows-max many", 2, NULL, "bad flows-max \"many\"" },
	{ "config set flows-max -1", 2, NULL, "bad flows-max \"-1\"" },
	{ "config set flows-max 4294967296", 2, NULL, "\"4294967296\" is out of range" },
	{ "config set flows_max 64 flows-max 64", 2, NULL, "\"flows-max\" is given twice" },
	{ "config set idle-ms 1parsec", 2, NULL, "bad idle-ms \"1parsec\"" },
	{ "config set idle-ms 100d", 2, NULL, "idle-ms \"100d\" is out of range" },
	{ "config set log-rate 5s", 2, NULL, "bad log-rate \"5s\"" },
	{ "config set lo 5", 2, NULL, "ambiguous key \"lo\"" },
	{ "config set colour 5", 2, NULL, "unknown key \"colour\"" },

	/* the daemon */
	{ "--control /nonexistent/sock status", 1, NULL,
	  "cannot reach invspid at /nonexistent/sock" },
	{ "--control /dev/null status", 1, NULL, "is invspid running" },
	{ "hold add", 2, NULL, "needs the name of a connection, or all" },
	{ "hold del", 2, NULL, "needs the name of a connection, or all" },
	{ "hold add a for", 2, NULL, "\"for\" needs a value" },
	{ "hold add a for ever", 2, NULL, "bad duration \"ever\"" },
	{ "hold add a for 10", 2, NULL, "bad duration \"10\"" },
	{ "hold add a for 0s", 2, NULL, "out of range" },
	{ "hold add a for 1h for 2h", 2, NULL, "\"for\" is given twice" },
	{ "hold add a because tired", 2, NULL, "unknown word \"because\"" },
	{ "hold add a reason \xff", 2, NULL, "not valid UTF-8" },
	{ "hold add \xff", 2, NULL, "not valid UTF-8" },
	{ "hold del a b", 2, NULL, "unexpected \"b\"" },
	{ "hold show a b", 2, NULL, "unexpected \"b\"" },
	{ "explain src", 2, NULL, "\"src\" needs a value" },
	{ "explain src 192.0.2.0/24", 2, NULL, "bad address \"192.0.2.0/24\"" },
	{ "explain spi zero", 2, NULL, "bad SPI \"zero\"" },
	{ "explain spi 1 spi 2", 2, NULL, "\"spi\" is given twice" },
	{ "explain nonsense", 2, NULL, "unknown selector \"nonsense\"" },
};

static void run_row(const struct row *row)
{
	char *argv[ARGS_MAX + 2], copy[512], name[600];
	struct result r;
	int argc = 1;
	char *p, *word;

	snprintf(copy, sizeof(copy), "%s", row->args);
	argv[0] = (char *)"invspi";
	for (p = copy; (word = strsep(&p, " ")) && argc < ARGS_MAX;)
		if (*word)
			argv[argc++] = word;
	argv[argc] = NULL;
	run_invspi(argv, &r);

	fmt_escape(name, sizeof(name), row->args, strlen(row->args));
	if (row->status == ANY) {
		ktap_ok(r.status == 0 || r.status == 1, "invspi %s # status %d", name, r.status);
		/* Either an answer or a reason, never silence about a failure. */
		ktap_ok(r.status == 0 || (*r.err && !*r.out), "invspi %s: a failure says why",
			name);
		return;
	}
	if (!ktap_int(name, row->status, r.status))
		fprintf(ktap_out, "# stderr: %s\n", r.err);
	if (row->out)
		ktap_has("its stdout", row->out, r.out);
	else
		ktap_str("stdout is empty", "", r.out);
	if (row->err)
		ktap_has("its stderr", row->err, r.err);
	else
		ktap_str("stderr is empty", "", r.err);
	if (row->status == 2 && *row->args)
		ktap_has("it says where help is", "help'", r.err);
}

int main(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
	return ktap_done();
}
