/* SecureBoot, SelfTest, Pause. */
#include "se_boot.h"
#include "se_exchange.h"
#include "sha256.h"

#include <string.h>

enum { SECUREBOOT = 0x80, SELFTEST = 0x77, PAUSE = 0x01 };
#define BOOT_MAC 0x80 /* digest hidden, answer authenticated */

/* SHA-256(IO protection key | TempKey): hides the digest and answers for the chip. */
static enum err boot_session(struct se *se, const struct se_boot_io *io, uint8_t session[32])
{
	uint8_t message[64];
	enum err e = se_nonce_shared(se, io->num_in, message + 32);

	if (e == OK) {
		memcpy(message, io->key, 32);
		sha256(SLICE(message), session);
	}
	wipe(message, sizeof(message));
	return e;
}

/* What the chip answers when it agrees. */
static void boot_mac(const uint8_t session[32], const uint8_t digest[32], const uint8_t *sig,
    uint8_t mode, uint8_t mac[32])
{
	const uint8_t header[4] = { SECUREBOOT, mode, 0, 0 };
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ session, 32 });
	sha256_update(&h, (struct slice){ digest, 32 });
	sha256_update(&h, (struct slice){ sig, sig ? 64 : 0 });
	sha256_update(&h, SLICE(header));
	sha256_final(&h, mac);
}

static enum err boot(struct se *se, const struct se_boot_io *io, enum se_boot_mode mode,
    const uint8_t digest[32], const uint8_t *sig)
{
	const struct se_command_form form = { SECUREBOOT,
		(uint8_t)((unsigned)mode | (io ? BOOT_MAC : 0)), mode == SE_BOOT_STORED ? 32 : 96,
		io ? 32 : 0, { 80, 80 } };
	uint8_t in[96], session[32] = { 0 }, mac[32], want[32];
	enum err e = io ? boot_session(se, io, session) : OK;

	if (e != OK)
		return e;
	for (unsigned i = 0; i < 32; i++)
		in[i] = digest[i] ^ session[i];
	if (mode != SE_BOOT_STORED)
		memcpy(in + 32, sig, 64);
	se->in = in;
	if ((e = se_exchange_other(se, &form, 0, mac)) == OK && io) {
		boot_mac(session, digest, sig, form.param1, want);
		if (!ct_equal(mac, want, 32))
			e = se_fail(se, SE_MISCOMPARE);
	}
	wipe(session, sizeof(session));
	wipe(want, sizeof(want));
	return e;
}

enum err se_secureboot(struct se *se, const struct se_boot_io *io, enum se_boot_mode mode,
    const uint8_t digest[32], const uint8_t *sig)
{
	unsigned tries = io ? 2 : 1;
	enum err e;

	if (mode < SE_BOOT_FULL || mode > SE_BOOT_COPY || (mode != SE_BOOT_STORED && !sig))
		return se_fail(se, SE_ARGUMENT);
	do { /* the watchdog may have taken TempKey: then all of it once more */
		e = boot(se, io, mode, digest, sig);
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e != OK && se->fault == SE_MISCOMPARE)
		e = ERR_DENIED;
	return se_idle(se, e);
}

enum err se_selftest(struct se *se, uint8_t tests, uint8_t *failed)
{
	const struct se_command_form form = { SELFTEST, tests, 0, 0, { 250, 250 } };
	enum err e;

	if (tests == 0 || tests & ~SE_TEST_ALL)
		return se_fail(se, SE_ARGUMENT);
	if (se->family == SE_ATECC508A)
		return se_fail(se, SE_PARSE);
	se->status = 0;
	e = se_idle(se, se_exchange_other(se, &form, 0, NULL));
	/* Whatever these bits mean elsewhere, here they are what failed. */
	if (e != OK && se->fault >= SE_MISCOMPARE && se->fault <= SE_STATUS && se->status != 0 &&
	    !(se->status & ~tests)) {
		*failed = se->status;
		return se_fail(se, SE_SELF_TEST);
	}
	return e;
}

enum err se_pause(struct se *se, uint8_t selector, bool *stays)
{
	const struct se_command_form form = { PAUSE, selector, 0, 0, { 3, 3 } };
	enum err e = se_exchange_other(se, &form, 0, NULL);

	if (e == OK) {
		*stays = true;
		return OK;
	}
	e = se_idle(se, e);
	if (se->fault != SE_BUSY_TOO_LONG) /* an idle chip acknowledges nothing */
		return e;
	*stays = false;
	return OK;
}
