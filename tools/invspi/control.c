// SPDX-License-Identifier: GPL-2.0-only
/* Client of invspid's control socket. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

#define ANSWER_MAX (64u << 20)

static int connect_error(const char *path, int code, struct invspi_err *err)
{
	const char *hint = "";

	if (code == ENOENT || code == ECONNREFUSED)
		hint = "; is invspid running, and with this socket?";
	else if (code == EACCES || code == EPERM)
		hint = "; run as root";
	return invspi_err_set(err, code, "cannot reach invspid at %s: %s%s", path, strerror(code),
			      hint);
}

static int open_socket(const char *path, int timeout_s, struct invspi_err *err)
{
	struct timeval tv = { .tv_sec = timeout_s };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return invspi_err_set(err, ENAMETOOLONG,
				      "the socket's path \"%s\" is longer than %zu bytes", path,
				      sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return invspi_err_set(err, errno, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		rc = connect_error(path, errno, err);
		close(fd);
		return rc;
	}
	return fd;
}

static int send_line(int fd, const char *text, struct invspi_err *err)
{
	size_t len = strlen(text), done = 0;
	ssize_t n;

	while (done < len) {
		n = send(fd, text + done, len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return invspi_err_set(err, errno, "cannot send to invspid: %s",
					      strerror(errno));
		done += n;
	}
	return 0;
}

/* Reads up to the end of the line or of the stream into @buf, to be freed. */
static int receive_line(int fd, int timeout_s, char **buf, size_t *len, struct invspi_err *err)
{
	size_t room = 0;
	ssize_t n;
	char *p;

	*buf = NULL;
	*len = 0;
	for (;;) {
		if (*len == room) {
			if (room >= ANSWER_MAX)
				return invspi_err_set(err, EMSGSIZE,
						      "invspid's answer is longer than %u bytes",
						      ANSWER_MAX);
			room = room ? room * 2 : 16384;
			p = realloc(*buf, room);
			if (!p)
				return invspi_err_set(err, ENOMEM, "out of memory");
			*buf = p;
		}
		n = recv(fd, *buf + *len, room - *len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return invspi_err_set(err, ETIMEDOUT, "invspid did not answer within %d s",
					      timeout_s);
		if (n < 0)
			return invspi_err_set(err, errno, "cannot read invspid's answer: %s",
					      strerror(errno));
		p = memchr(*buf + *len, '\n', n);
		*len = p ? (size_t)(p - *buf) : *len + n;
		if (p || !n)
			return 0;
	}
}

static int parse_answer(const char *buf, size_t len, json_t **answer, struct invspi_err *err)
{
	json_error_t where;
	const char *why;
	json_t *root;
	int rc = 0;

	if (!len)
		return invspi_err_set(err, EPROTO,
				      "invspid closed the connection without an answer");
	root = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(root)) {
		rc = invspi_err_set(err, EPROTO, "invspid's answer is not a JSON object: %s",
				    root ? "another type" : where.text);
	} else if (!json_is_true(json_object_get(root, "ok"))) {
		why = json_string_value(json_object_get(root, "error"));
		rc = invspi_err_set(err, EREMOTEIO, "invspid: %s",
				    why ? why : "refused without a reason");
	}
	if (rc)
		json_decref(root);
	else
		*answer = root;
	return rc;
}

/* "warning" in an answer: it was done, but maybe isn't what was meant. */
static void tell_warning(json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "warning"));
	struct invspi_err line;

	if (!why)
		return;
	invspi_err_set(&line, 0, "%s", why);
	fprintf(stderr, "invspi: warning: %s\n", line.text);
}

int control_call_within(const char *path, int timeout_s, json_t *request, json_t **answer,
			struct invspi_err *err)
{
	char *line = NULL, *text = NULL, *buf = NULL;
	size_t len;
	int fd, rc;

	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text || asprintf(&line, "%s\n", text) < 0) {
		free(text);
		return invspi_err_set(err, ENOMEM, "out of memory");
	}
	fd = open_socket(path, timeout_s, err);
	rc = fd < 0 ? fd : send_line(fd, line, err);
	if (!rc)
		rc = receive_line(fd, timeout_s, &buf, &len, err);
	if (!rc)
		rc = parse_answer(buf, len, answer, err);
	if (!rc)
		tell_warning(*answer);
	if (fd >= 0)
		close(fd);
	free(buf);
	free(line);
	free(text);
	return rc;
}

int control_call(const char *path, json_t *request, json_t **answer, struct invspi_err *err)
{
	return control_call_within(path, ANSWER_TIMEOUT_S, request, answer, err);
}
