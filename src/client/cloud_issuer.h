/*
 * cloud_issuer.h -- a server as who signs in a run (run.h).
 *
 * The device is the one in the board's record, as long as the server has it. Without a record, or
 * with one that this server does not know, it is the device that `device` names; else the only one of
 * the board's name, if that was never given a certificate, which is what an interrupted run or
 * `imprint device create` leaves; else a new one. A device of that name with certificates may be another
 * board and is never taken silently.
 *
 * Certificates that an interrupted run left behind are revoked before the new one counts as active,
 * so at most one stays valid.
 *
 *	struct cloud_issuer issuer = { .cloud = cloud, .board = { .type = "mkrwifi1010" } };
 *	struct client_run run = { ..., .issuer = cloud_issuer(&issuer) };
 */
#ifndef IMPRINT_CLOUD_ISSUER_H
#define IMPRINT_CLOUD_ISSUER_H

#include "cloud.h"
#include "run.h"

struct cloud_issuer {
	struct cloud *cloud;       /* the caller's */
	const char *device;        /* id of the device that the board shall be; NULL: see above */
	struct cloud_change board; /* what is told when a device is made; `name` is the run's */
};

/* It lives as long as what it was made from. */
struct issuer cloud_issuer(struct cloud_issuer *ctx);

#endif
