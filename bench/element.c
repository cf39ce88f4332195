/*
 * What the emulated chip adds to the mathematics of a signature and of a verification: packets, CRC,
 * rules, registers. Beside it OpenSSL's bare operation with a ready key and context.
 *
 * A signature is two commands (Nonce, Sign), a verification too (Nonce, Verify). How many of them a
 * second make it through a socket is said as well, without a target: that is the kernel's time.
 */
#include "bench.h"
#include "emu.h"
#include "p256.h"
#include "se.h"
#include "sei2c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

enum { ITEMS = 32, ROUNDS = 15 };

static struct {
	struct emu *chip;
	uint8_t digest[32], q[64], sig[64];
	uint8_t nonce[39], sign[7], verify[135]; /* packets, ready */
	EVP_PKEY *key, *public;
	EVP_PKEY_CTX *signing, *verifying;
	uint8_t der[80];
	size_t der_n;
} b;

/* --- what is measured --- */

static void bare_sign(size_t i)
{
	uint8_t sig[80];
	size_t n = sizeof(sig);

	(void)i;
	bench_must(EVP_PKEY_sign(b.signing, sig, &n, b.digest, 32) == 1, "bare signature");
}

static void bare_verify(size_t i)
{
	(void)i;
	bench_must(
	    EVP_PKEY_verify(b.verifying, b.der, b.der_n, b.digest, 32) == 1, "bare verification");
}

/* One command; its answer must have so many bytes and, when it is a status, say success. */
static void execute(struct slice packet, size_t want, uint8_t *answer)
{
	size_t n;

	bench_must(emu_execute(b.chip, packet, answer, &n) == OK && n == want &&
	               (n != 4 || answer[1] == 0),
	    "command");
}

static void chip_sign(size_t i)
{
	uint8_t answer[EMU_RESPONSE_MAX];

	(void)i;
	execute(SLICE(b.nonce), 4, answer);
	execute(SLICE(b.sign), 67, answer);
	memcpy(b.sig, answer + 1, sizeof(b.sig));
}

static void chip_verify(size_t i)
{
	uint8_t answer[EMU_RESPONSE_MAX];

	(void)i;
	execute(SLICE(b.nonce), 4, answer);
	execute(SLICE(b.verify), 4, answer);
}

/* --- making ready --- */

static uint16_t crc16(const uint8_t *p, size_t n)
{
	unsigned crc = 0;

	for (; n; n--, p++)
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (((*p >> bit ^ crc >> 15) & 1) ? 0x8005 : 0);
	return (uint16_t)crc;
}

static void packet(uint8_t *p, size_t n, uint8_t opcode, uint8_t param1, uint16_t param2)
{
	p[0] = (uint8_t)n;
	p[1] = opcode;
	p[2] = param1;
	store_le16(p + 3, param2);
	store_le16(p + n - 2, crc16(p, n - 2));
}

/* A chip on a socket, locked as Arduino locks it, with a key in slot 0. */
static void make_chip(const char *socket, struct emu_server **server)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct errbuf eb = { "" };
	struct sei2c bus;
	struct se se;

	bench_must(emu_open(NULL, &o, &b.chip, &eb) == OK &&
	               emu_server_new(socket, &b.chip, 1, server, &eb) == OK &&
	               emu_server_start(*server, &eb) == OK,
	    eb.text);
	bench_must(sei2c_init(&bus, socket, SEI2C_ADDRESS) == OK && se_open(&se, &bus.hal) == OK &&
	               se_lock(&se, &se_profile_arduino) == OK &&
	               se_genkey(&se, SE_SLOT_DEVICE_KEY, b.q) == OK,
	    "chip with a key");
	se_close(&se);
	sei2c_close(&bus);
}

static void make_packets(void)
{
	bench_must(random_bytes(b.digest, sizeof(b.digest)) == OK, "random bytes");
	memcpy(b.nonce + 5, b.digest, 32);
	packet(b.nonce, sizeof(b.nonce), 0x16, 0x03, 0);
	packet(b.sign, sizeof(b.sign), 0x41, 0x80, SE_SLOT_DEVICE_KEY);
	chip_sign(0);
	memcpy(b.verify + 5, b.sig, 64);
	memcpy(b.verify + 69, b.q, 64);
	packet(b.verify, sizeof(b.verify), 0x45, 0x02, 4);
}

static void make_reference(void)
{
	struct der_w w = der_writer(b.der, sizeof(b.der));
	uint8_t point[65] = { 4 };
	struct slice der = { NULL, 0 };

	x509_sig_put(&w, b.sig);
	memcpy(point + 1, b.q, 64);
	b.key = EVP_EC_gen("P-256");
	b.public = EVP_EC_gen("P-256");
	bench_must(der_finish(&w, &der) == OK && b.key && b.public &&
	               EVP_PKEY_set1_encoded_public_key(b.public, point, sizeof(point)) == 1,
	    "reference keys");
	b.der_n = der.n;
	b.signing = EVP_PKEY_CTX_new_from_pkey(NULL, b.key, NULL);
	b.verifying = EVP_PKEY_CTX_new_from_pkey(NULL, b.public, NULL);
	bench_must(b.signing && b.verifying && EVP_PKEY_sign_init(b.signing) == 1 &&
	               EVP_PKEY_verify_init(b.verifying) == 1,
	    "reference contexts");
}

/* --- through the socket, by the clock on the wall --- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say_rate(const char *socket)
{
	struct sei2c bus;
	struct se se;
	unsigned n = 0;
	double begun, spent;

	bench_must(sei2c_init(&bus, socket, SEI2C_ADDRESS) == OK && se_open(&se, &bus.hal) == OK,
	    "chip on its socket");
	begun = seconds();
	do {
		bench_must(se_sign(&se, SE_SLOT_DEVICE_KEY, b.digest, b.sig) == OK, "se_sign");
		n++;
	} while ((spent = seconds() - begun) < 0.5);
	se_close(&se);
	sei2c_close(&bus);
	printf("# element: %.0f signatures a second through SEI2C/1, driver included\n", n / spent);
}

int main(void)
{
	struct bench_side sign[] = { { .name = "bare", .run = bare_sign },
		{ .name = "chip", .run = chip_sign } };
	struct bench_side verify[] = { { .name = "bare", .run = bare_verify },
		{ .name = "chip", .run = chip_verify } };
	char folder[] = "/tmp/imprint-bench-XXXXXX", socket[64];
	struct emu_server *server = NULL;
	bool good = true;

	bench_must(mkdtemp(folder) != NULL, "temporary folder");
	snprintf(socket, sizeof(socket), "%s/se", folder);
	make_chip(socket, &server);
	make_packets();
	make_reference();
	bench_run(sign, COUNT(sign), ITEMS, ROUNDS);
	bench_run(verify, COUNT(verify), ITEMS, ROUNDS);
	good &= bench_at_most("element_sign_us", &sign[1], &sign[0], 1.15);
	good &= bench_at_most("element_verify_us", &verify[1], &verify[0], 1.15);
	say_rate(socket);
	emu_server_free(server);
	emu_free(b.chip);
	rmdir(folder);
	EVP_PKEY_CTX_free(b.signing);
	EVP_PKEY_CTX_free(b.verifying);
	EVP_PKEY_free(b.key);
	EVP_PKEY_free(b.public);
	return !good;
}
