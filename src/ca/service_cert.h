/*
 * service_cert.h -- private to this folder: the bytes of the service hierarchy.
 *
 * Names go into a list of GeneralNames once (RFC 5280 4.2.1.6), and the list travels from there: into
 * the certificate, through the lint, and into the comparison with what a certificate has.
 *
 *	service_name_put(&w, "localhost");
 *	service_name_put(&w, "::1");
 *	e = der_finish(&w, &names);
 */
#ifndef IMPRINT_SERVICE_CERT_H
#define IMPRINT_SERVICE_CERT_H

#include "lint.h"

#define SERVICE_CERT_MAX 8192

/* GeneralName, RFC 5280 4.2.1.6. */
enum { DNS_NAME = DER_CONTEXT_PRIMITIVE(2), IP_ADDRESS = DER_CONTEXT_PRIMITIVE(7) };

/* One GeneralName: iPAddress for a numeric address, else dNSName in lower case. */
void service_name_put(struct der_w *w, const char *name);

/* TBSCertificate of an authority; aki NULL: of the root itself. */
void service_authority_tbs_put(struct der_w *w, struct x509_tbs *tbs, uint8_t path_len);
/* TBSCertificate of a server; names is the content of the subjectAltName. */
void service_leaf_tbs_put(struct der_w *w, struct x509_tbs *tbs, struct slice names);

/* The content of the subjectAltName, or empty. */
struct slice service_names_of(struct slice extensions);

/* Rules 30 and 31 for the content of a subjectAltName. */
uint64_t lint_service_names(struct slice names);
/* Rules for a server's certificate, over the bytes that would be signed (lint.def). */
uint64_t lint_service(struct slice tbs, const struct lint_context *context);

#endif
