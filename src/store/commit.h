/*
 * commit.h -- the one thread that writes: takes what waits, makes transactions of it, answers.
 */
#ifndef IMPRINT_STORE_COMMIT_H
#define IMPRINT_STORE_COMMIT_H

#include "backend.h"
#include "kept.h"

#include <pthread.h>

struct store {
	const struct store_ops *ops;
	void *db;
	struct store_options options;
	struct kept kept;

	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows, up to the next comment */
	pthread_cond_t work;
	struct store_change *first, **last;
	bool closing;
	struct store_stats stats;
	enum err trouble; /* OK, or what the last transaction failed with */

	/* The committing thread's own. */
	uint64_t batch;
	int64_t faults[3]; /* when the disk failed; the oldest first */
};

enum err committer_start(struct store *s, struct errbuf *eb) MUST_CHECK;
void committer_stop(struct store *s);

#endif
