/*
 * The first byte chooses the object. A body that is taken holds nothing over its limits, and written
 * again it is taken again, the same.
 */
#include "body.h"
#include "fuzz.h"
#include "json_out.h"
#include "uuid.h"

#include <string.h>

static void put(struct json_out *w, const struct body_field *f, const uint8_t *at)
{
	if (f->kind == BODY_KIND_FLAG) {
		json_bool(w, f->name, *(const bool *)at);
	} else if (f->kind == BODY_KIND_LINK && ct_zero(at, 16)) {
		json_text(w, f->name, "");
	} else if (f->kind == BODY_KIND_UUID || f->kind == BODY_KIND_LINK) {
		json_uuid(w, f->name, at);
	} else {
		CHECK(memchr(at, 0, f->largest + 1));
		CHECK(strlen((const char *)at) >= f->smallest);
		json_text(w, f->name, (const char *)at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct body_object *const objects[] = { &device_object, &cert_object,
		&tag_object, &pass_object, &thing_object, &switch_object, &revoke_object };
	union {
		struct device_body device;
		struct cert_body cert;
		struct tag_body tag;
		struct pass_body pass;
		struct thing_body thing;
		struct switch_body change;
		struct revoke_body revoke;
		uint8_t bytes[sizeof(struct cert_body) + sizeof(struct device_body)];
	} one, two;
	const struct body_object *o;
	struct json_out w = json_out(256);
	uint32_t given, again;
	uint8_t *text = NULL;
	size_t n = 0;

	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	if (size == 0) {
		json_drop(&w);
		return 0;
	}
	o = objects[data[0] % COUNT(objects)];
	if (body_parse(o, (struct slice){ data + 1, size - 1 }, &one, &given, NULL) != OK) {
		json_drop(&w);
		return 0;
	}
	json_open(&w, NULL, '{');
	for (size_t i = 0; i < o->n; i++)
		if (given & BODY_BIT(i))
			put(&w, &o->fields[i], one.bytes + o->fields[i].offset);
	json_close(&w, '}');
	CHECK(json_finish(&w, &text, &n) == OK);
	CHECK(n > BODY_MAX || (body_parse(o, (struct slice){ text, n }, &two, &again, NULL) == OK &&
	                          again == given && memcmp(&one, &two, sizeof(one)) == 0));
	free(text);
	return 0;
}
