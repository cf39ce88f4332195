/*
 * The board side of the console: whatever is typed, what is stored fits the format, is stored in
 * order and at most once, and the output is bounded.
 *
 * Input: a byte of switches (wording, locked, which platform function fails), then what is typed; a
 * byte 0x1b stands for six silent seconds.
 */
#include <string.h>
#include "console_board.h"
#include "csr.h"
#include "fuzz.h"

#define SILENCE 0x1b

struct chip {
	uint8_t fails, calls; /* the how manieth call fails; 0: none */
	bool locked, key, csr, id, stored;
	size_t printed;
	char last;
	uint8_t slot10[72], slot11[36], slot12[72], q[64];
};

static enum err called(struct chip *c)
{
	return ++c->calls == c->fails ? ERR_DEVICE : OK;
}

static void put(void *ctx, const char *text, size_t n)
{
	struct chip *c = ctx;

	c->printed += n;
	if (n > 0)
		c->last = text[n - 1];
}

static bool present(void *ctx)
{
	return called(ctx) == OK;
}

static bool locked(void *ctx)
{
	return ((struct chip *)ctx)->locked;
}

static enum err write_config(void *ctx)
{
	CHECK(!locked(ctx));
	return called(ctx);
}

static enum err lock(void *ctx)
{
	struct chip *c = ctx;

	CHECK(!c->locked);
	c->locked = true;
	return called(c);
}

static enum err new_key(void *ctx)
{
	struct chip *c = ctx;

	CHECK(c->locked && !c->key);
	c->key = true;
	memset(c->q, 0x5a, sizeof(c->q));
	return called(c);
}

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	CHECK(message.n > 0);
	memset(sig, 0x11, 64);
	return called(ctx);
}

static enum err csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct chip *c = ctx;
	struct x509_name name = { .at[X509_CN] = common_name };
	struct x509_signer signer = { c, sign };

	CHECK(c->key && !c->csr && common_name.n <= CONSOLE_ANSWER_MAX);
	c->csr = true;
	return csr_build(&name, c->q, &signer, w);
}

static enum err store_device_id(void *ctx, const uint8_t slot12[72])
{
	struct chip *c = ctx;

	CHECK(c->csr && !c->id);
	c->id = true;
	memcpy(c->slot12, slot12, 72);
	return called(c);
}

static enum err store_certificate(void *ctx, const struct ccert *fields)
{
	struct chip *c = ctx;
	uint8_t dates[3];

	CHECK(c->id && !c->stored && memcmp(c->slot12, fields->device_id, 36) == 0);
	CHECK(ccert_dates_pack(&fields->issued, fields->years, dates) == OK);
	c->stored = true;
	if (ccert_pack(fields, c->slot10, c->slot11, c->slot12) != OK)
		return ERR_ARG;
	return called(c);
}

static enum err rebuild(void *ctx, struct der_w *w)
{
	struct chip *c = ctx;
	struct ccert fields;
	enum err e;

	CHECK(c->stored);
	if ((e = ccert_unpack(c->slot10, c->slot11, c->slot12, &fields)) != OK)
		return e;
	ccert_cert_put(w, &fields, c->q);
	return called(c);
}

static const char *wifi_firmware(void *ctx)
{
	CHECK(((struct chip *)ctx)->stored);
	return "1.4.8";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chip chip = { 0 };
	struct console_platform platform = { &chip, put, present, locked, write_config, lock,
		new_key, csr, store_device_id, store_certificate, rebuild, wifi_firmware, "1.5.0" };
	struct console_board b;

	if (size == 0)
		return 0;
	chip.locked = (data[0] & 2) != 0;
	chip.fails = data[0] >> 4;
	if ((data[0] & 4) != 0)
		platform.wifi_firmware = NULL;
	console_board_init(&b, (data[0] & 1) != 0 ? CONSOLE_2020 : CONSOLE_TODAY, &platform);
	console_board_start(&b);
	for (size_t i = 1; i < size; i++) {
		if (data[i] == SILENCE)
			console_board_elapsed(&b, 6000);
		else
			console_board_take(&b, (struct slice){ data + i, 1 });
		CHECK(b.line_n <= CONSOLE_ANSWER_MAX && b.step < CONSOLE_STEPS && chip.last != 0);
	}
	CHECK(b.cause != CONSOLE_FINE || b.step != CONSOLE_DONE || chip.stored);
	/* A repeated prompt, the echo of every byte, and one run's own texts. */
	CHECK(chip.printed <= 4096 + 80 * size);
	return 0;
}
