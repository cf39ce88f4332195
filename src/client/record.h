/*
 * record.h -- what is known about the setup of one board: one file, true after any crash.
 *
 * `FOLDER/NAME.json` holds the device id; the SHA-256 of the last certification
 * request; and every certificate ever issued for the board with its state. It is replaced as a
 * whole and synchronised before the next step begins, so that after kill -9 the file says what had
 * been reached. There is never more than one active certificate: the parser refuses such a file, and
 * record_activate makes one active and supersedes the others in the same write. One process at a
 * time has the record of a board (FOLDER/NAME.lock); another one gets ERR_CONFLICT. FOLDER/NAME.pem
 * is a copy of the active certificate for other programs; it is mended whenever the record is opened.
 *
 *	struct record *r = NULL;
 *	if ((e = record_open(folder, "greenhouse-07", NULL, &r, eb)) != OK ||
 *	    (e = record_request(r, csr_sha256, eb)) != OK ||  // a new key: what was issued lapses
 *	    (e = record_issue(r, der, eb)) != OK || ...       // issued, not yet proven
 *	    (e = record_activate(r, eb)) != OK)               // the board's own copy was equal
 *		goto out;
 *	record_free(r);
 */
#ifndef IMPRINT_RECORD_H
#define IMPRINT_RECORD_H

#include "ccert.h"
#include "errbuf.h"

#define RECORD_NAME_MAX 64
#define RECORD_CERTS_MAX 1000
#define RECORD_SIZE_MAX (1u << 20)

enum record_state { RECORD_ISSUED, RECORD_ACTIVE, RECORD_SUPERSEDED, RECORD_STATES };
/* "issued", "active", "superseded". */
const char *record_state_text(enum record_state state);

struct record_cert {
	enum record_state state;
	uint8_t csr_sha256[32]; /* of the request it was issued for */
	uint8_t
	    level; /* enum assurance that was proven for its key; 0: written before there were levels */
	uint8_t der[CCERT_CERT_MAX];
	size_t n;
};

struct record;

/* ERR_ARG unless 1..64 letters, digits, '.', '_' or '-', not beginning with '.' or '-'. */
enum err record_name_check(const char *name, struct errbuf *eb) MUST_CHECK;

/* Who says which device a board is. */
struct record_ids {
	void *ctx;
	/* `id` holds the recorded one, or "" without a record; the same or another one on return. */
	enum err (*device)(
	    void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb);
};

/*
 * Locks and reads the record of a board, or makes one. The folder must exist. Without `ids` the
 * device id is made here, once per name. A record of another device than `ids` says is set aside as
 * NAME.ID.old, and a new one begun.
 */
enum err record_open(const char *folder, const char *name, const struct record_ids *ids,
    struct record **out, struct errbuf *eb) MUST_CHECK;
/* Gives the lock back. NULL is fine. */
void record_free(struct record *r);

/*
 * A request was made by this board. One with another SHA-256 comes from a new key, so certificates
 * that were issued and never became active are superseded. An active one stays until the next is.
 */
enum err record_request(
    struct record *r, const uint8_t csr_sha256[32], struct errbuf *eb) MUST_CHECK;
/* A certificate was issued for that request, whose key has this level. Others that wait are superseded. */
enum err record_issue(
    struct record *r, struct slice der, unsigned level, struct errbuf *eb) MUST_CHECK;
/* The board proved that it holds the newest certificate. ERR_CONFLICT unless that one is issued. */
enum err record_activate(struct record *r, struct errbuf *eb) MUST_CHECK;

/*
 * This computer is about to lock the element with this serial number: written down first, so that the
 * key that speaks for it can be taken down also when the run ends in between. Then that key, once; a
 * second one is ERR_CONFLICT, and so is a chip that was not about to be locked here.
 */
enum err record_element(struct record *r, const uint8_t serial[9], struct errbuf *eb) MUST_CHECK;
enum err record_attester_put(struct record *r, const uint8_t serial[9], const uint8_t attester[64],
    struct errbuf *eb) MUST_CHECK;
/* Whether this chip was locked here; whether the key that speaks for it is known. */
bool record_is_element(const struct record *r, const uint8_t serial[9]);
bool record_attester(const struct record *r, const uint8_t serial[9], uint8_t attester[64]);

const char *record_name(const struct record *r);
/* 36 characters and a NUL. */
const char *record_device_id(const struct record *r);
/* False before the first request. */
bool record_last_request(const struct record *r, uint8_t csr_sha256[32]);
size_t record_count(const struct record *r);
const struct record_cert *record_at(const struct record *r, size_t i);
/* NULL without one. */
const struct record_cert *record_active(const struct record *r);

/*
 * The text of the file and back. Strict: members, types, lengths and order of states are checked,
 * each certificate must rebuild from its fields and name this device id. ERR_FORMAT with the
 * member.
 */
enum err record_parse(struct slice text, struct record **out, struct errbuf *eb) MUST_CHECK;
/* *text is the caller's to free. */
enum err record_print(const struct record *r, char **text, struct errbuf *eb) MUST_CHECK;

#endif
