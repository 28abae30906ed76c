/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IKE daemon, seen from the helper. A backend (ike_backend.h) turns its
 * daemon's words into these structures and events. Everything is asynchronous:
 * a call returns at once and its callback comes from the loop, exactly once,
 * also on timeout and on loss of the daemon.
 *
 * Strings come from outside (identities, names): they may hold any byte but
 * NUL, and whoever shows them escapes them. In listings none is NULL: what is not
 * known is empty.
 */
#ifndef INVSPID_IKE_H
#define INVSPID_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include "decide.h"

/* An address as in struct invspi_flow: family AF_INET, AF_INET6, or 0 if none. */
struct ike_addr {
	uint8_t family;
	uint8_t addr[16];
};

static inline bool ike_addr_is(const struct ike_addr *a, int family, const uint8_t *addr)
{
	return a->family == family && !memcmp(a->addr, addr, family == AF_INET ? 4 : 16);
}

static inline bool ike_addr_same(const struct ike_addr *a, const struct ike_addr *b)
{
	return ike_addr_is(a, b->family, b->addr);
}

enum ike_state {
	IKE_OTHER,
	IKE_CONNECTING,
	IKE_ESTABLISHED,
	IKE_REKEYING,
	IKE_PASSIVE,
	IKE_DELETING
};

enum child_state {
	CHILD_OTHER,
	CHILD_INSTALLED,
	CHILD_REKEYING,
	CHILD_REKEYED,
	CHILD_DELETING,
	CHILD_DELETED
};

/* Its strings are those of a backend, and only that one frees them. */
struct ike_child {
	char *name; /* name in the configuration */
	uint32_t uniqueid;
	uint32_t reqid;
	enum child_state state;
	uint8_t proto; /* 50, 51 */
	uint32_t spi_in, spi_out; /* host order */
	uint32_t if_id_in, if_id_out;
	uint32_t mark_in, mark_in_mask, mark_out, mark_out_mask;
	bool encap;
	bool spare; /* CHILD_REKEYED, but as usable as the one that came after it */
	const char *no_copy; /* static: what a copy could not have, NULL if nothing */
	char *mode; /* TUNNEL, TRANSPORT, BEET ... */
	char *algs; /* "AES_GCM_16-128/..." as negotiated */
	bool no_group; /* the daemon tells groups, and none of this one; see history_sync.c */
	char *local_ts, *remote_ts; /* comma separated */
	uint64_t packets_in;
	int64_t install_age_s;
};

/**
 * struct ike_sa - an IKE_SA
 * @name: what the daemon calls the connection that made it
 * @conn: the same, but the original if that one is a copy, see ike_load_copy()
 * @spi_initiator: of its initiator, host order; 0 if not known
 * @algs: "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519" as negotiated
 * @no_copy: static: what a copy could not have (a virtual IP), NULL if nothing
 * @again: it is listed under its own number, too; @uniqueid is made up
 */
struct ike_sa {
	char *name, *conn;
	uint32_t uniqueid;
	int version;
	enum ike_state state;
	bool initiator, nat, again;
	bool unanswered; /* half-made, and the peer has answered nothing; VICI does not tell */
	uint64_t spi_initiator;
	struct ike_addr local, remote;
	uint16_t local_port, remote_port;
	char *local_id, *remote_id;
	char *algs;
	const char *no_copy;
	bool task_child; /* a CHILD_* task is active or queued */
	bool task_any; /* any task is active or queued */
	struct ike_child *child;
	size_t nchild;
};

/* What is left of a child in a listing that is not the newest: see ike_listing_age(). */
struct ike_trace {
	char *name;
	uint32_t sa; /* number of its IKE_SA in the listing */
	uint32_t uniqueid;
	uint32_t spi_in; /* host order */
	uint8_t proto; /* 50, 51 */
	uint8_t state; /* enum child_state */
};

/**
 * struct ike_listing - one answer to "what SAs are there"
 * @started: when it was asked for, CLOCK_BOOTTIME ms
 * @ended: when it was complete
 * @blocking: every IKE_SA is in it; a non-blocking one may lack those that a
 *	thread of the daemon held just then
 * @filtered: only the IKE_SAs of one connection
 * @updown: ike_updowns() at @started
 * @child: NULL, or the children of all IKE_SAs, in one block: many small ones, made and
 *	freed again and again, would leave the heap full of holes
 * @trace: NULL, or what is left of the children: the IKE_SAs have none any more
 * @index: see listing.h
 * @ref: listings are shared; ike_listing_get() and _put()
 */
struct ike_listing {
	int64_t started, ended;
	bool blocking;
	bool filtered;
	uint64_t updown;
	struct ike_sa *sa;
	size_t nsa;
	struct ike_child *child;
	size_t nchild, child_room;
	struct ike_trace *trace;
	size_t ntrace;
	struct listing_index *index;
	unsigned int ref;
};

/* Where its IKE_SAs end: C knows no sum of NULL and 0. */
static inline struct ike_sa *ike_sa_end(const struct ike_listing *l)
{
	return l->nsa ? l->sa + l->nsa : l->sa;
}

#define IKE_SETTING_MAX 1000 /* bytes of a value that the operator gave */

/* A key of a connection, or of one of its children: @child is not NULL then. */
struct ike_setting {
	char *child, *key, *value;
};

/**
 * struct ike_conn - a connection of the daemon's configuration
 * @auth_local, @auth_remote: "psk", "pubkey", or empty if there is not one round of one
 *	of them
 * @no_copy: static: what a copy of it could not have, NULL if nothing
 * @told: those of its keys that the daemon tells and that a copy needs
 */
struct ike_conn {
	char *name;
	struct ike_addr *remote; /* literal remote addresses */
	size_t nremote;
	bool dynamic; /* %any, or names and ranges only */
	struct ike_addr *local;
	size_t nlocal;
	char **child; /* names of its children */
	size_t nchild;
	int version; /* 0 = any */
	bool eap_or_vip; /* EAP, XAuth or a virtual IP */
	char *unique;
	const char *auth_local, *auth_remote;
	const char *no_copy;
	struct ike_setting *told;
	size_t ntold;
};

/* @copy: names of the copies that are loaded; they are not among @conn. */
struct ike_conns {
	struct ike_conn *conn;
	size_t nconn;
	char **copy;
	size_t ncopy;
	struct conns_index *index;
};

struct ike;

/**
 * struct ike_kernel - what the kernel's SA has that a daemon does not tell
 * @there: the kernel has it
 * @encap: ESP in UDP, from @sport to @dport
 */
struct ike_kernel {
	bool there, encap;
	uint16_t sport, dport;
	uint32_t reqid, if_id, mark, mark_mask;
};

/**
 * struct ike_events - what a backend tells; all optional, all from the loop
 * @state: the daemon's state or the reason for it changed (see enum daemon_state);
 *	@why is text for the log
 * @child_up: a CHILD_SA was installed. Its SPI may still be unknown then: list.
 * @child_down: CHILD_SA with inbound @spi_in of connection @conn is gone, and why as
 *	far as the daemon's messages tell: END_DELETED_LOCAL if nothing else is known,
 *	END_DAEMON_LOST if the daemon is stopping; END_REKEYED if it was reauthenticated
 *	or the peer had lost it, and the daemon makes a new one. May come 250 ms late,
 *	and before @state tells of a loss. A daemon that crashes tells nothing of this.
 * @child_rekey: @old was replaced by @new; there is no @child_down for @old
 * @ike_updown: an IKE_SA came or went
 * @conns: the connections were listed: ike_conns() is new; or they are as before, told
 *	every 5 s
 * @log: a line of the daemon's log, level 1 and below; never secrets. @conn is NULL
 *	and @ike_id 0 if it belongs to no IKE_SA.
 * @kernel: not an event: a backend asks for the kernel's SA, and fills in what its daemon
 *	does not tell
 *
 * Every one of them may call ike_free().
 */
struct ike_events {
	void (*state)(void *arg, enum daemon_state state, const char *why);
	void (*child_up)(void *arg, const char *conn, const char *child);
	void (*child_down)(void *arg, const char *conn, const char *child, uint32_t spi_in,
			   uint8_t proto, enum sa_end end);
	void (*child_rekey)(void *arg, const char *conn, const char *child, uint32_t spi_old,
			    uint32_t spi_new, uint8_t proto);
	void (*ike_updown)(void *arg, const char *conn, const char *remote_id, uint32_t ike_id,
			   bool up);
	void (*conns)(void *arg);
	void (*log)(void *arg, const char *group, const char *conn, uint32_t ike_id,
		    const char *msg);
	void (*kernel)(void *arg, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		       struct ike_kernel *kernel);
};

/* Which IKE daemon; IKE_AUTO: the one that is there. */
enum ike_kind { IKE_AUTO, IKE_STRONGSWAN, IKE_LIBRESWAN };

struct ike_options {
	enum ike_kind kind;
	const char *vici; /* socket of strongSwan; NULL = stock places */
	const char *rundir, *whack; /* of libreswan; NULL = stock places */
	const char *pluto_log; /* its log file; NULL = where it says that it is */
	int64_t settle_ms; /* connections must be unchanged so long: 1000 */
	int64_t timeout_ms; /* per request: 2000 */
	int64_t backoff_min_ms, backoff_max_ms; /* reconnect: 250 to 60000 */
};

/**
 * ike_new() - connects by itself and goes on trying
 *
 * Makes sure that the daemon's network namespace is ours, and that it leaves ESP to the
 * kernel; reports DAEMON_FOREIGN and stays away otherwise, looking again now and then.
 * Return: the daemon, or NULL with errno.
 */
struct ike *ike_new(uv_loop_t *loop, const struct ike_options *opt, const struct ike_events *ev,
		    void *arg);

/*
 * Closes handles; pending callbacks come with -ECANCELED before it returns. The loop
 * must run once more for the memory to be freed.
 */
void ike_free(struct ike *ike);

enum daemon_state ike_state(const struct ike *ike);

/* The daemon's name, for people: strongSwan; and in our words: strongswan. */
const char *ike_name(const struct ike *ike);
const char *ike_word(const struct ike *ike);

/**
 * struct ike_words - the daemon's own commands, as advice names them
 * @initiate, @initiate_end: what stands before and after the connection's name
 * @initiate_to: ... and then before the address of a peer that has none of its own; NULL
 *	if there is no such command
 * @list_conns: names the connections
 */
struct ike_words {
	const char *initiate, *initiate_end, *initiate_to, *list_conns;
};

const struct ike_words *ike_words(const struct ike *ike);

/* The most that can be interrupted with this daemon. */
enum disruptive ike_disruptive(const struct ike *ike);

/* The kernel's SAs have changed. A daemon that tells nothing by itself is looked at then. */
void ike_hint(struct ike *ike);

/*
 * Identity of the daemon last connected to, 0 before the first: pid and start time
 * (clock ticks since boot).
 */
void ike_instance(const struct ike *ike, pid_t *pid, uint64_t *starttime);
/* Connections as last listed; valid until the loop runs again. */
const struct ike_conns *ike_conns(const struct ike *ike);
/* Number of IKE_SAs seen to come, go, or be rekeyed (their children move) so far. */
uint64_t ike_updowns(const struct ike *ike);

/* Strings are interned; what is cleared is all zero. */
void ike_child_clear(struct ike_child *child);
void ike_sa_clear(struct ike_sa *sa);

/*
 * Takes the children of @sa over into the block of a listing that is being made; the
 * IKE_SA is added to it next. 0 or -ENOMEM. listing_index() gives the IKE_SAs theirs.
 */
int ike_listing_take_children(struct ike_listing *l, struct ike_sa *sa);

struct ike_listing *ike_listing_get(struct ike_listing *l);
void ike_listing_put(struct ike_listing *l);
/*
 * A newer one has come: all that it is still asked for are traces of its children, a
 * seventh of their size. Nobody may hold a pointer to a child of it. Without memory it
 * stays as it is.
 */
void ike_listing_age(struct ike_listing *l);

/*
 * err: 0, -ETIMEDOUT, -ENOTCONN, -EBADMSG, -ECANCELED; -EBUSY: too many blocking ones
 * hang already; -EMSGSIZE: the daemon left out an IKE_SA that is too large for it to
 * list. listing is NULL on error; get it to keep it.
 */
typedef void (*ike_list_cb)(void *arg, int err, struct ike_listing *listing);
/*
 * conn NULL = all. blocking: complete, but may hang behind a busy IKE_SA: then
 * -ETIMEDOUT. It waits for every IKE_SA of the daemon, of whatever connection.
 */
void ike_list(struct ike *ike, const char *conn, bool blocking, ike_list_cb cb, void *arg);

/* Refresh ike_conns(). */
typedef void (*ike_done_cb)(void *arg, int err, const char *errmsg);
void ike_reload_conns(struct ike *ike, ike_done_cb cb, void *arg);

/*
 * err 0 = queued (not: done); -ENOENT = no such CHILD_SA; -EIO = refused or failed, as
 * errmsg says, which is the daemon's text or NULL; -EBUSY = eight commands hang already;
 * or as for listings.
 */
void ike_rekey_child(struct ike *ike, uint32_t child_id, ike_done_cb cb, void *arg);
/*
 * timeout_ms > 0; -ETIMEDOUT: the daemon goes on trying in the background. -EIO: also
 * if the child is up already. -ENOENT: not configured.
 * sparing: a peer that has answered nothing gets three datagrams at most, if it is ended
 * then; so -ETIMEDOUT may come earlier.
 */
void ike_initiate(struct ike *ike, const char *conn, const char *child, int64_t timeout_ms,
		  bool sparing, ike_done_cb cb, void *arg);
/**
 * struct ike_copy_child - a child of a copy, as it was negotiated
 */
struct ike_copy_child {
	const char *name, *mode, *algs, *local_ts, *remote_ts;
	uint8_t proto;
	uint32_t if_id_in, if_id_out;
	uint32_t mark_in, mark_in_mask, mark_out, mark_out_mask;
};

/**
 * struct ike_copy - a connection to one peer of a connection that has no address
 * @name: see ike_load_copy()
 * @conn: the original
 * @setting: keys that the operator gave; they win
 * @local_port, @remote_port: 0 for the stock ones
 */
struct ike_copy {
	const char *name;
	const struct ike_conn *conn;
	const struct ike_setting *setting;
	size_t nsetting;
	int version;
	struct ike_addr local, remote;
	uint16_t local_port, remote_port;
	const char *local_id, *remote_id, *algs;
	const struct ike_copy_child *child;
	size_t nchild;
};

#define IKE_COPY_PREFIX "invspid-"

/**
 * ike_copy_check() - is all known that a copy needs
 * @why: what is not
 */
bool ike_copy_check(const struct ike *ike, const struct ike_copy *copy, char *why, size_t size);

/*
 * Loads a copy: it matches nobody but this peer at this address, and never begins
 * anything by itself. Names: IKE_COPY_PREFIX, the original's, a dash, digits. An IKE_SA
 * that it made stays when it is unloaded. -EINVAL: ike_copy_check() says why.
 */
void ike_load_copy(struct ike *ike, const struct ike_copy *copy, ike_done_cb cb, void *arg);
/* -ENOENT: it is not loaded. */
void ike_unload_copy(struct ike *ike, const char *name, ike_done_cb cb, void *arg);

/*
 * Ends one IKE_SA by unique id: after a second without the peer (force). Its children
 * end as END_DELETED_LOCAL, not as by hand.
 */
void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg);
/* Likewise one CHILD_SA; it waits @timeout_ms for the peer: -EIO if it did not answer. */
void ike_terminate_child(struct ike *ike, uint32_t child_id, int64_t timeout_ms, ike_done_cb cb,
			 void *arg);
/* Reauthenticate one IKE_SA; 0 = queued. Without make-before-break it is ended first. */
void ike_reauth(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg);
/* Jobs that the daemon had not come to when it was last asked; asks again. */
uint32_t ike_queued(struct ike *ike);

#endif
