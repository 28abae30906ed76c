// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor: the IKE daemon, and what its connections have set. Cisco's documents
 * name keepalives, dead peer detection and idle times as what limits the damage where
 * nothing heals it; that is true here, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "ike.h"

#define DPD_SLOW_S 300
#define PLUTO_PID "/run/pluto/pluto.pid"

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* Those that invspid has made are not the operator's to mend. */
static bool is_copy(const struct conn_conf *c)
{
	return !strncmp(c->name, IKE_COPY_PREFIX, strlen(IKE_COPY_PREFIX));
}

/* Are there connections to look at? If not, it is said once for each check. */
static bool known(struct doctor *d)
{
	doctor_ask_ike(d);
	if (*d->ike_why)
		found(d, SEVERITY_NOTE, NULL, NULL, "not known: %s", d->ike_why);
	return !*d->ike_why;
}

/* A file that was left behind may have the number of quite another process. */
bool doctor_pluto(const struct doctor *d)
{
	char text[32], path[64];
	int pid;

	if (doctor_read(d, PLUTO_PID, text, sizeof(text)))
		return false;
	pid = atoi(text);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return pid > 0 && !doctor_read(d, path, text, sizeof(text)) && !strcmp(text, "pluto");
}

static const char *look_at(const char *backend)
{
	if (!strcmp(backend, "libreswan"))
		return "systemctl status ipsec";
	if (!strcmp(backend, "strongswan"))
		return "systemctl status strongswan";
	return "systemctl status strongswan ipsec";
}

void check_ike(struct doctor *d)
{
	json_t *ike = json_object_get(d->status, "daemon");
	const char *state = text_of(ike, "state"), *backend = text_of(ike, "backend");
	json_int_t n = json_integer_value(json_object_get(ike, "connections"));

	if (d->status && !strcmp(state, "foreign"))
		found(d, SEVERITY_ERROR, NULL,
		      "start invspid in its network namespace (ip netns exec), or name this namespace's with vici (strongSwan) or rundir (libreswan) in invspid.conf",
		      "the IKE daemon that invspid reaches is not this namespace's: %s",
		      text_of(ike, "why"));
	else if (d->status && strcmp(state, "ready"))
		found(d, SEVERITY_ERROR, NULL, look_at(backend),
		      "invspid has no IKE daemon to ask: %s%s%s: %s",
		      strcmp(backend, "auto") ? backend : "", strcmp(backend, "auto") ? " " : "",
		      state, text_of(ike, "why"));
	doctor_ask_ike(d);
	if (d->status && !strcmp(state, "ready"))
		found(d, SEVERITY_OK, NULL, NULL,
		      "%s is ready: %" JSON_INTEGER_FORMAT " connection%s", backend, n,
		      n == 1 ? "" : "s");
	else if (!d->status && doctor_pluto(d))
		found(d, SEVERITY_NOTE, NULL, "systemctl start invspid",
		      "libreswan is there; invspid asks it");
	else if (!d->status && *d->ike_why)
		found(d, SEVERITY_ERROR, NULL, "systemctl start strongswan", "%s", d->ike_why);
	else if (!*d->ike_why && !d->nconn)
		found(d, SEVERITY_WARNING, NULL, "swanctl --load-all",
		      "strongSwan has no connections loaded");
	else if (!d->status)
		found(d, SEVERITY_OK, NULL, NULL, "strongSwan answers: %zu connection%s", d->nconn,
		      d->nconn == 1 ? "" : "s");
}

void check_dpd(struct doctor *d)
{
	const struct conn_conf *c;
	char name[256];
	size_t i, k;

	if (!known(d))
		return;
	for (i = 0; i < d->nconn; i++) {
		c = &d->conn[i];
		if (is_copy(c))
			continue;
		if (!c->dpd_delay)
			found(d, SEVERITY_WARNING, c->name,
			      "in swanctl.conf: connections { NAME { dpd_delay = 30s } }, then swanctl --load-conns",
			      "no dead peer detection: a peer that is gone is noticed when its SA is rekeyed");
		else if (c->dpd_delay > DPD_SLOW_S)
			found(d, SEVERITY_NOTE, c->name,
			      "in swanctl.conf: connections { NAME { dpd_delay = 30s } }, then swanctl --load-conns",
			      "dead peer detection begins after more than 5 minutes of silence");
		for (k = 0; c->dpd_delay && k < c->nchild; k++) {
			if (strcmp(c->child[k].dpd_action, "none") &&
			    strcmp(c->child[k].dpd_action, "clear"))
				continue;
			snprintf(name, sizeof(name), "%s/%s", c->name, c->child[k].name);
			found(d, SEVERITY_NOTE, name,
			      "in swanctl.conf: children { NAME { dpd_action = restart } } (or trap), then swanctl --load-conns",
			      "nothing brings it back after a dead peer was noticed");
		}
	}
}

void check_rekey(struct doctor *d)
{
	const struct conn_conf *c;
	const struct child_conf *child;
	char name[256];
	size_t i, k;

	if (!known(d))
		return;
	for (i = 0; i < d->nconn; i++) {
		c = &d->conn[i];
		for (k = 0; k < c->nchild && !is_copy(c); k++) {
			child = &c->child[k];
			if (child->rekey_time || child->rekey_bytes || child->rekey_packets)
				continue;
			snprintf(name, sizeof(name), "%s/%s", c->name, child->name);
			found(d, SEVERITY_WARNING, name,
			      "in swanctl.conf: children { NAME { rekey_time = 1h } }, then swanctl --load-conns",
			      "never rekeyed by this side: what is out of step and not healed stays so");
		}
	}
}

void check_unique(struct doctor *d)
{
	size_t i;

	if (!known(d))
		return;
	for (i = 0; i < d->nconn; i++)
		if (!strcmp(d->conn[i].unique, "UNIQUE_NEVER") && !is_copy(&d->conn[i]))
			found(d, SEVERITY_WARNING, d->conn[i].name,
			      "in swanctl.conf: connections { NAME { unique = no } } (the default) or replace, then swanctl --load-conns",
			      "unique = never: after a crash here the peer keeps its stale IKE_SA and SAs beside the new ones");
}
