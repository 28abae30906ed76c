// SPDX-License-Identifier: GPL-2.0-only
/* See hook.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "clock.h"
#include "env.h"
#include "fmt.h"
#include "hook.h"
#include "log.h"

#define OUTPUT_MAX 4096
#define LINES_MAX 20
#define TELL_AGAIN_MS 60000 /* that hooks were dropped is told once in this */

/**
 * struct hook - one run
 * @argv: its own copy, since the configuration may be read again meanwhile
 * @child: NULL while it waits
 */
struct hook {
	struct hook *next;
	struct hooks *hs;
	char *name, **argv;
	enum happening what;
	struct env env;
	int64_t timeout_ms;
	struct child *child;
};

struct hooks {
	uv_loop_t *loop;
	struct hook *first;
	unsigned int running, waiting, at_once;
	uint64_t run, failed, dropped;
	int64_t told_at;
};

/* ---- one hook ---- */

static char **copy_argv(char *const *argv)
{
	size_t n = 0, i;
	char **copy;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (i = 0; copy && i < n; i++)
		copy[i] = strdup(argv[i]);
	return copy;
}

static void hook_free(struct hook *k)
{
	size_t i;

	for (i = 0; k->argv && k->argv[i]; i++)
		free(k->argv[i]);
	free(k->argv);
	free(k->name);
	env_free(&k->env);
	free(k);
}

static void unlink_hook(struct hook *k)
{
	struct hook **p = &k->hs->first;

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
}

static void log_output(const struct hook *k, const struct child_result *r)
{
	const char *s = r->output, *end = r->output + r->len, *eol;
	char line[512];
	unsigned int n;

	for (n = 0; s < end && n < LINES_MAX; n++, s = eol + 1) {
		eol = memchr(s, '\n', (size_t)(end - s));
		if (!eol)
			eol = end;
		fmt_escape_line(line, sizeof(line), s, (size_t)(eol - s));
		log_info("hook %s: %s", k->name, line);
	}
	if (s < end || r->cut)
		log_info("hook %s: ... and more", k->name);
}

static void start_waiting(struct hooks *hs);

static void on_end(void *arg, const struct child_result *r)
{
	struct hook *k = arg;
	struct hooks *hs = k->hs;
	char text[160];

	log_output(k, r);
	child_result_text(r, text, sizeof(text));
	if (r->end != CHILD_EXITED || r->status) {
		hs->failed++;
		log_warn("hook %s on %s %s: %s", k->name, happening_name(k->what), text,
			 k->argv[0]);
	}
	hs->running--;
	unlink_hook(k);
	hook_free(k);
	start_waiting(hs);
}

static void start(struct hook *k)
{
	struct child_options opt = {
		.argv = (const char *const *)k->argv,
		.env = (const char *const *)k->env.v,
		.timeout_ms = (uint64_t)k->timeout_ms,
		.max_output = OUTPUT_MAX,
	};
	struct hooks *hs = k->hs;

	hs->waiting--;
	hs->run++;
	k->child = child_run(hs->loop, &opt, on_end, k);
	if (k->child) {
		hs->running++;
		return;
	}
	log_err("out of memory: hook %s not run", k->name);
	unlink_hook(k);
	hook_free(k);
}

/* In the order in which they came. */
static void start_waiting(struct hooks *hs)
{
	struct hook *k, *next;

	for (k = hs->first; k && hs->running < hs->at_once; k = next) {
		next = k->next;
		if (!k->child)
			start(k);
	}
}

/* ---- its environment ---- */

static int add_addr(struct env *e, const char *name, const struct ike_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	if (!a->family || !inet_ntop(a->family, a->addr, text, sizeof(text)))
		return 0;
	return env_add(e, name, text);
}

static int add_text(struct env *e, const char *name, const char *text)
{
	return text && text[0] ? env_add(e, name, text) : 0;
}

static int add_spi(struct env *e, const char *name, uint32_t spi)
{
	return spi ? env_format(e, name, "0x%08" PRIx32, spi) : 0;
}

/* What is not known is not there. */
static int fill_env(struct env *e, const char *control, const struct happened *h)
{
	char when[FMT_TIME_LEN];
	int ret = env_begin(e);

	ret |= env_add(e, "INVSPI_EVENT", happening_name(h->what));
	ret |= env_add(e, "INVSPI_TIME", fmt_time(when, wall_ms()));
	ret |= env_add(e, "INVSPI_CONTROL", control);
	ret |= add_addr(e, "INVSPI_PEER", &h->peer);
	ret |= add_addr(e, "INVSPI_LOCAL", &h->local);
	ret |= add_text(e, "INVSPI_PEER_ID", h->peer_id);
	ret |= add_text(e, "INVSPI_CONN", h->conn);
	ret |= add_text(e, "INVSPI_CHILD", h->child);
	ret |= add_spi(e, "INVSPI_SPI", h->spi);
	ret |= add_spi(e, "INVSPI_NEW_SPI", h->new_spi);
	if (h->spi)
		ret |= env_add(e, "INVSPI_PROTO", h->proto == IPPROTO_AH ? "ah" : "esp");
	if (h->grade < GRADE__COUNT)
		ret |= env_add(e, "INVSPI_GRADE", grade_name(h->grade));
	if (h->action != ACTION_NONE)
		ret |= env_add(e, "INVSPI_ACTION", action_name(h->action));
	if (h->outcome != OUTCOME_PENDING)
		ret |= env_add(e, "INVSPI_OUTCOME", outcome_name(h->outcome));
	ret |= add_text(e, "INVSPI_WHY", h->why);
	if (h->what == HAPPEN_RECOVERED && h->ms >= 0)
		ret |= env_format(e, "INVSPI_MS", "%" PRId64, h->ms);
	if (h->bundle)
		ret |= env_format(e, "INVSPI_BUNDLE", "%u", h->bundle);
	ret |= add_text(e, "INVSPI_BUNDLE_PATH", h->path);
	return ret ? -ENOMEM : 0;
}

/* ---- all ---- */

static void drop(struct hooks *hs, const char *name)
{
	int64_t now = now_ms();

	hs->dropped++;
	if (now - hs->told_at < TELL_AGAIN_MS)
		return;
	hs->told_at = now;
	log_warn("hook %s not run: %u others wait; %" PRIu64 " dropped so far", name, hs->waiting,
		 hs->dropped);
}

static void add(struct hooks *hs, const struct conf *conf, const struct conf_program *p,
		const char *control, const struct happened *h)
{
	struct hook *k, **last;

	if (hs->waiting >= HOOKS_WAITING) {
		drop(hs, p->name);
		return;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	k->hs = hs;
	k->what = h->what;
	k->timeout_ms = conf->hook_timeout_ms;
	k->name = strdup(p->name);
	k->argv = copy_argv(p->argv);
	if (!k->name || !k->argv || fill_env(&k->env, control, h)) {
		log_err("out of memory: hook %s not run", p->name);
		hook_free(k);
		return;
	}
	for (last = &hs->first; *last; last = &(*last)->next)
		;
	*last = k;
	hs->waiting++;
}

void hooks_run(struct hooks *hs, const struct conf *conf, const char *control,
	       const struct happened *h)
{
	const struct conf_program *p;
	size_t i;

	hs->at_once = conf->hooks_at_once;
	for (i = 0; i < conf->nhook; i++) {
		p = &conf->hook[i];
		if (p->events & 1u << h->what &&
		    whom_has(p->whom, h->conn, h->peer.family ? &h->peer : NULL))
			add(hs, conf, p, control, h);
	}
	start_waiting(hs);
}

struct hooks *hooks_new(uv_loop_t *loop)
{
	struct hooks *hs = calloc(1, sizeof(*hs));

	if (!hs)
		return NULL;
	hs->loop = loop;
	hs->told_at = LONG_AGO;
	return hs;
}

void hooks_free(struct hooks *hs)
{
	struct hook *k;

	if (!hs)
		return;
	while ((k = hs->first)) {
		hs->first = k->next;
		if (k->child)
			child_kill(k->child);
		hook_free(k);
	}
	free(hs);
}

void hooks_counts(const struct hooks *hs, uint64_t *run, uint64_t *failed, uint64_t *dropped)
{
	*run = hs ? hs->run : 0;
	*failed = hs ? hs->failed : 0;
	*dropped = hs ? hs->dropped : 0;
}
