/* A batch becomes a transaction. */
#include "sqlite.h"

#include "hook.h"

#include <string.h>

enum {
	WAL_REST = 1000, /* pages in the log that are worth a checkpoint when nothing else waits */
	TOKENS_KEPT_MS = 3600000, /* an expired token still gets the better message */
	PURGE_MS = 60000,
};

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
	rc = connection_run(c, sql, args, noun->n + 1, NULL, NULL);
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
	int rc = connection_run(c, version, args, COUNT(args), NULL, &there);

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
	rc = connection_run(c, sql, args, changes + 3, &changed, NULL);
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
	    (rc = connection_run(c, SQL_counter_add, events, COUNT(events), NULL, NULL)) !=
	        SQLITE_OK)
		return rc;
	return connection_run(c, SQL_counter_add, visits, COUNT(visits), NULL, NULL);
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
	                  : connection_run(c, SQL_setting_remove, args, COUNT(args), NULL, NULL);
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
		rc = connection_run(c, SQL_device_same, args, COUNT(args), NULL, &same);
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
	return connection_run(c, SQL_device_seen, args, COUNT(args), NULL, NULL);
}

static int write_remove(
    struct connection *c, struct row *r, enum sql sql, enum sql version, const char *noun)
{
	const struct row_remove *remove = r->data;
	struct value key = value_bytes(remove->id, 16);
	struct value args[] = { value_number(r->change->tenant), key,
		value_number(remove->version) };
	int changed = 0, rc = connection_run(c, sql, args, COUNT(args), &changed, NULL);

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
		return connection_run(c, SQL_tag_remove, args, 3, NULL, NULL);
	rc = connection_run(c, SQL_tag_put, args, 4, &changed, NULL);
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
	int rc = connection_run(c, SQL_visit_number, trim, 1, NULL, &n);

	if (rc != SQLITE_OK)
		return rc;
	if (!n) {
		store_change_fail(r->change, ERR_NOT_FOUND, "visit: no such tenant");
		return SQLITE_OK;
	}
	v->change = (uint64_t)n;
	if ((rc = insert(c, SQL_visit_put, &noun_visit, r)) != SQLITE_OK ||
	    (rc = connection_run(c, SQL_visit_began, began, COUNT(began), NULL, NULL)) !=
	        SQLITE_OK ||
	    (rc = connection_run(c, SQL_visit_trim_later, trim, COUNT(trim), NULL, NULL)) !=
	        SQLITE_OK)
		return rc;
	return connection_run(c, SQL_visit_trim, trim, 3, NULL, NULL);
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
	rc = n ? connection_run(c, SQL_event_numbers, args, COUNT(args), NULL, &last) : SQLITE_OK;
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
	return connection_run(s->writer, SQL_token_purge, args, COUNT(args), NULL, NULL);
}

enum outcome sqlite_write(void *db, struct batch *b, enum err *e, struct errbuf *eb)
{
	struct sqlite *s = db;
	struct value args[] = { value_number((int64_t)b->number) };
	struct connection *c;
	bool committing = false;
	int changed = 0, rc;

	if (!s->writer && (*e = sqlite_at_work(sqlite_connect_writer(s, eb))) != OK)
		return BATCH_FAILED;
	c = s->writer;
	if ((rc = connection_run(c, SQL_begin, NULL, 0, NULL, NULL)) != SQLITE_OK ||
	    (rc = connection_run(c, SQL_batch_number, args, COUNT(args), &changed, NULL)) !=
	        SQLITE_OK)
		goto out;
	if (changed == 0) { /* the COMMIT in doubt was one */
		connection_roll_back(c);
		return BATCH_WRITTEN;
	}
	if ((rc = write_rows(c, b)) != SQLITE_OK || (rc = purge(s, b)) != SQLITE_OK)
		goto out;
	hook_inside(b);
	if (surprised(b)) {
		connection_roll_back(c);
		return BATCH_SURPRISE;
	}
	committing = true;
	rc = connection_run(c, SQL_commit, NULL, 0, NULL, NULL);
out:
	if (rc == SQLITE_OK)
		return BATCH_WRITTEN;
	*e = sqlite_at_work(sqlite_fail(s, c->db, rc, eb));
	connection_roll_back(c);
	if ((rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_BUSY)
		return BATCH_FAILED;
	return committing || (rc & 0xff) == SQLITE_IOERR ? BATCH_UNKNOWN : BATCH_FAILED;
}

enum err sqlite_reconnect(void *db, struct errbuf *eb)
{
	struct sqlite *s = db;

	connection_close(s->writer);
	s->writer = NULL;
	return sqlite_at_work(sqlite_connect_writer(s, eb));
}

void sqlite_idle(void *db)
{
	struct sqlite *s = db;

	if (!s->writer || s->wal_pages < WAL_REST)
		return;
	s->wal_pages = 0;
	sqlite3_wal_checkpoint_v2(s->writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
