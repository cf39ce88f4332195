#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_US 100000.0

void bench_fail(const char *what)
{
	fprintf(stderr, "bench: failed: %s\n", what);
	exit(2);
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Whole passes over the items until the slice is used up. */
static double measure(const struct bench_side *side, size_t items)
{
	double begun = cpu_us(), spent;
	size_t done = 0;

	do {
		for (size_t i = 0; i < items; i++)
			side->run(i);
		done += items;
		spent = cpu_us() - begun;
	} while (spent < SLICE_US);
	return spent / (double)done;
}

void bench_run(struct bench_side *sides, size_t sides_n, size_t items, size_t rounds)
{
	bench_must(rounds <= BENCH_ROUNDS_MAX, "too many rounds");
	for (size_t s = 0; s < sides_n; s++)
		for (size_t i = 0; i < items; i++)
			sides[s].run(i); /* what is made at first use is not the work */
	for (size_t r = 0; r < rounds; r++)
		for (size_t s = 0; s < sides_n; s++) {
			sides[s].us[r] = measure(&sides[s], items);
			sides[s].rounds = r + 1;
		}
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread {
	double median, least, most;
};

static struct spread spread_of(const double *values, size_t n)
{
	double sorted[BENCH_ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(values[0]));
	qsort(sorted, n, sizeof(sorted[0]), ascending);
	return (struct spread){ sorted[n / 2], sorted[0], sorted[n - 1] };
}

static struct spread ratio_of(const struct bench_side *over, const struct bench_side *under)
{
	double ratios[BENCH_ROUNDS_MAX] = { 0 };

	for (size_t r = 0; r < over->rounds; r++)
		ratios[r] = over->us[r] / under->us[r];
	return spread_of(ratios, over->rounds);
}

static bool print(const char *name, const struct bench_side *ours,
    const struct bench_side *reference, struct spread ratio, double target, bool good)
{
	struct spread a = spread_of(ours->us, ours->rounds),
	              b = spread_of(reference->us, reference->rounds);

	printf("# %s: %s %.1f us (%.1f-%.1f), %s %.1f us (%.1f-%.1f), ratio %.3f (%.3f-%.3f)\n",
	    name, ours->name, a.median, a.least, a.most, reference->name, b.median, b.least, b.most,
	    ratio.median, ratio.least, ratio.most);
	printf("%s %.1f %.1f %.3f %.2f %s\n", name, a.median, b.median, ratio.median, target,
	    good ? "PASS" : "FAIL");
	return good;
}

bool bench_at_most(const char *name, const struct bench_side *ours,
    const struct bench_side *reference, double target)
{
	struct spread ratio = ratio_of(ours, reference);

	return print(name, ours, reference, ratio, target, ratio.median <= target);
}

bool bench_at_least(const char *name, const struct bench_side *ours,
    const struct bench_side *reference, double target)
{
	struct spread ratio = ratio_of(reference, ours);

	return print(name, ours, reference, ratio, target, ratio.median >= target);
}
