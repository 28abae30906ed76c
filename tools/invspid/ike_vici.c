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

#include "ike_vici_copy.h"
#include "ike_vici_int.h"
#include "log.h"

/* charon.vici of Debian and most others; of Fedora; and where /run is not /var/run. */
static const char *const stock_paths[] = { "/run/charon.vici", "/run/strongswan/charon.vici",
					   "/var/run/charon.vici", NULL };

#define SOCKET_MADE_MS 20

static void connect_now(struct ike_vici *ike);

/* ---- timers ---- */

static void timer_fired(uv_timer_t *timer)
{
	struct ike_vici *ike = timer->data;

	if (ike->events)
		ike_vici_poll_conns(ike);
	else
		connect_now(ike);
}

void ike_vici_arm(struct ike_vici *ike, int64_t ms)
{
	if (!ike->freed)
		uv_timer_start(&ike->timer, timer_fired, ms, 0);
}

static void soon_fired(uv_timer_t *timer)
{
	struct ike_vici *ike = timer->data;

	ike_vici_op_deliver_failed(ike);
	if (!ike->freed)
		ike_vici_resolve_downs(ike, false);
	ike_vici_arm_soon(ike);
}

void ike_vici_arm_soon(struct ike_vici *ike)
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
	struct ike_vici *ike = fs->data;
	const char *base = strrchr(ike->path_tried, '/');

	(void)events;
	if (status < 0 || ike->events || !name || !base || strcmp(name, base + 1))
		return;
	ike->backoff_ms = ike->backoff_min_ms;
	ike_vici_arm(ike, SOCKET_MADE_MS);
}

/* Only helps: if it can't be done, the pauses between tries are all there is. */
static void watch(struct ike_vici *ike)
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

static void retry_later(struct ike_vici *ike)
{
	ike_vici_arm(ike, ike_backend_pause(&ike->backoff_ms, ike->backoff_max_ms));
}

/*
 * Closes all connections; requests on them end with -ENOTCONN (-ECANCELED if freed).
 * One by one, and each out of sight first: the callbacks may call ike_free().
 */
static void close_all(struct ike_vici *ike)
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
static void leave(struct ike_vici *ike, enum daemon_state state, const char *why)
{
	bool news = ike->b.state != state || strcmp(ike->b.why, why);

	ike->b.state = state; /* what callbacks see from now on */
	snprintf(ike->b.why, sizeof(ike->b.why), "%s", why);
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
	if (news)
		ike_backend_tell(&ike->b);
}

/**
 * ike_vici_lost() - the connection to the daemon is of no use any more
 * @err: negative errno, 0 if @what says it all
 * @what: what happened
 */
void ike_vici_lost(struct ike_vici *ike, int err, const char *what)
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

static void setup_done(struct ike_vici *ike)
{
	if (--ike->setup)
		return;
	ike->checked = true;
	ike->conns_hash = 0;
	ike->conns_since = now_ms();
	ike_conns_clear(&ike->b.conns);
	ike_backend_state(&ike->b, DAEMON_SETTLING,
			  "connected; waiting for its connections to be loaded");
	ike_vici_ask_conns(ike);
}

static void setup_failed(struct ike_vici *ike, int err, const char *what)
{
	/* Those that broke or that we closed tell so by themselves. */
	if (err != -ENOTCONN && err != -ECANCELED)
		ike_vici_lost(ike, err, what);
}

static void event_registered(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike_vici *ike = arg;

	(void)msg;
	(void)len;
	if (err)
		setup_failed(ike, err, "registering for VICI events");
	else
		setup_done(ike);
}

static void stats_told(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike_vici *ike = arg;
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
	struct ike_vici *ike = arg;

	if (!err)
		err = parse_version(msg, len, &ike->version);
	if (err)
		setup_failed(ike, err, "VICI command version");
	else
		setup_done(ike);
}

static int ask(struct ike_vici *ike, const char *command, vici_reply_cb cb)
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

static int listen_for(struct ike_vici *ike, struct vici *v, const char *event)
{
	ike->setup++;
	return vici_register(v, event, ike->timeout_ms, event_registered, ike);
}

/* Events before listings: what happens in between must not be missed. */
static int begin_setup(struct ike_vici *ike)
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
static int open_events(struct ike_vici *ike)
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

static void connect_now(struct ike_vici *ike)
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
	ike->b.pid = vici_peer(ike->events);
	ike->b.starttime = ike_process_start(ike->b.pid);
	if (vici_peer(ike->query) != ike->b.pid) {
		ike_vici_lost(ike, 0, "another IKE daemon has taken the socket meanwhile");
		return;
	}
	if (!ike_same_namespace(ike->b.pid, why, sizeof(why))) {
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
	struct ike_vici *ike = handle->data;

	if (--ike->handles)
		return;
	free(ike->path);
	free(ike);
}

static void ike_vici_free(struct ike_backend *b)
{
	struct ike_vici *ike = ike_vici(b);

	ike->freed = true;
	close_all(ike);
	ike_vici_op_cancel(ike, -ECANCELED);
	ike_vici_downs_drop(ike);
	cause_clear(&ike->causes);
	ike_conns_clear(&ike->b.conns);
	free(ike->version);
	ike->version = NULL;
	uv_close((uv_handle_t *)&ike->timer, handle_closed);
	uv_close((uv_handle_t *)&ike->soon, handle_closed);
	uv_close((uv_handle_t *)&ike->fs, handle_closed);
}

static const struct ike_ops ops = {
	.name = "strongSwan",
	.word = "strongswan",
	.words = {
		.initiate = "swanctl --initiate --ike ",
		.initiate_end = " --child NAME",
		.list_conns = "swanctl --list-conns",
	},
	.disruptive = DISRUPTIVE_IKE,
	.free = ike_vici_free,
	.list = ike_vici_list,
	.reload_conns = ike_vici_reload_conns,
	.rekey_child = ike_vici_rekey_child,
	.initiate = ike_vici_initiate,
	.copy_check = ike_vici_copy_check,
	.load_copy = ike_vici_load_copy,
	.unload_copy = ike_vici_unload_copy,
	.terminate_ike = ike_vici_terminate_ike,
	.terminate_child = ike_vici_terminate_child,
	.reauth = ike_vici_reauth,
	.queued = ike_vici_queued,
};

struct ike_backend *ike_vici_new(uv_loop_t *loop, const struct ike_options *opt)
{
	static const char scheme[] = "unix://";
	const char *path = opt->vici;
	struct ike_vici *ike;
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
	ike->b.ops = &ops;
	ike->settle_ms = opt->settle_ms > 0 ? opt->settle_ms : 1000;
	ike->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : 2000;
	ike->backoff_min_ms = opt->backoff_min_ms > 0 ? opt->backoff_min_ms : 250;
	ike->backoff_max_ms = opt->backoff_max_ms > 0 ? opt->backoff_max_ms : 60000;
	ike->backoff_ms = ike->backoff_min_ms;
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
	return &ike->b;
}
