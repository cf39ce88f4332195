/*
 * csr.h -- certification requests, PKCS#10 (RFC 2986): build, parse, verify.
 *
 * Building writes what Arduino's libraries write: version 0, Name, P-256 key, empty attributes.
 * Parsing takes any strict DER request for a P-256 key signed with ecdsa-with-SHA256; attributes
 * are checked for form and then ignored. A parsed csr borrows from its DER. A csr that was parsed
 * is not yet verified: call csr_verify before believing anything in it.
 */
#ifndef IMPRINT_CSR_H
#define IMPRINT_CSR_H

#include "x509.h"

#ifdef __cplusplus
extern "C" {
#endif

struct csr {
	struct slice der, cri;   /* the whole request; the signed CertificationRequestInfo */
	struct slice subject;    /* DER Name */
	struct slice attributes; /* Attributes one after the other, often none */
	struct x509_name name;
	uint8_t q[64], sig[64];
};

/* Largest CSR that is read; Arduino's are 190 to 300 bytes. */
#define CSR_MAX 4096

/* Writes the CSR of key q; `signer` signs the CertificationRequestInfo. Its error is the result. */
enum err csr_build(const struct x509_name *subject, const uint8_t q[64],
    const struct x509_signer *signer, struct der_w *w) MUST_CHECK;

/* Why a CSR was refused, for people: which field and what is wrong with it. */
enum csr_fault {
	CSR_FINE,
	CSR_TOO_LONG,
	CSR_OUTER, /* not one SEQUENCE, or bytes behind it */
	CSR_VERSION,
	CSR_SUBJECT,
	CSR_KEY_ALGORITHM, /* not id-ecPublicKey on P-256 */
	CSR_KEY_POINT,     /* not an uncompressed point */
	CSR_ATTRIBUTES,
	CSR_SIGNATURE_ALGORITHM,
	CSR_SIGNATURE_FORM,
	CSR_POINT_OFF_CURVE, /* found by csr_verify */
	CSR_SIGNATURE_WRONG, /* found by csr_verify */
	CSR_FAULTS
};
/* "subjectPublicKeyInfo.algorithm: not id-ecPublicKey with prime256v1" and the like. */
const char *csr_fault_text(enum csr_fault fault);

/* fault may be NULL. ERR_FORMAT, or ERR_SPACE above CSR_MAX; csr is then untouched. */
enum err csr_parse(struct slice der, struct csr *csr, enum csr_fault *fault) MUST_CHECK;
/* Proof of possession (RFC 2986 section 3). ERR_DENIED: wrong signature; ERR_FORMAT: off the curve.
 */
enum err csr_verify(
    const struct csr *csr, const struct x509_verifier *verifier, enum csr_fault *fault) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
