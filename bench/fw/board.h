/*
 * board.h -- the least that a board does for its identity: the program whose size is measured.
 *
 * Opens the element and looks at its locks; makes a key and a CSR; stores the compressed certificate
 * that comes back; reads it from the slots again and rebuilds the DER. The element makes the digests
 * and the signatures, so there is no SHA-256 and no elliptic curve in here.
 */
#ifndef IMPRINT_BENCH_BOARD_H
#define IMPRINT_BENCH_BOARD_H

#include "ccert.h"
#include "csr.h"
#include "se.h"

/* Key in slot 0; the request for it into csr. ERR_CONFLICT: the element is not locked yet. */
enum err board_request(struct se *se, const struct se_hal *hal, const char device_id[36],
    struct der_w *csr) MUST_CHECK;
/* What the authority answered, into slots 10 to 12. */
enum err board_store(struct se *se, const struct ccert *c) MUST_CHECK;
/* The certificate, from what the element holds. */
enum err board_rebuild(struct se *se, struct der_w *cert) MUST_CHECK;

#endif
