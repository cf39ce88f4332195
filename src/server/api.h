/*
 * api.h -- the cloud API: routes, who may use them, JSON in and out.
 *
 * api_handle is the handler of host/http: it finds the route (routes.def), checks the token, parses
 * and validates the body, and answers; a route that writes hands a change to the store and answers
 * when that is on the disk. Certificates are signed in batches by api_prepare, on the store's
 * committing thread. It knows no socket, no file and no clock but the ones it is given, so tests call
 * it directly. Routes and shapes: docs/openapi.yaml.
 *
 *	struct api_options o = { .ca = ca, .authority = 1 };
 *	if ((e = api_new(&o, &api, eb)) != OK)
 *		return e;
 *	struct http_options h = { .handle = api_handle, .tolerant = api_tolerant, .refuse = api_refuse, .ctx = api };
 */
#ifndef IMPRINT_API_H
#define IMPRINT_API_H

#include "ca.h"
#include "responder.h"

struct api;
struct inbox_stats;

struct api_options {
	struct ca *ca;      /* used by api_prepare alone, after api_new */
	uint32_t authority; /* its number in the store */
	const char *version;
	int64_t (*now_ms)(void *ctx); /* NULL: the system's clock */
	void *ctx;
	/* Why the server is not ready, or OK: for /readyz. NULL: always ready. */
	enum err (*ready)(void *ctx, struct errbuf *eb);
	/*
	 * Why an answer was 5xx: clients hear the id and a general word. Any thread. NULL: nobody asks.
	 */
	void (*log)(void *ctx, const char *id, int status, const char *why);
	/* What the inbox counts, for /metrics. NULL: there is none. */
	void (*inbox)(void *ctx, struct inbox_stats *stats);
};

enum err api_new(const struct api_options *options, struct api **api, struct errbuf *eb) MUST_CHECK;
/* The store is opened after the api, because its options name api_prepare. Before the first request. */
void api_store(struct api *api, struct store *store);
/* What the routes ask beside the registry; each may be NULL. Before the first request. */
struct api_parts {
	struct presences *presences;
	struct brokers *brokers;
	struct watchers *watchers;
	struct responder *responder;
	struct http_server *http;
};
void api_parts_set(struct api *api, const struct api_parts *parts);
void api_free(struct api *api);

/* For http_options: ctx is the api. */
void api_handle(void *ctx, struct http_exchange *x);
bool api_tolerant(void *ctx, const char *path);
void api_refuse(void *ctx, const char *path, const char *reason, struct http_response *response);
/* For store_options. */
void api_prepare(void *ctx, struct store_change **changes, size_t n);

#endif
