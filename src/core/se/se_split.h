/*
 * se_split.h -- a bus whose reads carry few bytes at a time, as the 32-byte buffers of small boards.
 *
 * The chip goes on in its answer with every read until the next write, so a long answer is read in
 * pieces. A command goes out in one write: splitting that is what no chip understands, and a bus
 * that cannot carry 39 bytes in one write cannot store a certificate.
 *
 *	struct se_split split;
 *	se_split_init(&split, &wire, 32);
 *	e = se_open(&se, &split.hal);
 */
#ifndef IMPRINT_SE_SPLIT_H
#define IMPRINT_SE_SPLIT_H

#include "se.h"

#ifdef __cplusplus
extern "C" {
#endif

struct se_split {
	struct se_hal hal; /* for the driver; points back here, so the struct stays where it is */
	const struct se_hal *inner;
	size_t most;
};

/* Reads of `most` bytes at most, 1 or more. inner outlives the split. */
void se_split_init(struct se_split *split, const struct se_hal *inner, size_t most);

#ifdef __cplusplus
}
#endif
#endif
