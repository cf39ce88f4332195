/* The board side: prints the recorded transcripts, and does what was typed, no more. */
#include "transcript.h"
#include "fake_board.h"

static struct fake_board fake;
static struct console_platform platform;
static struct console_board board;

static void type(const char *text)
{
	console_board_take(&board, (struct slice){ (const uint8_t *)text, strlen(text) });
}

static bool printed(const char *text)
{
	bool same = fake.out_n == strlen(text) && memcmp(fake.out, text, fake.out_n) == 0;

	if (!same)
		printf("# printed: %.*s\n", (int)fake.out_n, fake.out);
	fake.out_n = 0;
	return same;
}

static void begin(enum console_wording wording, bool locked, const char *firmware)
{
	platform = fake_platform(&fake, locked, firmware);
	console_board_init(&board, wording, &platform);
	console_board_start(&board);
}

/* The transcripts' signer is deterministic and not ours: its CSR is taken from the transcript. */
static enum err recorded_csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct fake_board *f = ctx;

	(void)common_name;
	memcpy(f->q, vector_certs[0].q.p, sizeof(f->q));
	der_raw(w, vector_csrs[0].der);
	return OK;
}

static void test_transcripts(void)
{
	static struct play p;

	for (size_t t = 0; t < vector_transcripts_n; t++)
		for (size_t piece = 1; piece < 200; piece += 198) {
			play_load(&p, t);
			platform = fake_platform(&fake, false, t == 2 ? "1.4.8" : NULL);
			platform.csr = recorded_csr;
			console_board_init(
			    &board, t == 0 ? CONSOLE_2020 : CONSOLE_TODAY, &platform);
			console_board_start(&board);
			for (size_t g = 0; g < p.n_gates; g++)
				for (const char *c = p.gates[g].typed; *c != '\0';) {
					size_t n = strlen(c) < piece ? strlen(c) : piece;

					console_board_take(
					    &board, (struct slice){ (const uint8_t *)c, n });
					c += n;
				}
			is_bytes(fake.out, fake.out_n, p.text, p.n, vector_transcripts[t].name);
			ok(board.step == CONSOLE_DONE && board.cause == CONSOLE_FINE &&
			        ccert_compare(&fake.given, &p.fields) == CCERT_SAME,
			    "%s: finished, the fields as typed", vector_transcripts[t].name);
			ok(strcmp(fake.calls, "WLKISR") == 0, "calls %s", fake.calls);
		}
}

#define NEW_KEY "Would you like to generate a new private key and CSR (y/N): "
#define DEVICE_ID "Please enter the device id: "

static void test_five_seconds(void)
{
	begin(CONSOLE_TODAY, true, NULL);
	ok(printed(NEW_KEY), "locked chip: begins with the new key");
	console_board_elapsed(&board, 5000);
	ok(printed(""), "5 s: not yet");
	console_board_elapsed(&board, 1);
	ok(printed(NEW_KEY), "more than 5 s: asked again");
	console_board_elapsed(&board, UINT32_MAX);
	ok(printed(NEW_KEY), "much later: once more");
	type("y");
	console_board_elapsed(&board, 5001);
	ok(printed("y\r\n" DEVICE_ID), "y without LF counts when the time is over");
	type("\n");
	ok(printed(DEVICE_ID), "its late LF is an empty device id");
	console_board_elapsed(&board, 3600000);
	ok(printed(""), "the others wait for ever");
	begin(CONSOLE_2020, true, NULL);
	printed(NEW_KEY);
	console_board_elapsed(&board, 3600000);
	ok(printed(""), "2020 waits for ever");
}

static void test_answers(void)
{
	begin(CONSOLE_TODAY, true, NULL);
	printed(NEW_KEY);
	type("\n \t\r\n");
	ok(printed(NEW_KEY NEW_KEY), "empty and blank answers: asked again");
	type("  Y \r\n");
	ok(printed("Y\r\n" DEVICE_ID), "trimmed, either case, CR LF");
	type("what\ncomes\n");
	ok(fake.out_n > 0 && strcmp(fake.calls, "KC") == 0 && board.step == CONSOLE_MONTH,
	    "typed ahead: taken in order");

	begin(CONSOLE_2020, false, NULL);
	printed("Your ECCX08 is unlocked, would you like to lock it (y/N): ");
	type("\n");
	ok(printed("\r\nThat's all folks\r\n") && board.cause == CONSOLE_STOPPED &&
	        fake.n_calls == 0,
	    "2020: an empty answer is an answer");
	type("y\ny\n");
	console_board_elapsed(&board, 10000);
	ok(printed("") && fake.n_calls == 0, "after the end nothing helps");

	begin(CONSOLE_TODAY, false, NULL);
	printed("Your crypto is unlocked, would you like to lock it (y/N): ");
	type("yes\n");
	ok(printed("yes\r\nThat's all folks\r\n") && !fake.locked && fake.n_calls == 0,
	    "yes is not y: nothing is locked");
}

/* Types everything up to the signature; NULL: the usual answer. */
static void type_all(
    const char *id, const char *numbers, const char *serial, const char *aki, const char *sig)
{
	type("y\n");
	type(id == NULL ? "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40" : id);
	type("\n");
	type(numbers == NULL ? "2025\n11\n22\n23\n31\n" : numbers);
	type(serial == NULL ? "9f3c0d5e11a2b3c4d5e6f70812233445" : serial);
	type("\n");
	type(aki == NULL ? "27ef225f0a4abc3495559d2085c66d1d955ef033" : aki);
	type("\n");
	for (unsigned i = 0; sig == NULL && i < 8; i++)
		type("2a1d5b4669a85e51");
	type(sig == NULL ? "\n" : sig);
	if (sig != NULL)
		type("\n");
}

static void test_hex(void)
{
	static const struct {
		const char *name, *typed;
		uint8_t serial[16];
	} cases[] = {
		{ "short: zeros", "9f3c", { 0x9f, 0x3c } },
		{ "odd: a zero digit", "9f3", { 0x9f, 0x30 } },
		{ "upper case", "9F3C", { 0x9f, 0x3c } },
		{ "long: cut", "000102030405060708090a0b0c0d0e0f1011",
		    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } },
		{ "G is 16, so 0; Z is 35, so 3", "1GZ1", { 0x10, 0x31 } },
		{ "below 0: a blank is -16, a slash -1", "1 /1", { 0x10, 0xf1 } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(CONSOLE_TODAY, true, NULL);
		type_all(NULL, NULL, cases[i].typed, NULL, NULL);
		is_bytes(fake.given.serial, 16, cases[i].serial, 16, cases[i].name);
		ok(board.step == CONSOLE_DONE, "%s: goes on", cases[i].name);
	}
}

static void test_refused_input(void)
{
	static const struct {
		const char *name, *id, *numbers, *serial;
		enum console_cause cause;
		const char *calls; /* nothing may be stored that the format cannot hold */
	} cases[] = {
		{ "year 2032", NULL, "2032\n11\n22\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "year 1999", NULL, "1999\n11\n22\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "year in words", NULL, "this\n11\n22\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "year far above 32 bits", NULL, "42949672962025\n11\n22\n23\n31\n", NULL,
		    CONSOLE_STORE_START_FAILED, "KCI" },
		{ "month 13", NULL, "2025\n13\n22\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "month 267", NULL, "2025\n267\n22\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "day 0", NULL, "2025\n11\n0\n23\n31\n", NULL, CONSOLE_STORE_START_FAILED, "KCI" },
		{ "hour 24", NULL, "2025\n11\n22\n24\n31\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "32 years", NULL, "2025\n11\n22\n23\n32\n", NULL, CONSOLE_STORE_START_FAILED,
		    "KCI" },
		{ "negative years", NULL, "2025\n11\n22\n23\n-1\n", NULL, CONSOLE_FINE, "KCISR" },
		{ "digits and more", NULL, "2025 AD\n11th\n22.\n23h\n31y\n", NULL, CONSOLE_FINE,
		    "KCISR" },
		{ "short device id", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f4", NULL, NULL,
		    CONSOLE_STORE_CERT_FAILED, "KCI" },
		{ "long device id", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f4000", NULL, NULL,
		    CONSOLE_STORE_CERT_FAILED, "KCI" },
		{ "serial zero", NULL, NULL, "0", CONSOLE_STORE_CERT_FAILED, "KCIS" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(CONSOLE_TODAY, true, NULL);
		type_all(cases[i].id, cases[i].numbers, cases[i].serial, NULL, NULL);
		ok(board.cause == cases[i].cause && strcmp(fake.calls, cases[i].calls) == 0,
		    "%s: %s, calls %s", cases[i].name, console_cause_text(board.cause), fake.calls);
	}
}

static void test_long_answers(void)
{
	begin(CONSOLE_TODAY, true, NULL);
	for (unsigned i = 0; i < 1000; i++)
		type("x123456789");
	ok(board.line_n == CONSOLE_ANSWER_MAX, "10 000 characters: 160 are kept");
	type("\n");
	ok(board.cause == CONSOLE_STOPPED, "and are not a y");

	begin(CONSOLE_TODAY, true, NULL);
	type("y\n");
	for (unsigned i = 0; i < 15; i++)
		type("0123456789");
	type("\n");
	ok(board.step == CONSOLE_YEAR, "a common name of 150 characters: CSR made");
}

/* Each function of the platform fails in turn. */
static void test_failures(void)
{
	static const struct {
		enum fake_call call;
		enum err error;
		const char *today, *in_2020;
		const char *calls_today, *calls_2020;
	} cases[] = {
		{ FAKE_PRESENT, ERR_DEVICE, "No crypto present!\r\n", "No ECCX08 present!\r\n", "",
		    "" },
		{ FAKE_CONFIG, ERR_DEVICE, "Writing crypto configuration failed!\r\n",
		    "Writing ECCX08 configuration failed!\r\n", "W", "W" },
		{ FAKE_LOCK, ERR_DEVICE, "Locking crypto configuration failed!\r\n",
		    "Locking ECCX08 configuration failed!\r\n", "WL", "WL" },
		{ FAKE_NEW_KEY, ERR_DEVICE, "Error generating CSR!\r\n",
		    "Error starting CSR generation!\r\n", "WLK", "WLK" },
		{ FAKE_CSR, ERR_DEVICE, "Error generating CSR!\r\n", "Error generating CSR!\r\n",
		    "WLKC", "WLKC" },
		{ FAKE_ID, ERR_DEVICE, "Error storing device ID!\r\n",
		    "Error storing device id!\r\n", "WLKCI", "WLKCI" },
		{ FAKE_STORE, ERR_DEVICE, "Error storing cert!\r\n",
		    "Error storing ECCX08 compressed cert!\r\n", "WLKCIS", "WLKCIS" },
		{ FAKE_REBUILD, ERR_DEVICE, "Error building cert!\r\n",
		    "Error starting ECCX08 cert reconstruction!\r\n", "WLKCISR", "WLKCISR" },
		{ FAKE_REBUILD, ERR_FORMAT, "Error building cert!\r\n",
		    "Error reconstructing ECCX08 compressed cert!\r\n", "WLKCISR", "WLKCISR" },
	};

	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		bool today = i % 2 == 0;
		const char *want = today ? cases[i / 2].today : cases[i / 2].in_2020;
		const char *calls = today ? cases[i / 2].calls_today : cases[i / 2].calls_2020;
		size_t n = strlen(want);

		platform = fake_platform(&fake, false, NULL);
		fake.fails = cases[i / 2].call;
		fake.error = cases[i / 2].error;
		console_board_init(&board, today ? CONSOLE_TODAY : CONSOLE_2020, &platform);
		console_board_start(&board);
		type("y\n");
		type_all(NULL, NULL, NULL, NULL, NULL);
		ok(fake.out_n >= n && memcmp(fake.out + fake.out_n - n, want, n) == 0 &&
		        board.cause != CONSOLE_FINE && strcmp(fake.calls, calls) == 0,
		    "%s: %.*s, calls %s", today ? "today" : "2020", (int)n - 2, want, fake.calls);
	}
}

static void test_firmware(void)
{
	static const struct {
		const char *version, *last;
	} cases[] = {
		{ "1.5.0", "Latest firmware version correctly installed.\r\n" },
		{ "1.6.0", "Latest firmware version correctly installed.\r\n" },
		{ "1.4.8", "The firmware is not up to date. Latest version available: 1.5.0\r\n" },
		{ "1.5", "The firmware is not up to date. Latest version available: 1.5.0\r\n" },
		{ "", "The firmware is not up to date. Latest version available: 1.5.0\r\n" },
		{ "9%s%%", "Current firmware version: 9%s%%\r\n"
		           "Latest firmware version correctly installed.\r\n" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = strlen(cases[i].last);

		begin(CONSOLE_TODAY, true, cases[i].version);
		type_all(NULL, NULL, NULL, NULL, NULL);
		ok(fake.out_n >= n && memcmp(fake.out + fake.out_n - n, cases[i].last, n) == 0,
		    "firmware \"%s\"", cases[i].version);
	}
}

int main(void)
{
	test_transcripts();
	test_five_seconds();
	test_answers();
	test_hex();
	test_refused_input();
	test_long_answers();
	test_failures();
	test_firmware();
	return done_testing();
}
