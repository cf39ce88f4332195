/*
 * bench.h -- several ways to do the same work, in turn, in one process: processor time and ratios.
 *
 * Absolute times of a shared machine mean little; the ratio of two sides that took turns a tenth of a
 * second each means much. Every side does the same `items` in order. A ratio is made in each round,
 * and the median of the rounds is what counts.
 *
 *	struct bench_side sides[] = { { .name = "bare", .run = bare }, ... };
 *	bench_run(sides, COUNT(sides), 64, 15);
 *	return !bench_at_most("issue_cpu_us", &sides[1], &sides[0], 1.25);
 */
#ifndef IMPRINT_BENCH_H
#define IMPRINT_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_ROUNDS_MAX 64

struct bench_side {
	const char *name;
	void (*run)(size_t item);
	/* filled in: microseconds of this thread for one item */
	double us[BENCH_ROUNDS_MAX];
	size_t rounds;
};

/* Ends the program with status 2: a benchmark that does not do its work measures nothing. */
_Noreturn void bench_fail(const char *what);
static inline void bench_must(bool done, const char *what)
{
	if (!done)
		bench_fail(what);
}

void bench_run(struct bench_side *sides, size_t sides_n, size_t items, size_t rounds);

/*
 * Prints `name ours reference ratio target PASS|FAIL` and a comment with median and range.
 * at_most: ours / reference <= target. at_least: reference / ours >= target.
 */
bool bench_at_most(const char *name, const struct bench_side *ours,
    const struct bench_side *reference, double target);
bool bench_at_least(const char *name, const struct bench_side *ours,
    const struct bench_side *reference, double target);

#endif
