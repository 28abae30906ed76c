/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_EVENT_H
#define _XFRM_INVSPI_EVENT_H

#include "invspi.h"

void invspi_event_net_init(struct invspi_net *in);
void invspi_event_net_exit(struct invspi_net *in);
void invspi_event_kick(struct invspi_net *in, u32 todo);
void invspi_event_reconfigure(struct invspi_net *in);

int invspi_event_start(void);
void invspi_event_open_group(bool open);
void invspi_event_stop(void);

#endif /* _XFRM_INVSPI_EVENT_H */
