/* Self-signed certificates: built, stored and rebuilt as ArduinoECCX08 does it, byte for byte. */
#include "self_signed.h"
#include "tap.h"
#include "vectors.h"

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static struct self_signed of(const struct vector_self_signed *v)
{
	return (struct self_signed){ .name.at = { string(v->c), string(v->st), string(v->l),
		                         string(v->o), string(v->ou), string(v->cn) },
		.serial = v->serial,
		.issued = { v->year, v->month, v->day, v->hour },
		.years = v->years };
}

/* A signer that knows one signature and notes what it was asked to sign. */
struct known {
	uint8_t sig[64];
	struct slice message;
	enum err e;
	unsigned asked;
};

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct known *k = ctx;

	k->asked++;
	k->message = message;
	if (k->e == OK)
		memcpy(sig, k->sig, 64);
	return k->e;
}

static void build(const struct vector_self_signed *v)
{
	struct self_signed s = of(v);
	struct known k = { .e = OK };
	struct x509_signer signer = { &k, sign };
	uint8_t der[600], storage[SELF_SIGNED_STORAGE];
	struct der_w w = der_writer(der, sizeof(der));
	struct x509_cert cert;
	struct slice out;

	if (!ok(x509_cert_parse(v->der, &cert) == OK, "%s: read", v->name))
		return;
	memcpy(k.sig, cert.sig, 64);
	ok(self_signed_build(&s, v->q.p, &signer, storage, &w) == OK &&
	        der_finish(&w, &out) == OK && slice_equal(out, v->der),
	    "%s: built byte for byte", v->name);
	ok(k.asked == 1 && k.message.n == cert.tbs_der.n, "%s: one signature, over the TBS",
	    v->name);
	if (v->storage.n > 0)
		ok(slice_equal(SLICE(storage), v->storage), "%s: stored byte for byte", v->name);
}

static void rebuild(const struct vector_self_signed *v)
{
	struct self_signed s = { .serial = v->serial };
	uint8_t der[600], storage[SELF_SIGNED_STORAGE];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice out;
	unsigned bad = 0;

	memcpy(s.name.at, of(v).name.at, sizeof(s.name.at));
	ok(self_signed_rebuild(&s, v->q.p, v->storage.p, &w) == OK && der_finish(&w, &out) == OK &&
	        slice_equal(out, v->der),
	    "%s: rebuilt from its 72 bytes", v->name);
	ok(s.issued.year == v->year && s.issued.month == v->month && s.issued.day == v->day &&
	        s.issued.hour == v->hour && s.years == v->years,
	    "%s: its dates", v->name);
	/* Bits that the libraries do not write, and bytes that they leave as they were. */
	memcpy(storage, v->storage.p, sizeof(storage));
	storage[64] |= 0xe0;
	storage[65] |= 0xf0;
	storage[68] |= 0x20;
	memset(storage + 69, 0xff, 3);
	w = der_writer(der, sizeof(der));
	ok(self_signed_rebuild(&s, v->q.p, storage, &w) == OK && der_finish(&w, &out) == OK &&
	        slice_equal(out, v->der),
	    "%s: undefined bits do not count", v->name);
	for (size_t cap = 0; cap < v->der.n; cap++) {
		w = der_writer(der, cap);
		der[cap] = 0xa5;
		bad +=
		    self_signed_rebuild(&s, v->q.p, storage, &w) != ERR_SPACE || der[cap] != 0xa5;
	}
	ok(bad == 0, "%s: too little room", v->name);
}

static void refused_arguments(const struct vector_self_signed *v)
{
	static const uint8_t zeros[20], long_serial[21] = { 1 };
	const struct {
		const char *name;
		struct slice serial;
		struct x509_hour issued;
		uint8_t years;
	} cases[] = {
		{ "serial zero", { zeros, 16 }, { 2025, 1, 1, 0 }, 31 },
		{ "serial zero, one byte", { zeros, 1 }, { 2025, 1, 1, 0 }, 31 },
		{ "no serial", { zeros, 0 }, { 2025, 1, 1, 0 }, 31 },
		{ "serial of 21 bytes", { long_serial, 21 }, { 2025, 1, 1, 0 }, 31 },
		{ "year 1999", { long_serial, 1 }, { 1999, 1, 1, 0 }, 31 },
		{ "year 2032", { long_serial, 1 }, { 2032, 1, 1, 0 }, 31 },
		{ "month 0", { long_serial, 1 }, { 2025, 0, 1, 0 }, 31 },
		{ "month 13", { long_serial, 1 }, { 2025, 13, 1, 0 }, 31 },
		{ "day 0", { long_serial, 1 }, { 2025, 1, 0, 0 }, 31 },
		{ "day 32", { long_serial, 1 }, { 2025, 1, 32, 0 }, 31 },
		{ "hour 24", { long_serial, 1 }, { 2025, 1, 1, 24 }, 31 },
		{ "32 years", { long_serial, 1 }, { 2025, 1, 1, 0 }, 32 },
	};
	uint8_t der[600], storage[SELF_SIGNED_STORAGE] = { 0x77 };
	struct known k = { .e = OK };
	struct x509_signer signer = { &k, sign };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct self_signed s = { .serial = cases[i].serial,
			.issued = cases[i].issued,
			.years = cases[i].years };
		struct der_w w = der_writer(der, sizeof(der));

		ok(self_signed_build(&s, v->q.p, &signer, storage, &w) == ERR_ARG && w.n == 0 &&
		        k.asked == 0 && storage[0] == 0x77,
		    "refused before anything is signed: %s", cases[i].name);
		if (i < 4)
			ok(self_signed_rebuild(&s, v->q.p, v->storage.p, &w) == ERR_ARG && w.n == 0,
			    "nor rebuilt: %s", cases[i].name);
	}
}

static void refused_rest(const struct vector_self_signed *v)
{
	static const struct {
		const char *name;
		uint8_t at, value;
	} cases[] = { { "month 0", 65, 0 }, { "month 13", 65, 13 }, { "day 0", 66, 0 },
		{ "hour 24", 67, 24 }, { "hour 31", 67, 31 } };
	static const uint8_t name[SELF_SIGNED_NAME_MAX] = { 'x' };
	uint8_t der[900], storage[SELF_SIGNED_STORAGE], blank[SELF_SIGNED_STORAGE];
	struct known k = { .e = ERR_TIMEOUT, .sig = { 1 } };
	struct x509_signer signer = { &k, sign };
	struct self_signed s = of(v);
	struct der_w w;

	for (size_t i = 0; i < COUNT(cases); i++) {
		w = der_writer(der, sizeof(der));
		memcpy(storage, v->storage.p, sizeof(storage));
		storage[cases[i].at] = cases[i].value;
		ok(self_signed_rebuild(&s, v->q.p, storage, &w) == ERR_FORMAT && w.n == 0,
		    "storage refused: %s", cases[i].name);
	}
	memset(blank, 0xff, sizeof(blank));
	ok(self_signed_rebuild(&s, v->q.p, blank, &w) == ERR_FORMAT, "a blank slot");
	memcpy(storage, v->storage.p, sizeof(storage));
	memset(storage, 0, 32);
	ok(self_signed_rebuild(&s, v->q.p, storage, &w) == ERR_FORMAT && w.n == 0, "r = 0");

	w = der_writer(der, sizeof(der));
	storage[0] = 0x77;
	ok(self_signed_build(&s, v->q.p, &signer, storage, &w) == ERR_TIMEOUT && storage[0] == 0x77,
	    "the signer's error comes back, nothing is to be stored");
	s.name.at[X509_CN] = SLICE(name);
	w = der_writer(der, sizeof(der));
	k.asked = 0;
	ok(self_signed_build(&s, v->q.p, &signer, storage, &w) == ERR_SPACE && k.asked == 0,
	    "a name that is too long is not signed");
}

int main(void)
{
	const struct vector_self_signed *first = &vector_self_signed[0];
	unsigned stored = 0;

	for (size_t i = 0; i < vector_self_signed_n; i++) {
		const struct vector_self_signed *v = &vector_self_signed[i];

		if (v->well_formed)
			build(v);
		if (v->storage.n > 0) {
			rebuild(v);
			stored++;
		}
	}
	ok(stored == 4, "all four of ArduinoECCX08");
	refused_arguments(first);
	refused_rest(first);
	return done_testing();
}
