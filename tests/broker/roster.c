/* The roster against a plain list: random puts, removals and snapshots; its size. */
#include "roster.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define DEVICES 3000

static uint32_t seed = 0x9e3779b9;

static uint32_t dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % sides;
}

/* Some ids share all but one byte, some their first half. */
static struct roster_device device(uint32_t i)
{
	struct roster_device d = { .enabled = i % 3 != 0, .not_after = 253402300799 - (int64_t)i };

	memset(d.id, i % 2 ? 0xa5 : 0, 8);
	store_be32(d.id + 12, i);
	store_be32(d.thing, i * 7);
	store_be32(d.print[i % 2], i + 1);
	return d;
}

static bool same(const struct roster_device *a, const struct roster_device *b)
{
	return memcmp(a->id, b->id, 16) == 0 && memcmp(a->thing, b->thing, 16) == 0 &&
	       memcmp(a->print, b->print, sizeof(a->print)) == 0 && a->not_after == b->not_after &&
	       a->enabled == b->enabled;
}

static bool agrees(const struct roster *r, const bool *there)
{
	size_t n = 0;

	for (uint32_t i = 0; i < DEVICES; i++) {
		struct roster_device want = device(i), got;
		bool found = roster_get(r, want.id, &got);

		if (found != there[i] || (found && !same(&got, &want)))
			return false;
		n += found;
	}
	return roster_count(r) == n;
}

struct left {
	bool *there;
	unsigned n;
};

static void gone(void *ctx, const uint8_t id[16])
{
	struct left *left = ctx;

	left->there[load_be32(id + 12)] = false;
	left->n++;
}

static bool count(void *ctx, const struct roster_device *d)
{
	(void)d;
	return ++*(unsigned *)ctx < 10;
}

static void random_life(void)
{
	static bool there[DEVICES];
	struct roster *r = NULL;
	size_t good = 0, rounds = 60;
	unsigned n = 0;

	if (!ok(roster_new(&r, NULL) == OK, "a roster"))
		return;
	for (size_t round = 0; round < rounds; round++) {
		struct left left = { there, 0 };
		unsigned wanted = 0;

		for (int i = 0; i < 400; i++) {
			uint32_t which = dice(DEVICES);
			struct roster_device d = device(which);

			if (dice(3)) {
				there[which] = roster_put(r, &d) == OK;
			} else {
				if (roster_remove(r, d.id) != there[which])
					rounds = 0;
				there[which] = false;
			}
		}
		if (round % 10 == 9) {
			roster_mark(r);
			for (uint32_t i = 0; i < DEVICES; i++)
				if (there[i] && dice(2)) {
					struct roster_device d = device(i);

					wanted += roster_put(r, &d) == OK;
				}
			roster_sweep(r, gone, &left);
			if (roster_count(r) != wanted)
				break;
		}
		good += agrees(r, there);
	}
	ok(good == 60, "60 rounds of puts, removals and snapshots agree with a plain list");
	roster_each(r, count, &n);
	ok(n == 10, "each stops when told");
	roster_free(r);
}

static void size(void)
{
	struct roster *r = NULL;
	size_t worst = 0;

	if (roster_new(&r, NULL) != OK)
		return;
	for (uint32_t i = 0; i < 100000; i++) {
		struct roster_device d = device(i);

		if (roster_put(r, &d) != OK)
			break;
		if (i > 1000 && roster_size(r) / roster_count(r) > worst)
			worst = roster_size(r) / roster_count(r);
	}
	ok(roster_count(r) == 100000 && worst <= 120, "never more than %u bytes a device",
	    (unsigned)worst);
	roster_free(r);
}

static void prints(void)
{
	struct roster_device d = device(1);
	uint8_t zero[ROSTER_PRINT] = { 0 }, other[ROSTER_PRINT] = { 9 };

	ok(roster_has_print(&d, d.print[1]) && !roster_has_print(&d, other), "a live certificate");
	ok(!roster_has_print(&d, zero), "an empty place is no certificate");
}

int main(void)
{
	random_life();
	size();
	prints();
	return done_testing();
}
