// SPDX-License-Identifier: GPL-2.0-only
/* Who is at the other end of the control socket: the kernel says so. */
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_int.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#define GROUPS_MAX 1024

static bool has_group(int fd, gid_t gid)
{
	static gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);
	size_t i;

	/* Of one who is in more groups than that, none counts. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

enum control_peer control_peer(int fd, const char *group)
{
	const struct group *g;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return PEER_NOBODY;
	if (!peer.uid || peer.uid == geteuid())
		return PEER_ROOT;
	g = group ? getgrnam(group) : NULL;
	if (g && (peer.gid == g->gr_gid || has_group(fd, g->gr_gid)))
		return PEER_RECORDS;
	return PEER_NOBODY;
}
