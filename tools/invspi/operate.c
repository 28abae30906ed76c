// SPDX-License-Identifier: GPL-2.0-only
/* invspi mode, recover, peer: what the operator has invspid do. */
#include <stdio.h>
#include <string.h>

#include "parse.h"
#include "request.h"

static const char mode_usage[] =
	"Usage: invspi mode [ show [ CONN ] ]\n"
	"       invspi mode { recover | advise | observe | default } [ CONN ]\n";
static const char recover_usage[] = "Usage: invspi recover CONN [ dry-run ]\n";
static const char peer_usage[] = "Usage: invspi peer [ show ]\n"
				 "       invspi peer retry { CONN | all }\n";

/* An optional CONN, and nothing behind it. */
static int put_conn(json_t *request, struct args *args)
{
	const char *conn = next_arg(args);

	if (conn && !*conn) {
		json_decref(request);
		return usage_error(args, "the name of the connection is empty");
	}
	if (want_end(args)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	if (conn && !request_put(request, "conn", conn))
		return request_bad(request, args, "the name of the connection");
	return EXIT_FINE;
}

static int mode_show(struct invspi *inv, struct args *args)
{
	json_t *request = request_new("mode-show");
	int rc = put_conn(request, args);

	return rc ? rc : request_run(inv, request, "modes", "");
}

static int mode_set(struct invspi *inv, struct args *args, const char *mode)
{
	json_t *request = request_new("mode-set");
	int rc;

	request_put(request, "mode", mode);
	rc = put_conn(request, args);
	return rc ? rc : request_run(inv, request, NULL, "");
}

static int mode_recover(struct invspi *inv, struct args *args)
{
	return mode_set(inv, args, "recover");
}

static int mode_advise(struct invspi *inv, struct args *args)
{
	return mode_set(inv, args, "advise");
}

static int mode_observe(struct invspi *inv, struct args *args)
{
	return mode_set(inv, args, "observe");
}

static int mode_default(struct invspi *inv, struct args *args)
{
	return mode_set(inv, args, "default");
}

int mode_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", mode_show },	     { "recover", mode_recover }, { "advise", mode_advise },
		{ "observe", mode_observe }, { "default", mode_default }, { NULL, NULL },
	};

	return run_command(inv, args, commands, mode_usage, mode_show);
}

/* No commands but help: its word is a connection. */
int recover_main(struct invspi *inv, struct args *args)
{
	static const char *const words[] = { "dry-run", NULL };
	const char *conn = next_arg(args), *word = next_arg(args);
	struct invspi_err err;
	json_t *request;

	if (conn && !strcmp(conn, "help")) {
		fputs(recover_usage, stdout);
		return EXIT_FINE;
	}
	if (!conn || !*conn)
		return usage_error(args, "\"recover\" needs the name of a connection");
	if (word && parse_keyword(word, "word", words, &err) < 0)
		return usage_error(args, "%s", err.text);
	if (want_end(args))
		return EXIT_USAGE;
	request = request_new("recover");
	if (!request_put(request, "conn", conn))
		return request_bad(request, args, "the name of the connection");
	if (word)
		json_object_set_new(request, "dry_run", json_true());
	return request_conn(inv, request);
}

static int peer_show(struct invspi *inv, struct args *args)
{
	if (want_end(args))
		return EXIT_USAGE;
	return request_run(inv, request_new("peer-show"), "peers",
			   "the IKE daemon has no connections, or is not there");
}

static int peer_retry(struct invspi *inv, struct args *args)
{
	json_t *request;
	int rc;

	if (!args->argc)
		return usage_error(args, "\"peer retry\" needs the name of a connection, or all");
	request = request_new("peer-retry");
	rc = put_conn(request, args);
	return rc ? rc : request_run(inv, request, NULL, "");
}

int peer_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", peer_show },
		{ "retry", peer_retry },
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, peer_usage, peer_show);
}
