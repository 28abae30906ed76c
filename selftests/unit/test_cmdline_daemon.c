// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi against a control socket that says what the test wants: what is asked,
 * and what becomes of good, bad and broken answers.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cmdline.h"

#define STATUS_ANSWER                                                                            \
	"{\"ok\":true,\"status\":{\"mode\":\"recover\",\"ike\":{\"state\":\"ready\",\"sas\":2}," \
	"\"dry_run\":false,\"error\":null}}\n"
#define EXPLAIN_ANSWER                                                              \
	"{\"ok\":true,\"flows\":[{\"src\":\"192.0.2.1\",\"dst\":\"198.51.100.2\","  \
	"\"spi\":\"0xb761863e\",\"grade\":\"lost in kernel\",\"action\":\"rekey\"," \
	"\"why\":\"the daemon lists it\",\"blocked\":null,"                         \
	"\"evidence\":{\"inbound\":\"there\",\"desync\":true,"                      \
	"\"sa_seen_leaving\":false,\"connection\":\"a name\",\"children_down\":12}}]}\n"
#define HOLDS_ANSWER                                                                          \
	"{\"ok\":true,\"holds\":[{\"conn\":\"net-a\",\"since\":\"2026-01-02T03:04:05.000Z\"," \
	"\"until\":null,\"reason\":\"works\\u001b[2J\"},{\"conn\":\"net-b\",\"since\":\"x\"," \
	"\"until\":null,\"reason\":\"\"}]}\n"

#define CONN_ANSWER(failed)                                                                 \
	"{\"ok\":true,\"conn\":\"gw\",\"connection\":{\"mode\":\"advise\",\"hold\":false}," \
	"\"children\":[{\"child\":\"net\",\"up\":true}],\"sas\":[],\"failed\":" failed "}\n"
#define CONN_TEXT \
	"connection:\n    mode advise\n    hold no\nchildren:\n    child net up yes\nsas -\n"

/* As invspid tells it; the last member is one that this program does not know. */
#define STATUS(state, why, mode, attention)                                                       \
	"{\"ok\":true,\"status\":{\"mode\":\"" mode "\",\"version\":\"1.0\",\"pid\":7,"           \
	"\"uptime_ms\":187000,\"dry_run\":false,\"module\":{\"state\":\"loaded\",\"packets\":12," \
	"\"no_state\":11,\"flows\":2,\"overruns\":0},\"daemon\":{\"backend\":\"strongswan\","     \
	"\"state\":\"" state "\",\"why\":\"" why "\",\"pid\":9,\"connections\":3,\"vici\":null}," \
	"\"kernel\":{\"sas\":4},\"history\":{\"file\":\"/var/history.db\",\"error\":null},"       \
	"\"settings\":{\"holds\":1,\"modes\":0,\"error\":null},\"metrics\":{\"listen\":null,"     \
	"\"error\":null},\"record\":{\"state\":\"idle\",\"folder\":\"/var/record\","              \
	"\"bundles\":3,\"bytes\":4097,\"refused\":0,\"error\":null},"                             \
	"\"hooks\":{\"run\":4,\"failed\":1,\"dropped\":0},"                                       \
	"\"outcomes\":{\"healed\":5,\"quiet\":1,\"stale\":0,\"failed\":2},"                       \
	"\"in_flight\":1,\"looks\":9,\"decided\":9,\"decide_us\":1.5,"                            \
	"\"attention\":[" attention "],"                                                          \
	"\"news\":{\"a\":1}}}\n"
#define STATUS_PARTS(daemon, mode)                                          \
	"  invspid     1.0, pid 7, up 3m07s, mode " mode "\n"               \
	"  module      loaded, 12 packets dropped (no_state 11), 2 flows\n" \
	"  IKE daemon  strongswan " daemon "\n"                             \
	"  history     /var/history.db\n"                                   \
	"  settings    1 holds, 0 modes\n"                                  \
	"  metrics     off\n"                                               \
	"  recorder    idle, 3 bundles (5 KiB) in /var/record\n"            \
	"  hooks       4 run, 1 failed, 0 dropped\n"                        \
	"  actions     5 healed, 1 quiet, 0 stale, 2 failed, 1 under way\n" \
	"news:\n    a 1\n"
#define TROUBLED                                                                               \
	"{\"conn\":\"gw\\u001b[2J\",\"peer\":\"192.0.2.2\",\"held\":false,\"desync\":1,"       \
	"\"packets\":412,\"gave_up\":1,\"last\":{\"action\":\"rekey\",\"outcome\":\"failed\"," \
	"\"ago_ms\":63000}}"

#define EXPLAINED                                                                                 \
	"{\"ok\":true,\"flows\":[{\"src\":\"192.0.2.1\",\"dst\":\"192.0.2.9\",\"proto\":\"esp\"," \
	"\"spi\":\"0xb761863e\",\"packets\":412,\"conn\":\"gw\",\"child\":\"n\\u001b\","          \
	"\"grade\":\"lost_in_kernel\",\"action\":\"wait\",\"wanted\":\"rekey\","                  \
	"\"why\":\"it is gone\","                                                                 \
	"\"blocked\":\"backoff\",\"evidence\":{\"inbound\":\"there\",\"ike_sa\":\"unknown\","     \
	"\"desync\":true,\"spoofed\":false,\"silent\":3,\"hist_end\":null}}],\"left_out\":2}\n"

struct row {
	const char *args[10];
	const char *request; /* NULL: none arrives */
	const char *answer;
	int status;
	const char *out;
	const char *err;
};

#define TAKEN \
	"{\"ok\":true,\"record\":{\"bundle\":7,\"path\":\"/x/000007\",\"ready_in_ms\":18000}}\n"
#define EVENTS                                                                                   \
	"{\"ok\":true,\"events\":[{\"time\":\"2026-01-02T03:04:05.000Z\",\"offset_ms\":-1500,"   \
	"\"kind\":\"ike\",\"peer\":\"192.0.2.2\",\"conn\":\"a\\\\b\",\"ike_id\":3,\"spi\":null," \
	"\"text\":\"[IKE] odd\\u001b[31m\"},{\"time\":\"x\",\"kind\":7,\"peer\":null}]}\n"

static const struct row rows[] = {
	{ { "record", "take", "gw", "reason", "a b", "now" },
	  "{\"command\":\"record-take\",\"peer\":\"gw\",\"reason\":\"a b\",\"now\":true}\n",
	  TAKEN,
	  0,
	  "bundle 7\npath /x/000007\nready_in_ms 18000\n",
	  "" },
	{ { "-j", "record", "take" }, "{\"command\":\"record-take\"}\n", TAKEN, 0, TAKEN, "" },
	{ { "record", "live", "192.0.2.2" },
	  "{\"command\":\"record-live\",\"peer\":\"192.0.2.2\"}\n",
	  EVENTS,
	  0,
	  "2026-01-02T03:04:05.000Z  192.0.2.2       ike     a\\\\b[3]: [IKE] odd\\x1b[31m\n"
	  "x  -               ?       ?\n",
	  "" },
	{ { "record", "live" },
	  "{\"command\":\"record-live\"}\n",
	  "{\"ok\":true,\"events\":[]}\n",
	  0,
	  "nothing is noted\n",
	  "" },
	{ { "record", "delete", "7" },
	  "{\"command\":\"record-delete\",\"bundle\":7}\n",
	  "{\"ok\":true}\n",
	  0,
	  "",
	  "" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  STATUS_ANSWER,
	  0,
	  "mode recover\nike:\n    state ready\n    sas 2\ndry_run no\nerror -\n",
	  "" },
	{ { "-j", "status" }, "{\"command\":\"status\"}\n", STATUS_ANSWER, 0, STATUS_ANSWER, "" },
	/* Control characters of Unicode, too, and those that turn the writing round. */
	{ { "-j", "hold" },
	  "{\"command\":\"hold-show\"}\n",
	  "{\"ok\":true,\"holds\":[{\"reason\":\"\xc2\x9b[2J\xe2\x80\xae\"}]}\n",
	  0,
	  "{\"ok\":true,\"holds\":[{\"reason\":\"\\u009B[2J\\u202E\"}]}\n",
	  "" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  STATUS("ready", "", "recover", ""),
	  0,
	  "OK: what falls out of step is healed\n" STATUS_PARTS(
		  "ready, 3 connections, 4 SAs in the kernel", "recover"),
	  "" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  STATUS("foreign", "another namespace", "recover", ""),
	  0,
	  "BROKEN: the IKE daemon cannot be asked: another namespace\n" STATUS_PARTS(
		  "foreign: another namespace", "recover"),
	  "" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  STATUS("ready", "", "observe", TROUBLED),
	  0,
	  "TROUBLE: given up after too many failures, see below\n" STATUS_PARTS(
		  "ready, 3 connections, 4 SAs in the kernel",
		  "observe") "gw\\x1b[2J: out of step, 412 packets lost, given up, peer 192.0.2.2; "
			     "last: rekey failed 1m03s ago\n"
			     "    -> invspi history conn gw\\x1b[2J; invspi peer retry gw\\x1b[2J\n",
	  "" },
	{ { "explain" },
	  "{\"command\":\"explain\"}\n",
	  EXPLAINED,
	  0,
	  "192.0.2.1 -> 192.0.2.9 esp spi 0xb761863e of gw/n\\x1b: 412 packets dropped\n"
	  "    found     lost_in_kernel: it is gone\n"
	  "    action    look again soon\n"
	  "    blocked   rekey: backoff\n"
	  "    evidence  inbound=there desync silent=3\n"
	  "and 2 more: name some with src, dst or spi\n",
	  "" },
	{ { "hold" },
	  "{\"command\":\"hold-show\"}\n",
	  HOLDS_ANSWER,
	  0,
	  "conn net-a since 2026-01-02T03:04:05.000Z until - reason works\\x1b[2J\n"
	  "conn net-b since x until - reason \"\"\n",
	  "" },
	{ { "hold", "show", "net-b" },
	  "{\"command\":\"hold-show\"}\n",
	  HOLDS_ANSWER,
	  0,
	  "conn net-b since x until - reason \"\"\n",
	  "" },
	{ { "hold", "show" },
	  "{\"command\":\"hold-show\"}\n",
	  "{\"ok\":true,\"holds\":[]}\n",
	  0,
	  "nothing is on hold\n",
	  "" },
	{ { "hold", "add", "net-a" },
	  "{\"command\":\"hold-add\",\"conn\":\"net-a\"}\n",
	  "{\"ok\":true}\n",
	  0,
	  "",
	  "" },
	{ { "hold", "a", "all", "reason", "new line\n", "for", "90m" },
	  "{\"command\":\"hold-add\",\"conn\":\"all\",\"reason\":\"new line\\n\",\"seconds\":5400}\n",
	  "{\"ok\":true}\n",
	  0,
	  "",
	  "" },
	{ { "-j", "hold", "add", "all" },
	  "{\"command\":\"hold-add\",\"conn\":\"all\"}\n",
	  "{\"ok\":true}\n",
	  0,
	  "{\"ok\":true}\n",
	  "" },
	{ { "hold", "del", "net-a" },
	  "{\"command\":\"hold-del\",\"conn\":\"net-a\"}\n",
	  "{\"ok\":false,\"error\":\"net-a is not on hold\"}\n",
	  1,
	  "",
	  "invspi: invspid: net-a is not on hold\n" },
	{ { "explain" },
	  "{\"command\":\"explain\"}\n",
	  EXPLAIN_ANSWER,
	  0,
	  "src 192.0.2.1 dst 198.51.100.2 spi 0xb761863e grade \"lost in kernel\" action rekey "
	  "why \"the daemon lists it\" blocked -\n    evidence: inbound there desync yes sa_seen_leaving no connection \"a name\"\n"
	  "         children_down 12\n",
	  "" },
	{ { "explain", "src", "2001:DB8::1", "spi", "3076621886", "pro", "esp", "dst",
	    "192.0.2.1" },
	  "{\"command\":\"explain\",\"src\":\"2001:db8::1\",\"spi\":\"0xb761863e\",\"proto\":\"esp\","
	  "\"dst\":\"192.0.2.1\"}\n",
	  "{\"ok\":true,\"flows\":[]}\n",
	  0,
	  "no flow to explain\n",
	  "" },

	{ { "hold", "add", "net-x" },
	  "{\"command\":\"hold-add\",\"conn\":\"net-x\"}\n",
	  "{\"ok\":true,\"warning\":\"no such connection\\u0007\"}\n",
	  0,
	  "",
	  "invspi: warning: no such connection\\x07\n" },

	{ { "mode" },
	  "{\"command\":\"mode-show\"}\n",
	  "{\"ok\":true,\"modes\":[{\"conn\":\"all\",\"mode\":\"recover\",\"from\":\"x y\"}]}\n",
	  0,
	  "conn all mode recover from \"x y\"\n",
	  "" },
	{ { "mode", "show", "gw" },
	  "{\"command\":\"mode-show\",\"conn\":\"gw\"}\n",
	  "{\"ok\":true,\"modes\":[]}\n",
	  0,
	  "\n",
	  "" },
	{ { "mode", "obs" },
	  "{\"command\":\"mode-set\",\"mode\":\"observe\"}\n",
	  "{\"ok\":true}\n",
	  0,
	  "",
	  "" },
	{ { "mode", "def", "gw" },
	  "{\"command\":\"mode-set\",\"mode\":\"default\",\"conn\":\"gw\"}\n",
	  "{\"ok\":true,\"warning\":\"not on disk\"}\n",
	  0,
	  "",
	  "invspi: warning: not on disk\n" },
	{ { "peer", "r", "all" },
	  "{\"command\":\"peer-retry\",\"conn\":\"all\"}\n",
	  "{\"ok\":true,\"forgotten\":3}\n",
	  0,
	  "",
	  "" },
	{ { "peer" },
	  "{\"command\":\"peer-show\"}\n",
	  "{\"ok\":true,\"peers\":[{\"conn\":\"gw\",\"mode\":\"advise\",\"hold\":true},"
	  "{\"conn\":\"a b\\n\",\"mode\":\"recover\",\"hold\":false}]}\n",
	  0,
	  "conn gw mode advise hold yes\nconn \"a b\\x0a\" mode recover hold no\n",
	  "" },
	{ { "peer", "show" },
	  "{\"command\":\"peer-show\"}\n",
	  "{\"ok\":true,\"peers\":[]}\n",
	  0,
	  "the IKE daemon has no connections, or is not there\n",
	  "" },
	{ { "recover", "gw", "dry" },
	  "{\"command\":\"recover\",\"conn\":\"gw\",\"dry_run\":true}\n",
	  CONN_ANSWER("null"),
	  0,
	  CONN_TEXT,
	  "" },
	{ { "recover", "gw" },
	  "{\"command\":\"recover\",\"conn\":\"gw\"}\n",
	  CONN_ANSWER("\"held \\u001b[2J\""),
	  1,
	  CONN_TEXT,
	  "invspi: invspid: held \\x1b[2J\n" },
	{ { "-j", "recover", "gw" },
	  "{\"command\":\"recover\",\"conn\":\"gw\"}\n",
	  CONN_ANSWER("\"blocked\""),
	  1,
	  CONN_ANSWER("\"blocked\""),
	  "invspi: invspid: blocked\n" },
	{ { "explain", "conn", "gw" },
	  "{\"command\":\"explain\",\"conn\":\"gw\"}\n",
	  CONN_ANSWER("null"),
	  0,
	  CONN_TEXT,
	  "" },

	/* answers that are none */
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  "",
	  1,
	  "",
	  "invspi: invspid closed the connection without an answer\n" },
	{ { "status" }, "{\"command\":\"status\"}\n", "{\"ok\":tr", 1, "", "not a JSON object" },
	{ { "status" }, "{\"command\":\"status\"}\n", "[1]\n", 1, "", "not a JSON object" },
	{ { "status" }, "{\"command\":\"status\"}\n", "{}\n", 1, "", "refused without a reason" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  "{\"ok\":1,\"status\":{}}\n",
	  1,
	  "",
	  "refused without a reason" },
	{ { "status" }, "{\"command\":\"status\"}\n", "{\"ok\":true}\n", 1, "", "no \"status\"" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  "{\"ok\":true,\"status\":\"\xff\"}\n",
	  1,
	  "",
	  "not a JSON object" },
	{ { "status" },
	  "{\"command\":\"status\"}\n",
	  "{\"ok\":false,\"error\":\"\\u001b[31mred\"}\n",
	  1,
	  "",
	  "\\x1b[31mred" },
	{ { "explain" }, "{\"command\":\"explain\"}\n", "{\"ok\":true,\"flows\":7}\n", 0, "", "" },
};

static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* Takes one request, answers, and writes the request to @copy. */
static void serve(int listener, const char *answer, int copy)
{
	int fd = accept(listener, NULL, NULL);
	char buf[1024];
	size_t used = 0;
	ssize_t n;

	while (fd >= 0 && used < sizeof(buf) && !memchr(buf, '\n', used)) {
		n = read(fd, buf + used, sizeof(buf) - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (write(copy, buf, used) != (ssize_t)used ||
	    write(fd, answer, strlen(answer)) != (ssize_t)strlen(answer))
		_exit(1);
	_exit(0);
}

static void run_row(size_t number, const struct row *row)
{
	char *argv[ARGS_MAX] = { (char *)"invspi", (char *)"--control", address.sun_path };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int copy = temp_file(), argc = 3, i;
	char request[1024], name[64];
	struct result r;
	pid_t pid;

	unlink(address.sun_path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1))
		abort();
	pid = fork();
	if (!pid) {
		alarm(RUN_LIMIT_S);
		serve(listener, row->answer, copy);
	}
	close(listener);
	for (i = 0; row->args[i]; i++)
		argv[argc++] = (char *)row->args[i];
	run_invspi(argv, &r);
	waitpid(pid, NULL, 0);
	read_file(copy, request, sizeof(request));

	snprintf(name, sizeof(name), "case %zu: exit status", number);
	ktap_int(name, row->status, r.status);
	ktap_str("what was asked", row->request, request);
	ktap_str("stdout", row->out, r.out);
	if (*row->err)
		ktap_has("stderr", row->err, r.err);
	else
		ktap_str("stderr", "", r.err);
}

/* A listener that never answers, and nobody behind a socket. */
static void test_dead(void)
{
	char *argv[5] = { (char *)"invspi", (char *)"--control", address.sun_path, (char *)"status",
			  NULL };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char longpath[300];
	struct result r;

	unlink(address.sun_path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)))
		abort();
	close(listener);
	run_invspi(argv, &r);
	ktap_int("nobody listens", 1, r.status);
	ktap_has("and invspi says so", "Connection refused; is invspid running", r.err);

	memset(longpath, 'x', sizeof(longpath) - 1);
	longpath[sizeof(longpath) - 1] = '\0';
	argv[2] = longpath;
	run_invspi(argv, &r);
	ktap_int("a path too long for a socket", 1, r.status);
	ktap_has("is refused", "longer than 107 bytes", r.err);
}

int main(void)
{
	char *dir;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	dir = strdup("/tmp/invspi-test-XXXXXX");
	if (!dir || !mkdtemp(dir))
		abort();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(i, &rows[i]);
	test_dead();
	unlink(address.sun_path);
	rmdir(dir);
	free(dir);
	return ktap_done();
}
