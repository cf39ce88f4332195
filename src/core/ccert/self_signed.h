/*
 * self_signed.h -- certificates that an element signs for itself: made once, kept as 72 bytes,
 * rebuilt whenever they are wanted. For connections where the other side knows the key already.
 *
 * The layout is ArduinoECCX08's (docs/formats.md): r, s, and the dates in one byte each, which is not
 * the packed form of ccert.h. Only signature and dates are stored; the program supplies name, serial
 * number and key again. A serial number of zero is refused: the existing libraries write an INTEGER
 * without content for it, which nobody can parse.
 *
 *	struct self_signed s = { .name.at[X509_CN] = SLICE(text), .serial = BYTES(1),
 *		.issued = { 2025, 6, 1, 12 }, .years = 31 };
 *	if ((e = self_signed_build(&s, q, &signer, storage, &w)) != OK ||
 *	    (e = se_slot_write(&se, 8, 0, SLICE(storage))) != OK)
 *		return e;
 */
#ifndef IMPRINT_SELF_SIGNED_H
#define IMPRINT_SELF_SIGNED_H

#include "x509.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SELF_SIGNED_STORAGE 72
/* Longest DER of the name; it stands in the certificate twice. */
#define SELF_SIGNED_NAME_MAX 256

struct self_signed {
	struct x509_name name;   /* issuer and subject */
	struct slice serial;     /* 1 to 20 bytes, big endian, not all zero */
	struct x509_hour issued; /* 2000 to 2031 */
	uint8_t years;           /* 0 to 31 */
};

/*
 * Writes the certificate of key q = X|Y and what is to be kept of it. ERR_ARG: serial or dates out of
 * range; ERR_SPACE: the name is longer than SELF_SIGNED_NAME_MAX, or no room in w; both before
 * anything is signed. Else the signer's error. storage is untouched on failure.
 */
enum err self_signed_build(const struct self_signed *s, const uint8_t q[64],
    const struct x509_signer *signer, uint8_t storage[SELF_SIGNED_STORAGE],
    struct der_w *w) MUST_CHECK;
/*
 * Rebuilds it. name and serial of `s` are looked at, the dates are read from the storage and put
 * there. ERR_FORMAT: the storage holds no such dates, or no signature; ERR_ARG and ERR_SPACE as above.
 */
enum err self_signed_rebuild(struct self_signed *s, const uint8_t q[64],
    const uint8_t storage[SELF_SIGNED_STORAGE], struct der_w *w) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
