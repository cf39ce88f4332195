/*
 * feed.h -- the plugin's end of the feed: lines from the server into the roster, lines back.
 *
 * A state machine without I/O (docs/feed.md has the lines). Bytes of the stream go in; what is known
 * afterwards is in the roster, and `changed` says who must be looked at again. An unknown verb is
 * skipped, a malformed line ends the connection: then feed_lost, and feed_greet on the next one. What
 * is known stays: the server goes on from epoch and number, or sends everything.
 *
 * Lines to the server wait in a ring. When it is full they are thrown away together, all but the rest of one
 * that is on its way; what was applied is said again, and the list of live connections is to be told from its
 * beginning (feed_told_again).
 *
 *	e = feed_init(&f, roster, &events, ctx, eb);
 *	feed_greet(&f);
 *	...
 *	if ((e = feed_take(&f, (struct slice){ bytes, n }, &why)) != OK)
 *		feed_lost(&f);
 *	out = feed_output(&f);
 *	feed_sent(&f, write(fd, out.p, out.n));
 */
#ifndef IMPRINT_FEED_H
#define IMPRINT_FEED_H

#include "roster.h"
#include "words.h"

#define FEED_LINE_MAX WORDS_LINE_MAX
#define FEED_RING (1u << 20)
#define FEED_AUTHORITIES 8
#define FEED_NAME_MAX 64
#define FEED_LASTS_S                                                                               \
	900 /* so long the list counts without the server, unless feed_lasts says otherwise */
#define FEED_FOR_EVER (-1)

struct feed_events {
	/* Wanted, not wanted any more, or otherwise than before; kick: also if still welcome. */
	void (*changed)(void *ctx, const uint8_t id[16], bool kick);
	/* A device authority is accepted or no longer accepted: look at every connection. */
	void (*authorities)(void *ctx);
	/* The server wants to know all live connections: feed_tell_begin, feed_connected for each, feed_tell_end. */
	void (*tell_all)(void *ctx);
};

struct feed {                /* fields are private, except epoch, seq, greeted and synced */
	uint64_t epoch, seq; /* of what is known as a whole; 0: nothing is */
	bool greeted;        /* the server has spoken on this connection */
	bool synced;         /* and everything up to its number is applied */
	struct roster *roster;
	const struct feed_events *events;
	void *ctx;
	char boot[17];
	char name[FEED_NAME_MAX + 1];
	int64_t lasts;      /* seconds */
	uint64_t its_epoch; /* of the server's greeting */
	bool snapshot, overflow;
	bool cut; /* the last line that was sent was not sent whole */
	struct feed_authority {
		uint8_t key_id[20];
		bool seen; /* since the snapshot began */
	} authority[FEED_AUTHORITIES];
	unsigned authorities;
	struct words_reader reader;
	char *ring; /* FEED_RING bytes */
	size_t first, held;
};

enum err feed_init(struct feed *f, struct roster *roster, const struct feed_events *events,
    void *ctx, struct errbuf *eb) MUST_CHECK;
void feed_free(struct feed *f);

/* A device authority from the configuration; the feed adds and takes away others. ERR_SPACE. */
enum err feed_authority(struct feed *f, const uint8_t key_id[20]) MUST_CHECK;
bool feed_accepts(const struct feed *f, const uint8_t key_id[20]);

/* By what the server calls this broker, "mosquitto" unless given: letters, digits, ".", "_", "-". ERR_ARG. */
enum err feed_name(struct feed *f, const char *name) MUST_CHECK;

/* For how many seconds the list counts without the server, or FEED_FOR_EVER; the server is told. */
void feed_lasts(struct feed *f, int64_t seconds);

/* The first lines of a connection: who we are and what we have. */
void feed_greet(struct feed *f);
/* ERR_FORMAT: the line and what is wrong with it in *why (static text). */
enum err feed_take(struct feed *f, struct slice in, const char **why) MUST_CHECK;
/*
 * The connection ended: a half line and what was not sent are gone, a half snapshot removes nobody,
 * and epoch and seq are still those of what was known as a whole.
 */
void feed_lost(struct feed *f);

/* --- what happens at the broker, to the server --- */

void feed_connected(struct feed *f, uint64_t connection, const uint8_t id[16],
    const uint8_t print[ROSTER_PRINT], const char *address, unsigned protocol, int64_t at_ms);
/* reason is one word, why the broker ended it; NULL: it ended by itself, or the server asked for it. */
void feed_disconnected(struct feed *f, uint64_t connection, int64_t at_ms, const char *reason);
/* reason is one word; id NULL: it gave none that could be read. */
void feed_refused(struct feed *f, const char *reason, const uint8_t *id, const char *address);
void feed_refused_many(struct feed *f, unsigned long count);
/* Begins and ends the list of all live connections. */
void feed_tell_begin(struct feed *f);
void feed_tell_end(struct feed *f);
/* True once after the ring was full: the list is to be told again. */
bool feed_told_again(struct feed *f);

/* Room for another line: whoever has many to say waits for it. */
bool feed_has_room(const struct feed *f);
/* The next bytes to send, one piece; then how many of them were sent. */
struct slice feed_output(const struct feed *f);
void feed_sent(struct feed *f, size_t n);

#endif
