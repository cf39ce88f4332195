/*
 * rig.h -- a server for tests whose handler does what the path says.
 *
 *	/much/N   N bytes            /empty  204
 *	/hold     answered by the next /release, behind that one
 *	/stream   200 that goes on: rig_stream has it
 *	/client   200 with the certificate of the peer, DER
 *	/header   200 with header lines, good and bad
 *	else      200 with "METHOD path ?query agent=... body=..."
 *
 * Paths under /iot/ are tolerant. What the server refuses has the reason as its body, of type text/iot
 * under /iot/.
 */
#ifndef IMPRINT_TESTS_HTTP_RIG_H
#define IMPRINT_TESTS_HTTP_RIG_H

#include "http.h"
#include "peer.h"
#include "tap.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct rig {
	struct http_server *server;
	uint16_t port;
	pthread_mutex_t lock;
	struct http_exchange *held;
	struct http_stream *stream;
	sem_t handled; /* posted after each request */
	_Atomic unsigned heard,
	    logged;              /* requests that the handler began, answers that were sent */
	_Atomic unsigned rested; /* how many of those had been sent when the loop rested */
};

static void rig_say_request(struct http_exchange *x)
{
	const struct http_request *r = x->request;
	const char *agent = http_header(x, "user-agent");
	char line[4096];
	int n = snprintf(line, sizeof(line), "%s %s ?%s agent=%s body=%.*s", r->method, r->path,
	    r->query, agent ? agent : "-", (int)(r->body.n < 2000 ? r->body.n : 2000),
	    r->body.p ? (const char *)r->body.p : "");

	x->response.status = 200;
	x->response.type = "text/plain";
	x->response.body = (uint8_t *)strdup(line);
	x->response.n = (size_t)n;
}

static void rig_say_client(struct http_exchange *x)
{
	struct slice der = x->request->client;

	x->response.status = 200;
	x->response.body = malloc(der.n + 1);
	x->response.n = der.n;
	memcpy(x->response.body, der.n > 0 ? der.p : (const uint8_t *)"", der.n);
}

static void rig_say_much(struct http_exchange *x, size_t n)
{
	x->response.status = 200;
	x->response.type = "application/octet-stream";
	x->response.body = malloc(n + 1);
	memset(x->response.body, 'x', n);
	x->response.n = n;
}

/* What a handler may say in a header line, and what it may not. */
static void rig_say_headers(struct http_exchange *x)
{
	x->response.status = http_header_add(x, "X-Good", "a b") == OK &&
	                             http_header_add(x, "X-Bad", "a\r\nb: c") == ERR_ARG &&
	                             http_header_add(x, "X Bad", "a") == ERR_ARG &&
	                             http_header_add(x, "", "a") == ERR_ARG
	                         ? 200
	                         : 500;
}

/* What is held from now on, NULL to take it; returns what was. */
static struct http_exchange *rig_hold(struct rig *rig, struct http_exchange *x)
{
	struct http_exchange *before;

	pthread_mutex_lock(&rig->lock);
	before = rig->held;
	rig->held = x;
	pthread_mutex_unlock(&rig->lock);
	return before;
}

/* Answers what is held; false: nothing is. */
__attribute__((unused)) static bool rig_release(struct rig *rig)
{
	struct http_exchange *held = rig_hold(rig, NULL);

	if (held)
		http_answer(held);
	return held != NULL;
}

__attribute__((unused)) static bool rig_holds(struct rig *rig)
{
	bool holds;

	pthread_mutex_lock(&rig->lock);
	holds = rig->held != NULL;
	pthread_mutex_unlock(&rig->lock);
	return holds;
}

static void rig_begin_stream(struct rig *rig, struct http_exchange *x)
{
	struct http_stream *stream;

	x->response.status = 200;
	x->response.type = "text/event-stream";
	if (!(stream = http_answer_stream(x))) {
		x->response.status = 503;
		http_answer(x);
	}
	pthread_mutex_lock(&rig->lock);
	rig->stream = stream;
	pthread_mutex_unlock(&rig->lock);
}

/* The stream that the last request began; NULL: none, or it has been taken. */
__attribute__((unused)) static struct http_stream *rig_stream(struct rig *rig)
{
	struct http_stream *stream;

	pthread_mutex_lock(&rig->lock);
	stream = rig->stream;
	rig->stream = NULL;
	pthread_mutex_unlock(&rig->lock);
	return stream;
}

static void rig_handle(void *ctx, struct http_exchange *x)
{
	struct rig *rig = ctx;
	const char *path = x->request->path;
	bool release = strcmp(path, "/release") == 0;

	rig->heard++;
	if (strncmp(path, "/much/", 6) == 0)
		rig_say_much(x, strtoul(path + 6, NULL, 10));
	else if (strcmp(path, "/client") == 0)
		rig_say_client(x);
	else if (strcmp(path, "/header") == 0)
		rig_say_headers(x);
	else if (strcmp(path, "/nothing") == 0)
		x->response.status = 0;
	else if (strcmp(path, "/empty") == 0)
		x->response.status = 204;
	else if (strcmp(path, "/stream") != 0)
		rig_say_request(x);
	if (strcmp(path, "/hold") == 0)
		(void)rig_hold(rig, x);
	else if (strcmp(path, "/stream") == 0)
		rig_begin_stream(rig, x);
	else
		http_answer(x);
	if (release)
		(void)rig_release(rig);
	sem_post(&rig->handled);
}

static bool rig_tolerant(void *ctx, const char *path)
{
	(void)ctx;
	return strncmp(path, "/iot/", 5) == 0;
}

static void rig_refuse(
    void *ctx, const char *path, const char *reason, struct http_response *response)
{
	(void)ctx;
	response->type = strncmp(path, "/iot/", 5) == 0 ? "text/iot" : "text/plain";
	response->body = (uint8_t *)strdup(reason);
	response->n = strlen(reason);
}

static void rig_log(void *ctx, const struct http_request *request, int status, double seconds)
{
	struct rig *rig = ctx;

	(void)status, (void)seconds;
	rig->logged += strcmp(request->peer, "127.0.0.1") == 0;
}

static void rig_rest(void *ctx)
{
	struct rig *rig = ctx;

	rig->rested = rig->logged;
}

__attribute__((unused)) static void rig_start(
    struct rig *rig, const struct http_limits *limits, struct http_tls *tls)
{
	struct http_options o = { .handle = rig_handle,
		.tolerant = rig_tolerant,
		.refuse = rig_refuse,
		.log = rig_log,
		.rest = rig_rest,
		.ctx = rig,
		.loops = 2 };
	struct errbuf eb = { "" };

	memset(rig, 0, sizeof(*rig));
	pthread_mutex_init(&rig->lock, NULL);
	sem_init(&rig->handled, 0, 0);
	if (limits)
		o.limits = *limits;
	if (limits && limits->connections)
		o.loops = 1; /* room is made among a loop's own */
	if (http_server_new(&o, &rig->server, &eb) != OK ||
	    http_listen(rig->server, "127.0.0.1", 0, tls, &rig->port, &eb) != OK) {
		printf("Bail out! %s\n", eb.text);
		exit(1);
	}
}

__attribute__((unused)) static void rig_stop(struct rig *rig)
{
	http_server_free(rig->server);
	http_stream_end(rig->stream);
	sem_destroy(&rig->handled);
	pthread_mutex_destroy(&rig->lock);
}

__attribute__((unused)) static struct http_stats rig_stats(const struct rig *rig)
{
	struct http_stats s;

	http_server_stats(rig->server, &s);
	return s;
}

/* Waits, for as long as a busy machine may need, until `condition` holds. */
#define RIG_UNTIL(condition)                                                                       \
	for (int waited_ = 0; !(condition) && waited_ < 6000; waited_++)                           \
	usleep(10000)

#endif
