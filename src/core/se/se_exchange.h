/*
 * se_exchange.h -- one command and its answer; inside core/se only.
 *
 * se_exchange wakes the chip when needed and leaves it awake, so that a call of several commands
 * pays for one wake. Every public function ends with se_idle, on success and on every failure:
 *
 *	return se_idle(se, se_exchange(se, &random, 0, NULL, out));
 */
#ifndef IMPRINT_SE_EXCHANGE_H
#define IMPRINT_SE_EXCHANGE_H

#include "se.h"

/* Longest command here: Nonce or SHA with 64 bytes, behind its word address. */
#define SE_FRAME_MAX (1 + 7 + 64)

/* A command as the data sheet lists it. Answers without data are one status byte: out = 0. */
struct se_command {
	uint8_t opcode, param1;
	uint8_t in, out;        /* bytes of data to and from the chip */
	uint8_t ms_508, ms_608; /* maximum execution times; the 608's at clock divider M0 */
};

/* param is param2, and in its upper half bits to set in param1. out may be NULL: not wanted. */
enum err se_exchange(struct se *se, const struct se_command *command, uint32_t param,
    const uint8_t *in, uint8_t *out) MUST_CHECK;

/* Sends the chip to rest and returns e. */
enum err se_idle(struct se *se, enum err e) MUST_CHECK;

/* Notes the fault and returns the enum err that belongs to it. */
enum err se_fail(struct se *se, enum se_fault fault) MUST_CHECK;

/*
 * Moves n bytes from `in` or to `out`, whichever is not NULL, in blocks of 32 bytes and words of 4.
 * The slot is 0 for the other zones.
 */
enum err se_move(struct se *se, enum se_zone zone, unsigned slot, size_t offset, const uint8_t *in,
    uint8_t *out, size_t n) MUST_CHECK;

/* CRC-16 of the packets and of Lock: polynomial 8005, bits fed least significant first. */
uint16_t se_crc(uint16_t crc, const uint8_t *p, size_t n);

#endif
