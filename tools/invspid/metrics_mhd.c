// SPDX-License-Identifier: GPL-2.0-only
/* See metrics_mhd.h. */
#define MHD_LOADER
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

#include "metrics_mhd.h"

/* The ABI of the header that this is built with: Debian has had no other since 2019. */
#define LIBRARY "libmicrohttpd.so.12"

struct mhd mhd;

static const struct {
	const char *name;
	size_t at;
} functions[] = {
	{ "MHD_add_response_header", offsetof(struct mhd, add_response_header) },
	{ "MHD_create_response_from_buffer", offsetof(struct mhd, create_response_from_buffer) },
	{ "MHD_destroy_response", offsetof(struct mhd, destroy_response) },
	{ "MHD_get_connection_info", offsetof(struct mhd, get_connection_info) },
	{ "MHD_get_daemon_info", offsetof(struct mhd, get_daemon_info) },
	{ "MHD_get_timeout", offsetof(struct mhd, get_timeout) },
	{ "MHD_lookup_connection_value", offsetof(struct mhd, lookup_connection_value) },
	{ "MHD_queue_response", offsetof(struct mhd, queue_response) },
	{ "MHD_run", offsetof(struct mhd, run) },
	{ "MHD_start_daemon", offsetof(struct mhd, start_daemon) },
	{ "MHD_stop_daemon", offsetof(struct mhd, stop_daemon) },
};

int mhd_load(struct invspi_err *err)
{
	static uv_lib_t lib;
	static bool loaded;
	void *p;
	size_t i;

	if (loaded)
		return 0;
	if (uv_dlopen(LIBRARY, &lib)) {
		invspi_err_set(err, ENOENT, "cannot serve metrics: %s; install libmicrohttpd12",
			       uv_dlerror(&lib));
		uv_dlclose(&lib);
		return -ENOENT;
	}
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (uv_dlsym(&lib, functions[i].name, &p)) {
			invspi_err_set(err, ENOENT, "cannot serve metrics: %s", uv_dlerror(&lib));
			uv_dlclose(&lib);
			return -ENOENT;
		}
		memcpy((char *)&mhd + functions[i].at, &p, sizeof(p));
	}
	loaded = true;
	return 0;
}
