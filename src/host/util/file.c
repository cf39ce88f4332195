#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do about an errno; the text goes beside it. */
static enum err code_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_MEMORY;
	default:
		return ERR_IO;
	}
}

static enum err failed(struct errbuf *eb, const char *what, const char *path)
{
	int error = errno;

	return err_set(eb, code_of(error), "%s: %s: %s", path, what, strerror(error));
}

/* Reads until n bytes or the end; the file may shrink or grow while it is read. */
static ssize_t read_all(int fd, uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = read(fd, p + done, n - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

enum err file_read(const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *p = NULL;
	struct stat st;
	ssize_t got;
	enum err e;

	if (fd < 0)
		return failed(eb, "cannot be opened", path);
	if (fstat(fd, &st) != 0) {
		e = failed(eb, "cannot be read", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		e = err_set(eb, ERR_FORMAT, "%s: not a regular file", path);
		goto out;
	}
	if ((uintmax_t)st.st_size > max) {
		e = err_set(eb, ERR_SPACE, "%s: larger than %zu bytes", path, max);
		goto out;
	}
	if (!(p = malloc(
	          (size_t)st.st_size + 1))) { /* one more: to see that it grew, and for the NUL */
		e = err_set(eb, ERR_MEMORY, "%s: no memory to read it", path);
		goto out;
	}
	if ((got = read_all(fd, p, (size_t)st.st_size + 1)) < 0) {
		e = failed(eb, "cannot be read", path);
		goto out;
	}
	if ((size_t)got > (size_t)st.st_size) {
		e = err_set(eb, ERR_CONFLICT, "%s: grew while it was read", path);
		goto out;
	}
	p[got] = 0;
	*bytes = p;
	*n = (size_t)got;
	p = NULL;
	e = OK;
out:
	free(p);
	close(fd);
	return e;
}

static bool write_all(int fd, struct slice in)
{
	while (in.n) {
		ssize_t put = write(fd, in.p, in.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		in.p += put;
		in.n -= (size_t)put;
	}
	return true;
}

/* The rename itself must survive power loss, so the folder is synchronised too. */
static bool sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	bool done;
	int fd;

	if (n >= sizeof(folder))
		return false;
	memcpy(folder, path, n);
	folder[n] = 0;
	fd = open(!slash ? "." : n ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = fsync(fd) == 0;
	close(fd);
	return done;
}

enum err file_write(const char *path, struct slice bytes, mode_t mode, struct errbuf *eb)
{
	char temporary[PATH_MAX];
	enum err e = OK;
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
		return err_set(eb, ERR_ARG, "%s: the path is too long", path);
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return failed(eb, "cannot be made", temporary);
	if (fchmod(fd, mode) != 0 || !write_all(fd, bytes) || fsync(fd) != 0)
		e = failed(eb, "cannot be written", path);
	if (close(fd) != 0 && e == OK)
		e = failed(eb, "cannot be written", path);
	if (e == OK && rename(temporary, path) != 0)
		e = failed(eb, "cannot be replaced", path);
	if (e != OK) {
		unlink(temporary);
		return e;
	}
	return sync_folder_of(path) ? OK : failed(eb, "its folder cannot be synchronised", path);
}

enum err folder_make(const char *path, mode_t mode, struct errbuf *eb)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (n == 0 || n >= sizeof(part))
		return err_set(eb, ERR_ARG, "folder name of %zu characters", n);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, mode) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return failed(eb, "cannot be made", part);
	}
	if (stat(path, &st) != 0)
		return failed(eb, "cannot be made", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(eb, ERR_CONFLICT, "%s: exists and is not a folder", path);
	return OK;
}

/* "process 1234 (imprint)", as far as it can be known. */
static void name_holder(int fd, char *out, size_t cap)
{
	char number[16] = "", comm[64], path[64];
	ssize_t n = pread(fd, number, sizeof(number) - 1, 0);
	long pid = n > 0 ? strtol(number, NULL, 10) : 0;
	FILE *f;

	snprintf(out, cap, "another process");
	if (pid <= 0)
		return;
	snprintf(out, cap, "process %ld", pid);
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	if (!(f = fopen(path, "re")))
		return;
	if (fgets(comm, sizeof(comm), f)) {
		comm[strcspn(comm, "\n")] = 0;
		snprintf(out, cap, "process %ld (%s)", pid, comm);
	}
	fclose(f);
}

enum err file_lock(struct file_lock *lock, const char *path, struct errbuf *eb)
{
	char number[16], holder[96];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int n;

	if (fd < 0)
		return failed(eb, "cannot be opened", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum err e =
		    errno == EWOULDBLOCK ? ERR_CONFLICT : failed(eb, "cannot be locked", path);

		if (e == ERR_CONFLICT) {
			name_holder(fd, holder, sizeof(holder));
			err_set(eb, e, "%s: held by %s", path, holder);
		}
		close(fd);
		return e;
	}
	n = snprintf(number, sizeof(number), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, number, (size_t)n, 0) != n) {
		enum err e = failed(eb, "cannot be written", path);

		close(fd);
		return e;
	}
	lock->fd = fd;
	return OK;
}

void file_unlock(struct file_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
