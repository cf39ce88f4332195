/*
 * se_exchange.h -- one command and its answer; inside core/se only.
 *
 * se_exchange wakes the chip when needed and leaves it awake, so that a call of several commands
 * pays for one wake. Every public function ends with se_idle, on success and on every failure:
 *
 *	return se_idle(se, se_exchange(se, SE_RANDOM, 0, out));
 */
#ifndef IMPRINT_SE_EXCHANGE_H
#define IMPRINT_SE_EXCHANGE_H

#include "se.h"

/* Longest command of the table: Nonce or SHA with 64 bytes, behind its word address. */
#define SE_FRAME_MAX (1 + 7 + 64)
/* Longest of the others: KDF with its details and 128 bytes. */
#define SE_FRAME_LARGE (1 + 7 + 132)

/* Answers without data are one status byte: out = 0. */
struct se_command_form {
	uint8_t opcode, param1;
	uint8_t in, out; /* bytes of data to and from the chip */
	uint8_t ms[2];   /* maximum execution time, by family; the 608's at clock divider M0 */
};
#define SE_IN_PARAM 0xff /* as many bytes to the chip as param2 says */

/* The commands in use; packet.c has their opcodes, sizes and maximum execution times. */
enum se_command {
	SE_INFO,
	SE_READ_WORD,
	SE_READ_BLOCK,
	SE_WRITE_WORD,
	SE_WRITE_BLOCK,
	SE_LOCK,
	SE_RANDOM,
	SE_NONCE, /* pass-through */
	SE_GENKEY,
	SE_SIGN,
	SE_SHA_START,
	SE_SHA_UPDATE,
	SE_SHA_END
};

/*
 * param is param2, and in its upper half bits to set in param1. Data to the chip is where se->in
 * points and stays there. out may be NULL: not wanted.
 */
enum err se_exchange(
    struct se *se, enum se_command command, uint32_t param, uint8_t *out) MUST_CHECK;

/*
 * The same for a command that is not in the table of packet.c. Its form stands beside its use, and the
 * linker leaves it out of a program that has none.
 */
enum err se_exchange_other(
    struct se *se, const struct se_command_form *form, uint32_t param, uint8_t *out) MUST_CHECK;

/* Nonce, random; se_nonce of se_more.h without the rest afterwards. */
enum err se_nonce_awake(struct se *se, const uint8_t num_in[20], uint8_t rand_out[32]) MUST_CHECK;
/* The same; temp becomes what TempKey is now. */
enum err se_nonce_shared(struct se *se, const uint8_t num_in[20], uint8_t temp[32]) MUST_CHECK;

/* Sends the chip to rest and returns e. */
enum err se_idle(struct se *se, enum err e) MUST_CHECK;

/* Notes the fault and returns the enum err that belongs to it. */
enum err se_fail(struct se *se, enum se_fault fault) MUST_CHECK;

/*
 * Where bytes are: zone in bits 17 and 16, slot in 14 to 11 (0 in the other zones), offset in 8 to
 * 0. SE_WRITE in it: to the chip.
 */
#define SE_CONFIG_AT(offset) (offset)
/* Its blocks are numbered where the data zone has its slots. */
#define SE_OTP_AT(block) (0x10000ul | (uint32_t)(block) << 11)
#define SE_SLOT_AT(slot, offset) (0x20000ul | (uint32_t)(slot) << 11 | (uint32_t)(offset))
#define SE_WRITE 0x40000ul

/* Moves n bytes to `out`, or from se->in to the chip, in blocks of 32 and words of 4. */
enum err se_move(struct se *se, uint32_t at, uint8_t *out, size_t n) MUST_CHECK;
/* Moves n bytes from `in` to the chip. */
enum err se_put(struct se *se, uint32_t at, const uint8_t *in, size_t n) MUST_CHECK;

/* CRC-16 of the packets and of Lock: polynomial 8005, bits fed least significant first. */
uint16_t se_crc(uint16_t crc, const uint8_t *p, size_t n);

#endif
