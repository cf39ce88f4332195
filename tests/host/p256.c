/* P-256 by OpenSSL against published answers, and what must be refused. */
#include "tap.h"
#include "file.h"
#include "p256.h"
#include "sha256.h"
#include "text.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

/* RFC 6979 A.2.5 */
static const char rfc_d[] = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
static const char rfc_q[] = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
static const struct {
	const char *message, *sig;
} rfc_signatures[] = {
	{ "sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
	            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
	{ "test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
	          "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083" },
};

/* NIST CAVP, ECC CDH primitive, P-256, COUNT = 0 */
static const char cdh_peer[] = "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
                               "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac";
static const char cdh_d[] = "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534";
static const char cdh_q[] = "ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230"
                            "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141";
static const char cdh_z[] = "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b";

static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
static const char prime[] = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

static void hex(const char *text, uint8_t *out)
{
	size_t n = strlen(text);

	if (hex_decode((struct slice){ (const uint8_t *)text, n }, out, n / 2) != OK)
		abort();
}

static void digest_of(const char *message, uint8_t digest[32])
{
	sha256((struct slice){ (const uint8_t *)message, strlen(message) }, digest);
}

static void known_answers(struct p256 *p)
{
	uint8_t d[32], q[64], got[64], digest[32], sig[64], z[32];
	struct p256_key *k = NULL;

	hex(rfc_d, d);
	hex(rfc_q, q);
	ok(p256_key_from_scalar(d, &k, NULL) == OK, "RFC 6979 key is taken");
	p256_key_public(k, got);
	is_bytes(got, 64, q, 64, "its public point");
	ok(p256_key_scalar(k, got) == OK, "its scalar is given back");
	is_bytes(got, 32, d, 32, "and is the same");
	for (size_t i = 0; i < COUNT(rfc_signatures); i++) {
		digest_of(rfc_signatures[i].message, digest);
		hex(rfc_signatures[i].sig, sig);
		ok(p256_verify(p, q, digest, sig) == OK, "RFC 6979 \"%s\" verifies",
		    rfc_signatures[i].message);
		ok(p256_sign(k, digest, got) == OK && p256_verify(p, q, digest, got) == OK,
		    "a signature of ours over \"%s\" verifies", rfc_signatures[i].message);
		digest[31] ^= 1;
		ok(p256_verify(p, q, digest, sig) == ERR_DENIED, "another digest does not");
	}
	p256_key_free(k);

	k = NULL;
	hex(cdh_d, d);
	hex(cdh_q, q);
	ok(p256_key_from_scalar(d, &k, NULL) == OK, "NIST CDH key is taken");
	p256_key_public(k, got);
	is_bytes(got, 64, q, 64, "its public point");
	hex(cdh_peer, q);
	hex(cdh_z, z);
	ok(p256_ecdh(k, q, got) == OK, "NIST CDH agreement");
	is_bytes(got, 32, z, 32, "its shared secret");
	q[63] ^= 1;
	ok(p256_ecdh(k, q, got) == ERR_FORMAT, "agreement with a point off the curve");
	p256_key_free(k);
}

static void wrong_signatures(struct p256 *p)
{
	static const char zero[] =
	    "0000000000000000000000000000000000000000000000000000000000000000";
	static const char one[] =
	    "0000000000000000000000000000000000000000000000000000000000000001";
	const struct {
		const char *name, *r, *s;
	} cases[] = {
		{ "r is 0", zero, one },
		{ "s is 0", one, zero },
		{ "r is the group order", order, one },
		{ "s is the group order", one, order },
		{ "r and s are 1", one, one },
		{ "r and s are all ones", NULL, NULL },
	};
	uint8_t q[64], sig[64], digest[32], good[64];

	hex(rfc_q, q);
	digest_of("sample", digest);
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(sig, 0xff, sizeof(sig));
		if (cases[i].r) {
			hex(cases[i].r, sig);
			hex(cases[i].s, sig + 32);
		}
		ok(p256_verify(p, q, digest, sig) == ERR_DENIED, "%s: denied", cases[i].name);
	}
	hex(rfc_signatures[0].sig, good);
	for (unsigned bit = 0; bit < 512; bit += 37) {
		memcpy(sig, good, sizeof(sig));
		sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ok(p256_verify(p, q, digest, sig) == ERR_DENIED, "bit %u of the signature turned",
		    bit);
	}
}

static void points(struct p256 *p)
{
	uint8_t q[64], good[64], digest[32], sig[64];

	hex(rfc_q, good);
	digest_of("sample", digest);
	hex(rfc_signatures[0].sig, sig);
	ok(p256_point_check(p, good) == OK, "a point on the curve");
	memcpy(q, good, 64);
	q[63] ^= 1;
	ok(p256_point_check(p, q) == ERR_FORMAT, "Y off by one bit: off the curve");
	ok(p256_verify(p, q, digest, sig) == ERR_FORMAT,
	    "verification with it: not a wrong signature");
	ok(p256_verify(p, q, digest, sig) == ERR_FORMAT, "and again: the old key is not used");
	memset(q, 0, sizeof(q));
	ok(p256_point_check(p, q) == ERR_FORMAT, "0, 0 is no point");
	hex(prime, q);
	hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4", q + 32);
	ok(p256_point_check(p, q) == ERR_FORMAT, "X = p is not reduced");
	memset(q, 0, 32);
	ok(p256_point_check(p, q) == OK, "X = 0 with its Y is a point");
	ok(p256_verify(p, q, digest, sig) == ERR_DENIED, "a signature of another key");
	ok(p256_verify(p, good, digest, sig) == OK, "the right key afterwards");
}

/* Two keys and two signatures in turn through one reused object. */
static void reuse(struct p256 *p)
{
	uint8_t q[2][64], sig[2][64], digest[32];
	struct p256_key *k[2] = { NULL, NULL };
	bool right = true;

	digest_of("reuse", digest);
	for (int i = 0; i < 2; i++) {
		ok(p256_key_generate(&k[i], NULL) == OK, "key %d", i);
		p256_key_public(k[i], q[i]);
		ok(p256_sign(k[i], digest, sig[i]) == OK, "signature %d", i);
	}
	ok(memcmp(q[0], q[1], 64) != 0, "two generated keys differ");
	for (int i = 0; i < 16; i++) {
		enum err want = ((i ^ (i >> 1)) & 1) ? ERR_DENIED : OK;

		right &= p256_verify(p, q[i & 1], digest, sig[(i >> 1) & 1]) == want;
	}
	ok(right, "a reused key object answers for the key of this call alone");
	p256_key_free(k[0]);
	p256_key_free(k[1]);
}

static void scalars(void)
{
	struct p256_key *k = NULL;
	struct errbuf eb = { "" };
	uint8_t d[32] = { 0 };

	ok(p256_key_from_scalar(d, &k, &eb) == ERR_FORMAT && !k, "scalar 0 (%s)", eb.text);
	hex(order, d);
	ok(p256_key_from_scalar(d, &k, &eb) == ERR_FORMAT && !k, "scalar n");
	memset(d, 0xff, sizeof(d));
	ok(p256_key_from_scalar(d, &k, &eb) == ERR_FORMAT && !k, "scalar above n");
	hex(order, d);
	d[31]--;
	ok(p256_key_from_scalar(d, &k, &eb) == OK && k, "scalar n - 1");
	p256_key_free(k);
}

static enum err load_text(const char *path, const char *text, size_t n, struct errbuf *eb)
{
	struct p256_key *k = NULL;
	enum err e = file_write(path, (struct slice){ (const uint8_t *)text, n }, 0600, eb);

	if (e == OK)
		e = p256_key_load(path, &k, eb);
	if ((e == OK) != (k != NULL))
		e = ERR_COUNT;
	p256_key_free(k);
	return e;
}

/* The key as PEM: PKCS#8, or PKCS#8 under a passphrase, or the older form. */
enum form { PKCS8, ENCRYPTED, TRADITIONAL };

static enum err load_openssl(const char *path, EVP_PKEY *key, enum form form, struct errbuf *eb)
{
	BIO *pem = BIO_new(BIO_s_mem());
	char word[] = "word", *p = NULL;
	enum err e = ERR_COUNT;
	int done = 0;
	long n;

	if (key && pem && form == TRADITIONAL)
		done = PEM_write_bio_PrivateKey_traditional(pem, key, NULL, NULL, 0, NULL, NULL);
	else if (key && pem)
		done = PEM_write_bio_PKCS8PrivateKey(pem, key,
		    form == ENCRYPTED ? EVP_aes_256_cbc() : NULL, word, form == ENCRYPTED ? 4 : 0,
		    NULL, NULL);
	n = BIO_get_mem_data(pem, &p);
	if (done == 1 && n > 0)
		e = load_text(path, p, (size_t)n, eb);
	BIO_free(pem);
	EVP_PKEY_free(key);
	return e;
}

/* The private half of one key with the public half of another. */
static EVP_PKEY *mismatched(void)
{
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256"), *mixed = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL, *other = NULL, *p, *q;

	if (EVP_PKEY_todata(a, EVP_PKEY_KEYPAIR, &params) == 1 &&
	    EVP_PKEY_todata(b, EVP_PKEY_KEYPAIR, &other) == 1 &&
	    (p = OSSL_PARAM_locate(params, "pub")) && (q = OSSL_PARAM_locate(other, "pub")) &&
	    p->data_size == q->data_size) {
		memcpy(p->data, q->data, p->data_size);
		if (EVP_PKEY_fromdata_init(ctx) != 1 ||
		    EVP_PKEY_fromdata(ctx, &mixed, EVP_PKEY_KEYPAIR, params) != 1)
			mixed = NULL;
	}
	OSSL_PARAM_free(params);
	OSSL_PARAM_free(other);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return mixed;
}

static void foreign_files(const char *path)
{
	static const char damaged[] =
	    "-----BEGIN PRIVATE KEY-----\n"
	    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDXPLjLmGfgXTBU9KF8\n"
	    "-----END PRIVATE KEY-----\n";
	struct errbuf eb = { "" };

	ok(load_openssl(path, EVP_EC_gen("P-256"), PKCS8, &eb) == OK, "OpenSSL's PKCS#8");
	ok(load_openssl(path, EVP_EC_gen("P-256"), TRADITIONAL, &eb) == OK, "OpenSSL's older form");
	ok(load_openssl(path, EVP_EC_gen("P-256"), ENCRYPTED, &eb) == ERR_FORMAT,
	    "under a passphrase: nobody is asked (%s)", eb.text);
	ok(load_openssl(path, EVP_EC_gen("P-384"), PKCS8, &eb) == ERR_FORMAT, "P-384 (%s)",
	    eb.text);
	ok(load_openssl(path, EVP_EC_gen("secp256k1"), PKCS8, &eb) == ERR_FORMAT, "secp256k1 (%s)",
	    eb.text);
	ok(load_openssl(path, EVP_RSA_gen(1024), PKCS8, &eb) == ERR_FORMAT, "RSA (%s)", eb.text);
	ok(load_openssl(path, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), PKCS8, &eb) == ERR_FORMAT,
	    "Ed25519 (%s)", eb.text);
	ok(load_openssl(path, mismatched(), PKCS8, &eb) == ERR_FORMAT, "halves of two keys (%s)",
	    eb.text);
	ok(load_text(path, damaged, sizeof(damaged) - 1, &eb) == ERR_FORMAT, "a damaged key (%s)",
	    eb.text);
	ok(load_text(path, "", 0, &eb) == ERR_FORMAT, "an empty file (%s)", eb.text);
	ok(load_text(path, "hello", 5, &eb) == ERR_FORMAT, "a greeting (%s)", eb.text);
	unlink(path);
}

static void files(const char *folder)
{
	char path[256];
	struct p256_key *k = NULL, *again = NULL;
	struct errbuf eb = { "" };
	uint8_t a[64], b[64], d[32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/key.pem", folder);
	hex(rfc_d, d);
	ok(p256_key_from_scalar(d, &k, &eb) == OK, "a key to save");
	ok(p256_key_load(path, &again, &eb) == ERR_NOT_FOUND, "no file (%s)", eb.text);
	ok(p256_key_save(k, path, &eb) == OK, "saved");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode 0600");
	ok(p256_key_save(k, path, &eb) == ERR_CONFLICT, "never overwritten (%s)", eb.text);
	ok(p256_key_load(path, &again, &eb) == OK, "loaded");
	p256_key_public(k, a);
	p256_key_public(again, b);
	is_bytes(b, 64, a, 64, "the same key");
	p256_key_free(again);
	again = NULL;
	ok(chmod(path, 0640) == 0 && p256_key_load(path, &again, &eb) == ERR_DENIED,
	    "a file that others can read is refused (%s)", eb.text);
	p256_key_free(k);
	foreign_files(path);
}

int main(void)
{
	char folder[] = "/tmp/imprint-p256-XXXXXX";
	uint8_t id[20], want[20], q[64], a[40], b[40];
	struct p256 *p = NULL;

	if (!ok(p256_new(&p, NULL) == OK && mkdtemp(folder), "a verifier"))
		return done_testing();
	known_answers(p);
	wrong_signatures(p);
	points(p);
	reuse(p);
	scalars();
	files(folder);
	hex("da39696de036f60406e86fec4541c815e781d8a7793d7b7a5eac994814f8157b"
	    "34d68edaa504a403973c94dde3c8bc76ad8ad88b3e0b69ffc917ef1a8dd2d8f3",
	    q);
	hex("eaa10f2cb092056f3e871593fbf6246c11536ca3", want);
	ok(p256_key_id(q, id) == OK, "key identifier");
	is_bytes(id, 20, want, 20, "of the golden authority");
	ok(random_bytes(a, 40) == OK && random_bytes(b, 40) == OK && memcmp(a, b, 40) != 0,
	    "random bytes differ");
	p256_free(p);
	p256_free(NULL);
	p256_key_free(NULL);
	rmdir(folder);
	return done_testing();
}
