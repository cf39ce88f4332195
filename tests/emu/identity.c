/*
 * An identity made by a board that loses its power before any of its transfers: what the driver says
 * afterwards is held against what the chip really holds, and the next attempt finishes.
 */
#include "emu.h"
#include "se.h"
#include "se_identity.h"
#include "tap.h"

#include <stdlib.h>

#define ADDRESS 0x60
#define NEVER 0xffffffffu

/* A board: it dies with the chip's power and its port fails until it is started again. */
struct board {
	struct se_hal hal;
	struct emu *emu;
	unsigned transfers, cut;
	struct se se;
};

static enum err alive(struct board *b)
{
	unsigned at = b->transfers++;

	if (at == b->cut)
		emu_power_cycle(b->emu);
	return at < b->cut ? OK : ERR_IO;
}

static enum err wake(void *ctx)
{
	struct board *b = ctx;
	enum err e = alive(b);

	if (e == OK)
		emu_i2c_write(b->emu, 0, (const uint8_t *)"", 1);
	return e;
}

static enum err send(void *ctx, const uint8_t *p, size_t n)
{
	struct board *b = ctx;
	enum err e = alive(b);

	if (e != OK)
		return e;
	return emu_i2c_write(b->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static enum err recv(void *ctx, uint8_t *p, size_t n)
{
	struct board *b = ctx;
	enum err e = alive(b);

	if (e != OK)
		return e;
	return emu_i2c_read(b->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static void wait_ms(void *ctx, uint32_t ms)
{
	emu_advance(((struct board *)ctx)->emu, ms * 1000);
}

static void die(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static void start(struct board *b)
{
	b->transfers = 0;
	b->cut = NEVER;
	if (se_open(&b->se, &b->hal) != OK)
		die("the chip does not answer");
}

/* --- certificates, keys, and what the chip holds --- */

struct cert {
	uint8_t slot10[72], slot11[36], slot12[36];
};

static struct cert cert_of(uint8_t fill, uint8_t id)
{
	struct cert c;

	memset(c.slot10, fill, sizeof(c.slot10));
	memset(c.slot11, fill ^ 0x55, sizeof(c.slot11));
	memset(c.slot12, id, sizeof(c.slot12));
	return c;
}

struct content {
	uint8_t q[64]; /* zeros: no key */
	struct cert cert;
};

static struct content content_of(struct board *b)
{
	struct content c;

	memset(&c, 0, sizeof(c));
	if (se_public(&b->se, 0, c.q) != OK && b->se.fault != SE_ECC)
		die("no answer about the key");
	if (se_cert_read(&b->se, c.cert.slot10, c.cert.slot11, c.cert.slot12) != OK)
		die("the slots cannot be read");
	return c;
}

static bool same(const struct content *a, const struct content *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static enum err store(struct board *b, const struct cert *c)
{
	return se_identity_store(&b->se, c->slot10, c->slot11, c->slot12);
}

static enum se_identity state_of(struct board *b)
{
	enum se_identity state = SE_IDENTITY_STATES;

	if (se_identity(&b->se, &state) != OK)
		die("no state");
	return state;
}

/* --- what the chip has gone through before, and what is done now --- */

enum before {
	FACTORY,     /* locked, nothing else */
	ARDUINO,     /* key and certificate by other software */
	OURS,        /* by us */
	OVERWRITTEN, /* by us, then by other software */
	INTERRUPTED, /* our certificate half stored */
	ABANDONED,   /* Arduino's, then a key of ours without a certificate */
	HALF_OTHER,  /* Arduino's, then ours half stored */
	BEFORES
};
static const char *const before_names[BEFORES] = { "a locked chip", "Arduino's identity",
	"our identity", "ours overwritten by Arduino's", "half a certificate", "a key alone",
	"half of ours over Arduino's" };

static void arduino(struct board *b, uint8_t fill)
{
	struct cert c = cert_of(fill, 'a');

	if (se_genkey(&b->se, 0, NULL) != OK ||
	    se_cert_write(&b->se, c.slot10, c.slot11, c.slot12) != OK)
		die("Arduino's identity");
}

/* Power goes at a transfer well within the slots' writes. */
static void store_half(struct board *b, uint8_t fill)
{
	struct cert c = cert_of(fill, 'h');

	for (unsigned cut = 20; state_of(b) != SE_IDENTITY_HALF; cut++) {
		b->transfers = 0;
		b->cut = cut;
		if (store(b, &c) == OK)
			die("stored whole");
		start(b);
	}
}

static void prepare(struct board *b, enum emu_family family, enum before before)
{
	struct emu_options o = { .family = family, .timing = EMU_INSTANT };
	struct cert ours = cert_of(0x11, 'o');
	uint8_t q[64];

	memset(b, 0, sizeof(*b));
	b->hal = (struct se_hal){ b, wake, send, recv, wait_ms };
	if (emu_open(NULL, &o, &b->emu, NULL) != OK)
		die("no chip");
	start(b);
	if (se_lock(&b->se, &se_profile_arduino) != OK)
		die("not locked");
	if (before == ARDUINO || before == ABANDONED || before == HALF_OTHER)
		arduino(b, 0x33);
	if ((before == OURS || before == OVERWRITTEN || before == INTERRUPTED) &&
	    (se_identity_key(&b->se, q) != OK || store(b, &ours) != OK))
		die("our identity");
	if (before == OVERWRITTEN)
		arduino(b, 0x44);
	if (before == INTERRUPTED || before == HALF_OTHER)
		store_half(b, 0x22);
	if (before == ABANDONED && se_identity_key(&b->se, q) != OK)
		die("a key");
}

enum task { KEY_AND_CERTIFICATE, CERTIFICATE, TASKS };

static enum err perform(struct board *b, enum task task, uint8_t q[64])
{
	/* The same device id as ours: one slot that does not change. */
	struct cert c = cert_of(0x99, 'o');
	enum err e = OK;

	if (task == KEY_AND_CERTIFICATE)
		e = se_identity_key(&b->se, q);
	return e == OK ? store(b, &c) : e;
}

/* Whether the driver's word is right, given what was there before and what was to be. */
static bool truthful(enum se_identity said, const struct content *now, const struct content *then,
    enum se_identity said_then, const struct content *wanted)
{
	struct content ours = *then;

	ours.cert = cert_of(0x11, 'o');
	if (same(now, wanted))
		return said == SE_IDENTITY_WHOLE;
	if (same(now, then)) /* CHANGED may have become UNMARKED: the same ignorance, noted */
		return said == said_then ||
		       (said_then == SE_IDENTITY_CHANGED && said == SE_IDENTITY_UNMARKED) ||
		       (said_then == SE_IDENTITY_KEY_ONLY && said == SE_IDENTITY_HALF);
	/* The slots of the pair before the half certificate differed in one: they may be whole again. */
	if (said_then == SE_IDENTITY_HALF && same(now, &ours))
		return said == SE_IDENTITY_WHOLE;
	return said == SE_IDENTITY_KEY_ONLY || said == SE_IDENTITY_HALF;
}

/* One interrupted attempt and one that is not. Returns whether the first one came to its end. */
static bool attempt(
    enum emu_family family, enum before before, enum task task, unsigned cut, unsigned *wrong)
{
	enum se_identity said, said_then;
	struct content then, now, wanted;
	struct board b;
	bool finished;

	prepare(&b, family, before);
	then = content_of(&b);
	said_then = state_of(&b);
	wanted = then;
	b.transfers = 0;
	b.cut = cut;
	finished = perform(&b, task, wanted.q) == OK && b.transfers <= cut;
	wanted.cert = cert_of(0x99, 'o');
	start(&b);
	now = content_of(&b);
	said = state_of(&b);
	*wrong += !truthful(said, &now, &then, said_then, &wanted);
	*wrong += finished && !same(&now, &wanted);

	*wrong += perform(&b, task, wanted.q) != OK;
	now = content_of(&b);
	*wrong += !same(&now, &wanted) || state_of(&b) != SE_IDENTITY_WHOLE;
	se_close(&b.se);
	emu_free(b.emu);
	return finished;
}

static void sweep(enum emu_family family, enum before before, enum task task)
{
	unsigned wrong = 0, cut = 0;

	while (!attempt(family, before, task, cut, &wrong))
		cut++;
	ok(wrong == 0 && cut > 60, "%s: %s, %s: power lost before each of %u transfers",
	    emu_family_name(family), before_names[before],
	    task == CERTIFICATE ? "certificate" : "key and certificate", cut);
}

/* --- plainly --- */

static void test_states(void)
{
	static const enum se_identity want[BEFORES] = { SE_IDENTITY_UNMARKED, SE_IDENTITY_UNMARKED,
		SE_IDENTITY_WHOLE, SE_IDENTITY_CHANGED, SE_IDENTITY_HALF, SE_IDENTITY_KEY_ONLY,
		SE_IDENTITY_HALF };

	for (unsigned before = 0; before < BEFORES; before++) {
		enum se_identity state;
		struct board b;

		prepare(&b, EMU_ATECC608B, before);
		state = state_of(&b);
		ok(state == want[before], "%s: %s", before_names[before], se_identity_text(state));
		emu_free(b.emu);
	}
	ok(strcmp(se_identity_text(SE_IDENTITY_STATES), "unknown state") == 0, "no such state");
}

/* The marker keeps out of every byte that Arduino's libraries read or write. */
static void test_layout(void)
{
	struct cert c = cert_of(0x99, 'o');
	uint8_t before[36], slot[72];
	struct board b;

	prepare(&b, EMU_ATECC508A, OURS);
	ok(se_slot_read(&b.se, 11, 36, before, 36) == OK, "marker");
	ok(store(&b, &c) == OK && se_slot_read(&b.se, 10, 0, slot, 72) == OK &&
	        memcmp(slot, c.slot10, 72) == 0,
	    "slot 10 is the certificate's");
	ok(se_slot_read(&b.se, 11, 0, slot, 72) == OK && memcmp(slot, c.slot11, 36) == 0 &&
	        memcmp(slot + 36, before, 36) != 0 && memcmp(slot + 36, "IMD", 3) == 0,
	    "slot 11: serial number and authority, then the marker");
	ok(se_slot_read(&b.se, 12, 0, slot, 72) == OK && memcmp(slot, c.slot12, 36) == 0 &&
	        ct_zero(slot + 36, 36),
	    "slot 12 is the device id and zeros");
	ok(se_slot_write(&b.se, 10, 8, BYTES(1, 2, 3, 4)) == OK &&
	        state_of(&b) == SE_IDENTITY_CHANGED,
	    "a changed byte is noticed");
	ok(se_slot_write(&b.se, 10, 8, BYTES(0x99, 0x99, 0x99, 0x99)) == OK &&
	        state_of(&b) == SE_IDENTITY_WHOLE,
	    "and that it was put right");
	ok(se_cert_erase(&b.se) == OK && state_of(&b) == SE_IDENTITY_CHANGED, "an erased one too");
	emu_free(b.emu);
}

int main(void)
{
	test_states();
	test_layout();
	for (unsigned before = 0; before < BEFORES; before++) {
		sweep(EMU_ATECC608B, before, KEY_AND_CERTIFICATE);
		if (before != FACTORY)
			sweep(EMU_ATECC508A, before, CERTIFICATE);
	}
	return done_testing();
}
