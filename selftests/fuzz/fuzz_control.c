// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: requests on invspid's control socket, one a line of the input, as
 * they come from a client that may go before it has its answer. The helper behind the
 * socket is the real one; kernel, module and IKE daemon are made up here, and its clock
 * runs as fast as it has nothing to do.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "control_int.h"
#include "fuzz.h"
#include "dir.h"
#include "hook.h"
#include "intern.h"
#include "log.h"
#include "metrics.h"
#include "xfrm_listen.h"
#include "xfrm_query.h"

#define TURNS_MAX 100000

/* ---- time ---- */

static int64_t virtual_ms = 1000000;
static bool trying;

/* The fuzzer has a time of its own, which must not run away: it would be over at once. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ms = virtual_ms + (id == CLOCK_REALTIME ? INT64_C(1790000000000) : 0);

	if (!trying)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(ms / 1000);
	ts->tv_nsec = (long)(ms % 1000 * 1000000);
	return 0;
}

/*
 * Nobody is waited for: if nothing is there, the time has passed. Where there is none to
 * pass, it is another thread that has to come to its end.
 */
int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	int n = (int)syscall(SYS_epoll_pwait, fd, events, max, timeout < 0 ? 5000 : 0, mask, 8);

	if (!n && timeout > 0)
		virtual_ms += timeout;
	return n;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	return epoll_pwait(fd, events, max, timeout, NULL);
}

/* ---- the IKE daemon: one connection that is up, one with many peers ---- */

static char *text(const char *s)
{
	char *t = intern(s, strlen(s));

	must(t);
	return t;
}

static char *children[] = { (char[]){ "net" }, (char[]){ "net2" } };
static struct ike_addr peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } };
static struct ike_conn conn[] = {
	{ .name = (char[]){ "gw" },
	  .remote = &peer,
	  .nremote = 1,
	  .child = children,
	  .nchild = 2,
	  .unique = (char[]){ "no" } },
	{ .name = (char[]){ "rw" },
	  .dynamic = true,
	  .child = children,
	  .nchild = 1,
	  .unique = (char[]){ "no" } },
};

static struct ike_conns conns = { .conn = conn, .nconn = 2 };

static struct {
	ike_list_cb list;
	ike_done_cb done;
	void *arg;
} waiting[64];
static unsigned int nwaiting;

static void later(ike_list_cb list, ike_done_cb done, void *arg)
{
	must(nwaiting < 64);
	waiting[nwaiting].list = list;
	waiting[nwaiting].done = done;
	waiting[nwaiting++].arg = arg;
}

static struct ike_listing *listing(void)
{
	struct ike_listing *l = calloc(1, sizeof(*l));
	struct ike_child *c = calloc(1, sizeof(*c));

	must(l && c);
	l->ref = 1;
	l->started = now_ms();
	l->ended = l->started;
	l->sa = calloc(1, sizeof(*l->sa));
	must(l->sa);
	l->nsa = 1;
	*c = (struct ike_child){
		.name = text("net"),
		.uniqueid = 5,
		.state = CHILD_INSTALLED,
		.proto = IPPROTO_ESP,
		.spi_in = 0xc0000001,
		.mode = text("TUNNEL"),
		.algs = text(""),
		.local_ts = text("10.1.0.0/16"),
		.remote_ts = text("10.2.0.0/16"),
	};
	l->sa[0] = (struct ike_sa){
		.name = text("gw"),
		.conn = text("gw"),
		.uniqueid = 1,
		.version = 2,
		.state = IKE_ESTABLISHED,
		.local = { .family = AF_INET, .addr = { 192, 0, 2, 1 } },
		.remote = peer,
		.local_id = text("a"),
		.remote_id = text("b"),
		.algs = text(""),
		.child = c,
		.nchild = 1,
	};
	must(!listing_index(l));
	return l;
}

static void answer_one(void)
{
	ike_list_cb list = waiting[0].list;
	ike_done_cb done = waiting[0].done;
	void *arg = waiting[0].arg;
	struct ike_listing *l;

	memmove(waiting, waiting + 1, --nwaiting * sizeof(*waiting));
	if (done) {
		done(arg, -EIO, "no");
		return;
	}
	l = listing();
	list(arg, 0, l);
	ike_listing_put(l);
}

void ike_list(struct ike *ike, const char *of, bool blocking, ike_list_cb cb, void *arg)
{
	(void)ike;
	(void)of;
	(void)blocking;
	later(cb, NULL, arg);
}

void ike_rekey_child(struct ike *ike, uint32_t child_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)child_id;
	later(NULL, cb, arg);
}

void ike_initiate(struct ike *ike, const char *of, const char *child, int64_t timeout_ms,
		  bool sparing, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)of;
	(void)child;
	(void)timeout_ms;
	(void)sparing;
	later(NULL, cb, arg);
}

void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)ike_id;
	later(NULL, cb, arg);
}

void ike_terminate_child(struct ike *ike, uint32_t child_id, int64_t timeout_ms, ike_done_cb cb,
			 void *arg)
{
	(void)ike;
	(void)child_id;
	(void)timeout_ms;
	later(NULL, cb, arg);
}

void ike_reauth(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)ike_id;
	later(NULL, cb, arg);
}

void ike_load_copy(struct ike *ike, const struct ike_copy *copy, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)copy;
	later(NULL, cb, arg);
}

void ike_unload_copy(struct ike *ike, const char *name, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)name;
	later(NULL, cb, arg);
}

bool ike_copy_check(const struct ike *ike, const struct ike_copy *copy, char *why, size_t size)
{
	(void)ike;
	(void)copy;
	snprintf(why, size, "anything");
	return false;
}

enum daemon_state ike_state(const struct ike *ike)
{
	(void)ike;
	return DAEMON_READY;
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	(void)ike;
	return &conns;
}

uint64_t ike_updowns(const struct ike *ike)
{
	(void)ike;
	return 0;
}

const char *ike_name(const struct ike *ike)
{
	(void)ike;
	return "strongSwan";
}

const char *ike_word(const struct ike *ike)
{
	(void)ike;
	return "strongswan";
}

const struct ike_words *ike_words(const struct ike *ike)
{
	static const struct ike_words words = { "up ", "", NULL, "list" };

	(void)ike;
	return &words;
}

enum disruptive ike_disruptive(const struct ike *ike)
{
	(void)ike;
	return DISRUPTIVE_IKE;
}

uint32_t ike_queued(struct ike *ike)
{
	(void)ike;
	return 0;
}

/* ---- the module: the SA that is up is not in the kernel, and a flow nobody knows ---- */

int invspi_nl_flow_dump(struct invspi_nl *nl, const struct invspi_filter *filter, invspi_flow_cb cb,
			void *arg, struct invspi_err *err)
{
	struct invspi_flow f = {
		.family = AF_INET,
		.proto = IPPROTO_ESP,
		.src.b = { 192, 0, 2, 2 },
		.dst.b = { 192, 0, 2, 1 },
		.spi = 0xc0000001,
		.packets = 9,
		.reasons = { 9 },
		.state = XFRM_INVSPI_FLOW_STATE_DESYNC,
	};
	int rc;

	(void)nl;
	(void)filter;
	(void)err;
	rc = cb(&f, arg);
	f.src.b[3] = 9;
	f.spi = 77;
	return rc ? rc : cb(&f, arg);
}

int invspi_nl_flow_get(struct invspi_nl *nl, const struct invspi_flow *key,
		       struct invspi_flow *flow, struct invspi_err *err)
{
	(void)nl;
	(void)key;
	(void)flow;
	return invspi_err_set(err, ENOENT, "none");
}

int invspi_nl_stats_get(struct invspi_nl *nl, struct invspi_stats *stats, struct invspi_err *err)
{
	(void)nl;
	(void)err;
	memset(stats, 0, sizeof(*stats));
	return 0;
}

/* ---- the kernel: it has no SA ---- */

int xfrm_find(const struct xfrm *x, uint32_t spi, uint8_t proto,
	      void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg)
{
	(void)x;
	(void)spi;
	(void)proto;
	(void)cb;
	(void)arg;
	return 0;
}

int xfrm_seen_leaving(const struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		      int64_t *when, enum xfrm_gone *how)
{
	(void)x;
	(void)dst;
	(void)spi;
	(void)proto;
	(void)when;
	(void)how;
	return -ENOENT;
}

int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa)
{
	(void)x;
	(void)dst;
	(void)spi;
	(void)proto;
	(void)mark;
	(void)sa;
	return -ESRCH;
}

int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr)
{
	(void)x;
	return addr->addr[3] == 1;
}

unsigned int xfrm_count(const struct xfrm *x)
{
	(void)x;
	return 0;
}

bool xfrm_flush_seen(const struct xfrm *x, int64_t since)
{
	(void)x;
	(void)since;
	return true;
}

uint64_t xfrm_overruns(const struct xfrm *x)
{
	(void)x;
	return 0;
}

/* It says nothing either: the recorder does without. */
struct xfrm_listen *xfrm_listen_new(uv_loop_t *loop,
				    void (*cb)(void *arg, const struct xfrm_said *said), void *arg)
{
	(void)loop;
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

/* ---- the rest of the helper that is not linked ---- */

void invspid_ike_options(const struct invspid *d, struct ike_options *opt)
{
	(void)d;
	memset(opt, 0, sizeof(*opt));
}

uint32_t random32(void)
{
	return 0;
}

const char *show_addr(int family, const uint8_t *addr)
{
	(void)family;
	(void)addr;
	return "192.0.2.2";
}

const char *daemon_state_name(enum daemon_state s)
{
	(void)s;
	return "ready";
}

/* ---- a client ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	must(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	must(!connect(fd, (struct sockaddr *)&sa, sizeof(sa)));
	return fd;
}

static void turn(struct invspid *d)
{
	if (nwaiting)
		answer_one();
	/* Nothing is ever to come: then there is no time to pass either. */
	uv_run(d->loop, nwaiting || uv_backend_timeout(d->loop) < 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
}

/* An answer is one line, of JSON, and says whether it was done or why not. */
static void must_be_answer(const char *buf, size_t len)
{
	json_t *j, *ok;

	must(buf[len - 1] == '\n' && !memchr(buf, '\n', len - 1));
	j = json_loadb(buf, len, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(j));
	ok = json_object_get(j, "ok");
	must(json_is_true(ok) || json_is_string(json_object_get(j, "error")));
	json_decref(j);
}

static void ask(struct invspid *d, const char *path, const char *line, size_t len)
{
	/* A line that begins with '-' is of a client that does not wait. */
	bool leaves = len && line[0] == '-';
	size_t got = 0, turns = 0;
	static char buf[1 << 20];
	int fd = connect_to(path);
	ssize_t n = -1;

	must(write(fd, line, len) == (ssize_t)len);
	must(write(fd, "\n", 1) == 1);
	while (turns++ < TURNS_MAX && !(leaves && turns > 2)) {
		turn(d);
		n = read(fd, buf + got, sizeof(buf) - got);
		got += n > 0 ? (size_t)n : 0;
		if (!n)
			break;
	}
	close(fd);
	must(turns <= TURNS_MAX);
	must(leaves || got);
	if (got && !n)
		must_be_answer(buf, got);
	/* A little more time: what it has begun may go on, and need not come to its end. */
	for (turns = 0; turns < 3 || (nwaiting && turns < 32); turns++)
		turn(d);
}

/* ---- a helper ---- */

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void start(struct invspid *d, uv_loop_t *loop, const char *dir, const char *path)
{
	char *err = NULL;

	memset(d, 0, sizeof(*d));
	must(!uv_loop_init(loop));
	d->loop = loop;
	d->version = "0.1";
	d->conf = conf_load(NULL, &err);
	must(d->conf && !conns_index(&conns));
	d->ike = (struct ike *)&conns;
	d->nl = (struct invspi_nl *)&conns;
	d->slots = 8;
	uv_timer_init(loop, &d->look_timer);
	/* Kept in memory: the file has a thread, and that has a clock of its own. */
	d->hist = hist_open("/dev/null/none", &err);
	d->settings = settings_open(dir, NULL);
	d->watch = watch_new();
	d->tally = tally_new();
	/* What it runs to capture is not what is tried here. */
	d->conf->capture_defaults = 0;
	d->record = record_new(d, dir);
	d->hooks = hooks_new(loop);
	d->metrics = metrics_new(d);
	d->control = control_new(d, path, &err);
	must(d->hist && d->settings && d->watch && d->tally && d->record && d->hooks &&
	     d->metrics && d->control);
}

static void end(struct invspid *d)
{
	d->closing = true;
	control_free(d->control);
	metrics_free(d->metrics);
	recover_stop_all(d);
	while (nwaiting)
		answer_one();
	listing_clear(d);
	record_free(d->record);
	hooks_free(d->hooks);
	look_stop(d);
	watch_free(d->watch);
	tally_free(d->tally);
	hist_close(d->hist);
	settings_close(d->settings);
	uv_walk(d->loop, close_handle, NULL);
	uv_run(d->loop, UV_RUN_DEFAULT);
	must(!uv_loop_close(d->loop));
	conf_free(d->conf);
	free(conns.index);
	conns.index = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *dir = fuzz_dir(), *p = (const char *)data, *nl;
	static struct invspid d;
	char path[128];
	uv_loop_t loop;
	size_t n;

	trying = true;
	log_level(-1);
	snprintf(path, sizeof(path), "%s/control", dir);
	start(&d, &loop, dir, path);
	while (size) {
		nl = memchr(p, '\n', size);
		n = nl ? (size_t)(nl - p) : size;
		ask(&d, path, p, n);
		n += nl ? 1 : 0;
		p += n;
		size -= n;
	}
	end(&d);
	trying = false;
	return 0;
}
