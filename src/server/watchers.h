/*
 * watchers.h -- who listens to what happens: the live streams of GET /v1/events.
 *
 * Server-sent events: `audit` and `visit` from the registry, in order, replayed from the numbers of
 * Last-Event-ID ("EVENT.VISIT"); `message` and `value` as they come, never again. A thread of its own
 * reads and writes; nobody who reports waits for a reader. What stands in the registry waits there for
 * a reader who is slow; one for whose live events there is no room is dropped, and so is everybody
 * after an hour: to come back takes a token that is still good.
 *
 *	watchers_committed(w, tenant, seq, visit);           // from store_options.committed
 *	watchers_say(w, device, "value", "{\"name\":\"led\",\"value\":true}");
 */
#ifndef IMPRINT_WATCHERS_H
#define IMPRINT_WATCHERS_H

#include "http.h"
#include "log.h"
#include "store.h"

#define WATCHERS_MAX 64

struct watchers;

/* From where on; what a client says that has been here before. */
struct watchers_from {
	uint32_t tenant;
	bool resumes; /* behind these numbers; else behind what is on the disk now */
	uint64_t seq, visit;
	bool one; /* of this device alone */
	uint8_t device[16];
};

struct watchers_options { /* borrowed until watchers_stop, the log until watchers_free */
	struct store *store;
	uint32_t tenant;
	struct log *log;
};
enum err watchers_start(
    const struct watchers_options *options, struct watchers **out, struct errbuf *eb) MUST_CHECK;
/*
 * Ends the streams and looks no further into the registry, which may be closed then. Others may go on
 * calling until watchers_free, and nothing comes of it. NULL is fine, here and below: nobody watches.
 */
void watchers_stop(struct watchers *w);
void watchers_free(struct watchers *w);

/*
 * Answers x with a stream, which is ours from then on. x is still to be answered after ERR_CONFLICT:
 * there are WATCHERS_MAX, or it is the end; ERR_NOT_FOUND: another tenant; ERR_MEMORY.
 */
enum err watchers_add(
    struct watchers *w, struct http_exchange *x, const struct watchers_from *from) MUST_CHECK;

/* Something of the tenant is on the disk. Any thread; never blocks. */
void watchers_committed(struct watchers *w, uint32_t tenant, uint64_t seq, uint64_t visit);
/* Something live about a device; json is one object, copied. Any thread; never blocks. */
void watchers_say(
    struct watchers *w, const uint8_t device[16], const char *event, const char *json);
unsigned watchers_count(struct watchers *w);

#endif
