/* SEI2C/1: frames one by one and cut anywhere, violations, several chips, many connections, sockets. */
#include "frames.h"
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/imprint-server-XXXXXX", path[64];

static struct emu *chip(uint8_t address)
{
	return rig_emu((struct emu_options){ .family = EMU_ATECC608B }, address);
}

/* --- frames, without sockets --- */

/* Feeds bytes in pieces and collects every reply. */
static size_t converse(
    struct wire *w, struct slice in, size_t piece, uint8_t *out, size_t cap, bool *ended)
{
	static struct frames f;
	size_t n = 0;

	frames_init(&f);
	while (in.n || frames_reply(&f).n) {
		size_t room, take;
		uint8_t *p = frames_room(&f, &room);
		struct slice r;

		take = in.n < piece ? in.n : piece;
		take = take < room ? take : room;
		memcpy(p, in.p, take);
		frames_arrived(&f, take);
		in = SLICE_OF(in.p + take, in.n - take);
		while (frames_step(&f, w) || frames_reply(&f).n) {
			r = frames_reply(&f);
			if (n + r.n > cap)
				exit(1);
			memcpy(out + n, r.p, r.n);
			n += r.n;
			frames_sent(&f, r.n);
		}
		if (f.ended)
			break;
	}
	*ended = f.ended;
	return n;
}

static void frame_tables(void)
{
	static const struct {
		const char *name;
		uint8_t in[16];
		size_t n;
		uint8_t out[16];
		size_t want;
		bool ends;
	} cases[] = {
		{ "W to an absent chip", { 'W', 0x20, 1, 0, 0 }, 5, { 1, 0, 0 }, 3, false },
		{ "W, wake pulse", { 'W', 0x00, 1, 0, 0 }, 5, { 1, 0, 0 }, 3, false },
		{ "W, reserved word address", { 'W', 0x60, 1, 0, 9 }, 5, { 2, 0, 0 }, 3, false },
		{ "W of nothing", { 'W', 0x60, 0, 0 }, 4, { 0, 0, 0 }, 3, false },
		{ "R, two requests in one", { 'R', 0x60, 2, 0, 'R', 0x60, 2, 0 }, 8,
		    { 0, 2, 0, 0x04, 0x11, 0, 2, 0, 0x33, 0x43 }, 10, false },
		{ "R of nothing", { 'R', 0x60, 0, 0 }, 4, { 0, 0, 0 }, 3, false },
		{ "R from address 0", { 'R', 0x00, 1, 0 }, 4, { 1, 0, 0 }, 3, false },
		{ "R from an absent chip", { 'R', 0x20, 9, 0 }, 4, { 1, 0, 0 }, 3, false },
		{ "address above 77", { 'R', 0x78, 9, 0 }, 4, { 3, 0, 0 }, 3, false },
		{ "8-bit address C0", { 'W', 0xC0, 1, 0, 0 }, 5, { 3, 0, 0 }, 3, false },
		{ "P", { 'P', 0x60, 7, 0 }, 4, { 0, 0, 0 }, 3, false },
		{ "P, any length", { 'P', 0, 0xFF, 0xFF }, 4, { 0, 0, 0 }, 3, false },
		{ "T", { 'T', 0, 4, 0, 1, 0, 0, 0 }, 8, { 0, 0, 0 }, 3, false },
		{ "T of 3 bytes", { 'T', 0, 3, 0, 1, 0, 0, 'R', 0x60, 0, 0 }, 11,
		    { 3, 0, 0, 0, 0, 0 }, 6, false },
		{ "unknown op", { 'X', 0, 0, 0, 'R', 0x60, 0, 0 }, 8, { 3, 0, 0 }, 3, true },
		{ "W of 4097 bytes", { 'W', 0x60, 0x01, 0x10 }, 4, { 3, 0, 0 }, 3, true },
		{ "R of 4097 bytes", { 'R', 0x60, 0x01, 0x10 }, 4, { 3, 0, 0 }, 3, true },
		{ "half a header", { 'R', 0x60, 1 }, 3, { 0 }, 0, false },
		{ "half of the data", { 'W', 0x60, 2, 0, 0 }, 5, { 0 }, 0, false },
	};
	struct wire w = { .n = 1 };

	w.chips[0] = chip(0x60);
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t piece = 1; piece <= 16; piece += 15) {
			uint8_t out[64];
			bool ended;
			size_t n;

			emu_power_cycle(w.chips[0]);
			emu_i2c_write(w.chips[0], 0, (const uint8_t *)"", 1);
			n = converse(
			    &w, SLICE_OF(cases[i].in, cases[i].n), piece, out, sizeof(out), &ended);
			is_bytes(out, n, cases[i].out, cases[i].want, cases[i].name);
			ok(ended == cases[i].ends, "%s: the connection %s", cases[i].name,
			    cases[i].ends ? "ends" : "goes on");
		}
	}
	emu_free(w.chips[0]);
}

static void longest(void)
{
	static uint8_t in[4 + 4096 + 4], out[3 + 3 + 4096];
	struct wire w = { .n = 1 };
	bool ended;
	size_t n;

	w.chips[0] = chip(0x60);
	emu_i2c_write(w.chips[0], 0, (const uint8_t *)"", 1);
	memset(in, 0, sizeof(in));
	in[0] = 'W';
	in[1] = 0x60;
	in[3] = 0x10;
	memcpy(in + 4100, (uint8_t[]){ 'R', 0x60, 0x00, 0x10 }, 4);
	n = converse(&w, SLICE(in), 1000, out, sizeof(out), &ended);
	ok(n == sizeof(out) && out[0] == 0 && out[3] == 0 && load_le16(out + 4) == 4096,
	    "frames of 4096 bytes");
	ok(out[6] == 0x04 && out[10] == 0xFF && out[4101] == 0xFF,
	    "past the end of the buffer: FF");
	emu_free(w.chips[0]);
}

/* The example of docs/sei2c.md. */
static void documented(void)
{
	static const uint8_t in[] = { 0x57, 0x00, 0x01, 0x00, 0x00, 0x52, 0x60, 0x04, 0x00, 0x57,
		0x60, 0x08, 0x00, 0x03, 0x07, 0x30, 0x00, 0x00, 0x00, 0x03, 0x5D, 0x52, 0x60, 0x07,
		0x00 };
	static const uint8_t want[] = { 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x04, 0x11, 0x33, 0x43,
		0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x07, 0x00, 0x00, 0x60, 0x03, 0x83, 0xBB };
	struct wire w = { .n = 1 };
	uint8_t out[64];
	bool ended;
	size_t n;

	w.chips[0] = chip(0x60);
	n = converse(&w, SLICE(in), 7, out, sizeof(out), &ended);
	is_bytes(out, n, want, sizeof(want), "the documented example");
	emu_free(w.chips[0]);
}

/* --- what is not on the wire of a real chip: fault plans and counts --- */

static size_t request(uint8_t *in, char op, uint8_t addr, size_t len, const char *data)
{
	in[0] = (uint8_t)op;
	in[1] = addr;
	store_le16(in + 2, (uint16_t)len);
	memcpy(in + 4, data, strlen(data));
	return 4 + strlen(data);
}

/* One request by itself; the status. The reply's data and size to out. */
static int lone(
    struct wire *w, char op, uint8_t addr, size_t len, const char *data, uint8_t *out, size_t *n)
{
	static uint8_t in[4 + 4096], reply[3 + 4096];
	bool ended;
	size_t got = converse(
	    w, SLICE_OF(in, request(in, op, addr, len, data)), 999, reply, sizeof(reply), &ended);

	*n = got - 3;
	memcpy(out, reply + 3, *n);
	return ended || load_le16(reply + 1) != *n ? -1 : reply[0];
}

static void plans(void)
{
	static const char stuck[] = "stuck 2\nnack 3 times 2\n", wrong[] = "stuck 1\nstick 1\n";
	static uint8_t out[4096];
	struct wire w = { .n = 2 };
	int struck[3];
	size_t n;

	w.chips[0] = chip(0x60);
	w.chips[1] = chip(0x35);
	ok(lone(&w, 'W', 0, 0, "", out, &n) == 1, "awake");
	ok(lone(&w, 'F', 0x60, strlen(stuck), stuck, out, &n) == 0 && n == 0, "a plan is taken");
	ok(lone(&w, 'I', 0x60, 4, "", out, &n) == 0 && n == 4 && out[0] == 2 && out[2] == 2,
	    "two faults, two to come");
	ok(lone(&w, 'I', 0x35, 4, "", out, &n) == 0 && out[0] == 0, "none for the other chip");
	for (size_t i = 0; i < COUNT(struck); i++)
		struck[i] = lone(&w, 'R', 0x60, 4, "", out, &n);
	ok(struck[0] == 0 && struck[1] == 3 && struck[2] == 1, "they strike where the plan says");
	ok(lone(&w, 'I', 0x60, 4, "", out, &n) == 0 && out[0] == 2 && out[2] == 1,
	    "one is over, one is not yet");
	ok(lone(&w, 'F', 0x60, strlen(wrong), wrong, out, &n) == 4 && n > 8 &&
	        memcmp(out, "line 2: ", 8) == 0,
	    "what is no plan is refused, with its line");
	for (size_t i = 0; i < 2; i++)
		struck[i] = lone(&w, 'R', 0x60, 4, "", out, &n);
	ok(struck[0] == 1 && struck[1] == 0, "and the old one stays to its end");
	ok(lone(&w, 'I', 0x60, 4, "", out, &n) == 0 && out[0] == 2 && out[2] == 0, "which it has");
	ok(lone(&w, 'F', 0x60, 7, "stuck 1", out, &n) == 0 &&
	        lone(&w, 'F', 0x60, 0, "", out, &n) == 0 &&
	        lone(&w, 'I', 0x60, 4, "", out, &n) == 0 && out[0] == 0 &&
	        lone(&w, 'R', 0x60, 4, "", out, &n) == 0,
	    "an empty plan ends it");
	ok(lone(&w, 'F', 0x36, 7, "stuck 1", out, &n) == 1 &&
	        lone(&w, 'I', 0x36, 4, "", out, &n) == 1,
	    "no chip at this address");
	ok(lone(&w, 'F', 0xC0, 7, "stuck 1", out, &n) == 3 &&
	        lone(&w, 'I', 0x78, 4, "", out, &n) == 3,
	    "no address at all");
	emu_free(w.chips[0]);
	emu_free(w.chips[1]);
}

static void counts(void)
{
	static uint8_t out[4096];
	struct wire w = { .n = 1 };
	uint8_t response[EMU_RESPONSE_MAX], packet[160];
	uint8_t word[4] = { 1, 2, 3, 4 };
	size_t n, packet_n;

	w.chips[0] = chip(0x60);
	packet_n = rig_packet(packet, 0x12, 0, 20 / 4, SLICE(word));
	for (int i = 0; i < 3; i++) {
		if (emu_execute(w.chips[0], SLICE_OF(packet, packet_n), response, &n) != OK)
			exit(1);
	}
	ok(lone(&w, 'I', 0x60, FRAME_COUNTS + 10, "", out, &n) == 0 && n == FRAME_COUNTS + 10,
	    "everything that is counted");
	ok(load_le32(out + 4) == 3 && load_le32(out + 8) == 0 && load_le32(out + 12) == 0,
	    "three writes to the configuration, none elsewhere");
	ok(load_le32(out + 84 + 4 * 0x12) == 3 && load_le32(out + 84 + 4 * 0x30) == 0,
	    "three Writes, no Info");
	for (size_t i = FRAME_COUNTS; i < n; i++)
		n = out[i] ? 0 : n;
	ok(n == FRAME_COUNTS + 10, "zeros behind it");
	ok(lone(&w, 'I', 0x60, 0, "", out, &n) == 0 && n == 0, "as little as is asked for");
	emu_free(w.chips[0]);
}

static void two_chips(void)
{
	struct wire w = { .n = 2 };
	static const uint8_t in[] = { 'W', 0, 1, 0, 0, 'W', 0x60, 0, 0, 'W', 0x35, 0, 0, 'W', 0x36,
		0, 0, 'W', 0x35, 1, 0, 1, 'W', 0x35, 0, 0, 'W', 0x60, 0, 0 };
	uint8_t out[32];
	bool ended;
	size_t n;

	w.chips[0] = chip(0x60);
	w.chips[1] = chip(0x35);
	n = converse(&w, SLICE(in), 5, out, sizeof(out), &ended);
	is_bytes(out, n,
	    (uint8_t[]){ 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 }, 21,
	    "one pulse wakes both; one sleeps alone");
	ok(w.seen.wakes == 1 && w.seen.frames == 7, "frames are counted");
	emu_free(w.chips[0]);
	emu_free(w.chips[1]);
}

/* --- sockets --- */

static int dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return -1;
	return fd;
}

static bool take(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = read(fd, p, n);

		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

/* One request; the status, or -1 when the connection is gone. */
static int ask(int fd, char op, uint8_t addr, const uint8_t *data, size_t len, uint8_t *out)
{
	uint8_t frame[4 + 256] = { (uint8_t)op, addr, (uint8_t)len, (uint8_t)(len >> 8) };
	size_t n = 4;

	if (op == 'W' && len) {
		memcpy(frame + 4, data, len);
		n += len;
	}
	if (write(fd, frame, n) != (ssize_t)n || !take(fd, frame, 3))
		return -1;
	n = load_le16(frame + 1);
	return n == 0 || (out && take(fd, out, n)) ? frame[0] : -1;
}

static int ask_command(int fd, uint8_t opcode, uint8_t p1, unsigned p2)
{
	uint8_t frame[161] = { 0x03 };
	size_t n = rig_packet(frame + 1, opcode, p1, p2, NOTHING);

	return ask(fd, 'W', 0x60, frame, n + 1, NULL);
}

static void serving(struct emu *emu)
{
	struct emu_server *s = NULL, *second = NULL;
	struct emu_server_counters c;
	struct errbuf eb = { "" };
	int fd[8], after;
	uint8_t r[8];
	struct stat st;

	ok(emu_server_new(path, &emu, 1, &s, &eb) == OK, "socket made");
	ok(lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600,
	    "mode 0600");
	ok(emu_server_start(s, &eb) == OK, "serving");
	for (size_t i = 0; i < COUNT(fd); i++)
		fd[i] = dial();
	ok(ask(fd[0], 'W', 0, (const uint8_t *)"", 1, NULL) == 1, "woken by one connection");
	ok(ask(fd[1], 'R', 0x60, NULL, 4, r) == 0 && r[1] == 0x11, "read by another");
	ok(ask_command(fd[2], 0x30, 0, 0) == 0, "Info by a third");
	ok(ask(fd[3], 'R', 0x60, NULL, 7, r) == 0 && r[0] == 7 && r[3] == 0x60,
	    "its answer by a fourth");
	close(fd[0]);
	ok(ask_command(fd[2], 0x1B, 0, 0) == 0, "state belongs to the chip, not to a connection");
	ok(write(fd[4], "X\0\0\0", 4) == 4 && take(fd[4], r, 3) && r[0] == 3 && !take(fd[4], r, 1),
	    "an unknown op: status 3 and the end");
	ok(write(fd[5], "W\x60", 2) == 2 && close(fd[5]) == 0, "half a frame and gone");
	ok(ask(fd[6], 'W', 0x60, (const uint8_t *)"", 0, NULL) == 0, "others do not notice");
	emu_server_counters(s, &c);
	ok(c.opcodes[0x30] == 1 && c.opcodes[0x1B] == 1 && c.opcodes[0x40] == 0,
	    "opcodes are counted");
	ok(c.wakes == 1 && c.refused == 1 && c.connections >= 7,
	    "wakes, violations, connections too");
	ok(emu_server_new(path, &emu, 1, &second, &eb) == ERR_CONFLICT &&
	        strstr(eb.text, "another process"),
	    "a second server on the socket is refused");
	emu_server_free(s);
	ok(!take(fd[6], r, 1) && lstat(path, &st) != 0,
	    "stopped: connections closed, socket removed");
	after = dial();
	ok(after < 0, "nothing listens any more");
	for (size_t i = 1; i < COUNT(fd); i++)
		close(fd[i]);
}

/* Who woke the chip has it until it puts it to rest, is gone, or falls silent. */
static void turns(struct emu *emu)
{
	struct emu_server *s = NULL;
	int one, other, third;
	uint8_t r[8];

	if (emu_server_new(path, &emu, 1, &s, NULL) != OK || emu_server_start(s, NULL) != OK)
		exit(1);
	one = dial();
	other = dial();
	third = dial();
	ok(ask(one, 'W', 0, (const uint8_t *)"", 1, NULL) == 1, "one wakes the chip");
	ok(write(other, "R\x60\x04\0", 4) == 4, "another wants to read");
	ok(ask_command(one, 0x30, 0, 0) == 0 && ask(one, 'R', 0x60, NULL, 7, r) == 0 && r[0] == 7,
	    "and takes nothing away");
	ok(ask(one, 'W', 0x60, (const uint8_t *)"\x02", 1, NULL) == 0 && take(other, r, 3) &&
	        r[0] == 1,
	    "its turn comes when the chip is idle");

	ok(ask(other, 'W', 0, (const uint8_t *)"", 1, NULL) == 1 &&
	        write(one, "W\x60\x01\0\x01", 5) == 5 && ask_command(other, 0x30, 0, 0) == 0 &&
	        ask(other, 'R', 0x60, NULL, 7, r) == 0 && r[0] == 7,
	    "it is the other's now, who is not sent to sleep");
	close(other);
	ok(take(one, r, 3) && r[0] == 0, "until it is gone");
	ok(ask(one, 'W', 0, (const uint8_t *)"", 1, NULL) == 1 &&
	        ask(third, 'R', 0x60, NULL, 4, r) == 0 && r[1] == 0x11,
	    "or has been silent for long");
	close(one);
	close(third);
	emu_server_free(s);
}

/* One more than there are places waits until another leaves. */
static void crowded(struct emu *emu)
{
	int fd[EMU_SERVER_CONNECTIONS], late;
	struct emu_server *s = NULL;
	uint8_t r[3];
	bool all = true;

	if (emu_server_new(path, &emu, 1, &s, NULL) != OK || emu_server_start(s, NULL) != OK)
		exit(1);
	for (size_t i = 0; i < COUNT(fd); i++) {
		fd[i] = dial();
		all = all && ask(fd[i], 'W', 0x20, NULL, 0, NULL) == 1;
	}
	ok(all, "%d connections are served", EMU_SERVER_CONNECTIONS);
	late = dial();
	ok(write(late, "W\x20\0\0", 4) == 4, "one more may connect");
	close(fd[3]);
	ok(take(late, r, 3) && r[0] == 1, "and is served when a place is free");
	close(late);
	for (size_t i = 0; i < COUNT(fd); i++) {
		if (i != 3)
			close(fd[i]);
	}
	emu_server_free(s);
}

/* A client that sends and never reads is not answered into memory without end. */
static void hoarder(struct emu *emu)
{
	static uint8_t flood[4 * 1024];
	struct emu_server *s = NULL;
	struct pollfd p;
	size_t sent = 0;
	int fd, other;

	if (emu_server_new(path, &emu, 1, &s, NULL) != OK || emu_server_start(s, NULL) != OK)
		exit(1);
	fd = dial();
	other = dial();
	for (size_t i = 0; i < sizeof(flood); i += 4)
		memcpy(flood + i, (uint8_t[]){ 'R', 0x60, 0x00, 0x10 }, 4);
	emu_i2c_write(emu, 0, (const uint8_t *)"", 1);
	for (;;) {
		ssize_t n = send(fd, flood, sizeof(flood), MSG_DONTWAIT);

		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		p = (struct pollfd){ .fd = fd, .events = POLLOUT };
		if (errno == EAGAIN && poll(&p, 1, 300) == 0)
			break;
	}
	ok(sent < 8u << 20, "the server stops reading from it after %zu bytes", sent);
	ok(ask(other, 'W', 0x60, NULL, 0, NULL) == 0, "and serves others");
	close(fd);
	close(other);
	emu_server_free(s);
}

/*
 * What is left in the queue of a listener: records, and how many each says were lost before it. All that there were
 * are `all`; 0: as many as come without a pause.
 */
static void drain(int fd, unsigned all, unsigned *records, unsigned *lost, bool *sound)
{
	static uint8_t record[FRAME_RECORD_HEAD + 2 * 4200];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (all ? *records + *lost < all && poll(&p, 1, 60000) > 0 : poll(&p, 1, 300) > 0) {
		size_t request_n, reply_n;

		if (!take(fd, record, FRAME_RECORD_HEAD))
			break;
		request_n = load_le16(record + 12);
		reply_n = load_le16(record + 14);
		*sound = *sound && request_n == 4 && reply_n == 3 + 4096 &&
		         take(fd, record + FRAME_RECORD_HEAD, request_n + reply_n) &&
		         memcmp(record + FRAME_RECORD_HEAD, "R\x60\0\x10", 4) == 0 &&
		         record[FRAME_RECORD_HEAD + 4] == 0;
		*lost += load_le32(record + 8);
		++*records;
		if (!*sound)
			break;
	}
}

/* A listener that does not listen loses records, is told how many, and holds nobody up. */
static void listener(struct emu *emu)
{
	enum { REQUESTS = 400 };
	static uint8_t reply[4096];
	unsigned records = 0, lost = 0, asked = 0;
	struct emu_server *s = NULL;
	bool sound = true;
	uint8_t r[3];
	int deaf, busy;

	if (emu_server_new(path, &emu, 1, &s, NULL) != OK || emu_server_start(s, NULL) != OK)
		exit(1);
	deaf = dial();
	busy = dial();
	emu_i2c_write(emu, 0, (const uint8_t *)"", 1);
	ok(write(deaf, "L\0\0\0", 4) == 4 && take(deaf, r, 3) && memcmp(r, "\0\0\0", 3) == 0,
	    "L is answered once");
	ok(write(deaf, "P\0\0\0", 4) == 4, "what a listener asks is not answered");
	for (int i = 0; i < REQUESTS; i++)
		asked += ask(busy, 'R', 0x60, NULL, 4096, reply) == 0;
	ok(asked == REQUESTS, "%u requests while it does not read", asked);
	drain(deaf, 0, &records, &lost, &sound);
	ok(sound && records > 60 && records < REQUESTS, "then it reads %u whole records", records);
	asked += ask(busy, 'R', 0x60, NULL, 4096, reply) == 0;
	drain(deaf, asked, &records, &lost, &sound);
	ok(sound && lost > 0 && records + lost == asked,
	    "and learns with the next that it lost %u: %u in all", lost, records + lost);
	close(deaf);
	ok(ask(busy, 'R', 0x60, NULL, 4096, reply) == 0, "it goes, the others do not notice");
	close(busy);
	emu_server_free(s);
}

static void places(struct emu *emu)
{
	struct emu *twice[2] = { emu, emu };
	char longer[160];
	struct emu_server *s = NULL;
	struct errbuf eb = { "" };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	memset(longer, 'x', sizeof(longer));
	longer[108] = 0;
	ok(emu_server_new(longer, &emu, 1, &s, &eb) == ERR_ARG && strstr(eb.text, "107"),
	    "path of 108 bytes");
	ok(emu_server_new(path, twice, 2, &s, &eb) == ERR_ARG && strstr(eb.text, "60"),
	    "two chips at 60");
	ok(emu_server_new(path, &emu, 0, &s, &eb) == ERR_ARG, "no chip");
	ok(emu_server_new("/nowhere/at/all", &emu, 1, &s, &eb) == ERR_NOT_FOUND, "no such folder");

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	ok(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0 &&
	        close(fd) == 0,
	    "a socket left behind");
	ok(emu_server_new(path, &emu, 1, &s, &eb) == OK, "is replaced");
	unlink(path);
	fclose(fopen(path, "w"));
	emu_server_free(s);
	ok(access(path, F_OK) == 0, "a file that took its place is not removed");
	ok(emu_server_new(path, &emu, 1, &s, &eb) == ERR_CONFLICT && access(path, F_OK) == 0,
	    "and not replaced");
	unlink(path);
}

/* In the caller's thread, until a descriptor becomes readable. */
static void foreground(struct emu *emu)
{
	struct emu_server *s = NULL;
	int stop[2];

	if (pipe(stop) != 0 || emu_server_new(path, &emu, 1, &s, NULL) != OK)
		exit(1);
	close(stop[1]);
	ok(emu_server_run(s, stop[0], NULL) == OK, "runs in the foreground and stops");
	close(stop[0]);
	emu_server_free(s);
}

int main(void)
{
	struct emu *emu = chip(0x60);

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/s", folder);
	frame_tables();
	longest();
	documented();
	two_chips();
	plans();
	counts();
	serving(emu);
	turns(emu);
	crowded(emu);
	hoarder(emu);
	listener(emu);
	places(emu);
	foreground(emu);
	emu_free(emu);
	rmdir(folder);
	return done_testing();
}
