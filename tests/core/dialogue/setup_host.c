/* The host's side: which bytes it sends, how long it waits, and which answers it does not believe. */
#include "cbor.h"
#include "setup_host.h"
#include "tap.h"

static enum setup_event answer(struct setup_host *h, uint8_t type, struct slice message)
{
	uint8_t frame[SETUP_FRAME_MAX];
	struct slice in = { frame, 0 };

	memcpy(frame + FRAME_HEAD, message.p, message.n);
	in.n = frame_close(frame, type, message.n);
	return setup_host_take(h, &in);
}

/* An answer with this fault and body to what was asked last. */
static enum setup_event respond(struct setup_host *h, uint32_t fault, struct slice body)
{
	uint8_t bytes[SETUP_MESSAGE_MAX];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));

	cbor_put(&w, CBOR_ARRAY, 4);
	cbor_put(&w, CBOR_UINT, h->id);
	cbor_put(&w, CBOR_UINT, (uint32_t)h->request);
	cbor_put(&w, CBOR_UINT, fault);
	cbor_raw(&w, body);
	return answer(h, FRAME_ANSWER, (struct slice){ bytes, w.n });
}

/* Nothing is believed but the answer to this request: the text of ours is at h->id. */
static void bytes(void)
{
	static const uint8_t hello[] = { 0x55, 0xaa, 0x10, 0x00, 0x0d, 0x83, 0x18, 0x65, 0x01, 0xa2,
		0x00, 0x01, 0x01, 0x01, 0, 0, 0xaa, 0x55 };
	struct setup_host h;
	struct slice out;
	enum err e;

	setup_host_init(&h, 100, &setup_limits_default);
	e = setup_ask_hello(&h);
	out = setup_host_output(&h);
	ok(e == OK && out.n == 18 && memcmp(out.p, hello, 3) == 0 &&
	        load_be16(out.p + 3) == out.n - 7 && memcmp(out.p + 5, hello + 5, 9) == 0,
	    "hello: versions 1 to 1, id above the first one");
	ok(setup_ask_info(&h) == ERR_CONFLICT, "one request at a time");
	setup_host_sent(&h, 10);
	ok(setup_host_output(&h).n == 8, "sent in parts");
	setup_host_sent(&h, 8);
	ok(setup_host_output(&h).n == 0, "sent");
}

static void waiting(void)
{
	struct setup_host h;
	unsigned sent = 0;
	uint32_t ms = 0;
	enum setup_event event = SETUP_NOTHING;

	setup_host_init(&h, UINT32_MAX, &setup_limits_default);
	ok(setup_ask_hello(&h) == OK && h.id == 1, "0 is no id");
	while (event == SETUP_NOTHING) {
		sent += setup_host_output(&h).n > 0;
		setup_host_sent(&h, setup_host_output(&h).n);
		event = setup_host_elapsed(&h, 100);
		ms += 100;
	}
	ok(event == SETUP_FAILED && h.fault == SETUP_SILENT && sent == 4 && ms == 4000,
	    "sent four times, then silent");
	ok(setup_host_output(&h).n == 0 && setup_host_elapsed(&h, 9999) == SETUP_NOTHING,
	    "nothing more is sent");
	ok(setup_ask_hello(&h) == OK && h.id == 2 &&
	        setup_host_elapsed(&h, UINT32_MAX) == SETUP_NOTHING && setup_host_output(&h).n > 0,
	    "asked again with another id");
	for (unsigned r = SETUP_HELLO; r < SETUP_REQUESTS; r++)
		if (setup_limits_default.ms[r] == 0 ||
		    strcmp(setup_request_text((enum setup_request)r), "unknown request") == 0)
			sent = 99;
	ok(sent == 4, "every request has a limit and a name");
	ok(strcmp(setup_request_text((enum setup_request)0), "unknown request") == 0 &&
	        strcmp(setup_request_text(SETUP_REQUESTS), "unknown request") == 0,
	    "and no other");
}

static void announcements(void)
{
	static const uint8_t said[] = { 0x84, 0, 1, 0, 0xa3, 0, 1, 1, 0x62, 'm', 'e', 2, 0xa2, 0, 1,
		9, 1 };
	struct slice announcement = SLICE(said);
	struct setup_host h;

	setup_host_init(&h, 5, &setup_limits_default);
	ok(answer(&h, FRAME_ANSWER, announcement) == SETUP_ANNOUNCED &&
	        strcmp(h.hello.program, "me") == 0 && h.hello.can[SETUP_CAN_CCERT] == 1 &&
	        h.hello.can[SETUP_CAN_ATTEST] == 0,
	    "a board that says hello; a capability of the future is passed over");
	ok(setup_ask_hello(&h) == OK && answer(&h, FRAME_ANSWER, announcement) == SETUP_NOTHING,
	    "sent before our hello came: ignored");
	ok(respond(&h, 0, BYTES(0xa3, 0, 1, 1, 0x60, 2, 0xa1, 0, 0x19, 1, 0)) == SETUP_ANSWERED &&
	        h.hello.can[SETUP_CAN_CCERT] == 255,
	    "hello");
	ok(setup_ask_info(&h) == OK && answer(&h, FRAME_ANSWER, announcement) == SETUP_FAILED &&
	        h.fault == SETUP_RESTARTED,
	    "in the middle of a request: it has started again");
	ok(setup_ask_restart(&h) == OK && answer(&h, FRAME_ANSWER, announcement) == SETUP_ANSWERED,
	    "unless that was asked for");
	ok(setup_ask_restart(&h) == OK && respond(&h, SETUP_NO_HELLO, BYTES(0xa0)) == SETUP_FAILED,
	    "restart without session at the first try");
	ok(setup_ask_restart(&h) == OK && setup_host_elapsed(&h, 1000) == SETUP_NOTHING &&
	        respond(&h, SETUP_NO_HELLO, BYTES(0xa0)) == SETUP_ANSWERED,
	    "at the second: it did, and the answer was lost");
	ok(setup_ask_hello(&h) == OK && answer(&h, FRAME_CONTROL, BYTES(3)) == SETUP_FAILED &&
	        h.fault == SETUP_OTHER_PROTOCOL,
	    "a sketch that speaks Provisioning 2.0");
	ok(setup_ask_info(&h) == OK && answer(&h, FRAME_CONTROL, BYTES(3)) == SETUP_NOTHING,
	    "which cannot be later");
}

static void others(void)
{
	struct setup_host h;

	setup_host_init(&h, 5, &setup_limits_default);
	ok(setup_ask_info(&h) == OK &&
	        answer(&h, FRAME_ANSWER, BYTES(0x84, 5, 2, 0, 0xa0)) == SETUP_NOTHING,
	    "an answer to an earlier id");
	ok(answer(&h, FRAME_ANSWER, BYTES(0x83, 6, 2, 0)) == SETUP_NOTHING, "no answer at all");
	ok(answer(&h, FRAME_REQUEST, BYTES(0x84, 6, 2, 0, 0xa0)) == SETUP_NOTHING, "our own echo");
	ok(answer(&h, FRAME_ANSWER, BYTES(0x84, 6, 3, 0, 0xa0)) == SETUP_FAILED &&
	        h.fault == SETUP_BAD_ANSWER,
	    "an answer to another request");
	ok(setup_ask_info(&h) == OK && respond(&h, 0, BYTES(0xa0, 0)) == SETUP_FAILED &&
	        h.fault == SETUP_BAD_ANSWER,
	    "bytes behind the body");
	ok(setup_ask_wipe(&h, (const uint8_t *)"123456789") == OK &&
	        respond(&h, 0, BYTES(0xa1, 9, 1)) == SETUP_ANSWERED,
	    "a field of a later version is passed over");
	ok(setup_ask_info(&h) == OK && respond(&h, 40, BYTES(0xa0)) == SETUP_FAILED &&
	        (unsigned)h.fault == 40 && setup_fault_err(h.fault) == ERR_DEVICE &&
	        strstr(setup_fault_text(h.fault), "unknown") != NULL,
	    "a fault of a later version is a failure");
	ok(setup_ask_info(&h) == OK && respond(&h, SETUP_SILENT, BYTES(0xa0)) == SETUP_FAILED &&
	        h.fault == SETUP_BAD_ANSWER,
	    "a board cannot say what only a host finds");
	ok(setup_ask_info(&h) == OK &&
	        respond(&h, SETUP_CHIP,
	            BYTES(0xa4, 0, 6, 1, 0x18, 0x40, 2, 0x0f, 3, 0x62, 'n', 'o')) == SETUP_FAILED &&
	        h.fault == SETUP_CHIP && h.reason.err == ERR_DEVICE && h.reason.opcode == 0x40 &&
	        h.reason.status == 0x0f && strcmp(h.reason.text, "no") == 0,
	    "a chip's failure with its reason");
	ok(setup_ask_info(&h) == OK &&
	        respond(&h, SETUP_CHIP, BYTES(0xa3, 0, 0x18, 99, 1, 0xf4, 3, 0x62, 'n', '\n')) ==
	            SETUP_FAILED &&
	        h.reason.err == OK && h.reason.opcode == 0 && h.reason.text[0] == '\0',
	    "a reason that makes no sense is left out");
}

/* Every answer with each field missing, and with each field of another type. */
static void answers(void)
{
	static const uint8_t zero[128];
	struct setup_host h;
	const struct {
		enum setup_request request;
		uint8_t fields; /* text t, flag f, number n, bytes of a size */
		uint8_t size[6];
	} forms[] = {
		{ SETUP_INFO, 6, { 9, 4, 'f', 'f', 'n', 'n' } },
		{ SETUP_PLAN, 4, { 'n', 'f', 128, 2 } },
		{ SETUP_LOCK, 1, { 'n' } },
		{ SETUP_KEY, 2, { 64, 'f' } },
		{ SETUP_CSR, 1, { 120 } },
		{ SETUP_READ, 4, { 72, 36, 36, 64 } },
		{ SETUP_PROVE, 1, { 64 } },
		{ SETUP_ATTEST, 6, { 9, 'n', 'f', 32, 64, 64 } },
	};

	setup_host_init(&h, 5, &setup_limits_default);
	for (size_t i = 0; i < COUNT(forms); i++) {
		unsigned refused = 0, accepted = 0;

		for (unsigned bad = 0; bad <= 2u * forms[i].fields; bad++) {
			uint8_t body[512];
			struct cbor_w w = cbor_writer(body, sizeof(body));

			cbor_put(&w, CBOR_MAP,
			    bad < forms[i].fields ? forms[i].fields - 1u : forms[i].fields);
			for (unsigned f = 0; f < forms[i].fields; f++) {
				uint8_t size = forms[i].size[f];

				if (f == bad)
					continue;
				cbor_put(&w, CBOR_UINT, f);
				if (bad == forms[i].fields + f)
					cbor_put(&w, CBOR_SIMPLE, CBOR_NULL);
				else if (size == 'f')
					cbor_put_bool(&w, true);
				else if (size == 'n')
					cbor_put(&w, CBOR_UINT, 1);
				else if (size == 2)
					cbor_put_string(&w, CBOR_BYTES, BYTES(3, 4));
				else
					cbor_put_string(
					    &w, CBOR_BYTES, (struct slice){ zero, size });
			}
			switch (forms[i].request) {
			case SETUP_INFO:
				(void)!setup_ask_info(&h);
				break;
			case SETUP_PLAN:
				(void)!setup_ask_plan(&h, "x");
				break;
			case SETUP_LOCK:
				(void)!setup_ask_lock(&h, "x", zero);
				break;
			case SETUP_KEY:
				(void)!setup_ask_key(&h, true);
				break;
			case SETUP_CSR:
				(void)!setup_ask_csr(&h, TEXT("x"));
				break;
			case SETUP_READ:
				(void)!setup_ask_read(&h);
				break;
			case SETUP_PROVE:
				(void)!setup_ask_prove(&h, zero);
				break;
			default:
				(void)!setup_ask_attest(&h, zero, true);
				break;
			}
			if (respond(&h, 0, (struct slice){ body, w.n }) == SETUP_ANSWERED)
				accepted += bad == 2u * forms[i].fields;
			else
				refused += h.fault == SETUP_BAD_ANSWER;
		}
		ok(accepted == 1 && refused == 2u * forms[i].fields,
		    "%s: every field is needed and looked at",
		    setup_request_text(forms[i].request));
	}
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t offsets[][2] = { { 4, 3 }, { 3, 3 }, { 3, 128 } };
		uint8_t body[512];
		struct cbor_w w = cbor_writer(body, sizeof(body));

		cbor_raw(&w, BYTES(0xa4, 0, 1, 1, 0xf4, 2));
		cbor_put_string(&w, CBOR_BYTES, SLICE(zero));
		cbor_put(&w, CBOR_UINT, 3);
		cbor_put_string(&w, CBOR_BYTES, (struct slice){ offsets[i], 2 });
		ok(setup_ask_plan(&h, "x") == OK &&
		        respond(&h, 0, (struct slice){ body, w.n }) == SETUP_FAILED,
		    "plan: offsets ascend and stay in the zone");
	}
	ok(setup_ask_hello(&h) == OK &&
	        respond(&h, 0, BYTES(0xa3, 0, 2, 1, 0x60, 2, 0xa0)) == SETUP_FAILED,
	    "hello of a version that was not offered");
	ok(setup_ask_hello(&h) == OK &&
	        respond(&h, 0, BYTES(0xa3, 0, 1, 1, 0x61, 7, 2, 0xa0)) == SETUP_FAILED,
	    "a program's name with a control character");
	ok(setup_ask_hello(&h) == OK &&
	        respond(&h, 0, BYTES(0xa3, 0, 1, 1, 0x60, 2, 0xa1, 0, 0xf5)) == SETUP_FAILED,
	    "a capability that is no number");
}

static void arguments(void)
{
	static const char longest[] = "123456789012345678901234567890123";
	struct setup_network network = { .kind = SETUP_WIFI };
	struct ccert fields = { .years = 40 };
	struct setup_host h;
	char name[SETUP_COMMON_NAME_MAX + 1];

	memset(name, 'x', sizeof(name));
	setup_host_init(&h, 5, &setup_limits_default);
	ok(setup_ask_plan(&h, "") == ERR_ARG && setup_ask_plan(&h, longest) == ERR_ARG &&
	        setup_ask_lock(&h, longest, (const uint8_t *)"123456789") == ERR_ARG,
	    "profile");
	ok(setup_ask_csr(&h, SLICE(name)) == ERR_ARG && setup_ask_csr(&h, TEXT("")) == ERR_ARG &&
	        setup_ask_csr(&h, TEXT("\x80")) == ERR_ARG,
	    "common name");
	ok(setup_ask_store(&h, &fields) == ERR_ARG, "a certificate that cannot be packed");
	ok(setup_ask_network(&h, &network) == ERR_ARG, "an SSID of no length");
	network.at[SETUP_WIFI_SSID].bytes = TEXT("123456789012345678901234567890123");
	ok(setup_ask_network(&h, &network) == ERR_ARG, "an SSID of 33");
	network.kind = SETUP_NETWORK_KINDS;
	ok(setup_ask_network(&h, &network) == ERR_ARG, "an unknown kind of network");
	ok(setup_host_output(&h).n == 0 &&
	        setup_ask_csr(&h, (struct slice){ (uint8_t *)name, SETUP_COMMON_NAME_MAX }) == OK,
	    "nothing was sent, and the longest name is");
}

static void secrets(void)
{
	struct setup_network network = { .kind = SETUP_WIFI };
	struct setup_host h;
	bool gone = true;

	network.at[SETUP_WIFI_SSID].bytes = TEXT("home");
	network.at[SETUP_WIFI_PASSWORD].bytes = TEXT("secret");
	setup_host_init(&h, 5, &setup_limits_default);
	ok(setup_ask_network(&h, &network) == OK && respond(&h, 0, BYTES(0xa0)) == SETUP_ANSWERED,
	    "settings");
	for (size_t i = 0; i + 6 <= sizeof(h.out); i++)
		gone = gone && memcmp(h.out + i, "secret", 6) != 0;
	ok(gone, "the password does not stay");
}

int main(void)
{
	bytes();
	waiting();
	announcements();
	others();
	answers();
	arguments();
	secrets();
	return done_testing();
}
