/*
 * bench_broker.h -- a mosquitto of its own in a temporary folder, and boards that it lets in: to measure it.
 *
 * Its configuration is the one that we write for a real one. The device authority, the broker's certificate and the
 * plugin's list (docs/feed.md) are made for the occasion; nothing that exists is read or changed, and all of it is
 * gone afterwards.
 *
 *	struct bench_broker *b = NULL;
 *	if ((e = bench_broker_start(&o, &b, eb)) == OK && (e = bench_broker_fill(b, crowd, eb)) == OK)
 *		...                              // crowd at bench_broker_where(b), with bench_broker_anchor(b)
 *	bench_broker_free(b);
 */
#ifndef IMPRINT_BENCH_BROKER_H
#define IMPRINT_BENCH_BROKER_H

#include "crowd.h"
#include "folder.h"

struct bench_broker;

struct bench_broker_options {
	const char *mosquitto; /* program; NULL: in PATH or /usr/sbin */
	const char *plugin;    /* NULL: mosquitto alone */
	size_t boards;
	int stop_fd;
};

/* ERR_NOT_FOUND: no mosquitto. ERR_TIMEOUT: it does not serve. Else what its log says. */
enum err bench_broker_start(
    const struct bench_broker_options *o, struct bench_broker **out, struct errbuf *eb) MUST_CHECK;
/* Stops it. NULL is fine. */
void bench_broker_free(struct bench_broker *b);
/* HOST:PORT for boards, and the PEM file with whom they believe. */
const char *bench_broker_where(const struct bench_broker *b);
const char *bench_broker_anchor(const struct bench_broker *b);
/* Adds the boards, each with its identity. */
enum err bench_broker_fill(
    struct bench_broker *b, struct crowd *crowd, struct errbuf *eb) MUST_CHECK;
/* Processor time that it has used, in seconds. ERR_IO with its last words: it has ended. */
enum err bench_broker_cpu(struct bench_broker *b, double *seconds, struct errbuf *eb) MUST_CHECK;

#endif
