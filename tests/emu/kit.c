/* Kit protocol: lines one by one and cut anywhere, time limits, two chips, a chip's life, TCP and PTY. */
#include "kit.h"
#include "rig.h"
#include "sha256.h"
#include "text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct emu *chip(enum emu_family family, enum emu_timing timing, uint8_t address)
{
	return rig_emu(
	    (struct emu_options){ .family = family, .timing = timing, .virtual_time = true },
	    address);
}

/* Feeds text in pieces and collects the replies as one text. */
static void converse(struct kit *k, struct emu *const *chips, size_t n, const char *in, size_t in_n,
    size_t piece, char *out, size_t cap)
{
	size_t at = 0;

	while (in_n) {
		size_t take = in_n < piece ? in_n : piece;

		take = take < kit_room(k) ? take : kit_room(k);
		kit_take(k, (const uint8_t *)in, take);
		in += take;
		in_n -= take;
		while (kit_step(k, chips, n, 0)) {
			struct slice r = kit_reply(k);

			if (at + r.n >= cap)
				exit(1);
			memcpy(out + at, r.p, r.n);
			at += r.n;
			kit_sent(k, r.n);
		}
	}
	out[at] = '\0';
}

static bool same(const char *got, const char *want, const char *name)
{
	return is_bytes(got, strlen(got), want, strlen(want), name);
}

static const struct {
	const char *name, *in, *want;
} lines[] = {
	{ "first device", "board:device(00)\n", "ECC608 TWI 00(60)\n" },
	{ "second device", "board:device(01)\n", "ECC508 TWI 01(35)\n" },
	{ "no third device", "board:device(02)\n", "no_device 00(00)\n" },
	{ "interface", "E:physical:interface:i2c\n", "00()\n" },
	{ "select", "E:physical:select(35)\n", "00()\n" },
	{ "select an absent address", "E:physical:select(61)\n", "E3()\n" },
	{ "wake", "E:w()\n", "00(04113343)\n" },
	{ "talk", "E:w()\nE:t(0730000000035D)\n", "00(04113343)\n00(070000600383BB)\n" },
	{ "generic letter", "d:w()\nE:t(0730000000035D)\n", "00(04113343)\n00(070000600383BB)\n" },
	{ "small letters in a request", "E:w()\nE:t(0730000000035d)\n",
	    "00(04113343)\n00(070000600383BB)\n" },
	{ "CR is ignored", "E:\rw()\r\n", "00(04113343)\n" },
	{ "idle and sleep", "E:w()\nE:i()\nE:w()\nE:s()\n",
	    "00(04113343)\n00()\n00(04113343)\n00()\n" },
	{ "the chip's own error passes", "E:w()\nE:t(07300000000000)\n",
	    "00(04113343)\n00(04FF0142)\n" },
	{ "talk to a chip asleep", "E:t(0730000000035D)\n", "E7()\n" },
	{ "idle for a chip asleep", "E:i()\n", "E7()\n" },
	{ "talk after sleep", "E:w()\nE:s()\nE:t(0730000000035D)\n", "00(04113343)\n00()\nE7()\n" },
	{ "selected chip only", "E:physical:select(35)\nE:w()\nE:t(0730000000035D)\n",
	    "00()\n00(04113343)\n00(07000050000391)\n" },
	{ "empty line", "\n", "F5()\n" },
	{ "unknown board request", "board:version()\n", "F5()\n" },
	{ "unknown family", "S:w()\n", "F5()\n" },
	{ "unknown request", "E:x()\n", "F5()\n" },
	{ "no parenthesis", "E:w(\n", "F5()\n" },
	{ "something behind it", "E:w() \n", "F5()\n" },
	{ "another interface", "E:physical:interface:swi\n", "F5()\n" },
	{ "longer interface", "E:physical:interface:i2cc\n", "F5()\n" },
	{ "wake with an argument", "E:w(00)\n", "E2()\n" },
	{ "sleep with an argument", "E:s(00)\n", "E2()\n" },
	{ "talk of nothing", "E:t()\n", "E2()\n" },
	{ "odd digits", "E:t(073)\n", "E2()\n" },
	{ "no digits", "E:t(0730ZZ)\n", "E2()\n" },
	{ "device number too short", "board:device(0)\n", "E2()\n" },
	{ "address too long", "E:physical:select(060)\n", "E2()\n" },
	{ "no line end, no reply", "E:w()", "" },
};

static void test_lines(void)
{
	char out[256];
	struct kit k;

	for (size_t i = 0; i < COUNT(lines); i++) {
		struct emu *chips[2] = { chip(EMU_ATECC608B, EMU_INSTANT, 0x60),
			chip(EMU_ATECC508A, EMU_INSTANT, 0x35) };

		kit_init(&k);
		converse(&k, chips, 2, lines[i].in, strlen(lines[i].in), 4096, out, sizeof(out));
		same(out, lines[i].want, lines[i].name);
		emu_free(chips[0]);
		emu_free(chips[1]);
	}
}

static void test_nul_and_length(void)
{
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	char in[KIT_LINE_MAX + 64], out[64];
	struct kit k;

	kit_init(&k);
	converse(&k, &c, 1, "\0E:\0w()\0\n\0", 10, 4096, out, sizeof(out));
	same(out, "00(04113343)\n", "NUL is ignored");
	memset(in, 'E', sizeof(in));
	memcpy(in + KIT_LINE_MAX + 1, "\nE:i()\n", 8);
	converse(&k, &c, 1, in, KIT_LINE_MAX + 8, 7, out, sizeof(out));
	same(out, "E4()\n00()\n", "too long by one, and the next line is sound");
	memcpy(in + KIT_LINE_MAX, "\n", 1);
	converse(&k, &c, 1, in, KIT_LINE_MAX + 1, 4096, out, sizeof(out));
	same(out, "F5()\n", "the longest line is looked at");
	emu_free(c);
}

static void test_cuts(void)
{
	static const char in[] = "board:device(00)\nE:w()\nE:t(0730000000035D)\nE:q()\nE:i()\n";
	static const char want[] =
	    "ECC608 TWI 00(60)\n00(04113343)\n00(070000600383BB)\nF5()\n00()\n";
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	char out[256];
	size_t good = 0;
	struct kit k;

	for (size_t piece = 1; piece < sizeof(in); piece++) {
		kit_init(&k);
		converse(&k, &c, 1, in, sizeof(in) - 1, piece, out, sizeof(out));
		good += strcmp(out, want) == 0;
	}
	ok(good == sizeof(in) - 1, "cut at every byte: %zu of %zu", good, sizeof(in) - 1);
	emu_free(c);
}

static void test_working(void)
{
	static const char wake[] = "E:w()\n";
	struct emu *c = chip(EMU_ATECC608B, EMU_MAX, 0x60);
	char line[400], hex[321], out[64];
	uint8_t packet[160];
	struct kit k;
	size_t n;

	kit_init(&k);
	converse(&k, &c, 1, wake, sizeof(wake) - 1, 64, out, sizeof(out));
	ok(out[0] == '\0' && kit_working(&k), "after the pulse it needs 1.5 ms");
	emu_advance(c, 1500);
	ok(kit_step(&k, &c, 1, 2), "then it answers");
	kit_sent(&k, kit_reply(&k).n);
	n = rig_packet(packet, 0x1B, 0, 0, NOTHING);
	hex_encode((struct slice){ packet, n }, HEX_UPPER, hex);
	snprintf(line, sizeof(line), "E:t(%s)\nE:i()\n", hex);
	converse(&k, &c, 1, line, strlen(line), 64, out, sizeof(out));
	ok(out[0] == '\0' && kit_working(&k), "Random takes its time, and the next line waits");
	emu_advance(c, 500000);
	ok(kit_step(&k, &c, 1, 3) && kit_reply(&k).n == 3 + 70 + 2, "then come 32 random bytes");
	kit_sent(&k, kit_reply(&k).n);
	ok(kit_step(&k, &c, 1, 3) && kit_reply(&k).n == 5, "and the next line's reply");
	kit_sent(&k, kit_reply(&k).n);

	kit_init(&k);
	converse(&k, &c, 1, wake, sizeof(wake) - 1, 64, out, sizeof(out));
	ok(!kit_step(&k, &c, 1, KIT_WAKE_MS - 1) && kit_working(&k), "just before the limit");
	ok(kit_step(&k, &c, 1, KIT_WAKE_MS) && !kit_working(&k), "it ends at the limit");
	is_bytes(kit_reply(&k).p, kit_reply(&k).n, "F1()\n", 5, "with the status of a time-out");
	emu_free(c);
}

/* --- a chip's life over lines --- */

static struct kit life;

static struct answer ask(struct emu *c, uint8_t opcode, uint8_t p1, unsigned p2, struct slice in)
{
	uint8_t packet[160], response[EMU_RESPONSE_MAX];
	char line[400] = "E:t(", out[600];
	size_t n = rig_packet(packet, opcode, p1, p2, in);

	hex_encode((struct slice){ packet, n }, HEX_UPPER, line + 4);
	memcpy(line + 4 + 2 * n, ")\n", 3);
	converse(&life, &c, 1, line, strlen(line), 64, out, sizeof(out));
	n = strlen(out);
	if (n < 5 || memcmp(out, "00(", 3) != 0 ||
	    hex_decode((struct slice){ (uint8_t *)out + 3, n - 5 }, response, (n - 5) / 2) != OK) {
		printf("Bail out! %s\n", out);
		exit(1);
	}
	return rig_answer(response, (n - 5) / 2);
}

static bool verifies(const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64])
{
	struct p256 *curve = NULL;
	bool good = p256_new(&curve, NULL) == OK && p256_verify(curve, q, digest, sig) == OK;

	p256_free(curve);
	return good;
}

static void test_life(void)
{
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	static const uint8_t slot0[4] = { 0x87, 0x20, 0x8F, 0x20 }, key0[4] = { 0x33, 0, 0x33, 0 };
	uint8_t digest[32], q[64];
	struct answer a;
	char out[64];

	memset(digest, 0x5A, sizeof(digest));
	kit_init(&life);
	converse(&life, &c, 1, "E:w()\n", 6, 64, out, sizeof(out));
	ok(ask(c, 0x12, 0, 20 / 4, SLICE(slot0)).status == 0, "SlotConfig of slots 0 and 1");
	ok(ask(c, 0x12, 0, 96 / 4, SLICE(key0)).status == 0, "KeyConfig");
	ok(ask(c, 0x17, 0x80, 0, NOTHING).status == 0, "configuration locked");
	a = ask(c, 0x40, 4, 0, NOTHING);
	ok(a.n == 64, "GenKey");
	memcpy(q, a.p, 64);
	ok(ask(c, 0x17, 0x81, 0, NOTHING).status == 0, "data locked");
	ok(ask(c, 0x1B, 0, 0, NOTHING).n == 32, "seed");
	ok(ask(c, 0x16, 0x03, 0, SLICE(digest)).status == 0, "digest into TempKey");
	a = ask(c, 0x41, 0x80, 0, NOTHING);
	ok(a.n == 64 && verifies(q, digest, a.p), "Sign, and the signature verifies");
	converse(&life, &c, 1, "E:s()\n", 6, 64, out, sizeof(out));
	same(out, "00()\n", "asleep");
	emu_free(c);
}

/* --- over TCP and a pseudo-terminal --- */

/* Writes to the far end, reads until n bytes are there. */
static bool exchange(int fd, const char *in, const char *want)
{
	char got[256];
	size_t at = 0, n = strlen(want);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (in[0] && write(fd, in, strlen(in)) != (ssize_t)strlen(in))
		return false;
	while (at < n && poll(&p, 1, 10000) > 0) {
		ssize_t r = read(fd, got + at, n - at);

		if (r <= 0)
			break;
		at += (size_t)r;
	}
	return is_bytes(got, at, want, n, "replies over the wire");
}

static int dial(const char *where)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)strtoul(strrchr(where, ':') + 1, NULL, 10));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		exit(1);
	return fd;
}

static const char hello[] = "board:device(00)\nE:w()\nE:t(0730000000035D)\n";
static const char hello_back[] = "ECC608 TWI 00(60)\n00(04113343)\n00(070000600383BB)\n";

static void test_tcp(void)
{
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	struct kit_server *s = NULL;
	struct errbuf eb;
	char end;
	int a, b;

	ok(kit_server_new("tcp:0", &c, 1, &s, &eb) == OK && kit_server_start(s, &eb) == OK, "TCP");
	a = dial(kit_server_where(s));
	b = dial(kit_server_where(s));
	exchange(a, "E:", "");
	exchange(b, hello, hello_back);
	exchange(a, "i()\n", "00()\n");
	shutdown(b, SHUT_WR);
	ok(read(b, &end, 1) == 0, "who ends is ended");
	(void)(write(a, "E:w()\nE:i()\n", 12) == 12 && shutdown(a, SHUT_WR) == 0);
	exchange(a, "", "00(04113343)\n00()\n");
	close(a);
	close(b);
	kit_server_free(s);
	emu_free(c);
}

static void test_pty(void)
{
	char folder[] = "/tmp/imprint-kit-XXXXXX", where[64];
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	struct kit_server *s = NULL;
	struct errbuf eb;
	int fd;

	if (!mkdtemp(folder))
		exit(1);
	snprintf(where, sizeof(where), "pty:%s/kit", folder);
	ok(kit_server_new(where, &c, 1, &s, &eb) == OK && kit_server_start(s, &eb) == OK, "PTY");
	fd = open(where + 4, O_RDWR | O_NOCTTY);
	ok(fd >= 0, "the link opens");
	exchange(fd, hello, hello_back);
	close(fd);
	kit_server_free(s);
	ok(access(where + 4, F_OK) != 0, "the link is gone");
	rmdir(folder);
	emu_free(c);
}

static void test_refused(void)
{
	static const char *const bad[] = { "", "tcp:", "tcp:x", "tcp:65536", "tcp:-1",
		"pty:", "udp:1", "tcp:1 " };
	struct emu *c = chip(EMU_ATECC608B, EMU_INSTANT, 0x60);
	struct kit_server *s = NULL, *first = NULL;
	struct errbuf eb;

	for (size_t i = 0; i < COUNT(bad); i++)
		ok(kit_server_new(bad[i], &c, 1, &s, &eb) == ERR_ARG && !s, "'%s'", bad[i]);
	ok(kit_server_new("pty:/nowhere/kit", &c, 1, &s, &eb) == ERR_IO && !s, "no such folder");
	if (kit_server_new("tcp:0", &c, 1, &first, &eb) != OK)
		exit(1);
	char taken[32];
	snprintf(taken, sizeof(taken), "tcp:%s", strrchr(kit_server_where(first), ':') + 1);
	ok(kit_server_new(taken, &c, 1, &s, &eb) == ERR_IO && !s, "a port that is taken");
	kit_server_free(first);
	emu_free(c);
}

int main(void)
{
	test_lines();
	test_nul_and_length();
	test_cuts();
	test_working();
	test_life();
	test_tcp();
	test_pty();
	test_refused();
	return done_testing();
}
