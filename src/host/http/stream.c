#include "loop.h"

#include <stdlib.h>

/* Held by the exchange and by the owner. */
static struct http_stream *stream_new(struct exchange *x)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->loop = x->loop;
	s->exchange = x;
	s->holders = 2;
	s->waiting.max = HTTP_STREAM_MAX;
	return s;
}

/* Unlocks; frees what nobody holds any more. */
static void let_go(struct http_stream *s)
{
	bool last = --s->holders == 0;

	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	bytes_free(&s->waiting);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Locked. The loop is there as long as the stream is not gone. */
static void stir(struct http_stream *s)
{
	if (s->stirred || s->gone)
		return;
	s->stirred = true;
	s->holders++;
	loop_stir(s->loop, s);
}

bool stream_take(struct http_stream *s, struct bytes *part)
{
	bool ended;

	pthread_mutex_lock(&s->lock);
	*part = s->waiting;
	s->waiting = (struct bytes){ .max = HTTP_STREAM_MAX };
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	return ended;
}

void stream_gone(struct http_stream *s)
{
	s->exchange = NULL;
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	bytes_free(&s->waiting);
	let_go(s);
}

struct exchange *stream_seen(struct http_stream *s)
{
	struct exchange *x = s->exchange;

	pthread_mutex_lock(&s->lock);
	s->stirred = false;
	let_go(s);
	return x;
}

/* --- what owners call --- */

struct http_stream *http_answer_stream(struct http_exchange *shown)
{
	struct exchange *x = (struct exchange *)shown;
	struct http_stream *s = stream_new(x);

	if (!s)
		return NULL;
	x->stream = s;
	http_answer(shown);
	return s;
}

enum err http_stream_send(struct http_stream *s, struct slice part)
{
	enum err e;

	pthread_mutex_lock(&s->lock);
	if (s->gone || s->ended) {
		e = ERR_IO;
	} else if ((e = bytes_add(&s->waiting, part)) != OK) {
		s->ended = true; /* with a hole in it, the rest would be of no use */
		bytes_free(&s->waiting);
	}
	stir(s);
	pthread_mutex_unlock(&s->lock);
	return e;
}

size_t http_stream_room(struct http_stream *s)
{
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = s->gone || s->ended ? 0 : s->waiting.max - s->waiting.n;
	pthread_mutex_unlock(&s->lock);
	return room;
}

void http_stream_end(struct http_stream *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	stir(s);
	let_go(s);
}
