/*
 * fake_setup.h -- a platform for the board side of setup that counts what it is made to do. Its "chip"
 * locks, makes numbered keys, keeps slots, and "signs" by repeating what it was given.
 */
#ifndef IMPRINT_FAKE_SETUP_H
#define IMPRINT_FAKE_SETUP_H

#include "setup_board.h"

#include <string.h>

struct fake_setup {
	uint8_t out[4096];
	size_t out_n;
	bool attests; /* slot 1 of its chip is for statements */
	bool config_locked, data_locked, conflict, stored;
	unsigned keys, locks, stores, wipes, restarts, networks, csrs, signs;
	enum err fail; /* of the functions that change or use something */
	bool mute;     /* no words about it */
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	char ssid[33], password[64];
	struct setup_network network;
	size_t csr_n; /* of a CSR that is too long; 0: a short one */
};

static const uint8_t fake_serial[9] = { 0x45, 0x4d, 1, 2, 3, 4, 5, 6, 0x4d };
static const uint8_t fake_slots[CCERT_SLOT10 + CCERT_SLOT11 + CCERT_SLOT12] = { [0] = 0x11,
	[31] = 0x22,
	[63] = 0x33,
	[64] = 0xcd,
	0x6e,
	0xff,
	[72] = 0x9f,
	[87] = 0x45,
	[88] = 0x27,
	[108] = '0',
	'f',
	'2',
	'b',
	'8',
	'c',
	'1',
	'e',
	'-',
	'7',
	'a',
	'4',
	'4',
	'-',
	'4',
	'f',
	'0',
	'e',
	'-',
	'9',
	'd',
	'3',
	'b',
	'-',
	'5',
	'c',
	'6',
	'a',
	'1',
	'e',
	'2',
	'd',
	'3',
	'f',
	'4',
	'0' };

static inline void fake_put(void *ctx, const uint8_t *p, size_t n)
{
	struct fake_setup *f = ctx;

	if (n <= sizeof(f->out) - f->out_n) {
		memcpy(f->out + f->out_n, p, n);
		f->out_n += n;
	}
}

static inline void fake_q(const struct fake_setup *f, uint8_t q[64])
{
	memset(q, (int)f->keys, 64);
}

static inline enum err fake_info(void *ctx, struct setup_info *info)
{
	const struct fake_setup *f = ctx;

	memcpy(info->serial, fake_serial, sizeof(fake_serial));
	memcpy(info->revision, "\x00\x00\x60\x02", 4);
	info->config_locked = f->config_locked;
	info->data_locked = f->data_locked;
	info->slots_locked = 0x8001;
	info->has_key = f->keys > 0;
	fake_q(f, info->q);
	info->attests = f->attests;
	memset(info->attester, 0xa7, sizeof(info->attester));
	info->identity = f->stored ? SETUP_IDENTITY_WHOLE : SETUP_IDENTITY_NONE;
	return OK;
}

static inline enum err fake_plan(void *ctx, struct slice profile, struct setup_plan *plan)
{
	const struct fake_setup *f = ctx;

	if (!slice_equal(profile, TEXT("arduino")))
		return ERR_NOT_FOUND;
	plan->conflict = f->conflict;
	if (!f->config_locked) {
		plan->steps = SETUP_STEP_WRITE | SETUP_STEP_LOCK_CONFIG;
		plan->offsets_n = 2;
		plan->offsets[0] = 20;
		plan->offsets[1] = 127;
	}
	if (!f->data_locked)
		plan->steps |= SETUP_STEP_LOCK_DATA;
	memset(plan->config, 0xc0, sizeof(plan->config));
	return OK;
}

static inline enum err fake_lock(void *ctx, struct slice profile)
{
	struct fake_setup *f = ctx;

	(void)profile;
	if (f->fail != OK)
		return f->fail;
	f->locks++;
	f->config_locked = f->data_locked = true;
	return OK;
}

static inline enum err fake_new_key(void *ctx)
{
	struct fake_setup *f = ctx;

	if (f->fail == OK)
		f->keys++;
	return f->fail;
}

static inline enum err fake_csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct fake_setup *f = ctx;
	static const uint8_t many[600];

	f->csrs++;
	der_put(w, DER_UTF8_STRING, common_name);
	der_raw(w, (struct slice){ many, f->csr_n });
	return f->fail;
}

static inline enum err fake_store(void *ctx, const struct ccert *fields)
{
	struct fake_setup *f = ctx;

	if (f->fail != OK)
		return f->fail;
	f->stores++;
	f->stored = true;
	return ccert_pack(fields, f->slot10, f->slot11, f->slot12);
}

static inline enum err fake_read(void *ctx, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12])
{
	struct fake_setup *f = ctx;

	memcpy(slot10, f->slot10, CCERT_SLOT10);
	memcpy(slot11, f->slot11, CCERT_SLOT11);
	memcpy(slot12, f->slot12, CCERT_SLOT12);
	return f->fail;
}

static inline enum err fake_sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct fake_setup *f = ctx;

	f->signs++;
	memcpy(sig, message.p, 64); /* proof text, serial number, most of the challenge */
	return f->fail;
}

static inline enum err fake_attest(
    void *ctx, const uint8_t challenge[20], bool create, struct setup_statement *statement)
{
	struct fake_setup *f = ctx;

	if (f->fail != OK)
		return f->fail;
	f->keys += create;
	memcpy(statement->serial, fake_serial, sizeof(fake_serial));
	statement->mode = create ? 0x0c : 0x08;
	statement->slot_locked = true;
	memcpy(statement->random, challenge, 20);
	fake_q(f, statement->q);
	memset(statement->sig, 0x5a, 64);
	return OK;
}

static inline enum err fake_network(void *ctx, const struct setup_network *network)
{
	struct fake_setup *f = ctx;

	f->networks++;
	f->network = *network; /* its bytes are gone when this returns */
	if (network->kind == SETUP_WIFI) {
		memset(f->ssid, 0, sizeof(f->ssid));
		memset(f->password, 0, sizeof(f->password));
		memcpy(f->ssid, network->at[SETUP_WIFI_SSID].bytes.p,
		    network->at[SETUP_WIFI_SSID].bytes.n);
		memcpy(f->password, network->at[SETUP_WIFI_PASSWORD].bytes.p,
		    network->at[SETUP_WIFI_PASSWORD].bytes.n);
	}
	return f->fail;
}

static inline enum err fake_wipe(void *ctx)
{
	struct fake_setup *f = ctx;

	if (f->fail != OK)
		return f->fail;
	f->wipes++;
	f->stored = false;
	return OK;
}

static inline void fake_restart(void *ctx)
{
	struct fake_setup *f = ctx;

	f->restarts++;
}

static inline void fake_reason(void *ctx, struct setup_reason *reason)
{
	const struct fake_setup *f = ctx;

	reason->opcode = 0x40;
	reason->status = 0x0f;
	reason->text = f->mute ? NULL : "the chip refuses";
}

static inline struct setup_platform fake_platform(struct fake_setup *f)
{
	return (struct setup_platform){ .ctx = f,
		.program = "fake 1",
		.put = fake_put,
		.info = fake_info,
		.plan = fake_plan,
		.lock = fake_lock,
		.new_key = fake_new_key,
		.csr = fake_csr,
		.store_certificate = fake_store,
		.read_certificate = fake_read,
		.sign = fake_sign,
		.attest = fake_attest,
		.network = fake_network,
		.wipe = fake_wipe,
		.restart = fake_restart,
		.reason = fake_reason };
}

#endif
