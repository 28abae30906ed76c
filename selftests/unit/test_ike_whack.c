// SPDX-License-Identifier: GPL-2.0-only
/*
 * The libreswan backend against scripted answers: finding pluto and losing it,
 * listings, and what happens between them. recovery/matrix_pairs.sh does it with the
 * real one.
 */
#include "fake_pluto.h"
#include "ike_whack_build.h"
#include "listing.h"

/* ---- finding it ---- */

static void test_finding(void)
{
	uint64_t start;
	pid_t pid;

	begin_as(IKE_LIBRESWAN, NULL);
	run_for(100);
	ktap_int("at first there is none", DAEMON_ABSENT, ike_state(told.ike));
	ktap_has("what is missing", "pluto.pid: No such file or directory; is libreswan running?",
		 told.why);
	process_named("other");
	mkdir(rundir, 0700);
	put_file("pluto.ctl", "%s", "");
	put_file("pluto.pid", "%d\n", (int)pluto);
	run_for(300);
	ktap_has("another process has the number in the file", "is no pluto, or has ended",
		 told.why);
	pluto_end();
	run_for(300);
	ktap_has("none has", "is no pluto, or has ended", told.why);
	put_file("pluto.pid", "x\n");
	run_for(300);
	ktap_has("it is no number", "Invalid argument", told.why);
	put_file("status", "%s", STATUS("5.2", ""));
	pluto_begin();
	ktap_ok(wait_state(DAEMON_SETTLING), "a pluto: %s", told.why);
	run_for(700);
	ktap_int("without connections it stays so", DAEMON_SETTLING, told.state);
	put_file("status", "%s", TWO_CONNS);
	ktap_ok(wait_state(DAEMON_READY), "with two it gets ready");
	ktap_has("and says whom it has", "libreswan 5.2, pid ", told.why);
	ike_instance(told.ike, &pid, &start);
	ktap_int("its process", pluto, pid);
	ktap_ok(start > 0, "its start time");
	ktap_str("its name", "libreswan", ike_name(told.ike));
	end();
}

static void test_losing(void)
{
	begin(TWO_CONNS);
	pluto_end();
	ktap_ok(wait_state(DAEMON_ABSENT), "it ends: %s", told.why);
	list();
	ktap_int("nothing can be asked then", -ENOTCONN, told.list_err);
	pluto_begin();
	ktap_ok(wait_state(DAEMON_READY), "there is another: %s", told.why);
	put_file("hang-states", "%s", "");
	ike_list(told.ike, NULL, false, on_list, NULL);
	run_for(300);
	pluto_end();
	run_until(&told.lists, 2, PATIENCE_MS);
	ktap_int("it ends while it is asked", -ENOTCONN, told.list_err);
	drop_file("hang-states");
	pluto_begin();
	put_file("states", "%s", TWO_CHILDREN);
	ktap_ok(wait_state(DAEMON_READY), "and another: %s", told.why);
	ktap_ok(list(), "which answers");
	end();
}

static void test_changes(void)
{
	begin(TWO_CONNS);
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done(1);
	ktap_int("the same connections again", DAEMON_READY, told.state);
	put_file("status", "%s", STATUS("5.2", CONN("net", "1", "192.0.2.3")));
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done(2);
	ktap_int("others: settling", DAEMON_SETTLING, told.state);
	ktap_ok(wait_state(DAEMON_READY), "and ready again");
	ktap_int("one less", 1, ike_conns(told.ike)->nconn);
	put_file("status", "%s", "nonsense\n");
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done(3);
	ktap_int("nonsense is an error", -EBADMSG, told.done_err);
	ktap_int("and no change", 1, ike_conns(told.ike)->nconn);
	end();
}

static void test_conns(void)
{
	const struct ike_conns *c;
	const struct ike_conn *net;

	begin(STATUS(
		"5.2",
		CONN("net", "1", "192.0.2.2") CONN(
			"road", "3",
			"%%any") "\"road\"[1] 192.0.2.9: 10.3.0.0/16===192.0.2.1...192.0.2.9; x\n"
				 "\"oe\": 192.0.2.1...%%opportunistic; x\n"
				 "\"oe\":   policy: OPPORTUNISTIC;\n"));
	c = ike_conns(told.ike);
	ktap_int("connections, without instances and what is not for us", 2, c->nconn);
	net = conns_name(c, "net");
	ktap_ok(net && net->nremote == 1 && !net->dynamic, "one with an address");
	ktap_ok(net && net->nchild == 1 && !strcmp(net->child[0], "net"), "its child has its name");
	ktap_str("how it authenticates", "psk", net ? net->auth_local : "");
	net = conns_name(c, "road");
	ktap_ok(net && !net->nremote && net->dynamic, "one without");
	end();
}

/* ---- listings ---- */

static void test_listing(void)
{
	const struct invspi_flow flow = { .family = AF_INET, .src.b = { 192, 0, 2, 2 } };
	const struct ike_listing *l;
	const struct ike_sa *sa = NULL;
	const struct ike_child *c;

	begin(TWO_CONNS);
	put_file("states", "%s",
		 "#2: \"net\", type=ESP, add_time=0, id='@b.example'\n" TWO_CHILDREN);
	told.kernel = (struct ike_kernel){ .there = true,
					   .encap = true,
					   .sport = 4500,
					   .dport = 4500,
					   .reqid = 16389,
					   .if_id = 7 };
	l = list();
	ktap_int("an IKE_SA for each connection", 2, l ? (int)l->nsa : -1);
	c = listing_spi(l, 0xb1, 50, &sa);
	ktap_ok(c && c->uniqueid == 2 && !strcmp(c->name, "net") && c->spi_out == 0xcb1,
		"a child by its SPI");
	ktap_ok(sa && sa->uniqueid == 1 && !strcmp(sa->conn, "net"), "on its own IKE_SA");
	ktap_str("identities: the peer's, as its SA has it", "@b.example", sa->remote_id);
	ktap_str("ours, as the connection has it", "@a", sa->local_id);
	ktap_str("selectors", "10.1.0.0/16", c->local_ts);
	ktap_str("mode", "TUNNEL", c->mode);
	ktap_ok(c->encap && c->reqid == 16389 && c->if_id_in == 7, "what the kernel's SA has");
	ktap_ok(listing_source(l, &flow), "found by its peer's address");
	c = listing_spi(l, 0xb2, 50, &sa);
	ktap_ok(c && (sa->uniqueid & WHACK_ALIAS) && !strcmp(sa->conn, "net2"),
		"another connection's child has an IKE_SA of its connection");
	ktap_ok(c && sa->again, "of which it is said that it is not the first");
	ktap_ok(sa->state == IKE_ESTABLISHED && sa->version == 2, "which is as the real one");
	told.kernel.there = false;
	l = list();
	c = listing_spi(l, 0xb1, 50, &sa);
	ktap_ok(c && c->encap && c->reqid == 16389, "the kernel has lost it: still known");
	ktap_ok(l && l->blocking && !l->filtered, "complete");
	ktap_ok(l && l->started <= l->ended, "times");
	end();
}

static void test_several(void)
{
	const struct ike_listing *l;
	const struct ike_sa *sa;

	begin(TWO_CONNS);
	put_file("states", "%s",
		 STATES_BEGIN(2) IKE(1, "net") OLD(2, "net", 1, b1) CHILD(4, "net", 1, b4));
	l = list();
	ktap_ok(!listing_spi(l, 0xb1, 50, &sa), "what a newer one has replaced does not count");
	ktap_ok(listing_spi(l, 0xb4, 50, &sa), "the newer one does");
	put_file("states", "%s",
		 STATES_BEGIN(2) IKE(1, "net") OLD(2, "net", 1, b1) OLD(4, "net", 1, b4));
	l = list();
	ktap_ok(!listing_spi(l, 0xb1, 50, &sa) && listing_spi(l, 0xb4, 50, &sa),
		"if neither is called newest, the later one is");
	end();
}

static void test_instances(void)
{
	const struct ike_listing *l;
	const struct ike_sa *sa = NULL;

	begin(STATUS("5.2", CONN("road", "3", "%%any")));
	put_file(
		"status", "%s",
		STATUS("5.2",
		       CONN("road", "3",
			    "%any") "\"road\"[2] 192.0.2.2: 10.3.0.0/16===192.0.2.1...192.0.2.2===10.9.0.0/16; x\n"
				    "\"road\"[2] 192.0.2.2:   our idtype: x; our id=@a; "
				    "their idtype: y; their id=@c\n"));
	put_file(
		"states", "%s",
		STATES_BEGIN(
			1) "#1: \"road\"[2] 192.0.2.2:500 ESTABLISHED_IKE_SA (x); newest;\n"
			   "#2: \"road\"[2] 192.0.2.2:500 ESTABLISHED_CHILD_SA (x); newest; IKE SA #1;\n"
			   "#2: \"road\"[2] 192.0.2.2 esp.c1@192.0.2.2 esp.b1@192.0.2.1 Traffic: x\n");
	list();
	run_until(&told.states, told.states + 1, 8000);
	l = list();
	listing_spi(l, 0xb1, 50, &sa);
	ktap_ok(sa && !strcmp(sa->conn, "road"), "an instance has the name of its connection");
	ktap_str("and the identity of its peer", "@c", sa ? sa->remote_id : "");
	ktap_ok(sa && sa->nchild && !strcmp(sa->child[0].remote_ts, "10.9.0.0/16"),
		"and its selectors");
	end();
}

static void test_tasks(void)
{
	const struct ike_listing *l;
	size_t i, n = 0;

	begin(TWO_CONNS);
	put_file("states", "%s", TWO_CHILDREN "#5: \"net2\":500 REKEY_CHILD_I1 (x); idle;\n");
	l = list();
	for (i = 0; l && i < l->nsa; i++)
		n += l->sa[i].task_child;
	ktap_int("a rekey holds up all that are on the same IKE_SA", 2, n);
	put_file("states", "%s",
		 STATES_BEGIN(1) IKE(1, "net")
			 CHILD(2, "net", 1, b1) "#5: \"net2\":500 NEW_CHILD_I1 (x); idle;\n");
	l = list();
	ktap_ok(l && l->nsa == 1 && l->sa[0].task_child,
		"a new child holds up those with the same peer");
	put_file("states", "%s",
		 STATES_BEGIN(1) IKE(1, "net")
			 CHILD(2, "net", 1, b1) "#5: \"net\":500 REKEY_IKE_I1 (x); idle;\n");
	l = list();
	ktap_ok(l && l->nsa == 2 && l->sa[0].task_any && !l->sa[0].task_child,
		"a rekey of the IKE_SA is another thing");
	put_file("states", "%s", STATES_BEGIN(0) "#5: \"net\":500 IKE_SA_INIT_I (x); idle;\n");
	l = list();
	ktap_ok(l && l->nsa == 1 && l->sa[0].state == IKE_CONNECTING && l->sa[0].initiator,
		"half-open, ours");
	put_file("states", "%s", STATES_BEGIN(0) "#5: \"net\":500 IKE_SA_INIT_R (x); idle;\n");
	l = list();
	ktap_ok(l && l->nsa == 1 && l->sa[0].state == IKE_CONNECTING && !l->sa[0].initiator,
		"half-open, the other side's");
	end();
}

static void test_strange(void)
{
	int i;

	begin(TWO_CONNS);
	put_file("states", "%s", STATES_BEGIN(0) "#5 nonsense\n");
	list();
	ktap_int("a line that makes no sense: an error", -EBADMSG, told.list_err);
	put_file("states", "%s", "");
	list();
	ktap_int("no answer at all", -EBADMSG, told.list_err);
	put_file("exit-states", "33\n");
	list();
	ktap_int("whack has trouble with the socket", -EIO, told.list_err);
	drop_file("exit-states");
	put_file("states", "%s", STATES_BEGIN(2) IKE(1, "net") CHILD(2, "net", 1, b1));
	list();
	ktap_int("one is missing that was announced: an error", -EIO, told.list_err);
	for (i = 0; i < 6 && told.list_err; i++)
		list();
	ktap_int("always the same one: pluto has counted wrongly", 0, told.list_err);
	put_file("states", "%s", TWO_CHILDREN);
	list();
	ktap_int("all is well", 0, told.list_err);
	end();
}

/* ---- what happens between two listings ---- */

static void test_events(void)
{
	begin(TWO_CONNS);
	look(TWO_CHILDREN);
	ktap_int("what was there at first has not come up", 0, told.ups + told.ike_ups);
	look(STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	ktap_int("one has gone", 1, told.downs);
	ktap_str("which, and that it is not known why", "net2/net2 b2 50 unseen", told.down);
	ktap_int("its IKE_SA has not", 0, told.ike_downs);
	look(TWO_CHILDREN);
	ktap_int("one has come", 1, told.ups);
	ktap_str("which", "net2/net2", told.up);
	look(STATES_BEGIN(3) IKE(1, "net") OLD(2, "net", 1, b1) CHILD(3, "net2", 1, b2)
		     CHILD(4, "net", 1, b4));
	ktap_int("rekeyed, the old one is still there", 1, told.rekeys);
	ktap_str("which", "net/net b1 b4 50", told.rekey);
	look(STATES_BEGIN(2) IKE(1, "net") CHILD(3, "net2", 1, b2) CHILD(4, "net", 1, b4));
	ktap_int("and now it has gone: that was told", 0, told.downs + told.rekeys);
	look(STATES_BEGIN(2) IKE(1, "net") CHILD(4, "net", 1, b4) CHILD(6, "net2", 1, b6));
	ktap_str("rekeyed between two looks", "net2/net2 b2 b6 50", told.rekey);
	ktap_int("and nothing else", 1, told.rekeys + told.downs + told.ups);
	look(STATES_BEGIN(2) IKE(9, "net") CHILD(4, "net", 9, b4) CHILD(6, "net2", 9, b6));
	ktap_int("the IKE_SA was rekeyed: nothing", 0, told.downs + told.ups + told.ike_downs);
	look(STATES_BEGIN(0));
	ktap_int("all is gone: the IKE_SA", 1, told.ike_downs);
	ktap_int("and both children", 2, told.downs);
	look(TWO_CHILDREN);
	ktap_int("all is back: the IKE_SA", 1, told.ike_ups);
	ktap_int("and both children", 2, told.ups);
	end();
}

static void test_hint(void)
{
	begin(TWO_CONNS);
	look(STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	put_file("states", "%s", TWO_CHILDREN);
	told.ups = 0;
	ike_hint(told.ike);
	ike_hint(told.ike);
	drop_file("calls");
	ktap_ok(run_until(&told.ups, 1, PATIENCE_MS), "a hint from the kernel: it is looked");
	drop_file("calls");
	run_for(500);
	ktap_ok(!was_called("--trafficstatus --briefstatus --showstates"), "once");
	end();
}

/* ---- the log ---- */

static void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void log_line(const char *format, ...)
{
	char path[128];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", rundir);
	f = fopen(path, "a");
	if (!f)
		abort();
	fputs("Nov 28 17:25:28.118904: ", f);
	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
	fputc('\n', f);
	fclose(f);
}

#define GAVE_UP "\"net\" #1: ESTABLISHED_IKE_SA: 5 second timeout exceeded after 3 retransmits."

static void begin_logged(void)
{
	char status[2048];

	begin(TWO_CONNS);
	snprintf(status, sizeof(status), "logfile='%s/log', logappend=yes\n%s", rundir, TWO_CONNS);
	log_line("%s", "an old line");
	put_file("status", "%s", status);
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done(1);
	look(TWO_CHILDREN);
}

static void test_log(void)
{
	char path[128], other[140];
	unsigned int i;

	begin_logged();
	ktap_int("old lines are no news", 0, told.logs);
	log_line("%s", GAVE_UP);
	ktap_ok(run_until(&told.logs, 1, PATIENCE_MS), "a line is an event");
	ktap_str("whose",
		 "pluto net 1 ESTABLISHED_IKE_SA: 5 second timeout exceeded after 3 retransmits.",
		 told.log);
	log_line("\"net2\" #3: of a CHILD_SA");
	run_until(&told.logs, 2, PATIENCE_MS);
	ktap_str("of a child: by the number of its IKE_SA", "pluto net2 1 of a CHILD_SA", told.log);
	log_line("| Skeyseed: 9f 1c 5e 07");
	log_line("in clear");
	run_until(&told.logs, 3, PATIENCE_MS);
	ktap_str("what is for debugging is nobody's business", "pluto - 0 in clear", told.log);
	look(STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	ktap_str("a child goes after its IKE_SA was given up", "net2/net2 b2 50 gave up",
		 told.down);
	look(STATES_BEGIN(0));
	end();

	begin_logged();
	look(STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	ktap_str("one goes, and nobody says why", "net2/net2 b2 50 unseen", told.down);
	told.downs = 0;
	log_line("\"net2\": terminating SAs using this connection");
	ktap_ok(run_until(&told.downs, 1, PATIENCE_MS), "the log says it afterwards");
	ktap_str("by hand", "net2/net2 b2 50 operator", told.down);
	told.downs = 0;
	log_line("\"net2\": terminating SAs using this connection");
	run_until(&told.logs, told.logs + 1, PATIENCE_MS);
	ktap_int("once is enough", 0, told.downs);
	end();

	begin_logged();
	put_file("status", "logfile='%s/log', logappend=yes\n%s", rundir,
		 STATUS("5.2", CONN("net3", "3", "192.0.2.3")));
	log_line("\"net3\": added IKEv2 connection");
	ktap_ok(wait_state(DAEMON_SETTLING), "the log tells of a connection: they are asked for");
	ktap_ok(wait_state(DAEMON_READY), "and they settle");
	ktap_ok(conns_name(ike_conns(told.ike), "net3"), "with it among them");
	end();

	begin_logged();
	snprintf(path, sizeof(path), "%s/log", rundir);
	snprintf(other, sizeof(other), "%s.1", path);
	rename(path, other);
	log_line("%s", "in a new file");
	ktap_ok(run_until(&told.logs, 1, PATIENCE_MS), "the file was replaced");
	for (i = 0; i < 300; i++)
		log_line("%0*u", 3000, i);
	run_until(&told.logs, 301, 3000);
	ktap_ok(strlen(told.log) < 2100, "lines that are too long are cut");
	unlink(path);
	run_for(1500);
	log_line("%s", "and another");
	i = told.logs;
	ktap_ok(run_until(&told.logs, i + 1, PATIENCE_MS), "it was gone for a while");
	ktap_str("read from its beginning", "pluto - 0 and another", told.log);
	log_line("Pluto is shutting down");
	ktap_ok(wait_state(DAEMON_STOPPING), "it stops: %s", told.why);
	pluto_end();
	ktap_ok(wait_state(DAEMON_ABSENT), "and is gone");
	pluto_begin();
	end();
}

/* ---- freed while it calls ---- */

static void test_free(void)
{
	begin(TWO_CONNS);
	put_file("hang-states", "%s", "");
	ike_list(told.ike, NULL, false, on_list, NULL);
	ike_initiate(told.ike, "net", "net", 1000, false, on_done, NULL);
	run_for(200);
	free_ike();
	ktap_int("what is asked ends with it", -ECANCELED, told.list_err);
	ktap_int("all of it", -ECANCELED, told.done_err);
	end();

	begin(TWO_CONNS);
	told.free_at_list = true;
	list();
	ktap_int("by the callback of a listing", 1, told.lists);
	end();

	begin(TWO_CONNS);
	look(TWO_CHILDREN);
	put_file("states", "%s", STATES_BEGIN(0));
	told.free_at_down = true;
	ike_list(told.ike, NULL, false, on_list, NULL);
	run_until(&told.downs, 1, PATIENCE_MS);
	ktap_ok(!told.ike, "by the callback of an event");
	end();

	begin(TWO_CONNS);
	told.free_at_state = true;
	pluto_end();
	wait_state(DAEMON_ABSENT);
	ktap_ok(!told.ike, "by the callback of a state");
	end();

	begin(TWO_CONNS);
	told.free_at_done = true;
	ike_rekey_child(told.ike, 77, on_done, NULL);
	wait_done(1);
	ktap_ok(!told.ike, "by the callback of a command");
	end();
}

/* ---- which daemon ---- */

static void test_auto(void)
{
	begin_as(IKE_AUTO, "/nowhere/charon.vici");
	run_for(200);
	ktap_has("none is there: what keeps strongSwan", "strongSwan: /nowhere/charon.vici",
		 told.why);
	ktap_has("and libreswan", "libreswan: ", told.why);
	ktap_str("no name", "none", ike_name(told.ike));
	mkdir(rundir, 0700);
	put_file("status", "%s", TWO_CONNS);
	put_file("states", "%s", TWO_CHILDREN);
	pluto_begin();
	ktap_ok(wait_state(DAEMON_READY), "pluto comes: %s", told.why);
	ktap_str("it serves", "libreswan", ike_word(told.ike));
	ktap_ok(list(), "and lists");
	pluto_end();
	ktap_ok(wait_state(DAEMON_ABSENT), "it goes: %s", told.why);
	pluto_begin();
	ktap_ok(wait_state(DAEMON_READY), "and comes again");
	end();
}

int main(void)
{
	fake_pluto_init();
	test_finding();
	test_losing();
	test_changes();
	test_conns();
	test_listing();
	test_several();
	test_instances();
	test_tasks();
	test_strange();
	test_events();
	test_hint();
	test_log();
	test_free();
	test_auto();
	uv_loop_close(&loop);
	remove_all(base);
	return ktap_done();
}
