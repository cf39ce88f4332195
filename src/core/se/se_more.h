/*
 * se_more.h -- what a secure element can do beyond making and keeping an identity: counters,
 * verification and key agreement, secrets shared with a host, statements about its own keys.
 *
 * The rules of se.h hold: calls block until the answer is there, every call leaves the chip idle,
 * TempKey survives between calls. A program pays only for the functions that it calls. A slot or
 * counter that does not exist is SE_ARGUMENT and nothing is sent.
 *
 *	struct se_statement s;
 *	if ((e = se_attest(&se, 0, 1, true, challenge, &s)) != OK)
 *		return e;                                  // s.q was made inside, now
 */
#ifndef IMPRINT_SE_MORE_H
#define IMPRINT_SE_MORE_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- counters --- */

/*
 * Two counters that never go back, 0 to 2097151; value may be NULL. At the end an increment is
 * SE_EXECUTION. When an increment fails otherwise, read the counter: it may have counted.
 */
enum err se_counter_read(struct se *se, unsigned counter, uint32_t *value) MUST_CHECK;
enum err se_counter_increment(struct se *se, unsigned counter, uint32_t *value) MUST_CHECK;

/* --- other parties' keys --- */

/*
 * ECDSA by the chip. ERR_DENIED (SE_MISCOMPARE): not signed by this key. SE_EXECUTION: the key is
 * not on the curve, or the slot holds none that may verify.
 */
enum err se_verify(
    struct se *se, const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64]) MUST_CHECK;
/* With the public key in a slot, 8 to 15. */
enum err se_verify_stored(
    struct se *se, unsigned slot, const uint8_t digest[32], const uint8_t sig[64]) MUST_CHECK;
/*
 * ECDH between the key in the slot and q: the X coordinate. secret NULL where SlotConfig sends the
 * result to slot | 1.
 */
enum err se_ecdh(struct se *se, unsigned slot, const uint8_t q[64], uint8_t *secret) MUST_CHECK;

/* --- public keys that count only once their parent has signed for them (KeyConfig.PubInfo) --- */

#define SE_VALIDATION_SAID 19
/* Made by a chip that has the parent's private key, taken by those that have its public one. */
struct se_validation {
	uint8_t nonce[32];
	uint8_t said[SE_VALIDATION_SAID]; /* what the signing chip says of itself and the slot */
	uint8_t sig[64];
};
/*
 * `slot` here holds the public key as it does there, and not as a valid one if it is to become valid;
 * `by` may sign internal messages. The nonce only has to be another one each time.
 */
enum err se_validation_make(struct se *se, unsigned slot, unsigned by, bool valid,
    const uint8_t nonce[32], struct se_validation *v) MUST_CHECK;
/*
 * Makes the public key in the slot valid, or invalid; ReadKey of the slot names the parent. ERR_DENIED
 * (SE_MISCOMPARE): the parent has not signed this, for this key. SE_EXECUTION: for the other purpose,
 * or the slot is none of this kind.
 */
enum err se_validate(
    struct se *se, unsigned slot, bool valid, const struct se_validation *v) MUST_CHECK;

/* --- statements about keys --- */

/*
 * TempKey = SHA-256(rand_out | num_in | 16 00 00), of which the chip has made rand_out itself: what
 * ReqRandom and statements ask for.
 */
enum err se_nonce(struct se *se, const uint8_t num_in[20], uint8_t rand_out[32]) MUST_CHECK;

/* Evidence that a key sits in this chip; verified elsewhere, by its layout. */
struct se_statement {
	uint8_t rand_out[32];
	uint8_t mode; /* of GenKey: 0C made now, 08 was there */
	uint8_t q[64];
	uint8_t sig[64]; /* Sign mode 40: internal, with the serial number */
};
/*
 * Nonce(random, challenge), GenKey of `slot` with digest, Sign(internal) by the attestation key in
 * `by`. create replaces the key in the slot, also when a later step fails: only a key in a statement
 * is worth anything. SE_EXECUTION: `by` may not sign internal messages, or the slot may not be changed.
 */
enum err se_attest(struct se *se, unsigned slot, unsigned by, bool create,
    const uint8_t challenge[20], struct se_statement *s) MUST_CHECK;
/* The same for 32 bytes of the configuration, block 0 to 3: GenDig in place of GenKey. */
struct se_config_statement {
	uint8_t rand_out[32], block[32], sig[64];
};
enum err se_attest_config(struct se *se, unsigned block, unsigned by, const uint8_t challenge[20],
    struct se_config_statement *s) MUST_CHECK;

/* --- secrets that chip and host share --- */

/*
 * TempKey = a digest over something in the chip and TempKey: zone 0 configuration block, 1 OTP block,
 * 2 slot, 3 shared nonce, 4 counter, 5 key configuration. `other` has 0, 4 or 32 bytes, as the zone asks.
 */
enum err se_gendig(struct se *se, unsigned zone, unsigned key, struct slice other) MUST_CHECK;
/*
 * Digest over the key in a slot and a challenge; NULL with mode bit 0, when the challenge is TempKey.
 * Mode bit 1: TempKey in place of the key; bit 2: where TempKey came from; bit 6: the serial number.
 */
enum err se_mac(struct se *se, uint8_t mode, unsigned slot, const uint8_t *challenge,
    uint8_t mac[32]) MUST_CHECK;
/*
 * Is `response` the digest that another chip with the same key would give? `other` holds what that
 * chip puts where this one has its own serial number. ERR_DENIED (SE_MISCOMPARE): no.
 */
enum err se_checkmac(struct se *se, uint8_t mode, unsigned slot, const uint8_t challenge[32],
    const uint8_t response[32], const uint8_t other[13]) MUST_CHECK;
/* HMAC-SHA-256 with the first 32 bytes of a slot, over a message of any length. */
enum err se_hmac(struct se *se, unsigned slot, struct slice message, uint8_t mac[32]) MUST_CHECK;

/* --- for ever --- */

/* Byte 84 (which 0) or 85 (which 1) of the configuration; once locked, only while it is still 0. */
enum err se_update_extra(struct se *se, unsigned which, uint8_t value) MUST_CHECK;
/*
 * Freezes one slot. `holds` is what it must hold now, else SE_READ_BACK and nothing is locked: the
 * public key X|Y of a private key, else the first bytes of the slot. SE_LOCKED: it is already;
 * SE_EXECUTION: KeyConfig does not allow it.
 */
enum err se_lock_slot(struct se *se, unsigned slot, struct slice holds) MUST_CHECK;

/* The 64 bytes that are written once, before data is locked, in blocks of 32. */
enum err se_otp_read(struct se *se, uint8_t otp[SE_OTP_SIZE]) MUST_CHECK;
enum err se_otp_write(struct se *se, const uint8_t otp[SE_OTP_SIZE]) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
