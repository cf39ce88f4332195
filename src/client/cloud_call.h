/*
 * cloud_call.h -- private to this folder: one request to the cloud API and what came back.
 */
#ifndef IMPRINT_CLOUD_CALL_H
#define IMPRINT_CLOUD_CALL_H

#include "cloud.h"

#include <curl/curl.h>

#define CLOUD_URL_MAX 2048

struct cloud {
	CURL *curl;
	struct credentials who;
	char agent[64];
	uint32_t limit_ms;
	int stop_fd;
	struct cloud_token token;
	double token_until; /* by the monotonic clock; 0: there is none */
	char said[CURL_ERROR_SIZE];
	char waiting[CLOUD_WAITING_MAX + 1]; /* of the last answer */
	bool passing;                        /* what went wrong last may be right the next time */
};

/* One request and what came back. */
struct call {
	struct cloud *cloud;
	const char *method, *path; /* the path begins with a slash */
	const char *body;          /* NULL: none */
	const char *type;          /* of the body */
	bool bearer;               /* needs the token */
	char key[UUID_TEXT + 1];   /* Idempotency-Key; "": none */
	size_t max;                /* of the answer */
	double began;

	/* Of an answer that goes on: each piece of its body; false ends it. NULL: it is kept whole. */
	bool (*take)(void *ctx, struct slice piece);
	void *ctx;
	const char *last; /* Last-Event-ID; NULL: none */
	double until;     /* when it is to end; 0: never */

	uint8_t *answer;
	size_t n, cap;
	bool too_large, stopped;
	bool over; /* its time */
	long status;
	double retry_after; /* seconds; negative: nobody said */
};

/* A request with a token, which is fetched once more when the server does not know it. */
enum err cloud_call(struct call *call, struct errbuf *eb) MUST_CHECK;
/* What came back. */
struct slice cloud_answer(const struct call *call);
/* Names the call in the text of an error in what it answered. */
enum err cloud_answered(const struct call *call, enum err e, struct errbuf *eb) MUST_CHECK;
/* An Idempotency-Key for one request and its repetitions. */
void cloud_key(char key[UUID_TEXT + 1]);
/* Appends "?name=value" or "&name=value", escaped. */
bool cloud_query_add(CURL *curl, char path[CLOUD_URL_MAX], const char *name, const char *value);

double cloud_now(void); /* seconds, monotonic */
/* False when somebody wants us to stop. */
bool cloud_sleep(const struct cloud *c, double ms);
/* Not all at the same time when a server comes back. */
double cloud_spread(double ms);

#endif
