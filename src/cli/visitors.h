/*
 * visitors.h -- which boards are connected at this moment: a line as each comes and goes, a table below.
 *
 * Two things tell it. The server's stream of events, from which visits come as they begin and end,
 * with the reason: that is in the same second. And who asks the server for a board's state hands over
 * the answer: it may be older than the last event, so it is believed when it comes twice in a row and
 * no event came between. What is told before visitors_hold is known, and not said. Boards that come
 * and go by the hundred are counted: no more than a few lines a second are printed. Thread-safe.
 *
 *	if ((e = visitors_new(cli, steps, &visitors, eb)) != OK)
 *		return e;
 *	visitors_told(visitors, &event);           // from the stream's thread
 *	visitors_hold(visitors);
 *	puts("this is what there is now");
 *	visitors_show(visitors);
 *	visitors_asked(visitors, &device);         // now and then
 *	visitors_free(visitors);
 */
#ifndef IMPRINT_VISITORS_H
#define IMPRINT_VISITORS_H

#include "cloud.h"
#include "steps.h"

struct visitors;

/* Both are borrowed until visitors_free. */
enum err visitors_new(const struct cli *cli, struct steps *steps, struct visitors **out,
    struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void visitors_free(struct visitors *all);
/*
 * What happens from here on is said, when visitors_show is called on this thread. Until then whoever tells
 * it something waits.
 */
void visitors_hold(struct visitors *all);
/* Behind visitors_hold: from now on it speaks, and the table stands. */
void visitors_show(struct visitors *all);

/* An event of the stream: what is no visit is passed over. */
void visitors_told(struct visitors *all, const struct cloud_event *event);
/* What the server answers about a board now. */
void visitors_asked(struct visitors *all, const struct cloud_device *device);
/* The rule by which a broker refused it last, "" when none has since it was let in. */
void visitors_refused(struct visitors *all, const char *device, char why[128]);

#endif
