/* The date field, the slots, and what differs between two compressed certificates. */
#include "ccert.h"
#include "tap.h"

/* Arduino's example, and the ends of each range. Bits: year-2000:5 month:4 day:5 hour:5 years:5. */
static const struct {
	const char *name;
	struct x509_hour issued;
	unsigned years;
	uint8_t bytes[3];
} dates[] = {
	{ "31 August 2020 10:00, 31 years", { 2020, 8, 31, 10 }, 31, { 0xa4, 0x7d, 0x5f } },
	{ "the least of everything", { 2000, 1, 1, 0 }, 0, { 0x00, 0x84, 0x00 } },
	{ "the most of everything", { 2031, 12, 31, 23 }, 31, { 0xfe, 0x7e, 0xff } },
	{ "years alone", { 2000, 1, 1, 0 }, 31, { 0x00, 0x84, 0x1f } },
	{ "hour alone", { 2000, 1, 1, 23 }, 0, { 0x00, 0x86, 0xe0 } },
	{ "day alone", { 2000, 1, 31, 0 }, 0, { 0x00, 0xfc, 0x00 } },
	{ "month alone", { 2000, 12, 1, 0 }, 0, { 0x06, 0x04, 0x00 } },
	{ "year alone", { 2031, 1, 1, 0 }, 0, { 0xf8, 0x84, 0x00 } },
	{ "29 February stays what it is", { 2025, 2, 29, 1 }, 1, { 0xc9, 0x74, 0x21 } },
};

static const struct {
	const char *name;
	struct x509_hour issued;
	unsigned years;
} refused[] = {
	{ "1999 does not fit", { 1999, 12, 31, 23 }, 1 },
	{ "2032 would wrap to 2000", { 2032, 1, 1, 0 }, 1 },
	{ "month 0", { 2024, 0, 1, 0 }, 1 },
	{ "month 13", { 2024, 13, 1, 0 }, 1 },
	{ "day 0", { 2024, 1, 0, 0 }, 1 },
	{ "day 32 would turn on a bit of the month", { 2024, 1, 32, 0 }, 1 },
	{ "hour 24", { 2024, 1, 1, 24 }, 1 },
	{ "32 years would turn on a bit of the hour", { 2024, 1, 1, 0 }, 32 },
	{ "2^32 - 1 years", { 2024, 1, 1, 0 }, 0xffffffff },
};

static bool same_hour(const struct x509_hour *a, const struct x509_hour *b)
{
	return a->year == b->year && a->month == b->month && a->day == b->day && a->hour == b->hour;
}

static void date_tables(void)
{
	for (size_t i = 0; i < COUNT(dates); i++) {
		struct x509_hour issued = { 0 };
		uint8_t out[3], years = 77;

		ok(ccert_dates_pack(&dates[i].issued, dates[i].years, out) == OK &&
		        memcmp(out, dates[i].bytes, 3) == 0,
		    "dates: %s: packed", dates[i].name);
		ok(ccert_dates_unpack(dates[i].bytes, &issued, &years) == OK &&
		        same_hour(&issued, &dates[i].issued) && years == dates[i].years,
		    "dates: %s: unpacked", dates[i].name);
	}
	for (size_t i = 0; i < COUNT(refused); i++) {
		uint8_t out[3] = { 1, 2, 3 };

		ok(ccert_dates_pack(&refused[i].issued, refused[i].years, out) == ERR_ARG &&
		        out[0] == 1 && out[1] == 2 && out[2] == 3,
		    "dates: %s", refused[i].name);
	}
}

/* Every one of the 2^24 date fields (a sample of them on a small machine). */
static void date_sweep(void)
{
#ifdef SMALL_MACHINE
	const uint32_t step = 61;
#else
	const uint32_t step = 1;
#endif
	uint32_t bad = 0, good = 0, expected = 0;

	for (uint32_t bits = 0; bits < 0x1000000; bits += step) {
		uint8_t in[3] = { (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits },
		        out[3];
		uint32_t month = bits >> 15 & 15, day = bits >> 10 & 31, hour = bits >> 5 & 31;
		struct x509_hour issued;
		uint8_t years;
		bool in_range = month >= 1 && month <= 12 && day >= 1 && hour <= 23;
		enum err e = ccert_dates_unpack(in, &issued, &years);

		expected += in_range;
		good += e == OK;
		bad += e != (in_range ? OK : ERR_FORMAT);
		bad += e == OK &&
		       (ccert_dates_pack(&issued, years, out) != OK || memcmp(in, out, 3) != 0);
	}
	ok(bad == 0 && good == expected,
	    "dates: month 1..12, day 1..31, hour 0..23 unpack and pack");
}

static struct ccert sample(void)
{
	struct ccert c = {
		.sig = { 1, 2, 3, [63] = 9 },
		.issued = { 2024, 5, 6, 7 },
		.years = 31,
		.serial = { [15] = 1 },
		.aki = { 5, [19] = 6 },
	};

	memcpy(c.device_id, "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40", CCERT_DEVICE_ID);
	return c;
}

struct slots {
	uint8_t s10[CCERT_SLOT10], s11[CCERT_SLOT11], s12[CCERT_SLOT12];
};

static enum err pack(const struct ccert *c, struct slots *s)
{
	return ccert_pack(c, s->s10, s->s11, s->s12);
}

static enum err unpack(const struct slots *s, struct ccert *c)
{
	return ccert_unpack(s->s10, s->s11, s->s12, c);
}

static void slots_refuse(void)
{
	struct slots s, untouched;
	struct ccert c = sample(), back = { .years = 77 };

	memset(&untouched, 0xa5, sizeof(untouched));
	s = untouched;
	memset(c.serial, 0, sizeof(c.serial));
	ok(pack(&c, &s) == ERR_ARG && memcmp(&s, &untouched, sizeof(s)) == 0, "pack: serial zero");
	c = sample();
	c.years = 32;
	ok(pack(&c, &s) == ERR_ARG && memcmp(&s, &untouched, sizeof(s)) == 0, "pack: 32 years");
	for (size_t i = 0; i < CCERT_DEVICE_ID; i += 35) {
		static const char bad[] = { '\0', ' ', '\n', '\x7f', '\x80' };

		for (size_t k = 0; k < sizeof(bad); k++) {
			c = sample();
			c.device_id[i] = bad[k];
			ok(pack(&c, &s) == ERR_ARG && memcmp(&s, &untouched, sizeof(s)) == 0,
			    "pack: character %d at %zu of the device id", bad[k], i);
		}
	}

	c = sample();
	ok(pack(&c, &s) == OK, "pack: a sound one");
	s.s12[35] = 0;
	ok(unpack(&s, &back) == ERR_FORMAT && back.years == 77, "unpack: a short device id");
	ok(pack(&c, &s) == OK, "pack again");
	s.s10[65] = 0;
	s.s10[64] &= 0xf8;
	ok(unpack(&s, &back) == ERR_FORMAT && back.years == 77, "unpack: month 0");
	ok(pack(&c, &s) == OK, "pack again");
	memset(s.s11, 0, 16);
	ok(unpack(&s, &back) == ERR_FORMAT && back.years == 77, "unpack: serial zero");
	memset(&s, 0, sizeof(s));
	ok(unpack(&s, &back) == ERR_FORMAT, "unpack: slots of zeros");
	memset(&s, 0xff, sizeof(s));
	ok(unpack(&s, &back) == ERR_FORMAT, "unpack: slots as they leave the factory");
}

static void differences(void)
{
	struct ccert a = sample(), b;

	b = a;
	ok(ccert_compare(&a, &b) == CCERT_SAME, "compare: the same");
	b.sig[63]++;
	ok(ccert_compare(&a, &b) == CCERT_DIFFERS_SIGNATURE, "compare: signature");
	b.aki[19]++;
	ok(ccert_compare(&a, &b) == CCERT_DIFFERS_AKI, "compare: authority key identifier first");
	b.serial[0]++;
	ok(ccert_compare(&a, &b) == CCERT_DIFFERS_SERIAL, "compare: serial number first");
	b.years--;
	ok(ccert_compare(&a, &b) == CCERT_DIFFERS_YEARS, "compare: years first");
	for (unsigned part = 0; part < 4; part++) {
		struct x509_hour t = a.issued;

		t.year = (uint16_t)(t.year + (part == 0));
		t.month = (uint8_t)(t.month + (part == 1));
		t.day = (uint8_t)(t.day + (part == 2));
		t.hour = (uint8_t)(t.hour + (part == 3));
		b.issued = t;
		ok(ccert_compare(&a, &b) == CCERT_DIFFERS_ISSUED, "compare: part %u of the date",
		    part);
	}
	b.device_id[35] = '1';
	ok(ccert_compare(&a, &b) == CCERT_DIFFERS_DEVICE_ID, "compare: device id first of all");

	for (int f = CCERT_SAME; f < CCERT_FIELDS; f++) {
		const char *text = ccert_field_text((enum ccert_field)f);
		bool unique = text[0] != '\0';

		for (int g = CCERT_SAME; g < f; g++)
			unique &= strcmp(text, ccert_field_text((enum ccert_field)g)) != 0;
		ok(unique, "field %d is called '%s'", f, text);
	}
}

int main(void)
{
	date_tables();
	date_sweep();
	slots_refuse();
	differences();
	return done_testing();
}
