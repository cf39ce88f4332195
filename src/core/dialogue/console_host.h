/*
 * console_host.h -- the side of the console dialogue that types: gives a board an identity.
 *
 * A sans-I/O state machine. It is handed what the serial port received and how much time passed,
 * and says what to send. It tolerates repeated prompts, any mix of CR and LF, debug lines in
 * between and debug text fused in front of a prompt, and does not care how the bytes were cut.
 * Every way to fail is named by step and cause, with the board's own words kept.
 *
 * It does not open ports, ask a certificate authority, or verify signatures: check the CSR with
 * csr_verify before signing. It does compare: the certificate that the board printed must be the
 * one that the given fields and the CSR's key stand for, else the run fails with
 * CONSOLE_CERT_DIFFERS and `differs` names the first field. Nothing allocates; the struct holds no
 * secrets.
 *
 *	console_host_init(&h, device_id, &console_limits_default);
 *	do {
 *		out = console_host_output(&h);
 *		console_host_sent(&h, port_write(out.p, out.n));
 *		received = port_read(&ms);      // waits a little; ms: how long it took
 *		while ((event = console_host_take(&h, &received)) != CONSOLE_NOTHING)
 *			handle(event);          // CONSOLE_LOCK_ASKED: console_host_lock(&h, yes)
 *		for (; (event = console_host_elapsed(&h, ms)) != CONSOLE_NOTHING; ms = 0)
 *			handle(event);
 *	} while (!console_host_over(&h));
 */
#ifndef IMPRINT_CONSOLE_HOST_H
#define IMPRINT_CONSOLE_HOST_H

#include "ccert.h"
#include "console.h"

#ifdef __cplusplus
extern "C" {
#endif

enum console_event {
	CONSOLE_NOTHING,
	CONSOLE_LOCK_ASKED, /* irreversible: the caller must call console_host_lock */
	CONSOLE_CSR_READY,  /* h.der: the request; the caller must call console_host_certificate */
	CONSOLE_CERT_READY, /* h.der: the certificate as the board printed it, whatever it says */
	CONSOLE_FIRMWARE,   /* h.firmware; h.firmware_latest is empty when that is up to date */
	CONSOLE_FINISHED,   /* certificate compared and equal; the board has stopped */
	CONSOLE_FAILED,     /* h.step, h.cause, h.said */
};

/* Milliseconds that a step may last; while the caller is asked, no time passes. */
struct console_limits {
	uint32_t ms[CONSOLE_STEPS];
};
extern const struct console_limits console_limits_default;

#define CONSOLE_SAID_MAX 96
#define CONSOLE_LINE_MAX 128
#define CONSOLE_VERSION_MAX 24

struct console_host {
	/* --- to read --- */
	enum console_step step;
	enum console_cause cause;
	enum console_wording wording;
	enum ccert_field differs;    /* with CONSOLE_CERT_READY and CONSOLE_CERT_DIFFERS */
	uint8_t csr_fault;           /* enum csr_fault, with CONSOLE_CSR_DAMAGED */
	bool locked_now;             /* the board said that it locked its chip in this run */
	char said[CONSOLE_SAID_MAX]; /* the board's own last words, printable, NUL ended */
	char firmware[CONSOLE_VERSION_MAX], firmware_latest[CONSOLE_VERSION_MAX];
	struct slice der; /* the CSR until console_host_certificate; in the end the certificate */
	uint8_t q[64];    /* the key of the CSR, X|Y */

	/* --- private --- */
	const struct console_limits *limits;
	struct ccert fields;
	char device_id[CCERT_DEVICE_ID];
	uint32_t in_step_ms, quiet_ms;
	uint8_t next_event, answers, pem;
	bool need_lock, need_cert, refused, asked_again, more, cut, not_hex;
	char line[CONSOLE_LINE_MAX];
	uint8_t line_n;
	char out[132];
	uint8_t out_n, out_sent;
	uint16_t der_n, digits;
	uint8_t bytes[CCERT_CERT_MAX];
};

/* device_id: 36 characters, lower case wanted. limits are borrowed. */
void console_host_init(struct console_host *h, const char device_id[CCERT_DEVICE_ID],
    const struct console_limits *limits);

/*
 * Takes received bytes and advances `in` until something happened or all is taken. Call it until it
 * returns CONSOLE_NOTHING. After CONSOLE_FINISHED or CONSOLE_FAILED it swallows everything.
 */
enum console_event console_host_take(struct console_host *h, struct slice *in);
/*
 * So many milliseconds were spent waiting for the port, whether bytes came or not. Call it in every
 * turn, after console_host_take, and again with 0 until it returns CONSOLE_NOTHING.
 */
enum console_event console_host_elapsed(struct console_host *h, uint32_t ms);
/* True after CONSOLE_FINISHED or CONSOLE_FAILED. */
bool console_host_over(const struct console_host *h);

/* What to send now, perhaps nothing; then how much of it was sent. */
struct slice console_host_output(const struct console_host *h);
void console_host_sent(struct console_host *h, size_t n);

/* The answer to CONSOLE_LOCK_ASKED. ERR_CONFLICT when nothing was asked. */
enum err console_host_lock(struct console_host *h, bool yes) MUST_CHECK;
/*
 * The answer to CONSOLE_CSR_READY: the fields of the signed certificate, copied. ERR_CONFLICT when
 * not waiting for it; ERR_ARG when the fields cannot be packed or name another device id.
 */
enum err console_host_certificate(struct console_host *h, const struct ccert *fields) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
