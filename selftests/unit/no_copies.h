/* SPDX-License-Identifier: GPL-2.0-only */
/* A helper without copies of connections: for what is linked without copy.c and dynamic.c. */
#ifndef SELFTESTS_UNIT_NO_COPIES_H
#define SELFTESTS_UNIT_NO_COPIES_H

#include "copy.h"
#include "recover_int.h"

const struct ike_copy *copy_get(const struct copy *c)
{
	(void)c;
	return NULL;
}

void copy_free(struct copy *c)
{
	(void)c;
}

const struct ike_sa *dynamic_ike_sa(const struct recovery *r, const struct ike_listing *l)
{
	(void)r;
	(void)l;
	return NULL;
}

const char *dynamic_begin(struct recovery *r)
{
	(void)r;
	return "not here";
}

void dynamic_load(struct recovery *r, ike_done_cb cb)
{
	(void)r;
	(void)cb;
}

void dynamic_unload(struct recovery *r)
{
	(void)r;
}

#endif /* SELFTESTS_UNIT_NO_COPIES_H */
