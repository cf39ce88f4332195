/* The host side against recorded transcripts: cut, noisy, repeated, silent, failing, damaged. */
#include "transcript.h"

#ifdef SMALL_MACHINE
#define ROUNDS 2
#define STRIDE 17
#else
#define ROUNDS 60
#define STRIDE 1
#endif

static const struct cutter whole = { PLAY_MAX, 0 };
static struct play play_now;
static struct console_host host;

static void test_cuts(size_t t)
{
	const char *name = vector_transcripts[t].name;
	struct played r;
	unsigned good = 0;

	play_load(&play_now, t);
	r = play(&play_now, &host, whole);
	ok(play_good(&play_now, &host, &r), "%s: up to each prompt at once", name);
	r = play(&play_now, &host, (struct cutter){ 1, 0 });
	ok(play_good(&play_now, &host, &r), "%s: byte by byte", name);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		r = play(&play_now, &host, (struct cutter){ i % 2 ? 7 : 300, i * 2654435761u });
		good += play_good(&play_now, &host, &r);
	}
	ok(good == ROUNDS, "%s: cut at random, %u of %u", name, good, ROUNDS);
}

/* Nobody waits for the host: a log of the conversation, fed at once. */
static void test_unpaced(size_t t)
{
	const char *name = vector_transcripts[t].name;
	struct played r = { .typed_right = true };
	struct cutter cut = whole;

	play_load(&play_now, t);
	console_host_init(&host, play_now.device_id, &console_limits_default);
	play_feed(&play_now, &host, 0, play_now.n, &cut, &r);
	ok(play_good(&play_now, &host, &r), "%s: all at once", name);
}

static void test_endings(void)
{
	struct played r;

	play_load(&play_now, 0);
	r = play(&play_now, &host, whole);
	ok(host.wording == CONSOLE_2020 && r.firmwares == 0, "2020: known by its words");
	play_load(&play_now, 1);
	r = play(&play_now, &host, whole);
	ok(host.wording == CONSOLE_TODAY && r.firmwares == 0,
	    "today without Wi-Fi: known by its words");
	play_load(&play_now, 2);
	r = play(&play_now, &host, whole);
	ok(r.firmwares == 1 && strcmp(host.firmware, "1.4.8") == 0 &&
	        strcmp(host.firmware_latest, "1.5.0") == 0,
	    "old Wi-Fi firmware: both versions");
	play_cut(&play_now, play_find(play_now.text, play_now.n, 0, "The firmware is not"));
	play_insert(&play_now, play_now.n, "Latest firmware version correctly installed.\r\n");
	r = play(&play_now, &host, whole);
	ok(r.last == CONSOLE_FINISHED && r.firmwares == 1 && host.firmware_latest[0] == '\0',
	    "Wi-Fi firmware up to date: finished, no newer version");
}

/* A locked chip does not show the prompt that tells the wordings apart. */
static void test_locked_chip(void)
{
	for (size_t i = 0; i < vector_transcripts_n; i++) {
		const char *name = vector_transcripts[i].name;
		struct played r;
		size_t from;

		play_load(&play_now, i);
		from = play_find(play_now.text, play_now.n, 0, "Would you like to generate");
		play_now.n -= from;
		memmove(play_now.text, play_now.text + from, play_now.n);
		memmove(
		    play_now.gates, play_now.gates + 1, --play_now.n_gates * sizeof(struct gate));
		for (size_t g = 0; g < play_now.n_gates; g++)
			play_now.gates[g].at -= from;
		r = play(&play_now, &host, whole);
		if (i == 0) {
			ok(r.last == CONSOLE_CERT_READY, "%s, locked chip: not over with the hex",
			    name);
			play_settle(&play_now, &host, 1999, &r);
			ok(r.last == CONSOLE_CERT_READY, "%s, locked chip: still not", name);
			play_settle(&play_now, &host, 1, &r);
		}
		ok(r.last == CONSOLE_FINISHED && r.locks == 0 && r.typed_right && !host.locked_now,
		    "%s: locked chip", name);
	}
}

static const char *const noise[] = {
	"[123] heap 20312 free\r\n",
	"***\n",
	"wifi: Scan done: 3 networks: \r\n",
	"a line that is much longer than any prompt and than the window that the machine keeps, "
	"so that its beginning has to be forgotten while it is still coming in, byte after byte, "
	"0123456789\r\n",
	"\r\n\r\n",
	"\x80\xff\x01 (binary)\r\n",
	"deadbeef\r\n",
	"-----BEGIN NOISE-----\n",
	"> 41\r",
};

static void test_noise_lines(size_t t)
{
	const char *name = vector_transcripts[t].name;
	for (size_t k = 0; k < COUNT(noise); k++) {
		unsigned tried = 0, good = 0;

		for (size_t at = 0;; at = play_find(play_now.text, play_now.n, at, "\n") + 1) {
			struct played r;

			play_load(&play_now, t);
			if (at >= play_now.n)
				break;
			if (STRIDE > 1 && at % 3 != 0)
				continue;
			/* eight letters and digits are also base64, so not inside the request */
			if (strcmp(noise[k], "deadbeef\r\n") == 0 &&
			    at > play_find(play_now.text, play_now.n, 0, "-----BEGIN") &&
			    at <= play_find(play_now.text, play_now.n, 0, "-----END"))
				continue;
			play_insert(&play_now, at, noise[k]);
			r = play(&play_now, &host, whole);
			good += play_good(&play_now, &host, &r);
			tried++;
			play_load(&play_now, t);
		}
		ok(good == tried && tried > 3, "%s: noise %zu at each of %u line ends", name, k,
		    tried);
	}
}

#define LONG_TEXT                                                                                  \
	"a long text without any line end before the prompt, longer than the window holds, "       \
	"a long text without any line end before the prompt, longer than the window holds: "

static void test_fused_noise(size_t t)
{
	const char *name = vector_transcripts[t].name;
	static const char *const fused[] = { "[77] ", "wifi: up: ", "Generated CSR is:", "\x02\x03",
		"\r", LONG_TEXT };

	for (size_t k = 0; k < COUNT(fused); k++) {
		unsigned good = 0;

		for (size_t g = 0; g < GATES_MAX - 1; g++) {
			size_t at;
			struct played r;

			play_load(&play_now, t);
			for (at = play_now.gates[g].at; at > 0 && play_now.text[at - 1] != '\n';
			     at--)
				;
			play_insert(&play_now, at, fused[k]);
			r = play(&play_now, &host, (struct cutter){ 5, 0 });
			good += play_good(&play_now, &host, &r);
		}
		ok(good == GATES_MAX - 1, "%s: text %zu fused in front of %u prompts", name, k,
		    good);
	}
}

static void replace_all(struct play *p, const char *what, const char *with)
{
	size_t at = 0;

	while ((at = play_find(p->text, p->n, at, what)) < p->n) {
		play_insert(p, at, with);
		at += strlen(with);
		memmove(p->text + at, p->text + at + strlen(what), p->n - at - strlen(what));
		p->n -= strlen(what);
		for (size_t i = 0; i < p->n_gates; i++)
			if (p->gates[i].at > at)
				p->gates[i].at -= strlen(what);
	}
}

static void test_line_ends(void)
{
	static const struct {
		const char *what, *with, *name;
	} cases[] = {
		{ "\r\n", "\n", "LF only" },
		{ "\r\n", "\r", "CR for CR LF" },
		{ "\r\n", "\n\r", "LF CR" },
		{ "\r\n", "\r\r\n", "CR CR LF" },
		{ "\n", "\r\n", "CR LF inside PEM" },
		{ ": ", ":\r\n", "prompts with a line end instead of the blank" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t t = 0; t < vector_transcripts_n; t++) {
			struct played r;

			play_load(&play_now, t);
			if (cases[i].with[0] == ':') /* the version lines are no prompts */
				play_cut(
				    &play_now, play_find(play_now.text, play_now.n, 0, "Checking"));
			replace_all(&play_now, cases[i].what, cases[i].with);
			if (cases[i].with[0] == ':' && t == 2)
				play_insert(&play_now, play_now.n, "Program finished.\r\n");
			r = play(&play_now, &host, whole);
			ok(play_good(&play_now, &host, &r), "%s: %s", vector_transcripts[t].name,
			    cases[i].name);
		}
}

#define NEW_KEY_PROMPT "Would you like to generate a new private key and CSR (y/N): "

static void test_repeats(void)
{
	struct played r;

	play_load(&play_now, 1);
	for (unsigned i = 0; i < 3; i++)
		play_insert(
		    &play_now, play_now.gates[1].at - strlen(NEW_KEY_PROMPT), NEW_KEY_PROMPT);
	r = play(&play_now, &host, whole);
	ok(play_good(&play_now, &host, &r), "prompt 2 four times before the answer: typed once");

	play_load(&play_now, 1);
	for (unsigned i = 0; i < 3; i++)
		play_insert(&play_now, play_now.gates[1].at, NEW_KEY_PROMPT);
	r = play(&play_now, &host, (struct cutter){ 1, 0 });
	ok(play_good(&play_now, &host, &r), "prompt 2 three times after the answer: typed once");

	/* The five seconds were over between y and LF: y counts, LF is an empty device id. */
	play_load(&play_now, 1);
	play_insert(&play_now, play_now.gates[2].at, "Please enter the device id: ");
	r = play(&play_now, &host, (struct cutter){ 1, 0 });
	ok(play_good(&play_now, &host, &r), "prompt 3 again after a late line end: typed once");

	for (size_t g = 1; g < GATES_MAX - 1; g++) {
		play_load(&play_now, 1);
		play_insert(&play_now, play_now.gates[g].at, play_now.gates[g].typed);
		play_insert(&play_now, play_now.gates[g].at, "\r\n");
	}
	r = play(&play_now, &host, whole);
	ok(play_good(&play_now, &host, &r), "a terminal that echoes as well");
}

/* The board read an empty line and asks again: after two quiet seconds the answer is typed again. */
static void test_lost_answers(void)
{
	for (size_t g = 0; g < GATES_MAX - 1; g++) {
		struct played r;
		struct cutter cut = whole;
		size_t prompt;
		bool again;

		play_load(&play_now, 1);
		for (prompt = play_now.gates[g].at; prompt > 0 && play_now.text[prompt - 1] != '\n';
		     prompt--)
			;
		play_cut(&play_now, play_now.gates[g].at);
		r = play(&play_now, &host, whole);
		play_feed(&play_now, &host, prompt, play_now.n, &cut, &r);
		play_settle(&play_now, &host, 1999, &r);
		again = console_host_output(&host).n > 0;
		play_settle(&play_now, &host, 1, &r);
		ok(!again && play_typed(&play_now.gates[g], &host),
		    "prompt %zu asked again: typed again", g + 1);
		for (unsigned i = 0; i < 5; i++) {
			play_feed(&play_now, &host, prompt, play_now.n, &cut, &r);
			play_settle(&play_now, &host, 2000, &r);
			again = console_host_output(&host).n > 0;
			console_host_sent(&host, console_host_output(&host).n);
		}
		ok(!again, "prompt %zu: not typed for ever", g + 1);
	}
}

static const enum console_step gate_steps[] = { CONSOLE_LOCK, CONSOLE_NEW_KEY, CONSOLE_DEVICE_ID,
	CONSOLE_YEAR, CONSOLE_MONTH, CONSOLE_DAY, CONSOLE_HOUR, CONSOLE_YEARS, CONSOLE_SERIAL,
	CONSOLE_AKI, CONSOLE_SIGNATURE };

static void test_silence(void)
{
	struct played r;

	console_host_init(&host, vector_certs[0].device_id, &console_limits_default);
	r = (struct played){ .last = CONSOLE_NOTHING };
	play_settle(&play_now, &host, console_limits_default.ms[CONSOLE_START] - 1, &r);
	ok(r.last == CONSOLE_NOTHING, "start: patient until its limit");
	play_settle(&play_now, &host, 1, &r);
	ok(r.last == CONSOLE_FAILED && host.cause == CONSOLE_SILENT && host.step == CONSOLE_START &&
	        console_host_over(&host),
	    "start: silent");
	for (size_t g = 0; g < GATES_MAX - 1; g++) {
		enum console_step step = gate_steps[g];

		play_load(&play_now, 1);
		play_cut(&play_now, play_now.gates[g].at);
		r = play(&play_now, &host, whole);
		play_settle(&play_now, &host, console_limits_default.ms[step], &r);
		ok(r.last == CONSOLE_FAILED && host.cause == CONSOLE_SILENT && host.step == step &&
		        console_host_output(&host).n == 0,
		    "%s: silent after the prompt", console_step_text(step));
		ok(strchr(host.said, ':') != NULL, "%s: said \"%s\"", console_step_text(step),
		    host.said);
	}
}

/* Silence at other places, by the text that was the last to come. */
static void test_silence_between(void)
{
	static const struct {
		const char *last;
		size_t more; /* bytes behind `last` that still come */
		enum console_step step;
		enum console_cause cause;
	} cases[] = {
		{ "e2d3f40", 9, CONSOLE_CSR, CONSOLE_SILENT },
		{ "-----BEGIN CERTIFICATE REQUEST-----", 60, CONSOLE_CSR, CONSOLE_SILENT },
		{ "98044e9", 9, CONSOLE_STORE, CONSOLE_SILENT },
		{ "Compressed cert = ", 20, CONSOLE_CERTIFICATE, CONSOLE_SILENT },
		{ "Compressed cert = ", 18, CONSOLE_CERTIFICATE, CONSOLE_SILENT },
		{ "Compressed cert = ", 450, CONSOLE_CERTIFICATE, CONSOLE_CERT_DAMAGED },
		{ "Cert PEM = ", 11, CONSOLE_CLOSING, CONSOLE_SILENT },
		{ "-----END CERTIFICATE-----", 26, CONSOLE_CLOSING, CONSOLE_SILENT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct played r;
		size_t at;

		play_load(&play_now, 1);
		at = play_find(play_now.text, play_now.n, 0, cases[i].last);
		play_cut(&play_now, at + cases[i].more);
		r = play(&play_now, &host, whole);
		for (unsigned k = 0; k < 3 && r.last != CONSOLE_FAILED; k++)
			play_settle(&play_now, &host, 60000, &r);
		ok(r.last == CONSOLE_FAILED && host.step == cases[i].step &&
		        host.cause == cases[i].cause,
		    "silent %zu bytes into \"%.12s\": %s: %s", cases[i].more, cases[i].last,
		    console_step_text(host.step), console_cause_text(host.cause));
	}
	for (size_t t = 0; t < vector_transcripts_n; t++) {
		struct played r;

		play_load(&play_now, t);
		play_cut(&play_now, play_now.n - 2);
		r = play(&play_now, &host, whole);
		for (unsigned k = 0; k < 3 && r.last != CONSOLE_FINISHED; k++)
			play_settle(&play_now, &host, 60000, &r);
		ok(play_good(&play_now, &host, &r), "%s: only the last line end is missing",
		    vector_transcripts[t].name);
	}
}

/* While the caller thinks, no time passes. */
static void test_caller_thinks(void)
{
	struct slice in;

	play_load(&play_now, 1);
	console_host_init(&host, play_now.device_id, &console_limits_default);
	in = (struct slice){ (const uint8_t *)play_now.text, play_now.gates[0].at };
	ok(console_host_certificate(&host, &play_now.fields) == ERR_CONFLICT &&
	        console_host_lock(&host, true) == ERR_CONFLICT,
	    "answers without a question are refused");
	ok(console_host_take(&host, &in) == CONSOLE_LOCK_ASKED && in.n == 0, "lock asked");
	ok(console_host_elapsed(&host, 3600000) == CONSOLE_NOTHING &&
	        console_host_output(&host).n == 0,
	    "an hour later nothing was typed and nothing failed");
	ok(console_host_lock(&host, true) == OK, "yes to the lock");
	ok(console_host_lock(&host, false) == ERR_CONFLICT, "one decision");
	in = (struct slice){ (const uint8_t *)play_now.text + play_now.gates[0].at,
		play_now.gates[3].at - play_now.gates[0].at };
	ok(console_host_take(&host, &in) == CONSOLE_CSR_READY && host.step == CONSOLE_CSR,
	    "CSR ready");
	ok(console_host_take(&host, &in) == CONSOLE_NOTHING && in.n == 0 &&
	        host.step == CONSOLE_YEAR && console_host_output(&host).n == 0,
	    "the prompt for the year waits for the certificate");
	ok(console_host_elapsed(&host, 3600000) == CONSOLE_NOTHING,
	    "the authority may take an hour");
	play_now.fields.device_id[0] ^= 1;
	ok(console_host_certificate(&host, &play_now.fields) == ERR_ARG,
	    "another device id is refused");
	play_now.fields.device_id[0] ^= 1;
	play_now.fields.years = 32;
	ok(console_host_certificate(&host, &play_now.fields) == ERR_ARG, "32 years are refused");
	play_now.fields.years = 31;
	ok(console_host_certificate(&host, &play_now.fields) == OK &&
	        play_typed(&play_now.gates[3], &host),
	    "the year is typed as soon as the certificate is there");
}

static void test_lock_refused(void)
{
	struct slice in, out;
	static const char stop[] = "N\r\nThat's all folks\r\n";

	play_load(&play_now, 1);
	console_host_init(&host, play_now.device_id, &console_limits_default);
	in = (struct slice){ (const uint8_t *)play_now.text, play_now.gates[0].at };
	ok(console_host_take(&host, &in) == CONSOLE_LOCK_ASKED &&
	        console_host_lock(&host, false) == OK,
	    "no to the lock");
	out = console_host_output(&host);
	ok(out.n == 2 && memcmp(out.p, "N\n", 2) == 0, "N is typed");
	console_host_sent(&host, 2);
	in = TEXT(stop);
	ok(console_host_take(&host, &in) == CONSOLE_FAILED && host.cause == CONSOLE_LOCK_REFUSED &&
	        host.step == CONSOLE_LOCK && console_cause_err(host.cause) == ERR_DENIED,
	    "named as refused");
	ok(console_host_take(&host, &in) == CONSOLE_NOTHING && in.n == 0 &&
	        console_host_elapsed(&host, 100000) == CONSOLE_NOTHING,
	    "nothing happens after the end");
}

/* Every failure text of both sketches. gate: after the echo of which answer, -1 at the start. */
static const struct {
	const char *text;
	int gate;
	enum console_step step;
	enum console_cause cause;
} failures[] = {
	{ "No crypto present!", -1, CONSOLE_START, CONSOLE_NO_ELEMENT },
	{ "No ECCX08 present!", -1, CONSOLE_START, CONSOLE_NO_ELEMENT },
	{ "That's all folks", 0, CONSOLE_LOCK, CONSOLE_STOPPED },
	{ "Writing crypto configuration failed!", 0, CONSOLE_LOCK, CONSOLE_CONFIG_FAILED },
	{ "Writing ECCX08 configuration failed!", 0, CONSOLE_LOCK, CONSOLE_CONFIG_FAILED },
	{ "Locking crypto configuration failed!", 0, CONSOLE_LOCK, CONSOLE_LOCK_FAILED },
	{ "Locking ECCX08 configuration failed!", 0, CONSOLE_LOCK, CONSOLE_LOCK_FAILED },
	{ "That's all folks", 1, CONSOLE_NEW_KEY, CONSOLE_STOPPED },
	{ "Error starting CSR generation!", 1, CONSOLE_CSR, CONSOLE_CSR_START_FAILED },
	{ "Error generating CSR!", 2, CONSOLE_CSR, CONSOLE_CSR_FAILED },
	{ "Error storing device ID!", 10, CONSOLE_STORE, CONSOLE_STORE_ID_FAILED },
	{ "Error storing device id!", 10, CONSOLE_STORE, CONSOLE_STORE_ID_FAILED },
	{ "Error starting crypto storage!", 10, CONSOLE_STORE, CONSOLE_STORE_START_FAILED },
	{ "Error starting ECCX08 storage!", 10, CONSOLE_STORE, CONSOLE_STORE_START_FAILED },
	{ "Error building cert!", 10, CONSOLE_STORE, CONSOLE_BUILD_FAILED },
	{ "Error storing cert!", 10, CONSOLE_STORE, CONSOLE_STORE_CERT_FAILED },
	{ "Error storing ECCX08 compressed cert!", 10, CONSOLE_STORE, CONSOLE_STORE_CERT_FAILED },
	{ "Error starting ECCX08 cert reconstruction!", 10, CONSOLE_STORE,
	    CONSOLE_REBUILD_START_FAILED },
	{ "Error reconstructing ECCX08 compressed cert!", 10, CONSOLE_STORE,
	    CONSOLE_REBUILD_FAILED },
	{ "Error generating cert!", 11, CONSOLE_CLOSING, CONSOLE_PEM_FAILED },
	{ "Error talking to SE050!", 4, CONSOLE_MONTH, CONSOLE_OTHER_ERROR },
	{ "Reading SE050 configuration failed!", 0, CONSOLE_LOCK, CONSOLE_OTHER_ERROR },
	{ "No SE050 present!", -1, CONSOLE_START, CONSOLE_NO_ELEMENT },
	{ "Error starting SE050 storage!", 10, CONSOLE_STORE, CONSOLE_STORE_START_FAILED },
};

/* Where the transcript ends so that this failure comes next. */
static size_t failure_place(const struct play *p, int gate)
{
	if (gate < 0)
		return 0;
	if (gate >= (int)p->n_gates) /* behind the hex */
		return play_find(p->text, p->n, 0, "Cert PEM = ");
	return play_find(p->text, p->n, p->gates[gate].at, "\r\n") + 2;
}

static void test_failures(void)
{
	static const char *const before[] = { "", "[9] ", "noise\r\n" };
	static const char *const after[] = { "\r\n", "\n", "", "\r\nmore\r\n" };

	for (size_t i = 0; i < COUNT(failures); i++)
		for (size_t k = 0; k < COUNT(after); k++) {
			const char *in_front = before[k % COUNT(before)];
			struct played r;

			if (failures[i].cause == CONSOLE_OTHER_ERROR && in_front[0] == '[')
				in_front = "";
			play_load(&play_now, 1);
			play_cut(&play_now, failure_place(&play_now, failures[i].gate));
			play_insert(&play_now, play_now.n, in_front);
			play_insert(&play_now, play_now.n, failures[i].text);
			play_insert(&play_now, play_now.n, after[k]);
			r = play(&play_now, &host, (struct cutter){ 3, 0 });
			if (after[k][0] == '\0')
				play_settle(&play_now, &host, 60000, &r);
			ok(r.last == CONSOLE_FAILED && host.step == failures[i].step &&
			        host.cause == failures[i].cause &&
			        strstr(host.said, failures[i].text) != NULL,
			    "%s (%zu): %s: %s", failures[i].text, k, console_step_text(host.step),
			    host.said);
		}
}

static void test_out_of_order(void)
{
	static const struct {
		const char *name;
		size_t from, to; /* gates: [0, from) are played, then the text from `to` on */
		enum console_step step;
		enum console_cause cause;
	} cases[] = {
		{ "first prompt is the day", 0, 5, CONSOLE_START, CONSOLE_OUT_OF_ORDER },
		{ "first prompt is the device id", 0, 2, CONSOLE_START, CONSOLE_OUT_OF_ORDER },
		{ "device id before the new key", 1, 2, CONSOLE_LOCK, CONSOLE_OUT_OF_ORDER },
		{ "year before the CSR", 3, 3, CONSOLE_CSR, CONSOLE_CSR_DAMAGED },
		{ "month left out", 4, 5, CONSOLE_YEAR, CONSOLE_OUT_OF_ORDER },
		{ "lock again at the device id", 3, 0, CONSOLE_DEVICE_ID, CONSOLE_RESTARTED },
		{ "lock again at the new key", 2, 0, CONSOLE_NEW_KEY, CONSOLE_RESTARTED },
		{ "new key again at the serial", 9, 1, CONSOLE_SERIAL, CONSOLE_RESTARTED },
		{ "hour again at the years", 8, 6, CONSOLE_YEARS, CONSOLE_OUT_OF_ORDER },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct played r = { .typed_right = true };
		struct cutter cut = whole;
		size_t prompt;

		play_load(&play_now, 1);
		prompt = play_now.gates[cases[i].to].at;
		while (prompt > 0 && play_now.text[prompt - 1] != '\n')
			prompt--;
		console_host_init(&host, play_now.device_id, &console_limits_default);
		if (cases[i].from > 0)
			play_feed(
			    &play_now, &host, 0, play_now.gates[cases[i].from - 1].at, &cut, &r);
		play_feed(&play_now, &host, prompt, play_now.gates[cases[i].to].at, &cut, &r);
		ok(r.last == CONSOLE_FAILED && host.step == cases[i].step &&
		        host.cause == cases[i].cause,
		    "%s: %s: %s", cases[i].name, console_step_text(host.step),
		    console_cause_text(host.cause));
	}
}

static void test_damage(void)
{
	struct played r;
	size_t at;

	play_load(&play_now, 1);
	at = play_find(play_now.text, play_now.n, 0, "MIHr");
	play_now.text[at + 100] = play_now.text[at + 100] == 'A' ? 'B' : 'A';
	r = play(&play_now, &host, whole);
	ok(r.last == CONSOLE_FINISHED ? host.differs == CCERT_SAME : host.cause != CONSOLE_FINE,
	    "one base64 digit of the CSR's key changed: %s", console_cause_text(host.cause));

	play_load(&play_now, 1);
	play_now.text[at + 1] = '!';
	r = play(&play_now, &host, whole);
	ok(r.last == CONSOLE_FAILED && host.cause == CONSOLE_CSR_DAMAGED &&
	        host.step == CONSOLE_CSR,
	    "a line of the CSR is not base64");

	play_load(&play_now, 1);
	play_now.device_id[5] = 'f';
	r = play(&play_now, &host, whole);
	ok(r.last == CONSOLE_FAILED && host.cause == CONSOLE_CSR_OTHER_ID,
	    "the CSR names another device");

	play_load(&play_now, 1);
	play_now.fields.serial[3] ^= 1;
	r = play(&play_now, &host, whole);
	ok(r.certs == 1 && r.last == CONSOLE_FAILED && host.cause == CONSOLE_CERT_DIFFERS &&
	        host.differs == CCERT_DIFFERS_SERIAL && host.step == CONSOLE_CERTIFICATE,
	    "another serial number than signed: %s", ccert_field_text(host.differs));

	play_load(&play_now, 1);
	at = play_find(play_now.text, play_now.n, 0, "Compressed cert = ") + 20;
	play_now.text[at + 300] = 'x';
	r = play(&play_now, &host, whole);
	ok(r.certs == 0 && r.last == CONSOLE_FAILED && host.cause == CONSOLE_CERT_DAMAGED,
	    "a digit of the certificate is none");

	play_load(&play_now, 1);
	replace_all(&play_now, "Compressed cert = ", "Compressed ");
	r = play(&play_now, &host, whole);
	play_settle(&play_now, &host, 60000, &r);
	ok(r.last == CONSOLE_FAILED && host.cause != CONSOLE_FINE, "no certificate announced: %s",
	    console_cause_text(host.cause));
}

/*
 * Any byte changed, left out or doubled, or the line cut there: no crash, and an end with a name. One
 * transcript suffers everything at every byte; of the others each byte suffers one of them.
 */
static void test_every_byte(size_t t)
{
	static const char *const kinds[] = { "changed", "left out", "doubled", "cut",
		"a bit flipped" };
	size_t n = vector_transcripts[t].bytes.n;
	size_t stride = (t == 2 ? 1 : COUNT(kinds)) * STRIDE;

	for (size_t kind = 0; kind < COUNT(kinds); kind++) {
		unsigned finished = 0, failed = 0, other = 0;

		for (size_t at = kind; at < n; at += stride) {
			struct played r;
			char c;

			play_load(&play_now, t);
			c = play_now.text[at];
			if (kind == 0)
				play_now.text[at] = c == '#' ? '$' : '#';
			else if (kind == 1)
				memmove(
				    play_now.text + at, play_now.text + at + 1, --play_now.n - at);
			else if (kind == 2)
				play_insert(&play_now, at, (char[]){ c, '\0' });
			else if (kind == 3)
				play_cut(&play_now, at);
			else
				play_now.text[at] = (char)(c ^ 1 << at % 8);
			r = play(&play_now, &host, whole);
			for (unsigned i = 0; i < 4 && !console_host_over(&host); i++)
				play_settle(&play_now, &host, 60000, &r);
			if (r.last == CONSOLE_FINISHED && host.step == CONSOLE_DONE &&
			    slice_equal(host.der, play_now.cert))
				finished++;
			else if (r.last == CONSOLE_FAILED && host.cause != CONSOLE_FINE &&
			         console_cause_err(host.cause) != OK)
				failed++;
			else
				other++;
		}
		ok(other == 0 && failed > 0 && (kind == 3 || finished > 0),
		    "%s: each byte %s: %u finished, %u failed by name", vector_transcripts[t].name,
		    kinds[kind], finished, failed);
	}
}

static void test_texts(void)
{
	for (size_t i = 0; i < CONSOLE_STEPS; i++)
		ok(console_step_text((enum console_step)i) != NULL, "step %zu: %s", i,
		    console_step_text((enum console_step)i));
	for (size_t i = 0; i < CONSOLE_CAUSES; i++)
		ok(console_cause_text((enum console_cause)i) != NULL &&
		        (i == 0) == (console_cause_err((enum console_cause)i) == OK),
		    "cause %zu: %s", i, console_cause_text((enum console_cause)i));
	ok(console_step_text(CONSOLE_STEPS) != NULL && console_cause_text(CONSOLE_CAUSES) != NULL,
	    "numbers outside of the tables have a text too");
}

int main(void)
{
	for (size_t i = 0; i < vector_transcripts_n; i++) {
		test_cuts(i);
		test_unpaced(i);
		test_noise_lines(i);
		test_fused_noise(i);
		test_every_byte(i);
	}
	test_endings();
	test_locked_chip();
	test_line_ends();
	test_repeats();
	test_lost_answers();
	test_silence();
	test_silence_between();
	test_caller_thinks();
	test_lock_refused();
	test_failures();
	test_out_of_order();
	test_damage();
	test_texts();
	return done_testing();
}
