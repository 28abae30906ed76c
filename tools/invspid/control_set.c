// SPDX-License-Identifier: GPL-2.0-only
/* `invspi hold', `invspi mode', `invspi peer': what the operator wants. */
#include <errno.h>
#include <string.h>

#include "control_int.h"
#include "fmt.h"
#include "log.h"
#include "mode.h"

#define HOLD_MAX_S (3650 * 86400LL)

static bool is_known(const struct client *cl, const char *conn)
{
	const struct ike_conns *conns = ike_conns(cl->d->ike);

	return !conns || !conns->nconn || !strcmp(conn, ALL_CONNS) || conns_name(conns, conn);
}

/* It was done; @ret tells whether it is on disk. */
static void done(struct client *cl, const char *conn, int ret, const char *not_saved)
{
	json_t *j = json_pack("{s:b}", "ok", 1);

	if (ret)
		json_object_set_new(j, "warning", json_string(not_saved));
	else if (!is_known(cl, conn))
		json_object_set_new(j, "warning",
				    json_string("no connection of that name is loaded now"));
	look_soon(cl->d, 0);
	client_answer(cl, j);
}

#define NOT_SAVED "in effect, but not on disk: a restart forgets it"
#define NOT_SAVED_DEL "removed, but not on disk: a restart brings it back"

/* ---- holds ---- */

void do_hold_add(struct client *cl)
{
	const char *reason = client_arg(cl, "reason");
	const char *conn = client_conn(cl, ", or \"all\"");
	json_int_t seconds = json_integer_value(json_object_get(cl->args, "seconds"));
	int ret;

	if (!conn)
		return;
	if (seconds < 0 || seconds > HOLD_MAX_S) {
		client_refuse(cl, "a hold lasts from 1 second to %s", "10 years");
		return;
	}
	ret = settings_hold_add(cl->d->settings, conn, seconds, reason ? reason : "");
	if (ret < 0) {
		client_refuse(cl, "the hold was not taken: %s", strerror(-ret));
		return;
	}
	log_notice("hold on %s%s%s", conn, reason && reason[0] ? ": " : "", reason ? reason : "");
	done(cl, conn, ret, NOT_SAVED);
}

void do_hold_del(struct client *cl)
{
	const char *conn = client_conn(cl, ", or \"all\"");
	int ret;

	if (!conn)
		return;
	ret = settings_hold_del(cl->d->settings, conn);
	if (ret == -ENOENT) {
		client_refuse(cl, "no hold on \"%s\"; `invspi hold show' lists them", conn);
		return;
	}
	log_notice("hold on %s removed", conn);
	done(cl, conn, ret, NOT_SAVED_DEL);
}

static void add_hold(void *arg, const struct setting_hold *h)
{
	char since[FMT_TIME_LEN], until[FMT_TIME_LEN];

	json_array_append_new(arg,
			      json_pack("{s:o, s:s, s:o, s:o}", "conn", json_text(h->conn), "since",
					fmt_time(since, h->since_wall), "until",
					h->until_wall ? json_string(fmt_time(until, h->until_wall))
						      : json_null(),
					"reason", json_text(h->reason)));
}

void do_hold_show(struct client *cl)
{
	json_t *holds = json_array();

	settings_holds(cl->d->settings, add_hold, holds);
	client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "holds", holds));
}

/* ---- modes ---- */

static int mode_number(const char *name)
{
	int m;

	for (m = MODE_RECOVER; name && m <= MODE_OBSERVE; m++)
		if (!strcmp(name, mode_name((enum mode)m)))
			return m;
	return -1;
}

/* "default" takes back what was set at run time. */
void do_mode_set(struct client *cl)
{
	const char *mode = client_arg(cl, "mode"), *conn = client_arg(cl, "conn");
	struct settings *s = cl->d->settings;
	int m = mode_number(mode), ret;

	if (!conn || !conn[0])
		conn = ALL_CONNS;
	if (mode && !strcmp(mode, "default")) {
		ret = settings_mode_del(s, conn);
		if (ret == -ENOENT)
			ret = 0; /* a notify script may say so again and again */
		log_notice("mode of %s: as configured", conn);
		done(cl, conn, ret, NOT_SAVED_DEL);
		return;
	}
	if (m < 0) {
		client_refuse(cl, "mode \"%s\": recover, advise, observe or default is wanted",
			      mode ? mode : "");
		return;
	}
	ret = settings_mode_set(s, conn, (enum mode)m);
	if (ret < 0) {
		client_refuse(cl, "the mode was not taken: %s", strerror(-ret));
		return;
	}
	log_notice("mode of %s: %s", conn, mode);
	done(cl, conn, ret, NOT_SAVED);
}

struct modes {
	struct invspid *d;
	json_t *list;
};

static bool is_listed(json_t *list, const char *conn)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "conn")), conn))
			return true;
	return false;
}

static void list_mode(struct modes *m, const char *conn)
{
	const struct invspid *d = m->d;
	const char *from;
	enum mode mode;

	mode = mode_in_force(d->conf, d->settings, d->dry_run,
			     strcmp(conn, ALL_CONNS) ? conn : NULL, &from);
	json_array_append_new(m->list, json_pack("{s:o, s:s, s:s}", "conn", json_text(conn), "mode",
						 mode_name(mode), "from", from));
}

static void list_set(void *arg, const struct setting_mode *set)
{
	struct modes *m = arg;

	if (!is_listed(m->list, set->conn))
		list_mode(m, set->conn);
}

/* First all, then each connection that anything was ever said about. */
void do_mode_show(struct client *cl)
{
	const char *conn = client_arg(cl, "conn");
	struct invspid *d = cl->d;
	struct modes m = { .d = d, .list = json_array() };
	size_t i;

	if (conn && conn[0]) {
		list_mode(&m, conn);
	} else {
		list_mode(&m, ALL_CONNS);
		for (i = 0; i < d->conf->nconn; i++)
			if (d->conf->conn[i].value[OWN_MODE] >= 0)
				list_mode(&m, d->conf->conn[i].name);
		settings_modes(d->settings, list_set, &m);
	}
	client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "modes", m.list));
}

/* ---- peers ---- */

/* The connections that the IKE daemon has, in its order. */
void do_peer_show(struct client *cl)
{
	const struct invspid *d = cl->d;
	const struct ike_conns *conns = ike_conns(d->ike);
	json_t *list = json_array();
	const char *conn;
	size_t i;

	for (i = 0; conns && i < conns->nconn; i++) {
		conn = conns->conn[i].name;
		json_array_append_new(list,
				      json_pack("{s:o, s:s, s:b}", "conn", json_text(conn), "mode",
						mode_name(mode_in_force(d->conf, d->settings,
									d->dry_run, conn, NULL)),
						"hold", settings_held(d->settings, conn)));
	}
	client_answer(cl, json_pack("{s:b, s:o}", "ok", 1, "peers", list));
}

void do_peer_retry(struct client *cl)
{
	const char *conn = client_conn(cl, ", or \"all\"");
	bool all = conn && !strcmp(conn, ALL_CONNS);
	unsigned int n;

	if (!conn)
		return;
	n = recover_retry(cl->d, all ? NULL : conn);
	if (!n && !is_known(cl, conn)) {
		client_refuse(cl, "no connection \"%s\" is loaded, and nothing was tried for it",
			      conn);
		return;
	}
	log_notice("peer retry: %s: failures forgotten by hand", conn);
	client_answer(cl, json_pack("{s:b, s:I}", "ok", 1, "forgotten", (json_int_t)n));
}
