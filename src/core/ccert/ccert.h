/*
 * ccert.h -- Arduino's compressed certificate: 72 + 36 + 36 bytes in slots 10, 11 and 12, and the
 * one certificate that they stand for.
 *
 * The device never receives a certificate. It keeps these fields and rebuilds the DER with the code
 * of x509.h; the authority signs the TBSCertificate made by ccert_tbs_put. The issuer is fixed
 * (x509_arduino_issuer). Layout: docs/formats.md; bytes 67..71 of slot 10 are zero
 * when written and ignored when read.
 *
 * Every in-range value is packed and rebuilt, also what no authority may issue (29 February, zero
 * key id): refusing those is the issuing lint's work.
 */
#ifndef IMPRINT_CCERT_H
#define IMPRINT_CCERT_H

#include "x509.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CCERT_SLOT10 72
#define CCERT_SLOT11 36
#define CCERT_SLOT12 36
#define CCERT_DEVICE_ID 36
/* Longest certificate that these fields can make, and its TBSCertificate. */
#define CCERT_CERT_MAX 416
#define CCERT_TBS_MAX 336

struct ccert {
	uint8_t sig[64];                 /* the authority's r|s */
	struct x509_hour issued;         /* 2000..2031 */
	uint8_t years;                   /* 0..31; 31 is plainly 31 years */
	uint8_t serial[16];              /* big endian, not all zero */
	uint8_t aki[20];                 /* all zero: no identifier in the certificate */
	char device_id[CCERT_DEVICE_ID]; /* subject common name, no NUL */
};

/*
 * Packs issue time and lifetime into the 3-byte date field of a compressed certificate.
 *
 *	issued	UTC, whole hour, year 2000..2031; month 1..12, day 1..31, hour 0..23 (the
 *		calendar is the caller's business)
 *	years	whole years until expiry, 0..31; 31 is plainly 31 years, 0 ends at its start
 *	out	3 bytes, big-endian bits: year-2000:5 month:4 day:5 hour:5 years:5
 *
 * ERR_ARG if any field is out of range; out is then untouched.
 */
enum err ccert_dates_pack(
    const struct x509_hour *issued, unsigned years, uint8_t out[3]) MUST_CHECK;
/* ERR_FORMAT for month 0 or 13..15, day 0, hour 24..31. */
enum err ccert_dates_unpack(
    const uint8_t in[3], struct x509_hour *issued, uint8_t *years) MUST_CHECK;

/* Fields -> slots. ERR_ARG: a date out of range, serial zero, a NUL in the device id. */
enum err ccert_pack(const struct ccert *c, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12]) MUST_CHECK;
/* Slots -> fields. ERR_FORMAT as above; the device id must be printable. */
enum err ccert_unpack(const uint8_t slot10[CCERT_SLOT10], const uint8_t slot11[CCERT_SLOT11],
    const uint8_t slot12[CCERT_SLOT12], struct ccert *c) MUST_CHECK;

/* Writes the TBSCertificate for key q = X|Y: what the authority signs. sig is not looked at. */
void ccert_tbs_put(struct der_w *w, const struct ccert *c, const uint8_t q[64]);
/* Rebuilds the whole certificate. CCERT_CERT_MAX bytes are enough. */
void ccert_cert_put(struct der_w *w, const struct ccert *c, const uint8_t q[64]);

/*
 * Certificate -> fields and key. ERR_FORMAT unless the fields rebuild exactly these bytes (another
 * issuer, other extensions, dates that the format cannot hold).
 */
enum err ccert_from_cert(struct slice der, struct ccert *c, uint8_t q[64]) MUST_CHECK;

/* The fields that two compressed certificates can differ in, in the order of the serial dialogue.
 */
enum ccert_field {
	CCERT_SAME,
	CCERT_DIFFERS_DEVICE_ID,
	CCERT_DIFFERS_ISSUED,
	CCERT_DIFFERS_YEARS,
	CCERT_DIFFERS_SERIAL,
	CCERT_DIFFERS_AKI,
	CCERT_DIFFERS_SIGNATURE,
	CCERT_DIFFERS_KEY, /* found by comparing q, never by ccert_compare */
	CCERT_FIELDS
};
/* The first field that differs. */
enum ccert_field ccert_compare(const struct ccert *a, const struct ccert *b);
/* "serial number", "authority key identifier", ... */
const char *ccert_field_text(enum ccert_field f);

#ifdef __cplusplus
}
#endif
#endif
