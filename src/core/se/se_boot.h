/*
 * se_boot.h -- the chip as a judge of firmware, and of itself: SecureBoot, SelfTest, Pause.
 *
 * The rules of se.h hold. What SecureBoot compares and keeps, the chip's configuration says (bytes 70
 * and 71), which is locked for ever. An answer in the clear can be made up by whoever sits on the
 * bus; with the IO protection key the chip answers with a MAC that nobody else can make.
 *
 *	struct se_boot_io io = { io_key, num_in };
 *	if (se_secureboot(&se, &io, SE_BOOT_FULL, digest, sig) != OK)
 *		halt();                                    // not this firmware
 */
#ifndef IMPRINT_SE_BOOT_H
#define IMPRINT_SE_BOOT_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

enum se_boot_mode {
	SE_BOOT_FULL = 5,   /* the signature over the digest, by the public key in the chip */
	SE_BOOT_STORED = 6, /* the digest against the digest or signature that the chip keeps */
	SE_BOOT_COPY = 7,   /* as full, and the chip keeps what it is configured to keep */
};
/* 32 bytes that chip and host share, and 20 for the nonce, random, once. */
struct se_boot_io {
	const uint8_t *key, *num_in;
};
/*
 * OK: this is the firmware. ERR_DENIED (SE_MISCOMPARE): it is not, or with io: the answer is not this
 * chip's.
 *
 *	io	NULL: in the clear. Where the configuration asks for a random nonce, the caller then makes
 *		one before (se_nonce)
 *	sig	r|s; with SE_BOOT_STORED the one that the chip keeps, NULL where it keeps a digest
 */
enum err se_secureboot(struct se *se, const struct se_boot_io *io, enum se_boot_mode mode,
    const uint8_t digest[32], const uint8_t *sig) MUST_CHECK;

/* 608 */
enum {
	SE_TEST_RNG = 0x01,
	SE_TEST_ECDSA = 0x02, /* sign and verify */
	SE_TEST_ECDH = 0x08,
	SE_TEST_AES = 0x10,
	SE_TEST_SHA = 0x20,
	SE_TEST_ALL = 0x3b
};
/*
 * Runs these tests. ERR_DEVICE with SE_SELF_TEST: *failed says which did not pass; on the bus that is
 * a status, so with the random generator and ECDSA both asked for, both failed and
 * "unknown command" (03) are one. The 508A has no tests: SE_PARSE.
 */
enum err se_selftest(struct se *se, uint8_t tests, uint8_t *failed) MUST_CHECK;

/*
 * 508A: of the chips that share an address all but the one whose Selector this is go idle; *stays says
 * whether one answered. It is left awake, against the rule of se.h: the next call reaches it alone, and
 * the wake after that wakes all of them again.
 */
enum err se_pause(struct se *se, uint8_t selector, bool *stays) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
