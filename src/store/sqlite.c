/*
 * The registry in SQLite: one file, write-ahead log, flushed at each COMMIT.
 *
 * One connection writes, on the committing thread; readers borrow one from a pool. Statements are
 * prepared once a connection. Another process is kept out by PATH.lock; a foreign program that
 * holds the file all the same makes writers wait, then fail.
 */
#include "backend.h"

#include "file.h"
#include "folder.h"
#include "gather.h"
#include "hook.h"
#include "sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	APPLICATION_ID = 1229803602, /* as schema.def sets it */
	READERS_MAX = 16,
	BUSY_MS = 5000,
	WAL_REST = 1000, /* pages in the log that are worth a checkpoint when nothing else waits */
	WAL_FULL = 4000, /* pages at which it does not wait for a rest */
	BACKUP_PAGES = 1024,
	TOKENS_KEPT_MS = 3600000, /* an expired token still gets the better message */
	PURGE_MS = 60000,
};
#define QUICK_CHECK_MAX (INT64_C(2) << 30) /* larger files would take too long at a start */

static const char *const texts[SQL_COUNT] = {
#define SQL(name, text) [SQL_##name] = text,
#include "sql.def"
#undef SQL
};

static const struct step {
	const char *name, *sql;
} steps[] = {
#define STEP(name, sql) { name, sql },
#include "schema.def"
#undef STEP
};

struct connection {
	struct connection *next;
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
};

struct sqlite {
	char path[FOLDER_PATH_MAX];
	struct file_lock lock;
	struct gather *gather;
	struct connection *writer; /* NULL: to be connected again */
	int wal_pages;
	int64_t purged;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t given_back;
	struct connection *idle;
	unsigned readers;
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

static enum err fail(const struct sqlite *s, sqlite3 *db, int rc, struct errbuf *eb)
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

/* While the server runs, damage or lost rights are the server's trouble and not the asker's. */
static enum err at_work(enum err e)
{
	return e == ERR_FORMAT || e == ERR_DENIED ? ERR_IO : e;
}

/* --- connections and statements --- */

static void disconnect(struct connection *c)
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
	if ((e = fail(s, c->db, rc, eb)) != OK) {
		disconnect(c);
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
		return fail(s, db, rc == SQLITE_ROW ? SQLITE_NOMEM : rc, eb);
	return err_set(eb, ERR_IO,
	    "%s: cannot have a write-ahead log there: not a disk of this computer?", s->path);
}

static enum err connect_writer(struct sqlite *s, struct errbuf *eb)
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
		disconnect(s->writer);
		s->writer = NULL;
		return e;
	}
	sqlite3_wal_hook(s->writer->db, wal_hook, s);
	return OK;
}

/* Prepared at first use, kept until the connection goes. */
static int statement(struct connection *c, enum sql sql, sqlite3_stmt **out)
{
	int rc = SQLITE_OK;

	if (!c->statements[sql])
		rc = sqlite3_prepare_v3(
		    c->db, texts[sql], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[sql], NULL);
	*out = c->statements[sql];
	return rc;
}

/* Bytes stay the caller's until the statement is reset. */
static int bind(sqlite3_stmt *stmt, int at, const struct value *v)
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

static void finish(sqlite3_stmt *stmt)
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

/* Runs a statement that changes something; *changed is the number of rows. */
static int run(struct connection *c, enum sql sql, const struct value *args, size_t n, int *changed,
    int64_t *number)
{
	sqlite3_stmt *stmt = NULL;
	int rc = statement(c, sql, &stmt);

	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = bind(stmt, (int)i + 1, &args[i]);
	if (rc == SQLITE_OK)
		rc = step_to_end(stmt, number);
	if (changed)
		*changed = sqlite3_changes(c->db);
	finish(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- reading --- */

static enum err borrow(struct sqlite *s, struct connection **out, struct errbuf *eb)
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

static void give_back(struct sqlite *s, struct connection *c)
{
	pthread_mutex_lock(&s->mutex);
	c->next = s->idle;
	s->idle = c;
	pthread_cond_signal(&s->given_back);
	pthread_mutex_unlock(&s->mutex);
}

static enum err sqlite_find(void *db, enum sql sql, const struct value *args, size_t n,
    struct rows *rows, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct connection *c = NULL;
	sqlite3_stmt *stmt = NULL;
	enum err e;
	int rc;

	if ((e = borrow(s, &c, eb)) != OK)
		return at_work(e);
	rows->connection = c;
	rc = statement(c, sql, &stmt);
	rows->statement = stmt;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = bind(stmt, (int)i + 1, &args[i]);
	return at_work(fail(s, c->db, rc, eb));
}

/* ERR_MEMORY: the value could not be brought from its pages. */
static enum err column(sqlite3_stmt *stmt, int at, struct value *v)
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

static enum err decode(const struct sqlite *s, sqlite3_stmt *stmt, const struct noun *noun,
    void *row, uint32_t *tenant, struct errbuf *eb)
{
	struct value v;
	enum err e;

	for (size_t i = 0; i < noun->n; i++) {
		if (column(stmt, (int)i, &v) != OK)
			return err_set(eb, ERR_MEMORY, "%s: no memory", s->path);
		if ((e = row_take(noun, i, &v, row, eb)) != OK)
			return err_within(eb, e, "%s", s->path);
	}
	if (column(stmt, (int)noun->n, &v) != OK || v.type != VALUE_NUMBER || v.number < 0 ||
	    v.number > UINT32_MAX)
		return err_set(eb, ERR_FORMAT, "%s: %s.tenant: not a number", s->path, noun->name);
	if (tenant)
		*tenant = (uint32_t)v.number;
	return OK;
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
		return at_work(fail(s, c->db, rc, eb));
	return at_work(decode(s, rows->statement, noun, row, tenant, eb));
}

static void sqlite_done(void *db, struct rows *rows)
{
	if (rows->statement)
		finish(rows->statement);
	if (rows->connection)
		give_back(db, rows->connection);
}

/* --- writing --- */

#define ONE(...) +1
enum {
	PRINCIPAL_CHANGES_N = 0 PRINCIPAL_CHANGES(ONE, ONE),
	DEVICE_PLAIN_N = 0 DEVICE_PLAIN(ONE, ONE),
	DEVICE_CHANGES_N = 0 DEVICE_CHANGES(ONE, ONE),
	CERT_CHANGES_N = 0 CERT_CHANGES(ONE, ONE),
	THING_CHANGES_N = 0 THING_CHANGES(ONE, ONE),
	ARGS_MAX = 24,
};

/* What stopped one row: its change gets it, and the others go on. */
static bool is_surprise(int rc)
{
	return (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_TOOBIG;
}

static void surprise(struct row *r, const char *noun, int rc)
{
	if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
		store_change_fail(
		    r->change, ERR_NOT_FOUND, "%s: what it refers to does not exist", noun);
	else if ((rc & 0xff) == SQLITE_TOOBIG)
		store_change_fail(r->change, ERR_ARG, "%s: too large", noun);
	else
		store_change_fail(r->change, ERR_CONFLICT, "%s: exists already", noun);
}

/* One row in; what is there already is the change's problem. */
static int insert(struct connection *c, enum sql sql, const struct noun *noun, struct row *r)
{
	struct value args[ARGS_MAX];
	int rc;

	for (size_t i = 0; i < noun->n; i++)
		args[i] = row_value(&noun->columns[i], r->data);
	args[noun->n] = value_number(r->change->tenant);
	rc = run(c, sql, args, noun->n + 1, NULL, NULL);
	if (!is_surprise(rc))
		return rc;
	surprise(r, noun->name, rc);
	return SQLITE_OK;
}

/* No row had this key and version: which of the two it was goes into the text. */
static int missed(struct connection *c, enum sql version, const char *noun, struct value key,
    uint32_t wanted, struct row *r)
{
	struct value args[] = { value_number(r->change->tenant), key };
	int64_t there = 0;
	int rc = run(c, version, args, COUNT(args), NULL, &there);

	if (rc != SQLITE_OK)
		return rc;
	if (there)
		store_change_fail(r->change, ERR_CONFLICT,
		    "%s: changed meanwhile: version %u was meant, %lld is there", noun, wanted,
		    (long long)there);
	else
		store_change_fail(r->change, ERR_NOT_FOUND, "%s: not there", noun);
	return SQLITE_OK;
}

static int update(struct connection *c, enum sql sql, enum sql version, const struct noun *noun,
    size_t changes, struct value key, uint32_t wanted, struct row *r)
{
	struct value args[ARGS_MAX];
	int rc, changed = 0;

	for (size_t i = 0; i < changes; i++)
		args[i] = row_value(&noun->columns[i], r->data);
	args[changes] = value_number(r->change->tenant);
	args[changes + 1] = key;
	args[changes + 2] = value_number(wanted);
	rc = run(c, sql, args, changes + 3, &changed, NULL);
	if (is_surprise(rc)) {
		surprise(r, noun->name, rc);
		return SQLITE_OK;
	}
	return rc == SQLITE_OK && changed == 0 ? missed(c, version, noun->name, key, wanted, r)
	                                       : rc;
}

static int write_tenant(struct connection *c, struct row *r)
{
	struct value events[] = { value_number(r->change->tenant), value_text("event") };
	struct value visits[] = { value_number(r->change->tenant), value_text("visit") };
	int rc;

	if (r->change->tenant == 0) {
		store_change_fail(r->change, ERR_ARG, "tenant: 0 is nobody's number");
		return SQLITE_OK;
	}
	rc = insert(c, SQL_tenant_add, &noun_tenant, r);
	if (rc != SQLITE_OK || r->change->e != OK ||
	    (rc = run(c, SQL_counter_add, events, COUNT(events), NULL, NULL)) != SQLITE_OK)
		return rc;
	return run(c, SQL_counter_add, visits, COUNT(visits), NULL, NULL);
}

static int write_principal(struct connection *c, struct row *r)
{
	const struct store_principal *p = r->data;

	return r->add ? insert(c, SQL_principal_add, &noun_principal, r)
	              : update(c, SQL_principal_set, SQL_principal_version, &noun_principal,
	                    PRINCIPAL_CHANGES_N, value_bytes(p->id, 16), p->version, r);
}

static int write_setting(struct connection *c, struct row *r)
{
	const struct setting *s = r->data;
	struct value args[] = { value_number(r->change->tenant), { VALUE_TEXT, 0, s->name } };

	return s->value.p ? insert(c, SQL_setting_put, &noun_setting, r)
	                  : run(c, SQL_setting_remove, args, COUNT(args), NULL, NULL);
}

static int write_device(struct connection *c, struct row *r)
{
	const struct store_device *d = r->data;
	struct value id = value_bytes(d->id, 16);
	struct value args[] = { value_number(r->change->tenant), id, value_text(d->name),
		value_text(d->serial), value_text(d->hardware), value_maybe(d->thing) };
	int64_t same = r->same;
	int rc = SQLITE_OK;

	if (r->add)
		return insert(c, SQL_device_add, &noun_device, r);
	if (!same)
		rc = run(c, SQL_device_same, args, COUNT(args), NULL, &same);
	if (rc != SQLITE_OK)
		return rc;
	return update(c, same ? SQL_device_set_plain : SQL_device_set, SQL_device_version,
	    &noun_device, same ? DEVICE_PLAIN_N : DEVICE_CHANGES_N, id, d->version, r);
}

static int write_seen(struct connection *c, struct row *r)
{
	const struct row_seen *seen = r->data;
	struct value args[] = { value_number(r->change->tenant), value_bytes(seen->id, 16),
		value_number(seen->at), value_number(STORE_AHEAD_MS),
		value_bytes(seen->message, seen->n) };

	if (!seen->said)
		args[4].type = VALUE_NULL;
	return run(c, SQL_device_seen, args, COUNT(args), NULL, NULL);
}

static int write_remove(
    struct connection *c, struct row *r, enum sql sql, enum sql version, const char *noun)
{
	const struct row_remove *remove = r->data;
	struct value key = value_bytes(remove->id, 16);
	struct value args[] = { value_number(r->change->tenant), key,
		value_number(remove->version) };
	int changed = 0, rc = run(c, sql, args, COUNT(args), &changed, NULL);

	return rc == SQLITE_OK && changed == 0 ? missed(c, version, noun, key, remove->version, r)
	                                       : rc;
}

static int write_tag(struct connection *c, struct row *r)
{
	const struct row_tag *t = r->data;
	struct value args[] = { value_number(r->change->tenant), value_bytes(t->device, 16),
		value_text(t->tag.key), value_text(t->tag.value) };
	int changed = 0, rc;

	if (r->kind == ROW_TAG_REMOVE)
		return run(c, SQL_tag_remove, args, 3, NULL, NULL);
	rc = run(c, SQL_tag_put, args, 4, &changed, NULL);
	if (rc == SQLITE_OK && changed == 0)
		store_change_fail(r->change, ERR_NOT_FOUND, "tag: its device is not there");
	return rc;
}

static int write_cert(struct connection *c, struct row *r)
{
	const struct store_cert *cert = r->data;

	return r->add ? insert(c, SQL_cert_add, &noun_cert, r)
	              : update(c, SQL_cert_set, SQL_cert_version, &noun_cert, CERT_CHANGES_N,
	                    value_bytes(cert->serial, 16), cert->version, r);
}

static int write_thing(struct connection *c, struct row *r)
{
	const struct store_thing *t = r->data;

	return r->add ? insert(c, SQL_thing_add, &noun_thing, r)
	              : update(c, SQL_thing_set, SQL_thing_version, &noun_thing, THING_CHANGES_N,
	                    value_bytes(t->id, 16), t->version, r);
}

/* Numbered as it is written: the counter's row is locked by then. */
static int write_visit(struct connection *c, struct row *r)
{
	struct store_visit *v = r->data;
	struct value trim[] = { value_number(r->change->tenant), value_bytes(v->device, 16),
		value_number(STORE_VISITS_KEPT), value_number(v->began) };
	struct value began[] = { value_number(r->change->tenant), value_bytes(v->id, 16),
		value_number(v->began) };
	int64_t n = 0;
	int rc = run(c, SQL_visit_number, trim, 1, NULL, &n);

	if (rc != SQLITE_OK)
		return rc;
	if (!n) {
		store_change_fail(r->change, ERR_NOT_FOUND, "visit: no such tenant");
		return SQLITE_OK;
	}
	v->change = (uint64_t)n;
	if ((rc = insert(c, SQL_visit_put, &noun_visit, r)) != SQLITE_OK ||
	    (rc = run(c, SQL_visit_began, began, COUNT(began), NULL, NULL)) != SQLITE_OK ||
	    (rc = run(c, SQL_visit_trim_later, trim, COUNT(trim), NULL, NULL)) != SQLITE_OK)
		return rc;
	return run(c, SQL_visit_trim, trim, 3, NULL, NULL);
}

static int write_row(struct connection *c, struct row *r)
{
	switch (r->kind) {
	case ROW_TENANT_ADD:
		return write_tenant(c, r);
	case ROW_PRINCIPAL_PUT:
		return write_principal(c, r);
	case ROW_TOKEN_ADD:
		return insert(c, SQL_token_add, &noun_token, r);
	case ROW_AUTHORITY_PUT:
		return insert(c, SQL_authority_put, &noun_authority, r);
	case ROW_SETTING_PUT:
		return write_setting(c, r);
	case ROW_DEVICE_PUT:
		return write_device(c, r);
	case ROW_DEVICE_SEEN:
		return write_seen(c, r);
	case ROW_DEVICE_REMOVE:
		return write_remove(c, r, SQL_device_remove, SQL_device_version, "device");
	case ROW_THING_REMOVE:
		return write_remove(c, r, SQL_thing_remove, SQL_thing_version, "thing");
	case ROW_THING_PUT:
		return write_thing(c, r);
	case ROW_VALUE_PUT:
		return insert(c, SQL_value_put, &noun_value, r);
	case ROW_VISIT_PUT:
		return write_visit(c, r);
	case ROW_TAG_PUT:
	case ROW_TAG_REMOVE:
		return write_tag(c, r);
	case ROW_CERT_PUT:
		return write_cert(c, r);
	case ROW_EVENT_ADD:
		return insert(c, SQL_event_add, &noun_event, r);
	}
	return SQLITE_OK;
}

/* The numbers for all events of one tenant, which begin at rows[0]. */
static int number_events(struct connection *c, struct batch *b, size_t first)
{
	uint32_t tenant = b->rows[first]->change->tenant;
	int64_t last = 0, n = 0;
	size_t end = first;
	int rc;

	for (; end < b->n && b->rows[end]->kind == ROW_EVENT_ADD &&
	       b->rows[end]->change->tenant == tenant;
	     end++)
		n += b->rows[end]->change->e == OK;
	struct value args[] = { value_number(tenant), value_number(n) };
	rc = n ? run(c, SQL_event_numbers, args, COUNT(args), NULL, &last) : SQLITE_OK;
	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = first; i < end; i++) {
		struct store_change *change = b->rows[i]->change;
		struct store_event *event = b->rows[i]->data;

		if (change->e != OK)
			continue;
		if (!last) { /* nobody counts for it */
			store_change_fail(change, ERR_NOT_FOUND, "event: no such tenant");
			continue;
		}
		event->seq = (uint64_t)(last - --n);
		if (i == first || b->rows[i - 1]->change != change)
			change->seq = event->seq;
	}
	return SQLITE_OK;
}

static int write_rows(struct connection *c, struct batch *b)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < b->n && rc == SQLITE_OK; i++) {
		struct row *r = b->rows[i];

		if (r->kind == ROW_EVENT_ADD &&
		    (i == 0 || b->rows[i - 1]->kind != ROW_EVENT_ADD ||
		        b->rows[i - 1]->change->tenant != r->change->tenant))
			rc = number_events(c, b, i);
		if (rc == SQLITE_OK && r->change->e == OK)
			rc = write_row(c, r);
	}
	return rc;
}

static bool surprised(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->rows[i]->change->e != OK)
			return true;
	return false;
}

/* Tests kill the program while the rows of an issuance are written and not yet committed. */
static void hook_inside(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->rows[i]->kind == ROW_CERT_PUT) {
			test_hook("inside", "commit");
			return;
		}
	}
}

static int purge(struct sqlite *s, const struct batch *b)
{
	struct value args[] = { value_number(b->now - TOKENS_KEPT_MS) };

	if (b->now >= s->purged && b->now - s->purged < PURGE_MS)
		return SQLITE_OK;
	s->purged = b->now;
	return run(s->writer, SQL_token_purge, args, COUNT(args), NULL, NULL);
}

/* FULL rolls back by itself; a second time would be an error that hides the first. */
static void roll_back(struct connection *c)
{
	if (!sqlite3_get_autocommit(c->db))
		run(c, SQL_rollback, NULL, 0, NULL, NULL);
}

static enum outcome sqlite_write(void *db, struct batch *b, enum err *e, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct value args[] = { value_number((int64_t)b->number) };
	struct connection *c;
	bool committing = false;
	int changed = 0, rc;

	if (!s->writer && (*e = at_work(connect_writer(s, eb))) != OK)
		return BATCH_FAILED;
	c = s->writer;
	if ((rc = run(c, SQL_begin, NULL, 0, NULL, NULL)) != SQLITE_OK ||
	    (rc = run(c, SQL_batch_number, args, COUNT(args), &changed, NULL)) != SQLITE_OK)
		goto out;
	if (changed == 0) { /* the COMMIT in doubt was one */
		roll_back(c);
		return BATCH_WRITTEN;
	}
	if ((rc = write_rows(c, b)) != SQLITE_OK || (rc = purge(s, b)) != SQLITE_OK)
		goto out;
	hook_inside(b);
	if (surprised(b)) {
		roll_back(c);
		return BATCH_SURPRISE;
	}
	committing = true;
	rc = run(c, SQL_commit, NULL, 0, NULL, NULL);
out:
	if (rc == SQLITE_OK)
		return BATCH_WRITTEN;
	*e = at_work(fail(s, c->db, rc, eb));
	roll_back(c);
	if ((rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_BUSY)
		return BATCH_FAILED;
	return committing || (rc & 0xff) == SQLITE_IOERR ? BATCH_UNKNOWN : BATCH_FAILED;
}

static enum err sqlite_reconnect(void *db, struct errbuf *eb)
{
	struct sqlite *s = db;

	disconnect(s->writer);
	s->writer = NULL;
	return at_work(connect_writer(s, eb));
}

static void sqlite_idle(void *db)
{
	struct sqlite *s = db;

	if (!s->writer || s->wal_pages < WAL_REST)
		return;
	s->wal_pages = 0;
	sqlite3_wal_checkpoint_v2(s->writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* --- schema --- */

static enum err exec(
    const struct sqlite *s, struct connection *c, const char *sql, struct errbuf *eb)
{
	return fail(s, c->db, sqlite3_exec(c->db, sql, NULL, NULL, NULL), eb);
}

/* One statement that is used once; *number as in step_to_end. */
static enum err ask(const struct sqlite *s, sqlite3 *db, const char *sql, const struct value *args,
    size_t n, int64_t *number, struct errbuf *eb)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = bind(stmt, (int)i + 1, &args[i]);
	if (rc == SQLITE_OK)
		rc = step_to_end(stmt, number);
	sqlite3_finalize(stmt);
	return fail(s, db, rc, eb);
}

/* SHA-256 over the texts of all tables and indexes, as SQLite remembers them. */
static enum err schema_hash(
    const struct sqlite *s, sqlite3 *db, uint8_t hash[32], struct errbuf *eb)
{
	struct sha256 h;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db,
	    "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '')"
	    " FROM sqlite_schema ORDER BY type, name",
	    -1, &stmt, NULL);

	sha256_init(&h);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			struct value v;

			if (column(stmt, 0, &v) != OK) {
				rc = SQLITE_NOMEM;
				break;
			}
			sha256_update(&h, v.bytes);
			sha256_update(&h, TEXT("\n"));
		}
	sha256_final(&h, hash);
	sqlite3_finalize(stmt);
	return fail(s, db, rc, eb);
}

/* The schema must be what the steps make: nothing may have been added or taken away by hand. */
static enum err schema_compare(struct sqlite *s, struct errbuf *eb)
{
	uint8_t want[32], there[32];
	sqlite3 *fresh = NULL;
	int rc = sqlite3_open(":memory:", &fresh);
	enum err e;

	for (size_t i = 0; i < COUNT(steps) && rc == SQLITE_OK; i++)
		rc = sqlite3_exec(fresh, steps[i].sql, NULL, NULL, NULL);
	if ((e = fail(s, fresh, rc, eb)) == OK && (e = schema_hash(s, fresh, want, eb)) == OK &&
	    (e = schema_hash(s, s->writer->db, there, eb)) == OK && memcmp(want, there, 32) != 0)
		e = err_set(
		    eb, ERR_CONFLICT, "%s: its tables were altered by another program", s->path);
	sqlite3_close(fresh);
	return e;
}

static void step_hash(size_t i, uint8_t hash[32])
{
	sha256((struct slice){ (const uint8_t *)steps[i].sql, strlen(steps[i].sql) }, hash);
}

/* How many steps ran; they must be ours, in order. */
static enum err steps_done(struct sqlite *s, size_t *n, struct errbuf *eb)
{
	sqlite3_stmt *stmt = NULL;
	int64_t tables = 0, id = 0;
	uint8_t hash[32];
	struct value v;
	enum err e;
	int rc;

	*n = 0;
	if ((e = ask(s, s->writer->db, "SELECT count(*) FROM sqlite_schema", NULL, 0, &tables,
	         eb)) != OK ||
	    (e = ask(s, s->writer->db, "PRAGMA application_id", NULL, 0, &id, eb)) != OK)
		return e;
	if (tables == 0 && id == 0)
		return OK;
	if (id != APPLICATION_ID)
		return err_set(eb, ERR_FORMAT, "%s: the database of another program", s->path);
	rc = sqlite3_prepare_v2(
	    s->writer->db, "SELECT hash, n FROM schema_step ORDER BY n", -1, &stmt, NULL);
	while (rc == SQLITE_OK && e == OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		rc = SQLITE_OK;
		if (*n == COUNT(steps)) {
			e = err_set(
			    eb, ERR_CONFLICT, "%s: made by a newer version of Imprint", s->path);
			break;
		}
		step_hash(*n, hash);
		if (column(stmt, 0, &v) != OK || !slice_equal(v.bytes, SLICE(hash)) ||
		    sqlite3_column_int64(stmt, 1) != (int64_t)++ * n)
			e = err_set(eb, ERR_CONFLICT,
			    "%s: its schema was altered, or made by another version of Imprint",
			    s->path);
	}
	sqlite3_finalize(stmt);
	return e != OK ? e : fail(s, s->writer->db, rc, eb);
}

static enum err step_run(struct sqlite *s, size_t i, int64_t now, struct errbuf *eb)
{
	uint8_t hash[32];
	enum err e;

	step_hash(i, hash);
	struct value args[] = { value_number((int64_t)i + 1), value_text(steps[i].name),
		value_bytes(hash, 32), value_number(now) };
	if ((e = exec(s, s->writer, "BEGIN IMMEDIATE", eb)) == OK &&
	    (e = exec(s, s->writer, steps[i].sql, eb)) == OK &&
	    (e = ask(s, s->writer->db,
	         "INSERT INTO schema_step (n, name, hash, at) VALUES (?1, ?2, ?3, ?4)", args,
	         COUNT(args), NULL, eb)) == OK)
		e = exec(s, s->writer, "COMMIT", eb);
	roll_back(s->writer);
	return e;
}

static enum err sqlite_backup(void *db, const char *path, struct errbuf *eb);

static enum err migrate(struct sqlite *s, int64_t now, struct errbuf *eb)
{
	char before[FOLDER_PATH_MAX + 32];
	size_t done = 0;
	enum err e;

	if ((e = steps_done(s, &done, eb)) != OK)
		return e;
	if (done > 0 && done < COUNT(steps)) {
		snprintf(before, sizeof(before), "%s.before-step-%zu", s->path, done + 1);
		e = sqlite_backup(s, before, eb);
		if (e != OK && e != ERR_CONFLICT) /* an upgrade that was interrupted made it */
			return e;
	}
	for (size_t i = done; i < COUNT(steps); i++)
		if ((e = step_run(s, i, now, eb)) != OK)
			return e;
	return schema_compare(s, eb);
}

/* --- checking --- */

static enum err pages_check_once(
    const struct sqlite *s, sqlite3 *db, const char *which, struct errbuf *eb)
{
	char sql[40];
	sqlite3_stmt *stmt = NULL;
	const char *fault;
	enum err e = OK;
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA %s(1)", which);
	if ((rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) == SQLITE_OK &&
	    (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		fault = (const char *)sqlite3_column_text(stmt, 0);
		if (fault && strrchr(fault, '\n')) /* a heading is above it */
			fault = strrchr(fault, '\n') + 1;
		if (!fault || strcmp(fault, "ok") != 0)
			e = err_set(eb, ERR_FORMAT,
			    "%s: damaged (%.120s); it is left as it is: move it away and put a "
			    "backup in its place",
			    s->path, fault ? fault : "no memory");
	}
	sqlite3_finalize(stmt);
	return e != OK ? e : fail(s, db, rc, eb);
}

/*
 * Runs "quick_check" or "integrity_check", whose first line is "ok" or the first fault. Both take
 * a page that could not be read this time (no memory) for a damaged one: hence a second look.
 */
static enum err pages_check(
    const struct sqlite *s, sqlite3 *db, const char *which, struct errbuf *eb)
{
	enum err e = pages_check_once(s, db, which, eb);

	return e == ERR_FORMAT ? pages_check_once(s, db, which, eb) : e;
}

static enum err walk(const struct sqlite *s, struct connection *c, enum sql sql,
    const struct noun *noun, struct errbuf *eb)
{
	union {
		struct store_tenant tenant;
		struct store_principal principal;
		struct store_token token;
		struct store_device device;
		struct store_tag tag;
		struct store_cert cert;
		struct store_authority authority;
		struct store_event event;
		struct setting setting;
		struct store_visit visit;
		struct store_thing thing;
		struct store_value value;
	} row;
	sqlite3_stmt *stmt = NULL;
	int rc = statement(c, sql, &stmt);
	enum err e = fail(s, c->db, rc, eb);

	if (e != OK)
		return e;
	while (e == OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE)
		e = rc == SQLITE_ROW ? decode(s, stmt, noun, &row, NULL, eb)
		                     : fail(s, c->db, rc, eb);
	finish(stmt);
	return e;
}

/* Beyond what SQLite knows: each row is one that can be read, and the tables agree. */
static enum err rows_check(const struct sqlite *s, struct connection *c, struct errbuf *eb)
{
	static const struct {
		enum sql sql;
		const struct noun *noun;
	} walks[] = { { SQL_walk_tenant, &noun_tenant }, { SQL_walk_principal, &noun_principal },
		{ SQL_walk_token, &noun_token }, { SQL_walk_device, &noun_device },
		{ SQL_walk_tag, &noun_tag }, { SQL_walk_cert, &noun_cert },
		{ SQL_walk_authority, &noun_authority }, { SQL_walk_event, &noun_event },
		{ SQL_walk_setting, &noun_setting }, { SQL_walk_visit, &noun_visit },
		{ SQL_walk_thing, &noun_thing }, { SQL_walk_value, &noun_value } };
	static const struct {
		enum sql sql;
		const char *what;
	} faults[] = { { SQL_wrong_reference, "a row refers to one that does not exist" },
		{ SQL_wrong_cert, "device.cert: no such certificate" },
		{ SQL_wrong_tag, "tag.created: not its device's" },
		{ SQL_wrong_number, "event.seq: a number is missing" },
		{ SQL_wrong_event, "event.seq: a number that was never given" },
		{ SQL_wrong_visit, "visit.change: a number that was never given" } };
	enum err e;

	for (size_t i = 0; i < COUNT(walks); i++)
		if ((e = walk(s, c, walks[i].sql, walks[i].noun, eb)) != OK)
			return e;
	for (size_t i = 0; i < COUNT(faults); i++) {
		int64_t fault = 0;
		int rc = run(c, faults[i].sql, NULL, 0, NULL, &fault);

		if (rc != SQLITE_OK)
			return fail(s, c->db, rc, eb);
		if (fault)
			return err_set(eb, ERR_FORMAT, "%s: %s", s->path, faults[i].what);
	}
	return OK;
}

static enum err sqlite_check(void *db, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct connection *c = NULL;
	enum err e;

	if ((e = borrow(s, &c, eb)) != OK)
		return e;
	if ((e = exec(s, c, "BEGIN", eb)) == OK &&
	    (e = pages_check(s, c->db, "integrity_check", eb)) == OK)
		e = rows_check(s, c, eb);
	roll_back(c);
	give_back(s, c);
	return e;
}

/* --- backup --- */

static enum err copy_pages(const struct sqlite *s, sqlite3 *from, sqlite3 *to, struct errbuf *eb)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc = SQLITE_OK;

	if (!b)
		return fail(s, to, sqlite3_extended_errcode(to), eb);
	while (rc == SQLITE_OK)
		rc = sqlite3_backup_step(b, BACKUP_PAGES);
	rc = rc == SQLITE_DONE ? sqlite3_backup_finish(b) : (sqlite3_backup_finish(b), rc);
	return fail(s, to, rc, eb);
}

/* The copy is one file, without a log beside it. */
static enum err copy_to(struct sqlite *s, const char *path, struct errbuf *eb)
{
	struct sqlite copy = { .path = "" };
	struct connection *c = NULL;
	sqlite3 *to = NULL;
	enum err e;

	snprintf(copy.path, sizeof(copy.path), "%s", path);
	if ((e = borrow(s, &c, eb)) != OK)
		return e;
	/* In a read transaction, so that writers do not make it begin again. */
	if ((e = exec(s, c, "BEGIN", eb)) != OK ||
	    (e = ask(s, c->db, "SELECT n FROM counter WHERE tenant = 0", NULL, 0, NULL, eb)) !=
	        OK ||
	    (e = fail(&copy, NULL,
	         sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL),
	         eb)) != OK ||
	    (e = copy_pages(&copy, c->db, to, eb)) != OK ||
	    (e = ask(&copy, to, "PRAGMA journal_mode = DELETE", NULL, 0, NULL, eb)) != OK)
		goto out;
	e = pages_check(&copy, to, "integrity_check", eb);
out:
	sqlite3_close(to);
	roll_back(c);
	give_back(s, c);
	return e;
}

static enum err sqlite_backup(void *db, const char *path, struct errbuf *eb)
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

/* --- opening --- */

static void sqlite_close(void *db)
{
	struct sqlite *s = db;
	struct connection *next;

	for (struct connection *c = s->idle; c; c = next) {
		next = c->next;
		disconnect(c);
	}
	disconnect(s->writer); /* the last: brings the log into the file */
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
	    (e = connect_writer(s, eb)) != OK ||
	    (unclean && (e = pages_check(s, s->writer->db, "quick_check", eb)) != OK) ||
	    (e = migrate(s, now, eb)) != OK ||
	    (e = ask(s, s->writer->db, texts[SQL_batch_last], NULL, 0, &last, eb)) != OK)
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
