/* Things, as the cloud API has them. */
#include "cloud_call.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THINGS "/iot/v2/things"
#define LIST_ANSWER_MAX (64u << 20)

/* "/iot/v2/things/ID"; it goes into a path, so it must be an id. */
static enum err path_make(const char *id, char path[128], struct errbuf *eb)
{
	uint8_t uuid[16];

	if (uuid_parse((struct slice){ (const uint8_t *)id, strlen(id) }, uuid) != OK)
		return err_set(eb, ERR_ARG, "'%.40s' is not a thing's id", id);
	snprintf(path, 128, THINGS "/%s", id);
	return OK;
}

static enum err thing_ask(struct call *call, struct cloud_thing *out, struct errbuf *eb)
{
	enum err e;

	call->bearer = true;
	if ((e = cloud_call(call, eb)) == OK)
		e = cloud_answered(call, answer_thing(cloud_answer(call), out, eb), eb);
	free(call->answer);
	return e;
}

static enum err thing_send(struct call *call, const struct cloud_thing_change *with,
    struct cloud_thing *out, struct errbuf *eb)
{
	json_t *all = json_pack("{s:s*,s:s*,s:s*}", "name", with->name, "timezone", with->timezone,
	    "device_id", with->device);
	char *body = all ? json_dumps(all, JSON_COMPACT) : NULL;
	enum err e;

	json_decref(all);
	if (!body) /* jansson takes nothing but UTF-8 */
		return err_set(eb, ERR_FORMAT, "name or time zone: not UTF-8, or no memory");
	call->body = body;
	call->type = "application/json";
	e = thing_ask(call, out, eb);
	free(body);
	return e;
}

enum err cloud_thing_create(struct cloud *c, const struct cloud_thing_change *with,
    struct cloud_thing *out, struct errbuf *eb)
{
	struct call call = { .cloud = c, .method = "PUT", .path = THINGS };

	cloud_key(call.key);
	return thing_send(&call, with, out, eb);
}

enum err cloud_thing_update(struct cloud *c, const char *id, const struct cloud_thing_change *with,
    struct cloud_thing *out, struct errbuf *eb)
{
	char path[128];
	struct call call = { .cloud = c, .method = "POST", .path = path };
	enum err e = path_make(id, path, eb);

	return e == OK ? thing_send(&call, with, out, eb) : e;
}

enum err cloud_thing_get(
    struct cloud *c, const char *id, struct cloud_thing *out, struct errbuf *eb)
{
	char path[128];
	struct call call = { .cloud = c, .method = "GET", .path = path };
	enum err e = path_make(id, path, eb);

	return e == OK ? thing_ask(&call, out, eb) : e;
}

enum err cloud_thing_list(
    struct cloud *c, const char *device, struct cloud_things *out, struct errbuf *eb)
{
	char path[CLOUD_URL_MAX] = THINGS;
	struct call call = {
		.cloud = c, .method = "GET", .path = path, .bearer = true, .max = LIST_ANSWER_MAX
	};
	enum err e;

	if (device && !cloud_query_add(c->curl, path, "device_id", device))
		return err_set(eb, ERR_ARG, "a filter of more than %d bytes", CLOUD_URL_MAX);
	if ((e = cloud_call(&call, eb)) == OK)
		e = cloud_answered(&call, answer_things(cloud_answer(&call), out, eb), eb);
	free(call.answer);
	return e;
}

enum err cloud_thing_delete(struct cloud *c, const char *id, struct errbuf *eb)
{
	char path[128];
	struct call call = { .cloud = c, .method = "DELETE", .path = path, .bearer = true };
	enum err e = path_make(id, path, eb);

	if (e == OK)
		e = cloud_call(&call, eb);
	free(call.answer);
	return e;
}
