/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VICI messages as the structures of ike.h. Pure: a message goes in, a structure
 * or an error comes out, and what was built until an error is freed.
 */
#ifndef INVSPID_IKE_VICI_PARSE_H
#define INVSPID_IKE_VICI_PARSE_H

#include "ike_backend.h"
#include "vici.h"

/**
 * struct vici_updown - an ike-updown or child-updown event
 * @up: else down
 * @sa: the IKE_SA; of its children only the one that the event is about, if any
 */
struct vici_updown {
	bool up;
	struct ike_sa sa;
};

/* A child-rekey event: @sa is the IKE_SA, without children. */
struct vici_rekey {
	struct ike_sa sa;
	struct ike_child old, new;
};

/* A log event. Texts are parts of the message. */
struct vici_log {
	struct vici_str group, conn, msg;
	uint32_t ike_id; /* 0: the line belongs to no IKE_SA */
	uint32_t thread;
};

/* An answer to a command: "success", "matches" and "errmsg" of it. */
struct vici_answer {
	bool success;
	uint32_t matches;
	char *errmsg; /* NULL if none; to be freed */
};

/* All return 0, -EBADMSG or -ENOMEM. What they fill must be zero before. */
int parse_list_sa(const uint8_t *msg, size_t len, struct ike_sa *sa);
int parse_list_conn(const uint8_t *msg, size_t len, struct ike_conn *conn);
int parse_updown(const uint8_t *msg, size_t len, struct vici_updown *updown);
int parse_rekey(const uint8_t *msg, size_t len, struct vici_rekey *rekey);
int parse_log(const uint8_t *msg, size_t len, struct vici_log *log);
int parse_answer(const uint8_t *msg, size_t len, struct vici_answer *answer);

/**
 * parse_stats() - the answer to `stats`
 * @libipsec: set if the daemon does ESP in user space (plugin kernel-libipsec)
 */
int parse_stats(const uint8_t *msg, size_t len, bool *libipsec);

/* The jobs in all queues, from the same answer. */
int parse_queues(const uint8_t *msg, size_t len, uint32_t *jobs);

/* The answer to `version`; *@version is malloc'd. */
int parse_version(const uint8_t *msg, size_t len, char **version);

/* Interned, in the place of an earlier text. Return: 0, -EBADMSG or -ENOMEM. */
int parse_text(struct vici_str str, char **text);

/* A literal address, or family 0: %any, a name, a range, a subnet. */
void parse_addr_text(struct vici_str s, struct ike_addr *addr);

/* Whether this is the name of a copy; then *@original is the part that names the original. */
bool parse_copy_name(struct vici_str name, struct vici_str *original);

int ike_conns_add_copy(struct ike_conns *conns, const char *name);

#endif
