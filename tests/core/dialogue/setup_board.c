/* The board's side, byte by byte: every request, every refusal, nothing done twice. */
#include "cbor.h"
#include "fake_setup.h"
#include "tap.h"

struct bench {
	struct fake_setup fake;
	struct setup_platform platform;
	struct setup_board board;
	uint32_t id;
	struct slice answer; /* the message */
};

static void power(struct bench *t)
{
	memset(&t->fake, 0, sizeof(t->fake));
	t->platform = fake_platform(&t->fake);
	setup_board_init(&t->board, &t->platform);
	t->id = 100;
}

/* Sends one frame and keeps the message of the one frame that comes back, if any. */
static bool exchange(struct bench *t, uint8_t type, struct slice message)
{
	uint8_t frame[SETUP_FRAME_MAX];

	memcpy(frame + FRAME_HEAD, message.p, message.n);
	t->fake.out_n = 0;
	setup_board_take(&t->board, (struct slice){ frame, frame_close(frame, type, message.n) });
	t->answer = (struct slice){ t->fake.out + FRAME_HEAD,
		t->fake.out_n < FRAME_SIZE(1) ? 0 : t->fake.out_n - FRAME_SIZE(0) };
	return t->answer.n > 0;
}

/* A request with this body; the body is CBOR. Returns the fault, or 255 without an answer. */
static unsigned request(struct bench *t, uint32_t id, uint32_t number, struct slice body)
{
	uint8_t bytes[SETUP_MESSAGE_MAX];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct slice message, rest;
	uint32_t n = 0, got_id = 0, got = 0, fault = 255;

	cbor_put(&w, CBOR_ARRAY, 3);
	cbor_put(&w, CBOR_UINT, id);
	cbor_put(&w, CBOR_UINT, number);
	cbor_raw(&w, body);
	if (cbor_finish(&w, &message) != OK || !exchange(t, FRAME_REQUEST, message))
		return 255;
	rest = t->answer;
	if (cbor_take_head(&rest, CBOR_ARRAY, &n) != OK || n != 4 ||
	    cbor_take_uint(&rest, &got_id) != OK || cbor_take_uint(&rest, &got) != OK ||
	    cbor_take_uint(&rest, &fault) != OK || got_id != id || got != number)
		return 254;
	t->answer = rest; /* the body */
	return fault;
}

static unsigned next(struct bench *t, uint32_t number, struct slice body)
{
	return request(t, ++t->id, number, body);
}

#define NO_BODY BYTES(0xa0)
#define HELLO_BODY BYTES(0xa2, 0, 1, 1, 1)

/* A board with a session and a locked chip with a key. */
static void ready(struct bench *t)
{
	power(t);
	t->fake.config_locked = t->fake.data_locked = true;
	t->fake.keys = 1;
	(void)next(t, SETUP_HELLO, HELLO_BODY);
}

static void is_answer(
    struct bench *t, unsigned fault, unsigned want, struct slice body, const char *name)
{
	if (ok(fault == want && slice_equal(t->answer, body), "%s", name))
		return;
	printf("# fault %u, body", fault);
	for (size_t i = 0; i < t->answer.n; i++)
		printf(" %02x", t->answer.p[i]);
	printf("\n");
}

static void sessions(void)
{
	struct bench t;
	unsigned fault;

	power(&t);
	fault = request(&t, 7, SETUP_INFO, NO_BODY);
	is_answer(&t, fault, SETUP_NO_HELLO, NO_BODY, "nothing without hello");
	fault = request(&t, 8, SETUP_HELLO, BYTES(0xa2, 0, 2, 1, 9));
	is_answer(&t, fault, SETUP_NO_VERSION, NO_BODY, "a host that is too new");
	fault = request(&t, 9, SETUP_HELLO, BYTES(0xa2, 0, 0, 1, 0));
	is_answer(&t, fault, SETUP_NO_VERSION, NO_BODY, "a host that is too old");
	fault = request(&t, 10, SETUP_HELLO, BYTES(0xa2, 0, 1, 1, 5));
	is_answer(&t, fault, SETUP_FINE,
	    BYTES(0xa3, 0, 1, 1, 0x66, 'f', 'a', 'k', 'e', ' ', '1', 2, 0xa5, 0, 1, 1, 1, 2, 1, 3,
	        1, 4, 1),
	    "hello: version, program, capabilities");
	ok(request(&t, 12, SETUP_INFO, NO_BODY) == SETUP_OUT_OF_ORDER, "an id that is not next");
	ok(request(&t, 9, SETUP_INFO, NO_BODY) == SETUP_OUT_OF_ORDER, "an id that was");
	ok(request(&t, 10, SETUP_INFO, NO_BODY) == SETUP_ID_REUSED,
	    "the last id for another request");
	ok(request(&t, 10, SETUP_HELLO, BYTES(0xa2, 0, 1, 1, 5)) == SETUP_FINE,
	    "and still the answer to its own");
	ok(request(&t, 11, SETUP_INFO, NO_BODY) == SETUP_FINE, "the next id");
	ok(request(&t, 500, SETUP_HELLO, HELLO_BODY) == SETUP_FINE &&
	        request(&t, 501, SETUP_INFO, NO_BODY) == SETUP_FINE,
	    "hello begins anew with any id");
	ok(request(&t, UINT32_MAX, SETUP_HELLO, HELLO_BODY) == SETUP_FINE &&
	        request(&t, 1, SETUP_INFO, NO_BODY) == SETUP_FINE,
	    "after the greatest id comes 1");
	ok(next(&t, 14, NO_BODY) == SETUP_OUT_OF_ORDER &&
	        request(&t, 2, 14, NO_BODY) == SETUP_UNKNOWN &&
	        request(&t, 3, 0, NO_BODY) == SETUP_UNKNOWN,
	    "unknown requests");
	ok(request(&t, 0, SETUP_HELLO, HELLO_BODY) == 255, "id 0 is the board's own: no answer");
	ok(!exchange(&t, FRAME_DATA, BYTES(0x83, 1, 1, 0xa0)), "no answer to Provisioning 2.0");
	ok(!exchange(&t, FRAME_REQUEST, BYTES(0xff)), "no answer to what is no request");
	ok(!exchange(&t, FRAME_REQUEST, BYTES(0x84, 1, 1, 0xa0, 0)), "nor to a fourth part");
	t.fake.out_n = 0;
	setup_board_announce(&t.board);
	is_bytes(t.fake.out + FRAME_HEAD, 4, "\x84\x00\x01\x00", 4,
	    "the announcement is hello with id 0");
	ok(request(&t, 4, SETUP_INFO, NO_BODY) == SETUP_NO_HELLO, "it ends the session");
}

/* Every request as bytes, and the answer as bytes. */
static void requests(void)
{
	static const uint8_t q1[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	uint8_t want[512], body[512];
	struct cbor_w w = cbor_writer(want, sizeof(want)), b = cbor_writer(body, sizeof(body));
	struct bench t;
	unsigned fault;

	power(&t);
	(void)next(&t, SETUP_HELLO, HELLO_BODY);
	fault = next(&t, SETUP_INFO, NO_BODY);
	is_answer(&t, fault, SETUP_FINE,
	    BYTES(0xa6, 0, 0x49, 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d, 1, 0x44, 0, 0, 0x60, 2, 2,
	        0xf4, 3, 0xf4, 4, 0x19, 0x80, 1, 5, 0),
	    "info of an empty chip");
	fault = next(&t, SETUP_PLAN, BYTES(0xa1, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o'));
	cbor_raw(&w, BYTES(0xa4, 0, 7, 1, 0xf4, 2, 0x58, 128));
	memset(want + w.n, 0xc0, 128);
	w.n += 128;
	cbor_raw(&w, BYTES(3, 0x42, 20, 127));
	is_answer(&t, fault, SETUP_FINE, (struct slice){ want, w.n }, "plan");
	fault = next(&t, SETUP_LOCK,
	    BYTES(0xa2, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o', 1, 0x49, 0x45, 0x4d, 1, 2, 3, 4,
	        5, 6, 0x4d));
	is_answer(&t, fault, SETUP_FINE, BYTES(0xa1, 0, 7), "lock");
	fault = next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf4));
	w = cbor_writer(want, sizeof(want));
	cbor_raw(&w, BYTES(0xa2, 0));
	cbor_put_string(&w, CBOR_BYTES, SLICE(q1));
	cbor_raw(&w, BYTES(1, 0xf5));
	is_answer(&t, fault, SETUP_FINE, (struct slice){ want, w.n }, "key, made");
	fault = next(&t, SETUP_CSR, BYTES(0xa1, 0, 0x62, 'i', 'd'));
	is_answer(&t, fault, SETUP_FINE, BYTES(0xa1, 0, 0x44, 0x0c, 2, 'i', 'd'), "CSR");
	cbor_put(&b, CBOR_MAP, 3);
	cbor_put(&b, CBOR_UINT, 0);
	cbor_put_string(&b, CBOR_BYTES, (struct slice){ fake_slots, 72 });
	cbor_put(&b, CBOR_UINT, 1);
	cbor_put_string(&b, CBOR_BYTES, (struct slice){ fake_slots + 72, 36 });
	cbor_put(&b, CBOR_UINT, 2);
	cbor_put_string(&b, CBOR_BYTES, (struct slice){ fake_slots + 108, 36 });
	fault = next(&t, SETUP_STORE, (struct slice){ body, b.n });
	is_answer(&t, fault, SETUP_FINE, NO_BODY, "storage");
	body[0] = 0xa4;
	cbor_put(&b, CBOR_UINT, 3);
	cbor_put_string(&b, CBOR_BYTES, SLICE(q1));
	fault = next(&t, SETUP_READ, NO_BODY);
	is_answer(&t, fault, SETUP_FINE, (struct slice){ body, b.n }, "read back");
	b = cbor_writer(body, sizeof(body));
	cbor_raw(&b, BYTES(0xa1, 0));
	cbor_put_string(&b, CBOR_BYTES, (struct slice){ q1, 32 });
	fault = next(&t, SETUP_PROVE, (struct slice){ body, b.n });
	w = cbor_writer(want, sizeof(want));
	cbor_raw(&w, BYTES(0xa1, 0, 0x58, 64));
	cbor_raw(&w, TEXT("Imprint setup proof 1\n\0\0"));
	cbor_raw(&w, SLICE(fake_serial));
	cbor_raw(&w, (struct slice){ q1, 31 });
	is_answer(&t, fault, SETUP_FINE, (struct slice){ want, w.n }, "proof");
	fault = next(&t, SETUP_WIPE, BYTES(0xa1, 0, 0x49, 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d));
	is_answer(&t, fault, SETUP_FINE, NO_BODY, "wipe");
	fault = next(&t, SETUP_RESTART, NO_BODY);
	is_answer(&t, fault, SETUP_FINE, NO_BODY, "restart");
	ok(t.fake.restarts == 1 && t.fake.wipes == 1 && t.fake.locks == 1 && t.fake.stores == 1,
	    "each was done once");
}

static void networks(void)
{
	struct bench t;

	ready(&t);
	ok(next(&t, SETUP_NETWORK,
	       BYTES(0xa3, 0, 1, 1, 0x62, 'm', 'e', 2, 0x64, 'p', 'a', 's', 's')) == SETUP_FINE &&
	        strcmp(t.fake.ssid, "me") == 0 && strcmp(t.fake.password, "pass") == 0,
	    "Wi-Fi");
	{
		const uint8_t *in = t.board.in;
		bool gone = true;

		for (size_t i = 0; i + 4 <= sizeof(t.board.in); i++)
			gone = gone && memcmp(in + i, "pass", 4) != 0;
		ok(gone, "the password does not stay in the dialogue");
	}
	ok(next(&t, SETUP_NETWORK,
	       BYTES(0xa7, 0, 2, 1, 0x44, 10, 0, 0, 2, 2, 0x40, 3, 0x44, 10, 0, 0, 1, 4, 0x40, 5,
	           0x19, 0x27, 0x10, 6, 0x19, 0x27, 0x10)) == SETUP_FINE &&
	        t.fake.network.at[SETUP_ETHERNET_TIMEOUT].number == 10000,
	    "Ethernet");
	ok(next(&t, SETUP_NETWORK,
	       BYTES(0xa7, 0, 2, 1, 0x43, 10, 0, 2, 2, 0x40, 3, 0x40, 4, 0x40, 5, 0, 6, 0)) ==
	        SETUP_RANGE,
	    "an address of three bytes");
	ok(next(&t, SETUP_NETWORK,
	       BYTES(0xa6, 0, 6, 1, 0x60, 2, 0x61, 'a', 3, 0x60, 4, 0x60, 5, 8)) == SETUP_FINE &&
	        t.fake.network.at[SETUP_MODEM_BANDS].number == 8,
	    "CAT-M1");
	ok(next(&t, SETUP_NETWORK, BYTES(0xa5, 0, 4, 1, 0x60, 2, 0x61, 'a', 3, 0x60, 4, 0x60)) ==
	        SETUP_FINE,
	    "GSM");
	ok(next(&t, SETUP_NETWORK,
	       BYTES(0xa6, 0, 4, 1, 0x60, 2, 0x61, 'a', 3, 0x60, 4, 0x60, 5, 8)) ==
	            SETUP_MALFORMED &&
	        slice_equal(t.answer, BYTES(0xa1, 4, 5)),
	    "GSM has no bands: field 5 is named");
	ok(next(&t, SETUP_NETWORK, BYTES(0xa3, 0, 1, 1, 0x60, 2, 0x60)) == SETUP_RANGE &&
	        slice_equal(t.answer, BYTES(0xa1, 4, 1)),
	    "an empty SSID: field 1 is named");
	ok(next(&t, SETUP_NETWORK, BYTES(0xa2, 0, 1, 1, 0x61, 'x')) == SETUP_MALFORMED &&
	        slice_equal(t.answer, BYTES(0xa1, 4, 2)),
	    "no password: field 2 is named");
	ok(next(&t, SETUP_NETWORK, BYTES(0xa1, 0, 8)) == SETUP_RANGE, "an unknown kind");
	ok(t.fake.networks == 4, "only whole settings reach the platform");
	t.fake.fail = ERR_IO;
	ok(next(&t, SETUP_NETWORK, BYTES(0xa3, 0, 1, 1, 0x61, 'x', 2, 0x60)) == SETUP_BOARD,
	    "a board that fails");
}

/* Requests that are refused before anything is done. */
static void refusals(void)
{
	const struct {
		const char *name;
		uint32_t number;
		struct slice body;
		unsigned want;
	} cases[] = {
		{ "hello without highest version", SETUP_HELLO, BYTES(0xa1, 0, 1),
		    SETUP_MALFORMED },
		{ "info with a field", SETUP_INFO, BYTES(0xa1, 0, 1), SETUP_MALFORMED },
		{ "info without a body", SETUP_INFO, { NULL, 0 }, SETUP_MALFORMED },
		{ "info with two bodies", SETUP_INFO, BYTES(0xa0, 0xa0), SETUP_MALFORMED },
		{ "info with a list", SETUP_INFO, BYTES(0x80), SETUP_MALFORMED },
		{ "plan without profile", SETUP_PLAN, BYTES(0xa0), SETUP_MALFORMED },
		{ "plan with a field too many", SETUP_PLAN, BYTES(0xa2, 0, 0x61, 'x', 1, 1),
		    SETUP_MALFORMED },
		{ "plan with a field of a later version", SETUP_PLAN,
		    BYTES(0xa2, 0, 0x61, 'x', 9, 1), SETUP_MALFORMED },
		{ "plan with a text as key", SETUP_PLAN, BYTES(0xa1, 0x61, 'x', 1),
		    SETUP_MALFORMED },
		{ "plan with bytes as profile", SETUP_PLAN, BYTES(0xa1, 0, 0x41, 'x'),
		    SETUP_MALFORMED },
		{ "plan with another profile", SETUP_PLAN, BYTES(0xa1, 0, 0x61, 'x'),
		    SETUP_NO_PROFILE },
		{ "lock without serial number", SETUP_LOCK,
		    BYTES(0xa1, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o'), SETUP_MALFORMED },
		{ "lock with eight bytes of it", SETUP_LOCK,
		    BYTES(0xa2, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o', 1, 0x48, 0x45, 0x4d, 1,
		        2, 3, 4, 5, 6),
		    SETUP_MALFORMED },
		{ "lock with another serial number", SETUP_LOCK,
		    BYTES(0xa2, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o', 1, 0x49, 0x45, 0x4d, 1,
		        2, 3, 4, 5, 7, 0x4d),
		    SETUP_OTHER_SERIAL },
		{ "lock with another profile", SETUP_LOCK,
		    BYTES(0xa2, 0, 0x61, 'x', 1, 0x49, 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d),
		    SETUP_NO_PROFILE },
		{ "key without word", SETUP_KEY, BYTES(0xa0), SETUP_MALFORMED },
		{ "key with null", SETUP_KEY, BYTES(0xa1, 0, 0xf6), SETUP_MALFORMED },
		{ "key before the lock", SETUP_KEY, BYTES(0xa1, 0, 0xf5), SETUP_NOT_LOCKED },
		{ "CSR of nobody", SETUP_CSR, BYTES(0xa1, 0, 0x60), SETUP_RANGE },
		{ "CSR of a line end", SETUP_CSR, BYTES(0xa1, 0, 0x61, '\n'), SETUP_RANGE },
		{ "CSR before the lock", SETUP_CSR, BYTES(0xa1, 0, 0x61, 'x'), SETUP_NOT_LOCKED },
		{ "storage of nothing", SETUP_STORE, BYTES(0xa0), SETUP_MALFORMED },
		{ "read back before the lock", SETUP_READ, BYTES(0xa0), SETUP_NOT_LOCKED },
		{ "proof without challenge", SETUP_PROVE, BYTES(0xa0), SETUP_MALFORMED },
		{ "attestation without challenge", SETUP_ATTEST, BYTES(0xa1, 1, 0xf4),
		    SETUP_MALFORMED },
		{ "wipe of another chip", SETUP_WIPE,
		    BYTES(0xa1, 0, 0x49, 1, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d), SETUP_OTHER_SERIAL },
		{ "wipe without serial number", SETUP_WIPE, BYTES(0xa0), SETUP_MALFORMED },
	};
	struct bench t;

	power(&t);
	(void)next(&t, SETUP_HELLO, HELLO_BODY);
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].number == SETUP_HELLO)
			t.id += 5;
		ok(next(&t, cases[i].number, cases[i].body) == cases[i].want, "%s", cases[i].name);
	}
	ok(t.fake.keys + t.fake.locks + t.fake.stores + t.fake.wipes + t.fake.csrs + t.fake.signs ==
	        0,
	    "nothing was done");
}

/* What depends on the state of chip and platform. */
static void states(void)
{
	static const uint8_t zeros[36];
	struct slice prove, attest, store;
	uint8_t bytes[256], more[64], slots[256];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes)), a = cbor_writer(more, sizeof(more)), s;
	struct bench t;

	cbor_raw(&w, BYTES(0xa1, 0));
	cbor_put_string(&w, CBOR_BYTES, (struct slice){ zeros, 32 });
	prove = (struct slice){ bytes, w.n };
	cbor_raw(&a, BYTES(0xa2, 0));
	cbor_put_string(&a, CBOR_BYTES, (struct slice){ zeros, 20 });
	cbor_raw(&a, BYTES(1, 0xf4));
	attest = (struct slice){ more, a.n };
	for (unsigned bad = 0; bad < 5; bad++) {
		static const char *const names[] = { "a certificate", "serial number zero",
			"month 0", "bytes 67 to 71 of slot 10 not zero",
			"a device id with a control character" };
		static const uint8_t faults[] = { SETUP_NO_KEY, SETUP_RANGE, SETUP_RANGE,
			SETUP_RANGE, SETUP_RANGE };
		uint8_t copy[sizeof(fake_slots)];

		memcpy(copy, fake_slots, sizeof(copy));
		if (bad == 1)
			memset(copy + 72, 0, 16);
		if (bad == 2)
			copy[64] = copy[65] = 0;
		if (bad == 3)
			copy[71] = 1;
		if (bad == 4)
			copy[110] = 7;
		s = cbor_writer(slots, sizeof(slots));
		cbor_raw(&s, BYTES(0xa3, 0));
		cbor_put_string(&s, CBOR_BYTES, (struct slice){ copy, 72 });
		cbor_put(&s, CBOR_UINT, 1);
		cbor_put_string(&s, CBOR_BYTES, (struct slice){ copy + 72, 36 });
		cbor_put(&s, CBOR_UINT, 2);
		cbor_put_string(&s, CBOR_BYTES, (struct slice){ copy + 108, 36 });
		store = (struct slice){ slots, s.n };
		ready(&t);
		t.fake.keys = 0;
		ok(next(&t, SETUP_STORE, store) == faults[bad] && t.fake.stores == 0, "%s: %s",
		    names[bad], bad == 0 ? "not without a key" : "refused");
	}
	ready(&t);
	ok(next(&t, SETUP_READ, NO_BODY) == SETUP_NO_CERTIFICATE, "no certificate to read back");
	t.fake.keys = 0;
	ok(next(&t, SETUP_PROVE, prove) == SETUP_NO_KEY, "no key to prove");
	ok(next(&t, SETUP_CSR, BYTES(0xa1, 0, 0x61, 'x')) == SETUP_NO_KEY, "no key for a CSR");
	ok(next(&t, SETUP_ATTEST, attest) == SETUP_NO_KEY, "no key to attest");
	ok(next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf4)) == SETUP_FINE && t.fake.keys == 1,
	    "a key is made");
	ok(next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf4)) == SETUP_FINE && t.fake.keys == 1, "and kept");
	ok(next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf5)) == SETUP_FINE && t.fake.keys == 2,
	    "and replaced");
	ok(next(&t, SETUP_ATTEST, attest) == SETUP_FINE && t.fake.keys == 2, "attested");
	t.fake.conflict = true;
	t.fake.config_locked = t.fake.data_locked = true;
	ok(next(&t, SETUP_LOCK,
	       BYTES(0xa2, 0, 0x67, 'a', 'r', 'd', 'u', 'i', 'n', 'o', 1, 0x49, 0x45, 0x4d, 1, 2, 3,
	           4, 5, 6, 0x4d)) == SETUP_OTHER_PROFILE,
	    "a chip that is locked with another configuration");
	t.fake.csr_n = 500;
	ok(next(&t, SETUP_CSR, BYTES(0xa1, 0, 0x61, 'x')) == SETUP_CHIP &&
	        slice_equal((struct slice){ t.answer.p, 3 }, BYTES(0xa4, 0, ERR_SPACE)),
	    "a CSR that is longer than a message");
	t.fake.fail = ERR_TIMEOUT;
	ok(next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf5)) == SETUP_CHIP &&
	        slice_equal(t.answer,
	            BYTES(0xa4, 0, ERR_TIMEOUT, 1, 0x18, 0x40, 2, 0x0f, 3, 0x70, 't', 'h', 'e', ' ',
	                'c', 'h', 'i', 'p', ' ', 'r', 'e', 'f', 'u', 's', 'e', 's')),
	    "a chip that fails: error, command, status, words");
	t.fake.mute = true;
	ok(next(&t, SETUP_PROVE, prove) == SETUP_CHIP &&
	        slice_equal(t.answer, BYTES(0xa3, 0, ERR_TIMEOUT, 1, 0x18, 0x40, 2, 0x0f)),
	    "the same without words");
	ok(next(&t, SETUP_ATTEST, attest) == SETUP_CHIP &&
	        next(&t, SETUP_WIPE, BYTES(0xa1, 0, 0x49, 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d)) ==
	            SETUP_CHIP,
	    "and of the other requests");
	ready(&t);
	t.platform.attest = NULL;
	t.platform.network = NULL;
	t.platform.wipe = NULL;
	t.platform.restart = NULL;
	t.platform.reason = NULL;
	ok(next(&t, SETUP_ATTEST, attest) == SETUP_UNKNOWN &&
	        next(&t, SETUP_NETWORK, BYTES(0xa1, 0, 1)) == SETUP_UNKNOWN &&
	        next(&t, SETUP_WIPE, NO_BODY) == SETUP_UNKNOWN &&
	        next(&t, SETUP_RESTART, NO_BODY) == SETUP_UNKNOWN,
	    "what a board cannot do");
	ok(request(&t, 700, SETUP_HELLO, HELLO_BODY) == SETUP_FINE &&
	        slice_equal(t.answer,
	            BYTES(0xa3, 0, 1, 1, 0x66, 'f', 'a', 'k', 'e', ' ', '1', 2, 0xa1, 0, 1)),
	    "is missing in its capabilities");
}

/* The same frame twice is the same answer twice and one deed. */
static void repeats(void)
{
	struct bench t;
	uint8_t first[SETUP_FRAME_MAX];
	size_t n;

	ready(&t);
	ok(next(&t, SETUP_KEY, BYTES(0xa1, 0, 0xf5)) == SETUP_FINE && t.fake.keys == 2,
	    "a new key");
	n = t.fake.out_n;
	memcpy(first, t.fake.out, n);
	(void)request(&t, t.id, SETUP_KEY, BYTES(0xa1, 0, 0xf5));
	ok(t.fake.keys == 2, "repeated: not another one");
	is_bytes(t.fake.out, t.fake.out_n, first, n, "repeated: the same answer");
	(void)request(&t, t.id + 5, SETUP_INFO, NO_BODY);
	(void)request(&t, t.id, SETUP_KEY, BYTES(0xa1, 0, 0xf5));
	is_bytes(t.fake.out, t.fake.out_n, first, n, "also after a refusal in between");
	(void)next(&t, SETUP_RESTART, NO_BODY);
	(void)request(&t, t.id, SETUP_RESTART, NO_BODY);
	ok(t.fake.restarts == 1, "restarted once");
}

/* A frame that stops half way does not hold up the next one for longer than the silence. */
static void silence(void)
{
	struct bench t;

	ready(&t);
	setup_board_take(&t.board, BYTES(0x55, 0xaa, 0x10, 0x01, 0x00));
	setup_board_elapsed(&t.board, 999);
	ok(next(&t, SETUP_INFO, NO_BODY) == 255, "swallowed by the frame that did not end");
	setup_board_elapsed(&t.board, 999);
	ok(t.fake.out_n == 0, "not yet silent for a second");
	setup_board_elapsed(&t.board, 1);
	ok(t.fake.out_n > FRAME_SIZE(4) && t.fake.out[FRAME_HEAD] == 0x84,
	    "a second of silence: answered");
	setup_board_take(&t.board, BYTES(0x55));
	setup_board_elapsed(&t.board, UINT32_MAX);
	ok(next(&t, SETUP_INFO, NO_BODY) == SETUP_FINE, "a lone U is forgotten");
}

int main(void)
{
	sessions();
	requests();
	networks();
	refusals();
	states();
	repeats();
	silence();
	return done_testing();
}
