#include "self_signed.h"
#include "ccert.h"

#include <string.h>

#define SERIAL_MAX 20

/* Whether the dates fit is ccert_dates_pack's to say: both forms hold the same years and hours. */
static enum err check(const struct self_signed *s)
{
	uint8_t packed[3];

	if (s->serial.n < 1 || s->serial.n > SERIAL_MAX || ct_zero(s->serial.p, s->serial.n))
		return ERR_ARG;
	return ccert_dates_pack(&s->issued, s->years, packed);
}

static void put_tbs(struct der_w *w, const struct self_signed *s, const uint8_t q[64])
{
	uint8_t buffer[SELF_SIGNED_NAME_MAX];
	struct der_w names = der_writer(buffer, sizeof(buffer));
	struct x509_tbs tbs = {
		.serial = s->serial,
		.not_before = s->issued,
		.not_after = x509_hour_add_years(&s->issued, s->years),
		.q = q,
	};
	enum err e;

	x509_name_put(&names, &s->name);
	if ((e = der_finish(&names, &tbs.subject)) != OK)
		der_fail(w, e);
	tbs.issuer = tbs.subject;
	x509_tbs_put(w, &tbs);
}

enum err self_signed_build(const struct self_signed *s, const uint8_t q[64],
    const struct x509_signer *signer, uint8_t storage[SELF_SIGNED_STORAGE], struct der_w *w)
{
	const uint8_t dates[SELF_SIGNED_STORAGE - 64] = { (uint8_t)(s->issued.year - 2000u),
		s->issued.month, s->issued.day, s->issued.hour, s->years };
	uint8_t sig[64];
	size_t mark;
	enum err e;

	if ((e = check(s)) != OK)
		return e;
	mark = der_open(w, DER_SEQUENCE);
	put_tbs(w, s, q);
	if (w->err == OK)
		w->err = signer->sign(signer->ctx, (struct slice){ w->p + mark, w->n - mark }, sig);
	x509_signature_put(w, sig); /* looks at sig only when nothing has failed */
	der_close(w, mark);
	if (w->err != OK)
		return w->err;
	memcpy(storage, sig, 64);
	memcpy(storage + 64, dates, sizeof(dates));
	return OK;
}

/* Only the low bits of a date byte count: the libraries leave the others as they were. */
static enum err take_dates(const uint8_t in[5], struct self_signed *s)
{
	uint8_t packed[3];

	s->issued = (struct x509_hour){ (uint16_t)(2000 + (in[0] & 31)), in[1] & 15, in[2] & 31,
		in[3] & 31 };
	s->years = in[4] & 31;
	return ccert_dates_pack(&s->issued, s->years, packed) == OK ? OK : ERR_FORMAT;
}

enum err self_signed_rebuild(struct self_signed *s, const uint8_t q[64],
    const uint8_t storage[SELF_SIGNED_STORAGE], struct der_w *w)
{
	struct self_signed got = *s;
	uint8_t sig[72];
	struct der_w probe = der_writer(sig, sizeof(sig));
	size_t mark;
	enum err e;

	if ((e = take_dates(storage + 64, &got)) != OK || (e = check(&got)) != OK)
		return e;
	x509_sig_put(&probe, storage);
	if (probe.err != OK)
		return ERR_FORMAT;
	mark = der_open(w, DER_SEQUENCE);
	put_tbs(w, &got, q);
	x509_signature_put(w, storage);
	der_close(w, mark);
	if (w->err == OK)
		*s = got;
	return w->err;
}
