// SPDX-License-Identifier: GPL-2.0-only
/*
 * How whack is called: with fixed arguments, for a bounded time, one at a time. pluto
 * serves one whack at a time, and does nothing else while one does not read what it is
 * told: so one that takes too long is killed at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ike_whack_int.h"

#define OUTPUT_MAX (64 << 20) /* --status of ten thousand connections */
#define WAIT_MS 500 /* a command is not waited for longer that may wait for the peer */
#define ARGS_MAX 8 /* behind the program and the directory */

static int call(struct ike_whack *ike, const char *const *args, int64_t timeout_ms, child_cb done)
{
	static const char *const env[] = { "PATH=" CHILD_PATH, "LC_ALL=C", NULL };
	const char *argv[ARGS_MAX + 4] = { ike->program_used, "--rundir", ike->rundir };
	const struct child_options opt = {
		.argv = argv,
		.env = env,
		.timeout_ms = (uint64_t)timeout_ms,
		.max_output = OUTPUT_MAX,
	};
	size_t i;

	for (i = 0; i < ARGS_MAX && args[i]; i++)
		argv[3 + i] = args[i];
	ike->child = child_run(ike->loop, &opt, done, ike);
	return ike->child ? 0 : -ENOMEM;
}

int whack_call_status(struct ike_whack *ike, child_cb done)
{
	static const char *const args[] = { "--status", NULL };

	return call(ike, args, 2 * ike->timeout_ms, done);
}

int whack_call_listing(struct ike_whack *ike, child_cb done)
{
	static const char *const args[] = { "--trafficstatus", "--briefstatus", "--showstates",
					    NULL };

	return call(ike, args, ike->timeout_ms, done);
}

/*
 * libreswan 5 calls the same by another name. By the number of the state, since a name
 * may have several: 4 takes the number for that of a state, 5 wants to be told so.
 */
static void rekey_args(const struct ike_whack *ike, const struct whack_op *op, char number[16],
		       const char **arg)
{
	bool old = ike->status.version && !strncmp(ike->status.version, "4.", 2);

	if (op->conn) { /* IKEv1 knows no rekey: a new one takes the place */
		*arg++ = "--initiate";
	} else {
		snprintf(number, 16, "%s%" PRIu32, old ? "" : "#", op->serial);
		*arg++ = old ? "--rekey-ipsec" : "--rekey-child";
	}
	*arg++ = "--asynchronous";
	*arg++ = "--name";
	*arg++ = op->conn ? op->conn : number;
}

static void initiate_args(const struct whack_op *op, char host[INET6_ADDRSTRLEN], const char **arg)
{
	*arg++ = "--initiate";
	if (op->host.family) {
		inet_ntop(op->host.family, op->host.addr, host, INET6_ADDRSTRLEN);
		*arg++ = "--remote-host";
		*arg++ = host;
	}
	*arg++ = "--asynchronous";
	*arg++ = "--name";
	*arg++ = op->conn;
}

/*
 * Given an address, whack of 5.2 waits for what comes of it, whatever it is told. pluto
 * has read what it wanted long before.
 */
bool whack_may_wait(const struct whack_op *op)
{
	return op->kind == OP_INITIATE && op->host.family;
}

int whack_call_command(struct ike_whack *ike, const struct whack_op *op, child_cb done)
{
	int64_t timeout_ms = ike->timeout_ms;
	const char *args[ARGS_MAX + 1] = { NULL };
	char number[16], host[INET6_ADDRSTRLEN];

	if (op->kind == OP_REKEY) {
		rekey_args(ike, op, number, args);
	} else if (op->kind == OP_INITIATE) {
		initiate_args(op, host, args);
	} else if (op->conn) {
		args[0] = "--terminate";
		args[1] = "--name";
		args[2] = op->conn;
	} else {
		snprintf(number, sizeof(number), "%" PRIu32, op->serial);
		args[0] = "--deletestate";
		args[1] = number;
	}
	if (whack_may_wait(op) && timeout_ms > WAIT_MS)
		timeout_ms = WAIT_MS;
	return call(ike, args, timeout_ms, done);
}
