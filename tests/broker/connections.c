/* Records of connections against a plain list: found by client and by device, told in order, expelled once. */
#include "connections.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define CLIENTS 2000
#define DEVICES 700

static uint32_t seed = 0x9e3779b9;

static uint32_t dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % sides;
}

static char clients[CLIENTS]; /* only their addresses matter */

static struct passport passport(uint32_t device)
{
	struct passport p = { .has_id = true };

	store_be32(p.id + 8, device);
	return p;
}

static void count(void *ctx, struct connection *c)
{
	(void)c;
	++*(unsigned *)ctx;
}

static void random_life(void)
{
	static uint32_t device_of[CLIENTS]; /* 0: not connected */
	static unsigned of_device[DEVICES + 1];
	struct connections *all = NULL;
	unsigned wrong = 0, there = 0;

	if (!ok(connections_new(&all, NULL) == OK, "no connections yet"))
		return;
	for (int i = 0; i < 40000; i++) {
		uint32_t at = dice(CLIENTS), device = 1 + dice(DEVICES);
		struct passport p = passport(device);
		struct connection *c;
		unsigned n = 0;

		if (device_of[at]) {
			of_device[device_of[at]]--;
			there--;
		}
		if (dice(5) < 3) {
			c = connections_add(all, &clients[at], &p, "192.0.2.1", 4, i);
			device_of[at] = device;
			of_device[device]++;
			there++;
			wrong += !c || c != connections_find(all, &clients[at]);
			if (c && dice(4) == 0)
				connections_expel(all, c, REASON_DISABLED);
		} else {
			wrong += connections_remove(all, &clients[at]) != (device_of[at] != 0);
			device_of[at] = 0;
			wrong += connections_find(all, &clients[at]) != NULL;
		}
		if (dice(10) == 0 && (c = connections_leaving(all)))
			wrong += !c->leaving || connections_find(all, c->client) != c;
		connections_of(all, p.id, count, &n);
		wrong += n != of_device[device] || connections_count(all) != there;
	}
	ok(wrong == 0, "40000 comings and goings agree with a plain list");
	connections_free(all);
}

static void expelled(void)
{
	struct connections *all = NULL;
	struct connection *c[4];
	unsigned n = 0;

	if (connections_new(&all, NULL) != OK)
		return;
	for (unsigned i = 0; i < COUNT(c); i++) {
		struct passport p = passport(i / 2);

		c[i] = connections_add(all, &clients[i], &p, "2001:db8::1", 5, 0);
		connections_expel(all, c[i], i ? REASON_REVOKED : REASON_ADMIT);
		connections_expel(all, c[i], REASON_DISABLED);
	}
	ok(c[0]->why == REASON_DISABLED && c[2]->why == REASON_REVOKED,
	    "for the first reason there is");
	connections_remove(all, &clients[1]);
	ok(connections_leaving(all) == c[0] && connections_leaving(all) == c[2],
	    "in order, but who has left by itself");
	connections_expel(all, c[0], REASON_DISABLED);
	ok(connections_leaving(all) == c[3] && !connections_leaving(all), "each once");
	connections_each(all, count, &n);
	ok(n == 3, "and all are there until they are removed");
	connections_free(all);
}

static void taken_over(void)
{
	struct passport p = passport(1), q = passport(2);
	struct connections *all = NULL;
	struct connection *a, *b;

	if (connections_new(&all, NULL) != OK)
		return;
	a = connections_add(all, &clients[0], &p, "", 4, 0);
	b = connections_add(all, &clients[1], &q, "", 4, 0);
	ok(a && b && !connections_taken_over(all, a), "another device takes nothing over");
	b = connections_add(all, &clients[2], &p, "", 4, 0);
	ok(a && b && connections_taken_over(all, a) && !connections_taken_over(all, b),
	    "the same one does: its first connection, not its last");
	connections_free(all);
}

static void told(void)
{
	struct passport p = passport(1);
	struct connections *all = NULL;
	struct connection *c;

	if (connections_new(&all, NULL) != OK)
		return;
	ok(!connections_tell_next(all), "nothing to tell");
	for (unsigned i = 0; i < 5; i++)
		connections_add(all, &clients[i], &p, "", 4, 0);
	connections_tell(all);
	c = connections_tell_next(all);
	ok(c && c->number == 1, "from the first");
	connections_remove(all, &clients[0]); /* told already */
	connections_remove(all, &clients[1]); /* the next one */
	connections_remove(all, &clients[3]);
	connections_add(all, &clients[6], &p, "", 4, 0); /* told when it came */
	c = connections_tell_next(all);
	ok(c && c->number == 3, "who has gone is left out");
	c = connections_tell_next(all);
	ok(c && c->number == 5 && !connections_tell_next(all), "who has come since is too");
	connections_free(all);
}

static void addresses(void)
{
	static const char address[] = "2001:db8:1111:2222:3333:4444:255.255.255.255",
	                  path[] = "/a/path/that/is/much/longer/than/any/address/is";
	struct passport p = passport(1);
	struct connections *all = NULL;
	struct connection *c;

	if (connections_new(&all, NULL) != OK)
		return;
	c = connections_add(all, clients, &p, address, 4, 0);
	ok(c && strcmp(c->address, address) == 0, "the longest address");
	c = connections_add(all, clients, &p, path, 4, 0);
	ok(c && c->address[0] == '\0' && c->number == 2 && connections_count(all) == 1,
	    "a longer one is none");
	c = connections_add(all, clients, &p, NULL, 4, 0);
	ok(c && c->address[0] == '\0', "nor is no address");
	connections_free(all);
}

int main(void)
{
	random_life();
	expelled();
	taken_over();
	told();
	addresses();
	return done_testing();
}
