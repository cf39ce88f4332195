#include "ccert.h"

#include <string.h>

/* Subject of a common name of 36 characters, up to them. */
static const uint8_t subject_head[13] = { 0x30, 0x2f, 0x31, 0x2d, 0x30, 0x2b, 0x06, 0x03, 0x55,
	0x04, 0x03, 0x13, 0x24 };

void ccert_tbs_put(struct der_w *w, const struct ccert *c, const uint8_t q[64])
{
	uint8_t subject[sizeof(subject_head) + CCERT_DEVICE_ID];
	struct x509_tbs tbs = {
		.serial = SLICE(c->serial),
		.issuer = SLICE(x509_arduino_issuer),
		.subject = SLICE(subject),
		.not_before = c->issued,
		.not_after = x509_hour_add_years(&c->issued, c->years),
		.q = q,
		.aki = c->aki,
	};

	memcpy(subject, subject_head, sizeof(subject_head));
	memcpy(subject + sizeof(subject_head), c->device_id, CCERT_DEVICE_ID);
	x509_tbs_put(w, &tbs);
}

void ccert_cert_put(struct der_w *w, const struct ccert *c, const uint8_t q[64])
{
	size_t mark = der_open(w, DER_SEQUENCE);

	ccert_tbs_put(w, c, q);
	x509_signature_put(w, c->sig);
	der_close(w, mark);
}
