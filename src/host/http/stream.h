/*
 * stream.h -- private to this folder: what an answer without end still has to send, between its owner
 * and the loop.
 *
 * Two hold it: the owner until http_stream_end, and the exchange until it is freed, which is when the
 * stream is gone. `exchange` belongs to the loop.
 */
#ifndef IMPRINT_HTTP_STREAM_H
#define IMPRINT_HTTP_STREAM_H

#include "exchange.h"

#include <pthread.h>

struct loop;

struct http_stream {
	struct loop *loop;
	struct exchange *exchange; /* NULL: gone */

	pthread_mutex_t lock; /* of the rest: */
	unsigned holders;
	struct bytes waiting;
	bool ended, gone;
	bool stirred;             /* in the loop's list, which holds it too */
	struct http_stream *next; /* in that list; the loop's lock guards it */
};

/* Everything that waits, which the caller frees; whether nothing follows. */
bool stream_take(struct http_stream *s, struct bytes *part);
/* The exchange is freed: nobody reads any more. */
void stream_gone(struct http_stream *s);
/* The loop has taken it from its list; its exchange, or NULL. */
struct exchange *stream_seen(struct http_stream *s);

#endif
