#include "commit.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct store_device, id) == 0 && offsetof(struct row_seen, id) == 0 &&
                   offsetof(struct row_remove, id) == 0,
    "rows of devices are sorted by the id that they begin with");

enum { FAULTS_MINUTE = 60000 };

/* --- the queue --- */

void store_submit(struct store *s, struct store_change *c, store_done *done, void *ctx)
{
	static const struct errbuf memory = { "no memory for a change" },
	                           busy = { "too many changes wait to be written" };
	bool taken = false;

	if (!c) {
		done(ctx, ERR_MEMORY, &memory, 0);
		return;
	}
	c->done = done;
	c->ctx = ctx;
	pthread_mutex_lock(&s->lock);
	if (!s->closing && s->stats.waiting < STORE_WAITING_MAX) {
		*s->last = c;
		s->last = &c->next;
		s->stats.waiting++;
		taken = true;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	if (!taken) {
		store_change_free(c);
		done(ctx, ERR_IO, &busy, 0);
	}
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	enum err e;
	struct errbuf eb;
};

static void wake(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct waiter *w = ctx;

	(void)seq;
	pthread_mutex_lock(&w->lock);
	w->done = true;
	w->e = e;
	w->eb = *eb;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

enum err store_commit(struct store *s, struct store_change *c, struct errbuf *eb)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

	store_submit(s, c, wake, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.cond);
	pthread_mutex_destroy(&w.lock);
	return w.e == OK ? OK : err_set(eb, w.e, "%s", w.eb.text);
}

void store_stats(struct store *store, struct store_stats *stats)
{
	pthread_mutex_lock(&store->lock);
	*stats = store->stats;
	pthread_mutex_unlock(&store->lock);
}

enum err store_ready(struct store *store, struct errbuf *eb)
{
	enum err e;

	pthread_mutex_lock(&store->lock);
	e = store->trouble;
	pthread_mutex_unlock(&store->lock);
	/* Only a transaction can tell whether the trouble is over; an empty one does. */
	return e == OK ? OK : store_commit(store, store_change_new(0), eb);
}

/* --- one batch --- */

static bool of_device(const struct row *r)
{
	return r->kind >= ROW_DEVICE_PUT && r->kind <= ROW_DEVICE_REMOVE;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static bool is_numbered(const struct row *r)
{
	return r->kind >= ROW_EVENT_ADD;
}

/*
 * By kind; devices by id, so that writers of several processes lock in one order; what is numbered by
 * tenant.
 */
static int row_order(const void *one, const void *two)
{
	const struct row *a = *(struct row *const *)one, *b = *(struct row *const *)two;
	int d = of_device(a) && of_device(b) ? 0 : compare(a->kind, b->kind);

	if (d == 0 && (of_device(a) || is_numbered(a)))
		d = compare(a->change->tenant, b->change->tenant);
	if (d == 0 && of_device(a))
		d = memcmp(a->data, b->data, 16);
	if (d == 0)
		d = compare(a->change->place, b->change->place);
	return d ? d : compare(a->number, b->number);
}

static const struct noun *noun_of(enum row_kind kind)
{
	switch (kind) {
	case ROW_TENANT_ADD:
		return &noun_tenant;
	case ROW_PRINCIPAL_PUT:
		return &noun_principal;
	case ROW_TOKEN_ADD:
		return &noun_token;
	case ROW_AUTHORITY_PUT:
		return &noun_authority;
	case ROW_SETTING_PUT:
		return &noun_setting;
	case ROW_DEVICE_PUT:
		return &noun_device;
	case ROW_CERT_PUT:
		return &noun_cert;
	case ROW_EVENT_ADD:
		return &noun_event;
	case ROW_TAG_PUT:
	case ROW_TAG_REMOVE:
		return &noun_tag;
	case ROW_THING_PUT:
		return &noun_thing;
	case ROW_VALUE_PUT:
		return &noun_value;
	case ROW_VISIT_PUT:
		return &noun_visit;
	case ROW_DEVICE_SEEN:
	case ROW_DEVICE_REMOVE:
	case ROW_THING_REMOVE:
		break;
	}
	return NULL;
}

/* What could not be read back must not be written. */
static void check_rows(struct store_change *c)
{
	struct errbuf eb = { "" };
	const struct noun *noun;

	for (struct row *r = c->first; r && c->e == OK; r = r->next) {
		const void *data = r->kind == ROW_TAG_PUT || r->kind == ROW_TAG_REMOVE
		                       ? (const void *)&((const struct row_tag *)r->data)->tag
		                       : r->data;

		if ((noun = noun_of(r->kind)) && row_check(noun, data, &eb) != OK)
			store_change_fail(c, ERR_ARG, "%s", eb.text);
	}
}

static bool disk_is_given_up(struct store *s, int64_t now)
{
	return s->faults[0] && now >= s->faults[0] && now - s->faults[0] < FAULTS_MINUTE;
}

static void disk_failed(struct store *s, int64_t now)
{
	s->faults[0] = s->faults[1];
	s->faults[1] = s->faults[2];
	s->faults[2] = now;
}

/* Writes until it is known whether it is written, or the disk has failed three times in a minute. */
static enum outcome send_until_known(
    struct store *s, struct batch *b, enum err *e, struct errbuf *eb)
{
	enum outcome o;

	for (;;) {
		if (disk_is_given_up(s, b->now)) {
			*e = err_set(
			    eb, ERR_IO, "the disk failed three times within a minute: not written");
			return BATCH_FAILED;
		}
		if ((o = s->ops->write(s->db, b, e, eb)) != BATCH_UNKNOWN)
			return o;
		disk_failed(s, b->now);
		if (disk_is_given_up(s, b->now) || s->ops->reconnect(s->db, NULL) != OK)
			return BATCH_FAILED;
	}
}

static void note(struct store *s, enum err trouble)
{
	pthread_mutex_lock(&s->lock);
	s->trouble = trouble;
	s->stats.commits += trouble == OK;
	pthread_mutex_unlock(&s->lock);
}

/* The last row of a tenant has its highest number. */
static void tell(const struct store *s, const struct batch *b)
{
	for (size_t i = b->n; i-- > 0 && is_numbered(b->rows[i]);) {
		const struct row *r = b->rows[i], *next = i + 1 < b->n ? b->rows[i + 1] : NULL;
		uint32_t tenant = r->change->tenant;

		if (next && next->kind == r->kind && next->change->tenant == tenant)
			continue;
		if (r->kind == ROW_EVENT_ADD)
			s->options.committed(
			    s->options.ctx, tenant, ((const struct store_event *)r->data)->seq, 0);
		else
			s->options.committed(s->options.ctx, tenant, 0,
			    ((const struct store_visit *)r->data)->change);
	}
}

static enum outcome send_batch(
    struct store *s, struct store_change **changes, size_t n, enum err *e, struct errbuf *eb)
{
	struct batch b = { .number = ++s->batch, .now = s->options.now_ms(s->options.ctx) };
	enum outcome o;
	size_t rows = 0;

	for (size_t i = 0; i < n; i++)
		rows += changes[i]->n;
	if (!(b.rows = malloc((rows + 1) * sizeof(struct row *)))) {
		*e = err_set(eb, ERR_MEMORY, "no memory for a transaction");
		return BATCH_FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		changes[i]->place = i;
		for (struct row *r = changes[i]->first; r; r = r->next)
			b.rows[b.n++] = r;
	}
	qsort(b.rows, b.n, sizeof(struct row *), row_order);
	kept_compare(&s->kept, &b);
	o = send_until_known(s, &b, e, eb);
	if (o == BATCH_WRITTEN)
		kept_written(&s->kept, &b);
	else if (o == BATCH_FAILED) /* perhaps written all the same */
		kept_lost(&s->kept, &b);
	if (o == BATCH_WRITTEN && s->options.committed)
		tell(s, &b);
	free(b.rows);
	if (o == BATCH_WRITTEN || o == BATCH_FAILED)
		note(s, o == BATCH_WRITTEN ? OK : *e);
	return o;
}

/*
 * Gives each change its outcome; the order of the array is lost. A change that is in the way of its
 * batch (somebody was faster, a serial exists) tries again alone, behind the others.
 */
static void settle(struct store *s, struct store_change **changes, size_t n)
{
	struct store_change *surprised[STORE_BATCH_MAX];
	size_t quiet_n = 0, surprised_n = 0;
	struct errbuf eb = { "" };
	enum err e = OK;
	enum outcome o = send_batch(s, changes, n, &e, &eb);

	if (o == BATCH_FAILED)
		for (size_t i = 0; i < n; i++)
			store_change_fail(changes[i], e, "%s", eb.text);
	if (o != BATCH_SURPRISE || n == 1)
		return;
	for (size_t i = 0; i < n; i++)
		if (changes[i]->e != OK)
			surprised[surprised_n++] = changes[i];
		else
			changes[quiet_n++] = changes[i];
	if (quiet_n)
		settle(s, changes, quiet_n);
	for (size_t i = 0; i < surprised_n; i++) {
		surprised[i]->e = OK;
		settle(s, &surprised[i], 1);
	}
}

/* --- the thread --- */

static void answer(struct store *s, struct store_change **changes, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += changes[i]->e != OK;
	pthread_mutex_lock(&s->lock);
	s->stats.changes += n;
	s->stats.failed += failed;
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		struct store_change *c = changes[i];

		c->done(c->ctx, c->e, &c->eb, c->e == OK ? c->seq : 0);
		store_change_free(c);
	}
}

static size_t unharmed(struct store_change **in, size_t n, struct store_change **out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		if (in[i]->e == OK)
			out[m++] = in[i];
	return m;
}

static void commit(struct store *s, struct store_change **changes, size_t n)
{
	struct store_change *whole[STORE_BATCH_MAX];
	size_t m = unharmed(changes, n, whole);

	if (m && s->options.prepare)
		s->options.prepare(s->options.ctx, whole, m);
	for (size_t i = 0; i < n; i++)
		check_rows(changes[i]);
	if ((m = unharmed(changes, n, whole)))
		settle(s, whole, m);
	answer(s, changes, n);
}

/* What waits, up to a batch; 0 when the store is closed and nothing is left. */
static size_t take(struct store *s, struct store_change **changes)
{
	bool rested = false;
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->closing)
		if (!rested) {
			pthread_mutex_unlock(&s->lock);
			s->ops->idle(s->db);
			rested = true;
			pthread_mutex_lock(&s->lock);
		} else {
			pthread_cond_wait(&s->work, &s->lock);
		}
	while (s->first && n < STORE_BATCH_MAX) {
		changes[n] = s->first;
		s->first = changes[n++]->next;
	}
	if (!s->first)
		s->last = &s->first;
	s->stats.waiting -= (unsigned)n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void *committer(void *arg)
{
	struct store_change *changes[STORE_BATCH_MAX];
	struct store *s = arg;
	size_t n;

	while ((n = take(s, changes)))
		commit(s, changes, n);
	return NULL;
}

enum err committer_start(struct store *s, struct errbuf *eb)
{
	s->last = &s->first;
	s->trouble = ERR_IO; /* until the first transaction says otherwise */
	if (pthread_mutex_init(&s->lock, NULL) || pthread_cond_init(&s->work, NULL) ||
	    pthread_create(&s->thread, NULL, committer, s))
		return err_set(eb, ERR_MEMORY, "no memory for the thread that commits");
	return OK;
}

void committer_stop(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
}
