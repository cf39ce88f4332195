#include "log.h"
#include "utc.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const levels[] = { "error", "warning", "info", "debug" };

/* Longest part of a value that is shown; six characters a byte at most. */
#define VALUE_MAX 256
#define FIELD_MAX (6 * VALUE_MAX + 128)

struct line {
	char *p;
	size_t n, cap;
};

/* All of it, or nothing. */
static void put_some(struct line *l, const char *text, size_t n)
{
	if (n > l->cap - l->n)
		return;
	memcpy(l->p + l->n, text, n);
	l->n += n;
}

static void put(struct line *l, const char *text)
{
	put_some(l, text, strlen(text));
}

static void put_number(struct line *l, int64_t number)
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char text[24], *p = text + sizeof(text);

	do {
		*--p = (char)('0' + left % 10);
	} while (left /= 10);
	if (number < 0)
		*--p = '-';
	put_some(l, p, (size_t)(text + sizeof(text) - p));
}

static void put_time(struct line *l, int64_t now_ms)
{
	int64_t seconds = now_ms / 1000 - (now_ms % 1000 < 0);
	unsigned ms = (unsigned)(now_ms - seconds * 1000), in_hour;
	struct x509_hour hour;
	char text[UTC_TEXT_SIZE], rest[16];
	int64_t begun = 0;

	if (utc_hour(seconds, &hour) != OK || utc_seconds(&hour, &begun) != OK)
		hour = (struct x509_hour){ 1, 1, 1, 0 };
	in_hour = (unsigned)(seconds - begun) % 3600;
	utc_text(&hour, text);
	text[14] = '\0'; /* behind the hour's colon */
	snprintf(rest, sizeof(rest), "%02u:%02u.%03uZ", in_hour / 60, in_hour % 60, ms);
	put(l, text);
	put(l, rest);
}

static bool is_usual(char c)
{
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* Both kinds of line know \" and \\; `form` is how other bytes are written. */
static void put_escaped(struct line *l, const char *text, const char *form)
{
	size_t i = 0;

	while (i < VALUE_MAX && text[i] != '\0') {
		size_t from = i;
		char escape[8];

		while (i < VALUE_MAX && is_usual(text[i]))
			i++;
		put_some(l, text + from, i - from);
		if (i == VALUE_MAX || text[i] == '\0')
			break;
		if (text[i] == '"' || text[i] == '\\')
			snprintf(escape, sizeof(escape), "\\%c", text[i]);
		else
			snprintf(escape, sizeof(escape), form, (unsigned)(uint8_t)text[i]);
		put(l, escape);
		i++;
	}
	if (text[i] != '\0')
		put(l, "...");
}

static bool plain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!isgraph((unsigned char)*text) || *text == '"' || *text == '\\' || *text == '=')
			return false;
	return true;
}

static void put_field(struct line *to, bool json, const struct log_field *f)
{
	char text[FIELD_MAX];
	struct line l = { text, 0, sizeof(text) - 1 };
	bool quoted = f->text != NULL && (json || !plain(f->text));

	put(&l, json ? ",\"" : " ");
	put(&l, f->name);
	put(&l, json ? "\":" : "=");
	put(&l, quoted ? "\"" : "");
	if (f->text != NULL) {
		/* In JSON each byte above 7f is a code point of its own: valid, whatever it was. */
		put_escaped(&l, f->text, json ? "\\u%04x" : "\\x%02x");
	} else {
		put_number(&l, f->number);
	}
	put(&l, quoted ? "\"" : "");
	put_some(to, text, l.n);
}

size_t log_line(bool json, int64_t now_ms, enum log_level level, const char *event,
    const struct log_field *fields, size_t n, char out[LOG_LINE_MAX])
{
	struct line l = { out, 0, LOG_LINE_MAX - 2 };

	put(&l, json ? "{\"time\":\"" : "");
	put_time(&l, now_ms);
	put(&l, json ? "\",\"level\":\"" : " ");
	put(&l, levels[level]);
	put(&l, json ? "\",\"event\":\"" : " ");
	put(&l, event);
	put(&l, json ? "\"" : "");
	for (size_t i = 0; i < n; i++)
		put_field(&l, json, &fields[i]);
	l.cap = LOG_LINE_MAX;
	put(&l, json ? "}\n" : "\n");
	return l.n;
}

/*
 * With the lock held. Into a pipe that says it has room 4096 bytes go without waiting (POSIX PIPE_BUF), as
 * long as nobody else fills it; what waits is cut at line ends.
 */
static void write_out(struct log *log)
{
	struct pollfd room = { .fd = log->fd, .events = POLLOUT };

	for (size_t at = 0, n; at < log->n; at += n) {
		n = log->n - at;
		if (n > PIPE_BUF) {
			const char *end = memrchr(log->later + at, '\n', PIPE_BUF);

			n = (size_t)(end - (log->later + at)) + 1; /* lines are shorter */
		}
		if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) &&
		    write(log->fd, log->later + at, n) < 0)
			continue;
	}
	log->n = 0;
}

void log_event(struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, size_t n)
{
	char line[LOG_LINE_MAX];
	size_t length;

	if (level > log->level)
		return;
	length = log_line(log->json, utc_now_ms(), level, event, fields, n, line);
	pthread_mutex_lock(&log->one);
	if (length > sizeof(log->later) - log->n)
		write_out(log);
	memcpy(log->later + log->n, line, length);
	log->n += length;
	pthread_mutex_unlock(&log->one);
}

void log_flush(struct log *log)
{
	pthread_mutex_lock(&log->one);
	write_out(log);
	pthread_mutex_unlock(&log->one);
}
