/* Options of mosquitto.conf that keep the plugin from being asked. */
#include "unsafe.h"
#include "tap.h"

struct seen {
	unsigned n, line;
	char option[40];
};

static void found(void *ctx, unsigned line, const char *option, const char *why)
{
	struct seen *s = ctx;

	s->n++;
	s->line = line;
	snprintf(s->option, sizeof(s->option), "%s", why[0] ? option : "");
}

static const struct {
	const char *what, *text, *option;
	unsigned n, line;
} cases[] = {
	{ "identity as user", "listener 1\nuse_identity_as_username true\n",
	    "use_identity_as_username", 1, 2 },
	{ "subject as user", "use_subject_as_username 1", "use_subject_as_username", 1, 1 },
	{ "per listener", "# a\n\n  per_listener_settings   true\r\n", "per_listener_settings", 1,
	    3 },
	{ "user as client id", "use_username_as_clientid true\n", "use_username_as_clientid", 1,
	    1 },
	{ "false", "use_identity_as_username false\nper_listener_settings 0\n", "", 0, 0 },
	{ "in a comment", "#use_identity_as_username true\n# per_listener_settings true\n", "", 0,
	    0 },
	{ "the beginning of one", "use_identity_as_user true\n", "", 0, 0 },
	{ "without a value", "use_identity_as_username\ntrue\n", "", 0, 0 },
	{ "two", "per_listener_settings true\nuse_identity_as_username true\n",
	    "use_identity_as_username", 2, 2 },
	{ "an empty file", "", "", 0, 0 },
};

int main(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice text = { (const uint8_t *)cases[i].text, strlen(cases[i].text) };
		struct seen s = { 0 };

		unsafe_scan(text, found, &s);
		ok(s.n == cases[i].n && s.line == cases[i].line &&
		        strcmp(s.option, cases[i].option) == 0,
		    "%s", cases[i].what);
	}
	return done_testing();
}
