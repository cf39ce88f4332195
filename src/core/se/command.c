/* The commands of an identity: randomness, keys, signatures, digests, and bytes in the zones. */
#include "se_exchange.h"

#include <string.h>

#define GENKEY_CREATE (0x04ul << 16)

enum err se_move(struct se *se, uint32_t at, uint8_t *out, size_t n)
{
	while (n) {
		enum se_command c = at & SE_WRITE ? SE_WRITE_WORD : SE_READ_WORD;
		uint32_t zone = at & 0x30000, block = at >> 5 & 15, piece = 4;
		enum err e;

		if (n >= 32 && at % 32 == 0) {
			c++; /* word to block */
			piece = 32;
		}
		block <<= zone ? 8 : 3;
		e = se_exchange(se, c, zone | block | (at >> 11 & 15) << 3 | (at >> 2 & 7), out);
		if (e != OK)
			return e;
		if (at & SE_WRITE)
			se->in += piece;
		else
			out += piece;
		at += piece;
		n -= piece;
	}
	return OK;
}

enum err se_put(struct se *se, uint32_t at, const uint8_t *in, size_t n)
{
	se->in = in;
	return se_move(se, at | SE_WRITE, NULL, n);
}

/* Within the slot, whole words. */
static bool slot_holds(unsigned slot, size_t offset, size_t n)
{
	size_t size = slot < 8 ? 36 : slot == 8 ? 416 : 72;

	return slot < 16 && offset <= size && n <= size - offset && (offset | n) % 4 == 0;
}

enum err se_slot_read(struct se *se, unsigned slot, size_t offset, uint8_t *out, size_t n)
{
	if (!slot_holds(slot, offset, n))
		return se_fail(se, SE_ARGUMENT);
	return se_idle(se, se_move(se, SE_SLOT_AT(slot, offset), out, n));
}

enum err se_slot_write(struct se *se, unsigned slot, size_t offset, struct slice in)
{
	if (!slot_holds(slot, offset, in.n))
		return se_fail(se, SE_ARGUMENT);
	return se_idle(se, se_put(se, SE_SLOT_AT(slot, offset), in.p, in.n));
}

enum err se_random(struct se *se, uint8_t out[32])
{
	uint8_t value[32];
	enum err e = se_idle(se, se_exchange(se, SE_RANDOM, 0, value));
	unsigned i = 0;

	if (e != OK)
		return e;
	while (i < 32 && value[i] == (i & 2 ? 0x00 : 0xff))
		i++;
	if (i == 32)
		return se_fail(se, SE_RANDOM_UNLOCKED);
	memcpy(out, value, 32);
	wipe(value, sizeof(value));
	return OK;
}

enum err se_nonce_load(struct se *se, const uint8_t value[32])
{
	se->in = value;
	return se_idle(se, se_exchange(se, SE_NONCE, 0, NULL));
}

static enum err key(struct se *se, uint32_t param, uint8_t q[64])
{
	return se_idle(se, se_exchange(se, SE_GENKEY, param, q));
}

enum err se_public(struct se *se, unsigned slot, uint8_t q[64])
{
	return key(se, slot, q);
}

enum err se_genkey(struct se *se, unsigned slot, uint8_t q[64])
{
	uint32_t param = slot | GENKEY_CREATE;
	enum err e = key(se, param, q);

	if (e != OK && se->fault == SE_ECC) /* rare, and the next candidate will do */
		e = key(se, param, q);
	return e;
}

enum err se_sign(struct se *se, unsigned slot, const uint8_t digest[32], uint8_t sig[64])
{
	unsigned tries = 2;
	enum err e;

	/*
	 * Random renews the seed of the generator behind the signature's own nonce. The watchdog
	 * may strike between Nonce and Sign and take TempKey with it: then all of it once more.
	 */
	do {
		se->in = digest;
		if ((e = se_exchange(se, SE_RANDOM, 0, NULL)) == OK &&
		    (e = se_exchange(se, SE_NONCE, 0, NULL)) == OK)
			e = se_exchange(se, SE_SIGN, slot, sig);
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	return se_idle(se, e);
}

/* Ends with 0 to 63 bytes: the chip is not promised to end with a full block. */
enum err se_sha256(struct se *se, struct slice message, uint8_t digest[32])
{
	enum err e = se_exchange(se, SE_SHA_START, 0, NULL);

	for (se->in = message.p; e == OK && message.n >= 64; se->in += 64, message.n -= 64)
		e = se_exchange(se, SE_SHA_UPDATE, 64, NULL);
	if (e == OK)
		e = se_exchange(se, SE_SHA_END, (uint32_t)message.n, digest);
	return se_idle(se, e);
}
