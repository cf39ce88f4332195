/* Whole runs against a board on a pseudo-terminal: every wording, every misbehaviour, every step. */
#include "run.h"
#include "tap.h"

#include "fake_board.h"
#include "record.h"
#include "sha256.h"

/* --- an authority --- */

struct authority {
	struct p256_key *key;
	uint8_t serial;
	unsigned asked;
	enum err refuse;    /* OK: issues */
	bool replaced;      /* by another: what it issued is not its own */
	const char *device; /* it says which device this is; NULL: the record does */
	char was_told[CCERT_DEVICE_ID + 1];
	unsigned settled;
	enum err refuse_to_settle;
	void (*bend)(struct ccert *c, uint8_t q[64]); /* issues for something else */
};

static enum err authority_issue(void *ctx, const struct csr *csr, const char *device_id,
    unsigned years, uint8_t der[CCERT_CERT_MAX], size_t *n, struct errbuf *eb)
{
	struct authority *a = ctx;
	struct ccert c = {
		.issued = { 2026, 11, 23, 2 }, .years = (uint8_t)years, .aki = { 7, 8 }
	};
	uint8_t tbs[CCERT_TBS_MAX], digest[32], q[64];
	struct der_w w = der_writer(tbs, sizeof(tbs));
	struct slice out;
	enum err e;

	a->asked++;
	if (a->refuse != OK)
		return err_set(eb, a->refuse, "policy: not on a Monday");
	c.serial[15] = ++a->serial;
	memcpy(c.device_id, device_id, CCERT_DEVICE_ID);
	memcpy(q, csr->q, sizeof(q));
	if (a->bend)
		a->bend(&c, q);
	ccert_tbs_put(&w, &c, q);
	if ((e = der_finish(&w, &out)) != OK)
		return e;
	sha256(out, digest);
	if ((e = p256_sign(a->key, digest, c.sig)) != OK)
		return e;
	w = der_writer(der, CCERT_CERT_MAX);
	ccert_cert_put(&w, &c, q);
	if ((e = der_finish(&w, &out)) == OK)
		*n = out.n;
	return e;
}

static bool authority_own(void *ctx, struct slice der)
{
	const struct authority *a = ctx;

	(void)der;
	return !a->replaced;
}

static enum err authority_device(
    void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb)
{
	struct authority *a = ctx;

	(void)name, (void)eb;
	memcpy(a->was_told, id, sizeof(a->was_told));
	memcpy(id, a->device, CCERT_DEVICE_ID + 1);
	return OK;
}

static enum err authority_settle(
    void *ctx, const char *device_id, struct slice der, struct errbuf *eb)
{
	struct authority *a = ctx;
	struct ccert fields;
	uint8_t q[64];

	a->settled++;
	if (a->refuse_to_settle != OK)
		return err_set(eb, a->refuse_to_settle, "the line is dead");
	if (ccert_from_cert(der, &fields, q) != OK ||
	    memcmp(fields.device_id, device_id, CCERT_DEVICE_ID) != 0)
		return err_set(eb, ERR_FORMAT, "another certificate than was issued");
	return OK;
}

/* --- what a run tells --- */

struct watcher {
	char steps[CLIENT_STEPS * 4 + 1]; /* two letters an event: step 'a'.. and B D S F */
	unsigned lock_questions;
	bool allow_lock;
	struct fake_board *button; /* the run may press its reset button */
	double slowest;
};

static void watch(void *ctx, const struct client_event *event)
{
	struct watcher *w = ctx;
	size_t n = strlen(w->steps);

	if (n + 2 < sizeof(w->steps)) {
		w->steps[n] = (char)('a' + event->step);
		w->steps[n + 1] = "BDSF"[event->state];
	}
	if (event->seconds > w->slowest)
		w->slowest = event->seconds;
}

static bool may_lock(void *ctx)
{
	struct watcher *w = ctx;

	w->lock_questions++;
	return w->allow_lock;
}

/* --- one run --- */

struct bench {
	const char *folder, *name;
	struct authority authority;
	struct watcher watcher;
	struct client_result result;
	struct errbuf eb;
	uint32_t limit_ms;
	int stop_fd;
};

static struct bench bench_of(const char *folder, const char *name)
{
	struct bench b = { .folder = folder, .name = name, .limit_ms = 5000, .stop_fd = -1 };

	b.watcher.allow_lock = true;
	if (p256_key_generate(&b.authority.key, NULL) != OK)
		ok(false, "key of the authority");
	return b;
}

static enum err press_reset(void *ctx, struct errbuf *eb)
{
	struct watcher *w = ctx;

	(void)eb;
	fake_board_reset(w->button);
	return OK;
}

static enum err run_once(struct bench *b, struct fake_board *board)
{
	struct client_run ask = { .folder = b->folder,
		.name = b->name,
		.years = 31,
		.limit_ms = b->limit_ms,
		.stop_fd = b->stop_fd,
		.issuer = { .ctx = &b->authority, .issue = authority_issue, .own = authority_own },
		.ctx = &b->watcher,
		.may_lock = may_lock,
		.restart = b->watcher.button ? press_reset : NULL,
		.event = watch };
	enum err e;

	if (b->authority.device) {
		ask.issuer.device = authority_device;
		ask.issuer.settle = authority_settle;
	}
	memset(b->watcher.steps, 0, sizeof(b->watcher.steps));
	memset(b->eb.text, 0, sizeof(b->eb.text));
	if (!fake_board_start(board)) {
		ok(false, "a pseudo-terminal");
		return ERR_IO;
	}
	ask.port = board->path;
	e = client_run(&ask, &b->result, &b->eb);
	fake_board_stop(board);
	return e;
}

/* "SA" of the record as it is on disk: issued, active, superseded. */
static const char *states_of(const struct bench *b)
{
	static char out[16];
	struct record *r = NULL;
	size_t n = 0;

	if (record_open(b->folder, b->name, NULL, &r, NULL) != OK)
		return "unreadable";
	for (; n < record_count(r) && n < sizeof(out) - 1; n++)
		out[n] = "IAS"[record_at(r, n)->state];
	out[n] = 0;
	record_free(r);
	return out;
}

static size_t active_of(const struct bench *b)
{
	size_t n = 0;

	for (const char *s = states_of(b); *s; s++)
		n += *s == 'A';
	return n;
}

static void done_with(struct bench *b, struct fake_board *board)
{
	p256_key_free(b->authority.key);
	p256_key_free(board->key);
}

/* --- boards as they should be --- */

static void good_boards(const char *folder)
{
	static const struct {
		const char *name;
		struct fake_board board;
		const char *steps;
	} cases[] = {
		{ "today-locked", { .wording = CONSOLE_TODAY, .locked = true },
		    "aBaDbBbDcBcDdSeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
		{ "today-unlocked", { .wording = CONSOLE_TODAY },
		    "aBaDbBbDcBcDdBdDeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
		{ "today-wifi",
		    { .wording = CONSOLE_TODAY,
		        .locked = true,
		        .firmware = "1.5.0",
		        .latest = "1.5.0" },
		    "aBaDbBbDcBcDdSeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
		{ "today-old-wifi",
		    { .wording = CONSOLE_TODAY,
		        .locked = true,
		        .firmware = "1.4.8",
		        .latest = "1.5.0" },
		    "aBaDbBbDcBcDdSeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
		{ "2020-locked", { .wording = CONSOLE_2020, .locked = true },
		    "aBaDbBbDcBcDdSeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
		{ "2020-unlocked", { .wording = CONSOLE_2020 },
		    "aBaDbBbDcBcDdBdDeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_of(folder, cases[i].name);
		struct fake_board board = cases[i].board;
		bool was_locked = board.locked;
		struct ccert fields;
		uint8_t q[64], want[64];

		ok(run_once(&b, &board) == OK, "%s: done %s", b.name, b.eb.text);
		ok(strcmp(b.watcher.steps, cases[i].steps) == 0, "%s: %s", b.name, b.watcher.steps);
		ok(b.watcher.lock_questions == !was_locked && b.result.locked_now == !was_locked &&
		        board.locked,
		    "%s: locked once, and asked before", b.name);
		p256_key_public(board.key, want);
		ok(ccert_from_cert((struct slice){ b.result.der, b.result.n }, &fields, q) == OK &&
		        memcmp(q, want, 64) == 0 &&
		        memcmp(fields.device_id, b.result.device_id, 36) == 0,
		    "%s: the certificate is for its key and id", b.name);
		ok(strcmp(states_of(&b), "A") == 0, "%s: recorded as active", b.name);
		ok(!board.firmware || strcmp(b.result.firmware, board.firmware) == 0,
		    "%s: firmware %s", b.name, b.result.firmware);
		done_with(&b, &board);
	}
}

static void again(const char *folder)
{
	struct bench b = bench_of(folder, "again");
	struct fake_board board = { .wording = CONSOLE_TODAY, .locked = true };
	char id[37];

	ok(run_once(&b, &board) == OK, "first identity");
	memcpy(id, b.result.device_id, sizeof(id));
	ok(run_once(&b, &board) == OK && strcmp(id, b.result.device_id) == 0,
	    "second one, same device id");
	ok(strcmp(states_of(&b), "SA") == 0, "the first is superseded: %s", states_of(&b));
	done_with(&b, &board);
}

/* A host was killed and the board waits in the middle; what it printed lies unread. */
static void left_over(const char *folder)
{
	struct bench b = bench_of(folder, "left-over");
	struct fake_board board = { .wording = CONSOLE_TODAY,
		.locked = true,
		.typed_before = "y\n0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40\n2026\n" };

	ok(run_once(&b, &board) == ERR_FORMAT && b.result.step == CLIENT_CSR,
	    "another run's words: %s", b.eb.text);
	ok(strstr(b.result.remedy, "reset button") && b.authority.asked == 0, "kept: %s; to do: %s",
	    b.result.kept, b.result.remedy);
	b.watcher.button = &board;
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0, "started again: %s",
	    states_of(&b));
	done_with(&b, &board);
}

static void lock_refused(const char *folder)
{
	struct bench b = bench_of(folder, "lock-refused");
	struct fake_board board = { .wording = CONSOLE_TODAY };

	b.watcher.allow_lock = false;
	ok(run_once(&b, &board) == ERR_DENIED && b.result.step == CLIENT_LOCK, "refused at %s: %s",
	    client_steps[b.result.step].name, b.eb.text);
	ok(!board.locked && b.watcher.lock_questions == 1 && b.authority.asked == 0,
	    "nothing locked, nothing issued");
	done_with(&b, &board);
}

/* --- requests that nobody may sign --- */

static void csr_cut(uint8_t *der, size_t *n, size_t cap)
{
	(void)der;
	(void)cap;
	*n -= 10;
}

static void csr_not_der(uint8_t *der, size_t *n, size_t cap)
{
	(void)n;
	(void)cap;
	der[0] = 0x04;
}

/* Finds bytes in the request; the tests know that they are there. */
static uint8_t *at(uint8_t *der, size_t n, struct slice what)
{
	for (size_t i = 0; i + what.n <= n; i++)
		if (memcmp(der + i, what.p, what.n) == 0)
			return der + i;
	abort();
}

/* prime256v1 becomes prime192v1, so the key is on another curve. */
static void csr_curve(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	at(der, *n, BYTES(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07))[7] = 0x01;
}

static void csr_rsa(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	at(der, *n, BYTES(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01))[5] = 0x03;
}

static void csr_off_curve(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	at(der, *n, BYTES(0x03, 0x42, 0x00, 0x04))[5] ^= 1;
}

static void csr_compressed(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	at(der, *n, BYTES(0x03, 0x42, 0x00, 0x04))[3] = 0x02;
}

static void csr_signature(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	der[*n - 1] ^= 1;
}

static void csr_digest(uint8_t *der, size_t *n, size_t cap)
{
	(void)cap;
	at(der, *n, BYTES(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))[7] = 0x03;
}

/* The board adds lines to it. */
static void csr_same(uint8_t *der, size_t *n, size_t cap)
{
	(void)der;
	(void)n;
	(void)cap;
}

static void csr_other_id(uint8_t *der, size_t *n, size_t cap)
{
	uint8_t *id = at(der, *n, BYTES(0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x24)) + 7;

	(void)cap;
	id[0] = id[0] == 'a' ? 'b' : 'a';
}

static void bad_requests(const char *folder)
{
	static const struct {
		const char *name;
		void (*bend)(uint8_t *der, size_t *n, size_t cap);
		const char *says;
	} cases[] = {
		{ "csr-truncated", csr_cut, "CertificationRequest" },
		{ "csr-malformed", csr_not_der, "CertificationRequest" },
		{ "csr-oversized", csr_same, "CertificationRequest: too long" },
		{ "csr-other-curve", csr_curve, "subjectPKInfo.algorithm" },
		{ "csr-no-ec-key", csr_rsa, "subjectPKInfo.algorithm" },
		{ "csr-off-curve", csr_off_curve, "not on P-256" },
		{ "csr-compressed-point", csr_compressed, "subjectPublicKey: not an uncompressed" },
		{ "csr-wrong-signature", csr_signature, "signature: does not verify" },
		{ "csr-other-digest", csr_digest, "signatureAlgorithm" },
		{ "csr-other-id", csr_other_id, "another device id" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_of(folder, cases[i].name);
		struct fake_board board = { .wording = CONSOLE_TODAY,
			.locked = true,
			.csr_lines = cases[i].bend == csr_same ? 20 : 0,
			.csr_bend = cases[i].bend };

		ok(run_once(&b, &board) == ERR_FORMAT && strstr(b.eb.text, cases[i].says), "%s: %s",
		    b.name, b.eb.text);
		ok(b.authority.asked == 0 && strcmp(states_of(&b), "") == 0,
		    "%s: nobody asked, nothing issued", b.name);
		board.csr_bend = NULL;
		board.csr_lines = 0;
		ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0,
		    "%s: the next attempt finishes", b.name);
		done_with(&b, &board);
	}
}

/* --- authorities that refuse or err --- */

static void other_key(struct ccert *c, uint8_t q[64])
{
	(void)c;
	q[3] ^= 1;
}

static void other_id(struct ccert *c, uint8_t q[64])
{
	(void)q;
	c->device_id[0] = c->device_id[0] == 'a' ? 'b' : 'a';
}

static void bad_authorities(const char *folder)
{
	static const struct {
		const char *name;
		enum err refuse;
		void (*bend)(struct ccert *c, uint8_t q[64]);
		enum err want;
		const char *says;
	} cases[] = {
		{ "ca-refuses", ERR_DENIED, NULL, ERR_DENIED, "not on a Monday" },
		{ "ca-is-away", ERR_IO, NULL, ERR_IO, "not on a Monday" },
		{ "ca-other-key", OK, other_key, ERR_FORMAT, "another key" },
		{ "ca-other-id", OK, other_id, ERR_FORMAT, "device id" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_of(folder, cases[i].name);
		struct fake_board board = { .wording = CONSOLE_TODAY, .locked = true };
		enum err e;

		b.authority.refuse = cases[i].refuse;
		b.authority.bend = cases[i].bend;
		e = run_once(&b, &board);
		ok(e == cases[i].want && b.result.step == CLIENT_ISSUE &&
		        strstr(b.eb.text, cases[i].says),
		    "%s: %s", b.name, b.eb.text);
		ok(strcmp(states_of(&b), "") == 0 && b.result.kept && b.result.remedy,
		    "%s: nothing issued", b.name);
		b.authority.refuse = OK;
		b.authority.bend = NULL;
		ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0,
		    "%s: the next attempt finishes", b.name);
		done_with(&b, &board);
	}
}

/* --- boards that store something else --- */

static void bend_month(struct ccert *c)
{
	c->issued.month = 10;
}

static void bend_years(struct ccert *c)
{
	c->years = 30;
}

static void bend_serial(struct ccert *c)
{
	c->serial[15] ^= 0x40;
}

static void bend_aki(struct ccert *c)
{
	c->aki[19] ^= 1;
}

static void bend_signature(struct ccert *c)
{
	c->sig[40] ^= 1;
}

static void bend_id(struct ccert *c)
{
	c->device_id[35] = c->device_id[35] == 'a' ? 'b' : 'a';
}

/* The serial number's bytes where the key identifier belongs and the other way round. */
static void swap_serial_aki(struct ccert *c)
{
	for (size_t i = 0; i < sizeof(c->serial); i++) {
		uint8_t b = c->serial[i];

		c->serial[i] = c->aki[i];
		c->aki[i] = b;
	}
}

static void cheating_boards(const char *folder)
{
	static const struct {
		const char *name;
		void (*bend)(struct ccert *c);
		bool other_key;
		const char *field;
	} cases[] = {
		{ "cheat-date", bend_month, false, "issue" },
		{ "cheat-years", bend_years, false, "years" },
		{ "cheat-serial", bend_serial, false, "serial number" },
		{ "cheat-aki", bend_aki, false, "authority key identifier" },
		{ "cheat-signature", bend_signature, false, "signature" },
		{ "cheat-id", bend_id, false, "device id" },
		{ "cheat-swap", swap_serial_aki, false, "serial number" },
		{ "cheat-key", NULL, true, "key" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_of(folder, cases[i].name);
		struct fake_board board = { .wording = i % 2 ? CONSOLE_2020 : CONSOLE_TODAY,
			.fields_bend = cases[i].bend,
			.other_key = cases[i].other_key };

		ok(run_once(&b, &board) == ERR_DEVICE && strstr(b.eb.text, cases[i].field) &&
		        strstr(b.eb.text, "differs") && b.result.step == CLIENT_COMPARE,
		    "%s: %s", b.name, b.eb.text);
		ok(strcmp(states_of(&b), "I") == 0 && b.result.n == 0, "%s: not active", b.name);
		board.fields_bend = NULL;
		board.other_key = board.locked = false;
		ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "SA") == 0,
		    "%s: the next attempt finishes", b.name);
		done_with(&b, &board);
	}
}

/* --- setup --- */

static void setup_boards(const char *folder)
{
	struct bench b = bench_of(folder, "setup");
	struct fake_board board = { .setup = true };

	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0, "blank: %s %s",
	    states_of(&b), b.eb.text);
	ok(strcmp(b.watcher.steps, "aBaDbBbDcBcDdBdDeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD") == 0,
	    "all steps: %s", b.watcher.steps);
	ok(b.watcher.lock_questions == 1 && b.result.locked_now && board.locked && board.keys == 1,
	    "locked once, and asked before; one key");
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "SA") == 0, "again: %s %s",
	    states_of(&b), b.eb.text);
	ok(strcmp(b.watcher.steps, "aBaDbBbDcBcDdSeBeDfBfDgBgDhBhDiBiDjBjDkBkDlBlD") == 0,
	    "the lock is skipped: %s", b.watcher.steps);
	ok(b.watcher.lock_questions == 1 && !b.result.locked_now && board.keys == 2 &&
	        b.authority.asked == 2,
	    "a new identity has a new key");
	done_with(&b, &board);
}

/* Issued, sent, and never confirmed: the same certificate goes into the chip again. */
static void setup_again(const char *folder)
{
	struct bench b = bench_of(folder, "setup-again");
	struct fake_board board = { .setup = true, .locked = true, .refuses_store = true };

	ok(run_once(&b, &board) == ERR_DEVICE && b.result.step == CLIENT_STORE &&
	        strcmp(states_of(&b), "I") == 0,
	    "at %s: %s", client_steps[b.result.step].name, b.eb.text);
	board.refuses_store = false;
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0 &&
	        b.authority.asked == 1 && board.keys == 1,
	    "stored again: %s %s", states_of(&b), b.eb.text);
	ok(strcmp(b.watcher.steps, "aBaDbBbDcBcDdSeSfSgShBhDiBiDjBjDkBkDlBlD") == 0,
	    "nothing is issued: %s", b.watcher.steps);
	done_with(&b, &board);
}

/* Another authority signs today: what waits from the other one is of no use. */
static void setup_other_issuer(const char *folder)
{
	struct bench b = bench_of(folder, "setup-other");
	struct fake_board board = { .setup = true, .locked = true, .refuses_store = true };

	ok(run_once(&b, &board) == ERR_DEVICE && strcmp(states_of(&b), "I") == 0, "%s", b.eb.text);
	board.refuses_store = false;
	b.authority.replaced = true;
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "SA") == 0 &&
	        b.authority.asked == 2 && board.keys == 1,
	    "issued by the other: %s %s", states_of(&b), b.eb.text);
	done_with(&b, &board);
}

/* No certificate came of it: the key that is there is as good as a new one. */
static void setup_keeps_key(const char *folder)
{
	struct bench b = bench_of(folder, "setup-key");
	struct fake_board board = { .setup = true, .locked = true };

	b.authority.refuse = ERR_DENIED;
	ok(run_once(&b, &board) == ERR_DENIED && b.result.step == CLIENT_ISSUE, "%s", b.eb.text);
	b.authority.refuse = OK;
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "A") == 0 && board.keys == 1,
	    "one key: %s %s", states_of(&b), b.eb.text);
	/* Somebody else's key by now: what waits for the old one is of no use. */
	board.refuses_store = true;
	ok(run_once(&b, &board) == ERR_DEVICE && strcmp(states_of(&b), "AI") == 0, "%s",
	    states_of(&b));
	board.refuses_store = false;
	p256_key_free(board.key);
	board.key = NULL;
	ok(p256_key_generate(&board.key, NULL) == OK, "another key in the chip");
	ok(run_once(&b, &board) == OK && strcmp(states_of(&b), "SSA") == 0, "issued anew: %s %s",
	    states_of(&b), b.eb.text);
	done_with(&b, &board);
}

static void setup_cheats(const char *folder)
{
	static const struct {
		const char *name;
		void (*bend)(struct ccert *c);
		bool other_key, proves_wrong;
		const char *says;
	} cases[] = {
		{ "setup-date", bend_month, false, false, "issue" },
		{ "setup-years", bend_years, false, false, "years" },
		{ "setup-serial", bend_serial, false, false, "serial number differs" },
		{ "setup-aki", bend_aki, false, false, "authority key identifier differs" },
		{ "setup-signature", bend_signature, false, false, "signature differs" },
		{ "setup-id", bend_id, false, false, "device id differs" },
		{ "setup-swap", swap_serial_aki, false, false, "serial number differs" },
		{ "setup-other-key", NULL, true, false, "key differs" },
		{ "setup-proof", NULL, false, true, "proof: the board does not hold" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_of(folder, cases[i].name);
		struct fake_board board = { .setup = true,
			.fields_bend = cases[i].bend,
			.other_key = cases[i].other_key,
			.proves_wrong = cases[i].proves_wrong };

		ok(run_once(&b, &board) == ERR_DEVICE && strstr(b.eb.text, cases[i].says) &&
		        b.result.step == CLIENT_COMPARE,
		    "%s: %s", b.name, b.eb.text);
		ok(strcmp(states_of(&b), "I") == 0 && b.result.n == 0, "%s: not active", b.name);
		board.fields_bend = NULL;
		board.other_key = board.proves_wrong = false;
		ok(run_once(&b, &board) == OK && active_of(&b) == 1,
		    "%s: the next attempt finishes", b.name);
		done_with(&b, &board);
	}
}

static void setup_refusals(const char *folder)
{
	struct bench b = bench_of(folder, "setup-refused");
	struct fake_board board = { .setup = true, .conflict = true };

	ok(run_once(&b, &board) == ERR_CONFLICT && b.result.step == CLIENT_LOCK &&
	        b.watcher.lock_questions == 0,
	    "another configuration: %s", b.eb.text);
	board.conflict = false;
	b.watcher.allow_lock = false;
	ok(run_once(&b, &board) == ERR_DENIED && b.result.step == CLIENT_LOCK && !board.locked &&
	        b.authority.asked == 0,
	    "lock not allowed: %s", b.eb.text);
	b.watcher.allow_lock = true;
	b.limit_ms = 200;
	for (board.deaf_to = SETUP_HELLO; board.deaf_to <= SETUP_PROVE; board.deaf_to++) {
		bool was_active = active_of(&b) == 1;
		enum err e = run_once(&b, &board);

		ok(e == ERR_TIMEOUT && b.result.kept && b.result.remedy &&
		        (active_of(&b) == 1) == was_active,
		    "deaf to %s, at %s: %s", setup_request_text(board.deaf_to),
		    client_steps[b.result.step].name, b.eb.text);
	}
	board.deaf_to = (enum setup_request)0;
	b.limit_ms = 5000;
	ok(run_once(&b, &board) == OK && active_of(&b) == 1, "the next attempt finishes: %s",
	    states_of(&b));
	done_with(&b, &board);
}

/* A console takes every byte for an answer, so it gets none before it has asked. */
static void no_frames_unasked(const char *folder)
{
	struct bench b = bench_of(folder, "unasked");
	struct fake_board board = { .wording = CONSOLE_TODAY, .mute_at = CONSOLE_START + 1 };

	b.limit_ms = 300;
	ok(run_once(&b, &board) == ERR_TIMEOUT && board.heard == 0, "%zu bytes to a silent board",
	    board.heard);
	done_with(&b, &board);
}

/* --- the plug is pulled, the board goes silent, at each step of the dialogue --- */

static void unplugged(const char *folder, enum console_wording wording, bool late)
{
	for (enum console_step s = CONSOLE_LOCK; s <= CONSOLE_CLOSING; s++) {
		char name[32], id[37];
		struct bench b;
		struct fake_board board = {
			.wording = wording, .vanish_at = s, .vanish_late = late
		};
		enum err e;

		snprintf(name, sizeof(name), "unplug-%d-%d-%d", (int)wording, late, (int)s);
		b = bench_of(folder, name);
		e = run_once(&b, &board);
		/*
		 * The first text may come before the port is opened. With the certificate compared,
		 * what the board would still have said is not missed.
		 */
		ok(e == ERR_DEVICE || (e == ERR_NOT_FOUND && s == CONSOLE_LOCK) ||
		        (e == OK && (s == CONSOLE_CLOSING || (s == CONSOLE_CERTIFICATE && late))),
		    "%s: %s at %s: %s", name, console_step_text(s),
		    client_steps[b.result.step].name, b.eb.text);
		ok(active_of(&b) == (e == OK), "%s: %s", name, states_of(&b));
		memcpy(id, b.result.device_id, sizeof(id));
		board.vanish_at = CONSOLE_START;
		board.locked = false; /* 2020 is then known by its words, not by its silence */
		ok(run_once(&b, &board) == OK && strcmp(id, b.result.device_id) == 0 &&
		        active_of(&b) == 1,
		    "%s: the next attempt finishes, %s", name, states_of(&b));
		done_with(&b, &board);
	}
}

static void silent(const char *folder)
{
	for (enum console_step s = CONSOLE_LOCK; s <= CONSOLE_CLOSING; s++) {
		char name[32];
		struct bench b;
		struct fake_board board = { .wording = CONSOLE_TODAY, .mute_at = s };
		enum err e;

		snprintf(name, sizeof(name), "silent-%d", (int)s);
		b = bench_of(folder, name);
		b.limit_ms = 150;
		e = run_once(&b, &board);
		ok((e == ERR_TIMEOUT && b.result.kept && b.result.remedy) ||
		        (e == OK && s == CONSOLE_CLOSING),
		    "%s: %s at %s: %s", name, console_step_text(s),
		    client_steps[b.result.step].name, b.eb.text);
		ok(active_of(&b) == (e == OK) && b.result.unconfirmed_end == (e == OK), "%s: %s",
		    name, states_of(&b));
		done_with(&b, &board);
	}
}

/* --- around the run --- */

static void stopped(const char *folder)
{
	struct bench b = bench_of(folder, "stopped");
	struct fake_board board = { .wording = CONSOLE_TODAY, .mute_at = CONSOLE_NEW_KEY };
	int fds[2];

	if (pipe(fds) != 0 || write(fds[1], "", 1) != 1) {
		ok(false, "a pipe");
		return;
	}
	b.stop_fd = fds[0];
	ok(run_once(&b, &board) != OK && strstr(b.eb.text, "interrupted"),
	    "a wish to stop is heard: %s", b.eb.text);
	close(fds[0]);
	close(fds[1]);
	done_with(&b, &board);
}

/* An authority that keeps a register: it names the device, and hears when the board has it. */
static void registered(const char *folder)
{
	static const char id[] = "019aade0-1c00-7000-8000-0000000000ff";
	struct bench b = bench_of(folder, "registered");
	struct fake_board board = { .setup = true, .locked = true };

	b.authority.device = id;
	b.authority.refuse_to_settle = ERR_IO;
	ok(run_once(&b, &board) == ERR_IO && b.result.step == CLIENT_ACTIVATE &&
	        strcmp(states_of(&b), "I") == 0,
	    "the register cannot be reached: nothing is active: %s", b.eb.text);
	ok(!b.authority.was_told[0] && strcmp(b.result.device_id, id) == 0,
	    "the device is the one that it named");
	b.authority.refuse_to_settle = OK;
	ok(run_once(&b, &board) == OK && strcmp(b.authority.was_told, id) == 0 &&
	        b.authority.asked == 1 && b.authority.settled == 2 &&
	        strcmp(states_of(&b), "A") == 0,
	    "again: the same device and certificate, now active: %s %s", states_of(&b), b.eb.text);
	done_with(&b, &board);
}

static void refused_before(const char *folder)
{
	struct client_run ask = {
		.port = "/dev/null", .folder = folder, .name = "a/b", .years = 31, .stop_fd = -1
	};
	struct client_result result;
	struct record *held = NULL;
	struct errbuf eb;

	ok(client_run(&ask, &result, &eb) == ERR_ARG && result.step == CLIENT_RECORD, "name: %s",
	    eb.text);
	ask.name = "held";
	ask.years = 32;
	ok(client_run(&ask, &result, &eb) == ERR_ARG, "%s", eb.text);
	ask.years = 31;
	ok(client_run(&ask, &result, &eb) == ERR_ARG && result.step == CLIENT_OPEN,
	    "no serial port: %s", eb.text);
	ask.port = "/dev/imprint-no-such-port";
	ok(client_run(&ask, &result, &eb) == ERR_NOT_FOUND && result.step == CLIENT_OPEN,
	    "no port: %s", eb.text);
	ok(record_open(folder, "held", NULL, &held, &eb) == OK, "somebody has the record");
	ok(client_run(&ask, &result, &eb) == ERR_CONFLICT && strstr(eb.text, "process"), "held: %s",
	    eb.text);
	record_free(held);
}

static void step_table(void)
{
	size_t named = 0;

	for (size_t i = 0; i < CLIENT_STEPS; i++)
		named += client_steps[i].name && client_steps[i].text &&
		         strlen(client_steps[i].name) < 16;
	ok(named == CLIENT_STEPS && CLIENT_STEPS == 12, "%zu steps, each with name and text",
	    named);
}

int main(void)
{
	char folder[] = "/tmp/imprint-run-XXXXXX", command[64];

	if (!mkdtemp(folder))
		return 1;
	step_table();
	good_boards(folder);
	again(folder);
	left_over(folder);
	lock_refused(folder);
	bad_requests(folder);
	bad_authorities(folder);
	cheating_boards(folder);
	setup_boards(folder);
	setup_again(folder);
	setup_other_issuer(folder);
	setup_keeps_key(folder);
	registered(folder);
	setup_cheats(folder);
	setup_refusals(folder);
	no_frames_unasked(folder);
	unplugged(folder, CONSOLE_TODAY, false);
	unplugged(folder, CONSOLE_TODAY, true);
	unplugged(folder, CONSOLE_2020, false);
	unplugged(folder, CONSOLE_2020, true);
	silent(folder);
	stopped(folder);
	refused_before(folder);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ok(system(command) == 0, "cleaned up");
	return done_testing();
}
