/*
 * ini_file.h -- private to this folder: the INI file of a program, read whole and refused whole.
 *
 * libinih cuts long lines without a word and knows no line numbers in its callback, so lines come to
 * it one by one from here, counted and measured. Names are those of options: [log] level and
 * log-level are both --log-level.
 *
 *	e = ini_file_read(path_or_null, "imprintd", known, ctx, &ini, eb);
 *	value = ini_file_value(ini, "log-level", where, sizeof(where));
 */
#ifndef IMPRINT_INI_FILE_H
#define IMPRINT_INI_FILE_H

#include "errbuf.h"
#include "folder.h"

/* Longest line, without its end; the library of the system has room for no more. */
#define INI_FILE_LINE_MAX 190

struct cli_ini;

/* OK when there is such an option and a file may set it; called once for each line. */
typedef enum err ini_file_known(void *ctx, const char *name, struct errbuf *eb);

/*
 * PATH, which must be there; NULL: root's /etc/imprint/PROGRAM.ini, else imprint/PROGRAM.ini where
 * configuration is kept; *ini is NULL when there is none. ERR_ARG: FILE:LINE: and what is wrong.
 */
enum err ini_file_read(const char *path, const char *program, ini_file_known *known, void *ctx,
    struct cli_ini **ini, struct errbuf *eb) MUST_CHECK;
/* The same from memory; name is for messages. */
enum err ini_file_parse(const char *name, struct slice text, ini_file_known *known, void *ctx,
    struct cli_ini **ini, struct errbuf *eb) MUST_CHECK;

/* NULL: not set. `where` becomes "FILE:LINE: log-level". ini may be NULL. */
const char *ini_file_value(const struct cli_ini *ini, const char *name, char *where, size_t cap);
void ini_file_free(struct cli_ini *ini);

#endif
