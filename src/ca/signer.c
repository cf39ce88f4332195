#include "signer.h"
#include "ccert.h"
#include "digest.h"
#include "entry.h"
#include "lint.h"
#include "p256.h"
#include "utc.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

struct key {
	struct profile_ca ca;
	struct x509_signer how;
	struct p256_key *file; /* NULL: the key is somewhere else */
};

struct signer {
	struct signer_options options;
	struct p256 *p256;
	struct digest *digest;
	struct key keys[SIGNER_KEYS_MAX];
	uint8_t own_keys[SIGNER_KEYS_MAX][64];
	size_t keys_n;
};

enum err signer_new(const struct signer_options *options, struct signer **out, struct errbuf *eb)
{
	struct signer *s = calloc(1, sizeof(*s));
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "no memory for the signer");
	if (options)
		s->options = *options;
	if ((e = p256_new(&s->p256, eb)) != OK || (e = digest_new(&s->digest, eb)) != OK) {
		signer_free(s);
		return e;
	}
	*out = s;
	return OK;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->keys_n; i++)
		p256_key_free(s->keys[i].file);
	digest_free(s->digest);
	p256_free(s->p256);
	free(s);
}

const struct profile_ca *signer_authority(const struct signer *s, uint8_t key)
{
	return key < s->keys_n ? &s->keys[key].ca : NULL;
}

static enum err verify(
    struct signer *s, const uint8_t q[64], struct slice message, const uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = digest_sha256(s->digest, message, digest);

	return e == OK ? p256_verify(s->p256, q, digest, sig) : e;
}

/* The certificate must be what its profile says, and signed by the key that it names. */
static enum err check_certificate(
    struct signer *s, struct slice der, struct profile_ca *ca, struct errbuf *eb)
{
	uint8_t sig[64], id[20];
	struct slice tbs;
	const char *why;
	enum err e = profile_ca_parse(der, ca, sig, &tbs, &why);

	if (e != OK)
		return err_set(eb, e, "certificate of the authority: %s", why);
	if ((e = p256_key_id(ca->q, id)) != OK)
		return err_set(eb, e, "certificate of the authority: %s", err_text(e));
	if (memcmp(id, ca->key_id, sizeof(id)) != 0)
		return err_set(eb, ERR_FORMAT,
		    "certificate of the authority: subjectKeyIdentifier is not the key's");
	if ((e = verify(s, ca->q, tbs, sig)) != OK)
		return err_set(eb, e == ERR_DENIED ? ERR_FORMAT : e,
		    "certificate of the authority: its signature does not verify");
	return OK;
}

/* The first signature of a key shows whether it is the certificate's. */
static enum err add(struct signer *s, const struct key *key, uint8_t *index, struct errbuf *eb)
{
	static const char proof[] = "imprint: this key belongs to its certificate";
	uint8_t sig[64];
	enum err e;

	if (s->keys_n == SIGNER_KEYS_MAX)
		return err_set(eb, ERR_SPACE, "the signer holds %d keys already", SIGNER_KEYS_MAX);
	if ((e = key->how.sign(key->how.ctx, TEXT(proof), sig)) != OK)
		return err_set(eb, e, "the authority's key does not sign: %s", err_text(e));
	e = verify(s, key->ca.q, TEXT(proof), sig);
	if (e == ERR_DENIED)
		return err_set(
		    eb, ERR_CONFLICT, "the key is not that of the authority's certificate");
	if (e != OK)
		return err_set(eb, e, "the first signature cannot be verified: %s", err_text(e));
	*index = (uint8_t)s->keys_n;
	memcpy(s->own_keys[s->keys_n], key->ca.q, 64);
	s->keys[s->keys_n++] = *key;
	return OK;
}

enum err signer_add_file(
    struct signer *s, const char *path, struct slice certificate, uint8_t *index, struct errbuf *eb)
{
	struct key key = { .file = NULL };
	enum err e;

	if ((e = check_certificate(s, certificate, &key.ca, eb)) != OK ||
	    (e = p256_key_load(path, &key.file, eb)) != OK)
		return e;
	key.how = p256_signer(key.file);
	if ((e = add(s, &key, index, eb)) != OK)
		p256_key_free(key.file);
	return e;
}

enum err signer_add_token(struct signer *s, const struct x509_signer *token,
    struct slice certificate, uint8_t *index, struct errbuf *eb)
{
	struct key key = { .how = *token };
	enum err e = check_certificate(s, certificate, &key.ca, eb);

	return e == OK ? add(s, &key, index, eb) : e;
}

static enum err refuse(struct leaf_out *out, unsigned rule)
{
	out->lint = (uint8_t)rule;
	return ERR_DENIED;
}

static enum err fields_of(const struct leaf_in *in, const struct key *key, struct ccert *c)
{
	enum err e = utc_hour_since_2000(in->not_before, &c->issued);

	c->years = (uint8_t)in->validity;
	memcpy(c->serial, in->serial, sizeof(c->serial));
	memcpy(c->aki, key->ca.key_id, sizeof(c->aki));
	uuid_text(in->device, c->device_id);
	return e;
}

/* Hashes of the finished certificate and of its log entry. */
static enum err commit(struct signer *s, const struct leaf_in *in, const struct ccert *c,
    uint64_t time_ms, struct leaf_out *out)
{
	struct x509_hour end = x509_hour_add_years(&c->issued, c->years);
	uint8_t der[CCERT_CERT_MAX], spki[X509_SPKI_SIZE], entry[ENTRY_ISSUANCE];
	struct der_w cert_w = der_writer(der, sizeof(der)), spki_w = der_writer(spki, sizeof(spki));
	struct entry_issuance issuance = { .time_ms = time_ms };
	struct slice cert, key;
	int64_t from, to;
	enum err e;

	ccert_cert_put(&cert_w, c, in->q);
	x509_spki_put(&spki_w, in->q);
	if ((e = der_finish(&cert_w, &cert)) != OK || (e = der_finish(&spki_w, &key)) != OK ||
	    (e = digest_sha256(s->digest, cert, out->fingerprint)) != OK ||
	    (e = digest_sha256(s->digest, key, issuance.spki)) != OK ||
	    (e = utc_seconds(&c->issued, &from)) != OK || (e = utc_seconds(&end, &to)) != OK)
		return e;
	memcpy(issuance.tenant, in->tenant, sizeof(issuance.tenant));
	memcpy(issuance.detail, in->detail, sizeof(issuance.detail));
	memcpy(issuance.aki, c->aki, sizeof(issuance.aki));
	memcpy(issuance.serial, in->serial, sizeof(issuance.serial));
	memcpy(issuance.device, in->device, sizeof(issuance.device));
	memcpy(issuance.cert, out->fingerprint, sizeof(issuance.cert));
	issuance.not_before = (uint64_t)from;
	issuance.not_after = (uint64_t)to;
	entry_put(&issuance, entry);
	return entry_hash(s->digest, entry, out->leaf_hash);
}

static enum err sign_one(
    struct signer *s, const struct leaf_in *in, int64_t now_ms, struct leaf_out *out)
{
	const struct profile_info *profile = profile_info(in->profile);
	const struct key *key = in->key < s->keys_n ? &s->keys[in->key] : NULL;
	struct lint_context context = { s->p256, now_ms / 1000, NULL, X509_NO_EXPIRY,
		s->own_keys[0], s->keys_n };
	uint8_t buffer[CCERT_TBS_MAX];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct ccert c = { .years = 0 };
	struct slice tbs;
	unsigned rule;
	enum err e;

	if (!key || !profile || profile->kind != PROFILE_LEAF)
		return ERR_ARG;
	context.key_id = key->ca.key_id;
	if ((rule = lint_refusal(lint_leaf(in, &context), s->options.allow)) != 0)
		return refuse(out, rule);
	if ((e = fields_of(in, key, &c)) != OK)
		return e;
	ccert_tbs_put(&w, &c, in->q);
	if ((e = der_finish(&w, &tbs)) != OK)
		return e;
	if ((rule = lint_refusal(lint_tbs(tbs, &context), s->options.allow)) != 0)
		return refuse(out, rule);
	if ((e = key->how.sign(key->how.ctx, tbs, c.sig)) != OK)
		return e;
	if (!key->file && (e = verify(s, key->ca.q, tbs, c.sig)) != OK)
		return e == ERR_DENIED ? refuse(out, 12) : e;
	if ((e = commit(s, in, &c, (uint64_t)now_ms, out)) != OK)
		return e;
	memcpy(out->sig, c.sig, sizeof(out->sig));
	return OK;
}

enum err signer_leaf(struct signer *s, const struct leaf_in *in, struct leaf_out *out, size_t n,
    uint64_t *time_ms, struct errbuf *eb)
{
	int64_t now = s->options.now_ms ? s->options.now_ms(s->options.ctx) : utc_now_ms();

	if (n == 0 || n > SIGNER_BATCH_MAX)
		return err_set(eb, ERR_ARG, "a batch of %zu statements: 1 to %d are signed at once",
		    n, SIGNER_BATCH_MAX);
	if (now < 0)
		return err_set(eb, ERR_ARG, "the signer's clock stands before 1970");
	for (size_t i = 0; i < n; i++) {
		struct leaf_out answer = { .lint = 0 };

		answer.err = sign_one(s, &in[i], now, &answer);
		/* Nothing of a certificate that is not released. */
		out[i] = answer.err == OK
		             ? answer
		             : (struct leaf_out){ .err = answer.err, .lint = answer.lint };
	}
	*time_ms = (uint64_t)now;
	return OK;
}

static enum err self_sign(
    struct p256_key *key, struct profile_ca *ca, uint8_t der[PROFILE_CA_MAX], size_t *n)
{
	struct x509_signer how = p256_signer(key);
	uint8_t buffer[PROFILE_CA_MAX], sig[64];
	struct der_w tbs_w = der_writer(buffer, sizeof(buffer)),
	             w = der_writer(der, PROFILE_CA_MAX);
	struct slice tbs, cert;
	enum err e;

	p256_key_public(key, ca->q);
	if ((e = p256_key_id(ca->q, ca->key_id)) != OK)
		return e;
	profile_ca_tbs_put(&tbs_w, ca);
	if ((e = der_finish(&tbs_w, &tbs)) != OK || (e = how.sign(how.ctx, tbs, sig)) != OK)
		return e;
	x509_cert_put(&w, tbs, sig);
	if ((e = der_finish(&w, &cert)) == OK)
		*n = cert.n;
	return e;
}

enum err signer_create(const char *path, const uint8_t serial[16],
    const struct x509_hour *not_before, uint8_t der[PROFILE_CA_MAX], size_t *n, struct errbuf *eb)
{
	struct profile_ca ca = { .not_before = *not_before };
	struct p256_key *key = NULL;
	enum err e;

	memcpy(ca.serial, serial, sizeof(ca.serial));
	if ((e = p256_key_generate(&key, eb)) != OK)
		return e;
	if ((e = self_sign(key, &ca, der, n)) != OK)
		err_set(eb, e, "certificate of the authority: %s", err_text(e));
	else
		e = p256_key_save(key, path, eb);
	p256_key_free(key);
	return e;
}
