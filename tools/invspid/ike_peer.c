// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose IKE daemon is it?
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ike_backend.h"

/**
 * ike_process_start() - start time of a process, which tells it from a later one
 * of the same number
 *
 * Return: clock ticks since boot, 0 if it can't be told.
 */
uint64_t ike_process_start(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], stat[1024], *p;
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	stat[n] = '\0';
	/* Field 22; the second one is the name in parentheses, which may hold anything. */
	p = strrchr(stat, ')');
	for (i = 2; p && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, "%llu", &start) != 1)
		return 0;
	return start;
}

/**
 * ike_same_namespace() - is a process in our network namespace?
 * @why: filled with what is the matter, and what to do, if not
 *
 * The path of a socket says nothing about where the process behind it lives. What
 * can't be checked is refused.
 *
 * The files below /proc/PID/net are those of the namespace, not of the process, so
 * they are the same file for two processes if and only if their namespace is. Unlike
 * /proc/PID/ns/net they can be looked at without CAP_SYS_PTRACE.
 */
bool ike_same_namespace(pid_t pid, char *why, size_t size)
{
	struct stat ours, theirs;
	char path[64];

	if (pid <= 0) {
		snprintf(why, size,
			 "the IKE daemon runs in another PID namespace, so its network "
			 "namespace can't be checked; run both in the same");
		return false;
	}
	snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	if (stat("/proc/self/net/dev", &ours)) {
		snprintf(why, size, "/proc/self/net/dev: %s; is /proc mounted?", strerror(errno));
		return false;
	}
	if (stat(path, &theirs)) {
		snprintf(why, size,
			 "%s: %s, so the IKE daemon's network namespace can't be checked; "
			 "is /proc mounted with hidepid?",
			 path, strerror(errno));
		return false;
	}
	if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino) {
		snprintf(why, size,
			 "the IKE daemon (pid %d) is in another network namespace (`ip netns "
			 "identify %d` names it); name the socket of the one in this namespace, "
			 "or start this program there",
			 (int)pid, (int)pid);
		return false;
	}
	return true;
}
