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
handler command_info, command_lock, command_update_extra, command_counter;
/* command_memory.c */
handler command_read, command_write;
/* command_random.c: what fills TempKey */
handler command_random, command_nonce;
/* command_ecc.c */
handler command_genkey, command_sign, command_verify, command_ecdh;
/* command_sha.c */
handler command_sha;

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

/* The 21-bit counters. */
#define COUNTER_MAX 2097151u
uint32_t counter_value(const struct memory *m, unsigned n);
void counter_encode(uint32_t value, uint8_t out[8]);

#endif
