/* The lock of a single slot, after a look at what it holds. */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

#define LOCK_SLOT (2ul << 16)
#define SLOT_LOCKED 88
#define KEY_CONFIG 96
#define PRIVATE 0x01

/* The slot's content against `holds`, in words. */
static enum err compare(struct se *se, unsigned slot, struct slice holds)
{
	uint8_t word[4];
	enum err e;

	if (holds.n == 0 || holds.n % 4 != 0 || holds.n > (slot < 8 ? 36 : slot == 8 ? 416 : 72))
		return se_fail(se, SE_ARGUMENT);
	for (size_t at = 0; at < holds.n; at += 4) {
		if ((e = se_move(se, SE_SLOT_AT(slot, at), word, 4)) != OK)
			return e;
		if (memcmp(word, holds.p + at, 4) != 0)
			return se_fail(se, SE_READ_BACK);
	}
	return OK;
}

static enum err compare_key(struct se *se, unsigned slot, struct slice q)
{
	uint8_t got[64];
	enum err e;

	if (q.n != 64)
		return se_fail(se, SE_ARGUMENT);
	if ((e = se_exchange(se, SE_GENKEY, slot, got)) != OK)
		return e;
	return memcmp(got, q.p, 64) == 0 ? OK : se_fail(se, SE_READ_BACK);
}

static enum err freeze(struct se *se, unsigned slot, struct slice holds)
{
	uint8_t locked[4], key[4];
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	if ((e = se_move(se, SE_CONFIG_AT(SLOT_LOCKED), locked, 4)) != OK ||
	    (e = se_move(se, SE_CONFIG_AT(KEY_CONFIG + (slot & 14) * 2), key, 4)) != OK)
		return e;
	if (!(load_le16(locked) >> slot & 1))
		return se_fail(se, SE_LOCKED);
	if (key[(slot & 1) * 2] & PRIVATE)
		e = compare_key(se, slot, holds);
	else
		e = compare(se, slot, holds);
	return e != OK ? e : se_exchange(se, SE_LOCK, LOCK_SLOT | (uint32_t)slot << 18, NULL);
}

enum err se_lock_slot(struct se *se, unsigned slot, struct slice holds)
{
	return se_idle(se, freeze(se, slot, holds));
}
