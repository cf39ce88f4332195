/*
 * SQLite behind store.h: plans of its statements, how many an issuance takes, files that are damaged,
 * foreign, altered, newer, held by another; upgrades and backups.
 */
#include "row.h"

#include "disk.h"
#include "sha256.h"

#include <sys/stat.h>

static const struct statement {
	const char *name, *text;
	bool walks;
} statements[] = {
#define SQL(name, text) { #name, text, false },
#define WALK(name, text) { #name, text, true },
#include "sql.def"
#undef SQL
};

static const struct {
	const char *name, *sql;
} steps[] = {
#define STEP(name, sql) { name, sql },
#include "schema.def"
#undef STEP
};

/* --- what a foreign program does to the file --- */

static bool by_hand(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open(path, &db);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		printf("# %s: %s\n", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
	return rc == SQLITE_OK;
}

static bool ask(const char *path, const char *sql, char *out, size_t cap)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	bool there = sqlite3_open(path, &db) == SQLITE_OK &&
	             sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	             sqlite3_step(stmt) == SQLITE_ROW;

	if (there)
		snprintf(out, cap, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return there;
}

/* --- plans --- */

/* A plan that reads a whole table or sorts more than rows of one millisecond. */
static bool is_slow(const char *detail)
{
	return strstr(detail, "SCAN") ||
	       (strstr(detail, "TEMP B-TREE") && !strstr(detail, "FOR RIGHT PART OF ORDER BY"));
}

static void plans(struct rig *r)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(r->path, &db) != SQLITE_OK)
		bail("cannot be opened");
	for (size_t i = 0; i < COUNT(statements); i++) {
		char sql[4096], slow[200] = "";
		sqlite3_stmt *stmt = NULL;
		bool good;

		if (statements[i].walks)
			continue;
		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", statements[i].text);
		good = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK;
		while (good && sqlite3_step(stmt) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(stmt, 3);

			if (is_slow(detail))
				snprintf(slow, sizeof(slow), "%s", detail);
		}
		ok(good && !*slow, "%s: by index, in order%s%s", statements[i].name,
		    *slow ? ": " : "", slow);
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

/* --- how many statements --- */

static struct {
	pthread_mutex_t lock;
	unsigned inserts, updates, commits, others;
	char other[80];
} traced = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int trace(unsigned what, void *ctx, void *stmt, void *text)
{
	const char *sql = text;

	(void)what, (void)ctx, (void)stmt;
	pthread_mutex_lock(&traced.lock);
	if (strncmp(sql, "INSERT", 6) == 0)
		traced.inserts++;
	else if (strncmp(sql, "UPDATE", 6) == 0)
		traced.updates++;
	else if (strcmp(sql, "COMMIT") == 0)
		traced.commits++;
	else if (strncmp(sql, "SELECT", 6) != 0 && strcmp(sql, "BEGIN IMMEDIATE") != 0)
		snprintf(traced.other, sizeof(traced.other), "%s", sql), traced.others++;
	pthread_mutex_unlock(&traced.lock);
	return 0;
}

static int trace_each(sqlite3 *db, const char **error, const struct sqlite3_api_routines *api)
{
	(void)error, (void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, trace, NULL);
}

static void counted(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	(void)eb, (void)seq;
	pthread_mutex_lock(&traced.lock);
	*(unsigned *)ctx += e == OK;
	pthread_mutex_unlock(&traced.lock);
}

static void statements_of_issuances(struct rig *r)
{
	enum { MANY = 32 };
	struct store_device d[MANY];
	unsigned done = 0;

	sqlite3_auto_extension((void (*)(void))trace_each);
	if (!rig_open(r, NULL))
		bail("cannot be opened");
	for (uint32_t i = 0; i < MANY; i++)
		if (!rig_device(r, 100 + i, &d[i]))
			bail("no device");
	pthread_mutex_lock(&traced.lock);
	traced.inserts = traced.updates = traced.commits = traced.others = 0;
	pthread_mutex_unlock(&traced.lock);
	for (uint32_t i = 0; i < MANY; i++)
		store_submit(r->store, issuance(1, &d[i], 100 + i, 100 + i), counted, &done);
	rig_close(r);
	ok(done == MANY && traced.inserts == 2 * MANY, "an issuance is two inserts");
	ok(traced.updates == MANY + 2 * traced.commits,
	    "and an update; a transaction has two more for its numbers");
	ok(traced.commits >= 1 && traced.commits < MANY, "%d issuances in %u transactions", MANY,
	    traced.commits);
	ok(traced.others == 0, "nothing else is written: %s", traced.other);
	sqlite3_reset_auto_extension();
}

/* --- files --- */

static enum err open_it(struct rig *r)
{
	enum err e = store_open(r->path, NULL, &r->store, &r->eb);

	rig_close(r);
	return e;
}

static void files(struct rig *r)
{
	struct store *second = NULL;
	char path[200], mode[20], text[40] = "";
	struct stat st;
	FILE *f;

	if (!rig_open(r, NULL))
		bail("cannot be opened");
	ok(stat(r->path, &st) == 0 && (st.st_mode & 0777) == 0600, "the file is private");
	snprintf(path, sizeof(path), "%s-wal", r->path);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "its log too");
	ok(ask(r->path, "PRAGMA journal_mode", mode, sizeof(mode)) && strcmp(mode, "wal") == 0,
	    "a write-ahead log");
	ok(store_open(r->path, NULL, &second, &r->eb) == ERR_CONFLICT && !second,
	    "a second writer: %s", r->eb.text);
	rig_close(r);
	ok(stat(path, &st) != 0, "closed, it is one file");

	snprintf(path, sizeof(path), "%s/no/imprint.db", r->folder);
	ok(store_open(path, NULL, &second, &r->eb) == ERR_NOT_FOUND, "no folder: %s", r->eb.text);
	rig_empty(r);
	disk_set(DISK_LOCKED, 0);
	ok(open_it(r) == ERR_DENIED, "no right: %s", r->eb.text);
	disk_set(DISK_FULL, 0);
	ok(open_it(r) == ERR_SPACE, "no room: %s", r->eb.text);
	disk_end();
	disk.afar = true;
	ok(open_it(r) == ERR_IO, "another computer's disk: %s", r->eb.text);
	disk.afar = false;

	rig_empty(r);
	f = fopen(r->path, "wb");
	fputs(
	    "SQLite format 3 is what this is not, and longer than a header would be, at 100 bytes "
	    "or so, to be on the safe side.",
	    f);
	fclose(f);
	ok(open_it(r) == ERR_FORMAT, "no database: %s", r->eb.text);
	rig_empty(r);
	by_hand(r->path, "CREATE TABLE t (x)");
	ok(open_it(r) == ERR_FORMAT, "another program's: %s", r->eb.text);
	ok(ask(r->path, "SELECT count(*) FROM sqlite_schema", text, sizeof(text)) &&
	        strcmp(text, "1") == 0,
	    "which is left as it was");
	rig_empty(r);
	fclose(fopen(r->path, "wb"));
	ok(open_it(r) == OK, "an empty file is a new store");
	rig_empty(r);
}

/* --- schema --- */

static void make_old(struct rig *r, size_t n)
{
	sqlite3 *db = NULL;
	uint8_t hash[32];
	char sql[300], hex[65];

	rig_empty(r);
	if (sqlite3_open(r->path, &db) != SQLITE_OK)
		bail("cannot be made");
	for (size_t i = 0; i < n; i++) {
		sha256((struct slice){ (const uint8_t *)steps[i].sql, strlen(steps[i].sql) }, hash);
		for (size_t k = 0; k < 32; k++)
			snprintf(hex + 2 * k, 3, "%02x", hash[k]);
		snprintf(sql, sizeof(sql), "INSERT INTO schema_step VALUES (%zu, '%s', x'%s', 1)",
		    i + 1, steps[i].name, hex);
		if (sqlite3_exec(db, steps[i].sql, NULL, NULL, NULL) != SQLITE_OK ||
		    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			bail(sqlite3_errmsg(db));
	}
	sqlite3_close(db);
}

static void schema(struct rig *r)
{
	static const struct {
		const char *name, *sql;
	} cases[] = {
		{ "a step's text altered",
		    "UPDATE schema_step SET hash = zeroblob(32) WHERE n = 2" },
		{ "a step of a newer version",
		    "INSERT INTO schema_step VALUES (99, 'x', zeroblob(32), 1)" },
		{ "a step missing", "DELETE FROM schema_step WHERE n = 2" },
		{ "an index removed", "DROP INDEX device_serial" },
		{ "a column added", "ALTER TABLE tenant ADD COLUMN x INTEGER" },
		{ "a table added", "CREATE TABLE other (x)" },
		{ "a trigger added",
		    "CREATE TRIGGER t AFTER INSERT ON token BEGIN DELETE FROM token; END" },
	};
	char path[200], text[80];
	struct stat st;

	for (size_t n = 1; n <= COUNT(steps); n++) {
		make_old(r, n);
		if (n > 0 && n < COUNT(steps))
			by_hand(
			    r->path, "INSERT INTO tenant VALUES (1, zeroblob(16), 'old', 1, 5)");
		ok(open_it(r) == OK, "schema %zu becomes %zu", n, COUNT(steps));
		snprintf(path, sizeof(path), "%s.before-step-%zu", r->path, n + 1);
		if (n == COUNT(steps)) {
			ok(stat(path, &st) != 0, "nothing to be done, nothing set aside");
			continue;
		}
		ok(ask(path, "SELECT count(*) FROM schema_step", text, sizeof(text)) &&
		        strtoul(text, NULL, 10) == n &&
		        ask(path, "SELECT name FROM tenant", text, sizeof(text)) &&
		        strcmp(text, "old") == 0,
		    "what was before stands beside it");
		ok(rig_open(r, NULL) && rig_first(r, 2) && store_check(r->store, &r->eb) == OK,
		    "which can be used");
		rig_close(r);
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		make_old(r, COUNT(steps));
		ok(by_hand(r->path, cases[i].sql) && open_it(r) == ERR_CONFLICT, "%s: %s",
		    cases[i].name, r->eb.text);
	}
	rig_empty(r);
}

/* --- damage --- */

static void fill(struct rig *r)
{
	struct store_device d;

	rig_empty(r);
	if (!rig_open(r, NULL) || !rig_first(r, 1))
		bail("cannot be filled");
	for (uint32_t i = 0; i < 20; i++)
		if (!rig_device(r, i, &d) ||
		    store_commit(r->store, issuance(1, &d, i, i), NULL) != OK)
			bail("cannot be filled");
	struct store_change *c = store_change_new(1);
	struct store_tag tag = { "color", "red" };
	store_tag_put(c, d.id, &tag);
	if (store_commit(r->store, c, &r->eb) != OK)
		bail("cannot be filled");
}

/* Rows that SQLite finds in order, and we do not. */
static void wrong_rows(struct rig *r)
{
	static const struct {
		const char *name, *sql;
	} cases[] = {
		{ "an id of 15 bytes", "UPDATE device SET id = zeroblob(15) WHERE rowid = 3" },
		{ "a text with NUL inside", "UPDATE device SET fqbn = 'a' || char(0) || 'b'" },
		{ "a text that is too long",
		    "UPDATE device SET type = printf('%.*c', 40, 'x') WHERE rowid = 3" },
		{ "a flag of 2", "UPDATE device SET enabled = 2 WHERE rowid = 3" },
		{ "a number below zero", "UPDATE cert SET years = -1" },
		{ "a number too great", "UPDATE cert SET years = 65536" },
		{ "a state that does not exist", "UPDATE cert SET state = 4" },
		{ "a message that is too long", "UPDATE device SET message = zeroblob(257)" },
		{ "a body that is too long",
		    "UPDATE event SET body = zeroblob(65537) WHERE seq = 4" },
		{ "a tenant below zero", "UPDATE event SET tenant = -1" },
		{ "an entry missing", "DELETE FROM event WHERE seq = 7" },
		{ "an entry too many", "UPDATE event SET seq = 21 WHERE seq = 20" },
		{ "an entry of nobody", "UPDATE event SET tenant = 7 WHERE seq = 20" },
		{ "a device's certificate missing", "DELETE FROM cert" },
		{ "a tag older than its device", "UPDATE tag SET created = created - 1" },
		{ "an authority missing", "DELETE FROM authority" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		fill(r);
		rig_close(r);
		ok(by_hand(r->path, cases[i].sql) && rig_open(r, NULL) &&
		        store_check(r->store, &r->eb) == ERR_FORMAT,
		    "%s: %s", cases[i].name, r->eb.text);
		rig_close(r);
	}
}

static bool count_events(void *ctx, const struct store_event *v)
{
	(void)v;
	++*(unsigned *)ctx;
	return true;
}

static void damage(struct rig *r)
{
	struct store_device d = device_of(3);
	char wal[200], root[20];
	struct stat st;
	unsigned n = 0;
	FILE *f = NULL;

	fill(r);
	rig_close(r);
	by_hand(r->path, "UPDATE event SET leaf = zeroblob(31) WHERE seq = 3");
	if (!rig_open(r, NULL))
		bail("cannot be opened");
	ok(store_event_list(r->store, 1, 1, count_events, &n, &r->eb) == ERR_IO && n == 2,
	    "a damaged row ends a list: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d.id, &d, &r->eb) == OK, "others are read");
	rig_close(r);

	fill(r);
	rig_close(r);
	if (!ask(r->path, "SELECT rootpage FROM sqlite_schema WHERE name = 'device'", root,
	        sizeof(root)) ||
	    !(f = fopen(r->path, "r+b")))
		bail("no file");
	fseek(f, (strtol(root, NULL, 10) - 1) * 4096, SEEK_SET);
	for (int i = 0; i < 4096; i++)
		fputc(0x5e + i % 7, f);
	fclose(f);
	if (!rig_open(r, NULL))
		bail("cannot be opened");
	ok(store_check(r->store, &r->eb) == ERR_FORMAT, "a damaged page: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d.id, &d, &r->eb) == ERR_IO, "reading says so: %s",
	    r->eb.text);
	ok(store_commit(r->store, issuance(1, &d, 99, 99), &r->eb) != OK, "writing too: %s",
	    r->eb.text);
	rig_close(r);
	/* As a crash leaves it: with a log. */
	snprintf(wal, sizeof(wal), "%s-wal", r->path);
	f = fopen(wal, "wb");
	fputs("something", f);
	fclose(f);
	ok(open_it(r) == ERR_FORMAT, "found at the next start, after a crash: %s", r->eb.text);
	ok(stat(r->path, &st) == 0 && st.st_size > 0, "and left as it is");
	rig_empty(r);
}

/* Another program that holds the file: a change waits, and fails when it takes too long. */
static void held(struct rig *r)
{
	sqlite3 *other = NULL;
	struct store_device d;

	fill(r);
	if (!rig_device(r, 50, &d) || sqlite3_open(r->path, &other) != SQLITE_OK ||
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		bail("cannot be held");
	ok(store_commit(r->store, issuance(1, &d, 50, 50), &r->eb) == ERR_IO,
	    "held by another program: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d.id, &d, &r->eb) == OK, "reading goes on");
	sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
	ok(store_commit(r->store, issuance(1, &d, 50, 50), &r->eb) == OK, "let go");
	sqlite3_close(other);
	rig_close(r);
}

/* --- backup --- */

struct writer {
	struct rig *r;
	pthread_mutex_t lock;
	bool over;
	uint32_t n;
};

static void *write_along(void *arg)
{
	struct writer *w = arg;
	struct store_device d = device_of(0);
	bool over = false;

	while (!over) {
		if (store_device_get(w->r->store, 1, d.id, &d, NULL) != OK ||
		    store_commit(w->r->store, issuance(1, &d, 1000 + w->n, 1000 + w->n), NULL) !=
		        OK)
			return w;
		w->n++;
		pthread_mutex_lock(&w->lock);
		over = w->over;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static void backup(struct rig *r)
{
	struct writer w = { .r = r, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct rig copy;
	char path[200], text[40] = "", again[210];
	pthread_t thread;
	struct stat st;
	unsigned n = 0, all = 0;
	void *failed = NULL;
	bool made;

	fill(r);
	rig_make(&copy);
	if (pthread_create(&thread, NULL, write_along, &w))
		bail("no thread");
	snprintf(path, sizeof(path), "%s/imprint.db", copy.folder);
	made = store_backup(r->store, path, &r->eb) == OK;
	pthread_mutex_lock(&w.lock);
	w.over = true;
	pthread_mutex_unlock(&w.lock);
	pthread_join(thread, &failed);
	ok(made && !failed && w.n > 0, "a backup beside a writer: %s", made ? "made" : r->eb.text);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "private");
	ok(ask(path, "PRAGMA journal_mode", text, sizeof(text)) && strcmp(text, "delete") == 0,
	    "one file");
	ok(rig_open(&copy, NULL) && store_check(copy.store, &copy.eb) == OK,
	    "it is sound, a prefix of what happened");
	made = store_event_list(copy.store, 1, 1, count_events, &n, &copy.eb) == OK &&
	       store_event_list(r->store, 1, 1, count_events, &all, &r->eb) == OK;
	ok(made && n >= 20 && n <= all, "%u of %u entries", n, all);
	ok(store_backup(r->store, path, &r->eb) == ERR_CONFLICT, "never over a file: %s",
	    r->eb.text);
	snprintf(path, sizeof(path), "%s/no/folder", copy.folder);
	ok(store_backup(r->store, path, &r->eb) == ERR_NOT_FOUND, "no folder: %s", r->eb.text);
	snprintf(path, sizeof(path), "%s/second.db", copy.folder);
	disk_set(DISK_FULL, 3);
	ok(store_backup(r->store, path, &r->eb) == ERR_SPACE, "no room: %s", r->eb.text);
	disk_end();
	snprintf(again, sizeof(again), "%s.new", path);
	ok(stat(path, &st) != 0 && stat(again, &st) != 0, "nothing is left of it");
	ok(store_backup(r->store, path, &r->eb) == OK, "room again");
	rig_free(&copy);
	rig_close(r);
}

/* --- upkeep --- */

static void upkeep(struct rig *r)
{
	struct store_principal p = { .kind = "client", .name = "c", .role = "owner" };
	struct store_token k = { .purpose = "access", .uses_left = 1 };
	char wal[200], text[20] = "";
	uint32_t tenant;
	struct stat st;
	struct store_change *c;
	uint8_t *body = calloc(1, STORE_EVENT_MAX);
	struct store_event event = event_of(1, p.id);

	rig_empty(r);
	if (!rig_open(r, NULL) || !rig_first(r, 1))
		bail("cannot be filled");
	c = store_change_new(1);
	store_principal_put(c, &p);
	store_token_add(c, &k); /* ended in 1970 */
	if (store_commit(r->store, c, &r->eb) != OK)
		bail("no token");
	rig_close(r);
	if (!rig_open(r, NULL) || store_commit(r->store, store_change_new(1), &r->eb) != OK)
		bail("no change");
	ok(store_token_get(r->store, k.hash, &tenant, &k, &r->eb) == ERR_NOT_FOUND,
	    "tokens that ended long ago go");

	event.body = (struct slice){ body, STORE_EVENT_MAX };
	for (uint32_t i = 0; i < 400; i++) { /* 28 MB, through a log of 16 */
		id_of(4, i, event.request);
		c = store_change_new(1);
		store_event_add(c, &event);
		if (store_commit(r->store, c, &r->eb) != OK)
			bail("no entry");
	}
	snprintf(wal, sizeof(wal), "%s-wal", r->path);
	if (stat(wal, &st) != 0)
		bail("no log");
	ok(st.st_size < 20 << 20, "the log does not grow with the store: %lld",
	    (long long)st.st_size);
	ok(ask(r->path, "SELECT length(body) FROM event WHERE seq = 400", text, sizeof(text)) &&
	        strcmp(text, "65536") == 0,
	    "the largest entry");
	event.body.n++;
	c = store_change_new(1);
	id_of(4, 500, event.request);
	store_event_add(c, &event);
	ok(store_commit(r->store, c, &r->eb) == ERR_ARG, "one larger than that: %s", r->eb.text);
	free(body);
	rig_close(r);
}

/* --- too much at once --- */

struct flood {
	pthread_mutex_t gate, lock;
	unsigned good, refused;
	pthread_t refused_on;
};

static void wait_at_gate(void *ctx, struct store_change **changes, size_t n)
{
	struct flood *f = ctx;

	(void)changes, (void)n;
	pthread_mutex_lock(&f->gate);
	pthread_mutex_unlock(&f->gate);
}

static void flooded(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct flood *f = ctx;

	(void)seq;
	pthread_mutex_lock(&f->lock);
	f->good += e == OK;
	f->refused += e == ERR_IO && strstr(eb->text, "too many");
	if (e != OK)
		f->refused_on = pthread_self();
	pthread_mutex_unlock(&f->lock);
}

static void flood(struct rig *r)
{
	struct flood f = { .gate = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct store_options options = { .prepare = wait_at_gate, .ctx = &f };
	struct store_stats stats = { .waiting = 1 };

	rig_empty(r);
	if (!rig_open(r, &options))
		bail("no store");
	pthread_mutex_lock(&f.gate);
	store_submit(r->store, store_change_new(1), flooded, &f);
	while (stats.waiting) { /* until the thread has it */
		usleep(1000);
		store_stats(r->store, &stats);
	}
	for (unsigned i = 0; i < STORE_WAITING_MAX + 3; i++)
		store_submit(r->store, store_change_new(1), flooded, &f);
	store_stats(r->store, &stats);
	ok(stats.waiting == STORE_WAITING_MAX && f.refused == 3 &&
	        pthread_equal(f.refused_on, pthread_self()),
	    "%u changes wait, more are refused at once", stats.waiting);
	pthread_mutex_unlock(&f.gate);
	rig_close(r);
	ok(f.good == STORE_WAITING_MAX + 1, "closing writes what waits");
}

int main(void)
{
	struct rig r;

	disk_install();
	rig_make(&r);
	if (!rig_open(&r, NULL) || !rig_first(&r, 1))
		bail("no store");
	rig_close(&r);
	plans(&r);
	statements_of_issuances(&r);
	files(&r);
	schema(&r);
	wrong_rows(&r);
	damage(&r);
	held(&r);
	backup(&r);
	upkeep(&r);
	flood(&r);
	rig_free(&r);
	return done_testing();
}
