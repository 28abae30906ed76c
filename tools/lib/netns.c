// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netns.h"

#define NETNS_DIR "/run/netns"

int netns_enter(const char *name, struct invspi_err *err)
{
	char path[PATH_MAX];
	int fd, n, rc = 0;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return invspi_err_set(err, EINVAL,
				      "bad network namespace \"%s\": "
				      "want a name below %s or a path",
				      name, NETNS_DIR);
	if (strchr(name, '/'))
		n = snprintf(path, sizeof(path), "%s", name);
	else
		n = snprintf(path, sizeof(path), "%s/%s", NETNS_DIR, name);
	if (n >= (int)sizeof(path))
		return invspi_err_set(err, ENAMETOOLONG,
				      "the name of the network namespace is too long: \"%.60s...\"",
				      name);

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return invspi_err_set(err, errno, "no network namespace \"%s\": cannot open %s: %s",
				      name, path, strerror(errno));
	if (setns(fd, CLONE_NEWNET)) {
		rc = errno;
		if (rc == EINVAL)
			invspi_err_set(err, rc, "%s is not a network namespace", path);
		else
			invspi_err_set(err, rc, "cannot enter network namespace \"%s\": %s%s", name,
				       strerror(rc), rc == EPERM ? "; run as root" : "");
	}
	close(fd);
	return -rc;
}
