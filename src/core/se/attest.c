/* Statements: what the chip signs about its own keys and configuration, and nobody else can make it sign. */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

static const struct se_command_form config_digest_form = { 0x15, 0x00, 0, 0, { 11, 25 } };
/* Internal message, full serial number in it. */
static const struct se_command_form sign_form = { 0x41, 0x40, 0, 64, { 60, 115 } };

#define GENKEY_CREATED 0x0c /* create, digest */
#define GENKEY_THERE 0x08   /* digest */

enum err se_attest(struct se *se, unsigned slot, unsigned by, bool create,
    const uint8_t challenge[20], struct se_statement *s)
{
	struct se_statement got = { .mode = create ? GENKEY_CREATED : GENKEY_THERE };
	unsigned tries = 2;
	enum err e;

	if (slot > 15 || by > 15)
		return se_fail(se, SE_ARGUMENT);
	do { /* again from the start when no key came out, which is rare */
		if ((e = se_nonce_awake(se, challenge, got.rand_out)) == OK &&
		    (e = se_exchange(se, SE_GENKEY, slot | (uint32_t)got.mode << 16, got.q)) == OK)
			e = se_exchange_other(se, &sign_form, by, got.sig);
	} while (e != OK && create && se->fault == SE_ECC && --tries);
	if (e == OK)
		*s = got;
	return se_idle(se, e);
}

enum err se_attest_config(struct se *se, unsigned block, unsigned by, const uint8_t challenge[20],
    struct se_config_statement *s)
{
	struct se_config_statement got = { .block = { 0 } };
	enum err e;

	if (block > 3 || by > 15)
		return se_fail(se, SE_ARGUMENT);
	if ((e = se_move(se, SE_CONFIG_AT(32 * block), got.block, 32)) == OK &&
	    (e = se_nonce_awake(se, challenge, got.rand_out)) == OK &&
	    (e = se_exchange_other(se, &config_digest_form, block, NULL)) == OK &&
	    (e = se_exchange_other(se, &sign_form, by, got.sig)) == OK)
		*s = got;
	return se_idle(se, e);
}
