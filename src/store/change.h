/*
 * change.h -- the inside of a struct store_change: rows in a list, what became of them.
 *
 * The submitter's until it is submitted, then the committing thread's.
 */
#ifndef IMPRINT_STORE_CHANGE_H
#define IMPRINT_STORE_CHANGE_H

#include "row.h"

/* In the order in which a transaction writes them; devices first among what is often written. */
enum row_kind {
	ROW_TENANT_ADD,
	ROW_PRINCIPAL_PUT,
	ROW_TOKEN_ADD,
	ROW_AUTHORITY_PUT,
	ROW_SETTING_PUT,
	ROW_DEVICE_PUT,
	ROW_DEVICE_SEEN,
	ROW_DEVICE_REMOVE,
	ROW_TAG_PUT,
	ROW_TAG_REMOVE,
	ROW_CERT_PUT,
	ROW_THING_PUT,
	ROW_THING_REMOVE,
	ROW_VALUE_PUT,
	ROW_EVENT_ADD, /* this and what follows is numbered, each tenant's by itself */
	ROW_VISIT_PUT,
};

struct row {
	struct row *next;
	struct store_change *change;
	enum row_kind kind;
	bool add;        /* a put of version 0 */
	bool same;       /* a put that is known to leave alone what is in an index */
	unsigned number; /* within the change */
	void *data;      /* the noun's struct, or one of these: */
};
struct row_seen {
	uint8_t id[16];
	int64_t at;
	bool said; /* there is a message */
	uint8_t message[STORE_MESSAGE_MAX];
	uint32_t n;
};
struct row_remove {
	uint8_t id[16];
	uint32_t version;
};
struct row_tag {
	uint8_t device[16];
	struct store_tag tag;
};

struct store_change {
	struct store_change *next; /* in the queue */
	size_t place;              /* in its batch */
	uint32_t tenant;
	struct row *first, **last;
	unsigned n;
	enum err e; /* the first failure; text beside it */
	struct errbuf eb;
	uint64_t seq; /* of its first event */
	store_done *done;
	void *ctx;
};

#endif
