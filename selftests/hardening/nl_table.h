/* SPDX-License-Identifier: GPL-2.0-only */
/* The netlink contract, as table.py prints it, and replies held against it. */
#ifndef SELFTESTS_HARDENING_NL_TABLE_H
#define SELFTESTS_HARDENING_NL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETS_MAX 8
#define ATTRS_MAX 32
#define OPS_MAX 16

struct attr_spec {
	char name[32];
	unsigned int size; /* 0: pad, or a nest */
	uint32_t min, max;
	bool big;
	int nested; /* its set, or -1 */
};

struct op_spec {
	char name[32];
	uint8_t cmd;
	unsigned int set;
	bool dump, event;
	unsigned int n; /* attributes of the request */
	uint16_t attrs[ATTRS_MAX];
};

struct nl_table {
	struct attr_spec sets[SETS_MAX][ATTRS_MAX]; /* by number; no name: not there */
	struct op_spec ops[OPS_MAX];
	unsigned int n_ops;
};

/* Ends the program if the file cannot be read or has something else in it. */
void nl_table_read(struct nl_table *t, const char *file);

/*
 * Is this a reply or event that the contract has? @p points to its generic netlink
 * header. Says what is not right.
 */
bool nl_table_reply(const struct nl_table *t, const uint8_t *p, size_t n);

#endif
