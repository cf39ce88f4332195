/* Many at once, the same request again, and changes that overtake each other. */
#include "tap.h"
#include "world.h"

#include "event.h"
#include "sha256.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, EACH = 12 };

static struct answer keyed(
    struct world *w, const char *method, const char *target, const char *key, const char *body)
{
	char headers[400];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nIdempotency-Key: %s\n",
	    w->token, key);
	return ask_with(
	    w, method, target, headers, (struct slice){ (const uint8_t *)body, strlen(body) });
}

/* --- the same request again --- */

struct sought {
	uint8_t digest[32];
	bool found;
};

static bool compare_request(void *ctx, const struct store_event *row)
{
	struct sought *s = ctx;
	struct event event;

	s->found |= event_parse(row->body, &event) == OK &&
	            memcmp(event.request, s->digest, sizeof(s->digest)) == 0;
	return true;
}

/* Whether an event has what it takes to try one body after the other, as fast as SHA-256 is. */
static bool can_be_guessed(struct world *w, const char *target, const char *body)
{
	struct sought s = { .found = false };
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, SLICE("PUT"));
	sha256_update(&h, (struct slice){ (const uint8_t *)target, strlen(target) + 1 });
	sha256_update(&h, (struct slice){ (const uint8_t *)body, strlen(body) });
	sha256_final(&h, s.digest);
	if (store_event_list(w->store, 1, 1, compare_request, &s, NULL) != OK)
		abort();
	return s.found;
}

static void again(struct world *w)
{
	static const char body[] = "{\"type\":\"opta\",\"name\":\"once\"}";
	char id[37], csr[2048], request[2300], target[128];
	struct answer a, b;
	size_t before;

	a = keyed(w, "PUT", "/iot/v2/devices", "key-1", body);
	before = count_events(w);
	b = keyed(w, "PUT", "/iot/v2/devices", "key-1", body);
	ok(a.status == 201 && b.status == 201 && strcmp(a.body, b.body) == 0,
	    "the same device is answered, none is made (%s)", b.body);
	ok(count_events(w) == before, "and nothing is written");
	ok(can_be_guessed(w, "/iot/v2/devices", body), "the event knows the request");
	snprintf(id, sizeof(id), "%s", text_of(&a, "id"));
	answer_free(&b);
	b = keyed(w, "PUT", "/iot/v2/devices", "key-1", "{\"type\":\"giga\"}");
	ok(b.status == 409 && strstr(b.body, "Idempotency-Key"), "the key for something else (%s)",
	    b.body);
	answer_free(&b);
	answer_free(&a);
	make_csr(id, csr);
	snprintf(request, sizeof(request), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/certs", id);
	a = keyed(w, "PUT", target, "key-2", request);
	world_restart(w);
	b = keyed(w, "PUT", target, "key-2", request);
	ok(a.status == 201 && b.status == 201 && strcmp(a.body, b.body) == 0,
	    "the same certificate, also after a restart");
	answer_free(&a);
	answer_free(&b);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/pass", id);
	a = keyed(w, "PUT", target, "key-3", "{\"password\":\"p4ss\"}");
	b = keyed(w, "PUT", target, "key-3", "{\"password\":\"p4ss\"}");
	ok(a.status == 200 && strcmp(a.body, b.body) == 0, "a password (%s)", b.body);
	answer_free(&a);
	answer_free(&b);
	a = keyed(w, "PUT", target, "key-3", "{\"password\":\"passw0rd\"}");
	ok(a.status == 409, "another password is another request (%d)", a.status);
	answer_free(&a);
	a = ask(w, "PUT", target, "{\"password\":\"p4ss\"}");
	ok(a.status == 200 && !can_be_guessed(w, target, "{\"password\":\"p4ss\"}"),
	    "no event helps to guess it");
	answer_free(&a);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s", id);
	a = keyed(w, "DELETE", target, "key-5", "");
	strcat(target, "?force=true");
	b = keyed(w, "DELETE", target, "key-5", "");
	ok(a.status == 200 && b.status == 409, "for good is not the same (%s)", b.body);
	answer_free(&a);
	answer_free(&b);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s?force=true", id);
	a = keyed(w, "DELETE", target, "key-4", "");
	b = keyed(w, "DELETE", target, "key-4", "");
	ok(a.status == 200 && b.status == 200, "a deletion, which would be 404 without the key");
	answer_free(&a);
	answer_free(&b);
	a = keyed(w, "PUT", "/iot/v2/devices", "key-1", body);
	ok(a.status == 404, "what it made is gone (%d)", a.status);
	answer_free(&a);
	a = keyed(w, "PUT", "/iot/v2/devices", "two words", body);
	ok(a.status == 400, "no such key (%d)", a.status);
	answer_free(&a);
}

/* --- many at once --- */

struct worker {
	struct world *w;
	pthread_t thread;
	char device[37];
	char ids[EACH][37];
	int wrong;
};

static void *issue_many(void *ctx)
{
	struct worker *me = ctx;
	char csr[2048], body[2300], target[128];

	snprintf(target, sizeof(target), "/iot/v2/devices/%s/certs", me->device);
	for (int i = 0; i < EACH; i++) {
		struct answer a;

		make_csr(me->device, csr);
		snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
		a = ask(me->w, "PUT", target, body);
		me->wrong += a.status != 201;
		snprintf(me->ids[i], sizeof(me->ids[i]), "%s", text_of(&a, "id"));
		answer_free(&a);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void many(struct world *w)
{
	static struct worker workers[THREADS];
	static char all[THREADS * EACH][37];
	struct store_stats before, after;
	size_t events = count_events(w), n = 0;
	bool different = true;
	int wrong = 0;

	for (int i = 0; i < THREADS; i++) {
		workers[i].w = w;
		make_device(w, "one-of-many", workers[i].device);
	}
	store_stats(w->store, &before);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, issue_many, &workers[i]) != 0)
			abort();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
		for (int k = 0; k < EACH; k++)
			strcpy(all[n++], workers[i].ids[k]);
	}
	store_stats(w->store, &after);
	qsort(all, n, sizeof(all[0]), compare);
	for (size_t i = 1; i < n; i++)
		different &= strcmp(all[i - 1], all[i]) != 0;
	ok(wrong == 0 && different, "%d certificates by %d threads, all different", THREADS * EACH,
	    THREADS);
	ok(count_events(w) == events + THREADS + THREADS * EACH, "an event for each");
	ok(after.commits - before.commits <= THREADS * EACH, "in %llu transactions",
	    (unsigned long long)(after.commits - before.commits));
}

/* --- one device, many hands: a sketch sends its version and does not wait for the answer --- */

static void *change_many(void *ctx)
{
	struct worker *me = ctx;
	char target[128], body[64];

	snprintf(target, sizeof(target), "/iot/v2/devices/%s", me->device);
	for (int i = 0; i < EACH; i++) {
		struct answer a;

		snprintf(body, sizeof(body), "{\"wifi_fw_version\":\"1.%d\"}", i);
		a = ask(me->w, "POST", target, body);
		me->wrong += a.status != 200;
		answer_free(&a);
	}
	return NULL;
}

static void overtaken(struct world *w)
{
	static struct worker changing, issuing;

	make_device(w, "busy", changing.device);
	strcpy(issuing.device, changing.device);
	changing.w = issuing.w = w;
	if (pthread_create(&changing.thread, NULL, change_many, &changing) != 0 ||
	    pthread_create(&issuing.thread, NULL, issue_many, &issuing) != 0)
		abort();
	pthread_join(changing.thread, NULL);
	pthread_join(issuing.thread, NULL);
	ok(issuing.wrong == 0 && changing.wrong == 0,
	    "a change of the device does not stop its certificate");
}

/* --- one device, a certificate on the way, and somebody who wants it out --- */

static void *turn_away(void *ctx)
{
	static const char *const words[] = { "revoke", "disable", "enable" };
	struct worker *me = ctx;
	char target[128];

	for (size_t i = 0; i < EACH; i++) {
		struct answer a;

		snprintf(target, sizeof(target), "/v1/devices/%s:%s", me->device,
		    words[i % COUNT(words)]);
		a = ask(me->w, "POST", target, NULL);
		me->wrong += a.status != 200;
		answer_free(&a);
	}
	return NULL;
}

static void turned_away(struct world *w)
{
	static struct worker issuing[2], turning[2];
	size_t live = 0, all;
	struct answer a;
	char target[128], id[37];
	int wrong = 0;

	make_device(w, "unwanted", id);
	for (int i = 0; i < 2; i++) {
		strcpy(issuing[i].device, id);
		strcpy(turning[i].device, id);
		issuing[i].w = turning[i].w = w;
		if (pthread_create(&issuing[i].thread, NULL, issue_many, &issuing[i]) != 0 ||
		    pthread_create(&turning[i].thread, NULL, turn_away, &turning[i]) != 0)
			abort();
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(issuing[i].thread, NULL);
		pthread_join(turning[i].thread, NULL);
		wrong += issuing[i].wrong + turning[i].wrong;
	}
	ok(wrong == 0, "issued and revoked at the same time: %d refused", wrong);
	snprintf(target, sizeof(target), "/v1/devices/%s", id);
	a = ask(w, "GET", target, NULL);
	all = json_array_size(json_object_get(a.json, "certificates"));
	for (size_t i = 0; i < all; i++) {
		char at[48];

		snprintf(at, sizeof(at), "certificates.%zu.state", i);
		live += strcmp(text_of(&a, at), "issued") == 0;
	}
	ok(live <= 1 && all == 2 * EACH, "of %zu certificates %zu may come in", all, live);
	answer_free(&a);
	snprintf(target, sizeof(target), "/v1/devices/%s:revoke", id);
	a = ask(w, "POST", target, NULL);
	ok(a.status == 200 && !strstr(a.body, "\"state\":\"issued\""), "and none after all");
	answer_free(&a);
}

static void *make_once(void *ctx)
{
	struct worker *me = ctx;
	struct answer a = keyed(me->w, "PUT", "/iot/v2/devices", me->device, "{\"type\":\"opta\"}");

	me->wrong = a.status != 201;
	snprintf(me->ids[0], sizeof(me->ids[0]), "%s", text_of(&a, "id"));
	answer_free(&a);
	return NULL;
}

/* The same key from two at the same time: the loser is answered with what the winner made. */
static void twins(struct world *w)
{
	bool same = true;

	for (int round = 0; round < 10; round++) {
		struct worker one = { .w = w }, two;

		snprintf(one.device, sizeof(one.device), "twin-%d", round);
		two = one;
		if (pthread_create(&one.thread, NULL, make_once, &one) != 0 ||
		    pthread_create(&two.thread, NULL, make_once, &two) != 0)
			abort();
		pthread_join(one.thread, NULL);
		pthread_join(two.thread, NULL);
		same &= !one.wrong && !two.wrong && strcmp(one.ids[0], two.ids[0]) == 0;
	}
	ok(same, "twins get one device");
}

int main(void)
{
	struct world w;

	world_open(&w);
	again(&w);
	many(&w);
	overtaken(&w);
	turned_away(&w);
	twins(&w);
	world_close(&w);
	return done_testing();
}
