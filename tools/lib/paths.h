/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where helper and tool meet unless they are told otherwise. What serves a named
 * network namespace (invspid@NAME.service) has the same below netns/NAME.
 */
#ifndef INVSPI_PATHS_H
#define INVSPI_PATHS_H

/*
 * A folder, since a service can be allowed to write in a folder of its own, but
 * not all over /run.
 */
#define RUN_DIR "/run/invspid"
#define CONTROL_NAME "control"
#define CONTROL_PATH RUN_DIR "/" CONTROL_NAME

#define STATE_DIR "/var/lib/invspid" /* history, settings */

#define NETNS_BELOW "/netns/"

#endif /* INVSPI_PATHS_H */
