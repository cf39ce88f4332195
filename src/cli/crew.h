/*
 * crew.h -- who makes the boards of a crowd: threads that get identities from the server, and remove the devices.
 *
 * Board number i is NAME-i, i from 1. The first thing that goes wrong ends the work and stops the crowd; what was
 * made until then is known and can be removed. A request that is under way when the work is ended is waited for:
 * a device that the server has made meanwhile would be nobody's.
 *
 *	struct crew *crew = NULL;
 *	if ((e = crew_new(&o, &crew, eb)) != OK || (e = crew_claim(crew, again, eb)) != OK ||
 *	    (e = crew_start(crew, crowd, eb)) != OK)
 *		goto out;
 *	e = crowd_run(crowd, stop_fd, eb);
 *	failed = crew_end(crew, eb);
 *	e = crew_remove(crew, eb);
 * out:
 *	crew_free(crew);
 */
#ifndef IMPRINT_CREW_H
#define IMPRINT_CREW_H

#include "cloud.h"
#include "crowd.h"

struct crew;

struct crew_options {
	const struct credentials *credentials; /* borrowed, as all here */
	const char *version, *name;
	size_t n;
	struct emu_options chip; /* of each; its faults are those of the first board alone */
};
enum err crew_new(const struct crew_options *o, struct crew **crew, struct errbuf *eb) MUST_CHECK;
/* Ends the work first. NULL is fine. */
void crew_free(struct crew *crew);
/*
 * Looks which devices of these names the server has. They are the boards' (`again`), or else ERR_CONFLICT: they
 * may be somebody's.
 */
enum err crew_claim(struct crew *crew, bool again, struct errbuf *eb) MUST_CHECK;
/* Begins to fill the crowd. */
enum err crew_start(struct crew *crew, struct crowd *crowd, struct errbuf *eb) MUST_CHECK;
/* How many boards have their identities, or were removed. From any thread. */
size_t crew_done(const struct crew *crew);
/* Waits for the threads. What went wrong first, or OK, also when not all was done. */
enum err crew_end(struct crew *crew, struct errbuf *eb) MUST_CHECK;
/* Removes every device that was claimed or made; goes on when one cannot be, and says so. */
enum err crew_remove(struct crew *crew, struct errbuf *eb) MUST_CHECK;

#endif
