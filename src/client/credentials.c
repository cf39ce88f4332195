#include "credentials.h"

#include "file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define UP_SIZE_MAX (1u << 20)
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define HOST_CHARS ALNUM ".-"
#define HOST_MAX 253

/* --- members --- */

static struct slice member(json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return (struct slice){ (const uint8_t *)json_string_value(v), json_string_length(v) };
}

static bool made_of(struct slice s, const char *chars)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(chars, s.p[i]))
			return false;
	return true;
}

/* Exactly n letters and digits; what is wrong with a secret is said without it. */
static enum err key_parse(json_t *in, const char *name, size_t n, char *out, struct errbuf *eb)
{
	struct slice s = member(in, name);

	if (s.n != n || !made_of(s, ALNUM))
		return err_set(eb, ERR_FORMAT, "%s: not %zu letters and digits", name, n);
	memcpy(out, s.p, n);
	out[n] = 0;
	return OK;
}

static enum err organization_parse(json_t *in, struct credentials *c, struct errbuf *eb)
{
	struct slice s = member(in, "organization");
	uint8_t uuid[16];

	if (uuid_parse(s, uuid) != OK)
		return err_set(eb, ERR_FORMAT, "organization: not a UUID in lower case");
	memcpy(c->organization, s.p, UUID_TEXT);
	c->organization[UUID_TEXT] = 0;
	return OK;
}

static enum err path_parse(
    json_t *in, const char *name, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	struct slice s = member(in, name);

	if (s.n == 0 || s.p[0] != '/' || memchr(s.p, 0, s.n))
		return err_set(eb, ERR_FORMAT, "%s: not an absolute path", name);
	if (s.n >= FOLDER_PATH_MAX)
		return err_set(
		    eb, ERR_FORMAT, "%s: longer than %d bytes", name, FOLDER_PATH_MAX - 1);
	memcpy(path, s.p, s.n);
	path[s.n] = 0;
	return OK;
}

/* --- server --- */

/* The length of the host, 0 when it is none. */
static size_t host_size(struct slice s)
{
	const uint8_t *end;
	size_t n = 0;

	if (s.n && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		n = end ? (size_t)(end - s.p) : 0;
		return n >= 3 && n <= 46 &&
		               made_of((struct slice){ s.p + 1, n - 1 }, "0123456789abcdefABCDEF:.")
		           ? n + 1
		           : 0;
	}
	while (n < s.n && s.p[n] && strchr(HOST_CHARS, s.p[n]))
		n++;
	return n <= HOST_MAX && n && s.p[0] != '-' && s.p[0] != '.' ? n : 0;
}

static bool is_port(struct slice s)
{
	unsigned long port = 0;

	if (s.n < 1 || s.n > 5 || !made_of(s, "0123456789") || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++)
		port = port * 10 + (s.p[i] - (unsigned)'0');
	return port <= 65535;
}

enum err credentials_server_parse(
    struct slice text, char out[CREDENTIALS_SERVER_MAX + 1], struct errbuf *eb)
{
	static const char scheme[] = "https://";
	struct slice rest = text;
	size_t host;

	if (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	if (rest.n > CREDENTIALS_SERVER_MAX || rest.n < sizeof(scheme) ||
	    memcmp(rest.p, scheme, sizeof(scheme) - 1) != 0)
		return err_set(eb, ERR_FORMAT, "server: not https://HOST or https://HOST:PORT");
	text.n = rest.n;
	rest.p += sizeof(scheme) - 1;
	rest.n -= sizeof(scheme) - 1;
	if ((host = host_size(rest)) == 0)
		return err_set(eb, ERR_FORMAT, "server: no host behind https://");
	rest.p += host;
	rest.n -= host;
	if (rest.n && (rest.p[0] != ':' || !is_port((struct slice){ rest.p + 1, rest.n - 1 })))
		return err_set(eb, ERR_FORMAT, "server: behind the host only :PORT, 1 to 65535");
	memcpy(out, text.p, text.n);
	out[text.n] = 0;
	return OK;
}

/* --- text --- */

static enum err members_check(json_t *in, struct errbuf *eb)
{
	static const char *const known[] = { "client", "secret", "organization", "server", "ca" };
	const char *key;
	json_t *value;

	json_object_foreach(in, key, value)
	{
		size_t i = 0;

		while (i < COUNT(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == COUNT(known))
			return err_set(eb, ERR_FORMAT, "unknown member \"%.40s\"", key);
	}
	return OK;
}

static enum err object_parse(struct slice text, json_t **in, struct errbuf *eb)
{
	json_error_t at;

	*in = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &at);
	/* The parser's own words would quote what stands there, and that may be the secret. */
	if (!*in)
		return err_set(eb, ERR_FORMAT, "line %d, column %d: not JSON, or a member twice",
		    at.line, at.column);
	return json_is_object(*in) ? OK : err_set(eb, ERR_FORMAT, "not an object");
}

enum err credentials_parse(struct slice text, struct credentials *out, struct errbuf *eb)
{
	struct credentials c = { .ca = "" };
	json_t *in = NULL;
	enum err e;

	if ((e = object_parse(text, &in, eb)) == OK && (e = members_check(in, eb)) == OK &&
	    (e = key_parse(in, "client", CREDENTIALS_CLIENT, c.client, eb)) == OK &&
	    (e = key_parse(in, "secret", CREDENTIALS_SECRET, c.secret, eb)) == OK &&
	    (e = organization_parse(in, &c, eb)) == OK &&
	    (e = credentials_server_parse(member(in, "server"), c.server, eb)) == OK &&
	    (!json_object_get(in, "ca") || (e = path_parse(in, "ca", c.ca, eb)) == OK))
		*out = c;
	wipe(&c, sizeof(c));
	json_decref(in);
	return e;
}

enum err credentials_print(const struct credentials *c, char **text, struct errbuf *eb)
{
	json_t *all = json_pack("{s:s,s:s,s:s,s:s,s:s*}", "client", c->client, "secret", c->secret,
	    "organization", c->organization, "server", c->server, "ca", c->ca[0] ? c->ca : NULL);

	*text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
	json_decref(all);
	return *text ? OK : err_set(eb, ERR_MEMORY, "no memory to write credentials");
}

enum err credentials_of_up(struct slice text, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	json_t *in = NULL, *schema;
	enum err e;

	if ((e = object_parse(text, &in, eb)) == OK) {
		schema = json_object_get(in, "schema");
		if (!json_is_integer(schema) || json_integer_value(schema) != 1)
			e = err_set(eb, ERR_FORMAT, "schema: not 1; written by another version");
		else
			e = path_parse(in, "credentials", path, eb);
	}
	json_decref(in);
	return e;
}

/* --- look-up --- */

static enum err load(const char *path, struct credentials *out, struct errbuf *eb)
{
	uint8_t *text = NULL;
	size_t n = 0;
	enum err e;

	if ((e = file_read_private(path, CREDENTIALS_SIZE_MAX, &text, &n, eb)) != OK)
		return e;
	if ((e = credentials_parse((struct slice){ text, n }, out, eb)) != OK)
		err_within(eb, e, "%s", path);
	else
		snprintf(out->file, sizeof(out->file), "%s", path);
	wipe(text, n);
	free(text);
	return e;
}

/* What a running `imprint up` works with: its server may have found the user's own file taken. */
static enum err load_of_up(const char *state, struct credentials *out, struct errbuf *eb)
{
	char up[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	size_t n = 0;
	enum err e;

	if ((e = folder_join(state, "up.json", up, eb)) != OK ||
	    (e = file_read_private(up, UP_SIZE_MAX, &text, &n, eb)) != OK)
		return e;
	if ((e = credentials_of_up((struct slice){ text, n }, path, eb)) != OK)
		err_within(eb, e, "%s", up);
	free(text);
	return e == OK ? load(path, out, eb) : e;
}

static enum err load_first(
    const struct credentials_where *where, struct credentials *out, struct errbuf *eb)
{
	char config[FOLDER_PATH_MAX], own[FOLDER_PATH_MAX];
	enum err e;

	if (where->file)
		return load(where->file, out, eb);
	if ((e = folder_config(config, eb)) != OK ||
	    (e = folder_join(config, "credentials.json", own, eb)) != OK)
		return e;
	if ((e = load(own, out, eb)) == ERR_NOT_FOUND && where->state)
		e = load_of_up(where->state, out, eb);
	if (e != ERR_NOT_FOUND)
		return e;
	return err_set(eb, e,
	    "no server: there is no %s; run `%s up`, or give --server and --credentials", own,
	    where->called ? where->called : "imprint");
}

enum err credentials_find(
    const struct credentials_where *where, struct credentials *out, struct errbuf *eb)
{
	struct credentials c;
	enum err e;

	if ((e = load_first(where, &c, eb)) != OK)
		return e;
	if (where->server)
		e = credentials_server_parse(
		    (struct slice){ (const uint8_t *)where->server, strlen(where->server) },
		    c.server, eb);
	if (e == OK)
		*out = c;
	wipe(&c, sizeof(c));
	return e;
}
