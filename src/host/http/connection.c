#include "loop.h"
#include "tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define OUT_HIGH (256 * 1024)  /* unsent bytes above which no further request is read */
#define HELD_MAX (1024 * 1024) /* never reached: one read of the socket at most waits */
#define LINGER_MS 2000         /* for the peer to close when we have said everything */
#define LINGER_DRAINING_MS 200
#define LINGER_MAX (256 * 1024) /* bytes of the peer that are thrown away then */

enum phase { HANDSHAKE, IDLE, HEAD, BODY, WORK, LINGER };

struct connection {
	uv_tcp_t tcp;
	uv_timer_t timer;
	struct loop *loop;
	struct talk talk;
	struct tls_link *tls;
	struct bytes out;     /* to be sent */
	struct bytes writing; /* being sent */
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct bytes held;   /* read, but too many requests are in work */
	struct bytes client; /* its certificate */
	enum phase phase;
	uint32_t phase_of;          /* which request */
	uint64_t read_by, write_by; /* deadlines; 0: none */
	size_t discarded;
	uint64_t refused; /* of the talk, already counted */
	bool shaken, eof, broken, finishing, shut, reading, closing, is_idle, streams;
	unsigned handles; /* open */
	struct connection *next, *previous, *idle_next, *idle_previous;
	char peer[HTTP_PEER_SIZE];
};

/* --- lists --- */

static void list_add(struct connection *c)
{
	struct loop *loop = c->loop;

	c->next = loop->connections;
	if (c->next)
		c->next->previous = c;
	loop->connections = c;
}

static void list_remove(struct connection *c)
{
	if (c->previous)
		c->previous->next = c->next;
	else
		c->loop->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
}

static void idle_remove(struct connection *c)
{
	if (!c->is_idle)
		return;
	c->is_idle = false;
	if (c->idle_previous)
		c->idle_previous->idle_next = c->idle_next;
	else
		c->loop->idle = c->idle_next;
	if (c->idle_next)
		c->idle_next->idle_previous = c->idle_previous;
	else
		c->loop->idle_end = c->idle_previous;
	c->idle_next = c->idle_previous = NULL;
}

static void idle_add(struct connection *c)
{
	struct loop *loop = c->loop;

	if (c->is_idle)
		return;
	c->is_idle = true;
	c->idle_previous = loop->idle_end;
	if (loop->idle_end)
		loop->idle_end->idle_next = c;
	else
		loop->idle = c;
	loop->idle_end = c;
}

/* --- the end --- */

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct shared *s = c->loop->shared;

	if (--c->handles > 0)
		return;
	bytes_free(&c->out);
	bytes_free(&c->writing);
	bytes_free(&c->held);
	bytes_free(&c->client);
	free(c);
	pthread_mutex_lock(&s->quiet_lock);
	if (--s->open == 0)
		pthread_cond_broadcast(&s->quiet);
	pthread_mutex_unlock(&s->quiet_lock);
}

/* At once. What is in work goes on without us. */
static void close_now(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	idle_remove(c);
	list_remove(c);
	if (c->streams)
		c->loop->shared->streaming--;
	talk_free(&c->talk);
	tls_link_free(c->tls);
	c->tls = NULL;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* --- writing --- */

static void pump(struct connection *c);

static void on_written(uv_write_t *write, int status)
{
	struct connection *c = write->handle->data;

	bytes_free(&c->writing);
	c->write_by = 0; /* what has been queued meanwhile has its own time */
	if (status != 0)
		close_now(c);
	else
		pump(c);
}

static bool unsent(const struct connection *c)
{
	return c->out.n > 0 || c->writing.n > 0;
}

static bool write_out(struct connection *c)
{
	uv_stream_t *stream = (uv_stream_t *)&c->tcp;
	size_t skip = 0;
	uv_buf_t buf;
	int n;

	if (c->out.n == 0 || c->writing.n > 0)
		return true;
	buf =
	    uv_buf_init((char *)c->out.p, (unsigned)(c->out.n < INT32_MAX ? c->out.n : INT32_MAX));
	n = uv_try_write(stream, &buf, 1);
	if (n > 0)
		skip = (size_t)n;
	else if (n != UV_EAGAIN)
		return false;
	if (skip == c->out.n) {
		bytes_free(&c->out);
		return true;
	}
	c->writing = c->out;
	c->out = (struct bytes){ .max = c->writing.max };
	buf = uv_buf_init((char *)c->writing.p + skip,
	    (unsigned)(c->writing.n - skip < INT32_MAX ? c->writing.n - skip : INT32_MAX));
	if (uv_write(&c->write, stream, &buf, 1, on_written) != 0) {
		bytes_free(&c->writing);
		return false;
	}
	return true;
}

/* --- reading --- */

static void feed(struct connection *c, const uint8_t *p, size_t n)
{
	size_t used = c->held.n == 0 ? talk_take(&c->talk, p, n) : 0;

	if (bytes_add(&c->held, (struct slice){ p + used, n - used }) != OK)
		c->broken = true;
}

/* Whether a further request may be read: those in work and the answers not yet taken have bounds. */
static bool has_room(const struct connection *c)
{
	return !talk_full(&c->talk) && c->out.n + c->writing.n < OUT_HIGH;
}

/* What had to wait, when there is room again. */
static void feed_held(struct connection *c)
{
	struct bytes held = c->held;
	size_t used;

	if (held.n == 0 || !has_room(c))
		return;
	used = talk_take(&c->talk, held.p, held.n);
	c->held.n -= used;
	memmove(c->held.p, c->held.p + used, c->held.n);
	if (c->held.n == 0)
		bytes_free(&c->held);
}

static void count_handshake(struct connection *c)
{
	struct shared *s = c->loop->shared;
	bool resumed = false;

	if (c->shaken || !tls_ready(c->tls, &resumed))
		return;
	c->shaken = true;
	s->handshakes++;
	s->resumed += resumed;
	if (tls_client(c->tls, &c->client) != OK)
		c->broken = true;
}

static void feed_tls(struct connection *c, const uint8_t *p, size_t n)
{
	struct loop *loop = c->loop;
	enum tls_event event;
	size_t plain_n;

	tls_take(c->tls, (struct slice){ p, n });
	while (
	    (event = tls_step(c->tls, loop->plain, sizeof(loop->plain), &plain_n)) == TLS_PLAIN) {
		count_handshake(c);
		feed(c, loop->plain, plain_n);
	}
	count_handshake(c);
	if (event == TLS_CLOSED)
		talk_end(&c->talk);
	else if (event == TLS_FAILED)
		c->broken = true;
}

static void on_alloc(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)n;
	*buf = uv_buf_init((char *)c->loop->in, sizeof(c->loop->in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	if (n == 0)
		return;
	if (n == UV_EOF) {
		c->eof = true;
		talk_end(&c->talk);
	} else if (n < 0 || (c->finishing && (c->discarded += (size_t)n) > LINGER_MAX)) {
		close_now(c);
		return;
	} else if (!c->finishing && c->tls) {
		feed_tls(c, (const uint8_t *)buf->base, (size_t)n);
	} else if (!c->finishing) {
		feed(c, (const uint8_t *)buf->base, (size_t)n);
	}
	pump(c);
}

static bool set_reading(struct connection *c)
{
	bool wanted = !c->eof && (c->finishing || (c->held.n == 0 && has_room(c)));
	int result = 0;

	if (wanted && !c->reading)
		result = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else if (!wanted && c->reading)
		uv_read_stop((uv_stream_t *)&c->tcp);
	c->reading = wanted;
	return result == 0;
}

/* --- time-outs --- */

static void on_timer(uv_timer_t *timer);

static enum phase phase_of(const struct connection *c)
{
	if (c->finishing)
		return unsent(c) ? WORK : LINGER;
	if (c->tls && !c->shaken)
		return HANDSHAKE;
	if (!c->reading)
		return WORK; /* we are the slow one */
	if (c->talk.reader.at == READER_HEAD)
		return HEAD;
	if (c->talk.reader.at == READER_BODY)
		return BODY;
	return c->talk.first || unsent(c) ? WORK : IDLE;
}

static unsigned allowed_ms(const struct connection *c, enum phase phase)
{
	const struct http_limits *l = &c->loop->shared->options.limits;

	switch (phase) {
	case HANDSHAKE:
		return l->handshake_ms;
	case IDLE:
		return l->idle_ms;
	case HEAD:
		return l->headers_ms;
	case BODY:
		return l->body_ms;
	case LINGER:
		return c->loop->state == LOOP_RUNS ? LINGER_MS : LINGER_DRAINING_MS;
	case WORK:
		break;
	}
	return 0;
}

static void set_timer(struct connection *c)
{
	enum phase phase = phase_of(c);
	uint64_t now = uv_now(&c->loop->uv), by;

	if (phase != c->phase || c->talk.reader.begun != c->phase_of || c->read_by == UINT64_MAX) {
		unsigned ms = allowed_ms(c, phase);

		c->phase = phase;
		c->phase_of = c->talk.reader.begun;
		c->read_by = ms ? now + ms : 0;
	}
	if (!unsent(c))
		c->write_by = 0;
	else if (c->write_by == 0)
		c->write_by = now + c->loop->shared->options.limits.write_ms;

	by = c->read_by;
	if (c->write_by && (!by || c->write_by < by))
		by = c->write_by;
	if (!by)
		uv_timer_stop(&c->timer);
	else if (!uv_is_active((uv_handle_t *)&c->timer) ||
	         uv_timer_get_due_in(&c->timer) != (by > now ? by - now : 0))
		uv_timer_start(&c->timer, on_timer, by > now ? by - now : 0, 0);
	if (phase == IDLE)
		idle_add(c);
	else
		idle_remove(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	uint64_t now = uv_now(&c->loop->uv);
	bool mute = c->write_by && now >= c->write_by;

	if (!mute && (!c->read_by || now < c->read_by)) {
		pump(c);
		return;
	}
	if (mute || c->phase != LINGER)
		c->loop->shared->timed_out++;
	if (mute || c->phase == HANDSHAKE || c->phase == LINGER) {
		close_now(c);
		return;
	}
	c->read_by = 0;
	talk_refuse(&c->talk, 408,
	    c->phase == HEAD ? "the head of the request came too slowly"
	                     : "the body came too slowly");
	pump(c);
}

/* --- streams --- */

/*
 * One piece at a time: what its owner adds while the peer has not taken that, waits where it has a
 * bound. A peer that has gone without a word is known by what it leaves unacknowledged.
 */
static void feed_stream(struct connection *c)
{
	struct shared *s = c->loop->shared;
	unsigned ms = s->options.limits.write_ms;
	uv_os_fd_t fd;

	if (c->talk.streams && !c->streams) {
		s->streams++;
		s->streaming++;
		c->streams = true;
		if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
			(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	}
	if (!unsent(c))
		talk_stream(&c->talk);
	if (c->streams && !c->talk.streams) {
		s->streaming--;
		c->streams = false;
	}
}

/* --- after every event --- */

/* Says that nothing follows, then waits a moment for the peer to close: RFC 9112 9.6. */
static bool shut_down(struct connection *c)
{
	if (c->eof)
		return false;
	if (!c->shut && uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, NULL) != 0)
		return false;
	c->shut = true;
	return true;
}

static void finish_if_over(struct connection *c)
{
	if (c->finishing || !(c->broken || talk_over(&c->talk)))
		return;
	c->finishing = true;
	if (c->tls && !c->broken)
		tls_close(c->tls);
}

static void pump(struct connection *c)
{
	bool good;

	if (c->closing)
		return;
	do { /* what is written makes room for what is held */
		feed_held(c);
		feed_stream(c);
		finish_if_over(c);
		good = write_out(c);
	} while (good && !c->finishing && c->held.n > 0 && has_room(c));
	c->loop->shared->refused += c->talk.refused - c->refused;
	c->refused = c->talk.refused;
	if (!good || (c->finishing && !unsent(c) && !shut_down(c)) || !set_reading(c))
		close_now(c);
	else
		set_timer(c);
}

/* --- what the conversation asks for --- */

static void begin(void *ctx, struct exchange *x)
{
	struct connection *c = ctx;
	struct shared *s = c->loop->shared;

	x->loop = c->loop;
	s->requests++;
	s->in_work++;
	if (bytes_add(&x->client, (struct slice){ c->client.p, c->client.n }) != OK) {
		x->shown.response.status = 503;
		loop_post(c->loop, x);
		return;
	}
	x->request.client = (struct slice){ x->client.p, x->client.n };
	s->begin(s, x);
}

static void send_bytes(void *ctx, struct slice bytes)
{
	struct connection *c = ctx;

	if (c->broken || c->finishing)
		return;
	if ((c->tls ? tls_send(c->tls, bytes) : bytes_add(&c->out, bytes)) != OK)
		c->broken = true;
}

static void set_date(struct loop *loop)
{
	int64_t now = (int64_t)time(NULL);

	if (now != loop->date_of)
		exchange_date(loop->date_of = now, loop->date);
}

/* --- from the loop --- */

static void set_peer(struct connection *c)
{
	struct sockaddr_storage address;
	int n = sizeof(address);

	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &n) != 0 ||
	    uv_ip_name((struct sockaddr *)&address, c->peer, sizeof(c->peer)) != 0)
		c->peer[0] = '\0';
}

/* Whether there is room for one more: the one that has been idle for longest makes it. */
static bool make_room(struct loop *loop)
{
	struct shared *s = loop->shared;

	if (s->open <= s->options.limits.connections)
		return true;
	if (!loop->idle)
		return false;
	if (loop->idle->tls)
		tls_close(loop->idle->tls);
	(void)write_out(loop->idle);
	close_now(loop->idle);
	return true;
}

enum err connection_accept(struct loop *loop, uv_stream_t *listener, struct http_tls *tls)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_MEMORY;
	uv_tcp_init(&loop->uv, &c->tcp); /* cannot fail without a socket to make */
	uv_timer_init(&loop->uv, &c->timer);
	c->loop = loop;
	c->tcp.data = c->timer.data = c;
	c->handles = 2;
	c->out.max = SIZE_MAX;
	c->held.max = HELD_MAX;
	c->client.max = 1 << 16;
	c->read_by = UINT64_MAX;
	loop->carrier.begin = begin;
	loop->carrier.send = send_bytes;
	talk_init(&c->talk, &loop->carrier, c);
	c->talk.peer = c->peer;
	c->talk.tls = tls != NULL;
	list_add(c);
	loop->shared->connections++;
	loop->shared->open++;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 || !make_room(loop) ||
	    (tls && tls_link_new(tls, &c->out, &c->tls) != OK)) {
		loop->shared->refused++;
		close_now(c);
		return OK;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	set_peer(c);
	set_date(loop);
	pump(c);
	return OK;
}

void connection_answered(struct exchange *x)
{
	struct connection *c = x->talk->ctx;

	set_date(c->loop);
	talk_answered(&c->talk, x);
	pump(c);
}

void connection_stirred(struct exchange *x)
{
	pump(x->talk->ctx);
}

void connections_drain(struct loop *loop)
{
	struct connection *c = loop->connections, *next;

	for (; c; c = next) {
		next = c->next;
		talk_wind_down(&c->talk);
		pump(c);
	}
}

void connections_cut(struct loop *loop)
{
	while (loop->connections)
		close_now(loop->connections);
}
