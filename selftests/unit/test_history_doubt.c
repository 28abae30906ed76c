// SPDX-License-Identifier: GPL-2.0-only
/* What the history's file cannot know, because a process could not use it. */
#include <fcntl.h>
#include <sys/resource.h>

#include "history_help.h"

/* The newest row of "net" ended so; then a process that cannot use the file goes on. */
static void check_missed(const char *name, enum sa_end end)
{
	char dir[128], path[256], aside[256];
	struct history *h;

	snprintf(dir, sizeof(dir), "%s", new_dir());
	snprintf(path, sizeof(path), "%s/history.db", dir);
	snprintf(aside, sizeof(aside), "%s/aside", dir);
	h = open_dir(dir);
	sync_one(h, "net", 0x51);
	hist_end(h, 0x51, ESP, end, clock_ms);
	hist_close(h);
	if (rename(path, aside) || mkdir(path, 0700))
		perror(path);
	h = open_dir(dir);
	ktap_has("the file cannot be used", "memory only", hist_error(h) ? hist_error(h) : "");
	sync_one(h, "net", 0x52);
	hist_end(h, 0x52, ESP, END_OPERATOR, clock_ms);
	hist_close(h);
	if (rmdir(path) || rename(aside, path))
		perror(path);
	h = open_boot(dir, "boot-2");
	ktap_str("the file can be used again", NULL, hist_error(h));
	ktap_int(name, 0, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_close(h);
}

/* What the operator closed meanwhile the file knows as alive, or as to be brought back. */
static void test_missed(void)
{
	check_missed("alive in the file, then closed by hand", END_NONE);
	check_missed("lost in the file, then up and closed by hand", END_DAEMON_LOST);
	check_missed("given up in the file, then up and closed by hand", END_GAVE_UP);
}

/* Nothing of a file may count that was read and then could not be used. */
static void test_few_descriptors(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct rlimit old, few;
	uint32_t min, max;
	int first, failed = 0;

	sync_one(h, "net", 0x100);
	hist_close(h);
	first = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(first);
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	for (few.rlim_cur = (rlim_t)first + 1; few.rlim_cur < (rlim_t)first + 10; few.rlim_cur++) {
		setrlimit(RLIMIT_NOFILE, &few);
		h = open_dir(dir);
		setrlimit(RLIMIT_NOFILE, &old);
		if (hist_error(h)) {
			failed++;
			ktap_ok(!hist_spi_range(h, &min, &max), "%d descriptors: no range of SPIs",
				(int)few.rlim_cur - first);
			ktap_end("no row", END__COUNT, end_of(h, 0x100));
		}
		hist_close(h);
	}
	ktap_ok(failed > 1, "too few descriptors: %d times", failed);
}

int main(void)
{
	static const history_test tests[] = { test_missed, test_few_descriptors, NULL };

	return history_main(tests);
}
