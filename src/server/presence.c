#include "presence.h"
#include "p256.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 32768
#define REFUSALS 1024
static const char unseen[] = "unseen";

struct visit {
	struct visit *same_id, *same_device; /* next in the bucket */
	struct visit *before, *after;        /* all of them, in no order that matters */
	struct visit *later;                 /* of those that are to be written */
	uint8_t id[16], device[16], print[16];
	char address[46], reason[STORE_REASON_MAX + 1];
	uint8_t protocol;
	uint8_t broker;
	bool admitted, vouched; /* vouched: told since our start */
	bool told;              /* since the broker's list began */
	bool passed;            /* by one that began later: where it was last is known better */
	bool waits, write, check;
	int64_t began, ended; /* ended 0: it lasts */
};

struct place {
	char name[STORE_NAME_MAX + 1];
	uint8_t boot[8];
	bool speaks;
	bool linked;   /* it is here, or was a moment ago */
	int64_t lost;  /* silent since then; 0: it is not */
	size_t visits; /* that it vouches for */
	size_t held;   /* that name it at all */
};

/* The same refusal again within ten seconds is not another visit. */
struct refusal {
	uint8_t device[16];
	char reason[STORE_REASON_MAX + 1];
	int64_t at;
};

struct presences {
	pthread_mutex_t lock;
	struct visit *by_id[BUCKETS], *by_device[BUCKETS], *all;
	struct visit *first, **last; /* to be written */
	size_t n, limit, devices;
	struct place place[PRESENCE_BROKERS];
	unsigned places, speaking;
	bool ever;
	struct refusal refusal[REFUSALS];
};

/* --- the table --- */

static size_t bucket_of(const uint8_t id[16])
{
	/* Of a visit the last bytes count connections; those of a UUID are random. */
	return (load_le32(id) ^ load_be32(id + 12)) % BUCKETS;
}

static struct visit *find(struct presences *p, const uint8_t id[16])
{
	struct visit *v = p->by_id[bucket_of(id)];

	while (v && memcmp(v->id, id, 16) != 0)
		v = v->same_id;
	return v;
}

static struct visit *add(
    struct presences *p, const uint8_t id[16], const uint8_t device[16], int place)
{
	struct visit *v;
	size_t i = bucket_of(id), d = bucket_of(device);

	if (p->n >= p->limit || !(v = calloc(1, sizeof(*v))))
		return NULL;
	memcpy(v->id, id, 16);
	memcpy(v->device, device, 16);
	v->broker = (uint8_t)place;
	p->place[place].held++;
	v->same_id = p->by_id[i];
	p->by_id[i] = v;
	v->same_device = p->by_device[d];
	p->by_device[d] = v;
	v->after = p->all;
	if (p->all)
		p->all->before = v;
	p->all = v;
	p->n++;
	return v;
}

static void drop(struct presences *p, struct visit *v)
{
	struct visit **at = &p->by_id[bucket_of(v->id)];

	while (*at != v)
		at = &(*at)->same_id;
	*at = v->same_id;
	at = &p->by_device[bucket_of(v->device)];
	while (*at != v)
		at = &(*at)->same_device;
	*at = v->same_device;
	if (v->after)
		v->after->before = v->before;
	if (v->before)
		v->before->after = v->after;
	else
		p->all = v->after;
	p->place[v->broker].held--;
	p->n--;
	free(v);
}

static void put_off(struct presences *p, struct visit *v, bool write, bool check)
{
	v->write |= write;
	v->check |= check;
	if (v->waits)
		return;
	v->waits = true;
	v->later = NULL;
	*p->last = v;
	p->last = &v->later;
}

/* Visits of a device that count. */
static unsigned present(const struct presences *p, const uint8_t device[16], bool vouched)
{
	unsigned n = 0;

	for (const struct visit *v = p->by_device[bucket_of(device)]; v; v = v->same_device)
		n += v->ended == 0 && v->vouched == vouched && !v->passed &&
		     memcmp(v->device, device, 16) == 0;
	return n;
}

/* A board that has come elsewhere since is not looked for at a broker that is silent. */
static void pass(const struct presences *p, const uint8_t device[16])
{
	int64_t last = 0;

	for (struct visit *v = p->by_device[bucket_of(device)]; v; v = v->same_device)
		if (v->vouched && v->began > last && memcmp(v->device, device, 16) == 0)
			last = v->began;
	for (struct visit *v = p->by_device[bucket_of(device)]; v; v = v->same_device)
		if (!v->vouched && v->began <= last && memcmp(v->device, device, 16) == 0)
			v->passed = true;
}

static void vouch(struct presences *p, struct visit *v)
{
	if (v->vouched)
		return;
	if (present(p, v->device, true) == 0)
		p->devices++;
	v->vouched = true;
	v->passed = false;
	p->place[v->broker].visits++;
	pass(p, v->device);
}

static void unvouch(struct presences *p, struct visit *v)
{
	if (!v->vouched)
		return;
	v->vouched = false;
	p->place[v->broker].visits--;
	if (present(p, v->device, true) == 0)
		p->devices--;
	pass(p, v->device);
}

/* One that began in the future did so by a clock that has been set since. */
static bool begins_again(struct visit *v, int64_t at)
{
	if (v->began - at <= STORE_AHEAD_MS)
		return false;
	v->began = at;
	return true;
}

static void end(struct presences *p, struct visit *v, int64_t at, const char *reason)
{
	at = at > 0 ? at : 1;
	unvouch(p, v);
	(void)begins_again(v, at);
	v->ended = at > v->began ? at : v->began;
	snprintf(v->reason, sizeof(v->reason), "%s", reason);
	put_off(p, v, true, false);
}

/* One of which nobody saw the end: it is not known to have lasted when its broker had gone silent. */
static void end_unseen(struct presences *p, struct visit *v, int64_t now_ms)
{
	int64_t lost = p->place[v->broker].lost;

	end(p, v, lost >= v->began && lost < now_ms ? lost : now_ms, unseen);
}

static int place_of(struct presences *p, const char *name)
{
	unsigned at = 0;

	for (unsigned i = 0; i < p->places; i++)
		if (strcmp(p->place[i].name, name) == 0)
			return (int)i;
	/* A number is given again when nothing bears it any more. */
	while (at < p->places && (p->place[at].linked || p->place[at].held > 0))
		at++;
	if (at == PRESENCE_BROKERS)
		return -1;
	p->places += at == p->places;
	p->place[at] = (struct place){ .linked = false };
	snprintf(p->place[at].name, sizeof(p->place[at].name), "%s", name);
	return (int)at;
}

/* --- from the registry --- */

struct loading {
	struct presences *p;
	enum err e;
};

static bool load(void *ctx, const struct store_visit *row)
{
	struct loading *l = ctx;
	int place = place_of(l->p, row->broker);
	struct visit *v = place < 0 ? NULL : add(l->p, row->id, row->device, place);

	if (!v) {
		l->e = place < 0 || l->p->n >= l->p->limit ? ERR_SPACE : ERR_MEMORY;
		return false;
	}
	memcpy(v->print, row->print, sizeof(v->print));
	memcpy(v->address, row->address, sizeof(v->address));
	v->protocol = row->protocol;
	v->admitted = true;
	v->began = row->began;
	return true;
}

enum err presences_new(
    struct store *store, uint32_t tenant, struct presences **out, struct errbuf *eb)
{
	struct presences *p = calloc(1, sizeof(*p));
	struct loading l = { .p = p };
	enum err e;

	if (!p)
		return err_set(eb, ERR_MEMORY, "no memory for the visits");
	p->last = &p->first;
	p->limit = PRESENCE_VISITS;
	pthread_mutex_init(&p->lock, NULL);
	if ((e = store_visit_open(store, tenant, load, &l, eb)) == OK && l.e != OK)
		e = err_set(eb, l.e, "too many visits that last, or no memory for them");
	if (e != OK) {
		presences_free(p);
		return e;
	}
	*out = p;
	return OK;
}

void presences_free(struct presences *p)
{
	if (!p)
		return;
	while (p->all)
		drop(p, p->all);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void presence_limit(struct presences *p, size_t visits)
{
	pthread_mutex_lock(&p->lock);
	p->limit = visits;
	pthread_mutex_unlock(&p->lock);
}

/* --- asked --- */

static void describe(
    const struct presences *p, const uint8_t device[16], unsigned n, struct presence_now *now)
{
	const struct visit *newest = NULL;

	*now = (struct presence_now){ .visits = n };
	for (const struct visit *v = p->by_device[bucket_of(device)]; v; v = v->same_device) {
		if (v->ended != 0 || !v->vouched || memcmp(v->device, device, 16) != 0)
			continue;
		if (!newest || v->began < now->since)
			now->since = v->began;
		if (!newest || v->began > newest->began)
			newest = v;
	}
	if (!newest)
		return;
	memcpy(now->address, newest->address, sizeof(now->address));
	memcpy(now->broker, p->place[newest->broker].name, sizeof(now->broker));
	memcpy(now->print, newest->print, sizeof(now->print));
}

enum presence presence_of(struct presences *p, const uint8_t device[16], struct presence_now *now)
{
	enum presence presence;
	unsigned n;

	if (!p)
		return PRESENCE_UNHEARD;
	pthread_mutex_lock(&p->lock);
	n = present(p, device, true);
	if (n > 0)
		presence = PRESENCE_ONLINE;
	else if (p->speaking > 0)
		/* One that was somewhere, of which nothing has been heard yet, is perhaps there still. */
		presence = present(p, device, false) > 0 ? PRESENCE_UNKNOWN : PRESENCE_OFFLINE;
	else
		presence = p->ever ? PRESENCE_UNKNOWN : PRESENCE_UNHEARD;
	if (n > 0 && now)
		describe(p, device, n, now);
	pthread_mutex_unlock(&p->lock);
	return presence;
}

size_t presence_count(struct presences *p)
{
	size_t n;

	if (!p)
		return 0;
	pthread_mutex_lock(&p->lock);
	n = p->devices;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* --- told --- */

static void id_of(const uint8_t boot[8], uint64_t connection, uint8_t id[16])
{
	memcpy(id, boot, 8);
	store_be32(id + 8, (uint32_t)(connection >> 32));
	store_be32(id + 12, (uint32_t)connection);
}

int presence_greet(struct presences *p, const char *name, const uint8_t boot[8], int64_t now_ms)
{
	int place;

	pthread_mutex_lock(&p->lock);
	place = place_of(p, name);
	if (place >= 0) {
		struct place *at = &p->place[place];

		at->linked = true;
		memcpy(at->boot, boot, sizeof(at->boot));
		for (struct visit *v = p->all; v; v = v->after)
			if (v->broker == place && v->ended == 0 && memcmp(v->id, boot, 8) != 0)
				end_unseen(p, v, now_ms);
	}
	pthread_mutex_unlock(&p->lock);
	return place;
}

static enum err came(struct presences *p, int broker, const struct presence_visit *visit)
{
	uint8_t id[16];
	struct visit *v;
	bool new;

	id_of(p->place[broker].boot, visit->connection, id);
	v = find(p, id);
	new = !v || v->ended != 0; /* one that was thought to have gone is the same visit */
	if (!v && !(v = add(p, id, visit->device, broker)))
		return p->n >= p->limit ? ERR_SPACE : ERR_MEMORY;
	if (new) {
		memcpy(v->print, visit->print, sizeof(v->print));
		snprintf(v->address, sizeof(v->address), "%s", visit->address);
		v->protocol = visit->protocol;
		v->began = visit->began > 0 ? visit->began : 1;
		v->admitted = true;
		v->ended = 0;
		v->reason[0] = '\0';
	} else if (begins_again(v, visit->began > 0 ? visit->began : 1)) {
		put_off(p, v, true, false);
	}
	if (!v->vouched)
		put_off(p, v, new, true);
	vouch(p, v);
	v->told = true;
	return OK;
}

enum err presence_came(struct presences *p, int broker, const struct presence_visit *visit)
{
	enum err e;

	pthread_mutex_lock(&p->lock);
	e = came(p, broker, visit);
	pthread_mutex_unlock(&p->lock);
	return e;
}

void presence_left(
    struct presences *p, int broker, uint64_t connection, int64_t at, const char *reason)
{
	uint8_t id[16];
	struct visit *v;

	pthread_mutex_lock(&p->lock);
	id_of(p->place[broker].boot, connection, id);
	if ((v = find(p, id)) && v->ended == 0)
		end(p, v, at, reason);
	pthread_mutex_unlock(&p->lock);
}

/* Whether it is another one than the last of its kind. */
static bool refusal_is_new(
    struct presences *p, const char *reason, const uint8_t device[16], int64_t at)
{
	size_t hash = load_le32(device);
	struct refusal *r;

	for (const char *c = reason; *c; c++)
		hash = hash * 31 + (unsigned char)*c;
	r = &p->refusal[hash % REFUSALS];
	if (r->at != 0 && at - r->at < PRESENCE_REFUSED_MS && at >= r->at &&
	    memcmp(r->device, device, 16) == 0 && strcmp(r->reason, reason) == 0)
		return false;
	memcpy(r->device, device, 16);
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->at = at;
	return true;
}

void presence_refused(struct presences *p, int broker, const char *reason, const uint8_t device[16],
    const char *address, int64_t at)
{
	struct visit *v = NULL;
	uint8_t id[16];

	pthread_mutex_lock(&p->lock);
	if (refusal_is_new(p, reason, device, at) && random_bytes(id, sizeof(id)) == OK)
		v = add(p, id, device, broker);
	if (v) {
		v->began = v->ended = at > 0 ? at : 1;
		snprintf(v->address, sizeof(v->address), "%s", address);
		snprintf(v->reason, sizeof(v->reason), "%s", reason);
		put_off(p, v, true, false);
	}
	pthread_mutex_unlock(&p->lock);
}

void presence_tells(struct presences *p, int broker)
{
	pthread_mutex_lock(&p->lock);
	for (struct visit *v = p->all; v; v = v->after)
		if (v->broker == broker)
			v->told = false;
	pthread_mutex_unlock(&p->lock);
}

static void speaks(struct presences *p, int broker, bool it_does)
{
	struct place *at = &p->place[broker];

	if (at->speaks == it_does)
		return;
	at->speaks = it_does;
	p->speaking += it_does ? 1 : -1u;
	p->ever |= it_does;
}

void presence_told(struct presences *p, int broker, int64_t now_ms)
{
	pthread_mutex_lock(&p->lock);
	for (struct visit *v = p->all; v; v = v->after)
		if (v->broker == broker && v->ended == 0 && !v->told)
			end_unseen(p, v, now_ms);
	p->place[broker].lost = 0;
	speaks(p, broker, true);
	pthread_mutex_unlock(&p->lock);
}

void presence_lost(struct presences *p, int broker, int64_t at)
{
	pthread_mutex_lock(&p->lock);
	for (struct visit *v = p->all; v; v = v->after)
		if (v->broker == broker && v->ended == 0)
			unvouch(p, v);
	speaks(p, broker, false);
	p->ever = true; /* if not to us: before our start */
	p->place[broker].lost = at;
	p->place[broker].linked = false;
	pthread_mutex_unlock(&p->lock);
}

/* When the newest visit began that lasts there; 0: none does. */
static int64_t last_at(struct presences *p, int broker)
{
	int64_t last = 0;

	pthread_mutex_lock(&p->lock);
	for (const struct visit *v = p->place[broker].held > 0 ? p->all : NULL; v; v = v->after)
		if (v->broker == broker && v->ended == 0 && v->began > last)
			last = v->began;
	pthread_mutex_unlock(&p->lock);
	return last;
}

bool presence_lasts(struct presences *p, int broker)
{
	return last_at(p, broker) != 0;
}

void presence_sweep(struct presences *p,
    bool (*known)(void *ctx, const char *name, int broker, int64_t at), void *ctx, int64_t now_ms)
{
	for (int i = 0; i < (int)p->places; i++) {
		int64_t last = last_at(p, i);

		if (last == 0 || known(ctx, p->place[i].name, i, last))
			continue;
		pthread_mutex_lock(&p->lock);
		for (struct visit *v = p->all; v; v = v->after)
			if (v->broker == i && v->ended == 0)
				end_unseen(p, v, now_ms);
		pthread_mutex_unlock(&p->lock);
	}
}

size_t presence_at(struct presences *p, int broker)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->place[broker].visits;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* --- to be written --- */

bool presence_take(struct presences *p, struct presence_change *change)
{
	struct visit *v;

	pthread_mutex_lock(&p->lock);
	if ((v = p->first)) {
		struct store_visit *row = &change->visit;

		if (!(p->first = v->later))
			p->last = &p->first;
		*change = (struct presence_change){ .write = v->write, .check = v->check };
		memcpy(row->id, v->id, sizeof(row->id));
		memcpy(row->device, v->device, sizeof(row->device));
		memcpy(row->broker, p->place[v->broker].name, sizeof(row->broker));
		memcpy(row->address, v->address, sizeof(row->address));
		memcpy(row->print, v->print, sizeof(row->print));
		memcpy(row->reason, v->reason, sizeof(row->reason));
		row->protocol = v->protocol;
		row->admitted = v->admitted;
		row->began = v->began;
		row->ended = v->ended;
		v->waits = v->write = v->check = false;
		if (v->ended != 0)
			drop(p, v);
	}
	pthread_mutex_unlock(&p->lock);
	return v != NULL;
}
