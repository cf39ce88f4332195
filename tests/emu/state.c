/*
 * The state file: strict reading, one process, and what is left when the process dies or the disk
 * fails at the n-th system call of a session. The calls are wrapped by the linker, so the product
 * needs no hooks.
 */
#include "emu.h"
#include "rig.h"
#include "state.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the n-th system call that changes the disk: fails, or is never reached --- */

static struct {
	int countdown; /* 0: off; 1: the next one */
	bool kill;
	int seen;
} fault;

static bool strikes(void)
{
	fault.seen++;
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	if (fault.kill)
		kill(getpid(), SIGKILL);
	errno = ENOSPC;
	return true;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

/* Half of the bytes reach the disk first, as in a crash. */
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	bool due = fault.countdown == 1;

	if (due && __real_write(fd, p, n / 2) < 0)
		return -1;
	return strikes() ? -1 : __real_write(fd, p, n);
}

int __wrap_fsync(int fd)
{
	return strikes() ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	return strikes() ? -1 : __real_rename(from, to);
}

/* --- a folder of our own --- */

static char folder[] = "/tmp/imprint-state-XXXXXX", path[64];

static void remove_folder(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		printf("# %s could not be removed\n", folder);
}

static const struct emu_options usual = { .family = EMU_ATECC608B };

static struct emu *opened(const struct emu_options *o)
{
	struct errbuf eb;
	struct emu *emu = NULL;

	if (emu_open(path, o, &emu, &eb) != OK)
		printf("# %s\n", eb.text);
	return emu;
}

static struct answer send(struct emu *emu, uint8_t opcode, uint8_t p1, unsigned p2, struct slice in)
{
	uint8_t packet[160], response[EMU_RESPONSE_MAX];
	size_t n = rig_packet(packet, opcode, p1, p2, in);
	struct answer gone = { .status = -2 };

	if (emu_execute(emu, SLICE_OF(packet, n), response, &n) != OK)
		return gone;
	return rig_answer(response, n);
}

/* --- strict reading --- */

static void refused(const uint8_t *bytes, size_t n, const char *reason, const char *name)
{
	struct memory m = { .wear_otp = 77 };
	struct errbuf eb = { "" };
	enum err e = state_parse(SLICE_OF(bytes, n), &m, &eb);

	ok(e == ERR_FORMAT && strstr(eb.text, reason) && m.wear_otp == 77, "%s", name);
	if (e == OK || !strstr(eb.text, reason))
		printf("# said: %s\n", eb.text);
}

static void seal(uint8_t bytes[STATE_SIZE])
{
	sha256(SLICE_OF(bytes, STATE_SIZE - 32), bytes + STATE_SIZE - 32);
}

static void parsing(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *reason, *name;
	} cases[] = {
		{ 0, 'I', "not the state file", "other magic" },
		{ 16, 2, "version 2", "unknown version" },
		{ 20, 3, "family or flag", "unknown family" },
		{ 20, 0, "revision", "family of another revision" },
		{ 21, 2, "family or flag", "flag 2" },
		{ 22, 1, "family or flag", "reserved byte" },
		{ 24, 0x01, "serial", "serial that looks genuine without the flag" },
		{ 24 + 86, 0x54, "lock byte", "LockValue 54" },
		{ 24 + 87, 0x01, "lock byte", "LockConfig 01" },
		{ 24 + 86, 0x00, "data zone is locked", "data locked before the configuration" },
	};
	uint8_t bytes[STATE_SIZE], again[STATE_SIZE], changed[STATE_SIZE + 1];
	struct memory m, back;
	bool all = true;

	memory_factory(&m, EMU_ATECC608B, rig_serial);
	m.wear_slot[7] = 0x01020304;
	m.data[1207] = 9;
	state_encode(&m, bytes);
	ok(state_parse(SLICE(bytes), &back, NULL) == OK, "what is written can be read");
	state_encode(&back, again);
	is_bytes(again, STATE_SIZE, bytes, STATE_SIZE, "and gives the same bytes");
	ok(back.wear_slot[7] == 0x01020304 && back.data[1207] == 9, "wear and data are there");

	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(changed, bytes, STATE_SIZE);
		changed[cases[i].at] = cases[i].value;
		seal(changed);
		refused(changed, STATE_SIZE, cases[i].reason, cases[i].name);
	}
	for (size_t n = 0; n < STATE_SIZE; n++)
		all = all && state_parse(SLICE_OF(bytes, n), &back, NULL) == ERR_FORMAT;
	ok(all, "cut at every length: refused");
	memcpy(changed, bytes, STATE_SIZE);
	refused(changed, STATE_SIZE + 1, "bytes, wanted", "one byte too many");
	for (size_t i = 0; i < STATE_SIZE * 8; i++) {
		memcpy(changed, bytes, STATE_SIZE);
		changed[i / 8] ^= (uint8_t)(1 << i % 8);
		all = all && state_parse(SLICE_OF(changed, STATE_SIZE), &back, NULL) == ERR_FORMAT;
	}
	ok(all, "every single flipped bit: refused");
}

/* --- opening --- */

static void open_fails(
    const struct emu_options *o, enum err want, const char *reason, const char *name)
{
	struct errbuf eb = { "" };
	struct emu *emu = NULL;
	enum err e = emu_open(path, o, &emu, &eb);

	ok(e == want && !emu && strstr(eb.text, reason), "%s", name);
	if (e != want || !strstr(eb.text, reason))
		printf("# %d, said: %s\n", (int)e, eb.text);
	emu_free(emu);
}

static void opening(void)
{
	static const uint8_t genuine[9] = { 0x01, 0x23, 1, 2, 3, 4, 5, 6, 0xEE };
	struct emu_options o = usual;
	struct emu_info a, b;
	struct emu *emu, *other = NULL;
	struct stat st;
	FILE *f;

	o.how = EMU_OPEN_ONLY;
	open_fails(&o, ERR_NOT_FOUND, "state.se", "nothing there, and it may not be made");
	o.how = EMU_OPEN_OR_MAKE;
	o.serial = genuine;
	open_fails(&o, ERR_ARG, "45 4D", "a genuine serial without the option");
	emu = opened(&usual);
	ok(emu != NULL, "made");
	emu_info(emu, &a);
	ok(a.serial[0] == 0x45 && a.serial[1] == 0x4D && a.serial[8] == 0x4D, "emulated serial");
	ok(!a.genuine_looking && !a.config_locked && !a.data_locked && a.address == 0x60,
	    "blank chip");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "state file: mode 0600");
	open_fails(&usual, ERR_CONFLICT, "held by", "opened twice: refused");
	ok(send(emu, 0x17, 0x80, 0, NOTHING).status == 0, "config locked");
	emu_free(emu);
	o = usual;
	o.how = EMU_MAKE_ONLY;
	open_fails(&o, ERR_CONFLICT, "already", "made only where nothing is");
	emu = opened(&usual);
	emu_info(emu, &b);
	ok(b.config_locked && memcmp(a.serial, b.serial, 9) == 0, "the same chip, still locked");
	ok(b.wear_config == 1, "wear survives");
	ok(emu_open(NULL, &usual, &other, NULL) == OK, "a chip in memory");
	emu_info(other, &b);
	ok(memcmp(a.serial, b.serial, 9) != 0, "serial numbers differ from chip to chip");
	emu_free(other);
	emu_free(emu);

	ok(truncate(path, 700) == 0, "the file is cut");
	open_fails(&usual, ERR_FORMAT, "700 bytes", "cut file: refused with its length");
	f = fopen(path, "w");
	fputs("hello", f);
	fclose(f);
	open_fails(
	    &usual, ERR_FORMAT, "not the state file", "another file: refused, not overwritten");
	unlink(path);

	o = usual;
	o.genuine_looking = true;
	emu = opened(&o);
	emu_info(emu, &a);
	ok(a.serial[0] == 0x01 && a.serial[1] == 0x23 && a.serial[8] == 0xEE && a.genuine_looking,
	    "genuine looking when asked");
	emu_free(emu);
	open_fails(&usual, ERR_DENIED, "genuine", "and only runs when asked again");
	unlink(path);
}

/* A configuration dumped from another chip keeps everything but its identity. */
static void dumps(void)
{
	struct emu_options o = usual;
	uint8_t config[128];
	struct memory m;
	struct emu_info info;
	struct emu *emu = NULL;
	struct answer a;

	memory_factory(&m, EMU_ATECC608B, (const uint8_t *)"\x01\x23\x55\x55\x55\x55\x55\x55\xEE");
	memcpy(config, m.config, 128);
	config[20] = 0x85;
	config[87] = 0;
	o.config = config;
	ok(emu_open(NULL, &o, &emu, NULL) == OK, "made from a dump");
	emu_info(emu, &info);
	ok(info.config_locked && info.serial[0] == 0x45,
	    "locks from the dump, serial number our own");
	a = send(emu, 0x02, 0, 5, NOTHING);
	ok(a.p[0] == 0x85, "SlotConfig from the dump");
	emu_free(emu);
	emu = NULL;
	o.family = EMU_ATECC508A;
	ok(emu_open(NULL, &o, &emu, NULL) == ERR_FORMAT, "a dump of another family is refused");
	o.family = EMU_ATECC608B;
	config[87] = 0x55;
	config[86] = 0x00;
	ok(emu_open(NULL, &o, &emu, NULL) == ERR_FORMAT, "a dump that no chip can have is refused");
}

/* --- a session, cut at every point --- */

struct session { /* what was announced, in memory shared with the child that dies */
	int steps;
	bool key;
	uint8_t q[64];
};

/* From blank to a key and one certificate slot: each command announces only what it answered. */
static void provision(struct emu *emu, struct session *s)
{
	static const uint8_t block[32] = { 0xCE };
	struct answer a;

	if (send(emu, 0x17, 0x80, 0, NOTHING).status == 0)
		s->steps = 1;
	if (send(emu, 0x17, 0x81, 0, NOTHING).status == 0)
		s->steps = 2;
	a = send(emu, 0x40, 4, 0, NOTHING);
	if (a.n == 64) {
		memcpy(s->q, a.p, 64);
		s->key = true;
		s->steps = 3;
	}
	if (send(emu, 0x12, 0x82, 10 << 3, SLICE(block)).status == 0)
		s->steps = 4;
}

/* Runs it in a child that is killed at the n-th call. True when it was never reached. */
static bool killed_session(int n, struct session *s)
{
	int at[2], how;
	pid_t child;

	if (pipe(at) != 0)
		exit(1);
	fflush(stdout);
	if ((child = fork()) == 0) {
		struct session mine = { 0 };
		struct emu *emu = opened(&usual);

		fault.countdown = n;
		fault.kill = true;
		/* Announce through the pipe as it happens; these writes are not the chip's. */
		for (int step = 0; step < 4 && emu; step++) {
			struct answer a;
			static const uint8_t block[32] = { 0xCE };

			a = step == 0   ? send(emu, 0x17, 0x80, 0, NOTHING)
			    : step == 1 ? send(emu, 0x17, 0x81, 0, NOTHING)
			    : step == 2 ? send(emu, 0x40, 4, 0, NOTHING)
			                : send(emu, 0x12, 0x82, 10 << 3, SLICE(block));
			mine.steps = step + 1;
			if (a.n == 64) {
				memcpy(mine.q, a.p, 64);
				mine.key = true;
			}
			if (__real_write(at[1], &mine, sizeof(mine)) != sizeof(mine))
				_exit(2);
		}
		_exit(0);
	}
	close(at[1]);
	memset(s, 0, sizeof(*s));
	for (struct session got; read(at[0], &got, sizeof(got)) == sizeof(got);)
		*s = got;
	close(at[0]);
	waitpid(child, &how, 0);
	return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

static void check_survivor(const struct session *s, int n)
{
	struct emu *emu = opened(&usual);
	struct session again = { 0 };
	struct emu_info info;
	struct answer a;
	bool fits;

	if (!ok(emu != NULL, "killed at call %d: the state file opens", n))
		return;
	emu_info(emu, &info);
	fits = (s->steps < 1 || info.config_locked) && (s->steps < 2 || info.data_locked);
	if (s->key) {
		a = send(emu, 0x40, 0, 0, NOTHING);
		fits = fits && a.n == 64 && memcmp(a.p, s->q, 64) == 0;
	}
	if (s->steps >= 4) {
		a = send(emu, 0x02, 0x82, 10 << 3, NOTHING);
		fits = fits && a.n == 32 && a.p[0] == 0xCE;
	}
	ok(fits, "killed at call %d: everything that %d answers announced is there", n, s->steps);
	provision(emu, &again);
	ok(again.steps == 4, "killed at call %d: the next session finishes", n);
	emu_free(emu);
}

static void kill_sweep(void)
{
	struct session s;
	bool through = false;
	int n = 0;

	while (!through && ++n < 100) {
		unlink(path);
		through = killed_session(n, &s);
		check_survivor(&s, n);
	}
	ok(through && n > 4 * 4, "the session ran through after %d calls", n);
	unlink(path);
}

/* The disk is full at the n-th call: the chip is off, and comes back with what the disk holds. */
static void disk_sweep(void)
{
	bool through = false;
	int n = 0;

	while (!through && ++n < 100) {
		struct session s = { 0 }, again = { 0 };
		struct emu_info info;
		struct emu *emu;
		struct answer a;

		unlink(path);
		emu = opened(&usual);
		fault.kill = false;
		fault.countdown = n;
		provision(emu, &s);
		through = fault.countdown > 0;
		fault.countdown = 0;
		emu_info(emu, &info);
		if (through) {
			ok(s.steps == 4 && info.fault == OK, "no call failed");
			emu_free(emu);
			break;
		}
		ok(info.fault != OK && s.steps < 4, "call %d fails: reported, %d answers", n,
		    s.steps);
		ok(emu_i2c_write(emu, 0, (const uint8_t *)"", 1) == EMU_NACK_ADDRESS &&
		        emu_i2c_write(emu, 0x60, NULL, 0) == EMU_NACK_ADDRESS,
		    "call %d fails: the chip is off", n);
		emu_power_cycle(emu);
		emu_info(emu, &info);
		ok(info.fault == OK && (s.steps < 1 || info.config_locked), "power restores it");
		a = send(emu, 0x40, 0, 0, NOTHING);
		ok(!s.key || (a.n == 64 && memcmp(a.p, s.q, 64) == 0), "an announced key is there");
		provision(emu, &again);
		ok(again.steps == 4, "call %d fails: the next session finishes", n);
		emu_free(emu);
	}
	ok(through && n > 4 * 4, "the session ran through after %d calls", n);
	unlink(path);
}

/* No answer may be readable before its change is on the disk. */
static void saved_first(void)
{
	struct emu *emu = opened(&usual);
	struct memory m;
	uint8_t r[4];
	static const uint8_t lock[] = { 0x03, 0x07, 0x17, 0x80, 0, 0, 0, 0 };
	uint8_t frame[8];

	memcpy(frame, lock, 8);
	store_le16(frame + 6, rig_crc(frame + 1, 5));
	emu_i2c_write(emu, 0, frame, 1);
	ok(emu_i2c_write(emu, 0x60, frame, 8) == EMU_ACK, "Lock is sent");
	ok(state_load(path, &m, NULL) == OK && m.config[87] == 0,
	    "on the disk before the answer is read");
	ok(emu_i2c_read(emu, 0x60, r, 4) == EMU_ACK && r[1] == 0, "the answer");
	fault.seen = 0;
	send(emu, 0x30, 0, 0, NOTHING);
	send(emu, 0x1B, 0, 0, NOTHING);
	ok(fault.seen == 0, "commands that change nothing write nothing");
	emu_free(emu);
	unlink(path);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/state.se", folder);
	parsing();
	opening();
	dumps();
	saved_first();
	kill_sweep();
	disk_sweep();
	remove_folder();
	return done_testing();
}
