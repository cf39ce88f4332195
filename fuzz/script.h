/*
 * script.h -- fuzz input as a script: what to do next, and with which bytes.
 *
 *	struct script in = { data, size };
 *	while (in.n > 0)
 *		switch (script_byte(&in) % 3) ...
 */
#ifndef IMPRINT_SCRIPT_H
#define IMPRINT_SCRIPT_H

#include "base.h"

struct script {
	const uint8_t *p;
	size_t n;
};

/* The next byte; 0 at the end. */
static inline uint8_t script_byte(struct script *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

/* Bytes behind their number, or what is left. */
static inline struct slice script_bytes(struct script *in)
{
	size_t n = script_byte(in);
	struct slice s = { in->p, n < in->n ? n : in->n };

	in->p += s.n;
	in->n -= s.n;
	return s;
}

#endif
