/* A mosquitto.conf: what keeps the plugin from being asked, what mosquitto does not know, and what is included. */
#include "conf.h"
#include "file.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct seen {
	unsigned n, line;
	enum conf_kind kind;
	char option[CONF_WORD];
	const char *file; /* its last part */
	char path[FOLDER_PATH_MAX];
	char order[64]; /* of the files' first letters */
};

static void found(void *ctx, const struct conf_found *f)
{
	struct seen *s = ctx;
	size_t n = strlen(s->order);

	s->n++;
	s->line = f->line;
	s->kind = f->kind;
	snprintf(s->option, sizeof(s->option), "%s", f->why[0] ? f->option : "");
	snprintf(s->path, sizeof(s->path), "%s", f->path);
	s->file = strrchr(s->path, '/') ? strrchr(s->path, '/') + 1 : s->path;
	if (n + 1 < sizeof(s->order))
		s->order[n] = s->file[0];
}

#define OURS "plugin /x/imprint-mosquitto.so\nplugin_opt_device_ca /ca.pem\n"

static const struct {
	const char *what, *text, *option;
	unsigned n, line;
	enum conf_kind kind;
} cases[] = {
	{ "identity as user", "listener 1\nuse_identity_as_username true\n",
	    "use_identity_as_username", 1, 2, CONF_UNSAFE },
	{ "subject as user", "use_subject_as_username 1", "use_subject_as_username", 1, 1,
	    CONF_UNSAFE },
	{ "per listener", "# a\n\n  per_listener_settings   true\r\n", "per_listener_settings", 1,
	    3, CONF_UNSAFE },
	{ "user as client id", "use_username_as_clientid true\n", "use_username_as_clientid", 1, 1,
	    CONF_UNSAFE },
	{ "false", "use_identity_as_username false\nper_listener_settings 0\n", "", 0, 0, 0 },
	{ "in a comment", "#use_identity_as_username true\n# per_listener_settings true\n", "", 0,
	    0, 0 },
	{ "without a value", "use_identity_as_username\nlistener 1\n", "", 0, 0, 0 },
	{ "two", "per_listener_settings true\nuse_identity_as_username true\n",
	    "use_identity_as_username", 2, 2, CONF_UNSAFE },
	{ "an empty file", "", "", 0, 0, 0 },
	{ "no option of mosquitto", "listener 1\n127.0.0.1 localhost\n", "127.0.0.1", 1, 2,
	    CONF_UNKNOWN },
	{ "the beginning of one", "use_identity_as_user true\n", "use_identity_as_user", 1, 1,
	    CONF_UNKNOWN },
	{ "nothing that moves a cursor", "\x1b[2J\xc3 true\n", "?[2J?", 1, 1, CONF_UNKNOWN },
	{ "a plugin's own option", "plugin_opt_whatever true\nauth_opt_x 1\n", "", 0, 0, 0 },
	{ "boards without certificates", "listener 1\ncafile /ca.pem\n" OURS, "cafile", 1, 2,
	    CONF_UNSAFE },
	{ "boards with certificates", "listener 1\ncafile /ca.pem\nrequire_certificate true\n" OURS,
	    "", 0, 0, 0 },
	{ "certificates for another listener",
	    "listener 1\ncafile /ca.pem\nlistener 2\nrequire_certificate true\n" OURS, "cafile", 1,
	    2, CONF_UNSAFE },
	{ "a listener of others", "listener 1\ncafile /other.pem\n" OURS, "", 0, 0, 0 },
	{ "a plugin of others",
	    "listener 1\ncafile /ca.pem\nplugin /x.so\n"
	    "plugin_opt_device_ca /ca.pem\n",
	    "", 0, 0, 0 },
	{ "for some listeners", "plugin_load a /x/imprint-mosquitto.so\nlistener 1\nplugin_use a\n",
	    "plugin_load", 1, 1, CONF_UNSAFE },
	{ "others' for some listeners", "plugin_load a /x.so\n", "", 0, 0, 0 },
};

static void texts(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice text = { (const uint8_t *)cases[i].text, strlen(cases[i].text) };
		struct conf c = { .found = NULL };
		struct seen s = { 0 };

		conf_scan(&c, "x", text); /* learns the authority */
		c.found = found;
		c.ctx = &s;
		conf_scan(&c, "x", text);
		ok(s.n == cases[i].n && s.line == cases[i].line && s.kind == cases[i].kind &&
		        strcmp(s.option, cases[i].option) == 0,
		    "%s", cases[i].what);
	}
}

static void plugins(void)
{
	static const struct {
		const char *text;
		bool ours, judges;
	} all[] = {
		{ "listener 1\n", false, false },
		{ OURS, true, false },
		{ "auth_plugin /x/imprint-mosquitto.so\n", true, false },
		{ "plugin_load a /x/imprint-mosquitto.so\n", true, false },
		{ "#plugin /x/imprint-mosquitto.so\n", false, false },
		{ "plugin /x/imprint-mosquitto.so.old\n", false, true },
		{ OURS "plugin /x/dynamic_security.so\n", true, true },
		{ OURS "acl_file /etc/acl\n", true, true },
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		struct conf c = { .found = NULL };

		conf_scan(
		    &c, "x", (struct slice){ (const uint8_t *)all[i].text, strlen(all[i].text) });
		ok(c.ours == all[i].ours && c.judges == all[i].judges, "plugins, case %zu", i);
	}
}

static char folder[] = "conf-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[FOLDER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ok(file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, NULL) ==
	        OK,
	    "%s", name);
}

static enum err take(const char *name, struct conf *c, struct seen *s, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];

	*s = (struct seen){ 0 };
	*c = (struct conf){ .found = found, .ctx = s };
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return conf_read(c, path, eb);
}

static void included(void)
{
	char path[FOLDER_PATH_MAX], text[2 * FOLDER_PATH_MAX];
	struct errbuf eb = { "" };
	struct seen s;
	struct conf c;

	snprintf(path, sizeof(path), "%s/d", folder);
	ok(mkdir(path, 0700) == 0, "a folder");
	snprintf(text, sizeof(text), "include_dir %s/d\n", folder);
	put("main", text);
	ok(take("main", &c, &s, &eb) == OK && s.n == 0 && !c.ours, "an empty folder");
	put("d/b.conf", "per_listener_settings true\n");
	put("d/A.conf", "# one\nuse_identity_as_username true\n");
	put("d/a.conf", "use_subject_as_username true\n");
	put("d/c.conf", text); /* does not count there */
	put("d/B.confx", "use_identity_as_username true\n");
	put("d/.conf", "use_identity_as_username true\n");
	ok(take("main", &c, &s, &eb) == OK && s.n == 3 && strcmp(s.order, "Aab") == 0,
	    "what ends with .conf, in mosquitto's order: %s", s.order);
	ok(s.line == 1 && strcmp(s.file, "b.conf") == 0, "file and line are named");
	put("d/z.conf", "listener 8885\ncafile /ca.pem\n");
	snprintf(text, sizeof(text), "include_dir %s/d\n" OURS, folder);
	put("main", text);
	ok(take("main", &c, &s, &eb) == OK && s.n == 4 && strcmp(s.option, "cafile") == 0 && c.ours,
	    "a listener there, the plugin here");
	put("main", "include_dir nowhere\n");
	ok(take("main", &c, &s, &eb) == ERR_NOT_FOUND && strstr(eb.text, "nowhere"),
	    "no such folder: %s", eb.text);
	put("main", "include_dir\n");
	ok(take("main", &c, &s, &eb) == ERR_FORMAT, "no name: %s", eb.text);
	ok(take("none", &c, &s, &eb) == ERR_NOT_FOUND, "no such file: %s", eb.text);
	ok(take("d", &c, &s, &eb) == ERR_FORMAT, "a folder for a file: %s", eb.text);
	ok(folder_remove(folder, NULL) == OK, "cleared away");
}

int main(void)
{
	texts();
	plugins();
	if (!ok(mkdtemp(folder) != NULL, "a place"))
		return done_testing();
	included();
	return done_testing();
}
