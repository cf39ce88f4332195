/* Whether everything in the file is as it must be. */
#include "sqlite.h"

#include <stdio.h>
#include <string.h>

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
	return e != OK ? e : sqlite_fail(s, db, rc, eb);
}

/*
 * Runs "quick_check" or "integrity_check", whose first line is "ok" or the first fault. Both take
 * a page that could not be read this time (no memory) for a damaged one: hence a second look.
 */
enum err sqlite_pages_check(
    const struct sqlite *s, sqlite3 *db, const char *which, struct errbuf *eb)
{
	enum err e = pages_check_once(s, db, which, eb);

	return e == ERR_FORMAT ? pages_check_once(s, db, which, eb) : e;
}

static enum err walk(const struct sqlite *s, struct connection *c, enum sql sql,
    const struct noun *noun, struct errbuf *eb)
{
	union row_any row;
	sqlite3_stmt *stmt = NULL;
	int rc = connection_statement(c, sql, &stmt);
	enum err e = sqlite_fail(s, c->db, rc, eb);

	if (e != OK)
		return e;
	while (e == OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE)
		e = rc == SQLITE_ROW ? statement_decode(s, stmt, noun, &row, NULL, eb)
		                     : sqlite_fail(s, c->db, rc, eb);
	statement_finish(stmt);
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
		int rc = connection_run(c, faults[i].sql, NULL, 0, NULL, &fault);

		if (rc != SQLITE_OK)
			return sqlite_fail(s, c->db, rc, eb);
		if (fault)
			return err_set(eb, ERR_FORMAT, "%s: %s", s->path, faults[i].what);
	}
	return OK;
}

enum err sqlite_check(void *db, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct connection *c = NULL;
	enum err e;

	if ((e = sqlite_borrow(s, &c, eb)) != OK)
		return e;
	if ((e = connection_exec(s, c, "BEGIN", eb)) == OK &&
	    (e = sqlite_pages_check(s, c->db, "integrity_check", eb)) == OK)
		e = rows_check(s, c, eb);
	connection_roll_back(c);
	sqlite_give_back(s, c);
	return e;
}
