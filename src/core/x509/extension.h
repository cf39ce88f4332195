/*
 * extension.h -- the certificate extensions of an authority, each written as one whole Extension.
 *
 * A device certificate has none of these: its only extension is the authority key identifier, which
 * x509_tbs_put writes. They go one after the other into x509_tbs.extensions.
 *
 *	struct der_w w = der_writer(buffer, sizeof(buffer));
 *	x509_ext_ca_put(&w, 0);
 *	x509_ext_key_usage_put(&w, X509_KEY_CERT_SIGN | X509_CRL_SIGN);
 *	x509_ext_subject_key_id_put(&w, id);
 *	e = der_finish(&w, &tbs.extensions);
 */
#ifndef IMPRINT_EXTENSION_H
#define IMPRINT_EXTENSION_H

#include "der.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Critical basicConstraints of an authority below which stand at most path_len others (4.2.1.9). */
void x509_ext_ca_put(struct der_w *w, uint8_t path_len);

/* First byte of the KeyUsage BIT STRING, whose bit 0 is the high one (RFC 5280 4.2.1.3). */
enum x509_key_usage {
	X509_DIGITAL_SIGNATURE = 0x80,
	X509_KEY_CERT_SIGN = 0x04,
	X509_CRL_SIGN = 0x02,
};
/* Critical keyUsage; at least one bit, else ERR_ARG. */
void x509_ext_key_usage_put(struct der_w *w, uint8_t usage);

/* subjectKeyIdentifier (4.2.1.2): not critical. */
void x509_ext_subject_key_id_put(struct der_w *w, const uint8_t id[20]);

#ifdef __cplusplus
}
#endif
#endif
