/*
 * control.h -- the buttons of a virtual board: a Unix socket that takes one word a connection.
 *
 * A client sends a word and LF: `status`, `reset`, `unplug`, `plug` or `stop`; the board answers with
 * lines "key value", then "ok" or "error NUMBER TEXT", and closes. The socket lies in the run folder,
 * which only its owner can enter. One client at a time; one that says nothing is cut off.
 */
#ifndef IMPRINT_CONTROL_H
#define IMPRINT_CONTROL_H

#include "errbuf.h"

#define CONTROL_WORD_MAX 32
#define CONTROL_REPLY_MAX 4096

struct control {
	int fd, client; /* -1: none */
	uint64_t until; /* when the client is cut off */
	char word[CONTROL_WORD_MAX];
	size_t n;
	const char *path; /* borrowed */
};
#define CONTROL_CLOSED ((struct control){ .fd = -1, .client = -1 })

/* The socket of a board that died is replaced; the caller holds the lock of the board's name. */
enum err control_listen(struct control *c, const char *path, struct errbuf *eb) MUST_CHECK;
/* Removes the socket. */
void control_close(struct control *c);
/* What to poll for reading now. */
int control_fd(const struct control *c);
/* Takes what has come. True when c->word is complete and waits for control_answer. */
bool control_take(struct control *c, uint64_t now_ms);
/* Sends the text, then "ok" or the error, and lets the client go. */
void control_answer(struct control *c, const char *text, enum err e, const struct errbuf *eb);

/*
 * The other end: sends a word, copies the "key value" lines. ERR_NOT_FOUND when nobody listens;
 * ERR_TIMEOUT; else what the board answered.
 */
enum err control_ask(const char *path, const char *word, char reply[CONTROL_REPLY_MAX],
    struct errbuf *eb) MUST_CHECK;

#endif
