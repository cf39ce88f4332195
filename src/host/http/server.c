#include "loop.h"
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOPS_MAX 64
#define WORKERS_MAX 256
#define BACKLOG 1024

struct http_server {
	struct shared shared; /* first */
	struct loop *loops[LOOPS_MAX];
	size_t loops_n;

	pthread_t workers[WORKERS_MAX];
	size_t workers_n;
	pthread_mutex_t lock; /* of the queue: */
	pthread_cond_t filled;
	size_t queued, waiting; /* requests, workers */
	struct exchange *queue, **queue_end;
	bool stopping;
};

/* --- workers --- */

static void enqueue(struct shared *shared, struct exchange *x)
{
	struct http_server *s = (struct http_server *)shared;

	x->queued = NULL;
	pthread_mutex_lock(&s->lock);
	*s->queue_end = x;
	s->queue_end = &x->queued;
	s->queued++;
	pthread_mutex_unlock(&s->lock);
}

/*
 * A worker that is woken for each request by itself takes the processor from the loop that reads the next
 * one, and sleeps again when it comes: as dear as what it works.
 */
static void wake_workers(struct shared *shared)
{
	struct http_server *s = (struct http_server *)shared;
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->queued < s->waiting ? s->queued : s->waiting;
	pthread_mutex_unlock(&s->lock);
	while (n-- > 0)
		pthread_cond_signal(&s->filled);
}

/* The next request; NULL: none comes any more. */
static struct exchange *dequeue(struct http_server *s)
{
	struct exchange *x;

	pthread_mutex_lock(&s->lock);
	s->waiting++;
	while (!s->queue && !s->stopping)
		pthread_cond_wait(&s->filled, &s->lock);
	s->waiting--;
	if ((x = s->queue) != NULL) {
		s->queued--;
		if (!(s->queue = x->queued))
			s->queue_end = &s->queue;
	}
	pthread_mutex_unlock(&s->lock);
	return x;
}

static void *work(void *arg)
{
	struct http_server *s = arg;
	struct exchange *x;

	while ((x = dequeue(s)) != NULL)
		s->shared.options.handle(s->shared.options.ctx, &x->shown);
	return NULL;
}

static void stop_workers(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->filled);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->workers_n; i++)
		pthread_join(s->workers[i], NULL);
	s->workers_n = 0;
}

void http_answer(struct http_exchange *shown)
{
	struct exchange *x = (struct exchange *)shown;

	loop_post(x->loop, x);
}

/* --- the server --- */

static void fill_in(struct http_options *o)
{
	static const struct http_limits usual = {
		.target_max = 8192,
		.headers_max = 16384,
		.body_max = 1 << 20,
		.connections = 12000,
		.handshake_ms = 10000,
		.headers_ms = 10000,
		.body_ms = 30000,
		.idle_ms = 75000,
		.write_ms = 30000,
		.pipeline_max = 16,
	};
	struct http_limits *l = &o->limits;

#define USUAL(name) l->name = l->name ? l->name : usual.name
	USUAL(target_max);
	USUAL(headers_max);
	USUAL(body_max);
	USUAL(connections);
	USUAL(handshake_ms);
	USUAL(headers_ms);
	USUAL(body_ms);
	USUAL(idle_ms);
	USUAL(write_ms);
	USUAL(pipeline_max);
#undef USUAL
	o->loops = o->loops ? o->loops : 1;
	o->workers = o->workers ? o->workers : 4;
}

/* Signals are for the thread that waits for them, and SIGPIPE for none. */
static enum err start(struct http_server *s, struct errbuf *eb)
{
	sigset_t all, before;
	enum err e = OK;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (e == OK && s->loops_n < s->shared.options.loops) {
		if ((e = loop_new(&s->shared, &s->loops[s->loops_n], eb)) == OK)
			s->loops_n++;
	}
	while (e == OK && s->workers_n < s->shared.options.workers) {
		if (pthread_create(&s->workers[s->workers_n], NULL, work, s) == 0)
			s->workers_n++;
		else
			e = err_set(eb, ERR_IO, "no thread for a worker");
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

enum err http_server_new(
    const struct http_options *options, struct http_server **server, struct errbuf *eb)
{
	struct http_server *s;
	pthread_condattr_t monotonic;
	enum err e;

	if (!options->handle || options->loops > LOOPS_MAX || options->workers > WORKERS_MAX)
		return err_set(eb, ERR_ARG, "HTTP server: no handler, or too many threads");
	if (options->limits.target_max > 16384 || options->limits.headers_max > 49152)
		return err_set(eb, ERR_ARG, "HTTP server: heads are read up to 64 KiB");
	if (!(s = calloc(1, sizeof(*s))))
		return err_set(eb, ERR_MEMORY, "HTTP server: out of memory");
	s->shared.options = *options;
	fill_in(&s->shared.options);
	s->shared.begin = enqueue;
	s->shared.begun = wake_workers;
	s->queue_end = &s->queue;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->filled, NULL);
	pthread_mutex_init(&s->shared.quiet_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->shared.quiet, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if ((e = start(s, eb)) != OK)
		http_server_free(s);
	else
		*server = s;
	return e;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static enum err address_parse(
    const char *text, uint16_t port, union address *address, socklen_t *n, struct errbuf *eb)
{
	memset(address, 0, sizeof(*address));
	if (uv_ip4_addr(text, port, &address->v4) == 0)
		*n = sizeof(address->v4);
	else if (uv_ip6_addr(text, port, &address->v6) == 0)
		*n = sizeof(address->v6);
	else
		return err_set(eb, ERR_ARG, "%s is not an IP address", text);
	return OK;
}

static enum err bind_socket(const union address *address, socklen_t n, int *fd)
{
	int one = 1, family = address->any.sa_family,
	    made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*fd = made;
	if (made >= 0 && setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (family != AF_INET6 ||
	        setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(made, &address->any, n) == 0 && listen(made, BACKLOG) == 0)
		return OK;
	switch (errno) {
	case EADDRINUSE:
		return ERR_CONFLICT;
	case EACCES:
		return ERR_DENIED;
	case EADDRNOTAVAIL:
	case EINVAL:
		return ERR_ARG;
	default:
		return ERR_IO;
	}
}

static enum err bound_port(int fd, uint16_t *port)
{
	union address address = { .v6 = { 0 } };
	socklen_t n = sizeof(address);

	if (getsockname(fd, &address.any, &n) != 0)
		return ERR_IO;
	*port =
	    ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
	return OK;
}

enum err http_listen(struct http_server *s, const char *text, uint16_t port, struct http_tls *tls,
    uint16_t *bound, struct errbuf *eb)
{
	union address address;
	socklen_t n = 0;
	int fd = -1;
	enum err e;

	if ((e = address_parse(text, port, &address, &n, eb)) != OK)
		return e;
	if ((e = bind_socket(&address, n, &fd)) != OK || (e = bound_port(fd, bound)) != OK) {
		err_set(eb, e, "cannot listen on %s port %u: %s", text, port, strerror(errno));
		goto out;
	}
	for (size_t i = 0; i < s->loops_n && e == OK; i++) {
		int own =
		    fcntl(fd, F_DUPFD_CLOEXEC, 0); /* of one queue, from which each loop takes */

		e = own < 0 ? err_set(eb, ERR_IO, "cannot listen: %s", strerror(errno))
		            : loop_listen(s->loops[i], own, tls, eb);
	}
out:
	if (fd >= 0)
		close(fd);
	return e;
}

void http_server_stats(const struct http_server *server, struct http_stats *stats)
{
	const struct shared *s = &server->shared;

	*stats = (struct http_stats){ s->connections, s->requests, s->handshakes, s->resumed,
		s->refused, s->timed_out, s->streams, s->open, s->streaming };
}

static void set_all(struct http_server *s, enum loop_state wanted)
{
	for (size_t i = 0; i < s->loops_n; i++)
		loop_set(s->loops[i], wanted);
}

void http_server_drain(struct http_server *s, unsigned ms)
{
	struct shared *shared = &s->shared;
	struct timespec by;
	int result = 0;

	set_all(s, LOOP_DRAINS);
	clock_gettime(CLOCK_MONOTONIC, &by);
	by.tv_sec += ms / 1000;
	by.tv_nsec += (long)(ms % 1000) * 1000000;
	by.tv_sec += by.tv_nsec / 1000000000;
	by.tv_nsec %= 1000000000;
	pthread_mutex_lock(&shared->quiet_lock);
	while ((shared->open > 0 || shared->in_work > 0) && result == 0)
		result = pthread_cond_timedwait(&shared->quiet, &shared->quiet_lock, &by);
	pthread_mutex_unlock(&shared->quiet_lock);
	set_all(s, LOOP_CUT);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	set_all(s, LOOP_CUT);
	stop_workers(s);
	for (size_t i = 0; i < s->loops_n; i++)
		loop_free(s->loops[i]);
	pthread_cond_destroy(&s->filled);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->shared.quiet);
	pthread_mutex_destroy(&s->shared.quiet_lock);
	free(s);
}
