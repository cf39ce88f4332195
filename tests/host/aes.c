/* AES-128: FIPS 197 appendix C.1, and both directions in place. */
#include "aes.h"
#include "tap.h"

int main(void)
{
	static const uint8_t key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	static const uint8_t plain[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
		0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF };
	static const uint8_t cipher[16] = { 0x69, 0xC4, 0xE0, 0xD8, 0x6A, 0x7B, 0x04, 0x30, 0xD8,
		0xCD, 0xB7, 0x80, 0x70, 0xB4, 0xC5, 0x5A };
	uint8_t block[16];

	memcpy(block, plain, 16);
	ok(aes128_encrypt(key, block, block) == OK, "encrypt");
	is_bytes(block, 16, cipher, 16, "FIPS 197 C.1");
	ok(aes128_decrypt(key, block, block) == OK, "decrypt");
	is_bytes(block, 16, plain, 16, "and back");
	return done_testing();
}
