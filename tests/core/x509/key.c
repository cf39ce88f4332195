/* SubjectPublicKeyInfo and Ecdsa-Sig-Value. */
#include "text.h"
#include "x509.h"
#include "tap.h"
#include "vectors.h"

static void public_keys(void)
{
	uint8_t buffer[128], q[64];

	for (size_t i = 0; i < vector_keys_n; i++) {
		const struct vector_key *v = &vector_keys[i];
		struct der_w w = der_writer(buffer, sizeof(buffer));
		uint8_t from_pem[X509_SPKI_SIZE];
		struct slice out, in;
		size_t n;

		x509_spki_put(&w, v->q.p);
		ok(der_finish(&w, &out) == OK && out.n == X509_SPKI_SIZE, "%s: 91 bytes", v->name);
		if (v->pem)
			ok(pem_decode((struct slice){ (const uint8_t *)v->pem, strlen(v->pem) },
			       "PUBLIC KEY", from_pem, sizeof(from_pem), &n, NULL) == OK &&
			        slice_equal((struct slice){ from_pem, n }, out),
			    "%s: the key that Arduino prints", v->name);
		in = (struct slice){ buffer, out.n + 3 };
		ok(x509_spki_take(&in, q) == OK && in.n == 3 && memcmp(q, v->q.p, 64) == 0,
		    "%s: read back", v->name);
	}
}

static void other_keys(void)
{
	uint8_t spki[X509_SPKI_SIZE], q[64] = { 0 };
	struct der_w w = der_writer(spki, sizeof(spki));
	unsigned bad = 0;
	struct slice in;

	x509_spki_put(&w, vector_keys[0].q.p);
	for (size_t n = 0; n < sizeof(spki); n++) {
		in = (struct slice){ spki, n };
		bad += x509_spki_take(&in, q) != ERR_FORMAT || in.n != n || q[0] != 0;
	}
	ok(bad == 0, "cut at any byte");
	for (size_t i = 0; i < sizeof(spki) - 64; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			spki[i] ^= (uint8_t)(1u << bit);
			in = SLICE(spki);
			bad += x509_spki_take(&in, q) != ERR_FORMAT || in.n != sizeof(spki) ||
			       q[0] != 0;
			spki[i] ^= (uint8_t)(1u << bit);
		}
	ok(bad == 0,
	    "another length, algorithm, curve, number of unused bits or form of the point");
}

static void signatures(void)
{
	uint8_t buffer[80], sig[64];

	for (size_t i = 0; i < vector_sigs_n; i++) {
		const struct vector_sig *v = &vector_sigs[i];
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out;

		x509_sig_put(&w, v->raw.p);
		ok(der_finish(&w, &out) == OK && slice_equal(out, v->der), "signature: %s: written",
		    v->name);
		ok(x509_sig_parse(v->der, sig) == OK && slice_equal(SLICE(sig), v->raw),
		    "signature: %s: read", v->name);
	}
	for (size_t i = 0; i < vector_sigs_refused_n; i++) {
		const struct vector_sig *v = &vector_sigs_refused[i];
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out;

		memset(sig, 0xa5, sizeof(sig));
		if (v->raw.n > 0) {
			x509_sig_put(&w, v->raw.p);
			ok(der_finish(&w, &out) == ERR_ARG, "signature: %s: not written", v->name);
		} else {
			ok(x509_sig_parse(v->der, sig) == ERR_FORMAT && sig[0] == 0xa5,
			    "signature: %s: not read", v->name);
		}
	}
}

#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}
#define ORDER                                                                                      \
	0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,  \
	    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25

static const struct {
	const char *name;
	struct slice der;
	enum err want;
} sig_cases[] = {
	{ "1 and 1", B(0x30, 6, 2, 1, 1, 2, 1, 1), OK },
	{ "r is 0", B(0x30, 6, 2, 1, 0, 2, 1, 1), ERR_FORMAT },
	{ "s is 0", B(0x30, 6, 2, 1, 1, 2, 1, 0), ERR_FORMAT },
	{ "r is n - 1", B(0x30, 38, 2, 33, 0, ORDER, 0x50, 2, 1, 1), OK },
	{ "r is n", B(0x30, 38, 2, 33, 0, ORDER, 0x51, 2, 1, 1), ERR_FORMAT },
	{ "s is n", B(0x30, 38, 2, 1, 1, 2, 33, 0, ORDER, 0x51), ERR_FORMAT },
	{ "s without its sign byte", B(0x30, 37, 2, 1, 1, 2, 32, ORDER, 0x50), ERR_FORMAT },
	{ "33 bytes", B(0x30, 38, 2, 33, 1, ORDER, 0x50, 2, 1, 1), ERR_FORMAT },
	{ "r alone", B(0x30, 3, 2, 1, 1), ERR_FORMAT },
	{ "three numbers", B(0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1), ERR_FORMAT },
	{ "no numbers", B(0x30, 0), ERR_FORMAT },
	{ "nothing", { NULL, 0 }, ERR_FORMAT },
	{ "a SET", B(0x31, 6, 2, 1, 1, 2, 1, 1), ERR_FORMAT },
};

static void signature_forms(void)
{
	for (size_t i = 0; i < COUNT(sig_cases); i++) {
		uint8_t sig[64], buffer[80];
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out;

		ok(x509_sig_parse(sig_cases[i].der, sig) == sig_cases[i].want, "signature: %s",
		    sig_cases[i].name);
		if (sig_cases[i].want != OK)
			continue;
		x509_sig_put(&w, sig);
		ok(der_finish(&w, &out) == OK && slice_equal(out, sig_cases[i].der),
		    "signature: %s, again", sig_cases[i].name);
	}
}

/* signatureAlgorithm and signature as one. */
static void signed_end(void)
{
	static const uint8_t one[64] = { [31] = 1, [63] = 1 };
	static const uint8_t want[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 3, 9,
		0, 0x30, 6, 2, 1, 1, 2, 1, 1 };
	uint8_t buffer[32], sig[64];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;
	unsigned read = 0;

	x509_signature_put(&w, one);
	ok(der_finish(&w, &out) == OK && slice_equal(out, SLICE(want)),
	    "algorithm and signature written");
	ok(x509_signature_take(&out, sig) == OK && memcmp(sig, one, 64) == 0 && out.n == 0,
	    "and read");
	for (size_t i = 0; i < sizeof(want); i++)
		for (unsigned x = 1; x < 256; x++) {
			uint8_t changed[sizeof(want)];
			struct slice in = SLICE(changed);

			memcpy(changed, want, sizeof(want));
			changed[i] ^= (uint8_t)x;
			read += x509_signature_take(&in, sig) == OK;
		}
	ok(read == 2 * 126, "of all changes only those of r and s within 1..127 are read");
}

int main(void)
{
	public_keys();
	other_keys();
	signatures();
	signature_forms();
	signed_end();
	return done_testing();
}
