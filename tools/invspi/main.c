// SPDX-License-Identifier: GPL-2.0-only
/* invspi: options, objects, and how errors are told. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "invspi.h"
#include "netns.h"
#include "parse.h"
#include "paths.h"
#include "version.h"

#define COMMANDS_MAX 16

static const char usage[] =
	"Usage: invspi [ OPTIONS ] OBJECT { COMMAND | help }\n"
	"       invspi { help | -V }\n"
	"where  OBJECT := { flow | stats | config | monitor | status | explain | history |\n"
	"                   hold | mode | recover | peer | record | top |\n"
	"                   doctor }\n"
	"       OPTIONS := { -j[son] | -p[retty] | -s[tatistics] | -n[etns] NETNS |\n"
	"                    --control PATH | --state DIR | -V[ersion] | -h[elp] }\n";

static const struct command objects[] = {
	{ "flow", flow_main },	     { "stats", stats_main },	  { "config", config_main },
	{ "monitor", monitor_main }, { "status", status_main },	  { "hold", hold_main },
	{ "explain", explain_main }, { "history", history_main }, { "mode", mode_main },
	{ "recover", recover_main }, { "peer", peer_main },	  { "record", record_main },
	{ "top", top_main },	     { "doctor", doctor_main },	  { NULL, NULL },
};

int failed(const struct invspi_err *err)
{
	fprintf(stderr, "invspi: %s\n", err->text);
	return EXIT_FAILED;
}

int usage_error(const struct args *args, const char *format, ...)
{
	char raw[512], line[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	fmt_escape_line(line, sizeof(line), raw, strlen(raw));
	fprintf(stderr, "invspi: %s\nTry `invspi %s%shelp'.\n", line,
		args && args->object ? args->object : "", args && args->object ? " " : "");
	return EXIT_USAGE;
}

int want_end(struct args *args)
{
	if (!args->argc)
		return EXIT_FINE;
	return usage_error(args, "unexpected \"%s\"", args->argv[0]);
}

/**
 * run_command() - run what the next word names
 * @commands: ends with a NULL name; "help" need not be among them
 * @text: printed for help
 * @otherwise: what to do if there are no more words, NULL for a usage error
 */
int run_command(struct invspi *inv, struct args *args, const struct command *commands,
		const char *text, command_fn otherwise)
{
	const char *words[COMMANDS_MAX + 2];
	struct invspi_err err;
	const char *word;
	int n, i;

	word = next_arg(args);
	if (!word && otherwise)
		return otherwise(inv, args);
	if (!word) {
		fputs(text, stderr);
		return EXIT_USAGE;
	}

	for (n = 0; n < COMMANDS_MAX && commands[n].name; n++)
		words[n] = commands[n].name;
	words[n] = "help";
	words[n + 1] = NULL;
	i = parse_keyword(word, args->object ? "command" : "object", words, &err);
	if (i < 0)
		return usage_error(args, "%s", err.text);
	if (i == n) {
		fputs(text, stdout);
		return EXIT_FINE;
	}
	if (!args->object)
		args->object = commands[i].name;
	return commands[i].run(inv, args);
}

static int parse_options(int argc, char **argv, struct invspi *inv, const char **netns)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "statistics", no_argument, NULL, 's' },
		{ "netns", required_argument, NULL, 'n' },
		{ "control", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 'S' },
		{ "Version", no_argument, NULL, 'V' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	enum fmt_mode mode = FMT_TEXT;
	int opt;

	while ((opt = getopt_long_only(argc, argv, "+jpsn:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			if (mode == FMT_TEXT)
				mode = FMT_JSON;
			break;
		case 'p':
			mode = FMT_JSON_PRETTY;
			break;
		case 's':
			inv->details = true;
			break;
		case 'n':
			*netns = optarg;
			break;
		case 'c':
			inv->control = optarg;
			break;
		case 'S':
			inv->state = optarg;
			break;
		case 'V':
			printf("invspi %s\n", INVSPI_VERSION);
			return EXIT_FINE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_FINE;
		default:
			fputs("Try `invspi help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	fmt_init(&inv->out, stdout, mode);
	return -1;
}

/* The helper of a named network namespace has its socket and its state below its name. */
static void set_paths(struct invspi *inv, const char *netns)
{
	static char control[PATH_MAX], state[PATH_MAX];

	if (!netns || strchr(netns, '/'))
		netns = "";
	snprintf(control, sizeof(control), RUN_DIR "%s%s/" CONTROL_NAME, *netns ? NETNS_BELOW : "",
		 netns);
	snprintf(state, sizeof(state), STATE_DIR "%s%s", *netns ? NETNS_BELOW : "", netns);
	if (!inv->control)
		inv->control = control;
	inv->state_default = state;
}

/* Whatever was written must have arrived, else a full disk looks like success. */
static int close_output(const struct invspi *inv, int rc)
{
	int error = inv->out.error;

	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		error = error ? error : errno ? errno : EIO;
	if (!error)
		return rc;
	fprintf(stderr, "invspi: cannot write the output: %s\n", strerror(error));
	return rc ? rc : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct invspi inv = { 0 };
	struct args args = { 0 };
	const char *netns = NULL;
	struct invspi_err err;
	int rc;

	rc = parse_options(argc, argv, &inv, &netns);
	if (rc >= 0)
		return close_output(&inv, rc);
	if (netns && netns_enter(netns, &err))
		return failed(&err);
	set_paths(&inv, netns);

	args.argc = argc - optind;
	args.argv = argv + optind;
	return close_output(&inv, run_command(&inv, &args, objects, usage, NULL));
}
