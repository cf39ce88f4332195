/*
 * What handles secrets takes the same path whatever they are. Run by valgrind: a secret is memory that
 * it holds for uninitialized, so that a branch or an address that depends on it is an error it counts.
 */
#include "sha256.h"
#include "tap.h"

#include <valgrind/memcheck.h>

static void hide(void *secret, size_t n)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(secret, n);
}

static void show(void *result, size_t n)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(result, n);
}

/* The mistake that must be seen: it ends at the first difference. */
__attribute__((noinline)) static bool hasty_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static void control(void)
{
	uint8_t a[32] = { 1 }, b[32] = { 1 };
	unsigned before = VALGRIND_COUNT_ERRORS;
	volatile bool same;

	ok(RUNNING_ON_VALGRIND > 0, "valgrind is watching");
	hide(a, sizeof(a));
	same = hasty_equal(a, b, sizeof(a));
	(void)same;
	ok(VALGRIND_COUNT_ERRORS > before, "a comparison that ends early is seen");
}

static void comparisons(void)
{
	static const size_t places[] = { 0, 15, 31, 32 }; /* of the difference; 32: none */
	unsigned before = VALGRIND_COUNT_ERRORS;
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT(places); i++) {
		uint8_t a[33] = { 0 }, b[33] = { 0 };
		bool same, zero;

		a[places[i]] = 1;
		hide(a, 32);
		same = ct_equal(a, b, 32);
		zero = ct_zero(a, 32);
		show(&same, sizeof(same));
		show(&zero, sizeof(zero));
		wrong += same != (places[i] == 32) || zero != same;
	}
	ok(wrong == 0 && VALGRIND_COUNT_ERRORS == before,
	    "ct_equal and ct_zero: one path, wherever the difference is");
}

static void digests(void)
{
	unsigned before = VALGRIND_COUNT_ERRORS;
	uint8_t key[130] = { 7 }, digest[32];

	hide(key, sizeof(key));
	for (size_t n = 0; n <= sizeof(key); n++)
		sha256((struct slice){ key, n }, digest);
	ok(VALGRIND_COUNT_ERRORS == before,
	    "sha256: one path, whatever the message of 0 to 130 bytes");
	wipe(key, sizeof(key));
	ok(VALGRIND_COUNT_ERRORS == before &&
	        VALGRIND_CHECK_MEM_IS_DEFINED(key, sizeof(key)) == 0 && ct_zero(key, sizeof(key)),
	    "wipe: nothing of the secret is left");
}

int main(void)
{
	control();
	comparisons();
	digests();
	return done_testing();
}
