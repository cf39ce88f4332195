/* AES (608): one block at a time. */
#include "se_exchange.h"
#include "se_secret.h"

#include <string.h>

enum { AES = 0x51, ENCRYPT = 0, DECRYPT = 1, GFM = 3 };

static enum err block(struct se *se, unsigned mode, unsigned slot, unsigned which,
    const uint8_t in[16], uint8_t out[16])
{
	const struct se_command_form form = { AES, (uint8_t)(mode | which << 6), 16, 16,
		{ 27, 27 } };

	if ((slot > 15 && slot != SE_TEMPKEY) || which > 3)
		return se_fail(se, SE_ARGUMENT);
	se->in = in;
	return se_idle(se, se_exchange_other(se, &form, slot, out));
}

enum err se_aes_encrypt(
    struct se *se, unsigned slot, unsigned which, const uint8_t in[16], uint8_t out[16])
{
	return block(se, ENCRYPT, slot, which, in, out);
}

enum err se_aes_decrypt(
    struct se *se, unsigned slot, unsigned which, const uint8_t in[16], uint8_t out[16])
{
	return block(se, DECRYPT, slot, which, in, out);
}

enum err se_aes_gfm(struct se *se, const uint8_t h[16], const uint8_t in[16], uint8_t out[16])
{
	static const struct se_command_form form = { AES, GFM, 32, 16, { 27, 27 } };
	uint8_t both[32];
	enum err e;

	memcpy(both, h, 16);
	memcpy(both + 16, in, 16);
	se->in = both;
	e = se_idle(se, se_exchange_other(se, &form, 0, out));
	wipe(both, sizeof(both)); /* h is the key of GCM's tag */
	return e;
}
