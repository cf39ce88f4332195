/* `imprint element snapshot` and `restore`: the memory of an emulated element, to a file and back. */
#include "element.h"
#include "emu.h"
#include "text.h"

const struct cli_option element_restore_options[] = {
	{ .name = "genuine-looking",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "also when the serial number looks like Microchip's" },
	{ 0 },
};

static enum err done(
    const struct cli *cli, const char *path, const struct emu_info *info, struct errbuf *eb)
{
	char serial[19];

	hex_encode(SLICE(info->serial), HEX_UPPER, serial);
	if (cli_json(cli))
		return cli_json_print(
		    json_pack("{s:s,s:s,s:s,s:b,s:b,s:b}", "file", path, "model",
		        emu_family_name(info->family), "serial", serial, "config_locked",
		        info->config_locked, "data_locked", info->data_locked, "genuine_looking",
		        info->genuine_looking),
		    eb);
	printf("%s  %s %s\n", path, emu_family_name(info->family), serial);
	return OK;
}

enum err element_snapshot(struct cli *cli, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	struct element_places at;
	struct emu_info info;
	enum err e;

	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = element_state_file(&at, cli->args[0], path, eb)) != OK ||
	    (e = emu_snapshot(path, cli->args[1], &info, eb)) != OK)
		return e;
	return done(cli, cli->args[1], &info, eb);
}

enum err element_restore(struct cli *cli, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	struct element_places at;
	struct emu_info info;
	enum err e;

	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = element_state_file(&at, cli->args[0], path, eb)) != OK ||
	    (e = emu_restore(path, cli->args[1], cli_on(cli, "genuine-looking"), &info, eb)) != OK)
		return e;
	return done(cli, path, &info, eb);
}
