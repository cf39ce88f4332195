/*
 * The measured program at work on Cortex-M0+, and how deep its stack grows.
 *
 * The test's chip answers once and its answers are kept; then they are played back by a bus that
 * needs next to no stack itself, over painted memory. What is not the paint's colour any more was
 * used: by the board program, the core and the C library, without the port and without its buffers.
 */
#include "board.h"
#include "chip.h"
#include "tap.h"

#define COLOUR 0xa5
#define PAINTED 4096
#define STACK_MAX 1024

static struct chip chip;
static uint8_t answers[4096];
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

static unsigned depth(const struct se_hal *hal, enum err *e)
{
	volatile uint8_t *top = below() - 64; /* the callee's own frame stays as it is */
	unsigned used = PAINTED;

	for (unsigned i = 0; i < PAINTED; i++)
		top[-(int)i] = COLOUR;
	*e = whole(hal);
	while (used && top[-(int)(used - 1)] == COLOUR)
		used--;
	return used + 64;
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
	used = depth(&play, &e);
	ok(e == OK && answers_at == answers_n && memcmp(csr.q, want, 64) == 0 &&
	        ccert_from_cert((struct slice){ cert, cert_w.n }, &got, q) == OK,
	    "the same once more from the answers alone");
	ok(used > 128 && used <= STACK_MAX, "stack: %u bytes", used);
	return done_testing();
}
