#include "file.h"
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum err file_error(struct errbuf *eb, int number, const char *path, const char *what)
{
	enum err e = ERR_IO;

	if (number == ENOENT || number == ENOTDIR)
		e = ERR_NOT_FOUND;
	else if (number == EACCES || number == EPERM || number == EROFS)
		e = ERR_DENIED;
	else if (number == EEXIST || number == ENOTEMPTY || number == EBUSY ||
	         number == EWOULDBLOCK)
		e = ERR_CONFLICT;
	else if (number == ENOMEM)
		e = ERR_MEMORY;
	else if (number == ENAMETOOLONG || number == ELOOP)
		e = ERR_ARG;
	return err_set(eb, e, "%s: %s: %s", path, what, strerror(number));
}

enum who_reads { ANYBODY, OWNER_ONLY };

static enum err check_stat(
    const struct stat *st, const char *path, size_t max, enum who_reads who, struct errbuf *eb)
{
	if (!S_ISREG(st->st_mode))
		return err_set(eb, ERR_FORMAT, "%s: not a regular file", path);
	if (who == OWNER_ONLY && (st->st_mode & 077) != 0)
		return err_set(eb, ERR_DENIED, "%s: mode %04o lets others in; make it 0600", path,
		    (unsigned)st->st_mode & 07777u);
	if (who == OWNER_ONLY && st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(
		    eb, ERR_DENIED, "%s: belongs to user %lu", path, (unsigned long)st->st_uid);
	if ((uintmax_t)st->st_size > max)
		return err_set(eb, ERR_SPACE, "%s: larger than %zu bytes", path, max);
	return OK;
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

static enum err read_file(
    const char *path, size_t max, enum who_reads who, uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	/* O_NONBLOCK: a FIFO in place of the file must not make us wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t size = 0;
	uint8_t *p = NULL;
	struct stat st;
	ssize_t got;
	enum err e;

	if (fd < 0)
		return file_error(eb, errno, path, "cannot be opened");
	if (fstat(fd, &st) != 0) {
		e = file_error(eb, errno, path, "cannot be read");
		goto out;
	}
	if ((e = check_stat(&st, path, max, who, eb)) != OK)
		goto out;
	size = (size_t)st.st_size + 1; /* one more: to see that it grew, and for the NUL */
	if (!(p = malloc(size))) {
		e = err_set(eb, ERR_MEMORY, "%s: no memory to read it", path);
		goto out;
	}
	if ((got = read_all(fd, p, size)) < 0) {
		e = file_error(eb, errno, path, "cannot be read");
		goto out;
	}
	if ((size_t)got == size) {
		e = err_set(eb, ERR_CONFLICT, "%s: grew while it was read", path);
		goto out;
	}
	p[got] = 0;
	*bytes = p;
	*n = (size_t)got;
	p = NULL;
out:
	if (p)
		wipe(p, size);
	free(p);
	close(fd);
	return e;
}

enum err file_read(const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	return read_file(path, max, ANYBODY, bytes, n, eb);
}

enum err file_read_private(
    const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	return read_file(path, max, OWNER_ONLY, bytes, n, eb);
}

/*
 * Creates and locks an empty file that nobody else has. One of that name without a lock was left by
 * a killed writer and is removed; one with a lock is being written now. The lock is taken after the
 * name exists, so the name may be gone again: hence the link count and the few tries.
 */
static int create_locked(const char *path)
{
	struct stat st;

	for (int tries = 0; tries < 8; tries++) {
		int error,
		    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		bool fresh = fd >= 0;

		if (!fresh && errno != EEXIST)
			return -1;
		if (!fresh)
			fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0 && errno == ENOENT)
			continue; /* gone just now */
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &st) != 0) {
			error = errno;
			close(fd);
			errno = error;
			return -1;
		}
		if (fresh && st.st_nlink > 0)
			return fd;
		if (!fresh && st.st_nlink > 0)
			unlink(path);
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

static bool write_all(int fd, struct slice in)
{
	while (in.n) {
		ssize_t put = write(fd, in.p, in.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		in.p += put;
		in.n -= (size_t)put;
	}
	return true;
}

enum existing { REPLACE, KEEP };

static enum err write_file(
    const char *path, struct slice bytes, mode_t mode, enum existing existing, struct errbuf *eb)
{
	char temporary[FOLDER_PATH_MAX + 8];
	bool left = true; /* the temporary name still exists */
	enum err e = OK;
	int fd;

	if (strlen(path) >= FOLDER_PATH_MAX)
		return err_set(eb, ERR_ARG, "%.40s...: the path is too long", path);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	if ((fd = create_locked(temporary)) < 0)
		return file_error(eb, errno, temporary, "cannot be made");
	if (fchmod(fd, mode) != 0 || !write_all(fd, bytes) || fsync(fd) != 0) {
		e = file_error(eb, errno, path, "cannot be written");
		goto out;
	}
	if (existing == KEEP ? link(temporary, path) != 0 : rename(temporary, path) != 0) {
		e = file_error(eb, errno, path, "cannot be put in place");
		goto out;
	}
	left = existing == KEEP && unlink(temporary) != 0;
	e = folder_sync_parent(path, eb);
out:
	if (left)
		unlink(temporary);
	close(fd);
	return e;
}

enum err file_write(const char *path, struct slice bytes, mode_t mode, struct errbuf *eb)
{
	return write_file(path, bytes, mode, REPLACE, eb);
}

enum err file_create(const char *path, struct slice bytes, mode_t mode, struct errbuf *eb)
{
	return write_file(path, bytes, mode, KEEP, eb);
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
		return file_error(eb, errno, path, "cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum err e = errno == EWOULDBLOCK ? ERR_CONFLICT
		                                  : file_error(eb, errno, path, "cannot be locked");

		if (e == ERR_CONFLICT) {
			name_holder(fd, holder, sizeof(holder));
			err_set(eb, e, "%s: held by %s", path, holder);
		}
		close(fd);
		return e;
	}
	n = snprintf(number, sizeof(number), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, number, (size_t)n, 0) != n) {
		enum err e = file_error(eb, errno, path, "cannot be written");

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
