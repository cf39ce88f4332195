#include "throttle.h"

#include "p256.h"

#include <string.h>

enum err throttle_init(struct throttle *t, struct errbuf *eb)
{
	memset(t->slots, 0, sizeof(t->slots));
	if (random_bytes((uint8_t *)&t->seed, sizeof(t->seed)) != OK)
		return err_set(eb, ERR_IO, "no random bytes");
	if (pthread_mutex_init(&t->lock, NULL) != 0)
		return err_set(eb, ERR_MEMORY, "no lock");
	return OK;
}

void throttle_destroy(struct throttle *t)
{
	pthread_mutex_destroy(&t->lock);
}

/* FNV-1a from a secret seed, so that nobody can aim at another's slot. */
static uint64_t mix(uint64_t h, const char *text)
{
	do
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return h;
}

static struct throttle_slot *find(
    struct throttle *t, const char *peer, const char *client, uint64_t *who)
{
	uint64_t h = mix(mix(t->seed ^ UINT64_C(0xcbf29ce484222325), peer), client);

	*who = h ^ h >> 29;
	return &t->slots[*who % THROTTLE_SLOTS];
}

/* Also when the clock was set back. */
static bool over(const struct throttle_slot *s, int64_t now)
{
	return now < s->since || now - s->since >= THROTTLE_WINDOW_MS;
}

bool throttle_full(struct throttle *t, const char *peer, const char *client, int64_t now)
{
	uint64_t who;
	struct throttle_slot *s = find(t, peer, client, &who);
	bool full;

	pthread_mutex_lock(&t->lock);
	full = s->who == who && !over(s, now) && s->failures >= THROTTLE_FAILURES;
	pthread_mutex_unlock(&t->lock);
	return full;
}

void throttle_failed(struct throttle *t, const char *peer, const char *client, int64_t now)
{
	uint64_t who;
	struct throttle_slot *s = find(t, peer, client, &who);

	pthread_mutex_lock(&t->lock);
	if (s->who != who || over(s, now))
		*s = (struct throttle_slot){ .who = who, .since = now };
	s->failures++;
	pthread_mutex_unlock(&t->lock);
}
