/* Connections: one that writes, some that read; their statements, prepared once; what their errors say. */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	READERS_MAX = 16,
	BUSY_MS = 5000,
	WAL_FULL = 4000, /* pages in the log at which a checkpoint does not wait for a rest */
};

static const char *const texts[SQL_COUNT] = {
#define SQL(name, text) [SQL_##name] = text,
#include "sql.def"
#undef SQL
};

/* --- errors --- */

static enum err err_of(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return OK;
	case SQLITE_FULL:
		return ERR_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_FORMAT;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return ERR_DENIED;
	case SQLITE_NOMEM:
		return ERR_MEMORY;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_FOREIGNKEY ? ERR_NOT_FOUND : ERR_CONFLICT;
	case SQLITE_TOOBIG:
		return ERR_ARG;
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return ERR_MEMORY;
		/* The log's index grows too, and says so by errno alone. */
		return db && sqlite3_system_errno(db) == ENOSPC ? ERR_SPACE : ERR_IO;
	default:
		return ERR_IO;
	}
}

enum err sqlite_fail(const struct sqlite *s, sqlite3 *db, int rc, struct errbuf *eb)
{
	enum err e = err_of(db, rc);

	switch (e) {
	case OK:
		return OK;
	case ERR_SPACE:
		return err_set(eb, e, "%s: the disk is full", s->path);
	case ERR_FORMAT:
		return err_set(eb, e,
		    "%s: damaged (%s); it is left as it is: move it away and put a backup in its "
		    "place",
		    s->path, sqlite3_errstr(rc));
	case ERR_DENIED:
		return err_set(
		    eb, e, "%s: no right to write there (%s)", s->path, sqlite3_errstr(rc));
	case ERR_MEMORY:
		return err_set(eb, e, "%s: no memory", s->path);
	default:
		if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
			return err_set(eb, e, "%s: another program holds it", s->path);
		return err_set(eb, e, "%s: %s%s%s", s->path, sqlite3_errstr(rc),
		    db && sqlite3_system_errno(db) ? ": " : "",
		    db && sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db)) : "");
	}
}

enum err sqlite_at_work(enum err e)
{
	return e == ERR_FORMAT || e == ERR_DENIED ? ERR_IO : e;
}

/* --- connections and statements --- */

void connection_close(struct connection *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(c->statements[i]);
	sqlite3_close(c->db);
	free(c);
}

/* vfs NULL: the usual one. */
static enum err connect_to(const struct sqlite *s, const char *vfs, const char *pragmas,
    struct connection **out, struct errbuf *eb)
{
	struct connection *c = calloc(1, sizeof(*c));
	enum err e;
	int rc;

	if (!c)
		return err_set(eb, ERR_MEMORY, "%s: no memory", s->path);
	rc = sqlite3_open_v2(s->path, &c->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(c->db, BUSY_MS);
		sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
	}
	if ((e = sqlite_fail(s, c->db, rc, eb)) != OK) {
		connection_close(c);
		return e;
	}
	*out = c;
	return OK;
}

static int wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *s = arg;

	s->wal_pages = pages;
	if (pages >= WAL_FULL)
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return SQLITE_OK;
}

/* SQLite stays with what it has when it cannot have a log, and says so only when it is asked. */
static enum err has_log(const struct sqlite *s, sqlite3 *db, struct errbuf *eb)
{
	sqlite3_stmt *stmt = NULL;
	const char *mode = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &stmt, NULL);
	bool good;

	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		mode = (const char *)sqlite3_column_text(stmt, 0);
	good = mode && strcmp(mode, "wal") == 0;
	sqlite3_finalize(stmt);
	if (good)
		return OK;
	if (!mode)
		return sqlite_fail(s, db, rc == SQLITE_ROW ? SQLITE_NOMEM : rc, eb);
	return err_set(eb, ERR_IO,
	    "%s: cannot have a write-ahead log there: not a disk of this computer?", s->path);
}

enum err sqlite_connect_writer(struct sqlite *s, struct errbuf *eb)
{
	enum err e = connect_to(s, gather_name(s->gather),
	    "PRAGMA page_size = 4096;"
	    "PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL;"
	    "PRAGMA foreign_keys = ON;"
	    "PRAGMA cell_size_check = ON;"
	    "PRAGMA mmap_size = 0;"
	    "PRAGMA cache_size = -65536",
	    &s->writer, eb);

	if (e != OK)
		return e;
	if ((e = has_log(s, s->writer->db, eb)) != OK) {
		connection_close(s->writer);
		s->writer = NULL;
		return e;
	}
	sqlite3_wal_hook(s->writer->db, wal_hook, s);
	return OK;
}

int connection_statement(struct connection *c, enum sql sql, sqlite3_stmt **out)
{
	int rc = SQLITE_OK;

	if (!c->statements[sql])
		rc = sqlite3_prepare_v3(
		    c->db, texts[sql], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[sql], NULL);
	*out = c->statements[sql];
	return rc;
}

int statement_bind(sqlite3_stmt *stmt, int at, const struct value *v)
{
	const void *p = v->bytes.n ? v->bytes.p : (const uint8_t *)"";

	switch (v->type) {
	case VALUE_NUMBER:
		return sqlite3_bind_int64(stmt, at, v->number);
	case VALUE_TEXT:
		return sqlite3_bind_text64(stmt, at, p, v->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BYTES:
		return sqlite3_bind_blob64(stmt, at, p, v->bytes.n, SQLITE_STATIC);
	case VALUE_NULL:
	case VALUE_OTHER:
		break;
	}
	return sqlite3_bind_null(stmt, at);
}

void statement_finish(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt); /* which point at what is about to go */
}

/* A number in the first row of what a statement returns, if it is given and there is one. */
static int step_to_end(sqlite3_stmt *stmt, int64_t *number)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW && number)
		*number = sqlite3_column_int64(stmt, 0);
	while (rc == SQLITE_ROW)
		rc = sqlite3_step(stmt);
	return rc;
}

int connection_run(struct connection *c, enum sql sql, const struct value *args, size_t n,
    int *changed, int64_t *number)
{
	sqlite3_stmt *stmt = NULL;
	int rc = connection_statement(c, sql, &stmt);

	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = statement_bind(stmt, (int)i + 1, &args[i]);
	if (rc == SQLITE_OK)
		rc = step_to_end(stmt, number);
	if (changed)
		*changed = sqlite3_changes(c->db);
	statement_finish(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void connection_roll_back(struct connection *c)
{
	if (!sqlite3_get_autocommit(c->db))
		connection_run(c, SQL_rollback, NULL, 0, NULL, NULL);
}

enum err connection_exec(
    const struct sqlite *s, struct connection *c, const char *sql, struct errbuf *eb)
{
	return sqlite_fail(s, c->db, sqlite3_exec(c->db, sql, NULL, NULL, NULL), eb);
}

enum err sqlite_ask(const struct sqlite *s, sqlite3 *db, const char *sql, const struct value *args,
    size_t n, int64_t *number, struct errbuf *eb)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = statement_bind(stmt, (int)i + 1, &args[i]);
	if (rc == SQLITE_OK)
		rc = step_to_end(stmt, number);
	sqlite3_finalize(stmt);
	return sqlite_fail(s, db, rc, eb);
}

/* --- those that read --- */

enum err sqlite_borrow(struct sqlite *s, struct connection **out, struct errbuf *eb)
{
	struct connection *c;
	enum err e = OK;

	pthread_mutex_lock(&s->mutex);
	while (!s->idle && s->readers == READERS_MAX)
		pthread_cond_wait(&s->given_back, &s->mutex);
	if ((c = s->idle))
		s->idle = c->next;
	else
		s->readers++;
	pthread_mutex_unlock(&s->mutex);
	if (!c && (e = connect_to(s, NULL,
	               "PRAGMA query_only = ON;"
	               "PRAGMA cell_size_check = ON;"
	               "PRAGMA mmap_size = 0;"
	               "PRAGMA cache_size = -4096",
	               &c, eb)) != OK) {
		pthread_mutex_lock(&s->mutex);
		s->readers--;
		pthread_cond_signal(&s->given_back);
		pthread_mutex_unlock(&s->mutex);
		return e;
	}
	*out = c;
	return OK;
}

void sqlite_give_back(struct sqlite *s, struct connection *c)
{
	pthread_mutex_lock(&s->mutex);
	c->next = s->idle;
	s->idle = c;
	pthread_cond_signal(&s->given_back);
	pthread_mutex_unlock(&s->mutex);
}

/* --- rows --- */

enum err statement_column(sqlite3_stmt *stmt, int at, struct value *v)
{
	*v = (struct value){ VALUE_NULL, 0, { NULL, 0 } };
	switch (sqlite3_column_type(stmt, at)) {
	case SQLITE_NULL:
		return OK;
	case SQLITE_INTEGER:
		v->type = VALUE_NUMBER;
		v->number = sqlite3_column_int64(stmt, at);
		return OK;
	case SQLITE_TEXT:
		v->type = VALUE_TEXT;
		v->bytes.p = sqlite3_column_text(stmt, at);
		break;
	case SQLITE_BLOB:
		v->type = VALUE_BYTES;
		v->bytes.p = sqlite3_column_blob(stmt, at);
		break;
	default:
		v->type = VALUE_OTHER;
		return OK;
	}
	v->bytes.n = (size_t)sqlite3_column_bytes(stmt, at);
	return v->bytes.p || !v->bytes.n ? OK : ERR_MEMORY;
}

enum err statement_decode(const struct sqlite *s, sqlite3_stmt *stmt, const struct noun *noun,
    void *row, uint32_t *tenant, struct errbuf *eb)
{
	struct value v;
	enum err e;

	for (size_t i = 0; i < noun->n; i++) {
		if (statement_column(stmt, (int)i, &v) != OK)
			return err_set(eb, ERR_MEMORY, "%s: no memory", s->path);
		if ((e = row_take(noun, i, &v, row, eb)) != OK)
			return err_within(eb, e, "%s", s->path);
	}
	if (statement_column(stmt, (int)noun->n, &v) != OK || v.type != VALUE_NUMBER ||
	    v.number < 0 || v.number > UINT32_MAX)
		return err_set(eb, ERR_FORMAT, "%s: %s.tenant: not a number", s->path, noun->name);
	if (tenant)
		*tenant = (uint32_t)v.number;
	return OK;
}
