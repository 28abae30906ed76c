// SPDX-License-Identifier: GPL-2.0-only
/*
 * ike_probe SOCKET - the helper's strongSwan backend alone, for tests: prints what it
 * tells, a line each, and does what it reads, a line each:
 *
 *	list [CONN]		-> sa ..., child ..., listed N		(never blocks)
 *	block [CONN]		the same, blocking
 *	conns			-> conn ..., reloaded ERR
 *	rekey ID		-> rekeyed ERR TEXT
 *	initiate CONN CHILD MS	-> initiated ERR TEXT
 *	terminate ID		-> terminated ERR TEXT
 *
 * Ends with its input. ERR is 0 or a name such as ETIMEDOUT.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ike.h"

static struct ike *ike;
static uv_loop_t loop;

/* Seconds since boot, so that a test can measure. */
static void stamp(void)
{
	printf("%.3f ", uv_hrtime() / 1e9);
}

static const char *state_text(enum daemon_state s)
{
	static const char *const names[] = { "ABSENT", "FOREIGN", "SETTLING", "READY", "STOPPING" };

	return names[s];
}

static const char *end_text(enum sa_end e)
{
	static const char *const names[END__COUNT] = {
		[END_NONE] = "none",
		[END_REKEYED] = "rekeyed",
		[END_DELETED_LOCAL] = "deleted_local",
		[END_DELETED_PEER] = "deleted_peer",
		[END_INACTIVITY] = "inactivity",
		[END_OPERATOR] = "operator",
		[END_GAVE_UP] = "gave_up",
		[END_DAEMON_LOST] = "daemon_lost",
		[END_EXPIRED] = "expired",
		[END_REPLACED] = "replaced",
	};

	return names[e] ? names[e] : "?";
}

static const char *err_text(int err)
{
	return err ? uv_err_name(err) : "0";
}

static void on_state(void *arg, enum daemon_state state, const char *why)
{
	(void)arg;
	stamp();
	printf("state %s %s\n", state_text(state), why);
}

static void on_child_up(void *arg, const char *conn, const char *child)
{
	(void)arg;
	stamp();
	printf("up %s/%s\n", conn, child);
}

static void on_child_down(void *arg, const char *conn, const char *child, uint32_t spi_in,
			  uint8_t proto, enum sa_end end)
{
	(void)arg;
	stamp();
	printf("down %s/%s %08" PRIx32 " %d %s\n", conn, child, spi_in, proto, end_text(end));
}

static void on_child_rekey(void *arg, const char *conn, const char *child, uint32_t spi_old,
			   uint32_t spi_new, uint8_t proto)
{
	(void)arg;
	stamp();
	printf("rekey %s/%s %08" PRIx32 " %08" PRIx32 " %d\n", conn, child, spi_old, spi_new,
	       proto);
}

static void on_ike_updown(void *arg, const char *conn, const char *remote_id, uint32_t ike_id,
			  bool up)
{
	(void)remote_id;
	(void)arg;
	stamp();
	printf("ike-%s %s %" PRIu32 "\n", up ? "up" : "down", conn, ike_id);
}

static void on_log(void *arg, const char *group, const char *conn, uint32_t ike_id, const char *msg)
{
	(void)arg;
	stamp();
	printf("log %s %s[%" PRIu32 "] %s\n", group, conn ? conn : "", ike_id, msg);
}

static const struct ike_events events = {
	.state = on_state,
	.child_up = on_child_up,
	.child_down = on_child_down,
	.child_rekey = on_child_rekey,
	.ike_updown = on_ike_updown,
	.log = on_log,
};

static void on_list(void *arg, int err, struct ike_listing *l)
{
	const struct ike_child *c;
	const struct ike_sa *sa;
	size_t i, k;

	(void)arg;
	for (i = 0; l && i < l->nsa; i++) {
		sa = &l->sa[i];
		stamp();
		printf("sa %s id %" PRIu32 " state %d tasks %d,%d remote-id %s port %u\n", sa->conn,
		       sa->uniqueid, sa->state, sa->task_any, sa->task_child,
		       sa->remote_id ? sa->remote_id : "-", sa->remote_port);
		for (k = 0; k < sa->nchild; k++) {
			c = &sa->child[k];
			stamp();
			printf("child %s/%s id %" PRIu32 " state %d in %08" PRIx32 " out %08" PRIx32
			       " packets %" PRIu64 " age %" PRId64 " %s %s %s %s\n",
			       sa->conn, c->name, c->uniqueid, c->state, c->spi_in, c->spi_out,
			       c->packets_in, c->install_age_s, c->mode, c->algs ? c->algs : "-",
			       c->local_ts, c->remote_ts);
		}
	}
	stamp();
	printf("listed %s %zd took %" PRId64 "\n", err_text(err), l ? (ssize_t)l->nsa : -1,
	       l ? l->ended - l->started : -1);
}

static void on_done(void *arg, int err, const char *errmsg)
{
	stamp();
	printf("%s %s %s\n", (const char *)arg, err_text(err), errmsg ? errmsg : "");
}

static void on_conns(void *arg, int err, const char *errmsg)
{
	const struct ike_conns *conns = ike_conns(ike);
	size_t i, k;

	for (i = 0; i < conns->nconn; i++) {
		stamp();
		printf("conn %s IKEv%d remotes %zu dynamic %d eap_or_vip %d %s children",
		       conns->conn[i].name, conns->conn[i].version, conns->conn[i].nremote,
		       conns->conn[i].dynamic, conns->conn[i].eap_or_vip, conns->conn[i].unique);
		for (k = 0; k < conns->conn[i].nchild; k++)
			printf(" %s", conns->conn[i].child[k]);
		putchar('\n');
	}
	on_done(arg, err, errmsg);
}

static void command(char *line)
{
	char verb[16] = "", a[64] = "", b[64] = "";
	unsigned int ms = 0;
	int n = sscanf(line, "%15s %63s %63s %u", verb, a, b, &ms);

	if (!strcmp(verb, "list") || !strcmp(verb, "block"))
		ike_list(ike, n > 1 ? a : NULL, verb[0] == 'b', on_list, NULL);
	else if (!strcmp(verb, "conns"))
		ike_reload_conns(ike, on_conns, (void *)"reloaded");
	else if (!strcmp(verb, "rekey"))
		ike_rekey_child(ike, strtoul(a, NULL, 10), on_done, (void *)"rekeyed");
	else if (!strcmp(verb, "initiate"))
		ike_initiate(ike, a, b, ms, false, on_done, (void *)"initiated");
	else if (!strcmp(verb, "terminate"))
		ike_terminate_ike(ike, strtoul(a, NULL, 10), on_done, (void *)"terminated");
	else
		printf("? %s\n", line);
}

static void on_input(uv_poll_t *poll, int status, int revents)
{
	static char buf[1024];
	static size_t len;
	ssize_t n;
	char *end;

	(void)status;
	(void)revents;
	n = read(0, buf + len, sizeof(buf) - 1 - len);
	if (n <= 0) {
		uv_close((uv_handle_t *)poll, NULL);
		ike_free(ike);
		return;
	}
	len += n;
	buf[len] = '\0';
	while ((end = strchr(buf, '\n'))) {
		*end++ = '\0';
		command(buf);
		len -= end - buf;
		memmove(buf, end, len + 1);
	}
}

int main(int argc, char **argv)
{
	struct ike_options opt = { .kind = IKE_STRONGSWAN, .backoff_max_ms = 1000 };
	uv_poll_t input;

	if (argc != 2) {
		fprintf(stderr, "Usage: ike_probe SOCKET <COMMANDS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	opt.vici = argv[1];
	uv_loop_init(&loop);
	ike = ike_new(&loop, &opt, &events, NULL);
	if (!ike) {
		perror("ike_probe");
		return 1;
	}
	uv_poll_init(&loop, &input, 0);
	uv_poll_start(&input, UV_READABLE, on_input);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 1 : 0;
}
