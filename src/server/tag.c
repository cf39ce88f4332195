/* Tags of devices: words for people and filters. */
#include "call.h"

#include <stdio.h>
#include <string.h>

static bool put_tag(void *ctx, const struct store_tag *tag)
{
	struct json_out *w = ctx;

	json_open(w, NULL, '{');
	json_text(w, "key", tag->key);
	json_text(w, "value", tag->value);
	json_close(w, '}');
	return true;
}

enum err tag_list(struct call *c)
{
	struct json_out w = json_out(512);
	struct store_device d;
	enum err e;

	json_open(&w, NULL, '{');
	json_open(&w, "tags", '[');
	if ((e = call_device(c, false, &d)) != OK ||
	    (e = store_tag_list(api_registry(c->api), c->tenant, d.id, put_tag, &w, &c->eb)) !=
	        OK) {
		json_drop(&w);
		return e;
	}
	json_close(&w, ']');
	json_close(&w, '}');
	answer_json(c, 200, &w);
	return OK;
}

enum err tag_set(struct call *c)
{
	struct store_device d;
	struct store_tag tag;
	struct tag_body b;
	struct job *job = NULL;
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &tag_object, &b, &given)) != OK)
		return e;
	if (!(given & BODY_BIT(TAG_key)) || !(given & BODY_BIT(TAG_value)))
		return err_set(
		    &c->eb, ERR_FORMAT, "%s: missing", given & BODY_BIT(TAG_key) ? "value" : "key");
	if ((e = call_device(c, false, &d)) != OK ||
	    (e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	snprintf(tag.key, sizeof(tag.key), "%s", b.key);
	snprintf(tag.value, sizeof(tag.value), "%s", b.value);
	snprintf(job->event.note, sizeof(job->event.note), "%s=%s", b.key, b.value);
	store_tag_put(job->change, d.id, &tag);
	job->answer = answer_job_empty;
	return job_submit(job, "tag.set", d.id);
}

/* One that is not there is gone already. */
enum err tag_delete(struct call *c)
{
	struct slice key = { (const uint8_t *)c->param[1], strlen(c->param[1]) };
	struct store_device d;
	struct job *job = NULL;
	enum err e;

	if ((e = body_text_check(&tag_object, TAG_key, key, &c->eb)) != OK ||
	    (e = call_device(c, false, &d)) != OK ||
	    (e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	snprintf(job->event.note, sizeof(job->event.note), "%s", c->param[1]);
	store_tag_remove(job->change, d.id, c->param[1]);
	job->answer = answer_job_empty;
	return job_submit(job, "tag.removed", d.id);
}
