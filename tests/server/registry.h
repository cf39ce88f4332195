/*
 * registry.h -- what tests that write visits need of the registry: a disk that can be full, and how a certificate
 * stands. Header only.
 */
#ifndef IMPRINT_TEST_REGISTRY_H
#define IMPRINT_TEST_REGISTRY_H

#include "store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk {
	atomic_bool full;
	atomic_uint refused; /* changes, since it is */
};

static inline void need(bool what, const char *why)
{
	if (what)
		return;
	printf("Bail out! %s\n", why);
	exit(1);
}

/* For store_options.prepare. */
static inline void disk_prepare(struct disk *d, struct store_change **changes, size_t n)
{
	if (!atomic_load(&d->full))
		return;
	for (size_t i = 0; i < n; i++)
		store_change_fail(changes[i], ERR_SPACE, "the disk is full");
	atomic_fetch_add(&d->refused, (unsigned)n);
}

/* Of the certificate whose serial number is 16 times this byte. */
static inline enum store_cert_state cert_state(struct store *store, uint32_t tenant, uint8_t n)
{
	struct store_cert cert;
	struct errbuf eb = { "" };
	uint8_t serial[16];

	memset(serial, n, sizeof(serial));
	need(store_cert_get(store, tenant, serial, &cert, &eb) == OK, eb.text);
	return cert.state;
}

#endif
