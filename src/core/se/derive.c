/* Keys from keys: DeriveKey, HMAC, KDF. */
#include "se_exchange.h"
#include "se_secret.h"
#include "sha256.h"

#include <string.h>

enum { DERIVEKEY = 0x1c, HMAC = 0x11, KDF = 0x56 };

enum err se_derivekey(struct se *se, uint8_t mode, unsigned slot, const uint8_t *mac)
{
	const struct se_command_form form = { DERIVEKEY, mode, mac ? 32 : 0, 0, { 50, 50 } };
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	se->in = mac;
	e = se_idle(se, se_exchange_other(se, &form, slot, NULL));
	return e != OK && se->fault == SE_MISCOMPARE ? ERR_DENIED : e;
}

enum err se_hmac_tempkey(struct se *se, uint8_t mode, unsigned slot, uint8_t mac[32])
{
	const struct se_command_form form = { HMAC, mode, 0, 32, { 23, 23 } };

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	return se_idle(se, se_exchange_other(se, &form, slot, mac));
}

size_t se_kdf_size(const struct se_kdf *kdf)
{
	bool prf = kdf->algorithm == SE_KDF_PRF;
	size_t n = prf && kdf->details & SE_KDF_OUT_64 ? 64 : 32;

	if (kdf->to == SE_KDF_TO_HOST)
		return n;
	if (kdf->to == SE_KDF_TO_HOST_SEALED)
		return n + 32;
	return prf && kdf->details & SE_KDF_AEAD ? 32 : 0;
}

enum err se_kdf(struct se *se, const struct se_kdf *kdf, uint8_t *out)
{
	const struct se_command_form form = { KDF,
		(uint8_t)(kdf->algorithm << 5 | kdf->to << 2 | kdf->from),
		(uint8_t)(4 + kdf->message.n), (uint8_t)se_kdf_size(kdf), { 165, 165 } };
	uint8_t in[4 + SE_KDF_MESSAGE_MAX];
	uint32_t details = kdf->details & 0xffffff;

	if (kdf->from_slot > 15 || kdf->to_slot > 15 || kdf->message.n > SE_KDF_MESSAGE_MAX ||
	    !out != (form.out == 0))
		return se_fail(se, SE_ARGUMENT);
	if (kdf->algorithm != SE_KDF_AES)
		details |= (uint32_t)kdf->message.n << 24;
	store_le32(in, details);
	if (kdf->message.n)
		memcpy(in + 4, kdf->message.p, kdf->message.n);
	se->in = in;
	return se_idle(se, se_exchange_other(se, &form, kdf->from_slot | kdf->to_slot << 8, out));
}

/* Block i of 32 bytes is under SHA-256(key | the i-th 16 bytes of OutNonce). */
void se_io_open(const uint8_t io_key[32], const uint8_t *sealed, size_t n, uint8_t *out)
{
	uint8_t message[48], pad[32];

	memcpy(message, io_key, 32);
	for (size_t at = 0; at < n; at += 32) {
		memcpy(message + 32, sealed + n + at / 2, 16);
		sha256(SLICE(message), pad);
		for (unsigned i = 0; i < 32; i++)
			out[at + i] = sealed[at + i] ^ pad[i];
	}
	wipe(message, sizeof(message));
	wipe(pad, sizeof(pad));
}
