// SPDX-License-Identifier: GPL-2.0-only
/* See clock.h. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

int64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

void clock_boot_id(char *buf, size_t size)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}
