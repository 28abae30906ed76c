// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration reader: defaults, values, and every way to get it wrong.
 * conf/NAME.conf is a file that must be refused; its "expect" line says how.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "ktap.h"
#include "conf.h"
#include "happen.h"
#include "whom.h"

#define CASES "conf"
#define SAMPLE "../../tools/etc/invspid.conf"

static char dir[64];

static const char *write_file(const char *data, size_t len)
{
	static char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/conf", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		ktap_ok(false, "writing %s", path);
	close(fd);
	return path;
}

/* A copy is ours, and nobody else may write to it, however the tree was unpacked. */
static const char *copy_file(const char *from)
{
	static char data[65536];
	FILE *f = fopen(from, "r");
	size_t len = f ? fread(data, 1, sizeof(data), f) : 0;

	ktap_ok(len && len < sizeof(data), "%s is there", from);
	if (f)
		fclose(f);
	return write_file(data, len);
}

static struct conf *load(const char *data, char **err)
{
	*err = NULL;
	return conf_load(write_file(data, strlen(data)), err);
}

/* Of a connection's section, -1 if it has none. */
static int mode_of(const struct conf *c, const char *conn)
{
	enum mode mode;

	return conf_mode(c, conn, &mode) ? (int)mode : -1;
}

static void check_int(const char *name, const char *member, long long want, long long got)
{
	char what[96];

	snprintf(what, sizeof(what), "%s: %s", name, member);
	ktap_int(what, want, got);
}

static void check_defaults(const char *name, const struct conf *c)
{
	if (!ktap_ok(c, "%s: is taken", name))
		return;
	check_int(name, "mode", MODE_RECOVER, c->mode);
	check_int(name, "log_level", LOG_INFO, c->log_level);
	check_int(name, "settle_ms", 1000, c->settle_ms);
	check_int(name, "listing_gap_ms", 300, c->listing_gap_ms);
	check_int(name, "request_timeout_ms", 2000, c->request_timeout_ms);
	check_int(name, "initiate_delay_ms", 300, c->initiate_delay_ms);
	check_int(name, "initiate_timeout_ms", 5000, c->initiate_timeout_ms);
	check_int(name, "poll_ms", 30000, c->poll_ms);
	check_int(name, "limits.in_passing_ms", 6000, c->limits.in_passing_ms);
	check_int(name, "limits.came_up_ms", 13000, c->limits.came_up_ms);
	check_int(name, "limits.in_progress_ms", 5000, c->limits.in_progress_ms);
	check_int(name, "limits.quiet_ms", 3000, c->limits.quiet_ms);
	check_int(name, "limits.stand_down_ms", 2000, c->limits.stand_down_ms);
	check_int(name, "limits.in_flight", 8, c->limits.in_flight);
	check_int(name, "limits.uncertain_in_flight", 2, c->limits.uncertain_in_flight);
	check_int(name, "limits.uncertain_all", 30, c->limits.uncertain_all);
	check_int(name, "limits.uncertain_peer_ms", 60000, c->limits.uncertain_peer_ms);
	check_int(name, "limits.spoofed_delay_ms", 10000, c->limits.spoofed_delay_ms);
	check_int(name, "limits.retransmit_ms", 165000, c->limits.retransmit_ms);
	check_int(name, "limits.disruptive_ms", 600000, c->limits.disruptive_ms);
	check_int(name, "disruptive", DISRUPTIVE_NEVER, c->disruptive);
	check_int(name, "allow_gap", 0, c->allow_gap);
	check_int(name, "initiate_unknown", 0, c->initiate_unknown);
	check_int(name, "dynamic", 0, c->dynamic);
	check_int(name, "dynamic_max_age_ms", 3600000, c->dynamic_max_age_ms);
	check_int(name, "dynamic_psk_max_age_ms", 600000, c->dynamic_psk_max_age_ms);
	check_int(name, "limits.give_up", 8, c->limits.give_up);
	check_int(name, "limits.give_up_ms", 3600000, c->limits.give_up_ms);
	check_int(name, "limits.backoff_min_ms", 2000, c->limits.backoff_min_ms);
	check_int(name, "limits.backoff_max_ms", 600000, c->limits.backoff_max_ms);
	ktap_str("record", "all", whom_text(c->record));
	ktap_str("verbose", "none", whom_text(c->verbose));
	check_int(name, "record_after_ms", 18000, c->record_after_ms);
	check_int(name, "record_memory_kib", 1024, c->record_memory_kib);
	check_int(name, "record_per_hour", 6, c->record_per_hour);
	check_int(name, "record_per_peer", 2, c->record_per_peer);
	check_int(name, "record_bundles", 32, c->record_bundles);
	check_int(name, "record_mib", 64, c->record_mib);
	check_int(name, "capture_defaults", 1, c->capture_defaults);
	check_int(name, "capture_timeout_ms", 5000, c->capture_timeout_ms);
	check_int(name, "capture_kib", 1024, c->capture_kib);
	check_int(name, "hook_timeout_ms", 10000, c->hook_timeout_ms);
	check_int(name, "hooks_at_once", 4, c->hooks_at_once);
	check_int(name, "ncapture", 0, c->ncapture);
	check_int(name, "nhook", 0, c->nhook);
	check_int(name, "nconn", 0, c->nconn);
	ktap_str("vici", NULL, c->vici);
	ktap_str("record_group", NULL, c->record_group);
	ktap_str("metrics_listen", NULL, c->metrics_listen);
	ktap_int("metrics_connections", 256, c->metrics_connections);
	ktap_str("control", "/run/invspid/control", c->control);
	ktap_str("state", "/var/lib/invspid", c->state);
	ktap_int("mode of a connection not named", -1, mode_of(c, "gw"));
}

/* Every key of the sample, with its comment sign taken away, is the default. */
static char *uncomment(const char *path)
{
	FILE *in = fopen(path, "r"), *out;
	char *text = NULL, *line = NULL;
	size_t size, room = 0;

	out = open_memstream(&text, &size);
	while (in && getline(&line, &room, in) >= 0) {
		bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' &&
			   strstr(line, " = ") && strncmp(line, "#vici", 5) &&
			   strncmp(line, "#record_group", 13);

		fputs(key ? line + 1 : line, out);
	}
	free(line);
	fclose(out);
	if (in)
		fclose(in);
	return text;
}

static void test_sample(void)
{
	const struct conf_key *key;
	char *err = NULL, *text, want[64];
	struct conf *c;

	if (access(SAMPLE, R_OK)) {
		printf("# the sample file is not beside the tests: not checked\n");
		return;
	}
	c = conf_load(copy_file(SAMPLE), &err);
	check_defaults("sample", c);
	ktap_str("sample: no error", NULL, err);
	conf_free(c);

	text = uncomment(SAMPLE);
	for (key = conf_keys; key->name; key++) {
		snprintf(want, sizeof(want), "\n%s%s = ",
			 (key->kind == CONF_SOCKET || key->kind == CONF_GROUP) && !key->text ? "#"
											     : "",
			 key->name);
		ktap_ok(strstr(text, want), "sample: has %s", key->name);
	}
	c = load(text, &err);
	ktap_str("sample uncommented: no error", NULL, err);
	check_defaults("sample uncommented", c);
	conf_free(c);
	free(text);
	free(err);
}

static void test_values(void)
{
	static const char text[] = "\xef\xbb\xbfmode = advise\r\n"
				   "log_level = \"debug\"\r\n"
				   "vici = unix:///run/gw/charon.vici // another comment\n"
				   "control = '/run/gw/inv.sock'\n"
				   "state = /var/lib/gw /* a third */\n"
				   "metrics_listen = [::1]:19850\n"
				   "settle_ms = 2s\n"
				   "listing_gap_ms = 250\n"
				   "poll_ms = 1m\n"
				   "in_flight = 4 give_up = 3\n"
				   "give_up_ms = 2h\n"
				   "backoff_min_ms = 500ms\n"
				   "backoff_max_ms = 1d\n"
				   "connection \"gw\" { mode = observe }\n"
				   "connection gw2 {}\n"
				   "connection \"a b \\\"c\\\" \xff\" {\n\tmode = recover\n}\n";
	char *err, buf[32];
	struct conf *c = load(text, &err);
	const struct conf_key *key;

	ktap_str("values: no error", NULL, err);
	if (!c)
		return;
	ktap_int("mode", MODE_ADVISE, c->mode);
	ktap_int("log_level", LOG_DEBUG, c->log_level);
	ktap_str("vici", "/run/gw/charon.vici", c->vici);
	ktap_str("control", "/run/gw/inv.sock", c->control);
	ktap_str("state", "/var/lib/gw", c->state);
	ktap_str("metrics_listen", "[::1]:19850", c->metrics_listen);
	ktap_int("settle_ms", 2000, c->settle_ms);
	ktap_int("listing_gap_ms, bare number", 250, c->listing_gap_ms);
	ktap_int("poll_ms", 60000, c->poll_ms);
	ktap_int("in_flight", 4, c->limits.in_flight);
	ktap_int("give_up", 3, c->limits.give_up);
	ktap_int("give_up_ms", 7200000, c->limits.give_up_ms);
	ktap_int("backoff_min_ms", 500, c->limits.backoff_min_ms);
	ktap_int("backoff_max_ms", 86400000, c->limits.backoff_max_ms);
	ktap_int("quiet_ms keeps its default", 3000, c->limits.quiet_ms);
	ktap_int("connections", 3, (long long)c->nconn);
	ktap_int("mode of gw", MODE_OBSERVE, mode_of(c, "gw"));
	ktap_int("gw2 has none of its own", -1, mode_of(c, "gw2"));
	ktap_int("an odd name", MODE_RECOVER, mode_of(c, "a b \"c\" \xff"));
	ktap_int("another connection", -1, mode_of(c, "other"));
	for (key = conf_keys; key->name; key++)
		if (!strcmp(key->name, "poll_ms"))
			ktap_str("as text", "60000", conf_text(c, key, buf));
		else if (!strcmp(key->name, "log_level"))
			ktap_str("as text", "debug", conf_text(c, key, buf));
	conf_free(c);
}

static void test_metrics_words(void)
{
	char *err;
	struct conf *c = load("metrics_listen = on\n", &err);

	ktap_str("metrics_listen = on", METRICS_ON, c ? c->metrics_listen : err);
	conf_free(c);
	c = load("metrics_listen = off\n", &err);
	ktap_str("metrics_listen = off", NULL, c ? c->metrics_listen : err);
	conf_free(c);
}

static void test_copy(void)
{
	const struct ike_setting *s;
	char *err;
	struct conf *c = load("connection \"gw\" {\n\tdynamic = yes\n\tcopy {\n\t\tmobike = no\n"
			      "\t\tchild \"net\" {\n\t\t\tmark_in_sa = yes\n"
			      "\t\t\tesp_proposals = \"aes128-sha256, aes256gcm16\"\n\t\t}\n"
			      "\t\tchild \"net2\" {\n\t\t\tmark_in_sa = no\n\t\t}\n\t}\n}\n"
			      "connection \"other\" {\n}\n",
			      &err);
	size_t n;

	if (!ktap_ok(c, "a copy: taken%s%s", err ? ": " : "", err ? err : ""))
		return;
	ktap_int("dynamic of gw", 1, conf_own(c, "gw", OWN_DYNAMIC));
	ktap_int("dynamic of other", 0, conf_own(c, "other", OWN_DYNAMIC));
	s = conf_copy(c, "gw", &n);
	if (ktap_int("settings", 4, (long long)n)) {
		ktap_str("of the connection", NULL, s[0].child);
		ktap_str("its key", "mobike", s[0].key);
		ktap_str("its value", "no", s[0].value);
		ktap_str("of a child", "net", s[1].child);
		ktap_str("with a list", "aes128-sha256, aes256gcm16", s[1].value);
		ktap_str("of the other child", "net2", s[3].child);
		ktap_str("its value", "no", s[3].value);
	}
	conf_copy(c, "other", &n);
	ktap_int("none of other", 0, (long long)n);
	ktap_ok(!conf_copy(c, "nobody", &n) && !n, "none of a connection not named");
	conf_free(c);
}

static void test_programs(void)
{
	char *err;
	struct conf *c =
		load("record = \"all !gw\"\nverbose = gw\n"
		     "capture \"routes-6\" {\n\tcommand = \"  ip\t-6  route $(x) 'a b'\"\n}\n"
		     "hook \"a\" {\n\tcommand = /bin/true\n\tevents = \"desync gave_up\"\n"
		     "\tfor = 192.0.2.0/24\n}\n"
		     "hook \"b\" {\n\tcommand = true\n\tevents = recorded\n}\n",
		     &err);

	if (!ktap_ok(c, "programs: taken%s%s", err ? ": " : "", err ? err : ""))
		return;
	ktap_str("record", "all !gw", whom_text(c->record));
	ktap_ok(whom_has(c->verbose, "gw", NULL), "verbose");
	if (ktap_int("captures", 1, (long long)c->ncapture)) {
		ktap_str("name", "routes-6", c->capture[0].name);
		ktap_str("words", "ip", c->capture[0].argv[0]);
		ktap_str("words", "-6", c->capture[0].argv[1]);
		ktap_str("words", "$(x)", c->capture[0].argv[3]);
		ktap_str("no quotes", "'a", c->capture[0].argv[4]);
		ktap_str("the end", NULL, c->capture[0].argv[6]);
	}
	if (ktap_int("hooks", 2, (long long)c->nhook)) {
		ktap_str("command", "/bin/true", c->hook[0].command);
		ktap_int("events", 1 << HAPPEN_DESYNC | 1 << HAPPEN_GAVE_UP, c->hook[0].events);
		ktap_str("for", "192.0.2.0/24", whom_text(c->hook[0].whom));
		ktap_int("events", 1 << HAPPEN_RECORDED, c->hook[1].events);
		ktap_str("for all", "all", whom_text(c->hook[1].whom));
	}
	conf_free(c);
}

static void test_own(void)
{
	char *err;
	struct conf *c = load("disruptive = child\nallow_gap = yes\n"
			      "connection \"gw\" {\n\tdisruptive = ike\n\tallow_gap = no\n"
			      "\tinitiate_unknown = yes\n}\nconnection \"gw2\" {\n}\n",
			      &err);

	if (!ktap_ok(c, "keys of connections: taken"))
		return;
	ktap_int("disruptive of gw", DISRUPTIVE_IKE, conf_own(c, "gw", OWN_DISRUPTIVE));
	ktap_int("allow_gap of gw", 0, conf_own(c, "gw", OWN_ALLOW_GAP));
	ktap_int("initiate_unknown of gw", 1, conf_own(c, "gw", OWN_INITIATE_UNKNOWN));
	ktap_int("mode of gw", MODE_RECOVER, conf_own(c, "gw", OWN_MODE));
	ktap_int("disruptive of gw2", DISRUPTIVE_CHILD, conf_own(c, "gw2", OWN_DISRUPTIVE));
	ktap_int("allow_gap of gw2", 1, conf_own(c, "gw2", OWN_ALLOW_GAP));
	ktap_int("disruptive of none", DISRUPTIVE_CHILD, conf_own(c, NULL, OWN_DISRUPTIVE));
	ktap_int("initiate_unknown of none", 0, conf_own(c, NULL, OWN_INITIATE_UNKNOWN));
	conf_free(c);
}

static void check_case(const char *name)
{
	static const char mark[] = "# expect: ";
	char from[300], want[1024] = "", line[1024];
	const char *path;
	char *err = NULL;
	struct conf *c;
	FILE *f;

	snprintf(from, sizeof(from), CASES "/%s", name);
	path = copy_file(from);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, mark, strlen(mark)))
			snprintf(want, sizeof(want), "%s%.*s", path,
				 (int)strcspn(line + strlen(mark), "\n"), line + strlen(mark));
	if (f)
		fclose(f);
	c = conf_load(path, &err);
	ktap_ok(!c, "%s is refused", name);
	ktap_str(name, want, err);
	conf_free(c);
	free(err);
}

static void test_cases(void)
{
	struct dirent **list;
	int n = scandir(CASES, &list, NULL, alphasort), i, cases = 0;
	const char *dot;

	for (i = 0; i < n; i++) {
		dot = strrchr(list[i]->d_name, '.');
		if (dot && !strcmp(dot, ".conf")) {
			check_case(list[i]->d_name);
			cases++;
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	ktap_ok(cases > 30, "there are cases (%d)", cases);
}

static void check_refused(const char *name, const char *path, const char *want)
{
	char *err = NULL;
	struct conf *c = conf_load(path, &err);

	ktap_ok(!c, "%s is refused", name);
	ktap_has(name, want, err ? err : "(no error)");
	conf_free(c);
	free(err);
}

#define WRITABLE "can be written to by others than its owner: run `chmod go-w "

static void test_files(void)
{
	static char big[(1 << 20) + 1];
	const char *path;
	char *err = NULL;
	struct conf *c;

	check_refused("directory", dir, "is a directory: want a file");
	check_refused("missing", "/nonexistent/x", "cannot read /nonexistent/x: No such file");
	check_refused("device", "/dev/null", "is not a regular file: want a file");
	path = write_file("mode = advise\n\nlog_\0level", 25);
	check_refused("NUL byte", path, "conf:3: a NUL byte");
	memset(big, '\n', sizeof(big));
	path = write_file(big, sizeof(big));
	check_refused("more than 1 MiB", path, "is larger than 1 MiB");
	path = write_file("mode = \"adv", 11);
	check_refused("open string", path, "conf:1: ");
	path = write_file("\n/* mode = advise\n", 18);
	check_refused("open comment", path, "conf:");
	path = write_file("mode = advise\n", 14);
	chmod(path, 0602);
	check_refused("anyone may write", path, WRITABLE);
	chmod(path, 0620);
	check_refused("a group may write", path, WRITABLE);
	chmod(path, 0644);
	c = conf_load(path, &err);
	ktap_ok(c, "anyone may read%s%s", err ? ": " : "", err ? err : "");
	conf_free(c);
	if (!geteuid() && !chown(path, 65534, 0)) {
		check_refused("of another user", path,
			      "belongs to user 65534, who could change it: run `chown root ");
		ktap_ok(!chown(path, 0, 0), "given back");
	}
	if (truncate(path, 1ll << 40) == 0)
		check_refused("a TiB of zeros", path, "is larger than 1 MiB");
	unlink(path);
	if (mkfifo(path, 0600) == 0)
		check_refused("FIFO", path, "is not a regular file");
	unlink(path);
	if (symlink("/nonexistent/y", path) == 0)
		check_refused("link to nowhere", path, "No such file");
	unlink(path);
}

/* Whatever the bytes, the answer is a configuration or an error text. */
static void test_noise(void)
{
	static const char base[] =
		"mode = advise\nconnection \"gw\" { mode = observe }\nquiet_ms = 3s # x\n";
	unsigned int seed = 1, i, k, n;
	char buf[sizeof(base)];
	int bad = 0;

	for (i = 0; i < 3000; i++) {
		struct conf *c;
		char *err = NULL;

		memcpy(buf, base, sizeof(base));
		n = 1 + rand_r(&seed) % 4;
		for (k = 0; k < n; k++)
			buf[rand_r(&seed) % (sizeof(base) - 1)] = (char)rand_r(&seed);
		c = conf_load(write_file(buf, sizeof(base) - 1), &err);
		if (!c == !err)
			bad++;
		conf_free(c);
		free(err);
	}
	ktap_int("changed bytes (3000 times): either taken or explained", 0, bad);
}

int main(void)
{
	char path[96], *err = NULL;
	struct conf *c;

	snprintf(dir, sizeof(dir), "/tmp/invspid-conf-XXXXXX");
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	c = conf_load(NULL, &err);
	check_defaults("no file", c);
	conf_free(c);
	c = load("", &err);
	check_defaults("empty file", c);
	conf_free(c);
	test_sample();
	test_values();
	test_metrics_words();
	test_own();
	test_copy();
	test_programs();
	test_cases();
	test_files();
	test_noise();
	snprintf(path, sizeof(path), "%s/conf", dir);
	unlink(path);
	rmdir(dir);
	return ktap_done();
}
