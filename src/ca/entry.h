/*
 * entry.h -- the log entry of an issuance and its leaf hash (docs/authority.md; RFC 6962 2.1).
 *
 * The signer computes it from what it signed, so that it cannot issue without committing to an
 * entry.
 *
 *	entry_put(&issuance, entry);
 *	e = entry_hash(digest, entry, leaf);
 */
#ifndef IMPRINT_ENTRY_H
#define IMPRINT_ENTRY_H

#include "digest.h"

#define ENTRY_ISSUANCE 190

struct entry_issuance {
	uint64_t time_ms; /* since 1970 */
	uint8_t tenant[16], detail[32];
	uint8_t aki[20], serial[16], device[16];
	uint8_t spki[32], cert[32];     /* SHA-256 of each */
	uint64_t not_before, not_after; /* seconds since 1970 */
};

void entry_put(const struct entry_issuance *issuance, uint8_t entry[ENTRY_ISSUANCE]);
/* SHA-256(00 | entry) */
enum err entry_hash(
    struct digest *digest, const uint8_t entry[ENTRY_ISSUANCE], uint8_t leaf[32]) MUST_CHECK;

#endif
