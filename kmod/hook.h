/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_HOOK_H
#define _XFRM_INVSPI_HOOK_H

#include "invspi.h"

void invspi_hook_net_init(struct invspi_net *in);
int invspi_hook_register(const char **step);
void invspi_hook_unregister(void);

#endif /* _XFRM_INVSPI_HOOK_H */
