/*
 * console_texts.h -- the failure texts of the Provisioning sketches, once, for both sides. Private
 * to this library.
 *
 * A '%' stands for the name of the secure element: "crypto" today, "ECCX08" in 2020. The board
 * prints the text; the host looks for it anywhere in a line and takes any name.
 */
#ifndef IMPRINT_CONSOLE_TEXTS_H
#define IMPRINT_CONSOLE_TEXTS_H

#include "console.h"

struct console_failure {
	uint8_t cause, step; /* enum console_cause; the step it belongs to, CONSOLE_STEPS: any */
	const char *today, *in_2020; /* NULL: this wording has no such text */
};

#define CONSOLE_FAILURES 13
extern const struct console_failure console_failures[CONSOLE_FAILURES];

#endif
