/*
 * The registry in SQLite: one file, write-ahead log, flushed at each COMMIT.
 *
 * One connection writes, on the committing thread; readers borrow one from a pool. Statements are
 * prepared once a connection. Another process is kept out by PATH.lock; a foreign program that
 * holds the file all the same makes writers wait, then fail.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK_CHECK_MAX (INT64_C(2) << 30) /* larger files would take too long at a start */

/* --- reading --- */

static enum err sqlite_find(void *db, enum sql sql, const struct value *args, size_t n,
    struct rows *rows, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct connection *c = NULL;
	sqlite3_stmt *stmt = NULL;
	enum err e;
	int rc;

	if ((e = sqlite_borrow(s, &c, eb)) != OK)
		return sqlite_at_work(e);
	rows->connection = c;
	rc = connection_statement(c, sql, &stmt);
	rows->statement = stmt;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = statement_bind(stmt, (int)i + 1, &args[i]);
	return sqlite_at_work(sqlite_fail(s, c->db, rc, eb));
}

static enum err sqlite_next(void *db, struct rows *rows, const struct noun *noun, void *row,
    uint32_t *tenant, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct connection *c = rows->connection;
	int rc = sqlite3_step(rows->statement);

	if (rc == SQLITE_DONE)
		return ERR_NOT_FOUND;
	if (rc != SQLITE_ROW)
		return sqlite_at_work(sqlite_fail(s, c->db, rc, eb));
	return sqlite_at_work(statement_decode(s, rows->statement, noun, row, tenant, eb));
}

static void sqlite_done(void *db, struct rows *rows)
{
	if (rows->statement)
		statement_finish(rows->statement);
	if (rows->connection)
		sqlite_give_back(db, rows->connection);
}

/* --- opening --- */

static void sqlite_close(void *db)
{
	struct sqlite *s = db;
	struct connection *next;

	for (struct connection *c = s->idle; c; c = next) {
		next = c->next;
		connection_close(c);
	}
	connection_close(s->writer); /* the last: brings the log into the file */
	gather_free(s->gather);
	pthread_cond_destroy(&s->given_back);
	pthread_mutex_destroy(&s->mutex);
	file_unlock(&s->lock);
	free(s);
}

static enum err make_file(const char *path, struct errbuf *eb)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? OK : file_error(eb, errno, path, "cannot be made");
	close(fd);
	return folder_sync_parent(path, eb);
}

/* A log that was left means that the last writer did not close. */
static bool stopped_uncleanly(const char *path)
{
	char wal[FOLDER_PATH_MAX + 8];
	struct stat file, log;

	snprintf(wal, sizeof(wal), "%s-wal", path);
	return stat(wal, &log) == 0 && log.st_size > 0 && stat(path, &file) == 0 &&
	       file.st_size <= QUICK_CHECK_MAX;
}

static enum err sqlite_open(
    const char *path, int64_t now, void **db, uint64_t *batch, struct errbuf *eb)
{
	struct sqlite *s = calloc(1, sizeof(*s));
	char lock[FOLDER_PATH_MAX + 8];
	int64_t last = 0;
	bool unclean;
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "%s: no memory", path);
	s->lock = FILE_UNLOCKED;
	if (!(s->gather = gather_new()) || pthread_mutex_init(&s->mutex, NULL) ||
	    pthread_cond_init(&s->given_back, NULL)) {
		gather_free(s->gather);
		free(s);
		return err_set(eb, ERR_MEMORY, "%s: no memory", path);
	}
	if (strlen(path) >= sizeof(s->path)) {
		e = err_set(eb, ERR_ARG, "%.60s...: path too long", path);
		goto out;
	}
	memcpy(s->path, path, strlen(path) + 1);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unclean = stopped_uncleanly(path);
	if ((e = file_lock(&s->lock, lock, eb)) != OK || (e = make_file(path, eb)) != OK ||
	    (e = sqlite_connect_writer(s, eb)) != OK ||
	    (unclean && (e = sqlite_pages_check(s, s->writer->db, "quick_check", eb)) != OK) ||
	    (e = sqlite_migrate(s, now, eb)) != OK ||
	    (e = sqlite_fail(s, s->writer->db,
	         connection_run(s->writer, SQL_batch_last, NULL, 0, NULL, &last), eb)) != OK)
		goto out;
	*batch = (uint64_t)last;
	*db = s;
	return OK;
out:
	sqlite_close(s);
	return e;
}

const struct store_ops sqlite_ops = {
	.open = sqlite_open,
	.close = sqlite_close,
	.find = sqlite_find,
	.next = sqlite_next,
	.done = sqlite_done,
	.write = sqlite_write,
	.reconnect = sqlite_reconnect,
	.idle = sqlite_idle,
	.backup = sqlite_backup,
	.check = sqlite_check,
};
