/*
 * log.h -- the server's log: one line an event on standard error, as text or as JSON.
 *
 *	2026-11-23T02:03:04.005Z info listening address=127.0.0.1 port=8443
 *	{"time":"2026-11-23T02:03:04.005Z","level":"info","event":"listening","address":"127.0.0.1","port":8443}
 *
 * Whatever a value holds, a line is one line: bytes other than printable ASCII are escaped, long values
 * end in "...", and a field that does not fit is left out. Any thread may log; lines go out whole, in
 * their order, and those for which there is no room are lost: nobody waits for whoever reads the log.
 * LOG writes at once; LOG_LATER leaves the line to the next LOG or log_flush. Secrets are never handed
 * to it.
 *
 *	LOG(&log, LOG_LEVEL_INFO, "listening", LOG_TEXT("address", address), LOG_NUMBER("port", port));
 */
#ifndef IMPRINT_LOG_H
#define IMPRINT_LOG_H

#include "base.h"

#include <pthread.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_LATER_MAX 16384

struct log {
	int fd;
	enum log_level level; /* and everything graver */
	bool json;
	pthread_mutex_t one; /* of those who write; guards what follows */
	size_t n;
	char later[LOG_LATER_MAX];
};
/* For an initializer. */
#define LOG_TO(fd, level, json)                                                                    \
	{                                                                                          \
		fd, level, json, PTHREAD_MUTEX_INITIALIZER, 0, ""                                  \
	}

struct log_field {
	const char *name, *text; /* text NULL: the number counts */
	int64_t number;
};
#define LOG_TEXT(name, text) ((struct log_field){ name, text, 0 })
#define LOG_NUMBER(name, number) ((struct log_field){ name, NULL, (int64_t)(number) })
#define LOG_FIELDS(...)                                                                            \
	(const struct log_field[]){ __VA_ARGS__ },                                                 \
	    sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)
#define LOG(log, level, event, ...)                                                                \
	do {                                                                                       \
		log_event(log, level, event, LOG_FIELDS(__VA_ARGS__));                             \
		log_flush(log);                                                                    \
	} while (0)
#define LOG_LATER(log, level, event, ...) log_event(log, level, event, LOG_FIELDS(__VA_ARGS__))

/* Writes nothing yet, unless there is no room for the line otherwise. */
void log_event(struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, size_t n);
void log_flush(struct log *log);

/* The same into memory: its length, the line end with it and no NUL. */
#define LOG_LINE_MAX 2048
size_t log_line(bool json, int64_t now_ms, enum log_level level, const char *event,
    const struct log_field *fields, size_t n, char line[LOG_LINE_MAX]);

#endif
