/* The configuration zone: identity, profile, locks. */
#include "se_exchange.h"

#include <string.h>

#define LOCK_VALUE 86
#define LOCK_CONFIG 87
#define UNLOCKED 0x55
/* CRC of 1208 bytes of slots and 64 of OTP that are all FF, as they leave the factory. */
#define FACTORY_DATA_CRC 0xdff1
#define LOCK_ZONE_DATA (1ul << 16)
#define LOCK_WITHOUT_CRC (0x80ul << 16)

enum err se_serial(struct se *se, uint8_t serial[9])
{
	uint8_t block[32];
	enum err e = se_idle(se, se_move(se, SE_CONFIG_AT(0), block, sizeof(block)));

	if (e != OK)
		return e;
	memcpy(serial, block, 4);
	memcpy(serial + 4, block + 8, 5);
	return OK;
}

enum err se_config_read(struct se *se, uint8_t config[SE_CONFIG_SIZE])
{
	return se_idle(se, se_move(se, SE_CONFIG_AT(0), config, SE_CONFIG_SIZE));
}

enum err se_locks(struct se *se, struct se_locks *locks)
{
	uint8_t block[32]; /* bytes 64 to 95 */
	enum err e = se_idle(se, se_move(se, SE_CONFIG_AT(64), block, sizeof(block)));

	if (e != OK)
		return e;
	locks->data = block[LOCK_VALUE - 64] != UNLOCKED;
	locks->config = block[LOCK_CONFIG - 64] != UNLOCKED;
	locks->slots = (uint16_t)~load_le16(block + (88 - 64));
	return OK;
}

/* What one pass over the configuration has seen. */
struct seen {
	size_t differing;
	uint16_t crc;
	uint8_t lock_value, lock_config;
};

/* Bytes that a profile has a say in: the rest is the chip's identity, or changed by Lock alone. */
static bool matters(unsigned i)
{
	return i >= 16 && (i < 84 || i > LOCK_CONFIG);
}

static enum err inspect(struct se *se, const struct se_profile *profile, struct seen *seen,
    uint8_t *offsets, size_t cap)
{
	uint8_t block[32];
	enum err e;

	memset(seen, 0, sizeof(*seen));
	for (unsigned i = 0; i < SE_CONFIG_SIZE; i++) {
		uint8_t byte;

		if (i % 32 == 0) {
			if ((e = se_move(se, SE_CONFIG_AT(i), block, 32)) != OK)
				return e;
			seen->crc = se_crc(seen->crc, block, 32);
		}
		byte = block[i % 32]; // cppcheck-suppress uninitvar; it is read when i is 0
		if (i == LOCK_VALUE)
			seen->lock_value = byte;
		if (i == LOCK_CONFIG)
			seen->lock_config = byte;
		if (matters(i) && byte != profile->config[i]) {
			if (seen->differing < cap)
				offsets[seen->differing] = (uint8_t)i;
			seen->differing++;
		}
	}
	return OK;
}

enum err se_profile_diff(
    struct se *se, const struct se_profile *profile, uint8_t *offsets, size_t cap, size_t *n)
{
	struct seen seen;
	enum err e = se_idle(se, inspect(se, profile, &seen, offsets, cap));

	if (e == OK)
		*n = seen.differing;
	return e;
}

static enum err profile_write(struct se *se, const struct se_profile *profile)
{
	struct seen seen;
	enum err e;

	if ((e = inspect(se, profile, &seen, NULL, 0)) != OK)
		return e;
	if (seen.lock_config != UNLOCKED)
		return se_fail(se, SE_LOCKED);
	if ((e = se_put(se, SE_CONFIG_AT(16), profile->config + 16, 84 - 16)) != OK ||
	    (e = se_put(se, SE_CONFIG_AT(88), profile->config + 88, 128 - 88)) != OK ||
	    (e = inspect(se, profile, &seen, NULL, 0)) != OK)
		return e;
	return seen.differing ? se_fail(se, SE_READ_BACK) : OK;
}

enum err se_profile_write(struct se *se, const struct se_profile *profile)
{
	return se_idle(se, profile_write(se, profile));
}

static enum err lock_config(struct se *se, const struct se_profile *profile)
{
	struct seen seen;
	enum err e;

	if ((e = inspect(se, profile, &seen, NULL, 0)) != OK)
		return e;
	if (seen.lock_config != UNLOCKED)
		return se_fail(se, SE_LOCKED);
	if (seen.differing)
		return se_fail(se, SE_READ_BACK);
	/* The last chance to catch a bad byte: the chip compares with what it really holds. */
	return se_exchange(se, SE_LOCK, seen.crc, NULL);
}

enum err se_lock_config(struct se *se, const struct se_profile *profile)
{
	return se_idle(se, lock_config(se, profile));
}

static enum err may_lock_data(struct se *se, const struct se_profile *profile)
{
	struct seen seen;
	enum err e;

	if ((e = inspect(se, profile, &seen, NULL, 0)) != OK)
		return e;
	if (seen.lock_config == UNLOCKED)
		return se_fail(se, SE_NOT_LOCKED);
	if (seen.lock_value != UNLOCKED)
		return se_fail(se, SE_LOCKED);
	return seen.differing ? se_fail(se, SE_OTHER_PROFILE) : OK;
}

static enum err lock_data(struct se *se, const struct se_profile *profile, uint32_t param)
{
	enum err e = may_lock_data(se, profile);

	return e == OK ? se_exchange(se, SE_LOCK, param, NULL) : e;
}

/* SE_ECC: the slot holds no key; other answers to the question are for the lock to run into. */
static enum err make_keys(struct se *se, uint16_t slots)
{
	enum err e = OK;

	for (unsigned slot = 0; slot < 16 && e == OK; slot++) {
		if (!(slots >> slot & 1))
			continue;
		e = se_public(se, slot, NULL);
		if (e != OK && se->fault == SE_ECC)
			e = se_genkey(se, slot, NULL);
	}
	return e;
}

enum err se_lock_data(struct se *se, const struct se_profile *profile)
{
	enum err e = OK;

	if (profile->keys && (e = may_lock_data(se, profile)) == OK)
		e = make_keys(se, profile->keys);
	if (e == OK)
		e = lock_data(se, profile, LOCK_ZONE_DATA | FACTORY_DATA_CRC);
	if (e != OK && se->fault == SE_EXECUTION)
		e = lock_data(se, profile, LOCK_ZONE_DATA | LOCK_WITHOUT_CRC);
	return se_idle(se, e);
}

enum err se_lock(struct se *se, const struct se_profile *profile)
{
	struct se_locks locks;
	enum err e;

	if ((e = se_locks(se, &locks)) != OK)
		return e;
	if (!locks.config &&
	    ((e = se_profile_write(se, profile)) != OK || (e = se_lock_config(se, profile)) != OK))
		return e;
	return se_lock_data(se, profile);
}

/*
 * Arduino's default TLS profile: slot 0 signs, 1 to 4 sign and agree on keys, 5 to 7 and 15 keep
 * secrets, 8 to 14 are plain data that stays writable.
 */
const struct se_profile se_profile_arduino = {
	"arduino",
	{
	    // clang-format off
	    [16] = 0xc0, 0x00, 0x55, 0x00, /* address, OTPmode, ChipMode */
	    /* SlotConfig */
	    0x83, 0x20, 0x87, 0x20, 0x87, 0x20, 0x87, 0x2f, /* 0 to 3 */
	    0x87, 0x2f, 0x8f, 0x8f, 0x9f, 0x8f, 0xaf, 0x8f, /* 4 to 7 */
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 8 to 11 */
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xaf, 0x8f, /* 12 to 15 */
	    /* Counter[0], Counter[1]: zero */
	    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	    /* LastKeyUse */
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    [84] = 0x00, 0x00, 0x55, 0x55, /* UserExtra, Selector, LockValue, LockConfig */
	    0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* SlotLocked, RFU, X509format */
	    /* KeyConfig */
	    0x33, 0x00, 0x33, 0x00, 0x33, 0x00, 0x33, 0x00, /* 0 to 3 */
	    0x33, 0x00, 0x1c, 0x00, 0x1c, 0x00, 0x1c, 0x00, /* 4 to 7 */
	    0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, /* 8 to 11 */
	    0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, 0x1c, 0x00, /* 12 to 15 */
	    // clang-format on
	},
	0,
};
