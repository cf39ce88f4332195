/*
 * hook.h -- where tests let a program meet bad luck; nothing at all in a release build.
 *
 * IMPRINT_TEST_CRASH=WHERE kills this process there, as kill -9 does; IMPRINT_TEST_STOP=WHERE stops
 * it until SIGCONT, so that a test can pull the plug in between. WHERE is before:STEP, inside:STEP
 * or after:STEP, with a name of the program's table of steps (client_steps, server_steps);
 * only with -Dtest_hooks=true.
 */
#ifndef IMPRINT_HOOK_H
#define IMPRINT_HOOK_H

#ifdef IMPRINT_TEST_HOOKS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void test_hook(const char *when, const char *step)
{
	const char *crash = getenv("IMPRINT_TEST_CRASH"), *stop = getenv("IMPRINT_TEST_STOP");
	char here[64];

	snprintf(here, sizeof(here), "%s:%s", when, step);
	if (crash && strcmp(crash, here) == 0)
		raise(SIGKILL);
	if (stop && strcmp(stop, here) == 0)
		raise(SIGSTOP);
}
#else
static inline void test_hook(const char *when, const char *step)
{
	(void)when;
	(void)step;
}
#endif

#endif
