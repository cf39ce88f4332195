/*
 * fake_board.h -- a board for tests of the host side: the real console or setup dialogue on a
 * pseudo-terminal, a key in memory for an element, and every kind of misbehaviour on request.
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
#include "setup_board.h"
#include "sha256.h"

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
	bool setup;                    /* speaks setup, not the console */
	bool locked;                   /* and whether it is afterwards */
	const char *firmware, *latest; /* NULL: no Wi-Fi module */

	/* --- how it misbehaves; CONSOLE_START, NULL and false: not at all --- */
	enum console_step vanish_at; /* unplugged when this step begins ... */
	bool vanish_late;            /* ... or when its text has been printed */
	enum console_step mute_at;   /* prints nothing more from this step on */
	void (*csr_bend)(uint8_t *der, size_t *n, size_t cap); /* another request */
	unsigned csr_lines;                                    /* so many more lines of it */
	void (*fields_bend)(struct ccert *fields);             /* stores other fields */
	const char *typed_before;   /* what an earlier host typed, before it was killed */
	bool other_key;             /* rebuilds with another key */
	bool proves_wrong;          /* signs challenges with another key */
	bool conflict;              /* its chip is locked for ever with another configuration */
	bool refuses_store;         /* the chip refuses the certificate */
	enum setup_request deaf_to; /* does not answer from this request on */

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
	bool has_stored;
	unsigned keys; /* that were made */
	size_t heard;  /* bytes from the host */
	struct setup_board s;
	struct setup_platform s_platform;
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
	f->keys++;
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

	if (f->refuses_store)
		return ERR_DEVICE;
	f->stored = *fields;
	f->has_stored = true;
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

/* --- setup --- */

static const uint8_t fake_chip_serial[9] = { 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d };

static void fake_setup_put(void *ctx, const uint8_t *p, size_t n)
{
	const struct fake_board *f = ctx;

	if (!f->deaf_to || f->s.request < f->deaf_to)
		fake_write(f, (const char *)p, n);
}

static enum err fake_setup_info(void *ctx, struct setup_info *info)
{
	struct fake_board *f = ctx;

	memcpy(info->serial, fake_chip_serial, sizeof(info->serial));
	info->config_locked = info->data_locked = f->locked;
	info->has_key = f->key != NULL;
	if (f->key)
		p256_key_public(f->key, info->q);
	info->q[7] ^= f->other_key && f->has_stored;
	info->identity = f->has_stored ? SETUP_IDENTITY_WHOLE : SETUP_IDENTITY_NONE;
	return OK;
}

static enum err fake_setup_plan(void *ctx, struct slice profile, struct setup_plan *plan)
{
	const struct fake_board *f = ctx;

	if (!slice_equal(profile, TEXT("arduino")))
		return ERR_NOT_FOUND;
	plan->conflict = f->conflict;
	plan->steps = f->locked || f->conflict ? 0 : SETUP_STEP_LOCK_CONFIG | SETUP_STEP_LOCK_DATA;
	return OK;
}

static enum err fake_setup_lock(void *ctx, struct slice profile)
{
	(void)profile;
	return fake_lock(ctx);
}

static enum err fake_setup_read(void *ctx, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12])
{
	return ccert_pack(&((struct fake_board *)ctx)->stored, slot10, slot11, slot12);
}

static enum err fake_setup_sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct fake_board *f = ctx;
	struct p256_key *other = NULL;
	uint8_t digest[32];
	enum err e = OK;

	sha256(message, digest);
	if (f->proves_wrong)
		e = p256_key_generate(&other, NULL);
	if (e == OK)
		e = p256_sign(other ? other : f->key, digest, sig);
	p256_key_free(other);
	return e;
}

static struct setup_platform fake_setup_platform(struct fake_board *f)
{
	return (struct setup_platform){ .ctx = f,
		.program = "fake 1",
		.put = fake_setup_put,
		.info = fake_setup_info,
		.plan = fake_setup_plan,
		.lock = fake_setup_lock,
		.new_key = fake_new_key,
		.csr = fake_csr,
		.store_certificate = fake_store,
		.read_certificate = fake_setup_read,
		.sign = fake_setup_sign };
}

static void fake_setup_run(struct fake_board *f)
{
	uint8_t bytes[256];

	setup_board_init(&f->s, &f->s_platform);
	setup_board_announce(&f->s);
	while (!f->stop) {
		struct pollfd p = { .fd = f->master, .events = POLLIN };
		ssize_t n = poll(&p, 1, 10) > 0 ? read(f->master, bytes, sizeof(bytes)) : 0;

		if (n > 0)
			setup_board_take(&f->s, (struct slice){ bytes, (size_t)n });
		setup_board_elapsed(&f->s, 10);
	}
}

static void *fake_run(void *ctx)
{
	struct fake_board *f = ctx;
	uint8_t bytes[256];

	if (f->setup) {
		fake_setup_run(f);
		return NULL;
	}
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
			f->heard += (size_t)n;
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
	f->s_platform = fake_setup_platform(f);
	f->stop = f->begun = f->gone = false;
	f->heard = 0;
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
