/* The Unix socket: accepts, moves bytes between connections and frames.c. One thread, one poll. */
#include "frames.h"
#include "local.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Of a listener: it loses records rather than slow the others down. */
#define QUEUE_MAX ((size_t)256 * 1024)
/* So long others wait for one that has woken the chips and then falls silent. */
#define HOLD_MS 1000

struct connection {
	int fd; /* -1: free */
	struct frames frames;
	uint8_t *queue; /* of a listener: QUEUE_MAX bytes, made when there is something to hear */
	size_t queue_n, queue_at;
	uint32_t lost;
	bool waits; /* until another one has put the chips to rest */
};

struct emu_server {
	struct wire wire;
	pthread_mutex_t mutex; /* guards wire.seen against emu_server_counters */
	struct local socket;
	struct worker worker;
	struct connection connections[EMU_SERVER_CONNECTIONS];
	const struct connection *holder; /* of the chips; NULL: nobody */
	uint64_t held_ms;                /* when it was heard last */
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* --- listeners --- */

static void append(struct connection *c, uint64_t us, struct slice request, struct slice reply)
{
	size_t n = FRAME_RECORD_HEAD + request.n + reply.n;
	uint8_t *p;

	if (!c->queue)
		c->queue = malloc(QUEUE_MAX);
	if (c->queue && n > QUEUE_MAX - c->queue_n) {
		memmove(c->queue, c->queue + c->queue_at, c->queue_n - c->queue_at);
		c->queue_n -= c->queue_at;
		c->queue_at = 0;
	}
	if (!c->queue || n > QUEUE_MAX - c->queue_n) {
		c->lost++;
		return;
	}
	p = c->queue + c->queue_n;
	store_le32(p, (uint32_t)us);
	store_le32(p + 4, (uint32_t)(us >> 32));
	store_le32(p + 8, c->lost);
	store_le16(p + 12, (uint16_t)request.n);
	store_le16(p + 14, (uint16_t)reply.n);
	memcpy(p + FRAME_RECORD_HEAD, request.p, request.n);
	memcpy(p + FRAME_RECORD_HEAD + request.n, reply.p, reply.n);
	c->queue_n += n;
	c->lost = 0;
}

static void tell_listeners(void *ctx, struct slice request, struct slice reply)
{
	struct emu_server *s = ctx;
	uint64_t us = now_us();

	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
		if (s->connections[i].fd >= 0 && s->connections[i].frames.listening)
			append(&s->connections[i], us, request, reply);
	}
}

/* --- its life --- */

static enum err take_chips(struct wire *w, struct emu *const *chips, size_t n, struct errbuf *eb)
{
	struct emu_info a, b;

	if (n == 0 || n > EMU_SERVER_CHIPS)
		return err_set(
		    eb, ERR_ARG, "%zu chips on a bus; 1 to %d can be", n, EMU_SERVER_CHIPS);
	for (size_t i = 0; i < n; i++) {
		emu_info(chips[i], &a);
		for (size_t k = 0; k < i; k++) {
			emu_info(chips[k], &b);
			if (a.address == b.address)
				return err_set(
				    eb, ERR_ARG, "two chips have the address %02X", a.address);
		}
		w->chips[i] = chips[i];
	}
	w->n = n;
	return OK;
}

enum err emu_server_new(const char *path, struct emu *const *chips, size_t n,
    struct emu_server **server, struct errbuf *eb)
{
	struct emu_server *s = calloc(1, sizeof(*s));
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "no memory for a server");
	pthread_mutex_init(&s->mutex, NULL);
	s->socket = LOCAL_CLOSED;
	worker_init(&s->worker);
	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++)
		s->connections[i].fd = -1;
	s->wire.heard = tell_listeners;
	s->wire.heard_ctx = s;
	if ((e = take_chips(&s->wire, chips, n, eb)) != OK ||
	    (e = local_listen(path, 0600, EMU_SERVER_CONNECTIONS, &s->socket, eb)) != OK)
		goto out;
	*server = s;
	s = NULL;
out:
	emu_server_free(s);
	return e;
}

/* --- serving --- */

/* False when the far end is gone. */
static bool send_queue(struct connection *c)
{
	ssize_t n = send(c->fd, c->queue + c->queue_at, c->queue_n - c->queue_at, MSG_NOSIGNAL);

	if (n > 0)
		c->queue_at += (size_t)n;
	if (c->queue_at == c->queue_n)
		c->queue_at = c->queue_n = 0;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void drop(struct emu_server *s, struct connection *c)
{
	if (s->holder == c)
		s->holder = NULL;
	c->waits = false;
	close(c->fd);
	c->fd = -1;
	free(c->queue);
	c->queue = NULL;
	c->queue_n = c->queue_at = c->lost = 0;
}

/* More connections than places wait in the kernel's queue. */
static void accept_one(struct emu_server *s, struct connection *c)
{
	int fd = accept4(s->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	frames_init(&c->frames);
	c->fd = fd;
	pthread_mutex_lock(&s->mutex);
	s->wire.seen.connections++;
	pthread_mutex_unlock(&s->mutex);
}

static bool would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False when the far end is gone. */
static bool receive(struct connection *c)
{
	size_t room;
	uint8_t *p = frames_room(&c->frames, &room);
	ssize_t n = recv(c->fd, p, room, 0);

	if (n > 0)
		frames_arrived(&c->frames, (size_t)n);
	return n > 0 || would_block(n);
}

static bool send_reply(struct connection *c)
{
	struct slice r = frames_reply(&c->frames);
	ssize_t n = send(c->fd, r.p, r.n, MSG_NOSIGNAL);

	if (n > 0)
		frames_sent(&c->frames, (size_t)n);
	return n > 0 || would_block(n);
}

/* --- taking turns: a driver's exchanges from the wake pulse to Idle are not torn apart --- */

/* How long this one has to wait for its turn. */
static uint64_t turn_ms(const struct emu_server *s, const struct connection *c)
{
	uint64_t silent = s->holder == NULL ? 0 : now_us() / 1000 - s->held_ms;

	return s->holder == NULL || s->holder == c || silent >= HOLD_MS ? 0 : HOLD_MS - silent;
}

static void turn_taken(struct emu_server *s, struct connection *c)
{
	if (c->frames.holds)
		s->holder = c;
	else if (s->holder == c || turn_ms(s, c) == 0)
		s->holder = NULL;
	s->held_ms = now_us() / 1000;
}

/* Answers the next request, if there is one and it is this one's turn. */
static bool step(struct emu_server *s, struct connection *c)
{
	bool more;

	c->waits = c->frames.in_n > 0 && !c->frames.listening && turn_ms(s, c) > 0;
	if (c->waits)
		return false;
	pthread_mutex_lock(&s->mutex);
	more = frames_step(&c->frames, &s->wire);
	pthread_mutex_unlock(&s->mutex);
	if (more)
		turn_taken(s, c);
	return more;
}

static void serve(struct emu_server *s, struct connection *c, short events)
{
	bool alive = true, more = true;

	if (events & (POLLIN | POLLHUP | POLLERR) && frames_reply(&c->frames).n == 0)
		alive = receive(c);
	while (alive && more) {
		more = step(s, c);
		if (frames_reply(&c->frames).n)
			alive = send_reply(c);
		more = more && frames_reply(&c->frames).n == 0;
	}
	if (alive && c->queue_n && frames_reply(&c->frames).n == 0)
		alive = send_queue(c);
	if (!alive || (c->frames.ended && frames_reply(&c->frames).n == 0))
		drop(s, c);
}

/*
 * A connection with a reply to send is not read from, nor one that waits for its turn: a client cannot
 * make us hoard.
 */
static void wait_for(struct emu_server *s, int stop_fd, struct pollfd *p)
{
	bool place = false;

	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		p[i] = (struct pollfd){ .fd = c->waits ? -1 : c->fd,
			.events = frames_reply(&c->frames).n ? POLLOUT
			          : c->queue_n               ? POLLIN | POLLOUT
			                                     : POLLIN };
		place = place || c->fd < 0;
	}
	p[EMU_SERVER_CONNECTIONS] =
	    (struct pollfd){ .fd = place ? s->socket.fd : -1, .events = POLLIN };
	p[EMU_SERVER_CONNECTIONS + 1] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
}

static void accept_new(struct emu_server *s)
{
	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
		if (s->connections[i].fd < 0) {
			accept_one(s, &s->connections[i]);
			return;
		}
	}
}

/* Until the first of those that wait has its turn; -1: nobody waits. */
static int patience(const struct emu_server *s)
{
	int ms = -1;

	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++)
		if (s->connections[i].waits)
			ms = (int)turn_ms(s, &s->connections[i]); /* the same for all */
	return ms;
}

enum err emu_server_run(struct emu_server *s, int stop_fd, struct errbuf *eb)
{
	struct pollfd p[EMU_SERVER_CONNECTIONS + 2];

	for (;;) {
		wait_for(s, stop_fd, p);
		if (poll(p, COUNT(p), patience(s)) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		}
		if (p[EMU_SERVER_CONNECTIONS + 1].revents)
			return OK;
		for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
			if (p[i].fd >= 0 && p[i].revents)
				serve(s, &s->connections[i], p[i].revents);
		}
		for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
			if (s->connections[i].waits)
				serve(s, &s->connections[i], 0);
		}
		if (p[EMU_SERVER_CONNECTIONS].revents)
			accept_new(s);
	}
}

static void *run_thread(void *arg)
{
	struct emu_server *s = arg;

	/* poll fails only when the machine is out of memory; connections then simply stay silent. */
	if (emu_server_run(s, s->worker.stop[0], NULL) != OK)
		return s;
	return NULL;
}

enum err emu_server_start(struct emu_server *s, struct errbuf *eb)
{
	return worker_start(&s->worker, run_thread, s, eb);
}

void emu_server_free(struct emu_server *s)
{
	if (!s)
		return;
	worker_stop(&s->worker);
	for (size_t i = 0; i < EMU_SERVER_CONNECTIONS; i++) {
		if (s->connections[i].fd >= 0)
			close(s->connections[i].fd);
		free(s->connections[i].queue);
	}
	local_close(&s->socket);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

void emu_server_counters(struct emu_server *s, struct emu_server_counters *c)
{
	pthread_mutex_lock(&s->mutex);
	*c = s->wire.seen;
	pthread_mutex_unlock(&s->mutex);
}
