/*
 * throttle.h -- failed logins, counted by who tries from where, in a table that never grows.
 *
 * After THROTTLE_FAILURES within THROTTLE_WINDOW_MS the pair of address and client has to wait for the
 * window's end. Secrets are random and cannot be guessed: this saves the work. Pairs share slots by a
 * keyed hash; a newcomer takes the slot, so that nobody is locked out by somebody else's failures.
 * Thread-safe.
 *
 *	if (throttle_full(&t, peer, client, now))
 *		return call_refuse(c, 429, "too many failed logins");
 */
#ifndef IMPRINT_THROTTLE_H
#define IMPRINT_THROTTLE_H

#include "errbuf.h"

#include <pthread.h>

#define THROTTLE_SLOTS 1024
#define THROTTLE_FAILURES 20
#define THROTTLE_WINDOW_MS 60000

struct throttle { /* private */
	pthread_mutex_t lock;
	uint64_t seed;
	struct throttle_slot {
		uint64_t who;
		int64_t since;
		unsigned failures;
	} slots[THROTTLE_SLOTS];
};

enum err throttle_init(struct throttle *t, struct errbuf *eb) MUST_CHECK;
void throttle_destroy(struct throttle *t);
bool throttle_full(struct throttle *t, const char *peer, const char *client, int64_t now_ms);
void throttle_failed(struct throttle *t, const char *peer, const char *client, int64_t now_ms);

#endif
