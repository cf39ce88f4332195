#include "talk.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>

void talk_init(struct talk *t, const struct talk_carrier *carrier, void *ctx)
{
	memset(t, 0, sizeof(*t));
	t->carrier = carrier;
	t->ctx = ctx;
	reader_init(&t->reader, carrier->options);
}

static void enqueue(struct talk *t, struct exchange *x)
{
	x->talk = t;
	x->next = NULL;
	x->request.tls = t->tls;
	if (t->peer)
		snprintf(x->peer, sizeof(x->peer), "%s", t->peer);
	if (t->final)
		t->final->next = x;
	else
		t->first = x;
	t->final = x;
	t->in_work++;
}

/* RFC 9110 10.1.1: only behind all earlier answers, and not when the body comes already. */
static void send_continue(struct talk *t)
{
	if (!t->reader.expects || t->first || t->reader.at != READER_BODY)
		return;
	t->reader.expects = false;
	t->carrier->send(t->ctx, TEXT("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void send_answer(struct talk *t, const struct exchange *x)
{
	const struct http_options *o = t->carrier->options;
	struct bytes out = { .max = 0 };

	if (exchange_render(x, t->carrier->date, t->last && (!t->first || t->streams), &out) ==
	    OK) {
		t->carrier->send(t->ctx, (struct slice){ out.p, out.n });
		if (o->log)
			o->log(o->ctx, &x->request, x->shown.response.status,
			    (double)(exchange_clock_us() - x->begun_us) / 1e6);
	} else {
		t->failed = true;
	}
	bytes_free(&out);
}

/* Leaves them to whoever answers them. */
static void forget(struct exchange *x)
{
	struct exchange *next;

	for (; x; x = next) {
		next = x->next;
		x->talk = NULL;
		if (x->answered)
			exchange_free(x);
	}
}

/* What the peer has asked for behind a stream is never answered. */
static void begin_stream(struct talk *t, struct exchange *x)
{
	forget(x->next);
	x->next = NULL;
	t->final = x;
	t->in_work = 1;
	t->last = t->streams = true;
	send_answer(t, x);
	talk_stream(t);
}

/* Sends what can be sent: the answers at the head of the line. */
static void flush(struct talk *t)
{
	while (t->first && t->first->answered && !t->failed && !t->streams) {
		struct exchange *x = t->first;

		if (x->stream) {
			begin_stream(t, x);
			return;
		}
		if (!(t->first = x->next))
			t->final = NULL;
		t->in_work--;
		send_answer(t, x);
		exchange_free(x);
	}
	send_continue(t);
}

void talk_stream(struct talk *t)
{
	struct exchange *x = t->first;
	struct bytes part;
	bool ends;

	if (!t->streams || t->failed)
		return;
	ends = stream_take(x->stream, &part) || t->hung_up || t->winding ||
	       strcmp(x->request.method, "HEAD") == 0;
	if (part.n > 0 && strcmp(x->request.method, "HEAD") != 0)
		t->carrier->send(t->ctx, (struct slice){ part.p, part.n });
	bytes_free(&part);
	if (!ends)
		return;
	t->streams = false;
	t->first = t->final = NULL;
	t->in_work = 0;
	exchange_free(x);
}

static void refuse(struct talk *t)
{
	const struct http_options *o = t->carrier->options;
	const char *reason = t->reader.reason;
	struct exchange *x = reader_hand_over(&t->reader);

	t->last = true;
	t->refused++;
	if (!x && !(x = exchange_new(&o->limits))) {
		t->failed = true;
		return;
	}
	x->shown.response.status = t->reader.status;
	if (o->refuse)
		o->refuse(o->ctx, x->request.path, reason, &x->shown.response);
	x->answered = true;
	enqueue(t, x);
	flush(t);
}

static void accept_request(struct talk *t)
{
	struct exchange *x = reader_hand_over(&t->reader);

	t->last = t->last || t->winding || !x->keep_alive;
	enqueue(t, x);
	t->carrier->begin(t->ctx, x);
}

bool talk_full(const struct talk *t)
{
	return t->in_work >= t->carrier->options->limits.pipeline_max;
}

size_t talk_take(struct talk *t, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (used < n && !t->last && !talk_full(t)) {
		size_t step = reader_take(&t->reader, p + used, n - used);

		used += step;
		if (t->reader.at == READER_REFUSED)
			refuse(t);
		else if (t->reader.at == READER_DONE)
			accept_request(t);
	}
	send_continue(t);
	return t->last ? n : used;
}

void talk_answered(struct talk *t, struct exchange *x)
{
	x->answered = true;
	flush(t);
}

void talk_refuse(struct talk *t, int status, const char *reason)
{
	if (t->last)
		return;
	if (t->reader.at == READER_IDLE) {
		t->last = true;
		return;
	}
	reader_refuse(&t->reader, status, reason);
	refuse(t);
}

void talk_end(struct talk *t)
{
	t->last = t->hung_up = true;
	talk_stream(t);
}

void talk_wind_down(struct talk *t)
{
	t->winding = true;
	if (t->reader.at == READER_IDLE)
		t->last = true;
	talk_stream(t);
}

bool talk_over(const struct talk *t)
{
	return t->failed || (t->last && !t->first);
}

void talk_free(struct talk *t)
{
	forget(t->first);
	t->first = t->final = NULL;
	t->streams = false;
	reader_free(&t->reader);
}
