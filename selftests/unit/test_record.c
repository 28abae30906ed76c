// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flight recorder, with an IKE daemon and a kernel that are made up here and a disk
 * that is real: what is noted of whom, which recordings there are, and what of them is
 * on disk in the end.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_help.h"
#include "log.h"
#include "record_int.h"

static char dir[64];
static uv_loop_t loop;
static struct invspid d;

/* ---- the rest of the helper ---- */

static struct ike_addr gw_addr, dyn_addr;
static struct ike_conn conn[2];
static struct ike_conns conns = { .conn = conn, .nconn = 2 };
static struct ike_listing *listing;
static unsigned int told, told_bundle;
static struct ike_addr local;

const struct ike_conns *ike_conns(const struct ike *ike)
{
	(void)ike;
	return &conns;
}

enum daemon_state ike_state(const struct ike *ike)
{
	(void)ike;
	return DAEMON_READY;
}

void ike_list(struct ike *ike, const char *of, bool blocking, ike_list_cb cb, void *arg)
{
	(void)ike;
	(void)of;
	(void)blocking;
	cb(arg, listing ? 0 : -ETIMEDOUT, listing);
}

int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr)
{
	(void)x;
	return ike_addr_same(addr, &local);
}

struct xfrm_listen *xfrm_listen_new(uv_loop_t *l,
				    void (*cb)(void *arg, const struct xfrm_said *said), void *arg)
{
	(void)l;
	(void)cb;
	(void)arg;
	return NULL;
}

void xfrm_listen_free(struct xfrm_listen *l)
{
	(void)l;
}

void xfrm_listen_acquire(struct xfrm_listen *l, bool on)
{
	(void)l;
	(void)on;
}

void happen(struct invspid *daemon, const struct happened *h)
{
	(void)daemon;
	told++;
	told_bundle = h->bundle;
}

const char *daemon_state_name(enum daemon_state s)
{
	(void)s;
	return "ready";
}

const char *show_addr(int family, const uint8_t *addr)
{
	static char buf[INET6_ADDRSTRLEN];

	return inet_ntop(family, addr, buf, sizeof(buf));
}

/* ---- help ---- */

static struct ike_addr address(const char *text)
{
	struct ike_addr a = { .family = AF_INET };

	inet_pton(AF_INET, text, a.addr);
	return a;
}

static char *name(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void list_dynamic_peer(uint32_t id)
{
	static struct ike_sa sa;

	sa = (struct ike_sa){
		.name = name("dyn"),
		.conn = name("dyn"),
		.uniqueid = id,
		.version = 2,
		.state = IKE_ESTABLISHED,
		.remote = dyn_addr,
		.local = local,
		.local_id = name("a.example"),
		.remote_id = name("odd\x1b[31m\n\xff"),
		.algs = name("AES"),
	};
	listing = calloc(1, sizeof(*listing));
	listing->sa = &sa;
	listing->nsa = 1;
	listing_index(listing);
	d.listing[LISTING_LAST] = listing;
}

static void unlist(void)
{
	if (listing)
		free(listing->index);
	free(listing);
	listing = NULL;
	d.listing[LISTING_LAST] = NULL;
}

static void configure(const char *text)
{
	char all[512];

	snprintf(all, sizeof(all), "capture_defaults = no\n%s", text);
	conf_replace(&d.conf, dir, all);
	record_conf(d.record);
}

/* A fresh one, with nothing on disk. */
static void begin(const char *text)
{
	char command[192];

	record_free(d.record);
	uv_run(&loop, UV_RUN_DEFAULT);
	d.record = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s/state'; mkdir '%s/state'", dir, dir);
	ktap_int("begin", 0, system(command));
	configure(text);
	snprintf(command, sizeof(command), "%s/state", dir);
	d.record = record_new(&d, command);
	told = 0;
}

static void again(void)
{
	char state[96];

	record_free(d.record);
	uv_run(&loop, UV_RUN_DEFAULT);
	snprintf(state, sizeof(state), "%s/state", dir);
	d.record = record_new(&d, state);
}

static const char *slurp(unsigned int number, const char *file)
{
	static char buf[65536];
	char path[128];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/state/record/%06u/%s", dir, number, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return "(not there)";
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static bool there(unsigned int number)
{
	return strcmp(slurp(number, "bundle.json"), "(not there)");
}

/* The notes of one peer (or of none) as "KIND TEXT|..." */
static const char *noted(const char *peer)
{
	static char buf[1 << 20];
	struct ike_addr a = { 0 };
	struct notes notes;
	size_t i, used = 0;

	if (peer)
		a = address(peer);
	buf[0] = '\0';
	rings_collect(d.record->rings, &a, peer ? 1 : 0, &notes);
	for (i = 0; i < notes.n; i++)
		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%s %s|",
					 note_kind_name(notes.note[i].kind), notes.note[i].text);
	notes_free(&notes);
	return buf;
}

static bool record(enum bundle_class class, const char *peer, int64_t after_ms,
		   unsigned int *number, char *why)
{
	struct ike_addr a = { 0 };
	struct recording what = {
		.class = class,
		.peer = peer ? &a : NULL,
		.cause = "the cause",
		.about = json_pack("{s:s}", "conn", "gw"),
		.after_ms = after_ms,
	};

	if (peer)
		a = address(peer);
	*number = 0;
	return record_begin(&d, &what, number, why, 160);
}

/* Runs the loop until nothing is being recorded or written. */
static void finish(void)
{
	while (d.record->current || d.record->queue)
		uv_run(&loop, UV_RUN_ONCE);
}

static struct invspi_flow flow(const char *src)
{
	struct invspi_flow f = { .family = AF_INET, .proto = IPPROTO_ESP, .spi = 0xc0ffee11 };

	inet_pton(AF_INET, src, f.src.b);
	inet_pton(AF_INET, "192.0.2.1", f.dst.b);
	return f;
}

/* ---- whose it is ---- */

static void test_whose(void)
{
	struct xfrm_sa sa = { .spi = 0xc0000001, .proto = IPPROTO_ESP };
	struct invspi_flow f;

	begin("");
	record_ike_log(&d, "IKE", "gw", 7, "of a static one");
	record_ike_log(&d, "NET", NULL, 0, "of nobody");
	record_ike_log(&d, "NET", NULL, 99, "of an IKE_SA that nobody knows");
	ktap_has("a line of a connection is its peer's", "ike [IKE] of a static one|",
		 noted("192.0.2.2"));
	ktap_has("one of nobody is in all", "ike [NET] of nobody|", noted("192.0.2.2"));
	ktap_str("nobody's", "ike [NET] of nobody|ike [NET] of an IKE_SA that nobody knows|",
		 noted(NULL));

	record_ike_log(&d, "IKE", "dyn", 8, "before it is listed");
	list_dynamic_peer(8);
	record_ike_log(&d, "IKE", "dyn", 8, "while it is");
	unlist();
	record_ike_log(&d, "IKE", "dyn", 8, "after it is gone");
	ktap_has("of a peer without an address: as listed", "ike [IKE] while it is|",
		 noted("198.51.100.9"));
	ktap_has("... and later", "ike [IKE] after it is gone|", noted("198.51.100.9"));
	record_daemon(&d, DAEMON_ABSENT, "");
	record_ike_log(&d, "IKE", "dyn", 8, "of another daemon's 8");
	ktap_ok(!strstr(noted("192.0.2.2"), "while it is"), "not another peer's");
	ktap_has("numbers of another daemon are others", "another daemon's 8|", noted(NULL));

	sa.src = gw_addr;
	sa.dst = local;
	record_sa(&d, &sa, "added");
	ktap_has("an SA in", "sa SA added: 192.0.2.2 -> 192.0.2.1 esp spi 0xc0000001",
		 noted("192.0.2.2"));
	sa.src = local;
	sa.dst = address("203.0.113.5");
	record_sa(&d, &sa, "added");
	ktap_has("an SA out, of a peer that is not told yet",
		 "sa SA added: 192.0.2.1 -> 203.0.113.5", noted("203.0.113.5"));

	f = flow("192.0.2.2");
	record_flow(&d, INVSPI_EVENT_DESYNC, &f);
	ktap_has("a peer's packets", "flow flow desync: 192.0.2.2 -> 192.0.2.1 esp spi 0xc0ffee11",
		 noted("192.0.2.2"));
}

static void test_strangers(void)
{
	struct invspi_flow f;
	size_t peers;
	char src[32];
	int i;

	begin("record_memory_kib = 256\n");
	record_ike_log(&d, "IKE", "gw", 7, "what matters");
	record_ike_log(&d, "CFG", NULL, 0, "the daemon's");
	peers = rings_peers(d.record->rings);
	for (i = 0; i < 20000; i++) {
		snprintf(src, sizeof(src), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		f = flow(src);
		record_flow(&d, INVSPI_EVENT_NEW, &f);
	}
	ktap_int("20,000 strangers get no ring", (long long)peers,
		 (long long)rings_peers(d.record->rings));
	ktap_has("they push out nothing of a peer", "what matters|", noted("192.0.2.2"));
	ktap_has("... nor of the daemon", "the daemon's|", noted("192.0.2.2"));
	ktap_has("the last one is there", "10.0.78.31 ->", noted("192.0.2.2"));
	ktap_ok(rings_bytes(d.record->rings) <= 256 << 10, "within the limit: %zu",
		rings_bytes(d.record->rings));
}

static void test_only(void)
{
	begin("record = \"all !gw\"\n");
	record_ike_log(&d, "IKE", "gw", 7, "not of these");
	record_ike_log(&d, "IKE", NULL, 0, "of nobody");
	ktap_str("all but gw", "ike [IKE] of nobody|", noted("192.0.2.2"));
	configure("record = none\n");
	record_ike_log(&d, "IKE", NULL, 0, "nothing");
	ktap_str("none, after SIGHUP", "ike [IKE] of nobody|", noted("192.0.2.2"));
	configure("record = 192.0.2.2\n");
	record_ike_log(&d, "IKE", "gw", 7, "by its address");
	ktap_has("by address", "by its address|", noted("192.0.2.2"));
}

/* ---- recordings ---- */

#define CAPTURE "capture \"x\" {\n\tcommand = \"sh -c set\"\n}\n"

static void test_certain(void)
{
	unsigned int n, m;
	char why[160];

	begin(CAPTURE);
	list_dynamic_peer(8);
	record_ike_log(&d, "IKE", "gw", 7, "before");
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 200, &n, why), "begun");
	ktap_int("the first number", 1, n);
	ktap_ok(!there(1), "not there yet");
	record_ike_log(&d, "IKE", "gw", 7, "meanwhile");
	ktap_ok(record(BUNDLE_CERTAIN, "198.51.100.9", 200, &m, why), "another one joins it");
	ktap_int("the same", 1, m);
	ktap_ok(!record(BUNDLE_UNCERTAIN, "192.0.2.2", 0, &m, why), "an uncertain one does not");
	ktap_ok(record(BUNDLE_ASKED, "192.0.2.2", 200, &m, why) && m == 1, "one asked for does");
	finish();
	record_ike_log(&d, "IKE", "gw", 7, "too late");
	ktap_has("it has what was before", "[IKE] before\n", slurp(1, "timeline.txt"));
	ktap_has("... and meanwhile", "[IKE] meanwhile\n", slurp(1, "timeline.txt"));
	ktap_has("both peers", "# peers: 192.0.2.2 198.51.100.9\n", slurp(1, "timeline.txt"));
	ktap_has("its end", "recording of bundle 1 ends\n", slurp(1, "timeline.txt"));
	ktap_has("what a command said", "INVSPI_PEER='192.0.2.2'\n", slurp(1, "x.txt"));
	ktap_has("... and whose", "INVSPI_BUNDLE='1'\n", slurp(1, "x.txt"));
	ktap_has("class", "\"class\": \"certain\"", slurp(1, "bundle.json"));
	ktap_has("about", "\"conn\": \"gw\"", slurp(1, "bundle.json"));
	ktap_int("told", 1, told);
	ktap_int("of it", 1, told_bundle);
	unlist();
}

static void test_defaults(void)
{
	unsigned int n;
	char why[160];
	const char *s;

	begin("");
	conf_free(d.conf);
	d.conf = conf_load(NULL, NULL);
	list_dynamic_peer(8);
	record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why);
	finish();
	s = slurp(1, "ike-sas.txt");
	ktap_has("the daemon's SAs", "dyn[8] IKEv2 established, responder\n", s);
	ktap_has("... made safe to show", " id odd\\x1b[31m\n\\xff\n", s);
	unlist();
	record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why);
	finish();
	ktap_str("a daemon that does not answer", "# Connection timed out\n",
		 slurp(2, "ike-sas.txt"));
	ktap_ok(there(2), "... there is a bundle all the same");
	/* Programs and counters that a machine may lack leave a file that says so. */
	ktap_ok(strcmp(slurp(2, "xfrm-state.txt"), "(not there)"), "xfrm-state.txt");
	ktap_ok(strcmp(slurp(2, "flows.txt"), "(not there)"), "flows.txt");
	ktap_ok(strcmp(slurp(2, "xfrm-stat.txt"), "(not there)"), "xfrm-stat.txt");
}

static void test_uncertain(void)
{
	unsigned int n;
	char why[160];

	begin(CAPTURE);
	record_ike_log(&d, "IKE", "gw", 7, "before");
	ktap_ok(record(BUNDLE_UNCERTAIN, "192.0.2.2", 0, &n, why), "begun");
	finish();
	ktap_has("it has what was before", "[IKE] before\n", slurp(1, "timeline.txt"));
	ktap_str("no command was run", "(not there)", slurp(1, "x.txt"));
	ktap_ok(record(BUNDLE_UNCERTAIN, "198.51.100.9", 0, &n, why), "a second one");
	ktap_ok(!record(BUNDLE_UNCERTAIN, "198.51.100.9", 0, &n, why), "no third one");
	ktap_has("... for this reason", "record_per_hour", why);
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "but one that is certain");
	finish();
	ktap_ok(there(1) && there(2) && there(3) && !there(4), "three of them");
	ktap_has("it is the first of its incident", "\"first\": true", slurp(3, "bundle.json"));
}

static void test_quota(void)
{
	unsigned int n;
	char why[160];

	begin("record_bundles = 2\nrecord_per_peer = 3\n" CAPTURE);
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "one");
	finish();
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "two");
	finish();
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "three");
	finish();
	ktap_ok(there(1), "the first one of the incident is still there");
	ktap_ok(!there(2) && there(3), "the second one has made room");
	ktap_has("not the first", "\"first\": false", slurp(3, "bundle.json"));
	ktap_ok(!record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "no fourth one");
	ktap_has("... for this reason", "record_per_peer", why);
	again();
	/* The one that has made room is forgotten, the two others are not. */
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "a restart: one more");
	ktap_int("numbers go on", 4, n);
	finish();
	ktap_ok(!record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "... and no second one");
	ktap_ok(record(BUNDLE_ASKED, "192.0.2.2", 0, &n, why), "what is asked for counts apart");
	finish();
	ktap_ok(there(1), "the first one is worth more than what is asked for");
}

static void test_disk(void)
{
	unsigned int n;
	char why[160], path[96];
	json_t *j;
	int fd;

	begin("");
	snprintf(path, sizeof(path), "%s/state/record", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "begun");
	finish();
	j = record_status(d.record);
	ktap_has("why it failed", "Not a directory",
		 json_string_value(json_object_get(j, "error")));
	ktap_int("failed", 1, json_integer_value(json_object_get(j, "failed")));
	json_decref(j);
	ktap_int("nobody is told of a bundle", 0, told);
	unlink(path);
	ktap_ok(record(BUNDLE_CERTAIN, "192.0.2.2", 1, &n, why), "later");
	finish();
	ktap_ok(there(2), "... there is one");
	j = record_status(d.record);
	ktap_ok(json_is_null(json_object_get(j, "error")), "... and no error");
	json_decref(j);
	ktap_int("deleted", 0, record_delete(d.record, 2));
	ktap_int("again", -ENOENT, record_delete(d.record, 2));
}

/* The helper ends in the middle of it, at each of its stages. */
static void test_end(void)
{
	unsigned int n, m;
	char why[160];

	begin("record_per_peer = 9\ncapture \"x\" {\n\tcommand = \"sleep 1000\"\n}\n");
	record_ike_log(&d, "IKE", "gw", 7, "before");
	record(BUNDLE_CERTAIN, "192.0.2.2", 0, &n, why); /* waits for its command */
	record(BUNDLE_ASKED, "192.0.2.2", 0, &m, why); /* waits for that one */
	record(BUNDLE_CERTAIN, "192.0.2.2", 100000, &m, why); /* goes on */
	ktap_ok(n == 1 && m == 3, "three are under way");
	again();
	ktap_has("the one with a command", "[IKE] before\n", slurp(1, "timeline.txt"));
	ktap_has("the one that waited", "[IKE] before\n", slurp(2, "timeline.txt"));
	ktap_has("the one that went on", "recording of bundle 3 ends: invspid ends\n",
		 slurp(3, "timeline.txt"));
	configure("");
	record(BUNDLE_ASKED, "192.0.2.2", 0, &n, why); /* a thread writes it */
	again();
	ktap_ok(n == 4 && there(4), "the one that was being written");
}

static void test_live(void)
{
	struct ike_addr a = address("192.0.2.2");
	json_t *j;

	begin("");
	record_ike_log(&d, "IKE", "gw", 7, "odd \x1b[31m\n\xff");
	record_ike_log(&d, "IKE", "dyn", 9, "of another");
	j = record_live(d.record, &a);
	ktap_int("live", 2, (long long)json_array_size(j));
	ktap_str("peer", "192.0.2.2",
		 json_string_value(json_object_get(json_array_get(j, 0), "peer")));
	ktap_str("text", "[IKE] odd \\x1b[31m\\x0a\\xff",
		 json_string_value(json_object_get(json_array_get(j, 0), "text")));
	json_decref(j);
}

int main(void)
{
	char command[96];

	snprintf(dir, sizeof(dir), "/tmp/invspid-record-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	uv_loop_init(&loop);
	log_level(LOG_EMERG);
	d.loop = &loop;
	d.ike = (struct ike *)&d;
	d.xfrm = (struct xfrm *)&d;
	local = address("192.0.2.1");
	gw_addr = address("192.0.2.2");
	dyn_addr = address("198.51.100.9");
	conn[0] = (struct ike_conn){ .name = name("gw"), .remote = &gw_addr, .nremote = 1 };
	conn[1] = (struct ike_conn){ .name = name("dyn"), .dynamic = true };
	conns_index(&conns);
	test_whose();
	test_strangers();
	test_only();
	test_certain();
	test_defaults();
	test_uncertain();
	test_quota();
	test_disk();
	test_end();
	test_live();
	record_free(d.record);
	uv_run(&loop, UV_RUN_DEFAULT);
	conf_free(d.conf);
	free(conns.index);
	ktap_int("nothing is left in the loop", 0, uv_loop_close(&loop));
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) ? 1 : ktap_done();
}
