/*
 * certificate.h -- a device certificate in all its forms, as a JSON object with the member names of
 * the golden vectors: fields (device_id, serial, authority_key_id, issue, expire_years, signature),
 * slots (slot10, slot11_written, slot12_after_certificate_write), key (public_xy), certificate (tbs,
 * der, pem).
 *
 * One of the forms is enough to know the others; what an object says twice must agree. Binary values
 * are hex of either case. Members that are not in this list are left alone.
 *
 *	struct identity id;
 *	if ((e = identity_read(json, &id, &field, eb)) == OK)
 *		e = identity_complete(json, &id, &field, eb);   // adds what is missing
 */
#ifndef IMPRINT_CERTIFICATE_H
#define IMPRINT_CERTIFICATE_H

#include "ccert.h"
#include "errbuf.h"
#include <jansson.h>

struct identity {
	struct ccert fields;
	bool has_key; /* false: the certificate itself is not known, only what the slots hold */
	uint8_t q[64];
};

/*
 * Takes the certificate of der or pem, else the slots, else the fields; then public_xy. ERR_FORMAT
 * with *field naming the member that is missing or wrong, and the reason in eb.
 */
enum err identity_read(
    const json_t *json, struct identity *id, const char **field, struct errbuf *eb) MUST_CHECK;
/*
 * Adds every member that follows from the identity. ERR_FORMAT with *field when a member is there
 * already and says something else.
 */
enum err identity_complete(
    json_t *json, const struct identity *id, const char **field, struct errbuf *eb) MUST_CHECK;

/* The certificate of an identity with key, into CCERT_CERT_MAX bytes. ERR_FORMAT: r or s out of range. */
enum err identity_der(const struct identity *id, uint8_t bytes[CCERT_CERT_MAX], struct slice *der,
    struct errbuf *eb) MUST_CHECK;
/* Why the slots cannot hold this certificate; NULL when they can. */
const char *identity_obstacle(const struct x509_cert *cert);

#endif
