/*
 * conf.h -- a mosquitto.conf, read for what concerns the plugin: options with which its rules would not
 * be asked, words that mosquitto does not know, and whether a line loads the plugin at all.
 *
 * Read as mosquitto 2.0 does it: lines of words by spaces; `include_dir` counts in the first file alone,
 * and means what there ends with ".conf", in the order of the names.
 *
 *	struct conf c = { .found = found, .ctx = ctx };
 *	if ((e = conf_read(&c, "/etc/mosquitto/mosquitto.conf", eb)) == OK && !c.ours)
 *		...                             // this mosquitto does not load the plugin
 */
#ifndef IMPRINT_CONF_H
#define IMPRINT_CONF_H

#include "folder.h"

#define CONF_PLUGIN "imprint-mosquitto.so"
#define CONF_WORD 48

enum conf_kind { CONF_UNSAFE, CONF_UNKNOWN };
struct conf_found {
	enum conf_kind kind;
	const char *path; /* of the file where it is */
	unsigned line;
	char option[CONF_WORD]; /* printable, cut */
	const char *why;
};

struct conf {
	/* For each line, when there is one; what it is given ends with the call. */
	void (*found)(void *ctx, const struct conf_found *f);
	void *ctx;
	bool ours;   /* CONF_PLUGIN is loaded */
	bool partly; /* and mosquitto asks it about some listeners alone */
	bool judges; /* an acl_file or another plugin may have a say in topics */
	/* plugin_opt_device_ca: whichever listener has it for a cafile is for boards */
	char authority[FOLDER_PATH_MAX];
};

/* One text, without what it includes. `authority` counts from the line on where it is. */
void conf_scan(struct conf *c, const char *path, struct slice text);

/*
 * The file and those that it includes. As file_read for each of them; ERR_NOT_FOUND, ERR_DENIED or
 * ERR_IO too for a folder. What could be read before that has been told.
 */
enum err conf_read(struct conf *c, const char *path, struct errbuf *eb) MUST_CHECK;

#endif
