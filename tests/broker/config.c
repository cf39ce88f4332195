/* The broker's configuration: what is written, what is refused, what a full disk leaves. */
#include "tap.h"
#include "broker_config.h"
#include "faults.h"
#include "file.h"
#include "folder.h"
#include "pbkdf2.h"
#include "text.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

static char top[] = "/tmp/imbroker-XXXXXX";
static char folder[64], authority[64], socket_path[64];

static struct broker_config usual(void)
{
	return (struct broker_config){ .folder = folder,
		.authority = authority,
		.chain = "/srv/with space/broker.pem",
		.key = "/srv/with space/broker.key",
		.address = "127.0.0.1",
		.port = 8885,
		.socket = socket_path,
		.password = TEXT("5f0c") };
}

static void put(const char *path, const char *text)
{
	struct errbuf eb;

	if (file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, &eb) !=
	    OK)
		ok(false, "%s", eb.text);
}

/* The caller frees it. */
static char *get(const char *name)
{
	char path[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	size_t n;

	if (folder_join(folder, name, path, NULL) != OK ||
	    file_read_private(path, 65536, &text, &n, NULL) != OK)
		return calloc(1, 1);
	return (char *)text;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at += n)
		if ((at == text || at[-1] == '\n') && (at[n] == '\n' || !at[n]))
			return true;
	return false;
}

static void written(void)
{
	static const char *const lines[] = { "per_listener_settings false", "allow_anonymous false",
		"allow_zero_length_clientid false", "listener 8885 127.0.0.1",
		"require_certificate true", "use_identity_as_username true", "tls_version tlsv1.2",
		"certfile /srv/with space/broker.pem", "keyfile /srv/with space/broker.key",
		"set_tcp_nodelay true", "max_packet_size 65536", "retain_available false" };
	struct broker_config c = usual();
	struct errbuf eb = { "" };
	char line[160], *text;

	ok(broker_config_write(&c, &eb) == OK, "written (%s)", eb.text);
	text = get(BROKER_CONFIG);
	for (size_t i = 0; i < COUNT(lines); i++)
		ok(has_line(text, lines[i]), "says: %s", lines[i]);
	snprintf(line, sizeof(line), "cafile %s", authority);
	ok(has_line(text, line), "boards are vouched for by the device authority");
	snprintf(line, sizeof(line), "listener 0 %s", socket_path);
	ok(has_line(text, line), "the server comes over its socket");
	free(text);

	c.address = NULL;
	ok(broker_config_write(&c, &eb) == OK, "written over the old one (%s)", eb.text);
	text = get(BROKER_CONFIG);
	ok(has_line(text, "listener 8885"), "without an address it listens on all of them");
	free(text);
	text = get("acl");
	ok(has_line(text, "pattern write /a/d/%u/c/up") &&
	        has_line(text, "pattern read /a/d/%u/c/dw") && !strstr(text, "pattern readwrite"),
	    "a board has two topics, one each way");
	free(text);
}

static bool has_own_list(const char *text, const char *name)
{
	char line[160];

	snprintf(line, sizeof(line), "plugin_opt_saved %s/%s", folder, name);
	return has_line(text, line);
}

/* What is its own leaves that of the other brokers alone. */
static void with_name(struct broker_config *c)
{
	struct errbuf eb = { "" };
	char line[160], *before = get(BROKER_CONFIG), *text;

	ok(has_own_list(before, "list"), "the usual name's list");
	c->name = "hall-2.left_1";
	ok(broker_config_write(c, &eb) == OK, "written with a name (%s)", eb.text);
	text = get("mosquitto-hall-2.left_1.conf");
	ok(has_line(text, "plugin_opt_name hall-2.left_1"), "the broker's own name");
	ok(has_own_list(text, "list-hall-2.left_1"), "and its own list");
	free(text);
	text = get(BROKER_CONFIG);
	ok(strcmp(before, text) == 0, "the other broker's file is as it was");
	free(text);
	free(before);
	ok(broker_file(BROKER_SOCKET, NULL, line, NULL) == OK && strcmp(line, "broker.sock") == 0 &&
	        broker_file(BROKER_SOCKET, "mosquitto", line, NULL) == OK &&
	        strcmp(line, "broker.sock") == 0 &&
	        broker_file(BROKER_SOCKET, "feed", line, NULL) == OK &&
	        strcmp(line, "broker-feed.sock") == 0,
	    "sockets by name");
	ok(broker_file(BROKER_SOCKET, "../x", line, NULL) == ERR_ARG, "no path in a name");
}

/* With the plugin nobody but the plugin gives users and topics. */
static void with_plugin(void)
{
	struct broker_config c = usual();
	struct errbuf eb = { "" };
	char line[160], *text;

	c.plugin = "/usr/lib/imprint/imprint-mosquitto.so";
	c.feed = "/run/imprint/feed.sock";
	ok(broker_config_write(&c, &eb) == OK, "written (%s)", eb.text);
	text = get(BROKER_CONFIG);
	ok(has_line(text, "plugin /usr/lib/imprint/imprint-mosquitto.so") &&
	        has_line(text, "plugin_opt_feed /run/imprint/feed.sock") &&
	        has_line(text, "per_listener_settings false"),
	    "the plugin and its feed");
	ok(!strstr(text, "use_identity_as_username") && !strstr(text, "acl_file"),
	    "nothing that would decide before it");
	snprintf(line, sizeof(line), "plugin_opt_device_ca %s", authority);
	ok(has_line(text, line), "the plugin knows the device authority");
	ok(!strstr(text, "plugin_opt_name"), "the broker has its usual name");
	free(text);
	with_name(&c);
}

/* The file of passwords holds none, and what it holds is of ours. */
static void password(void)
{
	char *text = get("internal.pw"), *salt_text = strstr(text, "$101$"), *hash_text;
	uint8_t salt[12], hash[64], want[64];
	size_t n;

	ok(strncmp(text, "imprint:$7$101$", 15) == 0, "a hash in mosquitto's form");
	ok(!strstr(text, "5f0c"), "not the password");
	if (!salt_text || !(hash_text = strchr(salt_text + 5, '$'))) {
		ok(false, "salt and hash");
		free(text);
		return;
	}
	salt_text += 5;
	hash_text += 1;
	ok(base64_decode(
	       (struct slice){ (uint8_t *)salt_text, (size_t)(hash_text - 1 - salt_text) }, salt,
	       sizeof(salt), &n) == OK &&
	        n == sizeof(salt),
	    "12 bytes of salt");
	ok(base64_decode((struct slice){ (uint8_t *)hash_text, strcspn(hash_text, "\n") }, hash,
	       sizeof(hash), &n) == OK &&
	        n == sizeof(hash),
	    "64 bytes of hash");
	ok(pbkdf2_sha512(TEXT("5f0c"), SLICE(salt), 101, want, sizeof(want)) == OK &&
	        memcmp(hash, want, sizeof(want)) == 0,
	    "it is the password's");
	free(text);
}

/* RFC 6070's inputs with SHA-512, as Python's hashlib computes them. */
static void pbkdf2(void)
{
	uint8_t want[20], got[20];

	ok(hex_decode(TEXT("e1d9c16aa681708a45f5c7c4e215ceb66e011a2e"), want, 20) == OK &&
	        pbkdf2_sha512(TEXT("password"), TEXT("salt"), 2, got, 20) == OK &&
	        memcmp(got, want, 20) == 0,
	    "PBKDF2-HMAC-SHA512, two iterations");
	ok(pbkdf2_sha512(TEXT("password"), TEXT("salt"), 0, got, 20) == ERR_ARG, "no iterations");
}

static void refused(const char *name, struct broker_config c, enum err want)
{
	struct errbuf eb = { "" };
	char *before = get(BROKER_CONFIG), *after;

	ok(broker_config_write(&c, &eb) == want && eb.text[0], "%s (%s)", name, eb.text);
	after = get(BROKER_CONFIG);
	ok(strcmp(before, after) == 0, "%s: the configuration is as it was", name);
	free(before);
	free(after);
}

static void refusals(void)
{
	static const char *const names[] = { "", "two words", "a\nuser root",
		"12345678901234567890123456789012345678901234567890123456789012345" };
	char missing[80], two[80], key[80], deep[140];
	struct broker_config c = usual();

#define REFUSED(name, member, value, want)                                                         \
	do {                                                                                       \
		c = usual();                                                                       \
		c.member = value;                                                                  \
		refused(name, c, want);                                                            \
	} while (0)

	REFUSED("a newline in a path", chain, "/srv/a\nallow_anonymous true", ERR_ARG);
	REFUSED("a quote in a path", key, "/srv/a\"b", ERR_ARG);
	REFUSED("DEL in a path", key,
	    "/srv/a\x7f"
	    "b",
	    ERR_ARG);
	REFUSED("a space at its end, which is trimmed", key, "/srv/a ", ERR_ARG);
	REFUSED("a path that is not absolute", chain, "broker.pem", ERR_ARG);
	REFUSED("an empty path", chain, "", ERR_ARG);
	REFUSED("a space in the socket's path", socket, "/run/a b/broker.sock", ERR_ARG);
	memset(deep, 'a', sizeof(deep) - 1);
	deep[0] = '/';
	deep[108] = 0;
	REFUSED("108 bytes of socket", socket, deep, ERR_ARG);
	REFUSED("a name as address", address, "localhost", ERR_ARG);
	REFUSED("an empty address", address, "", ERR_ARG);
	REFUSED("no port", port, 0, ERR_ARG);
	REFUSED("no password", password, (struct slice){ 0 }, ERR_ARG);
	REFUSED("a user with a space", user, "a b", ERR_ARG);
	snprintf(missing, sizeof(missing), "%s/nowhere.pem", top);
	REFUSED("no authority", authority, missing, ERR_NOT_FOUND);
	snprintf(two, sizeof(two), "%s/two.pem", top);
	put(two, ONE ONE);
	REFUSED("a second certificate beside the authority's", authority, two, ERR_FORMAT);
	snprintf(key, sizeof(key), "%s/key.pem", top);
	put(key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	REFUSED("a key as authority", authority, key, ERR_FORMAT);

	REFUSED("a plugin on the loader's path", plugin, "imprint-mosquitto.so", ERR_ARG);
	REFUSED("a plugin without a feed", plugin, "/usr/lib/imprint-mosquitto.so", ERR_ARG);
	for (size_t i = 0; i < COUNT(names); i++) {
		c = usual();
		c.plugin = "/usr/lib/imprint-mosquitto.so";
		c.feed = "/run/feed.sock";
		c.name = names[i];
		refused("a name that is none", c, ERR_ARG);
	}

	ok(chmod(folder, 0755) == 0, "others can look into the folder");
	refused("a folder for everybody", usual(), ERR_DENIED);
	ok(chmod(folder, 0700) == 0, "its mode is back");
}

/* Whatever fails: the old configuration or the new one, and the next try succeeds. */
static void faults(enum fault kind, const char *name)
{
	struct broker_config c = usual();
	struct errbuf eb;
	unsigned wrong = 0;
	long n;

	for (n = 0;; n++) {
		enum err e;

		faults_begin(kind, n);
		e = broker_config_write(&c, &eb);
		if (!faults_end())
			break;
		wrong += e == OK;
		wrong += broker_config_write(&c, &eb) != OK;
	}
	ok(n > 0 && wrong == 0, "%s: %ld points of failure", name, n);
}

static void mode(const char *name)
{
	char path[FOLDER_PATH_MAX];
	struct stat st = { 0 };

	ok(folder_join(folder, name, path, NULL) == OK && stat(path, &st) == 0 &&
	        (st.st_mode & 07777) == 0600,
	    "%s is this user's alone", name);
}

int main(void)
{
	char remove[80];

	if (!mkdtemp(top))
		return 1;
	snprintf(folder, sizeof(folder), "%s/broker", top);
	snprintf(authority, sizeof(authority), "%s/ca.pem", top);
	snprintf(socket_path, sizeof(socket_path), "%s/broker.sock", top);
	snprintf(remove, sizeof(remove), "rm -r %s", top);
	put(authority, ONE);
	with_plugin();
	written();
	mode(BROKER_CONFIG);
	mode("acl");
	mode("internal.pw");
	password();
	pbkdf2();
	refusals();
	faults(FAULT_FILES, "files");
	faults(FAULT_MEMORY, "memory");
	ok(system(remove) == 0, "the folder is gone");
	return done_testing();
}
