/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * invspi doctor: is all as it has to be for a desync to be seen and healed, and if not,
 * what mends it.
 *
 *   doctor.c          the command line, the table of checks, what is printed
 *   doctor_kernel.c   the module, its log, the handlers, signatures, the clock
 *   doctor_probe.c    a packet on loopback, which the module must see
 *   doctor_helper.c   invspid
 *   doctor_ike.c      the connections of the IKE daemon
 *   doctor_sas.c      the kernel's SAs
 *   doctor_leak.c     what would leave in clear
 *   doctor_vici.c     a strongSwan that is asked without invspid
 *
 * Checks change nothing but the counters that the probe moves. Each adds findings; one
 * that adds none is well. What cannot be found out is a finding, too, never silence.
 */
#ifndef INVSPI_DOCTOR_H
#define INVSPI_DOCTOR_H

#include <jansson.h>
#include <stddef.h>

#include "invspi.h"

struct vici_sync;

/**
 * enum severity
 * @SEVERITY_OK: looked at, nothing found
 * @SEVERITY_NOTE: worth knowing; changes no exit status
 * @SEVERITY_WARNING: something will not be seen or healed that could be
 * @SEVERITY_ERROR: something is broken now
 */
enum severity { SEVERITY_OK, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

/**
 * struct ike_child_conf - a child of a connection, as VICI's list-conns has it
 * @local_ts, @remote_ts: comma separated
 */
struct child_conf {
	char *name;
	char *local_ts, *remote_ts;
	char mode[16], dpd_action[16];
	uint64_t rekey_time, rekey_bytes, rekey_packets;
};

struct conn_conf {
	char *name;
	char *remote_addr; /* the first that is an address, or NULL */
	char unique[24];
	uint64_t dpd_delay, rekey_time, reauth_time;
	int version;
	struct child_conf *child;
	size_t nchild;
};

/**
 * struct child_sa - a CHILD_SA, as VICI's list-sas has it
 */
struct child_sa {
	char *conn, *child;
	char *local_ts, *remote_ts;
	uint32_t reqid, spi_in, spi_out, if_id_out, mark_in;
	uint8_t proto;
};

/**
 * struct doctor - what is found out once and used by several checks
 * @inv: options and output
 * @root: before every path of the system, "" but in tests
 * @findings: an array of objects
 * @check: the check that runs
 * @status: what invspid tells of itself, NULL if it does not answer
 * @status_err: then why
 * @nl: the module, NULL if it does not answer
 * @ike_asked: the next ones are as the IKE daemon has answered, or not
 * @ike_why: why there are no connections, "" if there are
 * @traps: names of children that have a trap policy, as "connection/child"
 */
struct doctor {
	struct invspi *inv;
	const char *root;
	json_t *findings;
	const char *check;
	json_t *status;
	struct invspi_err status_err;
	struct invspi_nl *nl;
	struct invspi_err nl_err;
	bool ike_asked;
	char ike_why[256], ike_version[64];
	struct conn_conf *conn;
	size_t nconn;
	struct child_sa *sa;
	size_t nsa;
	char **trap;
	size_t ntrap;
};

/**
 * found() - add a finding
 * @about: what it is about, such as a connection; NULL if there is nothing to name.
 *	Findings of one check that differ only in this become one
 * @remedy: the command, or what else to do; NULL for none
 */
void found(struct doctor *d, enum severity severity, const char *about, const char *remedy,
	   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The first line of a file below the root, without its newline. Return: 0 or -errno. */
int doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);
bool doctor_exists(const struct doctor *d, const char *path);

/* The checks; the table in doctor.c says what each is about. */
void check_privileges(struct doctor *d);
void check_module(struct doctor *d);
void check_hook(struct doctor *d);
void check_handlers(struct doctor *d);
void check_signing(struct doctor *d);
void check_log(struct doctor *d);
void check_clock(struct doctor *d);
void check_helper(struct doctor *d);
void check_history(struct doctor *d);
void check_ike(struct doctor *d);
void check_dpd(struct doctor *d);
void check_rekey(struct doctor *d);
void check_unique(struct doctor *d);
void check_leak(struct doctor *d);
void check_one_way(struct doctor *d);
void check_offload(struct doctor *d);

/* Is a libreswan there, at its stock place? */
bool doctor_pluto(const struct doctor *d);

/* doctor_vici.c: fills the connections, SAs and traps, once. */
void doctor_ask_ike(struct doctor *d);
void doctor_forget_ike(struct doctor *d);
/* Of one message of the answers; for tests and for the above. 0 or a negative errno. */
int doctor_take_conn(struct doctor *d, const uint8_t *msg, size_t len);
int doctor_take_sa(struct doctor *d, const uint8_t *msg, size_t len);
int doctor_take_policy(struct doctor *d, const uint8_t *msg, size_t len);

/**
 * struct kernel_sa - an SA of the kernel, without its key
 * @out: we send with it
 * @packets: so far; @age_s: since it was made; @idle_s: since its last packet, 0 if not known
 * @left_over: by an IKE daemon that was killed; doctor_judge_one_way() sets it
 * @offload_packet: the network card does all of it
 * @ifindex: of that card
 */
struct kernel_sa {
	int family;
	uint8_t src[16], dst[16];
	uint32_t spi, reqid;
	uint8_t proto;
	bool out;
	uint64_t packets, age_s, idle_s;
	bool left_over;
	bool offload_packet;
	int ifindex;
};

/**
 * doctor_take_kernel_sa() - one message of a dump
 * @now_s: Unix seconds
 * @is_local: whether an address is one of this namespace
 *
 * Return: 0, -EBADMSG, or -EAGAIN for a larval SA.
 */
int doctor_take_kernel_sa(const void *payload, size_t len, uint64_t now_s,
			  bool (*is_local)(void *arg, int family, const uint8_t *addr), void *arg,
			  struct kernel_sa *sa);
/* Finds those that send and never receive; @n SAs. */
void doctor_judge_one_way(struct doctor *d, struct kernel_sa *sa, size_t n);

#endif /* INVSPI_DOCTOR_H */
