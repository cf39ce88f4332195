/*
 * cloud.h -- the cloud API of a server, from the client's side: token, devices, certificates.
 *
 * HTTPS alone, TLS 1.2 or newer; the server's chain must end in the `ca` of the credentials, and
 * nothing else is trusted then. Redirects are not followed. Answers have a hard maximum and are
 * parsed strictly (answer.h). The token is fetched when it is first needed, kept in memory, renewed
 * before it ends and fetched again once when the server no longer knows it.
 *
 * 429 and 503 are waited out as the server asks (Retry-After), within the limit; so is a server that
 * refuses connections, for a few seconds: it may be starting. Requests that create something carry
 * an Idempotency-Key, the same one whenever they are repeated. Everything blocks; a `struct cloud`
 * belongs to one thread at a time.
 *
 *	struct cloud_options o = { .credentials = &credentials, .version = "0.1.0", .stop_fd = -1 };
 *	if ((e = cloud_open(&o, &cloud, eb)) != OK ||
 *	    (e = cloud_device_get(cloud, id, &device, eb)) != OK)
 *		return e;
 *	cloud_device_clear(&device);
 *	cloud_free(cloud);
 */
#ifndef IMPRINT_CLOUD_H
#define IMPRINT_CLOUD_H

#include "answer.h"
#include "credentials.h"

struct cloud;

struct cloud_options {
	const struct credentials *credentials; /* copied */
	const char *version;                   /* of the program, for User-Agent */
	uint32_t limit_ms;                     /* for one call with all its repetitions; 0: 30 s */
	int stop_fd;                           /* readable: stop in order; -1: none */
};

enum err cloud_open(
    const struct cloud_options *options, struct cloud **out, struct errbuf *eb) MUST_CHECK;
/* Wipes token and secret. NULL is fine. */
void cloud_free(struct cloud *c);
/* https://HOST:PORT */
const char *cloud_server(const struct cloud *c);
/* "7.88.1": of the library that speaks HTTP. */
const char *cloud_library(void);

/* Brokers that had not applied what the last call changed when it was answered: "a, b", or "". */
const char *cloud_waiting(const struct cloud *c);

/*
 * All calls below. ERR_NOT_FOUND: no such thing on the server. ERR_CONFLICT: 409, 412. ERR_DENIED:
 * credentials or rights. ERR_FORMAT: the server refuses a value, or its answer is none. ERR_TIMEOUT:
 * no answer within the limit, or interrupted. ERR_IO: server or network. The text names the server
 * and says what it said. Outputs are untouched on failure.
 */

/* Whether it says that it is ready; without a token. */
enum err cloud_ready(struct cloud *c, struct errbuf *eb) MUST_CHECK;
/* Fetches a token now: whether the credentials are good. */
enum err cloud_sign_in(struct cloud *c, struct errbuf *eb) MUST_CHECK;

/* What is told about a device; NULL: nothing. `type` is needed to create one. */
struct cloud_change {
	const char *name, *type, *serial, *fqbn, *connection;
};
/* Which devices; NULL and 0: all that are not deleted. */
struct cloud_filter {
	const char *serial;
	const char *name; /* not known to Arduino's server, which answers with others too */
	const struct cloud_tag *tags; /* each must be there */
	size_t n_tags;
	bool deleted; /* also those that are */
};
/* What is filled is the caller's to clear. */
enum err cloud_device_create(struct cloud *c, const struct cloud_change *with,
    struct cloud_device *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_device_get(
    struct cloud *c, const char *id, struct cloud_device *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_device_list(struct cloud *c, const struct cloud_filter *filter,
    struct cloud_devices *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_device_update(struct cloud *c, const char *id, const struct cloud_change *with,
    struct cloud_device *out, struct errbuf *eb) MUST_CHECK;
/* Marks it deleted; `force`: it is gone. */
enum err cloud_device_delete(
    struct cloud *c, const char *id, bool force, struct errbuf *eb) MUST_CHECK;
enum err cloud_tag_set(
    struct cloud *c, const char *id, const struct cloud_tag *tag, struct errbuf *eb) MUST_CHECK;
enum err cloud_tag_delete(
    struct cloud *c, const char *id, const char *key, struct errbuf *eb) MUST_CHECK;

/* What is told about a thing; NULL: nothing. device "": it is to have none. */
struct cloud_thing_change {
	const char *name, *timezone, *device;
};
/* What is filled is the caller's to clear. */
enum err cloud_thing_create(struct cloud *c, const struct cloud_thing_change *with,
    struct cloud_thing *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_thing_get(
    struct cloud *c, const char *id, struct cloud_thing *out, struct errbuf *eb) MUST_CHECK;
/* device: the one that this device has; NULL: all. */
enum err cloud_thing_list(
    struct cloud *c, const char *device, struct cloud_things *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_thing_update(struct cloud *c, const char *id, const struct cloud_thing_change *with,
    struct cloud_thing *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_thing_delete(struct cloud *c, const char *id, struct errbuf *eb) MUST_CHECK;

/* Who watches what happens. */
struct cloud_watch {
	const char *device; /* its id: nothing else; NULL: everything */
	bool replay;        /* from the first event; else from now on */
	uint32_t limit_ms;  /* for how long; 0: until it is stopped */
	/* One event, borrowed; false: enough. */
	bool (*each)(void *ctx, const struct cloud_event *event);
	/* The stream is there (why NULL), or has been lost and is looked for again. NULL: nobody asks. */
	void (*state)(void *ctx, const char *why);
	void *ctx;
};
/*
 * Calls back for what happens, in order. A stream that ends is begun again behind the last event, for
 * as long as it takes; only one that never came about is an error. OK when `each` has enough or the
 * time is over; ERR_TIMEOUT when interrupted.
 */
enum err cloud_watch(
    struct cloud *c, const struct cloud_watch *watch, struct errbuf *eb) MUST_CHECK;

/*
 * Who is let in. The server answers when the brokers have applied it, or a second later: `out` says how
 * many have and who has not (answer.h). NULL: no reason. Of a revocation it is a word of RFC 5280.
 * ERR_NOT_FOUND also from a server that has no such calls.
 */
enum cloud_door { CLOUD_DISABLE, CLOUD_ENABLE, CLOUD_REVOKE };
enum err cloud_device_door(struct cloud *c, const char *id, enum cloud_door what,
    const char *reason, struct cloud_detail *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_device_detail(
    struct cloud *c, const char *id, struct cloud_detail *out, struct errbuf *eb) MUST_CHECK;
/* Newest first, at most `limit` (1 to 100). */
enum err cloud_visits(struct cloud *c, const char *id, unsigned limit, struct cloud_visits *out,
    struct errbuf *eb) MUST_CHECK;
enum err cloud_brokers(struct cloud *c, struct cloud_brokers *out, struct errbuf *eb) MUST_CHECK;
/* The server forgets a broker. ERR_NOT_FOUND; ERR_CONFLICT: it is connected. */
enum err cloud_broker_forget(struct cloud *c, const char *name, struct errbuf *eb) MUST_CHECK;

/* Has a request signed. The certificate is for its key and this device, or ERR_FORMAT. */
enum err cloud_cert_create(struct cloud *c, const char *device, struct slice csr,
    const uint8_t q[64], struct cloud_cert *out, struct errbuf *eb) MUST_CHECK;
enum err cloud_cert_list(
    struct cloud *c, const char *device, struct cloud_certs *out, struct errbuf *eb) MUST_CHECK;
/* Revokes it; reason: a word of RFC 5280 5.3.1, "superseded". */
enum err cloud_cert_delete(struct cloud *c, const char *device, const char *id, const char *reason,
    struct errbuf *eb) MUST_CHECK;

#endif
