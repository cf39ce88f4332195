/* What requests say: bodies, queries, forms. */
#include "call.h"
#include "form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool call_is_type(const struct call *c, const char *type)
{
	const char *given = http_header(c->x, "Content-Type");
	size_t n = strlen(type);

	if (!given || !*given)
		return true;
	return strncasecmp(given, type, n) == 0 &&
	       (given[n] == '\0' || given[n] == ';' || given[n] == ' ');
}

enum err call_body(struct call *c, const struct body_object *object, void *out, uint32_t *given)
{
	enum err e;

	if (!call_is_type(c, "application/json"))
		return call_refuse(c, 415, "Content-Type: not application/json");
	if (c->x->request->body.n > BODY_MAX)
		return call_refuse(
		    c, 413, "the body: %zu bytes, at most %d", c->x->request->body.n, BODY_MAX);
	e = body_parse(object, c->x->request->body, out, given, &c->eb);
	return e;
}

enum err call_query(struct call *c, const char *key, char *value, size_t cap)
{
	const char *query = c->x->request->query;
	struct slice in = { (const uint8_t *)query, strlen(query) };
	enum err e;

	do {
		char name[64], any[512];

		e = form_take(&in, name, sizeof(name), any, sizeof(any));
		if (e == ERR_FORMAT || e == ERR_SPACE)
			return err_set(&c->eb, ERR_FORMAT, "the query: %s",
			    e == ERR_SPACE ? "a part is too long" : "a wrong escape");
		if (e == OK && strcmp(name, key) == 0) {
			if (strlen(any) >= cap)
				return err_set(&c->eb, ERR_FORMAT, "%s: too long", key);
			memcpy(value, any, strlen(any) + 1);
			return OK;
		}
	} while (e != ERR_NOT_FOUND);
	return e;
}

enum err call_query_flag(struct call *c, const char *key, bool *value)
{
	char text[8];
	enum err e = call_query(c, key, text, sizeof(text));

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK)
		return e;
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return err_set(&c->eb, ERR_FORMAT, "%s: not true or false", key);
	*value = strcmp(text, "true") == 0;
	return OK;
}

enum err call_query_number(
    struct call *c, const char *key, unsigned smallest, unsigned largest, unsigned *value)
{
	char text[8];
	enum err e = call_query(c, key, text, sizeof(text));
	unsigned long n;

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK)
		return e;
	n = strtoul(text, NULL, 10);
	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || n < smallest ||
	    n > largest)
		return err_set(
		    &c->eb, ERR_FORMAT, "%s: not a number from %u to %u", key, smallest, largest);
	*value = (unsigned)n;
	return OK;
}
