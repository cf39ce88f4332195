/* Who we are at a server: what a file may say, who may read it, which one counts. */
#include "credentials.h"
#include "tap.h"

#include "file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLIENT "\"client\":\"abcdefghijklmnopqrstuvwxyz012345\""
#define SECRET                                                                                     \
	"\"secret\":"                                                                              \
	"\"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345ABCDEFGHIJKLMNOPQRSTUVWXYZ012345\""
#define ORG "\"organization\":\"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40\""
#define SERVER "\"server\":\"https://localhost:8443\""
#define WHOLE CLIENT "," SECRET "," ORG "," SERVER

static const struct {
	const char *name, *text, *says;
	enum err want;
} texts[] = {
	{ "with a ca", "{" WHOLE ",\"ca\":\"/a/b.pem\"}", "", OK },
	{ "the system's roots", "{" WHOLE "}", "", OK },
	{ "slash behind the server",
	    "{" CLIENT "," SECRET "," ORG ",\"server\":\"https://a.example/\"}", "", OK },
	{ "not JSON", "{" WHOLE, "not JSON", ERR_FORMAT },
	{ "not an object", "[]", "not an object", ERR_FORMAT },
	{ "client twice", "{" CLIENT "," WHOLE "}", "twice", ERR_FORMAT },
	{ "unknown member", "{" WHOLE ",\"CA\":\"/a\"}", "unknown member \"CA\"", ERR_FORMAT },
	{ "no client", "{" SECRET "," ORG "," SERVER "}", "client: not 32", ERR_FORMAT },
	{ "short client", "{\"client\":\"abc\"," SECRET "," ORG "," SERVER "}", "client: not 32",
	    ERR_FORMAT },
	{ "client with an &",
	    "{\"client\":\"abcdefghijklmnopqrstuvwxyz01234&\"," SECRET "," ORG "," SERVER "}",
	    "client: not 32", ERR_FORMAT },
	{ "no secret", "{" CLIENT "," ORG "," SERVER "}", "secret: not 64", ERR_FORMAT },
	{ "secret is a number", "{" CLIENT ",\"secret\":1," ORG "," SERVER "}", "secret: not 64",
	    ERR_FORMAT },
	{ "organization in upper case",
	    "{" CLIENT "," SECRET
	    ",\"organization\":\"0F2B8C1E-7A44-4F0E-9D3B-5C6A1E2D3F40\"," SERVER "}",
	    "organization: not a UUID", ERR_FORMAT },
	{ "no server", "{" CLIENT "," SECRET "," ORG "}", "server: not https", ERR_FORMAT },
	{ "relative ca", "{" WHOLE ",\"ca\":\"b.pem\"}", "ca: not an absolute", ERR_FORMAT },
	{ "ca is a number", "{" WHOLE ",\"ca\":1}", "ca: not an absolute", ERR_FORMAT },
};

static void parser(void)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct slice in = { (const uint8_t *)texts[i].text, strlen(texts[i].text) };
		struct credentials c, again, untouched;
		struct errbuf eb = { "" };
		char *text = NULL;
		enum err e;

		memset(&c, 0x5a, sizeof(c));
		memset(&untouched, 0x5a, sizeof(untouched));
		e = credentials_parse(in, &c, &eb);
		ok(e == texts[i].want && strstr(eb.text, texts[i].says), "%s: %s", texts[i].name,
		    eb.text);
		ok(!strstr(eb.text, "ABCDEFGHIJ"), "%s: the secret is not told", texts[i].name);
		if (e != OK) {
			ok(memcmp(&c, &untouched, sizeof(c)) == 0, "%s: untouched", texts[i].name);
			continue;
		}
		ok(credentials_print(&c, &text, &eb) == OK &&
		        credentials_parse(
		            (struct slice){ (uint8_t *)text, strlen(text) }, &again, &eb) == OK &&
		        strcmp(c.server, again.server) == 0 && strcmp(c.ca, again.ca) == 0 &&
		        strcmp(c.secret, again.secret) == 0,
		    "%s: written and read again", texts[i].name);
		free(text);
	}
}

static void servers(void)
{
	static const struct {
		const char *text, *server; /* NULL: refused */
	} cases[] = {
		{ "https://localhost:8443", "https://localhost:8443" },
		{ "https://localhost:8443/", "https://localhost:8443" },
		{ "https://a-1.example", "https://a-1.example" },
		{ "https://127.0.0.1:1", "https://127.0.0.1:1" },
		{ "https://[::1]:65535", "https://[::1]:65535" },
		{ "http://localhost", NULL },
		{ "https://", NULL },
		{ "https:///", NULL },
		{ "https://a//", NULL },
		{ "https://a/path", NULL },
		{ "https://user@a", NULL },
		{ "https://a?b", NULL },
		{ "https://a b", NULL },
		{ "https://-a", NULL },
		{ "https://.a", NULL },
		{ "https://a:", NULL },
		{ "https://a:0", NULL },
		{ "https://a:65536", NULL },
		{ "https://a:1x", NULL },
		{ "https://[::1", NULL },
		{ "https://[]", NULL },
		{ "https://[::1]x", NULL },
		{ "https://a\n", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice in = { (const uint8_t *)cases[i].text, strlen(cases[i].text) };
		char out[CREDENTIALS_SERVER_MAX + 1] = "untouched";
		enum err e = credentials_server_parse(in, out, NULL);

		ok(e == (cases[i].server ? OK : ERR_FORMAT) &&
		        strcmp(out, cases[i].server ? cases[i].server : "untouched") == 0,
		    "server %zu, %.40s", i, i + 2 < COUNT(cases) ? cases[i].text : "...");
	}
}

/* --- which file --- */

static void put(const char *path, const char *server, mode_t mode)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "{" CLIENT "," SECRET "," ORG ",\"server\":\"https://%s\"}", server);

	if (file_write(path, (struct slice){ (uint8_t *)text, (size_t)n }, mode, NULL) != OK)
		ok(false, "%s can be written", path);
}

static void look_up(const char *folder)
{
	char own[512], up[512], ups[512], named[512], text[1200];
	struct credentials_where where = { .state = folder };
	struct credentials c;
	struct errbuf eb = { "" };

	snprintf(own, sizeof(own), "%s/imprint", folder);
	setenv("XDG_CONFIG_HOME", folder, 1);
	ok(mkdir(own, 0700) == 0, "a configuration folder");
	snprintf(own, sizeof(own), "%s/imprint/credentials.json", folder);
	snprintf(up, sizeof(up), "%s/up.json", folder);
	snprintf(ups, sizeof(ups), "%s/of-up.json", folder);
	snprintf(named, sizeof(named), "%s/named.json", folder);

	ok(credentials_find(&where, &c, &eb) == ERR_NOT_FOUND && strstr(eb.text, "imprint up"),
	    "none: %s", eb.text);
	snprintf(text, sizeof(text), "{\"schema\":1,\"pid\":1,\"credentials\":\"%s\"}", ups);
	put(ups, "up", 0600);
	ok(file_write(up, (struct slice){ (uint8_t *)text, strlen(text) }, 0600, NULL) == OK &&
	        credentials_find(&where, &c, &eb) == OK && strcmp(c.server, "https://up") == 0 &&
	        strcmp(c.file, ups) == 0,
	    "those of a running `imprint up`: %s", eb.text);
	put(own, "own", 0600);
	ok(credentials_find(&where, &c, &eb) == OK && strcmp(c.server, "https://own") == 0,
	    "the user's own are looked at first");
	put(named, "named", 0600);
	where.file = named;
	ok(credentials_find(&where, &c, &eb) == OK && strcmp(c.server, "https://named") == 0,
	    "a file that was named wins");
	where.server = "https://other:1/";
	ok(credentials_find(&where, &c, &eb) == OK && strcmp(c.server, "https://other:1") == 0,
	    "so does a server");
	where.server = "http://other";
	ok(credentials_find(&where, &c, &eb) == ERR_FORMAT, "only https: %s", eb.text);
	where.server = NULL;
	put(named, "named", 0640);
	ok(credentials_find(&where, &c, &eb) == ERR_DENIED, "others can read it: %s", eb.text);
	where.file = "/none/at/all";
	ok(credentials_find(&where, &c, &eb) == ERR_NOT_FOUND && strstr(eb.text, "/none/at/all"),
	    "the named one is missing: %s", eb.text);
	where.file = NULL;
	ok(unlink(own) == 0 && chmod(up, 0644) == 0 &&
	        credentials_find(&where, &c, &eb) == ERR_DENIED,
	    "others can write up.json: %s", eb.text);
}

static void of_up(void)
{
	static const struct {
		const char *text;
		enum err want;
	} cases[] = {
		{ "{\"schema\":1,\"credentials\":\"/a\",\"boards\":[]}", OK },
		{ "{\"schema\":2,\"credentials\":\"/a\"}", ERR_FORMAT },
		{ "{\"credentials\":\"/a\"}", ERR_FORMAT },
		{ "{\"schema\":1,\"credentials\":\"a\"}", ERR_FORMAT },
		{ "{\"schema\":1}", ERR_FORMAT },
		{ "[]", ERR_FORMAT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice in = { (const uint8_t *)cases[i].text, strlen(cases[i].text) };
		char path[FOLDER_PATH_MAX];

		ok(credentials_of_up(in, path, NULL) == cases[i].want, "up.json %s", cases[i].text);
	}
}

int main(void)
{
	char folder[] = "/tmp/imprint-credentials-XXXXXX", command[64];

	if (!mkdtemp(folder))
		return 1;
	parser();
	servers();
	of_up();
	look_up(folder);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ok(system(command) == 0, "cleaned up");
	return done_testing();
}
