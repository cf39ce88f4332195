/* The commands of an identity: randomness, keys, signatures, digests, and bytes in the zones. */
#include "se_exchange.h"

#include <string.h>

static const struct se_command random = { 0x1b, 0x00, 0, 32, 23, 23 };
static const struct se_command nonce = { 0x16, 0x03, 32, 0, 29, 20 }; /* pass-through */

enum err se_move(struct se *se, enum se_zone zone, unsigned slot, size_t offset, const uint8_t *in,
    uint8_t *out, size_t n)
{
	static const struct se_command read[2] = { { 0x02, 0x00, 0, 4, 5, 5 },
		{ 0x02, 0x80, 0, 32, 5, 5 } };
	static const struct se_command write[2] = { { 0x12, 0x00, 4, 0, 26, 45 },
		{ 0x12, 0x80, 32, 0, 26, 45 } };
	enum err e;

	while (n) {
		unsigned whole = n >= 32 && offset % 32 == 0;
		size_t piece = whole ? 32 : 4;
		unsigned block = (unsigned)offset / 32, word = (unsigned)offset / 4 % 8;
		uint32_t param = (uint32_t)zone << 16 | slot << 3 | word;

		param |= block << (zone == SE_ZONE_DATA ? 8 : 3);
		e = se_exchange(se, in ? &write[whole] : &read[whole], param, in, out);
		if (e != OK)
			return e;
		if (in)
			in += piece;
		else
			out += piece;
		offset += piece;
		n -= piece;
	}
	return OK;
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
	return se_idle(se, se_move(se, SE_ZONE_DATA, slot, offset, NULL, out, n));
}

enum err se_slot_write(struct se *se, unsigned slot, size_t offset, struct slice in)
{
	if (!slot_holds(slot, offset, in.n))
		return se_fail(se, SE_ARGUMENT);
	return se_idle(se, se_move(se, SE_ZONE_DATA, slot, offset, in.p, NULL, in.n));
}

enum err se_random(struct se *se, uint8_t out[32])
{
	uint8_t value[32];
	enum err e = se_idle(se, se_exchange(se, &random, 0, NULL, value));
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
	return se_idle(se, se_exchange(se, &nonce, 0, value, NULL));
}

enum err se_genkey(struct se *se, unsigned slot, uint8_t q[64])
{
	static const struct se_command genkey = { 0x40, 0x04, 0, 64, 115, 115 };
	enum err e;

	e = se_exchange(se, &genkey, slot, NULL, q);
	if (e != OK && se->fault == SE_ECC) /* rare, and the next candidate will do */
		e = se_exchange(se, &genkey, slot, NULL, q);
	return se_idle(se, e);
}

enum err se_public(struct se *se, unsigned slot, uint8_t q[64])
{
	static const struct se_command public = { 0x40, 0x00, 0, 64, 115, 115 };

	return se_idle(se, se_exchange(se, &public, slot, NULL, q));
}

/* Random renews the seed of the generator behind the signature's own nonce. */
static enum err sign_once(struct se *se, unsigned slot, const uint8_t digest[32], uint8_t sig[64])
{
	static const struct se_command sign = { 0x41, 0x80, 0, 64, 60, 115 };
	enum err e;

	if ((e = se_exchange(se, &random, 0, NULL, NULL)) != OK ||
	    (e = se_exchange(se, &nonce, 0, digest, NULL)) != OK)
		return e;
	return se_exchange(se, &sign, slot, NULL, sig);
}

enum err se_sign(struct se *se, unsigned slot, const uint8_t digest[32], uint8_t sig[64])
{
	enum err e = sign_once(se, slot, digest, sig);

	/* The watchdog may have struck between Nonce and Sign and taken TempKey with it. */
	if (e != OK && se->fault == SE_EXECUTION)
		e = sign_once(se, slot, digest, sig);
	return se_idle(se, e);
}

enum err se_sha256(struct se *se, struct slice message, uint8_t digest[32])
{
	static const struct se_command start = { 0x47, 0x00, 0, 0, 9, 36 };
	static const struct se_command update = { 0x47, 0x01, 64, 0, 9, 36 };
	struct se_command end = { 0x47, 0x02, 0, 32, 9, 36 };
	enum err e;

	e = se_exchange(se, &start, 0, NULL, NULL);
	for (; e == OK && message.n >= 64; message.p += 64, message.n -= 64)
		e = se_exchange(se, &update, 64, message.p, NULL);
	if (e == OK) { /* 0 to 63 bytes: the chip is not promised to end with a full block */
		end.in = (uint8_t)message.n;
		e = se_exchange(se, &end, end.in, message.p, digest);
	}
	return se_idle(se, e);
}
