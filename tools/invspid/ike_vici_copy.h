/* SPDX-License-Identifier: GPL-2.0-only */
/* The message that loads a copy of a connection. Pure. */
#ifndef INVSPID_IKE_VICI_COPY_H
#define INVSPID_IKE_VICI_COPY_H

#include "ike.h"
#include "vici.h"

/* Return: 0; -EINVAL: something is not known; or an error of vici_buf_check(). */
int copy_message(const struct ike_copy *copy, struct vici_buf *b);

/* See ike_copy_check(). */
bool ike_vici_copy_check(const struct ike_copy *copy, char *why, size_t size);

/**
 * copy_proposal() - negotiated algorithms as swanctl.conf(5) writes them
 * @algs: as in struct ike_sa and struct ike_child
 * @dh: a group to add if there is none in @algs, or NULL
 * @dh_found: set to the group in @algs, NULL if there is none; static
 *
 * Return: false if one of them has no name there.
 */
bool copy_proposal(const char *algs, const char *dh, const char **dh_found, char *buf, size_t size);

#endif
