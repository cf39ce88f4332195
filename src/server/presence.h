/*
 * presence.h -- which boards are connected, as the brokers say it.
 *
 * A table in memory of the visits that last: filled from the registry at the start, kept by what the
 * brokers tell (brokers.h), written back by them. A device is present while one of its visits is
 * vouched for by a broker that speaks. A visit at a broker that has gone silent lasts, since nobody
 * knows better, until that broker speaks again or is forgotten. Thread-safe.
 *
 *	if (presence_of(p, device, &now) == PRESENCE_ONLINE)
 *		... now.since, now.address
 */
#ifndef IMPRINT_PRESENCE_H
#define IMPRINT_PRESENCE_H

#include "store.h"

enum presence {
	PRESENCE_UNHEARD, /* no broker has ever spoken: messages are all that can be gone by */
	PRESENCE_UNKNOWN, /* the broker where it was last, or all of them, have gone silent */
	PRESENCE_OFFLINE, /* a broker speaks, and it is at none */
	PRESENCE_ONLINE,
};

struct presence_now {
	int64_t since; /* of its oldest visit that lasts, milliseconds */
	char address[46], broker[STORE_NAME_MAX + 1]; /* of its newest one */
	uint8_t print[16];                            /* of the certificate that it showed */
	unsigned visits;
};

struct presences;

/* now is filled when it is ONLINE; NULL: only whether. presences NULL: PRESENCE_UNHEARD. */
enum presence presence_of(struct presences *p, const uint8_t device[16], struct presence_now *now);
size_t presence_count(struct presences *p); /* devices ONLINE */

/* Reads the visits that last; nobody vouches for them yet. */
enum err presences_new(
    struct store *store, uint32_t tenant, struct presences **out, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void presences_free(struct presences *p);

#define PRESENCE_VISITS 300000 /* in memory; more are not recorded */
/* Another limit; for tests. */
void presence_limit(struct presences *p, size_t visits);

/* --- what brokers tell, from one thread --- */

#define PRESENCE_BROKERS 128 /* names, of those too that have not come since the start */

/*
 * The broker of this name has come: what another start of it left behind has ended, unseen, when it
 * went silent. Its number for the calls below, or -1: too many names.
 */
int presence_greet(struct presences *p, const char *name, const uint8_t boot[8], int64_t now_ms);

struct presence_visit {
	uint64_t connection; /* of the broker's boot */
	uint8_t device[16], print[16];
	const char *address;
	uint8_t protocol;
	int64_t began;
};
/* ERR_SPACE, ERR_MEMORY: it is not in the table. Told again it is the same. */
enum err presence_came(
    struct presences *p, int broker, const struct presence_visit *visit) MUST_CHECK;
void presence_left(
    struct presences *p, int broker, uint64_t connection, int64_t at, const char *reason);
/* A visit that came to nothing: one a device and reason within PRESENCE_REFUSED_MS. */
#define PRESENCE_REFUSED_MS 10000
void presence_refused(struct presences *p, int broker, const char *reason, const uint8_t device[16],
    const char *address, int64_t at);
/* The list of all of its connections begins; is whole: whoever was not in it has gone, unseen. */
void presence_tells(struct presences *p, int broker);
void presence_told(struct presences *p, int broker, int64_t now_ms);
/* It has been silent for too long since `at`: what was there is not known to be. Its number is not its any more. */
void presence_lost(struct presences *p, int broker, int64_t at);
/* Whether any visit lasts there, as far as it is known. */
bool presence_lasts(struct presences *p, int broker);
/*
 * Asks about each broker at which visits last; `at`: when the newest of them began. What is at one that
 * is not known any more has ended, unseen.
 */
void presence_sweep(struct presences *p,
    bool (*known)(void *ctx, const char *name, int broker, int64_t at), void *ctx, int64_t now_ms);
size_t presence_at(struct presences *p, int broker); /* visits that it vouches for */

/*
 * The next visit that the registry does not have as it is now. `write`: it is to be put. `check`: a
 * board has come, perhaps with this certificate for the first time. False: there is none.
 */
struct presence_change {
	struct store_visit visit;
	bool write, check;
};
bool presence_take(struct presences *p, struct presence_change *change);

#endif
