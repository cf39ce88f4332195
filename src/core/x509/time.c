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

/* The last `count` decimal digits of v, up to four. */
static void put_digits(struct der_w *w, unsigned v, unsigned count)
{
	static const uint16_t units[4] = { 1000, 100, 10, 1 };
	uint8_t digits[4];

	for (unsigned i = 0; i < 4; i++) {
		digits[i] = '0';
		for (; v >= units[i]; v -= units[i])
			digits[i]++;
	}
	der_raw(w, (struct slice){ digits + 4 - count, count });
}

/* Minutes, seconds, zone. The last hour of all means "never expires" (RFC 5280 4.1.2.5). */
static struct slice tail(const struct x509_hour *t)
{
	bool never = t->year == 9999 && t->month == 12 && t->day == 31 && t->hour == 23;

	return never ? TEXT("5959Z") : TEXT("0000Z");
}

void x509_time_put(struct der_w *w, const struct x509_hour *t)
{
	bool utc = t->year < 2050;
	size_t mark = der_open(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);

	if ((t->year < 1950 || t->year > 9999) && w->err == OK)
		w->err = ERR_ARG; /* UTCTime begins in 1950, GeneralizedTime has four digits */
	put_digits(w, t->year, utc ? 2 : 4);
	put_digits(w, t->month, 2);
	put_digits(w, t->day, 2);
	put_digits(w, t->hour, 2);
	der_raw(w, tail(t));
	der_close(w, mark);
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
	if (!slice_equal(text, tail(&got)))
		return ERR_FORMAT;
	*t = got;
	*in = rest;
	return OK;
}
