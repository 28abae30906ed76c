/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands of invspi share. */
#ifndef INVSPI_INVSPI_H
#define INVSPI_INVSPI_H

#include <stdbool.h>

#include "err.h"
#include "flow.h"
#include "fmt.h"
#include "nl.h"

enum exit_code {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_ERRORS = 3, /* of `doctor' */
};

/**
 * struct invspi - the options before the command
 * @out: stdout, as text or JSON
 * @details: -s, more of everything in text
 * @control: path of invspid's socket
 * @state: directory of invspid's history, NULL = ask invspid
 * @state_default: ... and if it does not run
 * @now_ms: when the kernel said what is about to be printed; ages count from it
 */
struct invspi {
	struct fmt out;
	bool details;
	const char *control;
	const char *state;
	const char *state_default;
	int64_t now_ms;
};

/**
 * struct args - the words that are left of the command line
 * @object: first word of the command, for hints
 */
struct args {
	const char *object;
	int argc;
	char **argv;
};

/* Words left? The next one, which is taken; NULL at the end. */
static inline const char *next_arg(struct args *args)
{
	if (!args->argc)
		return NULL;
	args->argc--;
	return *args->argv++;
}

/* A command is called with the words behind its name. Return: enum exit_code. */
typedef int (*command_fn)(struct invspi *inv, struct args *args);

struct command {
	const char *name;
	command_fn run;
};

/* main.c */
int failed(const struct invspi_err *err);
int usage_error(const struct args *args, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int want_end(struct args *args);
int run_command(struct invspi *inv, struct args *args, const struct command *commands,
		const char *usage, command_fn otherwise);

/* select.c */
int parse_selectors(struct args *args, struct invspi_filter *filter);

/* print.c */
void print_flow(struct invspi *inv, const char *event, bool resync, const struct invspi_flow *flow);

/* one for each object */
int flow_main(struct invspi *inv, struct args *args);
int stats_main(struct invspi *inv, struct args *args);
int config_main(struct invspi *inv, struct args *args);
int monitor_main(struct invspi *inv, struct args *args);
int status_main(struct invspi *inv, struct args *args);
int hold_main(struct invspi *inv, struct args *args);
int explain_main(struct invspi *inv, struct args *args);
int history_main(struct invspi *inv, struct args *args);
int mode_main(struct invspi *inv, struct args *args);
int recover_main(struct invspi *inv, struct args *args);
int peer_main(struct invspi *inv, struct args *args);
int record_main(struct invspi *inv, struct args *args);
int top_main(struct invspi *inv, struct args *args);
int doctor_main(struct invspi *inv, struct args *args);

#endif /* INVSPI_INVSPI_H */
