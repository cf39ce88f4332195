/*
 * The whole board, from the serial line to the chip: the recorded conversations of real sketches, word
 * for word; the chip reached over the wire and only there; the certificate rebuilt from the slots.
 */
#include "csr.h"
#include "rig.h"
#include "sketch.h"
#include "text.h"

#define AKI "27ef225f0a4abc3495559d2085c66d1d955ef033"
#define SERIAL "9f3c0d5e11a2b3c4d5e6f70812233445"
#define SIGNATURE                                                                                  \
	"2a1d5b4669a85e51c9c3666b2af9203a0c0e9e0d8c11df04c542721bbf29e345"                         \
	"26dd72b3b3cefc6c45332cd791828fe915b01044bf749c7d673dbaecd98044e9"
#define DEVICE "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"

/* --- the recordings --- */

static size_t recording_read(const char *file, char *out)
{
	const char *source = getenv("IMPRINT_SOURCE");
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/tests/vectors/%s", source == NULL ? "." : source, file);
	f = fopen(path, "rb");
	must(f != NULL, path);
	n = fread(out, 1, SAID_MAX - 1, f);
	fclose(f);
	out[n] = '\0';
	return n;
}

/* What the host typed: in a recording it stands between a prompt and CR LF. */
static void script_read(const char *recording, char *room, struct host *h)
{
	unsigned n = 0;

	for (const char *p = recording; (p = strstr(p, ": ")) != NULL;) {
		size_t length = strcspn(p += 2, "\r");
		const char *line = p;

		while (line > recording && line[-1] != '\n')
			line--;
		if (strncmp(line, "Please", 6) != 0 && strncmp(line, "Would", 5) != 0)
			continue;
		must(n + 1 < SCRIPT_MAX, "script");
		memcpy(room, p, length);
		room[length] = '\0';
		h->answers[n++] = room;
		room += length + 1;
	}
	h->answers[n] = NULL;
}

/*
 * Key and signatures differ from run to run, so the content of PEM blocks and of the hex line is
 * replaced by one '#' each; everything else must be equal byte for byte.
 */
static void mask(const char *in, char *out)
{
	bool pem = false, hash = false;

	while (*in != '\0') {
		size_t n = strcspn(in, "\n") + 1;

		if (in[n - 1] == '\0')
			n--;
		if (strncmp(in, "-----END", 8) == 0)
			pem = false;
		if (pem || strncmp(in, "3082", 4) == 0) {
			if (!hash)
				*out++ = '#';
			hash = true;
		} else {
			memcpy(out, in, n);
			out += n;
			hash = false;
		}
		if (strncmp(in, "-----BEGIN", 10) == 0)
			pem = true;
		in += n;
	}
	*out = '\0';
}

/* --- what was said, read as a host reads it --- */

/* The request; false when it is missing or damaged. */
static bool said_csr(const struct host *h, struct csr *csr)
{
	static uint8_t der[CSR_MAX];
	size_t n;

	return pem_decode((struct slice){ (const uint8_t *)h->said, h->n }, "CERTIFICATE REQUEST",
	           der, sizeof(der), &n, NULL) == OK &&
	       csr_parse((struct slice){ der, n }, csr, NULL) == OK;
}

static bool said_cert(const struct host *h, struct ccert *c, uint8_t q[64])
{
	static uint8_t der[CCERT_CERT_MAX];
	const char *hex = strstr(h->said, "Compressed cert = \r\n");
	size_t n;

	if (hex == NULL)
		return false;
	hex += strlen("Compressed cert = \r\n");
	n = strcspn(hex, "\r") / 2;
	return n <= sizeof(der) &&
	       hex_decode((struct slice){ (const uint8_t *)hex, 2 * n }, der, n) == OK &&
	       ccert_from_cert((struct slice){ der, n }, c, q) == OK;
}

/* --- recordings against every kind of chip --- */

static const struct variant {
	const char *name, *recording;
	enum console_wording wording;
	const char *wifi;
	enum emu_family family;
} variants[] = {
	{ "2020 on a 508A", "serial-2020.txt", CONSOLE_2020, NULL, EMU_ATECC508A },
	{ "today on a 608A", "serial-today.txt", CONSOLE_TODAY, NULL, EMU_ATECC608A },
	{ "today with Wi-Fi on a 608B", "serial-today-wifi-old-firmware.txt", CONSOLE_TODAY,
	    "1.4.8", EMU_ATECC608B },
};

static struct board *board_on(const struct bench *b, const struct chip *c, const struct variant *v)
{
	struct board_options o = { .name = "bench",
		.state = b->state,
		.run = b->run,
		.element = c->wire.path,
		.wording = v->wording,
		.wifi = v->wifi };
	struct board *board = NULL;
	struct errbuf eb = { "" };

	must(board_new(&o, &board, &eb) == OK && board_start(board, &eb) == OK, eb.text);
	return board;
}

static void test_recording(const struct variant *v)
{
	static char recording[SAID_MAX], want[SAID_MAX], got[SAID_MAX], room[SAID_MAX];
	static struct host h;
	struct bench b = bench_make();
	struct chip c = { 0 };
	struct board *board;
	struct csr csr = { 0 };
	struct ccert fields = { 0 };
	uint8_t q[64] = { 0 };
	const unsigned *op = c.wire.opcodes;

	chip_start(&c, &b, v->family);
	board = board_on(&b, &c, v);
	recording_read(v->recording, recording);
	script_read(recording, room, &h);
	host_talk(&h, board_port(board), v->wording == CONSOLE_2020);
	ok(h.e == OK, "%s: comes to its end", v->name);
	mask(recording, want);
	mask(h.said, got);
	is_bytes(got, strlen(got), want, strlen(want), v->name);
	if (ok(said_csr(&h, &csr) && said_cert(&h, &fields, q), "%s: request and certificate",
	        v->name)) {
		ok(memcmp(csr.q, q, 64) == 0, "%s: both hold the same key", v->name);
		ok(csr.name.at[X509_CN].n == 36 &&
		        memcmp(csr.name.at[X509_CN].p, DEVICE, 36) == 0 &&
		        memcmp(fields.device_id, DEVICE, 36) == 0,
		    "%s: both name the device", v->name);
	}
	board_free(board);
	chip_stop(&c);
	ok(op[0x17] == 2, "%s: two Lock commands on the wire", v->name);
	ok(op[0x40] == 3 && op[0x41] == 1, "%s: one key made, its public half read twice, one Sign",
	    v->name);
	/* 27 words of configuration; 72 bytes of slots 10 and 12, 36 of slot 11, and slot 12 again. */
	ok(op[0x12] >= 27 + 4 + 4 + 2 + 2 && op[0x02] >= 10 && op[0x30] >= 1,
	    "%s: Write %u, Read %u, Info %u", v->name, op[0x12], op[0x02], op[0x30]);
	bench_clear(&b);
}

/* --- the board keeps nothing --- */

static uint16_t crc16(const uint8_t *p, size_t n)
{
	uint16_t crc = 0;

	for (; n > 0; n--, p++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bool in = (*p >> bit & 1) != 0, top = (crc & 0x8000) != 0;

			crc = (uint16_t)(crc << 1);
			if (in != top)
				crc ^= 0x8005;
		}
	}
	return crc;
}

struct meddler {
	struct emu *emu;
	unsigned public_keys; /* read so far */
	bool done;
};

/*
 * The public key is read for the request and again to rebuild the certificate. Just before the second
 * time the first word of slot 11 becomes 55 AA 55 AA.
 */
static void meddle(void *ctx, const uint8_t *packet, size_t n)
{
	static const uint8_t write[] = { 11, 0x12, 0x02, 11 << 3, 0, 0x55, 0xAA, 0x55, 0xAA };
	struct meddler *m = ctx;
	uint8_t command[sizeof(write) + 2], answer[EMU_RESPONSE_MAX];
	size_t answer_n;

	if (n < 7 || packet[1] != 0x40 || packet[2] != 0 || ++m->public_keys != 2)
		return;
	memcpy(command, write, sizeof(write));
	store_le16(command + sizeof(write), crc16(write, sizeof(write)));
	m->done = emu_execute(m->emu, SLICE(command), answer, &answer_n) == OK && answer_n == 4 &&
	          answer[1] == 0;
}

static void test_slot_edited(void)
{
	static const uint8_t want[] = { 0x55, 0xAA, 0x55, 0xAA, 0x11, 0xA2, 0xB3, 0xC4 };
	static struct host h = { .answers = { "y", DEVICE, "2025", "11", "22", "23", "31", SERIAL,
		                     AKI, SIGNATURE } };
	struct bench b = bench_make();
	struct chip c = { 0 };
	struct meddler m = { 0 };
	struct board *board;
	struct ccert fields = { 0 };
	uint8_t q[64];

	chip_start(&c, &b, EMU_ATECC608B);
	m.emu = c.emu;
	c.wire.ctx = &m;
	c.wire.command = meddle;
	board = board_on(&b, &c, &variants[1]);
	host_talk(&h, board_port(board), false);
	ok(said_cert(&h, &fields, q), "the board prints a certificate");
	is_bytes(
	    fields.serial, sizeof(want), want, sizeof(want), "made of what the slot holds now");
	board_free(board);
	chip_stop(&c);
	ok(h.e == OK && m.done, "slot 11 was edited while the board was at work");
	bench_clear(&b);
}

/* --- the buttons, over two runs --- */

static void test_reset_and_plug(void)
{
	static struct host first = { .answers = { "y", DEVICE } };
	static struct host again = { .answers = { "y", DEVICE, "2025", "11", "22", "23", "31",
		                         SERIAL, AKI, SIGNATURE } };
	struct bench b = bench_make();
	struct chip c = { 0 };
	struct board *board;
	struct board_status s;
	struct serial *port = NULL;
	struct errbuf eb = { "" };
	char **names = NULL;
	uint8_t byte;
	size_t n = 0;

	chip_start(&c, &b, EMU_ATECC508A);
	board = board_on(&b, &c, &variants[1]);
	ok(board_status_get(b.run, "bench", &s, &eb) == OK && strcmp(s.state, "waiting") == 0,
	    "a new board waits for a host");
	host_talk(&first, board_port(board), false);
	ok(first.typed == 3 && strstr(first.said, "issue year") != NULL, "stopped in the middle");
	ok(board_status_get(b.run, "bench", &s, &eb) == OK && strcmp(s.state, "running") == 0 &&
	        strcmp(s.step, "issue year") == 0,
	    "the sketch still waits there: %s", s.step);
	ok(board_press(b.run, "bench", BOARD_BUTTON_RESET, &eb) == OK, "reset");
	host_talk(&again, board_port(board), false);
	ok(again.e == OK && strstr(again.said, "Program finished.") != NULL &&
	        strncmp(again.said, "Would you", 9) == 0,
	    "after a reset the sketch starts again, on a locked chip");
	ok(board_status_get(b.run, "bench", &s, &eb) == OK && strcmp(s.state, "over") == 0,
	    "and stops at its end");

	ok(serial_open(board_port(board), &port, &eb) == OK, "a host opens the port");
	ok(serial_read(port, &byte, 1, &n, 100, &eb) == ERR_TIMEOUT,
	    "an ended sketch says nothing");
	ok(board_press(b.run, "bench", BOARD_BUTTON_UNPLUG, &eb) == OK, "unplug");
	ok(serial_read(port, &byte, 1, &n, PATIENCE_MS, &eb) == ERR_DEVICE, "the host sees it go");
	serial_free(port);
	port = NULL;
	ok(serial_open(board_port(board), &port, &eb) == ERR_NOT_FOUND, "there is no port now");
	ok(board_status_get(b.run, "bench", &s, &eb) == OK && strcmp(s.state, "unplugged") == 0,
	    "the board says so");
	ok(board_press(b.run, "bench", BOARD_BUTTON_PLUG, &eb) == OK, "plug in");
	host_talk(&again, board_port(board), false);
	ok(again.e == OK && strstr(again.said, "Program finished.") != NULL, "and all of it again");
	ok(serial_touch(board_port(board), &eb) == OK, "touch at 1200 baud: %s", eb.text);
	host_talk(&again, board_port(board), false);
	ok(again.e == OK && strstr(again.said, "Program finished.") != NULL,
	    "the touch starts the sketch again");

	ok(board_names(b.run, &names, &n, &eb) == OK && n == 1 && strcmp(names[0], "bench") == 0,
	    "one board runs");
	while (n > 0)
		free(names[--n]);
	free(names);
	board_free(board);
	ok(board_names(b.run, &names, &n, &eb) == OK && n == 0, "none runs");
	free(names);
	ok(board_press(b.run, "bench", BOARD_BUTTON_RESET, &eb) == ERR_NOT_FOUND, "%s", eb.text);
	chip_stop(&c);
	bench_clear(&b);
}

int main(void)
{
	for (size_t i = 0; i < COUNT(variants); i++)
		test_recording(&variants[i]);
	test_slot_edited();
	test_reset_and_plug();
	return done_testing();
}
