/*
 * feed_server.h -- the server's end of the feed: one broker's conversation, without I/O.
 *
 * Bytes of the stream go in, what they say comes out by functions; lines to the broker wait in a
 * buffer (docs/feed.md has the lines). Whoever says much asks before each line whether there is room:
 * without it a line is not said, and the conversation has failed. An unknown verb is skipped, a
 * malformed line ends the connection, and so does a broker that has applied more than it was told.
 *
 *	e = feed_server_init(&f, &events, ctx, epoch, seq, eb);      // says the greeting
 *	...
 *	if ((e = feed_server_take(&f, (struct slice){ bytes, n }, &why)) != OK)
 *		feed_server_free(&f);
 *	out = feed_server_output(&f);
 *	feed_server_sent(&f, write(fd, out.p, out.n));
 */
#ifndef IMPRINT_FEED_SERVER_H
#define IMPRINT_FEED_SERVER_H

#include "live.h"
#include "words.h"

#define FEED_SERVER_BUFFER (256u << 10)
#define FEED_BOOT 8
#define FEED_BROKER "mosquitto"     /* who gives no name */
#define FEED_SERVER_LASTS_MS 900000 /* who does not say for how long its list counts */
#define FEED_SERVER_FOR_EVER INT64_MAX

struct feed_board { /* a connection at the broker */
	uint64_t connection;
	uint8_t device[16], print[LIVE_PRINT];
	char address[46]; /* "": not known, or longer */
	uint8_t protocol; /* 3, 4, 5 */
	int64_t at;       /* milliseconds since 1970, by the broker's clock */
};

struct feed_server_events {
	/* name, boot, epoch, seq and lasts_ms are known. NULL, or why the broker is not wanted (static text). */
	const char *(*greeted)(void *ctx);
	/* Everything up to this number is applied there. */
	void (*applied)(void *ctx, uint64_t seq);
	void (*connected)(void *ctx, const struct feed_board *board);
	/* reason: one word, or "". */
	void (*left)(void *ctx, uint64_t connection, int64_t at, const char *reason);
	/* device NULL: it gave none that could be read. */
	void (*refused)(void *ctx, const char *reason, const uint8_t *device, const char *address);
	void (*refused_many)(void *ctx, uint64_t count);
	/* The list of all connections begins, or is whole. */
	void (*tells)(void *ctx, bool whole);
};

struct feed_server {         /* fields are private, except these */
	uint64_t epoch, seq; /* of what the broker knew when it came; epoch 0: nothing */
	uint64_t acked;      /* applied, of our epoch */
	int64_t lasts_ms;    /* so long its list counts without us; FEED_SERVER_FOR_EVER */
	uint8_t boot[FEED_BOOT];
	char name[STORE_NAME_MAX + 1];
	bool greeted; /* all of these are known */
	bool telling; /* between n and o */
	/* private */
	const struct feed_server_events *events;
	void *ctx;
	uint64_t our_epoch, said; /* the highest number that was said */
	bool versioned, overflow;
	struct words_reader reader;
	char *buffer; /* FEED_SERVER_BUFFER bytes */
	size_t first, end;
};

/* seq: our last number. ERR_MEMORY: nothing is to be freed. */
enum err feed_server_init(struct feed_server *f, const struct feed_server_events *events, void *ctx,
    uint64_t epoch, uint64_t seq, struct errbuf *eb) MUST_CHECK;
void feed_server_free(struct feed_server *f);

/* ERR_FORMAT: the line and what is wrong with it in *why (static text). */
enum err feed_server_take(struct feed_server *f, struct slice in, const char **why) MUST_CHECK;

/* --- to the broker --- */

/* For at least `lines` more. */
bool feed_server_has_room(const struct feed_server *f, size_t lines);
/* A line was not said for want of room: the broker is to be cut. */
bool feed_server_failed(const struct feed_server *f);
void feed_server_begin(struct feed_server *f);
void feed_server_authority(struct feed_server *f, const uint8_t key_id[20], bool accepted);
void feed_server_device(struct feed_server *f, const struct live_device *d);
void feed_server_gone(struct feed_server *f, const uint8_t device[16]);
void feed_server_kick(struct feed_server *f, const uint8_t device[16]);
/* The snapshot ends; everything up to this number was said. */
void feed_server_end(struct feed_server *f, uint64_t seq);
void feed_server_number(struct feed_server *f, uint64_t seq);
void feed_server_ping(struct feed_server *f);

struct slice feed_server_output(const struct feed_server *f);
void feed_server_sent(struct feed_server *f, size_t n);

#endif
