// SPDX-License-Identifier: GPL-2.0-only
/*
 * The strongSwan backend against a scripted daemon: settling, losing it, listings,
 * commands, and the ends of CHILD_SAs. recovery/ike_vici.sh does it with the real one.
 */
#include "fake_charon.h"
#include "listing.h"

static void test_settling(void)
{
	uint64_t asked;
	pid_t pid;
	uint64_t start;

	begin_with(0);
	ktap_int("at first there is no daemon", DAEMON_ABSENT, ike_state(told.ike));
	ktap_ok(wait_state(DAEMON_SETTLING, 2000), "connected: settling (%s)", told.why);
	ktap_int("seven registrations, list-sa and list-conn among them", 7, script.registered);
	fake_run_for(&loop, 700);
	ktap_int("without connections it stays so", DAEMON_SETTLING, told.state);
	script.conns = 1;
	asked = uv_hrtime();
	ktap_ok(wait_state(DAEMON_READY, 3000), "with one it gets ready: %s", told.why);
	ktap_ok(uv_hrtime() - asked >= 300000000ULL, "not before it was unchanged for so long");
	ktap_str("and says whom it has", "strongSwan 5.9.8", strtok(told.why, ","));
	ike_instance(told.ike, &pid, &start);
	ktap_int("its process", getpid(), pid);
	ktap_ok(start > 0, "its start time");
	fake_run_for(&loop, 5500);
	script.conns_listed = 0;
	fake_run_for(&loop, 5500);
	ktap_int("asked for their names only", 0, script.conns_listed);
	script.answer = "yes";
	ike_unload_copy(told.ike, "invspid-gw-1", on_done, NULL);
	fake_run_for(&loop, 5500);
	ktap_int("a copy was unloaded: asked for all, once", 1, script.conns_listed);
	script.conns = 0;
	ktap_ok(wait_state(DAEMON_SETTLING, 6000), "none left, and the log says nothing: settling");
	script.conns = 1;
	ktap_ok(wait_state(DAEMON_READY, 3000), "there again: ready");
	script.conns = 2;
	say("CFG", 0, "added vici connection: gw1");
	ktap_ok(wait_state(DAEMON_SETTLING, 1000), "one more connection: settling (%s)", told.why);
	ktap_ok(wait_state(DAEMON_READY, 2000), "and ready again");
	told.states = 0;
	say("CFG", 0, "updated vici connection: gw1");
	fake_run_for(&loop, 300);
	ktap_int("loaded again without a change: nothing happens", 0, told.states);
	say("DMN", 0, "SIGTERM received, shutting down");
	ktap_ok(wait_state(DAEMON_STOPPING, 1000), "it stops: %s", told.why);
	end();
}

static void test_conns(void)
{
	const struct ike_conns *c;

	begin_with(3);
	wait_state(DAEMON_READY, 3000);
	c = ike_conns(told.ike);
	ktap_int("connections", 3, c->nconn);
	ktap_str("name", "gw0", c->conn[0].name);
	ktap_int("literal addresses of the peer; a name is none", 2, c->conn[0].nremote);
	ktap_int("an IPv6 one", AF_INET6, c->conn[0].remote[1].family);
	ktap_int("a static peer", false, c->conn[0].dynamic);
	ktap_int("IKEv2", 2, c->conn[0].version);
	ktap_int("PSK", false, c->conn[0].eap_or_vip);
	ktap_str("uniqueness", "UNIQUE_NO", c->conn[0].unique);
	ktap_int("children", 2, c->conn[0].nchild);
	ktap_str("their names", "net2", c->conn[0].child[1]);
	ktap_int("%any and subnets are dynamic", true, c->conn[1].dynamic);
	ktap_int("so is 0.0.0.0", true, c->conn[2].dynamic);
	ktap_int("EAP", true, c->conn[1].eap_or_vip);
	ktap_int("any version", 0, c->conn[1].version);
	script.conns = 2;
	told.done = false;
	ike_reload_conns(told.ike, on_done, NULL);
	wait_done();
	ktap_int("asked for again", 0, told.done_err);
	ktap_int("one less", 2, ike_conns(told.ike)->nconn);
	end();
}

static void test_foreign(void)
{
	/* One that is found not to answer would be told of once more. */
	request_ms = 5000;
	begin_with(1);
	script.libipsec = true;
	ktap_ok(wait_state(DAEMON_FOREIGN, 2000), "user-space ESP: %s", told.why);
	fake_run_for(&loop, 300);
	ktap_int("told once, though looked at again", 1, told.states);
	ike_list(told.ike, NULL, false, on_list, NULL);
	ktap_int("no callback from inside the call", 0, told.lists);
	fake_run_for(&loop, 20);
	ktap_int("nothing is asked of it", -ENOTCONN, told.list_err);
	script.libipsec = false;
	ktap_ok(wait_state(DAEMON_SETTLING, 2000), "mended: %s", told.why);
	end();
	request_ms = 100;
}

static void check_listing(const struct ike_listing *l)
{
	const struct ike_sa *sa = &l->sa[0];
	const struct ike_child *c = &sa->child[0];

	ktap_str("connection", "gw", sa->conn);
	ktap_int("id", 1, sa->uniqueid);
	ktap_int("version", 2, sa->version);
	ktap_int("state", IKE_ESTABLISHED, sa->state);
	ktap_ok(sa->initiator && sa->nat, "side and NAT");
	ktap_ok(sa->spi_initiator == 0xfedcba9876543210, "the initiator's SPI");
	ktap_ok(sa->local.family == AF_INET && sa->local.addr[3] == 1, "our address");
	ktap_ok(sa->remote.family == AF_INET6 && sa->remote.addr[15] == 2, "the peer's");
	ktap_ok(sa->local_port == 4500 && sa->remote_port == 4500, "ports");
	ktap_str("identity", "b.example", sa->remote_id);
	ktap_ok(sa->task_any && sa->task_child, "a CHILD_REKEY task");
	ktap_int("children", 2, sa->nchild);
	ktap_str("child", "net", c->name);
	ktap_int("its id", 2, c->uniqueid);
	ktap_int("reqid", 7, c->reqid);
	ktap_int("state", CHILD_INSTALLED, c->state);
	ktap_ok(c->encap && c->proto == 50, "encapsulation and protocol");
	ktap_ok(c->spi_in == 0xc0000004 && c->spi_out == 0xc0000005, "its SPIs (%x, %x)", c->spi_in,
		c->spi_out);
	ktap_ok(c->if_id_in == 42 && c->if_id_out == 43, "if_id, hexadecimal");
	ktap_ok(c->mark_in == 7 && c->mark_in_mask == UINT32_MAX,
		"mark; a mask left out is all ones");
	ktap_str("algorithms", "AES_CBC-128/HMAC_SHA2_256_128/ESN", c->algs);
	ktap_str("selectors", "10.1.0.0/16,10.3.0.0/16", c->local_ts);
	ktap_str("none of them", "", c->remote_ts);
	ktap_ok(c->packets_in == UINT64_MAX && c->install_age_s == 5, "packets and age");
	ktap_int("a deleted one", CHILD_DELETED, sa->child[1].state);
}

static void test_listing(void)
{
	begin();
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_int("a listing", 0, told.list_err);
	ktap_str("asked for without blocking", "list-sas noblock=yes", script.command);
	if (told.kept) {
		ktap_ok(!told.kept->blocking && !told.kept->filtered, "and says of itself");
		ktap_ok(told.kept->started <= told.kept->ended, "its times");
		check_listing(told.kept);
	}
	script.sas = 500;
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_int("500 IKE_SAs", 500, told.list_nsa);
	script.bad_sa = true;
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_int("one of them unreadable: no listing at all", -EBADMSG, told.list_err);
	ktap_int("not even a part of it", -1, told.list_nsa);
	script.bad_sa = false;
	script.sas = 0;
	told.done = false;
	ike_list(told.ike, "gw", true, on_list, NULL);
	wait_done();
	ktap_int("an empty one is one", 0, told.list_nsa);
	ktap_str("blocking, of one connection", "list-sas ike=gw", script.command);
	end();
}

static const char discarded[] =
	"vici message size 600000 exceeds maximum size of 524288, discarded";

static void list_large(const char *what, int err, int nsa)
{
	if (told.kept)
		ike_listing_put(told.kept);
	told.kept = NULL;
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_ok(told.list_err == err && told.list_nsa == nsa,
		"%s (expected %d, %d IKE_SAs, got %d, %d)", what, err, nsa, told.list_err,
		told.list_nsa);
}

/* Charon leaves out an IKE_SA that is too large for a message, and only its log says so. */
static void test_large(void)
{
	const struct ike_sa *sa;

	begin();
	script.sas = 3;
	script.large = 2;
	script.large_conn = "gw0";
	list_large("the first listing, without a word in the log: it is there all the same", 0, 3);
	sa = told.kept ? &told.kept->sa[2] : NULL;
	ktap_ok(sa && sa->uniqueid == 2 && sa->nchild == 2, "with both of its children");
	ktap_str("the first of them", "net", sa ? sa->child[0].name : NULL);
	ktap_str("the second", "net2", sa && sa->nchild > 1 ? sa->child[1].name : NULL);
	ktap_ok(told.kept && listing_spi(told.kept, 0xc0000008, 50, NULL), "and are found");
	list_large("the next one", 0, 3);
	script.large = 0;
	list_large("it has become small", 0, 3);
	script.large = 2;
	list_large("now a listing lacks it, since nothing is said and nothing is large", 0, 2);
	say("CFG", 0, discarded);
	fake_run_for(&loop, 20);
	list_large("the log has told: it is looked for", 0, 3);
	script.large_part = true;
	list_large("one of its children is too large: no listing", -EMSGSIZE, -1);
	script.large_part = false;
	script.large_conn = "gone";
	list_large("its connection is not loaded: no listing", -EMSGSIZE, -1);
	script.large_conn = "gw0";
	list_large("loaded again", 0, 3);
	script.no_filters = true;
	say("CFG", 0, discarded);
	fake_run_for(&loop, 20);
	list_large("an old daemon can't say what is missing: no listing", -EMSGSIZE, -1);
	script.large = 0;
	ike_list(told.ike, NULL, false, on_list, NULL);
	free_ike();
	ktap_int("freed in the middle", -ECANCELED, told.list_err);
	end();

	begin();
	script.sas = 3;
	script.no_filters = true;
	list_large("an old daemon of which nothing is known: as it is", 0, 3);
	end();
}

static void test_blocking(void)
{
	begin();
	script.mute_blocking = true;
	ike_list(told.ike, NULL, true, on_list, NULL);
	ike_list(told.ike, NULL, true, on_list, NULL);
	ike_list(told.ike, NULL, true, on_list, NULL);
	fake_run_for(&loop, 20);
	ktap_ok(told.lists == 1 && told.list_err == -EBUSY,
		"two listings may hang, a third is refused (%d, %d)", told.lists, told.list_err);
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_int("one that does not block is not held up", 0, told.list_err);
	fake_run_for(&loop, 200);
	ktap_ok(told.lists == 4 && told.list_err == -ETIMEDOUT, "the two time out (%d, %d)",
		told.lists, told.list_err);
	told.done = false;
	ike_list(told.ike, NULL, true, on_list, NULL);
	wait_done();
	ktap_int("and still occupy the daemon's threads", -EBUSY, told.list_err);
	told.done = false;
	ike_rekey_child(told.ike, 3, on_done, NULL);
	wait_done();
	ktap_int("commands go on", 0, told.done_err);
	end();
}

static void command(const char *name, const char *answer, int matches, int expected)
{
	script.answer = answer;
	script.matches = matches;
	told.done = false;
	if (!strcmp(name, "rekey"))
		ike_rekey_child(told.ike, 3, on_done, NULL);
	else if (!strcmp(name, "reauth"))
		ike_reauth(told.ike, 9, on_done, NULL);
	else if (!strcmp(name, "initiate"))
		ike_initiate(told.ike, "gw", "net", 50, false, on_done, NULL);
	else
		ike_terminate_ike(told.ike, 9, on_done, NULL);
	wait_done();
	ktap_int(answer ? answer : "no answer", expected, told.done_err);
}

static void test_commands(void)
{
	begin();
	command("rekey", "yes", 1, 0);
	ktap_str("rekey", "rekey child-id=3", script.command);
	command("rekey", "no matching SAs to rekey found", 0, -ENOENT);
	ktap_str("with the daemon's words", "no matching SAs to rekey found", told.errmsg);
	command("rekey", NULL, 0, -ETIMEDOUT);
	command("reauth", "yes", 1, 0);
	ktap_str("reauthenticate", "rekey ike-id=9 reauth=yes", script.command);
	command("reauth", "no matching SAs to rekey found", 0, -ENOENT);
	command("initiate", "yes", 0, 0);
	ktap_str("initiate", "initiate ike=gw child=net timeout=50", script.command);
	command("initiate", "CHILD_SA 'net' not established after 50ms", 0, -ETIMEDOUT);
	command("initiate", "CHILD_SA config 'net' not found", 0, -ENOENT);
	command("initiate", "establishing CHILD_SA 'net' failed", 0, -EIO);
	command("terminate", "yes", 1, 0);
	ktap_str("terminate", "terminate ike-id=9 force=yes timeout=1000", script.command);
	command("terminate", "terminating SA failed", 1, 0);
	command("terminate", "no matching SAs to terminate found", 0, -ENOENT);
	end();
}

static void test_loss(void)
{
	int dones;

	begin();
	script.answer = NULL;
	ike_initiate(told.ike, "gw", "net", 5000, false, on_done, NULL);
	ike_rekey_child(told.ike, 3, on_done, NULL);
	script.mute = true;
	ike_list(told.ike, NULL, false, on_list, NULL);
	fake_run_for(&loop, 20);
	fake_stop(&fake, false);
	ktap_ok(wait_state(DAEMON_ABSENT, 1000), "the daemon dies: %s", told.why);
	ktap_int("commands under way end", 2, told.dones);
	ktap_int("with ENOTCONN", -ENOTCONN, told.done_err);
	ktap_int("so do listings", -ENOTCONN, told.list_err);
	told.done = false;
	dones = told.dones;
	ike_rekey_child(told.ike, 3, on_done, NULL);
	ktap_int("later ones are not called back from inside the call", dones, told.dones);
	wait_done();
	ktap_int("but soon", -ENOTCONN, told.done_err);
	fake_run_for(&loop, 300);
	ktap_ok(told.state == DAEMON_ABSENT && strstr(told.why, "is strongSwan running"),
		"it stays away: %s", told.why);

	script.mute = false;
	script.registered = 0;
	script.conns = 2;
	fake_listen(&fake, socket_path);
	ktap_ok(wait_state(DAEMON_SETTLING, 500), "it is there again");
	ktap_int("events are registered anew", 7, script.registered);
	ktap_ok(wait_state(DAEMON_READY, 2000), "ready: %s", told.why);
	told.done = false;
	ike_list(told.ike, NULL, false, on_list, NULL);
	wait_done();
	ktap_int("and lists", 0, told.list_err);

	script.mute = true;
	fake_drop(&fake.client[0]);
	fake_run_for(&loop, 20);
	ktap_int("nonsense or loss of one connection loses them all", DAEMON_ABSENT, told.state);
	end();
}

static void test_down(void)
{
	begin();
	say("IKE", 1, "received DELETE for ESP CHILD_SA with SPI c1111112");
	told.done = false;
	child_goes("net", 3, 0xc1111111);
	wait_done();
	ktap_int("the line came first: at once", END_DELETED_PEER, told.end);
	ktap_str("which one", "gw/net c1111111 50", told.down);
	ktap_str("the log is handed on",
		 "IKE gw 1 received DELETE for ESP CHILD_SA with SPI c1111112", told.log);

	told.downs = 0;
	child_goes("net", 4, 0xc2222222);
	child_goes("net2", 5, 0xc3333333);
	fake_run_for(&loop, 50);
	ktap_int("no line yet: they wait", 0, told.downs);
	told.done = false;
	say("CFG", 0, "vici terminate CHILD_SA #4");
	fake_run_for(&loop, 50);
	ktap_ok(told.downs == 1 && told.end == END_OPERATOR, "a late line (%d, %d)", told.downs,
		told.end);
	fake_run_for(&loop, 300);
	ktap_ok(told.downs == 2 && told.end == END_DELETED_LOCAL, "none at all (%d, %d)",
		told.downs, told.end);

	told.downs = 0;
	child_goes("net", 6, 0xc4444444);
	fake_stop(&fake, false);
	wait_state(DAEMON_ABSENT, 1000);
	ktap_ok(told.downs == 1 && told.end == END_DAEMON_LOST, "the daemon dies with it (%d, %d)",
		told.downs, told.end);
	end();
}

static void test_events(void)
{
	struct vici_buf b = { 0 };
	uint64_t before;

	begin();
	before = ike_updowns(told.ike);
	vici_put(&b, "up", "yes");
	vici_put_section(&b, "gw");
	put_ike(&b, 1);
	vici_put_section_end(&b);
	event("ike-updown", &b);
	vici_buf_free(&b);
	/* as the daemon nests it: old and new are children themselves */
	vici_put_section(&b, "gw");
	put_ike(&b, 1);
	vici_put_section(&b, "child-sas");
	vici_put_section(&b, "net");
	vici_put_section(&b, "old");
	vici_put(&b, "name", "net");
	vici_put(&b, "uniqueid", "3");
	vici_put(&b, "protocol", "ESP");
	vici_put(&b, "spi-in", "c1111111");
	vici_put_section_end(&b);
	vici_put_section(&b, "new");
	vici_put(&b, "name", "net");
	vici_put(&b, "uniqueid", "4");
	vici_put(&b, "protocol", "ESP");
	vici_put(&b, "spi-in", "c2222222");
	vici_put_section_end(&b);
	vici_put_section_end(&b);
	vici_put_section_end(&b);
	vici_put_section_end(&b);
	told.done = false;
	event("child-rekey", &b);
	vici_buf_free(&b);
	wait_done();
	ktap_int("ike-updown", 1, told.ike_updowns);
	ktap_int("is counted", before + 1, ike_updowns(told.ike));
	ktap_str("child-rekey", "gw/net c1111111 c2222222 50", told.rekey);
	vici_put(&b, "up", "yes");
	vici_put_section(&b, "gw");
	put_ike(&b, 1);
	vici_put_section(&b, "child-sas");
	put_child(&b, "net", 4, "INSTALLED", 0xc2222222, 0);
	vici_put_section_end(&b);
	vici_put_section_end(&b);
	told.done = false;
	event("child-updown", &b);
	wait_done();
	ktap_int("child-updown, up", 1, told.ups);
	event("ike-rekey", NULL);
	event("something-new", &b);
	b.len--;
	event("child-updown", &b);
	b.len++;
	vici_buf_free(&b);
	fake_run_for(&loop, 20);
	ktap_int("ike-rekey is counted too: children move", before + 2, ike_updowns(told.ike));
	ktap_int("an unreadable event changes nothing", DAEMON_READY, ike_state(told.ike));
	end();
}

/* Whatever the callback is that frees the backend, nothing comes after it. */
static void test_free(void)
{
	static const char *const names[] = { "state", "down", "log", "list", "done", "lost" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		begin();
		script.answer = NULL;
		script.mute_blocking = true;
		ike_list(told.ike, NULL, true, on_list, NULL);
		ike_initiate(told.ike, "gw", "net", 5000, false, on_done, NULL);
		ike_rekey_child(told.ike, 3, on_done, NULL);
		fake_run_for(&loop, 10);
		told.free_at_state = !i;
		told.free_at_down = i == 1;
		told.free_at_log = i == 2;
		told.free_at_list = i == 3;
		told.free_at_done = i >= 4;
		if (i == 1) {
			say("IKE", 1, "giving up after 5 retransmits");
			child_goes("net", 3, 0xc1111111);
		} else if (i == 2) {
			say("IKE", 1, "hello");
		} else if (i == 3) {
			ike_list(told.ike, NULL, false, on_list, NULL);
		} else if (i == 4) {
			script.answer = "yes";
			ike_terminate_ike(told.ike, 1, on_done, NULL);
		} else {
			fake_stop(&fake, false);
		}
		fake_run_for(&loop, 100);
		ktap_ok(!told.ike, "freed at %s", names[i]);
		ktap_int("each listing ended once", i == 3 ? 2 : 1, told.lists);
		ktap_int("each command too", i == 4 ? 3 : 2, told.dones);
		end();
	}
}

static void test_silent(void)
{
	begin_with(1);
	script.mute = true;
	fake_run_for(&loop, 400);
	ktap_ok(told.state == DAEMON_ABSENT, "a daemon that accepts and does not answer: %s",
		told.why);
	ktap_has("says so", "timed out", told.why);
	script.mute = false;
	ktap_ok(wait_state(DAEMON_READY, 3000), "when it does: %s", told.why);
	end();
}

int main(void)
{
	setenv("LC_ALL", "C", 1);
	snprintf(socket_path, sizeof(socket_path), "/tmp/invspi-test-%d.vici", (int)getpid());
	uv_loop_init(&loop);
	test_settling();
	test_conns();
	test_foreign();
	test_listing();
	test_large();
	test_blocking();
	test_commands();
	test_loss();
	test_down();
	test_events();
	test_free();
	test_silent();
	ktap_int("no handle is left", 0, uv_loop_close(&loop));
	unlink(socket_path);
	return ktap_done();
}
