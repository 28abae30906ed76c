// SPDX-License-Identifier: GPL-2.0-only
/*
 * vici - asks charon one thing over VICI, for scripts: swanctl takes half a
 * second to start in an emulated machine, too long between a fault and its cure.
 *
 *	vici SOCKET COMMAND [KEY=VALUE...]
 *		prints the answer (and, for the list commands, every event before it)
 *		as KEY=VALUE, sections joined by dots. Exit status 1 if the answer says
 *		success=no.
 *	vici SOCKET sas
 *		a line for each CHILD_SA: connection, its number and state, child, its
 *		number and state, SPI in, SPI out, packets in, tasks of the IKE_SA
 *		("-" if none). An IKE_SA without children has "-" in the child's place.
 *
 * The protocol: a 32-bit length, a type, a name for requests and events, then a
 * message of tagged elements.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum packet_type {
	CMD_REQUEST,
	CMD_RESPONSE,
	CMD_UNKNOWN,
	EVENT_REGISTER,
	EVENT_UNREGISTER,
	EVENT_CONFIRM,
	EVENT_UNKNOWN,
	EVENT,
};

enum element {
	SECTION_START = 1,
	SECTION_END,
	KEY_VALUE,
	LIST_START,
	LIST_ITEM,
	LIST_END,
};

#define MAX_PACKET (512 * 1024)
#define MAX_DEPTH 8
#define ANSWER_SECONDS 30

static uint8_t packet[MAX_PACKET];
static int sock;

/* One CHILD_SA, or what is known of it so far, for "sas". */
struct sa {
	char conn[64], ike_id[16], ike_state[32], tasks[256];
	char child[64], id[16], state[32], in[16], out[16], packets[24];
	unsigned int children;
};

static bool failed;

static void die(const char *what)
{
	error(3, errno, "vici: %s", what);
}

static void write_all(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = send(sock, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		p += n;
		len -= n;
	}
}

static void read_all(void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = recv(sock, p, len, 0);

		if (n <= 0)
			die("no answer");
		p += n;
		len -= n;
	}
}

static void send_packet(enum packet_type type, const char *name, const void *body, size_t len)
{
	size_t n = strlen(name);
	uint32_t total = htonl(2 + n + len);
	uint8_t head[2] = { type, n };

	write_all(&total, sizeof(total));
	write_all(head, sizeof(head));
	write_all(name, n);
	write_all(body, len);
}

static size_t receive_packet(void)
{
	uint32_t len;

	read_all(&len, sizeof(len));
	len = ntohl(len);
	if (!len || len > sizeof(packet))
		error(3, 0, "vici: a packet of %u bytes", len);
	read_all(packet, len);
	return len;
}

static size_t put_pair(uint8_t *to, const char *pair)
{
	const char *eq = strchr(pair, '=');
	size_t key, value, n = 0;

	if (!eq || eq == pair)
		error(2, 0, "'%s' is not KEY=VALUE", pair);
	key = eq - pair;
	value = strlen(eq + 1);
	if (key > 255 || value > 1000)
		error(2, 0, "'%s' is too long", pair);
	to[n++] = KEY_VALUE;
	to[n++] = key;
	memcpy(to + n, pair, key);
	n += key;
	to[n++] = value >> 8;
	to[n++] = value;
	memcpy(to + n, eq + 1, value);
	return n + value;
}

/* What is too long is cut: nothing of the lab's own making is. */
static void copy(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

static void print_sa(const struct sa *s)
{
	printf("%s %s %s %s %s %s %s %s %s %s\n", s->conn, s->ike_id, s->ike_state, s->child, s->id,
	       s->state, s->in, s->out, s->packets, s->tasks);
}

/* path[0] is the connection, path[1] "child-sas", path[2] the child's key. */
static void sas_value(struct sa *s, unsigned int depth, const char *key, const char *value)
{
	static const struct {
		const char *key;
		unsigned int depth;
		size_t at, size;
	} map[] = {
#define FIELD(k, d, f) { k, d, offsetof(struct sa, f), sizeof(((struct sa *)0)->f) }
		FIELD("uniqueid", 1, ike_id), FIELD("state", 1, ike_state),
		FIELD("name", 3, child),      FIELD("uniqueid", 3, id),
		FIELD("state", 3, state),     FIELD("spi-in", 3, in),
		FIELD("spi-out", 3, out),     FIELD("packets-in", 3, packets),
	};
	size_t i;

	for (i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (map[i].depth == depth && !strcmp(map[i].key, key))
			copy((char *)s + map[i].at, map[i].size, value);
}

static void sas_start(struct sa *s, unsigned int depth, const char *name)
{
	if (depth == 1) {
		memset(s, 0, sizeof(*s));
		copy(s->conn, sizeof(s->conn), name);
		copy(s->ike_id, sizeof(s->ike_id), "-");
		copy(s->ike_state, sizeof(s->ike_state), "-");
		copy(s->tasks, sizeof(s->tasks), "-");
	}
	if (depth == 1 || depth == 3) {
		copy(s->child, sizeof(s->child), "-");
		copy(s->id, sizeof(s->id), "-");
		copy(s->state, sizeof(s->state), "-");
		copy(s->in, sizeof(s->in), "-");
		copy(s->out, sizeof(s->out), "-");
		copy(s->packets, sizeof(s->packets), "-");
	}
}

static void sas_end(struct sa *s, unsigned int depth)
{
	if (depth == 3) {
		s->children++;
		print_sa(s);
	} else if (depth == 1 && !s->children) {
		print_sa(s);
	}
}

/* Reads a name (length in one byte) or a value (in two). */
static const uint8_t *text(const uint8_t *p, const uint8_t *end, int width, char *to, size_t size)
{
	size_t len;

	if (end - p < width)
		error(3, 0, "vici: a message is cut short");
	len = width == 1 ? p[0] : p[0] << 8 | p[1];
	p += width;
	if ((size_t)(end - p) < len)
		error(3, 0, "vici: a message is cut short");
	snprintf(to, size, "%.*s", (int)len, (const char *)p);
	return p + len;
}

static void add_task(struct sa *s, const char *list, const char *task)
{
	size_t n = strlen(s->tasks);

	if (strncmp(list, "tasks-", 6) || !strcmp(list, "tasks-passive"))
		return;
	if (!strcmp(s->tasks, "-"))
		n = 0;
	snprintf(s->tasks + n, sizeof(s->tasks) - n, "%s%s", n ? "," : "", task);
}

static void take_message(const uint8_t *p, const uint8_t *end, bool sas)
{
	char path[MAX_DEPTH][256] = { "" }, list[256] = "", key[256], value[4096];
	unsigned int depth = 0, i;
	static struct sa s;

	while (p < end) {
		enum element e = *p++;

		if (e == SECTION_START || e == KEY_VALUE || e == LIST_START)
			p = text(p, end, 1, key, sizeof(key));
		if (e == KEY_VALUE || e == LIST_ITEM)
			p = text(p, end, 2, value, sizeof(value));
		if (e == SECTION_START && depth < MAX_DEPTH) {
			copy(path[depth++], sizeof(path[0]), key);
			if (sas)
				sas_start(&s, depth, key);
		} else if (e == SECTION_END && depth) {
			if (sas)
				sas_end(&s, depth);
			depth--;
		} else if (e == LIST_START) {
			copy(list, sizeof(list), key);
		} else if (e == KEY_VALUE || e == LIST_ITEM) {
			const char *name = e == KEY_VALUE ? key : list;

			if (!depth && !strcmp(name, "success") && !strcmp(value, "no"))
				failed = true;
			if (sas && e == KEY_VALUE)
				sas_value(&s, depth, name, value);
			if (sas && e == LIST_ITEM && depth == 1)
				add_task(&s, list, value);
			if (sas)
				continue;
			for (i = 0; i < depth; i++)
				printf("%s.", path[i]);
			printf("%s=%s\n", name, value);
		}
	}
}

static const char *event_of(const char *command)
{
	if (!strcmp(command, "list-sas"))
		return "list-sa";
	if (!strcmp(command, "list-conns"))
		return "list-conn";
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = ANSWER_SECONDS };
	const char *command, *event;
	static uint8_t body[8192];
	size_t len = 0, n;
	bool sas;
	int i;

	if (argc < 3) {
		fputs("Usage: vici SOCKET sas|COMMAND [KEY=VALUE...]\n", stderr);
		return 2;
	}
	sas = !strcmp(argv[2], "sas");
	command = sas ? "list-sas" : argv[2];
	event = event_of(command);
	copy(to.sun_path, sizeof(to.sun_path), argv[1]);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (void *)&to, sizeof(to)))
		die(argv[1]);
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (event) {
		send_packet(EVENT_REGISTER, event, NULL, 0);
		receive_packet();
		if (packet[0] != EVENT_CONFIRM)
			error(3, 0, "vici: event %s is unknown", event);
	}
	for (i = 3; i < argc; i++) {
		if (len + strlen(argv[i]) + 8 > sizeof(body))
			error(2, 0, "too many arguments");
		len += put_pair(body + len, argv[i]);
	}
	send_packet(CMD_REQUEST, command, body, len);
	do {
		n = receive_packet();
		if (packet[0] == CMD_UNKNOWN)
			error(3, 0, "vici: command %s is unknown", command);
		if (packet[0] == EVENT && n >= 2 && n >= 2u + packet[1])
			take_message(packet + 2 + packet[1], packet + n, sas);
	} while (packet[0] != CMD_RESPONSE);
	/* the answer to a list command has nothing of interest */
	if (!sas)
		take_message(packet + 1, packet + n, false);
	return failed;
}
