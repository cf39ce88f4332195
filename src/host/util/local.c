#include "local.h"
#include "file.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* OK when nothing is there, or a socket that nobody listens on, which is then removed. */
static enum err make_way(const struct sockaddr_un *at, struct errbuf *eb)
{
	bool nobody;
	struct stat st;
	int fd;

	if (lstat(at->sun_path, &st) != 0)
		return OK; /* bind says what else is wrong */
	if (!S_ISSOCK(st.st_mode))
		return err_set(eb, ERR_CONFLICT, "%s: exists and is not a socket", at->sun_path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return err_set(eb, ERR_IO, "socket: %s", strerror(errno));
	nobody =
	    connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 && errno == ECONNREFUSED;
	close(fd);
	if (!nobody)
		return err_set(eb, ERR_CONFLICT, "%s: another process serves it", at->sun_path);
	if (unlink(at->sun_path) != 0 && errno != ENOENT)
		return file_error(eb, errno, at->sun_path, "cannot be removed");
	return OK;
}

static enum err bind_to(
    const struct sockaddr_un *at, mode_t mode, int backlog, struct local *l, struct errbuf *eb)
{
	struct stat st;
	enum err e;

	/* The inode that bind makes takes its mode from the descriptor, less the umask: nobody who is
	 * not meant gets in before chmod. */
	if (fchmod(l->fd, mode & 0700) != 0)
		return file_error(eb, errno, at->sun_path, "its mode");
	if (bind(l->fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
		return errno == EADDRINUSE ? err_set(eb, ERR_CONFLICT,
		                                 "%s: another process serves it", at->sun_path)
		                           : file_error(eb, errno, at->sun_path, "cannot be made");
	if (chmod(at->sun_path, mode) != 0 || stat(at->sun_path, &st) != 0 ||
	    listen(l->fd, backlog) != 0) {
		e = file_error(eb, errno, at->sun_path, "cannot be listened on");
		(void)unlink(at->sun_path);
		return e;
	}
	l->device = st.st_dev;
	l->inode = st.st_ino;
	return OK;
}

enum err local_listen(
    const char *path, mode_t mode, int backlog, struct local *out, struct errbuf *eb)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct local l = LOCAL_CLOSED;
	size_t n = strlen(path);
	enum err e;

	if (n == 0 || n > LOCAL_PATH_MAX)
		return err_set(
		    eb, ERR_ARG, "%s: a socket's path has 1 to %d bytes", path, LOCAL_PATH_MAX);
	memcpy(at.sun_path, path, n);
	memcpy(l.path, path, n);
	if ((e = make_way(&at, eb)) != OK)
		return e;
	if ((l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return err_set(eb, ERR_IO, "socket: %s", strerror(errno));
	if ((e = bind_to(&at, mode, backlog, &l, eb)) != OK) {
		close(l.fd);
		return e;
	}
	*out = l;
	return OK;
}

void local_close(struct local *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
		(void)unlink(l->path);
	close(l->fd);
	l->fd = -1;
}

enum err local_peer(int fd, uid_t *uid, struct errbuf *eb)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
		return err_set(eb, ERR_IO, "SO_PEERCRED: %s", strerror(errno));
	*uid = peer.uid;
	return OK;
}
