/* The certificate in slots 10, 11 and 12 of Arduino's layout. */
#include "se_exchange.h"

#include <string.h>

static enum err store(struct se *se, unsigned slot, const uint8_t *p, size_t n)
{
	uint8_t back[72];
	enum err e;

	if ((e = se_put(se, SE_SLOT_AT(slot, 0), p, n)) != OK ||
	    (e = se_move(se, SE_SLOT_AT(slot, 0), back, n)) != OK)
		return e;
	return memcmp(back, p, n) == 0 ? OK : se_fail(se, SE_READ_BACK);
}

enum err se_cert_write(
    struct se *se, const uint8_t slot10[72], const uint8_t slot11[36], const uint8_t slot12[36])
{
	uint8_t id[72] = { 0 }; /* readers stop at the first NUL */
	enum err e;

	memcpy(id, slot12, 36);
	if ((e = store(se, SE_SLOT_DEVICE_ID, id, 72)) == OK &&
	    (e = store(se, SE_SLOT_CERT, slot10, 72)) == OK)
		e = store(se, SE_SLOT_SERIAL_AKI, slot11, 36);
	return se_idle(se, e);
}

enum err se_cert_read(struct se *se, uint8_t slot10[72], uint8_t slot11[36], uint8_t slot12[36])
{
	enum err e;

	if ((e = se_move(se, SE_SLOT_AT(SE_SLOT_CERT, 0), slot10, 72)) == OK &&
	    (e = se_move(se, SE_SLOT_AT(SE_SLOT_SERIAL_AKI, 0), slot11, 36)) == OK)
		e = se_move(se, SE_SLOT_AT(SE_SLOT_DEVICE_ID, 0), slot12, 36);
	return se_idle(se, e);
}

enum err se_cert_erase(struct se *se)
{
	static const uint8_t zero[4];
	enum err e;

	if ((e = se_put(se, SE_SLOT_AT(SE_SLOT_DEVICE_ID, 0), zero, 4)) == OK)
		e = se_put(se, SE_SLOT_AT(SE_SLOT_CERT, 0), zero, 4);
	return se_idle(se, e);
}
