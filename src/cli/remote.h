/*
 * remote.h -- what the commands share that talk to a server: its options, and opening it.
 *
 *	static const struct cli_option options[] = { REMOTE_OPTIONS, { 0 } };
 *	if ((e = remote_open(cli, &cloud, eb)) == OK)
 *		e = cloud_device_list(cloud, NULL, &list, eb);
 *	cloud_free(cloud);
 */
#ifndef IMPRINT_REMOTE_H
#define IMPRINT_REMOTE_H

#include "cli.h"
#include "cloud.h"

#define REMOTE_OPTIONS                                                                             \
	{ .name = "server",                                                                        \
		.kind = CLI_TEXT,                                                                  \
		.value = "URL",                                                                    \
		.help = "https://HOST:PORT; the one in the credentials unless given" },            \
	{                                                                                          \
		.name = "credentials", .kind = CLI_FILE, .value = "FILE",                          \
		.help = "who we are there; your own, then those of a running `imprint up`"         \
	}

/* The credentials that these options, the user's configuration or a running `imprint up` name. */
enum err remote_credentials(
    const struct cli *cli, struct credentials *out, struct errbuf *eb) MUST_CHECK;
/* Nothing is sent yet. */
enum err remote_open(const struct cli *cli, struct cloud **out, struct errbuf *eb) MUST_CHECK;

/* KEY=VALUE. ERR_ARG. */
enum err remote_tag(struct slice text, struct cloud_tag *tag, struct errbuf *eb) MUST_CHECK;

/*
 * The id of a device named by id, or by a name that only one has. ERR_NOT_FOUND; ERR_CONFLICT when
 * several have it.
 */
enum err remote_device(
    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb) MUST_CHECK;
/* The same of a thing. */
enum err remote_thing(
    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb) MUST_CHECK;

/* How a command deletes what its arguments name. */
struct remote_deletion {
	const char *noun, *nouns; /* "device" */
	const char *one, *many;   /* what becomes of it, or them: "Its values go with it." */
	enum err (*find)(
	    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb);
	/* Deletes one and says so. */
	enum err (*go)(void *ctx, const struct cli *cli, struct cloud *cloud, const char *named,
	    const char *id, struct errbuf *eb);
	void *ctx;
};
/* Everything is found and asked for before anything is deleted. */
enum err remote_delete(
    struct cli *cli, const struct remote_deletion *how, struct errbuf *eb) MUST_CHECK;

#endif
