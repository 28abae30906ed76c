/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log of a daemon. Control bytes and invalid UTF-8 in a message are escaped,
 * so that text from outside cannot forge a line; it is cut at 2 KiB.
 */
#ifndef INVSPI_LIB_LOG_H
#define INVSPI_LIB_LOG_H

#include <stdbool.h>
#include <syslog.h>

/**
 * log_open() - choose where the log goes
 * @name: of the program
 * @foreground: to stderr, each line with a time and the name of its level;
 *	else to the journal if stderr is connected to it, else to syslog, errors to
 *	stderr as well
 *
 * Before it, messages go to stderr.
 */
void log_open(const char *name, bool foreground);

/**
 * log_level() - drop messages less urgent than @level
 * @level: LOG_ERR to LOG_DEBUG; LOG_INFO at start
 */
void log_level(int level);

/**
 * log_enabled() - whether a message of @level would be written
 */
bool log_enabled(int level);

void log_msg(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

#endif /* INVSPI_LIB_LOG_H */
