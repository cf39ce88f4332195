/* Boards that run in other processes: their buttons, their state, their names. */
#include "board.h"
#include "control.h"
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err ask(const char *run, const char *name, const char *word,
    char reply[CONTROL_REPLY_MAX], struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = board_name_check(name, eb)) != OK)
		return e;
	if ((size_t)snprintf(path, sizeof(path), "%s/board/%s.sock", run, name) >= sizeof(path))
		return err_set(eb, ERR_ARG, "%s: the path is too long", run);
	if ((e = control_ask(path, word, reply, eb)) == ERR_NOT_FOUND)
		return err_set(eb, e, "no virtual board %s runs; start it with `imprint board %s`",
		    name, name);
	return e;
}

enum err board_press(const char *run, const char *name, enum board_button button, struct errbuf *eb)
{
	static const char *const words[] = {
		[BOARD_BUTTON_RESET] = "reset",
		[BOARD_BUTTON_UNPLUG] = "unplug",
		[BOARD_BUTTON_PLUG] = "plug",
		[BOARD_BUTTON_STOP] = "stop",
	};
	char reply[CONTROL_REPLY_MAX];

	return ask(run, name, words[button], reply, eb);
}

/* Takes the value of a line "key value" out of the reply; "" when it is not there. */
static void value(const char *reply, const char *key, char *out, size_t cap)
{
	size_t n = strlen(key);

	out[0] = '\0';
	for (const char *p = reply; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, n) == 0 && p[n] == ' ') {
			snprintf(out, cap, "%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
			return;
		}
	}
}

static uint64_t number(const char *reply, const char *key)
{
	char text[32];

	value(reply, key, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

enum err board_status_get(
    const char *run, const char *name, struct board_status *s, struct errbuf *eb)
{
	char reply[CONTROL_REPLY_MAX], key[16];
	enum err e;

	if ((e = ask(run, name, "status", reply, eb)) != OK)
		return e;
	memset(s, 0, sizeof(*s));
	value(reply, "name", s->name, sizeof(s->name));
	value(reply, "state", s->state, sizeof(s->state));
	value(reply, "step", s->step, sizeof(s->step));
	value(reply, "broker", s->broker, sizeof(s->broker));
	value(reply, "port", s->port, sizeof(s->port));
	value(reply, "element", s->element, sizeof(s->element));
	value(reply, "wording", s->wording, sizeof(s->wording));
	value(reply, "wifi", s->wifi, sizeof(s->wifi));
	s->pid = (long)number(reply, "pid");
	s->chip_busy_us = number(reply, "busy_us");
	s->wire_frames = number(reply, "frames");
	s->wire_commands = number(reply, "commands");
	for (unsigned i = 0; i < COUNT(s->opcodes); i++) {
		snprintf(key, sizeof(key), "opcode %02x", i);
		s->opcodes[i] = (uint32_t)number(reply, key);
	}
	return OK;
}

static enum err name_add(char ***names, size_t *n, const char *file, struct errbuf *eb)
{
	char **more = realloc(*names, (*n + 1) * sizeof(*more));

	if (more == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the list of boards");
	*names = more;
	more[*n] = strndup(file, strlen(file) - strlen(".sock"));
	if (more[*n] == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the list of boards");
	(*n)++;
	return OK;
}

static int is_socket_name(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".sock") == 0;
}

/* A socket whose board has died answers nothing and is left out. */
static bool answers(const char *run, const char *file)
{
	char name[256], reply[CONTROL_REPLY_MAX];
	struct errbuf unused;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - 5), file);
	return ask(run, name, "status", reply, &unused) == OK;
}

enum err board_names(const char *run, char ***names, size_t *n, struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX];
	struct dirent **files = NULL;
	char **list = NULL;
	size_t count = 0;
	enum err e;
	int found;

	if ((e = folder_join(run, "board", folder, eb)) != OK)
		return e;
	found = scandir(folder, &files, is_socket_name, alphasort);
	if (found < 0 && errno != ENOENT)
		return err_set(eb, ERR_IO, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < found; i++) {
		if (e == OK && answers(run, files[i]->d_name))
			e = name_add(&list, &count, files[i]->d_name, eb);
		free(files[i]);
	}
	free(files);
	if (e != OK) {
		while (count > 0)
			free(list[--count]);
		free(list);
		return e;
	}
	*names = list;
	*n = count;
	return OK;
}
