#include "sketch.h"
#include "board.h"
#include "csr.h"

#include <string.h>

/* --- the terminal: collected, since the dialogue speaks in small pieces --- */

static void flush(struct sketch *s)
{
	terminal_write(s->terminal, s->out, s->out_n);
	s->out_n = 0;
}

static void put(void *ctx, const char *text, size_t n)
{
	struct sketch *s = ctx;

	while (n > 0) {
		size_t part = sizeof(s->out) - s->out_n;

		if (part > n)
			part = n;
		memcpy(s->out + s->out_n, text, part);
		s->out_n += part;
		text += part;
		n -= part;
		if (s->out_n == sizeof(s->out))
			flush(s);
	}
}

/* --- the chip --- */

/* What was said before the chip works is read before it is done. */
static struct se *chip(struct sketch *s)
{
	flush(s);
	return &s->se;
}

static enum err result(struct sketch *s, enum err e)
{
	if (e != OK && s->fault != NULL)
		s->fault(s->ctx, se_fault_text(s->se.fault));
	return e;
}

static bool present(void *ctx)
{
	struct sketch *s = ctx;

	flush(s);
	return result(s, se_open(&s->se, &s->bus.hal)) == OK;
}

static bool locked(void *ctx)
{
	struct sketch *s = ctx;
	struct se_locks locks;

	return result(s, se_locks(chip(s), &locks)) == OK && locks.config && locks.data;
}

/* A half-locked chip has its configuration for ever; se_lock compares it before it goes on. */
static enum err write_config(void *ctx)
{
	struct sketch *s = ctx;
	struct se_locks locks;
	enum err e = se_locks(chip(s), &locks);

	if (e == OK && !locks.config)
		e = se_profile_write(&s->se, &se_profile_arduino);
	return result(s, e);
}

static enum err lock(void *ctx)
{
	struct sketch *s = ctx;

	return result(s, se_lock(chip(s), &se_profile_arduino));
}

static enum err new_key(void *ctx)
{
	struct sketch *s = ctx;
	uint8_t q[64];

	return result(s, se_genkey(chip(s), SE_SLOT_DEVICE_KEY, q));
}

/* The chip hashes and signs, as it does on a board. */
static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

static enum err csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct sketch *s = ctx;
	struct x509_name subject = { .at[X509_CN] = common_name };
	struct x509_signer signer = { &s->se, sign };
	uint8_t q[64];
	enum err e;

	if ((e = se_public(chip(s), SE_SLOT_DEVICE_KEY, q)) != OK)
		return result(s, e);
	return result(s, csr_build(&subject, q, &signer, w));
}

static enum err store_device_id(void *ctx, const uint8_t slot12[72])
{
	struct sketch *s = ctx;

	return result(
	    s, se_slot_write(chip(s), SE_SLOT_DEVICE_ID, 0, (struct slice){ slot12, 72 }));
}

static enum err store_certificate(void *ctx, const struct ccert *fields)
{
	struct sketch *s = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum err e = ccert_pack(fields, slot10, slot11, slot12);

	if (e != OK)
		return e;
	return result(s, se_cert_write(chip(s), slot10, slot11, slot12));
}

static enum err rebuild(void *ctx, struct der_w *w)
{
	struct sketch *s = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64];
	struct ccert fields;
	enum err e;

	if ((e = se_public(chip(s), SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = se_cert_read(&s->se, slot10, slot11, slot12)) != OK)
		return result(s, e);
	if ((e = ccert_unpack(slot10, slot11, slot12, &fields)) != OK)
		return e;
	ccert_cert_put(w, &fields, q);
	return OK;
}

static const char *wifi_firmware(void *ctx)
{
	const struct sketch *s = ctx;

	return s->wifi;
}

/* --- running --- */

enum err sketch_init(struct sketch *s, const char *element_socket, struct terminal *terminal,
    enum console_wording wording, const char *wifi, struct errbuf *eb)
{
	memset(s, 0, sizeof(*s));
	if (sei2c_init(&s->bus, element_socket, SEI2C_ADDRESS) != OK)
		return err_set(eb, ERR_ARG, "%s: a socket's path has 1 to %d bytes", element_socket,
		    SEI2C_PATH_MAX);
	s->terminal = terminal;
	s->wording = wording;
	s->wifi = wifi;
	s->platform = (struct console_platform){ .ctx = s,
		.put = put,
		.present = present,
		.locked = locked,
		.write_config = write_config,
		.lock = lock,
		.new_key = new_key,
		.csr = csr,
		.store_device_id = store_device_id,
		.store_certificate = store_certificate,
		.rebuild = rebuild,
		.wifi_firmware = wifi == NULL ? NULL : wifi_firmware,
		.wifi_latest = BOARD_WIFI_LATEST };
	console_board_init(&s->console, wording, &s->platform);
	return OK;
}

/* The bus begins anew too, as after Wire.begin(): the chip behind it may be another process by now. */
void sketch_start(struct sketch *s)
{
	sei2c_close(&s->bus);
	s->out_n = 0;
	console_board_init(&s->console, s->wording, &s->platform);
	console_board_start(&s->console);
	flush(s);
}

void sketch_typed(struct sketch *s, struct slice in)
{
	console_board_take(&s->console, in);
	flush(s);
}

void sketch_elapsed(struct sketch *s, uint32_t ms)
{
	console_board_elapsed(&s->console, ms);
	flush(s);
}

bool sketch_is_over(const struct sketch *s)
{
	return s->console.cause != CONSOLE_FINE || s->console.step == CONSOLE_DONE;
}

void sketch_close(struct sketch *s)
{
	if (s->se.hal != NULL && s->bus.fd >= 0)
		se_close(&s->se);
	sei2c_close(&s->bus);
}
