// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds and modes: what counts, that they survive, and that a file that cannot be
 * trusted holds everything instead of nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "log.h"
#include "mode.h"

static int64_t clock_ms = 1000000, wall = 1790000000000;
static char top[64];
static unsigned int dirs;

static int64_t test_boot_ms(void)
{
	return clock_ms;
}

static int64_t test_wall_ms(void)
{
	return wall;
}

static const char *new_dir(void)
{
	static char dir[128];

	snprintf(dir, sizeof(dir), "%s/%u", top, ++dirs);
	return dir;
}

static struct settings *open_boot(const char *dir, const char *boot)
{
	const struct settings_env env = { boot, test_boot_ms, test_wall_ms };

	return settings_open(dir, &env);
}

static struct settings *open_dir(const char *dir)
{
	return open_boot(dir, "boot-1");
}

static void each_hold(void *arg, const struct setting_hold *hold)
{
	char *all = arg;

	sprintf(all + strlen(all), "[%s|%s|%" PRId64 "]", hold->conn, hold->reason,
		hold->until_wall ? hold->until_wall - hold->since_wall : 0);
}

static void each_mode(void *arg, const struct setting_mode *mode)
{
	char *all = arg;

	sprintf(all + strlen(all), "[%s|%s]", mode->conn, mode_name(mode->mode));
}

static void test_holds(void)
{
	const char *dir = new_dir();
	struct settings *s = open_dir(dir);
	char all[512] = "";

	ktap_str("no file is no error", NULL, settings_error(s));
	ktap_ok(!settings_held(s, "gw"), "no hold");
	ktap_int("add", 0, settings_hold_add(s, "gw", 60, "a'b\"\xff\x1b"));
	ktap_int("add for ever", 0, settings_hold_add(s, "'; --", 0, NULL));
	ktap_ok(settings_held(s, "gw") && settings_held(s, "'; --"), "both hold");
	ktap_ok(!settings_held(s, "other"), "another does not");
	ktap_int("no name", -EINVAL, settings_hold_add(s, "", 0, NULL));
	ktap_int("negative", -EINVAL, settings_hold_add(s, "gw", -1, NULL));
	ktap_int("too long", -EINVAL, settings_hold_add(s, "gw", INT64_MAX, NULL));
	ktap_int("delete", 0, settings_hold_del(s, "'; --"));
	ktap_int("delete again", -ENOENT, settings_hold_del(s, "'; --"));
	settings_close(s);

	s = open_dir(dir);
	settings_holds(s, each_hold, all);
	ktap_str("after a restart, escaped", "[gw|a'b\"\\xff\\x1b|60000]", all);
	wall += 9 * 365 * 86400000ll;
	ktap_ok(settings_held(s, "gw"), "a step of the wall clock ends no hold");
	clock_ms += 59999;
	ktap_ok(settings_held(s, "gw"), "1 ms before its end");
	clock_ms++;
	ktap_ok(!settings_held(s, "gw"), "at its end");
	ktap_int("none left", 0, settings_holds(s, NULL, NULL));
	ktap_int("delete one that has ended", -ENOENT, settings_hold_del(s, "gw"));
	ktap_int("all", 0, settings_hold_add(s, "all", 60, ""));
	ktap_int("all, again", 0, settings_hold_add(s, "all", 600, "longer"));
	ktap_ok(settings_held(s, "whatever"), "\"all\" holds everything");
	all[0] = '\0';
	settings_holds(s, each_hold, all);
	ktap_str("the later one counts", "[all|longer|600000]", all);
	settings_close(s);
}

static void test_reboot(void)
{
	const char *dir = new_dir();
	struct settings *s = open_dir(dir);

	settings_hold_add(s, "gw", 3600, "reason");
	settings_hold_add(s, "gw2", 0, NULL);
	settings_mode_set(s, "all", MODE_OBSERVE);
	settings_close(s);
	clock_ms = 5000;
	s = open_boot(dir, "boot-2");
	ktap_ok(settings_held(s, "gw"), "a hold survives a reboot");
	wall += 3600000 - 1;
	ktap_ok(settings_held(s, "gw"), "then it goes by the wall clock");
	settings_mode_set(s, "gw", MODE_ADVISE); /* writes all of it anew */
	settings_close(s);
	s = open_boot(dir, "boot-2");
	ktap_ok(settings_held(s, "gw"), "also when the file was written in this boot");
	wall++;
	ktap_ok(!settings_held(s, "gw"), "and ends");
	ktap_ok(settings_held(s, "gw2"), "for ever is for ever");
	settings_close(s);
	s = open_boot(dir, "");
	ktap_ok(!settings_held(s, "gw"), "no boot id: by the wall clock, too");
	settings_close(s);
	clock_ms = 1000000;
}

static void mode_is(const char *what, const struct conf *c, const struct settings *s, bool dry,
		    const char *conn, const char *want, const char *want_from)
{
	const char *from;

	ktap_str(what, want, mode_name(mode_in_force(c, s, dry, conn, &from)));
	ktap_has("and it is told from where", want_from, from);
}

static void test_modes(void)
{
	char lab[] = "lab", none[] = "none";
	struct conf_conn conn[] = {
		{ .name = lab, .value[OWN_MODE] = MODE_ADVISE },
		{ .name = none, .value[OWN_MODE] = -1 },
	};
	struct conf c = { .mode = MODE_RECOVER, .conn = conn, .nconn = 2 };
	const char *dir = new_dir();
	struct settings *s = open_dir(dir);
	char all[256] = "";

	mode_is("nothing said", &c, s, false, "gw", "recover", "file, for all");
	mode_is("nothing said, no name", &c, s, false, NULL, "recover", "file, for all");
	mode_is("a section of the file", &c, s, false, "lab", "advise", "file, for this");
	mode_is("a section without a mode", &c, s, false, "none", "recover", "file, for all");
	mode_is("--dry-run", &c, s, true, "gw", "advise", "--dry-run");

	settings_mode_set(s, "lab", MODE_RECOVER);
	mode_is("at run time over the file", &c, s, false, "lab", "recover", "mode', for this");
	settings_mode_set(s, "lab", MODE_OBSERVE);
	mode_is("--dry-run allows no more than observe", &c, s, true, "lab", "observe",
		"mode', for this");

	settings_mode_set(s, "all", MODE_ADVISE);
	mode_is("for all", &c, s, false, "gw", "advise", "mode', for all");
	mode_is("for all, no name", &c, s, false, NULL, "advise", "mode', for all");
	mode_is("a connection that does less goes on so", &c, s, false, "lab", "observe",
		"mode', for this");
	settings_mode_set(s, "all", MODE_OBSERVE);
	settings_mode_set(s, "lab", MODE_RECOVER);
	mode_is("none does more", &c, s, false, "lab", "observe", "a limit");
	settings_mode_set(s, "all", MODE_RECOVER);
	ktap_int("back to the file", 0, settings_mode_del(s, "lab"));
	ktap_int("twice", -ENOENT, settings_mode_del(s, "lab"));
	mode_is("recover for all leaves a section as it is", &c, s, false, "lab", "advise",
		"file, for this");
	c.mode = MODE_OBSERVE;
	mode_is("but is above the file's for all", &c, s, false, "gw", "recover", "mode', for all");
	ktap_int("no name", -EINVAL, settings_mode_set(s, "", MODE_ADVISE));
	settings_close(s);

	s = open_boot(dir, "boot-9");
	ktap_int("after a reboot", 1, settings_modes(s, each_mode, all));
	ktap_str("it is the same", "[all|recover]", all);
	settings_close(s);
}

static void put_file(const char *dir, const char *data, mode_t mode)
{
	char path[256];
	int fd;

	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/settings.json", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, strlen(data)) != (ssize_t)strlen(data) || fchmod(fd, mode))
		perror(path);
	close(fd);
}

static void test_spoiled(void)
{
	static const struct {
		const char *what, *data, *why;
	} t[] = {
		{ "empty", "", "cannot be used" },
		{ "text", "mode = observe\n", "cannot be used" },
		{ "cut off", "{\"version\":1,\"boot_id\":\"boot-1\",\"holds\":[{\"conn\":\"g",
		  "cannot be used" },
		{ "no object", "[]", "makes no sense" },
		{ "newer", "{\"version\":2,\"boot_id\":\"x\",\"holds\":[],\"modes\":[]}",
		  "of version 2, this program knows 1" },
		{ "a hold without a name",
		  "{\"version\":1,\"boot_id\":\"x\",\"holds\":[{\"reason\":\"\"}],\"modes\":[]}",
		  "makes no sense" },
		{ "a mode that is none",
		  "{\"version\":1,\"boot_id\":\"x\",\"holds\":[],\"modes\":[{\"conn\":\"gw\","
		  "\"mode\":\"recoverx\",\"since\":1}]}",
		  "makes no sense" },
	};
	struct settings *s;
	const char *dir;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		dir = new_dir();
		put_file(dir, t[i].data, 0600);
		s = open_dir(dir);
		ktap_ok(settings_held(s, "gw"), "%s: everything is on hold", t[i].what);
		ktap_has(t[i].what, t[i].why, settings_error(s) ? settings_error(s) : "(none)");
		settings_close(s);
		s = open_dir(dir);
		ktap_ok(settings_held(s, "gw"), "%s: also after a restart", t[i].what);
		ktap_int(t[i].what, 0, settings_hold_del(s, "all"));
		settings_close(s);
		s = open_dir(dir);
		ktap_ok(!settings_held(s, "gw"), "%s: until the operator ends it", t[i].what);
		ktap_str(t[i].what, NULL, settings_error(s));
		settings_close(s);
	}
}

/* As many holds as there may be, and one more: no room is left for that on everything. */
static void test_too_many(void)
{
	const char *dir = new_dir();
	struct settings *s;
	char *data = NULL;
	size_t len;
	FILE *f = open_memstream(&data, &len);
	int i;

	fputs("{\"version\":1,\"boot_id\":\"x\",\"modes\":[],\"holds\":[", f);
	for (i = 0; i <= 10000; i++)
		fprintf(f,
			"%s{\"conn\":\"c%d\",\"reason\":\"\",\"since\":1,\"until\":0,\"until_boot\":0}",
			i ? "," : "", i);
	fputs("]}", f);
	fclose(f);
	put_file(dir, data, 0600);
	free(data);
	s = open_dir(dir);
	ktap_has("too many holds", "cannot be used", settings_error(s) ? settings_error(s) : "");
	ktap_ok(settings_held(s, "gw"), "too many holds: everything is on hold");
	settings_close(s);
}

static void test_unusable(void)
{
	char path[256], other[256];
	struct settings *s;
	const char *dir;

	dir = new_dir();
	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/settings.json", dir);
	mkdir(path, 0700);
	s = open_dir(dir);
	ktap_ok(settings_held(s, "gw"), "a directory in its place: everything is on hold");
	ktap_int("to end that works, but not for long", 1, settings_hold_del(s, "all"));
	ktap_has("and why", "cannot be written", settings_error(s));
	ktap_ok(!settings_held(s, "gw"), "it is in effect");
	settings_close(s);

	dir = new_dir();
	put_file(dir, "{\"version\":1,\"boot_id\":\"x\",\"holds\":[],\"modes\":[]}", 0666);
	s = open_dir(dir);
	ktap_ok(settings_held(s, "gw"), "others may write to it: everything is on hold");
	ktap_has("and why", "others own it or may write to it", settings_error(s));
	settings_close(s);

	dir = new_dir();
	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/settings.json", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	if (symlink("/etc/hostname", path) || symlink("/etc/hostname", other))
		perror("symlink");
	s = open_dir(dir);
	ktap_ok(settings_held(s, "gw"), "a symbolic link is not followed");
	settings_hold_add(s, "gw", 60, "");
	ktap_int("and what it points to stays as it is", 0, access("/etc/hostname", F_OK));
	settings_close(s);

	s = open_dir("/proc/nowhere/state");
	ktap_str("no directory is no error", NULL, settings_error(s));
	ktap_int("a hold is taken, but not saved", 1, settings_hold_add(s, "gw", 0, ""));
	ktap_ok(settings_held(s, "gw"), "and is in effect");
	ktap_has("and it is told why", "cannot be written", settings_error(s));
	settings_close(s);
}

/* Killed at any moment: the file is the one before or the one after, never less. */
static void test_kill(void)
{
	const char *dir = new_dir();
	unsigned int i, k, bad = 0, changes = 0, last = 0;
	struct settings *s;
	enum mode mode;
	pid_t pid;

	s = open_dir(dir);
	settings_hold_add(s, "gw", 0, "stays");
	settings_close(s);
	for (i = 0; i < 200 || (changes < 20 && i < 5000); i++) {
		pid = fork();
		if (!pid) {
			s = open_dir(dir);
			for (k = 0;; k++)
				settings_mode_set(s, "lab", (enum mode)(k % 3));
		}
		usleep(500 + (i * 7919) % 9000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		s = open_dir(dir);
		bad += settings_error(s) || !settings_held(s, "gw") || settings_held(s, "lab");
		if (settings_mode(s, "lab", &mode) && mode != last) {
			last = mode;
			changes++;
		}
		settings_close(s);
	}
	ktap_int("killed 200 times while it writes: nothing is lost", 0, bad);
	ktap_ok(changes >= 20, "and it did write (%u changes seen)", changes);
}

int main(void)
{
	char cmd[96];

	log_level(getenv("VERBOSE") ? LOG_DEBUG : -1);
	snprintf(top, sizeof(top), "/tmp/invspid-settings-XXXXXX");
	if (!mkdtemp(top)) {
		perror(top);
		return 1;
	}
	test_holds();
	test_reboot();
	test_modes();
	test_spoiled();
	test_too_many();
	test_unusable();
	test_kill();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", top);
	if (system(cmd))
		perror(cmd);
	return ktap_done();
}
