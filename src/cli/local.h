/*
 * local.h -- what the commands share that give identities with the authority of this computer: the
 * authority itself, the records, and the table of steps.
 */
#ifndef IMPRINT_LOCAL_H
#define IMPRINT_LOCAL_H

#include "ca.h"
#include "cli.h"
#include "folder.h"
#include "run.h"

/*
 * Opens the authority in `folder`, or, with NULL, the one in the state folder. One is made only where
 * nobody named a folder: a mistyped name must not become an authority.
 */
enum err local_authority(
    const struct cli *cli, const char *folder, struct ca **ca, struct errbuf *eb) MUST_CHECK;
/* The authority as who signs in a run. It stays the caller's. */
struct issuer local_issuer(struct ca *ca);
/* The folder of the records, made when missing. */
enum err local_records(
    const struct cli *cli, char records[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;
/* One line of progress for what has been done, and its object in the list. */
void local_line(const struct cli *cli, json_t *steps, const char *name, const char *text,
    double seconds, enum client_state state, const char *detail);
/* The same for a step of a run, when it has ended. */
void local_step(const struct cli *cli, json_t *steps, const struct client_event *event);

#endif
