// SPDX-License-Identifier: GPL-2.0-only
/* Log of a daemon: stderr, the journal through stderr, or syslog. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fmt.h"
#include "log.h"

#define LINE_MAX_LEN 2048

static enum { TO_STDERR, TO_JOURNAL, TO_SYSLOG } target = TO_STDERR;
static int max_level = LOG_INFO;
static const char *program = "invspid";

/*
 * systemd names device and inode of the socket that it made of stderr; a
 * child of a service may have inherited the variable but not the socket.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

void log_open(const char *name, bool foreground)
{
	program = name;
	if (stderr_is_journal())
		target = TO_JOURNAL;
	else if (foreground)
		target = TO_STDERR;
	else
		target = TO_SYSLOG;
	if (target == TO_SYSLOG)
		openlog(program, LOG_PID, LOG_DAEMON);
	else
		setvbuf(stderr, NULL, _IOLBF, 0);
}

void log_level(int level)
{
	max_level = level;
}

bool log_enabled(int level)
{
	return level <= max_level;
}

static const char *level_name(int level)
{
	static const char *const names[] = {
		[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",     [LOG_CRIT] = "critical",
		[LOG_ERR] = "error",	   [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
	};

	return names[level & LOG_PRIMASK];
}

void log_msg(int level, const char *format, ...)
{
	char raw[LINE_MAX_LEN], line[LINE_MAX_LEN], when[FMT_TIME_LEN];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	fmt_escape_line(line, sizeof(line), raw, strlen(raw));

	switch (target) {
	case TO_STDERR:
		fprintf(stderr, "%s %s: %s: %s\n", fmt_time(when, wall_ms()), program,
			level_name(level), line);
		break;
	case TO_JOURNAL:
		fprintf(stderr, "<%d>%s\n", level & LOG_PRIMASK, line);
		break;
	case TO_SYSLOG:
		syslog(level, "%s", line);
		/* Whoever starts it waits for it; later that is /dev/null. */
		if ((level & LOG_PRIMASK) <= LOG_ERR)
			fprintf(stderr, "%s: %s\n", program, line);
		break;
	}
}
