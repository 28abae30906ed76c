// SPDX-License-Identifier: GPL-2.0-only
/* invspi top on a terminal: keys in, lines out. */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <term.h>
#include <unistd.h>

#include "clock.h"
#include "top.h"

#define DELAY_MIN_MS 100
#define DELAY_MAX_MS 600000
#define PAGE 10

/**
 * struct session - what is on the screen
 * @source: where it comes from
 * @sample: the newest
 * @next_at: when the next one is due
 * @input: the filter that is being typed
 */
struct session {
	struct top *t;
	struct top_screen screen;
	struct top_source source;
	struct top_sample sample;
	int64_t next_at;
	char input[sizeof(((struct top_order *)0)->filter)];
	bool typing, quit;
	uint64_t taken;
};

static void put(void *arg, int row, enum top_style style, const char *text)
{
	static const chtype styles[] = {
		[TOP_PLAIN] = A_NORMAL, [TOP_TITLE] = A_REVERSE,
		[TOP_BAD] = A_BOLD,	[TOP_CURSOR] = A_STANDOUT | A_BOLD,
		[TOP_DIM] = A_DIM,
	};

	(void)arg;
	attrset((int)styles[style] | (style == TOP_BAD && has_colors() ? COLOR_PAIR(1) : 0));
	mvaddstr(row, 0, text);
	attrset(A_NORMAL);
}

static void draw(struct session *s)
{
	int width, height;

	getmaxyx(stdscr, height, width);
	s->screen.width = MAX(width, 1);
	s->screen.height = MAX(height, 1);
	s->screen.delay_ms = s->t->delay_ms;
	s->screen.input = s->typing ? s->input : NULL;
	erase();
	top_draw(&s->sample, &s->t->order, &s->screen, put, NULL);
	refresh();
}

static int take(struct session *s)
{
	struct top_sample now;
	int rc = top_sample(&now, &s->source, s->taken ? &s->sample : NULL);

	if (rc)
		return rc;
	top_sample_free(&s->sample);
	s->sample = now;
	s->taken++;
	top_choose(&s->t->order, &now);
	s->next_at = now_ms() + s->t->delay_ms;
	return 0;
}

/* ---- keys ---- */

static void change_delay(struct top *t, bool longer)
{
	int64_t step = t->delay_ms < 1000 || (t->delay_ms == 1000 && !longer) ? 100 : 1000;

	t->delay_ms += longer ? step : -step;
	t->delay_ms = MAX(MIN(t->delay_ms, DELAY_MAX_MS), DELAY_MIN_MS);
}

static void next_column(struct top_order *o, int by)
{
	const struct top_column *c = top_columns(o->view);
	int n = 0;

	while (c[n].key)
		n++;
	if (n)
		o->sort[o->view] = (o->sort[o->view] + n + by) % n;
}

static void move_cursor(struct session *s, long by)
{
	long to = s->screen.cursor + by;

	/* top_draw() knows where the end is. */
	s->screen.cursor = (int)MAX(MIN(to, 1000000), 0);
}

/* While a filter is typed. It is in force as it is typed. */
static void type_key(struct session *s, int key)
{
	size_t len = strlen(s->input);

	if (key == '\n' || key == '\r' || key == KEY_ENTER || key == 27) {
		if (key == 27)
			s->input[0] = '\0';
		s->typing = false;
	} else if (key == KEY_BACKSPACE || key == 127 || key == 8) {
		/* with all bytes of a character */
		while (len && ((unsigned char)s->input[--len] & 0xc0) == 0x80)
			;
		s->input[len] = '\0';
	} else if (key >= ' ' && key < 256 && key != 127 && len + 1 < sizeof(s->input)) {
		s->input[len] = (char)key;
		s->input[len + 1] = '\0';
	}
	snprintf(s->t->order.filter, sizeof(s->t->order.filter), "%s", s->input);
}

static void order_key(struct session *s, int key)
{
	struct top_order *o = &s->t->order;

	switch (key) {
	case 'v':
	case '\t':
		o->view = o->view == TOP_FLOWS ? TOP_CONNECTIONS : TOP_FLOWS;
		o->chosen = true;
		s->screen.first = 0;
		s->screen.cursor = 0;
		break;
	case 's':
		next_column(o, 1);
		break;
	case 'S':
		next_column(o, -1);
		break;
	case 'r':
	case 'R':
		o->reverse = !o->reverse;
		break;
	case 'd':
		o->trouble = !o->trouble;
		break;
	case '/':
		s->typing = true;
		snprintf(s->input, sizeof(s->input), "%s", o->filter);
		break;
	}
}

static void move_key(struct session *s, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		move_cursor(s, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_cursor(s, 1);
		break;
	case KEY_PPAGE:
		move_cursor(s, -PAGE);
		break;
	case KEY_NPAGE:
		move_cursor(s, PAGE);
		break;
	case KEY_HOME:
	case 'g':
		s->screen.cursor = 0;
		break;
	case KEY_END:
	case 'G':
		s->screen.cursor = 1000000;
		break;
	}
}

static void on_key(struct session *s, int key)
{
	if (s->typing) {
		type_key(s, key);
		return;
	}
	if (s->screen.help && key != KEY_RESIZE && key != 'q') {
		s->screen.help = false;
		return;
	}
	switch (key) {
	case 'q':
	case 'Q':
		s->quit = true;
		break;
	case 'h':
	case '?':
		s->screen.help = true;
		break;
	case 'p':
	case ' ':
		s->screen.paused = !s->screen.paused;
		break;
	case '+':
	case '-':
		change_delay(s->t, key == '+');
		s->next_at = now_ms() + s->t->delay_ms;
		break;
	default:
		order_key(s, key);
		move_key(s, key);
	}
}

/* ---- the terminal ---- */

/* Before curses is begun: it would end the program where the terminal cannot do it. */
static int check(struct invspi_err *err)
{
	const char *name = getenv("TERM");
	int rc;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return invspi_err_set(err, ENOTTY, "this is no terminal; -b writes text");
	if (!name || !*name)
		return invspi_err_set(err, ENOTTY, "TERM is not set; -b writes text");
	if (setupterm(NULL, STDOUT_FILENO, &rc) != OK)
		return invspi_err_set(
			err, ENOTTY,
			"terminal \"%s\" is not known here: is the package ncurses-term installed? -b writes text",
			name);
	if (!cursor_address || !clear_screen)
		return invspi_err_set(err, ENOTTY,
				      "terminal \"%s\" cannot move its cursor; -b writes text",
				      name);
	return 0;
}

static int begin(struct invspi_err *err)
{
	int rc = check(err);

	if (rc)
		return rc;
	if (!newterm(NULL, stdout, stdin))
		return invspi_err_set(err, ENOTTY, "cannot use this terminal; -b writes text");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
	}
	return 0;
}

static int loop(struct session *s)
{
	int64_t left;
	int key, rc;

	while (!s->quit) {
		if (now_ms() >= s->next_at && (!s->screen.paused || !s->taken)) {
			if (s->t->count && s->taken == s->t->count)
				break;
			rc = take(s);
			if (rc)
				return rc;
		}
		draw(s);
		left = s->screen.paused ? DELAY_MAX_MS : s->next_at - now_ms();
		timeout((int)MAX(MIN(left, DELAY_MAX_MS), 0));
		key = getch();
		/* The terminal is gone: what it says comes at once, again and again. */
		if (key == ERR && (feof(stdin) || !isatty(STDIN_FILENO)))
			break;
		if (key != ERR)
			on_key(s, key);
	}
	return 0;
}

int top_terminal(struct top *t)
{
	struct session s = { .t = t, .source.control = t->inv->control };
	struct invspi_err err;
	int rc = begin(&err);

	if (rc)
		return failed(&err);
	rc = loop(&s);
	endwin();
	top_sample_free(&s.sample);
	invspi_nl_close(s.source.nl);
	if (!rc)
		return EXIT_FINE;
	invspi_err_set(&err, rc, "%s", strerror(-rc));
	return failed(&err);
}
