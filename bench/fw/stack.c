/*
 * The measured programs at work on Cortex-M0+, and how deep their stack grows.
 *
 * The test's chip answers once and its answers are kept; then they are played back by a bus that
 * needs next to no stack itself, over painted memory. What is not the paint's colour any more was
 * used: by the board program, the core and the C library, without the port and without its buffers.
 * What a host says in a setup is kept and played back in the same way.
 */
#include "board.h"
#include "board_setup.h"
#include "chip.h"
#include "setup_host.h"
#include "tap.h"
#include "token.h"

#define COLOUR 0xa5
#define PAINTED 8192
#define STACK_MAX 1024
#define SETUP_STACK_MAX 1792

static struct chip chip;
static uint8_t answers[16384];
static size_t answers_n, answers_at;

static enum err recording(void *ctx, uint8_t *p, size_t n)
{
	enum err e = chip_hal_recv(ctx, p, n);

	if (e == OK && answers_n + n <= sizeof(answers)) {
		memcpy(answers + answers_n, p, n);
		answers_n += n;
	}
	return e;
}

static enum err play_wake(void *ctx)
{
	(void)ctx;
	return OK;
}

static enum err play_send(void *ctx, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return OK;
}

static enum err play_recv(void *ctx, uint8_t *p, size_t n)
{
	(void)ctx;
	while (n-- && answers_at < answers_n)
		*p++ = answers[answers_at++];
	return OK;
}

static void play_wait(void *ctx, uint32_t ms)
{
	(void)ctx;
	(void)ms;
}

static uint8_t request[512], cert[CCERT_CERT_MAX];
static struct ccert issued;
static struct der_w request_w, cert_w;
static struct se se;

typedef enum err program(const struct se_hal *hal);

__attribute__((noinline)) static enum err whole(const struct se_hal *hal)
{
	enum err e;

	request_w = der_writer(request, sizeof(request));
	cert_w = der_writer(cert, sizeof(cert));
	if ((e = board_request(&se, hal, issued.device_id, &request_w)) == OK &&
	    (e = board_store(&se, &issued)) == OK)
		e = board_rebuild(&se, &cert_w);
	se_close(&se);
	return e;
}

/* Memory below the stack of whoever calls these two, which must be one function. */
__attribute__((noinline)) static volatile uint8_t *below(void)
{
	return (volatile uint8_t *)__builtin_frame_address(0);
}

static unsigned depth(program *run, const struct se_hal *hal, enum err *e)
{
	volatile uint8_t *top = below() - 64; /* the callee's own frame stays as it is */
	unsigned used = PAINTED;

	for (unsigned i = 0; i < PAINTED; i++)
		top[-(int)i] = COLOUR;
	answers_at = 0;
	*e = run(hal);
	while (used && top[-(int)(used - 1)] == COLOUR)
		used--;
	return used + 64;
}

/* --- a token --- */

static char token[JWT_TOKEN_MAX + 1];
static size_t token_n;

__attribute__((noinline)) static enum err whole_token(const struct se_hal *hal)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	enum err e = se_open(&se, hal);

	return e == OK ? board_token(&se, 1763853600, TEXT(id), token, &token_n) : e;
}

/* --- a setup --- */

static struct board_setup setup;
static struct setup_host host;
static uint8_t said[4096], heard[2 * SETUP_FRAME_MAX];
static size_t said_n, heard_n;

static void to_host(void *ctx, const uint8_t *p, size_t n)
{
	(void)ctx;
	if (heard_n + n <= sizeof(heard)) {
		memcpy(heard + heard_n, p, n);
		heard_n += n;
	}
}

static void to_nobody(void *ctx, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
}

static enum err ask(unsigned step, const uint8_t serial[9])
{
	static const uint8_t challenge[32] = { 7 };

	switch (step) {
	case 0:
		return setup_ask_hello(&host);
	case 1:
		return setup_ask_info(&host);
	case 2:
		return setup_ask_plan(&host, "arduino");
	case 3:
		return setup_ask_lock(&host, "arduino", serial);
	case 4:
		return setup_ask_key(&host, true);
	case 5:
		return setup_ask_csr(&host, (struct slice){ (uint8_t *)issued.device_id, 36 });
	case 6:
		return setup_ask_store(&host, &issued);
	case 7:
		return setup_ask_read(&host);
	default:
		return setup_ask_prove(&host, challenge);
	}
}
#define STEPS 9

/* One request and its answer; what the host said is kept. */
static bool answered(void)
{
	struct slice out = setup_host_output(&host), in;

	if (said_n + out.n > sizeof(said))
		return false;
	memcpy(said + said_n, out.p, out.n);
	said_n += out.n;
	heard_n = 0;
	setup_board_take(&setup.dialogue, out);
	setup_host_sent(&host, out.n);
	in = (struct slice){ heard, heard_n };
	return setup_host_take(&host, &in) == SETUP_ANSWERED;
}

/* A blank chip gets its identity. */
static unsigned converse(const uint8_t serial[9])
{
	unsigned step = 0;

	board_setup_init(&setup);
	setup_host_init(&host, 0x1234567, &setup_limits_default);
	while (step < STEPS && ask(step, serial) == OK && answered())
		step++;
	return step;
}

__attribute__((noinline)) static enum err whole_setup(const struct se_hal *hal)
{
	setup.hal = hal;
	setup.put = to_nobody;
	board_setup_init(&setup);
	setup_board_take(&setup.dialogue, (struct slice){ said, said_n });
	return setup.dialogue.failed;
}

static void test_setup(const struct se_hal *play)
{
	uint8_t serial[9];
	unsigned steps, used;
	enum err e;

	chip_new(&chip, true);
	memcpy(serial, chip.config, 4);
	memcpy(serial + 4, chip.config + 8, 5);
	chip.hal.recv = recording;
	answers_n = 0;
	setup.hal = &chip.hal;
	setup.put = to_host;
	steps = converse(serial);
	ok(steps == STEPS && memcmp(chip.slots[12], issued.device_id, 36) == 0 &&
	        chip.config[86] == 0,
	    "a setup of %u steps gives a blank chip its identity", steps);
	ok(answers_n < sizeof(answers), "%u bytes of answers kept", (unsigned)answers_n);
	used = depth(whole_setup, play, &e);
	ok(e == OK && answers_at == answers_n && setup.dialogue.request == SETUP_PROVE,
	    "the same once more from what was said");
	ok(used > 128 && used <= SETUP_STACK_MAX, "stack of setup: %u bytes", used);
}

static void test_token(const struct se_hal *play)
{
	unsigned used;
	enum err e;

	answers_n = 0;
	chip_provisioned(&chip, true);
	memset(chip.slots[1], 0x22, 36);
	chip.hal.recv = recording;
	ok(whole_token(&chip.hal) == OK && token_n > 200 && token_n <= JWT_TOKEN_MAX,
	    "a token of %u characters", (unsigned)token_n);
	token[0] = '\0';
	used = depth(whole_token, play, &e);
	ok(e == OK && answers_at == answers_n && strlen(token) == token_n, "once more");
	ok(used > 128 && used <= STACK_MAX, "stack of a token: %u bytes", used);
}

int main(void)
{
	static const struct se_hal play = { NULL, play_wake, play_send, play_recv, play_wait };
	uint8_t q[64], want[64];
	struct ccert got;
	struct csr csr;
	unsigned used;
	enum err e;

	issued = (struct ccert){ .issued = { 2025, 6, 1, 12 }, .years = 31, .serial = { 0x80 } };
	memset(issued.sig, 0x42, sizeof(issued.sig));
	memset(issued.aki, 0x5c, sizeof(issued.aki));
	memcpy(issued.device_id, "01234567-89ab-cdef-0123-456789abcdef", 36);

	chip_provisioned(&chip, true);
	chip.hal.recv = recording;
	ok(whole(&chip.hal) == OK && chip.state == ASLEEP, "the board program does its work");
	chip_public(&chip, 0, want);
	ok(csr_parse((struct slice){ request, request_w.n }, &csr, NULL) == OK &&
	        memcmp(csr.q, want, 64) == 0,
	    "a request for the new key");
	ok(ccert_from_cert((struct slice){ cert, cert_w.n }, &got, q) == OK &&
	        memcmp(q, want, 64) == 0 && ccert_compare(&got, &issued) == CCERT_SAME,
	    "the certificate for that key from what is in the slots");
	ok(answers_n < sizeof(answers), "%u bytes of answers kept", (unsigned)answers_n);

	memset(cert, 0, sizeof(cert));
	used = depth(whole, &play, &e);
	ok(e == OK && answers_at == answers_n && memcmp(csr.q, want, 64) == 0 &&
	        ccert_from_cert((struct slice){ cert, cert_w.n }, &got, q) == OK,
	    "the same once more from the answers alone");
	ok(used > 128 && used <= STACK_MAX, "stack: %u bytes", used);
	test_token(&play);
	test_setup(&play);
	return done_testing();
}
