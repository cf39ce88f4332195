/*
 * answer.h -- what the cloud API answers, taken only in the form that it must have.
 *
 * Unknown members are passed over: a newer server may say more. Members that we use have the right
 * type and length; what no terminal may have stands in them as \uXXXX (shown.h). A certificate
 * must be one that a board can rebuild, and its `compressed` fields must be those of its DER.
 * Nothing here does I/O.
 *
 *	struct cloud_device d;
 *	if ((e = answer_device(body, &d, eb)) != OK)       // ERR_FORMAT with the member
 *		return e;
 *	cloud_device_clear(&d);
 */
#ifndef IMPRINT_ANSWER_H
#define IMPRINT_ANSWER_H

#include "ccert.h"
#include "errbuf.h"
#include "uuid.h"

#define CLOUD_NAME_MAX 256 /* bytes; 64 characters of any script */
#define CLOUD_WORD_MAX 64
#define CLOUD_FQBN_MAX 128
#define CLOUD_TAGS_MAX 256
#define CLOUD_TOKEN_MAX 1023
#define CLOUD_VALUE_MAX 1023
#define CLOUD_ADDRESS_MAX 45
#define CLOUD_WAITING_MAX 160

struct cloud_tag {
	char key[CLOUD_WORD_MAX + 1], value[CLOUD_WORD_MAX + 1];
};

struct cloud_device {
	char id[UUID_TEXT + 1];
	char name[CLOUD_NAME_MAX + 1];
	/* "" where the server says nothing */
	char type[CLOUD_WORD_MAX + 1], serial[CLOUD_WORD_MAX + 1], fqbn[CLOUD_FQBN_MAX + 1];
	char connection[CLOUD_WORD_MAX + 1];
	char status[8]; /* ONLINE, OFFLINE or UNKNOWN */
	char created_at[CLOUD_WORD_MAX + 1], last_activity_at[CLOUD_WORD_MAX + 1];
	char thing[UUID_TEXT + 1], thing_name[CLOUD_NAME_MAX + 1]; /* "": none */
	bool deleted;
	struct cloud_tag *tags; /* owned */
	size_t n_tags;
};
/* Gives the tags back; cleared already is fine. */
void cloud_device_clear(struct cloud_device *d);

struct cloud_devices {
	struct cloud_device *at; /* owned */
	size_t n;
};
void cloud_devices_clear(struct cloud_devices *list);

struct cloud_cert {
	char id[CLOUD_WORD_MAX + 1];
	char device_id[UUID_TEXT + 1];
	bool enabled;
	struct ccert fields;
	uint8_t q[64];
	uint8_t der[CCERT_CERT_MAX];
	size_t n;
};
struct cloud_certs {
	struct cloud_cert *at; /* owned */
	size_t n;
};
void cloud_certs_clear(struct cloud_certs *list);

/* What the server's registry says of a certificate. */
struct cloud_standing {
	char id[CLOUD_WORD_MAX + 1];
	char state[CLOUD_WORD_MAX + 1]; /* issued, active, superseded, revoked */
	bool enabled;
	unsigned level;
	char fingerprint[CLOUD_WORD_MAX + 1];
	char not_before[CLOUD_WORD_MAX + 1], not_after[CLOUD_WORD_MAX + 1];
	char reason[CLOUD_WORD_MAX + 1]; /* why it was revoked */
};

/* A connection of a board, or an attempt that was refused. "" where the server says nothing. */
struct cloud_visit {
	bool admitted;
	char began[CLOUD_WORD_MAX + 1], ended[CLOUD_WORD_MAX + 1]; /* "": it lasts */
	char reason[CLOUD_WORD_MAX + 1];                           /* refused, or ended */
	char address[CLOUD_ADDRESS_MAX + 1], broker[CLOUD_WORD_MAX + 1];
};
struct cloud_visits {
	struct cloud_visit *at; /* owned */
	size_t n;
};
void cloud_visits_clear(struct cloud_visits *list);

/* Whether a device is let in, and who says so. Arduino's cloud knows nothing of it. */
struct cloud_detail {
	char id[UUID_TEXT + 1], name[CLOUD_NAME_MAX + 1];
	bool enabled;
	struct cloud_standing *certs; /* owned */
	size_t n_certs;
	/* How a change has reached the brokers: how many have it, names of some that have not, or "". */
	unsigned reached;
	size_t n_waiting;
	char waiting[CLOUD_WAITING_MAX + 1];
	/* When it is asked for: online, offline, unknown or unheard; where and since when it is online. */
	char presence[CLOUD_WORD_MAX + 1], since[CLOUD_WORD_MAX + 1];
	char address[CLOUD_ADDRESS_MAX + 1], broker[CLOUD_WORD_MAX + 1];
	char last_message_at[CLOUD_WORD_MAX + 1]; /* of those that are stored; "": none */
	struct cloud_visits visits;               /* the last ones */
};
void cloud_detail_clear(struct cloud_detail *d);

struct cloud_broker {
	char name[CLOUD_WORD_MAX + 1];
	char state[CLOUD_WORD_MAX + 1]; /* fresh, behind or silent */
	char heard_at[CLOUD_WORD_MAX + 1];
	uint64_t seq, boards, admitted, refused;
};
struct cloud_brokers {
	uint64_t seq;            /* of the server's last event */
	struct cloud_broker *at; /* owned */
	size_t n;
};
void cloud_brokers_clear(struct cloud_brokers *list);

/* What a board has said last of one of its thing's properties. */
struct cloud_property {
	char name[CLOUD_NAME_MAX + 1], at[CLOUD_WORD_MAX + 1];
	char value[CLOUD_VALUE_MAX + 1]; /* JSON */
};
struct cloud_thing {
	char id[UUID_TEXT + 1], name[CLOUD_NAME_MAX + 1], timezone[CLOUD_WORD_MAX + 1];
	char created_at[CLOUD_WORD_MAX + 1];
	char device[UUID_TEXT + 1], device_name[CLOUD_NAME_MAX + 1]; /* "": it has none */
	struct cloud_property *properties; /* owned; in lists they are left out */
	size_t n_properties;
};
/* Cleared already is fine. */
void cloud_thing_clear(struct cloud_thing *t);
struct cloud_things {
	struct cloud_thing *at; /* owned */
	size_t n;
};
void cloud_things_clear(struct cloud_things *list);

struct cloud_token {
	char text[CLOUD_TOKEN_MAX + 1]; /* a secret */
	uint32_t seconds;               /* how long it lasts; 0: nobody said */
};

/* ERR_FORMAT with the member, ERR_MEMORY; the output is untouched then. */
enum err answer_token(struct slice body, struct cloud_token *out, struct errbuf *eb) MUST_CHECK;
enum err answer_device(struct slice body, struct cloud_device *out, struct errbuf *eb) MUST_CHECK;
enum err answer_devices(struct slice body, struct cloud_devices *out, struct errbuf *eb) MUST_CHECK;
enum err answer_thing(struct slice body, struct cloud_thing *out, struct errbuf *eb) MUST_CHECK;
enum err answer_things(struct slice body, struct cloud_things *out, struct errbuf *eb) MUST_CHECK;
enum err answer_cert(struct slice body, struct cloud_cert *out, struct errbuf *eb) MUST_CHECK;
enum err answer_certs(struct slice body, struct cloud_certs *out, struct errbuf *eb) MUST_CHECK;
enum err answer_detail(struct slice body, struct cloud_detail *out, struct errbuf *eb) MUST_CHECK;
enum err answer_visits(struct slice body, struct cloud_visits *out, struct errbuf *eb) MUST_CHECK;
enum err answer_brokers(struct slice body, struct cloud_brokers *out, struct errbuf *eb) MUST_CHECK;

/* One event of the stream of what happens. */
enum cloud_event_kind { CLOUD_AUDIT, CLOUD_VISIT, CLOUD_VALUE, CLOUD_MESSAGE, CLOUD_OTHER };
struct cloud_event {
	enum cloud_event_kind kind;
	char word[CLOUD_WORD_MAX + 1]; /* the same as the server calls it */
	char device[UUID_TEXT + 1];
	/* "" where the server says nothing */
	char name[CLOUD_NAME_MAX + 1]; /* of the device; of a value: of the property */
	char at[CLOUD_WORD_MAX + 1];   /* when; of a visit: when it began or ended */
	char what[CLOUD_WORD_MAX +
	          1]; /* of an audit event: "certificate.revoked"; of a message: the command */
	char certificate[CLOUD_WORD_MAX + 1], note[CLOUD_NAME_MAX + 1], peer[CLOUD_WORD_MAX + 1];
	char broker[CLOUD_WORD_MAX + 1], address[CLOUD_WORD_MAX + 1], reason[CLOUD_WORD_MAX + 1];
	bool admitted, connected;
	char value[CLOUD_VALUE_MAX + 1]; /* JSON */
	uint64_t bytes;                  /* of a message */
	struct slice json;               /* all of it, borrowed; one object */
};
/* `word` is the name of the event. Of kinds that are not known only the device is looked at. */
enum err answer_event(
    const char *word, struct slice data, struct cloud_event *out, struct errbuf *eb) MUST_CHECK;

/*
 * What the header Imprint-Brokers says, "reached=1 waiting=a,b": the names as "a, b", as many as fit;
 * "" of anything else.
 */
void answer_waiting(struct slice header, char out[CLOUD_WAITING_MAX + 1]);

/*
 * The text of an error: `detail` of an error object or of problem details (RFC 9457), what OAuth
 * says (RFC 6749 section 5.2), or "". Always text for a terminal, whatever the body is.
 */
#define ANSWER_ERROR_MAX 160
void answer_error(struct slice body, char out[ANSWER_ERROR_MAX + 1]);

#endif
