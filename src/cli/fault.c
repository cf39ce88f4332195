/* `imprint element fault`: what shall go wrong with an emulated element that runs. */
#include "chip.h"
#include "element.h"
#include "fault_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option element_fault_options[] = {
	{ .name = "off",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "end the plan; nothing more goes wrong" },
	{ 0 },
};

static enum err read_stdin(uint8_t **text, size_t *n, struct errbuf *eb)
{
	uint8_t *p = malloc(EMU_PLAN_SIZE_MAX + 1);

	if (p == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for a plan");
	*n = fread(p, 1, EMU_PLAN_SIZE_MAX + 1, stdin);
	if (ferror(stdin) || *n > EMU_PLAN_SIZE_MAX) {
		free(p);
		return err_set(eb, ERR_SPACE, "standard input: no plan of at most %d bytes",
		    EMU_PLAN_SIZE_MAX);
	}
	*text = p;
	return OK;
}

/* The plan as the emulator is told it: without comments it fits one request. */
static enum err read_plan(const char *path, struct fault_plan *plan, struct errbuf *eb)
{
	bool typed = strcmp(path, "-") == 0;
	uint8_t *text = NULL;
	size_t n = 0;
	enum err e = typed ? read_stdin(&text, &n, eb) : emu_plan_read(path, &text, &n, eb);

	if (e == OK && (e = fault_plan_parse((struct slice){ text, n }, plan, eb)) != OK)
		e = err_within(eb, e, "%s", typed ? "standard input" : path);
	free(text);
	return e;
}

static enum err tell(const char *path, const struct fault_plan *plan, struct errbuf *eb)
{
	char text[FAULT_PLAN_TEXT], why[SEI2C_WHY_MAX];
	struct sei2c bus;
	enum err e;

	if (sei2c_init(&bus, path, SEI2C_ADDRESS) != OK)
		return err_set(
		    eb, ERR_ARG, "%s: socket paths end at %d bytes", path, SEI2C_PATH_MAX);
	fault_plan_print(plan, text);
	e = sei2c_faults(&bus, (struct slice){ (uint8_t *)text, strlen(text) }, why);
	if (e == ERR_FORMAT)
		err_set(eb, e, "%s: %s", path, why);
	else if (e == ERR_TIMEOUT)
		e = err_set(eb, ERR_NOT_FOUND, "%s: no chip at address %02X", path, SEI2C_ADDRESS);
	else if (e != OK && bus.error == EPROTO)
		err_set(eb, e, "%s: this emulator takes no faults while it runs", path);
	else if (e != OK)
		e = err_set(eb,
		    bus.error == ENOENT || bus.error == ECONNREFUSED ? ERR_NOT_FOUND : e, "%s: %s",
		    path, strerror(bus.error));
	sei2c_close(&bus);
	return e;
}

enum err element_fault(struct cli *cli, struct errbuf *eb)
{
	struct fault_plan plan = { .n = 0 };
	char path[FOLDER_PATH_MAX];
	struct element_places at;
	enum err e;

	if (cli_on(cli, "off") != (cli->n_args == 1))
		return err_set(eb, ERR_ARG, "either a plan or --off");
	if ((cli->n_args == 2 && (e = read_plan(cli->args[1], &plan, eb)) != OK) ||
	    (e = element_places(cli, &at, eb)) != OK ||
	    (e = chip_socket(at.run, cli->args[0], path, eb)) != OK ||
	    (e = tell(path, &plan, eb)) != OK)
		return e;
	if (cli_json(cli))
		return cli_json_print(
		    json_pack("{s:s,s:i}", "socket", path, "faults", (int)plan.n), eb);
	cli_say(cli, "%s: faults planned: %zu", cli->args[0], plan.n);
	return OK;
}
