// SPDX-License-Identifier: GPL-2.0-only
/* Requests to invspid, and what becomes of the answers. */
#include <errno.h>
#include <stdio.h>

#include "control.h"
#include "render.h"
#include "request.h"
#include "status.h"

/* Return: 0 with the answer, which has the member @key unless that is NULL. */
static int get(struct invspi *inv, json_t *request, const char *key, json_t **answer,
	       struct invspi_err *err)
{
	int rc = control_call(inv->control, request, answer, err);

	if (rc || !key || json_object_get(*answer, key))
		return rc;
	json_decref(*answer);
	return invspi_err_set(err, EPROTO, "invspid's answer has no \"%s\"", key);
}

int request_run(struct invspi *inv, json_t *request, const char *key, const char *none)
{
	struct invspi_err err;
	json_t *answer;

	if (get(inv, request, key, &answer, &err))
		return failed(&err);
	if (key || fmt_is_json(&inv->out))
		render(inv, answer, key ? json_object_get(answer, key) : NULL, none);
	json_decref(answer);
	return EXIT_FINE;
}

int request_print(struct invspi *inv, json_t *request, const char *key,
		  void (*print)(struct invspi *inv, json_t *answer, json_t *what))
{
	struct invspi_err err;
	json_t *answer;

	if (get(inv, request, key, &answer, &err))
		return failed(&err);
	if (fmt_is_json(&inv->out))
		render(inv, answer, NULL, "");
	else
		print(inv, answer, json_object_get(answer, key));
	json_decref(answer);
	return EXIT_FINE;
}

json_t *request_new(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

bool request_put(json_t *request, const char *key, const char *value)
{
	return !json_object_set_new(request, key, json_string(value));
}

int request_bad(json_t *request, struct args *args, const char *what)
{
	json_decref(request);
	return usage_error(args, "%s is not valid UTF-8", what);
}

int request_conn(struct invspi *inv, json_t *request)
{
	static const char *const parts[] = { "connection", "children" };
	json_t *answer, *what = json_object();
	struct invspi_err err;
	const char *why;
	size_t i;

	if (control_call(inv->control, request, &answer, &err)) {
		json_decref(what);
		return failed(&err);
	}
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		json_object_set(what, parts[i], json_object_get(answer, parts[i]));
	if (!explain_knows(json_object_get(answer, "sas")))
		json_object_set(what, "sas", json_object_get(answer, "sas"));
	render(inv, answer, what, "");
	if (!fmt_is_json(&inv->out) && explain_knows(json_object_get(answer, "sas")))
		explain_print(inv, answer, json_object_get(answer, "sas"));
	why = json_string_value(json_object_get(answer, "failed"));
	if (why)
		invspi_err_set(&err, EREMOTEIO, "invspid: %s", why);
	json_decref(what);
	json_decref(answer);
	return why ? failed(&err) : EXIT_FINE;
}
