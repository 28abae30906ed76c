// SPDX-License-Identifier: GPL-2.0-only
/* What is in the files of a bundle. All of it may come from outside, and is escaped. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bundle.h"
#include "fmt.h"
#include "json.h"

#define LINE_MAX_LEN (NOTE_MAX * 4 + NOTE_CONN_MAX * 4 + 128)
#define CAPTURE_LINE 4096 /* bytes of a command's output that are written at once */

/* Not for two uses in one call: one buffer; and the writer's thread has its own. */
static const char *addr_text(const struct ike_addr *a, char buf[INET6_ADDRSTRLEN])
{
	if (!a->family || !inet_ntop(a->family, a->addr, buf, INET6_ADDRSTRLEN))
		return "-";
	return buf;
}

/* ---- bundle.json ---- */

static json_t *peers_json(const struct bundle *b)
{
	char addr[INET6_ADDRSTRLEN];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < b->id.npeers; i++)
		json_array_append_new(list, json_string(addr_text(&b->id.peer[i], addr)));
	return list;
}

static json_t *files_json(const struct bundle *b)
{
	json_t *list = json_array();
	char name[80];
	size_t i;

	for (i = 0; i < b->ncaptures; i++) {
		snprintf(name, sizeof(name), "%s.txt", b->capture[i].name);
		json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "file", name, "from",
						      json_text(b->capture[i].how), "problem",
						      json_text(b->capture[i].problem)));
	}
	return list;
}

static json_t *time_json(const struct bundle *b, int64_t at)
{
	char when[FMT_TIME_LEN];

	return json_string(fmt_time(when, at + b->offset));
}

json_t *bundle_json(const struct bundle *b)
{
	json_t *j;

	j = json_pack("{s:I, s:s, s:b, s:o, s:o, s:I, s:o, s:I, s:o}", "number",
		      (json_int_t)b->id.number, "class", bundle_class_name(b->id.class), "first",
		      b->id.first, "cause", json_text(b->cause), "peers", peers_json(b),
		      "more_peers", (json_int_t)b->more_peers, "at", time_json(b, b->at), "events",
		      (json_int_t)b->notes.n, "ended", time_json(b, b->ended));
	json_object_set_new(j, "files", files_json(b));
	json_object_set_new(j, "boot_id", json_string(b->boot_id));
	json_object_set_new(j, "begun_ms", json_integer((json_int_t)b->id.begun));
	json_object_set_new(j, "begun_unix_ms", json_integer((json_int_t)b->id.begun + b->offset));
	if (b->about)
		json_object_update_missing(j, b->about);
	return j;
}

/* ---- timeline.txt ---- */

/* The line of a note after time and offset, made safe. */
static void note_text(const struct note *n, char *buf, size_t size)
{
	char conn[NOTE_CONN_MAX * 4], id[16] = "", text[NOTE_MAX * 4];

	fmt_escape(conn, sizeof(conn), n->conn, strlen(n->conn));
	fmt_escape_line(text, sizeof(text), n->text, strlen(n->text));
	if (n->ike_id)
		snprintf(id, sizeof(id), "[%" PRIu32 "]", n->ike_id);
	snprintf(buf, size, "%s%s%s%s", conn, id, conn[0] || id[0] ? ": " : "", text);
}

static void write_peers(const struct bundle *b, FILE *out)
{
	char addr[INET6_ADDRSTRLEN];
	size_t i;

	fputs("# peers:", out);
	for (i = 0; i < b->id.npeers; i++)
		fprintf(out, " %s", addr_text(&b->id.peer[i], addr));
	if (b->more_peers)
		fprintf(out, " and %zu more", b->more_peers);
	else if (!b->id.npeers)
		fputs(" all", out);
	fputc('\n', out);
}

static void write_head(const struct bundle *b, FILE *out)
{
	char cause[1024], host[4 * sizeof(((struct utsname *)0)->nodename)] = "?";
	char when[FMT_TIME_LEN];
	struct utsname u;

	if (!uname(&u))
		fmt_escape_line(host, sizeof(host), u.nodename, strlen(u.nodename));
	fmt_escape_line(cause, sizeof(cause), b->cause, strlen(b->cause));
	fprintf(out, "# bundle %u of %s, %s%s\n# %s\n", b->id.number, host,
		bundle_class_name(b->id.class),
		b->id.first ? "" : ", not the first of its incident", cause);
	write_peers(b, out);
	fprintf(out, "# seconds count from %s; times are of the clock at the end\n#\n",
		fmt_time(when, b->at + b->offset));
	fprintf(out, "# %-24s %10s  %-15s %-7s what\n", "time", "seconds", "peer", "kind");
}

void bundle_write_timeline(const struct bundle *b, FILE *out)
{
	char line[LINE_MAX_LEN], when[FMT_TIME_LEN], addr[INET6_ADDRSTRLEN];
	const struct note *n;
	size_t i;

	write_head(b, out);
	for (i = 0; i < b->notes.n; i++) {
		n = &b->notes.note[i];
		note_text(n, line, sizeof(line));
		fprintf(out, "%-26s %+10.3f  %-15s %-7s %s\n", fmt_time(when, n->at + b->offset),
			(double)(n->at - b->at) / 1000, addr_text(&n->peer, addr),
			note_kind_name(n->kind), line);
	}
}

/* ---- events.jsonl ---- */

json_t *note_json(const struct note *n, int64_t offset, int64_t at)
{
	char addr[INET6_ADDRSTRLEN], spi[16], when[FMT_TIME_LEN];

	snprintf(spi, sizeof(spi), "0x%08" PRIx32, n->spi);
	return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "time",
			 fmt_time(when, n->at + offset), "offset_ms", (json_int_t)(n->at - at),
			 "kind", note_kind_name(n->kind), "peer",
			 n->peer.family ? json_string(addr_text(&n->peer, addr)) : json_null(),
			 "conn", n->conn[0] ? json_text(n->conn) : json_null(), "ike_id",
			 n->ike_id ? json_integer(n->ike_id) : json_null(), "spi",
			 n->spi ? json_string(spi) : json_null(), "text", json_text(n->text));
}

void bundle_write_events(const struct bundle *b, FILE *out)
{
	json_t *j;
	size_t i;

	for (i = 0; i < b->notes.n; i++) {
		j = note_json(&b->notes.note[i], b->offset, b->at);
		if (j)
			json_dumpf(j, out, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
		fputc('\n', out);
		json_decref(j);
	}
}

/* ---- what commands said ---- */

/* Tabs are what some of them align their columns with. */
static void write_line(const char *s, size_t len, FILE *out)
{
	char line[CAPTURE_LINE * 4 + 1];
	const char *tab;
	size_t n;

	while (len) {
		tab = memchr(s, '\t', len);
		n = tab ? (size_t)(tab - s) : len;
		if (n > CAPTURE_LINE)
			n = CAPTURE_LINE;
		fmt_escape_line(line, sizeof(line), s, n);
		fputs(line, out);
		s += n;
		len -= n;
		if (s == tab) {
			fputc('\t', out);
			s++;
			len--;
		}
	}
	fputc('\n', out);
}

void bundle_write_capture(const struct capture *c, FILE *out)
{
	const char *s = c->text, *end = c->text + c->len, *eol;

	while (s < end) {
		eol = memchr(s, '\n', (size_t)(end - s));
		if (!eol)
			eol = end;
		write_line(s, (size_t)(eol - s), out);
		s = eol + 1;
	}
	if (c->problem[0])
		fprintf(out, "# %s\n", c->problem);
}
