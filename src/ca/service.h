/*
 * service.h -- certificates of our own servers: a root, an issuing authority below it, a leaf for the
 * API and one for the broker. A hierarchy of its own: nothing here is ever a device's.
 *
 * Boards hold the root's key (20 years); the issuing authority (2 years) and the leaves (90 days) are
 * renewed with the keys that they have, leaves when 30 days are left or their names are no longer
 * those that are wanted. P-256 and SHA-256 throughout, and no extension is critical but
 * basicConstraints and keyUsage, since BearSSL takes no others. No leaf is signed before its names,
 * its dates and its finished bytes have passed the rules of lint.def.
 *
 * The folder holds service-root.pem and .key, issuing.pem and .key, and for each leaf NAME.pem (the
 * leaf, then the issuing authority) and NAME.key; keys are 0600. Each file is replaced as a whole, and
 * what a killed maker left is completed by the next. service-root.key may be kept elsewhere: then the
 * issuing authority is not renewed. One process at a time, whose caller holds a lock.
 *
 *	if ((e = service_open("state/tls", names, n, utc_now(), &s, eb)) != OK)
 *		return e;
 *	chain = service_chain(s, SERVICE_API);
 *	...
 *	if (utc_now() >= service_due(s))
 *		e = service_renew(s, utc_now(), &renewed, eb);
 */
#ifndef IMPRINT_SERVICE_H
#define IMPRINT_SERVICE_H

#include "errbuf.h"

#define SERVICE_NAMES_MAX 32
#define SERVICE_ROOT_YEARS 20
#define SERVICE_ISSUING_YEARS 2
#define SERVICE_LEAF_DAYS 90
#define SERVICE_LEAF_LEFT 30 /* days; renewed when fewer are left */

enum service_leaf { SERVICE_API, SERVICE_BROKER, SERVICE_LEAVES };

struct service;

/* OK when a server's certificate may bear this DNS name or numeric address; else ERR_ARG. */
enum err service_name_check(const char *name, struct errbuf *eb) MUST_CHECK;

/*
 * Opens the folder (made when missing), makes what is not there and renews what is due. At least one
 * name must be a DNS name. ERR_CONFLICT: the clock is outside of the root's life, or keys and
 * certificates do not belong together. ERR_NOT_FOUND: the root is missing and others are there.
 */
enum err service_open(const char *folder, const char *const *names, size_t n, int64_t now,
    struct service **s, struct errbuf *eb) MUST_CHECK;
/* Renews what is due; bit `1 << leaf` of *renewed is set for each leaf that has changed. */
enum err service_renew(
    struct service *s, int64_t now, unsigned *renewed, struct errbuf *eb) MUST_CHECK;
/* Seconds since 1970: from when on service_renew has something to do. */
int64_t service_due(const struct service *s);
/* When that leaf ends. */
int64_t service_end(const struct service *s, enum service_leaf leaf);

/* PEM: the leaf and its issuing authority. Lives until the next renewal. */
struct slice service_chain(const struct service *s, enum service_leaf leaf);
/* PEM; the caller wipes and frees it. */
enum err service_key(const struct service *s, enum service_leaf leaf, uint8_t **pem, size_t *n,
    struct errbuf *eb) MUST_CHECK;
/* DER. */
struct slice service_root(const struct service *s);
void service_free(struct service *s);

#endif
