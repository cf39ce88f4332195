/* element.h -- shared by element.c, emulate.c, snapshot.c, profile.c. */
#ifndef IMPRINT_ELEMENT_H
#define IMPRINT_ELEMENT_H

#include "cli.h"
#include "folder.h"

struct element_places {
	char state[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX];
};
enum err element_places(
    const struct cli *cli, struct element_places *at, struct errbuf *eb) MUST_CHECK;

/* A name stands for STATE/elements/NAME.se; anything with a slash is a path already. */
enum err element_state_file(const struct element_places *at, const char *name,
    char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

extern const struct cli_option element_emulate_options[];
enum err element_emulate(struct cli *cli, struct errbuf *eb) MUST_CHECK;

extern const struct cli_option element_restore_options[];
enum err element_snapshot(struct cli *cli, struct errbuf *eb) MUST_CHECK;
enum err element_restore(struct cli *cli, struct errbuf *eb) MUST_CHECK;
enum err element_bench(struct cli *cli, struct errbuf *eb) MUST_CHECK;
extern const struct cli_option element_fault_options[];
enum err element_fault(struct cli *cli, struct errbuf *eb) MUST_CHECK;
enum err element_trace(struct cli *cli, struct errbuf *eb) MUST_CHECK;

enum err element_diff(struct cli *cli, struct errbuf *eb) MUST_CHECK;
extern const struct cli_option element_lock_options[];
enum err element_lock(struct cli *cli, struct errbuf *eb) MUST_CHECK;

#endif
