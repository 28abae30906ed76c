// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is asked at the end of a recording, one after the other: the IKE daemon and the
 * kernel by ourselves, the rest by commands. Each is bounded in time and size, and what
 * it could not say is noted in its file.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "env.h"
#include "log.h"
#include "record_int.h"

#define XFRM_STAT "/proc/net/xfrm_stat"

/* "nokeys": `ip' is not even to show them. One that does not know the word shows nothing. */
static const struct {
	const char *name;
	const char *argv[8];
} defaults[] = {
	{ "xfrm-state", { "ip", "-s", "xfrm", "state", "list", "nokeys", NULL } },
	{ "xfrm-policy", { "ip", "-s", "xfrm", "policy", "list", NULL } },
	{ "flows", { "invspi", "-s", "flow", "show", NULL } },
};

#define DEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

static void next(struct finishing *f);

static size_t limit(const struct finishing *f)
{
	return (size_t)f->r->d->conf->capture_kib << 10;
}

/* Takes @text. */
static void done(struct finishing *f, const char *name, const char *how, const char *problem,
		 char *text, size_t len)
{
	if (bundle_capture(f->bundle, name, how, problem, text, len))
		log_err("out of memory: %s is not in bundle %u", name, f->bundle->id.number);
}

/* ---- the IKE daemon's SAs ---- */

static const char *ike_state_name(enum ike_state s)
{
	static const char *const names[] = {
		[IKE_OTHER] = "other",
		[IKE_CONNECTING] = "connecting",
		[IKE_ESTABLISHED] = "established",
		[IKE_REKEYING] = "rekeying",
		[IKE_PASSIVE] = "passive",
		[IKE_DELETING] = "deleting",
	};

	return names[s];
}

static const char *child_state_name(enum child_state s)
{
	static const char *const names[] = {
		[CHILD_OTHER] = "other",       [CHILD_INSTALLED] = "installed",
		[CHILD_REKEYING] = "rekeying", [CHILD_REKEYED] = "rekeyed",
		[CHILD_DELETING] = "deleting", [CHILD_DELETED] = "deleted",
	};

	return names[s];
}

static void put_end(FILE *out, const char *what, const struct ike_addr *a, uint16_t port,
		    const char *id)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, "    %s %s port %u id %s\n", what,
		a->family && inet_ntop(a->family, a->addr, text, sizeof(text)) ? text : "?", port,
		id);
}

static void put_child(FILE *out, const struct ike_child *c)
{
	fprintf(out,
		"    %s{%" PRIu32 "} %s %s%s %s reqid %" PRIu32 " spi in 0x%08" PRIx32
		" out 0x%08" PRIx32 ", since %" PRId64 " s",
		c->name, c->uniqueid, child_state_name(c->state),
		c->proto == IPPROTO_AH ? "AH" : "ESP", c->encap ? " in UDP" : "", c->mode, c->reqid,
		c->spi_in, c->spi_out, c->install_age_s);
	/* libreswan tells neither of these; "xfrm-state" does. */
	if (c->packets_in)
		fprintf(out, ", %" PRIu64 " packets in", c->packets_in);
	fprintf(out, "\n        %s%s%s === %s\n", c->algs, c->algs[0] ? ", " : "", c->local_ts,
		c->remote_ts);
}

/* Ends after what exceeds @max: of 10,000 SAs it would be megabytes. */
static char *listing_text(const struct ike_listing *l, size_t max, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	size_t i, k;

	for (i = 0; out && i < l->nsa && ftell(out) <= (long)max; i++) {
		const struct ike_sa *sa = &l->sa[i];

		fprintf(out, "%s[%" PRIu32 "] IKEv%d %s, %s%s%s%s\n", sa->name, sa->uniqueid,
			sa->version, ike_state_name(sa->state),
			sa->initiator ? "initiator" : "responder", sa->nat ? ", NAT" : "",
			sa->task_any ? ", an exchange is under way" : "",
			sa->again ? ", one that another connection has made" : "");
		put_end(out, "local ", &sa->local, sa->local_port, sa->local_id);
		put_end(out, "remote", &sa->remote, sa->remote_port, sa->remote_id);
		if (sa->algs[0])
			fprintf(out, "    %s\n", sa->algs);
		for (k = 0; k < sa->nchild; k++)
			put_child(out, &sa->child[k]);
	}
	if (out)
		fclose(out);
	return text;
}

static void on_listing(void *arg, int err, struct ike_listing *l)
{
	struct finishing *f = arg;
	const char *problem = "";
	size_t len = 0;
	char *text = NULL;

	if (err)
		problem = strerror(-err);
	else
		text = listing_text(l, limit(f), &len);
	if (len > limit(f)) {
		len = limit(f);
		problem = "there is more";
	}
	done(f, "ike-sas", "the IKE daemon's SAs", problem, text, text ? len : 0);
	next(f);
}

static void ask_daemon(struct finishing *f)
{
	enum daemon_state state = f->r->d->ike ? ike_state(f->r->d->ike) : DAEMON_ABSENT;

	if (state != DAEMON_READY && state != DAEMON_SETTLING) {
		done(f, "ike-sas", "the IKE daemon's SAs", "the IKE daemon is not there", NULL, 0);
		next(f);
		return;
	}
	ike_list(f->r->d->ike, NULL, false, on_listing, f);
}

/* ---- the kernel's counters ---- */

static void read_counters(struct finishing *f)
{
	int fd = open(XFRM_STAT, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	char *text = malloc(16384);
	const char *problem = "";

	if (fd >= 0 && text)
		n = read(fd, text, 16384);
	if (n < 0)
		problem = strerror(errno);
	if (fd >= 0)
		close(fd);
	done(f, "xfrm-stat", XFRM_STAT, problem, text, n > 0 ? (size_t)n : 0);
	next(f);
}

/* ---- commands ---- */

static char *join_words(const char *const *argv)
{
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	for (i = 0; out && argv[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", argv[i]);
	if (out)
		fclose(out);
	return text;
}

static void on_end(void *arg, const struct child_result *r)
{
	struct finishing *f = arg;
	char problem[160], *text = malloc(r->len + 1);

	f->child = NULL;
	if (text)
		memcpy(text, r->output, r->len);
	done(f, f->name, f->how, child_result_text(r, problem, sizeof(problem)), text,
	     text ? r->len : 0);
	next(f);
}

/* They learn about whom it is as hooks do. */
static int fill_env(struct env *e, const struct finishing *f)
{
	const struct bundle_id *id = &f->bundle->id;
	const struct invspid *d = f->r->d;
	char addr[INET6_ADDRSTRLEN];
	int ret = env_begin(e);

	ret |= env_add(e, "INVSPI_CONTROL", d->control_path ? d->control_path : d->conf->control);
	ret |= env_format(e, "INVSPI_BUNDLE", "%u", id->number);
	if (id->npeers && inet_ntop(id->peer[0].family, id->peer[0].addr, addr, sizeof(addr)))
		ret |= env_add(e, "INVSPI_PEER", addr);
	return ret;
}

static void run(struct finishing *f, const char *name, const char *const *argv)
{
	struct env env;
	struct child_options opt = {
		.argv = argv,
		.timeout_ms = (uint64_t)f->r->d->conf->capture_timeout_ms,
		.max_output = limit(f),
	};
	char *how = join_words(argv);

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->how, sizeof(f->how), "%s", how ? how : argv[0]);
	free(how);
	if (!fill_env(&env, f)) {
		opt.env = (const char *const *)env.v;
		f->child = child_run(f->r->d->loop, &opt, on_end, f);
	}
	env_free(&env);
	if (f->child)
		return;
	done(f, f->name, f->how, "out of memory", NULL, 0);
	next(f);
}

/* ---- the order ---- */

/* The configuration may be read again meanwhile: what is asked next is looked up anew. */
static void next(struct finishing *f)
{
	const struct conf *c = f->r->d->conf;
	unsigned int step = f->step++;

	if (!c->capture_defaults && step < DEFAULTS + 2) {
		step = DEFAULTS + 2;
		f->step = step + 1;
	}
	if (step == 0)
		ask_daemon(f);
	else if (step == 1)
		read_counters(f);
	else if (step < DEFAULTS + 2)
		run(f, defaults[step - 2].name, defaults[step - 2].argv);
	else if (step - DEFAULTS - 2 < c->ncapture)
		run(f, c->capture[step - DEFAULTS - 2].name,
		    (const char *const *)c->capture[step - DEFAULTS - 2].argv);
	else
		finish_write(f);
}

void finish_capture(struct finishing *f)
{
	next(f);
}
