#include "x509.h"

bool x509_hour_exists(const struct x509_hour *t)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year = t->year, last;

	if (year < 1 || year > 9999 || t->month < 1 || t->month > 12 || t->hour > 23)
		return false;
	while (year > 400) /* the calendar repeats; without division */
		year -= 400;
	last = days[t->month - 1];
	if (t->month == 2 && (year & 3) == 0 && year != 100 && year != 200 && year != 300)
		last = 29;
	return t->day >= 1 && t->day <= last;
}

struct x509_hour x509_hour_add_years(const struct x509_hour *t, unsigned years)
{
	struct x509_hour later = *t;

	later.year = (uint16_t)(later.year + years);
	return later;
}

/* Two digits at a time, by subtraction: a Cortex-M0+ has no division. */
void x509_time_put(struct der_w *w, const struct x509_hour *t)
{
	unsigned year = t->year, utc = year < 2050, last = year < 9999 ? 0 : 59;
	uint8_t text[15],
	    part[7] = { 0, 0, t->month, t->day, t->hour, (uint8_t)last, (uint8_t)last };

	if (year < 1950 ||
	    year > 9999) /* UTCTime begins in 1950, GeneralizedTime has four digits */
		der_fail(w, ERR_ARG);
	for (; year >= 100; year -= 100)
		part[0]++;
	part[1] = (uint8_t)year;
	for (unsigned i = 0; i < 7; i++) {
		unsigned tens = '0', ones = part[i];

		for (; ones >= 10; ones -= 10)
			tens++;
		text[2 * i] = (uint8_t)tens;
		text[2 * i + 1] = (uint8_t)('0' + ones);
	}
	text[14] = 'Z';
	der_put(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME,
	    (struct slice){ text + 2 * utc, 15 - 2 * utc });
}

/* Reads `count` decimal digits; *bad becomes true for anything else. */
static unsigned take_digits(struct slice *in, unsigned count, bool *bad)
{
	unsigned v = 0;

	for (; count > 0; count--, in->p++, in->n--) {
		if (in->p[0] < '0' || in->p[0] > '9')
			*bad = true;
		v = v * 10 + in->p[0] - '0';
	}
	return v;
}

/*
 * The exact inverse of x509_time_put, 29 February of any year included: what the devices rebuild
 * must be readable. UTCTime from 2050 on and GeneralizedTime before are refused.
 */
enum err x509_time_take(struct slice *in, struct x509_hour *t)
{
	bool utc = der_next_is(in, DER_UTC_TIME), bad = false;
	struct slice rest = *in, text;
	struct x509_hour got;

	if (der_take(&rest, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, &text) != OK ||
	    text.n != (utc ? 13 : 15))
		return ERR_FORMAT;
	got.year = (uint16_t)take_digits(&text, utc ? 2 : 4, &bad);
	if (utc)
		got.year = (uint16_t)(got.year + (got.year < 50 ? 2000 : 1900));
	got.month = (uint8_t)take_digits(&text, 2, &bad);
	got.day = (uint8_t)take_digits(&text, 2, &bad);
	got.hour = (uint8_t)take_digits(&text, 2, &bad);
	if (bad || got.month < 1 || got.month > 12 || got.day < 1 || got.day > 31 ||
	    got.hour > 23 || (!utc && got.year < 2050))
		return ERR_FORMAT;
	if (!slice_equal(text, got.year < 9999 ? TEXT("0000Z") : TEXT("5959Z")))
		return ERR_FORMAT;
	*t = got;
	*in = rest;
	return OK;
}
