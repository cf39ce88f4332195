/* `imprint thing`: what boards are there for, each with a time zone, at most one device and its last values. */
#include "commands.h"
#include "remote.h"

#include <stdlib.h>
#include <string.h>

#define OF_A_THING                                                                                 \
	{ .name = "timezone",                                                                      \
		.kind = CLI_TEXT,                                                                  \
		.flag_only = true,                                                                 \
		.value = "ZONE",                                                                   \
		.help = "where its clocks are, such as Europe/Rome" },                             \
	{                                                                                          \
		.name = "device", .kind = CLI_TEXT, .flag_only = true, .value = "NAME|ID",         \
		.help = "the device that it gets, wherever that was before"                        \
	}

static const struct cli_option list_options[] = { REMOTE_OPTIONS, { 0 } };
static const struct cli_option create_options[] = { REMOTE_OPTIONS, OF_A_THING, { 0 } };
static const struct cli_option update_options[] = {
	REMOTE_OPTIONS,
	{ .name = "name",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "NAME",
	    .help = "its new name" },
	OF_A_THING,
	{ .name = "detach",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "it has no device any more" },
	{ 0 },
};

/* --- what is printed --- */

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static json_t *thing_json(const struct cloud_thing *t, bool values)
{
	json_t *all = json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:s*}", "id", t->id, "name", t->name,
	    "timezone", t->timezone, "device", or_null(t->device), "device_name",
	    or_null(t->device_name), "created_at", or_null(t->created_at));
	json_t *list = values ? json_array() : NULL;

	for (size_t i = 0; list && i < t->n_properties; i++) {
		const struct cloud_property *p = &t->properties[i];

		json_array_append_new(
		    list, json_pack("{s:s,s:o*,s:s*}", "name", p->name, "value",
		              json_loads(p->value, JSON_DECODE_ANY, NULL), "at", or_null(p->at)));
	}
	if (list)
		json_object_set_new(all, "values", list);
	return all;
}

static void thing_print(const struct cloud_thing *t)
{
	size_t wide = 0;

	printf("%-12s %s\n%-12s %s\n%-12s %s\n", "name", t->name, "id", t->id, "time zone",
	    t->timezone);
	if (t->device[0])
		printf("%-12s %s\n%-12s %s\n", "device", t->device_name, "device id", t->device);
	else
		printf("%-12s %s\n", "device", "none");
	if (t->created_at[0])
		printf("%-12s %s\n", "created", t->created_at);
	for (size_t i = 0; i < t->n_properties; i++)
		if (cli_width(t->properties[i].name) > wide)
			wide = cli_width(t->properties[i].name);
	for (size_t i = 0; i < t->n_properties; i++) {
		const struct cloud_property *p = &t->properties[i];

		printf("%-12s %s%*s %s  %s\n", i ? "" : "values", p->name,
		    (int)(wide - cli_width(p->name)), "", p->value, p->at);
	}
}

static enum err thing_show(const struct cli *cli, const struct cloud_thing *t, struct errbuf *eb)
{
	if (cli_json(cli))
		return cli_json_print(thing_json(t, true), eb);
	thing_print(t);
	return OK;
}

/* --- list and show --- */

static int by_name(const void *a, const void *b)
{
	const struct cloud_thing *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->id, y->id);
}

static void table_print(const struct cloud_things *list)
{
	size_t name = strlen("NAME"), zone = strlen("TIME ZONE");

	for (size_t i = 0; i < list->n; i++) {
		name = cli_width(list->at[i].name) > name ? cli_width(list->at[i].name) : name;
		zone =
		    cli_width(list->at[i].timezone) > zone ? cli_width(list->at[i].timezone) : zone;
	}
	printf(
	    "%-*s  %-36s  %-*s  %s\n", (int)name, "NAME", "ID", (int)zone, "TIME ZONE", "DEVICE");
	for (size_t i = 0; i < list->n; i++) {
		const struct cloud_thing *t = &list->at[i];

		printf("%s%*s  %s  %-*s  %s\n", t->name, (int)(name - cli_width(t->name)), "",
		    t->id, (int)zone, t->timezone, t->device[0] ? t->device_name : "none");
	}
}

static enum err list_print(
    const struct cli *cli, struct cloud *cloud, const struct cloud_things *list, struct errbuf *eb)
{
	enum err e = OK;

	if (list->n == 0)
		cli_say(cli, "%s: no thing", cloud_server(cloud));
	else if (!cli_json(cli))
		table_print(list);
	for (size_t i = 0; i < list->n && e == OK && cli_json(cli); i++)
		e = cli_json_print(thing_json(&list->at[i], false), eb);
	return e;
}

static enum err list(struct cli *cli, struct errbuf *eb)
{
	struct cloud_things things = { NULL, 0 };
	struct cloud *cloud = NULL;
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = cloud_thing_list(cloud, NULL, &things, eb)) == OK) {
		if (things.n)
			qsort(things.at, things.n, sizeof(*things.at), by_name);
		e = list_print(cli, cloud, &things, eb);
	}
	cloud_things_clear(&things);
	cloud_free(cloud);
	return e;
}

static enum err show(struct cli *cli, struct errbuf *eb)
{
	struct cloud_thing t = { .properties = NULL };
	struct cloud *cloud = NULL;
	char id[UUID_TEXT + 1];
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = remote_thing(cloud, cli->args[0], id, eb)) == OK &&
	    (e = cloud_thing_get(cloud, id, &t, eb)) == OK)
		e = thing_show(cli, &t, eb);
	cloud_thing_clear(&t);
	cloud_free(cloud);
	return e;
}

/* --- create, update, delete --- */

/* What was given, with the device's id in `device`. */
static enum err change_read(const struct cli *cli, struct cloud *cloud, char device[UUID_TEXT + 1],
    struct cloud_thing_change *with, struct errbuf *eb)
{
	const char *named = cli_text(cli, "device");
	enum err e = OK;

	with->timezone = cli_text(cli, "timezone");
	if (named && (e = remote_device(cloud, named, device, eb)) == OK)
		with->device = device;
	return e;
}

static enum err create(struct cli *cli, struct errbuf *eb)
{
	struct cloud_thing_change with = { .name = cli->args[0] };
	struct cloud_thing t = { .properties = NULL };
	struct cloud *cloud = NULL;
	char device[UUID_TEXT + 1];
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = change_read(cli, cloud, device, &with, eb)) == OK &&
	    (e = cloud_thing_create(cloud, &with, &t, eb)) == OK) {
		if (cli_json(cli))
			e = cli_json_print(json_pack("{s:s,s:s}", "id", t.id, "name", t.name), eb);
		else
			printf("%s\n", t.id);
	}
	cloud_thing_clear(&t);
	cloud_free(cloud);
	return e;
}

static enum err update(struct cli *cli, struct errbuf *eb)
{
	struct cloud_thing_change with = { .name = cli_text(cli, "name") };
	struct cloud_thing t = { .properties = NULL };
	struct cloud *cloud = NULL;
	char id[UUID_TEXT + 1], device[UUID_TEXT + 1];
	enum err e;

	if (cli_on(cli, "detach") && cli_text(cli, "device"))
		return err_set(eb, ERR_ARG, "--detach and --device exclude each other");
	if (!cli_on(cli, "detach") && !cli_text(cli, "device") && !with.name &&
	    !cli_text(cli, "timezone"))
		return err_set(eb, ERR_ARG, "nothing to change was given");
	if (cli_on(cli, "detach"))
		with.device = "";
	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = remote_thing(cloud, cli->args[0], id, eb)) == OK &&
	    (e = change_read(cli, cloud, device, &with, eb)) == OK &&
	    (e = cloud_thing_update(cloud, id, &with, &t, eb)) == OK)
		e = thing_show(cli, &t, eb);
	cloud_thing_clear(&t);
	cloud_free(cloud);
	return e;
}

static enum err remove_one(void *ctx, const struct cli *cli, struct cloud *cloud, const char *name,
    const char *id, struct errbuf *eb)
{
	enum err e = cloud_thing_delete(cloud, id, eb);

	(void)ctx;
	if (e == OK)
		cli_say(cli, "deleted %s", name);
	return e;
}

static enum err remove_all(struct cli *cli, struct errbuf *eb)
{
	static const struct remote_deletion how = { .noun = "thing",
		.nouns = "things",
		.one = "Its values go with it; its device stays.",
		.many = "Their values go with them; their devices stay.",
		.find = remote_thing,
		.go = remove_one };

	return remote_delete(cli, &how, eb);
}

const struct cli_command thing_commands[] = {
	{ .name = "thing list",
	    .summary = "list the things that the server knows",
	    .about = "A thing is what a board is there for: a name, a time zone, at most one "
	             "device, and "
	             "the last values that its board has said. A sketch with ArduinoIoTCloud calls "
	             "itself attached when its device has one.",
	    .options = list_options,
	    .run = list },
	{ .name = "thing show",
	    .args = "NAME|ID",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "show a thing and its last values",
	    .options = list_options,
	    .run = show },
	{ .name = "thing create",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "make a thing",
	    .about = "Prints the id.",
	    .options = create_options,
	    .run = create },
	{ .name = "thing update",
	    .args = "NAME|ID",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "change a thing, or which device it has",
	    .about = "A board that is connected hears of it at once.",
	    .options = update_options,
	    .run = update },
	{ .name = "thing delete",
	    .args = "NAME|ID...",
	    .args_min = 1,
	    .args_max = CLI_ARGS_MAX,
	    .summary = "delete things with their values",
	    .about = "For good. A device that one of them had has none then.",
	    .options = list_options,
	    .run = remove_all },
	{ 0 },
};
