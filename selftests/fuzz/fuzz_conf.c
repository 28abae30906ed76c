// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: the configuration file. A file that is taken has every value
 * within its bounds, and written down anew it says the same; one that is refused is
 * refused with a text that can be shown.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"

static struct conf *load(const void *text, size_t len)
{
	int fd = memfd_create("invspid.conf", MFD_CLOEXEC);
	char path[64], *err = NULL;
	struct conf *c;

	must(fd >= 0 && !fchmod(fd, 0600));
	must(write(fd, text, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = conf_load(path, &err);
	close(fd);
	must(!c == !!err);
	if (err)
		must(err[0] && is_printable(err));
	free(err);
	return c;
}

static void must_be_in_bounds(const struct conf *c, const struct conf_key *key)
{
	const void *member = (const char *)c + key->offset;
	const unsigned int *count = member;
	const int64_t *ms = member;
	uint64_t n = key->min;

	if (key->kind == CONF_MS)
		n = (uint64_t)*ms;
	else if (key->kind == CONF_COUNT)
		n = *count;
	must(n >= key->min && n <= key->max);
}

static void must_be_written_alike(const struct conf *c)
{
	const struct conf_key *key;
	const char *a, *b;
	char buf_a[32], buf_b[32], *text = NULL;
	struct conf *again;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	must(f);
	for (key = conf_keys; key->name; key++) {
		a = conf_text(c, key, buf_a);
		/* A path may hold what only a string with escapes can say. */
		if (a && strpbrk(a, "\"\\\n$"))
			break;
		if (a)
			fprintf(f, "%s = \"%s\"\n", key->name, a);
	}
	fclose(f);
	again = key->name ? NULL : load(text, len);
	must(again || key->name);
	for (key = conf_keys; again && key->name; key++) {
		a = conf_text(c, key, buf_a);
		b = conf_text(again, key, buf_b);
		must(a && b ? !strcmp(a, b) : a == b);
	}
	conf_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ike_setting *copy;
	const struct conf_key *key;
	struct conf *c = load(data, size);
	size_t i, k, n;
	int own;

	if (!c)
		return 0;
	for (key = conf_keys; key->name; key++)
		must_be_in_bounds(c, key);
	must(c->limits.backoff_min_ms <= c->limits.backoff_max_ms);
	for (i = 0; i < c->nconn; i++) {
		must(c->conn[i].name[0]);
		for (own = 0; own < OWN_KEYS; own++)
			must(conf_own(c, c->conn[i].name, (enum conf_own)own) >= 0);
		copy = conf_copy(c, c->conn[i].name, &n);
		for (k = 0; k < n; k++)
			must(copy[k].key[0] && copy[k].value[0] &&
			     strlen(copy[k].value) <= IKE_SETTING_MAX);
	}
	must_be_written_alike(c);
	conf_free(c);
	return 0;
}
