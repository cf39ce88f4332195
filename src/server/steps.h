/*
 * steps.h -- the steps of a request that writes, by number and name (steps.def).
 *
 *	for (size_t i = 0; i < SERVER_STEPS; i++)
 *		puts(server_steps[i]);
 */
#ifndef IMPRINT_STEPS_H
#define IMPRINT_STEPS_H

#define STEP(number, name) STEP_##number,
enum server_step {
#include "steps.def"
	SERVER_STEPS
};
#undef STEP
extern const char *const server_steps[SERVER_STEPS];

#endif
