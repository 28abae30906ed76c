// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks: who is told of what, what it finds in its environment, and how many there are
 * at once. They are real programs, scripts that this test writes.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_help.h"
#include "hook.h"
#include "log.h"

static uv_loop_t loop;
static char dir[64];
static struct conf *conf;

static const char *script(const char *name, const char *text)
{
	static char path[4][96];
	static unsigned int which;
	int fd;

	which = (which + 1) % 4;
	snprintf(path[which], sizeof(path[which]), "%s/%s", dir, name);
	fd = open(path[which], O_WRONLY | O_CREAT | O_TRUNC, 0700);
	dprintf(fd, "#!/bin/sh\n%s", text);
	close(fd);
	return path[which];
}

/* What a file in the folder has; "" if it is not there. */
static const char *read_file(const char *name)
{
	static char buf[8192];
	char path[96];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static int lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static void load(const char *text)
{
	conf_replace(&conf, dir, text);
}

static struct happened desync(void)
{
	struct happened h = {
		.what = HAPPEN_DESYNC,
		.peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } },
		.local = { .family = AF_INET, .addr = { 192, 0, 2, 1 } },
		.spi = 0xc0ffee11,
		.proto = 50,
		.conn = "gw",
		.child = "net",
		.grade = GRADE_LOST_IN_KERNEL,
		.action = ACTION_REKEY,
		.why = "because",
		.ms = -1,
	};

	return h;
}

static void run(const struct happened *h)
{
	struct hooks *hs = hooks_new(&loop);

	hooks_run(hs, conf, "/run/x.sock", h);
	uv_run(&loop, UV_RUN_DEFAULT);
	hooks_free(hs);
}

static void test_environment(void)
{
	struct happened h = desync();
	char text[256];

	snprintf(text, sizeof(text),
		 "hook \"env\" {\n\tcommand = %s\n\tevents = \"desync recorded\"\n}\n",
		 script("env-hook", "env | grep -v -e ^PWD -e ^SHLVL -e ^_= -e TIME= |\n"
				    "sort >$(dirname $0)/env\n"));
	load(text);
	setenv("SECRET", "ours", 1);
	run(&h);
	ktap_str("a desync",
		 "INVSPI_ACTION=rekey\n"
		 "INVSPI_CHILD=net\n"
		 "INVSPI_CONN=gw\n"
		 "INVSPI_CONTROL=/run/x.sock\n"
		 "INVSPI_EVENT=desync\n"
		 "INVSPI_GRADE=lost_in_kernel\n"
		 "INVSPI_LOCAL=192.0.2.1\n"
		 "INVSPI_PEER=192.0.2.2\n"
		 "INVSPI_PROTO=esp\n"
		 "INVSPI_SPI=0xc0ffee11\n"
		 "INVSPI_WHY=because\n"
		 "LC_ALL=C.UTF-8\n"
		 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
		 read_file("env"));

	h = (struct happened){
		.what = HAPPEN_RECORDED,
		.conn = "a\nINVSPI_EVENT=forged\x1b[31m\"'$(id)`\xff\xe2\x80\xae../",
		.peer_id = "C=CH, CN=\\evil\r\n",
		.grade = GRADE__COUNT,
		.bundle = 7,
		.path = "/var/lib/invspid/record/000007",
	};
	run(&h);
	ktap_str("what comes from outside",
		 "INVSPI_BUNDLE=7\n"
		 "INVSPI_BUNDLE_PATH=/var/lib/invspid/record/000007\n"
		 "INVSPI_CONN=a\\x0aINVSPI_EVENT=forged\\x1b[31m\"'$(id)`\\xff\\xe2\\x80\\xae../\n"
		 "INVSPI_CONTROL=/run/x.sock\n"
		 "INVSPI_EVENT=recorded\n"
		 "INVSPI_PEER_ID=C=CH, CN=\\\\evil\\x0d\\x0a\n"
		 "LC_ALL=C.UTF-8\n"
		 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
		 read_file("env"));
	unlink(script("env", ""));
	h = desync();
	h.what = HAPPEN_FAILED;
	run(&h);
	ktap_str("not for this event", "", read_file("env"));
}

static void test_whom(void)
{
	static const struct {
		const char *whom, *conn;
		bool told;
	} rows[] = {
		{ "all", "gw", true },	       { "all !gw", "gw", false },
		{ "gw", "gw", true },	       { "other", "gw", false },
		{ "192.0.2.0/24", "x", true }, { "192.0.2.1", "x", false },
		{ "none", "gw", false },
	};
	struct happened h = desync();
	const char *hook = script("touch-hook", "touch $(dirname $0)/touched\n");
	char text[256], what[64], path[96];
	size_t i;

	snprintf(path, sizeof(path), "%s/touched", dir);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(text, sizeof(text),
			 "hook \"a\" {\n\tcommand = %s\n\tevents = desync\n\tfor = \"%s\"\n}\n",
			 hook, rows[i].whom);
		load(text);
		h.conn = rows[i].conn;
		run(&h);
		snprintf(what, sizeof(what), "%s at 192.0.2.2, for %s", rows[i].conn, rows[i].whom);
		ktap_int(what, rows[i].told, !access(path, F_OK));
		unlink(path);
	}
}

/* How many run at once, and that none is forgotten. */
static void test_many(void)
{
	struct hooks *hs = hooks_new(&loop);
	struct happened h = desync();
	uint64_t ran, failed, dropped;
	char text[512];
	int i, most = 0, n;
	const char *s;

	snprintf(text, sizeof(text),
		 "hooks_at_once = 3\nhook \"a\" {\n\tcommand = %s\n\tevents = desync\n}\n",
		 script("count-hook",
			"cd $(dirname $0)\necho b >>log\nsleep 0.05\necho e >>log\n"));
	load(text);
	for (i = 0; i < HOOKS_WAITING + 20; i++)
		hooks_run(hs, conf, "/run/x.sock", &h);
	uv_run(&loop, UV_RUN_DEFAULT);
	hooks_counts(hs, &ran, &failed, &dropped);
	/* Three begin at once and wait no more. */
	ktap_int("ran", HOOKS_WAITING + 3, (long long)ran);
	ktap_int("dropped", 17, (long long)dropped);
	ktap_int("failed", 0, (long long)failed);
	s = read_file("log");
	ktap_int("each begins and ends", 2 * (HOOKS_WAITING + 3), lines(s));
	for (n = 0; *s; s++) {
		n += *s == 'b' ? 1 : *s == 'e' ? -1 : 0;
		most = n > most ? n : most;
	}
	ktap_int("at once", 3, most);
	hooks_free(hs);
}

static void test_bad(void)
{
	struct hooks *hs = hooks_new(&loop);
	struct happened h = desync();
	uint64_t ran, failed, dropped;
	char text[1024];

	snprintf(text, sizeof(text),
		 "hook_timeout_ms = 200\n"
		 "hook \"hang\" {\n\tcommand = %s\n\tevents = desync\n}\n"
		 "hook \"fail\" {\n\tcommand = %s\n\tevents = desync\n}\n"
		 "hook \"gone\" {\n\tcommand = /does/not/exist\n\tevents = desync\n}\n",
		 script("hang-hook", "exec sleep 1000\n"), script("fail-hook", "exit 1\n"));
	load(text);
	hooks_run(hs, conf, "/run/x.sock", &h);
	/* The configuration goes while they run. */
	load("");
	uv_run(&loop, UV_RUN_DEFAULT);
	hooks_counts(hs, &ran, &failed, &dropped);
	ktap_int("hang, fail, not there: ran", 3, (long long)ran);
	ktap_int("... failed", 3, (long long)failed);
	hooks_free(hs);
}

/* At the end of the helper: those that run are ended, those that wait never begin. */
static void test_end(void)
{
	struct hooks *hs = hooks_new(&loop);
	struct happened h = desync();
	char text[512];
	int i;

	snprintf(text, sizeof(text),
		 "hooks_at_once = 2\nhook \"a\" {\n\tcommand = %s\n\tevents = desync\n}\n",
		 script("end-hook", "sleep 1000; touch $(dirname $0)/late\n"));
	load(text);
	for (i = 0; i < 5; i++)
		hooks_run(hs, conf, "/run/x.sock", &h);
	uv_run(&loop, UV_RUN_NOWAIT);
	hooks_free(hs);
	uv_run(&loop, UV_RUN_DEFAULT);
	ktap_str("ended", "", read_file("late"));
	hooks_free(NULL);
}

int main(void)
{
	char command[96];

	snprintf(dir, sizeof(dir), "/tmp/invspid-hook-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	uv_loop_init(&loop);
	log_level(LOG_EMERG);
	test_environment();
	test_whom();
	test_many();
	test_bad();
	test_end();
	conf_free(conf);
	ktap_int("nothing is left in the loop", 0, uv_loop_close(&loop));
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) ? 1 : ktap_done();
}
