/* What happens, as it happens. */
#include "call.h"

#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX 48

/* Decimal, at most 18 digits: what comes behind it, or NULL. */
static const char *number_take(const char *text, uint64_t *n)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18)
		return NULL;
	*n = strtoull(text, NULL, 10);
	return text + digits;
}

/* "EVENT.VISIT". */
static enum err numbers_take(struct call *c, const char *text, struct watchers_from *from)
{
	const char *rest = number_take(text, &from->seq);

	if (!rest || *rest != '.' || !(rest = number_take(rest + 1, &from->visit)) || *rest)
		return err_set(&c->eb, ERR_FORMAT, "where to begin: not EVENT.VISIT, two numbers");
	from->resumes = true;
	return OK;
}

/* What a client says when it comes back is younger than the address that it came with. */
static enum err begin_take(struct call *c, struct watchers_from *from)
{
	const char *last = http_header(c->x, "Last-Event-ID");
	char text[NUMBERS_MAX];
	enum err e;

	if (last && *last)
		return numbers_take(c, last, from);
	if ((e = call_query(c, "after", text, sizeof(text))) == OK)
		return numbers_take(c, text, from);
	if (e != ERR_NOT_FOUND ||
	    (e = call_query(c, "replay", text, sizeof(text))) == ERR_NOT_FOUND)
		return e == ERR_NOT_FOUND ? OK : e;
	if (e == OK && strcmp(text, "all") != 0)
		return err_set(&c->eb, ERR_FORMAT, "replay: not \"all\"");
	from->resumes = e == OK; /* behind 0 and 0 */
	return e;
}

static enum err device_take(struct call *c, struct watchers_from *from)
{
	struct store_device d;
	char text[UUID_TEXT + 1];
	enum err e = call_query(c, "device", text, sizeof(text));

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK ||
	    uuid_parse((struct slice){ (uint8_t *)text, strlen(text) }, from->device) != OK)
		return err_set(&c->eb, ERR_FORMAT, "device: not the id of one");
	from->one = true;
	if ((e = store_device_get(api_registry(c->api), c->tenant, from->device, &d, &c->eb)) ==
	    ERR_NOT_FOUND)
		return call_refuse(c, 404, "there is no device %s", text);
	return e;
}

enum err event_stream(struct call *c)
{
	struct watchers *watchers = api_parts(c->api)->watchers;
	struct watchers_from from = { .tenant = c->tenant };
	enum err e;

	if ((e = begin_take(c, &from)) != OK || (e = device_take(c, &from)) != OK)
		return e;
	if (!watchers)
		return call_refuse(c, 503, "nothing is being watched here");
	answer_header(c, "Cache-Control", "no-store");
	answer_header(c, "X-Accel-Buffering", "no");
	c->x->response.status = 200;
	c->x->response.type = "text/event-stream";
	switch (e = watchers_add(watchers, c->x, &from)) {
	case ERR_CONFLICT:
		return call_refuse(
		    c, 503, "there is no room for another; %d may watch", WATCHERS_MAX);
	case ERR_NOT_FOUND:
		return call_refuse(c, 503, "nothing is being watched for this organization");
	default:
		return e;
	}
}
