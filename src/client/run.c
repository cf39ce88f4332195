#include "run.h"

#include "hook.h"
#include "p256.h"
#include "record.h"
#include "serial.h"
#include "setup_host.h"
#include "sha256.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define TURN_MS 100
#define WRITE_MS 5000

const struct client_step_info client_steps[CLIENT_STEPS] = {
	[CLIENT_RECORD] = { "record", "Reserve the device id" },
	[CLIENT_OPEN] = { "open", "Open the port" },
	[CLIENT_TALK] = { "talk", "Wait for the setup program" },
	[CLIENT_LOCK] = { "lock", "Lock the element for ever" },
	[CLIENT_CSR] = { "csr", "Make key and request" },
	[CLIENT_CHECK] = { "check", "Check the request" },
	[CLIENT_ISSUE] = { "issue", "Issue the certificate" },
	[CLIENT_SEND] = { "send", "Send its fields" },
	[CLIENT_STORE] = { "store", "Store it in the element" },
	[CLIENT_COMPARE] = { "compare", "Compare what the board rebuilt" },
	[CLIENT_ACTIVATE] = { "activate", "Record it as active" },
	[CLIENT_FINISH] = { "finish", "Hear the board out" },
};

#define RUN_AGAIN "run the same command again"
#define STAYS_ISSUED                                                                               \
	"the device id; the certificate stays issued until the next attempt uses or replaces it"

/* What a failure in a step leaves behind, and what to do; NULL: the board must begin again. */
static const struct {
	const char *kept, *remedy;
} after_failure[CLIENT_STEPS] = {
	[CLIENT_RECORD] = { "everything as it was", "mend what the message says, then " RUN_AGAIN },
	[CLIENT_OPEN] = { "the device id", "plug the board in or free its port, then " RUN_AGAIN },
	[CLIENT_TALK] = { "the device id", NULL },
	[CLIENT_LOCK] = { "the device id", NULL },
	[CLIENT_CSR] = { "the device id; the element may hold a new key", NULL },
	[CLIENT_CHECK] = { "the device id; nothing was issued", NULL },
	[CLIENT_ISSUE] = { "the device id; the next attempt asks for a new certificate", NULL },
	[CLIENT_SEND] = { STAYS_ISSUED, NULL },
	[CLIENT_STORE] = { STAYS_ISSUED, NULL },
	[CLIENT_COMPARE] = { STAYS_ISSUED, NULL },
	[CLIENT_ACTIVATE] = { STAYS_ISSUED, NULL },
	[CLIENT_FINISH] = { "everything: the identity is complete", NULL }, /* never fails */
};

static const char *remedy_of(enum client_step step, bool restarts)
{
	if (after_failure[step].remedy)
		return after_failure[step].remedy;
	return restarts ? RUN_AGAIN : "press the board's reset button, then " RUN_AGAIN;
}

struct run { /* one client_run call */
	const struct client_run *ask;
	struct client_result *result;
	struct record *record;
	struct p256 *p256;
	struct serial *port;
	struct console_host h;
	struct console_limits limits;
	struct setup_host s;
	struct setup_limits s_limits;
	bool announced; /* the board speaks setup */
	enum client_step step;
	double begun;
	bool lock_asked, complete;
	bool stored_again; /* what was issued before is: no request, no new certificate */
	struct evidence evidence;
	struct ccert fields;         /* as issued; over setup */
	uint8_t der[CCERT_CERT_MAX]; /* as issued */
	size_t n;
};

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- steps --- */

static void tell(const struct run *r, enum client_state state, const char *text)
{
	struct client_event event = { r->step, state, seconds_now() - r->begun, text };

	if (r->ask->event)
		r->ask->event(r->ask->ctx, &event);
}

static void step_begin(struct run *r, enum client_step step)
{
	r->step = r->result->step = step;
	r->begun = seconds_now();
	test_hook("before", client_steps[step].name);
	tell(r, CLIENT_BEGUN, "");
}

static void step_end(const struct run *r, const char *text)
{
	tell(r, CLIENT_DONE, text);
	test_hook("after", client_steps[r->step].name);
}

static void step_skip(struct run *r, enum client_step step, const char *text)
{
	r->step = step;
	r->begun = seconds_now();
	tell(r, CLIENT_SKIPPED, text);
}

/* Why a step is left out, NULL when it is not. A locked element does not ask to be locked. */
static const char *skipped(const struct run *r, enum client_step step)
{
	if (step == CLIENT_LOCK && !r->lock_asked)
		return "locked already";
	if (step >= CLIENT_CSR && step <= CLIENT_ISSUE && r->stored_again)
		return "the certificate issued before is for this key";
	return NULL;
}

/* Ends the steps before this one and begins it. */
static void step_reach(struct run *r, enum client_step step)
{
	while (r->step < step) {
		if (!skipped(r, r->step))
			step_end(r, "");
		if (skipped(r, r->step + 1))
			step_skip(r, r->step + 1, skipped(r, r->step + 1));
		else
			step_begin(r, r->step + 1);
	}
}

static enum client_step step_of(enum console_step s)
{
	switch (s) {
	case CONSOLE_START:
		return CLIENT_TALK;
	case CONSOLE_LOCK:
		return CLIENT_LOCK;
	case CONSOLE_NEW_KEY:
	case CONSOLE_DEVICE_ID:
	case CONSOLE_CSR:
		return CLIENT_CSR;
	case CONSOLE_STORE:
		return CLIENT_STORE;
	case CONSOLE_CERTIFICATE:
		return CLIENT_COMPARE;
	case CONSOLE_CLOSING:
	case CONSOLE_DONE:
	case CONSOLE_STEPS:
		return CLIENT_FINISH;
	default:
		return CLIENT_SEND;
	}
}

/* --- request and certificate --- */

/* RFC 2986 section 3: nobody is asked to sign before the requester has proven its key. */
static enum err request_check(struct run *r, struct slice der, struct csr *csr, struct errbuf *eb)
{
	struct x509_verifier verifier = p256_verifier(r->p256);
	struct slice id = { (const uint8_t *)record_device_id(r->record), CCERT_DEVICE_ID };
	enum csr_fault fault = CSR_FINE;
	uint8_t hash[32];
	enum err e;

	if ((e = csr_parse(der, csr, &fault)) != OK ||
	    (e = csr_verify(csr, &verifier, &fault)) != OK)
		return err_set(eb, e == ERR_DENIED ? ERR_FORMAT : e, "request refused: %s",
		    csr_fault_text(fault));
	if (!slice_equal(csr->name.at[X509_CN], id))
		return err_set(
		    eb, ERR_FORMAT, "request refused: subject: not the device id %.36s", id.p);
	if ((e = evidence_judge(&r->evidence, r->record, csr, &verifier, eb)) != OK)
		return e;
	r->result->level = r->evidence.level;
	r->result->level_why = r->evidence.why;
	sha256(csr->der, hash);
	return record_request(r->record, hash, eb);
}

/* The issuer is another program, perhaps on another computer: what it sends is checked too. */
static enum err issued_check(
    const struct run *r, const struct csr *csr, struct ccert *fields, struct errbuf *eb)
{
	uint8_t q[64];

	if (ccert_from_cert((struct slice){ r->der, r->n }, fields, q) != OK)
		return err_set(
		    eb, ERR_FORMAT, "the issued certificate is none that a board can rebuild");
	if (memcmp(q, csr->q, sizeof(q)) != 0)
		return err_set(eb, ERR_FORMAT, "the issued certificate is for another key");
	return OK;
}

static enum err certificate_get(
    struct run *r, struct slice request, struct ccert *fields, struct errbuf *eb)
{
	const struct issuer *issuer = &r->ask->issuer;
	struct csr csr;
	enum err e;

	step_reach(r, CLIENT_CHECK);
	if ((e = request_check(r, request, &csr, eb)) != OK)
		return e;
	step_reach(r, CLIENT_ISSUE);
	if ((e = issuer->issue(issuer->ctx, &csr, record_device_id(r->record), r->ask->years,
	         r->der, &r->n, eb)) != OK ||
	    (e = issued_check(r, &csr, fields, eb)) != OK)
		return e;
	test_hook("inside", client_steps[CLIENT_ISSUE].name);
	return record_issue(r->record, (struct slice){ r->der, r->n }, r->evidence.level, eb);
}

/* The board has what was signed. */
static enum err identity_complete(struct run *r, struct errbuf *eb)
{
	const struct issuer *issuer = &r->ask->issuer;
	enum err e;

	step_reach(r, CLIENT_ACTIVATE);
	if (issuer->settle && (e = issuer->settle(issuer->ctx, record_device_id(r->record),
	                           (struct slice){ r->der, r->n }, eb)) != OK)
		return e;
	test_hook("inside", client_steps[CLIENT_ACTIVATE].name);
	if ((e = record_activate(r->record, eb)) != OK)
		return e;
	r->complete = true;
	memcpy(r->result->der, r->der, r->n);
	r->result->n = r->n;
	step_reach(r, CLIENT_FINISH);
	return OK;
}

static const char *profile_of(const struct client_run *ask)
{
	return ask->profile ? ask->profile : "arduino";
}

/* --- what the console dialogue asks of us --- */

static enum err request_ready(struct run *r, struct errbuf *eb)
{
	struct ccert fields;
	enum err e;

	if ((e = certificate_get(r, r->h.der, &fields, eb)) != OK)
		return e;
	if ((e = console_host_certificate(&r->h, &fields)) != OK)
		return err_set(eb, e, "the fields of the issued certificate cannot be sent");
	step_reach(r, CLIENT_SEND);
	return OK;
}

/*
 * The only check of the whole transfer. The bytes decide; the dialogue has found which field it is.
 */
static enum err certificate_ready(struct run *r, struct errbuf *eb)
{
	struct slice issued = { r->der, r->n };

	step_reach(r, CLIENT_COMPARE);
	if (!slice_equal(issued, r->h.der))
		return err_set(eb, console_cause_err(CONSOLE_CERT_DIFFERS),
		    "the board rebuilt another certificate than was signed: %s differs",
		    ccert_field_text(r->h.differs));
	return identity_complete(r, eb);
}

static enum err lock_asked(struct run *r, struct errbuf *eb)
{
	const struct client_run *ask = r->ask;
	enum err e;

	r->lock_asked = true;
	step_reach(r, CLIENT_LOCK);
	e = console_host_lock(&r->h, ask->may_lock && ask->may_lock(ask->ctx));
	return e == OK ? OK : err_set(eb, e, "the answer about the lock came too late");
}

static enum err failed(struct run *r, struct errbuf *eb)
{
	enum err e = console_cause_err(r->h.cause);

	step_reach(r, r->h.cause == CONSOLE_CSR_DAMAGED ? CLIENT_CHECK : step_of(r->h.step));
	if (r->h.cause == CONSOLE_CSR_DAMAGED && r->h.csr_fault != CSR_FINE)
		return err_set(
		    eb, e, "request refused: %s", csr_fault_text((enum csr_fault)r->h.csr_fault));
	return err_set(eb, e, "%s", console_cause_text(r->h.cause));
}

/* What Arduino's sketch cannot do is not left out in silence. */
static enum err console_can(const struct run *r, struct errbuf *eb)
{
	if (strcmp(profile_of(r->ask), "arduino") != 0)
		return err_set(eb, ERR_CONFLICT,
		    "profile %s: the board runs Arduino's sketch, which locks with Arduino's "
		    "profile only",
		    profile_of(r->ask));
	if (r->ask->network)
		return err_set(eb, ERR_CONFLICT,
		    "network settings: the board runs Arduino's sketch, which takes none");
	return OK;
}

static enum err handle(struct run *r, enum console_event event, struct errbuf *eb)
{
	enum err e;

	switch (event) {
	case CONSOLE_LOCK_ASKED:
		return (e = console_can(r, eb)) == OK ? lock_asked(r, eb) : e;
	case CONSOLE_CSR_READY:
		return (e = console_can(r, eb)) == OK ? request_ready(r, eb) : e;
	case CONSOLE_CERT_READY:
		return certificate_ready(r, eb);
	case CONSOLE_FAILED:
		return failed(r, eb);
	case CONSOLE_FIRMWARE:
		memcpy(r->result->firmware, r->h.firmware, sizeof(r->result->firmware));
		memcpy(r->result->firmware_latest, r->h.firmware_latest,
		    sizeof(r->result->firmware_latest));
		return OK;
	default:
		return OK;
	}
}

/* --- the port --- */

/* Waits a little for the board and watches for the wish to stop. ERR_TIMEOUT is the usual result. */
static enum err wait_for_board(const struct run *r, struct errbuf *eb)
{
	struct pollfd fds[] = { { .fd = serial_fd(r->port), .events = POLLIN },
		{ .fd = r->ask->stop_fd, .events = POLLIN } };
	int ready = poll(fds, COUNT(fds), TURN_MS);

	if (ready < 0 && errno != EINTR)
		return err_set(eb, ERR_IO, "waiting for the board: %s", strerror(errno));
	if (ready > 0 && fds[1].revents)
		return err_set(eb, ERR_TIMEOUT, "interrupted");
	return OK;
}

struct heard {
	uint8_t bytes[1024];
	struct slice in;
	uint32_t ms; /* how long it took */
};

static enum err send(struct run *r, struct slice out, struct errbuf *eb)
{
	enum err e = serial_write(r->port, out, WRITE_MS, eb);

	if (e == OK)
		test_hook("inside", client_steps[r->step].name);
	return e;
}

static enum err hear(const struct run *r, struct heard *h, struct errbuf *eb)
{
	double begun = seconds_now();
	size_t n = 0;
	enum err e;

	if ((e = wait_for_board(r, eb)) != OK)
		return e;
	e = serial_read(r->port, h->bytes, sizeof(h->bytes), &n, 0, eb);
	if (e != OK && e != ERR_TIMEOUT)
		return e;
	h->ms = (uint32_t)((seconds_now() - begun) * 1e3);
	h->in = (struct slice){ h->bytes, n };
	return OK;
}

/* Until the console has spoken: a frame with an announcement means that it never will. */
static bool announced(struct run *r, const struct heard *heard)
{
	struct slice in = heard->in;
	enum setup_event event;

	while ((event = setup_host_take(&r->s, &in)) == SETUP_NOTHING && in.n > 0)
		;
	if (event == SETUP_NOTHING)
		event = setup_host_elapsed(&r->s, heard->ms);
	return event == SETUP_ANNOUNCED;
}

static enum err turn(struct run *r, struct errbuf *eb)
{
	struct slice out = console_host_output(&r->h), in;
	enum console_event event;
	struct heard heard;
	uint32_t ms;
	enum err e;

	if (out.n) {
		if ((e = send(r, out, eb)) != OK)
			return e;
		console_host_sent(&r->h, out.n);
	}
	if ((e = hear(r, &heard, eb)) != OK)
		return e;
	if (r->h.step == CONSOLE_START && (r->announced = announced(r, &heard)))
		return OK;
	in = heard.in;
	ms = heard.ms;
	while ((event = console_host_take(&r->h, &in)) != CONSOLE_NOTHING)
		if ((e = handle(r, event, eb)) != OK)
			return e;
	step_reach(r, step_of(r->h.step));
	for (; (event = console_host_elapsed(&r->h, ms)) != CONSOLE_NOTHING; ms = 0)
		if ((e = handle(r, event, eb)) != OK)
			return e;
	return OK;
}

/* What an earlier run left unread says nothing about this one. */
static enum err restart(const struct run *r, struct errbuf *eb)
{
	uint8_t old[1024];
	size_t n;
	enum err e;

	if (!r->ask->restart)
		return OK;
	while ((e = serial_read(r->port, old, sizeof(old), &n, 0, eb)) == OK)
		;
	return e == ERR_TIMEOUT ? r->ask->restart(r->ask->ctx, eb) : e;
}

/* --- setup: we ask, the board answers --- */

/* Why the board did not do it, with its own words. */
static enum err setup_failed(struct run *r, struct errbuf *eb)
{
	const struct setup_host *s = &r->s;

	memcpy(r->result->said, s->reason.text, sizeof(s->reason.text) - 1);
	if (s->fault == SETUP_CHIP || s->fault == SETUP_BOARD)
		return err_set(eb, setup_fault_err(s->fault), "%s: %s (opcode %02x, status %02x)",
		    setup_request_text(s->request), setup_fault_text(s->fault), s->reason.opcode,
		    s->reason.status);
	return err_set(eb, setup_fault_err(s->fault), "%s: %s", setup_request_text(s->request),
	    setup_fault_text(s->fault));
}

static enum err setup_say(struct run *r, struct errbuf *eb)
{
	struct slice out = setup_host_output(&r->s);
	enum err e = OK;

	if (out.n && (e = send(r, out, eb)) == OK)
		setup_host_sent(&r->s, out.n);
	return e;
}

/* Until the request under way is answered. `asked` is what the asking returned. */
static enum err answer(struct run *r, enum err asked, struct errbuf *eb)
{
	enum setup_event event = SETUP_NOTHING;
	struct heard heard;
	enum err e;

	if (asked != OK)
		return err_set(
		    eb, asked, "%s: cannot be asked for", setup_request_text(r->s.request));
	while (event != SETUP_ANSWERED) {
		if ((e = setup_say(r, eb)) != OK || (e = hear(r, &heard, eb)) != OK)
			return e;
		do
			event = setup_host_take(&r->s, &heard.in);
		while (event == SETUP_NOTHING && heard.in.n > 0);
		if (event == SETUP_NOTHING)
			event = setup_host_elapsed(&r->s, heard.ms);
		if (event == SETUP_FAILED)
			return setup_failed(r, eb);
	}
	return OK;
}

/* For ever, so it is asked for what the chip itself says, and only what the plan allows. */
static enum err setup_lock(struct run *r, const uint8_t serial[9], struct errbuf *eb)
{
	const struct client_run *ask = r->ask;
	enum err e;

	r->lock_asked = true;
	step_reach(r, CLIENT_LOCK);
	if ((e = answer(r, setup_ask_plan(&r->s, profile_of(ask)), eb)) != OK)
		return e;
	if (r->s.plan.conflict)
		return err_set(eb, setup_fault_err(SETUP_OTHER_PROFILE), "lock plan: %s",
		    setup_fault_text(SETUP_OTHER_PROFILE));
	if (!ask->may_lock || !ask->may_lock(ask->ctx))
		return err_set(eb, ERR_DENIED, "locking was not allowed; nothing was locked");
	if ((e = record_element(r->record, serial, eb)) == OK &&
	    (e = answer(r, setup_ask_lock(&r->s, profile_of(ask), serial), eb)) == OK)
		r->result->locked_now = true;
	return e;
}

/*
 * What was issued for the key in the chip and never confirmed is as good as a new one. Only for the
 * same years and from the same issuer: else somebody wants another certificate.
 */
static bool waiting_certificate(struct run *r, const struct setup_info *info)
{
	const struct issuer *issuer = &r->ask->issuer;
	size_t n = record_count(r->record);
	const struct record_cert *c = n ? record_at(r->record, n - 1) : NULL;
	uint8_t q[64];

	if (!info->has_key || !c || c->state != RECORD_ISSUED ||
	    ccert_from_cert((struct slice){ c->der, c->n }, &r->fields, q) != OK ||
	    memcmp(q, info->q, sizeof(q)) != 0 || r->fields.years != r->ask->years ||
	    !issuer->own(issuer->ctx, (struct slice){ c->der, c->n }))
		return false;
	memcpy(r->der, c->der, c->n);
	r->n = c->n;
	r->result->level = (enum assurance)c->level;
	return true;
}

/* A new key within a statement: only so it can be believed that it was made inside. */
static enum err setup_attest(struct run *r, const uint8_t serial[9], struct errbuf *eb)
{
	enum err e;

	if ((e = evidence_challenge(&r->evidence, serial, eb)) != OK ||
	    (e = answer(r, setup_ask_attest(&r->s, r->evidence.challenge.value, true), eb)) != OK)
		return e;
	r->evidence.statement = r->s.attest;
	r->evidence.stated = true;
	return OK;
}

/*
 * A key that no certificate in the chip uses was made by a run that was interrupted: it is kept,
 * unless the chip can make one that counts for more.
 */
static enum err setup_certificate(
    struct run *r, const struct setup_info *info, bool replace, struct errbuf *eb)
{
	struct slice id = { (const uint8_t *)record_device_id(r->record), CCERT_DEVICE_ID };
	bool attests = info->attests && r->s.hello.can[SETUP_CAN_ATTEST] == 1;
	enum err e;

	step_reach(r, CLIENT_CSR);
	if ((e = attests ? setup_attest(r, info->serial, eb)
	                 : answer(r, setup_ask_key(&r->s, replace), eb)) != OK ||
	    (e = answer(r, setup_ask_csr(&r->s, id), eb)) != OK)
		return e;
	return certificate_get(r, r->s.csr.der, &r->fields, eb);
}

static enum err setup_store(struct run *r, struct errbuf *eb)
{
	enum err e;

	step_reach(r, CLIENT_SEND);
	if ((e = setup_ask_store(&r->s, &r->fields)) != OK)
		return err_set(eb, e, "the fields of the issued certificate cannot be sent");
	if ((e = setup_say(r, eb)) != OK)
		return e;
	step_reach(r, CLIENT_STORE);
	return answer(r, OK, eb);
}

/* What the slots hold now, rebuilt with the key that the chip shows, is what was signed. */
static enum err setup_compare(struct run *r, struct errbuf *eb)
{
	enum ccert_field differs;
	struct der_w w;
	struct ccert seen;
	uint8_t der[CCERT_CERT_MAX];
	struct slice rebuilt;
	enum err e;

	if ((e = answer(r, setup_ask_read(&r->s), eb)) != OK)
		return e;
	if (ccert_unpack(r->s.read.slot10, r->s.read.slot11, r->s.read.slot12, &seen) != OK)
		return err_set(eb, ERR_DEVICE, "the chip's slots hold no certificate");
	w = der_writer(der, sizeof(der));
	ccert_cert_put(&w, &seen, r->s.read.q);
	if (der_finish(&w, &rebuilt) == OK && slice_equal(rebuilt, (struct slice){ r->der, r->n }))
		return OK;
	differs = ccert_compare(&r->fields, &seen);
	return err_set(eb, console_cause_err(CONSOLE_CERT_DIFFERS),
	    "the board holds another certificate than was signed: %s differs",
	    ccert_field_text(differs == CCERT_SAME ? CCERT_DIFFERS_KEY : differs));
}

/* Slots can be copied; the key cannot. */
static enum err setup_prove(struct run *r, const uint8_t serial[9], struct errbuf *eb)
{
	uint8_t challenge[32], message[SETUP_PROOF_SIZE], digest[32], q[64];
	struct ccert fields;
	enum err e;

	if (random_bytes(challenge, sizeof(challenge)) != OK)
		return err_set(eb, ERR_IO, "no random numbers for a challenge");
	if ((e = answer(r, setup_ask_prove(&r->s, challenge), eb)) != OK)
		return e;
	setup_proof(serial, challenge, message);
	sha256(SLICE(message), digest);
	if ((e = ccert_from_cert((struct slice){ r->der, r->n }, &fields, q)) != OK)
		return err_set(eb, e, "the issued certificate cannot be read");
	if (p256_verify(r->p256, q, digest, r->s.prove.sig) != OK)
		return err_set(eb, ERR_DEVICE,
		    "proof: the board does not hold the private key of its certificate");
	return OK;
}

static enum err setup_info_get(struct run *r, struct setup_info *info, struct errbuf *eb)
{
	enum err e = answer(r, setup_ask_info(&r->s), eb);

	if (e == OK)
		*info = r->s.info;
	return e;
}

static enum err setup_begin(struct run *r, struct setup_info *info, struct errbuf *eb)
{
	enum err e;

	if ((e = answer(r, setup_ask_hello(&r->s), eb)) != OK)
		return e;
	if (r->s.hello.can[SETUP_CAN_CCERT] != 1)
		return err_set(eb, ERR_CONFLICT,
		    "the board's program stores certificates in a way that is unknown here");
	if (r->ask->network && r->s.hello.can[SETUP_CAN_NETWORK] != 1)
		return err_set(eb, ERR_CONFLICT, "the board's program takes no network settings");
	if ((e = setup_info_get(r, info, eb)) == OK)
		memcpy(r->result->chip_serial, info->serial, sizeof(info->serial));
	return e;
}

/* Locks what is open. Who locked a chip knows which key speaks for it. */
static enum err setup_element(struct run *r, struct setup_info *info, struct errbuf *eb)
{
	enum err e;

	if (!info->config_locked || !info->data_locked)
		if ((e = setup_lock(r, info->serial, eb)) != OK ||
		    (e = setup_info_get(r, info, eb)) != OK)
			return e;
	if (info->attests && record_is_element(r->record, info->serial))
		return record_attester_put(r->record, info->serial, info->attester, eb);
	return OK;
}

static enum err setup_talk(struct run *r, struct errbuf *eb)
{
	struct setup_info info;
	bool replace;
	enum err e;

	if ((e = setup_begin(r, &info, eb)) != OK)
		return e;
	if ((e = setup_element(r, &info, eb)) != OK ||
	    (r->ask->network &&
	        (e = answer(r, setup_ask_network(&r->s, r->ask->network), eb)) != OK))
		return e;
	replace = info.identity == SETUP_IDENTITY_WHOLE || info.identity == SETUP_IDENTITY_STORED;
	r->stored_again = waiting_certificate(r, &info);
	if (!r->stored_again && (e = setup_certificate(r, &info, replace, eb)) != OK)
		return e;
	if ((e = setup_store(r, eb)) != OK)
		return e;
	step_reach(r, CLIENT_COMPARE);
	if ((e = setup_compare(r, eb)) != OK || (e = setup_prove(r, info.serial, eb)) != OK)
		return e;
	return identity_complete(r, eb);
}

/* --- which of the two --- */

static enum err setup_prepare(struct run *r, struct errbuf *eb)
{
	uint32_t id;

	r->s_limits = setup_limits_default;
	for (size_t i = 0; i < COUNT(r->s_limits.ms) && r->ask->limit_ms; i++)
		r->s_limits.ms[i] = r->ask->limit_ms / r->s_limits.tries;
	if (random_bytes((uint8_t *)&id, sizeof(id)) != OK)
		return err_set(eb, ERR_IO, "no random numbers for a session");
	setup_host_init(&r->s, id, &r->s_limits);
	return OK;
}

static enum err talk(struct run *r, struct errbuf *eb)
{
	enum err e;

	r->limits = console_limits_default;
	for (size_t i = 0; i < COUNT(r->limits.ms) && r->ask->limit_ms; i++)
		r->limits.ms[i] = r->ask->limit_ms;
	console_host_init(&r->h, record_device_id(r->record), &r->limits);
	e = setup_prepare(r, eb);
	while (e == OK && !console_host_over(&r->h) && !r->announced)
		e = turn(r, eb);
	if (r->announced)
		return setup_talk(r, eb);
	memcpy(r->result->said, r->h.said, sizeof(r->result->said));
	r->result->locked_now = r->h.locked_now;
	return e;
}

/* --- one board --- */

/* The issuer knows the device before it is written down. */
static enum err device(void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb)
{
	const struct issuer *issuer = ctx;
	enum err e;

	if ((e = issuer->device(issuer->ctx, name, id, eb)) == OK)
		test_hook("inside", client_steps[CLIENT_RECORD].name);
	return e;
}

static enum err all_steps(struct run *r, struct errbuf *eb)
{
	const struct client_run *ask = r->ask;
	struct issuer issuer = ask->issuer;
	struct record_ids ids = { &issuer, device };
	enum err e;

	step_begin(r, CLIENT_RECORD);
	if ((e = record_open(
	         ask->folder, ask->name, issuer.device ? &ids : NULL, &r->record, eb)) != OK ||
	    (e = p256_new(&r->p256, eb)) != OK)
		return e;
	memcpy(r->result->device_id, record_device_id(r->record), sizeof(r->result->device_id));
	step_end(r, r->result->device_id);
	step_begin(r, CLIENT_OPEN);
	if ((e = serial_open(ask->port, &r->port, eb)) != OK || (e = restart(r, eb)) != OK)
		return e;
	step_reach(r, CLIENT_TALK);
	return talk(r, eb);
}

enum err client_run(const struct client_run *ask, struct client_result *result, struct errbuf *eb)
{
	struct run r = { .ask = ask, .result = result };
	struct errbuf own;
	enum err e;

	memset(result, 0, sizeof(*result));
	result->level_why = "";
	if (ask->years < 1 || ask->years > 31)
		return err_set(eb, ERR_ARG, "years: 1 to 31");
	e = all_steps(&r, eb ? eb : &own);
	if (e != OK && !r.complete) {
		tell(&r, CLIENT_FAILED, eb ? eb->text : own.text);
		result->kept = after_failure[r.step].kept;
		result->remedy = remedy_of(r.step, ask->restarts);
	} else {
		/* The identity is whole; the board's closing words add nothing to it. */
		result->unconfirmed_end = e != OK;
		step_end(&r, "");
		e = OK;
	}
	serial_free(r.port);
	p256_free(r.p256);
	record_free(r.record);
	return e;
}
