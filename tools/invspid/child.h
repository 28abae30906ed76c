/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that the helper runs: with fixed arguments and no shell, for a bounded time,
 * with bounded output. Each is in a session of its own; when its time is over, or when
 * it has ended, whatever it has left running there is killed.
 */
#ifndef INVSPID_CHILD_H
#define INVSPID_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/**
 * struct child_options - what to run
 * @argv: ends with NULL; a name without a slash is looked for in CHILD_PATH
 * @env: all of its environment, ends with NULL; see env.h
 * @timeout_ms: it may take so long
 * @max_output: bytes that are kept of what it writes to either stream
 */
struct child_options {
	const char *const *argv;
	const char *const *env;
	uint64_t timeout_ms;
	size_t max_output;
};

enum child_end {
	CHILD_EXITED, /* @status: exit status */
	CHILD_KILLED, /* @status: signal */
	CHILD_TIMED_OUT,
	CHILD_FAILED, /* could not be run; @status: negative errno */
};

/**
 * struct child_result - what became of it
 * @output: @len bytes, any; valid during the callback
 * @cut: there was more
 */
struct child_result {
	enum child_end end;
	int status;
	const char *output;
	size_t len;
	bool cut;
};

/* Where programs without a slash are looked for, whatever our own environment says. */
#define CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct child;

typedef void (*child_cb)(void *arg, const struct child_result *result);

/**
 * child_run() - start a program
 * @cb: called once from the loop, also if it could not be run
 *
 * Return: the program, valid until @cb was called; NULL without memory.
 */
struct child *child_run(uv_loop_t *loop, const struct child_options *opt, child_cb cb, void *arg);

/**
 * child_kill() - end it now; @cb is not called any more
 */
void child_kill(struct child *c);

/**
 * child_result_text() - "ended with status 1", for people
 *
 * Return: @buf, empty if it ended with status 0 and nothing was cut.
 */
const char *child_result_text(const struct child_result *result, char *buf, size_t size);

#endif
