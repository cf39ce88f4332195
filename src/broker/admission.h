/*
 * admission.h -- may this certificate come in as this client now, and where may it speak.
 *
 * Pure decisions over a certificate, the roster and the clock; TLS has proven the key and the chain
 * before. The rules are asked in the order of reasons.def, and the first that is broken is the answer.
 *
 *	admission_read(der, &p);
 *	reason = admission_judge(&p, client_id, now, &feed, roster);
 *	allowed = admission_topic(&p.id, topic, TOPIC_WRITE, roster, topics);
 */
#ifndef IMPRINT_ADMISSION_H
#define IMPRINT_ADMISSION_H

#include "feed.h"
#include "topics.h"

#define REASON(name, word, text) REASON_##name,
enum reason {
#include "reasons.def"
	REASONS
};
#undef REASON

/* "wrong-ca" */
const char *reason_word(enum reason reason);
const char *reason_text(enum reason reason);

/* What a connection is known by, from its certificate alone. */
struct passport {
	enum reason fault; /* REASON_ADMIT: all of it could be read */
	bool has_id;
	uint8_t id[16];
	uint8_t key_id[20]; /* of the authority */
	uint8_t print[ROSTER_PRINT];
	int64_t not_before, not_after; /* seconds since 1970 */
};

/* print is of SHA-256 over der, which whoever has a faster one than ours computes. */
void admission_read(struct slice der, const uint8_t print[ROSTER_PRINT], struct passport *p);

/* client_id: as the client gave it; NULL: none. stale: the roster is too old to be believed. */
enum reason admission_judge(const struct passport *p, const char *client_id, int64_t now,
    bool stale, const struct feed *feed);
/* The last rules once more, for a connection that is there: still wanted, still live, not over. */
enum reason admission_again(const struct passport *p, int64_t now, const struct feed *feed);

/*
 * Whether a device may publish to the topic, or receive from it and subscribe to it: exactly its own,
 * and those of the thing that is attached to it now. No wildcards.
 */
bool admission_topic(const uint8_t id[16], const char *topic, enum topic_access access,
    const struct roster *roster, const struct topics *topics);

#endif
