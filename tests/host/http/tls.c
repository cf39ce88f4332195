/* TLS of the server against OpenSSL's client: versions, certificates of both sides, sessions, records. */
#include "rig.h"
#include "slim.h"

#include <openssl/decoder.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>

static struct peer p, q;
static char text[1 << 17];

static struct {
	struct peer_identity root, between, leaf, other, clients, client, stranger;
} ids;

static int get(struct peer *peer, const char *path)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	return peer_send(peer, request) ? peer_answer(peer, text, sizeof(text), false) : 0;
}

static struct slice pem(const char *t)
{
	return (struct slice){ (const uint8_t *)t, strlen(t) };
}

/* --- making --- */

static void test_wrong_options(void)
{
	char broken[5000], encrypted[2048];
	BIO *bio = BIO_new(BIO_s_mem());
	const struct {
		const char *name, *chain, *key, *authorities;
	} cases[] = {
		{ "no chain", "", ids.leaf.key_pem, "" },
		{ "a chain that is none", "hello", ids.leaf.key_pem, "" },
		{ "a chain with a broken end", broken, ids.leaf.key_pem, "" },
		{ "no key", ids.leaf.certificate_pem, "", "" },
		{ "the key of another", ids.leaf.certificate_pem, ids.other.key_pem, "" },
		{ "an encrypted key", ids.leaf.certificate_pem, encrypted, "" },
		{ "authorities that are none", ids.leaf.certificate_pem, ids.leaf.key_pem,
		    "hello" },
		{ "a broken authority", ids.leaf.certificate_pem, ids.leaf.key_pem, broken },
	};

	snprintf(broken, sizeof(broken),
	    "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    ids.leaf.certificate_pem);
	PEM_write_bio_PKCS8PrivateKey(
	    bio, ids.leaf.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	peer_pem(bio, encrypted, sizeof(encrypted));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_tls_options o = { pem(cases[i].chain), pem(cases[i].key),
			pem(cases[i].authorities) };
		struct http_tls *tls = NULL;
		struct errbuf eb = { "" };

		ok(http_tls_new(&o, &tls, &eb) == ERR_FORMAT && !tls, "%s: %s", cases[i].name,
		    eb.text);
	}
}

static void count(OSSL_DECODER *decoder, void *n)
{
	(void)decoder;
	++*(unsigned *)n;
}

/*
 * A key of this kind, made elsewhere, is read there again from PEM, and encoded to what it was. OpenSSL's older
 * way (a key without a provider) does not count: TLS would not take it everywhere.
 */
static bool reads_form(OSSL_LIB_CTX *context, EVP_PKEY *key, bool traditional)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *was = NULL, *is = NULL;
	int was_n = i2d_PUBKEY(key, &was), is_n = 0;
	EVP_PKEY *again;

	if (traditional)
		PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	again = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, context, NULL);
	if (again && EVP_PKEY_get0_provider(again))
		is_n = i2d_PUBKEY(again, &is);
	ERR_clear_error();
	BIO_free(bio);
	EVP_PKEY_free(again);
	was_n = was_n > 0 && was_n == is_n && memcmp(was, is, (size_t)was_n) == 0;
	OPENSSL_free(was);
	OPENSSL_free(is);
	return was_n;
}

/* PKCS #8, and "BEGIN EC PRIVATE KEY" or "BEGIN RSA PRIVATE KEY". */
static bool reads(OSSL_LIB_CTX *context, EVP_PKEY *key)
{
	return reads_form(context, key, false) && reads_form(context, key, true);
}

/* A password's hash as mosquitto makes it. */
static bool derives(OSSL_LIB_CTX *context)
{
	EVP_KDF *kdf = EVP_KDF_fetch(context, "PBKDF2", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	unsigned char out[64], salt[12] = { 1 };
	unsigned rounds = 101;
	char secret[] = "secret", digest[] = "SHA512";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string("pass", secret, 6),
		OSSL_PARAM_construct_octet_string("salt", salt, sizeof(salt)),
		OSSL_PARAM_construct_uint("iter", &rounds),
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_end(),
	};
	bool good = ctx && EVP_KDF_derive(ctx, out, sizeof(out), params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return good;
}

/* A point of P-256 as a TLS peer's, its last byte changed by so much. */
static bool takes_point(OSSL_LIB_CTX *context, EVP_PKEY *ec, unsigned char change)
{
	unsigned char point[65];
	size_t n = 0;
	char group[] = "P-256";
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(context, "EC", NULL), *check = NULL;
	EVP_PKEY *made = NULL;
	bool good;

	EVP_PKEY_get_octet_string_param(ec, "pub", point, sizeof(point), &n);
	point[64] ^= change;
	good = n == 65 && EVP_PKEY_fromdata_init(make) == 1 &&
	       EVP_PKEY_fromdata(make, &made, EVP_PKEY_PUBLIC_KEY,
	           (OSSL_PARAM[]){ OSSL_PARAM_construct_utf8_string("group", group, 0),
	               OSSL_PARAM_construct_octet_string("pub", point, sizeof(point)),
	               OSSL_PARAM_construct_end() }) == 1 &&
	       (check = EVP_PKEY_CTX_new_from_pkey(context, made, NULL)) &&
	       EVP_PKEY_public_check(check) == 1;
	EVP_PKEY_CTX_free(make);
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(made);
	ERR_clear_error();
	return good;
}

static bool manages(OSSL_LIB_CTX *context, const char *kind)
{
	EVP_KEYMGMT *found = EVP_KEYMGMT_fetch(context, kind, NULL);

	EVP_KEYMGMT_free(found);
	ERR_clear_error();
	return found != NULL;
}

static void test_slim(void)
{
	static const struct {
		enum slim_extent extent;
		const char *name;
		bool rsa;
	} cases[] = { { SLIM_CURVES, "curves alone", false }, { SLIM_KEYS, "keys", true } };
	EVP_PKEY *ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048),
	         *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned all = 0;

	OSSL_DECODER_do_all_provided(NULL, count, &all);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slim *slim = NULL;
		struct errbuf eb = { "" };
		OSSL_LIB_CTX *context;
		unsigned few = 0;

		ok(slim_new(&slim, cases[i].extent, &eb) == OK, "%s %s", cases[i].name, eb.text);
		context = slim_context(slim);
		OSSL_DECODER_do_all_provided(context, count, &few);
		ok(few > 0 && few * 3 <= all + 1, "%u decoders of %u", few, all);
		ok(reads(context, ec) && reads(context, rsa) == cases[i].rsa &&
		        !reads_form(context, other, false),
		    "reads elliptic curves%s", cases[i].rsa ? " and RSA" : "");
		ok(manages(context, "RSA") == cases[i].rsa &&
		        manages(context, "DH") == cases[i].rsa && manages(context, "EC") &&
		        !manages(context, "ED25519"),
		    "uses no others");
		ok(derives(context), "and derives keys");
		ok(takes_point(context, ec, 0) && !takes_point(context, ec, 1),
		    "takes a point of the curve and no other");
		slim_free(slim);
	}
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
}

/* --- connections --- */

/* head and body are one record: a sketch stops reading at the first gap. */
static bool one_record(SSL_CTX *ctx, uint16_t port, size_t body, size_t *records)
{
	char path[32];
	size_t before;
	bool whole;

	snprintf(path, sizeof(path), "/much/%zu", body);
	peer_connect(&p, port, ctx);
	get(&p, "/empty"); /* TLS 1.3 sends its session before the first answer */
	before = p.records;
	whole = get(&p, path) == 200 && strlen(peer_body(text)) == body;
	*records = p.records - before;
	peer_close(&p);
	return whole;
}

static void test_records(struct rig *rig, SSL_CTX *ctx, const char *version)
{
	size_t sizes[] = { 1, 112, 4095, 15000, 16000, 17000 }, records;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		bool whole = one_record(ctx, rig->port, sizes[i], &records);

		ok(whole && records == (sizes[i] > 16384 ? 2 : 1),
		    "%s: an answer of %zu bytes is %zu record(s)", version, sizes[i], records);
	}

	peer_connect(&p, rig->port, ctx);
	for (const char *c = "PUT /bytes HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"; *c;
	     c++)
		peer_send_bytes(&p, c, 1);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "body={}"),
	    "%s: a request in as many records as bytes", version);
	ok(get(&p, "/") == 200 && SSL_shutdown(p.ssl) >= 0 && peer_receive(&p) == 0 &&
	        SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN,
	    "%s: close_notify is answered by one", version);
	peer_close(&p);
	peer_connect(&p, rig->port, ctx);
	peer_send(&p, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && peer_receive(&p) == 0 &&
	        SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN,
	    "%s: and said when the server ends", version);
	peer_close(&p);
	peer_connect(&p, rig->port, ctx);
	ok(get(&p, "/") == 200 && send(p.fd, "\x17\x03\x03\x00\x05hello", 10, MSG_NOSIGNAL) == 10 &&
	        peer_receive(&p) == 0,
	    "%s: a forged record ends it", version);
	peer_close(&p);
}

static void test_resumption(struct rig *rig, SSL_CTX *ctx, const char *version)
{
	SSL_SESSION *session;
	uint64_t resumed = rig_stats(rig).resumed;
	const unsigned char *ticket = NULL;
	size_t ticket_n = 0;

	peer_connect(&p, rig->port, ctx);
	get(&p, "/");
	session = SSL_get1_session(p.ssl);
	SSL_SESSION_get0_ticket(session, &ticket, &ticket_n);
	ok(ticket_n <= 32, "%s: no ticket, or one that is only a name (%zu bytes)", version,
	    ticket_n);
	SSL_set_quiet_shutdown(p.ssl, 1); /* goes without a word, as many clients do */
	peer_close(&p);
	RIG_UNTIL(rig_stats(rig).open == 0);
	ok(peer_connect_again(&p, rig->port, ctx, session) && SSL_session_reused(p.ssl) &&
	        get(&p, "/") == 200,
	    "%s: the session is taken up again", version);
	ok(rig_stats(rig).resumed == resumed + 1, "%s: and counted", version);
	peer_close(&p);
	SSL_SESSION_free(session);
}

static int asked(SSL *ssl, X509 **x, EVP_PKEY **key)
{
	(void)ssl, (void)x, (void)key;
	++*(unsigned *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	return 0;
}

static void test_not_asked(struct rig *rig)
{
	SSL_CTX *ctx = peer_context(&ids.root, NULL, TLS1_3_VERSION);
	unsigned times = 0;

	SSL_CTX_set_app_data(ctx, &times);
	SSL_CTX_set_client_cert_cb(ctx, asked);
	ok(peer_connect(&p, rig->port, ctx) && get(&p, "/") == 200 && times == 0,
	    "without authorities no client is asked for a certificate");
	peer_close(&p);
	SSL_CTX_free(ctx);
}

/* Whether the handler sees this certificate as its client's. */
static bool proved(const unsigned char *der, size_t n)
{
	peer_send(&p, "GET /client HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!strstr(p.text, "\r\n\r\n") && peer_receive(&p) > 0)
		;
	return p.n > n && memcmp(p.text + p.n - n, der, n) == 0;
}

static void test_clients(int version, const char *name)
{
	SSL_CTX *good = peer_context(&ids.root, &ids.client, version),
	        *none = peer_context(&ids.root, NULL, version),
	        *bad = peer_context(&ids.root, &ids.stranger, version);
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };
	SSL_SESSION *session;
	unsigned char *der = NULL;
	struct rig rig;
	int n = i2d_X509(ids.client.certificate, &der);

	ok(peer_tls(&ids.leaf, &ids.between, &ids.clients, &tls, &eb) == OK, "TLS for clients %s",
	    eb.text);
	rig_start(&rig, NULL, tls);
	ok(peer_connect(&p, rig.port, good), "%s: a client with a certificate", name);
	ok(proved(der, (size_t)n), "%s: it is the one that it proved", name);
	session = SSL_get1_session(p.ssl);
	peer_close(&p);
	ok(peer_connect_again(&p, rig.port, good, session) && SSL_session_reused(p.ssl),
	    "%s: resumed", name);
	ok(proved(der, (size_t)n), "%s: with the same certificate", name);
	peer_close(&p);
	ok(peer_connect(&p, rig.port, none) && get(&p, "/client") == 200 && !*peer_body(text),
	    "%s: a client without one is told apart by the handler", name);
	peer_close(&p);
	/* In TLS 1.3 a client learns it when it reads. */
	ok(!peer_connect(&p, rig.port, bad) || get(&p, "/client") == 0,
	    "%s: a certificate of somebody else's authority ends the handshake", name);
	peer_close(&p);
	ok(rig_stats(&rig).requests == 3, "%s: and no request", name);

	SSL_SESSION_free(session);
	OPENSSL_free(der);
	rig_stop(&rig);
	http_tls_free(tls);
	SSL_CTX_free(good);
	SSL_CTX_free(none);
	SSL_CTX_free(bad);
}

static void test_versions(struct rig *rig)
{
	SSL_CTX *old = peer_context(&ids.root, NULL, TLS1_1_VERSION),
	        *cbc = peer_context(&ids.root, NULL, TLS1_2_VERSION),
	        *board = peer_context(&ids.root, NULL, TLS1_2_VERSION);

	SSL_CTX_set_security_level(old, 0);
	SSL_CTX_set_cipher_list(old, "ALL:@SECLEVEL=0");
	ok(!peer_connect(&p, rig->port, old), "TLS 1.1 is refused");
	peer_close(&p);
	SSL_CTX_set_cipher_list(cbc, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA");
	ok(!peer_connect(&p, rig->port, cbc), "CBC is refused");
	peer_close(&p);

	/* What Arduino boards offer: one suite, one curve, one hash, and records of 512 bytes. */
	SSL_CTX_set_cipher_list(board, "ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_CTX_set1_groups_list(board, (char[]){ "P-256" });
	SSL_CTX_set1_sigalgs_list(board, (char[]){ "ECDSA+SHA256" });
	ok(peer_connect(&p, rig->port, board) && get(&p, "/") == 200, "a board is served");
	peer_close(&p);
	SSL_CTX_set_tlsext_max_fragment_length(board, TLSEXT_max_fragment_length_512);
	ok(peer_connect(&p, rig->port, board) && get(&p, "/much/2000") == 200 && p.records == 5,
	    "and gets records as small as it asks for: %zu", p.records);
	peer_close(&p);
	SSL_CTX_free(old);
	SSL_CTX_free(cbc);
	SSL_CTX_free(board);
}

static void test_protocols(struct rig *rig)
{
	SSL_CTX *both = peer_context(&ids.root, NULL, TLS1_3_VERSION),
	        *newer = peer_context(&ids.root, NULL, TLS1_3_VERSION);
	const unsigned char *chosen;
	unsigned n;

	SSL_CTX_set_alpn_protos(both, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	SSL_CTX_set_alpn_protos(newer, (const unsigned char *)"\x02h2", 3);
	peer_connect(&p, rig->port, both);
	SSL_get0_alpn_selected(p.ssl, &chosen, &n);
	ok(n == 8 && memcmp(chosen, "http/1.1", 8) == 0, "ALPN: http/1.1 of what is offered");
	peer_close(&p);
	peer_connect(&p, rig->port, newer);
	SSL_get0_alpn_selected(p.ssl, &chosen, &n);
	ok(n == 0 && get(&p, "/") == 200, "ALPN: no answer to h2 alone");
	peer_close(&p);
	SSL_CTX_free(both);
	SSL_CTX_free(newer);
}

static bool serves(struct peer *peer, const struct peer_identity *id)
{
	return X509_cmp(SSL_get0_peer_certificate(peer->ssl), id->certificate) == 0 &&
	       get(peer, "/") == 200;
}

static void test_replacement(struct rig *rig, struct http_tls *tls, SSL_CTX *ctx)
{
	struct http_tls_options mixed = { pem(ids.other.certificate_pem), pem(ids.leaf.key_pem),
		{ NULL, 0 } };
	struct errbuf eb = { "" };

	ok(http_tls_replace(tls, &mixed, &eb) == ERR_FORMAT, "what does not fit is not taken: %s",
	    eb.text);
	ok(peer_connect(&p, rig->port, ctx) && serves(&p, &ids.leaf), "the old one is still there");
	ok(peer_tls(&ids.other, &ids.between, NULL, &tls, &eb) == OK, "replaced %s", eb.text);
	ok(peer_connect(&q, rig->port, ctx) && serves(&q, &ids.other),
	    "new connections see the new one");
	ok(serves(&p, &ids.leaf), "old connections go on");
	peer_close(&p);
	peer_close(&q);
}

static void test_long_body(struct rig *rig, SSL_CTX *ctx)
{
	size_t n = 1 << 20;
	char *body = malloc(n + 128);
	int head = sprintf(body, "PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);

	memset(body + head, 'y', n);
	ok(peer_connect(&p, rig->port, ctx) && peer_send_bytes(&p, body, (size_t)head + n) &&
	        peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "body=yyy"),
	    "a body of a mebibyte");
	peer_close(&p);
	free(body);
}

int main(void)
{
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };
	struct rig rig;
	SSL_CTX *tls12, *tls13;

	peer_identity(&ids.root, "root", NULL, true);
	peer_identity(&ids.between, "between", &ids.root, true);
	peer_identity(&ids.leaf, "server", &ids.between, false);
	peer_identity(&ids.other, "other", &ids.between, false);
	peer_identity(&ids.clients, "clients", NULL, true);
	peer_identity(&ids.client, "client", &ids.clients, false);
	peer_identity(&ids.stranger, "client", NULL, true);
	tls12 = peer_context(&ids.root, NULL, TLS1_2_VERSION);
	tls13 = peer_context(&ids.root, NULL, TLS1_3_VERSION);

	test_wrong_options();
	test_slim();
	ok(peer_tls(&ids.leaf, &ids.between, NULL, &tls, &eb) == OK, "a chain of two %s", eb.text);
	rig_start(&rig, NULL, tls);
	test_records(&rig, tls12, "TLS 1.2");
	test_records(&rig, tls13, "TLS 1.3");
	test_resumption(&rig, tls12, "TLS 1.2");
	test_resumption(&rig, tls13, "TLS 1.3");
	test_not_asked(&rig);
	test_clients(TLS1_2_VERSION, "TLS 1.2");
	test_clients(TLS1_3_VERSION, "TLS 1.3");
	test_versions(&rig);
	test_protocols(&rig);
	test_long_body(&rig, tls13);
	test_replacement(&rig, tls, tls13);

	rig_stop(&rig);
	http_tls_free(tls);
	SSL_CTX_free(tls12);
	SSL_CTX_free(tls13);
	peer_identity_free(&ids.root);
	peer_identity_free(&ids.between);
	peer_identity_free(&ids.leaf);
	peer_identity_free(&ids.other);
	peer_identity_free(&ids.clients);
	peer_identity_free(&ids.client);
	peer_identity_free(&ids.stranger);
	return done_testing();
}
