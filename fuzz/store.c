/*
 * A database file with bytes changed: it is refused, or each read says what is wrong; one that is found
 * sound can be read and written.
 *
 * The file itself is made here, by the store; the input changes it: flags, pages to keep, then page,
 * offset (16 bits each) and value of each byte.
 */
#include "file.h"
#include "fuzz.h"
#include "rig.h"

static struct {
	struct rig rig;
	uint8_t *bytes;
	size_t n;
} base;

static void remove_base(void)
{
	free(base.bytes);
	rmdir(base.rig.folder);
}

static void make_base(void)
{
	struct store_tag tag = { "color", "red" };
	struct store_principal p = { .kind = "client", .name = "c", .role = "owner" };
	struct store_token k = { .purpose = "access", .expires = INT64_MAX };
	struct store_device d;
	struct store_change *c;

	rig_make(&base.rig);
	CHECK(rig_open(&base.rig, NULL) && rig_first(&base.rig, 1));
	for (uint32_t i = 0; i < 3; i++)
		CHECK(rig_device(&base.rig, i, &d) &&
		      store_commit(base.rig.store, issuance(1, &d, i, i), NULL) == OK);
	c = store_change_new(1);
	store_tag_put(c, d.id, &tag);
	store_principal_put(c, &p);
	store_token_add(c, &k);
	store_setting_put(c, "name", "value");
	CHECK(store_commit(base.rig.store, c, NULL) == OK);
	rig_close(&base.rig);
	CHECK(file_read(base.rig.path, 1 << 24, &base.bytes, &base.n, NULL) == OK);
	rig_empty(&base.rig);
	atexit(remove_base);
}

static void write_changed(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(base.n);
	size_t n = base.n;
	FILE *f = fopen(base.rig.path, "wb");

	CHECK(bytes && f);
	memcpy(bytes, base.bytes, n);
	for (size_t i = 2; i + 5 <= size; i += 5) {
		size_t at = (size_t)load_be16(data + i) * 4096 + load_be16(data + i + 2) % 4096;

		bytes[at % n] = data[i + 4];
	}
	if (size >= 2 && data[0] & 1 && (size_t)data[1] * 4096 < n)
		n = (size_t)data[1] * 4096;
	CHECK(fwrite(bytes, 1, n, f) == n);
	CHECK(fclose(f) == 0);
	free(bytes);
}

static bool any_device(void *ctx, const struct store_device *d)
{
	*(unsigned *)ctx += strlen(d->name) > 0;
	return true;
}

static bool any_event(void *ctx, const struct store_event *v)
{
	for (size_t i = 0; i < v->body.n; i++)
		*(unsigned *)ctx += v->body.p[i];
	return true;
}

static bool any_cert(void *ctx, const struct store_cert *c)
{
	*(unsigned *)ctx += c->state;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *s = NULL;
	struct store_change *c;
	struct store_event event;
	struct store_device d = device_of(0);
	struct errbuf eb = { "" };
	unsigned sum = 0;
	enum err e, devices, events, certs;
	bool sound;

	if (!base.bytes)
		make_base();
	write_changed(data, size);
	e = store_open(base.rig.path, NULL, &s, &eb);
	CHECK((e == OK) == (s != NULL) && (e == OK || eb.text[0]));
	if (s) {
		e = store_check(s, &eb);
		sound = e == OK;
		CHECK(sound || eb.text[0]);
		devices = store_device_list(s, 1, NULL, any_device, &sum, &eb);
		events = store_event_list(s, 1, 1, any_event, &sum, &eb);
		certs = store_cert_list(s, 1, NULL, any_cert, &sum, &eb);
		CHECK(!sound || (devices == OK && events == OK && certs == OK));
		event = event_of(77, d.id);
		c = store_change_new(1);
		store_event_add(c, &event);
		e = store_commit(s, c, &eb);
		/* An empty file becomes a new store; a header can say: for reading alone. */
		CHECK(!sound || e == OK || e == ERR_NOT_FOUND || e == ERR_IO);
		store_close(s);
	}
	rig_empty(&base.rig);
	return 0;
}
