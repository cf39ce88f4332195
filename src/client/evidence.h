/*
 * evidence.h -- what a run has seen about the key in slot 0, and how much that proves (assurance.h).
 *
 * A board whose element can make statements is challenged, and makes a new key within the statement.
 * It counts for more than possession only when this computer knows the key that vouches: it has
 * locked the chip itself, and wrote down then which key speaks for it (record.h). A statement that
 * does not verify is an error, not a lower level: something lies.
 *
 *	if ((e = evidence_challenge(&v, info.serial, eb)) != OK || ... ask the board ...)
 *		return e;
 *	v.statement = answer;
 *	if ((e = evidence_judge(&v, record, &csr, &verifier, eb)) == OK)
 *		puts(assurance_name(v.level));
 */
#ifndef IMPRINT_EVIDENCE_H
#define IMPRINT_EVIDENCE_H

#include "assurance.h"
#include "attest.h"
#include "errbuf.h"
#include "record.h"

struct evidence {
	struct attest_challenge challenge;
	struct setup_statement statement; /* the caller's to set, with stated */
	bool stated;
	/* --- found --- */
	enum assurance level;
	const char *why; /* why it is no more, in words; static */
};

/* A fresh challenge for this chip, good for five minutes. */
enum err evidence_challenge(
    struct evidence *v, const uint8_t serial[9], struct errbuf *eb) MUST_CHECK;
/* csr is verified, and its subject is the record's device. ERR_DENIED: the statement is not true. */
enum err evidence_judge(struct evidence *v, const struct record *record, const struct csr *csr,
    const struct x509_verifier *verifier, struct errbuf *eb) MUST_CHECK;

#endif
