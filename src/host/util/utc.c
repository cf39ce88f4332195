#include "utc.h"

#include <string.h>
#include <time.h>

#define HOUR_2000 (INT64_C(946684800) / 3600)

int64_t utc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t utc_now(void)
{
	return utc_now_ms() / 1000;
}

/*
 * Days from 1970-01-01 of a Gregorian date. Years are counted from March, so that the leap day is
 * the last of its year; 400 years have 146097 days.
 */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

enum err utc_seconds(const struct x509_hour *t, int64_t *seconds)
{
	if (t->year == 0 || t->year > 9999 || t->month == 0 || t->month > 12 || t->day == 0 ||
	    t->hour > 23)
		return ERR_ARG;
	if (t->day > days_from_date(t->year + t->month / 12, t->month % 12 + 1, 1) -
	                 days_from_date(t->year, t->month, 1))
		return ERR_ARG;
	*seconds = (days_from_date(t->year, t->month, t->day) * 24 + t->hour) * 3600;
	return OK;
}

enum err utc_hour(int64_t seconds, struct x509_hour *t)
{
	int64_t year, month = 1, day, hours;

	if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799))
		return ERR_ARG;
	hours = seconds / 3600 - (seconds % 3600 < 0);
	day = hours / 24 - (hours % 24 < 0);
	/* A guess that is never too late, then at most two steps. */
	year = (day + 719162) * 400 / 146097;
	while (days_from_date(year + 1, 1, 1) <= day)
		year++;
	while (month < 12 && days_from_date(year, month + 1, 1) <= day)
		month++;
	*t = (struct x509_hour){ (uint16_t)year, (uint8_t)month,
		(uint8_t)(day - days_from_date(year, month, 1) + 1), (uint8_t)(hours - day * 24) };
	return OK;
}

enum err utc_hours_since_2000(const struct x509_hour *t, uint32_t *hours)
{
	int64_t seconds;
	enum err e = utc_seconds(t, &seconds);

	if (e != OK)
		return e;
	if (t->year < 2000)
		return ERR_ARG;
	*hours = (uint32_t)(seconds / 3600 - HOUR_2000);
	return OK;
}

enum err utc_hour_since_2000(uint32_t hours, struct x509_hour *t)
{
	return utc_hour((hours + HOUR_2000) * 3600, t);
}

/* The last n digits. */
static void put_digits(char *at, unsigned v, size_t n)
{
	for (; n-- > 0; v /= 10)
		at[n] = (char)('0' + v % 10);
}

void utc_text(const struct x509_hour *t, char text[UTC_TEXT_SIZE])
{
	memcpy(text, "0000-00-00T00:00:00Z", UTC_TEXT_SIZE);
	put_digits(text, t->year, 4);
	put_digits(text + 5, t->month, 2);
	put_digits(text + 8, t->day, 2);
	put_digits(text + 11, t->hour, 2);
}

/* As many digits as the form has, and its other characters as they are. */
static bool take_form(struct slice *in, const char *form, unsigned numbers[])
{
	for (; *form; form++) {
		uint8_t c = in->n > 0 ? in->p[0] : 0;

		if (*form >= '0' && *form <= '9') {
			if (c < '0' || c > '9')
				return false;
			numbers[*form - '0'] = numbers[*form - '0'] * 10 + (c - '0');
		} else if (c != (uint8_t)*form) {
			return false;
		}
		in->p++;
		in->n--;
	}
	return true;
}

static void skip_fraction(struct slice *in)
{
	size_t n = 1;

	if (in->n < 2 || in->p[0] != '.' || in->p[1] < '0' || in->p[1] > '9')
		return;
	while (n < in->n && in->p[n] >= '0' && in->p[n] <= '9')
		n++;
	*in = (struct slice){ in->p + n, in->n - n };
}

/* "Z", or hours and minutes before or behind UTC. */
static bool take_zone(struct slice *in, int64_t *seconds)
{
	unsigned zone[2] = { 0, 0 };
	uint8_t sign = in->n > 0 ? in->p[0] : 0;

	*seconds = 0;
	if (sign == 'Z' || sign == 'z')
		return in->n == 1;
	if (sign != '+' && sign != ' ' && sign != '-')
		return false;
	*in = (struct slice){ in->p + 1, in->n - 1 };
	if (!take_form(in, "00:11", zone) || in->n != 0 || zone[0] > 23 || zone[1] > 59)
		return false;
	*seconds = (int64_t)(zone[0] * 60 + zone[1]) * 60 * (sign == '-' ? -1 : 1);
	return true;
}

enum err utc_read(struct slice text, int64_t *seconds)
{
	unsigned date[3] = { 0 }, day[3] = { 0 };
	struct x509_hour hour;
	int64_t zone, at;

	if (!take_form(&text, "0000-11-22", date) || text.n == 0 ||
	    (text.p[0] != 'T' && text.p[0] != 't'))
		return ERR_FORMAT;
	text = (struct slice){ text.p + 1, text.n - 1 };
	if (!take_form(&text, "00:11:22", day))
		return ERR_FORMAT;
	skip_fraction(&text);
	if (!take_zone(&text, &zone) || day[1] > 59 || day[2] > 60)
		return ERR_FORMAT;
	hour = (struct x509_hour){ (uint16_t)date[0], (uint8_t)date[1], (uint8_t)date[2],
		(uint8_t)day[0] };
	if (utc_seconds(&hour, &at) != OK)
		return ERR_FORMAT;
	*seconds = at + day[1] * 60 + day[2] - zone;
	return OK;
}
