/*
 * Memory that runs out at the n-th request, the store's own or SQLite's: whoever asked is told, what was
 * acknowledged is there, and asking again succeeds.
 */
#include "disk.h"

static struct {
	pthread_mutex_t lock;
	bool armed, hit;
	long left;
	sqlite3_mem_methods sqlite;
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void memory_set(bool armed, long n)
{
	pthread_mutex_lock(&memory.lock);
	memory.armed = armed;
	memory.hit = false;
	memory.left = n;
	pthread_mutex_unlock(&memory.lock);
}

static bool memory_end(void)
{
	bool hit;

	pthread_mutex_lock(&memory.lock);
	hit = memory.hit;
	memory.armed = false;
	pthread_mutex_unlock(&memory.lock);
	return hit;
}

static bool fails(void)
{
	bool now;

	pthread_mutex_lock(&memory.lock);
	now = memory.armed && !memory.hit && memory.left-- == 0;
	memory.hit |= now;
	pthread_mutex_unlock(&memory.lock);
	return now;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static void *sqlite_malloc(int n)
{
	return fails() ? NULL : memory.sqlite.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
	return fails() ? NULL : memory.sqlite.xRealloc(p, n);
}

static void sqlite_through_here(void)
{
	sqlite3_mem_methods ours;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.sqlite) != SQLITE_OK)
		bail("no memory methods");
	ours = memory.sqlite;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK)
		bail("no memory methods");
}

/* Sweeps the n-th request of an act; each that failed must be repeatable. NULL, or what is wrong. */
struct act {
	const char *name;
	enum err (*act)(struct rig *r, long n);
	enum err (*again)(struct rig *r, long n); /* OK: all is as it should be */
};

static void sweep(struct rig *r, const struct act *a, long step)
{
	const char *fault = NULL;
	long n, failed = 0;
	bool hit = true;
	enum err e;

	for (n = 0; hit && !fault; n += step) {
		memory_set(true, n);
		e = a->act(r, n);
		hit = memory_end();
		failed += e != OK;
		if (e != OK && (e != ERR_MEMORY || !hit))
			fault = r->eb.text;
		else if (a->again(r, n) != OK)
			fault = r->eb.text;
	}
	if (fault)
		printf("# at request %ld: %s\n", n - step, fault);
	ok(!fault && failed > 0, "%s: %ld of %ld requests matter", a->name, failed, n / step);
}

static enum err open_it(struct rig *r, long n)
{
	(void)n;
	return store_open(r->path, NULL, &r->store, &r->eb);
}

static enum err open_again(struct rig *r, long n)
{
	enum err e;

	(void)n;
	rig_close(r);
	e = rig_open(r, NULL) ? store_check(r->store, &r->eb) : ERR_IO;
	rig_close(r);
	return e;
}

static enum err make_it(struct rig *r, long n)
{
	rig_empty(r);
	return open_it(r, n);
}

static enum err issue(struct rig *r, long n)
{
	struct store_device d = device_of(0);
	enum err e = store_device_get(r->store, 1, d.id, &d, &r->eb);
	uint32_t i = 100 + (uint32_t)n;

	return e == OK ? store_commit(r->store, issuance(1, &d, i, i), &r->eb) : e;
}

/* There once: now, or before. */
static enum err issue_again(struct rig *r, long n)
{
	struct store_device d = device_of(0);
	uint8_t request[16];
	uint64_t seq;
	enum err e;

	memcpy(request, event_of(100 + (uint32_t)n, d.id).request, 16);
	if (store_event_of_request(r->store, 1, request, &seq, &r->eb) == ERR_NOT_FOUND &&
	    (e = issue(r, n)) != OK)
		return e;
	return store_event_of_request(r->store, 1, request, &seq, &r->eb);
}

static bool any(void *ctx, const struct store_device *d)
{
	*(unsigned *)ctx += d->version > 0;
	return true;
}

static enum err read_it(struct rig *r, long n)
{
	struct store_tag tag = { "color", "red" };
	struct store_filter filter = { .tags = &tag, .tags_n = 1 };
	unsigned found = 0;
	char *value = NULL;
	enum err e = store_device_list(r->store, 1, &filter, any, &found, &r->eb);

	(void)n;
	if (e != OK)
		return e;
	if (found != 1)
		return ERR_IO;
	e = store_setting_get(r->store, 1, "name", &value, &r->eb);
	free(value);
	return e;
}

static enum err check_it(struct rig *r, long n)
{
	(void)n;
	return store_check(r->store, &r->eb);
}

static enum err back_up(struct rig *r, long n)
{
	char path[128];
	enum err e;

	snprintf(path, sizeof(path), "%s/backup-%ld", r->folder, n);
	e = store_backup(r->store, path, &r->eb);
	unlink(path);
	return e;
}

int main(void)
{
	static const struct act acts[] = {
		{ "an issuance", issue, issue_again },
		{ "reading", read_it, read_it },
		{ "checking", check_it, check_it },
		{ "a backup", back_up, back_up },
	};
	static const struct act opens[] = {
		{ "opening", open_it, open_again },
		{ "making", make_it, open_again },
	};
	const char *torture = getenv("IMPRINT_TORTURE");
	long step = torture && *torture == '1' ? 1 : 7;
	struct store_tag tag = { "color", "red" };
	struct store_device d;
	struct store_change *c;
	struct rig r;

	sqlite_through_here();
	disk_install(); /* for its speed */
	rig_make(&r);
	if (!rig_open(&r, NULL) || !rig_first(&r, 1) || !rig_device(&r, 0, &d))
		bail("no store");
	c = store_change_new(1);
	store_tag_put(c, d.id, &tag);
	store_setting_put(c, "name", "value");
	if (store_commit(r.store, c, &r.eb) != OK)
		bail("no store");
	for (size_t i = 0; i < COUNT(acts); i++)
		sweep(&r, &acts[i], i == 0 ? 1 : 3 * step);
	ok(store_check(r.store, &r.eb) == OK, "the store is sound");
	rig_close(&r);
	for (size_t i = 0; i < COUNT(opens); i++)
		sweep(&r, &opens[i], 15 * step);
	rig_free(&r);
	return done_testing();
}
