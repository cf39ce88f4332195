/*
 * What a disk can do to the registry: fail, fill up, die under it, at each of its operations.
 *
 * Whatever happens, what was acknowledged is there, once and whole; what was not may be there, but never
 * half; and the next start goes on.
 */
#include "disk.h"

/* A fork copies what the sanitizer keeps of freed memory; 256 MB of it, by default. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

enum { ISSUANCES = 9, TOGETHER = 3 };

static bool torture;

/* --- a workload, and what must be true of what it leaves --- */

struct ledger {
	uint64_t seq[ISSUANCES]; /* as acknowledged; 0: not */
};
struct answer {
	int fd; /* where acknowledgements go */
	uint32_t n;
	struct ledger *ledger;
	pthread_mutex_t *lock;
	unsigned *left;
	enum err e;
};

static void answered(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct answer *a = ctx;
	uint64_t out[2] = { a->n, seq };

	(void)eb;
	if (e == OK && a->fd >= 0 && write(a->fd, out, sizeof(out)) != (ssize_t)sizeof(out))
		_exit(4);
	pthread_mutex_lock(a->lock);
	if (e == OK && a->ledger)
		a->ledger->seq[a->n] = seq;
	a->e = e;
	--*a->left;
	pthread_mutex_unlock(a->lock);
}

/* Issues what is not there yet, some at a time. Returns the first error that was answered. */
static enum err work(struct store *s, int fd, struct ledger *ledger)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	enum err first = OK;

	for (uint32_t i = 0; i < ISSUANCES; i += TOGETHER) {
		struct answer answers[TOGETHER];
		unsigned left = TOGETHER, now;

		for (uint32_t k = 0; k < TOGETHER; k++) {
			struct store_device d = device_of(i + k);
			struct store_cert cert;
			enum err e = store_device_get(s, 1, d.id, &d, NULL);

			answers[k] = (struct answer){ fd, i + k, ledger, &lock, &left, e };
			if (e == OK && store_cert_get(s, 1, cert_of(i + k, d.id).serial, &cert,
			                   NULL) == ERR_NOT_FOUND) {
				store_submit(
				    s, issuance(1, &d, i + k, i + k), answered, &answers[k]);
				continue;
			}
			pthread_mutex_lock(&lock);
			left--;
			pthread_mutex_unlock(&lock);
		}
		do {
			usleep(100);
			pthread_mutex_lock(&lock);
			now = left;
			pthread_mutex_unlock(&lock);
		} while (now);
		for (uint32_t k = 0; k < TOGETHER; k++)
			if (first == OK)
				first = answers[k].e;
	}
	return first;
}

static bool is_event(struct store *s, uint32_t n, const uint8_t device[16], uint64_t *seq)
{
	return store_event_of_request(s, 1, event_of(n, device).request, seq, NULL) == OK;
}

/* NULL, or what is wrong. */
static const char *fault_of(struct store *s, const struct ledger *ledger, struct errbuf *eb)
{
	if (store_check(s, eb) != OK)
		return eb->text;
	for (uint32_t i = 0; i < ISSUANCES; i++) {
		struct store_device d = device_of(i);
		struct store_cert cert;
		uint64_t seq = 0;
		bool event, there;

		if (store_device_get(s, 1, d.id, &d, eb) != OK)
			return "a device is lost";
		event = is_event(s, i, d.id, &seq);
		there = store_cert_get(s, 1, cert_of(i, d.id).serial, &cert, eb) == OK;
		if (event != there || there != !ct_zero(d.cert, 16))
			return "half an issuance";
		if (ledger->seq[i] && (!there || seq != ledger->seq[i]))
			return "an acknowledged issuance is lost, or has another number";
	}
	return NULL;
}

/* A store with a tenant and devices, to begin from. */
static void prepare_template(struct rig *r)
{
	struct store_change *c = store_change_new(1);

	if (!rig_open(r, NULL) || !rig_first(r, 1))
		bail("no template");
	for (uint32_t i = 0; i < ISSUANCES; i++) {
		struct store_device d = device_of(i);

		store_device_put(c, &d);
	}
	if (store_commit(r->store, c, &r->eb) != OK)
		bail("no template");
	rig_close(r);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	size_t n;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

	if (!in || !out)
		bail("cannot copy");
	while ((n = fread(bytes, 1, sizeof(bytes), in)))
		if (fwrite(bytes, 1, n, out) != n)
			bail("cannot copy");
	fclose(in);
	if (fclose(out) != 0)
		bail("cannot copy");
}

/* --- death at every step --- */

/* Runs the workload in a child that dies at operation n. False when it was never reached. */
static bool die_at(struct rig *r, enum disk how, long n, unsigned seed, struct ledger *ledger)
{
	uint64_t in[2];
	int fds[2], status;
	pid_t child = -1;

	if (pipe(fds) != 0 || (child = fork()) < 0)
		bail("no child");
	if (child == 0) {
		struct store *s = NULL;
		struct store_device d = device_of(0);

		close(fds[0]);
		disk.seed = seed;
		disk_set(how, n);
		if (store_open(r->path, NULL, &s, NULL) != OK)
			_exit(2);
		if (store_device_get(s, 1, d.id, &d, NULL) == ERR_NOT_FOUND) /* begins at nothing */
			store_close(s), _exit(0);
		if (work(s, fds[1], NULL) != OK)
			_exit(2);
		store_close(s);
		_exit(0);
	}
	close(fds[1]);
	memset(ledger, 0, sizeof(*ledger));
	while (read(fds[0], in, sizeof(in)) == (ssize_t)sizeof(in))
		ledger->seq[in[0]] = in[1];
	close(fds[0]);
	if (waitpid(child, &status, 0) != child)
		bail("lost the child");
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		bail("the child failed by itself");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void deaths(struct rig *r, const char *template, enum disk how, long step, const char *name)
{
	const char *fault = NULL;
	long n, acknowledged = 0, present = 0;

	for (n = 0; !fault; n += step) {
		struct ledger ledger, all = { { 0 } };
		uint64_t seq;
		bool died;

		rig_empty(r);
		copy_file(template, r->path);
		died = die_at(r, how, n, (unsigned)n + 1, &ledger);
		if (!rig_open(r, NULL)) {
			fault = r->eb.text;
			break;
		}
		for (uint32_t i = 0; i < ISSUANCES; i++) {
			acknowledged += ledger.seq[i] != 0;
			present += is_event(r->store, i, device_of(i).id, &seq);
		}
		if (!(fault = fault_of(r->store, &ledger, &r->eb)) &&
		    work(r->store, -1, &all) != OK)
			fault = "the rest cannot be issued";
		if (!fault)
			fault = fault_of(r->store, &all, &r->eb);
		rig_close(r);
		if (!died)
			break;
	}
	if (fault)
		printf("# at operation %ld: %s\n", n, fault);
	ok(!fault && n >= 6, "%s, at every %ld. of %ld operations: %ld acknowledged, %ld there",
	    name, step, n, acknowledged, present);
}

/* A disk that says it has flushed and has not must lose something, or these tests see nothing. */
static void lies(struct rig *r, const char *template)
{
	unsigned lost = 0;

	for (long n = 10; n < 80 && !lost; n += 10) {
		struct ledger ledger;

		rig_empty(r);
		copy_file(template, r->path);
		die_at(r, DISK_LIES, n, 1, &ledger);
		lost += !rig_open(r, NULL) || fault_of(r->store, &ledger, &r->eb) != NULL;
		rig_close(r);
	}
	ok(lost > 0, "a disk that lies about its flushes loses what was acknowledged");
}

/* A store that is not made yet: there is one after the next start, or nothing stands in its way. */
static void births(struct rig *r, enum disk how, long step, const char *name)
{
	const char *fault = NULL;
	struct ledger ledger;
	long n;

	for (n = 0; !fault; n += step) {
		bool died;

		rig_empty(r);
		died = die_at(r, how, n, (unsigned)n + 1, &ledger);
		if (!rig_open(r, NULL) || !rig_first(r, 1) || store_check(r->store, &r->eb) != OK)
			fault = r->eb.text;
		rig_close(r);
		if (!died)
			break;
	}
	if (fault)
		printf("# at operation %ld: %s\n", n, fault);
	ok(!fault && n > 60, "a new store: %s, at every %ld. of %ld operations", name, step, n);
}

/* --- failures that are survived --- */

/* One operation fails: whoever was told OK is right, and the rest is done by asking again. */
static void failures(
    struct rig *r, const char *template, enum disk how, long step, const char *name)
{
	const char *fault = NULL;
	long n, opens = 0, refused = 0;
	bool hit = true;

	for (n = 0; hit && !fault; n += step) {
		struct ledger ledger = { { 0 } };
		enum err e;

		rig_empty(r);
		copy_file(template, r->path);
		disk_set(how, n);
		e = store_open(r->path, NULL, &r->store, &r->eb);
		if (e != OK) {
			opens++;
			if (e != (how == DISK_FULL ? ERR_SPACE : ERR_IO) && e != ERR_MEMORY)
				fault = r->eb.text;
			hit = disk_end();
			if (!rig_open(r, NULL))
				fault = r->eb.text;
		} else {
			if (work(r->store, -1, &ledger) != OK)
				refused++;
			hit = disk_end();
		}
		if (!fault && store_ready(r->store, &r->eb) != OK)
			fault = r->eb.text;
		if (!fault && work(r->store, -1, &ledger) != OK)
			fault = "the rest cannot be issued";
		if (!fault)
			fault = fault_of(r->store, &ledger, &r->eb);
		rig_close(r);
		if (!fault && !rig_open(r, NULL))
			fault = r->eb.text;
		if (!fault)
			fault = fault_of(r->store, &ledger, &r->eb);
		rig_close(r);
	}
	if (fault)
		printf("# at operation %ld: %s\n", n - step, fault);
	ok(!fault && n >= 6, "%s, at every %ld. of %ld: %ld starts and %ld workloads refused", name,
	    step, n, opens, refused);
}

static int64_t clock_now;

static int64_t clock_ms(void *ctx)
{
	(void)ctx;
	return clock_now;
}

/* A full disk, and one that is broken: what is said, what still works, how it ends. */
static void full_and_broken(struct rig *r, const char *template)
{
	struct store_options options = { .now_ms = clock_ms };
	struct ledger ledger = { { 0 } };
	struct store_device d = device_of(0), d1 = device_of(1);

	clock_now = NOW;
	rig_empty(r);
	copy_file(template, r->path);
	if (!rig_open(r, &options))
		bail("cannot be opened");
	ok(store_ready(r->store, &r->eb) == OK, "ready");
	if (store_device_get(r->store, 1, d.id, &d, NULL) != OK ||
	    store_device_get(r->store, 1, d1.id, &d1, NULL) != OK)
		bail("no device");
	disk_set(DISK_FULL, 0);
	ok(store_commit(r->store, issuance(1, &d, 0, 0), &r->eb) == ERR_SPACE, "a full disk: %s",
	    r->eb.text);
	ok(store_ready(r->store, &r->eb) == ERR_SPACE, "not ready: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d.id, &d, &r->eb) == OK && ct_zero(d.cert, 16),
	    "reading goes on");
	disk_end();
	ok(store_ready(r->store, &r->eb) == OK, "ready when there is room");
	ok(store_commit(r->store, issuance(1, &d, 0, 0), &r->eb) == OK, "and it is written");

	disk_set(DISK_FAILS, 0);
	ok(store_commit(r->store, issuance(1, &d1, 1, 1), &r->eb) == ERR_IO, "a broken disk: %s",
	    r->eb.text);
	ok(store_ready(r->store, &r->eb) == ERR_IO, "not ready: %s", r->eb.text);
	disk_end();
	ok(store_ready(r->store, &r->eb) == ERR_IO,
	    "nor when it seems whole again: three failures within a minute");
	ok(store_device_get(r->store, 1, d.id, &d, &r->eb) == OK && !ct_zero(d.cert, 16),
	    "reading goes on");
	clock_now += 61000;
	ok(store_ready(r->store, &r->eb) == OK, "a minute later it is tried again");
	ok(store_commit(r->store, issuance(1, &d1, 1, 1), &r->eb) == OK, "and it is written");
	disk_set(DISK_LOCKED, 0);
	if (store_device_get(r->store, 1, d.id, &d, NULL) != OK)
		bail("no device");
	ok(store_commit(r->store, issuance(1, &d, 2, 2), &r->eb) == ERR_IO,
	    "no right to write any more: %s", r->eb.text);
	disk_end();
	ledger.seq[0] = 1;
	ledger.seq[1] = 2;
	const char *fault = fault_of(r->store, &ledger, &r->eb);
	ok(!fault, "numbers and rows as acknowledged: %s", fault ? fault : "");
	rig_close(r);
}

/*
 * The flush of a COMMIT fails although all was written: nobody knows whether it is there. It is sent
 * again, and is there once.
 */
static void in_doubt(struct rig *r, const char *template)
{
	struct store_device d = device_of(0);
	struct store_stats stats;
	long n, last = -1;
	bool good = true;

	/* The last operation of an issuance is the flush. */
	rig_empty(r);
	copy_file(template, r->path);
	if (!rig_open(r, NULL) || store_device_get(r->store, 1, d.id, &d, NULL) != OK)
		bail("cannot be opened");
	disk_set(DISK_GOOD, 0);
	if (store_commit(r->store, issuance(1, &d, 0, 0), &r->eb) != OK)
		bail("no issuance");
	last = disk.operations - 1;
	rig_close(r);

	for (n = 0; n <= last; n++) {
		uint64_t seq = 0;

		rig_empty(r);
		copy_file(template, r->path);
		if (!rig_open(r, NULL))
			bail("cannot be opened");
		disk_set(DISK_FAILS_ONCE, n);
		good &= store_commit(r->store, issuance(1, &d, 0, 0), &r->eb) == OK;
		good &= disk_end();
		good &= is_event(r->store, 0, d.id, &seq) && seq == 1;
		store_stats(r->store, &stats);
		good &= stats.failed == 0;
		good &= store_check(r->store, &r->eb) == OK;
		rig_close(r);
	}
	ok(good && last >= 3,
	    "one failure at any of %ld operations of an issuance: sent again, there once",
	    last + 1);
}

/* The log goes into the file while nothing waits: an operation of that fails, too. */
static void checkpoints(struct rig *r, const char *template, long step)
{
	enum { LARGE = 90 };
	uint8_t *body = calloc(1, STORE_EVENT_MAX);
	struct store_device d = device_of(0);
	const char *fault = NULL;
	bool hit = true;
	long n;

	for (n = step / 2; hit && !fault; n += step) {
		uint64_t seq = 0;

		rig_empty(r);
		copy_file(template, r->path);
		if (!rig_open(r, NULL))
			bail("cannot be opened");
		disk_set(DISK_FAILS_ONCE, n);
		for (uint32_t i = 0; i < LARGE && !fault; i++) {
			struct store_event event = event_of(i, d.id);
			struct store_change *c = store_change_new(1);

			event.body = (struct slice){ body, STORE_EVENT_MAX };
			store_event_add(c, &event);
			if (store_commit(r->store, c, &r->eb) != OK)
				fault = r->eb.text;
			if (i % 16 == 15)
				usleep(2000); /* time to rest */
		}
		rig_close(r);
		hit = disk_end();
		if (!rig_open(r, NULL) || store_check(r->store, &r->eb) != OK)
			fault = r->eb.text;
		else if (!is_event(r->store, LARGE - 1, d.id, &seq) || seq != LARGE)
			fault = "an entry is lost";
		rig_close(r);
	}
	if (fault)
		printf("# at operation %ld: %s\n", n - step, fault);
	ok(!fault && n > 3 * step,
	    "large entries and checkpoints: an operation fails, at every %ld. of %ld", step, n);
	free(body);
}

int main(void)
{
	char template[128];
	struct rig r, t;
	const char *asked = getenv("IMPRINT_TORTURE");

	torture = asked && *asked == '1';
	disk_install();
	rig_make(&r);
	rig_make(&t);
	snprintf(template, sizeof(template), "%s/imprint.db", t.folder);
	prepare_template(&t);

	full_and_broken(&r, template);
	in_doubt(&r, template);
	failures(&r, template, DISK_FAILS_ONCE, 1, "an operation fails");
	failures(&r, template, DISK_FULL, 1, "the disk is full from an operation on");
	failures(&r, template, DISK_READ_FAILS, 1, "a read fails");
	checkpoints(&r, template, torture ? 90 : 1000);
	lies(&r, template);
	births(&r, DISK_KILL, torture ? 1 : 13, "kill -9");
	births(&r, DISK_POWER, torture ? 1 : 13, "power lost");
	births(&r, DISK_POWER_HALF, torture ? 1 : 13, "power lost, half of it written");
	deaths(&r, template, DISK_KILL, 1, "kill -9");
	deaths(&r, template, DISK_TORN, 1, "kill -9 in the middle of a write");
	deaths(&r, template, DISK_POWER, 1, "power lost");
	deaths(&r, template, DISK_POWER_HALF, 1, "power lost, half of it written");
	rig_free(&r);
	rig_free(&t);
	return done_testing();
}
