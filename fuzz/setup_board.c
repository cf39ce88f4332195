/*
 * The board's side of setup: whatever a host sends, every answer is one frame with one well-formed
 * message, nothing irreversible happens without the chip's own serial number, and the same id does
 * nothing twice.
 *
 * Input: operations. 0 n bytes: raw; 1 t: t/64 seconds pass; 2 n bytes: a frame around them; 3 number n
 * bytes: a request with the next id and this body; 4: the last request again; 5 s: the chip's state.
 */
#include "cbor.h"
#include "fake_setup.h"
#include "fuzz.h"
#include "script.h"

struct run {
	struct fake_setup fake;
	struct setup_platform platform;
	struct setup_board board;
	uint8_t last[SETUP_FRAME_MAX];
	size_t last_n;
};

static unsigned deeds(const struct fake_setup *f)
{
	return f->keys + f->locks + f->stores + f->wipes + f->restarts + f->networks + f->csrs +
	       f->signs;
}

/* Everything that was put is frames, one behind the other. */
static void check_output(struct run *r)
{
	struct slice out = { r->fake.out, r->fake.out_n };

	while (out.n > 0) {
		uint8_t buffer[SETUP_FRAME_MAX];
		struct frame_reader reader = frame_reader(buffer, sizeof(buffer));
		struct slice body;
		struct cbor_item item;
		uint32_t id, request, fault;
		struct frame f;

		CHECK(frame_take(&reader, &out, &f) && f.type == FRAME_ANSWER);
		body = f.payload;
		CHECK(cbor_take_any(&body, &item) == OK && cbor_end(&body) == OK);
		CHECK(item.major == CBOR_ARRAY && item.argument == 4);
		CHECK(cbor_take_uint(&item.body, &id) == OK && id != 0);
		CHECK(cbor_take_uint(&item.body, &request) == OK);
		CHECK(cbor_take_uint(&item.body, &fault) == OK && fault < SETUP_BOARD_FAULTS);
	}
	r->fake.out_n = 0;
}

static bool holds_serial(struct slice message)
{
	for (size_t i = 0; i + sizeof(fake_serial) <= message.n; i++)
		if (memcmp(message.p + i, fake_serial, sizeof(fake_serial)) == 0)
			return true;
	return false;
}

static void send(struct run *r, struct slice message)
{
	unsigned locks = r->fake.locks, wipes = r->fake.wipes;
	struct slice frame = { r->last, 0 };

	if (message.n == 0 || message.n > SETUP_MESSAGE_MAX)
		return;
	memmove(r->last + FRAME_HEAD, message.p, message.n);
	frame.n = r->last_n = frame_close(r->last, FRAME_REQUEST, message.n);
	setup_board_take(&r->board, frame);
	CHECK((r->fake.locks == locks && r->fake.wipes == wipes) ||
	      holds_serial((struct slice){ r->last + FRAME_HEAD, message.n }));
}

static void request(struct run *r, struct script *in)
{
	uint8_t bytes[SETUP_MESSAGE_MAX];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct slice message;

	cbor_put(&w, CBOR_ARRAY, 3);
	cbor_put(&w, CBOR_UINT, r->board.id == UINT32_MAX ? 1 : r->board.id + 1);
	cbor_put(&w, CBOR_UINT, script_byte(in));
	cbor_raw(&w, script_bytes(in));
	if (cbor_finish(&w, &message) == OK)
		send(r, message);
}

static void again(struct run *r)
{
	unsigned before = deeds(&r->fake);

	if (r->last_n == 0 || frame_begun(&r->board.reader))
		return;
	r->fake.out_n = 0;
	setup_board_take(&r->board, (struct slice){ r->last, r->last_n });
	CHECK(deeds(&r->fake) == before);
}

static void state(struct fake_setup *f, uint8_t s)
{
	f->config_locked = (s & 1) != 0;
	f->data_locked = (s & 2) != 0;
	f->conflict = (s & 4) != 0;
	f->fail = (s & 8) != 0 ? ERR_TIMEOUT : OK;
	f->mute = (s & 16) != 0;
	f->csr_n = (s & 32) != 0 ? 480 : 0;
	f->stored = (s & 64) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script in = { data, size };
	struct run r = { .last_n = 0 };

	r.platform = fake_platform(&r.fake);
	setup_board_init(&r.board, &r.platform);
	while (in.n > 0) {
		switch (script_byte(&in) % 6) {
		case 0:
			setup_board_take(&r.board, script_bytes(&in));
			break;
		case 1:
			setup_board_elapsed(&r.board, script_byte(&in) * 16u);
			break;
		case 2:
			send(&r, script_bytes(&in));
			break;
		case 3:
			request(&r, &in);
			break;
		case 4:
			again(&r);
			break;
		default:
			state(&r.fake, script_byte(&in));
			break;
		}
		check_output(&r);
	}
	return 0;
}
