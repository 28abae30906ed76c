/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an IKE daemon's backend is to ike.c: a table of functions, each of which does
 * what the one of ike.h does, and what all backends have.
 *
 *   ike_vici*.c   strongSwan, over VICI
 *   ike_whack*.c  libreswan, by its program whack
 */
#ifndef INVSPID_IKE_BACKEND_H
#define INVSPID_IKE_BACKEND_H

#include "ike.h"

#define IKE_WHY_MAX 256

struct ike_backend;

/**
 * struct ike_ops - functions of a backend
 * @name: of the daemon, for people
 * @word: the same as the value of the key `ike'
 * @words: its commands, for advice
 * @disruptive: the most that can be interrupted with it
 * @hint: the kernel's SAs have changed; NULL if the daemon tells by itself
 */
struct ike_ops {
	const char *name, *word;
	struct ike_words words;
	enum disruptive disruptive;
	void (*free)(struct ike_backend *b);
	void (*list)(struct ike_backend *b, const char *conn, bool blocking, ike_list_cb cb,
		     void *arg);
	void (*reload_conns)(struct ike_backend *b, ike_done_cb cb, void *arg);
	void (*rekey_child)(struct ike_backend *b, uint32_t child_id, ike_done_cb cb, void *arg);
	void (*initiate)(struct ike_backend *b, const char *conn, const char *child,
			 int64_t timeout_ms, bool sparing, ike_done_cb cb, void *arg);
	bool (*copy_check)(const struct ike_copy *copy, char *why, size_t size);
	void (*load_copy)(struct ike_backend *b, const struct ike_copy *copy, ike_done_cb cb,
			  void *arg);
	void (*unload_copy)(struct ike_backend *b, const char *name, ike_done_cb cb, void *arg);
	void (*terminate_ike)(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
	void (*terminate_child)(struct ike_backend *b, uint32_t child_id, int64_t timeout_ms,
				ike_done_cb cb, void *arg);
	void (*reauth)(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg);
	uint32_t (*queued)(struct ike_backend *b);
	void (*hint)(struct ike_backend *b);
};

/**
 * struct ike_backend - what all backends have; the first member of each
 * @ike: whose it is; NULL once that is freed
 * @ev, @arg: of the user, but empty while another backend serves; @ev.state is not for
 *	the backend, see ike_backend_tell()
 * @state, @why: of its daemon
 * @pid, @starttime: of the daemon that it was last connected to
 * @conns: as last listed
 * @updown: IKE_SAs seen to come, go, or be rekeyed
 */
struct ike_backend {
	const struct ike_ops *ops;
	struct ike *ike;
	struct ike_events ev;
	void *arg;
	enum daemon_state state;
	char why[IKE_WHY_MAX];
	pid_t pid;
	uint64_t starttime;
	struct ike_conns conns;
	uint64_t updown;
};

/* Return: the backend, which begins to connect from the loop; NULL with errno. */
struct ike_backend *ike_vici_new(uv_loop_t *loop, const struct ike_options *opt);
struct ike_backend *ike_whack_new(uv_loop_t *loop, const struct ike_options *opt);

/* @state or @why has changed: tells whoever listens. The user may free @b->ike then. */
void ike_backend_tell(struct ike_backend *b);
/* Sets them, and tells if that is news. */
void ike_backend_state(struct ike_backend *b, enum daemon_state state, const char *why);
/* How long to wait before the next try: *@ms, more or less. Doubles that, up to @max_ms. */
int64_t ike_backend_pause(int64_t *ms, int64_t max_ms);

/* ike_conns.c: give back what the structures hold, and zero them */
void ike_conn_clear(struct ike_conn *conn);
void ike_conns_clear(struct ike_conns *conns);

/* ike_peer.c */
uint64_t ike_process_start(pid_t pid);
bool ike_same_namespace(pid_t pid, char *why, size_t size);

#endif
