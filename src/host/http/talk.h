/*
 * talk.h -- private to this folder: the conversation of one connection, without I/O or TLS.
 *
 * Bytes of the peer go in, requests come out to `begin`; answers come back in any order by
 * talk_answered and leave in the order of the requests, each in one `send`. A conversation ends when
 * `last` is set (Connection: close, a refused request, talk_end) and its line is empty:
 * talk_over. An answer that is a stream holds the line until it ends, and is the last. It never calls `begin` or `send` from within talk_free.
 */
#ifndef IMPRINT_HTTP_TALK_H
#define IMPRINT_HTTP_TALK_H

#include "reader.h"

struct talk_carrier {
	const struct http_options *options; /* limits filled in */
	const char *date;                   /* kept up to date by whoever carries */
	/* Takes a complete request to a worker. */
	void (*begin)(void *ctx, struct exchange *x);
	/* Takes the bytes of one answer. */
	void (*send)(void *ctx, struct slice bytes);
};

struct talk {
	const struct talk_carrier *carrier;
	void *ctx;
	const char *peer; /* for requests and the log; NULL: unknown */
	bool tls;
	struct reader reader;
	struct exchange *first, *final; /* the line of those not yet sent */
	unsigned in_work;
	bool last;    /* no further request is read */
	bool winding; /* the request that is being read is the last */
	bool failed;  /* no memory for an answer: close without a word */
	bool hung_up; /* the peer says nothing more */
	bool streams; /* the answer at the head of the line goes on */
	uint64_t refused;
};

void talk_init(struct talk *t, const struct talk_carrier *carrier, void *ctx);
/*
 * Takes bytes until they are used up or as many requests are in work as may be; returns how many.
 * After `last` everything is taken and ignored.
 */
size_t talk_take(struct talk *t, const uint8_t *p, size_t n);
/* x has been answered. */
void talk_answered(struct talk *t, struct exchange *x);
/* Refuses what is being read, if anything is, and ends. */
void talk_refuse(struct talk *t, int status, const char *reason);
/* The peer has ended its side. No further byte is read; requests in work are answered, streams end. */
void talk_end(struct talk *t);
/* No further request behind the one that is being read, if there is one; streams end. */
void talk_wind_down(struct talk *t);
/* Sends what waits in the stream. */
void talk_stream(struct talk *t);
/* As many requests are in work as may be. */
bool talk_full(const struct talk *t);
bool talk_over(const struct talk *t);
/* Frees what was answered and is waiting; leaves what is in work to whoever answers it. */
void talk_free(struct talk *t);

#endif
