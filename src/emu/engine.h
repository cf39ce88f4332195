/*
 * engine.h -- the commands of the chip: a packet in, a response out, EEPROM and registers changed.
 *
 * Pure: no bus, no files, no clock. Cryptography is host/crypto's; random numbers come through a
 * function pointer, which is the operating system's generator but in the tests of this library and in
 * test builds (seed.h). An `engine` belongs to one thread at a time.
 *
 * All commands of both families with all their modes. Left out, because what silicon does is not
 * published: UseLock and the transport key, and CheckMac's copy of a second key into TempKey. Where
 * the public sources are silent the choice stands in one place with its reason.
 *
 *	engine_init(&g, random, NULL, eb);
 *	memory_factory(&g.mem, EMU_ATECC608B, serial);
 *	n = engine_execute(&g, command, response);        // count ... CRC, both
 *	if (g.mem.changed) ...                            // save before anybody sees the response
 *	engine_free(&g);
 */
#ifndef IMPRINT_EMU_ENGINE_H
#define IMPRINT_EMU_ENGINE_H

#include "memory.h"
#include "p256.h"
#include "sha256.h"

/* Status codes of the data sheet, as the one byte of a status response. */
enum status {
	ST_OK = 0x00,
	ST_MISCOMPARE = 0x01,
	ST_PARSE = 0x03, /* illegal in every state */
	ST_ECC = 0x05,
	ST_SELF_TEST = 0x07,
	ST_RNG = 0x08,
	ST_EXECUTION = 0x0F, /* not in this state, or forbidden by the configuration */
	ST_AWAKE = 0x11,     /* after wake, nothing executed yet */
	ST_WATCHDOG = 0xEE,
	ST_CRC = 0xFF,
};

/* Which command made the value of TempKey. */
enum temp_maker { TEMP_BY_NONCE, TEMP_BY_GENDIG, TEMP_BY_GENKEY, TEMP_BY_SHA, TEMP_BY_OTHER };

/* Which blocks the SHA commands have taken: Verify(ValidateExternal) asks. */
struct x509_trace {
	bool public_in;      /* SHA(Public) put a stored key in */
	uint8_t public_slot; /* which one */
	uint32_t public_at;  /* after so many blocks of 64 bytes */
	uint32_t blocks;     /* all of them */
};

struct temp_key {
	uint8_t value[64]; /* 508A: the first 32 */
	bool valid;
	uint8_t key_id;
	bool source_input; /* SourceFlag: 1 when the value came from the host */
	bool gen_dig, gen_key, no_mac;
	bool both_halves; /* 608: 64 bytes were loaded */
	bool ephemeral;   /* 608: a private key for ECDH */
	enum temp_maker by;
	struct x509_trace x509; /* of the SHA commands that made it */
};

/* Everything that sleep erases, but two that only power-off erases: latch, boot_prohibited. */
struct registers {
	struct temp_key temp;
	uint8_t digest_buffer[64]; /* 608 MessageDigestBuffer */
	size_t digest_n;           /* 0, 32 or 64 bytes of it are loaded */
	uint8_t alternate_key[32]; /* 608 */
	bool alternate_valid;
	enum { SHA_NONE, SHA_PLAIN, SHA_HMAC } sha_running;
	struct sha256 sha;
	uint8_t sha_key[64]; /* HMAC: the padded key, for the outer hash */
	struct x509_trace sha_x509;
	bool auth_valid;      /* a CheckMac succeeded ... */
	uint8_t auth_key;     /* ... with this key */
	bool latch;           /* 608 persistent latch */
	bool boot_prohibited; /* 608: SecureBoot said so, until power-off */
	bool pausing;         /* 508A: Pause sends the chip to idle instead of an answer */
};

struct engine {
	struct memory mem;
	struct registers reg;
	struct p256 *p256;
	enum err (*random)(void *ctx, uint8_t *out, size_t n);
	void *random_ctx;
	struct { /* OpenSSL's form of the scalars in the slots, made on first use */
		struct p256_key *key;
		uint8_t scalar[32];
	} keys[SLOTS];
};

/* random NULL: the operating system's generator. The memory is the caller's to fill. */
enum err engine_init(struct engine *g, enum err (*random)(void *ctx, uint8_t *out, size_t n),
    void *ctx, struct errbuf *eb) MUST_CHECK;
/* Wipes everything. */
void engine_free(struct engine *g);

/* What sleep does to the registers, and what power-off does. */
void engine_sleep(struct engine *g);
void engine_power_off(struct engine *g);

/*
 * Executes one packet, count to CRC, and writes the response, count to CRC. Returns its length, 4
 * to EMU_RESPONSE_MAX. A packet whose count or CRC is wrong gives status FF and changes nothing.
 */
size_t engine_execute(struct engine *g, struct slice packet, uint8_t out[EMU_RESPONSE_MAX]);

/* A status response: 04 status CRC. */
size_t engine_status(enum status status, uint8_t out[4]);

/* CRC-16, polynomial 8005, bytes fed least significant bit first, not reflected. */
uint16_t engine_crc(uint16_t crc, struct slice bytes);

#endif
