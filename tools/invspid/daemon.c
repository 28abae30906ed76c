// SPDX-License-Identifier: GPL-2.0-only
/*
 * The running helper: what it listens to, and what starts a look.
 *
 * One libuv loop. The module, the IKE daemon and the kernel's SAD may each be
 * missing or go away at any time; each is tried again by itself, and a look is
 * taken when it is back. Signals: SIGHUP reads the configuration again, SIGTERM
 * and SIGINT end the loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon.h"
#include "hook.h"
#include "log.h"
#include "metrics.h"
#include "pool.h"

#define MODULE_RETRY_MS 5000
#define GONE_POLL_MS 100
#define GONE_MAX_MS 30000 /* a daemon that takes longer to die was not lost */
#define SYNC_DELAY_MS 20

uint32_t random32(void)
{
	uint32_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)uv_hrtime();
	return r;
}

/* Not for two uses in one call: one buffer. */
const char *show_addr(int family, const uint8_t *addr)
{
	static char buf[INET6_ADDRSTRLEN];

	if (!inet_ntop(family, addr, buf, sizeof(buf)))
		return "?";
	return buf;
}

const char *daemon_state_name(enum daemon_state s)
{
	static const char *const names[] = {
		[DAEMON_ABSENT] = "absent",	[DAEMON_FOREIGN] = "foreign",
		[DAEMON_SETTLING] = "settling", [DAEMON_READY] = "ready",
		[DAEMON_STOPPING] = "stopping",
	};

	return s <= DAEMON_STOPPING ? names[s] : "?";
}

static void look_for_new(struct invspid *d, int64_t delay_ms)
{
	d->want_listing = true;
	look_soon(d, delay_ms);
}

/* ---- the module ---- */

static void module_retry(struct invspid *d);

static void module_close(struct invspid *d)
{
	if (d->events_polling)
		uv_poll_stop(&d->events_poll);
	if (d->events_polling && !uv_is_closing((uv_handle_t *)&d->events_poll))
		uv_close((uv_handle_t *)&d->events_poll, NULL);
	d->events_polling = false;
	if (d->events)
		invspi_events_close(d->events);
	if (d->nl)
		invspi_nl_close(d->nl);
	d->events = NULL;
	d->nl = NULL;
}

static void on_flow_event(enum invspi_event event, const struct invspi_flow *flow, void *arg)
{
	struct invspid *d = arg;

	record_flow(d, event, flow);
	/* A hint: the table says the rest. One that ceased is no reason to look. */
	if (event != INVSPI_EVENT_CEASED)
		look_soon(d, 0);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct invspid *d = poll->data;
	struct invspi_err err = { "" };
	int ret;

	(void)events;
	/* An overrun is an error of the socket, and libuv stops polling at one. */
	if (status)
		uv_poll_start(poll, UV_READABLE, on_events);
	ret = invspi_events_recv(d->events, on_flow_event, d, &err);
	if (ret >= 0)
		return;
	if (ret == -ENOBUFS) {
		d->count.overruns++;
		log_info("events were lost; reading the whole table");
		look_soon(d, 0);
		return;
	}
	log_warn("lost the module: %s", err.text[0] ? err.text : strerror(-ret));
	snprintf(d->module_why, sizeof(d->module_why), "%s", err.text);
	module_close(d);
	module_retry(d);
}

static bool module_open(struct invspid *d)
{
	struct invspi_err err = { "" };

	/* Events first: what happens before the first dump is in the dump. */
	if (invspi_events_open(&d->events, 0, &err) || invspi_nl_open(&d->nl, &err)) {
		if (strcmp(d->module_why, err.text))
			log_warn("the kernel module is not there: %s", err.text);
		snprintf(d->module_why, sizeof(d->module_why), "%s", err.text);
		module_close(d);
		return false;
	}
	/*
	 * A closed handle lives until the loop has run, so each opening has a
	 * fresh one; the retry timer is what guarantees that in between.
	 */
	uv_poll_init(d->loop, &d->events_poll, invspi_events_fd(d->events));
	d->events_poll.data = d;
	uv_poll_start(&d->events_poll, UV_READABLE, on_events);
	d->events_polling = true;
	d->module_why[0] = '\0';
	log_info("listening to the kernel module");
	look_soon(d, 0);
	return true;
}

static void on_module_timer(uv_timer_t *timer)
{
	struct invspid *d = timer->data;

	if (module_open(d))
		uv_timer_stop(timer);
}

static void module_retry(struct invspid *d)
{
	d->module_timer.data = d;
	uv_timer_start(&d->module_timer, on_module_timer, MODULE_RETRY_MS, MODULE_RETRY_MS);
}

/* ---- the IKE daemon ---- */

static uint64_t process_start(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], line[1024], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		p = strrchr(line, ')'); /* the name may hold anything */
		if (p &&
		    (p[2] == 'Z' || p[2] == 'X' ||
		     sscanf(p + 2,
			    "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			    &start) != 1))
			start = 0;
	}
	fclose(f);
	return start;
}

static void daemon_gone(struct invspid *d)
{
	if (!d->lost_at)
		return;
	uv_timer_stop(&d->lost_timer);
	hist_daemon_lost(d->hist, true, d->lost_at);
	d->lost_at = 0;
	look_soon(d, 0);
}

static void on_lost_timer(uv_timer_t *timer)
{
	struct invspid *d = timer->data;

	if (process_start(d->ike_pid) != d->ike_start)
		daemon_gone(d);
	else if (now_ms() - d->lost_at > GONE_MAX_MS)
		uv_timer_stop(timer);
}

/*
 * The socket of a daemon that ends closes before the process is gone, and one
 * that only closed its socket still has all its SAs: which of the two it was
 * shows a moment later.
 */
static void daemon_lost(struct invspid *d, bool in_order)
{
	listing_clear(d);
	recover_daemon_lost(d, in_order);
	if (!d->ike_pid || d->lost_at)
		return;
	d->lost_at = now_ms();
	hist_daemon_lost(d->hist, false, d->lost_at);
	d->lost_timer.data = d;
	uv_timer_start(&d->lost_timer, on_lost_timer, 0, GONE_POLL_MS);
}

static void daemon_there(struct invspid *d)
{
	uint64_t start;
	pid_t pid;

	ike_instance(d->ike, &pid, &start);
	if (d->lost_at && (pid != d->ike_pid || start != d->ike_start))
		daemon_gone(d);
	uv_timer_stop(&d->lost_timer);
	d->lost_at = 0;
	if (pid != d->ike_pid || start != d->ike_start)
		d->ike_since = now_ms();
	d->ike_pid = pid;
	d->ike_start = start;
	hist_daemon(d->hist, pid, start, now_ms());
	xfrm_resync(d->xfrm);
}

static void on_ike_state(void *arg, enum daemon_state state, const char *why)
{
	struct invspid *d = arg;
	enum daemon_state before = d->ike_state;

	d->ike_state = state;
	snprintf(d->daemon_why, sizeof(d->daemon_why), "%s", why ? why : "");
	if (state == before)
		return;
	log_msg(state == DAEMON_FOREIGN ? LOG_ERR : LOG_INFO, "IKE daemon %s%s%s",
		daemon_state_name(state), why && why[0] ? ": " : "", why ? why : "");
	record_daemon(d, state, why);
	service_state(state);
	if (state == DAEMON_ABSENT)
		daemon_lost(d, before == DAEMON_STOPPING);
	else if (state == DAEMON_SETTLING && before != DAEMON_READY)
		daemon_there(d);
	if (state == DAEMON_READY)
		recover_resume(d);
	look_for_new(d, 0);
}

static void on_child_up(void *arg, const char *conn, const char *child)
{
	struct invspid *d = arg;

	record_told(d, conn, 0, 0, "CHILD_SA %s up", child);
	look_for_new(d, SYNC_DELAY_MS);
}

static void on_child_down(void *arg, const char *conn, const char *child, uint32_t spi_in,
			  uint8_t proto, enum sa_end end)
{
	struct invspid *d = arg;

	/* What we interrupt ourselves should be up again, whatever becomes of us. */
	if (end == END_DELETED_LOCAL && recover_interrupts(d, conn))
		end = END_KERNEL_LOST;
	log_debug("CHILD_SA %s/%s spi 0x%08" PRIx32 " ended: %s", conn, child, spi_in,
		  end_name(end));
	record_told(d, conn, 0, spi_in, "CHILD_SA %s spi 0x%08" PRIx32 " ended: %s", child, spi_in,
		    end_name(end));
	evidence_note_named(d, spi_in, proto);
	hist_end(d->hist, spi_in, proto, end, now_ms());
	look_for_new(d, SYNC_DELAY_MS);
}

static void on_child_rekey(void *arg, const char *conn, const char *child, uint32_t spi_old,
			   uint32_t spi_new, uint8_t proto)
{
	struct invspid *d = arg;

	log_debug("CHILD_SA %s/%s rekeyed: spi 0x%08" PRIx32 " -> 0x%08" PRIx32, conn, child,
		  spi_old, spi_new);
	record_told(d, conn, 0, spi_new, "CHILD_SA %s rekeyed: spi 0x%08" PRIx32 " -> 0x%08" PRIx32,
		    child, spi_old, spi_new);
	evidence_note_named(d, spi_old, proto);
	evidence_note_named(d, spi_new, proto);
	hist_rekey(d->hist, spi_old, spi_new, proto, now_ms());
	look_for_new(d, SYNC_DELAY_MS);
}

static void on_ike_updown(void *arg, const char *conn, const char *remote_id, uint32_t ike_id,
			  bool up)
{
	struct invspid *d = arg;

	log_debug("IKE_SA %s[%u] %s", conn, ike_id, up ? "up" : "down");
	record_told(d, conn, ike_id, 0, "IKE_SA %s, peer's identity %s", up ? "up" : "down",
		    remote_id);
	if (up)
		recover_ike_up(d, conn, remote_id, ike_id);
	else
		recover_ike_down(d, conn, remote_id);
	look_for_new(d, SYNC_DELAY_MS);
}

static const char *conn_name(const void *conns, size_t i)
{
	return ((const struct ike_conns *)conns)->conn[i].name;
}

static void on_conns(void *arg)
{
	struct invspid *d = arg;
	const struct ike_conns *conns = ike_conns(d->ike);

	/* None are loaded: they will be, that is how it starts. */
	if (conns->nconn)
		tally_conns(d->tally, conns->nconn, conn_name, conns);
	dynamic_sweep(d);
	/* Every few seconds: what looks and the history's thread have left since. */
	if (xfrm_count(d->xfrm) >= MANY_SAS)
		memory_give_back();
}

static const struct ike_events ike_events = {
	.state = on_ike_state,
	.child_up = on_child_up,
	.child_down = on_child_down,
	.child_rekey = on_child_rekey,
	.ike_updown = on_ike_updown,
	.conns = on_conns,
	.log = record_ike_log,
	.kernel = hint_kernel,
};

/* ---- signals and the end ---- */

static void on_sighup(uv_signal_t *sig, int signum)
{
	struct invspid *d = sig->data;
	const char *path = conf_file(d->conf_given);
	struct conf *conf;
	char *err = NULL;

	(void)signum;
	conf = conf_load(path, &err);
	if (!conf) {
		log_err("configuration not reloaded, the old one stays: %s", err ? err : "?");
		free(err);
		return;
	}
	conf_free(d->conf);
	d->conf = conf;
	d->conf_path = path;
	log_level(conf->log_level);
	metrics_reload(d->metrics);
	hist_limits(d->hist, conf->history_days, conf->history_mib);
	record_conf(d->record);
	log_notice("configuration reloaded from %s", path ? path : "nothing: defaults");
	look_for_new(d, 0);
}

static void on_sigterm(uv_signal_t *sig, int signum)
{
	struct invspid *d = sig->data;

	log_notice("ending: %s", strsignal(signum));
	d->closing = true;
	if (!dynamic_end(d))
		uv_stop(d->loop);
}

static void watch(struct invspid *d, uv_signal_t *sig, uv_signal_cb cb, int signum)
{
	uv_signal_init(d->loop, sig);
	sig->data = d;
	uv_signal_start(sig, cb, signum);
}

/**
 * invspid_ike_options() - which IKE daemon, and where, as options and configuration say
 */
void invspid_ike_options(const struct invspid *d, struct ike_options *opt)
{
	opt->kind = (enum ike_kind)d->conf->ike;
	opt->vici = d->vici ? d->vici : d->conf->vici;
	opt->rundir = d->rundir ? d->rundir : d->conf->rundir;
	opt->whack = d->conf->whack;
	opt->pluto_log = d->conf->pluto_log;
	opt->settle_ms = d->conf->settle_ms;
	opt->timeout_ms = d->conf->request_timeout_ms;
	opt->backoff_min_ms = 250;
}

/**
 * invspid_open() - connect to everything
 * @d: conf, conf_path and the options are set; everything else is zero
 *
 * Only what can never come by itself is an error: the history's directory, the
 * control socket, the XFRM socket. Module and IKE daemon may be missing.
 *
 * Return: 0 or -1 with the reason logged.
 */
int invspid_open(struct invspid *d)
{
	const struct xfrm_events xfrm_events = { .added = hint_added, .removed = hint_removed };
	struct ike_options opt = { .backoff_max_ms = 60000 };
	const char *dir = d->state_dir ? d->state_dir : d->conf->state;
	char *err = NULL;

	d->started = now_ms();
	d->started_wall = wall_ms();
	d->log_at = d->started;
	d->log_tokens = TELL_BURST;
	d->slots = d->conf->limits.in_flight;
	d->uncertain_at = d->started;
	d->uncertain_tokens = d->conf->limits.uncertain_all;
	uv_timer_init(d->loop, &d->look_timer);
	uv_timer_init(d->loop, &d->module_timer);
	uv_timer_init(d->loop, &d->lost_timer);
	uv_timer_init(d->loop, &d->watchdog);
	d->hist = hist_open(dir, &err);
	if (!d->hist)
		goto fail;
	hist_limits(d->hist, d->conf->history_days, d->conf->history_mib);
	/* Behind the history's lock: one helper has the directory. */
	d->settings = settings_open(dir, NULL);
	if (!d->settings)
		goto fail;
	d->record = record_new(d, dir);
	d->hooks = hooks_new(d->loop);
	if (!d->record || !d->hooks)
		log_err("out of memory: nothing is recorded, or no hook is run");
	d->watch = watch_new();
	d->tally = tally_new();
	if (!d->watch || !d->tally)
		goto fail;
	d->xfrm = xfrm_new(d->loop, &xfrm_events, d, &err);
	if (!d->xfrm)
		goto fail;
	d->control = control_new(d, d->control_path ? d->control_path : d->conf->control, &err);
	if (!d->control)
		goto fail;
	d->metrics = metrics_new(d);
	if (!d->metrics)
		goto fail;
	invspid_ike_options(d, &opt);
	d->ike = ike_new(d->loop, &opt, &ike_events, d);
	if (!d->ike) {
		log_err("cannot reach out to an IKE daemon: %s", strerror(errno));
		return -1;
	}
	if (!module_open(d))
		module_retry(d);
	return 0;
fail:
	log_err("%s", err ? err : "out of memory");
	free(err);
	return -1;
}

int invspid_run(struct invspid *d)
{
	watch(d, &d->sighup, on_sighup, SIGHUP);
	watch(d, &d->sigterm, on_sigterm, SIGTERM);
	watch(d, &d->sigint, on_sigterm, SIGINT);
	service_ready(d);
	look_for_new(d, 0);
	uv_run(d->loop, UV_RUN_DEFAULT);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/**
 * invspid_close() - end in order: nothing is undone, the history is flushed
 */
void invspid_close(struct invspid *d)
{
	d->closing = true;
	service_ending();
	if (d->control)
		control_free(d->control);
	metrics_free(d->metrics);
	recover_stop_all(d);
	listing_clear(d);
	if (d->ike)
		ike_free(d->ike);
	d->ike = NULL;
	record_free(d->record);
	d->record = NULL;
	hooks_free(d->hooks);
	d->hooks = NULL;
	module_close(d);
	look_stop(d);
	if (d->xfrm)
		xfrm_free(d->xfrm);
	watch_free(d->watch);
	tally_free(d->tally);
	if (d->hist)
		hist_close(d->hist);
	settings_close(d->settings);
	uv_walk(d->loop, close_handle, NULL);
	uv_run(d->loop, UV_RUN_DEFAULT);
	uv_loop_close(d->loop);
}
