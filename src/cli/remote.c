#include "remote.h"

#include <string.h>

enum err remote_credentials(const struct cli *cli, struct credentials *out, struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX];
	struct credentials_where where = { .server = cli_text(cli, "server"),
		.file = cli_text(cli, "credentials"),
		.state = state,
		.called = cli->called };
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

/* --- by name --- */

/* Those that bear the name: how many, the id of the first, and as many ids as have room. */
struct bearers {
	const char *named;
	size_t n;
	char first[UUID_TEXT + 1], ids[3 * (UUID_TEXT + 2) + 8];
};

static void bearer_add(struct bearers *b, const char *name, const char *id)
{
	size_t n = strlen(b->ids), cap = sizeof(b->ids);

	if (strcmp(name, b->named) != 0)
		return;
	if (b->n++ == 0)
		memcpy(b->first, id, UUID_TEXT + 1);
	if (n + UUID_TEXT + 8 <= cap)
		snprintf(b->ids + n, cap - n, "%s%s", n ? ", " : "", id);
	else if (!strstr(b->ids, "..."))
		snprintf(b->ids + n, cap - n, ", ...");
}

static enum err bearer_only(struct cloud *cloud, const struct bearers *b, const char *what,
    char id[UUID_TEXT + 1], struct errbuf *eb)
{
	if (b->n == 0)
		return err_set(eb, ERR_NOT_FOUND, "%s: no %s is named %.64s", cloud_server(cloud),
		    what, b->named);
	if (b->n > 1)
		return err_set(eb, ERR_CONFLICT, "%zu %ss are named %.64s; give the id of one: %s",
		    b->n, what, b->named, b->ids);
	memcpy(id, b->first, UUID_TEXT + 1);
	return OK;
}

static bool is_id(const char *named)
{
	uint8_t uuid[16];

	return uuid_parse((struct slice){ (const uint8_t *)named, strlen(named) }, uuid) == OK;
}

enum err remote_device(
    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	struct cloud_filter filter = { .name = named };
	struct bearers b = { .named = named };
	struct cloud_devices list;
	enum err e;

	if (is_id(named)) {
		memcpy(id, named, UUID_TEXT + 1);
		return OK;
	}
	if ((e = cloud_device_list(cloud, &filter, &list, eb)) != OK)
		return e;
	for (size_t i = 0; i < list.n; i++)
		bearer_add(&b, list.at[i].name, list.at[i].id);
	cloud_devices_clear(&list);
	return bearer_only(cloud, &b, "device", id, eb);
}

enum err remote_thing(
    struct cloud *cloud, const char *named, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	struct bearers b = { .named = named };
	struct cloud_things list;
	enum err e;

	if (is_id(named)) {
		memcpy(id, named, UUID_TEXT + 1);
		return OK;
	}
	if ((e = cloud_thing_list(cloud, NULL, &list, eb)) != OK)
		return e;
	for (size_t i = 0; i < list.n; i++)
		bearer_add(&b, list.at[i].name, list.at[i].id);
	cloud_things_clear(&list);
	return bearer_only(cloud, &b, "thing", id, eb);
}

/* --- deleting --- */

static enum err delete_ask(const struct cli *cli, struct cloud *cloud,
    const struct remote_deletion *how, char (*ids)[UUID_TEXT + 1], struct errbuf *eb)
{
	char question[192];
	enum err e;

	for (unsigned i = 0; i < cli->n_args; i++)
		if ((e = how->find(cloud, cli->args[i], ids[i], eb)) != OK)
			return e;
	if (cli->n_args == 1)
		snprintf(question, sizeof(question), "Delete %s %.64s? %s", how->noun, cli->args[0],
		    how->one);
	else
		snprintf(question, sizeof(question), "Delete %u %s? %s", cli->n_args, how->nouns,
		    how->many);
	return cli_confirm(cli, question, eb);
}

enum err remote_delete(struct cli *cli, const struct remote_deletion *how, struct errbuf *eb)
{
	char ids[CLI_ARGS_MAX][UUID_TEXT + 1];
	struct cloud *cloud = NULL;
	unsigned done = 0;
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = delete_ask(cli, cloud, how, ids, eb)) == OK) {
		while (done < cli->n_args &&
		       (e = how->go(how->ctx, cli, cloud, cli->args[done], ids[done], eb)) == OK)
			done++;
		if (e != OK && done > 0)
			err_within(eb, e, "after %u of %u", done, cli->n_args);
	}
	if (e == OK && cli_json(cli))
		e = cli_json_print(json_pack("{s:i}", "deleted", (int)done), eb);
	cloud_free(cloud);
	return e;
}
