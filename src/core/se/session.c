/* Sessions: Nonce and GenDig on both sides, then one Read, Write or PrivWrite under what comes out. */
#include "se_exchange.h"
#include "se_secret.h"
#include "sha256.h"

#include <string.h>

static const struct se_command_form gendig_form = { 0x15, 0x02, 0, 0, { 11, 25 } };
static const struct se_command_form read_form = { 0x02, 0x82, 0, 32, { 5, 5 } };
static const struct se_command_form write_form = { 0x12, 0xc2, 64, 0, { 26, 45 } };
static const struct se_command_form privwrite_form = { 0x46, 0x40, 68, 0, { 48, 50 } };
static const struct se_command_form privwrite_clear_form = { 0x46, 0x00, 36, 0, { 48, 50 } };

#define PLAIN_MAX 36 /* of PrivWrite: 4 zeros and the scalar */

/* One command in its session. Read fills out; the others send n bytes of plain text. */
struct job {
	const struct se_command_form *form;
	unsigned param;
	const uint8_t *plain;
	uint8_t n;
	uint8_t *out;
};

/* SHA-256(key | opcode param1 param2 | SN[8] SN[0:1] | zeros up to 96 bytes | last) */
static void digest(const uint8_t key[32], const struct job *job, const uint8_t sn[3],
    struct slice last, uint8_t out[32])
{
	uint8_t middle[32] = { job->form->opcode, job->form->param1 };
	struct sha256 h;

	store_le16(middle + 2, (uint16_t)job->param);
	memcpy(middle + 4, sn, 3);
	sha256_init(&h);
	sha256_update(&h, (struct slice){ key, 32 });
	sha256_update(&h, (struct slice){ middle, last.n > 32 ? 64 - last.n : 32 });
	sha256_update(&h, last);
	sha256_final(&h, out);
}

/* key becomes what TempKey of the chip is. */
static enum err open_session(
    struct se *se, const struct se_shared *with, uint8_t sn[3], uint8_t key[32])
{
	const struct job gendig = { .form = &gendig_form, .param = with->slot };
	uint8_t first[4], last[4];
	enum err e;

	if ((e = se_move(se, SE_CONFIG_AT(0), first, 4)) != OK ||
	    (e = se_move(se, SE_CONFIG_AT(12), last, 4)) != OK ||
	    (e = se_nonce_shared(se, with->num_in, key)) != OK ||
	    (e = se_exchange_other(se, &gendig_form, with->slot, NULL)) != OK)
		return e;
	sn[0] = last[0];
	sn[1] = first[0];
	sn[2] = first[1];
	digest(with->key, &gendig, sn, (struct slice){ key, 32 }, key);
	return OK;
}

/* plain under key and, behind 32 bytes, under the digest of key; then the MAC. */
static void seal(const uint8_t key[32], const struct job *job, const uint8_t sn[3], uint8_t *packet)
{
	uint8_t more[32];

	sha256((struct slice){ key, 32 }, more);
	for (unsigned i = 0; i < job->n; i++)
		packet[i] = job->plain[i] ^ (i < 32 ? key[i] : more[i - 32]);
	digest(key, job, sn, (struct slice){ job->plain, job->n }, packet + job->n);
	wipe(more, sizeof(more));
}

static enum err attempt(struct se *se, const struct se_shared *with, const struct job *job)
{
	uint8_t key[32], sn[3], packet[PLAIN_MAX + 32];
	enum err e = open_session(se, with, sn, key);

	if (e == OK) {
		if (job->n)
			seal(key, job, sn, packet);
		se->in = packet;
		e = se_exchange_other(se, job->form, job->param, job->out ? packet : NULL);
	}
	for (unsigned i = 0; e == OK && job->out && i < 32; i++)
		job->out[i] = packet[i] ^ key[i];
	wipe(key, sizeof(key));
	wipe(packet, sizeof(packet));
	return e;
}

static enum err in_session(struct se *se, const struct se_shared *with, const struct job *job)
{
	unsigned tries = 2;
	enum err e;

	if (with->slot > 15)
		return se_fail(se, SE_ARGUMENT);
	do { /* the watchdog may have taken TempKey: then all of it once more */
		e = attempt(se, with, job);
	} while (e != OK && se->fault == SE_EXECUTION && --tries);
	if (e != OK && se->fault == SE_MISCOMPARE)
		e = ERR_DENIED;
	return se_idle(se, e);
}

static bool has_block(unsigned slot, unsigned block)
{
	return slot < 16 && block < (slot < 8 ? 2 : slot == 8 ? 13 : 3);
}

enum err se_read_encrypted(
    struct se *se, const struct se_shared *with, unsigned slot, unsigned block, uint8_t out[32])
{
	const struct job job = { &read_form, block << 8 | slot << 3, NULL, 0, out };

	return has_block(slot, block) ? in_session(se, with, &job) : se_fail(se, SE_ARGUMENT);
}

enum err se_write_encrypted(struct se *se, const struct se_shared *with, unsigned slot,
    unsigned block, const uint8_t in[32])
{
	const struct job job = { &write_form, block << 8 | slot << 3, in, 32, NULL };

	return has_block(slot, block) ? in_session(se, with, &job) : se_fail(se, SE_ARGUMENT);
}

enum err se_privwrite(
    struct se *se, const struct se_shared *with, unsigned slot, const uint8_t scalar[32])
{
	uint8_t plain[PLAIN_MAX] = { 0 };
	const struct job job = { &privwrite_form, slot, plain, PLAIN_MAX, NULL };
	enum err e;

	if (slot > 15)
		return se_fail(se, SE_ARGUMENT);
	memcpy(plain + 4, scalar, 32);
	se->in = plain;
	e = with ? in_session(se, with, &job)
	         : se_idle(se, se_exchange_other(se, &privwrite_clear_form, slot, NULL));
	wipe(plain, sizeof(plain));
	return e;
}
