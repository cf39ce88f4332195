/*
 * lint_walk.h -- private to this folder: a tbsCertificate cut into fields, for the rules.
 *
 * It shares nothing with the encoder but the DER reader, so that a fault of one is seen by the other.
 *
 *	struct lint_walk w = { 0 };
 *	if (!lint_cut(tbs, &w))
 *		return LINT_BIT(22);
 */
#ifndef IMPRINT_LINT_WALK_H
#define IMPRINT_LINT_WALK_H

#include "lint.h"

/* What the walk over a tbsCertificate collects. */
struct lint_walk {
	uint64_t broken;
	struct slice serial, algorithm, issuer, validity, subject, spki, extensions;
};
/* False when it is not DER of that shape (RFC 5280 4.1). */
bool lint_cut(struct slice tbs, struct lint_walk *w);

struct lint_moment {
	unsigned year, month, day, hour, minute, second;
};
/* Rule 21; the moment may not exist. */
bool lint_moment_take(struct slice *in, struct lint_moment *m);
/* Since 1970; false when there is no such moment. */
bool lint_moment_seconds(const struct lint_moment *m, int64_t *seconds);

/* Rules 1 and 24. */
uint64_t lint_head(const struct lint_walk *w);
/* Rules 3, 4 and 7. */
uint64_t lint_key(const uint8_t q[64], const struct lint_context *c);

#endif
