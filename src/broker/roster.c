/*
 * Open addressing with linear probing, entries ordered by their distance from home (Robin Hood): a
 * look-up stays short at a load of nine tenths, so that the table may grow by thirds.
 */
#include "roster.h"

#include "p256.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 64
/* Load at which it grows, in tenths. */
#define FULL 9

enum { USED = 1, ENABLED = 2, SEEN = 4 }; /* SEEN: put since the last mark */

struct entry {
	uint8_t id[16], thing[16], print[ROSTER_PRINTS][ROSTER_PRINT];
	uint32_t not_after_low;
	uint8_t not_after_high; /* 40 bits: the year 36812 */
	uint8_t flags;
};

struct roster {
	struct entry *at;
	size_t cap, n;
	uint64_t seed;
};

enum err roster_new(struct roster **out, struct errbuf *eb)
{
	struct roster *r = calloc(1, sizeof(*r));

	if (!r || !(r->at = calloc(FIRST, sizeof(*r->at)))) {
		free(r);
		return err_set(eb, ERR_MEMORY, "no memory for the devices");
	}
	r->cap = FIRST;
	if (random_bytes((uint8_t *)&r->seed, sizeof(r->seed)) != OK) {
		roster_free(r);
		return err_set(eb, ERR_IO, "no random numbers");
	}
	*out = r;
	return OK;
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	free(r->at);
	free(r);
}

/* --- places --- */

/* Device ids are random but for a few bits; the seed is for the day when somebody chooses them. */
static size_t home(const struct roster *r, const uint8_t id[16])
{
	uint64_t a, b;

	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	a = (a ^ r->seed) * 0x9e3779b97f4a7c15u;
	a = (a ^ a >> 32 ^ b) * 0xd6e8feb86659fd93u;
	a ^= a >> 32;
	return (size_t)((a >> 32) * r->cap >> 32);
}

static size_t distance(const struct roster *r, const struct entry *e, size_t at)
{
	size_t from = home(r, e->id);

	return at >= from ? at - from : at + r->cap - from;
}

/* Where the id is, or r->cap. */
static size_t find(const struct roster *r, const uint8_t id[16])
{
	size_t at = home(r, id);

	for (size_t far = 0; far < r->cap; far++, at = at + 1 == r->cap ? 0 : at + 1) {
		const struct entry *e = &r->at[at];

		if (!(e->flags & USED) || distance(r, e, at) < far)
			return r->cap;
		if (memcmp(e->id, id, 16) == 0)
			return at;
	}
	return r->cap;
}

/* An entry that is not there yet, into a table with room. */
static void insert(struct roster *r, struct entry e)
{
	size_t at = home(r, e.id), far = 0;

	for (;; at = at + 1 == r->cap ? 0 : at + 1, far++) {
		struct entry *here = &r->at[at];
		struct entry out = *here;
		size_t its;

		if (!(here->flags & USED)) {
			*here = e;
			return;
		}
		if ((its = distance(r, here, at)) <
		    far) { /* it is nearer to its home: it moves on */
			*here = e;
			e = out;
			far = its;
		}
	}
}

static bool grow(struct roster *r)
{
	struct roster more = *r;

	more.cap = r->cap + r->cap / 3;
	if (!(more.at = calloc(more.cap, sizeof(*more.at))))
		return false;
	for (size_t i = 0; i < r->cap; i++)
		if (r->at[i].flags & USED)
			insert(&more, r->at[i]);
	free(r->at);
	*r = more;
	return true;
}

/* Those behind it move back, so that there are no gaps to look across. */
static void take_out(struct roster *r, size_t at)
{
	for (;;) {
		size_t next = at + 1 == r->cap ? 0 : at + 1;

		if (!(r->at[next].flags & USED) || distance(r, &r->at[next], next) == 0)
			break;
		r->at[at] = r->at[next];
		at = next;
	}
	memset(&r->at[at], 0, sizeof(r->at[at]));
	r->n--;
}

/* --- devices --- */

static struct entry packed(const struct roster_device *d)
{
	uint64_t until = d->not_after < 0 ? 0 : (uint64_t)d->not_after;
	struct entry e;

	if (until > 0xffffffffffu)
		until = 0xffffffffffu;
	memcpy(e.id, d->id, sizeof(e.id));
	memcpy(e.thing, d->thing, sizeof(e.thing));
	memcpy(e.print, d->print, sizeof(e.print));
	e.not_after_low = (uint32_t)until;
	e.not_after_high = (uint8_t)(until >> 32);
	e.flags = (uint8_t)(USED | SEEN | (d->enabled ? ENABLED : 0));
	return e;
}

static void unpacked(const struct entry *e, struct roster_device *d)
{
	memcpy(d->id, e->id, sizeof(d->id));
	memcpy(d->thing, e->thing, sizeof(d->thing));
	memcpy(d->print, e->print, sizeof(d->print));
	d->not_after = (int64_t)((uint64_t)e->not_after_high << 32 | e->not_after_low);
	d->enabled = (e->flags & ENABLED) != 0;
}

enum err roster_put(struct roster *r, const struct roster_device *device)
{
	size_t at = find(r, device->id);

	if (at < r->cap) {
		r->at[at] = packed(device);
		return OK;
	}
	if ((r->n + 1) * 10 > r->cap * FULL && !grow(r))
		return ERR_MEMORY;
	insert(r, packed(device));
	r->n++;
	return OK;
}

bool roster_get(const struct roster *r, const uint8_t id[16], struct roster_device *out)
{
	size_t at = find(r, id);

	if (at == r->cap)
		return false;
	unpacked(&r->at[at], out);
	return true;
}

bool roster_remove(struct roster *r, const uint8_t id[16])
{
	size_t at = find(r, id);

	if (at == r->cap)
		return false;
	take_out(r, at);
	return true;
}

size_t roster_count(const struct roster *r)
{
	return r->n;
}

size_t roster_size(const struct roster *r)
{
	return sizeof(*r) + r->cap * sizeof(*r->at);
}

void roster_mark(struct roster *r)
{
	for (size_t i = 0; i < r->cap; i++)
		r->at[i].flags &= (uint8_t)~SEEN;
}

void roster_sweep(struct roster *r, void (*gone)(void *ctx, const uint8_t id[16]), void *ctx)
{
	uint8_t id[16];

	for (size_t i = 0; i < r->cap;) {
		const struct entry *e = &r->at[i];

		if ((e->flags & USED) == 0 || (e->flags & SEEN) != 0) {
			i++;
			continue;
		}
		memcpy(id, e->id, sizeof(id));
		take_out(r, i); /* another one may stand here now */
		gone(ctx, id);
	}
}

void roster_each(
    const struct roster *r, bool (*each)(void *ctx, const struct roster_device *device), void *ctx)
{
	struct roster_device d;

	for (size_t i = 0; i < r->cap; i++) {
		if (!(r->at[i].flags & USED))
			continue;
		unpacked(&r->at[i], &d);
		if (!each(ctx, &d))
			return;
	}
}

bool roster_has_print(const struct roster_device *device, const uint8_t print[ROSTER_PRINT])
{
	if (ct_zero(print, ROSTER_PRINT))
		return false;
	for (unsigned i = 0; i < ROSTER_PRINTS; i++)
		if (memcmp(device->print[i], print, ROSTER_PRINT) == 0)
			return true;
	return false;
}
