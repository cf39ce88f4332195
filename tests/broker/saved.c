/*
 * The saved list: what is written is what is read, and half a file is none. With a number: so many
 * devices, and how long they take (make bench).
 */
#include "saved.h"
#include "desk.h"
#include "faults.h"
#include "file.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_S = 3 }; /* of a million devices */

static char folder[] = "/tmp/imsaved-XXXXXX";
static char path[64];
static const uint8_t key[20] = { 0xaa, 1 };

static struct roster_device device(uint32_t i)
{
	struct roster_device d = { .enabled = i % 5 != 0, .not_after = 4000000000 + (int64_t)i };

	store_be32(d.id, i * 2654435761u);
	store_be32(d.id + 12, i);
	store_be32(d.print[0], i + 1);
	if (i % 3 == 0)
		store_be32(d.thing, i + 1);
	if (i % 7 == 0)
		store_be32(d.print[1], i + 2);
	return d;
}

static void fill(struct desk *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct roster_device row = device(i);

		if (roster_put(d->roster, &row) != OK)
			exit(1);
	}
	d->feed.epoch = 77;
	d->feed.seq = 12345678901234567890u;
	if (feed_authority(&d->feed, key) != OK)
		exit(1);
}

static bool same(const struct desk *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct roster_device want = device(i), got;

		if (!roster_get(d->roster, want.id, &got) || got.enabled != want.enabled ||
		    got.not_after != want.not_after || memcmp(got.thing, want.thing, 16) != 0 ||
		    memcmp(got.print, want.print, sizeof(got.print)) != 0)
			return false;
	}
	return roster_count(d->roster) == n && d->feed.epoch == 77 &&
	       d->feed.seq == 12345678901234567890u && feed_accepts(&d->feed, key);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds of reading. */
static double there_and_back(uint32_t n)
{
	struct errbuf eb = { "" };
	struct stat st = { 0 };
	int64_t as_of = 0;
	struct desk a, b;
	double t0, t1, t2;

	desk_begin(&a);
	desk_begin(&b);
	fill(&a, n);
	t0 = seconds();
	ok(saved_write(path, 1700000000, &a.feed, &eb) == OK, "%u devices are written (%s)", n,
	    eb.text);
	t1 = seconds();
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "for this user alone");
	ok(saved_read(path, &b.feed, &as_of, &eb) == OK, "and read (%s)", eb.text);
	t2 = seconds();
	ok(same(&b, n) && !b.feed.synced && feed_output(&b.feed).n == 0 && as_of == 1700000000,
	    "all of it, and nothing is said to anybody");
	printf("# %u devices: written in %.2f s, read in %.2f s, %zu bytes each in memory\n", n,
	    t1 - t0, t2 - t1, n ? roster_size(b.roster) / n : 0);
	ok(saved_touch(path, 1700000060, &eb) == OK && stat(path, &st) == 0 &&
	        st.st_mtime == 1700000060,
	    "it is right as of later (%s)", eb.text);
	desk_end(&a);
	desk_end(&b);
	return t2 - t1;
}

/* A broker that starts reads them before its first client. */
static void measure(uint32_t n)
{
	double took = there_and_back(n);

	printf("broker_list_read_s %.2f %d %.3f 1.00 %s\n", took, READ_S, took / READ_S,
	    took <= READ_S ? "PASS" : "FAIL");
}

/* What a file cut anywhere leaves: nothing, and the configured authority. */
static void halves(void)
{
	static const uint8_t configured[20] = { 7 };
	struct desk a, b;
	uint8_t *text = NULL;
	struct errbuf eb;
	int64_t as_of;
	unsigned wrong = 0;
	size_t n = 0;

	desk_begin(&a);
	desk_begin(&b);
	fill(&a, 20);
	if (feed_authority(&b.feed, configured) != OK ||
	    saved_write(path, 1700000000, &a.feed, &eb) != OK ||
	    file_read(path, 65536, &text, &n, &eb) != OK)
		exit(1);
	for (size_t cut = 0; cut < n; cut++) {
		if (file_write(path, (struct slice){ text, cut }, 0600, &eb) != OK)
			exit(1);
		wrong += saved_read(path, &b.feed, &as_of, &eb) != ERR_FORMAT ||
		         roster_count(b.roster) != 0 || b.feed.epoch != 0 || b.feed.seq != 0 ||
		         !feed_accepts(&b.feed, configured) || feed_accepts(&b.feed, key);
	}
	ok(n > 1000 && wrong == 0, "cut at any of %zu bytes", n);
	ok(file_write(path, (struct slice){ text, n }, 0644, &eb) == OK &&
	        saved_read(path, &b.feed, &as_of, &eb) == ERR_DENIED,
	    "others can read it: %s", eb.text);
	ok(unlink(path) == 0 && saved_read(path, &b.feed, &as_of, &eb) == ERR_NOT_FOUND &&
	        saved_touch(path, 1700000060, &eb) == ERR_NOT_FOUND,
	    "there is none: %s", eb.text);
	free(text);
	desk_end(&a);
	desk_end(&b);
}

static void faults(enum fault kind, const char *name)
{
	struct desk a, b;
	unsigned wrong = 0;
	long n;

	desk_begin(&a);
	fill(&a, 3);
	for (n = 0;; n++) {
		struct errbuf eb;
		int64_t as_of;
		enum err e;

		desk_begin(&b);
		faults_begin(kind, n);
		if ((e = saved_write(path, 1700000000, &a.feed, &eb)) == OK)
			e = saved_read(path, &b.feed, &as_of, &eb);
		if (!faults_end()) {
			wrong += e != OK || !same(&b, 3);
			desk_end(&b);
			break;
		}
		wrong += e == OK && !same(&b, 3);
		wrong += e != OK && roster_count(b.roster) != 0;
		desk_end(&b);
	}
	ok(n > 0 && wrong == 0, "%s: %ld points of failure", name, n);
	desk_end(&a);
}

int main(int argc, char **argv)
{
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/list", folder);
	if (argc > 1) {
		measure((uint32_t)strtoul(argv[1], NULL, 10));
	} else {
		there_and_back(0);
		there_and_back(2000);
		halves();
		faults(FAULT_FILES, "files");
		faults(FAULT_MEMORY, "memory");
	}
	unlink(path);
	ok(rmdir(folder) == 0, "nothing is left");
	return done_testing();
}
