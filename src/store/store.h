/*
 * store.h -- the registry: who is known, which certificates exist, what happened and in which order.
 *
 * Reading: any thread, any time; each call is one statement and sees what is committed. Strings are in
 * the caller's structs; lists are handed out one by one to a function. Writing: a `struct
 * store_change` holds the rows that belong together. It is submitted once and comes back through its
 * `done`, after the transaction that holds it is on the disk, or with the reason why nothing of it
 * is. One thread commits; what waits while it does so goes into the next transaction together, and
 * the events of that transaction get the next numbers without gaps. Before a transaction begins,
 * `prepare` sees its changes in an array: there the authority signs (store_options).
 *
 * Every row that changes has a version: a change made from an old one is ERR_CONFLICT and touches
 * nothing. A certificate's serial number or a request id that is there already is ERR_CONFLICT too.
 * Rows that failed alone do not touch their neighbours. Times are milliseconds since 1970, UTC; hours
 * of certificates count from 2000-01-01 (utc.h). Tables and rules: docs/store.md.
 *
 *	struct store_change *c = store_change_new(tenant);
 *	store_device_put(c, &device);
 *	store_event_add(c, &event);
 *	e = store_commit(store, c, eb);          // waits; or store_submit with `done`
 */
#ifndef IMPRINT_STORE_H
#define IMPRINT_STORE_H

#include "errbuf.h"

#define STORE_BATCH_MAX 256
#define STORE_NAME_MAX 64
#define STORE_MESSAGE_MAX 256
#define STORE_EVENT_MAX 65536
#define STORE_FILTER_TAGS 8
#define STORE_WAITING_MAX 65536
#define STORE_VISITS_KEPT 100 /* of a device */
/* What is so much later than now was told by a clock that was wrong; less is an order that was lost. */
#define STORE_AHEAD_MS INT64_C(60000)
#define STORE_REASON_MAX 24
#define STORE_JSON_MAX 512

struct store;
struct store_change;

struct store_options {
	/* On the committing thread, before the transaction; store_change_fail takes one out. NULL: none. */
	void (*prepare)(void *ctx, struct store_change **changes, size_t n);
	/*
	 * On the committing thread, when a transaction is on the disk and before anybody is answered: for
	 * each tenant that has events in it the highest of their numbers, and for each that has visits the
	 * highest of their changes; the other is 0. Must not block. NULL: none.
	 */
	void (*committed)(void *ctx, uint32_t tenant, uint64_t seq, uint64_t visit);
	void *ctx;
	int64_t (*now_ms)(void *ctx); /* NULL: the system's clock */
};

/*
 * Opens PATH (SQLite; made when missing, 0600) and brings its schema up to date. ERR_CONFLICT: another
 * process writes it, or the schema is newer or altered. ERR_FORMAT: damaged, with what to do.
 * ERR_SPACE: the disk is full. ERR_DENIED, ERR_NOT_FOUND: no right to the folder, no such folder.
 * ERR_IO also when the folder is not on a disk of this computer.
 */
enum err store_open(const char *path, const struct store_options *options, struct store **store,
    struct errbuf *eb) MUST_CHECK;
/* Commits what waits, then closes. NULL is fine. */
void store_close(struct store *store);
/* OK, or why nothing can be written now: for /readyz. */
enum err store_ready(struct store *store, struct errbuf *eb) MUST_CHECK;
struct store_stats {
	uint64_t commits, changes, failed;
	unsigned waiting;
};
void store_stats(struct store *store, struct store_stats *stats);

/* --- nouns --- */

struct store_tenant {
	uint32_t id; /* small number, the first column of every key */
	uint8_t uuid[16];
	char name[STORE_NAME_MAX + 1];
	bool demo; /* policy: may hold emulated chips */
	int64_t created;
};

struct store_principal {
	uint8_t id[16];
	char kind[16];                 /* "client", later "person", "agent", "broker" */
	char name[STORE_NAME_MAX + 1]; /* unique in the tenant; of a client: its 32 characters */
	char role[16];
	uint8_t secret[32];        /* SHA-256 of a random secret */
	int64_t created, disabled; /* 0: not */
	uint32_t version;
};

struct store_token {
	uint8_t hash[32]; /* SHA-256 of the token */
	uint8_t principal[16];
	char purpose[16];   /* "access" */
	uint32_t uses_left; /* UINT32_MAX: not counted */
	int64_t expires, created;
};

/* A device as the API shows it. Empty text: not given. */
struct store_device {
	uint8_t id[16];
	char name[STORE_NAME_MAX + 1];
	char type[40], fqbn[129], serial[65], connection[17], wifi[17], ble_mac[18], hardware[65];
	uint8_t user[16], thing[16]; /* thing: all zero without one */
	uint8_t cert[16];            /* serial of the newest certificate; all zero without one */
	bool enabled, locked;
	int64_t created, changed, deleted;  /* deleted softly; 0: not */
	int64_t seen;                       /* last message; 0: never */
	uint8_t message[STORE_MESSAGE_MAX]; /* of that message, cut */
	uint32_t message_n;
	uint32_t version;
};

/* In the order of a certificate's life. */
enum store_cert_state { STORE_ISSUED, STORE_ACTIVE, STORE_SUPERSEDED, STORE_REVOKED };

struct store_cert {
	uint8_t serial[16], device[16];
	uint32_t authority;
	uint8_t q[64], sig[64];
	uint32_t not_before; /* hours */
	uint16_t years;
	uint8_t profile, level; /* enum profile; assurance 1..5 */
	enum store_cert_state state;
	bool enabled;
	uint8_t fingerprint[32];  /* SHA-256 of the DER */
	int64_t created, revoked; /* 0: not */
	uint8_t reason;           /* RFC 5280 5.3.1 */
	uint32_t version;
};

struct store_authority {
	uint32_t id;
	char kind[16]; /* "device-ca" */
	uint8_t key_id[20];
	uint8_t der[512];
	uint32_t n;
	char key[256]; /* where its key is */
	char state[16];
	int64_t created;
};

struct store_event {
	uint64_t seq; /* given by the store */
	int64_t at;
	char kind[32]; /* "certificate.issued" */
	uint8_t subject[16], actor[16];
	uint8_t request[16]; /* all zero: none; else unique in the tenant */
	uint8_t leaf[32];    /* hash of the log entry */
	struct slice body;   /* borrowed by store_event_add's caller until done */
};

/* A board's connection to a broker, or an attempt that was refused. */
struct store_visit {
	uint8_t
	    id[16]; /* the broker's boot and the connection's number there; of a refusal, random */
	uint8_t device[16];
	char broker[STORE_NAME_MAX + 1]; /* its name */
	char address[46];
	uint8_t print[16]; /* first bytes of the certificate's fingerprint; all zero: not known */
	uint8_t protocol;  /* of MQTT: 3, 4, 5; 0: not known */
	bool admitted;
	int64_t began, ended;              /* 0: it lasts */
	char reason[STORE_REASON_MAX + 1]; /* why it was refused, or ended; "": nobody said */
	uint64_t change;                   /* given by the store whenever it is put */
};

/* What a device belongs to; which one stands in the device's row. */
struct store_thing {
	uint8_t id[16], user[16];
	char name[STORE_NAME_MAX + 1];
	char timezone[65]; /* name in the zone database */
	int64_t created, changed;
	uint32_t version;
};

/* The last value of a thing's property. */
struct store_value {
	uint8_t thing[16];
	char name[STORE_NAME_MAX + 1];
	char json[STORE_JSON_MAX + 1]; /* a number, a string, true or false */
	int64_t at;
};

/* --- reading: ERR_NOT_FOUND when there is none; outputs are untouched then --- */

enum err store_tenant_get(struct store *s, const uint8_t uuid[16], struct store_tenant *out,
    struct errbuf *eb) MUST_CHECK;
/* The only one of a new installation. */
enum err store_tenant_first(
    struct store *s, struct store_tenant *out, struct errbuf *eb) MUST_CHECK;
enum err store_principal_named(struct store *s, uint32_t tenant, const char *name,
    struct store_principal *out, struct errbuf *eb) MUST_CHECK;
/* A client by its 32 characters, whatever its tenant. */
enum err store_client(struct store *s, const char *name, uint32_t *tenant,
    struct store_principal *out, struct errbuf *eb) MUST_CHECK;
/* Whatever its tenant; expired ones too. */
enum err store_token_get(struct store *s, const uint8_t hash[32], uint32_t *tenant,
    struct store_token *out, struct errbuf *eb) MUST_CHECK;
enum err store_device_get(struct store *s, uint32_t tenant, const uint8_t id[16],
    struct store_device *out, struct errbuf *eb) MUST_CHECK;

struct store_tag {
	char key[65], value[65];
};
struct store_filter { /* NULL: any */
	const char *serial, *hardware, *name;
	const struct store_tag *tags; /* all of them */
	size_t tags_n;                /* at most STORE_FILTER_TAGS */
	bool deleted;                 /* softly deleted ones too */
	/* Pages: only what comes behind the device with this id (NULL: all) and time of creation. */
	const uint8_t *after;
	int64_t after_created;
};
/* Oldest first. `each` returns false to stop; it must not call the store. */
enum err store_device_list(struct store *s, uint32_t tenant, const struct store_filter *filter,
    bool (*each)(void *ctx, const struct store_device *device), void *ctx,
    struct errbuf *eb) MUST_CHECK;
enum err store_tag_list(struct store *s, uint32_t tenant, const uint8_t device[16],
    bool (*each)(void *ctx, const struct store_tag *tag), void *ctx, struct errbuf *eb) MUST_CHECK;
enum err store_cert_get(struct store *s, uint32_t tenant, const uint8_t serial[16],
    struct store_cert *out, struct errbuf *eb) MUST_CHECK;
/* Of one device (NULL: of all), oldest first. */
enum err store_cert_list(struct store *s, uint32_t tenant, const uint8_t *device,
    bool (*each)(void *ctx, const struct store_cert *cert), void *ctx,
    struct errbuf *eb) MUST_CHECK;
enum err store_authority_list(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_authority *authority), void *ctx,
    struct errbuf *eb) MUST_CHECK;
/* From seq `from` on, in order. */
enum err store_event_list(struct store *s, uint32_t tenant, uint64_t from,
    bool (*each)(void *ctx, const struct store_event *event), void *ctx,
    struct errbuf *eb) MUST_CHECK;
enum err store_event_of_request(struct store *s, uint32_t tenant, const uint8_t request[16],
    uint64_t *seq, struct errbuf *eb) MUST_CHECK;
/* The last numbers that were given. */
enum err store_numbers(
    struct store *s, uint32_t tenant, uint64_t *seq, uint64_t *visit, struct errbuf *eb) MUST_CHECK;
/* Newest first. */
enum err store_visit_list(struct store *s, uint32_t tenant, const uint8_t device[16],
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx,
    struct errbuf *eb) MUST_CHECK;
/* Those whose change is behind this number, in its order, each as it is now. */
enum err store_visit_changes(struct store *s, uint32_t tenant, uint64_t behind,
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx,
    struct errbuf *eb) MUST_CHECK;
/* Those that last. */
enum err store_visit_open(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx,
    struct errbuf *eb) MUST_CHECK;
enum err store_thing_get(struct store *s, uint32_t tenant, const uint8_t id[16],
    struct store_thing *out, struct errbuf *eb) MUST_CHECK;
/* Oldest first. */
enum err store_thing_list(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_thing *thing), void *ctx,
    struct errbuf *eb) MUST_CHECK;
/* The device to which this thing is attached. */
enum err store_device_of_thing(struct store *s, uint32_t tenant, const uint8_t thing[16],
    struct store_device *out, struct errbuf *eb) MUST_CHECK;
/* By name. */
enum err store_value_list(struct store *s, uint32_t tenant, const uint8_t thing[16],
    bool (*each)(void *ctx, const struct store_value *value), void *ctx,
    struct errbuf *eb) MUST_CHECK;
/* The value is the caller's to free. */
enum err store_setting_get(
    struct store *s, uint32_t tenant, const char *name, char **value, struct errbuf *eb) MUST_CHECK;

/* --- writing --- */

/*
 * A change remembers its first failure (no memory, a value out of range) and returns it when it is
 * committed, so building one needs no checks. Rows are copied, except event bodies.
 */
struct store_change *store_change_new(uint32_t tenant); /* NULL, without memory, is fine below */
/* For one that was never submitted. NULL is fine. */
void store_change_free(struct store_change *c);

/* A new tenant gets the number of the change, which must be free. */
void store_tenant_add(struct store_change *c, const struct store_tenant *tenant);
void store_principal_put(struct store_change *c, const struct store_principal *principal);
void store_token_add(struct store_change *c, const struct store_token *token);
/*
 * version 0: a new row; else the row must have this version, and gets the next one. Of a row that is
 * there, id, created, seen and message stay as they are.
 */
void store_device_put(struct store_change *c, const struct store_device *device);
/* Removes the row with its tags and certificates' rows kept: a serial is never forgotten. */
void store_device_remove(struct store_change *c, const uint8_t id[16], uint32_t version);
/*
 * A message came: seen, and message unless its p is NULL. Never older than what is there, unless that
 * is so much later (STORE_AHEAD_MS) that a clock was wrong then; no version is needed or raised.
 */
void store_device_seen(
    struct store_change *c, const uint8_t id[16], int64_t at, struct slice message);
void store_tag_put(struct store_change *c, const uint8_t device[16], const struct store_tag *tag);
void store_tag_remove(struct store_change *c, const uint8_t device[16], const char *key);
/*
 * As store_device_put: version 0 is new. Its device may be gone, its authority must be there. Until
 * `prepare` has run, a new one may lack its signature. Of one that is there, only state, enabled,
 * revoked and reason change.
 */
void store_cert_put(struct store_change *c, const struct store_cert *cert);
/* Made, or replaced but for `created`. */
void store_authority_put(struct store_change *c, const struct store_authority *authority);
void store_event_add(struct store_change *c, const struct store_event *event);
/*
 * Made, or ended: of one that is there only began, ended and reason change. Its device must be there
 * (ERR_NOT_FOUND), and takes its visits with it when it goes; only the newest STORE_VISITS_KEPT are
 * kept, those that were put last when a clock has been set back.
 */
void store_visit_put(struct store_change *c, const struct store_visit *visit);
/* As store_device_put. Of one that is there, id, user and created stay. */
void store_thing_put(struct store_change *c, const struct store_thing *thing);
/* With its values. The device that has it must be changed in the same change, by the caller. */
void store_thing_remove(struct store_change *c, const uint8_t id[16], uint32_t version);
/* Made, or replaced by a younger one. Its thing must be there (ERR_NOT_FOUND). */
void store_value_put(struct store_change *c, const struct store_value *value);
/* NULL removes it. */
void store_setting_put(struct store_change *c, const char *name, const char *value);

/* For `prepare`: what the submitter hung on, its first new certificate and event, and failing. */
void *store_change_ctx(const struct store_change *c);
struct store_cert *store_change_cert(struct store_change *c);
struct store_event *store_change_event(struct store_change *c);
void store_change_fail(struct store_change *c, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Hands the change over. `done` is called once, on the committing thread, and must not block; seq is
 * the number of its first event, or 0. The change is freed behind it. One that is not taken
 * (NULL, or STORE_WAITING_MAX wait) is answered at once, by the caller's thread.
 */
typedef void store_done(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq);
void store_submit(struct store *s, struct store_change *c, store_done *done, void *ctx);
/* The same, waiting. Not on the committing thread. */
enum err store_commit(struct store *s, struct store_change *c, struct errbuf *eb) MUST_CHECK;

/* --- keeping --- */

/* A copy that is consistent, beside readers and writers; never over a file. */
enum err store_backup(struct store *s, const char *path, struct errbuf *eb) MUST_CHECK;
/* Looks at every page and every row: ERR_FORMAT with the first fault. */
enum err store_check(struct store *s, struct errbuf *eb) MUST_CHECK;

#endif
