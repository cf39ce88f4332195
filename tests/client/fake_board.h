/*
 * fake_board.h -- a board for tests of the host side: the real console dialogue on a pseudo-terminal,
 * a key in memory for an element, and every kind of misbehaviour on request.
 *
 *	struct fake_board b = { .wording = CONSOLE_TODAY };
 *	fake_board_start(&b);           // b.path is the serial port
 *	...
 *	fake_board_stop(&b);            // also after it has gone by itself
 */
#ifndef IMPRINT_FAKE_BOARD_H
#define IMPRINT_FAKE_BOARD_H

#include "console_board.h"
#include "csr.h"
#include "p256.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct fake_board {
	/* --- what it is --- */
	enum console_wording wording;
	bool locked;                   /* and whether it is afterwards */
	const char *firmware, *latest; /* NULL: no Wi-Fi module */

	/* --- how it misbehaves; CONSOLE_START, NULL and false: not at all --- */
	enum console_step vanish_at; /* unplugged when this step begins ... */
	bool vanish_late;            /* ... or when its text has been printed */
	enum console_step mute_at;   /* prints nothing more from this step on */
	void (*csr_bend)(uint8_t *der, size_t *n, size_t cap); /* another request */
	unsigned csr_lines;                                    /* so many more lines of it */
	void (*fields_bend)(struct ccert *fields);             /* stores other fields */
	const char *typed_before; /* what an earlier host typed, before it was killed */
	bool other_key;           /* rebuilds with another key */

	/* --- private --- */
	char path[64];
	int master, slave;
	atomic_bool begun, stop, reset;
	bool gone;
	pthread_t thread;
	struct console_board b;
	struct console_platform platform;
	struct p256_key *key;
	struct ccert stored;
};

static void fake_write(const struct fake_board *f, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t put = write(f->master, text, n);

		if (put <= 0)
			break;
		text += put;
		n -= (size_t)put;
	}
}

static void fake_put(void *ctx, const char *text, size_t n)
{
	static const char line[] =
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
	struct fake_board *f = ctx;
	const char *end = f->b.step == CONSOLE_CSR ? memmem(text, n, "-----END ", 9) : NULL;

	if (f->vanish_at && f->b.step >= f->vanish_at && !f->vanish_late)
		f->gone = true;
	if (f->gone || (f->mute_at && f->b.step >= f->mute_at))
		return;
	if (end) {
		fake_write(f, text, (size_t)(end - text));
		for (unsigned i = 0; i < f->csr_lines; i++)
			fake_write(f, line, sizeof(line) - 1);
		n -= (size_t)(end - text);
		text = end;
	}
	fake_write(f, text, n);
	if (f->vanish_at && f->b.step >= f->vanish_at)
		f->gone = true;
}

static bool fake_present(void *ctx)
{
	(void)ctx;
	return true;
}

static bool fake_locked(void *ctx)
{
	return ((struct fake_board *)ctx)->locked;
}

static enum err fake_write_config(void *ctx)
{
	(void)ctx;
	return OK;
}

static enum err fake_lock(void *ctx)
{
	((struct fake_board *)ctx)->locked = true;
	return OK;
}

static enum err fake_new_key(void *ctx)
{
	struct fake_board *f = ctx;

	p256_key_free(f->key);
	f->key = NULL;
	return p256_key_generate(&f->key, NULL);
}

static enum err fake_csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct fake_board *f = ctx;
	struct x509_name name = { .at[X509_CN] = common_name };
	struct x509_signer signer = p256_signer(f->key);
	size_t before = w->n, n;
	uint8_t q[64];
	enum err e;

	p256_key_public(f->key, q);
	e = csr_build(&name, q, &signer, w);
	if (e == OK && f->csr_bend) {
		n = w->n - before;
		f->csr_bend(w->p + before, &n, w->cap - before);
		w->n = before + n;
	}
	return e;
}

static enum err fake_store_id(void *ctx, const uint8_t slot12[72])
{
	(void)ctx;
	(void)slot12;
	return OK;
}

static enum err fake_store(void *ctx, const struct ccert *fields)
{
	struct fake_board *f = ctx;

	f->stored = *fields;
	if (f->fields_bend)
		f->fields_bend(&f->stored);
	return OK;
}

static enum err fake_rebuild(void *ctx, struct der_w *w)
{
	struct fake_board *f = ctx;
	uint8_t q[64];

	p256_key_public(f->key, q);
	q[7] ^= f->other_key;
	ccert_cert_put(w, &f->stored, q);
	return w->err;
}

static const char *fake_firmware(void *ctx)
{
	return ((struct fake_board *)ctx)->firmware;
}

static void *fake_run(void *ctx)
{
	struct fake_board *f = ctx;
	uint8_t bytes[256];

	console_board_init(&f->b, f->wording, &f->platform);
	console_board_start(&f->b);
	if (f->typed_before)
		console_board_take(&f->b,
		    (struct slice){ (const uint8_t *)f->typed_before, strlen(f->typed_before) });
	f->begun = true;
	while (!f->stop && !f->gone) {
		struct pollfd p = { .fd = f->master, .events = POLLIN };
		ssize_t n = poll(&p, 1, 10) > 0 ? read(f->master, bytes, sizeof(bytes)) : 0;

		if (n > 0)
			console_board_take(&f->b, (struct slice){ bytes, (size_t)n });
		console_board_elapsed(&f->b, 10);
		if (f->reset) {
			console_board_init(&f->b, f->wording, &f->platform);
			f->reset = false;
			console_board_start(&f->b);
		}
	}
	if (f->gone) {
		close(f->master);
		f->master = -1;
	}
	return NULL;
}

/* The key stays from one start to the next, as in an element. False when there is no terminal. */
static bool fake_board_start(struct fake_board *f)
{
	struct termios raw;

	f->platform = (struct console_platform){ f, fake_put, fake_present, fake_locked,
		fake_write_config, fake_lock, fake_new_key, fake_csr, fake_store_id, fake_store,
		fake_rebuild, f->firmware ? fake_firmware : NULL, f->latest };
	f->stop = f->begun = f->gone = false;
	f->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (f->master < 0 || grantpt(f->master) != 0 || unlockpt(f->master) != 0 ||
	    ptsname_r(f->master, f->path, sizeof(f->path)) != 0)
		return false;
	/* Kept open, so that the terminal is raw before the first byte and stays so. */
	f->slave = open(f->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (f->slave < 0 || tcgetattr(f->slave, &raw) != 0)
		return false;
	cfmakeraw(&raw);
	if (tcsetattr(f->slave, TCSANOW, &raw) != 0 ||
	    pthread_create(&f->thread, NULL, fake_run, f) != 0)
		return false;
	while (f->typed_before && !f->begun) /* what was typed then has been answered */
		usleep(1000);
	return true;
}

/* The reset button; returns when the sketch begins again. */
static void fake_board_reset(struct fake_board *f)
{
	f->reset = true;
	while (f->reset)
		usleep(1000);
}

static void fake_board_stop(struct fake_board *f)
{
	f->stop = true;
	pthread_join(f->thread, NULL);
	if (f->master >= 0)
		close(f->master);
	close(f->slave);
}

#endif
