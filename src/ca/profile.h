/*
 * profile.h -- what kinds of certificate there are, by number, and the bytes of the authority's own.
 *
 * The device authority bears the issuer name that is compiled into every board, its key signs device
 * certificates and their revocation list and nothing else, and it never expires. All of its bytes
 * follow from serial, start and key: profile_ca_parse rebuilds them instead of believing a file.
 *
 *	const char *why;
 *	if ((e = profile_ca_parse(der, &ca, sig, &tbs, &why)) != OK)
 *		return err_set(eb, e, "certificate of the authority: %s", why);
 */
#ifndef IMPRINT_PROFILE_H
#define IMPRINT_PROFILE_H

#include "x509.h"

#define PROFILE(number, name, kind, text, what, source) PROFILE_##name = number,
enum profile {
#include "profiles.def"
};
#undef PROFILE

enum profile_kind { PROFILE_LEAF, PROFILE_ROOT, PROFILE_SERVICE };
struct profile_info {
	enum profile number;
	enum profile_kind kind;
	const char *name, *what, *source;
};
/* NULL when there is no such profile. */
const struct profile_info *profile_info(unsigned number);

struct profile_ca {
	uint8_t serial[16];
	struct x509_hour not_before;
	uint8_t q[64], key_id[20];
};

/* Longest certificate of the profile device-ca. */
#define PROFILE_CA_MAX 512

void profile_ca_tbs_put(struct der_w *w, const struct profile_ca *ca);

/*
 * Reads a certificate of the profile device-ca. key_id is what the certificate says; whether it is
 * the key's, and whether the signature is right, is for the caller to find out. ERR_FORMAT: another
 * certificate; why, when not NULL, says what differs.
 */
enum err profile_ca_parse(struct slice der, struct profile_ca *ca, uint8_t sig[64],
    struct slice *tbs, const char **why) MUST_CHECK;

#endif
