#include "sha256.h"
#include "tap.h"
#include "text.h"
#include "vectors.h"

#define TWO_BLOCKS                                                                                 \
	"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr" \
	"l"                                                                                        \
	"mnopqrsmnopqrstnopqrstu"

/* NIST's examples for FIPS 180-4 (SHA256.pdf, SHA2_Additional.pdf) and the empty message. */
static const struct {
	const char *name;
	struct slice message;
	const char *digest;
} cases[] = {
	{ "empty message", { NULL, 0 },
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", { (const uint8_t *)"abc", 3 },
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "448 bits, which need a block for the length",
	    { (const uint8_t *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56 },
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "896 bits", { (const uint8_t *)TWO_BLOCKS, 112 },
	    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	{ "one byte bd", { (const uint8_t *)"\xbd", 1 },
	    "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b" },
	{ "four bytes c98c8e55", { (const uint8_t *)"\xc9\x8c\x8e\x55", 4 },
	    "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504" },
};

/* n times the same byte, hashed in pieces of `step`. */
static const struct {
	const char *name;
	uint8_t byte;
	uint32_t n, step;
	const char *digest;
} long_cases[] = {
	{ "55 zeros: the length just fits", 0, 55, 55,
	    "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7" },
	{ "56 zeros: it just does not", 0, 56, 56,
	    "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb" },
	{ "57 zeros", 0, 57, 57,
	    "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785" },
	{ "64 zeros: a whole block", 0, 64, 64,
	    "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b" },
	{ "1000 zeros", 0, 1000, 7,
	    "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53" },
	{ "1000 times 41", 0x41, 1000, 63,
	    "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4" },
	{ "1005 times 55", 0x55, 1005, 64,
	    "f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0" },
	{ "a million times 'a'", 'a', 1000000, 97,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

static void is_digest(const uint8_t got[32], const char *want, const char *name)
{
	char text[65];

	hex_encode((struct slice){ got, 32 }, HEX_LOWER, text);
	if (!ok(strcmp(text, want) == 0, "%s", name))
		printf("# got %s\n", text);
}

static void repeated(uint8_t byte, uint32_t n, uint32_t step, uint8_t digest[32])
{
	uint8_t piece[128];
	struct sha256 h;

	memset(piece, byte, sizeof(piece));
	sha256_init(&h);
	for (uint32_t take; n > 0; n -= take) {
		take = n < step ? n : step;
		sha256_update(&h, (struct slice){ piece, take });
	}
	sha256_final(&h, digest);
}

/* Any cut of a message in two gives the same digest. */
static void cuts(void)
{
	uint8_t message[200], want[32], got[32];
	struct sha256 h;
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	sha256(SLICE(message), want);
	for (size_t cut = 0; cut <= sizeof(message); cut++) {
		sha256_init(&h);
		sha256_update(&h, (struct slice){ message, cut });
		sha256_update(&h, (struct slice){ message + cut, sizeof(message) - cut });
		sha256_final(&h, got);
		wrong += memcmp(got, want, 32) != 0;
	}
	ok(wrong == 0, "201 ways of cutting a message in two");
	ok(ct_zero(&h, sizeof(h)), "the state is wiped after sha256_final");
}

int main(void)
{
	uint8_t digest[32];

	for (size_t i = 0; i < COUNT(cases); i++) {
		sha256(cases[i].message, digest);
		is_digest(digest, cases[i].digest, cases[i].name);
	}
	for (size_t i = 0; i < COUNT(long_cases); i++) {
		repeated(long_cases[i].byte, long_cases[i].n, long_cases[i].step, digest);
		is_digest(digest, long_cases[i].digest, long_cases[i].name);
	}
	for (size_t i = 0; i < vector_hardware_ids_n; i++) {
		sha256(vector_hardware_ids[i].hashed, digest);
		is_digest(digest, vector_hardware_ids[i].id, "Arduino's hardware id");
	}
	cuts();
	return done_testing();
}
