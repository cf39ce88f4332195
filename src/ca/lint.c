#include "lint_walk.h"
#include "profile.h"
#include "utc.h"

#include <string.h>

#define HOUR INT64_C(3600)
#define NEAR_HOURS 26

#define RULE(number, severity, text, source) { number, LINT_##severity, text, source },
const struct lint_rule lint_rules[] = {
#include "lint.def"
};
#undef RULE
const size_t lint_rules_n = COUNT(lint_rules);

const struct lint_rule *lint_rule(unsigned number)
{
	for (size_t i = 0; i < COUNT(lint_rules); i++)
		if (lint_rules[i].number == number)
			return &lint_rules[i];
	return NULL;
}

unsigned lint_refusal(uint64_t broken, uint64_t allowed)
{
	for (size_t i = 0; i < COUNT(lint_rules); i++) {
		const struct lint_rule *r = &lint_rules[i];

		if (!(broken & LINT_BIT(r->number)) || r->severity == LINT_NOTE)
			continue;
		if (r->severity == LINT_POLICY && (allowed & LINT_BIT(r->number)))
			continue;
		return r->number;
	}
	return 0;
}

static bool own_key(const uint8_t q[64], const struct lint_context *c)
{
	for (size_t i = 0; i < c->own_keys_n; i++)
		if (memcmp(c->own_keys + 64 * i, q, 64) == 0)
			return true;
	return false;
}

/* What cannot be checked, for want of memory, does not pass either. */
uint64_t lint_key(const uint8_t q[64], const struct lint_context *c)
{
	if (p256_point_check(c->p256, q) != OK)
		return LINT_BIT(3);
	if (own_key(q, c))
		return LINT_BIT(4);
	return lint_key_published(q) ? LINT_BIT(7) : 0;
}

/* Near the clock; or the last hour of the format, once that has passed (authority.md 7.5). */
static bool start_is_near(const struct leaf_in *leaf, const struct x509_hour *start, int64_t now)
{
	int64_t at, distance;
	struct x509_hour today;

	if (utc_seconds(start, &at) != OK || utc_hour(now, &today) != OK)
		return false;
	if (leaf->flags & LEAF_PINNED)
		return start->year == 2031 && start->month == 12 && start->day == 31 &&
		       start->hour == 23 && today.year > 2031;
	distance = at - now;
	return distance >= -NEAR_HOURS * HOUR && distance <= NEAR_HOURS * HOUR;
}

static bool ends_after(const struct x509_hour *a, const struct x509_hour *b)
{
	if (a->year != b->year)
		return a->year > b->year;
	if (a->month != b->month)
		return a->month > b->month;
	return a->day != b->day ? a->day > b->day : a->hour > b->hour;
}

uint64_t lint_leaf(const struct leaf_in *leaf, const struct lint_context *c)
{
	uint64_t broken = lint_key(leaf->q, c);
	struct x509_hour start, end;

	if (leaf->serial[0] < 0x01 || leaf->serial[0] > 0x7f)
		broken |= LINT_BIT(1);
	if ((leaf->flags & LEAF_HOURS) || leaf->validity < 1 || leaf->validity > 31)
		broken |= LINT_BIT(11);
	if (utc_hour_since_2000(leaf->not_before, &start) != OK)
		return broken | LINT_BIT(10);
	if (start.year > 2031 || (start.month == 2 && start.day == 29))
		broken |= LINT_BIT(10);
	if (!start_is_near(leaf, &start, c->now))
		broken |= LINT_BIT(14);
	if (start.year >= 2030)
		broken |= LINT_BIT(15);
	end = x509_hour_add_years(&start, leaf->validity);
	if (!(broken & LINT_BIT(11)) && ends_after(&end, &c->ca_not_after))
		broken |= LINT_BIT(25);
	return broken;
}
