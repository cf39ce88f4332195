#include "api.h"

#include "call.h"
#include "form.h"
#include "hook.h"
#include "inbox.h"
#include "throttle.h"
#include "utc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP(number, name) name,
const char *const server_steps[SERVER_STEPS] = {
#include "steps.def"
};
#undef STEP

#define ROUTE(method, path, access, handler) { method, path, access, handler },
static const struct route routes[] = {
#include "routes.def"
};
#undef ROUTE

/* A call that waits to be made again. */
struct again {
	struct again *next;
	struct call call;
};

struct api {
	struct api_options options;
	struct store *store;
	struct api_parts parts;
	uint8_t key_id[20];
	struct throttle throttle;
	atomic_uint_least64_t answers[API_CLASSES], issued;

	pthread_mutex_t lock; /* of what follows */
	struct tools *tools;  /* nobody uses them now */
	bool tenant_known;
	struct store_tenant tenant;
	struct again *first, **last;
	bool stop;
	pthread_cond_t more;
	pthread_t thread;
	bool running;
};

/* --- what the other files ask for --- */

int64_t api_now(const struct api *api)
{
	return api->options.now_ms ? api->options.now_ms(api->options.ctx) : utc_now_ms();
}

struct store *api_registry(struct api *api)
{
	return api->store;
}

const struct api_parts *api_parts(const struct api *api)
{
	return &api->parts;
}

const uint8_t *api_key_id(const struct api *api)
{
	return api->key_id;
}

uint32_t api_authority(const struct api *api)
{
	return api->options.authority;
}

void api_log(struct api *api, const char *id, int status, const char *why)
{
	if (api->options.log)
		api->options.log(api->options.ctx, id, status, why);
}

enum err api_ready(struct api *api, struct errbuf *eb)
{
	enum err e = store_ready(api->store, eb);

	if (e != OK || !api->options.ready)
		return e;
	return api->options.ready(api->options.ctx, eb);
}

void api_count_answer(struct api *api, int status)
{
	unsigned class = (unsigned)status / 100;

	if (class < API_CLASSES)
		atomic_fetch_add(&api->answers[class], 1);
}

void api_count_issued(struct api *api)
{
	atomic_fetch_add(&api->issued, 1);
}

void api_counted(struct api *api, uint64_t answers[API_CLASSES], uint64_t *issued)
{
	for (size_t i = 0; i < API_CLASSES; i++)
		answers[i] = atomic_load(&api->answers[i]);
	*issued = atomic_load(&api->issued);
}

void api_inbox(struct api *api, struct inbox_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (api->options.inbox)
		api->options.inbox(api->options.ctx, stats);
}

bool api_throttled(struct api *api, const char *peer, const char *client)
{
	return throttle_full(&api->throttle, peer, client, api_now(api));
}

void api_login_failed(struct api *api, const char *peer, const char *client)
{
	throttle_failed(&api->throttle, peer, client, api_now(api));
}

enum err api_tenant(struct api *api, uint32_t id, struct store_tenant *tenant, struct errbuf *eb)
{
	enum err e = OK;

	pthread_mutex_lock(&api->lock);
	if (!api->tenant_known && (e = store_tenant_first(api->store, &api->tenant, eb)) == OK)
		api->tenant_known = true;
	if (e == OK && api->tenant.id == id)
		*tenant = api->tenant;
	else if (e == OK)
		e = err_set(eb, ERR_NOT_FOUND, "organization %u is unknown", id);
	pthread_mutex_unlock(&api->lock);
	return e;
}

/* --- tools: as many as there are threads at once --- */

static void tools_free(struct tools *t)
{
	if (!t)
		return;
	digest_free(t->digest);
	p256_free(t->p256);
	free(t);
}

static enum err tools_take(struct api *api, struct tools **out, struct errbuf *eb)
{
	struct tools *t;
	enum err e;

	pthread_mutex_lock(&api->lock);
	if ((t = api->tools) != NULL)
		api->tools = t->next;
	pthread_mutex_unlock(&api->lock);
	if (!t) {
		if (!(t = calloc(1, sizeof(*t))))
			return err_set(eb, ERR_MEMORY, "no memory for a verifier");
		if ((e = p256_new(&t->p256, eb)) != OK || (e = digest_new(&t->digest, eb)) != OK) {
			tools_free(t);
			return e;
		}
	}
	*out = t;
	return OK;
}

static void tools_give(struct api *api, struct tools *t)
{
	pthread_mutex_lock(&api->lock);
	t->next = api->tools;
	api->tools = t;
	pthread_mutex_unlock(&api->lock);
}

void call_hook(const struct call *c, const char *when, enum server_step step)
{
	if (c->route && c->route->handle == cert_issue)
		test_hook(when, server_steps[step]);
}

/* --- which route --- */

/*
 * Whether the path is this route's; its {parts} are put into param, still as they were sent. A part
 * ends at the next slash, or before the route's own ":word".
 */
static bool path_fits(const char *want, const char *path, struct slice param[CALL_PARAMS])
{
	size_t n = 0;

	while (*want) {
		if (*want != '{') {
			if (*want++ != *path++)
				return false;
			continue;
		}
		want += strcspn(want, "}") + 1;
		param[n].p = (const uint8_t *)path;
		param[n].n = strcspn(path, *want == ':' ? "/:" : "/");
		if (param[n].n == 0)
			return false;
		path += param[n++].n;
	}
	return *path == '\0';
}

static bool method_fits(const char *want, const char *method)
{
	return strcmp(want, method) == 0 ||
	       (strcmp(want, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static enum err take_params(struct call *c, const struct slice param[CALL_PARAMS])
{
	for (size_t i = 0; i < CALL_PARAMS; i++) {
		enum err e = form_decode(param[i], false, c->param[i], sizeof(c->param[i]));

		if (e != OK) /* no such thing can exist */
			return call_refuse(c, 404, "the path names nothing that is here");
	}
	return OK;
}

static enum err find_route(struct call *c)
{
	char allow[64] = "";
	size_t n = 0;

	for (size_t i = 0; i < COUNT(routes); i++) {
		struct slice param[CALL_PARAMS] = { { NULL, 0 } };

		if (!path_fits(routes[i].path, c->x->request->path, param))
			continue;
		if (method_fits(routes[i].method, c->x->request->method)) {
			c->route = &routes[i];
			return take_params(c, param);
		}
		n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "",
		    routes[i].method); /* four methods of at most six letters */
	}
	if (n == 0)
		return call_refuse(c, 404, "there is nothing at this path");
	answer_header(c, "Allow", allow);
	return call_refuse(c, 405, "this path knows %s", allow);
}

/* --- a call from end to end --- */

static bool writes(const struct call *c)
{
	return strcmp(c->route->method, "GET") != 0;
}

static enum err work(struct call *c)
{
	enum err e;

	if ((e = find_route(c)) != OK)
		return e;
	call_hook(c, "before", STEP_RECEIVE);
	if (c->route->access == BEARER) {
		if ((e = token_check(c)) != OK)
			return e;
		call_hook(c, "inside", STEP_RECEIVE);
		if (writes(c) && (e = job_again(c)) != ERR_NOT_FOUND)
			return e;
	}
	return c->route->handle(c);
}

static void run(struct call *c)
{
	struct api *api = c->api;
	struct tools *tools = NULL;
	enum err e = tools_take(api, &tools, &c->eb);

	if (e == OK) {
		c->tools = tools;
		e = work(c); /* when OK, the exchange may be gone */
		c->tools = NULL;
		tools_give(api, tools);
	}
	if (e != OK)
		call_fail(c, e);
}

void api_handle(void *ctx, struct http_exchange *x)
{
	struct api *api = ctx;
	struct call c = { .api = api, .x = x, .begun = api_now(api) };

	run(&c);
}

/* --- calls that another change overtook: a thread of their own, since committing may not wait --- */

void api_again(struct api *api, const struct call *c)
{
	struct again *a = malloc(sizeof(*a));

	if (!a) {
		struct call failed = *c;

		err_set(&failed.eb, ERR_MEMORY, "no memory to try again");
		call_fail(&failed, ERR_MEMORY);
		return;
	}
	a->next = NULL;
	a->call = (struct call){ .api = api, .x = c->x, .begun = c->begun, .tries = c->tries + 1 };
	pthread_mutex_lock(&api->lock);
	*api->last = a;
	api->last = &a->next;
	pthread_cond_signal(&api->more);
	pthread_mutex_unlock(&api->lock);
}

static void *run_again(void *ctx)
{
	struct api *api = ctx;
	struct again *a;

	pthread_mutex_lock(&api->lock);
	for (;;) {
		while (!(a = api->first) && !api->stop)
			pthread_cond_wait(&api->more, &api->lock);
		if (!a)
			break;
		if (!(api->first = a->next))
			api->last = &api->first;
		pthread_mutex_unlock(&api->lock);
		run(&a->call);
		free(a);
		pthread_mutex_lock(&api->lock);
	}
	pthread_mutex_unlock(&api->lock);
	return NULL;
}

/* --- made and freed --- */

enum err api_new(const struct api_options *options, struct api **out, struct errbuf *eb)
{
	struct api *api = calloc(1, sizeof(*api));
	enum err e;

	if (!api)
		return err_set(eb, ERR_MEMORY, "no memory for the API");
	api->options = *options;
	memcpy(api->key_id, ca_key_id(options->ca), sizeof(api->key_id));
	api->last = &api->first;
	if ((e = throttle_init(&api->throttle, eb)) != OK) {
		free(api);
		return e;
	}
	if (pthread_mutex_init(&api->lock, NULL) != 0 || pthread_cond_init(&api->more, NULL) != 0 ||
	    pthread_create(&api->thread, NULL, run_again, api) != 0)
		e = err_set(eb, ERR_MEMORY, "no thread for the API");
	else
		api->running = true;
	if (e == OK)
		*out = api;
	else
		api_free(api);
	return e;
}

void api_store(struct api *api, struct store *store)
{
	api->store = store;
}

void api_parts_set(struct api *api, const struct api_parts *parts)
{
	api->parts = *parts;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	if (api->running) {
		pthread_mutex_lock(&api->lock);
		api->stop = true;
		pthread_cond_signal(&api->more);
		pthread_mutex_unlock(&api->lock);
		pthread_join(api->thread, NULL);
	}
	for (struct tools *t = api->tools, *next; t; t = next) {
		next = t->next;
		tools_free(t);
	}
	pthread_cond_destroy(&api->more);
	pthread_mutex_destroy(&api->lock);
	throttle_destroy(&api->throttle);
	free(api);
}

bool api_tolerant(void *ctx, const char *path)
{
	(void)ctx;
	return path_is_arduino(path);
}

void api_refuse(void *ctx, const char *path, const char *reason, struct http_response *response)
{
	(void)ctx;
	error_object(path, response->status, reason, NULL, response);
}

void api_prepare(void *ctx, struct store_change **changes, size_t n)
{
	struct api *api = ctx;

	job_prepare(api->options.ca, changes, n);
}
