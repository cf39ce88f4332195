/*
 * se_profile.h -- the configurations that this driver writes, and those that it only recognises.
 *
 * Arduino's profile is what ArduinoECCX08 locks into a chip: any key slot signs whatever the host
 * wants, so nothing that the chip says about its keys proves anything. The attestation-ready one
 * keeps Arduino's layout and libraries and adds a key that only ever signs the chip's own words.
 * Both are for ever once locked; which bytes a chip would have to change, se_profile_diff says.
 *
 *	for (size_t i = 0; se_profiles[i]; i++)
 *		if (se_profile_diff(&se, se_profiles[i], offsets, sizeof(offsets), &n) == OK && n == 0)
 *			puts(se_profiles[i]->name);
 */
#ifndef IMPRINT_SE_PROFILE_H
#define IMPRINT_SE_PROFILE_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "attestation-ready". se_lock makes the key of slot 1 before it locks: afterwards nobody can. */
extern const struct se_profile se_profile_attestation;
enum { SE_SLOT_ATTESTATION = 1 };

/* All of them, ended by NULL. */
extern const struct se_profile *const se_profiles[];

/* Chips that leave Microchip locked, with a key and a certificate. Nothing of theirs is written. */
enum se_trust { SE_TRUST_NONE, SE_TRUST_GO_TLS, SE_TRUST_GO_LORA, SE_TRUST_FLEX_TLS };
/*
 * Which of them it presents itself as: by locks, SlotConfig and the template code in OTP. Anybody can
 * imitate that; only the certificate chain is a proof. SE_TRUST_NONE is an answer, not an error.
 */
enum err se_trust(struct se *se, enum se_trust *kind) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
