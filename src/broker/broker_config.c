#include "broker_config.h"
#include "feed.h"
#include "file.h"
#include "folder.h"
#include "p256.h"
#include "pbkdf2.h"
#include "text.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX 32768
#define AUTHORITY_MAX 16384

/* As mosquitto_passwd writes them: "$7$", PBKDF2 with SHA-512. The password is random: few will do. */
#define ITERATIONS 101
#define SALT 12
#define HASH 64

/* --- what mosquitto would read --- */

/* It takes the rest of a line as it stands, trims it, and knows no quotes and no escapes. */
static enum err path_check(const char *what, const char *path, struct errbuf *eb)
{
	size_t n = strlen(path);

	if (path[0] != '/')
		return err_set(eb, ERR_ARG, "%s %s: the broker needs an absolute path", what, path);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] < ' ' || path[i] == 0x7f || strchr("\"'\\", path[i]))
			return err_set(eb, ERR_ARG,
			    "%s: character %zu of its path is 0x%02x, which no line of the "
			    "broker's configuration can hold",
			    what, i + 1, (unsigned char)path[i]);
	if (path[n - 1] == ' ')
		return err_set(eb, ERR_ARG, "%s %s: its path ends with a space", what, path);
	return OK;
}

/* The one path that ends at a space. */
static enum err socket_length(const char *path, struct errbuf *eb)
{
	struct sockaddr_un address;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(eb, ERR_ARG, "%s: a socket's path ends at %zu bytes", path,
		    sizeof(address.sun_path) - 1);
	return OK;
}

static enum err feed_check(const char *path, struct errbuf *eb)
{
	enum err e;

	if (!path)
		return err_set(eb, ERR_ARG, "the plugin needs the server's feed");
	e = path_check("the feed's socket", path, eb);
	return e == OK ? socket_length(path, eb) : e;
}

/* As the plugin takes it: one word of the feed. */
static enum err name_check(const char *name, struct errbuf *eb)
{
	size_t n = name ? strlen(name) : 1;

	if (n == 0 || n > FEED_NAME_MAX ||
	    (name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                               "0123456789._-")]))
		return err_set(eb, ERR_ARG,
		    "the broker's name is 1 to %d letters, digits, \".\", \"_\" and \"-\"",
		    FEED_NAME_MAX);
	return OK;
}

enum err broker_file(
    const char *file, const char *name, char out[BROKER_FILE_MAX], struct errbuf *eb)
{
	const char *end = strrchr(file, '.');
	bool usual = !name || strcmp(name, BROKER_NAME) == 0;
	enum err e = name_check(name, eb);

	if (e != OK)
		return e;
	end = end ? end : file + strlen(file);
	snprintf(out, BROKER_FILE_MAX, "%.*s%s%s%s", (int)(end - file), file, usual ? "" : "-",
	    usual ? "" : name, end);
	return OK;
}

static enum err socket_check(const char *path, struct errbuf *eb)
{
	enum err e = path_check("the broker's socket", path, eb);

	if (e == OK && strchr(path, ' '))
		e = err_set(eb, ERR_ARG,
		    "%s: mosquitto takes no socket with a space in its path; set XDG_RUNTIME_DIR",
		    path);
	return e == OK ? socket_length(path, eb) : e;
}

static enum err address_check(const char *address, struct errbuf *eb)
{
	if (address && (!address[0] || address[strspn(address, "0123456789abcdefABCDEF.:%")]))
		return err_set(eb, ERR_ARG, "the broker's address %.64s is not numeric", address);
	return OK;
}

/* Whatever else stood there could vouch for clients too. */
static enum err authority_check(const char *path, struct errbuf *eb)
{
	static const char begin[] = "-----BEGIN ";
	uint8_t *text = NULL;
	size_t n, found = 0;
	enum err e = file_read(path, AUTHORITY_MAX, &text, &n, eb);

	if (e != OK)
		return e;
	for (const char *at = (const char *)text; (at = strstr(at, begin)); at += sizeof(begin) - 1)
		found++;
	if (found != 1 || !strstr((const char *)text, "-----BEGIN CERTIFICATE-----"))
		e = err_set(eb, ERR_FORMAT,
		    "%s: must hold the device authority's certificate and nothing else", path);
	free(text);
	return e;
}

static enum err config_check(const struct broker_config *c, struct errbuf *eb)
{
	enum err e;

	if ((e = path_check("the broker's folder", c->folder, eb)) != OK ||
	    (e = path_check("the device authority", c->authority, eb)) != OK ||
	    (e = path_check("the broker's certificate", c->chain, eb)) != OK ||
	    (e = path_check("the broker's key", c->key, eb)) != OK ||
	    (c->plugin &&
	        ((e = path_check("the plugin", c->plugin, eb)) != OK ||
	            (e = feed_check(c->feed, eb)) != OK || (e = name_check(c->name, eb)) != OK)) ||
	    (e = socket_check(c->socket, eb)) != OK || (e = address_check(c->address, eb)) != OK)
		return e;
	if (c->port == 0)
		return err_set(eb, ERR_ARG, "the broker needs a port");
	if (c->password.n == 0)
		return err_set(eb, ERR_ARG, "the broker's own user needs a password");
	return authority_check(c->authority, eb);
}

/* --- the files --- */

static enum err write_text(
    const struct broker_config *c, const char *name, const char *text, int n, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if (n < 0 || n >= TEXT_MAX)
		return err_set(eb, ERR_SPACE, "%s: would be longer than %d bytes", name, TEXT_MAX);
	if ((e = folder_join(c->folder, name, path, eb)) != OK)
		return e;
	return file_write(path, (struct slice){ (const uint8_t *)text, (size_t)n }, 0600, eb);
}

/* Lines for the plugin; they were checked when they were added. */
static enum err topic_lines(const struct topics *t, char *text, size_t cap, struct errbuf *eb)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; t && i < t->n; i++) {
		int n = snprintf(text + at, cap - at, "plugin_opt_%s %.*s\n",
		    t->row[i].access == TOPIC_WRITE ? "publish" : "subscribe",
		    (int)t->row[i].text.n, (const char *)t->row[i].text.p);

		if (n < 0 || (size_t)n >= cap - at)
			return err_set(
			    eb, ERR_SPACE, "%s: topics that are too long", BROKER_CONFIG);
		at += (size_t)n;
	}
	return OK;
}

static enum err conf_write(
    const struct broker_config *c, const char *user, char text[TEXT_MAX], struct errbuf *eb)
{
	char who[TEXT_MAX - 2 * FOLDER_PATH_MAX], more[TOPICS_MAX * (TOPIC_TEMPLATE_MAX + 24)],
	    conf[BROKER_FILE_MAX], list[BROKER_FILE_MAX];
	enum err e;
	int n;

	if ((e = broker_file(BROKER_CONFIG, c->name, conf, eb)) != OK ||
	    (e = broker_file(BROKER_LIST, c->name, list, eb)) != OK ||
	    (e = topic_lines(c->topics, more, sizeof(more), eb)) != OK)
		return e;
	n = c->plugin ? snprintf(who, sizeof(who),
	                    "\n"
	                    "# who comes in, and to which topics\n"
	                    "plugin %s\n"
	                    "plugin_opt_feed %s\n"
	                    "plugin_opt_device_ca %s\n"
	                    "plugin_opt_saved %s/%s\n"
	                    "%s%s%s"
	                    "plugin_opt_service_user %s\n"
	                    "plugin_opt_fast_tls true\n"
	                    "%s",
	                    c->plugin, c->feed, c->authority, c->folder, list,
	                    c->name ? "plugin_opt_name " : "", c->name ? c->name : "",
	                    c->name ? "\n" : "", BROKER_USER, more)
	              : snprintf(who, sizeof(who), "acl_file %s/acl\n", c->folder);

	if (n < 0 || (size_t)n >= sizeof(who))
		return err_set(eb, ERR_SPACE, "%s: paths that are too long", conf);
	n = snprintf(text, TEXT_MAX,
	    "# Written by imprint at each start: changes are lost.\n"
	    "user %s\n"
	    "per_listener_settings false\n"
	    "persistence false\n"
	    "log_dest stderr\n"
	    "log_timestamp_format %%Y-%%m-%%dT%%H:%%M:%%S\n"
	    "sys_interval 0\n"
	    "allow_anonymous false\n"
	    "allow_zero_length_clientid false\n"
	    "password_file %s/internal.pw\n"
	    "max_packet_size 65536\n"
	    "retain_available false\n"
	    "set_tcp_nodelay true\n"
	    "\n"
	    "# boards\n"
	    "listener %u%s%s\n"
	    "require_certificate true\n"
	    "%s"
	    "cafile %s\n"
	    "certfile %s\n"
	    "keyfile %s\n"
	    "tls_version tlsv1.2\n"
	    "\n"
	    "# the server\n"
	    "listener 0 %s\n"
	    "%s",
	    user, c->folder, (unsigned)c->port, c->address ? " " : "", c->address ? c->address : "",
	    c->plugin ? "" : "use_identity_as_username true\n", /* nobody would ask the plugin */
	    c->authority, c->chain, c->key, c->socket, who);

	return write_text(c, conf, text, n, eb);
}

/* %u is the common name of a verified certificate; the authority puts device ids there alone. */
static enum err acl_write(const struct broker_config *c, char text[TEXT_MAX], struct errbuf *eb)
{
	int n = snprintf(text, TEXT_MAX,
	    "pattern write /a/d/%%u/c/up\n"
	    "pattern read /a/d/%%u/c/dw\n"
	    "\n"
	    "user %s\n"
	    "topic read /a/d/+/c/up\n"
	    "topic write /a/d/+/c/dw\n",
	    BROKER_USER);

	return write_text(c, "acl", text, n, eb);
}

static enum err password_write(
    const struct broker_config *c, char text[TEXT_MAX], struct errbuf *eb)
{
	char salt_text[BASE64_SIZE(SALT) + 1], hash_text[BASE64_SIZE(HASH) + 1];
	uint8_t salt[SALT], hash[HASH];
	enum err e;

	if ((e = random_bytes(salt, sizeof(salt))) != OK)
		return err_set(eb, e, "no random numbers");
	if ((e = pbkdf2_sha512(c->password, SLICE(salt), ITERATIONS, hash, sizeof(hash))) != OK ||
	    (e = base64_encode(SLICE(salt), salt_text, sizeof(salt_text))) != OK ||
	    (e = base64_encode(SLICE(hash), hash_text, sizeof(hash_text))) != OK)
		return err_set(eb, e, "the broker's password cannot be hashed");
	return write_text(c, "internal.pw", text,
	    snprintf(
	        text, TEXT_MAX, "%s:$7$%d$%s$%s\n", BROKER_USER, ITERATIONS, salt_text, hash_text),
	    eb);
}

/* mosquitto gives up root before it reads its keys: as "root" it stays what it is. */
static enum err user_find(const struct broker_config *c, const char **user, struct errbuf *eb)
{
	const struct passwd *p = c->user ? NULL : getpwuid(geteuid());

	if (!c->user && !p && geteuid() == 0)
		return err_set(eb, ERR_NOT_FOUND, "user 0 has no name on this computer");
	/* Only root is ever changed from; a user without a name needs none. */
	*user = c->user ? c->user : p ? p->pw_name : "nobody";
	if (strpbrk(*user, " \t\r\n"))
		return err_set(eb, ERR_ARG, "the user's name has a space in it");
	return OK;
}

enum err broker_config_write(const struct broker_config *c, struct errbuf *eb)
{
	char text[TEXT_MAX];
	const char *user = NULL;
	enum err e;

	if ((e = config_check(c, eb)) != OK || (e = user_find(c, &user, eb)) != OK ||
	    (e = folder_make(c->folder, 0700, eb)) != OK ||
	    (e = folder_private(c->folder, eb)) != OK ||
	    (!c->plugin && (e = acl_write(c, text, eb)) != OK) ||
	    (e = password_write(c, text, eb)) != OK)
		return e;
	/* Last, because it is what mosquitto is started with. */
	return conf_write(c, user, text, eb);
}
