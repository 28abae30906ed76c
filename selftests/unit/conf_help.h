/* SPDX-License-Identifier: GPL-2.0-only */
/* A configuration that a test writes. */
#ifndef SELFTESTS_UNIT_CONF_HELP_H
#define SELFTESTS_UNIT_CONF_HELP_H

#include <fcntl.h>
#include <unistd.h>

#include "conf.h"
#include "ktap.h"

/* Writes it into a folder, and reads it in the place of an earlier one. */
__attribute__((unused)) static void conf_replace(struct conf **conf, const char *dir,
						 const char *text)
{
	char path[128], *err = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/conf", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dprintf(fd, "%s", text);
	close(fd);
	conf_free(*conf);
	*conf = conf_load(path, &err);
	if (!*conf)
		ktap_str("configuration", NULL, err);
	free(err);
}

#endif /* SELFTESTS_UNIT_CONF_HELP_H */
