/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmicrohttpd, loaded when there are metrics to serve: it brings a TLS library with it
 * and takes 2.6 MB, for which a helper that serves none has a better use. With this
 * included its functions are called as ever.
 */
#ifndef INVSPID_METRICS_MHD_H
#define INVSPID_METRICS_MHD_H

#include <microhttpd.h>

#include "err.h"

struct mhd {
	__typeof__(MHD_add_response_header) *add_response_header;
	__typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
	__typeof__(MHD_destroy_response) *destroy_response;
	__typeof__(MHD_get_connection_info) *get_connection_info;
	__typeof__(MHD_get_daemon_info) *get_daemon_info;
	__typeof__(MHD_get_timeout) *get_timeout;
	__typeof__(MHD_lookup_connection_value) *lookup_connection_value;
	__typeof__(MHD_queue_response) *queue_response;
	__typeof__(MHD_run) *run;
	__typeof__(MHD_start_daemon) *start_daemon;
	__typeof__(MHD_stop_daemon) *stop_daemon;
};

extern struct mhd mhd;

/**
 * mhd_load() - load the library, once
 *
 * Return: 0, or a negative errno with @err set; trying again is fine.
 */
int mhd_load(struct invspi_err *err);

#ifndef MHD_LOADER /* which needs their names */
#define MHD_add_response_header (*mhd.add_response_header)
#define MHD_create_response_from_buffer (*mhd.create_response_from_buffer)
#define MHD_destroy_response (*mhd.destroy_response)
#define MHD_get_connection_info (*mhd.get_connection_info)
#define MHD_get_daemon_info (*mhd.get_daemon_info)
#define MHD_get_timeout (*mhd.get_timeout)
#define MHD_lookup_connection_value (*mhd.lookup_connection_value)
#define MHD_queue_response (*mhd.queue_response)
#define MHD_run (*mhd.run)
#define MHD_start_daemon (*mhd.start_daemon)
#define MHD_stop_daemon (*mhd.stop_daemon)
#endif

#endif
