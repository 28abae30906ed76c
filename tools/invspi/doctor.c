// SPDX-License-Identifier: GPL-2.0-only
/* invspi doctor: see doctor.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control.h"
#include "doctor.h"
#include "parse.h"
#include "render.h"

#define CHECKS_MAX 32
#define NAMED 4 /* things that a line of text names */
#define STATUS_S 5

static const char usage[] =
	"Usage: invspi doctor [ CHECK ... | except CHECK ... ]\n"
	"       invspi doctor list\n"
	"Exit status: 0 nothing worse than notes, 1 warnings, 3 errors, 2 wrong usage\n";

static const struct {
	const char *name, *what;
	void (*run)(struct doctor *d);
} checks[] = {
	{ "privileges", "what this program and invspid may do", check_privileges },
	{ "module", "the kernel module answers and is of this version", check_module },
	{ "signing", "the kernel would load it, with Secure Boot, too", check_signing },
	{ "handlers", "the kernel receives ESP and AH", check_handlers },
	{ "hook", "a packet on loopback that no SA matches is counted", check_hook },
	{ "log", "what the kernel log gets, and room in the table", check_log },
	{ "helper", "invspid runs, acts, and has given up nothing", check_helper },
	{ "history", "its state directory can be written", check_history },
	{ "ike", "the IKE daemon answers", check_ike },
	{ "dpd", "dead peers are noticed", check_dpd },
	{ "rekey", "SAs do not live for ever", check_rekey },
	{ "unique", "a peer's stale IKE_SAs are replaced", check_unique },
	{ "leak", "nothing leaves in clear while a child is down", check_leak },
	{ "one-way", "SAs that send also receive", check_one_way },
	{ "offload", "no network card hides what it drops", check_offload },
	{ "clock", "the clock is synchronised", check_clock },
};

#define CHECKS (sizeof(checks) / sizeof(*checks))

static const char *const severities[] = { "ok", "note", "warning", "error" };

/* ---- for the checks ---- */

/* The finding of this check that is the same but for what it is about. */
static json_t *same(struct doctor *d, const char *text, enum severity severity)
{
	json_t *f;
	size_t i;

	json_array_foreach(d->findings, i, f)
		if (!strcmp(json_string_value(json_object_get(f, "check")), d->check) &&
		    !strcmp(json_string_value(json_object_get(f, "severity")),
			    severities[severity]) &&
		    !strcmp(json_string_value(json_object_get(f, "text")), text))
			return f;
	return NULL;
}

void found(struct doctor *d, enum severity severity, const char *about, const char *remedy,
	   const char *format, ...)
{
	char raw[1024], text[2048];
	json_t *f, *list;
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	fmt_escape_line(text, sizeof(text), raw, strlen(raw));
	f = about ? same(d, text, severity) : NULL;
	if (!f) {
		f = json_pack("{s:s, s:s, s:o, s:s}", "check", d->check, "severity",
			      severities[severity], "about", json_array(), "text", text);
		json_object_set_new(f, "remedy", json_null());
		json_array_append_new(d->findings, f);
	}
	if (remedy && json_is_null(json_object_get(f, "remedy"))) {
		fmt_escape_line(text, sizeof(text), remedy, strlen(remedy));
		json_object_set_new(f, "remedy", json_string(text));
	}
	if (!about)
		return;
	list = json_object_get(f, "about");
	fmt_escape(text, sizeof(text), about, strlen(about));
	json_array_append_new(list, json_string(text));
}

static void path_of(const struct doctor *d, const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", d->root, path);
}

int doctor_read(const struct doctor *d, const char *path, char *buf, size_t size)
{
	char full[512];
	FILE *f;
	int rc = 0;

	path_of(d, path, full, sizeof(full));
	f = fopen(full, "re");
	if (!f)
		return -errno;
	if (!fgets(buf, (int)size, f))
		rc = ferror(f) ? -EIO : -ENODATA;
	else
		buf[strcspn(buf, "\n")] = '\0';
	fclose(f);
	return rc;
}

bool doctor_exists(const struct doctor *d, const char *path)
{
	char full[512];

	path_of(d, path, full, sizeof(full));
	return !access(full, F_OK);
}

/* ---- printing ---- */

static void print_about(struct fmt *f, json_t *about)
{
	size_t i, n = json_array_size(about);

	for (i = 0; i < n && i < NAMED; i++)
		fmt_string(f, FMT_NO_KEY, i ? ", %s" : "%s",
			   json_string_value(json_array_get(about, i)));
	if (n > NAMED)
		fmt_text(f, " and %zu more", n - NAMED);
	if (n)
		fmt_text(f, ": ");
}

static void print_finding(struct fmt *f, json_t *finding)
{
	const char *remedy = json_string_value(json_object_get(finding, "remedy"));

	fmt_text(f, "%-8s %-11s", json_string_value(json_object_get(finding, "severity")),
		 json_string_value(json_object_get(finding, "check")));
	print_about(f, json_object_get(finding, "about"));
	fmt_text(f, "%s\n", json_string_value(json_object_get(finding, "text")));
	if (remedy)
		fmt_text(f, "%-20s-> %s\n", "", remedy);
}

static unsigned int count(json_t *findings, enum severity severity)
{
	unsigned int n = 0;
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		n += !strcmp(json_string_value(json_object_get(f, "severity")),
			     severities[severity]);
	return n;
}

static int tell(struct doctor *d)
{
	unsigned int errors = count(d->findings, SEVERITY_ERROR);
	unsigned int warnings = count(d->findings, SEVERITY_WARNING);
	unsigned int notes = count(d->findings, SEVERITY_NOTE);
	struct fmt *f = &d->inv->out;
	json_t *j, *finding;
	size_t i;

	if (fmt_is_json(f)) {
		j = json_pack("{s:i, s:i, s:i, s:O}", "errors", errors, "warnings", warnings,
			      "notes", notes, "findings", d->findings);
		render_json(f, j);
		json_decref(j);
	} else {
		json_array_foreach(d->findings, i, finding)
			print_finding(f, finding);
		fmt_text(f, "%u error%s, %u warning%s, %u note%s", errors, errors == 1 ? "" : "s",
			 warnings, warnings == 1 ? "" : "s", notes, notes == 1 ? "" : "s");
		fmt_line(f);
	}
	return errors ? EXIT_ERRORS : warnings ? EXIT_FAILED : EXIT_FINE;
}

/* ---- running ---- */

/* The kernel hands us messages with keys in them: no dumps, no ptrace. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

static void ask(struct doctor *d)
{
	json_t *answer;

	if (!control_call_within(d->inv->control, STATUS_S, json_pack("{s:s}", "command", "status"),
				 &answer, &d->status_err)) {
		d->status = json_incref(json_object_get(answer, "status"));
		json_decref(answer);
	}
	invspi_nl_open(&d->nl, &d->nl_err);
}

static void run(struct doctor *d, const bool wanted[CHECKS])
{
	size_t i, before;

	for (i = 0; i < CHECKS; i++) {
		if (!wanted[i])
			continue;
		d->check = checks[i].name;
		before = json_array_size(d->findings);
		checks[i].run(d);
		if (json_array_size(d->findings) == before)
			found(d, SEVERITY_OK, NULL, NULL, "%s", checks[i].what);
	}
}

static int list(struct invspi *inv)
{
	struct fmt *f = &inv->out;
	size_t i;

	fmt_array(f, NULL);
	for (i = 0; i < CHECKS; i++) {
		fmt_object(f, NULL);
		fmt_string(f, "check", "%-11s", checks[i].name);
		fmt_string(f, "what", " %s\n", checks[i].what);
		fmt_object_end(f);
	}
	fmt_array_end(f);
	if (fmt_is_json(f))
		fmt_line(f);
	return EXIT_FINE;
}

/* CHECK... are those that run; after "except", those that do not. */
static int parse(struct args *args, bool wanted[CHECKS])
{
	const char *words[CHECKS + 1], *word;
	struct invspi_err err;
	bool except = false;
	size_t i;
	int n;

	for (i = 0; i < CHECKS; i++)
		words[i] = checks[i].name;
	words[CHECKS] = NULL;
	if (args->argc && !strcmp(args->argv[0], "except")) {
		next_arg(args);
		except = true;
		if (!args->argc)
			return usage_error(args, "\"except\" needs the name of a check");
	}
	for (i = 0; i < CHECKS; i++)
		wanted[i] = except || !args->argc;
	while ((word = next_arg(args))) {
		n = parse_keyword(word, "check", words, &err);
		if (n < 0)
			return usage_error(args, "%s", err.text);
		wanted[n] = !except;
	}
	return EXIT_FINE;
}

int doctor_main(struct invspi *inv, struct args *args)
{
	struct doctor d = { .inv = inv, .root = "" };
	bool wanted[CHECKS];
	int rc;

	if (args->argc && !strcmp(args->argv[0], "help")) {
		fputs(usage, stdout);
		return EXIT_FINE;
	}
	if (args->argc && !strcmp(args->argv[0], "list")) {
		next_arg(args);
		return want_end(args) ? EXIT_USAGE : list(inv);
	}
	rc = parse(args, wanted);
	if (rc)
		return rc;
	harden();
	d.findings = json_array();
	ask(&d);
	run(&d, wanted);
	rc = tell(&d);
	json_decref(d.findings);
	json_decref(d.status);
	invspi_nl_close(d.nl);
	doctor_forget_ike(&d);
	return rc;
}
