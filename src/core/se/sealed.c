/* What the 608 sends under its IO protection key, and keys that live in TempKey alone. */
#include "se_exchange.h"
#include "se_secret.h"
#include "sha256.h"

#include <string.h>

static const struct se_command_form ecdh_sealed_form = { 0x43, 0x0e, 64, 64, { 58, 75 } };
static const struct se_command_form ecdh_ephemeral_form = { 0x43, 0x0d, 64, 32, { 58, 75 } };
/* 64 bytes into the message digest buffer. */
static const struct se_command_form load_form = { 0x16, 0x63, 64, 0, { 29, 20 } };
/* External key, digest from that buffer, with MAC. */
static const struct se_command_form verify_form = { 0x45, 0xa2, 128, 32, { 72, 105 } };

#define CREATE (0x04ul << 16)
#define CURVE_P256 4

enum err se_ecdh_sealed(
    struct se *se, unsigned slot, const uint8_t q[64], const uint8_t io_key[32], uint8_t secret[32])
{
	uint8_t sealed[64];
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	se->in = q;
	if ((e = se_idle(se, se_exchange_other(se, &ecdh_sealed_form, slot, sealed))) == OK)
		se_io_open(io_key, sealed, 32, secret);
	wipe(sealed, sizeof(sealed));
	return e;
}

enum err se_genkey_ephemeral(struct se *se, uint8_t q[64])
{
	return se_idle(se, se_exchange(se, SE_GENKEY, SE_TEMPKEY | CREATE, q));
}

enum err se_ecdh_ephemeral(struct se *se, const uint8_t q[64], uint8_t secret[32])
{
	se->in = q;
	return se_idle(se, se_exchange_other(se, &ecdh_ephemeral_form, 0, secret));
}

/* SHA-256(io_key | digest | nonce | signature | 45 param1 param2): the answer of a chip that agrees. */
static enum err check_mac(struct se *se, const uint8_t io_key[32], const uint8_t loaded[64],
    const uint8_t sig[64], const uint8_t mac[32])
{
	static const uint8_t header[4] = { 0x45, 0xa2, CURVE_P256, 0 };
	uint8_t want[32];
	struct sha256 h;
	bool same;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ io_key, 32 });
	sha256_update(&h, (struct slice){ loaded, 64 });
	sha256_update(&h, (struct slice){ sig, 64 });
	sha256_update(&h, SLICE(header));
	sha256_final(&h, want);
	same = ct_equal(mac, want, 32);
	wipe(want, sizeof(want));
	return same ? OK : se_fail(se, SE_MISCOMPARE);
}

enum err se_verify_sealed(struct se *se, const uint8_t io_key[32], const uint8_t nonce[32],
    const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64])
{
	uint8_t loaded[64], in[128], mac[32];
	unsigned tries = 2;
	enum err e;

	memcpy(loaded, digest, 32);
	memcpy(loaded + 32, nonce, 32);
	memcpy(in, sig, 64);
	memcpy(in + 64, q, 64);
	do { /* the watchdog may have taken the buffer: then all of it once more */
		se->in = loaded;
		if ((e = se_exchange_other(se, &load_form, 0, NULL)) == OK) {
			se->in = in;
			e = se_exchange_other(se, &verify_form, CURVE_P256, mac);
		}
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e == OK)
		e = check_mac(se, io_key, loaded, sig, mac);
	if (e != OK && se->fault == SE_MISCOMPARE)
		e = ERR_DENIED;
	return se_idle(se, e);
}
