/*
 * The host's side of setup: whatever a board answers, one request ends once, with an answer that holds
 * together or with a fault that has a name, and nothing is asked for ever.
 *
 * Input: a byte for the request, then operations. 0 n bytes: raw; 1 t: t/4 seconds pass; 2 n bytes: an
 * answer frame around them; 3 fault n bytes: an answer to this request with this body; 4 r: ask r.
 */
#include "cbor.h"
#include "fuzz.h"
#include "script.h"
#include "setup_host.h"

#include <string.h>

static enum err ask(struct setup_host *h, unsigned which)
{
	static const uint8_t bytes[32] = { 1, 2, 3 };
	struct ccert fields = { .issued = { 2025, 1, 1, 1 }, .serial = { 1 } };
	struct setup_network network = { .kind = SETUP_WIFI };

	memset(fields.device_id, 'a', sizeof(fields.device_id));
	network.at[SETUP_WIFI_SSID].bytes = TEXT("home");
	switch (which % SETUP_REQUESTS) {
	case SETUP_INFO:
		return setup_ask_info(h);
	case SETUP_PLAN:
		return setup_ask_plan(h, "arduino");
	case SETUP_LOCK:
		return setup_ask_lock(h, "arduino", bytes);
	case SETUP_KEY:
		return setup_ask_key(h, true);
	case SETUP_CSR:
		return setup_ask_csr(h, TEXT("name"));
	case SETUP_STORE:
		return setup_ask_store(h, &fields);
	case SETUP_READ:
		return setup_ask_read(h);
	case SETUP_PROVE:
		return setup_ask_prove(h, bytes);
	case SETUP_ATTEST:
		return setup_ask_attest(h, bytes, true);
	case SETUP_NETWORK:
		return setup_ask_network(h, &network);
	case SETUP_WIPE:
		return setup_ask_wipe(h, bytes);
	case SETUP_RESTART:
		return setup_ask_restart(h);
	default:
		return setup_ask_hello(h);
	}
}

static void check_answer(const struct setup_host *h)
{
	CHECK(h->fault == SETUP_FINE);
	if (h->request == SETUP_HELLO)
		CHECK(h->hello.version == SETUP_VERSION &&
		      memchr(h->hello.program, '\0', sizeof(h->hello.program)) != NULL);
	if (h->request == SETUP_CSR)
		CHECK(h->csr.der.p == h->csr.bytes && h->csr.der.n >= 1 &&
		      h->csr.der.n <= sizeof(h->csr.bytes));
	if (h->request == SETUP_INFO)
		CHECK((unsigned)h->info.identity < SETUP_IDENTITIES);
	if (h->request == SETUP_PLAN)
		for (unsigned i = 0; i < h->plan.offsets_n; i++)
			CHECK(h->plan.offsets[i] < 128);
}

/* Returns true when the request is over. */
static bool check(const struct setup_host *h, enum setup_event event)
{
	struct slice out = setup_host_output(h);

	CHECK(out.n <= SETUP_FRAME_MAX && (out.n == 0 || h->waiting));
	if (event == SETUP_ANSWERED) {
		check_answer(h);
	} else if (event == SETUP_FAILED) {
		CHECK(h->fault != SETUP_FINE && setup_fault_err(h->fault) != OK);
		CHECK(memchr(h->reason.text, '\0', sizeof(h->reason.text)) != NULL);
		CHECK((unsigned)h->reason.err < ERR_COUNT);
	}
	CHECK(event == SETUP_NOTHING || !h->waiting);
	return event == SETUP_ANSWERED || event == SETUP_FAILED;
}

static unsigned feed(struct setup_host *h, struct slice in)
{
	unsigned ends = 0;

	while (in.n > 0)
		ends += check(h, setup_host_take(h, &in));
	return ends;
}

static unsigned answer(struct setup_host *h, uint32_t fault, bool ours, struct slice body)
{
	uint8_t frame[SETUP_FRAME_MAX];
	struct cbor_w w = cbor_writer(frame + FRAME_HEAD, SETUP_MESSAGE_MAX);

	if (ours) {
		cbor_put(&w, CBOR_ARRAY, 4);
		cbor_put(&w, CBOR_UINT, h->id);
		cbor_put(&w, CBOR_UINT, (uint32_t)h->request);
		cbor_put(&w, CBOR_UINT, fault);
	}
	cbor_raw(&w, body);
	if (w.err != OK || w.n == 0)
		return 0;
	return feed(h, (struct slice){ frame, frame_close(frame, FRAME_ANSWER, w.n) });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script in = { data, size };
	struct setup_host h;
	unsigned asked = 1, ended = 0;

	setup_host_init(&h, 1000, &setup_limits_default);
	CHECK(ask(&h, script_byte(&in)) == OK);
	while (in.n > 0) {
		unsigned op = script_byte(&in) % 5;
		uint8_t fault;

		switch (op) {
		case 0:
			ended += feed(&h, script_bytes(&in));
			break;
		case 1:
			ended += check(&h, setup_host_elapsed(&h, script_byte(&in) * 250u));
			break;
		case 2:
			ended += answer(&h, 0, false, script_bytes(&in));
			break;
		case 3:
			fault = script_byte(&in);
			ended += answer(&h, fault, true, script_bytes(&in));
			break;
		default:
			asked += ask(&h, script_byte(&in)) == OK;
			break;
		}
		CHECK(ended == asked - h.waiting);
	}
	for (unsigned i = 0; i < setup_limits_default.tries; i++)
		ended += check(&h, setup_host_elapsed(&h, 60000));
	CHECK(ended == asked && !h.waiting && setup_host_output(&h).n == 0);
	return 0;
}
