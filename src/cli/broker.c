/* `imprint broker config` and `broker check`: the configuration of a mosquitto that somebody else starts. */
#include "broker.h"
#include "commands.h"
#include "conf.h"
#include "file.h"
#include "process.h"
#include "utc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_MAX 256
#define MADE_S 10  /* for what imprintd makes, without --timeout */
#define LOOK_MS 50 /* between two looks for it */

/* An absolute form of the state folder, since mosquitto may be started anywhere. */
static enum err absolute(const char *state, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char *real = realpath(state, NULL);
	enum err e;

	if (!real)
		return err_set(eb, ERR_NOT_FOUND, "%s: no such state folder", state);
	e = folder_join("", real, path, eb);
	free(real);
	return e;
}

enum err broker_configure(const char *state, const struct broker_config *wanted,
    char conf[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX], authority[FOLDER_PATH_MAX], chain[FOLDER_PATH_MAX],
	    key[FOLDER_PATH_MAX], password_path[FOLDER_PATH_MAX], name[BROKER_FILE_MAX];
	uint8_t *password = NULL;
	size_t n = 0;
	enum err e;

	if ((e = absolute(state, conf, eb)) != OK ||
	    (e = folder_join(conf, "ca/certificate.pem", authority, eb)) != OK ||
	    (e = folder_join(conf, "tls/broker.pem", chain, eb)) != OK ||
	    (e = folder_join(conf, "tls/broker.key", key, eb)) != OK ||
	    (e = folder_join(conf, "broker", folder, eb)) != OK ||
	    (e = folder_join(folder, "internal.key", password_path, eb)) != OK)
		return e;
	e = file_read_private(password_path, PASSWORD_MAX, &password, &n, eb);
	if (e != OK)
		return e == ERR_NOT_FOUND
		           ? err_set(eb, e, "%s: not there; imprintd makes it at its first start",
		                 password_path)
		           : e;
	while (n > 0 && password[n - 1] == '\n')
		n--;
	e = broker_config_write(&(struct broker_config){ .folder = folder,
	                            .authority = authority,
	                            .chain = chain,
	                            .key = key,
	                            .address = wanted->address,
	                            .port = wanted->port,
	                            .socket = wanted->socket,
	                            .plugin = wanted->plugin,
	                            .feed = wanted->feed,
	                            .name = wanted->name,
	                            .topics = wanted->topics,
	                            .password = { password, n } },
	    eb);
	wipe(password, n);
	free(password);
	if (e != OK || (e = broker_file(BROKER_CONFIG, wanted->name, name, eb)) != OK)
		return e;
	return folder_join(folder, name, conf, eb);
}

enum err broker_plugin(char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	struct errbuf why = { "" };
	enum err e = process_module(BROKER_PLUGIN, IMPRINT_MODULES, path, &why);

	return e == OK ? OK
	               : err_set(eb, e,
	                     "%s; `make` builds it, `make install` installs it, --plugin names it",
	                     why.text);
}

static const struct cli_option options[] = {
	{ .name = "listen",
	    .kind = CLI_TEXT,
	    .value = "ADDRESS",
	    .fallback = "127.0.0.1",
	    .help = "numeric address for boards; 'all' for every one of this computer" },
	{ .name = "broker-port",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = 65535,
	    .fallback = "8885",
	    .help = "port for boards" },
	{ .name = "socket",
	    .kind = CLI_FILE,
	    .value = "PATH",
	    .help = "where the broker listens for the server; broker.sock in the run folder "
	            "unless given, of a broker with a name broker-NAME.sock" },
	{ .name = "plugin",
	    .kind = CLI_FILE,
	    .flag_only = true,
	    .value = "PATH",
	    .help = "imprint-mosquitto.so, which decides who comes in; the installed one unless "
	            "given" },
	{ .name = "feed",
	    .kind = CLI_FILE,
	    .flag_only = true,
	    .value = "PATH",
	    .help = "the server's Unix socket for the plugin; feed.sock in the run folder unless "
	            "given" },
	{ .name = "broker-name",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "NAME",
	    .help = "what the server calls this broker, when there are several; mosquitto unless "
	            "given" },
	{ .name = "publish",
	    .kind = CLI_TEXT,
	    .many = true,
	    .flag_only = true,
	    .value = "TOPIC",
	    .help = "a topic to which boards may publish besides their own, with {device} or "
	            "{thing} in it: 'mill/{device}/count'; several behind commas" },
	{ .name = "subscribe",
	    .kind = CLI_TEXT,
	    .many = true,
	    .flag_only = true,
	    .value = "TOPIC",
	    .help = "a topic to which they may subscribe, written likewise" },
	{ .name = "no-plugin",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "mosquitto alone: it hears of no revocation, and compares no client ids" },
	{ 0 },
};

/* A path that was given, or one in the run folder. */
static enum err in_run(
    const char *given, const char *name, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX];
	enum err e;

	if (given)
		return folder_join("", given, path, eb);
	if ((e = folder_run(folder, eb)) != OK)
		return e;
	return folder_join(folder, name, path, eb);
}

static enum err topic_options(const struct cli *cli, struct topics *topics, struct errbuf *eb)
{
	static const char *const names[] = {
		[TOPIC_WRITE] = "publish", [TOPIC_READ] = "subscribe"
	};
	struct errbuf why = { "" };

	for (enum topic_access a = TOPIC_WRITE; a <= TOPIC_READ; a++) {
		struct slice s;

		for (unsigned i = 0; (s = cli_nth(cli, names[a], i)).n > 0; i++) {
			enum err e = topics_add(topics, a, s, &why);

			if (e != OK)
				return err_set(eb, ERR_ARG, "--%s %.*s: %s", names[a], (int)s.n,
				    (const char *)s.p, why.text);
		}
	}
	return OK;
}

/* What only a configuration with the plugin has. */
static enum err plugin_options(const struct cli *cli, struct broker_config *c,
    struct topics *topics, char plugin[FOLDER_PATH_MAX], char feed[FOLDER_PATH_MAX],
    struct errbuf *eb)
{
	static const char *const alone[] = { "plugin", "feed", "broker-name", "publish",
		"subscribe" };
	const char *given = cli_text(cli, "plugin");
	enum err e;

	if (cli_on(cli, "no-plugin")) {
		for (size_t i = 0; i < COUNT(alone); i++)
			if (cli_text(cli, alone[i]))
				return err_set(eb, ERR_ARG, "--no-plugin excludes --%s", alone[i]);
		return OK;
	}
	if ((e = given ? folder_join("", given, plugin, eb) : broker_plugin(plugin, eb)) != OK ||
	    (e = in_run(cli_text(cli, "feed"), BROKER_FEED, feed, eb)) != OK ||
	    (e = topic_options(cli, topics, eb)) != OK)
		return e;
	c->topics = topics;
	c->plugin = plugin;
	c->feed = feed;
	c->name = cli_text(cli, "broker-name");
	return OK;
}

/* Who starts both at once is ahead of the first imprintd, which has a key to make first. */
static enum err made(
    const struct cli *cli, const char *state, const char *file, int64_t until_ms, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	bool said = false;
	enum err e = folder_join(state, file, path, eb);

	while (e == OK && access(path, F_OK) != 0 && errno == ENOENT) {
		if (utc_now_ms() >= until_ms)
			return err_set(eb, ERR_NOT_FOUND,
			    "%s: not there; imprintd makes it at its first start with this state "
			    "folder",
			    path);
		if (!said)
			cli_say(cli, "waiting for imprintd, which makes %s", path);
		said = true;
		usleep(LOOK_MS * 1000);
	}
	return e;
}

static enum err all_made(const struct cli *cli, const char *state, struct errbuf *eb)
{
	static const char *const files[] = { "ca/certificate.pem", "tls/broker.key",
		"tls/broker.pem", "broker/internal.key" };
	int64_t until_ms = utc_now_ms() + cli_timeout(cli, MADE_S) * 1000;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < COUNT(files); i++)
		e = made(cli, state, files[i], until_ms, eb);
	return e;
}

static enum err config(struct cli *cli, struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX], socket[FOLDER_PATH_MAX], conf[FOLDER_PATH_MAX],
	    plugin[FOLDER_PATH_MAX], feed[FOLDER_PATH_MAX], name[BROKER_FILE_MAX];
	const char *listen = cli_text(cli, "listen");
	struct broker_config c = { .address = strcmp(listen, "all") == 0 ? NULL : listen,
		.port = (uint16_t)cli_number(cli, "broker-port"),
		.socket = socket };
	struct topics topics = { .n = 0 };
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK ||
	    (e = plugin_options(cli, &c, &topics, plugin, feed, eb)) != OK ||
	    (e = broker_file(BROKER_SOCKET, c.name, name, eb)) != OK ||
	    (e = in_run(cli_text(cli, "socket"), name, socket, eb)) != OK ||
	    (e = all_made(cli, state, eb)) != OK ||
	    (e = broker_configure(state, &c, conf, eb)) != OK)
		return e;
	if (cli_json(cli))
		return cli_json_print(json_pack("{s:s}", "config", conf), eb);
	printf("%s\n", conf);
	return OK;
}

/* --- check --- */

struct check {
	json_t *found[2]; /* by kind; NULL: for people */
	unsigned n[2];
};

static void check_found(void *ctx, const struct conf_found *f)
{
	struct check *c = ctx;

	c->n[f->kind]++;
	if (c->found[f->kind])
		json_array_append_new(
		    c->found[f->kind], json_pack("{s:s,s:i,s:s,s:s}", "file", f->path, "line",
		                           (int)f->line, "option", f->option, "reason", f->why));
	else
		printf("%s:%u: %s: %s\n", f->path, f->line, f->option, f->why);
}

static enum err check_judge(
    const char *path, const struct check *c, const struct conf *conf, struct errbuf *eb)
{
	if (c->n[CONF_UNKNOWN] > 0)
		return err_set(eb, ERR_FORMAT, "%s: no mosquitto would start with it", path);
	if (!conf->ours)
		return err_set(eb, ERR_DENIED,
		    "%s: no line loads %s, so nobody asks it who comes in", path, CONF_PLUGIN);
	if (c->n[CONF_UNSAFE] > 0)
		return err_set(eb, ERR_DENIED, "%s: the plugin would let nobody in", path);
	return OK;
}

static enum err check(struct cli *cli, struct errbuf *eb)
{
	const char *path = cli->args[0];
	struct check c = { .n = { 0 } };
	struct conf conf = { .found = check_found, .ctx = &c };
	enum err e, verdict;

	if (cli_json(cli)) {
		c.found[CONF_UNSAFE] = json_array();
		c.found[CONF_UNKNOWN] = json_array();
	}
	if ((e = conf_read(&conf, path, eb)) != OK) {
		json_decref(c.found[CONF_UNSAFE]);
		json_decref(c.found[CONF_UNKNOWN]);
		return e;
	}
	verdict = check_judge(path, &c, &conf, eb);
	if (cli_json(cli)) {
		if ((e = cli_json_print(
		         json_pack("{s:b,s:b,s:o,s:o}", "ok", verdict == OK, "plugin", conf.ours,
		             "unsafe", c.found[CONF_UNSAFE], "unknown", c.found[CONF_UNKNOWN]),
		         eb)) != OK)
			return e;
		cli->reported = true;
	}
	if (verdict == OK)
		cli_say(cli, "%s: loads the plugin, and no unsafe option", path);
	return verdict;
}

const struct cli_command broker_commands[] = {
	{ .name = "broker config",
	    .summary = "write the broker's configuration",
	    .about = "For a mosquitto that is started by other means than `imprint up`. Written "
	             "are mosquitto.conf and internal.pw (with --no-plugin acl as well) in the "
	             "folder `broker` of the state folder, from the authority and the "
	             "certificates that imprintd made there; the path of the first is printed. "
	             "Start it with `mosquitto -c`, as the same user, before imprintd or after "
	             "it. What the first start of imprintd has still to make is waited for, ten "
	             "seconds unless --timeout says otherwise.\n\n"
	             "With --broker-name SOUTH the file is mosquitto-SOUTH.conf, and list and "
	             "socket are that broker's own; it needs a port of its own as well.",
	    .options = options,
	    .run = config },
	{ .name = "broker check",
	    .summary = "name a mosquitto.conf's unsafe options",
	    .about =
	        "Options with which mosquitto would not ask our plugin who comes in; the plugin "
	        "then lets nobody in. Words that mosquitto does not know are named too, and "
	        "whether the plugin is loaded at all. What the file includes is read as well "
	        "(`include_dir`).",
	    .args = "FILE",
	    .args_min = 1,
	    .args_max = 1,
	    .run = check },
	{ 0 },
};
