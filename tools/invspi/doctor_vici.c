// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor: what strongSwan has configured and what is up. It is asked here, not by
 * invspid: that may not be running, and keeps less of it. Nothing in an answer is trusted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "vici.h"

#define ANSWER_S 5
#define HEADER 4

static const char *const stock_paths[] = { "/run/charon.vici", "/run/strongswan/charon.vici",
					   "/var/run/charon.vici", NULL };

typedef int (*take_fn)(struct doctor *d, const uint8_t *msg, size_t len);

/* ---- the wire ---- */

static int dial(const char *path)
{
	struct timeval tv = { .tv_sec = ANSWER_S };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int read_all(int fd, uint8_t *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = recv(fd, buf, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno == EAGAIN ? -ETIMEDOUT : -errno : -ENOTCONN;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* One segment into @buf, which has room for any. Return: its length, or -errno. */
static ssize_t receive(int fd, uint8_t *buf)
{
	uint8_t head[HEADER];
	uint32_t len;
	int rc = read_all(fd, head, HEADER);

	if (rc)
		return rc;
	len = (uint32_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
	if (!len || len > VICI_SEGMENT_MAX)
		return -EBADMSG;
	rc = read_all(fd, buf, len);
	return rc ? rc : (ssize_t)len;
}

static int send_segment(int fd, enum vici_packet type, const char *name, const struct vici_buf *b)
{
	size_t n = strlen(name), body = b ? b->len : 0, len = 2 + n + body;
	uint8_t *p = malloc(HEADER + len);
	uint32_t be = htonl((uint32_t)len);
	ssize_t sent;

	if (!p)
		return -ENOMEM;
	memcpy(p, &be, HEADER);
	p[HEADER] = (uint8_t)type;
	p[HEADER + 1] = (uint8_t)n;
	memcpy(p + HEADER + 2, name, n);
	if (body)
		memcpy(p + HEADER + 2 + n, b->data, body);
	/* Small, and the first: it goes as a whole or not at all. */
	sent = send(fd, p, HEADER + len, MSG_NOSIGNAL);
	free(p);
	if (sent < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (size_t)sent == HEADER + len ? 0 : -EIO;
}

static int expect(int fd, uint8_t *buf, enum vici_packet type)
{
	ssize_t n = receive(fd, buf);

	if (n < 0)
		return (int)n;
	/* A byte at least: NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	return buf[0] == type ? 0 : buf[0] == VICI_EVENT_UNKNOWN ? -EOPNOTSUPP : -EBADMSG;
}

/* A command whose answer is a stream of events; @take gets each of them. */
static int ask(struct doctor *d, int fd, uint8_t *buf, const char *command, const char *event,
	       const struct vici_buf *args, take_fn take)
{
	size_t skip = 2 + strlen(event);
	ssize_t n;
	int rc;

	rc = send_segment(fd, VICI_EVENT_REGISTER, event, NULL);
	if (!rc)
		rc = expect(fd, buf, VICI_EVENT_CONFIRM);
	if (!rc)
		rc = send_segment(fd, VICI_CMD_REQUEST, command, args);
	while (!rc) {
		n = receive(fd, buf);
		if (n < 0)
			return (int)n;
		if (buf[0] == VICI_CMD_RESPONSE)
			return 0;
		if (buf[0] == VICI_CMD_UNKNOWN)
			return -EOPNOTSUPP;
		if (buf[0] != VICI_EVENT || (size_t)n < skip || buf[1] != strlen(event) ||
		    memcmp(buf + 2, event, strlen(event)))
			return -EBADMSG;
		rc = take(d, buf + skip, (size_t)n - skip);
	}
	return rc;
}

/* ---- messages ---- */

static void put(char *buf, size_t size, struct vici_str s)
{
	snprintf(buf, size, "%.*s", (int)(s.len < size ? s.len : size - 1), s.s);
}

static uint64_t number(struct vici_str s, int base)
{
	uint64_t v;

	return vici_str_number(s, base, UINT64_MAX, &v) ? 0 : v;
}

/* The items of a list, joined by commas. */
static int take_list(struct vici_parser *p, char **text)
{
	struct vici_element e;
	size_t len = 0;
	int type;
	char *t;

	while ((type = vici_next(p, &e)) == VICI_LIST_ITEM) {
		t = realloc(*text, len + e.value.len + 2);
		if (!t)
			return -ENOMEM;
		*text = t;
		if (len)
			t[len++] = ',';
		memcpy(t + len, e.value.s, e.value.len);
		len += e.value.len;
		t[len] = '\0';
		if (strlen(t) != len)
			return -EBADMSG;
	}
	return type == VICI_LIST_END ? 0 : -EBADMSG;
}

static int take_child_list(struct vici_parser *p, struct vici_str name, char **local, char **remote)
{
	char *other = NULL;
	int rc = take_list(p, vici_str_is(name, "local-ts") && !*local	   ? local
			      : vici_str_is(name, "remote-ts") && !*remote ? remote
									   : &other);

	free(other);
	return rc;
}

static int take_child_conf(struct vici_parser *p, struct child_conf *c)
{
	struct vici_element e;
	int type, rc = 0;

	while (!rc && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_LIST_START)
			rc = take_child_list(p, e.name, &c->local_ts, &c->remote_ts);
		else if (type == VICI_SECTION_START)
			rc = vici_skip(p);
		else if (type != VICI_KEY_VALUE)
			rc = -EBADMSG;
		else if (vici_str_is(e.name, "mode"))
			put(c->mode, sizeof(c->mode), e.value);
		else if (vici_str_is(e.name, "dpd_action"))
			put(c->dpd_action, sizeof(c->dpd_action), e.value);
		else if (vici_str_is(e.name, "rekey_time"))
			c->rekey_time = number(e.value, 10);
		else if (vici_str_is(e.name, "rekey_bytes"))
			c->rekey_bytes = number(e.value, 10);
		else if (vici_str_is(e.name, "rekey_packets"))
			c->rekey_packets = number(e.value, 10);
	}
	return rc;
}

static int take_children(struct vici_parser *p, struct conn_conf *c)
{
	struct child_conf *child;
	struct vici_element e;
	int type, rc = 0;

	while (!rc && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type != VICI_SECTION_START)
			return type == VICI_KEY_VALUE ? 0 : -EBADMSG;
		child = reallocarray(c->child, c->nchild + 1, sizeof(*child));
		if (!child)
			return -ENOMEM;
		c->child = child;
		child += c->nchild++;
		memset(child, 0, sizeof(*child));
		rc = vici_str_dup(e.name, &child->name);
		if (!rc)
			rc = take_child_conf(p, child);
	}
	return rc;
}

static int take_remote(struct vici_parser *p, struct conn_conf *c)
{
	uint8_t addr[16];
	char *list = NULL;
	int rc = take_list(p, &list);

	if (list)
		list[strcspn(list, ",")] = '\0';
	if (list && (inet_pton(AF_INET, list, addr) == 1 || inet_pton(AF_INET6, list, addr) == 1)) {
		free(c->remote_addr);
		c->remote_addr = list;
		list = NULL;
	}
	free(list);
	return rc;
}

static int take_conn_element(struct vici_parser *p, const struct vici_element *e,
			     struct conn_conf *c)
{
	char *other = NULL;
	int rc = 0;

	if (e->type == VICI_LIST_START && vici_str_is(e->name, "remote_addrs")) {
		return take_remote(p, c);
	} else if (e->type == VICI_LIST_START) {
		rc = take_list(p, &other);
		free(other);
	} else if (e->type == VICI_SECTION_START) {
		return vici_str_is(e->name, "children") ? take_children(p, c) : vici_skip(p);
	} else if (vici_str_is(e->name, "unique")) {
		put(c->unique, sizeof(c->unique), e->value);
	} else if (vici_str_is(e->name, "dpd_delay")) {
		c->dpd_delay = number(e->value, 10);
	} else if (vici_str_is(e->name, "rekey_time")) {
		c->rekey_time = number(e->value, 10);
	} else if (vici_str_is(e->name, "reauth_time")) {
		c->reauth_time = number(e->value, 10);
	} else if (vici_str_is(e->name, "version")) {
		c->version = vici_str_is(e->value, "IKEv1") ? 1 : 2;
	}
	return rc;
}

int doctor_take_conn(struct doctor *d, const uint8_t *msg, size_t len)
{
	struct conn_conf *c = reallocarray(d->conn, d->nconn + 1, sizeof(*c));
	struct vici_parser p;
	struct vici_element e;
	int type, rc = -EBADMSG;

	if (!c)
		return -ENOMEM;
	d->conn = c;
	c += d->nconn++;
	memset(c, 0, sizeof(*c));
	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) == VICI_SECTION_START)
		rc = vici_str_dup(e.name, &c->name);
	while (!rc && (type = vici_next(&p, &e)) != VICI_SECTION_END)
		rc = type == VICI_KEY_VALUE || type == VICI_SECTION_START || type == VICI_LIST_START
			     ? take_conn_element(&p, &e, c)
			     : -EBADMSG;
	return rc;
}

static int take_sa_child(struct vici_parser *p, struct child_sa *sa)
{
	struct vici_element e;
	int type, rc = 0;

	while (!rc && (type = vici_next(p, &e)) != VICI_SECTION_END) {
		if (type == VICI_LIST_START)
			rc = take_child_list(p, e.name, &sa->local_ts, &sa->remote_ts);
		else if (type == VICI_SECTION_START)
			rc = vici_skip(p);
		else if (type != VICI_KEY_VALUE)
			rc = -EBADMSG;
		else if (vici_str_is(e.name, "name"))
			rc = vici_str_dup(e.value, &sa->child);
		else if (vici_str_is(e.name, "reqid"))
			sa->reqid = (uint32_t)number(e.value, 10);
		else if (vici_str_is(e.name, "spi-in"))
			sa->spi_in = (uint32_t)number(e.value, 16);
		else if (vici_str_is(e.name, "spi-out"))
			sa->spi_out = (uint32_t)number(e.value, 16);
		else if (vici_str_is(e.name, "if-id-out"))
			sa->if_id_out = (uint32_t)number(e.value, 16);
		else if (vici_str_is(e.name, "mark-in"))
			sa->mark_in = (uint32_t)number(e.value, 16);
		else if (vici_str_is(e.name, "protocol"))
			sa->proto = vici_str_is(e.value, "AH") ? IPPROTO_AH : IPPROTO_ESP;
	}
	return rc;
}

static int add_sa(struct doctor *d, struct vici_parser *p, struct vici_str conn)
{
	struct child_sa *sa = reallocarray(d->sa, d->nsa + 1, sizeof(*sa));
	int rc;

	if (!sa)
		return -ENOMEM;
	d->sa = sa;
	sa += d->nsa++;
	memset(sa, 0, sizeof(*sa));
	rc = vici_str_dup(conn, &sa->conn);
	if (!rc)
		rc = take_sa_child(p, sa);
	if (!rc && !sa->child)
		rc = -EBADMSG;
	return rc;
}

int doctor_take_sa(struct doctor *d, const uint8_t *msg, size_t len)
{
	struct vici_parser p;
	struct vici_element e;
	struct vici_str conn;
	int type, rc = 0;

	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) != VICI_SECTION_START)
		return -EBADMSG;
	conn = e.name;
	while (!rc && (type = vici_next(&p, &e)) != VICI_SECTION_END) {
		if (type < 0 || type == VICI_END)
			return -EBADMSG;
		if (type == VICI_SECTION_START && vici_str_is(e.name, "child-sas")) {
			while (!rc && (type = vici_next(&p, &e)) == VICI_SECTION_START)
				rc = add_sa(d, &p, conn);
			if (!rc && type != VICI_SECTION_END)
				rc = -EBADMSG;
		} else if (type == VICI_SECTION_START || type == VICI_LIST_START) {
			rc = vici_skip(&p);
		}
	}
	return rc;
}

/* Its section is "CONNECTION/CHILD", or "CHILD" of older ones; the keys tell both. */
int doctor_take_policy(struct doctor *d, const uint8_t *msg, size_t len)
{
	char child[256] = "", ike[256] = "", both[520], **trap;
	struct vici_parser p;
	struct vici_element e;
	int type, rc = 0;

	vici_parser_init(&p, msg, len);
	if (vici_next(&p, &e) != VICI_SECTION_START)
		return -EBADMSG;
	while (!rc && (type = vici_next(&p, &e)) != VICI_SECTION_END) {
		if (type < 0 || type == VICI_END)
			return -EBADMSG;
		if (type == VICI_SECTION_START || type == VICI_LIST_START)
			rc = vici_skip(&p);
		else if (vici_str_is(e.name, "child"))
			put(child, sizeof(child), e.value);
		else if (vici_str_is(e.name, "ike"))
			put(ike, sizeof(ike), e.value);
	}
	if (rc || !*child)
		return rc;
	snprintf(both, sizeof(both), "%s/%s", ike, child);
	trap = reallocarray(d->trap, d->ntrap + 1, sizeof(*trap));
	if (!trap)
		return -ENOMEM;
	d->trap = trap;
	trap[d->ntrap] = strdup(both);
	return trap[d->ntrap++] ? 0 : -ENOMEM;
}

/* ---- all of it ---- */

static int connect_stock(struct doctor *d, const char **path)
{
	json_t *ike = json_object_get(d->status, "daemon");
	const char *const *p;
	int fd = -ENOENT;

	*path = json_string_value(json_object_get(ike, "vici"));
	if (*path)
		return dial(*path);
	/* That one is not there says less than that it refuses. */
	for (p = stock_paths; fd == -ENOENT && *p; p++) {
		*path = *p;
		fd = dial(*p);
	}
	if (fd == -ENOENT)
		*path = stock_paths[0];
	return fd;
}

static int ask_all(struct doctor *d, int fd, uint8_t *buf)
{
	struct vici_buf noblock = { 0 }, trap = { 0 };
	int rc;

	vici_put(&noblock, "noblock", "yes");
	vici_put(&trap, "trap", "yes");
	rc = ask(d, fd, buf, "list-conns", "list-conn", NULL, doctor_take_conn);
	if (!rc)
		rc = ask(d, fd, buf, "list-sas", "list-sa", &noblock, doctor_take_sa);
	if (!rc)
		rc = ask(d, fd, buf, "list-policies", "list-policy", &trap, doctor_take_policy);
	vici_buf_free(&noblock);
	vici_buf_free(&trap);
	return rc;
}

void doctor_ask_ike(struct doctor *d)
{
	const char *backend =
		json_string_value(json_object_get(json_object_get(d->status, "daemon"), "backend"));
	uint8_t *buf = NULL;
	const char *path;
	int fd, rc;

	if (d->ike_asked)
		return;
	d->ike_asked = true;
	if (backend ? !strcmp(backend, "libreswan") : doctor_pluto(d)) {
		snprintf(d->ike_why, sizeof(d->ike_why),
			 "only strongSwan's connections are looked at, and this is libreswan");
		return;
	}
	fd = connect_stock(d, &path);
	if (fd >= 0)
		buf = malloc(VICI_SEGMENT_MAX);
	rc = fd < 0 ? fd : buf ? ask_all(d, fd, buf) : -ENOMEM;
	if (fd >= 0)
		close(fd);
	free(buf);
	if (rc)
		snprintf(d->ike_why, sizeof(d->ike_why), "cannot ask strongSwan at %.100s: %s",
			 path, strerror(-rc));
}

static void forget_child(struct child_conf *c)
{
	free(c->name);
	free(c->local_ts);
	free(c->remote_ts);
}

void doctor_forget_ike(struct doctor *d)
{
	size_t i, k;

	for (i = 0; i < d->nconn; i++) {
		for (k = 0; k < d->conn[i].nchild; k++)
			forget_child(&d->conn[i].child[k]);
		free(d->conn[i].child);
		free(d->conn[i].name);
		free(d->conn[i].remote_addr);
	}
	for (i = 0; i < d->nsa; i++) {
		free(d->sa[i].conn);
		free(d->sa[i].child);
		free(d->sa[i].local_ts);
		free(d->sa[i].remote_ts);
	}
	for (i = 0; i < d->ntrap; i++)
		free(d->trap[i]);
	free(d->conn);
	free(d->sa);
	free(d->trap);
	d->conn = NULL;
	d->sa = NULL;
	d->trap = NULL;
	d->nconn = 0;
	d->nsa = 0;
	d->ntrap = 0;
}
