/*
 * assurance.h -- the levels of assurance, and who can tell an emulated chip.
 *
 *	printf("%s: %s\n", assurance_name(level), assurance_text(level));
 */
#ifndef IMPRINT_ASSURANCE_H
#define IMPRINT_ASSURANCE_H

#include "base.h"

#define ASSURANCE(name, text, what) ASSURANCE_##name,
enum assurance {
#include "assurance.def"
	ASSURANCE_LEVELS
};
#undef ASSURANCE

/* "A3 attested" */
const char *assurance_name(enum assurance level);
const char *assurance_text(enum assurance level);
/* Serial numbers of emulated chips begin 45 4D (and end 4D); Microchip's begin 01 23 and end EE. */
bool assurance_emulated(const uint8_t serial[9]);

#endif
