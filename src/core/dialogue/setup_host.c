#include "setup_host.h"
#include "setup_message.h"

#include <string.h>

#define FRAME_GAP_MS 1000

/* A chip needs less than a second for anything but a lock; boards may be slower than their chip. */
const struct setup_limits setup_limits_default = {
	.ms = {
	    [SETUP_HELLO] = 1000,
	    [SETUP_INFO] = 2000,
	    [SETUP_PLAN] = 2000,
	    [SETUP_LOCK] = 5000,
	    [SETUP_KEY] = 3000,
	    [SETUP_CSR] = 3000,
	    [SETUP_STORE] = 3000,
	    [SETUP_READ] = 2000,
	    [SETUP_PROVE] = 2000,
	    [SETUP_ATTEST] = 4000,
	    [SETUP_NETWORK] = 3000,
	    [SETUP_WIPE] = 3000,
	    [SETUP_RESTART] = 1000,
	},
	.tries = 4,
};

/* --- asking --- */

/* Begins a request, whose map follows. ERR_CONFLICT while another one is under way. */
static enum err begin_with(struct setup_host *h, enum setup_request request, struct cbor_w *w)
{
	if (h->waiting)
		return ERR_CONFLICT;
	h->request = request;
	h->fault = SETUP_FINE;
	memset(&h->reason, 0, sizeof(h->reason));
	h->id = h->id == UINT32_MAX ? 1 : h->id + 1;
	*w = cbor_writer(h->out + FRAME_HEAD, sizeof(h->out) - FRAME_SIZE(0));
	cbor_put(w, CBOR_ARRAY, 3);
	cbor_put(w, CBOR_UINT, h->id);
	cbor_put(w, CBOR_UINT, (uint32_t)request);
	return OK;
}

/* The same with a map of so many fields. */
static enum err begin(
    struct setup_host *h, enum setup_request request, uint32_t fields, struct cbor_w *w)
{
	enum err e = begin_with(h, request, w);

	if (e == OK)
		cbor_put(w, CBOR_MAP, fields);
	return e;
}

/* Every request fits: its longest values were checked before. */
static enum err ask(struct setup_host *h, const struct cbor_w *w)
{
	struct slice message;
	enum err e = cbor_finish(w, &message);

	if (e != OK)
		return e;
	h->out_n = (uint16_t)frame_close(h->out, FRAME_REQUEST, message.n);
	h->out_sent = 0;
	h->waited_ms = 0;
	h->tries = 1;
	h->waiting = true;
	return OK;
}

static enum err ask_plain(struct setup_host *h, enum setup_request request)
{
	struct cbor_w w;
	enum err e = begin(h, request, 0, &w);

	return e == OK ? ask(h, &w) : e;
}

static enum err ask_bytes(
    struct setup_host *h, enum setup_request request, const uint8_t *p, size_t n)
{
	struct cbor_w w;
	enum err e = begin(h, request, 1, &w);

	if (e != OK)
		return e;
	setup_put_bytes(&w, 0, p, n);
	return ask(h, &w);
}

static bool is_profile(struct slice name)
{
	return name.n >= 1 && name.n <= SETUP_PROFILE_MAX && setup_printable(name);
}

enum err setup_ask_hello(struct setup_host *h)
{
	struct cbor_w w;
	enum err e = begin(h, SETUP_HELLO, 2, &w);

	if (e != OK)
		return e;
	setup_put_number(&w, 0, SETUP_VERSION); /* lowest and highest that is spoken here */
	setup_put_number(&w, 1, SETUP_VERSION);
	return ask(h, &w);
}

enum err setup_ask_info(struct setup_host *h)
{
	return ask_plain(h, SETUP_INFO);
}

enum err setup_ask_plan(struct setup_host *h, const char *profile)
{
	struct slice name = setup_text(profile);
	struct cbor_w w;
	enum err e;

	if (!is_profile(name))
		return ERR_ARG;
	if ((e = begin(h, SETUP_PLAN, 1, &w)) != OK)
		return e;
	setup_put_text(&w, 0, name);
	return ask(h, &w);
}

enum err setup_ask_lock(struct setup_host *h, const char *profile, const uint8_t serial[9])
{
	struct slice name = setup_text(profile);
	struct cbor_w w;
	enum err e;

	if (!is_profile(name))
		return ERR_ARG;
	if ((e = begin(h, SETUP_LOCK, 2, &w)) != OK)
		return e;
	setup_put_text(&w, 0, name);
	setup_put_bytes(&w, 1, serial, 9);
	return ask(h, &w);
}

enum err setup_ask_key(struct setup_host *h, bool replace)
{
	struct cbor_w w;
	enum err e = begin(h, SETUP_KEY, 1, &w);

	if (e != OK)
		return e;
	setup_put_flag(&w, 0, replace);
	return ask(h, &w);
}

enum err setup_ask_csr(struct setup_host *h, struct slice common_name)
{
	struct cbor_w w;
	enum err e;

	if (common_name.n < 1 || common_name.n > SETUP_COMMON_NAME_MAX ||
	    !setup_printable(common_name))
		return ERR_ARG;
	if ((e = begin(h, SETUP_CSR, 1, &w)) != OK)
		return e;
	setup_put_text(&w, 0, common_name);
	return ask(h, &w);
}

enum err setup_ask_store(struct setup_host *h, const struct ccert *fields)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	struct cbor_w w;
	enum err e;

	if (ccert_pack(fields, slot10, slot11, slot12) != OK)
		return ERR_ARG;
	if ((e = begin(h, SETUP_STORE, 3, &w)) != OK)
		return e;
	setup_put_bytes(&w, 0, slot10, sizeof(slot10));
	setup_put_bytes(&w, 1, slot11, sizeof(slot11));
	setup_put_bytes(&w, 2, slot12, sizeof(slot12));
	return ask(h, &w);
}

enum err setup_ask_read(struct setup_host *h)
{
	return ask_plain(h, SETUP_READ);
}

enum err setup_ask_prove(struct setup_host *h, const uint8_t challenge[32])
{
	return ask_bytes(h, SETUP_PROVE, challenge, 32);
}

enum err setup_ask_attest(struct setup_host *h, const uint8_t challenge[20], bool create)
{
	struct cbor_w w;
	enum err e = begin(h, SETUP_ATTEST, 2, &w);

	if (e != OK)
		return e;
	setup_put_bytes(&w, 0, challenge, 20);
	setup_put_flag(&w, 1, create);
	return ask(h, &w);
}

enum err setup_ask_network(struct setup_host *h, const struct setup_network *network)
{
	struct cbor_w w;
	unsigned field;
	enum err e;

	if ((e = setup_network_check(network, &field)) != OK)
		return e;
	if ((e = begin_with(h, SETUP_NETWORK, &w)) != OK)
		return e;
	setup_network_put(&w, network);
	return ask(h, &w);
}

enum err setup_ask_wipe(struct setup_host *h, const uint8_t serial[9])
{
	return ask_bytes(h, SETUP_WIPE, serial, 9);
}

enum err setup_ask_restart(struct setup_host *h)
{
	return ask_plain(h, SETUP_RESTART);
}

/* --- answers, one function a request; false when a field is missing or wrong --- */

static bool copy_bytes(const struct setup_body *body, unsigned field, uint8_t *out, size_t n)
{
	const uint8_t *p;

	if (!setup_bytes(body, field, n, &p))
		return false;
	memcpy(out, p, n);
	return true;
}

static bool copy_text(const struct setup_body *body, unsigned field, char *out, size_t max)
{
	struct slice text;

	if (!setup_string(body, field, CBOR_TEXT, max, &text) || !setup_printable(text))
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static bool small_number(const struct setup_body *body, unsigned field, uint8_t *out)
{
	uint32_t v;

	if (!setup_number(body, field, UINT8_MAX, &v))
		return false;
	*out = (uint8_t)v;
	return true;
}

/* Capabilities that are not known here are a newer board's. */
static bool hello(const struct setup_body *body, struct setup_hello *hello)
{
	struct slice map;

	if (!setup_number(body, 0, UINT32_MAX, &hello->version) ||
	    !copy_text(body, 1, hello->program, SETUP_PROGRAM_MAX) ||
	    (body->present >> 2 & 1) == 0 || body->at[2].major != CBOR_MAP)
		return false;
	map = body->at[2].body;
	memset(hello->can, 0, sizeof(hello->can));
	while (map.n > 0) {
		struct cbor_item item;
		uint32_t which;

		if (cbor_take_uint(&map, &which) != OK || cbor_take_any(&map, &item) != OK ||
		    item.major != CBOR_UINT)
			return false;
		if (which < SETUP_CAPABILITIES)
			hello->can[which] =
			    (uint8_t)(item.argument < UINT8_MAX ? item.argument : UINT8_MAX);
	}
	return hello->version == SETUP_VERSION;
}

static bool info(const struct setup_body *body, struct setup_info *info)
{
	uint32_t slots, identity;

	memset(info, 0, sizeof(*info));
	if (!copy_bytes(body, 0, info->serial, sizeof(info->serial)) ||
	    !copy_bytes(body, 1, info->revision, sizeof(info->revision)) ||
	    !setup_flag(body, 2, &info->config_locked) ||
	    !setup_flag(body, 3, &info->data_locked) ||
	    !setup_number(body, 4, UINT16_MAX, &slots) ||
	    !setup_number(body, 5, SETUP_IDENTITIES - 1, &identity))
		return false;
	info->slots_locked = (uint16_t)slots;
	info->identity = (enum setup_identity)identity;
	info->has_key = (body->present >> 6 & 1) != 0;
	info->attests = (body->present >> 7 & 1) != 0;
	return (!info->has_key || copy_bytes(body, 6, info->q, sizeof(info->q))) &&
	       (!info->attests || copy_bytes(body, 7, info->attester, sizeof(info->attester)));
}

static bool plan(const struct setup_body *body, struct setup_plan *plan)
{
	struct slice offsets;

	memset(plan, 0, sizeof(*plan));
	if (!small_number(body, 0, &plan->steps) || !setup_flag(body, 1, &plan->conflict) ||
	    !copy_bytes(body, 2, plan->config, sizeof(plan->config)) ||
	    !setup_string(body, 3, CBOR_BYTES, sizeof(plan->offsets), &offsets))
		return false;
	for (size_t i = 0; i < offsets.n; i++)
		if (offsets.p[i] >= sizeof(plan->config) ||
		    (i > 0 && offsets.p[i] <= offsets.p[i - 1]))
			return false;
	memcpy(plan->offsets, offsets.p, offsets.n);
	plan->offsets_n = (uint8_t)offsets.n;
	return true;
}

static bool csr(const struct setup_body *body, struct setup_host *h)
{
	struct slice der;

	if (!setup_string(body, 0, CBOR_BYTES, sizeof(h->csr.bytes), &der) || der.n == 0)
		return false;
	memcpy(h->csr.bytes, der.p, der.n);
	h->csr.der = (struct slice){ h->csr.bytes, der.n };
	return true;
}

static bool read_back(const struct setup_body *body, struct setup_host *h)
{
	return copy_bytes(body, 0, h->read.slot10, sizeof(h->read.slot10)) &&
	       copy_bytes(body, 1, h->read.slot11, sizeof(h->read.slot11)) &&
	       copy_bytes(body, 2, h->read.slot12, sizeof(h->read.slot12)) &&
	       copy_bytes(body, 3, h->read.q, sizeof(h->read.q));
}

static bool attest(const struct setup_body *body, struct setup_statement *made)
{
	return copy_bytes(body, 0, made->serial, sizeof(made->serial)) &&
	       small_number(body, 1, &made->mode) && setup_flag(body, 2, &made->slot_locked) &&
	       copy_bytes(body, 3, made->random, sizeof(made->random)) &&
	       copy_bytes(body, 4, made->q, sizeof(made->q)) &&
	       copy_bytes(body, 5, made->sig, sizeof(made->sig));
}

static bool take_answer(struct setup_host *h, const struct setup_body *body)
{
	switch (h->request) {
	case SETUP_HELLO:
		return hello(body, &h->hello);
	case SETUP_INFO:
		return info(body, &h->info);
	case SETUP_PLAN:
		return plan(body, &h->plan);
	case SETUP_LOCK:
		return small_number(body, 0, &h->lock.steps);
	case SETUP_KEY:
		return copy_bytes(body, 0, h->key.q, sizeof(h->key.q)) &&
		       setup_flag(body, 1, &h->key.made);
	case SETUP_CSR:
		return csr(body, h);
	case SETUP_READ:
		return read_back(body, h);
	case SETUP_PROVE:
		return copy_bytes(body, 0, h->prove.sig, sizeof(h->prove.sig));
	case SETUP_ATTEST:
		return attest(body, &h->attest);
	default: /* the others say nothing but that they are done */
		return true;
	}
}

/* A reason has what the board knows of it; what is missing stays zero. */
static void take_reason(struct setup_host *h, const struct setup_body *body)
{
	uint8_t e = 0;

	if (small_number(body, 0, &e) && e < ERR_COUNT)
		h->reason.err = (enum err)e;
	(void)small_number(body, 1, &h->reason.opcode);
	(void)small_number(body, 2, &h->reason.status);
	if (!copy_text(body, 3, h->reason.text, SETUP_WORDS_MAX))
		h->reason.text[0] = '\0';
	(void)small_number(body, 4, &h->reason.field);
}

/* --- frames --- */

static enum setup_event end(struct setup_host *h, enum setup_fault fault)
{
	h->waiting = false;
	h->fault = fault;
	h->out_n = h->out_sent = 0;
	if (h->request == SETUP_NETWORK)
		wipe(h->out, sizeof(h->out));
	return fault == SETUP_FINE ? SETUP_ANSWERED : SETUP_FAILED;
}

/* A board says hello unasked when it starts: then there is no session any more. */
static enum setup_event announced(struct setup_host *h, const struct setup_body *body)
{
	if (h->waiting && h->request == SETUP_HELLO)
		return SETUP_NOTHING; /* sent before it was asked */
	if (!hello(body, &h->hello))
		return SETUP_NOTHING;
	if (!h->waiting)
		return SETUP_ANNOUNCED;
	return end(h, h->request == SETUP_RESTART ? SETUP_FINE : SETUP_RESTARTED);
}

static enum setup_event take_message(struct setup_host *h, struct slice in)
{
	struct setup_body body;
	uint32_t n, id, request, fault;
	bool whole;

	if (cbor_take_head(&in, CBOR_ARRAY, &n) != OK || n != 4 || cbor_take_uint(&in, &id) != OK ||
	    cbor_take_uint(&in, &request) != OK || cbor_take_uint(&in, &fault) != OK)
		return SETUP_NOTHING;
	whole = setup_body_take(&in, &body, true) == OK && cbor_end(&in) == OK;
	if (id == 0)
		return whole && request == SETUP_HELLO ? announced(h, &body) : SETUP_NOTHING;
	if (!h->waiting || id != h->id) /* an answer that came twice */
		return SETUP_NOTHING;
	if (!whole || request != (uint32_t)h->request)
		return end(h, SETUP_BAD_ANSWER);
	if (fault == SETUP_NO_HELLO && h->request == SETUP_RESTART && h->tries > 1)
		return end(h, SETUP_FINE); /* it did, and its answer was lost */
	if (fault != SETUP_FINE) {
		take_reason(h, &body);
		return end(h, fault < SETUP_SILENT ? (enum setup_fault)fault : SETUP_BAD_ANSWER);
	}
	return end(h, take_answer(h, &body) ? SETUP_FINE : SETUP_BAD_ANSWER);
}

static enum setup_event take_frames(struct setup_host *h, struct slice *in)
{
	struct frame f;

	while (frame_take(&h->reader, in, &f)) {
		enum setup_event event = SETUP_NOTHING;

		if (f.type == FRAME_ANSWER)
			event = take_message(h, f.payload);
		else if ((f.type == FRAME_CONTROL || f.type == FRAME_DATA) && h->waiting &&
		         h->request == SETUP_HELLO)
			event = end(h, SETUP_OTHER_PROTOCOL);
		if (event != SETUP_NOTHING)
			return event;
	}
	return SETUP_NOTHING;
}

/* --- for the caller --- */

void setup_host_init(struct setup_host *h, uint32_t first_id, const struct setup_limits *limits)
{
	memset(h, 0, sizeof(*h));
	h->id = first_id;
	h->limits = limits;
	h->reader = frame_reader(h->in, sizeof(h->in));
}

enum setup_event setup_host_take(struct setup_host *h, struct slice *in)
{
	if (in->n > 0)
		h->silent_ms = 0;
	return take_frames(h, in);
}

static uint32_t add(uint32_t a, uint32_t b)
{
	return a + b < a ? UINT32_MAX : a + b;
}

enum setup_event setup_host_elapsed(struct setup_host *h, uint32_t ms)
{
	struct slice nothing = { NULL, 0 };
	enum setup_event event;

	h->silent_ms = frame_begun(&h->reader) ? add(h->silent_ms, ms) : 0;
	if (h->silent_ms >= FRAME_GAP_MS) {
		h->silent_ms = 0;
		frame_silence(&h->reader);
		if ((event = take_frames(h, &nothing)) != SETUP_NOTHING)
			return event;
	}
	if (!h->waiting)
		return SETUP_NOTHING;
	h->waited_ms = add(h->waited_ms, ms);
	if (h->waited_ms < h->limits->ms[h->request])
		return SETUP_NOTHING;
	if (h->tries >= h->limits->tries)
		return end(h, SETUP_SILENT);
	h->tries++;
	h->waited_ms = 0;
	h->out_sent = 0;
	return SETUP_NOTHING;
}

struct slice setup_host_output(const struct setup_host *h)
{
	return (struct slice){ h->out + h->out_sent, (size_t)(h->out_n - h->out_sent) };
}

void setup_host_sent(struct setup_host *h, size_t n)
{
	h->out_sent = (uint16_t)(h->out_sent + n);
}
