/*
 * watchers.h -- who listens to what happens: the live streams of GET /v1/events.
 *
 * Server-sent events: `audit` and `visit` from the registry, in order, replayed from the numbers of
 * Last-Event-ID ("EVENT.VISIT"); `message` and `value` as they come, never again. A thread of its own
 * reads and writes; nobody who reports waits for a reader, and a reader who is too slow is dropped.
 *
 *	watchers_committed(w, seq, visit);                   // from store_options.committed
 *	watchers_say(w, device, "value", "{\"name\":\"led\",\"value\":true}");
 */
#ifndef IMPRINT_WATCHERS_H
#define IMPRINT_WATCHERS_H

#include "http.h"
#include "log.h"
#include "store.h"

#define WATCHERS_MAX 64

struct watchers;

struct watchers_options { /* borrowed until watchers_stop */
	struct store *store;
	uint32_t tenant;
	struct log *log;
};
enum err watchers_start(
    const struct watchers_options *options, struct watchers **out, struct errbuf *eb) MUST_CHECK;
/* Ends the streams. NULL is fine, here and below: nobody watches. */
void watchers_stop(struct watchers *w);

/* Something is on the disk. Any thread; never blocks. */
void watchers_committed(struct watchers *w, uint64_t seq, uint64_t visit);
/* Something live about a device; json is one object, copied. Any thread; never blocks. */
void watchers_say(
    struct watchers *w, const uint8_t device[16], const char *event, const char *json);
unsigned watchers_count(struct watchers *w);

#endif
