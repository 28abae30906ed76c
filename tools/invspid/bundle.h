/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bundles: what was recorded about a failure, as a folder of readable files.
 *
 *	record/000007/bundle.json	what it is about, and what is in it
 *	record/000007/timeline.txt	what happened, a line for each note
 *	record/000007/events.jsonl	the same for programs
 *	record/000007/NAME.txt		what a command said at the end of the recording
 *
 * A bundle is made under another name, .new-000007, and renamed when it is whole and on
 * disk; what a crash has left of one is removed at the next start. Names are numbers:
 * nothing from outside becomes part of a path.
 */
#ifndef INVSPID_BUNDLE_H
#define INVSPID_BUNDLE_H

#include <jansson.h>

#include "quota.h"
#include "rings.h"

#define BUNDLES_DIR "record"

/**
 * struct capture - a file beside the timeline
 * @name: file name without its suffix
 * @how: what made it, for people
 * @problem: what went wrong, "" if nothing; @text may be there all the same
 */
struct capture {
	char *name, *how, *problem;
	char *text;
	size_t len;
};

/**
 * struct bundle - one that is to be written
 * @id: number, class, peers; the size is set when it is written
 * @more_peers: how many are not named
 * @at: when what it is about happened, CLOCK_BOOTTIME ms: lines count from it
 * @ended: when the recording ended
 * @offset: what makes of such a time one of the wall clock
 * @boot_id: of this boot
 * @about: the rest of bundle.json, an object of texts and numbers
 * @cause: one line, for people
 */
struct bundle {
	struct bundle_id id;
	size_t more_peers;
	int64_t at, ended, offset;
	char boot_id[64];
	json_t *about;
	char *cause;
	struct notes notes;
	struct capture *capture;
	size_t ncaptures;
};

void bundle_free(struct bundle *b); /* and what it holds */

/* Adds one; takes @text. Return: 0 or -ENOMEM. */
int bundle_capture(struct bundle *b, const char *name, const char *how, const char *problem,
		   char *text, size_t len);

/* About as many bytes as it will take. */
uint64_t bundle_estimate(const struct bundle *b);

/* bundle_text.c; bundle_write_ functions leave errors in the stream */

/**
 * note_json() - a note, as in events.jsonl
 * @offset: see struct bundle
 * @at: "offset_ms" counts from here
 */
json_t *note_json(const struct note *n, int64_t offset, int64_t at);
json_t *bundle_json(const struct bundle *b);
void bundle_write_timeline(const struct bundle *b, FILE *out);
void bundle_write_events(const struct bundle *b, FILE *out);
/* A command's output, its lines made safe to show. */
void bundle_write_capture(const struct capture *c, FILE *out);

/**
 * bundle_write() - make the folder
 * @dir: where bundles are; made if it isn't there
 * @err: set to a text with the remedy
 *
 * Sets @b->id.size. Touches nothing but @b and the disk, for another thread than the
 * loop's. Return: 0 or negative errno; nothing is left behind then.
 */
int bundle_write(struct bundle *b, const char *dir, char *err, size_t size);

/**
 * bundle_remove() - remove a bundle
 *
 * Return: 0, -ENOENT, or another negative errno.
 */
int bundle_remove(const char *dir, unsigned int number);

/**
 * bundles_scan() - which bundles are there
 * @boot_id: of this boot, at @now (CLOCK_BOOTTIME ms), @wall (ms since 1970)
 * @list: malloc'd, by number
 * @swept: how many remains of unfinished ones were removed
 *
 * One that cannot be read counts as uncertain. Return: 0, or a negative errno if the
 * folder is there and cannot be read.
 */
int bundles_scan(const char *dir, const char *boot_id, int64_t now, int64_t wall,
		 struct bundle_id **list, size_t *n, unsigned int *swept);

#endif
