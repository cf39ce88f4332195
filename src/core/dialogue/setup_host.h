/*
 * setup_host.h -- the side of the setup dialogue that asks.
 *
 * A sans-I/O state machine with one request under way at a time. It is handed what the serial port
 * received and how much time passed, says what to send, and repeats a request with the same id until
 * it is answered or the tries are used up. Text of the board in between is ignored. Answers of another
 * form than their request has are refused, not guessed at.
 *
 * It does not open ports and verifies no signature: check a CSR with csr_verify, a proof with the
 * bytes of setup_proof, a statement with attest.h. Nothing allocates. Network settings leave it as
 * soon as they are answered.
 *
 *	setup_host_init(&h, random32, &setup_limits_default);
 *	e = setup_ask_hello(&h);
 *	do {
 *		out = setup_host_output(&h);
 *		setup_host_sent(&h, port_write(out.p, out.n));
 *		received = port_read(&ms);      // waits a little; ms: how long it took
 *		if ((event = setup_host_take(&h, &received)) == SETUP_NOTHING)
 *			event = setup_host_elapsed(&h, ms);
 *	} while (event == SETUP_NOTHING);       // SETUP_ANSWERED: h.hello, and ask the next
 */
#ifndef IMPRINT_SETUP_HOST_H
#define IMPRINT_SETUP_HOST_H

#include "ccert.h"
#include "frame.h"
#include "setup.h"

#ifdef __cplusplus
extern "C" {
#endif

enum setup_event {
	SETUP_NOTHING,
	SETUP_ANNOUNCED, /* unasked: the board speaks setup and has no session; h.hello */
	SETUP_ANSWERED,  /* h.request was done; its answer is in the member of that name */
	SETUP_FAILED,    /* h.request was not done: h.fault, h.reason */
};

/* Milliseconds until a request is repeated, and how often it is sent in all. */
struct setup_limits {
	uint32_t ms[SETUP_REQUESTS];
	uint8_t tries;
};
extern const struct setup_limits setup_limits_default;

#define SETUP_WORDS_MAX 96
#define SETUP_COMMON_NAME_MAX 64

struct setup_host {
	/* --- to read --- */
	enum setup_request request; /* the last one that was asked */
	enum setup_fault fault;
	struct {
		enum err err;                   /* with SETUP_CHIP and SETUP_BOARD */
		uint8_t opcode, status;         /* of the chip's last command; 0: not said */
		uint8_t field;                  /* with SETUP_MALFORMED and SETUP_RANGE */
		char text[SETUP_WORDS_MAX + 1]; /* the board's words, printable; often empty */
	} reason;
	struct setup_hello hello; /* also after SETUP_ANNOUNCED */
	union {                   /* of the last request, until the next one is asked */
		struct setup_info info;
		struct setup_plan plan;
		struct {
			uint8_t steps; /* that were done now; 0: it was locked already */
		} lock;
		struct {
			uint8_t q[64];
			bool made; /* now; else it was there */
		} key;
		struct {
			struct slice der; /* in this struct */
			uint8_t bytes[SETUP_MESSAGE_MAX];
		} csr;
		struct {
			uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
			uint8_t q[64];
		} read;
		struct {
			uint8_t sig[64];
		} prove;
		struct setup_statement attest;
	};

	/* --- private --- */
	const struct setup_limits *limits;
	struct frame_reader reader;
	bool waiting;
	uint32_t id, waited_ms, silent_ms;
	uint8_t tries;
	uint16_t out_n, out_sent;
	uint8_t in[SETUP_FRAME_MAX], out[SETUP_FRAME_MAX];
};

/* first_id is random, so that answers to an earlier program are not taken for ours. */
void setup_host_init(struct setup_host *h, uint32_t first_id, const struct setup_limits *limits);

/* Takes received bytes and advances `in` until something happened or all is taken. */
enum setup_event setup_host_take(struct setup_host *h, struct slice *in);
/* So many milliseconds were spent waiting for the port. Call it in every turn, after take. */
enum setup_event setup_host_elapsed(struct setup_host *h, uint32_t ms);
/* What to send now, perhaps nothing; then how much of it was sent. */
struct slice setup_host_output(const struct setup_host *h);
void setup_host_sent(struct setup_host *h, size_t n);

/*
 * The requests. ERR_CONFLICT while another one is under way; ERR_ARG for a value that no board may
 * accept. All but hello need a session; a board without one fails them with SETUP_NO_HELLO.
 */
enum err setup_ask_hello(struct setup_host *h) MUST_CHECK;
enum err setup_ask_info(struct setup_host *h) MUST_CHECK;
enum err setup_ask_plan(struct setup_host *h, const char *profile) MUST_CHECK;
/* Irreversible. serial: as shown to whoever agreed. */
enum err setup_ask_lock(
    struct setup_host *h, const char *profile, const uint8_t serial[9]) MUST_CHECK;
/* replace: a new key even if there is one; certificates of the old one are worthless then. */
enum err setup_ask_key(struct setup_host *h, bool replace) MUST_CHECK;
/* 1 to SETUP_COMMON_NAME_MAX printable characters. */
enum err setup_ask_csr(struct setup_host *h, struct slice common_name) MUST_CHECK;
enum err setup_ask_store(struct setup_host *h, const struct ccert *fields) MUST_CHECK;
enum err setup_ask_read(struct setup_host *h) MUST_CHECK;
enum err setup_ask_prove(struct setup_host *h, const uint8_t challenge[32]) MUST_CHECK;
/* create: with a new key in slot 0, like setup_ask_key. */
enum err setup_ask_attest(
    struct setup_host *h, const uint8_t challenge[20], bool create) MUST_CHECK;
enum err setup_ask_network(struct setup_host *h, const struct setup_network *network) MUST_CHECK;
enum err setup_ask_wipe(struct setup_host *h, const uint8_t serial[9]) MUST_CHECK;
enum err setup_ask_restart(struct setup_host *h) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
