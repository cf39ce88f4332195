#include "chip_identity.h"
#include "csr.h"

#include <string.h>

static enum err failed(const struct se *se, enum err e, struct errbuf *eb)
{
	return err_set(eb, e, "secure element: %s", se_fault_text(se->fault));
}

/* The chip hashes and signs, as it does on a board. */
static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

static enum err lock(struct se *se)
{
	struct se_locks locks;
	enum err e = se_locks(se, &locks);

	return e != OK || (locks.config && locks.data) ? e : se_lock(se, &se_profile_arduino);
}

enum err chip_identity_request(const struct se_hal *hal, const char device_id[CCERT_DEVICE_ID + 1],
    uint8_t csr[CHIP_IDENTITY_CSR_MAX], size_t *n, uint8_t q[64], struct errbuf *eb)
{
	struct x509_name subject = { .at[X509_CN] = {
		                         (const uint8_t *)device_id, CCERT_DEVICE_ID } };
	struct der_w w = der_writer(csr, CHIP_IDENTITY_CSR_MAX);
	struct se se;
	struct x509_signer signer = { &se, sign };
	struct slice der;
	enum err e;

	if ((e = se_open(&se, hal)) != OK || (e = lock(&se)) != OK ||
	    (e = se_genkey(&se, SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = csr_build(&subject, q, &signer, &w)) != OK)
		return failed(&se, e, eb);
	se_close(&se);
	if ((e = der_finish(&w, &der)) != OK)
		return err_set(eb, e, "a request for a device id has more than %d bytes",
		    CHIP_IDENTITY_CSR_MAX);
	*n = der.n;
	return OK;
}

enum err chip_identity_store(const struct se_hal *hal, struct slice certificate, struct errbuf *eb)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64], own[64];
	struct ccert fields;
	struct se se;
	enum err e;

	if (ccert_from_cert(certificate, &fields, q) != OK ||
	    ccert_pack(&fields, slot10, slot11, slot12) != OK)
		return err_set(eb, ERR_FORMAT, "not a certificate that a board can rebuild");
	if ((e = se_open(&se, hal)) != OK || (e = se_public(&se, SE_SLOT_DEVICE_KEY, own)) != OK)
		return failed(&se, e, eb);
	if (memcmp(q, own, sizeof(q)) != 0)
		return err_set(eb, ERR_FORMAT, "a certificate for another key");
	if ((e = se_cert_write(&se, slot10, slot11, slot12)) != OK)
		return failed(&se, e, eb);
	se_close(&se);
	return OK;
}
