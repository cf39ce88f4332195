/*
 * steps.h -- what is being done, and what has been, with times: for people who watch.
 *
 * Each step is one row: who does it, what it is, how long it took, how it ended. On a terminal the
 * rows that are not finished stand below the others and their seconds run; elsewhere a row is printed
 * once, when it has ended. A table of what is now may stand below all of them, on a terminal alone.
 * Any thread may begin and end steps; one row belongs to one thread.
 *
 *	struct steps *steps = NULL;
 *	if ((e = steps_new(cli, &steps, eb)) != OK)
 *		return e;
 *	int row = steps_begin(steps, "demo", "csr", "Make key and request");
 *	...
 *	steps_end(steps, row, CLIENT_DONE, "");
 *	steps_free(steps);
 */
#ifndef IMPRINT_STEPS_H
#define IMPRINT_STEPS_H

#include "cli.h"
#include "run.h"

struct steps;

enum err steps_new(const struct cli *cli, struct steps **steps, struct errbuf *eb) MUST_CHECK;
/* Rows that have not ended vanish. NULL is fine. */
void steps_free(struct steps *steps);

/* `name` is for scripts and never changes; `text` is for people. All are copied. */
int steps_begin(struct steps *steps, const char *who, const char *name, const char *text);
/* detail: one line of truth, or "". */
void steps_end(struct steps *steps, int row, enum client_state state, const char *detail);
/* For client_run's events of one board: *row is where its present step is kept, at first -1. */
void steps_event(struct steps *steps, int *row, const char *who, const struct client_event *event);
/* A line above the rows that are not finished, as cli_say. */
void steps_say(struct steps *steps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Lines that stand below everything else from now on, in place of the former ones; elsewhere than on a
 * terminal nothing is printed. Copied; NULL: none.
 */
void steps_table(struct steps *steps, const char *lines);

/* What has ended, in its order: objects with who, step, state, seconds, began. The caller's. */
json_t *steps_json(struct steps *steps);

#endif
