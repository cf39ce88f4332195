/*
 * se_identity.h -- making an identity so that power may fail at any moment.
 *
 * A new key is made in slot 0 seconds to days before its certificate arrives, and a certificate is
 * written in a dozen steps; in between the chip holds things that do not belong together, and
 * nothing in Arduino's layout says so. These calls keep a marker in bytes 36 to 71 of slot 11, which
 * Arduino's libraries never read or write (docs/formats.md): a word for what is going on, and two
 * digests over key and certificate. It is written ahead of each step, one word at a time, so
 * se_identity says after any interruption what is true, not what was meant.
 *
 *	if ((e = se_identity(&se, &state)) == OK && state != SE_IDENTITY_WHOLE) {
 *		e = se_identity_key(&se, q);                        // then request, authority ...
 *		e = se_identity_store(&se, slot10, slot11, slot12);
 *	}
 *
 * The marker is a help against accidents, not a proof: whoever holds the bus can write it. Data must
 * be locked. se_genkey and se_cert_write stay as they are; after them the state is CHANGED or
 * UNMARKED, as after any other library.
 */
#ifndef IMPRINT_SE_IDENTITY_H
#define IMPRINT_SE_IDENTITY_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

enum se_identity {
	SE_IDENTITY_UNMARKED, /* nobody kept a marker: only the certificate's signature can tell */
	SE_IDENTITY_WHOLE, /* key and certificate were stored as a pair and are that pair still */
	SE_IDENTITY_KEY_ONLY, /* a new key has been made, the certificate is an older one's, or none */
	SE_IDENTITY_HALF,     /* storing was begun and not finished */
	SE_IDENTITY_CHANGED, /* was whole; other software has changed key or certificate since */
	SE_IDENTITY_STATES
};
/* "key and certificate belong together", ... Host side. */
const char *se_identity_text(enum se_identity state);

enum err se_identity(struct se *se, enum se_identity *state) MUST_CHECK;
/* Makes a new key in slot 0. From then on the certificate in the chip belongs to no key. */
enum err se_identity_key(struct se *se, uint8_t q[64]) MUST_CHECK;
/* se_cert_write for the key in slot 0, in a way that can be interrupted. */
enum err se_identity_store(struct se *se, const uint8_t slot10[72], const uint8_t slot11[36],
    const uint8_t slot12[36]) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
