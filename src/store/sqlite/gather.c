#include "gather.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's own files take less than 128 KiB at a time. */
enum { GATHER_MAX = 30 * 4096 };

struct gather {
	sqlite3_vfs vfs, *real;
	char name[40];
};

/* The real file lies behind it. */
struct gathered {
	sqlite3_file file;
	uint8_t *p; /* NULL: nothing was written yet, or no memory */
	int n;
	sqlite3_int64 at; /* where p belongs */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	return (sqlite3_file *)((struct gathered *)file + 1);
}

static int put_out(sqlite3_file *file)
{
	struct gathered *f = (struct gathered *)file;
	sqlite3_file *real = real_of(file);
	int n = f->n;

	f->n = 0;
	return n ? real->pMethods->xWrite(real, f->p, n, f->at) : SQLITE_OK;
}

static int gathered_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct gathered *f = (struct gathered *)file;
	sqlite3_file *real = real_of(file);
	int rc;

	if ((at != f->at + f->n || n > GATHER_MAX - f->n) && (rc = put_out(file)) != SQLITE_OK)
		return rc;
	if (!f->p)
		f->p = malloc(GATHER_MAX);
	if (!f->p || n > GATHER_MAX)
		return real->pMethods->xWrite(real, p, n, at);
	if (f->n == 0)
		f->at = at;
	memcpy(f->p + f->n, p, (size_t)n);
	f->n += n;
	return SQLITE_OK;
}

static int gathered_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	sqlite3_file *real = real_of(file);
	int rc = put_out(file);

	return rc == SQLITE_OK ? real->pMethods->xRead(real, p, n, at) : rc;
}

static int gathered_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = real_of(file);
	int rc = put_out(file);

	return rc == SQLITE_OK ? real->pMethods->xTruncate(real, size) : rc;
}

static int gathered_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *real = real_of(file);
	int rc = put_out(file);

	return rc == SQLITE_OK ? real->pMethods->xSync(real, flags) : rc;
}

static int gathered_size(sqlite3_file *file, sqlite3_int64 *size)
{
	sqlite3_file *real = real_of(file);
	int rc = put_out(file);

	return rc == SQLITE_OK ? real->pMethods->xFileSize(real, size) : rc;
}

static int gathered_close(sqlite3_file *file)
{
	struct gathered *f = (struct gathered *)file;
	sqlite3_file *real = real_of(file);
	int first = put_out(file), rc = real->pMethods->xClose(real);

	free(f->p);
	f->p = NULL;
	return first == SQLITE_OK ? rc : first;
}

static int gathered_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int gathered_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int gathered_reserved(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int gathered_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int gathered_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int gathered_device(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int gather_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	static const sqlite3_io_methods methods = { 1, gathered_close, gathered_read,
		gathered_write, gathered_truncate, gathered_sync, gathered_size, gathered_lock,
		gathered_unlock, gathered_reserved, gathered_control, gathered_sector,
		gathered_device, NULL, NULL, NULL, NULL, NULL, NULL };
	sqlite3_vfs *real = ((struct gather *)vfs)->real;
	struct gathered *f = (struct gathered *)file;
	int rc;

	if (!(flags & SQLITE_OPEN_WAL))
		return real->xOpen(real, name, file, flags, flags_out);
	*f = (struct gathered){ .file.pMethods = NULL };
	rc = real->xOpen(real, name, real_of(file), flags, flags_out);
	if (real_of(file)->pMethods)
		f->file.pMethods = &methods;
	return rc;
}

struct gather *gather_new(void)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g || !(g->real = sqlite3_vfs_find(NULL))) {
		free(g);
		return NULL;
	}
	/* Everything but files is the other's: its functions ask no more of a VFS than this copy has. */
	g->vfs = *g->real;
	snprintf(g->name, sizeof(g->name), "imprint-%p", (void *)g);
	g->vfs.zName = g->name;
	g->vfs.szOsFile = (int)sizeof(struct gathered) + g->real->szOsFile;
	g->vfs.xOpen = gather_open;
	if (sqlite3_vfs_register(&g->vfs, 0) != SQLITE_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gather_free(struct gather *g)
{
	if (!g)
		return;
	sqlite3_vfs_unregister(&g->vfs);
	free(g);
}

const char *gather_name(const struct gather *g)
{
	return g->name;
}
