/*
 * kept.h -- private to this folder: devices, certificates and tokens in memory, as they are in the registry.
 *
 * Every request asks for its token and most for their device and its newest certificate: reads of a
 * database whose pages the reader has lost with each commit. recent.h says why what is found here is
 * right; this is the committing thread's side of it. Whoever adds a statement that changes one of the
 * three adds what it does to kept_written. Expired tokens stay until they are overwritten: what they say is still true.
 */
#ifndef IMPRINT_STORE_KEPT_H
#define IMPRINT_STORE_KEPT_H

#include "backend.h"
#include "recent.h"

struct kept {
	struct recent *devices, *certs, *tokens;
};
struct kept_token {
	struct store_token token;
	uint32_t tenant;
};

bool kept_init(struct kept *k);
void kept_free(struct kept *k);

struct recent_key kept_device_key(uint32_t tenant, const uint8_t id[16]);
struct recent_key kept_cert_key(uint32_t tenant, const uint8_t serial[16]);
struct recent_key kept_token_key(const uint8_t hash[32]);

/* Before a transaction: which puts of devices leave alone what is in an index. */
void kept_compare(struct kept *k, struct batch *b);
/* Behind its COMMIT. */
void kept_written(struct kept *k, const struct batch *b);
/* When nobody knows what is on the disk. */
void kept_lost(struct kept *k, const struct batch *b);

#endif
