// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bundles on disk: whole or not at all, nothing of what comes from outside as it came,
 * and nothing touched that is not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "decide.h"
#include "ktap.h"

#define NASTY "n\n\x1b[31m\"\\../\xff\xe2\x80\xae."
#define KEY "0x00112233445566778899aabbccddeeff01020304"
#define SAID "a\tb " KEY "\n\x1b]0;x\x07\nlast"
#define WALL_2026 1767225600000

static char top[64];
static char dir[80];

static struct bundle *make(unsigned int number, const char *text)
{
	struct bundle *b = calloc(1, sizeof(*b));
	struct rings *r = rings_new();
	struct note n = {
		.at = 5000,
		.kind = NOTE_IKE,
		.of = RING_PEER,
		.peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } },
		.ike_id = 3,
		.conn = text,
		.text = text,
	};

	b->id = (struct bundle_id){
		.number = number,
		.class = BUNDLE_CERTAIN,
		.first = true,
		.begun = 6000,
		.npeers = 1,
		.peer = { n.peer },
	};
	b->at = 6500;
	b->ended = 9000;
	b->offset = WALL_2026;
	strcpy(b->boot_id, "this-boot");
	b->about = json_pack("{s:s, s:s}", "conn", "gw", "number", "not this one");
	b->cause = strdup(text);
	rings_add(r, &n);
	n.at = 7125;
	n.kind = NOTE_SA;
	n.of = RING_COMMON;
	n.peer.family = 0;
	n.ike_id = 0;
	n.spi = 0xc0ffee11;
	n.conn = "";
	rings_add(r, &n);
	rings_collect(r, NULL, 0, &b->notes);
	rings_free(r);
	return b;
}

static char *slurp(unsigned int number, const char *file)
{
	static char buf[65536];
	char path[128];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%06u/%s", dir, number, file);
	f = fopen(path, "r");
	if (f) {
		n = fread(buf, 1, sizeof(buf) - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
	return f ? buf : strcpy(buf, "(no such file)");
}

/* No byte that a terminal would take for more than text. */
static bool is_clean(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\n' && *s != '\t') ||
		    (unsigned char)*s == 0xff || !strncmp(s, "\xe2\x80\xae", 3))
			return false;
	return true;
}

static int count(const char *s, char c)
{
	int n = 0;

	for (; *s; s++)
		n += *s == c;
	return n;
}

static void test_write(void)
{
	struct bundle *b = make(7, NASTY);
	char err[256] = "", path[128], *s;
	struct stat st;
	json_t *j;

	bundle_capture(b, "cmd", "what " NASTY, "ended with status 3", strdup(SAID), strlen(SAID));
	ktap_int("written", 0, bundle_write(b, dir, err, sizeof(err)));
	ktap_str("no error", "", err);
	snprintf(path, sizeof(path), "%s/000007", dir);
	ktap_int("a folder", 0, stat(path, &st));
	ktap_int("for nobody else", 0700, st.st_mode & 07777);
	snprintf(path, sizeof(path), "%s/000007/timeline.txt", dir);
	stat(path, &st);
	ktap_int("its files, too", 0600, st.st_mode & 07777);

	s = slurp(7, "timeline.txt");
	ktap_ok(is_clean(s), "timeline: nothing of what it shows is taken for more than text");
	ktap_has("timeline: the cause", "# n\\x0a\\x1b[31m\"\\../\\xff\\xe2\\x80\\xae.\n", s);
	ktap_has("timeline: a note before it",
		 "\n2026-01-01T00:00:05.000Z       -1.500  192.0.2.2       ike     "
		 "n\\x0a\\x1b[31m\"\\\\../\\xff\\xe2\\x80\\xae.[3]: n\\x0a",
		 s);
	ktap_has("timeline: a note after it",
		 "\n2026-01-01T00:00:07.125Z       +0.625  -               sa      n\\x0a", s);
	ktap_int("timeline: lines", 8, count(s, '\n'));

	s = slurp(7, "events.jsonl");
	ktap_ok(is_clean(s), "events: so with these");
	ktap_int("events: lines", 2, count(s, '\n'));
	*strchr(s, '\n') = '\0';
	j = json_loads(s, 0, NULL);
	ktap_str("events: peer", "192.0.2.2", json_string_value(json_object_get(j, "peer")));
	ktap_int("events: offset_ms", -1500, json_integer_value(json_object_get(j, "offset_ms")));
	ktap_int("events: ike_id", 3, json_integer_value(json_object_get(j, "ike_id")));
	ktap_ok(json_is_null(json_object_get(j, "spi")), "events: no spi");
	ktap_str("events: text", "n\\x0a\\x1b[31m\"\\\\../\\xff\\xe2\\x80\\xae.",
		 json_string_value(json_object_get(j, "text")));
	json_decref(j);

	ktap_str("a command's output",
		 "a\tb [removed]\n\\x1b]0;x\\x07\nlast\n# ended with status 3\n",
		 slurp(7, "cmd.txt"));
	j = json_loads(slurp(7, "bundle.json"), 0, NULL);
	ktap_int("meta: number", 7, json_integer_value(json_object_get(j, "number")));
	ktap_str("meta: class", "certain", json_string_value(json_object_get(j, "class")));
	ktap_str("meta: more", "gw", json_string_value(json_object_get(j, "conn")));
	ktap_str("meta: at", "2026-01-01T00:00:06.500Z",
		 json_string_value(json_object_get(j, "at")));
	json_decref(j);
	ktap_ok(b->id.size > 500 && b->id.size < 4000, "size: %llu",
		(unsigned long long)b->id.size);
	ktap_ok(b->id.size <= bundle_estimate(b), "no more than estimated: %llu",
		(unsigned long long)bundle_estimate(b));
	bundle_free(b);
}

static void test_long_lines(void)
{
	size_t size = 200000, i;
	struct bundle *b = make(8, "x");
	char *text = malloc(size), err[256] = "", *s;

	memset(text, 'y', size);
	for (i = 4000; i < 4200; i++)
		text[i] = 'a';
	bundle_capture(b, "cmd", "cmd", "", text, size);
	ktap_int("a line of 200,000 bytes", 0, bundle_write(b, dir, err, sizeof(err)));
	s = slurp(8, "cmd.txt");
	ktap_ok(!strchr(s, 'a') && strstr(s, "[removed]"),
		"a key of any length, wherever it stands, is removed");
	ktap_int("... from one line", 0, count(s, '\n'));
	bundle_free(b);
	bundle_remove(dir, 8);
}

static void touch(const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ktap_ok(fd >= 0, "made %s", name);
	if (fd >= 0)
		close(fd);
}

static void folder(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ktap_int(name, 0, mkdir(path, 0700));
}

static bool there(const char *name)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !lstat(path, &st);
}

static void write_one(unsigned int number, const char *boot_id)
{
	struct bundle *b = make(number, "x");
	char err[256] = "";

	snprintf(b->boot_id, sizeof(b->boot_id), "%s", boot_id);
	ktap_int("written", 0, bundle_write(b, dir, err, sizeof(err)));
	ktap_str("no error", "", err);
	bundle_free(b);
}

static void test_scan(void)
{
	struct bundle_id *list;
	unsigned int swept;
	char path[160];
	size_t n;

	write_one(8, "another-boot");
	folder("000012"); /* without anything in it */
	folder("000013");
	touch("000013/bundle.json");
	folder(".new-000014");
	touch(".new-000014/timeline.txt");
	touch("000015"); /* not a folder */
	touch("notes");
	folder("0016");
	folder("000000");
	folder(".new-x");
	snprintf(path, sizeof(path), "%s/000017", dir);
	ktap_int("a link", 0, symlink("/etc", path));
	snprintf(path, sizeof(path), "%s/.new-000018", dir);
	ktap_int("another", 0, symlink(top, path));

	ktap_int("scanned", 0,
		 bundles_scan(dir, "this-boot", 10000, WALL_2026 + 8000, &list, &n, &swept));
	if (ktap_int("bundles", 4, (long long)n)) {
		ktap_int("by number", 7, list[0].number);
		ktap_int("class", BUNDLE_CERTAIN, list[0].class);
		ktap_int("first", true, list[0].first);
		ktap_int("begun in this boot", 6000, list[0].begun);
		ktap_int("age", 4000, list[0].age);
		ktap_int("peers", 1, (long long)list[0].npeers);
		ktap_int("its peer", 2, list[0].peer[0].addr[3]);
		ktap_ok(list[0].size > 500, "size");
		ktap_int("next", 8, list[1].number);
		ktap_int("begun in another boot", LONG_AGO, list[1].begun);
		ktap_int("its age by the wall clock", 2000, list[1].age);
		ktap_int("an empty one", 12, list[2].number);
		ktap_int("... is worth little", BUNDLE_UNCERTAIN, list[2].class);
		ktap_int("... an unreadable one, too", BUNDLE_UNCERTAIN, list[3].class);
		ktap_ok(list[3].age > QUOTA_KEEP_MS, "... and old");
	}
	free(list);
	ktap_int("swept", 1, swept);
	ktap_ok(!there(".new-000014"), "an unfinished one is gone");
	ktap_ok(there("000015") && there("000017") && there("000000"), "others are still there");
	ktap_ok(there("notes") && there("0016") && there(".new-x"), "what is not ours, too");
	ktap_int("nothing there", 0, bundles_scan("/nonexistent/x", "", 0, 0, &list, &n, &swept));
	ktap_int("... no bundles", 0, (long long)n);
	ktap_int("not a folder", -ENOTDIR,
		 bundles_scan("/etc/passwd", "", 0, 0, &list, &n, &swept));
}

static void test_remove(void)
{
	ktap_int("removed", 0, bundle_remove(dir, 8));
	ktap_ok(!there("000008"), "is gone");
	ktap_int("again", -ENOENT, bundle_remove(dir, 8));
	ktap_int("an empty one", 0, bundle_remove(dir, 12));
	folder("000020");
	folder("000020/deeper");
	ktap_ok(bundle_remove(dir, 20) < 0, "one with a folder in it is not");
	ktap_ok(bundle_remove(dir, 17) < 0, "nor what a link points to");
	ktap_ok(!access("/etc/passwd", F_OK), "... which is still there");
}

static int refused(unsigned int number, const char *in, char *err, size_t size)
{
	struct bundle *b = make(number, "x");
	int ret;

	err[0] = '\0';
	ret = bundle_write(b, in, err, size);
	bundle_free(b);
	return ret;
}

static void test_errors(void)
{
	struct rlimit old, small = { 300, 300 };
	char err[256];

	ktap_int("a folder below a file", -ENOTDIR, refused(30, "/etc/passwd/x", err, sizeof(err)));
	ktap_has("... is named", "/etc/passwd/x: Not a directory", err);
	ktap_ok(refused(30, "/proc/record", err, sizeof(err)) < 0, "a place for no folder");
	ktap_has("... is named", "/proc/record: ", err);
	ktap_int("it is there already", -ENOTEMPTY, refused(7, dir, err, sizeof(err)));
	ktap_ok(!there(".new-000007"), "nothing is left behind");
	ktap_has("the first one is as it was", "\"number\": 7", slurp(7, "bundle.json"));

	/* In the middle of a file, as when the disk is full. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	ktap_int("a file does not fit", -EFBIG, refused(31, dir, err, sizeof(err)));
	setrlimit(RLIMIT_FSIZE, &old);
	ktap_has("... which one", "timeline.txt: File too large", err);
	ktap_ok(!there("000031") && !there(".new-000031"), "nothing is left behind");
	ktap_int("later it works", 0, refused(31, dir, err, sizeof(err)));
}

int main(void)
{
	char command[96];

	snprintf(top, sizeof(top), "/tmp/invspid-bundle-XXXXXX");
	if (!mkdtemp(top))
		return 1;
	snprintf(dir, sizeof(dir), "%s/record", top);
	test_write();
	test_long_lines();
	test_scan();
	test_remove();
	test_errors();
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) ? 1 : ktap_done();
}
