/* The steps of schema.def: which of them ran, and those that have not yet. */
#include "sqlite.h"

#include "sha256.h"

#include <stdio.h>
#include <string.h>

#define APPLICATION_ID 1229803602 /* as schema.def sets it */

static const struct step {
	const char *name, *sql;
} steps[] = {
#define STEP(name, sql) { name, sql },
#include "schema.def"
#undef STEP
};

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

			if (statement_column(stmt, 0, &v) != OK) {
				rc = SQLITE_NOMEM;
				break;
			}
			sha256_update(&h, v.bytes);
			sha256_update(&h, TEXT("\n"));
		}
	sha256_final(&h, hash);
	sqlite3_finalize(stmt);
	return sqlite_fail(s, db, rc, eb);
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
	if ((e = sqlite_fail(s, fresh, rc, eb)) == OK &&
	    (e = schema_hash(s, fresh, want, eb)) == OK &&
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
	if ((e = sqlite_ask(s, s->writer->db, "SELECT count(*) FROM sqlite_schema", NULL, 0,
	         &tables, eb)) != OK ||
	    (e = sqlite_ask(s, s->writer->db, "PRAGMA application_id", NULL, 0, &id, eb)) != OK)
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
		if (statement_column(stmt, 0, &v) != OK || !slice_equal(v.bytes, SLICE(hash)) ||
		    sqlite3_column_int64(stmt, 1) != (int64_t)++ * n)
			e = err_set(eb, ERR_CONFLICT,
			    "%s: its schema was altered, or made by another version of Imprint",
			    s->path);
	}
	sqlite3_finalize(stmt);
	return e != OK ? e : sqlite_fail(s, s->writer->db, rc, eb);
}

static enum err step_run(struct sqlite *s, size_t i, int64_t now, struct errbuf *eb)
{
	uint8_t hash[32];
	enum err e;

	step_hash(i, hash);
	struct value args[] = { value_number((int64_t)i + 1), value_text(steps[i].name),
		value_bytes(hash, 32), value_number(now) };
	if ((e = connection_exec(s, s->writer, "BEGIN IMMEDIATE", eb)) == OK &&
	    (e = connection_exec(s, s->writer, steps[i].sql, eb)) == OK &&
	    (e = sqlite_ask(s, s->writer->db,
	         "INSERT INTO schema_step (n, name, hash, at) VALUES (?1, ?2, ?3, ?4)", args,
	         COUNT(args), NULL, eb)) == OK)
		e = connection_exec(s, s->writer, "COMMIT", eb);
	connection_roll_back(s->writer);
	return e;
}

enum err sqlite_migrate(struct sqlite *s, int64_t now, struct errbuf *eb)
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
