#include "remote.h"

#include <string.h>

enum err remote_credentials(const struct cli *cli, struct credentials *out, struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX];
	struct credentials_where where = { .server = cli_text(cli, "server"),
		.file = cli_text(cli, "credentials"),
		.state = state };
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK)
		return e;
	return credentials_find(&where, out, eb);
}

enum err remote_open(const struct cli *cli, struct cloud **out, struct errbuf *eb)
{
	struct credentials c;
	struct cloud_options o = { .credentials = &c,
		.version = cli->program->version,
		.limit_ms = (uint32_t)cli_timeout(cli, 0) * 1000,
		.stop_fd = cli->command->stops ? cli_stop_fd() : -1 };
	enum err e;

	if ((e = remote_credentials(cli, &c, eb)) != OK)
		return e;
	cli_detail(cli, "server %s, credentials %s", c.server, c.file);
	e = cloud_open(&o, out, eb);
	wipe(&c, sizeof(c));
	return e;
}

enum err remote_tag(struct slice text, struct cloud_tag *tag, struct errbuf *eb)
{
	const uint8_t *equals = text.n ? memchr(text.p, '=', text.n) : NULL;
	size_t key = equals ? (size_t)(equals - text.p) : 0, value;

	if (!equals)
		return err_set(eb, ERR_ARG, "--tag: not KEY=VALUE");
	value = text.n - key - 1;
	if (key == 0 || key > CLOUD_WORD_MAX || value == 0 || value > CLOUD_WORD_MAX)
		return err_set(
		    eb, ERR_ARG, "--tag: key and value have 1 to %d characters", CLOUD_WORD_MAX);
	memcpy(tag->key, text.p, key);
	tag->key[key] = 0;
	memcpy(tag->value, equals + 1, value);
	tag->value[value] = 0;
	return OK;
}

/* "ID, ID, ...": of those that bear the name. */
static void ids_text(const struct cloud_devices *list, const char *named, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->at[i].name, named) != 0)
			continue;
		if (n + UUID_TEXT + 8 > cap) {
			snprintf(out + n, cap - n, ", ...");
			return;
		}
		n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? ", " : "", list->at[i].id);
	}
}

enum err remote_device(
    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	struct slice text = { (const uint8_t *)named, strlen(named) };
	struct cloud_filter filter = { .name = named };
	struct cloud_devices list;
	char ids[3 * (UUID_TEXT + 2) + 8];
	uint8_t uuid[16];
	size_t found = 0;
	enum err e;

	if (uuid_parse(text, uuid) == OK) {
		memcpy(id, named, UUID_TEXT + 1);
		return OK;
	}
	if ((e = cloud_device_list(cloud, &filter, &list, eb)) != OK)
		return e;
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.at[i].name, named) == 0 && found++ == 0)
			memcpy(id, list.at[i].id, UUID_TEXT + 1);
	if (found == 0) {
		e = err_set(
		    eb, ERR_NOT_FOUND, "%s: no device is named %.64s", cloud_server(cloud), named);
	} else if (found > 1) {
		ids_text(&list, named, ids, sizeof(ids));
		e = err_set(eb, ERR_CONFLICT, "%zu devices are named %.64s; give the id of one: %s",
		    found, named, ids);
	}
	cloud_devices_clear(&list);
	return e;
}
