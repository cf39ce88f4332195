/*
 * command.h -- what the command groups share. Private to the engine.
 *
 * A handler gets a packet whose CRC was right and whose opcode the family knows. It returns the
 * status; with ST_OK and reply->n > 0 the response is data. It checks what is illegal in every
 * state (ST_PARSE) before what is illegal now (ST_EXECUTION).
 */
#ifndef IMPRINT_EMU_COMMAND_H
#define IMPRINT_EMU_COMMAND_H

#include "engine.h"

struct request {
	uint8_t opcode, p1;
	uint16_t p2;
	struct slice in;
};

struct reply {
	uint8_t p[EMU_RESPONSE_MAX - 3];
	size_t n;
};

typedef enum status handler(struct engine *g, const struct request *rq, struct reply *rp);

/* command_device.c: the chip itself */
handler command_info, command_lock, command_update_extra, command_counter, command_pause;
/* command_memory.c */
handler command_read, command_write;
/* command_random.c: what fills TempKey */
handler command_random, command_nonce;
/* command_ecc.c */
handler command_genkey, command_sign, command_ecdh, command_privwrite;
/* command_verify.c */
handler command_verify;
/* command_sha.c */
handler command_sha;
/* command_mac.c: knowledge of a secret */
handler command_mac, command_hmac, command_checkmac;
/* command_derive.c: new secrets from old ones */
handler command_gendig, command_derivekey, command_kdf;
/* command_aes.c */
handler command_aes;
/* command_boot.c */
handler command_secureboot, command_selftest;

void reply_put(struct reply *rp, const void *p, size_t n);

/* SN[8] | SN[0:1], which every digest of the chip contains. */
void put_serial(struct sha256 *h, const struct memory *m);
/* opcode | param1 | param2, low byte first. */
void put_header(struct sha256 *h, const struct request *rq);
void put_zeros(struct sha256 *h, size_t n);

/* TempKey = these 32 bytes; KeyId and all flags are zero afterwards. */
void temp_set(struct temp_key *t, const uint8_t value[32], enum temp_maker by);
void temp_clear(struct temp_key *t);
/* KeyId, SourceFlag, GenDigData, GenKeyData, NoMacFlag, from bit 0 up, as Info and Sign show them.
 */
uint8_t temp_flags(const struct temp_key *t);

/* Random bytes; before the configuration is locked FF FF 00 00 for ever. ST_OK or ST_RNG. */
enum status engine_random(struct engine *g, uint8_t *out, size_t n) MUST_CHECK;

/* The private key of a slot; the object stays the engine's. ST_OK or ST_ECC. */
enum status engine_key(struct engine *g, unsigned slot, struct p256_key **key) MUST_CHECK;
/* Puts a scalar in a slot. */
void engine_key_store(struct engine *g, unsigned slot, const uint8_t scalar[32]);
/* A new scalar between 1 and n - 1. */
enum status engine_key_new(struct engine *g, uint8_t scalar[32], struct p256_key **key) MUST_CHECK;

/* --- use.c: may this key be used --- */

bool zones_locked(const struct memory *m);
/*
 * ReqAuth, PersistentDisable and, where TempKey takes part in the command, ReqRandom.
 * ST_OK or ST_EXECUTION.
 */
enum { WITHOUT_TEMP, WITH_TEMP };
enum status key_usable(const struct engine *g, unsigned slot, int with_temp) MUST_CHECK;
/* Counts one use of a LimitedUse key: the last step before the key is touched. */
enum status key_consume(struct engine *g, unsigned slot) MUST_CHECK;
/*
 * The first 32 bytes of a slot as a secret: configuration locked, not a private key, usable, one use
 * counted.
 */
enum status secret_use(
    struct engine *g, unsigned slot, int with_temp, const uint8_t **secret) MUST_CHECK;

/* True when GenDig with this key made TempKey: the session for encrypted Read, Write, PrivWrite. */
bool session_with(const struct temp_key *t, unsigned key);
/* SHA-256(TempKey | opcode | params | SN[8] | SN[0:1] | zeros | plain) */
void session_mac(const struct engine *g, const struct request *rq, size_t zeros, struct slice plain,
    uint8_t mac[32]);

/* 608: the IO protection key that ChipOptions names. ST_OK or ST_EXECUTION. */
enum status io_key(const struct engine *g, const uint8_t **key) MUST_CHECK;
/* Replies with n bytes (32 or 64) under that key, then the OutNonce. */
enum status io_reply(struct engine *g, const uint8_t *data, size_t n, struct reply *rp) MUST_CHECK;

/* A public key as slots hold it: 4 bytes of pad, X, 4 bytes of pad, Y; slots 8 to 15. */
void stored_point(const struct memory *m, unsigned slot, uint8_t q[64]);
/* P-256, not private, and validated if it must be. */
bool stored_point_usable(const struct memory *m, unsigned slot);
/* The tag of a public key that must be validated. */
enum { TAG_VALID = 0x5, TAG_INVALID = 0xA };
void tag_store(struct memory *m, unsigned slot, unsigned tag);

/* HMAC-SHA256: pad keeps what the outer hash needs. The key has at most 64 bytes. */
void hmac_begin(struct sha256 *h, struct slice key, uint8_t pad[64]);
void hmac_end(struct sha256 *h, uint8_t pad[64], uint8_t out[32]);

/* The 21-bit counters. */
#define COUNTER_MAX 2097151u
uint32_t counter_value(const struct memory *m, unsigned n);
void counter_encode(uint32_t value, uint8_t out[8]);
/* One more; ST_EXECUTION at the maximum. */
enum status counter_step(struct memory *m, unsigned n) MUST_CHECK;

#endif
