// SPDX-License-Identifier: GPL-2.0-only
/*
 * The strongSwan backend: finding the daemon, making sure that it is ours, waiting
 * until its connections have settled, and noticing that it has gone. See
 * ike_vici_int.h for its other parts.
 *
 *   ABSENT -> connect -> peer credentials, network namespace (else FOREIGN)
 *          -> events registered, statistics (user-space ESP: FOREIGN)
 *          -> SETTLING until connections are there and unchanged for settle_ms
 *          -> READY, and back to SETTLING when they change
 *          -> STOPPING when the daemon says so
 *          -> ABSENT when a connection breaks; then again with growing pauses
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_int.h"
#include "log.h"

/* charon.vici of Debian and most others; of Fedora; and where /run is not /var/run. */
static const char *const stock_paths[] = { "/run/charon.vici", "/run/strongswan/charon.vici",
					   "/var/run/charon.vici", NULL };

#define SOCKET_MADE_MS 20

static void connect_now(struct ike *ike);

void ike_vici_set_state(struct ike *ike, enum daemon_state state, const char *why)
{
	if (ike->state == state && !strcmp(ike->why, why))
		return;
	ike->state = state;
	if (why != ike->why)
		snprintf(ike->why, sizeof(ike->why), "%s", why);
	if (ike->ev.state)
		ike->ev.state(ike->arg, state, ike->why);
}

/* ---- timers ---- */

static void timer_fired(uv_timer_t *timer)
{
	struct ike *ike = timer->data;

	if (ike->events)
		ike_vici_poll_conns(ike);
	else
		connect_now(ike);
}

void ike_vici_arm(struct ike *ike, int64_t ms)
{
	if (!ike->freed)
		uv_timer_start(&ike->timer, timer_fired, ms, 0);
}

static void soon_fired(uv_timer_t *timer)
{
	struct ike *ike = timer->data;

	ike_vici_op_deliver_failed(ike);
	if (!ike->freed)
		ike_vici_resolve_downs(ike, false);
	ike_vici_arm_soon(ike);
}

void ike_vici_arm_soon(struct ike *ike)
{
	int64_t due = ike->failed ? 0 : ike_vici_downs_due(ike), wait;

	if (ike->freed || due == INT64_MAX)
		return;
	wait = due ? due - now_ms() : 0;
	uv_timer_start(&ike->soon, soon_fired, wait > 0 ? wait : 0, 0);
}

/* ---- waiting for the daemon ---- */

/*
 * A daemon that starts makes its socket: no need to wait for the next try then. A
 * moment later, since it is made before it is listened on.
 */
static void dir_changed(uv_fs_event_t *fs, const char *name, int events, int status)
{
	struct ike *ike = fs->data;
	const char *base = strrchr(ike->path_tried, '/');

	(void)events;
	if (status < 0 || ike->events || !name || !base || strcmp(name, base + 1))
		return;
	ike->backoff_ms = ike->backoff_min_ms;
	ike_vici_arm(ike, SOCKET_MADE_MS);
}

/* Only helps: if it can't be done, the pauses between tries are all there is. */
static void watch(struct ike *ike)
{
	char *dir = strdup(ike->path_tried), *slash = dir ? strrchr(dir, '/') : NULL;

	uv_fs_event_stop(&ike->fs);
	if (slash) {
		*(slash == dir ? slash + 1 : slash) = '\0';
		uv_fs_event_start(&ike->fs, dir_changed, dir, 0);
	}
	free(dir);
}

/* ---- losing the daemon ---- */

static int64_t jitter(int64_t ms)
{
	uint32_t r = 0;

	uv_random(NULL, NULL, &r, sizeof(r), 0, NULL);
	return ms - ms / 4 + r % (ms / 2 + 1);
}

static void retry_later(struct ike *ike)
{
	ike_vici_arm(ike, jitter(ike->backoff_ms));
	ike->backoff_ms *= 2;
	if (ike->backoff_ms > ike->backoff_max_ms)
		ike->backoff_ms = ike->backoff_max_ms;
}

/*
 * Closes all connections; requests on them end with -ENOTCONN (-ECANCELED if freed).
 * One by one, and each out of sight first: the callbacks may call ike_free().
 */
static void close_all(struct ike *ike)
{
	struct vici *v;
	int i;

	ike->checked = false;
	v = ike->events;
	ike->events = NULL;
	vici_close(v);
	v = ike->query;
	ike->query = NULL;
	vici_close(v);
	for (i = 0; i < WORKERS; i++) {
		v = ike->worker[i].vici;
		ike->worker[i].vici = NULL;
		vici_close(v);
	}
}

/* Closes everything, and tells @state and @why last. Then tries again after a pause. */
static void leave(struct ike *ike, enum daemon_state state, const char *why)
{
	bool news = ike->state != state || strcmp(ike->why, why);

	ike->state = state; /* what callbacks see from now on */
	snprintf(ike->why, sizeof(ike->why), "%s", why);
	close_all(ike);
	if (!ike->freed)
		ike_vici_resolve_downs(ike, true);
	if (ike->freed)
		return;
	cause_clear(&ike->causes);
	ike->discarded_at = LONG_AGO;
	ike->large = true; /* until a listing shows that there is none */
	ike->large_told = NULL;
	ike->large_id = 0;
	free(ike->version);
	ike->version = NULL;
	watch(ike);
	retry_later(ike);
	if (news && ike->ev.state)
		ike->ev.state(ike->arg, state, ike->why);
}

/**
 * ike_vici_lost() - the connection to the daemon is of no use any more
 * @err: negative errno, 0 if @what says it all
 * @what: what happened
 */
void ike_vici_lost(struct ike *ike, int err, const char *what)
{
	char why[WHY_MAX];

	if (err == -ECONNRESET)
		snprintf(why, sizeof(why), "%s: the IKE daemon closed the connection", what);
	else if (err)
		snprintf(why, sizeof(why), "%s: %s", what, strerror(-err));
	else
		snprintf(why, sizeof(why), "%s", what);
	leave(ike, DAEMON_ABSENT, why);
}

static void events_closed(void *arg, int err)
{
	ike_vici_lost(arg, err, "VICI events");
}

static void query_closed(void *arg, int err)
{
	ike_vici_lost(arg, err, "VICI");
}

static void got_event(void *arg, struct vici_str name, const uint8_t *msg, size_t len)
{
	ike_vici_event(arg, name, msg, len);
}

static const struct vici_ops events_ops = { .event = got_event, .closed = events_closed };
static const struct vici_ops query_ops = { .closed = query_closed };

/* ---- connecting ---- */

static void setup_done(struct ike *ike)
{
	if (--ike->setup)
		return;
	ike->checked = true;
	ike->conns_hash = 0;
	ike->conns_since = now_ms();
	ike_conns_clear(&ike->conns);
	ike_vici_set_state(ike, DAEMON_SETTLING,
			   "connected; waiting for its connections to be loaded");
	ike_vici_ask_conns(ike);
}

static void setup_failed(struct ike *ike, int err, const char *what)
{
	/* Those that broke or that we closed tell so by themselves. */
	if (err != -ENOTCONN && err != -ECANCELED)
		ike_vici_lost(ike, err, what);
}

static void event_registered(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike *ike = arg;

	(void)msg;
	(void)len;
	if (err)
		setup_failed(ike, err, "registering for VICI events");
	else
		setup_done(ike);
}

static void stats_told(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike *ike = arg;
	bool libipsec = false;

	if (!err)
		err = parse_stats(msg, len, &libipsec);
	if (err)
		setup_failed(ike, err, "VICI command stats");
	else if (libipsec)
		leave(ike, DAEMON_FOREIGN,
		      "the IKE daemon does ESP itself (plugin kernel-libipsec), not the kernel; unload that plugin");
	else
		setup_done(ike);
}

static void version_told(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike *ike = arg;

	if (!err)
		err = parse_version(msg, len, &ike->version);
	if (err)
		setup_failed(ike, err, "VICI command version");
	else
		setup_done(ike);
}

static int ask(struct ike *ike, const char *command, vici_reply_cb cb)
{
	struct vici_request q = {
		.command = command,
		.timeout_ms = ike->timeout_ms,
		.cb = cb,
		.arg = ike,
	};

	ike->setup++;
	return vici_send(ike->query, &q);
}

static int listen_for(struct ike *ike, struct vici *v, const char *event)
{
	ike->setup++;
	return vici_register(v, event, ike->timeout_ms, event_registered, ike);
}

/* Events before listings: what happens in between must not be missed. */
static int begin_setup(struct ike *ike)
{
	const char *const *name;
	int err = 0;

	ike->setup = 0;
	for (name = ike_vici_event_names; !err && *name; name++)
		err = listen_for(ike, ike->events, *name);
	if (!err)
		err = listen_for(ike, ike->query, "list-sa");
	if (!err)
		err = listen_for(ike, ike->query, "list-conn");
	if (!err)
		err = ask(ike, "version", version_told);
	if (!err)
		err = ask(ike, "stats", stats_told);
	return err;
}

/* Sets ike->events, and ike->path_tried to where it is, or should have been. */
static int open_events(struct ike *ike)
{
	const char *const *p;
	int err = -ENOENT, first = 0;

	ike->path_tried = ike->path ? ike->path : stock_paths[0];
	for (p = ike->path ? (const char *const[]){ ike->path, NULL } : stock_paths; *p; p++) {
		ike->events = vici_open(ike->loop, *p, &events_ops, ike, &err);
		if (ike->events) {
			ike->path_tried = *p;
			return 0;
		}
		/* A socket that refuses says more than one that is not there. */
		if (err != -ENOENT && !first) {
			first = err;
			ike->path_tried = *p;
		}
	}
	return first ? first : -ENOENT;
}

static const char *advice(int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "; is strongSwan running, with its plugin vici?";
	case -EACCES:
	case -EPERM:
		return "; permission is needed, mostly root's";
	case -ENAMETOOLONG:
		return "; give a shorter path";
	default:
		return "";
	}
}

static void connect_now(struct ike *ike)
{
	char why[WHY_MAX];
	int err;

	err = open_events(ike);
	if (!err)
		ike->query = vici_open(ike->loop, ike->path_tried, &query_ops, ike, &err);
	if (err) {
		snprintf(why, sizeof(why), "%s: %s%s", ike->path_tried, strerror(-err),
			 advice(err));
		leave(ike, DAEMON_ABSENT, why);
		return;
	}
	ike->pid = vici_peer(ike->events);
	ike->starttime = ike_vici_process_start(ike->pid);
	if (vici_peer(ike->query) != ike->pid) {
		ike_vici_lost(ike, 0, "the IKE daemon changed while connecting");
		return;
	}
	if (!ike_vici_same_namespace(ike->pid, why, sizeof(why))) {
		leave(ike, DAEMON_FOREIGN, why);
		return;
	}
	uv_fs_event_stop(&ike->fs);
	err = begin_setup(ike);
	if (err)
		ike_vici_lost(ike, err, ike->path_tried);
}

/* ---- the object ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct ike *ike = handle->data;

	if (--ike->handles)
		return;
	free(ike->path);
	free(ike);
}

struct ike *ike_vici_new(uv_loop_t *loop, const struct ike_options *opt,
			 const struct ike_events *ev, void *arg)
{
	static const char scheme[] = "unix://";
	const char *path = opt->path;
	struct ike *ike;
	int i;

	ike = calloc(1, sizeof(*ike));
	if (!ike)
		return NULL;
	/* As in strongswan.conf, whose text people copy. */
	if (path && !strncmp(path, scheme, sizeof(scheme) - 1))
		path += sizeof(scheme) - 1;
	if (path) {
		ike->path = strdup(path);
		if (!ike->path) {
			free(ike);
			return NULL;
		}
	}
	ike->loop = loop;
	ike->ev = *ev;
	ike->arg = arg;
	ike->settle_ms = opt->settle_ms > 0 ? opt->settle_ms : 1000;
	ike->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : 2000;
	ike->backoff_min_ms = opt->backoff_min_ms > 0 ? opt->backoff_min_ms : 250;
	ike->backoff_max_ms = opt->backoff_max_ms > 0 ? opt->backoff_max_ms : 60000;
	ike->backoff_ms = ike->backoff_min_ms;
	ike->state = DAEMON_ABSENT;
	snprintf(ike->why, sizeof(ike->why), "not yet connected");
	ike->discarded_at = LONG_AGO;
	ike->large = true;
	ike->down_last = &ike->down;
	for (i = 0; i < WORKERS; i++)
		ike->worker[i].ike = ike;
	uv_timer_init(loop, &ike->timer);
	uv_timer_init(loop, &ike->soon);
	uv_fs_event_init(loop, &ike->fs);
	ike->timer.data = ike;
	ike->soon.data = ike;
	ike->fs.data = ike;
	ike->handles = 3;
	ike_vici_arm(ike, 0);
	return ike;
}

void ike_free(struct ike *ike)
{
	if (!ike || ike->freed)
		return;
	ike->freed = true;
	close_all(ike);
	ike_vici_op_cancel(ike, -ECANCELED);
	ike_vici_downs_drop(ike);
	cause_clear(&ike->causes);
	ike_conns_clear(&ike->conns);
	free(ike->version);
	ike->version = NULL;
	uv_close((uv_handle_t *)&ike->timer, handle_closed);
	uv_close((uv_handle_t *)&ike->soon, handle_closed);
	uv_close((uv_handle_t *)&ike->fs, handle_closed);
}

enum daemon_state ike_state(const struct ike *ike)
{
	return ike->state;
}

void ike_instance(const struct ike *ike, pid_t *pid, uint64_t *starttime)
{
	*pid = ike->pid;
	*starttime = ike->starttime;
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	return &ike->conns;
}

uint64_t ike_updowns(const struct ike *ike)
{
	return ike->updown;
}
