/*
 * clock.h -- the one clock of the server, which a test can set.
 *
 * With -Dtest_hooks=true the file named by IMPRINT_TEST_CLOCK holds how many seconds the clock is
 * ahead, and is read each time. Releases have the system's clock and nothing else.
 *
 *	int64_t now = clock_ms() / 1000;
 */
#ifndef IMPRINT_CLOCK_H
#define IMPRINT_CLOCK_H

#include "utc.h"

#ifdef IMPRINT_TEST_HOOKS
#include <stdio.h>
#include <stdlib.h>

static inline int64_t clock_ms(void)
{
	const char *path = getenv("IMPRINT_TEST_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;
	long long ahead = 0;

	if (f) {
		if (fscanf(f, "%lld", &ahead) != 1)
			ahead = 0;
		fclose(f);
	}
	return utc_now_ms() + ahead * 1000;
}
#else
static inline int64_t clock_ms(void)
{
	return utc_now_ms();
}
#endif

#endif
