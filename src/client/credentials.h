/*
 * credentials.h -- which server, and who we are there.
 *
 * A credentials file is a JSON object: `client` (32 letters or digits), `secret` (64), `organization`
 * (a UUID), `server` (https://HOST or https://HOST:PORT) and `ca` (absolute path of the certificate
 * that the server's chain ends in; without it, the roots that the system trusts). imprintd writes one
 * at its first start. It holds a secret: one that group or others can touch is refused. Unknown
 * members are refused, so a mistyped name is not a default.
 *
 * The look-up takes the first file there is: the one that was named, the user's own, the one that a
 * running `imprint up` names in its state folder. A server that was named wins over the file's.
 *
 *	struct credentials c;
 *	if ((e = credentials_find(&where, &c, eb)) != OK)      // ERR_NOT_FOUND: says what to do
 *		return e;
 *	...
 *	wipe(&c, sizeof(c));
 */
#ifndef IMPRINT_CREDENTIALS_H
#define IMPRINT_CREDENTIALS_H

#include "errbuf.h"
#include "folder.h"
#include "uuid.h"

#define CREDENTIALS_CLIENT 32
#define CREDENTIALS_SECRET 64
#define CREDENTIALS_SERVER_MAX 280
#define CREDENTIALS_SIZE_MAX 8192

struct credentials {
	char client[CREDENTIALS_CLIENT + 1];
	char secret[CREDENTIALS_SECRET + 1];
	char organization[UUID_TEXT + 1];
	char server[CREDENTIALS_SERVER_MAX + 1]; /* without a slash at its end */
	char ca[FOLDER_PATH_MAX];                /* "": the system's roots */
	char file[FOLDER_PATH_MAX];              /* where they were found */
};

struct credentials_where {
	const char *server; /* named by flag or environment; NULL: the file's */
	const char *file;   /* the same */
	const char *state;  /* folder with up.json */
	const char *called; /* our program, in advice; NULL: imprint */
};

/*
 * ERR_NOT_FOUND: there is no file, with the advice. ERR_DENIED: others can read it. ERR_FORMAT: file,
 * member and reason. *out is untouched on failure.
 */
enum err credentials_find(
    const struct credentials_where *where, struct credentials *out, struct errbuf *eb) MUST_CHECK;

/* The text of a file and back. `file` is left empty. ERR_FORMAT with the member. */
enum err credentials_parse(
    struct slice text, struct credentials *out, struct errbuf *eb) MUST_CHECK;
/* *text is the caller's to wipe and to free. */
enum err credentials_print(const struct credentials *c, char **text, struct errbuf *eb) MUST_CHECK;

/*
 * https://HOST or https://HOST:PORT with at most one slash behind it, which is dropped. A host is a
 * name, an IPv4 address or an IPv6 address in brackets. Else ERR_FORMAT.
 */
enum err credentials_server_parse(
    struct slice text, char out[CREDENTIALS_SERVER_MAX + 1], struct errbuf *eb) MUST_CHECK;

/* The file named in the text of up.json, of which nothing else is looked at. ERR_FORMAT. */
enum err credentials_of_up(
    struct slice text, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

#endif
