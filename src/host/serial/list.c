/* The ports of this computer: libserialport's, then the links of virtual boards. */
#include <dirent.h>
#include <errno.h>
#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "serial.h"

struct listing {
	struct serial_listed *at;
	size_t n;
};

static enum err listing_add(struct listing *l, const struct serial_listed *one, struct errbuf *eb)
{
	struct serial_listed *more = realloc(l->at, (l->n + 1) * sizeof(*more));

	if (more == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the list of ports");
	l->at = more;
	l->at[l->n++] = *one;
	return OK;
}

/* Copies text that the operating system or the device chose; NULL is empty. */
static void copy(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text == NULL ? "" : text);
}

static enum err add_real(struct listing *l, struct sp_port *port, struct errbuf *eb)
{
	struct serial_listed one = { .usb_vid = -1, .usb_pid = -1 };
	const char *path = sp_get_port_name(port), *slash = strrchr(path, '/');

	copy(one.path, sizeof(one.path), path);
	copy(one.name, sizeof(one.name), slash == NULL ? path : slash + 1);
	copy(one.about, sizeof(one.about), sp_get_port_description(port));
	if (sp_get_port_transport(port) == SP_TRANSPORT_USB) {
		copy(one.usb_serial, sizeof(one.usb_serial), sp_get_port_usb_serial(port));
		if (sp_get_port_usb_vid_pid(port, &one.usb_vid, &one.usb_pid) != SP_OK)
			one.usb_vid = one.usb_pid = -1;
	}
	return listing_add(l, &one, eb);
}

static enum err add_real_ports(struct listing *l, struct errbuf *eb)
{
	struct sp_port **ports = NULL;
	enum err e = OK;

	/* It looks there, and a sandbox without it shows no hardware. */
	if (access("/sys/class/tty", F_OK) != 0 && errno == ENOENT)
		return OK;
	if (sp_list_ports(&ports) != SP_OK)
		return err_set(eb, ERR_IO, "the serial ports of this computer cannot be listed");
	for (size_t i = 0; ports[i] != NULL && e == OK; i++)
		e = add_real(l, ports[i], eb);
	sp_free_port_list(ports);
	return e;
}

/* A link counts when a terminal stands behind it; one whose board has died does not. */
static enum err add_virtual(
    struct listing *l, const char *folder, const char *name, struct errbuf *eb)
{
	struct serial_listed one = { .usb_vid = -1, .usb_pid = -1, .is_virtual = true };
	struct stat st;

	if (strlen(name) >= sizeof(one.name) ||
	    (size_t)snprintf(one.path, sizeof(one.path), "%s/%s", folder, name) >=
	        sizeof(one.path) ||
	    serial_is_stale(one.path) || stat(one.path, &st) != 0 || !S_ISCHR(st.st_mode))
		return OK;
	copy(one.name, sizeof(one.name), name);
	copy(one.about, sizeof(one.about), "virtual board");
	return listing_add(l, &one, eb);
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static enum err add_virtual_ports(struct listing *l, const char *folder, struct errbuf *eb)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, not_hidden, alphasort);
	enum err e = OK;

	if (n < 0)
		return errno == ENOENT ? OK
		                       : err_set(eb, ERR_IO, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (e == OK)
			e = add_virtual(l, folder, names[i]->d_name, eb);
		free(names[i]);
	}
	free(names);
	return e;
}

enum err serial_list(
    const char *virtual_folder, struct serial_listed **list, size_t *n, struct errbuf *eb)
{
	struct listing l = { NULL, 0 };
	enum err e = add_real_ports(&l, eb);

	if (e == OK && virtual_folder != NULL)
		e = add_virtual_ports(&l, virtual_folder, eb);
	if (e != OK) {
		free(l.at);
		return e;
	}
	*list = l.at;
	*n = l.n;
	return OK;
}
