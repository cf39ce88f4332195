#include "recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct place {
	uint64_t used;   /* when, by the count of uses; 0: never */
	uint64_t ticket; /* of the reader that may keep its row here; 0: the row is here */
	struct recent_key key;
};

struct recent {
	pthread_mutex_t lock; /* guards what follows */
	uint64_t uses;
	size_t sets, size;
	struct place *places; /* RECENT_WAYS a set */
	uint8_t *rows;
};

struct recent *recent_new(size_t sets, size_t size)
{
	struct recent *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->sets = sets;
	r->size = size;
	r->places = calloc(sets * RECENT_WAYS, sizeof(*r->places));
	r->rows = calloc(sets * RECENT_WAYS, size);
	if (!r->places || !r->rows || pthread_mutex_init(&r->lock, NULL)) {
		free(r->places);
		free(r->rows);
		free(r);
		return NULL;
	}
	return r;
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->places);
	free(r->rows);
	free(r);
}

/* --- with the lock held --- */

static struct place *set_of(struct recent *r, const struct recent_key *key)
{
	uint64_t bits;

	memcpy(&bits, key->bytes, sizeof(bits));
	return r->places + (bits & (r->sets - 1)) * RECENT_WAYS;
}

static void *row_of(struct recent *r, const struct place *p)
{
	return r->rows + (size_t)(p - r->places) * r->size;
}

/* The place with this key, be its row here or on its way; NULL: none. */
static struct place *find(struct recent *r, const struct recent_key *key)
{
	struct place *set = set_of(r, key);

	for (size_t i = 0; i < RECENT_WAYS; i++)
		if (set[i].used && set[i].key.tenant == key->tenant &&
		    memcmp(set[i].key.bytes, key->bytes, sizeof(key->bytes)) == 0)
			return &set[i];
	return NULL;
}

static struct place *oldest(struct recent *r, const struct recent_key *key)
{
	struct place *set = set_of(r, key), *p = set;

	for (size_t i = 1; i < RECENT_WAYS; i++)
		if (set[i].used < p->used)
			p = &set[i];
	return p;
}

/* --- */

bool recent_find(struct recent *r, const struct recent_key *key, void *row, uint64_t *ticket)
{
	struct place *p;
	bool here;

	pthread_mutex_lock(&r->lock);
	if (!(p = find(r, key))) {
		p = oldest(r, key);
		p->key = *key;
		p->ticket = r->uses + 1;
	}
	p->used = ++r->uses;
	if ((here = p->ticket == 0))
		memcpy(row, row_of(r, p), r->size);
	*ticket = p->ticket;
	pthread_mutex_unlock(&r->lock);
	return here;
}

void recent_keep(struct recent *r, const struct recent_key *key, const void *row, uint64_t ticket)
{
	struct place *p;

	pthread_mutex_lock(&r->lock);
	if ((p = find(r, key)) && p->ticket == ticket && ticket) {
		memcpy(row_of(r, p), row, r->size);
		p->ticket = 0;
	}
	pthread_mutex_unlock(&r->lock);
}

void recent_put(struct recent *r, const struct recent_key *key, const void *row)
{
	struct place *p;

	pthread_mutex_lock(&r->lock);
	if (!(p = find(r, key)))
		p = oldest(r, key);
	p->key = *key;
	p->used = ++r->uses;
	p->ticket = 0;
	memcpy(row_of(r, p), row, r->size);
	pthread_mutex_unlock(&r->lock);
}

void recent_visit(struct recent *r, const struct recent_key *key,
    void (*visit)(void *row, void *with), void *with)
{
	struct place *p;

	pthread_mutex_lock(&r->lock);
	if ((p = find(r, key)) && p->ticket)
		p->used = 0;
	else if (p)
		visit(row_of(r, p), with);
	pthread_mutex_unlock(&r->lock);
}

void recent_drop(struct recent *r, const struct recent_key *key)
{
	struct place *p;

	pthread_mutex_lock(&r->lock);
	if ((p = find(r, key)))
		p->used = 0;
	pthread_mutex_unlock(&r->lock);
}
