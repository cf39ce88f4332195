/*
 * run.h -- the setup of one board over its serial port, from the computer's side.
 *
 * A run talks to the setup program on the board, has its request signed by whoever `issuer` stands
 * for, sends the fields of the certificate, and compares what the board rebuilt with what was
 * signed, byte for byte. It listens first: a board that announces our own program is spoken to in
 * setup_host.h's way, else it is Arduino's sketch (console_host.h), to which frames are never sent.
 * Over setup the compared bytes are rebuilt here from what the chip's slots hold, and slot 0 signs a
 * challenge before anything becomes active. What is reached is in the board's record (record.h) before the next
 * step begins, so a run that is interrupted at any point can simply be made again: same device id,
 * never two active certificates. Over setup a certificate that was issued for the key in the chip and
 * never confirmed is stored again, and nobody is asked to sign another one.
 *
 * It never lets a chip be locked without asking `may_lock`: that is for ever. A request is parsed,
 * its signature verified and its name compared before anybody is asked to sign. The steps stand in
 * one table, client_steps; programs and tests take them from there.
 *
 *	struct client_run run = { .port = "/dev/ttyACM0", .folder = runs, .name = "greenhouse-07",
 *	    .years = 31, .issuer = issuer, .event = show, .stop_fd = -1 };
 *	struct client_result result;
 *	if ((e = client_run(&run, &result, eb)) != OK)
 *		fprintf(stderr, "%s; kept: %s; %s\n", eb->text, result.kept, result.remedy);
 */
#ifndef IMPRINT_RUN_H
#define IMPRINT_RUN_H

#include "console_host.h"
#include "csr.h"
#include "errbuf.h"
#include "evidence.h"

enum client_step {
	CLIENT_RECORD,
	CLIENT_OPEN,
	CLIENT_TALK,
	CLIENT_LOCK,
	CLIENT_CSR,
	CLIENT_CHECK,
	CLIENT_ISSUE,
	CLIENT_SEND,
	CLIENT_STORE,
	CLIENT_COMPARE,
	CLIENT_ACTIVATE,
	CLIENT_FINISH,
	CLIENT_STEPS
};
struct client_step_info {
	const char *name; /* one lower-case word, never changed: scripts know it */
	const char *text; /* what happens, for people */
};
extern const struct client_step_info client_steps[CLIENT_STEPS];

enum client_state { CLIENT_BEGUN, CLIENT_DONE, CLIENT_SKIPPED, CLIENT_FAILED };
struct client_event {
	enum client_step step;
	enum client_state state;
	double seconds;   /* the step so far */
	const char *text; /* one line of truth, or "" */
};

/* Who signs. `csr` is verified; the certificate may be at most CCERT_CERT_MAX bytes. */
struct issuer {
	void *ctx;
	/*
	 * Which device this board is. `id` holds the recorded one, or "" without a record; the same or
	 * another one on return. NULL: the record's, made here.
	 */
	enum err (*device)(
	    void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb);
	enum err (*issue)(void *ctx, const struct csr *csr, const char *device_id, unsigned years,
	    uint8_t der[CCERT_CERT_MAX], size_t *n, struct errbuf *eb);
	/* Whether this certificate, issued in an earlier run, is its own. */
	bool (*own)(void *ctx, struct slice der);
	/* The board holds this certificate: no other one of the device may stay valid. NULL: nothing. */
	enum err (*settle)(void *ctx, const char *device_id, struct slice der, struct errbuf *eb);
};

struct client_run {
	const char *port;   /* a path or the name of a virtual board */
	const char *folder; /* where records are; must exist */
	const char *name;   /* of the board */
	unsigned years;     /* 1..31 */
	/* What an open chip is locked with, by a board that speaks setup; NULL: "arduino". */
	const char *profile;
	/* For a board that speaks setup; NULL: it keeps what it has. */
	const struct setup_network *network;
	/* How long the board may be silent in one step; 0: each step's own limit. */
	uint32_t limit_ms;
	int stop_fd; /* readable: stop in order; -1: none */
	struct issuer issuer;
	void *ctx; /* of the functions below */
	/*
	 * Starts the setup program again once the port is ours; what it had said before is thrown
	 * away. NULL: it waits at its beginning, or only a finger on the reset button can do it.
	 */
	enum err (*restart)(void *ctx, struct errbuf *eb);
	bool restarts; /* the next run can do that: no finger is asked for after a failure */
	/* NULL: never. Called at most once, when an unlocked chip asks. */
	bool (*may_lock)(void *ctx);
	void (*event)(void *ctx, const struct client_event *event); /* NULL: nobody watches */
};

/* What came out, also of a failure, as far as it got. */
struct client_result {
	char device_id[CCERT_DEVICE_ID + 1];
	uint8_t der[CCERT_CERT_MAX]; /* the active certificate; n is 0 before */
	size_t n;
	bool locked_now;        /* the chip was locked in this run */
	uint8_t chip_serial[9]; /* over setup; else zero */
	enum assurance level;   /* that was proven for the certificate's key */
	const char *level_why;  /* why it is no more; "" */
	bool unconfirmed_end;   /* identity complete, but the board's closing words did not come */
	/* Of the Wi-Fi module, "" when the board named none; the latest when that is another. */
	char firmware[CONSOLE_VERSION_MAX], firmware_latest[CONSOLE_VERSION_MAX];
	enum client_step step;       /* where it failed */
	char said[CONSOLE_SAID_MAX]; /* the board's own last words */
	const char *kept, *remedy;   /* after a failure; else NULL */
};

/*
 * ERR_CONFLICT: another process has the record or the port. ERR_DENIED: locking was refused, or the
 * issuer refuses. ERR_FORMAT: the request is refused, with field and reason. ERR_DEVICE,
 * ERR_TIMEOUT: the board. eb says what happened; result, where and what to do.
 */
enum err client_run(
    const struct client_run *run, struct client_result *result, struct errbuf *eb) MUST_CHECK;

#endif
