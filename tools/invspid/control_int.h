/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the control socket.
 *
 *   control.c          the socket, its clients, and who answers what
 *   control_status.c   status
 *   control_top.c      top, and which connections need attention
 *   control_explain.c  explain, and what recover shares with it
 *   control_set.c      hold, mode, peer retry
 *   control_recover.c  recover, and explain for a connection
 *   control_record.c   record
 *   control_peer.c     who is at the other end
 */
#ifndef INVSPID_CONTROL_INT_H
#define INVSPID_CONTROL_INT_H

#include <jansson.h>

#include "daemon.h"
#include "json.h"

#define REQUEST_MAX 4096

struct by_hand;

/* Who is at the other end of a client's socket. */
enum control_peer {
	PEER_NOBODY,
	PEER_RECORDS, /* in record_group: may ask for a recording */
	PEER_ROOT, /* or whoever we are */
};

/* @group: name of record_group, NULL if there is none */
enum control_peer control_peer(int fd, const char *group);

/**
 * struct client - who asked
 * @peer: see there
 * @args: the request
 * @by_hand: what is under way for it, see control_recover.c
 * @closing: handles that are still to be closed; nothing may be answered then
 */
struct client {
	struct client *next;
	struct control *c;
	struct invspid *d;
	enum control_peer peer;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	char request[REQUEST_MAX];
	size_t len;
	char *answer;
	json_t *args;
	struct by_hand *by_hand;
	int closing;
};

/* Takes the reference. Each request gets exactly one answer. */
void client_answer(struct client *cl, json_t *j);
/* @format has one %s, for @value. */
void client_refuse(struct client *cl, const char *format, const char *value);
/* The answer takes this long: the client is not cut off before. */
void client_wait(struct client *cl, uint64_t ms);

/* A text member of the request, NULL if it has none. */
const char *client_arg(const struct client *cl, const char *key);
/* The member "conn"; refuses and returns NULL if there is none. */
const char *client_conn(struct client *cl, const char *or_all);

json_t *json_addr(int family, const uint8_t *addr);

void do_status(struct client *cl);
void do_top(struct client *cl);
void do_explain(struct client *cl);
void do_hold_add(struct client *cl);
void do_hold_del(struct client *cl);
void do_hold_show(struct client *cl);
void do_mode_set(struct client *cl);
void do_mode_show(struct client *cl);
void do_peer_retry(struct client *cl);
void do_peer_show(struct client *cl);
void do_recover(struct client *cl);
void do_record_status(struct client *cl);
void do_record_take(struct client *cl);
void do_record_live(struct client *cl);
void do_record_delete(struct client *cl);

/* What status tells. */
json_t *status_json(struct invspid *d);
/* The connections that are out of step, or given up. */
json_t *attention_json(struct invspid *d);

/* A flow and @dec: what top and explain have in common. */
json_t *flow_json(const struct tracked *t, const struct decision *dec);

/* A flow, its evidence, and @dec, which may differ from the flow's own decision. */
json_t *explain_flow(const struct tracked *t, const struct decision *dec);

/* explain for the request's "conn", which need not have flows. */
void explain_conn(struct client *cl);

/* Forgets what is under way for a client that goes. */
void by_hand_free(struct client *cl);

#endif
