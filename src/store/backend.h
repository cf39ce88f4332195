/*
 * backend.h -- what a database must be able to do to hold the registry; SQLite does (sqlite/).
 *
 * Statements are known by name (sql.def), rows travel as the structs of store.h by way of row.h. Reading is
 * for any thread at any time. Writing is for one thread: a whole batch is one transaction.
 */
#ifndef IMPRINT_STORE_BACKEND_H
#define IMPRINT_STORE_BACKEND_H

#include "change.h"

enum sql {
#define SQL(name, text) SQL_##name,
#include "sql.def"
#undef SQL
	SQL_COUNT
};

/*
 * What goes into one transaction, in this order: rows sorted, events and visits last and by tenant. A number
 * is never given to two batches; the transaction stores it, so that a batch that is sent again after a
 * COMMIT of unknown outcome is recognised instead of written twice.
 */
struct batch {
	uint64_t number;
	struct row **rows;
	size_t n;
	int64_t now;
};

enum outcome {
	BATCH_WRITTEN,  /* on the disk; changes with events have their seq */
	BATCH_SURPRISE, /* nothing written; the changes that a row stopped have their e and text */
	BATCH_FAILED,   /* nothing written, for the reason given */
	BATCH_UNKNOWN,  /* perhaps written: connect again, then send the same */
};

struct rows {
	void *connection, *statement;
};

struct store_ops {
	/* *batch: the highest number that was written. */
	enum err (*open)(
	    const char *path, int64_t now, void **db, uint64_t *batch, struct errbuf *eb);
	void (*close)(void *db);

	/* Opened rows hold a connection: done gives it back, whatever happened. */
	enum err (*find)(void *db, enum sql sql, const struct value *args, size_t n,
	    struct rows *rows, struct errbuf *eb);
	/* ERR_NOT_FOUND: no more. What is borrowed in the row lives until the next call. */
	enum err (*next)(void *db, struct rows *rows, const struct noun *noun, void *row,
	    uint32_t *tenant, struct errbuf *eb);
	void (*done)(void *db, struct rows *rows);

	enum outcome (*write)(void *db, struct batch *batch, enum err *e, struct errbuf *eb);
	enum err (*reconnect)(void *db, struct errbuf *eb);
	/* Nothing waits to be written: time for upkeep. */
	void (*idle)(void *db);

	enum err (*backup)(void *db, const char *path, struct errbuf *eb);
	enum err (*check)(void *db, struct errbuf *eb);
};

extern const struct store_ops sqlite_ops;

#endif
