/*
 * local.h -- listening on a Unix socket.
 *
 * A socket that nobody listens on any more is what a killed process left, and makes way; anything else
 * at the path stays. Between two who begin at the same time the kernel decides.
 *
 *	if ((e = local_listen("run/feed.sock", 0600, 16, &socket, eb)) != OK)
 *		return e;
 *	fd = accept4(socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
 *	local_close(&socket);
 */
#ifndef IMPRINT_LOCAL_H
#define IMPRINT_LOCAL_H

#include "errbuf.h"

#include <sys/types.h>

#define LOCAL_PATH_MAX 107

struct local {
	int fd;
	char path[LOCAL_PATH_MAX + 1];
	dev_t device;
	ino_t inode;
};
#define LOCAL_CLOSED ((struct local){ .fd = -1 })

/* Non-blocking. ERR_CONFLICT: another process serves it, or it is no socket. ERR_ARG: too long a path. */
enum err local_listen(
    const char *path, mode_t mode, int backlog, struct local *out, struct errbuf *eb) MUST_CHECK;
/* Takes the path away, unless somebody else has it meanwhile. Closed already is fine. */
void local_close(struct local *l);

/* The user at the other end of a connection. */
enum err local_peer(int fd, uid_t *uid, struct errbuf *eb) MUST_CHECK;

#endif
