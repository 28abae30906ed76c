// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nl_table.h"

static bool read_attr(struct nl_table *t, const char *line)
{
	struct attr_spec a = { .nested = -1 };
	unsigned int set, number, big;
	char kind[16];

	if (sscanf(line, "attr %u %u %31s %15s %u %u %u %u", &set, &number, a.name, kind, &a.size,
		   &a.min, &a.max, &big) != 8 ||
	    set >= SETS_MAX || number >= ATTRS_MAX)
		return false;
	a.big = big;
	if (!strncmp(kind, "nest:", 5))
		a.nested = atoi(kind + 5);
	t->sets[set][number] = a;
	return true;
}

static bool read_op(struct nl_table *t, const char *line)
{
	struct op_spec *op = &t->ops[t->n_ops];
	unsigned int cmd, number;
	char mode[8];
	int at, len;

	if (t->n_ops == OPS_MAX ||
	    sscanf(line, "op %u %31s %u %7s%n", &cmd, op->name, &op->set, mode, &at) != 4 ||
	    op->set >= SETS_MAX)
		return false;
	op->cmd = cmd;
	op->dump = !strcmp(mode, "dump");
	op->event = !strcmp(mode, "event");
	for (; sscanf(line + at, " %u%n", &number, &len) == 1; at += len) {
		if (op->n == ATTRS_MAX || number >= ATTRS_MAX)
			return false;
		op->attrs[op->n++] = number;
	}
	t->n_ops++;
	return true;
}

void nl_table_read(struct nl_table *t, const char *file)
{
	FILE *f = fopen(file, "r");
	char line[512];

	if (!f)
		err(1, "%s", file);
	memset(t, 0, sizeof(*t));
	while (fgets(line, sizeof(line), f))
		if (!read_attr(t, line) && !read_op(t, line))
			errx(1, "%s: cannot read: %s", file, line);
	if (!t->n_ops)
		errx(1, "%s: no operation in it", file);
	fclose(f);
}

static bool wrong(const char *what, const char *name, unsigned int number, unsigned int size)
{
	printf("# FAILED: a reply has %s: %s, attribute %u, %u bytes\n", what, name, number, size);
	return false;
}

static bool right_attrs(const struct nl_table *t, unsigned int set, const uint8_t *p, size_t n)
{
	while (n) {
		const struct nlattr *a = (const struct nlattr *)p;
		const struct attr_spec *spec;
		unsigned int number, size;
		size_t len;

		if (n < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > n)
			return wrong("an attribute that leads out of it", "-", 0, n);
		number = a->nla_type & NLA_TYPE_MASK;
		size = a->nla_len - NLA_HDRLEN;
		spec = number < ATTRS_MAX ? &t->sets[set][number] : NULL;
		if (!spec || !*spec->name)
			return wrong("an unknown attribute", "-", number, size);
		if (spec->nested < 0 && size != spec->size)
			return wrong("an attribute of the wrong size", spec->name, number, size);
		if (spec->nested >= 0 && !right_attrs(t, spec->nested, p + NLA_HDRLEN, size))
			return false;
		len = NLA_ALIGN(a->nla_len);
		len = len < n ? len : n;
		p += len;
		n -= len;
	}
	return true;
}

bool nl_table_reply(const struct nl_table *t, const uint8_t *p, size_t n)
{
	const struct genlmsghdr *g = (const struct genlmsghdr *)p;

	if (n < GENL_HDRLEN)
		return wrong("no header", "-", 0, n);
	for (unsigned int i = 0; i < t->n_ops; i++)
		if (t->ops[i].cmd == g->cmd)
			return right_attrs(t, t->ops[i].set, p + GENL_HDRLEN, n - GENL_HDRLEN);
	return wrong("an unknown command", "-", g->cmd, n);
}
