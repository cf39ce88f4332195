/*
 * The driver and the emulated chip together: a chip from blank to its identity, in process with trouble
 * at every transfer, and over the socket with a server that dies at every transfer.
 */
#include "ccert.h"
#include "csr.h"
#include "emu.h"
#include "p256.h"
#include "se.h"
#include "sei2c.h"
#include "sha256.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ADDRESS 0x60

static struct p256 *p256;
static struct p256_key *ca;

/* --- a bus with trouble on request --- */

/* Before the transfer: LOST does not carry it out, POWER cuts the chip's power, DOG lets 2 s pass. */
enum trouble { NONE, LOST, DONE, NACK, POWER, DOG, DEAD_SERVER };

struct wire {
	struct se_hal hal;
	const struct se_hal *inner; /* over the socket, or NULL: emu directly */
	struct emu *emu;
	enum trouble trouble;
	unsigned at, transfers, waited_ms;
};

static struct emu_server *server;
static char folder[] = "/tmp/imprint-driver-XXXXXX", path[64];

static void server_up(struct emu *emu)
{
	if (emu_server_new(path, &emu, 1, &server, NULL) != OK ||
	    emu_server_start(server, NULL) != OK) {
		printf("Bail out! no server\n");
		exit(1);
	}
}

static void server_down(void)
{
	emu_server_free(server);
	server = NULL;
}

/* OK: carry it out; else what to report instead. */
static enum err trouble_before(struct wire *w)
{
	if (w->transfers++ != w->at)
		return OK;
	switch (w->trouble) {
	case LOST:
		return ERR_IO;
	case NACK:
		return ERR_TIMEOUT;
	case POWER:
		emu_power_cycle(w->emu);
		return OK;
	case DOG:
		emu_advance(w->emu, 2000000);
		return OK;
	case DEAD_SERVER:
		server_down();
		server_up(w->emu);
		return OK;
	default:
		return OK;
	}
}

static enum err trouble_after(const struct wire *w, enum err e)
{
	return w->trouble == DONE && w->transfers == w->at + 1 ? ERR_IO : e;
}

static enum err wire_wake(void *ctx)
{
	struct wire *w = ctx;
	enum err e = trouble_before(w);

	if (e != OK)
		return e == ERR_TIMEOUT ? OK : e;
	if (w->inner)
		e = w->inner->wake(w->inner->ctx);
	else
		emu_i2c_write(w->emu, 0, (const uint8_t *)"", 1);
	return trouble_after(w, e);
}

static enum err wire_send(void *ctx, const uint8_t *p, size_t n)
{
	struct wire *w = ctx;
	enum err e = trouble_before(w);

	if (e != OK)
		return e;
	if (w->inner)
		e = w->inner->send(w->inner->ctx, p, n);
	else
		e = emu_i2c_write(w->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
	return trouble_after(w, e);
}

static enum err wire_recv(void *ctx, uint8_t *p, size_t n)
{
	struct wire *w = ctx;
	enum err e = trouble_before(w);

	if (e != OK)
		return e;
	if (w->inner)
		e = w->inner->recv(w->inner->ctx, p, n);
	else
		e = emu_i2c_read(w->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
	return trouble_after(w, e);
}

static void wire_wait_ms(void *ctx, uint32_t ms)
{
	struct wire *w = ctx;

	w->waited_ms += ms;
	emu_advance(w->emu, ms * 1000);
}

static struct wire wire_to(struct emu *emu)
{
	return (struct wire){ .hal = { NULL, wire_wake, wire_send, wire_recv, wire_wait_ms },
		.emu = emu };
}

static void plan(struct wire *w, enum trouble trouble, unsigned at)
{
	w->hal.ctx = w;
	w->trouble = trouble;
	w->at = at;
	w->transfers = w->waited_ms = 0;
}

static struct emu *blank(enum emu_family family, enum emu_timing timing)
{
	struct emu_options o = { .family = family, .timing = timing, .virtual_time = true };
	struct emu *emu = NULL;

	if (emu_open(NULL, &o, &emu, NULL) != OK) {
		printf("Bail out! no chip\n");
		exit(1);
	}
	return emu;
}

/* An awake chip that is not busy acknowledges an empty write. */
static bool at_rest(struct emu *emu)
{
	return emu_i2c_write(emu, ADDRESS, NULL, 0) != EMU_ACK;
}

/* --- from blank to an identity, as often as it takes --- */

static const char device_id[] = "01234567-89ab-cdef-0123-456789abcdef";

static enum err sign_by_chip(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

static enum err lock(struct se *se)
{
	struct se_locks locks;
	enum err e = se_locks(se, &locks);

	if (e != OK || (locks.config && locks.data))
		return e;
	return se_lock(se, &se_profile_arduino);
}

/* The authority's part: the fields for this request, signed. */
static void issue(const struct csr *csr, struct ccert *c)
{
	uint8_t tbs[CCERT_TBS_MAX], digest[32];
	struct der_w w = der_writer(tbs, sizeof(tbs));

	*c = (struct ccert){ .issued = { 2025, 6, 1, 12 }, .years = 31, .serial = { 0x77, 1, 2 } };
	memset(c->aki, 0x5c, sizeof(c->aki));
	memcpy(c->device_id, csr->name.at[X509_CN].p, sizeof(c->device_id));
	ccert_tbs_put(&w, c, csr->q);
	sha256((struct slice){ tbs, w.n }, digest);
	if (w.err != OK || p256_sign(ca, digest, c->sig) != OK)
		exit(1);
}

static enum err provision(const struct se_hal *hal, struct se *se)
{
	struct x509_name name = { .at[X509_CN] = TEXT(device_id) };
	struct x509_signer signer = { se, sign_by_chip };
	struct x509_verifier verifier = p256_verifier(p256);
	uint8_t q[64], der[512], slot10[72], slot11[36], slot12[36];
	struct der_w w = der_writer(der, sizeof(der));
	struct csr csr;
	struct ccert c;
	enum err e;

	if ((e = se_open(se, hal)) != OK || (e = lock(se)) != OK ||
	    (e = se_genkey(se, SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = csr_build(&name, q, &signer, &w)) != OK ||
	    (e = csr_parse((struct slice){ der, w.n }, &csr, NULL)) != OK ||
	    (e = csr_verify(&csr, &verifier, NULL)) != OK)
		return e;
	issue(&csr, &c);
	if ((e = ccert_pack(&c, slot10, slot11, slot12)) != OK)
		return e;
	return se_cert_write(se, slot10, slot11, slot12);
}

/* The certificate that the chip's slots make, for the chip's own key, signed by the authority. */
static bool has_identity(struct emu *emu)
{
	struct wire w = wire_to(emu);
	uint8_t slot10[72], slot11[36], slot12[36], q[64], tbs[CCERT_TBS_MAX], digest[32], ca_q[64];
	struct der_w out = der_writer(tbs, sizeof(tbs));
	struct emu_info info;
	struct ccert c;
	struct se se;

	plan(&w, NONE, 0);
	emu_info(emu, &info);
	if (!info.config_locked || !info.data_locked || se_open(&se, &w.hal) != OK ||
	    se_cert_read(&se, slot10, slot11, slot12) != OK ||
	    se_public(&se, SE_SLOT_DEVICE_KEY, q) != OK ||
	    ccert_unpack(slot10, slot11, slot12, &c) != OK)
		return false;
	ccert_tbs_put(&out, &c, q);
	sha256((struct slice){ tbs, out.n }, digest);
	p256_key_public(ca, ca_q);
	return out.err == OK && memcmp(c.device_id, device_id, 36) == 0 &&
	       p256_verify(p256, ca_q, digest, c.sig) == OK;
}

static void test_families(void)
{
	static const enum emu_family families[] = { EMU_ATECC508A, EMU_ATECC608A, EMU_ATECC608B };
	static const enum emu_timing timings[] = { EMU_INSTANT, EMU_TYPICAL, EMU_MAX };

	for (size_t i = 0; i < COUNT(families); i++) {
		for (size_t k = 0; k < COUNT(timings); k++) {
			struct emu *emu = blank(families[i], timings[k]);
			struct wire w = wire_to(emu);
			uint8_t a[32], b[32], serial[9];
			struct emu_info info;
			struct se se;
			enum err e;

			plan(&w, NONE, 0);
			e = provision(&w.hal, &se);
			emu_info(emu, &info);
			ok(e == OK, "%s, timing %d: provisioned in %u ms; %s",
			    emu_family_name(families[i]), (int)timings[k], w.waited_ms,
			    se_fault_text(se.fault));
			ok(has_identity(emu) && at_rest(emu), "it has its identity and rests");
			ok(w.waited_ms <= info.busy_us / 1000 + 60 + info.commands[0x12] * 2 +
			                      info.commands[0x02],
			    "polling ends when the chip is done: %u ms for %u", w.waited_ms,
			    (unsigned)(info.busy_us / 1000));
			ok(se_serial(&se, serial) == OK && memcmp(serial, info.serial, 9) == 0,
			    "serial number");
			ok(se_random(&se, a) == OK && se_random(&se, b) == OK &&
			        memcmp(a, b, 32) != 0,
			    "random numbers");
			ok(se_lock(&se, &se_profile_arduino) == ERR_CONFLICT &&
			        se.fault == SE_LOCKED,
			    "nothing is left to lock");
			se_close(&se);
			ok(at_rest(emu), "asleep");
			emu_free(emu);
		}
	}
}

static void test_blank_refuses(void)
{
	struct emu *emu = blank(EMU_ATECC608B, EMU_INSTANT);
	struct wire w = wire_to(emu);
	uint8_t out[72], offsets[8];
	struct se se;
	size_t n = 0;

	plan(&w, NONE, 0);
	ok(se_open(&se, &w.hal) == OK, "blank chip");
	ok(se_random(&se, out) == ERR_DENIED && se.fault == SE_RANDOM_UNLOCKED,
	    "gives no random numbers");
	ok(se_genkey(&se, 0, out) == ERR_DEVICE && se.fault == SE_EXECUTION, "makes no key");
	ok(se_slot_read(&se, 10, 0, out, 72) == ERR_DEVICE && se.fault == SE_EXECUTION,
	    "shows no slot");
	ok(se_lock_config(&se, &se_profile_arduino) == ERR_DEVICE && se.fault == SE_READ_BACK,
	    "is not locked with another configuration than asked");
	ok(se_lock_data(&se, &se_profile_arduino) == ERR_CONFLICT && se.fault == SE_NOT_LOCKED,
	    "data is not locked first");
	ok(se_profile_diff(&se, &se_profile_arduino, offsets, 8, &n) == OK && n > 0, "differs");
	ok(se_profile_write(&se, &se_profile_arduino) == OK &&
	        se_profile_diff(&se, &se_profile_arduino, offsets, 8, &n) == OK && n == 0,
	    "takes the profile");
	ok(se_lock_config(&se, &se_profile_arduino) == OK, "the chip agrees with our CRC");
	ok(se_genkey(&se, 0, out) == OK, "makes a key once the configuration is locked");
	ok(se_lock_data(&se, &se_profile_arduino) == OK,
	    "data that holds a key already is locked too");
	emu_free(emu);
}

/* --- trouble at every transfer, then once more without --- */

static const char *const trouble_names[] = { "none", "port fails", "port fails, chip has heard",
	"no acknowledge", "power cut", "watchdog", "server dies" };

static unsigned sweep(enum emu_family family, enum trouble trouble, unsigned *runs)
{
	unsigned wrong = 0;

	for (*runs = 0;; ++*runs) {
		struct emu *emu = blank(family, EMU_INSTANT);
		struct wire w = wire_to(emu);
		struct se se;
		enum err e, again;
		bool over, good;

		plan(&w, trouble, *runs);
		e = provision(&w.hal, &se);
		over = w.transfers <= *runs;
		good = over ? e == OK : e == OK || trouble != NACK;
		if (e != OK && (trouble == LOST || trouble == DONE))
			good = good && e == ERR_IO && se.fault == SE_BUS;
		/* A chip that lost its power while the answer waited has nothing left to say. */
		good = good && at_rest(emu);
		plan(&w, NONE, 0);
		again = provision(&w.hal, &se);
		if (!good || again != OK || !has_identity(emu)) {
			printf("# %s at %u: err %d, then %d (%s)\n", trouble_names[trouble], *runs,
			    (int)e, (int)again, se_fault_text(se.fault));
			wrong++;
		}
		emu_free(emu);
		if (over)
			return wrong;
	}
}

static void test_sweeps(void)
{
	for (enum trouble t = LOST; t <= DOG; t++) {
		unsigned runs, wrong = sweep(EMU_ATECC508A, t, &runs);

		ok(wrong == 0 && runs > 150, "508A: %s at each of %u transfers, then it finishes",
		    trouble_names[t], runs);
		wrong = sweep(EMU_ATECC608B, t, &runs);
		ok(wrong == 0 && runs > 150, "608B: %s at each of %u transfers, then it finishes",
		    trouble_names[t], runs);
	}
}

/* --- power goes at every EEPROM write --- */

static unsigned write_sweep(enum emu_family family, const char *fault, unsigned *writes)
{
	unsigned wrong = 0;

	for (unsigned n = 1;; n++) {
		struct emu *emu = blank(family, EMU_INSTANT);
		struct wire w = wire_to(emu);
		struct emu_info info;
		char text[40];
		struct se se;
		enum err e, again;

		plan(&w, NONE, 0);
		snprintf(text, sizeof(text), "%s %u\n", fault, n);
		if (emu_faults_set(emu, (struct slice){ (uint8_t *)text, strlen(text) }, NULL) !=
		    OK)
			exit(1);
		e = provision(&w.hal, &se);
		emu_info(emu, &info);
		if (emu_faults_set(emu, TEXT(""), NULL) != OK)
			exit(1);
		again = provision(&w.hal, &se);
		if (again != OK || !has_identity(emu) || !at_rest(emu) ||
		    (info.faults_left && e != OK)) {
			printf("# %s %u: err %d, then %d (%s)\n", fault, n, (int)e, (int)again,
			    se_fault_text(se.fault));
			wrong++;
		}
		emu_free(emu);
		if (info.faults_left) { /* there is no such write */
			*writes = n - 1;
			return wrong;
		}
	}
}

static void test_writes(void)
{
	static const enum emu_family families[] = { EMU_ATECC508A, EMU_ATECC608B };
	static const char *const faults[] = { "power-before", "power-after" };

	for (size_t i = 0; i < COUNT(families); i++) {
		for (size_t k = 0; k < COUNT(faults); k++) {
			unsigned writes = 0, wrong = write_sweep(families[i], faults[k], &writes);

			ok(wrong == 0 && writes > 20,
			    "%s: %s each of %u EEPROM writes, then it finishes",
			    emu_family_name(families[i]), faults[k], writes);
		}
	}
}

/* --- over the socket --- */

static void test_socket(void)
{
	struct emu *emu = blank(EMU_ATECC608B, EMU_MAX);
	struct emu_server_counters seen;
	struct sei2c bus;
	struct se se;
	enum err e;

	server_up(emu);
	ok(sei2c_init(&bus, path, ADDRESS) == OK, "bus over %s", path);
	bus.virtual_time = true;
	e = provision(&bus.hal, &se);
	ok(e == OK, "provisioned over the socket: %s", se_fault_text(se.fault));
	emu_server_counters(server, &seen);
	ok(seen.connections == 1 && seen.refused == 0 && seen.opcodes[0x40] == 1 &&
	        seen.opcodes[0x41] == 1 && seen.opcodes[0x17] == 2,
	    "one connection; one key, one signature, two locks crossed it");
	se_close(&se);
	sei2c_close(&bus);
	ok(at_rest(emu) && has_identity(emu), "the chip has its identity and rests");

	ok(sei2c_init(&bus, path, ADDRESS + 1) == OK && se_open(&se, &bus.hal) == ERR_TIMEOUT &&
	        se.fault == SE_NO_ANSWER,
	    "nobody at another address");
	sei2c_close(&bus);
	ok(sei2c_init(&bus, path, ADDRESS) == OK && sei2c_power_cycle(&bus) == OK,
	    "power cycle before anything else");
	bus.virtual_time = true;
	ok(se_open(&se, &bus.hal) == OK, "and it is there again");
	server_down();
	e = se_sign(&se, 0, (const uint8_t[32]){ 0 }, (uint8_t[64]){ 0 });
	ok(e == ERR_IO && se.fault == SE_BUS && bus.error == ENOENT, "emulator gone: %s",
	    strerror(bus.error));
	server_up(emu);
	ok(se_open(&se, &bus.hal) == OK, "the next wake connects again");
	sei2c_close(&bus);
	server_down();
	emu_free(emu);
}

/* The emulator is killed and started again at every transfer of a call. */
static void test_server_dies(void)
{
	struct emu *emu = blank(EMU_ATECC608B, EMU_INSTANT);
	struct wire w = wire_to(emu);
	unsigned failed = 0, wrong = 0, n = 0;
	struct sei2c bus;
	struct se se;

	plan(&w, NONE, 0);
	if (provision(&w.hal, &se) != OK || sei2c_init(&bus, path, ADDRESS) != OK)
		exit(1);
	w.inner = &bus.hal;
	server_up(emu);
	for (;; n++) {
		uint8_t digest[32] = { (uint8_t)n }, sig[64], q[64];
		enum err e;

		if (se_open(&se, &w.hal) != OK || se_public(&se, 0, q) != OK)
			wrong++;
		plan(&w, DEAD_SERVER, n);
		e = se_sign(&se, 0, digest, sig);
		if (w.transfers <= n)
			break;
		failed += e != OK;
		wrong += e != OK && (e != ERR_IO || se.fault != SE_BUS);
		plan(&w, NONE, 0);
		e = se_sign(&se, 0, digest, sig);
		wrong += e != OK || p256_verify(p256, q, digest, sig) != OK || !at_rest(emu);
	}
	ok(wrong == 0 && n > 8 && failed > 6,
	    "server replaced at each of %u transfers of Sign: %u failures said so", n, failed);
	sei2c_close(&bus);
	server_down();
	emu_free(emu);
}

/* --- replies that no emulator gives --- */

struct canned {
	int listener;
	struct slice reply;
};

static void *serve_canned(void *ctx)
{
	struct canned *c = ctx;
	int fd = accept(c->listener, NULL, NULL);
	uint8_t scrap[256];

	if (fd < 0 || recv(fd, scrap, sizeof(scrap), 0) <= 0 ||
	    send(fd, c->reply.p, c->reply.n, MSG_NOSIGNAL) < 0)
		return NULL;
	while (recv(fd, scrap, sizeof(scrap), 0) > 0)
		;
	close(fd);
	return NULL;
}

static const struct {
	const char *name, *reply;
	size_t n;
	enum err want;
	int error;
} replies[] = {
	{ "wake as it should be", "\1\0\0", 3, OK, 0 },
	{ "acknowledged wake", "\0\0\0", 3, OK, 0 },
	{ "no reply", "", 0, ERR_IO, ETIMEDOUT },
	{ "half a head", "\1\0", 2, ERR_IO, ETIMEDOUT },
	{ "data that was not asked for", "\0\1\0U", 4, ERR_IO, EPROTO },
	{ "data with a refusal", "\1\1\0U", 4, ERR_IO, EPROTO },
	{ "65535 bytes announced", "\0\377\377", 3, ERR_IO, EPROTO },
	{ "bus error", "\3\0\0", 3, ERR_IO, EPROTO },
	{ "a status of another protocol", "H\0\0", 3, ERR_IO, EPROTO },
};

static void test_replies(void)
{
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		struct canned canned = { socket(AF_UNIX, SOCK_STREAM, 0),
			{ (const uint8_t *)replies[i].reply, replies[i].n } };
		struct sei2c bus;
		pthread_t thread;
		enum err e;

		memcpy(at.sun_path, path, strlen(path) + 1);
		if (bind(canned.listener, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
		    listen(canned.listener, 1) != 0 || sei2c_init(&bus, path, ADDRESS) != OK ||
		    pthread_create(&thread, NULL, serve_canned, &canned) != 0)
			exit(1);
		bus.reply_ms = 100;
		e = bus.hal.wake(bus.hal.ctx);
		ok(e == replies[i].want && bus.error == replies[i].error &&
		        (bus.fd < 0) == (e != OK),
		    "%s: %s", replies[i].name, e == OK ? "taken" : strerror(bus.error));
		sei2c_close(&bus);
		pthread_join(thread, NULL);
		close(canned.listener);
		unlink(path);
	}
}

static void test_arguments(void)
{
	char longest[SEI2C_PATH_MAX + 2];
	struct sei2c bus;

	memset(longest, 'x', sizeof(longest));
	longest[SEI2C_PATH_MAX + 1] = '\0';
	ok(sei2c_init(&bus, longest, ADDRESS) == ERR_ARG, "path of 108 bytes");
	longest[SEI2C_PATH_MAX] = '\0';
	ok(sei2c_init(&bus, longest, ADDRESS) == OK, "path of 107 bytes");
	ok(sei2c_init(&bus, "", ADDRESS) == ERR_ARG, "no path");
	ok(sei2c_init(&bus, path, 0xc0) == ERR_ARG, "address with the direction bit in it");
	ok(sei2c_init(&bus, path, 0x78) == ERR_ARG, "reserved address 78");
	ok(sei2c_init(&bus, path, 0x07) == ERR_ARG, "reserved address 07");
	ok(bus.fd == 0 || bus.fd == -1, "nothing was connected");
	if (sei2c_init(&bus, path, ADDRESS) == OK)
		ok(bus.hal.send(bus.hal.ctx, (const uint8_t *)"", 1) == ERR_IO &&
		        bus.error == ENOTCONN,
		    "nothing is sent without a wake");
}

int main(void)
{
	if (!mkdtemp(folder) || p256_new(&p256, NULL) != OK || p256_key_generate(&ca, NULL) != OK)
		return 1;
	snprintf(path, sizeof(path), "%s/se.sock", folder);
	test_families();
	test_blank_refuses();
	test_sweeps();
	test_writes();
	test_socket();
	test_server_dies();
	test_replies();
	test_arguments();
	p256_key_free(ca);
	p256_free(p256);
	rmdir(folder);
	return done_testing();
}
