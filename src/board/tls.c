#include "tls.h"
#include "file.h"
#include "text.h"
#include "tls_quick.h"
#include "x509.h"

#include <bearssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE 8005 /* ArduinoBearSSL's; BearSSL asks for fragments of 4096 bytes then */
#define OUTPUT_SIZE 597
#define ANCHOR_FILE_MAX 65536
#define ANCHOR_DER_MAX 4096
#define DAYS_TO_1970 719528 /* from the first day of year 0, as BearSSL counts */

struct tls {
	/* First, and found from its address: BearSSL hands it back to the functions below. */
	const br_ssl_client_certificate_class *certificate_class;
	struct tls_options o;
	char host[TLS_HOST_MAX + 1];
	br_x509_trust_anchor anchor;
	br_x509_certificate certificate;
	br_ssl_client_context client;
	br_x509_minimal_context x509;
	uint8_t input[INPUT_SIZE], output[OUTPUT_SIZE];
};

/* --- the anchor --- */

struct name {
	uint8_t *p;
	size_t n;
	bool too_long;
};

static void name_append(void *ctx, const void *p, size_t n)
{
	struct name *name = ctx;

	if (n > TLS_ANCHOR_NAME_MAX - name->n) {
		name->too_long = true;
		return;
	}
	memcpy(name->p + name->n, p, n);
	name->n += n;
}

enum err tls_anchor_parse(struct slice pem, struct tls_anchor *anchor, struct errbuf *eb)
{
	struct tls_anchor a = { .name_n = 0 };
	struct name name = { a.name, 0, false };
	uint8_t der[ANCHOR_DER_MAX];
	br_x509_decoder_context x509;
	const br_x509_pkey *key;
	size_t n;

	if (pem_decode(pem, "CERTIFICATE", der, sizeof(der), &n, NULL) != OK)
		return err_set(eb, ERR_FORMAT, "anchor: no certificate in PEM");
	br_x509_decoder_init(&x509, name_append, &name);
	br_x509_decoder_push(&x509, der, n);
	if ((key = br_x509_decoder_get_pkey(&x509)) == NULL)
		return err_set(eb, ERR_FORMAT, "anchor: not a certificate (BearSSL error %d)",
		    br_x509_decoder_last_error(&x509));
	if (!br_x509_decoder_isCA(&x509))
		return err_set(eb, ERR_FORMAT, "anchor: basicConstraints: not a CA's certificate");
	if (key->key_type != BR_KEYTYPE_EC || key->key.ec.curve != BR_EC_secp256r1 ||
	    key->key.ec.qlen != sizeof(a.point) || key->key.ec.q[0] != 4)
		return err_set(
		    eb, ERR_FORMAT, "anchor: subjectPublicKeyInfo: boards know P-256 keys alone");
	if (name.too_long || name.n == 0)
		return err_set(
		    eb, ERR_FORMAT, "anchor: subject: 1 to %d bytes", TLS_ANCHOR_NAME_MAX);
	a.name_n = name.n;
	memcpy(a.point, key->key.ec.q, sizeof(a.point));
	*anchor = a;
	return OK;
}

enum err tls_anchor_read(const char *path, struct tls_anchor *anchor, struct errbuf *eb)
{
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, ANCHOR_FILE_MAX, &text, &n, eb)) != OK)
		return e;
	if ((e = tls_anchor_parse((struct slice){ text, n }, anchor, eb)) != OK)
		e = err_within(eb, e, "%s", path);
	free(text);
	return e;
}

/* --- the client's certificate --- */

static struct tls *tls_of(const br_ssl_client_certificate_class **at)
{
	return (struct tls *)(void *)at;
}

/* The names of authorities that a server would like are not looked at: there is one certificate. */
static void name_list(const br_ssl_client_certificate_class **at)
{
	(void)at;
}

static void name_begins(const br_ssl_client_certificate_class **at, size_t n)
{
	(void)at;
	(void)n;
}

static void name_goes_on(
    const br_ssl_client_certificate_class **at, const unsigned char *p, size_t n)
{
	(void)at;
	(void)p;
	(void)n;
}

static void choose(const br_ssl_client_certificate_class **at, const br_ssl_client_context *client,
    uint32_t types, br_ssl_client_certificate *choice)
{
	struct tls *t = tls_of(at);
	bool possible = (types >> (8 + br_sha256_ID) & 1) != 0;

	(void)client;
	choice->auth_type = BR_AUTH_ECDSA;
	choice->hash_id = br_sha256_ID;
	choice->chain = possible ? &t->certificate : NULL;
	choice->chain_len = possible ? 1 : 0;
}

static uint32_t key_exchange(
    const br_ssl_client_certificate_class **at, unsigned char *data, size_t *n)
{
	(void)at;
	(void)data;
	(void)n;
	return 0;
}

static size_t sign(
    const br_ssl_client_certificate_class **at, int hash, size_t n, unsigned char *data, size_t cap)
{
	struct tls *t = tls_of(at);
	struct der_w w = der_writer(data, cap);
	uint8_t digest[32], sig[64];
	struct slice out;

	if (hash != br_sha256_ID || n != sizeof(digest))
		return 0;
	memcpy(digest, data, sizeof(digest));
	if (t->o.sign(t->o.ctx, digest, sig) != OK)
		return 0;
	x509_sig_put(&w, sig);
	return der_finish(&w, &out) == OK ? out.n : 0;
}

static const br_ssl_client_certificate_class certificate_class = {
	.context_size = sizeof(struct tls),
	.start_name_list = name_list,
	.start_name = name_begins,
	.append_name = name_goes_on,
	.end_name = name_list,
	.end_name_list = name_list,
	.choose = choose,
	.do_keyx = key_exchange,
	.do_sign = sign,
};

/* --- the connection --- */

static void anchor_set(struct tls *t)
{
	const struct tls_anchor *a = t->o.anchor;

	/* BearSSL's pointers are not const, but it writes to neither. */
	memcpy(&t->anchor.dn.data, &(const uint8_t *){ a->name }, sizeof(t->anchor.dn.data));
	t->anchor.dn.len = a->name_n;
	t->anchor.flags = BR_X509_TA_CA;
	t->anchor.pkey.key_type = BR_KEYTYPE_EC;
	t->anchor.pkey.key.ec.curve = BR_EC_secp256r1;
	memcpy(&t->anchor.pkey.key.ec.q, &(const uint8_t *){ a->point },
	    sizeof(t->anchor.pkey.key.ec.q));
	t->anchor.pkey.key.ec.qlen = sizeof(a->point);
	memcpy(&t->certificate.data, &t->o.certificate.p, sizeof(t->certificate.data));
	t->certificate.data_len = t->o.certificate.n;
}

/* Before year 0 or after 11 million years is no time at all: every certificate is out of date then. */
static void time_set(struct tls *t)
{
	int64_t days = t->o.now >= 0 ? t->o.now / 86400 : 0;

	br_x509_minimal_set_time(&t->x509,
	    days < INT32_MAX - DAYS_TO_1970 ? (uint32_t)(days + DAYS_TO_1970) : UINT32_MAX,
	    t->o.now >= 0 ? (uint32_t)(t->o.now % 86400) : 0);
}

static void profile_set(struct tls *t)
{
	static const uint16_t suites[] = { BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 };
	br_ssl_engine_context *engine = &t->client.eng;

	br_ssl_client_zero(&t->client);
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_suites(engine, suites, COUNT(suites));
	br_ssl_engine_set_default_ec(engine);
	br_ssl_engine_set_default_ecdsa(engine);
	if (t->o.quick) {
		br_ssl_engine_set_ec(engine, &tls_quick_ec);
		br_ssl_engine_set_ecdsa(engine, tls_quick_verify);
	}
	br_ssl_engine_set_default_aes_gcm(engine);
	br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_buffers_bidi(
	    engine, t->input, sizeof(t->input), t->output, sizeof(t->output));

	br_x509_minimal_init(&t->x509, &br_sha256_vtable, &t->anchor, 1);
	br_x509_minimal_set_hash(&t->x509, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(
	    &t->x509, br_ssl_engine_get_ec(engine), br_ssl_engine_get_ecdsa(engine));
	br_ssl_engine_set_x509(engine, &t->x509.vtable);
	time_set(t);
	t->certificate_class = &certificate_class;
	br_ssl_client_set_client_certificate(&t->client, &t->certificate_class);
}

enum err tls_new(const struct tls_options *o, struct tls **tls, struct errbuf *eb)
{
	size_t n = strlen(o->host);
	struct tls *t;

	if (n < 1 || n > TLS_HOST_MAX)
		return err_set(eb, ERR_ARG, "a broker's name has 1 to %d characters", TLS_HOST_MAX);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for a TLS connection");
	t->o = *o;
	memcpy(t->host, o->host, n);
	anchor_set(t);
	profile_set(t);
	if (!br_ssl_client_reset(&t->client, t->host, 0)) {
		enum err e = err_set(eb, ERR_IO, "TLS: no random numbers (BearSSL error %d)",
		    br_ssl_engine_last_error(&t->client.eng));

		tls_free(t);
		return e;
	}
	*tls = t;
	return OK;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	wipe(t, sizeof(*t)); /* the session's keys */
	free(t);
}

enum tls_state tls_state(const struct tls *t)
{
	unsigned state = br_ssl_engine_current_state(&t->client.eng);

	if (state & BR_SSL_CLOSED)
		return TLS_CLOSED;
	return state & (BR_SSL_SENDAPP | BR_SSL_RECVAPP) ? TLS_OPEN : TLS_HANDSHAKE;
}

uint8_t *tls_room(struct tls *t, size_t *n)
{
	*n = 0;
	return br_ssl_engine_recvrec_buf(&t->client.eng, n);
}

void tls_received(struct tls *t, size_t n)
{
	br_ssl_engine_recvrec_ack(&t->client.eng, n);
}

struct slice tls_output(const struct tls *t)
{
	struct slice out = { NULL, 0 };

	out.p = br_ssl_engine_sendrec_buf(&t->client.eng, &out.n);
	return out;
}

void tls_sent(struct tls *t, size_t n)
{
	br_ssl_engine_sendrec_ack(&t->client.eng, n);
}

size_t tls_write(struct tls *t, struct slice in)
{
	size_t room = 0;
	uint8_t *p = br_ssl_engine_sendapp_buf(&t->client.eng, &room);

	if (p == NULL || in.n == 0)
		return 0;
	if (in.n > room)
		in.n = room;
	memcpy(p, in.p, in.n);
	br_ssl_engine_sendapp_ack(&t->client.eng, in.n);
	br_ssl_engine_flush(&t->client.eng, 0);
	return in.n;
}

struct slice tls_read(const struct tls *t)
{
	struct slice in = { NULL, 0 };

	in.p = br_ssl_engine_recvapp_buf(&t->client.eng, &in.n);
	return in;
}

void tls_taken(struct tls *t, size_t n)
{
	br_ssl_engine_recvapp_ack(&t->client.eng, n);
}

/* --- what went wrong --- */

int tls_error(const struct tls *t)
{
	return br_ssl_engine_last_error(&t->client.eng);
}

static const struct words {
	int number;
	const char *text;
} errors[] = {
	{ BR_ERR_UNSUPPORTED_VERSION, "the broker speaks another version of TLS" },
	{ BR_ERR_BAD_VERSION, "the broker speaks another version of TLS" },
	{ BR_ERR_TOO_LARGE, "the broker's records are too long for this board" },
	{ BR_ERR_BAD_MAC, "a record from the broker is damaged" },
	{ BR_ERR_BAD_CIPHER_SUITE, "the broker chose a cipher suite that was not offered" },
	{ BR_ERR_BAD_FINISHED, "the handshake with the broker was tampered with" },
	{ BR_ERR_INVALID_ALGORITHM, "the secure element did not sign" },
	{ BR_ERR_BAD_SIGNATURE, "the broker does not hold the key of its certificate" },
	{ BR_ERR_X509_WRONG_KEY_TYPE, "the broker's certificate has a key of another kind" },
	{ BR_ERR_X509_UNSUPPORTED, "the broker's certificate is signed in another way" },
	{ BR_ERR_X509_BAD_SIGNATURE, "a signature in the broker's chain is wrong" },
	{ BR_ERR_X509_EXPIRED, "the broker's certificate is not valid now" },
	{ BR_ERR_X509_DN_MISMATCH, "the broker's chain is out of order" },
	{ BR_ERR_X509_BAD_SERVER_NAME, "the broker's certificate is for another name" },
	{ BR_ERR_X509_NOT_CA, "the broker's chain holds an issuer that is no CA" },
	{ BR_ERR_X509_WEAK_PUBLIC_KEY, "the broker's key is weak" },
	{ BR_ERR_X509_NOT_TRUSTED, "the broker's certificate does not lead to the anchor" },
};

/* RFC 5246, 7.2.2; what a server says to a client that comes with a certificate. */
static const struct words alerts[] = {
	{ 40, "no common ground for a handshake" },
	{ 42, "the broker refuses our certificate: damaged, or wrongly signed" },
	{ 43, "the broker refuses our certificate: of an unsupported kind" },
	{ 44, "the broker refuses our certificate: revoked" },
	{ 45, "the broker refuses our certificate: expired" },
	{ 46, "the broker refuses our certificate" },
	{ 48, "the broker refuses our certificate: unknown authority" },
	{ 49, "the broker denies access" },
	{ 51, "the broker could not verify our signature" },
	{ 70, "the broker speaks another version of TLS" },
	{ 71, "the broker wants stronger cryptography" },
	{ 80, "the broker met an error of its own" },
};

static const char *words_find(const struct words *all, size_t n, int number, const char *otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].number == number)
			return all[i].text;
	return otherwise;
}

void tls_error_text(int error, char text[160])
{
	int alert = error - BR_ERR_RECV_FATAL_ALERT;

	if (error == BR_ERR_OK)
		text[0] = '\0';
	else if (alert >= 0 && alert < 256)
		snprintf(text, 160, "%s (alert %d, TLS error %d)",
		    words_find(alerts, COUNT(alerts), alert, "the broker ends the connection"),
		    alert, error);
	else
		snprintf(text, 160, "%s (TLS error %d)",
		    words_find(errors, COUNT(errors), error, "the broker's handshake is faulty"),
		    error);
}
