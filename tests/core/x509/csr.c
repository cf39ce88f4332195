/* Certification requests (RFC 2986): built, read, refused with the field that is wrong. */
#include "csr.h"
#include "tap.h"
#include "vectors.h"

#ifdef SMALL_MACHINE
#define CSRS_MUTATED 1 /* QEMU is slow */
#else
#define CSRS_MUTATED vector_csrs_n
#endif

#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static struct x509_name name_of(const struct vector_csr *v)
{
	return (struct x509_name){ .at = { string(v->c), string(v->st), string(v->l), string(v->o),
		                       string(v->ou), string(v->cn) } };
}

/* A signer that knows one signature and checks that it is asked for the right one. */
struct known {
	struct slice message;
	uint8_t sig[64];
	enum err e;
	unsigned asked;
};

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct known *k = ctx;

	k->asked++;
	if (!slice_equal(message, k->message))
		return ERR_CONFLICT;
	if (k->e == OK)
		memcpy(sig, k->sig, 64);
	return k->e;
}

static void build_vector(const struct vector_csr *v)
{
	struct known known = { .message = v->info };
	struct x509_signer signer = { &known, sign };
	struct x509_name name = name_of(v);
	uint8_t buffer[320];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;
	struct csr csr;
	bool same = true;

	if (!ok(csr_parse(v->der, &csr, NULL) == OK, "%s: read", v->name))
		return;
	for (unsigned i = 0; i < X509_ATTRIBUTES; i++)
		same &= slice_equal(csr.name.at[i], name.at[i]);
	ok(same && slice_equal(csr.der, v->der) && slice_equal(csr.cri, v->info) &&
	        slice_equal(SLICE(csr.q), v->q) && csr.attributes.n == 0,
	    "%s: subject, key and signed part", v->name);
	memcpy(known.sig, csr.sig, 64);
	ok(csr_build(&name, v->q.p, &signer, &w) == OK && der_finish(&w, &out) == OK &&
	        slice_equal(out, v->der) && known.asked == 1,
	    "%s: built byte for byte", v->name);
}

static void build_fails(void)
{
	const struct vector_csr *v = &vector_csrs[0];
	struct known known = { .message = v->info, .e = ERR_TIMEOUT };
	struct x509_signer signer = { &known, sign };
	struct x509_name name = name_of(v);
	uint8_t buffer[320];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;
	struct csr csr;
	unsigned bad = 0;

	ok(csr_build(&name, v->q.p, &signer, &w) == ERR_TIMEOUT &&
	        der_finish(&w, &out) == ERR_TIMEOUT,
	    "the signer's error comes back");
	if (csr_parse(v->der, &csr, NULL) != OK)
		return;
	memcpy(known.sig, csr.sig, 64);
	known.e = OK;
	known.asked = 0;
	for (size_t cap = 0; cap < v->der.n; cap++) {
		w = der_writer(buffer, cap);
		buffer[cap] = 0xa5;
		bad += csr_build(&name, v->q.p, &signer, &w) != ERR_SPACE || buffer[cap] != 0xa5;
	}
	/* Outer header, info, and then the room for the rest is missing. */
	ok(bad == 0 && known.asked == v->der.n - v->info.n - 2,
	    "too little room: ERR_SPACE, and no signature is asked for before the message is "
	    "whole");
	memset(known.sig, 0, 32);
	w = der_writer(buffer, sizeof(buffer));
	ok(csr_build(&name, v->q.p, &signer, &w) == ERR_ARG,
	    "a signature with r = 0 is not written");
}

/* The parts of a request, so that one can be wrong. */
struct parts {
	struct slice version, subject, spki, attributes, algorithm, signature, behind_info, behind;
};

#define P256                                                                                       \
	0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d,  \
	    3, 1, 7
#define X32                                                                                        \
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
	    26, 27, 28, 29, 30, 31, 32

static const uint8_t version0[] = { 2, 1, 0 },
                     subject_x[] = { 0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 'x' };
static const uint8_t spki_x[] = { 0x30, 0x59, P256, 3, 0x42, 0, 4, X32, X32 },
                     attributes0[] = { 0xa0, 0 };
static const uint8_t algorithm0[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };
static const uint8_t signature1[] = { 3, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1 };

#define SOUND                                                                                      \
	{                                                                                          \
		SLICE(version0), SLICE(subject_x), SLICE(spki_x), SLICE(attributes0),              \
		    SLICE(algorithm0), SLICE(signature1), { NULL, 0 },                             \
		{                                                                                  \
			NULL, 0                                                                    \
		}                                                                                  \
	}

static struct slice put_parts(const struct parts *p, uint8_t *buffer, size_t cap)
{
	struct der_w w = der_writer(buffer, cap);
	size_t outer = der_open(&w, DER_SEQUENCE), info = der_open(&w, DER_SEQUENCE);
	struct slice out = { NULL, 0 };

	der_raw(&w, p->version);
	der_raw(&w, p->subject);
	der_raw(&w, p->spki);
	der_raw(&w, p->attributes);
	der_close(&w, info);
	der_raw(&w, p->behind_info);
	der_raw(&w, p->algorithm);
	der_raw(&w, p->signature);
	der_close(&w, outer);
	der_raw(&w, p->behind);
	ok(der_finish(&w, &out) == OK, "there is a request to try");
	return out;
}

enum part { VERSION, SUBJECT, SPKI, ATTRIBUTES, ALGORITHM, SIGNATURE, BEHIND_INFO, BEHIND };

static const struct {
	const char *name;
	enum part part;
	struct slice bytes;
	enum csr_fault want;
} faults[] = {
	{ "nothing wrong", VERSION, B(2, 1, 0), CSR_FINE },
	{ "version 1", VERSION, B(2, 1, 1), CSR_VERSION },
	{ "version in two bytes", VERSION, B(2, 2, 0, 0), CSR_VERSION },
	{ "no version", VERSION, { NULL, 0 }, CSR_VERSION },
	{ "subject is a SET", SUBJECT, B(0x31, 0), CSR_SUBJECT },
	{ "subject with a NUL", SUBJECT,
	    B(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 0), CSR_SUBJECT },
	{ "empty subject", SUBJECT, B(0x30, 0), CSR_FINE },
	{ "no key", SPKI, { NULL, 0 }, CSR_KEY_ALGORITHM },
	{ "P-384", SPKI,
	    B(0x30, 26, 0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0,
	        0x22, 3, 6, 0, 4, 1, 2, 3, 4),
	    CSR_KEY_ALGORITHM },
	{ "secp256k1", SPKI,
	    B(0x30, 0x56, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4,
	        0, 0x0a, 3, 0x42, 0, 4, X32, X32),
	    CSR_KEY_ALGORITHM },
	{ "RSA", SPKI,
	    B(0x30, 24, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0, 3, 7, 0,
	        0x30, 4, 2, 2, 3, 1),
	    CSR_KEY_ALGORITHM },
	{ "Ed25519", SPKI, B(0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0, X32),
	    CSR_KEY_ALGORITHM },
	{ "compressed point", SPKI, B(0x30, 0x39, P256, 3, 0x22, 0, 2, X32), CSR_KEY_POINT },
	{ "hybrid point", SPKI, B(0x30, 0x59, P256, 3, 0x42, 0, 6, X32, X32), CSR_KEY_POINT },
	{ "the point at infinity", SPKI, B(0x30, 0x18 + 1, P256, 3, 2, 0, 0), CSR_KEY_POINT },
	{ "a point of 64 bytes", SPKI, B(0x30, 0x58, P256, 3, 0x41, 0, X32, X32), CSR_KEY_POINT },
	{ "a point with unused bits", SPKI, B(0x30, 0x59, P256, 3, 0x42, 1, 4, X32, X32),
	    CSR_KEY_POINT },
	{ "no attributes field", ATTRIBUTES, { NULL, 0 }, CSR_ATTRIBUTES },
	{ "attributes that are a SET", ATTRIBUTES, B(0x31, 0), CSR_ATTRIBUTES },
	{ "bytes behind the attributes", ATTRIBUTES, B(0xa0, 0, 5, 0), CSR_ATTRIBUTES },
	{ "an attribute", ATTRIBUTES,
	    B(0xa0, 21, 0x30, 19, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 7, 0x31, 6, 0x13, 4,
	        'p', 'a', 's', 's'),
	    CSR_FINE },
	{ "an attribute without values", ATTRIBUTES, B(0xa0, 7, 0x30, 5, 6, 1, 0x2a, 0x31, 0),
	    CSR_ATTRIBUTES },
	{ "an attribute with broken values", ATTRIBUTES,
	    B(0xa0, 8, 0x30, 6, 6, 1, 0x2a, 0x31, 1, 0x13), CSR_ATTRIBUTES },
	{ "an attribute of three fields", ATTRIBUTES,
	    B(0xa0, 11, 0x30, 9, 6, 1, 0x2a, 0x31, 2, 5, 0, 5, 0), CSR_ATTRIBUTES },
	{ "an attribute that is an INTEGER", ATTRIBUTES, B(0xa0, 3, 2, 1, 0), CSR_ATTRIBUTES },
	{ "ecdsa-with-SHA384", ALGORITHM, B(0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3),
	    CSR_SIGNATURE_ALGORITHM },
	{ "ecdsa-with-SHA1", ALGORITHM, B(0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1),
	    CSR_SIGNATURE_ALGORITHM },
	{ "parameters NULL (RFC 5758 3.2)", ALGORITHM,
	    B(0x30, 12, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0),
	    CSR_SIGNATURE_ALGORITHM },
	{ "no signature", SIGNATURE, { NULL, 0 }, CSR_SIGNATURE_FORM },
	{ "signature in an OCTET STRING", SIGNATURE, B(4, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1),
	    CSR_SIGNATURE_FORM },
	{ "signature with unused bits", SIGNATURE, B(3, 9, 1, 0x30, 6, 2, 1, 1, 2, 1, 1),
	    CSR_SIGNATURE_FORM },
	{ "r = 0", SIGNATURE, B(3, 9, 0, 0x30, 6, 2, 1, 0, 2, 1, 1), CSR_SIGNATURE_FORM },
	{ "a padded r", SIGNATURE, B(3, 10, 0, 0x30, 7, 2, 2, 0, 1, 2, 1, 1), CSR_SIGNATURE_FORM },
	{ "an empty BIT STRING", SIGNATURE, B(3, 1, 0), CSR_SIGNATURE_FORM },
	{ "a fourth field", SIGNATURE, B(3, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1, 5, 0), CSR_OUTER },
	{ "a field behind the signed part", BEHIND_INFO, B(5, 0), CSR_SIGNATURE_ALGORITHM },
	{ "bytes behind", BEHIND, B(0), CSR_OUTER },
};

static void each_fault(void)
{
	uint8_t buffer[400];

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct parts p = SOUND;
		struct slice *part[] = { &p.version, &p.subject, &p.spki, &p.attributes,
			&p.algorithm, &p.signature, &p.behind_info, &p.behind };
		enum csr_fault fault = CSR_FAULTS;
		struct csr csr = { .q = { 77 } };
		enum err e;

		*part[faults[i].part] = faults[i].bytes;
		e = csr_parse(put_parts(&p, buffer, sizeof(buffer)), &csr, &fault);
		if (!ok(fault == faults[i].want && e == (fault == CSR_FINE ? OK : ERR_FORMAT) &&
		            (e == OK || csr.q[0] == 77),
		        "%s: %s", faults[i].name, csr_fault_text(faults[i].want)))
			printf("# got: %s\n", csr_fault_text(fault));
	}
}

static void outer_forms(void)
{
	static uint8_t big[CSR_MAX + 1] = { 0x30, 0x82, (CSR_MAX - 3) >> 8, (CSR_MAX - 3) & 0xff };
	enum csr_fault fault;
	struct csr csr;

	ok(csr_parse(SLICE(big), &csr, &fault) == ERR_SPACE && fault == CSR_TOO_LONG, "4097 bytes");
	big[3]--;
	ok(csr_parse((struct slice){ big, CSR_MAX }, &csr, &fault) == ERR_FORMAT &&
	        fault == CSR_OUTER,
	    "4096 bytes are looked at");
	ok(csr_parse((struct slice){ NULL, 0 }, &csr, &fault) == ERR_FORMAT && fault == CSR_OUTER,
	    "nothing");
	ok(csr_parse(vector_certs[0].der, &csr, &fault) == ERR_FORMAT && fault == CSR_VERSION,
	    "a certificate is no request");
	for (int f = CSR_FINE; f < CSR_FAULTS; f++) {
		const char *text = csr_fault_text((enum csr_fault)f);
		bool unique = text[0] != '\0';

		for (int g = CSR_FINE; g < f; g++)
			unique &= strcmp(text, csr_fault_text((enum csr_fault)g)) != 0;
		ok(unique, "fault %d: %s", f, text);
	}
	ok(strcmp(csr_fault_text(CSR_FAULTS), "unknown fault") == 0, "no text behind the table");
}

/* A verifier that answers as told and looks at what it is asked. */
struct asked {
	const struct csr *csr;
	enum err answer;
	bool right;
};

static enum err verify(void *ctx, const uint8_t q[64], struct slice message, const uint8_t sig[64])
{
	struct asked *a = ctx;

	a->right = slice_equal(message, a->csr->cri) && memcmp(q, a->csr->q, 64) == 0 &&
	           memcmp(sig, a->csr->sig, 64) == 0;
	return a->answer;
}

static void possession(void)
{
	static const struct {
		enum err answer;
		enum csr_fault fault;
	} answers[] = { { OK, CSR_FINE }, { ERR_DENIED, CSR_SIGNATURE_WRONG },
		{ ERR_FORMAT, CSR_POINT_OFF_CURVE }, { ERR_MEMORY, CSR_FINE } };
	struct csr csr;

	ok(csr_parse(vector_csrs[1].der, &csr, NULL) == OK, "a request to verify");
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct asked asked = { &csr, answers[i].answer, false };
		struct x509_verifier v = { &asked, verify };
		enum csr_fault fault = CSR_FAULTS;

		ok(csr_verify(&csr, &v, &fault) == answers[i].answer && fault == answers[i].fault &&
		        asked.right,
		    "verify: key, signed part and signature of the request; answer %d: %s",
		    answers[i].answer, csr_fault_text(fault));
	}
}

/* What is read can be written again from what was understood. */
static bool rebuilt(const struct csr *csr, struct slice want)
{
	uint8_t buffer[400];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	size_t outer = der_open(&w, DER_SEQUENCE), info = der_open(&w, DER_SEQUENCE);
	struct slice out;

	der_put_uint(&w, BYTES(0));
	der_raw(&w, csr->subject);
	x509_spki_put(&w, csr->q);
	der_put(&w, DER_CONTEXT(0), csr->attributes);
	der_close(&w, info);
	x509_signature_put(&w, csr->sig);
	der_close(&w, outer);
	return der_finish(&w, &out) == OK && slice_equal(out, want);
}

/* All 255 changes of each byte in the first vector, all 8 changes of one bit in the others. */
static void damaged(const struct vector_csr *v)
{
	uint8_t der[320];
	unsigned bad = 0, read = 0;
	struct csr csr;

	for (size_t n = 0; n < v->der.n; n++)
		bad += csr_parse((struct slice){ v->der.p, n }, &csr, NULL) != ERR_FORMAT;
	ok(bad == 0, "%s: refused when cut at any byte", v->name);

	memcpy(der, v->der.p, v->der.n);
	for (size_t i = 0; i < v->der.n; i++) {
		for (unsigned x = 1; x < 256; x++) {
			struct slice in = { der, v->der.n };

			if (v != vector_csrs && (x & (x - 1)) != 0)
				continue;
			der[i] = (uint8_t)(v->der.p[i] ^ x);
			if (csr_parse(in, &csr, NULL) != OK)
				continue;
			read++;
			bad += !rebuilt(&csr, in);
		}
		der[i] = v->der.p[i];
	}
	ok(bad == 0 && read > 0,
	    "%s: each byte changed; %u are other requests, the rest is refused", v->name, read);
}

int main(void)
{
	ok(vector_csrs_n == 7, "7 golden requests");
	for (size_t i = 0; i < vector_csrs_n; i++)
		build_vector(&vector_csrs[i]);
	build_fails();
	each_fault();
	outer_forms();
	possession();
	for (size_t i = 0; i < CSRS_MUTATED; i++)
		damaged(&vector_csrs[i]);
	return done_testing();
}
