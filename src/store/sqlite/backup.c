/* A copy of the file while others write. */
#include "sqlite.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { BACKUP_PAGES = 1024 };

static enum err copy_pages(const struct sqlite *s, sqlite3 *from, sqlite3 *to, struct errbuf *eb)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc = SQLITE_OK;

	if (!b)
		return sqlite_fail(s, to, sqlite3_extended_errcode(to), eb);
	while (rc == SQLITE_OK)
		rc = sqlite3_backup_step(b, BACKUP_PAGES);
	rc = rc == SQLITE_DONE ? sqlite3_backup_finish(b) : (sqlite3_backup_finish(b), rc);
	return sqlite_fail(s, to, rc, eb);
}

/* The copy is one file, without a log beside it. */
static enum err copy_to(struct sqlite *s, const char *path, struct errbuf *eb)
{
	struct sqlite copy = { .path = "" };
	struct connection *c = NULL;
	sqlite3 *to = NULL;
	enum err e;

	snprintf(copy.path, sizeof(copy.path), "%s", path);
	if ((e = sqlite_borrow(s, &c, eb)) != OK)
		return e;
	/* In a read transaction, so that writers do not make it begin again. */
	if ((e = connection_exec(s, c, "BEGIN", eb)) != OK ||
	    (e = sqlite_ask(
	         s, c->db, "SELECT n FROM counter WHERE tenant = 0", NULL, 0, NULL, eb)) != OK ||
	    (e = sqlite_fail(&copy, NULL,
	         sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL),
	         eb)) != OK ||
	    (e = copy_pages(&copy, c->db, to, eb)) != OK ||
	    (e = sqlite_ask(&copy, to, "PRAGMA journal_mode = DELETE", NULL, 0, NULL, eb)) != OK)
		goto out;
	e = sqlite_pages_check(&copy, to, "integrity_check", eb);
out:
	sqlite3_close(to);
	connection_roll_back(c);
	sqlite_give_back(s, c);
	return e;
}

enum err sqlite_backup(void *db, const char *path, struct errbuf *eb)
{
	char making[FOLDER_PATH_MAX];
	enum err e;
	int fd;

	if (snprintf(making, sizeof(making), "%s.new", path) >= (int)sizeof(making))
		return err_set(eb, ERR_ARG, "%s: path too long", path);
	if (access(path, F_OK) == 0)
		return err_set(eb, ERR_CONFLICT, "%s: exists already", path);
	unlink(making); /* of one that was interrupted */
	if ((fd = open(making, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return file_error(eb, errno, making, "cannot be made");
	close(fd);
	if ((e = copy_to(db, making, eb)) != OK)
		goto out;
	if (link(making, path) != 0) /* unlike rename, never over what is there */
		e = file_error(eb, errno, path, "cannot be made");
	else
		e = folder_sync_parent(path, eb);
out:
	unlink(making);
	return e;
}
