/*
 * ca.h -- a device authority in a folder: it turns a board's request into a certificate that the
 * board can rebuild.
 *
 * The folder (0700) holds key.pem (PKCS#8, 0600) and certificate.pem. Creation is atomic: after a
 * crash there is no authority or a whole one. Opening refuses a folder or key that others can enter,
 * a certificate of another profile, and a key of another certificate. Nothing of the key leaves the
 * signer (signer.h).
 *
 * ca_issue believes nothing in a request before its signature verifies, draws the serial itself,
 * and releases a certificate only after the 144 bytes for the board have rebuilt it byte for byte as
 * it was signed. What may never be issued is refused by a numbered rule (lint.def). It keeps no
 * register of what it issued: that is the caller's. A `struct ca` belongs to one thread at a time.
 *
 * A server issues in two halves: ca_check on any thread, without the authority, and ca_sign for all
 * that wait at once, which is several times cheaper for each. ca_issue is the two for one.
 *
 *	struct ca *ca = NULL;
 *	if ((e = ca_open("state/ca", NULL, &ca, eb)) != OK)          // ERR_NOT_FOUND: ca_create first
 *		return e;
 *	struct ca_request r = { .csr = csr, .device_id = id, .start = hour, .years = 31 };
 *	e = ca_issue(ca, &r, &issued, eb);
 *	ca_free(ca);
 */
#ifndef IMPRINT_CA_H
#define IMPRINT_CA_H

#include "ccert.h"
#include "errbuf.h"
#include "lint.h"
#include "p256.h"
#include "signer.h"

struct ca;

/*
 * Makes a new authority: key, self-signed certificate that begins with the hour of `now` (seconds
 * since 1970; from 2032 on, with the last hour of 2031) and never ends. ERR_CONFLICT when there is
 * something in the folder already, or another process is making it now. An empty folder may exist.
 */
enum err ca_create(const char *folder, int64_t now, struct errbuf *eb) MUST_CHECK;

/* options may be NULL: no rule is allowed, the system's clock. */
enum err ca_open(const char *folder, const struct signer_options *options, struct ca **ca,
    struct errbuf *eb) MUST_CHECK;
void ca_free(struct ca *ca);

/* The authority's certificate, and the identifier of its key; they live as long as ca. */
struct slice ca_certificate(const struct ca *ca);
const uint8_t *ca_key_id(const struct ca *ca); /* 20 bytes */

#define CA_END_YEAR                                                                                \
	2062u /* the last hour of 2031 and 31 years: whose clock says that, issues nothing */

struct ca_request {
	struct slice csr;       /* DER, or PEM as a board prints it */
	struct slice device_id; /* UUID in lower case: subject of the certificate */
	/*
	 * First hour. 29 February becomes 28 February, because the day may not exist when the
	 * certificate ends. From 2032 on the certificate is pinned: it begins with the last hour of
	 * 2031, the last that boards can rebuild, and ends with the last hour of the year in which
	 * it should, at the latest 2062.
	 */
	struct x509_hour start;
	unsigned years; /* 1..31 */
	/*
	 * The caller knows which device this is, whatever the request says: a common name that is
	 * another device's id is replaced like any other, not refused.
	 */
	bool rename;
};

struct ca_issued {
	struct ccert fields; /* what the board stores */
	uint8_t q[64];
	uint8_t der[CCERT_CERT_MAX];
	size_t der_n;
	uint8_t fingerprint[32]; /* SHA-256 of der */
	uint8_t leaf_hash[32];   /* of the log entry, made at time_ms */
	uint64_t time_ms;
	bool leap_day; /* the start was 29 February */
	bool pinned;
};

/*
 * ERR_FORMAT: the request or the device id, field and fault in eb. ERR_CONFLICT: the request names
 * another device. ERR_ARG: start or years. ERR_DENIED: a rule refuses, its number in eb. issued is
 * untouched on failure.
 */
enum err ca_issue(struct ca *ca, const struct ca_request *request, struct ca_issued *issued,
    struct errbuf *eb) MUST_CHECK;

/* A certificate between its two halves. */
struct ca_work {
	struct leaf_in leaf; /* of ca_check; tenant and detail are the caller's to fill in */
	struct ca_issued issued;
	enum err err; /* of ca_sign, with its text; issued counts only with OK */
	struct errbuf eb;
};

/*
 * The first half: parses and verifies the request, chooses dates, draws the serial (work->leaf.serial).
 * `verifier` is the calling thread's. Errors as ca_issue, but for the rules; work is untouched then.
 */
enum err ca_check(struct p256 *verifier, const struct ca_request *request, struct ca_work *work,
    struct errbuf *eb) MUST_CHECK;
/* The second: one refusal does not touch its neighbours. */
void ca_sign(struct ca *ca, struct ca_work *const *works, size_t n);

/*
 * Whether this authority signed the certificate: profile, identifier, signature. ERR_FORMAT: not a
 * device certificate; ERR_DENIED: not of this authority.
 */
enum err ca_verify(
    struct ca *ca, struct slice der, struct ccert *fields, struct errbuf *eb) MUST_CHECK;

#endif
