#include "loop.h"
#include "tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

struct listening {
	uv_tcp_t tcp;
	struct loop *loop;
	struct http_tls *tls;
	int fd, result;
	uv_sem_t *told;
	struct listening *next;
};

/* --- on the loop's thread --- */

static void on_listening_closed(uv_handle_t *handle)
{
	struct listening *l = handle->data;

	http_tls_free(l->tls);
	free(l);
}

static void on_shown_out(uv_handle_t *handle);

/* libuv listens no more while a connection waits: one for which there is no memory must be taken too. */
static void show_out(struct loop *loop, uv_stream_t *listener)
{
	if (loop->showing_out) {
		loop->more_unwelcome = true;
		return;
	}
	uv_tcp_init(&loop->uv, &loop->unwelcome);
	loop->unwelcome.data = loop;
	(void)uv_accept(listener, (uv_stream_t *)&loop->unwelcome);
	loop->showing_out = true;
	loop->shared->refused++;
	uv_close((uv_handle_t *)&loop->unwelcome, on_shown_out);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listening *l = stream->data;

	if (status == 0 && connection_accept(l->loop, stream, l->tls) != OK)
		show_out(l->loop, stream);
}

static void on_shown_out(uv_handle_t *handle)
{
	struct loop *loop = handle->data;
	bool more = loop->more_unwelcome;

	loop->showing_out = loop->more_unwelcome = false;
	for (struct listening *l = loop->listening; l && more; l = l->next)
		on_connection((uv_stream_t *)&l->tcp, 0);
}

static void begin_listening(struct loop *loop, struct listening *l)
{
	uv_sem_t *told = l->told;

	uv_tcp_init(&loop->uv, &l->tcp); /* cannot fail without a socket to make */
	l->tcp.data = l;
	l->next = loop->listening;
	loop->listening = l;
	if ((l->result = uv_tcp_open(&l->tcp, l->fd)) != 0)
		close(l->fd);
	else
		l->result = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
	uv_sem_post(told);
}

static void stop_listening(struct loop *loop)
{
	struct listening *l = loop->listening, *next;

	loop->listening = NULL;
	for (; l; l = next) {
		next = l->next;
		uv_close((uv_handle_t *)&l->tcp, on_listening_closed);
	}
}

static void end(struct loop *loop)
{
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->rest, NULL);
}

static void change_state(struct loop *loop, enum loop_state wanted)
{
	if (wanted <= loop->state)
		return;
	loop->state = wanted;
	stop_listening(loop);
	if (wanted == LOOP_DRAINS)
		connections_drain(loop);
	else
		connections_cut(loop);
	if (wanted == LOOP_ENDS)
		end(loop);
}

static void take_answer(struct loop *loop, struct exchange *x)
{
	struct shared *s = loop->shared;

	if (x->talk)
		connection_answered(x);
	else
		exchange_free(x);
	pthread_mutex_lock(&s->quiet_lock);
	if (--s->in_work == 0)
		pthread_cond_broadcast(&s->quiet);
	pthread_mutex_unlock(&s->quiet_lock);
}

static void take_stirred(struct http_stream *s)
{
	struct http_stream *next;
	struct exchange *x;

	for (; s; s = next) {
		next = s->next;
		if ((x = stream_seen(s)) != NULL && x->talk)
			connection_stirred(x);
	}
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;
	struct exchange *x, *next;
	struct http_stream *stirred;
	struct listening *l, *l_next;
	enum loop_state wanted;

	pthread_mutex_lock(&loop->lock);
	x = loop->answered;
	loop->answered = NULL;
	loop->answered_end = &loop->answered;
	stirred = loop->stirred;
	loop->stirred = NULL;
	l = loop->fresh;
	loop->fresh = NULL;
	wanted = loop->wanted;
	pthread_mutex_unlock(&loop->lock);

	for (; l; l = l_next) {
		l_next = l->next;
		begin_listening(loop, l);
	}
	for (; x; x = next) {
		next = x->queued;
		take_answer(loop, x);
	}
	take_stirred(stirred);
	change_state(loop, wanted);
}

static void on_rest(uv_prepare_t *rest)
{
	struct shared *s = ((struct loop *)rest->data)->shared;

	s->begun(s);
	if (s->options.rest)
		s->options.rest(s->options.ctx);
}

static void run(void *arg)
{
	struct loop *loop = arg;

	uv_run(&loop->uv, UV_RUN_DEFAULT);
	on_rest(&loop->rest);
}

/* --- from other threads --- */

void loop_post(struct loop *loop, struct exchange *x)
{
	x->queued = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->answered_end = x;
	loop->answered_end = &x->queued;
	uv_async_send(&loop->wake);
	pthread_mutex_unlock(&loop->lock);
}

void loop_stir(struct loop *loop, struct http_stream *s)
{
	pthread_mutex_lock(&loop->lock);
	s->next = loop->stirred;
	loop->stirred = s;
	uv_async_send(&loop->wake);
	pthread_mutex_unlock(&loop->lock);
}

void loop_set(struct loop *loop, enum loop_state wanted)
{
	pthread_mutex_lock(&loop->lock);
	if (wanted > loop->wanted)
		loop->wanted = wanted;
	uv_async_send(&loop->wake);
	pthread_mutex_unlock(&loop->lock);
}

enum err loop_listen(struct loop *loop, int fd, struct http_tls *tls, struct errbuf *eb)
{
	struct listening *l = calloc(1, sizeof(*l));
	uv_sem_t told;
	int result;

	if (!l || uv_sem_init(&told, 0) != 0) {
		free(l);
		close(fd);
		return err_set(eb, ERR_MEMORY, "listener: out of memory");
	}
	*l = (struct listening){ .loop = loop, .tls = tls, .fd = fd, .told = &told };
	if (tls)
		http_tls_retain(tls);
	pthread_mutex_lock(&loop->lock);
	l->next = loop->fresh;
	loop->fresh = l;
	uv_async_send(&loop->wake);
	pthread_mutex_unlock(&loop->lock);
	uv_sem_wait(&told);
	uv_sem_destroy(&told);
	result = l->result;
	return result == 0 ? OK : err_set(eb, ERR_IO, "cannot listen: %s", uv_strerror(result));
}

enum err loop_new(struct shared *shared, struct loop **loop, struct errbuf *eb)
{
	struct loop *made = calloc(1, sizeof(*made));
	int result;

	if (!made)
		return err_set(eb, ERR_MEMORY, "loop: out of memory");
	made->shared = shared;
	made->answered_end = &made->answered;
	pthread_mutex_init(&made->lock, NULL);
	made->carrier = (struct talk_carrier){ .options = &shared->options, .date = made->date };
	if ((result = uv_loop_init(&made->uv)) != 0)
		goto no_loop;
	if ((result = uv_async_init(&made->uv, &made->wake, on_wake)) != 0)
		goto no_wake;
	made->wake.data = made->rest.data = made;
	uv_prepare_init(&made->uv, &made->rest); /* neither can fail */
	uv_prepare_start(&made->rest, on_rest);
	if ((result = uv_thread_create(&made->thread, run, made)) != 0)
		goto no_thread;
	*loop = made;
	return OK;
no_thread:
	end(made);
	uv_run(&made->uv, UV_RUN_DEFAULT);
no_wake:
	uv_loop_close(&made->uv);
no_loop:
	pthread_mutex_destroy(&made->lock);
	free(made);
	return err_set(eb, ERR_IO, "loop: %s", uv_strerror(result));
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_set(loop, LOOP_ENDS);
	uv_thread_join(&loop->thread);
	take_stirred(loop->stirred); /* of streams that are gone */
	uv_loop_close(&loop->uv);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}
