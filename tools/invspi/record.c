// SPDX-License-Identifier: GPL-2.0-only
/* invspi record: the flight recorder of invspid, and the bundles that it has written. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "parse.h"
#include "render.h"
#include "request.h"

#define NUMBER_MAX 4294967294u

static const char record_usage[] = "Usage: invspi record [ list ]\n"
				   "       invspi record show NUMBER\n"
				   "       invspi record export NUMBER [ FILE ]\n"
				   "       invspi record delete NUMBER\n"
				   "       invspi record take [ PEER ] [ now ] [ reason TEXT ]\n"
				   "       invspi record live [ PEER ]\n"
				   "PEER := { ADDRESS | CONN }\n";

/* ---- where the bundles are ---- */

/* --state, or the helper's own, or the default. To be freed; NULL without memory. */
static char *folder(struct invspi *inv)
{
	const char *text = NULL;
	json_t *answer = NULL;
	char *dir = NULL;

	if (!inv->state && !control_call(inv->control, request_new("record-status"), &answer, NULL))
		text = json_string_value(
			json_object_get(json_object_get(answer, "record"), "folder"));
	if (text)
		dir = strdup(text);
	else if (asprintf(&dir, "%s/record", inv->state ? inv->state : inv->state_default) < 0)
		dir = NULL;
	json_decref(answer);
	return dir;
}

/* The next word is a bundle's number. Return: enum exit_code. */
static int get_number(struct args *args, uint64_t *number)
{
	const char *word = next_arg(args);
	struct invspi_err err;

	if (!word)
		return usage_error(args, "which bundle? `invspi record list' shows their numbers");
	if (parse_number(word, "number of a bundle", 1, NUMBER_MAX, number, &err))
		return usage_error(args, "%s", err.text);
	return EXIT_FINE;
}

/* ... and the last one. */
static int get_only_number(struct args *args, uint64_t *number)
{
	int rc = get_number(args, number);

	return rc ? rc : want_end(args);
}

static FILE *open_file(const char *dir, uint64_t number, const char *name)
{
	struct invspi_err err;
	char *path;
	FILE *in;

	if (asprintf(&path, "%s/%06" PRIu64 "/%s", dir, number, name) < 0)
		return NULL;
	in = fopen(path, "re");
	if (!in) {
		invspi_err_set(&err, errno, "bundle %" PRIu64 ": %s: %s", number, path,
			       strerror(errno));
		failed(&err);
	}
	free(path);
	return in;
}

/* ---- list ---- */

static json_t *read_meta(const char *dir, const char *name)
{
	json_error_t err;
	json_t *j = NULL;
	char *path;

	if (asprintf(&path, "%s/%s/bundle.json", dir, name) < 0)
		return NULL;
	j = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
	free(path);
	if (json_is_object(j))
		return j;
	json_decref(j);
	return json_pack("{s:i, s:s}", "number", atoi(name), "cause", "cannot be read");
}

static int is_number(const struct dirent *e)
{
	return strlen(e->d_name) >= 6 && strspn(e->d_name, "0123456789") == strlen(e->d_name);
}

static const char *text_of(json_t *meta, const char *key)
{
	const char *s = json_string_value(json_object_get(meta, key));

	return s ? s : "?";
}

static void print_meta(struct invspi *inv, json_t *meta)
{
	json_t *peers = json_object_get(meta, "peers"), *one;
	struct fmt *f = &inv->out;
	size_t i;

	fmt_number(f, FMT_NO_KEY, "bundle %" PRIu64,
		   (uint64_t)json_integer_value(json_object_get(meta, "number")));
	fmt_string(f, FMT_NO_KEY, " at %s", text_of(meta, "at"));
	fmt_string(f, FMT_NO_KEY, " %s", text_of(meta, "class"));
	fmt_text(f, "%s peers", json_is_true(json_object_get(meta, "first")) ? " first" : "");
	if (!json_array_size(peers))
		fmt_text(f, " all");
	json_array_foreach(peers, i, one)
		fmt_string(f, FMT_NO_KEY, " %s",
			   json_string_value(one) ? json_string_value(one) : "?");
	fmt_string(f, FMT_NO_KEY, "\n    %s\n", text_of(meta, "cause"));
}

static int list_folder(struct invspi *inv, const char *dir)
{
	json_t *list = json_array(), *one;
	struct dirent **names = NULL;
	struct invspi_err err;
	int n, i, rc = EXIT_FINE;
	size_t k;

	n = scandir(dir, &names, is_number, alphasort);
	/* Nothing was ever written there, or it is the wrong place. */
	if (n < 0 && (errno != ENOENT || (inv->state && access(inv->state, F_OK)))) {
		invspi_err_set(&err, errno, "%s: %s%s", dir, strerror(errno),
			       errno == EACCES ? "; run as root" : "");
		rc = failed(&err);
	}
	for (i = 0; i < n; i++) {
		json_array_append_new(list, read_meta(dir, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	if (!rc && fmt_is_json(&inv->out)) {
		render(inv, list, NULL, "");
	} else if (!rc) {
		if (!json_array_size(list))
			fmt_text(&inv->out, "no bundles\n");
		json_array_foreach(list, k, one)
			print_meta(inv, one);
	}
	json_decref(list);
	return rc;
}

static int record_list(struct invspi *inv, struct args *args)
{
	char *dir;
	int rc;

	if (want_end(args))
		return EXIT_USAGE;
	dir = folder(inv);
	if (!dir)
		return EXIT_FAILED;
	rc = list_folder(inv, dir);
	free(dir);
	return rc;
}

/* ---- show ---- */

/* Both files were made safe to show when they were written. */
static void show_text(struct invspi *inv, FILE *in)
{
	char buf[16384];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, inv->out.out);
}

static void show_events(struct invspi *inv, FILE *in)
{
	json_t *list = json_array();
	char *line = NULL;
	json_error_t err;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, in)) > 0)
		json_array_append_new(list, json_loadb(line, (size_t)len, 0, &err));
	free(line);
	render(inv, list, NULL, "");
	json_decref(list);
}

static int record_show(struct invspi *inv, struct args *args)
{
	bool json = fmt_is_json(&inv->out);
	uint64_t number = 0;
	char *dir;
	FILE *in;
	int rc;

	rc = get_only_number(args, &number);
	if (rc)
		return rc;
	dir = folder(inv);
	if (!dir)
		return EXIT_FAILED;
	in = open_file(dir, number, json ? "events.jsonl" : "timeline.txt");
	free(dir);
	if (!in)
		return EXIT_FAILED;
	if (json)
		show_events(inv, in);
	else
		show_text(inv, in);
	fclose(in);
	return EXIT_FINE;
}

/* ---- export ---- */

/* The end of the file's name says how tar packs it. */
static int run_tar(const char *dir, uint64_t number, const char *file)
{
	struct invspi_err err;
	char name[32];
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "%06" PRIu64, number);
	pid = fork();
	if (!pid) {
		execlp("tar", "tar", "-c", "-a", "-f", file, "-C", dir, "--", name, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		invspi_err_set(&err, errno, "cannot run tar: %s", strerror(errno));
		return failed(&err);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return EXIT_FINE;
	invspi_err_set(&err, EIO, "tar could not make %s%s", file,
		       WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ": it is not installed"
								       : "");
	return failed(&err);
}

static int record_export(struct invspi *inv, struct args *args)
{
	char *dir, name[64], *path = NULL;
	const char *file;
	uint64_t number = 0;
	int rc;

	rc = get_number(args, &number);
	file = rc ? NULL : next_arg(args);
	if (!rc)
		rc = want_end(args);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), "invspi-bundle-%06" PRIu64 ".tar.gz", number);
	if (!file)
		file = name;
	/* For tar a colon would be that of another machine, and the path is ours. */
	if (file[0] != '/' && asprintf(&path, "./%s", file) < 0)
		return EXIT_FAILED;
	dir = folder(inv);
	rc = dir ? run_tar(dir, number, path ? path : file) : EXIT_FAILED;
	if (!rc)
		fmt_text(&inv->out, "%s\n", file);
	free(path);
	free(dir);
	return rc;
}

/* ---- what invspid does ---- */

static int record_delete(struct invspi *inv, struct args *args)
{
	json_t *request;
	uint64_t number = 0;
	int rc;

	rc = get_only_number(args, &number);
	if (rc)
		return rc;
	request = request_new("record-delete");
	json_object_set_new(request, "bundle", json_integer((json_int_t)number));
	return request_run(inv, request, NULL, "");
}

/* `now' and `reason TEXT', in any order, and before them PEER. */
static int put_words(json_t *request, struct args *args)
{
	static const char *const words[] = { "now", "reason", NULL };
	bool first = true;
	const char *word, *text;

	for (; (word = next_arg(args)); first = false) {
		if (!strcmp(word, words[0])) {
			json_object_set_new(request, "now", json_true());
		} else if (!strcmp(word, words[1])) {
			text = next_arg(args);
			if (!text)
				return usage_error(args, "\"reason\" needs a value");
			if (!request_put(request, "reason", text))
				return usage_error(args, "the reason is not valid UTF-8");
		} else if (!first) {
			return usage_error(args, "unexpected \"%s\": now or reason is wanted",
					   word);
		} else if (!request_put(request, "peer", word)) {
			return usage_error(args, "the peer is not valid UTF-8");
		}
	}
	return EXIT_FINE;
}

static int record_take(struct invspi *inv, struct args *args)
{
	json_t *request = request_new("record-take");
	int rc = put_words(request, args);

	if (!rc)
		return request_run(inv, request, "record", "");
	json_decref(request);
	return rc;
}

static void print_event(struct invspi *inv, json_t *e)
{
	const char *conn = json_string_value(json_object_get(e, "conn"));
	const char *peer = json_string_value(json_object_get(e, "peer"));
	json_t *id = json_object_get(e, "ike_id");
	struct fmt *f = &inv->out;

	fmt_string(f, FMT_NO_KEY, "%s  ", text_of(e, "time"));
	fmt_string(f, FMT_NO_KEY, "%-15s ", peer ? peer : "-");
	fmt_string(f, FMT_NO_KEY, "%-7s ", text_of(e, "kind"));
	if (conn)
		fmt_string(f, FMT_NO_KEY, "%s", conn);
	if (json_is_integer(id))
		fmt_number(f, FMT_NO_KEY, "[%" PRIu64 "]", (uint64_t)json_integer_value(id));
	if (conn || json_is_integer(id))
		fmt_text(f, ": ");
	fmt_string(f, FMT_NO_KEY, "%s\n", text_of(e, "text"));
}

static int record_live(struct invspi *inv, struct args *args)
{
	json_t *request = request_new("record-live"), *answer, *events, *one;
	const char *peer = next_arg(args);
	struct invspi_err err;
	size_t i;

	if (want_end(args)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	if (peer && !request_put(request, "peer", peer))
		return request_bad(request, args, "the peer");
	if (control_call(inv->control, request, &answer, &err))
		return failed(&err);
	events = json_object_get(answer, "events");
	if (fmt_is_json(&inv->out))
		render(inv, events, NULL, "");
	else if (!json_array_size(events))
		fmt_text(&inv->out, "nothing is noted\n");
	json_array_foreach(events, i, one) {
		if (!fmt_is_json(&inv->out))
			print_event(inv, one);
	}
	json_decref(answer);
	return EXIT_FINE;
}

int record_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ "list", record_list },
		{ "show", record_show },
		{ "export", record_export },
		{ "delete", record_delete },
		{ "take", record_take },
		{ "live", record_live },
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, record_usage, record_list);
}
