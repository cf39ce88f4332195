/*
 * fake_board.h -- a board without a chip: slots in memory, a key and a signature from the vectors,
 * and a place where any of its functions can be made to fail.
 */
#ifndef IMPRINT_FAKE_BOARD_H
#define IMPRINT_FAKE_BOARD_H

#include <string.h>
#include "console_board.h"
#include "csr.h"
#include "tap.h"
#include "vectors.h"

enum fake_call {
	FAKE_NONE,
	FAKE_PRESENT,
	FAKE_CONFIG,
	FAKE_LOCK,
	FAKE_NEW_KEY,
	FAKE_CSR,
	FAKE_ID,
	FAKE_STORE,
	FAKE_REBUILD,
	FAKE_CALLS
};

struct fake_board {
	bool locked, has_key;
	enum fake_call fails; /* this one fails, with `error` */
	enum err error;
	bool swaps_dates, swaps_ids, swaps_halves; /* a board that mixes up what it was told */
	bool other_key;                            /* rebuilds with a key that is not the CSR's */
	char calls[64];                            /* "LKCISR": what was called, in order */
	size_t n_calls;
	uint8_t slot10[72], slot11[36], slot12[72], q[64];
	struct ccert given; /* what store_certificate got */
	const char *firmware;
	char out[8192]; /* what it printed and nobody took yet */
	size_t out_n;
};

static inline void fake_put(void *ctx, const char *text, size_t n)
{
	struct fake_board *f = ctx;

	if (f->out_n + n > sizeof(f->out)) {
		ok(false, "a board does not print that much");
		return;
	}
	memcpy(f->out + f->out_n, text, n);
	f->out_n += n;
}

static inline enum err fake_call(struct fake_board *f, enum fake_call call, char letter)
{
	if (f->n_calls < sizeof(f->calls) - 1)
		f->calls[f->n_calls++] = letter;
	return f->fails == call ? f->error : OK;
}

static inline bool fake_present(void *ctx)
{
	struct fake_board *f = ctx;

	return f->fails != FAKE_PRESENT;
}

static inline bool fake_locked(void *ctx)
{
	struct fake_board *f = ctx;

	return f->locked;
}

static inline enum err fake_config(void *ctx)
{
	return fake_call(ctx, FAKE_CONFIG, 'W');
}

static inline enum err fake_lock(void *ctx)
{
	struct fake_board *f = ctx;
	enum err e = fake_call(f, FAKE_LOCK, 'L');

	f->locked |= e == OK;
	return e;
}

static inline enum err fake_new_key(void *ctx)
{
	struct fake_board *f = ctx;
	enum err e = fake_call(f, FAKE_NEW_KEY, 'K');

	f->has_key |= e == OK;
	return e;
}

static inline enum err fake_sign(void *ctx, struct slice message, uint8_t sig[64])
{
	(void)ctx;
	(void)message;
	memcpy(sig, vector_certs[0].sig.p, 64); /* only its form is looked at here */
	return OK;
}

static inline enum err fake_csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct fake_board *f = ctx;
	struct x509_name name = { .at[X509_CN] = common_name };
	struct x509_signer signer = { NULL, fake_sign };
	enum err e = fake_call(f, FAKE_CSR, 'C');

	if (e != OK || !f->has_key)
		return e != OK ? e : ERR_DEVICE;
	memcpy(f->q, vector_certs[0].q.p, sizeof(f->q));
	return csr_build(&name, f->q, &signer, w);
}

static inline enum err fake_store_id(void *ctx, const uint8_t slot12[72])
{
	struct fake_board *f = ctx;

	memcpy(f->slot12, slot12, 72);
	return fake_call(f, FAKE_ID, 'I');
}

static inline enum err fake_store(void *ctx, const struct ccert *fields)
{
	struct fake_board *f = ctx;
	struct ccert c = *fields;
	enum err e = fake_call(f, FAKE_STORE, 'S');

	f->given = *fields;
	if (f->swaps_dates) {
		c.issued.month = fields->issued.day;
		c.issued.day = fields->issued.month;
	}
	if (f->swaps_ids) /* the serial where the key identifier belongs, as far as it goes */
		memcpy(c.aki, fields->serial, sizeof(c.serial));
	if (f->swaps_halves) {
		memcpy(c.sig, fields->sig + 32, 32);
		memcpy(c.sig + 32, fields->sig, 32);
	}
	return e != OK ? e : ccert_pack(&c, f->slot10, f->slot11, f->slot12);
}

static inline enum err fake_rebuild(void *ctx, struct der_w *w)
{
	struct fake_board *f = ctx;
	struct ccert c;
	enum err e = fake_call(f, FAKE_REBUILD, 'R');

	if (e != OK || (e = ccert_unpack(f->slot10, f->slot11, f->slot12, &c)) != OK)
		return e;
	if (f->other_key)
		f->q[0] ^= 1;
	ccert_cert_put(w, &c, f->q);
	return OK;
}

static inline const char *fake_firmware(void *ctx)
{
	struct fake_board *f = ctx;

	return f->firmware;
}

/* firmware: NULL for a board without Wi-Fi module. */
static inline struct console_platform fake_platform(
    struct fake_board *f, bool locked, const char *firmware)
{
	memset(f, 0, sizeof(*f));
	f->locked = locked;
	f->firmware = firmware;
	return (struct console_platform){ f, fake_put, fake_present, fake_locked, fake_config,
		fake_lock, fake_new_key, fake_csr, fake_store_id, fake_store, fake_rebuild,
		firmware == NULL ? NULL : fake_firmware, "1.5.0" };
}

#endif
