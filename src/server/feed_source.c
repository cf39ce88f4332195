#include "feed_source.h"

#include <stdlib.h>
#include <string.h>

#define AUTHORITIES 8 /* as many as a plugin holds */

enum err feed_source_init(
    struct feed_source *s, struct store *store, uint32_t tenant, struct errbuf *eb)
{
	*s = (struct feed_source){ .store = store, .tenant = tenant };
	s->change = calloc(FEED_CHANGES, sizeof(*s->change));
	s->page = calloc(FEED_PAGE, sizeof(*s->page));
	if (s->change && s->page)
		return OK;
	feed_source_free(s);
	return err_set(eb, ERR_MEMORY, "no memory for the feed");
}

void feed_source_free(struct feed_source *s)
{
	free(s->change);
	free(s->page);
	s->change = NULL;
	s->page = NULL;
}

void feed_source_begin(struct feed_cursor *c, struct feed_server *f, uint64_t seq)
{
	*c = (struct feed_cursor){ .said = f->seq, .behind = seq };
	if (f->epoch == f->our_epoch && seq - f->seq <= FEED_BEHIND_MAX) {
		if (f->seq == seq) /* nothing follows */
			feed_server_number(f, seq);
		return;
	}
	c->said = seq;
	c->snapshot = true;
}

/* --- what has changed --- */

static bool collect(void *ctx, const struct store_event *event)
{
	struct feed_source *s = ctx;
	size_t i = 0;

	if (event->seq > s->known)
		return false;
	while (i < s->n && memcmp(s->change[i].device.id, event->subject, 16) != 0)
		i++;
	if (i == s->n)
		memcpy(s->change[s->n++].device.id, event->subject, 16);
	s->to = event->seq;
	return s->n < FEED_CHANGES && s->to - s->from < FEED_EVENTS;
}

static enum err look_up(struct feed_source *s, struct errbuf *eb)
{
	for (size_t i = 0; i < s->n; i++) {
		uint8_t id[16];
		enum err e;

		memcpy(id, s->change[i].device.id, sizeof(id));
		e = live_device(s->store, s->tenant, id, &s->change[i].device, eb);
		if (e != OK && e != ERR_NOT_FOUND)
			return e;
		s->change[i].there = e == OK;
	}
	return OK;
}

/* The changes behind `from`, unless they are at hand. */
static enum err read_changes(struct feed_source *s, uint64_t from, uint64_t seq, struct errbuf *eb)
{
	enum err e;

	/* What was read is what was true then: good for those who come to it before anything else is. */
	if (s->n > 0 && s->from == from && s->to == seq)
		return OK;
	s->from = s->to = from;
	s->known = seq;
	s->n = 0;
	e = store_event_list(s->store, s->tenant, from + 1, collect, s, eb);
	if (e == OK)
		e = look_up(s, eb);
	if (e == OK && s->to == from)
		e = err_set(eb, ERR_FORMAT, "event %llu of %llu is not there",
		    (unsigned long long)from + 1, (unsigned long long)seq);
	if (e != OK)
		s->n = 0;
	return e;
}

static enum err say_changes(struct feed_source *s, struct feed_cursor *c, struct feed_server *f,
    uint64_t seq, struct errbuf *eb)
{
	enum err e = read_changes(s, c->said, seq, eb);

	if (e != OK)
		return e;
	for (size_t i = 0; i < s->n; i++) {
		if (s->change[i].there)
			feed_server_device(f, &s->change[i].device);
		else
			feed_server_gone(f, s->change[i].device.id);
	}
	c->said = s->to;
	if (!c->snapshot && c->said >= c->behind)
		feed_server_number(f, c->said);
	return OK;
}

/* --- everything --- */

struct authorities {
	struct feed_server *f;
	unsigned n;
};

static bool say_authority(void *ctx, const struct store_authority *row)
{
	struct authorities *a = ctx;

	if (strcmp(row->kind, "device-ca") == 0 && strcmp(row->state, "active") == 0) {
		feed_server_authority(a->f, row->key_id, true);
		a->n++;
	}
	return a->n < AUTHORITIES;
}

static bool take_row(void *ctx, const struct store_device *row)
{
	struct feed_source *s = ctx;

	s->page[s->n++] = *row;
	return s->n < FEED_PAGE;
}

static enum err read_page(
    struct feed_source *s, const struct feed_cursor *c, size_t *n, struct errbuf *eb)
{
	struct store_filter filter = { .after = c->paging ? c->after : NULL,
		.after_created = c->after_created };
	enum err e;

	s->n = 0;
	e = store_device_list(s->store, s->tenant, &filter, take_row, s, eb);
	*n = s->n;
	s->n = 0; /* the changes that were at hand are not any more */
	return e;
}

static enum err say_page(
    struct feed_source *s, struct feed_cursor *c, struct feed_server *f, struct errbuf *eb)
{
	struct authorities a = { .f = f };
	struct live_device d;
	enum err e = OK;
	size_t n;

	if (!c->paging) {
		feed_server_begin(f);
		e = store_authority_list(s->store, s->tenant, say_authority, &a, eb);
	}
	if (e != OK || (e = read_page(s, c, &n, eb)) != OK)
		return e;
	for (size_t i = 0; i < n && e == OK; i++) {
		e = live_device_of(s->store, s->tenant, &s->page[i], &d, eb);
		if (e == OK)
			feed_server_device(f, &d);
	}
	if (e != OK)
		return e;
	c->paging = true;
	if (n == FEED_PAGE) {
		memcpy(c->after, s->page[n - 1].id, sizeof(c->after));
		c->after_created = s->page[n - 1].created;
		return OK;
	}
	c->snapshot = c->paging = false;
	feed_server_end(f, c->said);
	return OK;
}

enum err feed_source_more(struct feed_source *s, struct feed_cursor *c, struct feed_server *f,
    uint64_t seq, bool *more, struct errbuf *eb)
{
	enum err e = OK;

	/* Before its beginning a snapshot has nothing that could change. */
	if (c->said < seq && (!c->snapshot || c->paging) &&
	    feed_server_has_room(f, FEED_CHANGES + 1))
		e = say_changes(s, c, f, seq, eb);
	if (e == OK && c->snapshot && feed_server_has_room(f, FEED_PAGE + AUTHORITIES + 2))
		e = say_page(s, c, f, eb);
	*more = e == OK && (c->snapshot || c->said < seq);
	return e;
}
