/*
 * feed_source.h -- from the registry to brokers: what has changed, or everything.
 *
 * Each broker has a cursor: how far it was told. Changes are the devices that events behind it are
 * about, looked up now; the same few changes are read once for all brokers that stand at one place. A
 * snapshot is read in pages, and changes go on in between, so that it holds nobody up. Not thread-safe.
 *
 *	feed_source_begin(&source, &cursor, &feed, seq);
 *	e = feed_source_more(&source, &cursor, &feed, seq, &more, eb);     // again while `more`
 */
#ifndef IMPRINT_FEED_SOURCE_H
#define IMPRINT_FEED_SOURCE_H

#include "feed_server.h"

/* A turn: devices that have changed, events that are looked at for it, devices of a snapshot. */
#define FEED_CHANGES 128
#define FEED_EVENTS 1024
#define FEED_PAGE 256
/* A broker that is further behind gets a snapshot. */
#define FEED_BEHIND_MAX 100000

struct feed_cursor {
	uint64_t said; /* of events */
	uint64_t
	    behind; /* until all that was there when it came is said, no number is: it would count as fresh */
	bool snapshot; /* one is being told */
	bool paging;   /* and some of it has been */
	int64_t after_created;
	uint8_t after[16];
};

struct feed_source {
	struct store *store;
	uint32_t tenant;
	/* private: the changes that were read last, of those that are known of */
	uint64_t from, to, known;
	struct feed_change {
		struct live_device device;
		bool there;
	} * change;                /* FEED_CHANGES of them */
	struct store_device *page; /* FEED_PAGE of them */
	size_t n;
};

enum err feed_source_init(
    struct feed_source *s, struct store *store, uint32_t tenant, struct errbuf *eb) MUST_CHECK;
void feed_source_free(struct feed_source *s);

/* The broker has greeted: goes on from what it knows, or begins a snapshot. seq: our last number. */
void feed_source_begin(struct feed_cursor *c, struct feed_server *f, uint64_t seq);
/*
 * Says some more, as far as there is room; *more: there is more to say. Events up to seq are there, and
 * whoever asks for a device finds what they made of it (store_options.committed); later ones may be
 * readable before that, and are left alone.
 * ERR_IO and others: the registry cannot be read.
 */
enum err feed_source_more(struct feed_source *s, struct feed_cursor *c, struct feed_server *f,
    uint64_t seq, bool *more, struct errbuf *eb) MUST_CHECK;

#endif
