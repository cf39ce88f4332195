/*
 * se.h -- driver for ATECC508A and ATECC608A/B secure elements.
 *
 * A `struct se` is one device on one bus. It lives in the caller's memory, holds no secrets, and is
 * not thread-safe. Every call wakes the chip, runs one or more command/response exchanges, polls
 * until the answer is there or the command's maximum execution time has passed (data sheet, command
 * execution times; never a fixed delay), and leaves the chip idle: TempKey survives between calls,
 * se_close ends it with Sleep. Nothing allocates.
 *
 *	struct se se;
 *	if ((e = se_open(&se, &hal)) != OK)                // wake, Info, check revision
 *		return e;
 *	e = se_sign(&se, SE_SLOT_DEVICE_KEY, digest, sig);
 *	se_close(&se);                                     // Sleep: clears TempKey
 *
 * The enum err says what to do; `se.fault` says exactly what happened and `se_fault_text` says it
 * in words. Whatever happens, the chip is left idle or asleep; a command that it says it has not
 * executed (stale wake frame, wrong CRC, watchdog about to strike) is sent once more. Locking is
 * for ever: se_lock_config and se_lock_data only lock what they have read back and found equal. A
 * bit flipped in what was written or in what was read locks nothing.
 */
#ifndef IMPRINT_SE_H
#define IMPRINT_SE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bus. 7-bit address 0x60 unless configured. Units: bytes, milliseconds. */
struct se_hal {
	void *ctx;
	/* SDA low for 60 us or more, then 1.5 ms of rest. No acknowledge is not an error. */
	enum err (*wake)(void *ctx);
	/* One write transaction of n bytes, word address first. ERR_TIMEOUT: not acknowledged. */
	enum err (*send)(void *ctx, const uint8_t *p, size_t n);
	/* One read transaction of exactly n bytes. ERR_TIMEOUT: not acknowledged (busy, asleep). */
	enum err (*recv)(void *ctx, uint8_t *p, size_t n);
	void (*wait_ms)(void *ctx, uint32_t ms);
};

/* What exactly went wrong in the last call that failed. */
enum se_fault {
	SE_FINE,
	SE_BUS,            /* the bus itself failed: ERR_IO from the port */
	SE_NO_ANSWER,      /* nothing acknowledges at this address */
	SE_NO_WAKE,        /* something acknowledges but sends no wake frame */
	SE_UNKNOWN_DEVICE, /* Info: neither 508A nor 608A/B */
	SE_BUSY_TOO_LONG,  /* no answer within the maximum execution time */
	SE_REPLY_LENGTH,   /* answer of another length than the command has, until the deadline */
	SE_REPLY_CRC,      /* CRC of an answer wrong, until the deadline */
	/* What the chip said, in the order of packet.c. */
	SE_MISCOMPARE, /* status 01 */
	SE_PARSE,      /* status 03 */
	SE_ECC,        /* status 05 */
	SE_SELF_TEST,  /* status 07, also as wake frame: power-on self test failed */
	SE_RNG,        /* status 08 */
	SE_EXECUTION,  /* status 0F: wrong state or forbidden by the configuration */
	SE_RESET,      /* status 11, or no acknowledge, again after a resend: it lost power */
	SE_WATCHDOG,   /* status EE again after a resend: no time left before the watchdog */
	SE_SENT_CRC,   /* status FF again after a resend: the chip saw a wrong CRC */
	SE_STATUS,     /* another status; se.status has it */
	/* What the driver found. */
	SE_READ_BACK,       /* what was written reads back differently; nothing was locked */
	SE_LOCKED,          /* the zone is locked already */
	SE_NOT_LOCKED,      /* the zone must be locked first */
	SE_OTHER_PROFILE,   /* the configuration is locked for ever with another content */
	SE_RANDOM_UNLOCKED, /* the configuration is unlocked: random numbers are a fixed pattern */
	SE_ARGUMENT,        /* slot, offset or size out of range; nothing was sent */
	SE_FAULTS
};
/* "the chip is busy for longer than its maximum execution time", with what to do. Host side. */
const char *se_fault_text(enum se_fault fault);

enum se_family { SE_ATECC508A, SE_ATECC608 };

struct se {
	/* To be read by anybody. */
	enum se_fault fault; /* of the last failure */
	uint8_t status;      /* the chip's own status byte, with SE_STATUS and the ones above */
	uint8_t opcode;      /* of the last command */
	enum se_family family;
	uint8_t revision[4];
	/* Private. */
	const struct se_hal *hal;
	const uint8_t *in; /* data of the next command that takes some */
	bool awake;        /* perhaps awake */
	uint8_t pace;      /* clock divider of the 608: execution times are so many times longer */
	unsigned awake_ms; /* since the last wake, at most: the watchdog strikes from 700 on */
	unsigned busy_ms;  /* a command was sent and may still run so long */
};

/* Slots of Arduino's layout (docs/formats.md). */
enum {
	SE_SLOT_DEVICE_KEY = 0,
	SE_SLOT_BOARD_KEY = 1,
	SE_SLOT_CERT = 10,       /* compressed certificate, 72 bytes */
	SE_SLOT_SERIAL_AKI = 11, /* certificate serial 16, authority key identifier 20 */
	SE_SLOT_DEVICE_ID = 12,  /* text, NUL padded to 72 bytes */
};

/* Wake, Info, family. The chip is idle afterwards. */
enum err se_open(struct se *se, const struct se_hal *hal) MUST_CHECK;
/* Sleep: all volatile state of the chip is gone. */
void se_close(struct se *se);

/* --- level 1 commands --- */

#define SE_CONFIG_SIZE 128
#define SE_OTP_SIZE 64
enum se_zone { SE_ZONE_CONFIG, SE_ZONE_OTP, SE_ZONE_DATA };

/* Nine bytes SN[0:8]; Microchip's begin 01 23 and end EE, emulated ones begin 45 4D and end 4D. */
enum err se_serial(struct se *se, uint8_t serial[9]) MUST_CHECK;
/* 32 random bytes. ERR_DENIED with SE_RANDOM_UNLOCKED when they are the unlocked chip's pattern. */
enum err se_random(struct se *se, uint8_t out[32]) MUST_CHECK;
/*
 * Sizes are multiples of 4, offset too; n bytes within the slot, else SE_ARGUMENT. A read that
 * fails half way leaves what it has read in `out`.
 */
enum err se_config_read(struct se *se, uint8_t config[SE_CONFIG_SIZE]) MUST_CHECK;
enum err se_slot_read(
    struct se *se, unsigned slot, size_t offset, uint8_t *out, size_t n) MUST_CHECK;
enum err se_slot_write(struct se *se, unsigned slot, size_t offset, struct slice in) MUST_CHECK;
/* TempKey = these 32 bytes (Nonce, pass-through). */
enum err se_nonce_load(struct se *se, const uint8_t value[32]) MUST_CHECK;
/* Creates a new private key in the slot, replacing the old one; q = X|Y. */
enum err se_genkey(struct se *se, unsigned slot, uint8_t q[64]) MUST_CHECK;
/* The public key of the private key in the slot. */
enum err se_public(struct se *se, unsigned slot, uint8_t q[64]) MUST_CHECK;
/* ECDSA over a digest: Random, Nonce, Sign. sig = r|s. */
enum err se_sign(
    struct se *se, unsigned slot, const uint8_t digest[32], uint8_t sig[64]) MUST_CHECK;
/* SHA-256 by the chip, for any length. */
enum err se_sha256(struct se *se, struct slice message, uint8_t digest[32]) MUST_CHECK;

/* --- the certificate in its slots, as ccert.h packs it --- */

/*
 * Stores and reads back: SE_READ_BACK when the chip holds something else afterwards. The device id
 * is written first and padded with NUL. Interrupted, the slots may hold parts of two certificates,
 * whose signature then does not verify; the next call mends it.
 */
enum err se_cert_write(struct se *se, const uint8_t slot10[72], const uint8_t slot11[36],
    const uint8_t slot12[36]) MUST_CHECK;
enum err se_cert_read(
    struct se *se, uint8_t slot10[72], uint8_t slot11[36], uint8_t slot12[36]) MUST_CHECK;
/* Forgets the certificate: a zero word at the start of slots 12 and 10. The key stays. */
enum err se_cert_erase(struct se *se) MUST_CHECK;

/* --- configuration and locks --- */

struct se_locks {
	bool config, data; /* true: locked */
	uint16_t slots;    /* bit n set: slot n is locked singly */
};
enum err se_locks(struct se *se, struct se_locks *locks) MUST_CHECK;

/* A configuration that can be written: bytes 16..127 less 84..87. */
struct se_profile {
	const char *name;
	uint8_t config[SE_CONFIG_SIZE]; /* bytes 0..15 and 84..87 are not looked at */
	uint16_t keys; /* bit n set: the key of slot n can only be made before data is locked */
};
extern const struct se_profile se_profile_arduino; /* profile.c has more */

/*
 * Which bytes of the chip's configuration differ from the profile where they matter; the address
 * and the counters count too. Fills `offsets` with the first cap of them, *n is how many there are.
 */
enum err se_profile_diff(struct se *se, const struct se_profile *profile, uint8_t *offsets,
    size_t cap, size_t *n) MUST_CHECK;
/* Writes the profile into an unlocked chip and reads it back: ERR_DEVICE with SE_READ_BACK. */
enum err se_profile_write(struct se *se, const struct se_profile *profile) MUST_CHECK;
/* Locks the configuration for ever: reads it back, compares, sends the CRC of what it read. */
enum err se_lock_config(struct se *se, const struct se_profile *profile) MUST_CHECK;
/*
 * Locks data and OTP for ever. The configuration must be locked and equal the profile, else nothing
 * is sent. The zone cannot be read before the lock, so the CRC is the check: first of factory
 * content (all FF); a chip whose slots hold something else refuses that with SE_EXECUTION and locks
 * nothing, and only then, the configuration having been read back again, is the lock sent without
 * CRC. Before that it makes the keys that nobody could make afterwards, where there are none yet.
 */
enum err se_lock_data(struct se *se, const struct se_profile *profile) MUST_CHECK;
/*
 * From whatever state to locked with this profile: writes, locks the configuration, locks data,
 * each only when still open; so it finishes a chip that was left half locked. SE_LOCKED when
 * nothing was left to do, SE_OTHER_PROFILE when a half-locked chip holds another configuration.
 */
enum err se_lock(struct se *se, const struct se_profile *profile) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
