#include "ccert.h"

#include <string.h>

/* The fields of a parsed certificate; whether they say everything is shown by rebuilding. */
static enum err fields_of(const struct x509_cert *cert, struct ccert *c)
{
	const struct x509_tbs *t = &cert->tbs;
	int years = t->not_after.year - t->not_before.year;
	struct ccert got = { .issued = t->not_before };

	if (years < 0 || years > 31 || t->serial.n > 16 || t->subject.n < CCERT_DEVICE_ID)
		return ERR_FORMAT;
	memcpy(got.sig, cert->sig, 64);
	got.years = (uint8_t)years;
	memcpy(got.serial + 16 - t->serial.n, t->serial.p, t->serial.n);
	if (t->aki)
		memcpy(got.aki, t->aki, 20);
	memcpy(got.device_id, t->subject.p + t->subject.n - CCERT_DEVICE_ID, CCERT_DEVICE_ID);
	*c = got;
	return OK;
}

enum err ccert_from_cert(struct slice der, struct ccert *c, uint8_t q[64])
{
	uint8_t again[CCERT_CERT_MAX], slot10[CCERT_SLOT10], slot11[CCERT_SLOT11],
	    slot12[CCERT_SLOT12];
	struct der_w w = der_writer(again, sizeof(again));
	struct x509_cert cert;
	struct slice rebuilt;
	struct ccert got;

	if (x509_cert_parse(der, &cert) != OK || fields_of(&cert, &got) != OK ||
	    ccert_pack(&got, slot10, slot11, slot12) != OK)
		return ERR_FORMAT;
	ccert_cert_put(&w, &got, cert.tbs.q);
	if (der_finish(&w, &rebuilt) != OK || !slice_equal(rebuilt, der))
		return ERR_FORMAT;
	*c = got;
	memcpy(q, cert.tbs.q, 64);
	return OK;
}

static const char *const texts[CCERT_FIELDS] = {
	[CCERT_SAME] = "nothing",
	[CCERT_DIFFERS_DEVICE_ID] = "device id",
	[CCERT_DIFFERS_ISSUED] = "date of issue",
	[CCERT_DIFFERS_YEARS] = "years of validity",
	[CCERT_DIFFERS_SERIAL] = "serial number",
	[CCERT_DIFFERS_AKI] = "authority key identifier",
	[CCERT_DIFFERS_SIGNATURE] = "signature",
	[CCERT_DIFFERS_KEY] = "public key",
};

const char *ccert_field_text(enum ccert_field f)
{
	return (unsigned)f < CCERT_FIELDS ? texts[f] : "unknown field";
}

enum ccert_field ccert_compare(const struct ccert *a, const struct ccert *b)
{
	const struct x509_hour *x = &a->issued, *y = &b->issued;

	if (memcmp(a->device_id, b->device_id, sizeof(a->device_id)) != 0)
		return CCERT_DIFFERS_DEVICE_ID;
	if (x->year != y->year || x->month != y->month || x->day != y->day || x->hour != y->hour)
		return CCERT_DIFFERS_ISSUED;
	if (a->years != b->years)
		return CCERT_DIFFERS_YEARS;
	if (memcmp(a->serial, b->serial, sizeof(a->serial)) != 0)
		return CCERT_DIFFERS_SERIAL;
	if (memcmp(a->aki, b->aki, sizeof(a->aki)) != 0)
		return CCERT_DIFFERS_AKI;
	if (memcmp(a->sig, b->sig, sizeof(a->sig)) != 0)
		return CCERT_DIFFERS_SIGNATURE;
	return CCERT_SAME;
}
