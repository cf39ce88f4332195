/*
 * What it costs to make an issuance durable: certificate, entry and device row through the store.
 *
 * Two things are measured, with 1, 16 and 64 issuances in flight (so about that many share a transaction),
 * in turns of a quarter of a second: issuances a second beside the flushes a second that the same disk makes for a
 * program that does nothing else (append 4 KiB, fdatasync); and processor time for one, beside a
 * transaction of its own for each.
 */
#include "bench.h"
#include "store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, DEVICES = 20000, FLIGHT_MAX = 64, LOAD = 250 };
#define SLICE_US 250000.0

static const uint8_t body[240] = { 1 };

static struct {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t landed;
	size_t flying;
	uint32_t issued;
	uint32_t versions[DEVICES];
	int fd;
} b = { .lock = PTHREAD_MUTEX_INITIALIZER, .landed = PTHREAD_COND_INITIALIZER };

static double now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- what is measured --- */

static void id_of(uint32_t n, uint8_t id[16])
{
	memset(id, 0x40, 16);
	store_be32(id, (n + 1) * 2654435761u); /* scattered, as random ones are */
	store_be32(id + 4, n);
}

static struct store_device device_of(uint32_t n)
{
	struct store_device d = { .type = "mkrwifi1010",
		.fqbn = "arduino:samd:mkrwifi1010",
		.enabled = true,
		.created = 1763856000000 + n };

	id_of(n, d.id);
	snprintf(d.name, sizeof(d.name), "board %u", n);
	snprintf(d.serial, sizeof(d.serial), "%018X", n);
	return d;
}

static void landed(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	(void)ctx, (void)seq;
	bench_must(e == OK, eb->text);
	pthread_mutex_lock(&b.lock);
	b.flying--;
	pthread_cond_signal(&b.landed);
	pthread_mutex_unlock(&b.lock);
}

static void issue(void)
{
	uint32_t n = b.issued++, at = n % DEVICES;
	struct store_change *c = store_change_new(1);
	struct store_device d = device_of(at);
	struct store_cert cert = { .authority = 1,
		.not_before = 226000,
		.years = 31,
		.enabled = true,
		.created = d.created };
	struct store_event event = {
		.at = d.created, .kind = "certificate.issued", .body = SLICE(body)
	};

	id_of(n, cert.serial);
	cert.serial[15] = 1;
	memcpy(cert.device, d.id, 16);
	memcpy(d.cert, cert.serial, 16);
	memcpy(event.subject, d.id, 16);
	memcpy(event.request, cert.serial, 16);
	d.version = ++b.versions[at];
	store_device_put(c, &d);
	store_cert_put(c, &cert);
	store_event_add(c, &event);
	store_submit(b.store, c, landed, NULL);
}

static void wait_for(size_t most)
{
	pthread_mutex_lock(&b.lock);
	while (b.flying > most)
		pthread_cond_wait(&b.landed, &b.lock);
	pthread_mutex_unlock(&b.lock);
}

/* Keeps so many in flight for a slice; microseconds of wall and of processor for one. */
static void measure_issuances(size_t flight, double *wall, double *cpu)
{
	double begun = now_us(CLOCK_MONOTONIC), cpu_begun = now_us(CLOCK_PROCESS_CPUTIME_ID);
	size_t n = 0;

	while (now_us(CLOCK_MONOTONIC) - begun < SLICE_US) {
		wait_for(flight - 1);
		pthread_mutex_lock(&b.lock);
		b.flying++;
		pthread_mutex_unlock(&b.lock);
		issue();
		n++;
	}
	wait_for(0);
	*wall = (now_us(CLOCK_MONOTONIC) - begun) / (double)n;
	*cpu = (now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_begun) / (double)n;
}

static double measure_flushes(void)
{
	static const uint8_t page[4096];
	double begun = now_us(CLOCK_MONOTONIC), spent;
	size_t n = 0;

	do {
		bench_must(write(b.fd, page, sizeof(page)) == (ssize_t)sizeof(page) &&
		               fdatasync(b.fd) == 0,
		    "flush");
		n++;
		spent = now_us(CLOCK_MONOTONIC) - begun;
	} while (spent < SLICE_US);
	return spent / (double)n;
}

/* --- making ready --- */

static void load(void)
{
	struct store_tenant tenant = { .demo = true, .name = "bench" };
	struct store_authority authority = { .id = 1, .kind = "device-ca", .n = 300 };
	struct store_change *c = store_change_new(1);
	struct errbuf eb = { "" };

	store_tenant_add(c, &tenant);
	store_authority_put(c, &authority);
	for (uint32_t i = 0; i < DEVICES; i++) {
		struct store_device d = device_of(i);

		store_device_put(c, &d);
		if (i % LOAD == LOAD - 1) {
			bench_must(store_commit(b.store, c, &eb) == OK, eb.text);
			c = store_change_new(1);
		}
	}
	bench_must(store_commit(b.store, c, &eb) == OK, eb.text);
}

static void remove_all(const char *top)
{
	static const char *const names[] = { "imprint.db", "imprint.db-wal", "imprint.db-shm",
		"imprint.db.lock", "flush" };
	char path[96];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, names[i]);
		unlink(path);
	}
	rmdir(top);
}

int main(void)
{
	static const size_t flights[] = { 1, 16, 64 };
	char top[] = "/tmp/imprint-bench-XXXXXX", path[96];
	struct bench_side flush = { .name = "fdatasync" },
	                  wall[] = { { .name = "flight of 1" }, { .name = "flight of 16" },
		                  { .name = "flight of 64" } },
	                  cpu[] = { { .name = "alone" }, { .name = "flight of 16" },
		                  { .name = "flight of 64" } };
	struct errbuf eb = { "" };
	bool good = true;

	bench_must(mkdtemp(top) != NULL, "temporary folder");
	snprintf(path, sizeof(path), "%s/flush", top);
	bench_must((b.fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600)) >= 0, path);
	snprintf(path, sizeof(path), "%s/imprint.db", top);
	bench_must(store_open(path, NULL, &b.store, &eb) == OK, eb.text);
	load();
	for (size_t r = 0; r < ROUNDS; r++) {
		flush.us[r] = measure_flushes();
		flush.rounds = r + 1;
		for (size_t i = 0; i < COUNT(flights); i++) {
			measure_issuances(flights[i], &wall[i].us[r], &cpu[i].us[r]);
			wall[i].rounds = cpu[i].rounds = r + 1;
		}
	}
	/* Eight or more share a flush at 64; one alone pays for a whole flush and its pages. */
	good &= bench_at_least("commit_issuances_per_fdatasync", &wall[2], &flush, 3.0);
	good &= bench_at_least("commit_alone_per_fdatasync", &wall[0], &flush, 0.25);
	good &= bench_at_most("commit_cpu_us_16", &cpu[1], &cpu[0], 0.8);
	good &= bench_at_most("commit_cpu_us_64", &cpu[2], &cpu[0], 0.7);
	store_close(b.store);
	close(b.fd);
	remove_all(top);
	return !good;
}
