/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs the invspi of the tree, or the one that INVSPI names. */
#ifndef SELFTESTS_UNIT_CMDLINE_H
#define SELFTESTS_UNIT_CMDLINE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "fmt.h"

#define ARGS_MAX 40
#define RUN_LIMIT_S 20

struct result {
	int status; /* of exit, or 128 + signal */
	char out[8192];
	char err[8192];
};

__attribute__((unused)) static void read_file(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

__attribute__((unused)) static int temp_file(void)
{
	char path[] = "/tmp/invspi-test-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		abort();
	unlink(path);
	return fd;
}

__attribute__((unused)) static void run_invspi(char *const argv[], struct result *r)
{
	const char *program = getenv("INVSPI");
	int out = temp_file(), err = temp_file(), status;
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (!pid) {
		alarm(RUN_LIMIT_S);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		setenv("LC_ALL", "C", 1);
		execv(program ? program : "../../tools/invspi/invspi", argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		abort();
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	read_file(out, r->out, sizeof(r->out));
	read_file(err, r->err, sizeof(r->err));
}

#endif /* SELFTESTS_UNIT_CMDLINE_H */
