/* The golden certificates: slots <-> fields <-> TBSCertificate <-> DER, each way byte for byte. */
#include "ccert.h"
#include "tap.h"
#include "vectors.h"

#ifdef SMALL_MACHINE
#define CERTS_MUTATED 1 /* QEMU is slow */
#else
#define CERTS_MUTATED vector_certs_n
#endif

static struct ccert fields_of(const struct vector_cert *v)
{
	struct ccert c = { .issued = { v->year, v->month, v->day, v->hour }, .years = v->years };

	memcpy(c.sig, v->sig.p, 64);
	memcpy(c.serial, v->serial.p, 16);
	memcpy(c.aki, v->aki.p, 20);
	memcpy(c.device_id, v->device_id, strlen(v->device_id) < 36 ? strlen(v->device_id) : 36);
	return c;
}

static bool to_slots(const struct ccert *c, const struct vector_cert *v)
{
	uint8_t s10[CCERT_SLOT10], s11[CCERT_SLOT11], s12[CCERT_SLOT12];

	return ccert_pack(c, s10, s11, s12) == OK && slice_equal(SLICE(s10), v->slot10) &&
	       slice_equal(SLICE(s11), v->slot11) && memcmp(s12, v->slot12.p, CCERT_SLOT12) == 0;
}

static bool to_der(const struct ccert *c, const struct vector_cert *v)
{
	uint8_t tbs[CCERT_TBS_MAX], der[CCERT_CERT_MAX];
	struct der_w t = der_writer(tbs, sizeof(tbs)), w = der_writer(der, sizeof(der));
	struct slice tbs_got, der_got;

	ccert_tbs_put(&t, c, v->q.p);
	ccert_cert_put(&w, c, v->q.p);
	return der_finish(&t, &tbs_got) == OK && slice_equal(tbs_got, v->tbs) &&
	       der_finish(&w, &der_got) == OK && slice_equal(der_got, v->der);
}

static void in_range(const struct vector_cert *v)
{
	struct ccert c = fields_of(v), from_slots, from_der;
	uint8_t q[64], dates[3];

	ok(to_slots(&c, v), "%s: fields -> slots", v->name);
	ok(ccert_dates_pack(&c.issued, c.years, dates) == OK && slice_equal(SLICE(dates), v->dates),
	    "%s: dates", v->name);
	ok(to_der(&c, v), "%s: fields -> tbs and certificate", v->name);
	ok(ccert_unpack(v->slot10.p, v->slot11.p, v->slot12.p, &from_slots) == OK &&
	        ccert_compare(&from_slots, &c) == CCERT_SAME,
	    "%s: slots -> fields", v->name);
	ok(ccert_unpack(v->slot10.p, v->slot11.p, v->slot12_id.p, &from_slots) == OK,
	    "%s: slot 12 as the device id was first written", v->name);
	ok(to_der(&from_slots, v), "%s: slots -> certificate", v->name);
	if (ok(ccert_from_cert(v->der, &from_der, q) == OK &&
	            ccert_compare(&from_der, &c) == CCERT_SAME && memcmp(q, v->q.p, 64) == 0,
	        "%s: certificate -> fields and key", v->name))
		ok(to_slots(&from_der, v), "%s: certificate -> slots", v->name);
}

/* Bytes 67..71 and everything behind slot 12's text are nobody's business. */
static void ignored_bytes(const struct vector_cert *v)
{
	uint8_t s10[CCERT_SLOT10];
	struct ccert c;

	memcpy(s10, v->slot10.p, sizeof(s10));
	memset(s10 + 67, 0xee, 5);
	ok(ccert_unpack(s10, v->slot11.p, v->slot12.p, &c) == OK && to_der(&c, v),
	    "bytes 67..71 of slot 10 do not matter");
}

/* Short of one byte, at every size below the right one. */
static void too_small(const struct vector_cert *v)
{
	struct ccert c = fields_of(v);
	uint8_t der[CCERT_CERT_MAX + 1];
	unsigned bad = 0;

	for (size_t cap = 0; cap < v->der.n; cap++) {
		struct der_w w = der_writer(der, cap);
		struct slice out = { NULL, 77 };

		der[cap] = 0xa5;
		ccert_cert_put(&w, &c, v->q.p);
		bad += der_finish(&w, &out) != ERR_SPACE || out.n != 77 || der[cap] != 0xa5;
	}
	ok(bad == 0, "a buffer of 0 to %zu bytes is too small and nothing goes past it",
	    v->der.n - 1);
}

static const struct vector_cert *out_of_range(const char *name)
{
	for (size_t i = 0; i < vector_out_of_range_n; i++)
		if (strcmp(vector_out_of_range[i].name, name) == 0)
			return &vector_out_of_range[i];
	return NULL;
}

/* Each by the layer that can see it. */
static void refused(void)
{
	static const char *const dates[] = { "expire-32", "year-2032" };
	static const char *const ids[] = { "device-id-38", "device-id-short" };
	const struct vector_cert *v;
	uint8_t bytes[3], s10[CCERT_SLOT10], s11[CCERT_SLOT11], s12[CCERT_SLOT12], q[64];
	struct x509_cert cert;
	struct ccert c;

	ok(vector_out_of_range_n == 5, "five inputs are out of range");
	for (size_t i = 0; i < COUNT(dates); i++) {
		v = out_of_range(dates[i]);
		c = fields_of(v);
		ok(ccert_dates_pack(&c.issued, c.years, bytes) == ERR_ARG,
		    "%s: the dates do not pack", v->name);
		ok(ccert_pack(&c, s10, s11, s12) == ERR_ARG, "%s: nor do the slots", v->name);
	}

	v = out_of_range("serial-zero");
	c = fields_of(v);
	ok(ccert_pack(&c, s10, s11, s12) == ERR_ARG, "serial-zero: does not pack");
	ok(ccert_unpack(v->slot10.p, v->slot11.p, v->slot12.p, &c) == ERR_FORMAT,
	    "serial-zero: does not unpack");
	ok(ccert_from_cert(v->der, &c, q) == ERR_FORMAT,
	    "serial-zero: no fields from the certificate");

	for (size_t i = 0; i < COUNT(ids); i++) {
		v = out_of_range(ids[i]);
		ok(x509_cert_parse(v->der, &cert) == OK, "%s: is a certificate", v->name);
		ok(ccert_from_cert(v->der, &c, q) == ERR_FORMAT,
		    "%s: that 36 characters cannot hold", v->name);
	}
	v = out_of_range("device-id-short");
	ok(ccert_unpack(v->slot10.p, v->slot11.p, v->slot12.p, &c) == ERR_FORMAT,
	    "device-id-short: does not unpack");
}

/* Sound certificates of another shape are not Arduino's. */
static void other_shapes(void)
{
	uint8_t q[64];
	struct ccert c;

	for (size_t i = 0; i < vector_self_signed_n; i++)
		ok(ccert_from_cert(vector_self_signed[i].der, &c, q) == ERR_FORMAT,
		    "self-signed %s: another issuer", vector_self_signed[i].name);
	for (size_t i = 0; i < vector_authority_certs_n; i++) {
		const struct vector_bytes *v = &vector_authority_certs[i];
		bool arduino = strncmp(v->name, "arduino_leaf", 12) == 0;

		ok(ccert_from_cert(v->bytes, &c, q) == (arduino ? OK : ERR_FORMAT),
		    "authority: %s%s", v->name,
		    arduino ? "" : ": not a leaf of the compressed form");
	}
}

static void truncated(const struct vector_cert *v)
{
	struct ccert c = { .years = 77 };
	uint8_t q[64];
	unsigned bad = 0;

	for (size_t n = 0; n < v->der.n; n++)
		bad += ccert_from_cert((struct slice){ v->der.p, n }, &c, q) != ERR_FORMAT ||
		       c.years != 77;
	ok(bad == 0, "%s: refused when cut at any byte", v->name);
}

/*
 * A changed byte is refused, or understood so well that it is written again. All 255 changes of
 * each byte in the first certificate, all 8 changes of one bit in the others.
 */
static void mutated(const struct vector_cert *v)
{
	uint8_t der[CCERT_CERT_MAX], again[CCERT_CERT_MAX], q[64];
	unsigned bad = 0, read = 0;
	struct slice out;
	struct ccert c;

	memcpy(der, v->der.p, v->der.n);
	for (size_t i = 0; i < v->der.n; i++) {
		for (unsigned x = 1; x < 256; x++) {
			struct der_w w = der_writer(again, sizeof(again));
			struct slice in = { der, v->der.n };

			if (v != vector_certs && (x & (x - 1)) != 0)
				continue;
			der[i] = (uint8_t)(v->der.p[i] ^ x);
			if (ccert_from_cert(in, &c, q) != OK)
				continue;
			read++;
			ccert_cert_put(&w, &c, q);
			bad += der_finish(&w, &out) != OK || !slice_equal(out, in);
		}
		der[i] = v->der.p[i];
	}
	ok(bad == 0 && read > 0,
	    "%s: each byte changed; %u are other certificates, the rest is refused", v->name, read);
}

int main(void)
{
	ok(vector_certs_n == 27, "27 golden certificates");
	for (size_t i = 0; i < vector_certs_n; i++)
		in_range(&vector_certs[i]);
	ignored_bytes(&vector_certs[0]);
	too_small(&vector_certs[0]);
	refused();
	other_shapes();
	for (size_t i = 0; i < vector_certs_n; i++)
		truncated(&vector_certs[i]);
	for (size_t i = 0; i < CERTS_MUTATED; i++)
		mutated(&vector_certs[i]);
	return done_testing();
}
