/*
 * live.h -- which certificates of a device open the door.
 *
 * One that is issued or active, and enabled: the newest active one, and the newest issued one, which
 * has not connected yet. When it does it becomes active, and those before it are superseded. The
 * brokers are told so (brokers.h).
 *
 *	if ((e = live_certs(store, tenant, &device, &live, eb)) == OK)
 *		... live.cert[0 .. live.n - 1]
 */
#ifndef IMPRINT_LIVE_H
#define IMPRINT_LIVE_H

#include "event.h"
#include "store.h"

#define LIVE_MAX 2
#define LIVE_PRINT 16 /* first bytes of a fingerprint: how the feed names certificates */

struct live {
	struct store_cert cert[LIVE_MAX]; /* the active one first */
	unsigned n;
};

/* A device whose row names no certificate has none: nothing more is read then. */
enum err live_certs(struct store *store, uint32_t tenant, const struct store_device *device,
    struct live *out, struct errbuf *eb) MUST_CHECK;
/* When it ends: seconds since 1970. */
int64_t live_end(const struct store_cert *cert);

/* What a broker has to know of a device. */
struct live_device {
	uint8_t id[16], thing[16];           /* thing: all zero without one */
	uint8_t print[LIVE_MAX][LIVE_PRINT]; /* all zero: none */
	int64_t not_after;                   /* of the newest, seconds since 1970; 0: none */
	bool enabled;
};
/* ERR_NOT_FOUND: it is not there, or deleted softly. */
enum err live_device(struct store *store, uint32_t tenant, const uint8_t id[16],
    struct live_device *out, struct errbuf *eb) MUST_CHECK;
/* For many: of a row that was read. ERR_NOT_FOUND as above. */
enum err live_device_of(struct store *store, uint32_t tenant, const struct store_device *row,
    struct live_device *out, struct errbuf *eb) MUST_CHECK;

/*
 * A board came with a certificate for the first time: the change that makes it active and supersedes
 * those before it, with its event. *out is NULL when there is nothing to change. body is the caller's
 * until the change is done.
 */
struct live_use {
	uint8_t device[16], print[LIVE_PRINT];
	const char *address, *broker;
	int64_t at;
};
enum err live_used(struct store *store, uint32_t tenant, const struct live_use *use,
    uint8_t body[EVENT_BODY_MAX], struct store_change **out, struct errbuf *eb) MUST_CHECK;

#endif
