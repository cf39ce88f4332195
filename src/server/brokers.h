/*
 * brokers.h -- the server's end of the feed: brokers are told who is wanted, and tell who came.
 *
 * A thread of its own listens on a Unix socket, of which only our own user, root and the broker's user
 * may be at the other end. Each broker hears what has changed since the number that it has, or a
 * snapshot; what it tells becomes visits and presence. A certificate that a board comes with for the
 * first time becomes active, and those before it are superseded, by a change of the registry.
 *
 * The feed's number is that of the audit event (store.h); the epoch is drawn at each start, so that a
 * history that was restored is never taken for the one that a broker knows (docs/feed.md).
 *
 *	if ((e = brokers_start(&o, &brokers, eb)) != OK)
 *		return e;
 *	brokers_changed(brokers, tenant, seq);               // from store_options.committed
 *	brokers_reach(brokers, seq, 1000, answer, job);      // once all have applied it
 *	brokers_stop(brokers);
 *	store_close(store);                                  // late commits still ask
 *	brokers_free(brokers);
 */
#ifndef IMPRINT_BROKERS_H
#define IMPRINT_BROKERS_H

#include "log.h"
#include "presence.h"

#define BROKERS_MAX 64
#define BROKERS_REACH_MS 1000
#define BROKERS_SILENT_MS 15000

struct brokers;

struct brokers_options { /* borrowed until brokers_stop, but socket and user */
	const char *socket;
	const char *user; /* of the broker, besides ours and root: a name or a number; NULL: none */
	struct store *store;
	uint32_t tenant;
	struct presences *presences;
	struct log *log;
	int64_t (*now_ms)(void *ctx);
	void *ctx;
};

/* ERR_CONFLICT: another process serves the socket. ERR_NOT_FOUND: no such user. */
enum err brokers_start(
    const struct brokers_options *options, struct brokers **out, struct errbuf *eb) MUST_CHECK;
/*
 * Writes the visits that wait and answers who still does; whoever asks from now on is answered at once.
 * NULL is fine, here and below: there are no brokers.
 */
void brokers_stop(struct brokers *b);
/* When nobody can call any more: behind store_close. */
void brokers_free(struct brokers *b);

/* Events of the tenant up to this number (0: none) are on the disk. Any thread; never blocks. */
void brokers_changed(struct brokers *b, uint32_t tenant, uint64_t seq);

/*
 * Calls done once: when every broker that may still admit somebody has applied everything up to seq,
 * or after limit_ms. It runs on the brokers' thread, or at once on the caller's when there is nothing
 * to wait for, and must not block. `waiting`: names of brokers that have not, with commas, or "". A
 * broker that has not spoken for a while is named, and not waited for.
 */
typedef void brokers_done(void *ctx, unsigned reached, const char *waiting);
void brokers_reach(
    struct brokers *b, uint64_t seq, unsigned limit_ms, brokers_done *done, void *ctx);

/*
 * Forgets a broker that is not connected: nobody waits for it, and no answer names it, once the change
 * is on the disk, to which what the registry is to remember is added here. ERR_NOT_FOUND; ERR_CONFLICT:
 * it is connected. After OK the caller submits the change and calls brokers_forgotten once with what
 * became of it, before anybody is answered. Any thread; never blocks.
 */
enum err brokers_forget(
    struct brokers *b, const char *name, struct store_change *change, struct errbuf *eb) MUST_CHECK;
void brokers_forgotten(struct brokers *b, const char *name, enum err e);

/* Why it refused; in ADMIT's place those of which it did not say it by a word of the table. */
enum brokers_reason {
#define REASON(name, word, text) BROKERS_REASON_##name,
#include "reasons.def"
#undef REASON
	BROKERS_REASONS
};

struct broker_state {
	char name[STORE_NAME_MAX + 1];
	bool speaks;                                   /* connected, and heard within 15 s */
	bool synced;                                   /* has applied everything that it was told */
	uint64_t seq;                                  /* applied */
	int64_t heard;                                 /* last, milliseconds */
	int64_t since;                                 /* of this connection, or of its loss */
	size_t boards;                                 /* connected there */
	uint64_t admitted, refused, snapshots, deltas; /* since our start */
	uint64_t refused_by[BROKERS_REASONS];
};
/* Known brokers, by name. `each` must not call back. */
void brokers_each(
    struct brokers *b, bool (*each)(void *ctx, const struct broker_state *broker), void *ctx);
/*
 * The number of the last event in the registry: whatever the caller has read there before has been said
 * when this number has (brokers_reach). Reads the registry; any thread but the committing one.
 */
uint64_t brokers_seq(struct brokers *b);

#endif
