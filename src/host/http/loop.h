/*
 * loop.h -- private to this folder: a thread, its libuv loop and the connections on it.
 *
 * Everything here happens on the loop's own thread, but loop_post, loop_stir, loop_listen and loop_set,
 * which leave a note and wake it.
 */
#ifndef IMPRINT_HTTP_LOOP_H
#define IMPRINT_HTTP_LOOP_H

#include "stream.h"
#include "talk.h"

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

enum loop_state {
	LOOP_RUNS,
	LOOP_DRAINS, /* no listeners; connections close when they have nothing in work */
	LOOP_CUT,    /* connections are closed; answers are still taken */
	LOOP_ENDS,
};

/* What the loops of a server share. */
struct shared {
	struct http_options options; /* limits filled in */
	/* To the workers, who hear of all that a loop has read when it rests. */
	void (*begin)(struct shared *shared, struct exchange *x);
	void (*begun)(struct shared *shared);

	_Atomic uint64_t connections, requests, handshakes, resumed, refused, timed_out, streams;
	_Atomic unsigned open, in_work, streaming;
	pthread_mutex_t quiet_lock; /* with quiet: told when open or in_work becomes 0 */
	pthread_cond_t quiet;
};

struct listening;
struct connection;

struct loop {
	struct shared *shared;
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t rest;
	uv_thread_t thread;

	pthread_mutex_t lock; /* of these: */
	struct exchange *answered, **answered_end;
	struct http_stream *stirred;
	struct listening *fresh;
	enum loop_state wanted;

	enum loop_state state;
	struct listening *listening;
	struct connection *connections;     /* all */
	struct connection *idle, *idle_end; /* the longest idle first */
	struct talk_carrier carrier;
	uv_tcp_t unwelcome; /* takes a connection when there is no memory for it */
	bool showing_out, more_unwelcome;
	char date[HTTP_DATE_SIZE];
	int64_t date_of;
	uint8_t in[65536], plain[16384];
};

enum err loop_new(struct shared *shared, struct loop **loop, struct errbuf *eb) MUST_CHECK;
/* An exchange of this loop has been answered. Any thread. */
void loop_post(struct loop *loop, struct exchange *x);
/* A stream of this loop has something to send, or ends. Any thread; the list holds it. */
void loop_stir(struct loop *loop, struct http_stream *s);
/* Listens on a bound socket, which it owns from here on. Any thread but the loop's; waits for it. */
enum err loop_listen(struct loop *loop, int fd, struct http_tls *tls, struct errbuf *eb) MUST_CHECK;
void loop_set(struct loop *loop, enum loop_state wanted);
/* Ends the loop and waits for its thread. NULL is fine. */
void loop_free(struct loop *loop);

/* --- connection.c --- */

/* Takes the connection that waits at this listener. ERR_MEMORY: it waits still. */
enum err connection_accept(
    struct loop *loop, uv_stream_t *listener, struct http_tls *tls) MUST_CHECK;
/* Its answers that wait go out; it may be gone afterwards. */
void connection_answered(struct exchange *x);
/* Its stream has something to send, or ends. */
void connection_stirred(struct exchange *x);
void connections_drain(struct loop *loop);
void connections_cut(struct loop *loop);

#endif
