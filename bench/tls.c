/*
 * What the handshake of a TLS connection costs the server, in processor time, beside the bare
 * signatures and key agreement that are in it; and what a session that is taken up again saves.
 *
 * Client and server talk in memory, in one thread, and only the server's turns are counted: sockets
 * and the other programs of a machine add the same to every server. The server's side is the one that
 * host/http gives its connections.
 *
 * Bare, for a server that proves itself: one signature and one key agreement with a new key. For a
 * client that does so too: two verifications more, of its certificate and of its proof.
 */
#include "base.h"
#include "bench.h"
#include "http.h"
#include "peer.h"
#include "tls.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, HANDSHAKES = 50 };

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- handshakes --- */

enum kind { FRESH, MUTUAL, RESUMED, BOARD, BOARD_RESUMED, KINDS };

static struct {
	bool mutual, resumed;
	int version;
	char group[8];
} kinds[KINDS] = {
	[FRESH] = { false, false, TLS1_3_VERSION, "X25519" }, /* what most clients begin with */
	[MUTUAL] = { true, false, TLS1_3_VERSION, "P-256" },
	[RESUMED] = { true, true, TLS1_3_VERSION, "P-256" },
	[BOARD] = { true, false, TLS1_2_VERSION, "P-256" },
	[BOARD_RESUMED] = { true, true, TLS1_2_VERSION, "P-256" },
};

static struct {
	struct peer_identity server, clients, client;
	struct http_tls *tls[KINDS];
	SSL_CTX *ctx[KINDS];
	SSL_SESSION *sessions[KINDS];
} h;

/* The server's turn: takes what the client sent; returns what it cost. */
static double turn(struct tls_link *link, BIO *to_server, struct bytes *out, BIO *to_client)
{
	uint8_t in[16384], plain[64];
	size_t plain_n;
	int n = BIO_read(to_server, in, sizeof(in));
	double begun = cpu_us(), spent;
	enum tls_event event;

	tls_take(link, (struct slice){ in, n > 0 ? (size_t)n : 0 });
	while ((event = tls_step(link, plain, sizeof(plain), &plain_n)) == TLS_PLAIN)
		;
	spent = cpu_us() - begun;
	bench_must(event == TLS_HUNGRY, "server");
	BIO_write(to_client, out->p, (int)out->n);
	bytes_free(out);
	return spent;
}

static double handshake(enum kind kind)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	SSL *client = SSL_new(h.ctx[kind]);
	struct tls_link *link = NULL;
	struct bytes out = { .max = 1 << 20 };
	double begun = cpu_us(), spent;
	char byte;
	bool resumed;

	bench_must(tls_link_new(h.tls[kind], &out, &link) == OK, "link");
	spent = cpu_us() - begun;
	SSL_set_bio(client, to_client, to_server);
	if (kinds[kind].resumed && h.sessions[kind])
		SSL_set_session(client, h.sessions[kind]);
	while (SSL_connect(client) != 1)
		spent += turn(link, to_server, &out, to_client);
	spent += turn(link, to_server, &out, to_client);
	SSL_read(client, &byte, 1); /* the session */
	bench_must(tls_ready(link, &resumed), "handshake");
	bench_must(!kinds[kind].resumed || !h.sessions[kind] || resumed, "resumption");
	begun = cpu_us();
	tls_close(link);
	tls_link_free(link);
	spent += cpu_us() - begun;
	bytes_free(&out);
	SSL_SESSION_free(h.sessions[kind]);
	h.sessions[kind] = SSL_get1_session(client);
	SSL_set_quiet_shutdown(client, 1);
	SSL_shutdown(client);
	SSL_free(client);
	return spent;
}

static double handshakes(enum kind kind)
{
	double spent = 0;

	for (int i = 0; i < HANDSHAKES; i++)
		spent += handshake(kind);
	return spent / HANDSHAKES;
}

static void prepare_handshakes(void)
{
	struct errbuf eb = { "" };

	peer_identity(&h.server, "server", NULL, true);
	peer_identity(&h.clients, "clients", NULL, true);
	peer_identity(&h.client, "client", &h.clients, false);
	for (int kind = 0; kind < KINDS; kind++) {
		bool mutual = kinds[kind].mutual;

		bench_must(
		    peer_tls(&h.server, NULL, mutual ? &h.clients : NULL, &h.tls[kind], &eb) == OK,
		    eb.text);
		h.ctx[kind] =
		    peer_context(&h.server, mutual ? &h.client : NULL, kinds[kind].version);
		bench_must(SSL_CTX_set1_groups_list(h.ctx[kind], kinds[kind].group) == 1, "group");
	}
}

/* --- the bare mathematics --- */

enum { X25519, P256 };

static struct {
	EVP_PKEY *key, *peers[2];
	EVP_PKEY_CTX *sign, *verify, *generate[2];
	unsigned char digest[32], sig[80];
	size_t sig_n;
} m;

static void agree(int curve)
{
	EVP_PKEY *own = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	unsigned char secret[32];
	size_t n = sizeof(secret);

	bench_must(EVP_PKEY_generate(m.generate[curve], &own) == 1 &&
	               (ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL)) != NULL,
	    "new key");
	bench_must(EVP_PKEY_derive_init(ctx) == 1 &&
	               EVP_PKEY_derive_set_peer_ex(ctx, m.peers[curve], 0) == 1 &&
	               EVP_PKEY_derive(ctx, secret, &n) == 1,
	    "key agreement");
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
}

static void sign_once(void)
{
	unsigned char sig[80];
	size_t n = sizeof(sig);

	bench_must(EVP_PKEY_sign(m.sign, sig, &n, m.digest, 32) == 1, "signature");
}

static void verify_once(void)
{
	bench_must(EVP_PKEY_verify(m.verify, m.sig, m.sig_n, m.digest, 32) == 1, "verification");
}

static double bare(bool mutual)
{
	double begun = cpu_us();

	for (int i = 0; i < HANDSHAKES; i++) {
		sign_once();
		agree(mutual ? P256 : X25519);
		if (mutual) {
			verify_once();
			verify_once();
		}
	}
	return (cpu_us() - begun) / HANDSHAKES;
}

static void prepare_bare(void)
{
	m.key = EVP_EC_gen("P-256");
	m.peers[P256] = EVP_EC_gen("P-256");
	m.peers[X25519] = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	m.generate[P256] = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	m.generate[X25519] = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	bench_must(
	    EVP_PKEY_keygen_init(m.generate[P256]) == 1 &&
	        EVP_PKEY_keygen_init(m.generate[X25519]) == 1 &&
	        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(m.generate[P256], NID_X9_62_prime256v1) == 1,
	    "reference curves");
	m.sign = EVP_PKEY_CTX_new_from_pkey(NULL, m.key, NULL);
	m.verify = EVP_PKEY_CTX_new_from_pkey(NULL, m.key, NULL);
	m.sig_n = sizeof(m.sig);
	bench_must(EVP_PKEY_sign_init(m.sign) == 1 && EVP_PKEY_verify_init(m.verify) == 1 &&
	               EVP_PKEY_sign(m.sign, m.sig, &m.sig_n, m.digest, 32) == 1,
	    "reference");
}

int main(void)
{
	struct bench_side bare_fresh = { .name = "bare" }, bare_mutual = { .name = "bare" },
	                  sides[KINDS] = { { .name = "server" }, { .name = "mutual" },
		                  { .name = "resumed" }, { .name = "board" },
		                  { .name = "resumed" } };
	bool good = true;

	prepare_handshakes();
	prepare_bare();
	for (int kind = 0; kind < KINDS; kind++)
		handshakes((enum kind)kind); /* what is made at first use is not the work */
	for (size_t r = 0; r < ROUNDS; r++) {
		bare_fresh.us[r] = bare(false);
		bare_mutual.us[r] = bare(true);
		for (int kind = 0; kind < KINDS; kind++) {
			sides[kind].us[r] = handshakes((enum kind)kind);
			sides[kind].rounds = r + 1;
		}
	}
	bare_fresh.rounds = bare_mutual.rounds = ROUNDS;
	good &= bench_at_most("tls_fresh_cpu_us", &sides[FRESH], &bare_fresh, 3.5);
	good &= bench_at_most("tls_mutual_cpu_us", &sides[MUTUAL], &bare_mutual, 3.5);
	good &= bench_at_most("tls_board_cpu_us", &sides[BOARD], &bare_mutual, 3.5);
	/* TLS 1.3 agrees on a new key each time, and checks that the peer's is on the curve. */
	good &= bench_at_least("tls_resumed_cpu_us", &sides[RESUMED], &sides[MUTUAL], 2.0);
	good &=
	    bench_at_least("tls_board_resumed_cpu_us", &sides[BOARD_RESUMED], &sides[BOARD], 2.5);
	for (int kind = 0; kind < KINDS; kind++) {
		http_tls_free(h.tls[kind]);
		SSL_CTX_free(h.ctx[kind]);
		SSL_SESSION_free(h.sessions[kind]);
	}
	return !good;
}
