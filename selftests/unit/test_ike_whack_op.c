// SPDX-License-Identifier: GPL-2.0-only
/*
 * The libreswan backend against scripted answers: commands. See test_ike_whack.c for the
 * rest.
 */
#include "clock.h"
#include "fake_pluto.h"
#include "ike_whack_build.h"
#include "listing.h"

/* ---- commands ---- */

static void test_rekey(const char *version, const char *call)
{
	char status[2048];

	snprintf(status, sizeof(status), "%s",
		 version[0] == '4' ? STATUS("4.10", CONN("net", "1", "192.0.2.2"))
				   : STATUS("5.2", CONN("net", "1", "192.0.2.2")));
	begin(status);
	look(STATES_BEGIN(2) IKE(1, "net") OLD(2, "net", 1, b1) CHILD(4, "net", 1, b4));
	ike_rekey_child(told.ike, 4, on_done, NULL);
	ktap_int("not from inside the call", 0, told.dones);
	wait_done(1);
	ktap_int("queued", 0, told.done_err);
	ktap_ok(was_called(call), "%s: %s", version, call);
	drop_file("calls");
	ike_rekey_child(told.ike, 2, on_done, NULL);
	wait_done(2);
	ktap_int("one that was replaced is not rekeyed", -ENOENT, told.done_err);
	ike_rekey_child(told.ike, 77, on_done, NULL);
	wait_done(3);
	ktap_int("nor is one that nobody knows", -ENOENT, told.done_err);
	ktap_ok(!was_called(call), "pluto is not asked for that");
	put_file("hang-command", "%s", "");
	end();
}

#define V1_IKE "#1: \"net\":500 MAIN_I4 (x); newest;\n"
#define V1_CHILD(n, conn, in)                                             \
	"#" #n ": \"" conn "\":500 QUICK_I2 (x); newest; ISAKMP SA #1;\n" \
	"#" #n ": \"" conn "\" esp.c" #in "@192.0.2.2 esp." #in "@192.0.2.1 Traffic: x\n"

static void test_rekey_v1(void)
{
	begin(TWO_CONNS);
	look(STATES_BEGIN(1) V1_IKE V1_CHILD(2, "net", b1));
	ike_rekey_child(told.ike, 2, on_done, NULL);
	wait_done(1);
	ktap_ok(was_called("--initiate --asynchronous --name net"),
		"with IKEv1 a new one takes the place");
	look(STATES_BEGIN(2) V1_IKE V1_CHILD(
		2, "net",
		b1) "#3: \"net\"[2] 192.0.2.9:500 QUICK_I2 (x); newest; ISAKMP SA #1;\n"
		    "#3: \"net\"[2] 192.0.2.9 esp.c5@192.0.2.9 esp.b5@192.0.2.1 Traffic: x\n");
	drop_file("calls");
	ike_rekey_child(told.ike, 2, on_done, NULL);
	wait_done(2);
	ktap_int("not if the name has two peers", -EIO, told.done_err);
	ktap_ok(!was_called("--initiate --asynchronous --name net"), "pluto is not asked for that");
	end();
}

static void test_initiate(void)
{
	begin(TWO_CONNS);
	look(STATES_BEGIN(0));
	ike_initiate(told.ike, "net", "net", 20000, false, on_done, NULL);
	run_for(500);
	ktap_ok(was_called("--initiate --asynchronous --name net"), "it is asked for");
	put_file("states", "%s", STATES_BEGIN(0) "#1: \"net\":500 IKE_SA_INIT_I (x); idle;\n");
	run_for(1500);
	ktap_int("half-open: not done yet", 0, told.dones);
	put_file("states", "%s", STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	ktap_ok(wait_done(1), "done when the child is there");
	ktap_int("well", 0, told.done_err);
	ike_initiate(told.ike, "net", "net", 20000, false, on_done, NULL);
	wait_done(2);
	ktap_int("it is up already", -EIO, told.done_err);
	ike_initiate(told.ike, "nope", "nope", 20000, false, on_done, NULL);
	wait_done(3);
	ktap_int("not configured", -ENOENT, told.done_err);
	ike_initiate(told.ike, "net2", "net", 20000, false, on_done, NULL);
	wait_done(4);
	ktap_int("not a child of it", -ENOENT, told.done_err);
	ike_initiate(told.ike, "net2", "net2", 20000, false, on_done, NULL);
	wait_done(5);
	ktap_int("nothing of it is to be seen: refused", -EIO, told.done_err);
	put_file("states", "%s",
		 STATES_BEGIN(1) IKE(1, "net")
			 CHILD(2, "net", 1, b1) "#5: \"net2\":500 NEW_CHILD_I1 (x); idle;\n");
	ike_initiate(told.ike, "net2", "net2", 1000, false, on_done, NULL);
	wait_done(6);
	ktap_int("no answer of the peer", -ETIMEDOUT, told.done_err);
	put_file("exit-command", "21\n");
	ike_initiate(told.ike, "net2", "net2", 1000, false, on_done, NULL);
	wait_done(7);
	ktap_int("pluto has unloaded it", -ENOENT, told.done_err);
	remove_program();
	ike_initiate(told.ike, "net2", "net2", 1000, false, on_done, NULL);
	wait_done(8);
	ktap_int("a whack that is gone is not a connection that is", -EIO, told.done_err);
	ktap_has("that is said", "could not be run: No such file", told.errmsg);
	make_program();
	end();
}

/* Of a peer that answers nothing there is soon enough; one that is slow has its time. */
static void test_sparing(void)
{
	int64_t begun;

	begin(TWO_CONNS);
	look(STATES_BEGIN(0));
	begun = now_ms();
	ike_initiate(told.ike, "net", "net", 20000, true, on_done, NULL);
	run_for(500);
	put_file("states", "%s", STATES_BEGIN(0) "#1: \"net\":500 IKE_SA_INIT_I (x); idle;\n");
	wait_done(1);
	ktap_int("sparing: a peer without an answer", -ETIMEDOUT, told.done_err);
	ktap_ok(now_ms() - begun >= 1000 && now_ms() - begun < 3000, "after %lld ms: 1000 and a look",
		(long long)(now_ms() - begun));
	put_file("states", "%s", STATES_BEGIN(0) "#1: \"net\":500 IKE_AUTH_I (x); idle;\n");
	ike_initiate(told.ike, "net", "net", 4000, true, on_done, NULL);
	run_for(3000);
	ktap_int("one that has answered is waited for", 1, (int)told.dones);
	wait_done(2);
	ktap_int("but not for ever", -ETIMEDOUT, told.done_err);
	end();
}

static void test_copy(void)
{
	struct ike_copy_child child = { .name = "road" };
	struct ike_copy copy = { .name = "invspid-road-1", .child = &child, .nchild = 1 };
	char why[160] = "";

	begin(STATUS("5.2", CONN("road", "3", "%%any")));
	look(STATES_BEGIN(0));
	copy.conn = conns_name(ike_conns(told.ike), "road");
	copy.remote = (struct ike_addr){ AF_INET, { 192, 0, 2, 9 } };
	ike_initiate(told.ike, "road", "road", 1000, false, on_done, NULL);
	wait_done(1);
	ktap_int("a connection without an address", -EIO, told.done_err);
	copy.remote_port = 4500;
	ktap_ok(!ike_copy_check(told.ike, &copy, why, sizeof(why)), "behind NAT: %s", why);
	copy.remote_port = 0;
	ktap_ok(ike_copy_check(told.ike, &copy, why, sizeof(why)), "with an address that it had");
	ike_load_copy(told.ike, &copy, on_done, NULL);
	wait_done(2);
	ktap_int("is noted", 0, told.done_err);
	ike_initiate(told.ike, "invspid-road-1", "road", 20000, false, on_done, NULL);
	run_for(300);
	ktap_ok(was_called("--initiate --remote-host 192.0.2.9 --asynchronous --name road"),
		"and initiated with it");
	put_file(
		"states", "%s",
		STATES_BEGIN(
			1) "#1: \"road\"[1] 192.0.2.9:500 ESTABLISHED_IKE_SA (x); newest;\n"
			   "#2: \"road\"[1] 192.0.2.9:500 ESTABLISHED_CHILD_SA (x); newest; IKE SA #1;\n"
			   "#2: \"road\"[1] 192.0.2.9 esp.c1@192.0.2.9 esp.b1@192.0.2.1 Traffic: x\n");
	wait_done(3);
	ktap_int("done", 0, told.done_err);
	ike_unload_copy(told.ike, "invspid-road-1", on_done, NULL);
	wait_done(4);
	ktap_int("forgotten", 0, told.done_err);
	ike_unload_copy(told.ike, "invspid-road-1", on_done, NULL);
	wait_done(5);
	ktap_int("twice", -ENOENT, told.done_err);
	end();
}

static void test_terminate(void)
{
	begin(TWO_CONNS);
	look(TWO_CHILDREN);
	ike_terminate_child(told.ike, 3, 1000, on_done, NULL);
	run_for(300);
	ktap_ok(was_called("--deletestate 3"), "by its number");
	put_file("states", "%s", STATES_BEGIN(1) IKE(1, "net") CHILD(2, "net", 1, b1));
	wait_done(1);
	ktap_int("gone", 0, told.done_err);
	ktap_str("that was us", "net2/net2 b2 50 deleted", told.down);
	ike_terminate_child(told.ike, 2, 1000, on_done, NULL);
	wait_done(2);
	ktap_int("pluto goes on with it", -EIO, told.done_err);
	ike_terminate_ike(told.ike, 1, on_done, NULL);
	wait_done(3);
	ktap_int("an IKE_SA that is there is not ended", -EOPNOTSUPP, told.done_err);
	ike_reauth(told.ike, 1, on_done, NULL);
	wait_done(4);
	ktap_int("nor reauthenticated", -EOPNOTSUPP, told.done_err);
	look(STATES_BEGIN(0) "#5: \"net\":500 IKE_SA_INIT_I (x); idle;\n");
	ike_terminate_ike(told.ike, 5, on_done, NULL);
	wait_done(5);
	ktap_int("nor a half-made one that pluto has begun", -EOPNOTSUPP, told.done_err);
	ike_initiate(told.ike, "net", "net", 100, false, on_done, NULL);
	wait_done(6);
	ktap_int("initiated, and it takes long", -ETIMEDOUT, told.done_err);
	ike_terminate_ike(told.ike, 5, on_done, NULL);
	put_file("states", "%s", STATES_BEGIN(0));
	wait_done(7);
	ktap_int("then a half-made one is", 0, told.done_err);
	ktap_ok(was_called("--terminate --name net"), "by its name: pluto must not revive it");
	ktap_int("what is most", DISRUPTIVE_CHILD, ike_disruptive(told.ike));
	end();
}

/* A half-made IKE_SA number @serial of @conn, which we have begun. */
static void half_made(const char *conn, const char *states)
{
	unsigned int n = told.dones;

	ike_initiate(told.ike, conn, conn, 100, false, on_done, NULL);
	wait_done(n + 1);
	ktap_int("initiated, and it takes long", -ETIMEDOUT, told.done_err);
	look(states);
}

#define HALF(n, conn) "#" #n ": \"" conn "\":500 IKE_SA_INIT_I (x); idle;\n"

/* The peer answers at last, and then nothing may be ended any more. */
static void test_too_late(void)
{
	begin(TWO_CONNS);
	look(STATES_BEGIN(0) HALF(5, "net"));
	half_made("net", STATES_BEGIN(0) HALF(5, "net"));
	put_file("states", "%s", STATES_BEGIN(1) IKE(5, "net") CHILD(6, "net", 5, b6));
	ike_terminate_ike(told.ike, 5, on_done, NULL);
	wait_done(2);
	ktap_int("it has come up since it was listed", -EIO, told.done_err);
	ktap_has("that is why", "has come up", told.errmsg);
	ktap_ok(!was_called("--terminate --name net"), "it is left alone");
	ktap_int("and listed", 1, told.ups);

	half_made("net2", STATES_BEGIN(1) IKE(5, "net") CHILD(6, "net", 5, b6) HALF(7, "net2"));
	put_file("states", "%s", "nonsense\n");
	ike_terminate_ike(told.ike, 7, on_done, NULL);
	wait_done(4);
	ktap_int("what has become of it is not to be found out", -EIO, told.done_err);
	ktap_ok(!was_called("--terminate --name net2"), "it is left alone, too");
	end();
}

/* What pluto's log says of our own doing is not by hand, of however many at once. */
static void test_own_line(void)
{
	char path[128];
	FILE *f;

	begin(TWO_CONNS);
	snprintf(path, sizeof(path), "%s/log", rundir);
	put_file("log", "%s", "an old line\n");
	put_file("status", "logfile='%s', logappend=yes\n%s", path, TWO_CONNS);
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done(1);
	look(STATES_BEGIN(0) HALF(5, "net") HALF(6, "net2"));
	half_made("net", STATES_BEGIN(0) HALF(5, "net") HALF(6, "net2"));
	half_made("net2", STATES_BEGIN(0) HALF(5, "net") HALF(6, "net2"));
	ike_terminate_ike(told.ike, 5, on_done, NULL);
	ike_terminate_ike(told.ike, 6, on_done, NULL);
	put_file("states", "%s", STATES_BEGIN(0));
	wait_done(5);
	ktap_ok(was_called("--terminate --name net") && was_called("--terminate --name net2"),
		"two are ended");
	f = fopen(path, "a");
	if (!f)
		abort();
	fputs("\"net\": terminating SAs using this connection\n"
	      "\"net2\": terminating SAs using this connection\n",
	      f);
	fclose(f);
	run_until(&told.logs, 2, PATIENCE_MS);
	look(TWO_CHILDREN);
	look(STATES_BEGIN(1) IKE(1, "net") CHILD(3, "net2", 1, b2));
	ktap_str("the first was not by hand", "net/net b1 50 unseen", told.down);
	look(STATES_BEGIN(0));
	ktap_str("nor was the second", "net2/net2 b2 50 unseen", told.down);
	end();
}

/* ---- one that does not answer ---- */

/* Does what the script has started still run? A dead one may wait to be collected. */
static bool is_hanging(void)
{
	char path[128], word[64] = "";
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/hangs", rundir);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%d", &pid) != 1)
		return true; /* none was started */
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%63s", word) != 1)
		word[0] = '\0';
	fclose(f);
	return word[0];
}

static void test_hanging(void)
{
	struct ike_options opt = { .kind = IKE_LIBRESWAN,
				   .rundir = rundir,
				   .whack = program,
				   .settle_ms = 50,
				   .timeout_ms = 1500 };
	unsigned int i;

	pluto_begin();
	put_file("status", "%s", TWO_CONNS);
	put_file("states", "%s", TWO_CHILDREN);
	memset(&told, 0, sizeof(told));
	told.ike = ike_new(&loop, &opt, &events, NULL);
	wait_state(DAEMON_READY);
	put_file("hang-states", "%s", "");
	list();
	ktap_int("whack hangs: no listing", -ETIMEDOUT, told.list_err);
	run_for(200);
	ktap_ok(!is_hanging(), "it was killed, and its child");
	ktap_int("once is nothing yet", DAEMON_READY, told.state);
	drop_file("hang-states");
	put_file("exit-states", "33\n");
	list();
	ktap_int("whack does not reach it: no listing, either", -EIO, told.list_err);
	remove_program();
	for (i = 0; told.state == DAEMON_READY && i < 200; i++) {
		ike_list(told.ike, NULL, false, on_list, NULL);
		run_for(100);
	}
	ktap_int("nor can whack be run", -EIO, told.list_err);
	ktap_int("for long: not to be relied on", DAEMON_SETTLING, told.state);
	ktap_has("it says so", "does not answer", told.why);
	make_program();
	drop_file("exit-states");
	ktap_ok(wait_state(DAEMON_READY), "it answers again");
	ktap_ok(list(), "and lists");
	end();
}

int main(void)
{
	fake_pluto_init();
	test_rekey("5.2", "--rekey-child --asynchronous --name #4");
	test_rekey("4.10", "--rekey-ipsec --asynchronous --name 4");
	test_rekey_v1();
	test_initiate();
	test_sparing();
	test_copy();
	test_terminate();
	test_too_late();
	test_own_line();
	test_hanging();
	uv_loop_close(&loop);
	remove_all(base);
	return ktap_done();
}
