/*
 * The host side of the console: whatever a board prints and however it is cut, the run stays within
 * its struct, types only what belongs to its step, and ends once, with a certificate that is the one
 * given or with a named failure.
 *
 * Input: a byte that says how the rest is cut and answered, then what the board prints. A byte 0x1b
 * stands for silence: as many seconds as the next byte says.
 */
#include <string.h>
#include "console_host.h"
#include "fuzz.h"

#define SILENCE 0x1b
static const char device_id[] = "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40";

/* The certificate of the recorded run with today's sketch on a board without Wi-Fi module. */
static const struct ccert fields = {
	.sig = { 0x2a, 0x1d, 0x5b, 0x46, 0x69, 0xa8, 0x5e, 0x51, 0xc9, 0xc3, 0x66, 0x6b, 0x2a, 0xf9,
	    0x20, 0x3a, 0x0c, 0x0e, 0x9e, 0x0d, 0x8c, 0x11, 0xdf, 0x04, 0xc5, 0x42, 0x72, 0x1b,
	    0xbf, 0x29, 0xe3, 0x45, 0x26, 0xdd, 0x72, 0xb3, 0xb3, 0xce, 0xfc, 0x6c, 0x45, 0x33,
	    0x2c, 0xd7, 0x91, 0x82, 0x8f, 0xe9, 0x15, 0xb0, 0x10, 0x44, 0xbf, 0x74, 0x9c, 0x7d,
	    0x67, 0x3d, 0xba, 0xec, 0xd9, 0x80, 0x44, 0xe9 },
	.issued = { 2025, 11, 22, 23 },
	.years = 31,
	.serial = { 0x9f, 0x3c, 0x0d, 0x5e, 0x11, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7, 0x08, 0x12,
	    0x23, 0x34, 0x45 },
	.aki = { 0x27, 0xef, 0x22, 0x5f, 0x0a, 0x4a, 0xbc, 0x34, 0x95, 0x55, 0x9d, 0x20, 0x85, 0xc6,
	    0x6d, 0x1d, 0x95, 0x5e, 0xf0, 0x33 },
	.device_id = "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40",
};

struct run {
	struct console_host h;
	unsigned ends, csrs, certs;
	bool lock;
};

/* The certificate that these fields and the CSR's key stand for, and nothing else. */
static void check_finished(const struct run *r)
{
	uint8_t bytes[CCERT_CERT_MAX];
	struct der_w w = der_writer(bytes, sizeof(bytes));
	struct slice want;

	ccert_cert_put(&w, &fields, r->h.q);
	CHECK(der_finish(&w, &want) == OK && slice_equal(r->h.der, want));
	CHECK(r->csrs == 1 && r->certs == 1 && r->h.step == CONSOLE_DONE);
}

static void handle(struct run *r, enum console_event event)
{
	CHECK(r->ends == 0);
	r->csrs += event == CONSOLE_CSR_READY;
	r->certs += event == CONSOLE_CERT_READY;
	switch (event) {
	case CONSOLE_LOCK_ASKED:
		CHECK(console_host_lock(&r->h, r->lock) == OK);
		break;
	case CONSOLE_CSR_READY:
		CHECK(console_host_certificate(&r->h, &fields) == OK);
		break;
	case CONSOLE_FINISHED:
		check_finished(r);
		r->ends++;
		break;
	case CONSOLE_FAILED:
		CHECK(r->h.cause != CONSOLE_FINE && console_cause_err(r->h.cause) != OK);
		r->ends++;
		break;
	default:
		break;
	}
}

static void check_state(const struct run *r)
{
	struct slice out = console_host_output(&r->h);

	CHECK(out.n <= 129 && (out.n == 0 || out.p[out.n - 1] == '\n'));
	CHECK(memchr(r->h.said, '\0', sizeof(r->h.said)) != NULL);
	CHECK(memchr(r->h.firmware, '\0', sizeof(r->h.firmware)) != NULL);
	CHECK((unsigned)r->h.step < CONSOLE_STEPS && (unsigned)r->h.cause < CONSOLE_CAUSES);
}

static void pass(struct run *r, uint32_t ms)
{
	enum console_event event;

	for (; (event = console_host_elapsed(&r->h, ms)) != CONSOLE_NOTHING; ms = 0)
		handle(r, event);
}

static void feed(struct run *r, struct slice in)
{
	enum console_event event;

	while ((event = console_host_take(&r->h, &in)) != CONSOLE_NOTHING)
		handle(r, event);
	CHECK(in.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .ends = 0 };
	size_t piece, sent;

	if (size == 0)
		return 0;
	console_host_init(&r.h, device_id, &console_limits_default);
	r.lock = (data[0] & 1) != 0;
	sent = (data[0] & 2) != 0 ? 3 : SIZE_MAX;
	piece = 1 + (data[0] >> 2);
	for (size_t at = 1; at < size;) {
		struct slice in = { data + at, size - at < piece ? size - at : piece }, out;

		if (in.p[0] == SILENCE && size - at >= 2) {
			pass(&r, data[at + 1] * 1000u);
			at += 2;
			continue;
		}
		feed(&r, in);
		check_state(&r);
		out = console_host_output(&r.h);
		console_host_sent(&r.h, out.n < sent ? out.n : sent);
		at += in.n;
	}
	for (unsigned i = 0; i < 2 * CONSOLE_STEPS; i++)
		pass(&r, 60000);
	CHECK(r.ends == 1 && console_host_over(&r.h) && console_host_output(&r.h).n == 0);
	return 0;
}
