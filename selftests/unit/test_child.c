// SPDX-License-Identifier: GPL-2.0-only
/* Programs that the helper runs: those that end well, and all that do not. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "ktap.h"

#define ENV "PATH=" CHILD_PATH

static uv_loop_t loop;

/* What came of one. */
static struct {
	struct child_result result;
	char output[4096], text[128];
	unsigned int calls;
	long long ms;
} got;

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void on_end(void *arg, const struct child_result *r)
{
	(void)arg;
	got.calls++;
	got.result = *r;
	snprintf(got.output, sizeof(got.output), "%.*s", (int)r->len, r->output);
	child_result_text(r, got.text, sizeof(got.text));
}

static void run_argv(const char *const *argv, uint64_t timeout_ms, size_t max_output)
{
	static const char *const env[] = { ENV, "GREETING=a b'c\"d$(id)", NULL };
	struct child_options opt = {
		.argv = argv,
		.env = env,
		.timeout_ms = timeout_ms,
		.max_output = max_output,
	};
	long long begun = now();

	memset(&got, 0, sizeof(got));
	child_run(&loop, &opt, on_end, NULL);
	ktap_int("nothing is told before the loop runs", 0, got.calls);
	uv_run(&loop, UV_RUN_DEFAULT);
	got.ms = now() - begun;
}

/* Most tests are a line of shell, which is one of the programs that one can run. */
static void run(const char *script, uint64_t timeout_ms, size_t max_output)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	run_argv(argv, timeout_ms, max_output);
}

static void is(const char *what, enum child_end end, int status, const char *output,
	       const char *text)
{
	char name[96];

	snprintf(name, sizeof(name), "%s: told once", what);
	ktap_int(name, 1, got.calls);
	snprintf(name, sizeof(name), "%s: how it ended", what);
	ktap_int(name, end, got.result.end);
	snprintf(name, sizeof(name), "%s: status", what);
	ktap_int(name, status, got.result.status);
	snprintf(name, sizeof(name), "%s: output", what);
	ktap_str(name, output, got.output);
	snprintf(name, sizeof(name), "%s: text", what);
	ktap_str(name, text, got.text);
}

static void test_ends(void)
{
	static const char *const missing[] = { "/does/not/exist", NULL };
	static const char *const nowhere[] = { "no-such-program-here", NULL };
	static const char *const folder[] = { "/tmp", NULL };

	run("echo out; echo err >&2; echo again", 10000, 100);
	is("both streams", CHILD_EXITED, 0, "out\nerr\nagain\n", "");
	run("exit 7", 10000, 100);
	is("a status", CHILD_EXITED, 7, "", "ended with status 7");
	run("kill -ABRT $$", 10000, 100);
	is("a signal", CHILD_KILLED, SIGABRT, "", "was ended by signal 6 (Aborted)");
	run_argv(missing, 10000, 100);
	is("a path that is not there", CHILD_FAILED, -ENOENT, "",
	   "could not be run: No such file or directory");
	run_argv(nowhere, 10000, 100);
	is("a name that is not there", CHILD_FAILED, -ENOENT, "",
	   "could not be run: No such file or directory");
	run_argv(folder, 10000, 100);
	is("a folder", CHILD_FAILED, -EACCES, "", "could not be run: Permission denied");
}

static void test_surroundings(void)
{
	static const char *const argv[] = { "printenv", "GREETING", NULL };
	static const char *const words[] = { "printf", "%s|", "a b", "$(id)", "`id`", "'", NULL };

	run_argv(argv, 10000, 100);
	is("its environment", CHILD_EXITED, 0, "a b'c\"d$(id)\n", "");
	run_argv(words, 10000, 100);
	is("its arguments", CHILD_EXITED, 0, "a b|$(id)|`id`|'|", "");
	setenv("SECRET", "x", 1);
	run("echo ${SECRET:-none} $(pwd) $(ls /proc/self/fd | wc -l)", 10000, 100);
	/* 0 to 2, and the one with which ls reads that folder */
	is("nothing of ours", CHILD_EXITED, 0, "none / 4\n", "");
	run("read x; echo got $?", 10000, 100);
	is("nothing to read", CHILD_EXITED, 0, "got 1\n", "");
}

static void test_output(void)
{
	run("printf 12345678", 10000, 8);
	is("as much as there may be", CHILD_EXITED, 0, "12345678", "");
	run("printf 123456789; exit 3", 10000, 8);
	is("more than that", CHILD_EXITED, 3, "12345678",
	   "ended with status 3; its output was too long");
	run("head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2", 10000, 8);
	is("far more: it is not stopped by a full pipe", CHILD_EXITED, 0, "xxxxxxxx",
	   "ended with status 0; its output was too long");
	run("yes", 300, 4);
	is("without an end", CHILD_TIMED_OUT, 0, "y\ny\n",
	   "took too long and was killed; its output was too long");
}

static void test_hang(void)
{
	run("echo begun; sleep 1000; echo no", 300, 100);
	is("one that hangs", CHILD_TIMED_OUT, 0, "begun\n", "took too long and was killed");
	ktap_ok(got.ms >= 300 && got.ms < 5000, "... after %lld ms", got.ms);
	run("trap '' TERM INT HUP; while :; do sleep 0.1; done", 300, 100);
	is("one that hears no signal", CHILD_TIMED_OUT, 0, "", "took too long and was killed");
}

/* Is anything running that has this in its command line? */
static bool running(const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "grep -qsa -- '%s' /proc/[0-9]*/cmdline", what);
	return !system(command);
}

static void test_leftovers(void)
{
	long long until;

	run("sleep 1234.5678 & echo done", 10000, 100);
	is("one that leaves another behind", CHILD_EXITED, 0, "done\n", "");
	ktap_ok(got.ms < 5000, "... is not waited for: %lld ms", got.ms);
	for (until = now() + 5000; running("123[4].5678") && now() < until;)
		usleep(10000);
	ktap_ok(!running("123[4].5678"), "... and the other is killed");
	/* It has left the session, and holds the pipe. */
	run("setsid sleep 1.25 & echo done", 10000, 100);
	is("one that got away", CHILD_EXITED, 0, "done\n", "");
	ktap_ok(got.ms < 5000, "... is not waited for: %lld ms", got.ms);
}

static void on_late(uv_timer_t *timer)
{
	child_kill(timer->data);
	uv_close((uv_handle_t *)timer, NULL);
}

static void test_kill(void)
{
	static const char *const argv[] = { "sleep", "4321.8765", NULL };
	static const char *const env[] = { ENV, NULL };
	struct child_options opt = {
		.argv = argv,
		.env = env,
		.timeout_ms = 60000,
		.max_output = 10,
	};
	long long begun = now();
	uv_timer_t timer;

	memset(&got, 0, sizeof(got));
	uv_timer_init(&loop, &timer);
	timer.data = child_run(&loop, &opt, on_end, NULL);
	uv_timer_start(&timer, on_late, 50, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	ktap_int("killed by us: nothing is told", 0, got.calls);
	ktap_ok(!running("432[1].8765"), "... it is gone, after %lld ms", now() - begun);
}

static void test_many(void)
{
	static const char *const argv[] = { "true", NULL };
	static const char *const env[] = { ENV, NULL };
	struct child_options opt = { .argv = argv, .env = env, .timeout_ms = 60000 };
	int before, i;

	before = dup(0);
	close(before);
	memset(&got, 0, sizeof(got));
	for (i = 0; i < 50; i++)
		child_run(&loop, &opt, on_end, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ktap_int("fifty at once", 50, got.calls);
	i = dup(0);
	close(i);
	ktap_int("no descriptor is left", before, i);
	ktap_ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no zombie is left");
}

int main(void)
{
	int fd;

	/* Whoever runs this may have left us some. */
	for (fd = 3; fd < 256; fd++)
		close(fd);
	uv_loop_init(&loop);
	test_ends();
	test_surroundings();
	test_output();
	test_hang();
	test_leftovers();
	test_kill();
	test_many();
	uv_loop_close(&loop);
	return ktap_done();
}
