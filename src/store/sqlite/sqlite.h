/*
 * sqlite.h -- private to this folder: the registry's file, and connections to it.
 *
 * Functions that return int return a code of SQLite.
 */
#ifndef IMPRINT_STORE_SQLITE_H
#define IMPRINT_STORE_SQLITE_H

#include "backend.h"

#include "file.h"
#include "folder.h"
#include "gather.h"

#include <pthread.h>
#include <sqlite3.h>

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

/* --- connection.c --- */

/* SQLITE_OK is OK; else eb says what, and in which file. */
enum err sqlite_fail(const struct sqlite *s, sqlite3 *db, int rc, struct errbuf *eb);
/* While the server runs, damage or lost rights are the server's trouble and not the asker's. */
enum err sqlite_at_work(enum err e);

enum err sqlite_connect_writer(struct sqlite *s, struct errbuf *eb);
/* One that reads; waits when all of them are lent. */
enum err sqlite_borrow(struct sqlite *s, struct connection **out, struct errbuf *eb);
void sqlite_give_back(struct sqlite *s, struct connection *c);
/* NULL is fine. */
void connection_close(struct connection *c);

/* Prepared at first use, kept until the connection goes. */
int connection_statement(struct connection *c, enum sql sql, sqlite3_stmt **out);
/* Runs a statement that changes something; *changed is the number of rows, *number the first row's, if there is one. */
int connection_run(struct connection *c, enum sql sql, const struct value *args, size_t n,
    int *changed, int64_t *number);
/* FULL rolls back by itself; a second time would be an error that hides the first. */
void connection_roll_back(struct connection *c);
enum err connection_exec(
    const struct sqlite *s, struct connection *c, const char *sql, struct errbuf *eb);
/* One statement that is used once; *number as in connection_run. */
enum err sqlite_ask(const struct sqlite *s, sqlite3 *db, const char *sql, const struct value *args,
    size_t n, int64_t *number, struct errbuf *eb);

/* Bytes stay the caller's until the statement is reset. */
int statement_bind(sqlite3_stmt *stmt, int at, const struct value *v);
/* Resets it, and lets go of what was bound. */
void statement_finish(sqlite3_stmt *stmt);
/* ERR_MEMORY: the value could not be brought from its pages. */
enum err statement_column(sqlite3_stmt *stmt, int at, struct value *v);
/* The row on which the statement stands, as a struct of store.h. tenant may be NULL. */
enum err statement_decode(const struct sqlite *s, sqlite3_stmt *stmt, const struct noun *noun,
    void *row, uint32_t *tenant, struct errbuf *eb);

/* --- the others: struct store_ops says what these do --- */

enum outcome sqlite_write(void *db, struct batch *b, enum err *e, struct errbuf *eb);
enum err sqlite_reconnect(void *db, struct errbuf *eb);
void sqlite_idle(void *db);

/* Runs the steps of the schema that did not run yet; an older file is copied beside itself before. */
enum err sqlite_migrate(struct sqlite *s, int64_t now, struct errbuf *eb);

/* "quick_check" or "integrity_check". */
enum err sqlite_pages_check(
    const struct sqlite *s, sqlite3 *db, const char *which, struct errbuf *eb);
enum err sqlite_check(void *db, struct errbuf *eb);

enum err sqlite_backup(void *db, const char *path, struct errbuf *eb);

#endif
