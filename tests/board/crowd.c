/*
 * Many boards in one thread, few of them here: chips that get their identity without a dialogue, boards that come
 * and go at a broker on the bench, what is counted, how it ends, and what is refused.
 */
#include "broker.h"
#include "chip_identity.h"
#include "crowd.h"
#include "csr.h"
#include "emu_hal.h"
#include "faults.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define VERSION "0.1.0"

/* --- a chip and its identity --- */

static struct emu *chip_make(void)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct emu *emu = NULL;
	struct errbuf eb = { "" };

	must(emu_open(NULL, &o, &emu, &eb) == OK, eb.text);
	return emu;
}

static size_t issue(const struct authority *ca, const uint8_t q[64], uint8_t der[CCERT_CERT_MAX])
{
	struct x509_signer signer = p256_signer(ca->key);
	struct ccert fields = { .issued = { 2020, 1, 1, 0 }, .years = 31, .serial = { 1 } };
	uint8_t tbs[CCERT_TBS_MAX];
	struct der_w w = der_writer(tbs, sizeof(tbs)), whole = der_writer(der, CCERT_CERT_MAX);
	struct slice out;

	memcpy(fields.device_id, BROKER_DEVICE, CCERT_DEVICE_ID);
	must(p256_key_id(ca->q, fields.aki) == OK, "key id");
	ccert_tbs_put(&w, &fields, q);
	must(der_finish(&w, &out) == OK && signer.sign(signer.ctx, out, fields.sig) == OK, "TBS");
	ccert_cert_put(&whole, &fields, q);
	must(der_finish(&whole, &out) == OK, "certificate");
	return out.n;
}

static enum err identity(const struct authority *ca, const struct se_hal *hal, struct errbuf *eb)
{
	uint8_t csr[CHIP_IDENTITY_CSR_MAX], q[64], der[CCERT_CERT_MAX];
	enum err e;
	size_t n;

	if ((e = chip_identity_request(hal, BROKER_DEVICE, csr, &n, q, eb)) != OK)
		return e;
	n = issue(ca, q, der);
	return chip_identity_store(hal, (struct slice){ der, n }, eb);
}

static void test_identity(void)
{
	struct authority ca = authority_make();
	struct emu *emu = chip_make();
	struct se_hal hal = emu_hal(emu);
	struct p256 *p256 = NULL;
	uint8_t bytes[CHIP_IDENTITY_CSR_MAX], q[64], slots[3][72], der[CCERT_CERT_MAX];
	struct errbuf eb = { "" };
	struct ccert fields;
	struct csr csr;
	struct se se;
	size_t n = 0;

	must(p256_new(&p256, &eb) == OK, eb.text);
	ok(chip_identity_request(&hal, BROKER_DEVICE, bytes, &n, q, &eb) == OK, "request");
	ok(csr_parse((struct slice){ bytes, n }, &csr, NULL) == OK &&
	        slice_equal(csr.name.at[X509_CN], TEXT(BROKER_DEVICE)) &&
	        memcmp(csr.q, q, sizeof(q)) == 0,
	    "for the device and the key");
	{
		struct x509_verifier verifier = p256_verifier(p256);

		ok(csr_verify(&csr, &verifier, NULL) == OK, "signed by it");
	}
	n = issue(&ca, ca.q, der);
	ok(chip_identity_store(&hal, (struct slice){ der, n }, &eb) == ERR_FORMAT &&
	        strstr(eb.text, "another key") != NULL,
	    "%s", eb.text);
	n = issue(&ca, q, der);
	ok(chip_identity_store(&hal, (struct slice){ der, n - 1 }, &eb) == ERR_FORMAT &&
	        strstr(eb.text, "rebuild") != NULL,
	    "%s", eb.text);
	ok(chip_identity_store(&hal, (struct slice){ der, n }, &eb) == OK, "stored");
	must(se_open(&se, &hal) == OK, "chip");
	ok(se_cert_read(&se, slots[0], slots[1], slots[2]) == OK &&
	        ccert_unpack(slots[0], slots[1], slots[2], &fields) == OK &&
	        memcmp(fields.device_id, BROKER_DEVICE, CCERT_DEVICE_ID) == 0,
	    "in slots 10 to 12");
	se_close(&se);
	p256_free(p256);
	emu_free(emu);
	p256_key_free(ca.key);
}

/* --- a bus that fails --- */

struct bad_bus {
	struct se_hal hal, to;
	long left;
};

static enum err bad_send(void *ctx, const uint8_t *p, size_t n)
{
	struct bad_bus *b = ctx;

	return b->left-- == 0 ? ERR_IO : b->to.send(b->to.ctx, p, n);
}

static enum err bad_recv(void *ctx, uint8_t *p, size_t n)
{
	struct bad_bus *b = ctx;

	return b->left-- == 0 ? ERR_IO : b->to.recv(b->to.ctx, p, n);
}

static enum err bad_wake(void *ctx)
{
	struct bad_bus *b = ctx;

	return b->to.wake(b->to.ctx);
}

static void bad_wait(void *ctx, uint32_t ms)
{
	struct bad_bus *b = ctx;

	b->to.wait_ms(b->to.ctx, ms);
}

/* The n-th transfer fails: an error that says so, and a chip that can be given an identity again. */
static void test_bus_fails(void)
{
	struct authority ca = authority_make();
	struct errbuf eb = { "" };
	long n, step = getenv("IMPRINT_TORTURE") != NULL ? 1 : 7;
	enum err e;

	for (n = 0;; n += step) {
		struct emu *emu = chip_make();
		struct bad_bus bus = { { &bus, bad_wake, bad_send, bad_recv, bad_wait },
			emu_hal(emu), n };
		bool again;

		e = identity(&ca, &bus.hal, &eb);
		again = e != OK && identity(&ca, &bus.hal, NULL) == OK;
		emu_free(emu);
		if (bus.left >= 0)
			break;
		/* The last transfers send the chip to sleep: whether it hears that nobody asks. */
		if (e != OK)
			ok(strstr(eb.text, "secure element: ") != NULL && again,
			    "transfer %ld, then again: %s", n, eb.text);
	}
	ok(e == OK && n > 50, "about %ld transfers for an identity", n);
	p256_key_free(ca.key);
}

/* --- a crowd at its broker --- */

struct world {
	struct bench bench;
	struct broker broker;
	struct crowd *crowd;
	char where[32];
	pthread_t thread;
	enum err e;
	pthread_mutex_t mutex; /* guards the counts */
	struct crowd_counts counts;
	char reason[240];
	unsigned looks;
};

static void look(void *ctx, const struct crowd_counts *counts)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->mutex);
	w->counts = *counts;
	snprintf(w->reason, sizeof(w->reason), "%s", counts->reason);
	w->looks++;
	pthread_mutex_unlock(&w->mutex);
}

static struct crowd_counts seen(struct world *w)
{
	struct crowd_counts counts;

	pthread_mutex_lock(&w->mutex);
	counts = w->counts;
	pthread_mutex_unlock(&w->mutex);
	return counts;
}

static struct world *world_make(size_t max, unsigned rate)
{
	static struct world w;
	struct crowd_options o = { .broker = w.where,
		.version = VERSION,
		.max = max,
		.rate = rate,
		.look = look,
		.ctx = &w };
	struct errbuf eb = { "" };

	memset(&w, 0, sizeof(w));
	pthread_mutex_init(&w.mutex, NULL);
	w.bench = bench_make();
	broker_make(&w.broker, &w.bench);
	snprintf(w.where, sizeof(w.where), "localhost:%u", (unsigned)w.broker.port);
	o.anchor = w.broker.anchor;
	must(crowd_new(&o, &w.crowd, &eb) == OK, eb.text);
	return &w;
}

static void world_free(struct world *w)
{
	crowd_free(w->crowd);
	broker_free(&w->broker);
	bench_clear(&w->bench);
	pthread_mutex_destroy(&w->mutex);
}

static void add(struct world *w, bool with_identity)
{
	struct emu *emu = chip_make();
	struct se_hal hal = emu_hal(emu);
	struct errbuf eb = { "" };

	must(!with_identity || identity(&w->broker.device, &hal, &eb) == OK, eb.text);
	must(crowd_add(w->crowd, emu, &eb) == OK, eb.text);
}

static void *run(void *arg)
{
	struct world *w = arg;

	w->e = crowd_run(w->crowd, -1, NULL);
	return NULL;
}

static void start(struct world *w)
{
	must(pthread_create(&w->thread, NULL, run, w) == 0, "thread");
}

static void stop(struct world *w)
{
	crowd_stop(w->crowd);
	must(pthread_join(w->thread, NULL) == 0 && w->e == OK, "the end");
}

/* Lets the broker work until a count is there. */
#define UNTIL(w, condition)                                                                        \
	do {                                                                                       \
		struct crowd_counts c = { 0 };                                                     \
		unsigned k;                                                                        \
		for (k = 0; k < PATIENCE_MS && !(condition); k++) {                                \
			broker_run(&(w)->broker);                                                  \
			poll(NULL, 0, 1);                                                          \
			c = seen(w);                                                               \
		}                                                                                  \
		ok(k < PATIENCE_MS, "%s", #condition);                                             \
	} while (0)

static void test_online(void)
{
	struct world *w = world_make(3, 0);

	add(w, true);
	add(w, false);
	start(w);
	UNTIL(w, c.online == 1 && c.said == 2);
	UNTIL(w, c.boards == 2 && c.dark == 1 && c.connecting == 0 && c.handshakes == 1);
	ok(strstr(w->reason, "not locked") != NULL, "a chip without identity is dark: %s",
	    w->reason);
	broker_hang_up(&w->broker);
	UNTIL(w, c.lost == 1 && c.online == 0 && c.connecting == 1);
	UNTIL(w, c.online == 1 && c.comings == 2 && c.handshakes == 2 && c.said == 4);
	broker_say(&w->broker, TEXT("\x30\x35\x00\x2e/a/d/" BROKER_DEVICE "/c/dw"
	                            "hello"));
	UNTIL(w, c.heard == 1);
	/* One that comes while the others run; the broker on the bench takes one connection. */
	broker_hang_up(&w->broker);
	w->broker.connack = TEXT("\x20\x02\x00\x05");
	add(w, true);
	UNTIL(w, c.boards == 3 && c.refused >= 2 && c.connecting == 2);
	ok(strstr(w->reason, "not authorized") != NULL, "%s", w->reason);
	stop(w);
	world_free(w);
}

static void test_restless(void)
{
	struct world *w = world_make(1, 0);
	struct crowd_options o = { .broker = w->where,
		.anchor = w->broker.anchor,
		.version = VERSION,
		.max = 1,
		.restless = true,
		.look = look,
		.ctx = w };
	struct errbuf eb = { "" };

	crowd_free(w->crowd);
	must(crowd_new(&o, &w->crowd, &eb) == OK, eb.text);
	add(w, true);
	start(w);
	UNTIL(w, c.comings >= 3);
	stop(w);
	ok(w->counts.lost == 0 && w->counts.refused == 0 && w->broker.subscribes >= 3,
	    "comes again and again, by itself");
	world_free(w);
}

/* The first look comes before a second has passed for the crowd. */
static void stop_at_first_look(void *ctx, const struct crowd_counts *counts)
{
	struct world *w = ctx;

	if (w->looks++ == 0)
		w->counts = *counts;
	crowd_stop(w->crowd);
}

static void test_rate(void)
{
	struct world *w = world_make(1, 0);
	struct crowd_options o = { .broker = w->where,
		.anchor = w->broker.anchor,
		.version = VERSION,
		.max = 3,
		.rate = 1,
		.look = stop_at_first_look,
		.ctx = w };
	struct errbuf eb = { "" };

	crowd_free(w->crowd);
	must(crowd_new(&o, &w->crowd, &eb) == OK, eb.text);
	for (unsigned i = 0; i < 3; i++)
		add(w, true);
	ok(crowd_run(w->crowd, -1, &eb) == OK, "run");
	ok(w->counts.boards == 3 && w->counts.dark == 2 && w->counts.connecting == 1,
	    "one a second: the others are not switched on yet");
	world_free(w);
}

static void test_ends(void)
{
	struct world *w = world_make(1, 0);
	struct errbuf eb = { "" };
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	must(write(ends[1], "", 1) == 1, "pipe");
	ok(crowd_run(w->crowd, ends[0], &eb) == OK, "a readable descriptor ends it");
	crowd_stop(w->crowd);
	ok(crowd_run(w->crowd, -1, &eb) == OK, "so does a word that came before");
	close(ends[0]);
	close(ends[1]);
	world_free(w);
}

/* --- what is refused --- */

/* In a process of its own: the limit cannot be raised again. */
static int with_few_files(const struct crowd_options *o)
{
	struct rlimit few = { 64, 64 };
	struct crowd *crowd = NULL;
	struct errbuf eb = { "" };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		enum err e = setrlimit(RLIMIT_NOFILE, &few) == 0 ? crowd_new(o, &crowd, &eb) : OK;

		_exit(e == ERR_CONFLICT && strstr(eb.text, "ulimit") != NULL ? 0 : 1);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	return status;
}

static void test_refused(void)
{
	struct world *w = world_make(1, 0);
	struct crowd_options o = {
		.broker = w->where, .anchor = w->broker.anchor, .version = VERSION, .max = 1
	};
	struct crowd *crowd = NULL;
	struct errbuf eb = { "" };
	struct emu *chip = chip_make();

	ok(with_few_files(&o) == 0, "too few open files");
	add(w, false);
	ok(crowd_add(w->crowd, chip, &eb) == ERR_SPACE, "%s", eb.text);
	emu_free(chip);
	o.max = 0;
	ok(crowd_new(&o, &crowd, &eb) == ERR_ARG, "%s", eb.text);
	o.max = CROWD_MAX + 1;
	ok(crowd_new(&o, &crowd, &eb) == ERR_ARG, "%s", eb.text);
	o.max = 1;
	o.broker = "localhost";
	ok(crowd_new(&o, &crowd, &eb) == ERR_ARG, "%s", eb.text);
	o.broker = w->where;
	o.anchor = "/nonexistent/anchor.pem";
	ok(crowd_new(&o, &crowd, &eb) != OK && crowd == NULL, "%s", eb.text);
	crowd_free(NULL);
	world_free(w);
}

static void test_memory(void)
{
	struct world *w = world_make(1, 0);
	struct crowd_options o = {
		.broker = w->where, .anchor = w->broker.anchor, .version = VERSION, .max = 1
	};
	struct emu *chip = chip_make();
	struct crowd *crowd = NULL;
	struct errbuf eb = { "" };
	enum err e;
	long n;

	for (n = 0;; n++) {
		faults_begin(FAULT_MEMORY, n);
		e = crowd_new(&o, &crowd, &eb);
		if (!faults_end())
			break;
		ok(e == ERR_MEMORY && crowd == NULL, "allocation %ld: %s", n, eb.text);
	}
	must(e == OK, eb.text);
	for (n = 0;; n++) {
		faults_begin(FAULT_MEMORY, n);
		e = crowd_add(crowd, chip, &eb);
		if (!faults_end())
			break;
		ok(e == ERR_MEMORY && crowd_counts(crowd).boards == 0, "adding, %ld: %s", n,
		    eb.text);
	}
	ok(e == OK && n > 0 && crowd_counts(crowd).boards == 1, "added");
	crowd_free(crowd);
	world_free(w);
}

int main(void)
{
	test_identity();
	test_bus_fails();
	test_online();
	test_restless();
	test_rate();
	test_ends();
	test_refused();
	test_memory();
	return done_testing();
}
