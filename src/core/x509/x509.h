/*
 * x509.h -- the X.509 subset of RFC 5280 that an identity needs: P-256 keys, ECDSA with SHA-256,
 * names, validity to the hour, authority key identifier.
 *
 * The encoder here is the only one: the authority signs its bytes and the board rebuilds the same
 * bytes. Encoders write into the caller's der_w; parsed structs borrow from the DER they were
 * parsed from. Parsing is strict DER; anything outside the subset is ERR_FORMAT. Nothing here
 * decides whether a certificate is wanted: that is the authority's lint.
 *
 *	struct x509_tbs tbs = { .serial = SLICE(serial), .issuer = x509_arduino_issuer, ... };
 *	x509_tbs_put(&w, &tbs);
 */
#ifndef IMPRINT_X509_H
#define IMPRINT_X509_H

#include "der.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whole-hour UTC time. Only hosts convert seconds. */
struct x509_hour {
	uint16_t year;
	uint8_t month, day, hour;
};

/* notAfter of something that never expires: written as 99991231235959Z (RFC 5280 4.1.2.5). */
#define X509_NO_EXPIRY ((struct x509_hour){ 9999, 12, 31, 23 })

/* True when the day exists in the Gregorian calendar, the hour is 0..23 and the year 1..9999. */
bool x509_hour_exists(const struct x509_hour *t);
/* The same month, day and hour so many years later, as the devices compute it: 29 February stays.
 */
struct x509_hour x509_hour_add_years(const struct x509_hour *t, unsigned years);
/*
 * UTCTime 1950 to 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5); ERR_ARG for other years. In year
 * 9999 hours are written as their last second, which makes X509_NO_EXPIRY what it is.
 */
void x509_time_put(struct der_w *w, const struct x509_hour *t);
/*
 * Reads exactly what x509_time_put writes; a day that the month does not have is read too, since
 * devices rebuild 29 February of any year.
 */
enum err x509_time_take(struct slice *in, struct x509_hour *t) MUST_CHECK;

/* Attributes of a Name in the order in which Arduino's libraries write them. Empty: left out. */
enum x509_attribute { X509_C, X509_ST, X509_L, X509_O, X509_OU, X509_CN, X509_ATTRIBUTES };
struct x509_name {
	struct slice at[X509_ATTRIBUTES];
};

/* Writes a Name: one attribute a SET, all PrintableString. */
void x509_name_put(struct der_w *w, const struct x509_name *name);
/*
 * Reads a Name (whole DER). Known attributes are kept, others skipped; PrintableString, UTF8String
 * and IA5String are taken. ERR_FORMAT: not a Name, or a known attribute that stands twice, is
 * empty, has another type, a control character or broken UTF-8.
 */
enum err x509_name_parse(struct slice der, struct x509_name *name) MUST_CHECK;
/* Takes a Name off the front of in: its whole DER and what it says. */
enum err x509_name_take(struct slice *in, struct slice *der, struct x509_name *name) MUST_CHECK;
/* C=US, O=Arduino LLC US, OU=IT, CN=Arduino: 71 bytes, compiled into every Arduino board. */
extern const uint8_t x509_arduino_issuer[71];

/* SubjectPublicKeyInfo of the uncompressed P-256 point q = X|Y (RFC 5480 section 2): 91 bytes. */
#define X509_SPKI_SIZE 91
void x509_spki_put(struct der_w *w, const uint8_t q[64]);
enum err x509_spki_take(struct slice *in, uint8_t q[64]) MUST_CHECK;

/* Ecdsa-Sig-Value of sig = r|s (RFC 3279 2.2.3). Both ways strict: shortest, 1 <= r, s < n. */
void x509_sig_put(struct der_w *w, const uint8_t sig[64]);
enum err x509_sig_parse(struct slice der, uint8_t sig[64]) MUST_CHECK;

/* AlgorithmIdentifier ecdsa-with-SHA256 without parameters: 12 bytes with its header. */
extern const uint8_t x509_ecdsa_sha256[12];
/*
 * The end of everything that is signed (certificate, request, CRL): ecdsa-with-SHA256 and a BIT
 * STRING with the signature.
 */
void x509_signature_put(struct der_w *w, const uint8_t sig[64]);
enum err x509_signature_take(struct slice *in, uint8_t sig[64]) MUST_CHECK;

/*
 * How ecdsa-with-SHA256 on P-256 is made and checked; supplied by the element, by OpenSSL or by a
 * token. q = X|Y, sig = r|s. Both hash the message themselves: a secure element can, so that a board
 * program needs no SHA-256 of its own, and a computer has a much faster one than ours. verify returns
 * ERR_DENIED for a wrong signature and ERR_FORMAT for a point that is not on the curve.
 */
struct x509_signer {
	void *ctx;
	enum err (*sign)(void *ctx, struct slice message, uint8_t sig[64]);
};
struct x509_verifier {
	void *ctx;
	enum err (*verify)(
	    void *ctx, const uint8_t q[64], struct slice message, const uint8_t sig[64]);
};

/*
 * TBSCertificate. All slices are borrowed.
 *	serial		unsigned, big endian, 1..20 bytes; leading zeros are dropped in the INTEGER
 *	issuer, subject	whole DER Names
 *	aki		20 bytes; all zeros: no authority key identifier is written
 *	extensions	further Extensions as DER, after the authority key identifier; often empty
 * With neither, the list is written empty (A3 02 30 00), as the devices do.
 */
struct x509_tbs {
	struct slice serial, issuer, subject, extensions;
	struct x509_hour not_before, not_after;
	const uint8_t *q;   /* 64 bytes X|Y */
	const uint8_t *aki; /* 20 bytes */
};

void x509_tbs_put(struct der_w *w, const struct x509_tbs *tbs);
/* Certificate from a finished TBSCertificate and the issuer's signature over its SHA-256. */
void x509_cert_put(struct der_w *w, struct slice tbs_der, const uint8_t sig[64]);

/*
 * A parsed certificate. `tbs` has the meaning of above, with serial as written (a sign byte
 * removed), q and aki pointing into `der`; aki is NULL when absent. `extensions` are the others.
 */
struct x509_cert {
	struct slice der, tbs_der;
	struct x509_tbs tbs;
	uint8_t sig[64];
};

/*
 * Parses a v3 certificate of the subset. Refused as ERR_FORMAT: other key or signature algorithms,
 * an empty or negative serial or one above 20 bytes, minutes or seconds (but 99991231235959Z),
 * trailing bytes, no extension list, an Extension twice, more than 32 of them, an AKI that is
 * critical, not first, zero or not a 20-byte keyIdentifier. What is accepted rebuilds identically:
 * x509_tbs_put(&cert.tbs) gives tbs_der, and x509_cert_put of that gives der.
 */
enum err x509_cert_parse(struct slice der, struct x509_cert *cert) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
