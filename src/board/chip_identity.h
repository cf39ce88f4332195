/*
 * chip_identity.h -- a blank chip gets its identity without a dialogue: for boards that are made by the hundred.
 *
 * Everything goes through the driver, as on a board: the chip is locked with Arduino's profile, makes the key in
 * slot 0, signs the request for it, and stores the fields of the certificate in slots 10 to 12. Who signs in
 * between is the caller's business. A certificate for another key is refused.
 *
 *	if ((e = chip_identity_request(&hal, device, csr, &n, q, eb)) != OK ||
 *	    (e = cloud_cert_create(cloud, device, (struct slice){ csr, n }, q, &cert, eb)) != OK)
 *		return e;
 *	e = chip_identity_store(&hal, (struct slice){ cert.der, cert.n }, eb);
 */
#ifndef IMPRINT_CHIP_IDENTITY_H
#define IMPRINT_CHIP_IDENTITY_H

#include "ccert.h"
#include "errbuf.h"
#include "se.h"

#define CHIP_IDENTITY_CSR_MAX 320

/* Locks for ever what is open; so for emulated chips. ERR_DEVICE and others of the driver, with what the chip did. */
enum err chip_identity_request(const struct se_hal *hal, const char device_id[CCERT_DEVICE_ID + 1],
    uint8_t csr[CHIP_IDENTITY_CSR_MAX], size_t *n, uint8_t q[64], struct errbuf *eb) MUST_CHECK;
/* ERR_FORMAT: not a certificate that a board can rebuild, or not for the key in slot 0. */
enum err chip_identity_store(
    const struct se_hal *hal, struct slice certificate, struct errbuf *eb) MUST_CHECK;

#endif
