// SPDX-License-Identifier: GPL-2.0-only
/*
 * The libreswan backend: finding pluto, making sure that it is ours, waiting until
 * its connections have settled, and noticing that it has gone. See ike_whack_int.h for
 * its other parts.
 *
 *   ABSENT -> pluto.pid and pluto.ctl are there, a pluto has that number
 *          -> its network namespace is ours (else FOREIGN)
 *          -> SETTLING until connections are there and unchanged for settle_ms
 *          -> READY, and back to SETTLING when they change, or it does not answer
 *          -> ABSENT when the process has ended; then again with growing pauses
 *
 * A connection to its control socket would tell whose it is, but pluto waits for what
 * whoever connects has to say, and does nothing else meanwhile. So its pid file must
 * do, which it keeps to itself: it does not start where there is one of a living pluto.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ike_whack_int.h"
#include "intern.h"
#include "log.h"

/* Of Debian and most others; of older ones; of what was built from source. */
static const char *const stock_programs[] = { "/usr/libexec/ipsec/whack", "/usr/lib/ipsec/whack",
					      "/usr/local/libexec/ipsec/whack", NULL };

#define RUNDIR "/run/pluto"
#define MADE_MS 50 /* its files are made before it serves */
#define POLL_SETTLING_MS 300
#define POLL_READY_MS 5000
#define POLL_CONNS_MS 30000
#define POLL_SHARE 500 /* ... but its connections take no more of the time than that */
#define NEWS_SHARE 4 /* ... or that, if they have changed */

static void connect_now(struct ike_whack *ike);

/* ---- timers ---- */

static void status_told(void *arg, int err, const char *errmsg)
{
	struct ike_whack *ike = arg;

	(void)err;
	(void)errmsg;
	if (!ike->freed && ike->connected)
		ike_whack_arm(ike, ike->b.state == DAEMON_READY && !ike->conns_news
					   ? POLL_READY_MS
					   : POLL_SETTLING_MS);
}

/* With very many connections pluto takes a while to tell them, and does nothing else. */
static bool conns_due(const struct ike_whack *ike)
{
	int64_t ago = now_ms() - ike->conns_at, cost = ike->status_cost_ms;

	if (ike->b.state != DAEMON_READY || (ike->conns_news && ago >= cost * NEWS_SHARE))
		return true;
	return ago >= POLL_CONNS_MS && ago >= cost * POLL_SHARE;
}

static void timer_fired(uv_timer_t *timer)
{
	struct ike_whack *ike = timer->data;

	if (!ike->connected) {
		connect_now(ike);
	} else if (conns_due(ike)) {
		ike_whack_reload_conns(&ike->b, status_told, ike);
	} else {
		ike_whack_arm(ike, POLL_READY_MS);
		if (ike->b.ev.conns)
			ike->b.ev.conns(ike->b.arg);
	}
}

void ike_whack_arm(struct ike_whack *ike, int64_t ms)
{
	if (!ike->freed)
		uv_timer_start(&ike->timer, timer_fired, (uint64_t)ms, 0);
}

/* What waits for that connection should not wait for the next time that they are due. */
void ike_whack_conns_news(struct ike_whack *ike)
{
	ike->conns_news = true;
	if (!ike->connected)
		return;
	if (uv_timer_get_due_in(&ike->timer) > POLL_SETTLING_MS)
		ike_whack_arm(ike, POLL_SETTLING_MS);
}

/* ---- waiting for pluto ---- */

/* What is waited for: the directory itself, or a file in it. */
static void dir_changed(uv_fs_event_t *fs, const char *name, int events, int status)
{
	struct ike_whack *ike = fs->data;
	const char *base = strrchr(ike->rundir, '/');

	(void)events;
	if (status < 0 || ike->connected || !name || !base)
		return;
	if (strncmp(name, "pluto.", 6) && strcmp(name, base + 1))
		return;
	ike->backoff_ms = ike->backoff_min_ms;
	ike_whack_arm(ike, MADE_MS);
}

/* Only helps: if it can't be done, the pauses between tries are all there is. */
static void watch(struct ike_whack *ike)
{
	char *dir = strdup(ike->rundir), *slash = dir ? strrchr(dir, '/') : NULL;

	uv_fs_event_stop(&ike->fs);
	if (dir && uv_fs_event_start(&ike->fs, dir_changed, dir, 0) && slash) {
		*(slash == dir ? slash + 1 : slash) = '\0';
		uv_fs_event_start(&ike->fs, dir_changed, dir, 0);
	}
	free(dir);
}

static void retry_later(struct ike_whack *ike)
{
	ike_whack_arm(ike, ike_backend_pause(&ike->backoff_ms, ike->backoff_max_ms));
}

/* ---- losing it ---- */

static void end_closed(uv_handle_t *handle)
{
	free(handle);
}

static void drop_end(struct ike_whack *ike)
{
	if (!ike->end)
		return;
	uv_poll_stop(ike->end);
	uv_close((uv_handle_t *)ike->end, end_closed);
	ike->end = NULL;
	close(ike->pidfd);
	ike->pidfd = -1;
}

static void forget(struct ike_whack *ike)
{
	unsigned int i;

	ike->connected = false;
	if (ike->child) { /* it asks another pluto */
		child_kill(ike->child);
		ike->child = NULL;
		ike->run_since = 0;
	}
	ike->list_at = INT64_MAX;
	ike->silent_since = 0;
	drop_end(ike);
	ike_listing_put(ike->last);
	ike->last = NULL;
	ike->top = 0;
	memset(ike->ended, 0, sizeof(ike->ended));
	free(ike->memory.known);
	memset(&ike->memory, 0, sizeof(ike->memory));
	whack_status_clear(&ike->status);
	ike->have_status = false;
	ike->conns_news = false;
	whack_log_end(ike);
	memset(&ike->causes, 0, sizeof(ike->causes));
	for (i = 0; i < WHACK_GONE; i++)
		intern_put(ike->gone[i].conn);
	memset(ike->gone, 0, sizeof(ike->gone));
	for (i = 0; i < BEGUN; i++)
		intern_put(ike->begun[i]);
	memset(ike->begun, 0, sizeof(ike->begun));
	for (i = 0; i < OWN; i++)
		intern_put(ike->own[i].conn);
	memset(ike->own, 0, sizeof(ike->own));
	ike->bad_told = false;
	ike->missing = 0;
	ike->missing_seen = 0;
}

/* Tells @state and @why last. Then tries again after a pause. */
static void leave(struct ike_whack *ike, enum daemon_state state, const char *why)
{
	bool news = ike->b.state != state || strcmp(ike->b.why, why);

	ike->b.state = state; /* what callbacks see from now on */
	snprintf(ike->b.why, sizeof(ike->b.why), "%s", why);
	forget(ike);
	whack_cancel(ike, -ENOTCONN);
	if (ike->freed)
		return;
	watch(ike);
	retry_later(ike);
	if (news)
		ike_backend_tell(&ike->b);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct ike_whack *ike = poll->data;
	char why[IKE_WHY_MAX];

	(void)status;
	(void)events;
	snprintf(why, sizeof(why), "pluto (pid %d) has ended", (int)ike->b.pid);
	leave(ike, DAEMON_ABSENT, why);
}

/* ---- connections ---- */

static void check_settled(struct ike_whack *ike)
{
	char why[IKE_WHY_MAX];

	if (ike->b.state != DAEMON_SETTLING || !ike->b.conns.nconn ||
	    now_ms() - ike->conns_since < ike->settle_ms)
		return;
	ike->backoff_ms = ike->backoff_min_ms;
	snprintf(why, sizeof(why), "libreswan %s, pid %d, %zu connection%s",
		 ike->status.version ? ike->status.version : "of unknown version", (int)ike->b.pid,
		 ike->b.conns.nconn, ike->b.conns.nconn == 1 ? "" : "s");
	ike_backend_state(&ike->b, DAEMON_READY, why);
}

/* Takes @status. */
void ike_whack_new_status(struct ike_whack *ike, struct whack_status *status)
{
	struct ike_conns conns = { 0 };
	bool changed;

	if (whack_conns(status, &conns)) {
		whack_status_clear(status);
		return;
	}
	changed = !ike->have_status || status->hash != ike->status.hash;
	whack_status_clear(&ike->status);
	ike->status = *status;
	ike->have_status = true;
	ike_conns_clear(&ike->b.conns);
	ike->b.conns = conns;
	whack_log_follow(ike, ike->log_path ? ike->log_path : ike->status.log);
	if (changed)
		ike->conns_since = now_ms();
	if (changed && ike->b.state == DAEMON_READY)
		ike_backend_state(&ike->b, DAEMON_SETTLING, "the connections changed");
	else
		check_settled(ike);
	if (!ike->freed && ike->b.ev.conns)
		ike->b.ev.conns(ike->b.arg);
}

/* ---- finding it ---- */

static const char *find_program(const struct ike_whack *ike)
{
	const char *const *p =
		ike->program ? (const char *const[]){ ike->program, NULL } : stock_programs;

	while (*p && access(*p, X_OK))
		p++;
	return *p;
}

static pid_t read_pid(const struct ike_whack *ike)
{
	char path[4096];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/pluto.pid", ike->rundir);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 0)
		pid = -EINVAL;
	fclose(f);
	return pid;
}

/* A file that was left behind may have the number of quite another process. */
static bool is_pluto(pid_t pid)
{
	char path[64], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return !strncmp(name, "pluto", 5);
}

/* Readable when the process has ended. Return: 0 or -errno. */
static int watch_end(struct ike_whack *ike)
{
	int fd = (int)syscall(SYS_pidfd_open, ike->b.pid, 0);

	if (fd < 0)
		return -errno;
	ike->end = malloc(sizeof(*ike->end));
	if (!ike->end) {
		close(fd);
		return -ENOMEM;
	}
	ike->pidfd = fd;
	uv_poll_init(ike->loop, ike->end, fd);
	ike->end->data = ike;
	uv_poll_start(ike->end, UV_READABLE, on_end);
	return 0;
}

/* Return: NULL, or why it is not there. */
static const char *find_pluto(struct ike_whack *ike, char *why, size_t size)
{
	char ctl[4096];
	pid_t pid = read_pid(ike);
	uint64_t start;

	snprintf(ctl, sizeof(ctl), "%s/pluto.ctl", ike->rundir);
	start = pid > 0 ? ike_process_start(pid) : 0;
	if (pid < 0)
		snprintf(why, size, "%s/pluto.pid: %s; is libreswan running?", ike->rundir,
			 strerror(-pid));
	else if (!start || !is_pluto(pid))
		snprintf(why, size, "%s/pluto.pid: its process %d is no pluto, or has ended",
			 ike->rundir, (int)pid);
	else if (access(ctl, F_OK))
		snprintf(why, size, "%s/pluto.ctl: %s", ike->rundir, strerror(errno));
	else if (!find_program(ike))
		snprintf(why, size, "%s: cannot be run (%s); `whack' in the configuration names it",
			 ike->program ? ike->program : stock_programs[0], strerror(errno));
	else
		why = NULL;
	if (why)
		return why;
	ike->b.pid = pid;
	ike->b.starttime = start;
	ike->program_used = find_program(ike);
	return NULL;
}

static void connect_now(struct ike_whack *ike)
{
	char why[IKE_WHY_MAX];
	int err;

	if (find_pluto(ike, why, sizeof(why))) {
		leave(ike, DAEMON_ABSENT, why);
		return;
	}
	if (!ike_same_namespace(ike->b.pid, why, sizeof(why))) {
		leave(ike, DAEMON_FOREIGN, why);
		return;
	}
	err = watch_end(ike);
	if (err) {
		snprintf(why, sizeof(why), "pluto (pid %d): %s", (int)ike->b.pid, strerror(-err));
		leave(ike, DAEMON_ABSENT, why);
		return;
	}
	uv_fs_event_stop(&ike->fs);
	ike->connected = true;
	ike->conns_since = now_ms();
	ike->conns_at = LONG_AGO;
	ike_conns_clear(&ike->b.conns);
	ike_backend_state(&ike->b, DAEMON_SETTLING,
			  "pluto is there; waiting for its connections to be loaded");
	if (!ike->freed && ike->connected)
		ike_whack_reload_conns(&ike->b, status_told, ike);
}

/* ---- the object ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct ike_whack *ike = handle->data;

	if (--ike->handles)
		return;
	free(ike->rundir);
	free(ike->program);
	free(ike->log_path);
	free(ike);
}

static void ike_whack_free(struct ike_backend *b)
{
	struct ike_whack *ike = ike_whack(b);

	ike->freed = true;
	forget(ike);
	whack_cancel(ike, -ECANCELED);
	whack_copies_free(ike);
	ike_conns_clear(&ike->b.conns);
	uv_close((uv_handle_t *)&ike->timer, handle_closed);
	uv_close((uv_handle_t *)&ike->soon, handle_closed);
	uv_close((uv_handle_t *)&ike->fs, handle_closed);
}

static const struct ike_ops ops = {
	.name = "libreswan",
	.word = "libreswan",
	.words = {
		.initiate = "ipsec whack --initiate --name ",
		.initiate_end = "",
		.initiate_to = " --remote-host ",
		.list_conns = "ipsec whack --status",
	},
	.disruptive = DISRUPTIVE_CHILD,
	.free = ike_whack_free,
	.list = ike_whack_list,
	.reload_conns = ike_whack_reload_conns,
	.rekey_child = ike_whack_rekey_child,
	.initiate = ike_whack_initiate,
	.copy_check = ike_whack_copy_check,
	.load_copy = ike_whack_load_copy,
	.unload_copy = ike_whack_unload_copy,
	.terminate_ike = ike_whack_terminate_ike,
	.terminate_child = ike_whack_terminate_child,
	.reauth = ike_whack_reauth,
	.queued = ike_whack_queued,
	.hint = ike_whack_hint,
};

struct ike_backend *ike_whack_new(uv_loop_t *loop, const struct ike_options *opt)
{
	struct ike_whack *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->b.ops = &ops;
	ike->loop = loop;
	ike->rundir = strdup(opt->rundir ? opt->rundir : RUNDIR);
	ike->program = opt->whack ? strdup(opt->whack) : NULL;
	ike->log_path = opt->pluto_log ? strdup(opt->pluto_log) : NULL;
	if (!ike->rundir || (opt->whack && !ike->program) || (opt->pluto_log && !ike->log_path)) {
		free(ike->rundir);
		free(ike->program);
		free(ike->log_path);
		free(ike);
		return NULL;
	}
	ike->settle_ms = opt->settle_ms > 0 ? opt->settle_ms : 1000;
	ike->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : 2000;
	ike->backoff_min_ms = opt->backoff_min_ms > 0 ? opt->backoff_min_ms : 250;
	ike->backoff_max_ms = opt->backoff_max_ms > 0 ? opt->backoff_max_ms : 60000;
	ike->backoff_ms = ike->backoff_min_ms;
	ike->list_at = INT64_MAX;
	ike->pidfd = -1;
	uv_timer_init(loop, &ike->timer);
	uv_timer_init(loop, &ike->soon);
	uv_fs_event_init(loop, &ike->fs);
	ike->timer.data = ike;
	ike->soon.data = ike;
	ike->fs.data = ike;
	ike->handles = 3;
	ike_whack_arm(ike, 0);
	return &ike->b;
}
