/*
 * lint.h -- what must never be issued, checked before every signature.
 *
 * Twice: the statement that the signer is asked to sign, and the finished tbsCertificate, read anew
 * by code that shares nothing with the encoder but the DER reader. The answer is a set of rules that
 * do not hold, bit n for rule n of lint.def. Which of them refuse is the severity's business.
 *
 *	uint64_t broken = lint_leaf(&leaf, &context) | lint_tbs(tbs, &context);
 *	unsigned rule = lint_refusal(broken, allowed);
 *	if (rule)
 *		return err_set(eb, ERR_DENIED, "L%02u: %s", rule, lint_rule(rule)->text);
 */
#ifndef IMPRINT_LINT_H
#define IMPRINT_LINT_H

#include "p256.h"
#include "statement.h"
#include "x509.h"

enum lint_severity {
	LINT_NEVER,  /* refused, always */
	LINT_POLICY, /* refused unless an officer's policy allows this rule */
	LINT_NOTE,   /* not refused; stands in the trace */
};
struct lint_rule {
	uint8_t number;
	enum lint_severity severity;
	const char *text, *source;
};
extern const struct lint_rule lint_rules[];
extern const size_t lint_rules_n;

#define LINT_BIT(number) (UINT64_C(1) << (number))

/* NULL when there is no such rule. */
const struct lint_rule *lint_rule(unsigned number);

struct lint_context {
	struct p256 *p256;
	int64_t now;           /* seconds since 1970 */
	const uint8_t *key_id; /* 20 bytes: of the signing key */
	struct x509_hour ca_not_after;
	const uint8_t *own_keys; /* public keys of the authority, 64 bytes each */
	size_t own_keys_n;
};

/* The statement. */
uint64_t lint_leaf(const struct leaf_in *leaf, const struct lint_context *context);
/*
 * The bytes that would be signed, profile arduino. Rule 12 is tried when nothing else explains a
 * difference; after rule 22 the rest cannot be read and is not judged.
 */
uint64_t lint_tbs(struct slice tbs, const struct lint_context *context);

/* The lowest rule that refuses, or 0. Only rules of severity LINT_POLICY can be allowed. */
unsigned lint_refusal(uint64_t broken, uint64_t allowed);

/* True for keys whose private half anybody can look up: standards, our vectors. */
bool lint_key_published(const uint8_t q[64]);

#endif
