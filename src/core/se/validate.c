/* Public keys in slots that count only once their parent has signed for them: Verify(validate). */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

static const struct se_command_form digest_form = { 0x40, 0x10, 3, 0, { 115, 115 } };
static const struct se_command_form validate_form = { 0x45, 0x03, 83, 0, { 72, 105 } };
static const struct se_command_form invalidate_form = { 0x45, 0x07, 83, 0, { 72, 105 } };
static const struct se_command_form sign_form = { 0x41, 0x00, 0, 64, { 60, 115 } };
static const struct se_command_form sign_invalid_form = { 0x41, 0x01, 0, 64, { 60, 115 } };

#define SLOT_CONFIG 20
#define SLOT_LOCKED 88
#define KEY_CONFIG 96
/* Of the message: the value came from the host, GenKey made it. */
#define FLAGS 0x50

/* TempKey = a digest over nonce and the public key in the slot. */
static enum err digest(struct se *se, unsigned slot, const uint8_t nonce[32])
{
	static const uint8_t zeros[3];
	enum err e;

	se->in = nonce;
	if ((e = se_exchange(se, SE_NONCE, 0, NULL)) != OK)
		return e;
	se->in = zeros;
	return se_exchange_other(se, &digest_form, slot, NULL);
}

/* The words of the message that the chip which checks cannot know: those of the one that signs. */
static enum err words(
    struct se *se, unsigned slot, unsigned by, bool valid, uint8_t said[SE_VALIDATION_SAID])
{
	uint8_t config[4], key[4], locked[4];
	enum err e;

	if ((e = se_move(se, SE_CONFIG_AT(SLOT_CONFIG + (slot & 14) * 2), config, 4)) != OK ||
	    (e = se_move(se, SE_CONFIG_AT(KEY_CONFIG + (slot & 14) * 2), key, 4)) != OK ||
	    (e = se_move(se, SE_CONFIG_AT(SLOT_LOCKED), locked, 4)) != OK)
		return e;
	memset(said, 0, SE_VALIDATION_SAID);
	said[0] = valid ? sign_form.param1 : sign_invalid_form.param1;
	said[1] = (uint8_t)by;
	memcpy(said + 3, config + (slot & 1) * 2, 2);
	memcpy(said + 5, key + (slot & 1) * 2, 2);
	said[7] = (uint8_t)(FLAGS | slot);
	said[16] = load_le16(locked) >> slot & 1;
	said[17] = !valid;
	return OK;
}

enum err se_validation_make(struct se *se, unsigned slot, unsigned by, bool valid,
    const uint8_t nonce[32], struct se_validation *v)
{
	struct se_validation made;
	unsigned tries = 2;
	enum err e;

	if (slot < 8 || slot > 15 || by > 15)
		return se_fail(se, SE_ARGUMENT);
	memcpy(made.nonce, nonce, 32);
	if ((e = words(se, slot, by, valid, made.said)) != OK)
		return se_idle(se, e);
	do { /* the watchdog may strike in between and take TempKey: then all of it once more */
		if ((e = digest(se, slot, nonce)) == OK)
			e = se_exchange_other(
			    se, valid ? &sign_form : &sign_invalid_form, by, made.sig);
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e == OK)
		*v = made;
	return se_idle(se, e);
}

enum err se_validate(struct se *se, unsigned slot, bool valid, const struct se_validation *v)
{
	uint8_t in[64 + SE_VALIDATION_SAID];
	unsigned tries = 2;
	enum err e;

	if (slot < 8 || slot > 15)
		return se_fail(se, SE_ARGUMENT);
	memcpy(in, v->sig, 64);
	memcpy(in + 64, v->said, SE_VALIDATION_SAID);
	do {
		if ((e = digest(se, slot, v->nonce)) == OK) {
			se->in = in;
			e = se_exchange_other(
			    se, valid ? &validate_form : &invalidate_form, slot, NULL);
		}
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e != OK && se->fault == SE_MISCOMPARE)
		e = ERR_DENIED;
	return se_idle(se, e);
}
