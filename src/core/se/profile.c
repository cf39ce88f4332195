/* The other profiles. Arduino's own is in config.c, beside what locks it. */
#include "se_profile.h"
#include "se_exchange.h"

#include <string.h>

/*
 * Attestation-ready: slot 0 signs digests and nothing internal, slot 1 signs internal messages and
 * nothing else and keeps its key for ever, so what slot 1 signs about slot 0 cannot be forged by
 * the host. Slots 8 to 14 and the secrets are as in Arduino's profile, whose libraries go on
 * working.
 *
 * One content for both families: byte 18 AA is read-only OTP on the 508A and no limited use of keys
 * on the 608; zeros from 68 on leave the 608's use lock, volatile key, secure boot and KDF off, and
 * count for nothing on a 508A without a LimitedUse key in slot 15.
 */
const struct se_profile se_profile_attestation = {
	"attestation-ready",
	{
	    // clang-format off
	    [16] = 0xc0, 0x00, 0xaa, 0x00, /* address, OTPmode or CountMatch, ChipMode */
	    /* SlotConfig */
	    0x81, 0x20, 0x82, 0x00, 0x85, 0x20, 0x85, 0x20, /* 0 to 3 */
	    0x85, 0x20, 0x8f, 0x8f, 0x9f, 0x8f, 0xaf, 0x8f, /* 4 to 7 */
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 8 to 11 */
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xaf, 0x8f, /* 12 to 15 */
	    /* Counter[0], Counter[1]: zero */
	    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	    [84] = 0x00, 0x00, 0x55, 0x55, /* UserExtra, Selector, LockValue, LockConfig */
	    0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* SlotLocked, RFU, X509format */
	    /* KeyConfig */
	    0x73, 0x00, 0x53, 0x00, 0x73, 0x00, 0x73, 0x00, /* 0 to 3 */
	    0x73, 0x00, 0x1c, 0x00, 0x1c, 0x00, 0x1c, 0x00, /* 4 to 7 */
	    0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, /* 8 to 11 */
	    0x3c, 0x00, 0x3c, 0x00, 0x3c, 0x00, 0x1c, 0x00, /* 12 to 15 */
	    // clang-format on
	},
	1u << SE_SLOT_ATTESTATION,
};

const struct se_profile *const se_profiles[] = { &se_profile_arduino, &se_profile_attestation,
	NULL };

/* --- chips that Microchip has provisioned --- */

/* How the SlotConfigs of all of them begin: slots 0 to 4. */
static const uint8_t trust_slots[] = { 0x85, 0x00, 0x82, 0x00, 0x85, 0x20, 0x85, 0x20, 0x85, 0x20 };

/* OTP bytes 0 to 7 say which certificate template goes with the chip. */
static const struct {
	char code[8];
	enum se_trust kind;
} trust_codes[] = {
	{ { 'K', 'Q', 'p', '2', 'Z', 'k', 'D', '8' }, SE_TRUST_GO_TLS },
	{ { 'x', '6', 't', 'j', 'u', 'Z', 'M', 'y' }, SE_TRUST_GO_TLS },
	{ { 'j', 's', 'M', 'u', '7', 'i', 'Y', 'O' }, SE_TRUST_GO_LORA },
	{ { '0', '9', 'q', 'J', 'N', 'x', 'I', '3' }, SE_TRUST_GO_LORA },
	{ { 'M', 'K', 'M', 'w', 'y', 'h', 'P', '1' }, SE_TRUST_FLEX_TLS },
};

enum err se_trust(struct se *se, enum se_trust *kind)
{
	uint8_t slots[12], locks[4], code[32];
	enum err e;

	*kind = SE_TRUST_NONE;
	if ((e = se_move(se, SE_CONFIG_AT(20), slots, 12)) != OK ||
	    (e = se_move(se, SE_CONFIG_AT(84), locks, 4)) != OK)
		return se_idle(se, e);
	if (memcmp(slots, trust_slots, sizeof(trust_slots)) != 0 || locks[2] != 0 || locks[3] != 0)
		return se_idle(se, OK);
	if ((e = se_move(se, SE_OTP_AT(0), code, 32)) != OK)
		return se_idle(se, e);
	for (size_t i = 0; i < COUNT(trust_codes); i++)
		if (memcmp(code, trust_codes[i].code, 8) == 0)
			*kind = trust_codes[i].kind;
	return se_idle(se, OK);
}
