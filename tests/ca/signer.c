/* The signer's typed call: batches, refusals, keys from elsewhere. */
#include "fixture.h"
#include "signer.h"

static struct signer_options options = { .now_ms = test_clock };

/* An authority whose key this test holds, as a token would. */
struct token {
	struct p256_key *key;
	struct profile_ca ca;
	uint8_t der[PROFILE_CA_MAX];
	struct slice certificate;
	enum mood { HONEST, FLIPPED, OTHER_MESSAGE, OUT_OF_RANGE, BROKEN } mood;
	unsigned honest_first; /* signatures before its mood shows */
};

static enum err token_sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct token *t = ctx;
	struct x509_signer how = p256_signer(t->key);
	enum err e;

	if (t->mood == HONEST || t->honest_first > 0) {
		t->honest_first -= t->honest_first > 0;
		return how.sign(how.ctx, message, sig);
	}
	switch (t->mood) {
	case FLIPPED:
		e = how.sign(how.ctx, message, sig);
		sig[50] ^= 4;
		return e;
	case OTHER_MESSAGE:
		return how.sign(how.ctx, TEXT("something else"), sig);
	case OUT_OF_RANGE:
		memset(sig, 0xff, 64);
		return OK;
	default:
		return ERR_DEVICE;
	}
}

static void token_certificate(struct token *t, struct p256_key *by)
{
	struct x509_signer how = p256_signer(by);
	uint8_t buffer[PROFILE_CA_MAX], sig[64];
	struct der_w tbs_w = der_writer(buffer, sizeof(buffer)),
	             w = der_writer(t->der, sizeof(t->der));
	struct slice tbs;

	profile_ca_tbs_put(&tbs_w, &t->ca);
	if (der_finish(&tbs_w, &tbs) != OK || how.sign(how.ctx, tbs, sig) != OK)
		bail_out("no certificate for the token");
	x509_cert_put(&w, tbs, sig);
	if (der_finish(&w, &t->certificate) != OK)
		bail_out("no certificate for the token");
}

static void token_make(struct token *t)
{
	*t = (struct token){ .key = fresh_key(),
		.ca = { .serial = { 1, [15] = 1 }, .not_before = { 2026, 1, 1, 0 } } };
	p256_key_public(t->key, t->ca.q);
	if (p256_key_id(t->ca.q, t->ca.key_id) != OK)
		bail_out("no key id");
	token_certificate(t, t->key);
}

static struct leaf_in leaf_for(const uint8_t q[64], uint8_t number)
{
	struct leaf_in leaf = { .profile = PROFILE_ARDUINO,
		.validity = 31,
		.serial = { 0x11, [15] = number },
		.device = { 0x3c, [15] = number },
		.tenant = { [15] = 1 } };
	struct x509_hour now = set_clock(2026, 11, 23, 2);

	if (utc_hours_since_2000(&now, &leaf.not_before) != OK)
		bail_out("no such hour");
	memcpy(leaf.q, q, 64);
	return leaf;
}

/* The certificate that an answer stands for, put together without the signer. */
static bool answer_is_right(const struct leaf_in *in, const struct leaf_out *out,
    const struct profile_ca *ca, struct p256 *p256)
{
	uint8_t tbs_buffer[CCERT_TBS_MAX], buffer[CCERT_CERT_MAX], digest[32];
	struct der_w tbs_w = der_writer(tbs_buffer, sizeof(tbs_buffer)),
	             w = der_writer(buffer, sizeof(buffer));
	struct ccert c = { .years = (uint8_t)in->validity };
	struct slice tbs, der;

	if (utc_hour_since_2000(in->not_before, &c.issued) != OK)
		return false;
	memcpy(c.serial, in->serial, 16);
	memcpy(c.aki, ca->key_id, 20);
	memcpy(c.sig, out->sig, 64);
	uuid_text(in->device, c.device_id);
	ccert_tbs_put(&tbs_w, &c, in->q);
	ccert_cert_put(&w, &c, in->q);
	if (out->err != OK || out->lint != 0 || der_finish(&tbs_w, &tbs) != OK ||
	    der_finish(&w, &der) != OK ||
	    EVP_Q_digest(NULL, "SHA256", NULL, tbs.p, tbs.n, digest, NULL) != 1 ||
	    p256_verify(p256, ca->q, digest, out->sig) != OK)
		return false;
	return EVP_Q_digest(NULL, "SHA256", NULL, der.p, der.n, digest, NULL) == 1 &&
	       memcmp(digest, out->fingerprint, 32) == 0;
}

static void batches(struct signer *s, struct p256 *p256, const uint8_t q[64])
{
	static struct leaf_in in[SIGNER_BATCH_MAX + 1];
	static struct leaf_out out[SIGNER_BATCH_MAX + 1];
	const struct profile_ca *ca = signer_authority(s, 0);
	struct errbuf eb = { "" };
	uint64_t time_ms = 0;
	bool right = true, different = true;

	for (size_t i = 0; i < COUNT(in); i++)
		in[i] = leaf_for(q, (uint8_t)i);
	ok(signer_leaf(s, in, out, 0, &time_ms, &eb) == ERR_ARG, "an empty batch (%s)", eb.text);
	ok(signer_leaf(s, in, out, COUNT(in), &time_ms, &eb) == ERR_ARG, "a batch of 257 (%s)",
	    eb.text);
	in[3].serial[0] = 0x80;
	in[5].profile = 0;
	in[6].profile = PROFILE_DEVICE_CA;
	in[7].key = 1;
	in[8].validity = 0;
	ok(signer_leaf(s, in, out, SIGNER_BATCH_MAX, &time_ms, &eb) == OK, "a batch of 256");
	ok(time_ms == (uint64_t)test_now_ms, "and its time");
	for (size_t i = 0; i < SIGNER_BATCH_MAX; i++) {
		if (i == 3 || (i >= 5 && i <= 8))
			continue;
		right &= answer_is_right(&in[i], &out[i], ca, p256);
		if (i > 0 && out[i - 1].err == OK)
			different &= memcmp(out[i].leaf_hash, out[i - 1].leaf_hash, 32) != 0;
	}
	ok(right, "answers stand for their statements, in order");
	ok(different, "each has its log entry");
	ok(out[3].err == ERR_DENIED && out[3].lint == 1 && ct_zero(out[3].sig, 64),
	    "rule 1 refused in between");
	ok(out[5].err == ERR_ARG && out[6].err == ERR_ARG && out[7].err == ERR_ARG,
	    "unknown profiles and keys are answered one by one");
	ok(out[8].err == ERR_DENIED && out[8].lint == 11 && ct_zero(out[8].leaf_hash, 32),
	    "so is rule 11");
}

static void tokens(struct p256 *p256, const uint8_t q[64])
{
	static const struct {
		const char *name;
		enum mood mood;
		enum err want;
		unsigned lint;
	} cases[] = {
		{ "an honest token", HONEST, OK, 0 },
		{ "a token that turns a bit", FLIPPED, ERR_DENIED, 12 },
		{ "a token that signs something else", OTHER_MESSAGE, ERR_DENIED, 12 },
		{ "a token that answers all ones", OUT_OF_RANGE, ERR_DENIED, 12 },
		{ "a token that fails", BROKEN, ERR_DEVICE, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errbuf eb = { "" };
		struct x509_signer how;
		struct signer *s = NULL;
		struct leaf_in in = leaf_for(q, 1);
		struct leaf_out out;
		struct token t;
		uint64_t time_ms;
		uint8_t key;
		enum err e;

		token_make(&t);
		t.mood = cases[i].mood;
		t.honest_first = 1;
		how = (struct x509_signer){ &t, token_sign };
		if (signer_new(&options, &s, &eb) != OK ||
		    signer_add_token(s, &how, t.certificate, &key, &eb) != OK)
			bail_out(eb.text);
		e = signer_leaf(s, &in, &out, 1, &time_ms, &eb);
		ok(e == OK && out.err == cases[i].want && out.lint == cases[i].lint,
		    "%s: %s, rule %u", cases[i].name, err_name(out.err), out.lint);
		ok(cases[i].want == OK ? answer_is_right(&in, &out, &t.ca, p256)
		                       : ct_zero(out.sig, 64) && ct_zero(out.fingerprint, 32),
		    "%s: what leaves", cases[i].name);
		signer_free(s);

		t.honest_first = 0;
		s = NULL;
		eb.text[0] = 0;
		if (signer_new(&options, &s, &eb) != OK)
			bail_out(eb.text);
		ok((signer_add_token(s, &how, t.certificate, &key, &eb) == OK) ==
		        (cases[i].want == OK),
		    "%s from the beginning (%s)", cases[i].name, eb.text);
		signer_free(s);
		p256_key_free(t.key);
	}
}

/* Certificates that must not become an authority. */
static void strangers(void)
{
	struct token t, other;
	struct x509_signer how = { &t, token_sign };
	struct errbuf eb = { "" };
	struct signer *s = NULL;
	uint8_t key, id[20];
	struct slice cut;

	token_make(&t);
	token_make(&other);
	if (signer_new(NULL, &s, &eb) != OK)
		bail_out(eb.text);
	ok(signer_add_token(s, &how, other.certificate, &key, &eb) == ERR_CONFLICT,
	    "another key's certificate (%s)", eb.text);
	cut = (struct slice){ t.certificate.p, t.certificate.n - 1 };
	ok(signer_add_token(s, &how, cut, &key, &eb) == ERR_FORMAT, "half a certificate (%s)",
	    eb.text);
	token_certificate(&t, other.key);
	ok(signer_add_token(s, &how, t.certificate, &key, &eb) == ERR_FORMAT,
	    "signed by somebody else (%s)", eb.text);
	memcpy(id, t.ca.key_id, 20);
	t.ca.key_id[0] ^= 1;
	token_certificate(&t, t.key);
	ok(signer_add_token(s, &how, t.certificate, &key, &eb) == ERR_FORMAT,
	    "an invented identifier (%s)", eb.text);
	memcpy(t.ca.key_id, id, 20);
	token_certificate(&t, t.key);
	for (unsigned i = 0; i < SIGNER_KEYS_MAX; i++)
		if (signer_add_token(s, &how, t.certificate, &key, &eb) != OK || key != i)
			ok(false, "key %u", i);
	ok(signer_add_token(s, &how, t.certificate, &key, &eb) == ERR_SPACE,
	    "one key too many (%s)", eb.text);
	ok(signer_authority(s, SIGNER_KEYS_MAX - 1) && !signer_authority(s, SIGNER_KEYS_MAX),
	    "keys by number");
	signer_free(s);
	signer_free(NULL);
	p256_key_free(t.key);
	p256_key_free(other.key);
}

int main(void)
{
	struct fixture f;
	struct p256_key *device = fresh_key();
	struct p256 *p256 = NULL;
	struct signer *s = NULL;
	char path[96];
	uint8_t q[64], key = 9;
	struct errbuf eb = { "" };

	fixture_open(&f);
	p256_key_public(device, q);
	snprintf(path, sizeof(path), "%s/key.pem", f.folder);
	if (p256_new(&p256, NULL) != OK || signer_new(&options, &s, &eb) != OK)
		bail_out("no signer");
	ok(signer_add_file(s, path, ca_certificate(f.ca), &key, &eb) == OK && key == 0,
	    "a key from a file (%s)", eb.text);
	batches(s, p256, q);
	tokens(p256, q);
	strangers();
	signer_free(s);
	p256_free(p256);
	p256_key_free(device);
	fixture_close(&f);
	return done_testing();
}
