/* `imprint device`: the devices that a server knows. */
#include "commands.h"
#include "door.h"
#include "remote.h"
#include "sha256.h"
#include "text.h"
#include "utc.h"

#include <stdlib.h>
#include <string.h>

static const struct cli_option list_options[] = {
	REMOTE_OPTIONS,
	{ .name = "tag",
	    .kind = CLI_TEXT,
	    .many = true,
	    .flag_only = true,
	    .value = "KEY=VALUE",
	    .help = "only devices with this tag; given several times, with all of them" },
	{ .name = "status",
	    .kind = CLI_CHOICE,
	    .flag_only = true,
	    .value = "ONLINE|OFFLINE|UNKNOWN",
	    .help = "only devices of this status" },
	{ .name = "deleted",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "the deleted ones instead" },
	{ 0 },
};

#define DESCRIPTION                                                                                \
	{ .name = "fqbn",                                                                          \
		.kind = CLI_TEXT,                                                                  \
		.flag_only = true,                                                                 \
		.value = "FQBN",                                                                   \
		.help = "the board in full, such as arduino:samd:mkrwifi1010" },                   \
	    { .name = "serial",                                                                    \
		    .kind = CLI_TEXT,                                                              \
		    .flag_only = true,                                                             \
		    .value = "TEXT",                                                               \
		    .help = "serial number of the board" },                                        \
	    { .name = "connection",                                                                \
		    .kind = CLI_TEXT,                                                              \
		    .flag_only = true,                                                             \
		    .value = "KIND",                                                               \
		    .help = "how it is connected: wifi, eth, gsm, nb, lora, catm1 or cellular" },  \
	{                                                                                          \
		.name = "tag", .kind = CLI_TEXT, .many = true, .flag_only = true,                  \
		.value = "KEY=VALUE", .help = "a tag for it; may be given several times"           \
	}

static const struct cli_option create_options[] = {
	REMOTE_OPTIONS,
	{ .name = "type",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "TYPE",
	    .fallback = "mkrwifi1010",
	    .help = "kind of board" },
	DESCRIPTION,
	{ 0 },
};
static const struct cli_option update_options[] = {
	REMOTE_OPTIONS,
	{ .name = "name",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "NAME",
	    .help = "its new name" },
	{ .name = "type",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "TYPE",
	    .help = "kind of board" },
	DESCRIPTION,
	{ .name = "thing",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "NAME|ID|none",
	    .help = "the thing that it belongs to, wherever that was before" },
	{ .name = "untag",
	    .kind = CLI_TEXT,
	    .many = true,
	    .flag_only = true,
	    .value = "KEY",
	    .help = "a tag that it loses; may be given several times" },
	{ 0 },
};
static const struct cli_option show_options[] = { REMOTE_OPTIONS, { 0 } };
static const struct cli_option delete_options[] = {
	REMOTE_OPTIONS,
	{ .name = "forget",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "leave nothing of it at the server; else it is marked as deleted" },
	{ 0 },
};

/* --- what is printed --- */

static json_t *tags_json(const struct cloud_device *d)
{
	json_t *tags = json_object();

	for (size_t i = 0; i < d->n_tags; i++)
		json_object_set_new(tags, d->tags[i].key, json_string(d->tags[i].value));
	return tags;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static json_t *device_json(const struct cloud_device *d)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*,s:b,s:o}", "id",
	    d->id, "name", d->name, "type", d->type, "status", d->status, "serial",
	    or_null(d->serial), "fqbn", or_null(d->fqbn), "connection", or_null(d->connection),
	    "created_at", or_null(d->created_at), "last_activity_at", or_null(d->last_activity_at),
	    "thing", or_null(d->thing), "thing_name", or_null(d->thing_name), "deleted", d->deleted,
	    "tags", tags_json(d));
}

/* "floor=2,room=1", cut to fit. */
static void tags_text(const struct cloud_device *d, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; i < d->n_tags && n < cap - 1; i++) {
		int more = snprintf(
		    out + n, cap - n, "%s%s=%s", i ? "," : "", d->tags[i].key, d->tags[i].value);

		n += more > 0 && (size_t)more < cap - n ? (size_t)more : cap - 1 - n;
	}
}

/* --- the table --- */

enum column { NAME, ID, TYPE, STATUS, SEEN, TAGS, COLUMNS };
#define CELL_MAX 320

static const char *const heads[COLUMNS] = { "NAME", "ID", "TYPE", "STATUS", "LAST SEEN", "TAGS" };

static void cell(const struct cloud_device *d, enum column column, char out[CELL_MAX])
{
	const char *const texts[COLUMNS] = { [NAME] = d->name,
		[ID] = d->id,
		[TYPE] = d->type,
		[STATUS] = d->status,
		[SEEN] = d->last_activity_at[0] ? d->last_activity_at : "never" };

	if (column == TAGS)
		tags_text(d, out, CELL_MAX);
	else
		snprintf(out, CELL_MAX, "%s", texts[column]);
}

/* Writes at most `room` columns of the text, and returns how many; what is cut shows it. */
static size_t put(const char *text, size_t room)
{
	size_t n = cli_width(text);

	if (n <= room) {
		fputs(text, stdout);
		return n;
	}
	printf("%.*s%.*s", (int)cli_fit(text, room > 3 ? room - 3 : 0), text,
	    (int)(room < 3 ? room : 3), "...");
	return room;
}

static enum cli_ink ink_of(const struct cloud_device *d)
{
	return strcmp(d->status, "ONLINE") == 0 ? CLI_GREEN : CLI_DIM;
}

/* d NULL: the heads. Columns of no width are left out, and blanks behind the last word too. */
static void row_print(
    const struct cli *cli, const struct cloud_device *d, const size_t wide[COLUMNS])
{
	char text[CELL_MAX];
	int blanks = 0;

	for (enum column c = 0; c < COLUMNS; c++) {
		bool inked = c == STATUS && d;

		if (wide[c] == 0)
			continue;
		if (d)
			cell(d, c, text);
		else
			snprintf(text, sizeof(text), "%s", heads[c]);
		if (text[0])
			printf("%*s", blanks, "");
		blanks = text[0] ? 2 : blanks + 2;
		fputs(inked ? cli_ink(cli, stdout, ink_of(d)) : "", stdout);
		blanks += (int)(wide[c] - put(text, wide[c]));
		fputs(inked ? cli_ink(cli, stdout, CLI_PLAIN) : "", stdout);
	}
	putchar('\n');
}

/* A terminal shows what it has room for, the most important first; the id is never cut. */
static void fit(size_t wide[COLUMNS], size_t terminal)
{
	static const enum column order[] = { ID, STATUS, NAME, SEEN, TYPE, TAGS };
	size_t left = terminal;

	for (size_t i = 0; i < COUNT(order); i++) {
		enum column c = order[i];
		size_t between = i > 0 ? 2 : 0, room = left > between ? left - between : 0;

		left = room > wide[c] ? room - wide[c] : 0;
		if (c == ID || wide[c] <= room)
			continue;
		wide[c] = (c == NAME || c == TAGS) && room >= strlen(heads[c]) ? room : 0;
	}
}

static void table_print(const struct cli *cli, const struct cloud_devices *list)
{
	size_t wide[COLUMNS], terminal = cli_columns(stdout);
	char text[CELL_MAX];

	for (enum column c = 0; c < COLUMNS; c++) {
		wide[c] = cli_width(heads[c]);
		for (size_t i = 0; i < list->n; i++) {
			cell(&list->at[i], c, text);
			if (cli_width(text) > wide[c])
				wide[c] = cli_width(text);
		}
	}
	if (terminal > 0) /* else nobody looks at it, so nothing is cut */
		fit(wide, terminal);
	row_print(cli, NULL, wide);
	for (size_t i = 0; i < list->n; i++)
		row_print(cli, &list->at[i], wide);
}

/* --- tags from the command line --- */

#define TAG_FLAGS_MAX CLI_MANY_MAX

struct tag_flags {
	struct cloud_tag at[TAG_FLAGS_MAX];
	size_t n;
};

static enum err tags_read(const struct cli *cli, struct tag_flags *tags, struct errbuf *eb)
{
	enum err e;

	for (tags->n = 0; cli_nth(cli, "tag", (unsigned)tags->n).n; tags->n++) {
		if (tags->n == TAG_FLAGS_MAX)
			return err_set(eb, ERR_ARG, "--tag: at most %d", TAG_FLAGS_MAX);
		if ((e = remote_tag(
		         cli_nth(cli, "tag", (unsigned)tags->n), &tags->at[tags->n], eb)) != OK)
			return e;
	}
	return OK;
}

/* --- list --- */

/* What the server knows no filter for. */
static void keep(struct cloud_devices *list, const char *status, bool deleted)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct cloud_device *d = &list->at[i];

		if (d->deleted == deleted && (!status || strcmp(d->status, status) == 0))
			list->at[kept++] = *d;
		else
			cloud_device_clear(d);
	}
	list->n = kept;
}

static int by_name(const void *a, const void *b)
{
	const struct cloud_device *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->id, y->id);
}

static enum err list_print(
    const struct cli *cli, struct cloud *cloud, const struct cloud_devices *list, struct errbuf *eb)
{
	enum err e = OK;

	if (list->n == 0)
		cli_say(cli, "%s: no device", cloud_server(cloud));
	if (!cli_json(cli)) {
		if (list->n)
			table_print(cli, list);
		return OK;
	}
	for (size_t i = 0; i < list->n && e == OK; i++)
		e = cli_json_print(device_json(&list->at[i]), eb);
	return e;
}

static enum err list(struct cli *cli, struct errbuf *eb)
{
	struct cloud_devices devices = { NULL, 0 };
	struct cloud *cloud = NULL;
	struct tag_flags tags;
	struct cloud_filter filter = { .tags = tags.at, .deleted = cli_on(cli, "deleted") };
	enum err e;

	if ((e = tags_read(cli, &tags, eb)) != OK)
		return e;
	filter.n_tags = tags.n;
	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = cloud_device_list(cloud, &filter, &devices, eb)) == OK) {
		keep(&devices, cli_text(cli, "status"), filter.deleted);
		if (devices.n)
			qsort(devices.at, devices.n, sizeof(*devices.at), by_name);
		e = list_print(cli, cloud, &devices, eb);
	}
	cloud_devices_clear(&devices);
	cloud_free(cloud);
	return e;
}

/* --- show --- */

/* What a server says that knows nothing but the cloud API. */
static json_t *cert_json(const struct cloud_cert *c)
{
	struct x509_hour until = x509_hour_add_years(&c->fields.issued, c->fields.years);
	char serial[33], fingerprint[65], from[UTC_TEXT_SIZE], to[UTC_TEXT_SIZE];
	uint8_t hash[32];

	sha256((struct slice){ c->der, c->n }, hash);
	hex_encode(SLICE(c->fields.serial), HEX_LOWER, serial);
	hex_encode(SLICE(hash), HEX_LOWER, fingerprint);
	utc_text(&c->fields.issued, from);
	utc_text(&until, to);
	return json_pack("{s:s,s:b,s:s,s:s,s:s,s:s}", "id", c->id, "enabled", c->enabled, "serial",
	    serial, "fingerprint", fingerprint, "not_before", from, "not_after", to);
}

static enum err certs_get(
    struct cloud *cloud, const struct cloud_device *d, json_t *all, struct errbuf *eb)
{
	json_t *list = json_array();
	struct cloud_certs certs;
	enum err e = cloud_cert_list(cloud, d->id, &certs, eb);

	if (e != OK) {
		json_decref(list);
		return e;
	}
	for (size_t i = 0; i < certs.n; i++)
		json_array_append_new(list, cert_json(&certs.at[i]));
	cloud_certs_clear(&certs);
	json_object_set_new(all, "certificates", list);
	return OK;
}

/* Everything that the server says about a device, as JSON for both kinds of output. */
static enum err all_get(
    struct cloud *cloud, const struct cloud_device *d, json_t *all, struct errbuf *eb)
{
	struct cloud_detail detail;
	enum err e;

	if (d->deleted)
		return OK;
	if ((e = cloud_device_detail(cloud, d->id, &detail, eb)) == ERR_NOT_FOUND)
		return certs_get(cloud, d, all, eb);
	if (e == OK) {
		door_json(&detail, all);
		cloud_detail_clear(&detail);
	}
	return e;
}

static void device_print(const struct cloud_device *d, json_t *all)
{
	const struct {
		const char *name, *text;
	} lines[] = { { "name", d->name }, { "id", d->id }, { "type", d->type },
		{ "fqbn", d->fqbn }, { "serial", d->serial }, { "connection", d->connection },
		{ "thing", d->thing_name }, { "status", d->deleted ? "deleted" : d->status },
		{ "last seen", d->last_activity_at[0] ? d->last_activity_at : "never" },
		{ "created", d->created_at } };

	for (size_t i = 0; i < COUNT(lines); i++)
		if (lines[i].text[0])
			printf("%-12s %s\n", lines[i].name, lines[i].text);
	for (size_t i = 0; i < d->n_tags; i++)
		printf("%-12s %s=%s\n", i ? "" : "tags", d->tags[i].key, d->tags[i].value);
	door_print(all);
}

static enum err show_one(
    const struct cli *cli, struct cloud *cloud, const struct cloud_device *d, struct errbuf *eb)
{
	json_t *all = device_json(d);
	enum err e;

	json_object_set_new(all, "certificates", json_array());
	if ((e = all_get(cloud, d, all, eb)) == OK && cli_json(cli))
		return cli_json_print(all, eb);
	if (e == OK)
		device_print(d, all);
	json_decref(all);
	return e;
}

static enum err show(struct cli *cli, struct errbuf *eb)
{
	struct cloud_device d = { .tags = NULL };
	struct cloud *cloud = NULL;
	char id[UUID_TEXT + 1];
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = remote_device(cloud, cli->args[0], id, eb)) == OK &&
	    (e = cloud_device_get(cloud, id, &d, eb)) == OK)
		e = show_one(cli, cloud, &d, eb);
	cloud_device_clear(&d);
	cloud_free(cloud);
	return e;
}

/* --- create and update --- */

static enum err tags_set(
    struct cloud *cloud, const char *id, const struct tag_flags *tags, struct errbuf *eb)
{
	enum err e = OK;

	for (size_t i = 0; i < tags->n && e == OK; i++)
		e = cloud_tag_set(cloud, id, &tags->at[i], eb);
	return e;
}

static enum err tags_lose(
    const struct cli *cli, struct cloud *cloud, const char *id, struct errbuf *eb)
{
	char key[CLOUD_WORD_MAX + 2];
	struct slice s;
	enum err e = OK;

	for (unsigned i = 0; e == OK && (s = cli_nth(cli, "untag", i)).n; i++) {
		snprintf(key, sizeof(key), "%.*s", (int)s.n, (const char *)s.p);
		e = cloud_tag_delete(cloud, id, key, eb);
	}
	return e;
}

static struct cloud_change change_of(const struct cli *cli)
{
	return (struct cloud_change){ .type = cli_text(cli, "type"),
		.serial = cli_text(cli, "serial"),
		.fqbn = cli_text(cli, "fqbn"),
		.connection = cli_text(cli, "connection") };
}

/* Names need not be unique, but who gives one by mistake cannot use it any more. */
static void namesakes_say(const struct cli *cli, struct cloud *cloud, const char *name)
{
	struct cloud_filter filter = { .name = name };
	struct cloud_devices list;
	size_t n = 0;

	if (cloud_device_list(cloud, &filter, &list, NULL) != OK)
		return;
	for (size_t i = 0; i < list.n; i++)
		n += strcmp(list.at[i].name, name) == 0;
	cloud_devices_clear(&list);
	if (n > 1)
		cli_say(cli,
		    "%zu devices are named %s now: commands want the id of the one that is meant",
		    n, name);
}

static enum err create(struct cli *cli, struct errbuf *eb)
{
	struct cloud_device d = { .tags = NULL };
	struct cloud_change with = change_of(cli);
	struct cloud *cloud = NULL;
	struct tag_flags tags;
	enum err e;

	with.name = cli->args[0];
	if ((e = tags_read(cli, &tags, eb)) == OK && (e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = cloud_device_create(cloud, &with, &d, eb)) == OK) {
		if ((e = tags_set(cloud, d.id, &tags, eb)) != OK)
			err_within(eb, e, "device %s is made, but not all its tags", d.id);
		else if (!cli_json(cli))
			printf("%s\n", d.id);
		else
			e = cli_json_print(json_pack("{s:s,s:s}", "id", d.id, "name", d.name), eb);
		namesakes_say(cli, cloud, d.name);
	}
	cloud_device_clear(&d);
	cloud_free(cloud);
	return e;
}

static bool changes(const struct cloud_change *c)
{
	return c->name || c->type || c->serial || c->fqbn || c->connection;
}

/* The device gets this thing, or loses the one that it has. */
static enum err thing_set(
    struct cloud *cloud, const char *device, const char *named, struct errbuf *eb)
{
	struct cloud_thing_change with = { .device = device };
	struct cloud_thing t = { .properties = NULL };
	struct cloud_things has = { NULL, 0 };
	char id[UUID_TEXT + 1];
	enum err e;

	if (strcmp(named, "none") != 0) {
		if ((e = remote_thing(cloud, named, id, eb)) == OK)
			e = cloud_thing_update(cloud, id, &with, &t, eb);
	} else if ((e = cloud_thing_list(cloud, device, &has, eb)) == OK && has.n > 0) {
		with.device = "";
		e = cloud_thing_update(cloud, has.at[0].id, &with, &t, eb);
	}
	cloud_thing_clear(&t);
	cloud_things_clear(&has);
	return e;
}

static enum err update_one(
    const struct cli *cli, struct cloud *cloud, const char *id, struct errbuf *eb)
{
	struct cloud_device d = { .tags = NULL };
	struct cloud_change with = change_of(cli);
	const char *thing = cli_text(cli, "thing");
	struct tag_flags tags;
	enum err e;

	with.name = cli_text(cli, "name");
	if ((e = tags_read(cli, &tags, eb)) != OK)
		return e;
	if (!changes(&with) && tags.n == 0 && !cli_nth(cli, "untag", 0).n && !thing)
		return err_set(eb, ERR_ARG, "nothing to change was given");
	if (changes(&with) && (e = cloud_device_update(cloud, id, &with, &d, eb)) != OK)
		return e;
	cloud_device_clear(&d);
	if ((e = tags_set(cloud, id, &tags, eb)) != OK ||
	    (e = tags_lose(cli, cloud, id, eb)) != OK ||
	    (thing && (e = thing_set(cloud, id, thing, eb)) != OK) ||
	    (e = cloud_device_get(cloud, id, &d, eb)) != OK)
		return e;
	e = show_one(cli, cloud, &d, eb);
	cloud_device_clear(&d);
	return e;
}

static enum err update(struct cli *cli, struct errbuf *eb)
{
	struct cloud *cloud = NULL;
	char id[UUID_TEXT + 1];
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = remote_device(cloud, cli->args[0], id, eb)) == OK)
		e = update_one(cli, cloud, id, eb);
	cloud_free(cloud);
	return e;
}

/* --- delete --- */

/* ctx, a bool: a broker has not answered. */
static enum err remove_one(void *ctx, const struct cli *cli, struct cloud *cloud, const char *name,
    const char *id, struct errbuf *eb)
{
	bool *waiting = ctx;
	enum err e = cloud_device_delete(cloud, id, cli_on(cli, "forget"), eb);

	if (e != OK)
		return e;
	*waiting |= cloud_waiting(cloud)[0] != 0;
	cli_say(cli, "deleted %s%s%s", name,
	    cloud_waiting(cloud)[0] ? ": not answered yet by " : "", cloud_waiting(cloud));
	return OK;
}

static enum err remove_all(struct cli *cli, struct errbuf *eb)
{
	bool waiting = false;
	const struct remote_deletion how = { .noun = "device",
		.nouns = "devices",
		.one = "Its certificates are never valid again.",
		.many = "Their certificates are never valid again.",
		.find = remote_device,
		.go = remove_one,
		.ctx = &waiting };
	enum err e = remote_delete(cli, &how, eb);

	return e == OK && waiting ? door_unanswered(eb) : e;
}

const struct cli_command device_commands[] = {
	{ .name = "device list",
	    .summary = "list the devices that the server knows",
	    .about = "A device is a record at the server; a board becomes one by `imprint "
	             "provision`. ONLINE is what the brokers say, or, while none speaks to the "
	             "server, that a message came at most 90 seconds ago; a board's own word does "
	             "not count.\n\n"
	             "On a terminal that is too narrow for all columns the less important ones are "
	             "left out; elsewhere nothing is.",
	    .options = list_options,
	    .run = list },
	{ .name = "device show",
	    .args = "NAME|ID",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "show a device, its certificates and its connections",
	    .options = show_options,
	    .run = show },
	{ .name = "device create",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "make a device, for a board that gets its identity later",
	    .about = "Prints the id. `imprint provision --name NAME` takes a device of that name "
	             "that was never given a certificate.",
	    .options = create_options,
	    .run = create },
	{ .name = "device update",
	    .args = "NAME|ID",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "change what is known about a device",
	    .options = update_options,
	    .run = update },
	{ .name = "device delete",
	    .args = "NAME|ID...",
	    .args_min = 1,
	    .args_max = CLI_ARGS_MAX,
	    .summary = "delete devices",
	    .about = "A deleted device is kept by the server and shown by `imprint device list "
	             "--deleted`; --forget leaves nothing of it.",
	    .options = delete_options,
	    .run = remove_all },
	{ 0 },
};
