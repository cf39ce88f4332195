#include "entry.h"

#include <string.h>

enum { VERSION = 1, TYPE_ISSUANCE = 1 };

static uint8_t *put(uint8_t *to, const uint8_t *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

static uint8_t *put_u64(uint8_t *to, uint64_t v)
{
	store_be32(to, (uint32_t)(v >> 32));
	store_be32(to + 4, (uint32_t)v);
	return to + 8;
}

void entry_put(const struct entry_issuance *i, uint8_t entry[ENTRY_ISSUANCE])
{
	uint8_t *p = entry;

	*p++ = VERSION;
	*p++ = TYPE_ISSUANCE;
	p = put_u64(p, i->time_ms);
	p = put(p, i->tenant, sizeof(i->tenant));
	p = put(p, i->detail, sizeof(i->detail));
	p = put(p, i->aki, sizeof(i->aki));
	p = put(p, i->serial, sizeof(i->serial));
	p = put(p, i->device, sizeof(i->device));
	p = put(p, i->spki, sizeof(i->spki));
	p = put(p, i->cert, sizeof(i->cert));
	p = put_u64(p, i->not_before);
	put_u64(p, i->not_after);
}

enum err entry_hash(struct digest *digest, const uint8_t entry[ENTRY_ISSUANCE], uint8_t leaf[32])
{
	uint8_t prefixed[1 + ENTRY_ISSUANCE] = { 0 };

	memcpy(prefixed + 1, entry, ENTRY_ISSUANCE);
	return digest_sha256(digest, SLICE(prefixed), leaf);
}
