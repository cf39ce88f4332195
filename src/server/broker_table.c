#include "broker_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A broker is worth waiting for that was lost a moment ago: it comes again each second. */
#define LOST_MS 2500
#define WAITING_TEXT ((STORE_NAME_MAX + 1) * 8)
#define LINE_CAP (STORE_NAME_MAX + 48)

struct broker_wait {
	struct broker_wait *next;
	uint64_t seq;
	int64_t until;
	brokers_done *done;
	void *ctx;
};

void broker_table_init(struct broker_table *t)
{
	*t = (struct broker_table){ .n = 0 };
	t->wait_end = &t->wait;
	pthread_mutex_init(&t->lock, NULL);
}

void broker_table_free(struct broker_table *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->broker[i]);
	pthread_mutex_destroy(&t->lock);
}

struct broker *broker_table_find(const struct broker_table *t, const char *name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (strcmp(t->broker[i]->state.name, name) == 0)
			return t->broker[i];
	return NULL;
}

/* Whether a broker of which nothing was heard for so long admits nobody any more. It may have heard us longer. */
static bool is_over(int64_t age, int64_t lasts)
{
	return lasts != FEED_SERVER_FOR_EVER && age - BROKERS_SILENT_MS > lasts;
}

/* Who was connected there when it fell silent may be so still, whatever has become of him. */
static bool is_past(const struct broker *broker, int64_t now)
{
	return !broker->link && !broker->holds && is_over(now - broker->heard, broker->lasts);
}

static void take_out(struct broker_table *t, unsigned at)
{
	t->n--;
	memmove(&t->broker[at], &t->broker[at + 1], (t->n - at) * sizeof(struct broker *));
}

static void make_room(struct broker_table *t, int64_t now)
{
	for (unsigned i = 0; i < t->n; i++)
		if (is_past(t->broker[i], now)) {
			free(t->broker[i]);
			take_out(t, i);
			return;
		}
}

static struct broker *add(struct broker_table *t, const char *name, int64_t now)
{
	struct broker *broker;
	unsigned at = 0;

	if (t->n == BROKERS_MAX)
		make_room(t, now);
	if (t->n == BROKERS_MAX || !(broker = calloc(1, sizeof(*broker))))
		return NULL;
	snprintf(broker->state.name, sizeof(broker->state.name), "%s", name);
	broker->place = -1;
	broker->lasts = FEED_SERVER_LASTS_MS;
	while (at < t->n && strcmp(t->broker[at]->state.name, name) < 0)
		at++;
	memmove(&t->broker[at + 1], &t->broker[at], (t->n - at) * sizeof(struct broker *));
	t->broker[at] = broker;
	t->n++;
	return broker;
}

struct broker *broker_table_add(struct broker_table *t, const char *name, int64_t now)
{
	struct broker *broker;

	pthread_mutex_lock(&t->lock);
	broker = add(t, name, now);
	pthread_mutex_unlock(&t->lock);
	return broker;
}

/* --- who waits --- */

/* Who has not applied it, by name, and how many have. */
struct missing {
	unsigned reached, worth; /* worth: that may still do so soon */
	size_t n;
	char names[WAITING_TEXT];
};

static void name_add(struct missing *m, const char *name)
{
	size_t n = strlen(name);

	if (m->n + n + 2 > sizeof(m->names))
		return;
	if (m->n > 0)
		m->names[m->n++] = ',';
	memcpy(m->names + m->n, name, n + 1);
	m->n += n;
}

static struct missing missing(const struct broker_table *t, uint64_t seq, int64_t now)
{
	struct missing m = { .names = "" };

	for (unsigned i = 0; i < t->n; i++) {
		const struct broker *b = t->broker[i];

		if (b->state.speaks && b->state.synced && b->state.seq >= seq) {
			m.reached++;
		} else if (b->fate != BROKER_GONE && !is_past(b, now)) {
			m.worth += b->link || now - b->heard <= LOST_MS;
			name_add(&m, b->state.name);
		}
	}
	return m;
}

bool broker_table_wait(
    struct broker_table *t, uint64_t seq, int64_t now, int64_t until, brokers_done *done, void *ctx)
{
	struct broker_wait *w = NULL;
	struct missing m;

	pthread_mutex_lock(&t->lock);
	m = missing(t, seq, now);
	if (m.worth > 0 && !t->stopped && (w = malloc(sizeof(*w)))) {
		*w = (struct broker_wait){ NULL, seq, until, done, ctx };
		*t->wait_end = w;
		t->wait_end = &w->next;
	}
	pthread_mutex_unlock(&t->lock);
	if (!w)
		done(ctx, m.reached, m.names);
	return w != NULL;
}

/* Those that need not wait any more, off the list, in the order in which they came. */
static struct broker_wait *take_over(struct broker_table *t, int64_t now)
{
	struct broker_wait *over = NULL, **end = &over, **at = &t->wait, *w;

	pthread_mutex_lock(&t->lock);
	while ((w = *at)) {
		if (now < w->until && !t->stopped && missing(t, w->seq, now).worth > 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		*end = w;
		end = &w->next;
		*end = NULL;
	}
	t->wait_end = at;
	pthread_mutex_unlock(&t->lock);
	return over;
}

void broker_table_answer(struct broker_table *t, int64_t now)
{
	struct broker_wait *next;

	for (struct broker_wait *w = take_over(t, now); w; w = next) {
		struct missing m;

		pthread_mutex_lock(&t->lock);
		m = missing(t, w->seq, now);
		pthread_mutex_unlock(&t->lock);
		next = w->next;
		w->done(w->ctx, m.reached, m.names);
		free(w);
	}
}

int64_t broker_table_next(struct broker_table *t, int64_t latest)
{
	pthread_mutex_lock(&t->lock);
	for (const struct broker_wait *w = t->wait; w; w = w->next)
		latest = w->until < latest ? w->until : latest;
	pthread_mutex_unlock(&t->lock);
	return latest;
}

void broker_table_stop(struct broker_table *t, int64_t now)
{
	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	pthread_mutex_unlock(&t->lock);
	broker_table_answer(t, now);
}

/* --- across a start --- */

char *broker_table_text(struct broker_table *t, int64_t now)
{
	char *text = malloc(BROKERS_MAX * LINE_CAP + 1);
	size_t n = 0;

	if (!text)
		return NULL;
	text[0] = '\0';
	for (unsigned i = 0; i < t->n; i++) {
		const struct broker *b = t->broker[i];

		if (b->fate == BROKER_STAYS && !is_past(b, now))
			n += (size_t)snprintf(text + n, LINE_CAP, "%s %" PRId64 " %" PRId64 "\n",
			    b->state.name, b->state.heard, b->lasts);
	}
	return text;
}

/* --- forgotten --- */

static enum err leave(
    struct broker_table *t, const char *name, int64_t now, char **text, struct errbuf *eb)
{
	struct broker *broker = broker_table_find(t, name);

	if (!broker || broker->fate == BROKER_GONE)
		return err_set(eb, ERR_NOT_FOUND, "no broker of this name is known");
	if (broker->link)
		return err_set(eb, ERR_CONFLICT,
		    "this broker is connected; only one that has gone can be forgotten");
	if (broker->fate == BROKER_LEAVES)
		return err_set(eb, ERR_CONFLICT, "this broker is being forgotten already");
	broker->fate = BROKER_LEAVES;
	if (!(*text = broker_table_text(t, now))) {
		broker->fate = BROKER_STAYS;
		return err_set(eb, ERR_MEMORY, "no memory for the list of brokers");
	}
	t->leaving++;
	return OK;
}

enum err broker_table_forget(
    struct broker_table *t, const char *name, int64_t now, char **text, struct errbuf *eb)
{
	enum err e;

	pthread_mutex_lock(&t->lock);
	e = leave(t, name, now, text, eb);
	pthread_mutex_unlock(&t->lock);
	return e;
}

void broker_table_forgotten(struct broker_table *t, const char *name, bool forgotten)
{
	struct broker *broker;

	pthread_mutex_lock(&t->lock);
	t->leaving--;
	broker = broker_table_find(t, name);
	if (broker && broker->fate == BROKER_LEAVES)
		broker->fate = forgotten ? BROKER_GONE : BROKER_STAYS;
	pthread_mutex_unlock(&t->lock);
}

struct broker *broker_table_take_gone(struct broker_table *t)
{
	struct broker *gone = NULL;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->n && !gone; i++)
		if (t->broker[i]->fate == BROKER_GONE) {
			gone = t->broker[i];
			take_out(t, i);
		}
	pthread_mutex_unlock(&t->lock);
	return gone;
}

struct reading {
	struct broker_table *t;
	int64_t now, wall_ms;
};

static const char *take_line(void *ctx, const struct words *w)
{
	const struct reading *r = ctx;
	char name[STORE_NAME_MAX + 1];
	struct broker *b;
	uint64_t heard, lasts = FEED_SERVER_LASTS_MS; /* of a server that did not know better */
	int64_t age;

	if (w->n < 2 || w->n > 3 || w->at[0].n > STORE_NAME_MAX || !word_number(w->at[1], &heard) ||
	    heard > INT64_MAX ||
	    (w->n == 3 && (!word_number(w->at[2], &lasts) || lasts > INT64_MAX)))
		return NULL;
	/* One of the future says that a clock was set: nobody knows its age. */
	age = r->wall_ms - BROKER_TABLE_NOTED_MS - (int64_t)heard;
	age = age > 0 ? age : 0;
	memcpy(name, w->at[0].p, w->at[0].n);
	name[w->at[0].n] = '\0';
	if (is_over(age, (int64_t)lasts) || broker_table_find(r->t, name) ||
	    !(b = broker_table_add(r->t, name, r->now)))
		return NULL;
	b->heard = r->now - age;
	b->state.heard = b->state.since = (int64_t)heard;
	b->lasts = (int64_t)lasts;
	return NULL;
}

void broker_table_read(struct broker_table *t, const char *text, int64_t now, int64_t wall_ms)
{
	struct slice in = { (const uint8_t *)text, strlen(text) };
	struct reading r = { t, now, wall_ms };
	struct words_reader reader = { .n = 0 };

	/* What is not a line of ours ends it. */
	(void)words_take(&reader, in, take_line, &r);
}
