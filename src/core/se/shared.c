/* Secrets that chip and host share: GenDig, MAC, CheckMac, HMAC. */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

enum { GENDIG = 0x15, MAC = 0x08, CHECKMAC = 0x28, SHA = 0x47 };
#define CHALLENGE_IS_TEMPKEY 0x01

enum err se_gendig(struct se *se, unsigned zone, unsigned key, struct slice other)
{
	const struct se_command_form form = { GENDIG, (uint8_t)zone, (uint8_t)other.n, 0,
		{ 11, 25 } };

	if (zone > 5 || key > 0xffff || (other.n != 0 && other.n != 4 && other.n != 32))
		return se_fail(se, SE_ARGUMENT);
	se->in = other.p;
	return se_idle(se, se_exchange_other(se, &form, key, NULL));
}

enum err se_mac(
    struct se *se, uint8_t mode, unsigned slot, const uint8_t *challenge, uint8_t mac[32])
{
	const struct se_command_form form = { MAC, mode, challenge ? 32 : 0, 32, { 14, 55 } };

	if (slot > 15 || !challenge != ((mode & CHALLENGE_IS_TEMPKEY) != 0))
		return se_fail(se, SE_ARGUMENT);
	se->in = challenge;
	return se_idle(se, se_exchange_other(se, &form, slot, mac));
}

enum err se_checkmac(struct se *se, uint8_t mode, unsigned slot, const uint8_t challenge[32],
    const uint8_t response[32], const uint8_t other[13])
{
	const struct se_command_form form = { CHECKMAC, mode, 77, 0, { 13, 40 } };
	uint8_t in[77];
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	memcpy(in, challenge, 32);
	memcpy(in + 32, response, 32);
	memcpy(in + 64, other, 13);
	se->in = in;
	e = se_idle(se, se_exchange_other(se, &form, slot, NULL));
	return e != OK && se->fault == SE_MISCOMPARE ? ERR_DENIED : e;
}

/* The 508A ends an HMAC with another mode than a digest, the 608 with the same. */
enum err se_hmac(struct se *se, unsigned slot, struct slice message, uint8_t mac[32])
{
	static const struct se_command_form start = { SHA, 0x04, 0, 0, { 9, 36 } };
	const struct se_command_form end = { SHA, se->family == SE_ATECC508A ? 0x05 : 0x02,
		SE_IN_PARAM, 32, { 9, 36 } };
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	e = se_exchange_other(se, &start, slot, NULL);
	for (se->in = message.p; e == OK && message.n >= 64; se->in += 64, message.n -= 64)
		e = se_exchange(se, SE_SHA_UPDATE, 64, NULL);
	if (e == OK)
		e = se_exchange_other(se, &end, (uint32_t)message.n, mac);
	return se_idle(se, e);
}
