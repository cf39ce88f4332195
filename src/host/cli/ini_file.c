#include "ini_file.h"
#include "file.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 65536

struct setting {
	struct setting *next;
	unsigned line;
	char *name, *value;
};

struct cli_ini {
	char *file;
	struct setting *settings;
};

struct reading {
	struct cli_ini *ini;
	struct slice rest;
	unsigned line;
	ini_file_known *known;
	void *ctx;
	struct errbuf *eb;
	enum err e; /* the first failure ends the reading */
};

static const struct setting *find(const struct cli_ini *ini, const char *name)
{
	const struct setting *s = ini == NULL ? NULL : ini->settings;

	while (s != NULL && strcmp(s->name, name) != 0)
		s = s->next;
	return s;
}

/* What libinih takes for fgets. */
static char *line_next(char *line, int cap, void *ctx)
{
	struct reading *r = ctx;
	const uint8_t *end;
	size_t n;

	if (r->e != OK || r->rest.n == 0)
		return NULL;
	r->line++;
	end = memchr(r->rest.p, '\n', r->rest.n);
	n = end == NULL ? r->rest.n : (size_t)(end - r->rest.p) + 1;
	if (n > INI_FILE_LINE_MAX + 1 || n >= (size_t)cap) {
		r->e = err_set(r->eb, ERR_ARG, "%s:%u: the line is longer than %d bytes",
		    r->ini->file, r->line, INI_FILE_LINE_MAX);
		return NULL;
	}
	if (memchr(r->rest.p, '\0', n) != NULL) {
		r->e = err_set(r->eb, ERR_ARG, "%s:%u: a NUL byte", r->ini->file, r->line);
		return NULL;
	}
	memcpy(line, r->rest.p, n);
	line[n] = '\0';
	r->rest.p += n;
	r->rest.n -= n;
	return line;
}

static enum err setting_add(struct reading *r, char *name, const char *value)
{
	const struct setting *before = find(r->ini, name);
	struct setting *s;
	enum err e;

	if ((e = r->known(r->ctx, name, r->eb)) != OK)
		return err_within(r->eb, e, "%s:%u", r->ini->file, r->line);
	/* A line that begins with a blank continues the one before, which no option of ours needs. */
	if (before != NULL)
		return err_set(r->eb, ERR_ARG, "%s:%u: %s has a value in line %u already",
		    r->ini->file, r->line, name, before->line);
	if ((s = calloc(1, sizeof(*s))) == NULL || (s->value = strdup(value)) == NULL ||
	    (s->name = strdup(name)) == NULL) {
		if (s != NULL)
			free(s->value);
		free(s);
		return err_set(r->eb, ERR_MEMORY, "no memory for %s", r->ini->file);
	}
	s->line = r->line;
	s->next = r->ini->settings;
	r->ini->settings = s;
	return OK;
}

static int line_parsed(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *r = ctx;
	char both[2 * INI_FILE_LINE_MAX];

	if (r->e == OK) {
		snprintf(
		    both, sizeof(both), "%s%s%s", section, section[0] == '\0' ? "" : "-", name);
		r->e = setting_add(r, both, value);
	}
	return r->e == OK;
}

enum err ini_file_parse(const char *name, struct slice text, ini_file_known *known, void *ctx,
    struct cli_ini **out, struct errbuf *eb)
{
	struct cli_ini *ini = calloc(1, sizeof(*ini));
	struct reading r = { ini, text, 0, known, ctx, eb, OK };
	int line;
	enum err e;

	if (ini == NULL || (ini->file = strdup(name)) == NULL) {
		e = err_set(eb, ERR_MEMORY, "no memory for %s", name);
		goto out;
	}
	line = ini_parse_stream(line_next, &r, line_parsed, &r);
	e = r.e;
	if (e == OK && line != 0)
		e = err_set(eb, ERR_ARG, "%s:%d: neither [section] nor key = value", name, line);
	if (e != OK)
		goto out;
	*out = ini;
	ini = NULL;
out:
	ini_file_free(ini);
	return e;
}

/* False when there is none; without a home there is no file in it, which is no reason to stop. */
static bool search(const char *program, char path[FOLDER_PATH_MAX])
{
	char folder[FOLDER_PATH_MAX], name[64];

	snprintf(name, sizeof(name), "%s.ini", program);
	if (geteuid() == 0) {
		snprintf(path, FOLDER_PATH_MAX, "/etc/imprint/%s", name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return folder_config(folder, NULL) == OK && folder_join(folder, name, path, NULL) == OK &&
	       access(path, F_OK) == 0;
}

enum err ini_file_read(const char *path, const char *program, ini_file_known *known, void *ctx,
    struct cli_ini **ini, struct errbuf *eb)
{
	char found[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if (path == NULL) {
		if (!search(program, found))
			return OK;
		path = found;
	}
	if ((e = file_read(path, FILE_MAX, &text, &n, eb)) != OK)
		return e;
	e = ini_file_parse(path, (struct slice){ text, n }, known, ctx, ini, eb);
	free(text);
	return e;
}

const char *ini_file_value(const struct cli_ini *ini, const char *name, char *where, size_t cap)
{
	const struct setting *s = find(ini, name);

	if (s == NULL)
		return NULL;
	snprintf(where, cap, "%s:%u: %s", ini->file, s->line, name);
	return s->value;
}

void ini_file_free(struct cli_ini *ini)
{
	if (ini == NULL)
		return;
	for (struct setting *s = ini->settings, *next; s != NULL; s = next) {
		next = s->next;
		free(s->name);
		free(s->value);
		free(s);
	}
	free(ini->file);
	free(ini);
}
