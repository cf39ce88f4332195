#include "chip_options.h"

#include <string.h>

/* Position of an option's word in its list of choices, which ends with NULL; the parser let no other through. */
static int choice(const struct cli *cli, const char *option, const char *const *words)
{
	const char *word = cli_text(cli, option);
	int i = 0;

	while (words[i + 1] != NULL && strcmp(words[i], word) != 0)
		i++;
	return i;
}

enum err chip_options_take(
    const struct cli *cli, struct emu_options *o, uint8_t **plan, struct errbuf *eb)
{
	static const char *const families[] = { "508a", "608a", "608b", NULL };
	static const char *const timings[] = { "instant", "typical", "max", NULL };
	const char *faults = cli_text(cli, "faults");
	enum err e;

	*plan = NULL;
	o->family = (enum emu_family)choice(cli, "family", families);
	o->timing = (enum emu_timing)choice(cli, "timing", timings);
	o->genuine_looking = cli_on(cli, "genuine-looking");
	if (faults != NULL && (e = emu_plan_read(faults, plan, &o->faults.n, eb)) != OK)
		return e;
	o->faults.p = *plan;
	return OK;
}
