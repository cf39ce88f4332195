#include "ccert.h"

#include <string.h>

/* What the five-bit year and the five-bit lifetime of the date field can hold. */
#define FIRST_YEAR 2000u
#define LAST_YEAR 2031u
#define YEARS_MAX 31u

enum err ccert_dates_pack(const struct x509_hour *issued, unsigned years, uint8_t out[3])
{
	uint32_t bits;

	if (issued->year < FIRST_YEAR || issued->year > LAST_YEAR || issued->month < 1 ||
	    issued->month > 12 || issued->day < 1 || issued->day > 31 || issued->hour > 23 ||
	    years > YEARS_MAX)
		return ERR_ARG;
	bits = (uint32_t)(issued->year - FIRST_YEAR) << 19 | (uint32_t)issued->month << 15 |
	       (uint32_t)issued->day << 10 | (uint32_t)issued->hour << 5 | years;
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return OK;
}

enum err ccert_dates_unpack(const uint8_t in[3], struct x509_hour *issued, uint8_t *years)
{
	uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
	unsigned month = bits >> 15 & 15, day = bits >> 10 & 31, hour = bits >> 5 & 31;

	if (month < 1 || month > 12 || day < 1 || hour > 23)
		return ERR_FORMAT;
	issued->year = (uint16_t)(FIRST_YEAR + (bits >> 19));
	issued->month = (uint8_t)month;
	issued->day = (uint8_t)day;
	issued->hour = (uint8_t)hour;
	*years = bits & 31;
	return OK;
}

/* Printable ASCII without the blank. That it is a UUID is the authority's lint. */
static bool device_id_printable(const uint8_t id[CCERT_DEVICE_ID])
{
	for (size_t i = 0; i < CCERT_DEVICE_ID; i++)
		if (id[i] <= ' ' || id[i] >= 0x7f)
			return false;
	return true;
}

enum err ccert_pack(const struct ccert *c, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12])
{
	uint8_t dates[3];

	if (ccert_dates_pack(&c->issued, c->years, dates) != OK || ct_zero(c->serial, 16) ||
	    !device_id_printable((const uint8_t *)c->device_id))
		return ERR_ARG;
	memcpy(slot10, c->sig, 64);
	memcpy(slot10 + 64, dates, 3);
	memset(slot10 + 67, 0, 5);
	memcpy(slot11, c->serial, 16);
	memcpy(slot11 + 16, c->aki, 20);
	memcpy(slot12, c->device_id, CCERT_DEVICE_ID);
	return OK;
}

enum err ccert_unpack(const uint8_t slot10[CCERT_SLOT10], const uint8_t slot11[CCERT_SLOT11],
    const uint8_t slot12[CCERT_SLOT12], struct ccert *c)
{
	/* The dates last: when they unpack, everything is good and c may be written. */
	if (ct_zero(slot11, 16) || !device_id_printable(slot12) ||
	    ccert_dates_unpack(slot10 + 64, &c->issued, &c->years) != OK)
		return ERR_FORMAT;
	memcpy(c->sig, slot10, 64);
	memcpy(c->serial, slot11, 16);
	memcpy(c->aki, slot11 + 16, 20);
	memcpy(c->device_id, slot12, CCERT_DEVICE_ID);
	return OK;
}
