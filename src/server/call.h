/*
 * call.h -- private to this folder: one request on its way through a route.
 *
 * A handler parses, looks things up and either answers and returns OK, or hands a job to the store
 * and returns OK (the job answers), or returns why not: then the dispatcher answers with the error
 * object. `struct call` is small and is copied into the job; the tools are lent for the time of the
 * handler alone.
 */
#ifndef IMPRINT_CALL_H
#define IMPRINT_CALL_H

#include "api.h"
#include "body.h"
#include "brokers.h"
#include "digest.h"
#include "event.h"
#include "json_out.h"
#include "p256.h"
#include "steps.h"

#define CALL_PARAMS 2
#define CALL_PARAM_MAX 128
/* A job whose rows were changed by somebody else meanwhile is made again from the beginning. */
#define CALL_TRIES 20

/* What a thread needs that others may not use meanwhile. */
struct tools {
	struct tools *next;
	struct p256 *p256;
	struct digest *digest;
};

struct call;
enum access { OPEN, BEARER };
struct route {
	const char *method, *path;
	enum access access;
	enum err (*handle)(struct call *c);
};

struct call {
	struct api *api;
	struct http_exchange *x;
	const struct route *route;
	struct tools *tools;
	uint32_t tenant;
	uint8_t organization[16], principal[16];
	uint8_t request[16];                         /* from the Idempotency-Key; all zero: none */
	char param[CALL_PARAMS][CALL_PARAM_MAX + 1]; /* of the path, decoded */
	unsigned tries;
	int64_t begun; /* milliseconds, when the request came */
	int status;    /* of a refusal that no enum err names; 0: by the error */
	struct errbuf eb;
};

#define ROUTE(method, path, access, handler) enum err handler(struct call *c);
#include "routes.def"
#undef ROUTE

/* Where tests kill the program: in issuances only, so that they can log in before. */
void call_hook(const struct call *c, const char *when, enum server_step step);

/* --- the api's own parts --- */

int64_t api_now(const struct api *api);
struct store *api_registry(struct api *api);
const struct api_parts *api_parts(const struct api *api);
const uint8_t *api_key_id(const struct api *api); /* of the authority that signs now */
uint32_t api_authority(const struct api *api);
/* The tenant of this number. */
enum err api_tenant(
    struct api *api, uint32_t id, struct store_tenant *tenant, struct errbuf *eb) MUST_CHECK;
/* For the log: why an answer was 5xx, under the id that the answer has. */
void api_log(struct api *api, const char *id, int status, const char *why);
enum err api_ready(struct api *api, struct errbuf *eb) MUST_CHECK;
/* Counters: answers by the first digit of their status, certificates. */
#define API_CLASSES 6
void api_count_answer(struct api *api, int status);
void api_count_issued(struct api *api);
void api_counted(struct api *api, uint64_t answers[API_CLASSES], uint64_t *issued);
/* What the inbox counts; zeros without one. */
void api_inbox(struct api *api, struct inbox_stats *stats);
/* Counts a failed login; true when there were too many: the caller answers 429. */
bool api_throttled(struct api *api, const char *peer, const char *client);
void api_login_failed(struct api *api, const char *peer, const char *client);
/* Runs a call again that another change overtook; takes a copy. */
void api_again(struct api *api, const struct call *c);

/* --- refusals and answers --- */

/* Remembers a status that no error has, and the text. Returns an error for the handler to return. */
enum err call_refuse(struct call *c, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers with the error object. Takes no longer than writing it. */
void call_fail(struct call *c, enum err e);
/* The error object of a path: Arduino's, or RFC 9457's elsewhere. */
#define ERROR_ID_SIZE 9
void error_id_draw(char id[ERROR_ID_SIZE]);
/* id NULL: one is drawn. */
void error_object(const char *path, int status, const char *detail, const char *id,
    struct http_response *response);
const char *error_code(int status);
bool path_is_arduino(const char *path);

/* Rows of a list, kept for when the registry may be asked again. `at` is the caller's to free. */
struct rows {
	void *at;
	size_t n, cap, size; /* size: of a row */
	bool full;           /* there was no memory for one */
};
/* Copies it; false: no memory. */
bool rows_add(struct rows *rows, const void *row);

void answer_json(struct call *c, int status, struct json_out *w);
void answer_empty(struct call *c, int status);
/* Takes the text, which is on the heap; type is static. */
void answer_text(struct call *c, const char *type, char *text, size_t n);
/* A header that cannot be added for want of memory is left out. */
void answer_header(struct call *c, const char *name, const char *value);

/* --- what requests say --- */

/* The body as JSON of this object; refuses other media types. */
enum err call_body(
    struct call *c, const struct body_object *object, void *out, uint32_t *given) MUST_CHECK;
/* Whether the content type is this one, parameters aside; true without one. */
bool call_is_type(const struct call *c, const char *type);
/* The first value of a query key, decoded. ERR_NOT_FOUND; ERR_FORMAT. */
enum err call_query(struct call *c, const char *key, char *value, size_t cap) MUST_CHECK;
/* A number between these; `value` keeps what it has when the key is absent. */
enum err call_query_number(struct call *c, const char *key, unsigned smallest, unsigned largest,
    unsigned *value) MUST_CHECK;
/* true or false; `value` keeps what it has when the key is absent. */
enum err call_query_flag(struct call *c, const char *key, bool *value) MUST_CHECK;

/* --- who asks --- */

enum err token_check(struct call *c) MUST_CHECK;
/* X-Organization, or what the form has: empty is absent. */
enum err organization_check(struct call *c, const char *field, const char *given) MUST_CHECK;

/* --- devices --- */

/* The device that the path names; softly deleted ones are ERR_NOT_FOUND unless `deleted`. */
enum err call_device(struct call *c, bool deleted, struct store_device *device) MUST_CHECK;
/* `full`: everything that is known; else what a sketch's 511 bytes hold. */
void device_json(struct call *c, const struct store_device *d, bool full, struct json_out *w);
/* Rebuilds the certificate and compares it with what was signed. */
enum err cert_answer(struct call *c, int status, const struct store_cert *cert) MUST_CHECK;
/* The device's thing as its member `thing`; nothing when it has none. */
void device_thing_json(struct call *c, const struct store_device *d, struct json_out *w);
/* Answers with a thing once more. */
enum err thing_again(struct call *c, int status, const uint8_t id[16]) MUST_CHECK;
/* A random UUID (RFC 9562 5.4). */
enum err call_draw_id(struct call *c, uint8_t id[16]) MUST_CHECK;
void pass_answer(struct call *c, bool set, const char *suggested, struct json_out *w);
/* Of what holds a password: as slow to guess as the password. */
enum err pass_body_hash(struct slice body, const uint8_t salt[16], uint8_t out[32]) MUST_CHECK;
const char *board_label(const char *type, const char *fqbn);

/* --- what is known of a device's life --- */

struct life {
	enum presence presence;
	struct presence_now now; /* when it is ONLINE */
	const char *status;      /* as Arduino's API calls it */
	int64_t
	    last; /* message, connection or its end, whatever was last; 0: never, or nobody knows */
	int64_t message; /* the last one; 0: none, or nobody knows when */
};
void life_of(struct call *c, const struct store_device *d, struct life *life);
/* The library's version in a board's first message. */
bool library_version(const struct store_device *d, struct slice *version);

/* --- who is let in --- */

/* Reasons of RFC 5280 5.3.1 that an operator may give, as words. ERR_NOT_FOUND. */
#define REVOCATION_WORD_MAX 20
enum err revocation_reason(const char *word, uint8_t *reason) MUST_CHECK;
const char *revocation_word(uint8_t reason);
/* What the registry says of a certificate: state, dates, reason. */
void cert_standing(const struct store_cert *cert, struct json_out *w);
/* Begins the answer to a change of who is let in, which answer_job_door ends: device, certificates. */
enum err door_standing(struct call *c, const struct store_device *d, struct json_out *w) MUST_CHECK;

/* --- writing --- */

#define JOB_ALSO_MAX 2

struct job {
	struct call call;
	struct store_change *change;
	void (*answer)(
	    struct job *job); /* after the commit, and after the brokers if they are waited for */
	/* Before that, and also when nothing was committed: what became of it. NULL: nobody asks. */
	void (*settle)(struct job *job, enum err e);
	struct json_out out; /* for it: memory that is there before the commit */
	struct job *next;
	struct event event;
	uint8_t event_body[EVENT_BODY_MAX];
	bool issues;      /* a certificate: the answer waits a moment for the brokers */
	bool reaches;     /* the answer waits for the brokers, and says which have not answered */
	unsigned reached; /* of them */
	const char
	    *waiting; /* names of those that have not applied it, with commas; lent to `answer` */
	struct ca_work work;
	/* Events of the same change beside its own. */
	struct {
		char kind[32];
		uint8_t subject[16];
	} also[JOB_ALSO_MAX];
	size_t also_n;
	uint8_t also_body[EVENT_BODY_MAX];
	/* For the answer. */
	struct store_device device;
	struct store_thing thing;
	struct store_cert cert;
	char text[192];
};

/*
 * Begins a change of the registry with its audit event: shape and status say what the answer will be.
 * Freed by job_drop until job_submit has it.
 */
enum err job_new(struct call *c, enum event_shape shape, int status, struct job **job) MUST_CHECK;
void job_step(struct job *job, enum server_step step, enum err code);
/*
 * Adds the event and hands everything to the store; answers when it is on the disk, and, if this kind
 * of event changes who is let in, when the brokers have applied it or had BROKERS_REACH_MS to. Always OK.
 */
enum err job_submit(struct job *job, const char *kind, const uint8_t subject[16]);
/* Another event of the same change, behind its own: what this does to somebody else. */
void job_also(struct job *job, const char *kind, const uint8_t subject[16]);
/*
 * It is so already: nothing is written, and the answer waits for the brokers as if it were. Takes the
 * job. Always OK.
 */
enum err job_unchanged(struct job *job);
void job_drop(struct job *job);
/* ERR_NOT_FOUND: the request is new. Else it was answered again, or is refused. */
enum err job_again(struct call *c) MUST_CHECK;
/* Adds the certificate to the change, revoked now. */
void job_revoke(struct job *job, struct store_cert *cert, uint8_t reason);
/* Signs what waits in these changes. */
void job_prepare(struct ca *ca, struct store_change **changes, size_t n);

void answer_job_device(struct job *job);
void answer_job_cert(struct job *job);
void answer_job_door(struct job *job);
void answer_job_empty(struct job *job);

#endif
