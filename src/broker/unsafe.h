/*
 * unsafe.h -- options of a mosquitto.conf with which the plugin's rules would not be asked.
 *
 *	unsafe_scan(text, found, ctx);        // found(ctx, 12, "use_identity_as_username", why)
 */
#ifndef IMPRINT_UNSAFE_H
#define IMPRINT_UNSAFE_H

#include "base.h"

/* Calls `found` for each, with the number of its line. Files that the text includes are not read. */
void unsafe_scan(struct slice text,
    void (*found)(void *ctx, unsigned line, const char *option, const char *why), void *ctx);

#endif
