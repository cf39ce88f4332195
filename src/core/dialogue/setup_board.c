#include "setup_board.h"
#include "setup_message.h"

#include <string.h>

#define FRAME_GAP_MS 1000  /* of silence inside a frame, before its mark is given up */
#define COMMON_NAME_MAX 64 /* RFC 5280 appendix A.1, ub-common-name */
#define WORDS_MAX 96

/* What a handler has: the fields of the request, and where the answer's body goes. */
struct work {
	struct setup_body body;
	struct cbor_w w;
};

typedef enum setup_fault (*handler)(struct setup_board *b, struct work *work);

static enum setup_fault malformed(struct setup_board *b, unsigned field)
{
	b->field = (uint8_t)field;
	return SETUP_MALFORMED;
}

static enum setup_fault out_of_range(struct setup_board *b, unsigned field)
{
	b->field = (uint8_t)field;
	return SETUP_RANGE;
}

/* The platform's result as a fault. ERR_NOT_FOUND and ERR_CONFLICT mean what the caller says. */
static enum setup_fault chip(struct setup_board *b, enum err e)
{
	b->failed = e;
	return e == OK ? SETUP_FINE : SETUP_CHIP;
}

/* The field to name when there are some too many. */
static unsigned lowest_bit(unsigned bits)
{
	unsigned i = 0;

	for (; (bits & 1) == 0; bits >>= 1)
		i++;
	return i;
}

/* --- hello --- */

static void put_capabilities(struct cbor_w *w, const struct setup_platform *p)
{
	const bool can[SETUP_CAPABILITIES] = {
		[SETUP_CAN_CCERT] = true,
		[SETUP_CAN_ATTEST] = p->attest != NULL,
		[SETUP_CAN_NETWORK] = p->network != NULL,
		[SETUP_CAN_WIPE] = p->wipe != NULL,
		[SETUP_CAN_RESTART] = p->restart != NULL,
	};
	uint32_t n = 0;

	for (unsigned i = 0; i < SETUP_CAPABILITIES; i++)
		n += can[i];
	cbor_put(w, CBOR_MAP, n);
	for (unsigned i = 0; i < SETUP_CAPABILITIES; i++)
		if (can[i])
			setup_put_number(w, i, 1);
}

static void put_hello(struct cbor_w *w, const struct setup_platform *p)
{
	struct slice program = setup_text(p->program);

	if (program.n > SETUP_PROGRAM_MAX)
		program.n = SETUP_PROGRAM_MAX;
	cbor_put(w, CBOR_MAP, 3);
	setup_put_number(w, 0, SETUP_VERSION);
	setup_put_text(w, 1, program);
	cbor_put(w, CBOR_UINT, 2);
	put_capabilities(w, p);
}

static enum setup_fault hello(struct setup_board *b, struct work *work)
{
	uint32_t lowest, highest;

	if (!setup_number(&work->body, 0, UINT32_MAX, &lowest))
		return malformed(b, 0);
	if (!setup_number(&work->body, 1, UINT32_MAX, &highest))
		return malformed(b, 1);
	if (lowest > SETUP_VERSION || highest < SETUP_VERSION)
		return SETUP_NO_VERSION;
	put_hello(&work->w, b->platform);
	return SETUP_FINE;
}

/* --- the element --- */

static enum setup_fault get_info(struct setup_board *b, struct setup_info *info)
{
	memset(info, 0, sizeof(*info));
	return chip(b, b->platform->info(b->platform->ctx, info));
}

/* The same, for what needs a locked chip, and perhaps a key. */
static enum setup_fault get_locked(struct setup_board *b, struct setup_info *info, bool with_key)
{
	enum setup_fault fault = get_info(b, info);

	if (fault == SETUP_FINE && (!info->config_locked || !info->data_locked))
		fault = SETUP_NOT_LOCKED;
	if (fault == SETUP_FINE && with_key && !info->has_key)
		fault = SETUP_NO_KEY;
	return fault;
}

static enum setup_fault info(struct setup_board *b, struct work *work)
{
	struct setup_info now;
	enum setup_fault fault = get_info(b, &now);

	if (fault != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 6u + now.has_key + now.attests);
	setup_put_bytes(&work->w, 0, now.serial, sizeof(now.serial));
	setup_put_bytes(&work->w, 1, now.revision, sizeof(now.revision));
	setup_put_flag(&work->w, 2, now.config_locked);
	setup_put_flag(&work->w, 3, now.data_locked);
	setup_put_number(&work->w, 4, now.slots_locked);
	setup_put_number(&work->w, 5, (uint32_t)now.identity);
	if (now.has_key)
		setup_put_bytes(&work->w, 6, now.q, sizeof(now.q));
	if (now.attests)
		setup_put_bytes(&work->w, 7, now.attester, sizeof(now.attester));
	return SETUP_FINE;
}

static enum setup_fault get_plan(
    struct setup_board *b, const struct work *work, struct slice *profile, struct setup_plan *plan)
{
	enum err e;

	if (!setup_string(&work->body, 0, CBOR_TEXT, SETUP_PROFILE_MAX, profile))
		return malformed(b, 0);
	memset(plan, 0, sizeof(*plan));
	e = b->platform->plan(b->platform->ctx, *profile, plan);
	return e == ERR_NOT_FOUND ? SETUP_NO_PROFILE : chip(b, e);
}

static enum setup_fault plan(struct setup_board *b, struct work *work)
{
	struct setup_plan now;
	struct slice profile;
	enum setup_fault fault = get_plan(b, work, &profile, &now);

	if (fault != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 4);
	setup_put_number(&work->w, 0, now.steps);
	setup_put_flag(&work->w, 1, now.conflict);
	setup_put_bytes(&work->w, 2, now.config, sizeof(now.config));
	setup_put_bytes(&work->w, 3, now.offsets, now.offsets_n);
	return SETUP_FINE;
}

/* Irreversible things happen only to the chip that was shown to whoever agreed. */
static enum setup_fault confirm(struct setup_board *b, const struct work *work, unsigned field)
{
	struct setup_info now;
	const uint8_t *serial;
	enum setup_fault fault;

	if (!setup_bytes(&work->body, field, sizeof(now.serial), &serial))
		return malformed(b, field);
	if ((fault = get_info(b, &now)) != SETUP_FINE)
		return fault;
	return memcmp(serial, now.serial, sizeof(now.serial)) == 0 ? SETUP_FINE
	                                                           : SETUP_OTHER_SERIAL;
}

static enum setup_fault lock(struct setup_board *b, struct work *work)
{
	struct setup_plan now;
	struct slice profile;
	enum setup_fault fault = confirm(b, work, 1);
	enum err e;

	if (fault != SETUP_FINE || (fault = get_plan(b, work, &profile, &now)) != SETUP_FINE)
		return fault;
	if (now.conflict)
		return SETUP_OTHER_PROFILE;
	if (now.steps != 0) {
		e = b->platform->lock(b->platform->ctx, profile);
		if (e != OK)
			return e == ERR_CONFLICT ? SETUP_OTHER_PROFILE : chip(b, e);
	}
	cbor_put(&work->w, CBOR_MAP, 1);
	setup_put_number(&work->w, 0, now.steps);
	return SETUP_FINE;
}

/* --- key and request --- */

static enum setup_fault key(struct setup_board *b, struct work *work)
{
	struct setup_info now;
	bool replace, made;
	enum setup_fault fault;

	if (!setup_flag(&work->body, 0, &replace))
		return malformed(b, 0);
	if ((fault = get_locked(b, &now, false)) != SETUP_FINE)
		return fault;
	made = replace || !now.has_key;
	if (made && ((fault = chip(b, b->platform->new_key(b->platform->ctx))) != SETUP_FINE ||
	                (fault = get_locked(b, &now, true)) != SETUP_FINE))
		return fault;
	cbor_put(&work->w, CBOR_MAP, 2);
	setup_put_bytes(&work->w, 0, now.q, sizeof(now.q));
	setup_put_flag(&work->w, 1, made);
	return SETUP_FINE;
}

/* The request is made where it will stand, a few bytes further on to leave room for its head. */
static enum setup_fault csr(struct setup_board *b, struct work *work)
{
	struct slice name, der;
	struct setup_info now;
	struct der_w w;
	enum setup_fault fault;
	enum err e;

	if (!setup_string(&work->body, 0, CBOR_TEXT, UINT16_MAX, &name))
		return malformed(b, 0);
	if (name.n < 1 || name.n > COMMON_NAME_MAX || !setup_printable(name))
		return out_of_range(b, 0);
	if ((fault = get_locked(b, &now, true)) != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 1);
	cbor_put(&work->w, CBOR_UINT, 0);
	w = der_writer(work->w.p + work->w.n + 3, work->w.cap - work->w.n - 3);
	if ((e = b->platform->csr(b->platform->ctx, name, &w)) != OK ||
	    (e = der_finish(&w, &der)) != OK)
		return chip(b, e);
	cbor_put_string(&work->w, CBOR_BYTES, der);
	return SETUP_FINE;
}

/* --- the certificate --- */

/* Only what packs to the same bytes again: nothing else can be in slots and be right. */
static enum setup_fault take_fields(
    struct setup_board *b, const struct work *work, struct ccert *fields)
{
	uint8_t again10[CCERT_SLOT10], again11[CCERT_SLOT11], again12[CCERT_SLOT12];
	const uint8_t *slot10, *slot11, *slot12;

	if (!setup_bytes(&work->body, 0, CCERT_SLOT10, &slot10))
		return malformed(b, 0);
	if (!setup_bytes(&work->body, 1, CCERT_SLOT11, &slot11))
		return malformed(b, 1);
	if (!setup_bytes(&work->body, 2, CCERT_SLOT12, &slot12))
		return malformed(b, 2);
	if (ct_zero(slot11, sizeof(fields->serial)))
		return out_of_range(b, 1);
	if (ccert_dates_unpack(slot10 + sizeof(fields->sig), &fields->issued, &fields->years) != OK)
		return out_of_range(b, 0);
	if (ccert_unpack(slot10, slot11, slot12, fields) != OK ||
	    ccert_pack(fields, again10, again11, again12) != OK)
		return out_of_range(b, 2);
	return memcmp(slot10, again10, CCERT_SLOT10) == 0 ? SETUP_FINE : out_of_range(b, 0);
}

static enum setup_fault store(struct setup_board *b, struct work *work)
{
	struct setup_info now;
	struct ccert fields;
	enum setup_fault fault = take_fields(b, work, &fields);

	if (fault != SETUP_FINE || (fault = get_locked(b, &now, true)) != SETUP_FINE)
		return fault;
	fault = chip(b, b->platform->store_certificate(b->platform->ctx, &fields));
	if (fault == SETUP_FINE)
		cbor_put(&work->w, CBOR_MAP, 0);
	return fault;
}

static enum setup_fault read_back(struct setup_board *b, struct work *work)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	const struct setup_platform *p = b->platform;
	struct setup_info now;
	enum setup_fault fault = get_locked(b, &now, true);

	if (fault != SETUP_FINE)
		return fault;
	if (now.identity == SETUP_IDENTITY_NONE)
		return SETUP_NO_CERTIFICATE;
	if ((fault = chip(b, p->read_certificate(p->ctx, slot10, slot11, slot12))) != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 4);
	setup_put_bytes(&work->w, 0, slot10, sizeof(slot10));
	setup_put_bytes(&work->w, 1, slot11, sizeof(slot11));
	setup_put_bytes(&work->w, 2, slot12, sizeof(slot12));
	setup_put_bytes(&work->w, 3, now.q, sizeof(now.q));
	return SETUP_FINE;
}

/* --- proofs --- */

static enum setup_fault prove(struct setup_board *b, struct work *work)
{
	uint8_t message[SETUP_PROOF_SIZE], sig[64];
	struct setup_info now;
	const uint8_t *challenge;
	enum setup_fault fault;

	if (!setup_bytes(&work->body, 0, 32, &challenge))
		return malformed(b, 0);
	if ((fault = get_locked(b, &now, true)) != SETUP_FINE)
		return fault;
	setup_proof(now.serial, challenge, message);
	fault = chip(b, b->platform->sign(b->platform->ctx, SLICE(message), sig));
	if (fault != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 1);
	setup_put_bytes(&work->w, 0, sig, sizeof(sig));
	return SETUP_FINE;
}

static enum setup_fault attest(struct setup_board *b, struct work *work)
{
	const struct setup_platform *p = b->platform;
	struct setup_statement made;
	struct setup_info now;
	const uint8_t *challenge;
	enum setup_fault fault;
	bool create;

	if (p->attest == NULL)
		return SETUP_UNKNOWN;
	if (!setup_bytes(&work->body, 0, 20, &challenge))
		return malformed(b, 0);
	if (!setup_flag(&work->body, 1, &create))
		return malformed(b, 1);
	if ((fault = get_locked(b, &now, !create)) != SETUP_FINE)
		return fault;
	memset(&made, 0, sizeof(made));
	if ((fault = chip(b, p->attest(p->ctx, challenge, create, &made))) != SETUP_FINE)
		return fault;
	cbor_put(&work->w, CBOR_MAP, 6);
	setup_put_bytes(&work->w, 0, made.serial, sizeof(made.serial));
	setup_put_number(&work->w, 1, made.mode);
	setup_put_flag(&work->w, 2, made.slot_locked);
	setup_put_bytes(&work->w, 3, made.random, sizeof(made.random));
	setup_put_bytes(&work->w, 4, made.q, sizeof(made.q));
	setup_put_bytes(&work->w, 5, made.sig, sizeof(made.sig));
	return SETUP_FINE;
}

/* --- the board --- */

static enum setup_fault network(struct setup_board *b, struct work *work)
{
	struct setup_network settings;
	enum setup_fault fault;
	unsigned field;

	if (b->platform->network == NULL)
		return SETUP_UNKNOWN;
	fault = setup_network_body(&work->body, &settings, &field);
	if (fault == SETUP_MALFORMED)
		return malformed(b, field);
	if (fault != SETUP_FINE)
		return out_of_range(b, field);
	b->failed = b->platform->network(b->platform->ctx, &settings);
	cbor_put(&work->w, CBOR_MAP, 0);
	return b->failed == OK ? SETUP_FINE : SETUP_BOARD;
}

static enum setup_fault wipe_all(struct setup_board *b, struct work *work)
{
	enum setup_fault fault;

	if (b->platform->wipe == NULL)
		return SETUP_UNKNOWN;
	if ((fault = confirm(b, work, 0)) != SETUP_FINE)
		return fault;
	fault = chip(b, b->platform->wipe(b->platform->ctx));
	if (fault == SETUP_FINE)
		cbor_put(&work->w, CBOR_MAP, 0);
	return fault;
}

static enum setup_fault restart(struct setup_board *b, struct work *work)
{
	if (b->platform->restart == NULL)
		return SETUP_UNKNOWN;
	cbor_put(&work->w, CBOR_MAP, 0);
	return SETUP_FINE;
}

/* --- requests and answers --- */

/* The handler, and which fields its request may have: none but these are understood. */
static const struct {
	handler run;
	uint16_t fields;
} requests[SETUP_REQUESTS] = {
	[SETUP_HELLO] = { hello, 0x03 },
	[SETUP_INFO] = { info, 0 },
	[SETUP_PLAN] = { plan, 0x01 },
	[SETUP_LOCK] = { lock, 0x03 },
	[SETUP_KEY] = { key, 0x01 },
	[SETUP_CSR] = { csr, 0x01 },
	[SETUP_STORE] = { store, 0x07 },
	[SETUP_READ] = { read_back, 0 },
	[SETUP_PROVE] = { prove, 0x01 },
	[SETUP_ATTEST] = { attest, 0x03 },
	[SETUP_NETWORK] = { network, 0x7f },
	[SETUP_WIPE] = { wipe_all, 0x01 },
	[SETUP_RESTART] = { restart, 0 },
};

struct request {
	uint32_t id, number;
	struct slice body; /* not looked at yet */
};

static struct cbor_w answer_writer(uint8_t *frame, size_t cap)
{
	return cbor_writer(frame + FRAME_HEAD, cap - FRAME_SIZE(0));
}

static void put_head(struct cbor_w *w, const struct request *request, enum setup_fault fault)
{
	cbor_put(w, CBOR_ARRAY, 4);
	cbor_put(w, CBOR_UINT, request->id);
	cbor_put(w, CBOR_UINT, request->number);
	cbor_put(w, CBOR_UINT, (uint32_t)fault);
}

static enum setup_fault work_on(
    struct setup_board *b, const struct request *request, struct work *work)
{
	struct slice rest = request->body;
	unsigned unknown;

	if (request->number >= SETUP_REQUESTS || requests[request->number].run == NULL)
		return SETUP_UNKNOWN;
	if (setup_body_take(&rest, &work->body, false) != OK || cbor_end(&rest) != OK)
		return malformed(b, 0);
	unknown = work->body.present & ~(unsigned)requests[request->number].fields;
	if (unknown != 0)
		return malformed(b, lowest_bit(unknown));
	return requests[request->number].run(b, work);
}

/* What the platform can say: error, the chip's command and its status, words. */
static void put_reason(struct setup_board *b, struct cbor_w *w)
{
	struct setup_reason reason = { 0, 0, NULL };
	struct slice words = { NULL, 0 };

	if (b->platform->reason != NULL)
		b->platform->reason(b->platform->ctx, &reason);
	if (reason.text != NULL)
		words = setup_text(reason.text);
	if (words.n > WORDS_MAX)
		words.n = WORDS_MAX;
	cbor_put(w, CBOR_MAP, words.n > 0 && setup_printable(words) ? 4 : 3);
	setup_put_number(w, 0, (uint32_t)b->failed);
	setup_put_number(w, 1, reason.opcode);
	setup_put_number(w, 2, reason.status);
	if (words.n > 0 && setup_printable(words))
		setup_put_text(w, 3, words);
}

static void put_failure(struct setup_board *b, struct cbor_w *w, enum setup_fault fault)
{
	if (fault == SETUP_CHIP || fault == SETUP_BOARD) {
		put_reason(b, w);
	} else if (fault == SETUP_MALFORMED || fault == SETUP_RANGE) {
		cbor_put(w, CBOR_MAP, 1);
		setup_put_number(w, 4, b->field);
	} else {
		cbor_put(w, CBOR_MAP, 0);
	}
}

static void put_frame(struct setup_board *b, uint8_t *frame, size_t message_n)
{
	size_t n = frame_close(frame, FRAME_ANSWER, message_n);

	b->platform->put(b->platform->ctx, frame, n);
}

/* Works on a request that is next in order. Its answer stays, to be given again. */
static void execute(struct setup_board *b, const struct request *request)
{
	struct work work;
	enum setup_fault fault;

	b->request = (enum setup_request)request->number;
	b->failed = OK;
	b->field = 0;
	work.w = answer_writer(b->out, sizeof(b->out));
	put_head(&work.w, request, SETUP_FINE);
	fault = work_on(b, request, &work);
	if (fault == SETUP_FINE && work.w.err != OK) /* a CSR that is longer than a message */
		fault = chip(b, work.w.err);
	if (fault != SETUP_FINE) {
		work.w = answer_writer(b->out, sizeof(b->out));
		put_head(&work.w, request, fault);
		put_failure(b, &work.w, fault);
	}
	b->answer_n = (uint16_t)work.w.n;
	put_frame(b, b->out, b->answer_n);
	if (fault == SETUP_FINE && request->number == SETUP_RESTART)
		b->platform->restart(b->platform->ctx);
}

/* Refuses what is not in order, and keeps the last answer. */
static void refuse(struct setup_board *b, const struct request *request, enum setup_fault fault)
{
	uint8_t frame[FRAME_SIZE(1 + 5 + 5 + 1 + 1)];
	struct cbor_w w = answer_writer(frame, sizeof(frame));

	put_head(&w, request, fault);
	cbor_put(&w, CBOR_MAP, 0);
	put_frame(b, frame, w.n);
}

/* FNV-1a. Against accidents: whoever can send a false request can as well send a true one. */
static uint32_t fingerprint(struct slice message)
{
	uint32_t print = 0x811c9dc5;

	for (size_t i = 0; i < message.n; i++)
		print = (print ^ message.p[i]) * 0x01000193;
	return print;
}

static enum err take_request(struct slice message, struct request *request)
{
	uint32_t n;

	if (cbor_take_head(&message, CBOR_ARRAY, &n) != OK || n != 3 ||
	    cbor_take_uint(&message, &request->id) != OK || request->id == 0 ||
	    cbor_take_uint(&message, &request->number) != OK)
		return ERR_FORMAT;
	request->body = message;
	return OK;
}

/* Id 0 is the announcement's, so it is left out when counting. */
static uint32_t after(uint32_t id)
{
	return id == UINT32_MAX ? 1 : id + 1;
}

static void take_message(struct setup_board *b, struct slice message)
{
	struct request request;
	uint32_t print = fingerprint(message);

	if (take_request(message, &request) != OK)
		return; /* nothing to answer to */
	if (b->session && request.id == b->id) {
		if (print == b->print)
			put_frame(b, b->out, b->answer_n);
		else
			refuse(b, &request, SETUP_ID_REUSED);
		return;
	}
	if (request.number != SETUP_HELLO && (!b->session || request.id != after(b->id))) {
		refuse(b, &request, b->session ? SETUP_OUT_OF_ORDER : SETUP_NO_HELLO);
		return;
	}
	b->session = true;
	b->id = request.id;
	b->print = print;
	execute(b, &request);
}

/* --- for the caller --- */

void setup_board_init(struct setup_board *b, const struct setup_platform *platform)
{
	memset(b, 0, sizeof(*b));
	b->platform = platform;
	b->reader = frame_reader(b->in, sizeof(b->in));
}

void setup_board_announce(struct setup_board *b)
{
	const struct request nobody = { 0, SETUP_HELLO, { NULL, 0 } };
	uint8_t frame[FRAME_SIZE(4 + 3 + 3 + SETUP_PROGRAM_MAX + 2 + 2 * SETUP_CAPABILITIES)];
	struct cbor_w w = answer_writer(frame, sizeof(frame));

	b->session = false;
	put_head(&w, &nobody, SETUP_FINE);
	put_hello(&w, b->platform);
	put_frame(b, frame, w.n);
}

void setup_board_take(struct setup_board *b, struct slice in)
{
	struct frame f;

	if (in.n > 0)
		b->silent_ms = 0;
	while (frame_take(&b->reader, &in, &f)) {
		if (f.type != FRAME_REQUEST)
			continue;
		take_message(b, f.payload);
		wipe(b->in + FRAME_HEAD, f.payload.n); /* there may have been a password in it */
	}
}

void setup_board_elapsed(struct setup_board *b, uint32_t ms)
{
	if (!frame_begun(&b->reader)) {
		b->silent_ms = 0;
	} else if (ms < FRAME_GAP_MS - b->silent_ms) {
		b->silent_ms += ms;
	} else {
		b->silent_ms = 0;
		frame_silence(&b->reader);
		setup_board_take(b, (struct slice){ NULL, 0 });
	}
}
