/*
 * broker.h -- a broker on the test bench, by BearSSL: lets in who comes with a certificate of its authority,
 * answers as MQTT says or as the test wants, remembers what it was told. Driven from the test's own
 * thread, so that a test can keep it silent.
 */
#ifndef IMPRINT_TEST_BROKER_H
#define IMPRINT_TEST_BROKER_H

#include "ccert.h"
#include "p256.h"
#include "rig.h"
#include "text.h"

#include <bearssl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <time.h>

#define BROKER_DEVICE "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define BROKER_HEARD 8

/* --- two hierarchies --- */

struct authority {
	struct p256_key *key;
	uint8_t q[64];
};

static inline struct authority authority_make(void)
{
	struct authority a;

	must(p256_key_generate(&a.key, NULL) == OK, "key");
	p256_key_public(a.key, a.q);
	return a;
}

/* A certificate of the core's subset, from the year 2000 on and without end. */
static inline size_t certificate_make(const struct authority *issuer, struct slice issuer_name,
    struct slice name, const uint8_t q[64], struct slice extensions, uint8_t *out, size_t cap)
{
	static const uint8_t none[20];
	struct x509_tbs tbs = { .serial = BYTES(1),
		.issuer = issuer_name,
		.subject = name,
		.extensions = extensions,
		.not_before = { 2000, 1, 1, 0 },
		.not_after = X509_NO_EXPIRY,
		.q = q,
		.aki = none };
	struct x509_signer signer = p256_signer(issuer->key);
	uint8_t bytes[512], sig[64];
	struct der_w w = der_writer(bytes, sizeof(bytes)), whole = der_writer(out, cap);
	struct slice der;

	x509_tbs_put(&w, &tbs);
	must(der_finish(&w, &der) == OK && signer.sign(signer.ctx, der, sig) == OK, "TBS");
	x509_cert_put(&whole, der, sig);
	must(der_finish(&whole, &der) == OK, "certificate");
	return der.n;
}

static inline size_t name_make(const char *text, uint8_t *out, size_t cap)
{
	struct x509_name name = { .at[X509_CN] = { (const uint8_t *)text, strlen(text) } };
	struct der_w w = der_writer(out, cap);
	struct slice der;

	x509_name_put(&w, &name);
	must(der_finish(&w, &der) == OK, "name");
	return der.n;
}

/* --- the broker --- */

struct broker {
	/* The test's. */
	size_t deaf_after; /* bytes from the board until the connection is closed; 0: never */
	struct slice connack, suback;
	bool mute; /* says nothing of MQTT */

	/* What it heard, the oldest first; and how often. */
	char topics[BROKER_HEARD][64];
	uint8_t messages[BROKER_HEARD][64];
	size_t message_n[BROKER_HEARD];
	unsigned heard, connects, subscribes, pings, connections;

	char anchor[64]; /* PEM file */
	uint16_t port;
	/* Private. */
	int listener, fd;
	size_t bytes;
	struct authority root, device;
	uint8_t root_name[64], certificate[512], scalar[32];
	size_t root_name_n;
	br_x509_certificate chain;
	br_ec_private_key key;
	br_x509_trust_anchor boards;
	uint8_t boards_name[sizeof(x509_arduino_issuer)], boards_point[65];
	br_ssl_server_context server;
	br_x509_minimal_context x509;
	uint8_t room[BR_SSL_BUFSIZE_BIDI], packet[1024];
	size_t packet_n;
};

static inline void broker_anchor(struct broker *b, const struct bench *bench)
{
	/* basicConstraints, critical: cA */
	static const uint8_t ca[] = { 0x30, 0x0F, 0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF,
		0x04, 0x05, 0x30, 0x03, 0x01, 0x01, 0xFF };
	uint8_t der[512];
	char pem[1024];
	size_t n, text;
	FILE *f;

	n = certificate_make(&b->root, (struct slice){ b->root_name, b->root_name_n },
	    (struct slice){ b->root_name, b->root_name_n }, b->root.q, SLICE(ca), der, sizeof(der));
	must(pem_encode((struct slice){ der, n }, "CERTIFICATE", 64, pem, sizeof(pem), &text) == OK,
	    "PEM");
	snprintf(b->anchor, sizeof(b->anchor), "%s/anchor.pem", bench->folder);
	f = fopen(b->anchor, "w");
	must(f != NULL && fwrite(pem, 1, text, f) == text && fclose(f) == 0, b->anchor);
}

static inline void broker_certificate(struct broker *b)
{
	/* subjectAltName: dNSName localhost */
	static const uint8_t localhost[] = { 0x30, 0x14, 0x06, 0x03, 0x55, 0x1D, 0x11, 0x04, 0x0D,
		0x30, 0x0B, 0x82, 0x09, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't' };
	struct authority own = authority_make();
	uint8_t name[64];
	size_t n = name_make("broker", name, sizeof(name));

	b->chain.data = b->certificate;
	b->chain.data_len = certificate_make(&b->root,
	    (struct slice){ b->root_name, b->root_name_n }, (struct slice){ name, n }, own.q,
	    SLICE(localhost), b->certificate, sizeof(b->certificate));
	must(p256_key_scalar(own.key, b->scalar) == OK, "key");
	b->key = (br_ec_private_key){ BR_EC_secp256r1, b->scalar, sizeof(b->scalar) };
	p256_key_free(own.key);
}

static inline void broker_boards(struct broker *b)
{
	memcpy(b->boards_name, x509_arduino_issuer, sizeof(b->boards_name));
	b->boards_point[0] = 4;
	memcpy(b->boards_point + 1, b->device.q, 64);
	b->boards.dn.data = b->boards_name;
	b->boards.dn.len = sizeof(b->boards_name);
	b->boards.flags = BR_X509_TA_CA;
	b->boards.pkey.key_type = BR_KEYTYPE_EC;
	b->boards.pkey.key.ec.curve = BR_EC_secp256r1;
	b->boards.pkey.key.ec.q = b->boards_point;
	b->boards.pkey.key.ec.qlen = sizeof(b->boards_point);
}

static inline void broker_listen(struct broker *b)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(b->port) };
	socklen_t n = sizeof(at);
	int one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(b->listener >= 0 &&
	         setsockopt(b->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	         bind(b->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	         listen(b->listener, 4) == 0 &&
	         getsockname(b->listener, (struct sockaddr *)&at, &n) == 0,
	    "listen");
	b->port = ntohs(at.sin_port);
}

static inline void broker_make(struct broker *b, const struct bench *bench)
{
	memset(b, 0, sizeof(*b));
	b->fd = -1;
	b->connack = TEXT("\x20\x02\x00\x00");
	b->suback = TEXT("\x90\x03\x00\x01\x00");
	b->root = authority_make();
	b->device = authority_make();
	b->root_name_n = name_make("root", b->root_name, sizeof(b->root_name));
	broker_anchor(b, bench);
	broker_certificate(b);
	broker_boards(b);
	broker_listen(b);
}

static inline void broker_hang_up(struct broker *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

static inline void broker_free(struct broker *b)
{
	broker_hang_up(b);
	close(b->listener);
	p256_key_free(b->root.key);
	p256_key_free(b->device.key);
}

static inline void broker_accept(struct broker *b)
{
	time_t now = time(NULL);

	b->fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (b->fd < 0)
		return;
	b->connections++;
	b->bytes = b->packet_n = 0;
	br_ssl_server_init_minf2g(&b->server, &b->chain, 1, &b->key);
	br_ssl_engine_set_default_ecdsa(&b->server.eng);
	br_x509_minimal_init(&b->x509, &br_sha256_vtable, &b->boards, 1);
	br_x509_minimal_set_hash(&b->x509, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(&b->x509, br_ssl_engine_get_ec(&b->server.eng),
	    br_ssl_engine_get_ecdsa(&b->server.eng));
	br_x509_minimal_set_time(
	    &b->x509, (uint32_t)(now / 86400 + 719528), (uint32_t)(now % 86400));
	br_ssl_engine_set_x509(&b->server.eng, &b->x509.vtable);
	br_ssl_server_set_trust_anchor_names_alt(&b->server, &b->boards, 1);
	br_ssl_engine_set_buffer(&b->server.eng, b->room, sizeof(b->room), 1);
	must(br_ssl_server_reset(&b->server) == 1, "server");
}

static inline void broker_say(struct broker *b, struct slice text)
{
	size_t n = 0;
	uint8_t *p = br_ssl_engine_sendapp_buf(&b->server.eng, &n);

	if (b->mute || b->fd < 0)
		return;
	must(p != NULL && n >= text.n, "room");
	memcpy(p, text.p, text.n);
	br_ssl_engine_sendapp_ack(&b->server.eng, text.n);
	br_ssl_engine_flush(&b->server.eng, 0);
}

static inline void broker_hear(struct broker *b, const uint8_t *p, size_t n)
{
	size_t topic = n < 2 ? 0 : load_be16(p), i = b->heard % BROKER_HEARD;

	must(topic + 2 <= n && topic < 64 && n - 2 - topic <= 64, "PUBLISH");
	memcpy(b->topics[i], p + 2, topic);
	b->topics[i][topic] = '\0';
	b->message_n[i] = n - 2 - topic;
	memcpy(b->messages[i], p + 2 + topic, n - 2 - topic);
	b->heard++;
}

/* One packet off the front; the board's are short. */
static inline bool broker_packet(struct broker *b)
{
	size_t n = b->packet_n < 2 ? 0 : b->packet[1] + 2u;

	if (n == 0 || b->packet_n < n)
		return false;
	switch (b->packet[0]) {
	case 0x10:
		b->connects++;
		broker_say(b, b->connack);
		break;
	case 0x82:
		b->subscribes++;
		broker_say(b, b->suback);
		break;
	case 0xC0:
		b->pings++;
		broker_say(b, TEXT("\xd0\x00"));
		break;
	default:
		must(b->packet[0] == 0x30 && b->packet[1] < 0x80, "packet");
		broker_hear(b, b->packet + 2, n - 2);
		break;
	}
	b->packet_n -= n;
	memmove(b->packet, b->packet + n, b->packet_n);
	return true;
}

static inline bool broker_network(struct broker *b)
{
	br_ssl_engine_context *tls = &b->server.eng;
	bool moved = false;
	size_t n = 0;
	uint8_t *p = br_ssl_engine_sendrec_buf(tls, &n);
	ssize_t done;

	if (n > 0 && (done = send(b->fd, p, n, MSG_NOSIGNAL)) > 0) {
		br_ssl_engine_sendrec_ack(tls, (size_t)done);
		moved = true;
	}
	n = 0;
	p = br_ssl_engine_recvrec_buf(tls, &n);
	if (n == 0)
		return moved;
	if (b->deaf_after != 0 && n > b->deaf_after - b->bytes)
		n = b->deaf_after - b->bytes;
	done = recv(b->fd, p, n, 0);
	if (done > 0) {
		b->bytes += (size_t)done;
		br_ssl_engine_recvrec_ack(tls, (size_t)done);
	}
	if (done == 0 || (done < 0 && errno != EAGAIN) ||
	    (b->deaf_after != 0 && b->bytes == b->deaf_after))
		broker_hang_up(b);
	return moved || done > 0;
}

/* Whatever there is to do now. */
static inline void broker_run(struct broker *b)
{
	bool moved = true;

	if (b->fd < 0)
		broker_accept(b);
	while (moved && b->fd >= 0) {
		size_t n = 0;
		const uint8_t *p;

		moved = broker_network(b);
		/* BearSSL gives up without an alert. */
		if (b->fd >= 0 && br_ssl_engine_current_state(&b->server.eng) == BR_SSL_CLOSED)
			broker_hang_up(b);
		if (b->fd < 0 || (p = br_ssl_engine_recvapp_buf(&b->server.eng, &n)) == NULL)
			continue;
		must(n <= sizeof(b->packet) - b->packet_n, "packets");
		memcpy(b->packet + b->packet_n, p, n);
		b->packet_n += n;
		br_ssl_engine_recvapp_ack(&b->server.eng, n);
		while (broker_packet(b))
			moved = true;
	}
}

#endif
