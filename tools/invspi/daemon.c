// SPDX-License-Identifier: GPL-2.0-only
/* invspi status, hold, explain: what invspid answers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "invspi.h"
#include "parse.h"
#include "request.h"
#include "render.h"
#include "status.h"

#define HOLD_MAX_MS (UINT64_C(3650) * 86400000)

static const char status_usage[] = "Usage: invspi status\n";
static const char hold_usage[] =
	"Usage: invspi hold [ show [ CONN | all ] ]\n"
	"       invspi hold add { CONN | all } [ for DURATION ] [ reason TEXT ]\n"
	"       invspi hold del { CONN | all }\n"
	"DURATION := NUMBER{ s | m | h | d }\n";
static const char explain_usage[] =
	"Usage: invspi explain [ src ADDRESS ] [ dst ADDRESS ] [ spi SPI ]\n"
	"                      [ proto { esp | ah } ]\n"
	"       invspi explain conn CONN\n";

static int status(struct invspi *inv, struct args *args)
{
	if (want_end(args))
		return EXIT_USAGE;
	return request_print(inv, request_new("status"), "status", status_print);
}

int status_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "show", status },
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, status_usage, status);
}

/* `for DURATION' and `reason TEXT', each once, in any order. */
static int put_hold_options(json_t *request, struct args *args)
{
	static const char *const words[] = { "for", "reason", NULL };
	static const char *const keys[] = { "seconds", "reason" };
	struct invspi_err err;
	const char *word, *value;
	uint64_t ms;
	int i;

	while ((word = next_arg(args))) {
		i = parse_keyword(word, "word", words, &err);
		if (i < 0)
			return usage_error(args, "%s", err.text);
		value = next_arg(args);
		if (!value)
			return usage_error(args, "\"%s\" needs a value", words[i]);
		if (json_object_get(request, keys[i]))
			return usage_error(args, "\"%s\" is given twice", words[i]);
		if (i == 1) {
			if (!request_put(request, "reason", value))
				return usage_error(args, "the reason is not valid UTF-8");
			continue;
		}
		if (parse_duration(value, "duration", 0, 1000, HOLD_MAX_MS, &ms, &err))
			return usage_error(args, "%s", err.text);
		json_object_set_new(request, "seconds", json_integer((json_int_t)(ms / 1000)));
	}
	return EXIT_FINE;
}

static int hold_add(struct invspi *inv, struct args *args)
{
	const char *conn = next_arg(args);
	json_t *request;
	int rc;

	if (!conn || !*conn)
		return usage_error(args, "\"hold add\" needs the name of a connection, or all");
	request = request_new("hold-add");
	if (!request_put(request, "conn", conn))
		return request_bad(request, args, "the name of the connection");
	rc = put_hold_options(request, args);
	if (rc) {
		json_decref(request);
		return rc;
	}
	return request_run(inv, request, NULL, "");
}

static int hold_del(struct invspi *inv, struct args *args)
{
	const char *conn = next_arg(args);
	json_t *request;

	if (!conn || !*conn)
		return usage_error(args, "\"hold del\" needs the name of a connection, or all");
	if (want_end(args))
		return EXIT_USAGE;
	request = request_new("hold-del");
	if (!request_put(request, "conn", conn))
		return request_bad(request, args, "the name of the connection");
	return request_run(inv, request, NULL, "");
}

/* Leaves only the holds that concern @conn, which one on all does. */
static void filter_holds(json_t *answer, const char *conn)
{
	json_t *holds = json_object_get(answer, "holds");
	const char *name;
	size_t i = 0;

	while (i < json_array_size(holds)) {
		name = json_string_value(json_object_get(json_array_get(holds, i), "conn"));
		if (name && (!strcmp(name, conn) || !strcmp(name, "all")))
			i++;
		else
			json_array_remove(holds, i);
	}
}

static int hold_show(struct invspi *inv, struct args *args)
{
	const char *conn = next_arg(args);
	struct invspi_err err;
	json_t *answer;

	if (want_end(args))
		return EXIT_USAGE;
	if (control_call(inv->control, request_new("hold-show"), &answer, &err))
		return failed(&err);
	if (conn && strcmp(conn, "all"))
		filter_holds(answer, conn);
	render(inv, answer, json_object_get(answer, "holds"), "nothing is on hold");
	json_decref(answer);
	return EXIT_FINE;
}

int hold_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "add", hold_add },   { "delete", hold_del }, { "show", hold_show },
		{ "list", hold_show }, { NULL, NULL },
	};

	return run_command(inv, args, commands, hold_usage, hold_show);
}

static int put_selector(json_t *request, const char *key, const char *value, struct invspi_err *err)
{
	static const char *const protos[] = { "esp", "ah", NULL };
	char text[FMT_ADDR_LEN];
	union invspi_addr addr;
	int family, rc;
	uint32_t spi;

	if (!strcmp(key, "spi")) {
		rc = parse_spi(value, &spi, err);
		if (!rc)
			snprintf(text, sizeof(text), "0x%08" PRIx32, spi);
	} else if (!strcmp(key, "conn")) {
		if (!request_put(request, key, value))
			return invspi_err_set(err, EINVAL,
					      "the name of the connection is not valid UTF-8");
		return 0;
	} else if (!strcmp(key, "proto")) {
		rc = parse_keyword(value, "protocol", protos, err);
		if (rc >= 0) {
			snprintf(text, sizeof(text), "%s", protos[rc]);
			rc = 0;
		}
	} else {
		rc = parse_addr(value, &family, &addr, err);
		if (!rc)
			fmt_addr(text, family, &addr);
	}
	if (!rc)
		request_put(request, key, text);
	return rc;
}

static int explain(struct invspi *inv, struct args *args)
{
	static const char *const keys[] = { "src", "dst", "spi", "proto", "conn", NULL };
	json_t *request = request_new("explain");
	const char *word, *value;
	struct invspi_err err;
	int i, rc = 0;

	while (!rc && (word = next_arg(args))) {
		i = parse_keyword(word, "selector", keys, &err);
		value = i < 0 ? NULL : next_arg(args);
		if (i >= 0 && !value)
			rc = usage_error(args, "selector \"%s\" needs a value", keys[i]);
		else if (i >= 0 && json_object_get(request, keys[i]))
			rc = usage_error(args, "selector \"%s\" is given twice", keys[i]);
		else if (i < 0 || put_selector(request, keys[i], value, &err))
			rc = usage_error(args, "%s", err.text);
	}
	if (rc) {
		json_decref(request);
		return rc;
	}
	if (json_object_get(request, "conn") && json_object_size(request) > 2) {
		json_decref(request);
		return usage_error(args, "\"conn\" stands alone: \"explain\" without it is about "
					 "flows");
	}
	if (json_object_get(request, "conn"))
		return request_conn(inv, request);
	return request_print(inv, request, "flows", explain_print);
}

/* `explain' has no commands but help: its words are selectors. */
int explain_main(struct invspi *inv, struct args *args)
{
	if (args->argc && !strcmp(args->argv[0], "help")) {
		fputs(explain_usage, stdout);
		return EXIT_FINE;
	}
	return explain(inv, args);
}
