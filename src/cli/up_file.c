#include "up_file.h"
#include "json_take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define UP_FILE_MAX (256u << 10)

/* --- text --- */

static enum err pid_take(const json_t *from, const char *name, long *pid, struct errbuf *eb)
{
	json_int_t number;
	enum err e = json_take_number(from, name, INT32_MAX, &number, eb);

	if (e == OK)
		*pid = (long)number;
	return e;
}

static enum err child_take(const json_t *from, const char *name, long *pid, struct errbuf *eb)
{
	enum err e = pid_take(json_object_get(from, name), "pid", pid, eb);

	return e == OK ? OK : err_within(eb, e, "%s", name);
}

static enum err boards_take(const json_t *from, struct up_file *up, struct errbuf *eb)
{
	const json_t *list = json_object_get(from, "boards");
	enum err e = OK;

	if (!json_is_array(list) || json_array_size(list) > UP_BOARDS_MAX)
		return err_set(eb, ERR_FORMAT, "boards: missing, no list, or too many");
	up->n_boards = json_array_size(list);
	for (size_t i = 0; e == OK && i < up->n_boards; i++) {
		const json_t *one = json_array_get(list, i);
		struct up_board *b = &up->boards[i];

		if ((e = json_take_text(one, "name", b->name, sizeof(b->name), eb)) == OK &&
		    (e = json_take_text(one, "port", b->port, sizeof(b->port), eb)) == OK)
			e = json_take_text(
			    one, "device_id", b->device_id, sizeof(b->device_id), eb);
	}
	return e;
}

static enum err members_take(const json_t *from, struct up_file *up, struct errbuf *eb)
{
	const json_t *broker = json_object_get(from, "broker");
	json_int_t schema, port;
	enum err e;

	if ((e = json_take_number(from, "schema", 1, &schema, eb)) != OK ||
	    (e = pid_take(from, "pid", &up->pid, eb)) != OK ||
	    (e = json_take_text(from, "server", up->server, sizeof(up->server), eb)) != OK ||
	    (e = json_take_text(
	         from, "credentials", up->credentials, sizeof(up->credentials), eb)) != OK ||
	    (e = json_take_text(from, "run", up->run, sizeof(up->run), eb)) != OK ||
	    (e = json_take_text(broker, "host", up->host, sizeof(up->host), eb)) != OK ||
	    (e = json_take_number(broker, "port", 65535, &port, eb)) != OK ||
	    (e = child_take(from, "imprintd", &up->imprintd, eb)) != OK ||
	    (e = child_take(from, "mosquitto", &up->mosquitto, eb)) != OK)
		return e;
	up->broker_port = (unsigned)port;
	return boards_take(from, up, eb);
}

enum err up_file_parse(struct slice text, struct up_file *up, struct errbuf *eb)
{
	struct up_file seen = { 0 };
	json_t *from = NULL;
	enum err e = json_take_object(text, "up.json", &from, eb);

	if (e != OK)
		return e;
	e = members_take(from, &seen, eb);
	json_decref(from);
	if (e != OK)
		return err_within(eb, e, "up.json");
	*up = seen;
	return OK;
}

enum err up_file_print(const struct up_file *up, char **text, struct errbuf *eb)
{
	json_t *boards = json_array(), *all;

	for (size_t i = 0; i < up->n_boards; i++)
		json_array_append_new(
		    boards, json_pack("{s:s,s:s,s:s}", "name", up->boards[i].name, "port",
		                up->boards[i].port, "device_id", up->boards[i].device_id));
	all = json_pack("{s:i,s:I,s:s,s:s,s:{s:s,s:i},s:s,s:o,s:{s:I},s:{s:I}}", "schema", 1, "pid",
	    (json_int_t)up->pid, "server", up->server, "credentials", up->credentials, "broker",
	    "host", up->host, "port", (int)up->broker_port, "run", up->run, "boards", boards,
	    "imprintd", "pid", (json_int_t)up->imprintd, "mosquitto", "pid",
	    (json_int_t)up->mosquitto);
	*text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
	json_decref(all);
	return *text ? OK
	             : err_set(eb, ERR_MEMORY, "up.json: no memory, or a path that is no text");
}

/* --- file --- */

enum err up_file_lock(const char *state, struct file_lock *lock, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e = folder_join(state, "up.lock", path, eb);

	if (e != OK)
		return e;
	/* Somebody may just be looking. */
	for (int i = 0; (e = file_lock(lock, path, eb)) == ERR_CONFLICT && i < 10; i++)
		usleep(20000);
	return e;
}

enum err up_file_write(const char *state, const struct up_file *up, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], *text = NULL;
	enum err e;

	if ((e = folder_join(state, "up.json", path, eb)) != OK ||
	    (e = up_file_print(up, &text, eb)) != OK)
		return e;
	e = file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, eb);
	free(text);
	return e;
}

void up_file_remove(const char *state)
{
	char path[FOLDER_PATH_MAX];

	if (folder_join(state, "up.json", path, NULL) == OK)
		(void)!unlink(path);
}

/* Looking is shared: those who look see nothing of each other. */
enum err up_file_holder(const char *state, long *pid, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], number[24] = "";
	bool held = false;
	enum err e;
	int fd;

	if ((e = folder_join(state, "up.lock", path, eb)) != OK)
		return e;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return file_error(eb, errno, path, "cannot be opened");
	if (fd >= 0) {
		held = flock(fd, LOCK_SH | LOCK_NB) != 0;
		(void)!read(fd, number, sizeof(number) - 1);
		close(fd);
	}
	*pid = strtol(number, NULL, 10);
	if (held && *pid > 0)
		return OK;
	if ((e = folder_join(state, "up.json", path, eb)) != OK)
		return e;
	return err_set(eb, ERR_NOT_FOUND, "`imprint up` does not run with %s%s", state,
	    access(path, F_OK) == 0 ? "; the last one did not end in order" : "");
}

enum err up_file_read(const char *state, struct up_file *up, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	long pid = 0;
	size_t n;
	enum err e;

	if ((e = up_file_holder(state, &pid, eb)) != OK ||
	    (e = folder_join(state, "up.json", path, eb)) != OK)
		return e;
	e = file_read_private(path, UP_FILE_MAX, &text, &n, eb);
	if (e == ERR_NOT_FOUND)
		return err_set(
		    eb, ERR_CONFLICT, "`imprint up`, process %ld, is just starting", pid);
	if (e != OK)
		return e;
	e = up_file_parse((struct slice){ text, n }, up, eb);
	free(text);
	return e;
}
