/*
 * tap.h -- Test Anything Protocol in a few lines.
 *
 *	ok(e == OK, "locked data zone refuses Write");
 *	is_bytes(got, n, want, n, "slot 10");
 *	return done_testing();
 */
#ifndef IMPRINT_TAP_H
#define IMPRINT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static bool ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	tap_failed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return pass;
}

__attribute__((unused)) static bool is_bytes(
    const void *got, size_t got_n, const void *want, size_t want_n, const char *name)
{
	const unsigned char *g = got, *w = want;
	size_t i = 0;

	if (ok(got_n == want_n && (got_n == 0 || memcmp(g, w, want_n) == 0), "%s", name))
		return true;
	while (i < got_n && i < want_n && g[i] == w[i])
		i++;
	printf("# %zu bytes, wanted %zu; first difference at %zu\n", got_n, want_n, i);
	return false;
}

/* A test that cannot run here; the reason must stand in tests/skips.txt. */
__attribute__((unused)) static void skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_run, name, reason);
}

__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed != 0;
}

#endif
