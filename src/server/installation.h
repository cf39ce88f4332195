/*
 * installation.h -- what an installation is: an organization, a device authority, a client's credentials.
 *
 * The first start makes the authority in STATE/ca, then the organization and the authority's row in
 * one transaction. Every later start holds the folder against the row: a registry without its
 * authority, or with another, is refused, because a new one would make strangers of all boards. An
 * empty registry is refused too where there was one.
 *
 * Credentials are a file for a client of the API (mode 0600); the registry keeps the SHA-256 of the
 * secret. They stand where the user's configuration is, or at --credentials. A file there that belongs
 * to another installation stays as it is, and ours goes into the state folder. Each start brings
 * `server` and `ca` in our file up to date; when no file of ours is left, a new client is made.
 *
 *	if ((e = installation_open(&in, state, store, signer_options, eb)) != OK)
 *		return e;
 *	...                                      // listen; now the port is known
 *	e = installation_credentials(&in, &how, store, path, eb);
 */
#ifndef IMPRINT_INSTALLATION_H
#define IMPRINT_INSTALLATION_H

#include "ca.h"
#include "folder.h"
#include "log.h"
#include "store.h"
#include "uuid.h"

struct installation {
	uint32_t tenant, authority; /* their numbers in the store */
	char organization[UUID_TEXT + 1];
	struct ca *ca;
	bool fresh; /* made by this start */
};

/*
 * `now` in seconds; options of the authority's signer may be NULL. ERR_NOT_FOUND: the authority that
 * the registry names is gone, or the registry is; ERR_CONFLICT: it is another, or the clock is before
 * its beginning.
 */
enum err installation_open(struct installation *in, const char *state, struct store *store,
    const struct signer_options *options, int64_t now, struct errbuf *eb) MUST_CHECK;
void installation_close(struct installation *in);

struct installation_access {
	const char *state;
	const char *file;   /* --credentials; NULL: where the user's configuration is */
	const char *server; /* "https://localhost:8443" */
	const char *ca;     /* absolute path of what clients trust */
	struct log *log;
	int64_t now_ms;
};
/* Makes or refreshes the file; path says which one it is. */
enum err installation_credentials(const struct installation *in,
    const struct installation_access *how, struct store *store, char path[FOLDER_PATH_MAX],
    struct errbuf *eb) MUST_CHECK;

/*
 * Random letters and digits and a NUL: 5.95 bits a character. The caller wipes a secret.
 */
enum err installation_random(char *out, size_t n, struct errbuf *eb) MUST_CHECK;

#endif
