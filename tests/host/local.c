/* Listening on a Unix socket: what makes way, what stays, and who may have the path. */
#include "local.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/localXXXXXX";

static bool there(const char *path, mode_t mode)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & 07777) == mode;
}

static int dial(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void life(const char *path)
{
	struct local l = LOCAL_CLOSED, second = LOCAL_CLOSED;
	struct errbuf eb = { "" };
	uid_t uid = 12345;
	int to, from;

	local_close(&l);
	ok(local_listen(path, 0600, 4, &l, &eb) == OK && there(path, 0600),
	    "a socket of ours alone");
	to = dial(path);
	from = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ok(to >= 0 && from >= 0 && local_peer(from, &uid, &eb) == OK && uid == geteuid(),
	    "who is at the other end");
	ok(local_peer(0, &uid, &eb) == ERR_IO, "of what is no socket nobody is: %s", eb.text);
	ok(local_listen(path, 0600, 4, &second, &eb) == ERR_CONFLICT && second.fd == -1,
	    "it is not taken away: %s", eb.text);
	close(to);
	close(from);
	local_close(&l);
	ok(access(path, F_OK) != 0 && l.fd == -1, "closed: the path is gone");
	local_close(&l);
	ok(local_listen(path, 0666, 4, &l, &eb) == OK && there(path, 0666), "one for everybody");
	unlink(path);
	ok(local_listen(path, 0600, 4, &second, &eb) == OK, "somebody else has the path");
	local_close(&l);
	ok(access(path, F_OK) == 0, "and keeps it");
	local_close(&second);
}

static void in_the_way(const char *path)
{
	struct local l = LOCAL_CLOSED;
	struct errbuf eb = { "" };
	char other[64], longest[200];
	int fd;

	ok(local_listen(path, 0600, 4, &l, &eb) == OK, "a socket");
	close(l.fd); /* as when the process is killed */
	ok(access(path, F_OK) == 0 && local_listen(path, 0600, 4, &l, &eb) == OK && dial(path) >= 0,
	    "what a killed process left makes way");
	local_close(&l);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ok(local_listen(path, 0600, 4, &l, &eb) == ERR_CONFLICT && access(path, F_OK) == 0,
	    "a file does not: %s", eb.text);
	unlink(path);
	snprintf(other, sizeof(other), "%s/none/a.sock", folder);
	ok(local_listen(other, 0600, 4, &l, &eb) == ERR_NOT_FOUND, "no such folder: %s", eb.text);
	snprintf(longest, sizeof(longest), "%s/%0*d", folder, (int)(107 - strlen(folder) - 1), 0);
	ok(local_listen(longest, 0600, 4, &l, &eb) == OK, "a path of %zu bytes", strlen(longest));
	local_close(&l);
	snprintf(longest, sizeof(longest), "%s/%0*d", folder, (int)(108 - strlen(folder) - 1), 0);
	ok(local_listen(longest, 0600, 4, &l, &eb) == ERR_ARG, "not of 108: %s", eb.text);
	ok(local_listen("", 0600, 4, &l, &eb) == ERR_ARG, "nor of none");
}

int main(void)
{
	char path[64];

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/a.sock", folder);
	life(path);
	in_the_way(path);
	ok(rmdir(folder) == 0, "nothing is left");
	return done_testing();
}
