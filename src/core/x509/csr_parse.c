#include "csr.h"

static const char *const texts[CSR_FAULTS] = {
	[CSR_FINE] = "no fault",
	[CSR_TOO_LONG] = "CertificationRequest: too long",
	[CSR_OUTER] = "CertificationRequest: not one DER SEQUENCE of three fields",
	[CSR_VERSION] = "certificationRequestInfo.version: not 0",
	[CSR_SUBJECT] = "certificationRequestInfo.subject: not a Name that can be read",
	[CSR_KEY_ALGORITHM] = "subjectPKInfo.algorithm: not id-ecPublicKey with prime256v1",
	[CSR_KEY_POINT] = "subjectPKInfo.subjectPublicKey: not an uncompressed point of 65 bytes",
	[CSR_ATTRIBUTES] = "certificationRequestInfo.attributes: missing or not well formed",
	[CSR_SIGNATURE_ALGORITHM] = "signatureAlgorithm: not ecdsa-with-SHA256 without parameters",
	[CSR_SIGNATURE_FORM] = "signature: not a DER pair of integers from 1 to n-1",
	[CSR_POINT_OFF_CURVE] = "subjectPKInfo.subjectPublicKey: the point is not on P-256",
	[CSR_SIGNATURE_WRONG] = "signature: does not verify with the key in the request",
};

const char *csr_fault_text(enum csr_fault fault)
{
	return (unsigned)fault < CSR_FAULTS ? texts[fault] : "unknown fault";
}

/* attributes [0]: Attribute ::= SEQUENCE { OID, SET OF value } (RFC 2986 4.1), order ignored. */
static bool attributes_formed(struct slice list)
{
	struct slice attribute, oid, values;

	while (list.n > 0)
		if (der_take(&list, DER_SEQUENCE, &attribute) != OK ||
		    der_take_oid(&attribute, &oid) != OK ||
		    der_take(&attribute, DER_SET, &values) != OK || values.n == 0 ||
		    !der_ascending(values) || der_end(&attribute) != OK)
			return false;
	return true;
}

/* Tells a foreign kind of key from a P-256 key in another form, for the message. */
static enum csr_fault key_fault(struct slice in)
{
	static const uint8_t p256[] = { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
		0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	struct slice spki;

	if (der_take(&in, DER_SEQUENCE, &spki) == OK && der_take_exact(&spki, SLICE(p256)) == OK)
		return CSR_KEY_POINT;
	return CSR_KEY_ALGORITHM;
}

static enum csr_fault parse_cri(struct slice in, struct csr *csr)
{
	if (der_take_exact(&in, BYTES(DER_INTEGER, 1, 0)) != OK)
		return CSR_VERSION;
	if (x509_name_take(&in, &csr->subject, &csr->name) != OK)
		return CSR_SUBJECT;
	if (x509_spki_take(&in, csr->q) != OK)
		return key_fault(in);
	if (der_take(&in, DER_CONTEXT(0), &csr->attributes) != OK || der_end(&in) != OK ||
	    !attributes_formed(csr->attributes))
		return CSR_ATTRIBUTES;
	return CSR_FINE;
}

static enum csr_fault parse(struct slice der, struct csr *csr)
{
	struct slice outer, info;
	enum csr_fault fault;
	uint8_t tag;

	csr->der = der;
	if (der.n > CSR_MAX)
		return CSR_TOO_LONG;
	if (der_take(&der, DER_SEQUENCE, &outer) != OK || der_end(&der) != OK ||
	    der_take_any(&outer, &tag, &info, &csr->cri) != OK || tag != DER_SEQUENCE)
		return CSR_OUTER;
	if ((fault = parse_cri(info, csr)) != CSR_FINE)
		return fault;
	if (der_take_exact(&outer, SLICE(x509_ecdsa_sha256)) != OK)
		return CSR_SIGNATURE_ALGORITHM;
	if (der_take_bits(&outer, &info) != OK || x509_sig_parse(info, csr->sig) != OK)
		return CSR_SIGNATURE_FORM;
	return der_end(&outer) == OK ? CSR_FINE : CSR_OUTER;
}

enum err csr_parse(struct slice der, struct csr *csr, enum csr_fault *fault)
{
	struct csr got;
	enum csr_fault f = parse(der, &got);

	if (fault)
		*fault = f;
	if (f == CSR_FINE)
		*csr = got;
	return f == CSR_FINE ? OK : f == CSR_TOO_LONG ? ERR_SPACE : ERR_FORMAT;
}

enum err csr_verify(
    const struct csr *csr, const struct x509_verifier *verifier, enum csr_fault *fault)
{
	enum err e = verifier->verify(verifier->ctx, csr->q, csr->cri, csr->sig);

	if (fault)
		*fault = e == ERR_DENIED   ? CSR_SIGNATURE_WRONG
		         : e == ERR_FORMAT ? CSR_POINT_OFF_CURVE
		                           : CSR_FINE;
	return e;
}
