#include "conf.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1u << 20)

static const struct {
	const char *option, *why;
} unsafe[] = {
	{ "use_identity_as_username", "lets every certificate in without asking the plugin" },
	{ "use_subject_as_username", "lets every certificate in without asking the plugin" },
	{ "per_listener_settings", "the plugin is never called to end a connection" },
	{ "use_username_as_clientid", "refuses boards, which give no user name" },
};

/* Of mosquitto 2.0 and 2.1; the options of plugins begin as they please after "plugin_opt_". */
static const char *const known[] = { "accept_protocol_versions", "acl_file", "address", "addresses",
	"allow_anonymous", "allow_duplicate_messages", "allow_zero_length_clientid", "auth_plugin",
	"auth_plugin_deny_special_chars", "auto_id_prefix", "autosave_interval",
	"autosave_on_changes", "bind_address", "bind_interface", "bridge_alpn",
	"bridge_attempt_unsubscribe", "bridge_bind_address", "bridge_cafile", "bridge_capath",
	"bridge_certfile", "bridge_ciphers", "bridge_ciphers_tls1.3", "bridge_identity",
	"bridge_insecure", "bridge_keyfile", "bridge_max_packet_size", "bridge_max_topic_alias",
	"bridge_outgoing_retain", "bridge_protocol_version", "bridge_psk", "bridge_receive_maximum",
	"bridge_reload_type", "bridge_require_ocsp", "bridge_session_expiry_interval",
	"bridge_tcp_keepalive", "bridge_tcp_user_timeout", "bridge_tls_use_os_certs",
	"bridge_tls_version", "cafile", "capath", "certfile", "check_retain_source", "ciphers",
	"ciphers_tls1.3", "cleansession", "clientid", "clientid_prefixes", "connection",
	"connection_messages", "crlfile", "dhparamfile", "disable_client_cert_date_checks",
	"enable_control_api", "enable_proxy_protocol", "global_max_clients",
	"global_max_connections", "global_plugin", "http_api", "http_dir", "idle_timeout",
	"include_dir", "keepalive_interval", "keyfile", "listener", "listener_allow_anonymous",
	"listener_auto_id_prefix", "local_cleansession", "local_clientid", "local_password",
	"local_username", "log_dest", "log_facility", "log_timestamp", "log_timestamp_format",
	"log_type", "max_connections", "max_inflight_bytes", "max_inflight_messages",
	"max_keepalive", "max_packet_size", "max_qos", "max_queued_bytes", "max_queued_messages",
	"max_topic_alias", "max_topic_alias_broker", "maximum_qos", "memory_limit",
	"message_size_limit", "mount_point", "notification_topic", "notifications",
	"notifications_local_only", "packet_buffer_size", "password", "password_file",
	"per_listener_settings", "persistence", "persistence_file", "persistence_location",
	"persistent_client_expiration", "pid_file", "plugin", "plugin_load", "plugin_use", "port",
	"protocol", "proxy_protocol_v2_require_tls", "psk_file", "psk_hint", "queue_qos0_messages",
	"remote_clientid", "remote_password", "remote_username", "require_certificate",
	"restart_timeout", "retain_available", "retain_expiry_interval", "retained_persistence",
	"retry_interval", "round_robin", "set_tcp_nodelay", "socket_domain", "start_type",
	"sys_interval", "threshold", "tls_engine", "tls_engine_kpass_sha1", "tls_keyform",
	"tls_version", "topic", "try_private", "upgrade_outgoing_qos", "use_identity_as_username",
	"use_subject_as_username", "use_username_as_clientid", "user", "username",
	"websockets_headers_size", "websockets_log_level", "websockets_origin" };

/* --- one text --- */

/* A listener's lines begin with `listener` and end with the next one, or with the file. */
struct scan {
	struct conf *conf;
	const char *path;
	bool ours;       /* the plugin whose options follow */
	unsigned boards; /* the line that makes the listener one for boards; 0: none */
	bool certificates;
	/* For each folder that is included; NULL: none is. */
	enum err (*include)(struct conf *, const char *folder, struct errbuf *);
};

static bool is(struct slice w, const char *text)
{
	return slice_equal(w, (struct slice){ (const uint8_t *)text, strlen(text) });
}

static bool begins(struct slice w, const char *text)
{
	size_t n = strlen(text);

	return w.n > n && memcmp(w.p, text, n) == 0;
}

static struct slice without_blanks(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	while (s.n > 0 && strchr(" \t\r", s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct slice word(struct slice *line)
{
	struct slice w;

	*line = without_blanks(*line);
	w = (struct slice){ line->p, 0 };
	while (line->n > 0 && line->p[0] != ' ' && line->p[0] != '\t')
		line->p++, line->n--, w.n++;
	return w;
}

static void found(
    const struct scan *s, enum conf_kind kind, unsigned line, struct slice option, const char *why)
{
	struct conf_found f = { .kind = kind, .path = s->path, .line = line, .why = why };
	size_t n = option.n < CONF_WORD - 1 ? option.n : CONF_WORD - 1;

	for (size_t i = 0; i < n; i++)
		f.option[i] = option.p[i] > ' ' && option.p[i] < 0x7f ? (char)option.p[i] : '?';
	if (s->conf->found)
		s->conf->found(s->conf->ctx, &f);
}

static void listener_end(struct scan *s)
{
	if (s->boards && !s->certificates)
		found(s, CONF_UNSAFE, s->boards, TEXT("cafile"),
		    "the boards' listener asks for no certificate: require_certificate true is "
		    "missing");
	s->boards = 0;
	s->certificates = false;
}

static void plugin_line(struct scan *s, struct slice path)
{
	size_t n = strlen(CONF_PLUGIN);

	s->ours = path.n >= n && memcmp(path.p + path.n - n, CONF_PLUGIN, n) == 0;
	if (s->ours)
		s->conf->ours = true;
	else
		s->conf->judges = true;
}

/* Of mosquitto 2.1: a name, and the path. */
static void plugin_load(struct scan *s, unsigned number, struct slice name, struct slice path)
{
	plugin_line(s, without_blanks(path));
	if (!s->ours)
		return;
	s->conf->partly = true;
	found(s, CONF_UNSAFE, number, name,
	    "listeners without plugin_use would not ask the plugin: write plugin");
}

static void authority(struct conf *c, struct slice path)
{
	if (path.n >= sizeof(c->authority))
		return;
	memcpy(c->authority, path.p, path.n);
	c->authority[path.n] = '\0';
}

static bool is_known(struct slice name)
{
	if (begins(name, "plugin_opt_") || begins(name, "auth_opt_"))
		return true;
	for (size_t i = 0; i < COUNT(known); i++)
		if (is(name, known[i]))
			return true;
	return false;
}

static void option(struct scan *s, unsigned number, struct slice name, struct slice rest)
{
	struct slice left = rest, value = word(&left);
	bool yes = is(value, "true") || is(value, "1");

	for (size_t i = 0; i < COUNT(unsafe); i++)
		if (yes && is(name, unsafe[i].option))
			found(s, CONF_UNSAFE, number, name, unsafe[i].why);
	if (!is_known(name))
		found(s, CONF_UNKNOWN, number, name, "mosquitto knows no such option");
	if (is(name, "listener"))
		listener_end(s);
	else if (is(name, "require_certificate"))
		s->certificates = yes;
	else if (is(name, "cafile") && s->conf->authority[0] && is(rest, s->conf->authority))
		s->boards = number;
	else if (is(name, "acl_file"))
		s->conf->judges = true;
	else if (is(name, "plugin") || is(name, "auth_plugin") || is(name, "global_plugin"))
		plugin_line(s, rest);
	else if (is(name, "plugin_load"))
		plugin_load(s, number, name, left);
	else if (s->ours && (is(name, "plugin_opt_device_ca") || is(name, "auth_opt_device_ca")))
		authority(s->conf, rest);
}

static enum err include(struct scan *s, struct slice folder, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];

	if (!s->include)
		return OK;
	if (folder.n == 0 || folder.n >= sizeof(path))
		return err_set(eb, ERR_FORMAT, "%s: include_dir without a folder", s->path);
	memcpy(path, folder.p, folder.n);
	path[folder.n] = '\0';
	return s->include(s->conf, path, eb);
}

static enum err lines(struct scan *s, struct slice text, struct errbuf *eb)
{
	unsigned number = 0;
	enum err e = OK;

	while (text.n > 0 && e == OK) {
		const uint8_t *end = memchr(text.p, '\n', text.n), *nul;
		struct slice line = { text.p, end ? (size_t)(end - text.p) : text.n }, name;

		text.p += line.n + (end != NULL);
		text.n -= line.n + (end != NULL);
		number++;
		if ((nul = memchr(line.p, '\0', line.n))) /* where a line of C ends */
			line.n = (size_t)(nul - line.p);
		if (line.n > 0 && line.p[0] == '#')
			continue;
		name = word(&line);
		line = without_blanks(line);
		if (name.n == 0)
			continue;
		option(s, number, name, line);
		if (is(name, "include_dir"))
			e = include(s, line, eb);
	}
	listener_end(s);
	return e;
}

void conf_scan(struct conf *c, const char *path, struct slice text)
{
	(void)!lines(&(struct scan){ .conf = c, .path = path }, text, NULL);
}

/* --- files --- */

static enum err read_one(struct conf *c, const char *path,
    enum err (*included)(struct conf *, const char *, struct errbuf *), struct errbuf *eb)
{
	struct scan s = { .conf = c, .path = path, .include = included };
	uint8_t *text = NULL;
	size_t n = 0;
	enum err e = file_read(path, FILE_MAX, &text, &n, eb);

	if (e == OK)
		e = lines(&s, (struct slice){ text, n }, eb);
	free(text);
	return e;
}

static int is_conf(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

/* As letters of one case first. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	for (const char *x = (*a)->d_name, *y = (*b)->d_name;; x++, y++) {
		int p = *x >= 'a' && *x <= 'z' ? *x - 32 : *x,
		    q = *y >= 'a' && *y <= 'z' ? *y - 32 : *y;

		if (p != q)
			return p - q;
		if (*x != *y || !*x)
			return *x - *y;
	}
}

static enum err read_folder(struct conf *c, const char *folder, struct errbuf *eb)
{
	struct dirent **names = NULL;
	char path[FOLDER_PATH_MAX];
	int n = scandir(folder, &names, is_conf, by_name);
	enum err e = OK;

	if (n < 0)
		return file_error(eb, errno, folder, "cannot be read");
	for (int i = 0; i < n; i++) {
		if (e == OK && (e = folder_join(folder, names[i]->d_name, path, eb)) == OK)
			e = read_one(c, path, NULL, eb);
		free(names[i]);
	}
	free(names);
	return e;
}

enum err conf_read(struct conf *c, const char *path, struct errbuf *eb)
{
	struct conf first = { .found = NULL };

	/* The plugin's options may come after the listener that they tell about. */
	(void)!read_one(&first, path, read_folder, NULL);
	memcpy(c->authority, first.authority, sizeof(c->authority));
	return read_one(c, path, read_folder, eb);
}
