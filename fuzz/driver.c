/*
 * What a secure element, or noise in its place, can answer: the driver reads nothing past its frame,
 * ends after a bounded number of transfers, and has tried to send the chip to rest whenever anything
 * acknowledged.
 *
 * Input: a byte for each transfer, then what it needs. 0 to 3 well-formed, 4 a status, 5 raw bytes, 6 not
 * acknowledged, 7 the port fails. When it is used up, nothing acknowledges any more.
 */
#include "fuzz.h"
#include "se_boot.h"
#include "se_identity.h"
#include "se_more.h"
#include "se_profile.h"
#include "se_secret.h"

#include <string.h>

struct bus {
	const uint8_t *p;
	size_t n, transfers;
	bool woken, heard;
};

static uint8_t next(struct bus *b, uint8_t otherwise)
{
	if (b->n == 0)
		return otherwise;
	b->n--;
	return *b->p++;
}

static enum err answer(struct bus *b, uint8_t how)
{
	b->transfers++;
	if (how % 8 >= 6)
		return how % 8 == 6 ? ERR_TIMEOUT : ERR_IO;
	b->heard = true;
	return OK;
}

static enum err bus_wake(void *ctx)
{
	struct bus *b = ctx;

	b->woken = true;
	b->transfers++;
	return b->n && *b->p == 0xff ? ERR_IO : OK;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	struct bus *b = ctx;
	enum err e = answer(b, next(b, 6));

	CHECK(n == 1 ? p[0] <= 2 : p[0] == 3 && p[1] == n - 1);
	if (p[0] == 1 || p[0] == 2)
		b->heard = false;
	return e;
}

static void crc(uint8_t *p, size_t n)
{
	unsigned r = 0;

	for (size_t i = 0; i < n * 8; i++)
		r = (r << 1 ^ (((r >> 15 ^ (unsigned)p[i / 8] >> i % 8) & 1) ? 0x8005u : 0)) &
		    0xffff;
	p[n] = (uint8_t)r;
	p[n + 1] = (uint8_t)(r >> 8);
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	struct bus *b = ctx;
	uint8_t how = next(b, 6);
	bool wake = b->woken;
	enum err e = answer(b, how);

	if (e != OK)
		return e;
	b->woken = false;
	memset(p, 0xff, n);
	if (how % 8 == 5) {
		for (size_t i = 0; i < n; i++)
			p[i] = next(b, 0xff);
	} else if (how % 8 == 4 || n == 4) {
		p[0] = 4;
		p[1] = how % 8 == 4 ? next(b, 0) : wake ? 0x11 : 0x00;
		crc(p, 2);
	} else {
		p[0] = (uint8_t)n;
		for (size_t i = 1; i < n - 2; i++)
			p[i] = next(b, 0);
		crc(p, n - 2);
	}
	return OK;
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	(void)ctx;
	CHECK(ms == 1);
}

/* What se_more.h and se_profile.h have. */
static enum err call_more(struct se *se, uint8_t which, const uint8_t *in)
{
	struct se_config_statement config;
	struct se_statement statement;
	uint8_t out[64];
	enum se_trust kind;
	uint32_t value;

	switch (which % 37) {
	case 19:
		return se_counter_read(se, which / 128, &value);
	case 20:
		return se_counter_increment(se, which / 128, NULL);
	case 21:
		return se_verify(se, in, in, in);
	case 22:
		return se_verify_stored(se, which / 37 + 8, in, in);
	case 23:
		return se_ecdh(se, 2, in, which & 32 ? out : NULL);
	case 24:
		return se_attest(se, 0, 1, which & 32, in, &statement);
	case 25:
		return se_attest_config(se, which / 66, 1, in, &config);
	case 26:
		return se_update_extra(se, which / 128, 1);
	case 27:
		return se_lock_slot(se, 10 + which / 66, (struct slice){ in, 72 });
	case 28:
		return se_otp_read(se, out);
	case 29:
		return se_trust(se, &kind);
	case 30:
		return se_identity_key(se, out);
	case 31:
		return se_identity_store(se, in, in, in);
	case 32:
		return se_gendig(se, which / 74, 2, (struct slice){ in, which & 32 });
	case 33:
		return se_mac(se, 0, 9, in, out);
	case 34:
		return se_checkmac(se, 0, 9, in, in, in);
	case 35:
		return se_hmac(se, 9, (struct slice){ in, which / 2u }, out);
	default:
		return se_lock(se, &se_profile_attestation);
	}
}

/* What se_secret.h and se_boot.h have, less Pause, which alone leaves a chip awake. */
static enum err call_secret(struct se *se, uint8_t which, const uint8_t *in)
{
	const struct se_shared with = { 3, in, in };
	const struct se_boot_io io = { in, in };
	struct se_kdf kdf = { .algorithm = SE_KDF_PRF,
		.to = SE_KDF_TO_HOST_SEALED,
		.details = SE_KDF_OUT_64,
		.message = { in, 100 } };
	struct se_validation v = { .said = { 0 } };
	uint8_t out[96], failed = 0;
	enum err e;

	switch (which) {
	case 0:
		return se_read_encrypted(se, &with, 5, 0, out);
	case 1:
		return se_write_encrypted(se, &with, 5, 0, in);
	case 2:
		return se_privwrite(se, &with, 0, in);
	case 3:
		return se_privwrite(se, NULL, 0, in);
	case 4:
		return se_derivekey(se, 0, 7, in);
	case 5:
		return se_hmac_tempkey(se, 0, 3, out);
	case 6:
		return se_kdf(se, &kdf, out);
	case 7:
		return se_aes_decrypt(se, SE_TEMPKEY, 1, in, out);
	case 8:
		return se_aes_gfm(se, in, in, out);
	case 9:
		return se_secureboot(se, &io, SE_BOOT_FULL, in, in);
	case 10:
		return se_secureboot(se, NULL, SE_BOOT_STORED, in, NULL);
	case 11:
		e = se_selftest(se, SE_TEST_ALL, &failed);
		CHECK((e != OK && se->fault == SE_SELF_TEST && failed) || !failed);
		return e;
	case 12:
		return se_ecdh_sealed(se, 2, in, in, out);
	case 13:
		return se_verify_sealed(se, in, in, in, in, in);
	case 14:
		return se_validation_make(se, 15, 1, true, in, &v);
	default:
		return se_validate(se, 15, false, &v);
	}
}

static enum err call(struct se *se, uint8_t which)
{
	static const uint8_t in[144];
	uint8_t out[144];
	struct se_locks locks;
	size_t n = 0;

	if (which >= 240)
		return call_secret(se, which - 240, in);
	switch (which % 37) {
	case 0:
		return se_serial(se, out);
	case 1:
		return se_random(se, out);
	case 2:
		return se_config_read(se, out);
	case 3:
		return se_slot_read(se, which / 37, which & 4, out, 68);
	case 4:
		return se_slot_write(se, which / 37, which & 4, (struct slice){ in, 68 });
	case 5:
		return se_nonce_load(se, in);
	case 6:
		return se_genkey(se, 0, out);
	case 7:
		return se_public(se, 0, out);
	case 8:
		return se_sign(se, 0, in, out);
	case 9:
		return se_sha256(se, (struct slice){ in, which / 2u }, out);
	case 10:
		return se_cert_write(se, in, in, in);
	case 11:
		return se_cert_read(se, out, out + 72, out + 108);
	case 12:
		return se_cert_erase(se);
	case 13:
		return se_locks(se, &locks);
	case 14:
		return se_profile_diff(se, &se_profile_arduino, out, which / 37, &n);
	case 15:
		return se_profile_write(se, &se_profile_arduino);
	case 16:
		return se_lock_config(se, &se_profile_arduino);
	case 17:
		return se_lock_data(se, &se_profile_arduino);
	case 18:
		return se_lock(se, &se_profile_arduino);
	default:
		return call_more(se, which, in);
	}
}

static void judge(const struct se *se, const struct bus *b, enum err e)
{
	CHECK(!b->heard);
	if (e != OK)
		CHECK(se->fault != SE_FINE && se->fault < SE_FAULTS && se_fault_text(se->fault));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus bus = { .p = data, .n = size };
	const struct se_hal hal = { &bus, bus_wake, bus_send, bus_recv, bus_wait_ms };
	struct se se;

	judge(&se, &bus, se_open(&se, &hal));
	while (bus.n) {
		size_t left = bus.n;

		bus.transfers = 0;
		judge(&se, &bus, call(&se, next(&bus, 0)));
		CHECK(bus.transfers <= 3 * left + 5000);
	}
	se_close(&se);
	CHECK(!bus.heard);
	return 0;
}
