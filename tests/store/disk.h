/*
 * disk.h -- a disk that fails, fills up, or dies at the n-th operation, under SQLite (as its VFS).
 *
 * Operations are what changes a file or makes it durable: writes, truncations, flushes, removals. They are counted
 * from 0. Losing power undoes what was not flushed: all of it, or each write by the toss of a coin.
 * One disk a process; threads may share it.
 *
 *	disk_install();
 *	disk_set(DISK_FULL, 7);    // the 7th operation from now on, and all behind it, do not fit
 *	...
 *	disk_set(DISK_GOOD, 0);
 */
#ifndef IMPRINT_TESTS_STORE_DISK_H
#define IMPRINT_TESTS_STORE_DISK_H

#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

enum disk {
	DISK_GOOD,
	DISK_FAILS_ONCE,
	DISK_FAILS,      /* from there on */
	DISK_FULL,       /* from there on */
	DISK_READ_FAILS, /* the n-th read, once */
	DISK_KILL,       /* the process, before the operation */
	DISK_TORN,       /* the process, in the middle of a write */
	DISK_POWER,      /* the process, and all that was not flushed */
	DISK_POWER_HALF, /* the same, by the toss of a coin */
	DISK_LIES,       /* as DISK_POWER, and nothing ever was flushed */
	DISK_LOCKED,     /* nothing may be written: no right */
};

struct disk_write {
	struct disk_write *next; /* the one before it */
	char *path;
	sqlite3_int64 at, size_before; /* size of the file */
	int n, old_n;
	unsigned char *bytes, *old; /* NULL bytes: a truncation to `at` */
};

static struct {
	pthread_mutex_t lock;
	enum disk mode;
	long left, operations, reads;
	unsigned seed;
	bool hit;
	bool afar; /* like a file of a server: no shared memory */
	sqlite3_vfs vfs, *real;
	struct disk_write *unflushed;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct disk_file {
	sqlite3_file base;
	char path[400];
	sqlite3_file *real;
};

__attribute__((unused)) static void disk_set(enum disk mode, long n)
{
	pthread_mutex_lock(&disk.lock);
	disk.mode = mode;
	disk.left = n;
	disk.operations = disk.reads = 0;
	disk.hit = false;
	pthread_mutex_unlock(&disk.lock);
}

/* Whether operation n was reached; then the disk is good again. */
__attribute__((unused)) static bool disk_end(void)
{
	bool hit = disk.hit;

	disk_set(DISK_GOOD, 0);
	return hit;
}

/* --- losing power --- */

static void disk_put_back(const struct disk_write *w)
{
	int fd = open(w->path, O_RDWR);

	if (fd < 0)
		return;
	if (w->old_n && pwrite(fd, w->old, (size_t)w->old_n, w->at) != w->old_n)
		_exit(3);
	if (ftruncate(fd, w->size_before) != 0)
		_exit(3);
	close(fd);
}

static void disk_do_again(const struct disk_write *w)
{
	int fd = open(w->path, O_RDWR);

	if (fd < 0)
		return;
	if (w->bytes ? pwrite(fd, w->bytes, (size_t)w->n, w->at) != w->n
	             : ftruncate(fd, w->at) != 0)
		_exit(3);
	close(fd);
}

static void disk_keep_some(struct disk_write *w)
{
	if (!w)
		return;
	disk_keep_some(w->next); /* the older ones first */
	disk.seed = disk.seed * 1103515245u + 12345u;
	if (disk.seed >> 16 & 1)
		disk_do_again(w);
}

static bool disk_loses(void)
{
	return disk.mode == DISK_POWER || disk.mode == DISK_POWER_HALF || disk.mode == DISK_LIES;
}

static void disk_die(void)
{
	if (disk_loses())
		for (struct disk_write *w = disk.unflushed; w; w = w->next)
			disk_put_back(w);
	if (disk.mode == DISK_POWER_HALF)
		disk_keep_some(disk.unflushed);
	kill(getpid(), SIGKILL);
	pause();
}

/* Remembers what a write or truncation is about to change; the lock is held. */
static void disk_remember(struct disk_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct disk_write *w;

	if (!disk_loses())
		return;
	if (!(w = calloc(1, sizeof(*w))) || !(w->path = strdup(f->path)))
		bail("no memory");
	w->at = at;
	w->n = n;
	f->real->pMethods->xFileSize(f->real, &w->size_before);
	w->old_n = (int)(w->size_before > at ? w->size_before - at : 0);
	if (p) {
		w->old_n = w->old_n < n ? w->old_n : n;
		if (!(w->bytes = malloc((size_t)n)))
			bail("no memory");
		memcpy(w->bytes, p, (size_t)n);
	}
	if (w->old_n) {
		if (!(w->old = malloc((size_t)w->old_n)))
			bail("no memory");
		f->real->pMethods->xRead(f->real, w->old, w->old_n, at);
	}
	w->next = disk.unflushed;
	disk.unflushed = w;
}

static void disk_forget(const char *path)
{
	struct disk_write **at = &disk.unflushed, *w;

	while ((w = *at))
		if (strcmp(w->path, path) == 0) {
			*at = w->next;
			free(w->path);
			free(w->bytes);
			free(w->old);
			free(w);
		} else {
			at = &w->next;
		}
}

/* --- operations; the lock is held --- */

/* SQLITE_OK, or what this operation answers instead of being done. */
static int disk_operation(int failed)
{
	long n = disk.operations++;

	if (disk.mode == DISK_GOOD || disk.mode == DISK_READ_FAILS)
		return SQLITE_OK;
	if (disk.mode == DISK_LOCKED) {
		disk.hit = true;
		return SQLITE_READONLY;
	}
	if (n < disk.left || (n > disk.left && disk.mode == DISK_FAILS_ONCE))
		return SQLITE_OK;
	disk.hit = true;
	switch (disk.mode) {
	case DISK_FAILS_ONCE:
	case DISK_FAILS:
		errno = EIO;
		return failed;
	case DISK_FULL:
		errno = ENOSPC;
		return failed == SQLITE_IOERR_WRITE || failed == SQLITE_IOERR_TRUNCATE ? SQLITE_FULL
		                                                                       : SQLITE_OK;
	case DISK_TORN: /* in disk_write */
		return SQLITE_OK;
	default:
		disk_die();
		return SQLITE_OK;
	}
}

static int disk_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct disk_file *f = (struct disk_file *)file;
	int rc;

	pthread_mutex_lock(&disk.lock);
	disk_remember(f, p, n, at);
	rc = disk_operation(SQLITE_IOERR_WRITE);
	if (disk.mode == DISK_TORN && disk.hit) {
		/* Now here, now there: a write may hold many pages. */
		f->real->pMethods->xWrite(f->real, p, n / 8 * (int)(disk.seed % 8), at);
		disk_die();
	}
	if (rc == SQLITE_OK)
		rc = f->real->pMethods->xWrite(f->real, p, n, at);
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct disk_file *f = (struct disk_file *)file;
	int rc;

	pthread_mutex_lock(&disk.lock);
	disk_remember(f, NULL, 0, size);
	rc = disk_operation(SQLITE_IOERR_TRUNCATE);
	if (rc == SQLITE_OK)
		rc = f->real->pMethods->xTruncate(f->real, size);
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int disk_sync(sqlite3_file *file, int flags)
{
	struct disk_file *f = (struct disk_file *)file;
	int rc;

	(void)flags;
	pthread_mutex_lock(&disk.lock);
	rc = disk_operation(SQLITE_IOERR_FSYNC);
	if (rc == SQLITE_OK && disk.mode != DISK_LIES)
		disk_forget(f->path); /* what the machine has will not be lost by a kill */
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int disk_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct disk_file *f = (struct disk_file *)file;
	bool fails;

	pthread_mutex_lock(&disk.lock);
	fails = disk.mode == DISK_READ_FAILS && disk.reads++ == disk.left;
	disk.hit |= fails;
	pthread_mutex_unlock(&disk.lock);
	if (!fails)
		return f->real->pMethods->xRead(f->real, p, n, at);
	errno = EIO;
	return SQLITE_IOERR_READ;
}

/* --- what only passes through --- */

static sqlite3_file *disk_real(sqlite3_file *f)
{
	return ((struct disk_file *)f)->real;
}

static int disk_close(sqlite3_file *f)
{
	return disk_real(f)->pMethods->xClose(disk_real(f));
}

static int disk_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return disk_real(f)->pMethods->xFileSize(disk_real(f), n);
}

static int disk_lock(sqlite3_file *f, int how)
{
	return disk_real(f)->pMethods->xLock(disk_real(f), how);
}

static int disk_unlock(sqlite3_file *f, int how)
{
	return disk_real(f)->pMethods->xUnlock(disk_real(f), how);
}

static int disk_reserved(sqlite3_file *f, int *out)
{
	return disk_real(f)->pMethods->xCheckReservedLock(disk_real(f), out);
}

static int disk_control(sqlite3_file *f, int op, void *arg)
{
	return disk_real(f)->pMethods->xFileControl(disk_real(f), op, arg);
}

static int disk_sector(sqlite3_file *f)
{
	return disk_real(f)->pMethods->xSectorSize(disk_real(f));
}

static int disk_traits(sqlite3_file *f)
{
	return disk_real(f)->pMethods->xDeviceCharacteristics(disk_real(f));
}

static int disk_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return disk_real(f)->pMethods->xShmMap(disk_real(f), page, size, extend, p);
}

static int disk_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return disk_real(f)->pMethods->xShmLock(disk_real(f), at, n, flags);
}

static void disk_shm_barrier(sqlite3_file *f)
{
	disk_real(f)->pMethods->xShmBarrier(disk_real(f));
}

static int disk_shm_unmap(sqlite3_file *f, int remove)
{
	return disk_real(f)->pMethods->xShmUnmap(disk_real(f), remove);
}

static int disk_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	static const sqlite3_io_methods methods = { .iVersion = 2,
		.xClose = disk_close,
		.xRead = disk_read,
		.xWrite = disk_write,
		.xTruncate = disk_truncate,
		.xSync = disk_sync,
		.xFileSize = disk_size,
		.xLock = disk_lock,
		.xUnlock = disk_unlock,
		.xCheckReservedLock = disk_reserved,
		.xFileControl = disk_control,
		.xSectorSize = disk_sector,
		.xDeviceCharacteristics = disk_traits,
		.xShmMap = disk_shm_map,
		.xShmLock = disk_shm_lock,
		.xShmBarrier = disk_shm_barrier,
		.xShmUnmap = disk_shm_unmap };
	static const sqlite3_io_methods methods_afar = { .iVersion = 1,
		.xClose = disk_close,
		.xRead = disk_read,
		.xWrite = disk_write,
		.xTruncate = disk_truncate,
		.xSync = disk_sync,
		.xFileSize = disk_size,
		.xLock = disk_lock,
		.xUnlock = disk_unlock,
		.xCheckReservedLock = disk_reserved,
		.xFileControl = disk_control,
		.xSectorSize = disk_sector,
		.xDeviceCharacteristics = disk_traits };
	struct disk_file *f = (struct disk_file *)file;
	int rc;

	(void)vfs;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	snprintf(f->path, sizeof(f->path), "%s", name ? name : "");
	rc = disk.real->xOpen(disk.real, name, f->real, flags, flags_out);
	if (f->real->pMethods)
		f->base.pMethods = disk.afar ? &methods_afar : &methods;
	return rc;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	int rc;

	(void)vfs;
	pthread_mutex_lock(&disk.lock);
	rc = disk_operation(SQLITE_IOERR_DELETE);
	if (rc == SQLITE_OK) {
		disk_forget(name);
		rc = disk.real->xDelete(disk.real, name, sync);
	}
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int disk_errno(sqlite3_vfs *vfs, int n, char *text)
{
	(void)vfs, (void)n, (void)text;
	return errno;
}

__attribute__((unused)) static void disk_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "disk";
	disk.vfs.szOsFile = (int)sizeof(struct disk_file) + disk.real->szOsFile;
	disk.vfs.xOpen = disk_open;
	disk.vfs.xDelete = disk_delete;
	disk.vfs.xGetLastError = disk_errno;
	if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK)
		bail("no disk");
}

#endif
