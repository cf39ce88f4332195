#include "connections.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 256 /* buckets, a power of two */

struct connections {
	struct connection **by_client, **by_id;
	size_t cap, n;
	uint64_t made;
	struct connection *first, *last, *first_leaving, *last_leaving;
	struct connection *next_told;
	uint64_t told_until;
};

enum err connections_new(struct connections **out, struct errbuf *eb)
{
	struct connections *all = calloc(1, sizeof(*all));

	if (!all || !(all->by_client = calloc(FIRST, sizeof(struct connection *))) ||
	    !(all->by_id = calloc(FIRST, sizeof(struct connection *)))) {
		connections_free(all);
		return err_set(eb, ERR_MEMORY, "no memory for the connections");
	}
	all->cap = FIRST;
	*out = all;
	return OK;
}

void connections_free(struct connections *all)
{
	struct connection *c, *after;

	if (!all)
		return;
	for (c = all->first; c; c = after) {
		after = c->after;
		free(c);
	}
	free(all->by_client);
	free(all->by_id);
	free(all);
}

/* --- buckets --- */

static size_t mixed(uint64_t v, size_t cap)
{
	v *= 0x9e3779b97f4a7c15u;
	return (size_t)(v >> 32) & (cap - 1);
}

static size_t client_bucket(const void *client, size_t cap)
{
	return mixed((uint64_t)(uintptr_t)client, cap);
}

/* Nobody gets here with an id that the authority did not certify: they are random. */
static size_t id_bucket(const uint8_t id[16], size_t cap)
{
	uint64_t a, b;

	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	return mixed(a ^ b, cap);
}

static void link_in(struct connections *all, struct connection *c)
{
	struct connection **client = &all->by_client[client_bucket(c->client, all->cap)],
	                  **id = &all->by_id[id_bucket(c->passport.id, all->cap)];

	c->same_client = *client;
	c->same_id = *id;
	*client = *id = c;
}

static void link_out(struct connections *all, struct connection *c)
{
	struct connection **at = &all->by_client[client_bucket(c->client, all->cap)];

	while (*at != c)
		at = &(*at)->same_client;
	*at = c->same_client;
	at = &all->by_id[id_bucket(c->passport.id, all->cap)];
	while (*at != c)
		at = &(*at)->same_id;
	*at = c->same_id;
}

/* Without memory the buckets just get fuller. */
static void grow(struct connections *all)
{
	size_t cap = all->cap * 2;
	struct connection **by_client = calloc(cap, sizeof(struct connection *)),
	                  **by_id = calloc(cap, sizeof(struct connection *));

	if (!by_client || !by_id) {
		free(by_client);
		free(by_id);
		return;
	}
	free(all->by_client);
	free(all->by_id);
	all->by_client = by_client;
	all->by_id = by_id;
	all->cap = cap;
	for (struct connection *c = all->first; c; c = c->after)
		link_in(all, c);
}

/* --- the order of leaving --- */

static bool waits(const struct connections *all, const struct connection *c)
{
	return c->leaves_before || all->first_leaving == c;
}

static void wait_no_more(struct connections *all, struct connection *c)
{
	if (!waits(all, c))
		return;
	if (c->leaves_before)
		c->leaves_before->leaves_after = c->leaves_after;
	else
		all->first_leaving = c->leaves_after;
	if (c->leaves_after)
		c->leaves_after->leaves_before = c->leaves_before;
	else
		all->last_leaving = c->leaves_before;
	c->leaves_before = c->leaves_after = NULL;
}

void connections_expel(struct connections *all, struct connection *c, enum reason why)
{
	if (c->why == REASON_ADMIT)
		c->why = why;
	if (c->leaving)
		return;
	c->leaving = true;
	c->leaves_before = all->last_leaving;
	if (all->last_leaving)
		all->last_leaving->leaves_after = c;
	else
		all->first_leaving = c;
	all->last_leaving = c;
}

struct connection *connections_leaving(struct connections *all)
{
	struct connection *c = all->first_leaving;

	if (c)
		wait_no_more(all, c);
	return c;
}

/* --- records --- */

struct connection *connections_add(struct connections *all, const void *client,
    const struct passport *passport, const char *address, unsigned protocol, int64_t now_ms)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	connections_remove(all, client);
	c->client = client;
	c->number = ++all->made;
	c->passport = *passport;
	if (address && strlen(address) < sizeof(c->address))
		memcpy(c->address, address, strlen(address));
	c->protocol = protocol;
	c->since_ms = now_ms;
	if (++all->n > all->cap)
		grow(all);
	link_in(all, c);
	c->before = all->last;
	if (all->last)
		all->last->after = c;
	else
		all->first = c;
	all->last = c;
	return c;
}

struct connection *connections_find(const struct connections *all, const void *client)
{
	struct connection *c = all->by_client[client_bucket(client, all->cap)];

	while (c && c->client != client)
		c = c->same_client;
	return c;
}

bool connections_taken_over(const struct connections *all, const struct connection *c)
{
	const struct connection *other = all->by_id[id_bucket(c->passport.id, all->cap)];

	while (other &&
	       (other->number <= c->number || memcmp(other->passport.id, c->passport.id, 16) != 0))
		other = other->same_id;
	return other != NULL;
}

bool connections_remove(struct connections *all, const void *client)
{
	struct connection *c = connections_find(all, client);

	if (!c)
		return false;
	if (all->next_told == c)
		all->next_told = c->after;
	wait_no_more(all, c);
	link_out(all, c);
	if (c->before)
		c->before->after = c->after;
	else
		all->first = c->after;
	if (c->after)
		c->after->before = c->before;
	else
		all->last = c->before;
	all->n--;
	free(c);
	return true;
}

size_t connections_count(const struct connections *all)
{
	return all->n;
}

void connections_of(const struct connections *all, const uint8_t id[16],
    void (*each)(void *ctx, struct connection *c), void *ctx)
{
	struct connection *c = all->by_id[id_bucket(id, all->cap)];

	for (; c; c = c->same_id)
		if (memcmp(c->passport.id, id, 16) == 0)
			each(ctx, c);
}

void connections_each(
    const struct connections *all, void (*each)(void *ctx, struct connection *c), void *ctx)
{
	for (struct connection *c = all->first; c; c = c->after)
		each(ctx, c);
}

void connections_tell(struct connections *all)
{
	all->next_told = all->first;
	all->told_until = all->made;
}

struct connection *connections_tell_next(struct connections *all)
{
	struct connection *c = all->next_told;

	if (!c || c->number > all->told_until)
		return all->next_told = NULL;
	all->next_told = c->after;
	return c;
}
