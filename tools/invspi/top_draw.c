// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi top as lines of text. The same for a terminal of any size and for none; no I/O.
 *
 *   four lines of what is going on, the last of them for what is wrong
 *   titles of the columns, rows
 *   two lines about the row under the cursor, and the keys (on a terminal)
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <wchar.h>

#include "top.h"

#define LINE_MAX_LEN 4096
#define COLUMNS_MAX 16
#define HEAD 5 /* lines above the rows */
#define FOOT 3 /* and below them, on a terminal */

/* ---- columns of a terminal ---- */

/* The next character: its bytes and its columns. What cannot be shown is a '?'. */
static size_t next_char(const char *s, mbstate_t *state, int *columns)
{
	wchar_t wc;
	size_t n = mbrtowc(&wc, s, strlen(s), state);

	if (n == (size_t)-1 || n == (size_t)-2 || !n) {
		memset(state, 0, sizeof(*state));
		*columns = -1;
		return 1;
	}
	*columns = wcwidth(wc);
	return n;
}

int top_width(const char *text)
{
	mbstate_t state = { 0 };
	int width = 0, w;

	while (*text) {
		text += next_char(text, &state, &w);
		width += w < 0 ? 1 : w;
	}
	return width;
}

void top_cell(char *buf, size_t size, const char *text, int width, bool right)
{
	int have = top_width(text), used = 0, w, pad;
	mbstate_t state = { 0 };
	size_t len = 0, n;

	pad = width > have ? width - have : 0;
	for (; right && pad && len + 1 < size; pad--, used++)
		buf[len++] = ' ';
	while (*text && len + MB_LEN_MAX < size) {
		n = next_char(text, &state, &w);
		/* A '+' for what does not fit, unless it is a single character. */
		if (used + (w < 0 ? 1 : w) > width - (have > width && width > 1)) {
			if (used < width)
				buf[len++] = '+', used++;
			break;
		}
		if (w < 0) {
			buf[len++] = '?';
		} else {
			memcpy(buf + len, text, n);
			len += n;
		}
		used += w < 0 ? 1 : w;
		text += n;
	}
	while (used < width && len + 1 < size)
		buf[len++] = ' ', used++;
	buf[len] = '\0';
}

/* ---- drawing ---- */

struct draw {
	const struct top_sample *s;
	const struct top_order *order;
	struct top_screen *screen;
	top_put put;
	void *arg;
	int row;
};

static void put_line(struct draw *d, enum top_style style, const char *text)
{
	char line[LINE_MAX_LEN];

	if (d->screen->height && d->row >= d->screen->height)
		return;
	if (d->screen->width) {
		top_cell(line, sizeof(line), text, d->screen->width, false);
		text = line;
	}
	d->put(d->arg, d->row++, style, text);
}

__attribute__((format(printf, 3, 4))) static void putf(struct draw *d, enum top_style style,
						       const char *format, ...)
{
	char line[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	put_line(d, style, line);
}

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

static json_int_t number_of(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void put_who(struct draw *d)
{
	json_t *st = d->s->status, *ike = json_object_get(st, "daemon");
	char when[FMT_TIME_LEN], age[FMT_AGE_LEN];

	fmt_time(when, d->s->wall);
	if (!d->s->daemon) {
		putf(d, TOP_PLAIN, "invspi top %.8s UTC  module %s  invspid -", when + 11,
		     d->s->module ? "loaded" : "-");
		return;
	}
	top_age(age, sizeof(age), number_of(st, "uptime_ms"));
	putf(d, TOP_PLAIN, "invspi top %.8s UTC  module %s  IKE daemon %s  mode %s%s  up %s",
	     when + 11, d->s->module ? "loaded" : "-", text_of(ike, "state"), text_of(st, "mode"),
	     json_is_true(json_object_get(st, "dry_run")) ? " (dry run)" : "", age);
}

static void put_packets(struct draw *d)
{
	const struct invspi_stats *st = &d->s->stats;
	size_t desync = 0, i;
	char rate[32] = "-";
	uint64_t sum = 0;

	if (!d->s->module) {
		putf(d, TOP_PLAIN, "dropped -  flows -");
		return;
	}
	for (i = 0; i < INVSPI_REASONS; i++)
		sum += st->packets[i];
	for (i = 0; i < d->s->nflow; i++)
		desync += d->s->flow[i].flow.state == XFRM_INVSPI_FLOW_STATE_DESYNC;
	if (d->s->rate >= 0)
		snprintf(rate, sizeof(rate), "%.1f", d->s->rate);
	putf(d, TOP_PLAIN,
	     "dropped %" PRIu64 " (no_state %" PRIu64 ")  %s/s  flows %u of %u, %zu desync", sum,
	     st->packets[INVSPI_REASON_NO_STATE], rate, st->flows, st->flows_max, desync);
}

static void put_actions(struct draw *d)
{
	json_t *ended = json_object_get(d->s->status, "outcomes");

	if (!d->s->daemon) {
		putf(d, TOP_PLAIN, "actions -");
		return;
	}
	putf(d, TOP_PLAIN,
	     "actions: %" JSON_INTEGER_FORMAT " healed, %" JSON_INTEGER_FORMAT
	     " quiet, %" JSON_INTEGER_FORMAT " stale, %" JSON_INTEGER_FORMAT
	     " failed, %" JSON_INTEGER_FORMAT " under way  holds %" JSON_INTEGER_FORMAT,
	     number_of(ended, "healed"), number_of(ended, "quiet"), number_of(ended, "stale"),
	     number_of(ended, "failed"), number_of(d->s->status, "in_flight"),
	     number_of(json_object_get(d->s->status, "settings"), "holds"));
}

/* The worst of what is wrong: there is one line. */
static void put_wrong(struct draw *d)
{
	json_t *st = d->s->status;
	const char *stopped = json_string_value(json_object_get(st, "stopped"));
	json_t *history = json_object_get(st, "history"), *ike = json_object_get(st, "daemon");
	char text[TOP_TEXT];
	const char *why;

	if (!d->s->module) {
		putf(d, TOP_BAD, "no module: %s", d->s->module_why);
	} else if (!d->s->daemon) {
		putf(d, TOP_BAD, "only the module's data: %s", d->s->daemon_why);
	} else if (stopped) {
		putf(d, TOP_BAD, "STOPPED: %s", stopped);
	} else if (strcmp(text_of(ike, "state"), "ready")) {
		why = text_of(ike, "why");
		fmt_escape(text, sizeof(text), why, strlen(why));
		putf(d, TOP_BAD, "IKE daemon %s: %s", text_of(ike, "state"), text);
	} else if (json_is_string(json_object_get(history, "error"))) {
		why = text_of(history, "error");
		fmt_escape(text, sizeof(text), why, strlen(why));
		putf(d, TOP_BAD, "history: %s", text);
	} else {
		put_line(d, TOP_PLAIN, "");
	}
}

/* ---- the table ---- */

/* What was chosen of a view's columns for the width that there is. */
struct layout {
	const struct top_column *column[COLUMNS_MAX];
	int width[COLUMNS_MAX];
	int n;
};

static int total(const struct layout *l)
{
	int sum = l->n - 1, i;

	for (i = 0; i < l->n; i++)
		sum += l->width[i];
	return sum;
}

static void drop_one(struct layout *l, const struct top_column *keep)
{
	int i, worst = -1;

	for (i = 0; i < l->n; i++)
		if (l->column[i]->give_up && l->column[i] != keep &&
		    (worst < 0 || l->column[i]->give_up > l->column[worst]->give_up))
			worst = i;
	if (worst < 0)
		worst = l->n - 1;
	for (i = worst; i < l->n - 1; i++) {
		l->column[i] = l->column[i + 1];
		l->width[i] = l->width[i + 1];
	}
	l->n--;
}

/* What is left goes to those that can use it, as far as their longest text wants it. */
static void grow(struct layout *l, int room, const void **rows, size_t n)
{
	int want[COLUMNS_MAX], i, share;
	char cell[LINE_MAX_LEN];
	bool again = true;
	size_t k;

	for (i = 0; i < l->n; i++) {
		want[i] = l->width[i];
		for (k = 0; l->column[i]->grow && k < n; k++) {
			l->column[i]->put(rows[k], cell, sizeof(cell));
			want[i] = MAX(want[i], top_width(cell));
		}
	}
	while (room > 0 && again) {
		again = false;
		for (i = 0; i < l->n && room > 0; i++) {
			share = MIN(MIN(l->column[i]->grow, want[i] - l->width[i]), room);
			if (share <= 0)
				continue;
			l->width[i] += share;
			room -= share;
			again = true;
		}
	}
}

static void lay_out(struct layout *l, const struct draw *d, const void **rows, size_t n)
{
	const struct top_column *c = top_columns(d->order->view);
	const struct top_column *sorted = &c[d->order->sort[d->order->view]];
	int width = d->screen->width;

	for (l->n = 0; c->key && l->n < COLUMNS_MAX; c++) {
		l->column[l->n] = c;
		l->width[l->n++] = MAX(c->width, (int)strlen(c->title));
	}
	while (width && l->n > 1 && total(l) > width)
		drop_one(l, sorted);
	grow(l, width ? width - total(l) : LINE_MAX_LEN / 2, rows, n);
}

static void put_cells(struct draw *d, const struct layout *l, enum top_style style, const void *row)
{
	char line[LINE_MAX_LEN] = "", text[LINE_MAX_LEN], cell[LINE_MAX_LEN];
	size_t len = 0;
	int i;

	for (i = 0; i < l->n; i++) {
		if (row)
			l->column[i]->put(row, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", l->column[i]->title);
		top_cell(cell, sizeof(cell), text, l->width[i], l->column[i]->right);
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i ? " " : "", cell);
		if (len >= sizeof(line))
			break;
	}
	/* Without a terminal nobody wants blanks at the end. */
	len = strlen(line);
	while (!d->screen->width && len && line[len - 1] == ' ')
		line[--len] = '\0';
	put_line(d, style, line);
}

static enum top_style style_of(const struct draw *d, const void *row, bool cursor)
{
	const struct top_conn *c = row;
	const struct top_flow *f = row;
	bool flows = d->order->view == TOP_FLOWS;

	if (cursor)
		return TOP_CURSOR;
	if (flows ? f->flow.state == XFRM_INVSPI_FLOW_STATE_DESYNC : c->desync || c->gave_up)
		return TOP_BAD;
	return !flows && c->held ? TOP_DIM : TOP_PLAIN;
}

/* ---- more about one row ---- */

static void put_flow_detail(struct draw *d, const struct top_flow *f)
{
	char src[FMT_ADDR_LEN], dst[FMT_ADDR_LEN], first[FMT_AGE_LEN];

	top_age(first, sizeof(first), (int64_t)f->flow.first_age_ms);
	putf(d, TOP_PLAIN, "%s -> %s %s spi 0x%08" PRIx32 "%s: %" PRIu64 " packets in %s",
	     fmt_addr(src, f->flow.family, &f->flow.src),
	     fmt_addr(dst, f->flow.family, &f->flow.dst),
	     f->flow.proto == IPPROTO_AH ? "ah" : "esp", f->flow.spi, f->flow.sport ? " udp" : "",
	     f->flow.packets, first);
	if (*f->grade)
		putf(d, TOP_PLAIN, "%s: %s (%s)%s%s", f->grade, f->action, f->why,
		     *f->blocked ? "; blocked: " : "", f->blocked);
	else
		put_line(d, TOP_PLAIN, d->s->daemon ? "of nobody that the IKE daemon knows" : "");
}

static void put_conn_detail(struct draw *d, const struct top_conn *c)
{
	putf(d, TOP_PLAIN,
	     "%s: %u flow%s dropped now, %u desync; %u CHILD_SA%s, mode %s%s, peer %s", c->name,
	     c->flows, c->flows == 1 ? "" : "s", c->desync, c->children,
	     c->children == 1 ? "" : "s", c->mode, c->held ? ", on hold" : "",
	     *c->peer ? c->peer : "not known");
	putf(d, TOP_PLAIN,
	     "%" PRIu64 " healed, %" PRIu64 " quiet, %" PRIu64 " stale, %" PRIu64 " failed%s",
	     c->healed, c->quiet, c->stale, c->failed,
	     c->gave_up	 ? "; given up, `invspi peer retry' tries again"
	     : c->desync ? "; `invspi explain conn' says what blocks it"
			 : "");
}

/* ---- the foot ---- */

static const char *const help[] = {
	"v          connections or flows",
	"s S        sort by the next, the last column",
	"r          reverse the order",
	"/          show only what has a text in it; empty: all",
	"d          show only what is out of step or given up",
	"p, space   pause",
	"+ -        longer, shorter between two looks",
	"arrows, j k, PgUp PgDn, Home End   move",
	"q          quit;  any key: back",
	"",
	"STATE      ok, dropping (a packet now and then is a rekey in passing),",
	"           DESYNC (no rekey explains that), GAVE UP, held",
	"TOOK       of the last action: from the first dropped to the first delivered",
	"           packet",
	"RATE/s     packets that were dropped, a second",
};

static void put_help(struct draw *d)
{
	size_t i;

	for (i = 0; i < sizeof(help) / sizeof(*help); i++)
		put_line(d, TOP_PLAIN, help[i]);
	while (d->row < d->screen->height)
		put_line(d, TOP_PLAIN, "");
}

static void put_keys(struct draw *d)
{
	const struct top_order *o = d->order;

	if (d->screen->input) {
		putf(d, TOP_TITLE, "show only: %s_", d->screen->input);
		return;
	}
	putf(d, TOP_TITLE,
	     "%.1fs by %s%s%s%s%s%s  h help q quit v view s sort / filter d trouble p pause",
	     (double)d->screen->delay_ms / 1000, top_columns(o->view)[o->sort[o->view]].key,
	     o->reverse ? " (reverse)" : "", d->screen->paused ? " PAUSED" : "",
	     o->trouble ? " trouble" : "", *o->filter ? " /" : "", o->filter);
}

static void put_nothing(struct draw *d)
{
	const struct top_order *o = d->order;

	if (o->view == TOP_CONNECTIONS && !d->s->daemon)
		put_line(d, TOP_DIM, "(connections are known to invspid; v shows the flows)");
	else if (*o->filter || o->trouble)
		put_line(d, TOP_DIM, "(nothing of that)");
	else
		put_line(d, TOP_DIM,
			 o->view == TOP_FLOWS ? "(nothing is dropped)" : "(no connections)");
}

static void put_rows(struct draw *d, const void **rows, size_t n)
{
	struct top_screen *sc = d->screen;
	size_t room = sc->height ? (size_t)MAX(sc->height - HEAD - FOOT, 1) : n;
	struct layout l;
	size_t i;

	if (sc->cursor >= (int)n)
		sc->cursor = (int)n - 1;
	if (sc->cursor >= 0 && (size_t)sc->cursor < sc->first)
		sc->first = (size_t)sc->cursor;
	if (sc->cursor >= 0 && (size_t)sc->cursor >= sc->first + room)
		sc->first = (size_t)sc->cursor - room + 1;
	if (sc->first >= n)
		sc->first = 0;
	n = MIN(n - sc->first, room);
	lay_out(&l, d, rows + sc->first, n);
	put_cells(d, &l, TOP_TITLE, NULL);
	for (i = 0; i < n; i++)
		put_cells(d, &l,
			  style_of(d, rows[sc->first + i], (int)(sc->first + i) == sc->cursor),
			  rows[sc->first + i]);
	if (!n)
		put_nothing(d);
}

void top_draw(const struct top_sample *s, const struct top_order *order, struct top_screen *screen,
	      top_put put, void *arg)
{
	struct draw d = { s, order, screen, put, arg, 0 };
	const void **rows;
	size_t n;

	put_who(&d);
	put_packets(&d);
	put_actions(&d);
	put_wrong(&d);
	if (screen->help) {
		put_help(&d);
		return;
	}
	rows = top_rows(s, order, &n);
	put_rows(&d, rows, rows ? n : 0);
	if (!screen->height && order->view == TOP_CONNECTIONS && s->conns_left)
		putf(&d, TOP_DIM, "(and %" PRIu64 " more connections)", s->conns_left);
	while (screen->height && d.row < screen->height - FOOT)
		put_line(&d, TOP_PLAIN, "");
	if (screen->height && rows && screen->cursor >= 0) {
		if (order->view == TOP_FLOWS)
			put_flow_detail(&d, rows[screen->cursor]);
		else
			put_conn_detail(&d, rows[screen->cursor]);
	}
	while (screen->height && d.row < screen->height - 1)
		put_line(&d, TOP_PLAIN, "");
	if (screen->height)
		put_keys(&d);
	free(rows);
}
