/* element.h -- shared by element.c and emulate.c. */
#ifndef IMPRINT_ELEMENT_H
#define IMPRINT_ELEMENT_H

#include "cli.h"
#include "folder.h"

struct element_places {
	char state[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX];
};
enum err element_places(
    const struct cli *cli, struct element_places *at, struct errbuf *eb) MUST_CHECK;

extern const struct cli_option element_emulate_options[];
enum err element_emulate(struct cli *cli, struct errbuf *eb) MUST_CHECK;

#endif
