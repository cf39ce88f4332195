/*
 * statement.h -- what the signer is asked to sign, and what it answers: facts, never digests.
 *
 * One element of a batch. No pointers, so that an element can cross
 * to another process. Times are whole hours since 2000-01-01 UTC (utc.h).
 */
#ifndef IMPRINT_STATEMENT_H
#define IMPRINT_STATEMENT_H

#include "base.h"

enum leaf_flag {
	LEAF_HOURS = 1, /* validity counts hours, not years: not for the profile arduino */
	/* notBefore is the last hour of 2031, since the format knows no later one (docs/authority.md) */
	LEAF_PINNED = 2,
};

struct leaf_in {
	uint8_t key, profile; /* which key of the signer; enum profile */
	uint16_t flags;
	uint32_t not_before;
	uint16_t validity;
	uint8_t serial[16];
	uint8_t device[16]; /* UUID */
	uint8_t q[64];
	uint8_t tenant[16];
	uint8_t detail[32]; /* hash of who asked and why, for the log */
};

struct leaf_out {
	enum err err;
	uint8_t lint; /* number of the rule that refused, or 0 */
	uint8_t sig[64];
	uint8_t leaf_hash[32];   /* of the log entry (entry.h) */
	uint8_t fingerprint[32]; /* SHA-256 of the certificate's DER */
};

#endif
