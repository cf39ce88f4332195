/*
 * transcript.h -- plays what a real board printed, and knows from the echo what the host must type.
 *
 * A `struct play` is a copy of a recorded transcript with its gates: the ends of prompts, where the
 * board waits for a line. Noise and repeats are inserted before playing; the gates move along.
 */
#ifndef IMPRINT_TRANSCRIPT_H
#define IMPRINT_TRANSCRIPT_H

#include <string.h>
#include "tap.h"
#include "console_host.h"
#include "text.h"
#include "vectors.h"

#define GATES_MAX 12
#define PLAY_MAX 4096

struct play {
	char text[PLAY_MAX];
	size_t n, n_gates;
	struct gate {
		size_t at;       /* the prompt ends here */
		char typed[140]; /* what the host must type, with LF */
	} gates[GATES_MAX];
	struct ccert fields; /* of the certificate in the transcript */
	char device_id[CCERT_DEVICE_ID];
	struct slice cert; /* its DER */
	uint8_t cert_bytes[CCERT_CERT_MAX], q[64];
};

static inline size_t play_find(const char *text, size_t n, size_t from, const char *what)
{
	size_t m = strlen(what);

	for (; from + m <= n; from++)
		if (memcmp(text + from, what, m) == 0)
			return from;
	return n;
}

static inline void play_add_gate(struct play *p, size_t prompt)
{
	struct gate *g = &p->gates[p->n_gates++];
	size_t end, start = play_find(p->text, p->n, prompt, ": ") + 2;

	for (end = start; p->text[end] != '\r'; end++)
		g->typed[end - start] = p->text[end];
	g->typed[end - start] = '\n';
	g->typed[end - start + 1] = '\0';
	g->at = start;
}

/* Finds gates, certificate and fields in a recorded transcript. */
static inline void play_read(struct play *p, struct slice transcript)
{
	static const char *const prompts[] = { "Your ", "Would you ", "Please enter " };
	size_t hex, end;

	memset(p, 0, sizeof(*p));
	memcpy(p->text, transcript.p, transcript.n);
	p->n = transcript.n;
	for (size_t line = 0; line < p->n; line = play_find(p->text, p->n, line, "\n") + 1)
		for (size_t i = 0; i < COUNT(prompts); i++)
			if (strncmp(p->text + line, prompts[i], strlen(prompts[i])) == 0)
				play_add_gate(p, line);
	hex = play_find(p->text, p->n, 0, "Compressed cert = \r\n") + 20;
	end = play_find(p->text, p->n, hex, "\r");
	p->cert = (struct slice){ p->cert_bytes, (end - hex) / 2 };
	if (p->n_gates != GATES_MAX - 1 ||
	    hex_decode((struct slice){ (uint8_t *)p->text + hex, end - hex }, p->cert_bytes,
	        p->cert.n) != OK ||
	    ccert_from_cert(p->cert, &p->fields, p->q) != OK)
		ok(false, "transcript holds 11 prompts and a certificate");
	memcpy(p->device_id, p->fields.device_id, sizeof(p->device_id));
}

/* Recorded transcript t, fresh. */
static inline void play_load(struct play *p, size_t t)
{
	static struct play read[4];

	if (read[t].n == 0)
		play_read(&read[t], vector_transcripts[t].bytes);
	*p = read[t];
	p->cert.p = p->cert_bytes;
}

static inline void play_insert(struct play *p, size_t at, const char *what)
{
	size_t m = strlen(what);

	memmove(p->text + at + m, p->text + at, p->n - at);
	memcpy(p->text + at, what, m);
	p->n += m;
	for (size_t i = 0; i < p->n_gates; i++)
		if (p->gates[i].at > at)
			p->gates[i].at += m;
}

/* The transcript ends at `at`. */
static inline void play_cut(struct play *p, size_t at)
{
	p->n = at;
	while (p->n_gates > 0 && p->gates[p->n_gates - 1].at > at)
		p->n_gates--;
}

/* What happened while playing. */
struct played {
	enum console_event last;
	unsigned locks, csrs, certs, firmwares;
	bool typed_right; /* at every gate exactly the echoed line */
	bool csr_right;   /* the key of the transcript's certificate */
};

/* How the bytes are cut: a piece of 1..max bytes. */
struct cutter {
	size_t max;
	uint32_t state; /* xorshift; 0: always max */
};

static inline size_t cutter_next(struct cutter *c)
{
	if (c->state == 0)
		return c->max;
	c->state ^= c->state << 13;
	c->state ^= c->state >> 17;
	c->state ^= c->state << 5;
	return 1 + (c->state & 0xffff) % c->max;
}

static inline void play_event(
    const struct play *p, struct console_host *h, enum console_event event, struct played *r)
{
	r->last = event;
	r->locks += event == CONSOLE_LOCK_ASKED;
	r->csrs += event == CONSOLE_CSR_READY;
	r->certs += event == CONSOLE_CERT_READY;
	r->firmwares += event == CONSOLE_FIRMWARE;
	if (event == CONSOLE_LOCK_ASKED && console_host_lock(h, true) != OK)
		r->typed_right = false;
	if (event == CONSOLE_CSR_READY) {
		r->csr_right = memcmp(h->q, p->q, sizeof(p->q)) == 0;
		if (console_host_certificate(h, &p->fields) != OK)
			r->typed_right = false;
	}
}

static inline void play_feed(const struct play *p, struct console_host *h, size_t from, size_t to,
    struct cutter *cut, struct played *r)
{
	while (from < to) {
		size_t n = cutter_next(cut);
		struct slice in = { (const uint8_t *)p->text + from,
			n < to - from ? n : to - from };
		enum console_event event;

		from += in.n;
		while ((event = console_host_take(h, &in)) != CONSOLE_NOTHING)
			play_event(p, h, event, r);
	}
}

/* Takes what the host sends, in pieces of up to 3 bytes, and compares it with the gate's line. */
static inline bool play_typed(const struct gate *g, struct console_host *h)
{
	char got[200];
	size_t n = 0;
	struct slice out;

	while ((out = console_host_output(h)).n > 0 && n + 3 < sizeof(got)) {
		size_t some = out.n < 3 ? out.n : 3;

		memcpy(got + n, out.p, some);
		n += some;
		console_host_sent(h, some);
	}
	return n == strlen(g->typed) && memcmp(got, g->typed, n) == 0;
}

static inline void play_settle(
    const struct play *p, struct console_host *h, uint32_t ms, struct played *r)
{
	enum console_event event;

	for (; (event = console_host_elapsed(h, ms)) != CONSOLE_NOTHING; ms = 0)
		play_event(p, h, event, r);
}

/* The whole conversation: print up to a gate, take the typed line, go on. */
static inline struct played play(const struct play *p, struct console_host *h, struct cutter cut)
{
	struct played r = { .typed_right = true };
	size_t at = 0;

	console_host_init(h, p->device_id, &console_limits_default);
	for (size_t i = 0; i < p->n_gates; i++) {
		play_feed(p, h, at, p->gates[i].at, &cut, &r);
		at = p->gates[i].at;
		if (!play_typed(&p->gates[i], h))
			r.typed_right = false;
		play_settle(p, h, 20, &r);
	}
	play_feed(p, h, at, p->n, &cut, &r);
	return r;
}

/* Everything as it must be after a good run. */
static inline bool play_good(
    const struct play *p, const struct console_host *h, const struct played *r)
{
	return r->last == CONSOLE_FINISHED && r->locks == 1 && r->csrs == 1 && r->certs == 1 &&
	       r->typed_right && r->csr_right && h->step == CONSOLE_DONE &&
	       h->cause == CONSOLE_FINE && h->differs == CCERT_SAME && h->locked_now &&
	       slice_equal(h->der, p->cert);
}

#endif
