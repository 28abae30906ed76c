/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * invspi top.
 *
 *   top.c        the command line, and -b
 *   top_data.c   one sample: the module's flows and what invspid knows of them
 *   top_rows.c   what is shown of it: columns, order, filter
 *   top_draw.c   as lines of text, for a screen of any size or for none
 *   top_term.c   the terminal and its keys
 */
#ifndef INVSPI_TOP_H
#define INVSPI_TOP_H

#include <jansson.h>
#include <stddef.h>

#include "invspi.h"

#define TOP_TEXT 256 /* bytes of a text that is shown, escaped */

/**
 * struct top_flow - a flow of the module's table
 * @rate: packets a second since the sample before; negative if not known
 * @conn, @child: "" if invspid knows of none; so all texts from there
 */
struct top_flow {
	struct invspi_flow flow;
	double rate;
	char conn[TOP_TEXT], child[TOP_TEXT];
	char grade[32], action[32], why[TOP_TEXT], blocked[TOP_TEXT];
};

/**
 * struct top_conn - a connection of the IKE daemon
 * @rate: dropped packets of its peers a second, negative if not known
 * @ago_ms: since the last action ended, negative if there was none
 * @took_ms: how long that took from the first dropped to the first delivered packet,
 *	negative if it has not healed
 */
struct top_conn {
	char name[TOP_TEXT], peer[FMT_ADDR_LEN], mode[16];
	unsigned int children, flows, desync, gave_up;
	bool held;
	uint64_t packets;
	double rate;
	char action[32], outcome[32];
	int64_t ago_ms, took_ms;
	uint64_t healed, quiet, stale, failed;
};

/**
 * struct top_sample - what is there at one moment
 * @at: CLOCK_BOOTTIME ms; @wall: Unix ms
 * @module: the module has answered; else @module_why says why not
 * @rate: dropped packets a second, negative if not known
 * @daemon: invspid has answered; else @daemon_why says why not
 * @status: what invspid tells of itself
 */
struct top_sample {
	int64_t at, wall;
	bool module, daemon;
	char module_why[TOP_TEXT], daemon_why[TOP_TEXT];
	struct invspi_stats stats;
	double rate;
	struct top_flow *flow;
	size_t nflow, flow_room;
	struct top_conn *conn;
	size_t nconn;
	uint64_t conns_left;
	json_t *status;
};

/**
 * struct top_source - where samples come from; zero but for @control to begin
 * @control: path of invspid's socket
 * @nl: the module, while it answers
 * @nl_failed_at: when it did not; to ask has modprobe run each time
 */
struct top_source {
	const char *control;
	struct invspi_nl *nl;
	struct invspi_err nl_err;
	int64_t nl_failed_at;
};

/**
 * top_sample() - take a sample
 * @before: the sample before, for the rates; NULL if there is none
 *
 * What does not answer is said in it. Return: 0 or -ENOMEM.
 */
int top_sample(struct top_sample *s, struct top_source *source, const struct top_sample *before);
void top_sample_free(struct top_sample *s);

/* Takes an answer of invspid to "top" apart; @s has the module's flows already. */
void top_take_answer(struct top_sample *s, json_t *answer);
void top_rates(struct top_sample *s, const struct top_sample *before);

enum top_view { TOP_CONNECTIONS, TOP_FLOWS, TOP_VIEWS };

/**
 * struct top_order - what is shown, and in which order
 * @chosen: the view was asked for; else it is the flows where invspid does not answer
 * @sort: index of a column of the view
 * @filter: text that a row must have, whatever its case; "" for all
 * @trouble: only what is out of step or given up
 */
struct top_order {
	enum top_view view;
	bool chosen;
	int sort[TOP_VIEWS];
	bool reverse;
	bool trouble;
	char filter[64];
};

/**
 * struct top_column - a column of a view
 * @key: what it is called on the command line
 * @width: at least; texts are cut to it
 * @grow: takes what is left of the line, in this proportion
 * @give_up: those with the greatest go first where the line is too short
 * @put: writes a row's cell
 * @compare: how rows are sorted by it, the most interesting first
 */
struct top_column {
	const char *key, *title;
	int width, grow, give_up;
	bool right;
	void (*put)(const void *row, char *buf, size_t size);
	int (*compare)(const void *a, const void *b);
};

extern const struct top_column top_conn_columns[], top_flow_columns[];
const struct top_column *top_columns(enum top_view view);
/* Index of a column by its key, or -1. */
int top_column(enum top_view view, const char *key);

/**
 * top_rows() - the rows that are shown, in order
 *
 * Return: an array of struct top_conn or struct top_flow pointers, which the caller
 * frees, @n of them; NULL without memory.
 */
const void **top_rows(const struct top_sample *s, const struct top_order *order, size_t *n);

/* The view, by the first sample, unless it was chosen. */
void top_choose(struct top_order *order, const struct top_sample *s);

enum top_style { TOP_PLAIN, TOP_TITLE, TOP_BAD, TOP_CURSOR, TOP_DIM };

typedef void (*top_put)(void *arg, int row, enum top_style style, const char *text);

/**
 * struct top_screen - how it is drawn
 * @width: columns; 0 = as many as it takes
 * @height: lines; 0 = as many as it takes, and no help
 * @first: first row that is shown; set so that @cursor is on the screen
 * @cursor: the row that is told more of, -1 for none
 * @delay_ms: shown in the help
 * @input: text that is being typed, or NULL
 */
struct top_screen {
	int width, height;
	size_t first;
	int cursor;
	int64_t delay_ms;
	bool paused, help;
	const char *input;
};

/* Draws it all; @put gets each line, from the top, padded to the width. */
void top_draw(const struct top_sample *s, const struct top_order *order, struct top_screen *screen,
	      top_put put, void *arg);

/**
 * struct top - the options
 * @count: so many samples, 0 = until it is ended
 */
struct top {
	struct invspi *inv;
	struct top_order order;
	int64_t delay_ms;
	uint64_t count;
	bool batch;
};

/* Return: enum exit_code. */
int top_terminal(struct top *t);

/* Wide characters and all; for the tests, too. Pads or cuts @text to @width columns. */
void top_cell(char *buf, size_t size, const char *text, int width, bool right);
int top_width(const char *text);
/* A span in five columns: 3.0s, 1m03s, 3h12m; "-" if negative. */
void top_age(char *buf, size_t size, int64_t ms);

#endif /* INVSPI_TOP_H */
