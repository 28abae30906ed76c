/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INVSPI_LIB_NETNS_H
#define INVSPI_LIB_NETNS_H

#include "err.h"

/**
 * netns_enter() - move the process into a network namespace
 * @name: name below /run/netns as `ip netns add` makes it, or, with a slash
 *        in it, a path such as /proc/1234/ns/net
 *
 * Only the calling thread moves: call it before there are others.
 *
 * Return: 0 or a negative errno.
 */
int netns_enter(const char *name, struct invspi_err *err);

#endif /* INVSPI_LIB_NETNS_H */
