// SPDX-License-Identifier: GPL-2.0-only
/* invspi doctor: invspid, and the directory of its history. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"
#include "history_db.h"
#include "version.h"

#define ROOM_MIB 16 /* less than that is soon full */

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* Of another network namespace it would judge other SAs than these. */
static void check_netns(struct doctor *d)
{
	json_int_t pid = json_integer_value(json_object_get(d->status, "pid"));
	struct stat mine, its;
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/%" JSON_INTEGER_FORMAT "/ns/net", d->root, pid);
	if (!pid || stat("/proc/self/ns/net", &mine) || stat(path, &its))
		return;
	if (mine.st_dev != its.st_dev || mine.st_ino != its.st_ino)
		found(d, SEVERITY_ERROR, NULL,
		      "invspi -n NETNS --control PATH doctor, both of the same namespace",
		      "this invspid works in another network namespace than this program");
}

static void check_mode(struct doctor *d)
{
	const char *mode = text_of(d->status, "mode"), *stopped = text_of(d->status, "stopped");
	json_t *settings = json_object_get(d->status, "settings");
	json_int_t holds = json_integer_value(json_object_get(settings, "holds"));

	if (*stopped)
		found(d, SEVERITY_ERROR, NULL,
		      "start invspid in the network namespace of the IKE daemon; let strongSwan's charon load kernel-netlink, not kernel-libipsec",
		      "it has stopped acting: %s", stopped);
	if (json_is_true(json_object_get(d->status, "dry_run")))
		found(d, SEVERITY_WARNING, NULL, "start it without --dry-run",
		      "it runs with --dry-run: it decides, but does nothing");
	else if (strcmp(mode, "recover"))
		found(d, SEVERITY_NOTE, NULL,
		      "invspi mode default, or mode = recover in invspid.conf",
		      "it is in mode %s: it heals nothing by itself", mode);
	if (holds)
		found(d, SEVERITY_NOTE, NULL, "invspi hold show",
		      "%" JSON_INTEGER_FORMAT " on hold", holds);
}

static void check_connections(struct doctor *d)
{
	const char *name;
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(d->status, "attention"), i, c) {
		name = text_of(c, "conn");
		if (json_integer_value(json_object_get(c, "desync")))
			found(d, SEVERITY_ERROR, name, "invspi explain conn NAME",
			      "out of step now: the peer sends into the void");
		if (json_integer_value(json_object_get(c, "gave_up")))
			found(d, SEVERITY_ERROR, name,
			      "invspi history conn NAME shows what was tried; invspi peer retry NAME tries again",
			      "given up after too many failures");
	}
}

void check_helper(struct doctor *d)
{
	const char *version = text_of(d->status, "version");
	json_t *metrics = json_object_get(d->status, "metrics");

	if (!d->status) {
		found(d, SEVERITY_WARNING, NULL, "systemctl start invspid",
		      "nobody heals what is out of step: %s", d->status_err.text);
		return;
	}
	if (strcmp(version, INVSPI_VERSION))
		found(d, SEVERITY_NOTE, NULL, "systemctl restart invspid",
		      "it is of version \"%s\", this program of %s", version, INVSPI_VERSION);
	check_netns(d);
	check_mode(d);
	check_connections(d);
	if (*text_of(metrics, "error"))
		found(d, SEVERITY_WARNING, NULL, "metrics_listen in invspid.conf", "%s",
		      text_of(metrics, "error"));
}

/* ---- history ---- */

static void check_room(struct doctor *d, const char *dir)
{
	struct statvfs fs;
	uint64_t mib;

	if (statvfs(dir, &fs))
		return;
	mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
	if (fs.f_flag & ST_RDONLY)
		found(d, SEVERITY_ERROR, dir, "mount -o remount,rw its file system",
		      "the file system is read-only: nothing is recorded");
	else if (mib < ROOM_MIB)
		found(d, SEVERITY_WARNING, dir, "make room there", "only %" PRIu64 " MiB are free",
		      mib);
}

void check_history(struct doctor *d)
{
	json_t *history = json_object_get(d->status, "history");
	const char *file = text_of(history, "file"), *slash;
	const char *error = text_of(history, "error");
	char dir[512];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", d->inv->state ? d->inv->state : d->inv->state_default);
	slash = strrchr(file, '/');
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - file), file);
	if (*error)
		found(d, SEVERITY_ERROR, NULL, "mend that; invspid tries again by itself",
		      "nothing is recorded, so what a reboot loses will not be healed: %s", error);
	error = text_of(json_object_get(d->status, "settings"), "error");
	if (*error)
		found(d, SEVERITY_ERROR, NULL, "mend that; then set holds and modes anew",
		      "holds and modes are not saved: %s", error);
	error = text_of(json_object_get(d->status, "record"), "error");
	if (*error)
		found(d, SEVERITY_WARNING, NULL, "mend that; invspi record take now tries again",
		      "the flight recorder could not write: %s", error);
	if (stat(dir, &st)) {
		if (!d->status)
			found(d, SEVERITY_NOTE, dir, NULL, "%s; invspid makes it", strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		found(d, SEVERITY_ERROR, dir, "move it away", "this is no directory");
	else if (st.st_mode & 022)
		found(d, SEVERITY_WARNING, dir, "chmod go-w it",
		      "others than its owner can change the history, on which actions rest");
	check_room(d, dir);
}
