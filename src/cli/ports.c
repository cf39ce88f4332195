/* `imprint ports`: where boards may be plugged in. */
#include "commands.h"
#include "folder.h"
#include "serial.h"

#include <stdlib.h>

static size_t larger(size_t n, const char *text)
{
	return cli_width(text) > n ? cli_width(text) : n;
}

static void cell(const char *text, size_t wide)
{
	if (wide > 0)
		printf("%s%*s", text, (int)(wide - cli_width(text) + 2), "");
}

static void usb_text(const struct serial_listed *p, char usb[16])
{
	usb[0] = '\0';
	if (p->usb_vid >= 0)
		snprintf(usb, 16, "%04x:%04x", (unsigned)p->usb_vid & 0xffff,
		    (unsigned)p->usb_pid & 0xffff);
}

/* Columns as wide as what stands in them; what stands nowhere has none. */
static void ports_print(const struct serial_listed *list, size_t n)
{
	size_t path = 0, number = 0, serial = 0;
	char usb[16];

	for (size_t i = 0; i < n; i++) {
		usb_text(&list[i], usb);
		path = larger(path, list[i].path);
		number = larger(number, usb);
		serial = larger(serial, list[i].usb_serial);
	}
	for (size_t i = 0; i < n; i++) {
		usb_text(&list[i], usb);
		cell(list[i].path, path);
		cell(usb, number);
		cell(list[i].usb_serial, serial);
		puts(list[i].about);
	}
}

static enum err port_json(const struct serial_listed *p, struct errbuf *eb)
{
	char usb[16];

	usb_text(p, usb);
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
	for (size_t i = 0; i < n && e == OK && cli_json(cli); i++)
		e = port_json(&list[i], eb);
	if (!cli_json(cli))
		ports_print(list, n);
	if (n == 0)
		cli_say(cli, "no serial port: plug a board in, or start a virtual one with "
		             "`imprint board NAME`");
	free(list);
	return e;
}

const struct cli_command ports_commands[] = {
	{ .name = "ports",
	    .summary = "list this computer's serial ports, virtual ones too",
	    .run = ports },
	{ 0 },
};
