#include "profile.h"
#include "extension.h"

#include <string.h>

#define PROFILE(number, name, kind, text, what, source)                                            \
	{ PROFILE_##name, PROFILE_##kind, text, what, source },
static const struct profile_info profiles[] = {
#include "profiles.def"
};
#undef PROFILE

const struct profile_info *profile_info(unsigned number)
{
	for (size_t i = 0; i < COUNT(profiles); i++)
		if (profiles[i].number == number)
			return &profiles[i];
	return NULL;
}

void profile_ca_tbs_put(struct der_w *w, const struct profile_ca *ca)
{
	uint8_t extensions[96];
	struct der_w x = der_writer(extensions, sizeof(extensions));
	struct x509_tbs tbs = {
		.serial = SLICE(ca->serial),
		.issuer = SLICE(x509_arduino_issuer),
		.subject = SLICE(x509_arduino_issuer),
		.not_before = ca->not_before,
		.not_after = X509_NO_EXPIRY,
		.q = ca->q,
	};

	x509_ext_ca_put(&x, 0);
	x509_ext_key_usage_put(&x, X509_KEY_CERT_SIGN | X509_CRL_SIGN);
	x509_ext_subject_key_id_put(&x, ca->key_id);
	if (der_finish(&x, &tbs.extensions) != OK && w->err == OK)
		w->err = ERR_SPACE;
	x509_tbs_put(w, &tbs);
}

/* The key identifier is the end of the last extension; rebuilding shows whether that is true. */
static const char *difference(const struct x509_cert *cert, struct profile_ca *ca)
{
	const struct x509_tbs *t = &cert->tbs;
	uint8_t again[PROFILE_CA_MAX];
	struct der_w w = der_writer(again, sizeof(again));
	struct slice tbs;

	if (!slice_equal(t->issuer, SLICE(x509_arduino_issuer)) ||
	    !slice_equal(t->subject, SLICE(x509_arduino_issuer)))
		return "issuer and subject are not the name that boards know";
	if (t->serial.n > sizeof(ca->serial))
		return "serialNumber is longer than 16 bytes";
	if (t->extensions.n < 20)
		return "the extensions are not those of a device authority";
	memset(ca->serial, 0, sizeof(ca->serial));
	memcpy(ca->serial + sizeof(ca->serial) - t->serial.n, t->serial.p, t->serial.n);
	ca->not_before = t->not_before;
	memcpy(ca->q, t->q, 64);
	memcpy(ca->key_id, t->extensions.p + t->extensions.n - 20, 20);
	profile_ca_tbs_put(&w, ca);
	if (der_finish(&w, &tbs) != OK || !slice_equal(tbs, cert->tbs_der))
		return "notAfter or the extensions are not those of a device authority";
	return NULL;
}

enum err profile_ca_parse(
    struct slice der, struct profile_ca *ca, uint8_t sig[64], struct slice *tbs, const char **why)
{
	struct x509_cert cert;
	struct profile_ca got;
	const char *text = "not a P-256 certificate in DER";

	if (x509_cert_parse(der, &cert) == OK)
		text = difference(&cert, &got);
	if (why)
		*why = text;
	if (text)
		return ERR_FORMAT;
	*ca = got;
	memcpy(sig, cert.sig, 64);
	*tbs = cert.tbs_der;
	return OK;
}
