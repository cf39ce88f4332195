/*
 * up_file.h -- STATE/up.json: how other commands find an `imprint up` that runs.
 *
 * The file is written by `up` for its own user alone and removed when it ends. After a crash it lies
 * there still; what tells is the lock STATE/up.lock, which the kernel gives back.
 *
 *	switch (up_file_read(state, &up, eb)) {
 *	case OK: ...                          // runs, as process up.pid
 *	case ERR_NOT_FOUND: ...               // does not run; eb says whether it left its file
 */
#ifndef IMPRINT_UP_FILE_H
#define IMPRINT_UP_FILE_H

#include "file.h"
#include "folder.h"

#define UP_BOARDS_MAX 32

struct up_board {
	char name[65];
	char port[FOLDER_PATH_MAX];
	char device_id[37]; /* "" before it has one */
};

struct up_file {
	long pid, imprintd, mosquitto;
	char server[256], host[256];
	unsigned broker_port;
	char credentials[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX];
	struct up_board boards[UP_BOARDS_MAX];
	size_t n_boards;
};

/* One `up` a state folder. ERR_CONFLICT with "held by process ..." */
enum err up_file_lock(const char *state, struct file_lock *lock, struct errbuf *eb) MUST_CHECK;
enum err up_file_write(const char *state, const struct up_file *up, struct errbuf *eb) MUST_CHECK;
void up_file_remove(const char *state);

/*
 * OK: it runs. ERR_NOT_FOUND: none does. ERR_CONFLICT: one runs and has not written its file yet.
 * ERR_FORMAT: it runs, its file is wrong.
 */
enum err up_file_read(const char *state, struct up_file *up, struct errbuf *eb) MUST_CHECK;

/* The process that has the lock. ERR_NOT_FOUND: none does; eb says whether one left its file. */
enum err up_file_holder(const char *state, long *pid, struct errbuf *eb) MUST_CHECK;

/* Strict: each member, its type and its length. ERR_FORMAT with the member. */
enum err up_file_parse(struct slice text, struct up_file *up, struct errbuf *eb) MUST_CHECK;
/* *text is the caller's to free. */
enum err up_file_print(const struct up_file *up, char **text, struct errbuf *eb) MUST_CHECK;

#endif
