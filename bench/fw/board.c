#include "board.h"

/* The element's own SHA-256, then its signature. */
static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

enum err board_request(
    struct se *se, const struct se_hal *hal, const char device_id[36], struct der_w *csr)
{
	struct x509_signer signer = { se, sign };
	struct x509_name name = { .at[X509_CN] = { (const uint8_t *)device_id, 36 } };
	struct se_locks locks;
	uint8_t q[64];
	enum err e;

	if ((e = se_open(se, hal)) != OK || (e = se_locks(se, &locks)) != OK)
		return e;
	if (!locks.config || !locks.data)
		return ERR_CONFLICT;
	if ((e = se_genkey(se, SE_SLOT_DEVICE_KEY, q)) != OK)
		return e;
	return csr_build(&name, q, &signer, csr);
}

enum err board_store(struct se *se, const struct ccert *c)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum err e = ccert_pack(c, slot10, slot11, slot12);

	return e == OK ? se_cert_write(se, slot10, slot11, slot12) : e;
}

enum err board_rebuild(struct se *se, struct der_w *cert)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64];
	struct ccert c;
	enum err e;

	if ((e = se_cert_read(se, slot10, slot11, slot12)) != OK ||
	    (e = se_public(se, SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = ccert_unpack(slot10, slot11, slot12, &c)) != OK)
		return e;
	ccert_cert_put(cert, &c, q);
	return cert->err;
}
