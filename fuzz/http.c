/*
 * One connection of the HTTP server, without socket and TLS: the same bytes in one piece, one by one
 * and cut anywhere, answered at once or late and backwards, are the same requests and the same
 * answers; and each request that was accepted, written again in its plainest form, is read the same.
 */
#include "fuzz.h"
#include "talk.h"

#include <stdio.h>
#include <string.h>

#define SAID_MAX (1 << 20)
#define IN_WORK_MAX 4

struct side {
	struct talk talk;
	struct exchange *waiting[IN_WORK_MAX]; /* begun, not answered */
	size_t waiting_n;
	bool at_once;
	uint32_t dice;
	char *said; /* requests and answers as they came */
	size_t said_n;
};

static bool tolerant(void *ctx, const char *path)
{
	(void)ctx;
	return strncmp(path, "/iot/", 5) == 0;
}

static void handle(void *ctx, struct http_exchange *x)
{
	(void)ctx, (void)x;
}

/* Of whom it is known must not depend on how the bytes come. */
static void refuse(void *ctx, const char *path, const char *reason, struct http_response *response)
{
	(void)ctx, (void)reason;
	response->body = (uint8_t *)strdup(path);
	response->n = response->body ? strlen(path) : 0;
}

static const struct http_options options = {
	.limits = { .target_max = 128,
	    .headers_max = 256,
	    .body_max = 200,
	    .pipeline_max = IN_WORK_MAX },
	.handle = handle,
	.tolerant = tolerant,
	.refuse = refuse,
};

static void say(struct side *s, struct slice bytes)
{
	CHECK(bytes.n <= SAID_MAX - s->said_n);
	memcpy(s->said + s->said_n, bytes.p, bytes.n);
	s->said_n += bytes.n;
}

/* Its own words, so that a request that was read otherwise is answered otherwise. */
static void answer(struct side *s, size_t i)
{
	struct exchange *x = s->waiting[i];
	const struct http_request *r = &x->request;
	size_t cap = strlen(r->path) + strlen(r->query) + r->body.n + 64;
	char *body = malloc(cap);
	int n;

	CHECK(body != NULL);
	n = snprintf(body, cap, "%s %s ? %s %zu ", r->method, r->path, r->query, x->headers_n);
	memcpy(body + n, r->body.p ? r->body.p : (const uint8_t *)"", r->body.n);
	x->shown.response =
	    (struct http_response){ 200, "text/plain", (uint8_t *)body, (size_t)n + r->body.n };
	s->waiting[i] = s->waiting[--s->waiting_n];
	talk_answered(&s->talk, x);
}

static void begin(void *ctx, struct exchange *x)
{
	struct side *s = ctx;

	CHECK(s->waiting_n < IN_WORK_MAX && s->talk.in_work <= IN_WORK_MAX);
	CHECK(x->request.path[0] == '/' || strcmp(x->request.path, "*") == 0);
	CHECK(x->request.body.n <= options.limits.body_max);
	s->waiting[s->waiting_n++] = x;
	if (s->at_once)
		answer(s, 0);
}

static void send_bytes(void *ctx, struct slice bytes)
{
	/* Whether it is asked for depends on how the bytes come. */
	if (bytes.n < 12 || memcmp(bytes.p, "HTTP/1.1 100", 12) != 0)
		say(ctx, bytes);
}

static const struct talk_carrier carrier = { &options, "Thu, 01 Jan 1970 00:00:00 GMT", begin,
	send_bytes };

static uint32_t roll(struct side *s)
{
	s->dice = s->dice * 1664525 + 1013904223;
	return s->dice >> 16;
}

/* cut 0: in one piece; else pieces of at most so many bytes. */
static void converse(struct side *s, const uint8_t *data, size_t n, size_t cut)
{
	size_t at = 0;

	talk_init(&s->talk, &carrier, s);
	while (at < n) {
		size_t piece = cut > 1 ? 1 + roll(s) % cut : cut ? 1 : n, used;

		piece = piece < n - at ? piece : n - at;
		uint8_t *exact = malloc(piece); /* so that a sanitizer sees a read past the end */

		CHECK(exact != NULL);
		memcpy(exact, data + at, piece);
		used = talk_take(&s->talk, exact, piece);
		free(exact);
		CHECK(used == piece || (talk_full(&s->talk) && s->waiting_n > 0));
		at += used;
		if (used < piece || (s->waiting_n > 0 && roll(s) % 3 == 0))
			answer(s, roll(s) % s->waiting_n);
	}
	while (s->waiting_n > 0)
		answer(s, s->waiting_n - 1);
	CHECK(!s->talk.failed && s->talk.first == NULL && s->talk.in_work == 0);
	talk_free(&s->talk);
}

/* --- written again --- */

struct echo {
	struct talk talk;
	const struct exchange *original;
	bool same;
};

static void compare(void *ctx, struct exchange *x)
{
	struct echo *e = ctx;
	const struct http_request *a = &e->original->request, *b = &x->request;

	e->same = strcmp(a->method, b->method) == 0 && strcmp(a->path, b->path) == 0 &&
	          strcmp(a->query, b->query) == 0 && slice_equal(a->body, b->body);
	talk_answered(&e->talk, x);
}

static void ignore(void *ctx, struct slice bytes)
{
	(void)ctx, (void)bytes;
}

static const struct talk_carrier echo_carrier = { &options, "", compare, ignore };

static void check_again(void *ctx, struct exchange *x)
{
	const struct http_request *r = &x->request;
	struct echo e = { .original = x };
	struct side *s = ctx;
	char head[1024];
	int n = snprintf(head, sizeof(head),
	    "%s %s%s%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", r->method, r->path,
	    *r->query ? "?" : "", r->query, r->body.n);

	CHECK(n > 0 && (size_t)n < sizeof(head));
	talk_init(&e.talk, &echo_carrier, &e);
	talk_take(&e.talk, (const uint8_t *)head, (size_t)n);
	talk_take(&e.talk, r->body.p, r->body.n);
	CHECK(e.same);
	talk_free(&e.talk);
	talk_answered(&s->talk, x);
}

static const struct talk_carrier again_carrier = { &options, "", check_again, ignore };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole = { .at_once = true }, bytewise = { .at_once = true }, cut = { 0 },
	            again = { 0 };

	if (size == 0)
		return 0;
	whole.said = malloc(SAID_MAX);
	bytewise.said = malloc(SAID_MAX);
	cut.said = malloc(SAID_MAX);
	CHECK(whole.said && bytewise.said && cut.said);
	cut.dice = data[0];
	converse(&whole, data + 1, size - 1, 0);
	converse(&bytewise, data + 1, size - 1, 1);
	converse(&cut, data + 1, size - 1, 2 + data[0] % 64);
	CHECK(whole.said_n == bytewise.said_n && whole.said_n == cut.said_n);
	CHECK(memcmp(whole.said, bytewise.said, whole.said_n) == 0);
	CHECK(memcmp(whole.said, cut.said, whole.said_n) == 0);

	talk_init(&again.talk, &again_carrier, &again);
	talk_take(&again.talk, data + 1, size - 1);
	talk_free(&again.talk);
	free(whole.said);
	free(bytewise.said);
	free(cut.said);
	return 0;
}
