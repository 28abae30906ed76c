/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * strongSwan's VICI protocol: the wire format and one connection. No policy:
 * what is asked, and what an answer means, is the caller's business.
 *
 * A segment is a 32-bit length in network order and that many bytes: a type, a
 * name for the types that have one, and a message. A message is a sequence of
 * sections, lists and key-value pairs; every value is text without terminator.
 * Described in src/libcharon/plugins/vici/README.md of strongSwan's sources.
 */
#ifndef INVSPID_VICI_H
#define INVSPID_VICI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#define VICI_SEGMENT_MAX (512 * 1024) /* the daemon's own limit, both ways */
#define VICI_NAME_MAX 255 /* a length of one byte */
#define VICI_VALUE_MAX 65535 /* a length of two */
#define VICI_DEPTH_MAX 16 /* the daemon itself nests to 5 */
#define VICI_QUEUE_MAX 64 /* requests waiting for their turn */

/* Packet types: the first byte of a segment. */
enum vici_packet {
	VICI_CMD_REQUEST,
	VICI_CMD_RESPONSE,
	VICI_CMD_UNKNOWN,
	VICI_EVENT_REGISTER,
	VICI_EVENT_UNREGISTER,
	VICI_EVENT_CONFIRM,
	VICI_EVENT_UNKNOWN,
	VICI_EVENT,
};

/* Elements of a message. VICI_END is ours: the message is complete. */
enum vici_type {
	VICI_END,
	VICI_SECTION_START,
	VICI_SECTION_END,
	VICI_KEY_VALUE,
	VICI_LIST_START,
	VICI_LIST_ITEM,
	VICI_LIST_END,
};

/* Text inside a received message: not terminated, may hold any byte. */
struct vici_str {
	const char *s;
	size_t len;
};

bool vici_str_is(struct vici_str str, const char *text);
bool vici_str_begins(struct vici_str str, const char *text);

/**
 * vici_str_number() - digits, and nothing else
 * @base: 10 or 16
 * @max: largest value allowed
 *
 * Return: 0, or -EBADMSG.
 */
int vici_str_number(struct vici_str str, int base, uint64_t max, uint64_t *value);

/**
 * vici_str_dup() - a terminated copy
 *
 * Return: 0, -ENOMEM, or -EBADMSG if there is a NUL in it. An old *@copy is freed.
 */
int vici_str_dup(struct vici_str str, char **copy);

/**
 * struct vici_buf - a message being written
 * @err: first error; later calls do nothing, so only vici_buf_check() need be looked at
 *
 * Zero it to begin.
 */
struct vici_buf {
	uint8_t *data;
	size_t len, size;
	unsigned int depth;
	bool list;
	int err;
};

void vici_put(struct vici_buf *b, const char *key, const char *value);
void vici_putf(struct vici_buf *b, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void vici_put_section(struct vici_buf *b, const char *name);
void vici_put_section_end(struct vici_buf *b);
void vici_put_list(struct vici_buf *b, const char *name);
void vici_put_item(struct vici_buf *b, const char *value);
void vici_put_list_end(struct vici_buf *b);

/**
 * vici_buf_check() - is the message whole?
 *
 * Return: 0; -EINVAL: something is nested wrongly or still open; -ENAMETOOLONG: a name
 * over 255 or a value over 65,535 bytes; -EMSGSIZE: over 512 KiB; -ENOMEM.
 */
int vici_buf_check(const struct vici_buf *b);
void vici_buf_free(struct vici_buf *b);

/**
 * struct vici_parser - pulls elements out of a received message
 *
 * Nothing is copied and nothing is trusted: each length is checked against what is
 * left. After an error every further call gives the same error.
 */
struct vici_parser {
	const uint8_t *p, *end;
	unsigned int depth;
	bool list;
	bool bad;
};

/* @name: of sections, lists and keys; @value: of key-values and list items. */
struct vici_element {
	enum vici_type type;
	struct vici_str name, value;
};

void vici_parser_init(struct vici_parser *p, const uint8_t *msg, size_t len);

/**
 * vici_next() - the next element
 *
 * Return: its type, VICI_END (0) at the end, or -EBADMSG.
 */
int vici_next(struct vici_parser *p, struct vici_element *e);

/**
 * vici_skip() - go past the section or list that vici_next() has just opened
 *
 * Return: 0 or -EBADMSG.
 */
int vici_skip(struct vici_parser *p);

/**
 * struct vici_ops - what a connection tells its owner, from the loop
 * @event: an event that was registered and is not the stream of a running request
 * @closed: the daemon has gone, or spoke nonsense (-EBADMSG), or more than
 *	512 KiB of it (-EMSGSIZE). Comes after the callbacks of all requests, once,
 *	and not after vici_close(). The owner still has to call vici_close().
 *
 * Every callback may call vici_close().
 */
struct vici_ops {
	void (*event)(void *arg, struct vici_str name, const uint8_t *msg, size_t len);
	void (*closed)(void *arg, int err);
};

struct vici;

/**
 * vici_open() - connect
 * @path: of the socket
 * @err: set to a negative errno on failure
 *
 * Never waits: a daemon that does not accept (full backlog) is -EAGAIN.
 */
struct vici *vici_open(uv_loop_t *loop, const char *path, const struct vici_ops *ops, void *arg,
		       int *err);

/* The same on a connected stream socket, which the connection then owns. */
struct vici *vici_attach(uv_loop_t *loop, int fd, const struct vici_ops *ops, void *arg, int *err);

/**
 * vici_close() - end a connection
 *
 * Requests under way get -ECANCELED before it returns. The loop must run once more
 * to free the memory.
 */
void vici_close(struct vici *v);

/* Process at the other end, 0 if it is in a PID namespace that we don't see. */
pid_t vici_peer(const struct vici *v);

/**
 * typedef vici_reply_cb - the end of a request; comes exactly once
 * @err: 0; -ETIMEDOUT; -EOPNOTSUPP: the daemon does not know the command or event;
 *	-ENOTCONN: the connection broke; -ECANCELED: vici_close()
 * @msg: the answer's message, NULL on error; valid during the call
 */
typedef void (*vici_reply_cb)(void *arg, int err, const uint8_t *msg, size_t len);

/**
 * struct vici_request - a command
 * @command: its name
 * @args: its message, or NULL; not needed after vici_send()
 * @stream: name of the events that belong to the answer (registered before), or NULL
 * @item: gets these events
 * @timeout_ms: from now on, so the time spent waiting behind other requests counts,
 *	and from the last of these events on, but not more than 15 times as long
 * @cb: gets the end
 */
struct vici_request {
	const char *command;
	const struct vici_buf *args;
	const char *stream;
	void (*item)(void *arg, const uint8_t *msg, size_t len);
	int64_t timeout_ms;
	vici_reply_cb cb;
	void *arg;
};

/**
 * vici_send() - ask for something
 *
 * One request is on its way at a time, as the protocol wants it, the others wait.
 * A request that timed out keeps the connection until its answer comes, which is
 * then thrown away: so a late answer is never taken for that of the next request,
 * and the daemon's thread that works on it is not joined by more of them. An owner
 * who does not want to wait looks at vici_overdue() and closes.
 *
 * Return: 0: the callback will come, from the loop. -ENOBUFS: 64 are waiting;
 * -ENOTCONN: closed; or an error of @args: the callback will not come.
 */
int vici_send(struct vici *v, const struct vici_request *request);

/* Register for an event; otherwise as vici_send(). */
int vici_register(struct vici *v, const char *event, int64_t timeout_ms, vici_reply_cb cb,
		  void *arg);

/* No request is waiting or on its way, and none is overdue. */
bool vici_idle(const struct vici *v);

/* For how many milliseconds the answer of a timed out request has been missing; or 0. */
int64_t vici_overdue(const struct vici *v);

#endif
