/* `imprint ports`: where boards may be plugged in. */
#include "commands.h"
#include "folder.h"
#include "serial.h"

#include <stdlib.h>

static enum err port_print(const struct cli *cli, const struct serial_listed *p, struct errbuf *eb)
{
	char usb[16] = "";

	if (p->usb_vid >= 0)
		snprintf(usb, sizeof(usb), "%04x:%04x", (unsigned)p->usb_vid & 0xffff,
		    (unsigned)p->usb_pid & 0xffff);
	if (!cli_json(cli)) {
		printf("%-40s %-9s %-20s %s\n", p->path, usb, p->usb_serial, p->about);
		return OK;
	}
	return cli_json_print(
	    json_pack("{s:s,s:s,s:s,s:s,s:s,s:b}", "path", p->path, "name", p->name, "about",
	        p->about, "usb", usb, "usb_serial", p->usb_serial, "virtual", p->is_virtual),
	    eb);
}

static enum err ports(struct cli *cli, struct errbuf *eb)
{
	char run[FOLDER_PATH_MAX], ttys[FOLDER_PATH_MAX];
	struct serial_listed *list = NULL;
	size_t n = 0;
	enum err e;

	if ((e = folder_run(run, eb)) != OK || (e = folder_join(run, "tty", ttys, eb)) != OK ||
	    (e = serial_list(ttys, &list, &n, eb)) != OK)
		return e;
	for (size_t i = 0; i < n && e == OK; i++)
		e = port_print(cli, &list[i], eb);
	if (n == 0)
		cli_say(cli, "no serial port: plug a board in, or start a virtual one with "
		             "`imprint board NAME`");
	free(list);
	return e;
}

const struct cli_command ports_commands[] = {
	{ .name = "ports",
	    .summary = "list the serial ports of this computer and of virtual boards",
	    .run = ports },
	{ 0 },
};
