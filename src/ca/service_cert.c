#include "service_cert.h"
#include "extension.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static const uint8_t san_oid[] = { 0x55, 0x1d, 17 }, eku_oid[] = { 0x55, 0x1d, 37 },
                     server_auth[] = { 0x2b, 6, 1, 5, 5, 7, 3, 1 }; /* 1.3.6.1.5.5.7.3.1 */

void service_name_put(struct der_w *w, const char *name)
{
	uint8_t address[16], lower[256];
	size_t n = strlen(name);

	if (inet_pton(AF_INET, name, address) == 1) {
		der_put(w, IP_ADDRESS, (struct slice){ address, 4 });
		return;
	}
	if (inet_pton(AF_INET6, name, address) == 1) {
		der_put(w, IP_ADDRESS, (struct slice){ address, 16 });
		return;
	}
	if (n == 0 || n > sizeof(lower)) {
		der_fail(w, ERR_ARG);
		return;
	}
	for (size_t i = 0; i < n; i++)
		lower[i] = (uint8_t)tolower((unsigned char)name[i]);
	der_put(w, DNS_NAME, (struct slice){ lower, n });
}

static void extension_put(struct der_w *w, struct slice oid, uint8_t tag, struct slice body)
{
	size_t ext = der_open(w, DER_SEQUENCE), value;

	der_put(w, DER_OID, oid);
	value = der_open(w, DER_OCTET_STRING);
	der_put(w, tag, body);
	der_close(w, value);
	der_close(w, ext);
}

static void tbs_put(struct der_w *w, struct x509_tbs *tbs, struct der_w *extensions)
{
	if (der_finish(extensions, &tbs->extensions) != OK)
		der_fail(w, extensions->err);
	x509_tbs_put(w, tbs);
	tbs->extensions = (struct slice){ NULL, 0 };
}

void service_authority_tbs_put(struct der_w *w, struct x509_tbs *tbs, uint8_t path_len)
{
	uint8_t buffer[96], id[20];
	struct der_w x = der_writer(buffer, sizeof(buffer));

	if (p256_key_id(tbs->q, id) != OK)
		der_fail(w, ERR_MEMORY);
	x509_ext_ca_put(&x, path_len);
	x509_ext_key_usage_put(&x, X509_KEY_CERT_SIGN | X509_CRL_SIGN);
	x509_ext_subject_key_id_put(&x, id);
	tbs_put(w, tbs, &x);
}

void service_leaf_tbs_put(struct der_w *w, struct x509_tbs *tbs, struct slice names)
{
	uint8_t buffer[SERVICE_CERT_MAX], usage[16];
	struct der_w x = der_writer(buffer, sizeof(buffer)), u = der_writer(usage, sizeof(usage));
	struct slice purposes;

	der_put(&u, DER_OID, SLICE(server_auth));
	if (der_finish(&u, &purposes) != OK)
		der_fail(w, u.err);
	x509_ext_key_usage_put(&x, X509_DIGITAL_SIGNATURE);
	extension_put(&x, SLICE(eku_oid), DER_SEQUENCE, purposes);
	extension_put(&x, SLICE(san_oid), DER_SEQUENCE, names);
	tbs_put(w, tbs, &x);
}

struct slice service_names_of(struct slice list)
{
	struct slice ext, oid, value, names;

	while (der_take(&list, DER_SEQUENCE, &ext) == OK)
		if (der_take(&ext, DER_OID, &oid) == OK && slice_equal(oid, SLICE(san_oid)) &&
		    der_take(&ext, DER_OCTET_STRING, &value) == OK &&
		    der_take(&value, DER_SEQUENCE, &names) == OK)
			return names;
	return (struct slice){ NULL, 0 };
}
