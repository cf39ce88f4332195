/*
 * guests.h -- the virtual boards of `imprint up`: each is set up in a thread of its own, then watched.
 *
 * A board gets its identity from the server, by the same run as a real one over its serial port, and
 * goes into its program. One that holds an identity already is only switched on, if record, chip and
 * server agree on it. Whether it is ONLINE is what the server says, and nobody else: its status, and
 * once, that a message is stored which is younger than the certificate of this run. What the board says
 * of itself and what the broker had against it only serve the text of a failure. All functions are called from
 * one thread.
 *
 *	struct guests *guests = NULL;
 *	if ((e = guests_new("demo", 3, &guests, eb)) != OK || (e = guests_start(guests, &o, eb)) != OK)
 *		goto out;
 *	while ((e = guests_look(guests, cloud, &missing, eb)) == OK && missing > 0)
 *		...
 * out:
 *	guests_free(guests);
 */
#ifndef IMPRINT_GUESTS_H
#define IMPRINT_GUESTS_H

#include "visitors.h"

struct guests;

/* Names are NAME, NAME-2, NAME-3, ... ERR_ARG: no name for a board. */
enum err guests_new(
    const char *name, size_t n, struct guests **guests, struct errbuf *eb) MUST_CHECK;
/* Stops what runs; boards vanish from the bus and from their ports. NULL is fine. */
void guests_free(struct guests *guests);

struct guests_options { /* all live until guests_free */
	const char *state, *run, *records;
	const char *broker, *anchor; /* HOST:PORT, and whom the boards believe */
	const struct credentials *credentials;
	const char *version;
	struct steps *steps;
	struct visitors *visitors; /* is told what the server answers */
};
enum err guests_start(
    struct guests *guests, const struct guests_options *o, struct errbuf *eb) MUST_CHECK;
/*
 * Asks the server for those that are set up. *missing: how many are not ONLINE. The reason why a
 * board's setup failed, or why the server does not answer. A device that was deleted is said once.
 */
enum err guests_look(
    struct guests *guests, struct cloud *cloud, size_t *missing, struct errbuf *eb) MUST_CHECK;
/* Gives up: ERR_TIMEOUT with the first one that is missing, and why. */
enum err guests_late(struct guests *guests, long seconds, struct errbuf *eb) MUST_CHECK;

struct guest { /* what there is to say of one */
	char name[65];
	char port[FOLDER_PATH_MAX]; /* "" before it is plugged in */
	char device_id[UUID_TEXT + 1];
	char status[8], activity[CLOUD_WORD_MAX + 1]; /* in the server's words; "" before */
	bool online;                                  /* when last looked at */
};
size_t guests_count(const struct guests *guests);
const struct guest *guests_at(const struct guests *guests, size_t i);

/* --- starting anew: before guests_start --- */

/* Throws the boards' emulated chips away. ERR_CONFLICT: one of them runs. */
enum err guests_forget(struct guests *guests, const char *state, const char *records,
    const struct cli *cli, struct errbuf *eb) MUST_CHECK;
/* Then the server's devices of their records, and the records. */
enum err guests_delete(struct guests *guests, const char *records, struct cloud *cloud,
    const struct cli *cli, struct errbuf *eb) MUST_CHECK;

#endif
