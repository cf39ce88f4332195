/*
 * se_secret.h -- symmetric keys in the chip: sessions under a key that chip and host share, keys made
 * from keys, AES, and private keys that are put in from outside.
 *
 * The rules of se.h and se_more.h hold. What travels is hidden from whoever listens on the bus, and
 * Write and PrivWrite are authenticated; an encrypted Read is not, because the chip sends no MAC:
 * somebody in the middle can flip bits of it, and a wrong key gives 32 wrong bytes and no error. AES,
 * KDF and what the IO protection key hides exist on the 608 alone; a 508A answers SE_PARSE.
 *
 *	struct se_shared with = { 3, key, num_in };            // the key of slot 3; fresh randomness
 *	e = se_write_encrypted(&se, &with, 5, 0, secret);
 */
#ifndef IMPRINT_SE_SECRET_H
#define IMPRINT_SE_SECRET_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- sessions: a random nonce, GenDig with the shared key, one command --- */

/* The caller's bytes; nothing of them is kept. The key must not be one of those with NoMac. */
struct se_shared {
	unsigned slot;         /* where the chip has the key: WriteKey or ReadKey of the target */
	const uint8_t *key;    /* its 32 bytes */
	const uint8_t *num_in; /* 20 bytes for the nonce, from the caller's own generator, once */
};

/*
 * Block 0, 1 ... of 32 bytes; of a slot's last block the part that exists. ERR_DENIED (SE_MISCOMPARE):
 * the chip has another key. SE_EXECUTION: SlotConfig does not allow it, or not with this key. A
 * session that the watchdog broke is begun once more, so a key of limited use may lose two.
 */
enum err se_read_encrypted(struct se *se, const struct se_shared *with, unsigned slot,
    unsigned block, uint8_t out[32]) MUST_CHECK;
enum err se_write_encrypted(struct se *se, const struct se_shared *with, unsigned slot,
    unsigned block, const uint8_t in[32]) MUST_CHECK;
/*
 * Puts a private key into a slot. with NULL: in the clear, which chips take until data is locked,
 * whatever SlotConfig says. A key that was ever outside is no proof of this chip.
 */
enum err se_privwrite(struct se *se, const struct se_shared *with, unsigned slot,
    const uint8_t scalar[32]) MUST_CHECK;

/* --- keys from keys --- */

/*
 * The slot's key becomes a digest over its parent and TempKey; WriteConfig says which the parent is,
 * and whether a MAC by it is asked for (32 bytes, else NULL). Mode bit 2: TempKey came from the host.
 * ERR_DENIED: wrong MAC. It is not repeated by itself: after a failure of the bus the key may be
 * either one.
 */
enum err se_derivekey(struct se *se, uint8_t mode, unsigned slot, const uint8_t *mac) MUST_CHECK;
/*
 * 508A: the HMAC command, over 32 zeros, TempKey and the chip's own words. Mode bit 2: TempKey came
 * from the host; bit 6: the serial number. se_hmac of se_more.h takes messages, on both families.
 */
enum err se_hmac_tempkey(struct se *se, uint8_t mode, unsigned slot, uint8_t mac[32]) MUST_CHECK;

enum se_kdf_algorithm {
	SE_KDF_PRF, /* P_SHA256 of RFC 5246 section 5; the message is label and seed */
	SE_KDF_AES, /* AES-128 of a message of 16 bytes, then 16 zeros; ChipOptions must allow it */
	SE_KDF_HKDF, /* HMAC-SHA-256: HKDF-Extract or one step of Expand, RFC 5869 section 2 */
};
enum se_kdf_from {
	SE_KDF_FROM_TEMPKEY,
	SE_KDF_FROM_TEMPKEY_UPPER,
	SE_KDF_FROM_SLOT,
	SE_KDF_FROM_ALTERNATE
};
enum se_kdf_to {
	SE_KDF_TO_TEMPKEY,
	SE_KDF_TO_TEMPKEY_UPPER,
	SE_KDF_TO_SLOT,
	SE_KDF_TO_ALTERNATE,
	SE_KDF_TO_HOST,
	SE_KDF_TO_HOST_SEALED, /* under the IO protection key: se_io_open */
};
/* Details. PRF: how long the key is, how much comes out; AES: which 16 bytes of the key, 0 to 3. */
enum {
	SE_KDF_KEY_16,
	SE_KDF_KEY_32,
	SE_KDF_KEY_48,
	SE_KDF_KEY_64,
	SE_KDF_OUT_64 = 0x100,
	SE_KDF_AEAD = 0x200, /* of 64 bytes the second half comes to the host */
};
/* HKDF: where the message is. It is sent all the same, as long as it is. */
enum {
	SE_KDF_MESSAGE_IN_SLOT, /* slot number << 8 */
	SE_KDF_MESSAGE_IN_TEMPKEY,
	SE_KDF_MESSAGE_HERE,
	SE_KDF_MESSAGE_HERE_WITH_IV, /* KdfIvStr must stand in it at KdfIvLoc */
	SE_KDF_ZERO_KEY = 4,
};
#define SE_KDF_MESSAGE_MAX 128
struct se_kdf {
	enum se_kdf_algorithm algorithm;
	enum se_kdf_from from;
	enum se_kdf_to to;
	unsigned from_slot, to_slot;
	unsigned details;
	struct slice message;
};
/* Bytes that the chip sends for it: 0, 32, 64 or 96. */
size_t se_kdf_size(const struct se_kdf *kdf);
/* out has room for so many; NULL when they are 0. */
enum err se_kdf(struct se *se, const struct se_kdf *kdf, uint8_t *out) MUST_CHECK;
/* n bytes, 32 or 64, and behind them the 32 bytes of OutNonce become the n bytes in the clear. */
void se_io_open(const uint8_t io_key[32], const uint8_t *sealed, size_t n, uint8_t *out);

/* --- 608: answers under the IO protection key, which nobody else on the bus reads or makes up --- */

/* ECDH between the key in the slot and q; ChipOptions may forbid the one in the clear. */
enum err se_ecdh_sealed(struct se *se, unsigned slot, const uint8_t q[64], const uint8_t io_key[32],
    uint8_t secret[32]) MUST_CHECK;
/*
 * As se_verify, and the chip's yes is a MAC over `nonce` too: 32 bytes from the caller's own
 * generator, once. ERR_DENIED (SE_MISCOMPARE): not signed by this key, or not this chip's answer.
 */
enum err se_verify_sealed(struct se *se, const uint8_t io_key[32], const uint8_t nonce[32],
    const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64]) MUST_CHECK;

/* --- 608: a key pair for one agreement --- */

/* The private key is in TempKey until something else is, or the chip sleeps. */
enum err se_genkey_ephemeral(struct se *se, uint8_t q[64]) MUST_CHECK;
/* ECDH with it. SE_EXECUTION: there is none. */
enum err se_ecdh_ephemeral(struct se *se, const uint8_t q[64], uint8_t secret[32]) MUST_CHECK;

/* --- AES-128, one block --- */

#define SE_TEMPKEY 0xffffu
/* slot, or SE_TEMPKEY; which: 16 bytes of it, 0 to 3. out may be in. */
enum err se_aes_encrypt(
    struct se *se, unsigned slot, unsigned which, const uint8_t in[16], uint8_t out[16]) MUST_CHECK;
enum err se_aes_decrypt(
    struct se *se, unsigned slot, unsigned which, const uint8_t in[16], uint8_t out[16]) MUST_CHECK;
/* out = in times h in the field of GCM (SP 800-38D section 6.3). */
enum err se_aes_gfm(
    struct se *se, const uint8_t h[16], const uint8_t in[16], uint8_t out[16]) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
