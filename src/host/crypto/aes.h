/*
 * aes.h -- AES-128, one block: for emulated chips, whose AES command has nothing but ECB.
 *
 *	e = aes128_encrypt(key, in, out);        // in and out may be the same
 */
#ifndef IMPRINT_AES_H
#define IMPRINT_AES_H

#include "base.h"

enum err aes128_encrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]) MUST_CHECK;
enum err aes128_decrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]) MUST_CHECK;

#endif
