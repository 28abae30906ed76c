/* SPDX-License-Identifier: GPL-2.0-only */
/* A folder for one input after the other, in memory, gone at the end. */
#ifndef SELFTESTS_FUZZ_DIR_H
#define SELFTESTS_FUZZ_DIR_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static char fuzz_dir_path[64];

static int fuzz_dir_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	if (at->level)
		remove(path);
	return 0;
}

static void fuzz_dir_clean(void)
{
	nftw(fuzz_dir_path, fuzz_dir_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void fuzz_dir_end(void)
{
	fuzz_dir_clean();
	rmdir(fuzz_dir_path);
}

/* Empty at each call. */
static const char *fuzz_dir(void)
{
	struct stat st;

	if (fuzz_dir_path[0]) {
		fuzz_dir_clean();
		return fuzz_dir_path;
	}
	snprintf(fuzz_dir_path, sizeof(fuzz_dir_path), "%s/xfrm_invspi-fuzz.XXXXXX",
		 stat("/dev/shm", &st) ? "/tmp" : "/dev/shm");
	must(mkdtemp(fuzz_dir_path));
	atexit(fuzz_dir_end);
	return fuzz_dir_path;
}

__attribute__((unused)) static void fuzz_put(const char *dir, const char *name, const void *data,
					     size_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0);
	must(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

#endif
