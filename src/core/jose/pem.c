#include "jose.h"
#include "text.h"

#define COLUMNS 76

enum err jose_pem_encode(const uint8_t q[64], char out[JOSE_PEM_SIZE])
{
	uint8_t spki[X509_SPKI_SIZE];
	struct der_w w = der_writer(spki, sizeof(spki));
	struct slice der;
	size_t n;
	enum err e;

	x509_spki_put(&w, q);
	if ((e = der_finish(&w, &der)) != OK)
		return e;
	return pem_encode(der, "PUBLIC KEY", COLUMNS, out, JOSE_PEM_SIZE, &n);
}

enum err jose_pem_decode(struct slice text, uint8_t q[64])
{
	uint8_t spki[X509_SPKI_SIZE];
	struct slice der = { spki, 0 };
	enum err e = pem_decode(text, "PUBLIC KEY", spki, sizeof(spki), &der.n, NULL);

	if (e != OK)
		return e == ERR_SPACE ? ERR_FORMAT : e; /* another kind of key */
	return der.n == sizeof(spki) ? x509_spki_take(&der, q) : ERR_FORMAT;
}
