/* Other parties' public keys: Verify and ECDH. */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

static const struct se_command_form external_form = { 0x45, 0x02, 128, 0, { 72, 105 } };
static const struct se_command_form stored_form = { 0x45, 0x00, 64, 0, { 72, 105 } };
static const struct se_command_form ecdh_form = { 0x43, 0x00, 64, 32, { 58, 75 } };
static const struct se_command_form ecdh_to_slot_form = { 0x43, 0x00, 64, 0, { 58, 75 } };
#define CURVE_P256 4

/* The digest into TempKey, then `in`. The watchdog may strike between the two, as in se_sign. */
static enum err verify(struct se *se, const struct se_command_form *form, uint32_t param,
    const uint8_t digest[32], const uint8_t *in)
{
	unsigned tries = 2;
	enum err e;

	do {
		se->in = digest;
		if ((e = se_exchange(se, SE_NONCE, 0, NULL)) == OK) {
			se->in = in;
			e = se_exchange_other(se, form, param, NULL);
		}
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e != OK && se->fault == SE_MISCOMPARE)
		e = ERR_DENIED;
	return se_idle(se, e);
}

enum err se_verify(
    struct se *se, const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64])
{
	uint8_t in[128];

	memcpy(in, sig, 64);
	memcpy(in + 64, q, 64);
	return verify(se, &external_form, CURVE_P256, digest, in);
}

enum err se_verify_stored(
    struct se *se, unsigned slot, const uint8_t digest[32], const uint8_t sig[64])
{
	if (slot < 8 || slot > 15)
		return se_fail(se, SE_ARGUMENT);
	return verify(se, &stored_form, slot, digest, sig);
}

enum err se_ecdh(struct se *se, unsigned slot, const uint8_t q[64], uint8_t *secret)
{
	const struct se_command_form *form = secret ? &ecdh_form : &ecdh_to_slot_form;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	se->in = q;
	return se_idle(se, se_exchange_other(se, form, slot, secret));
}
