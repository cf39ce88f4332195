#include "board_setup.h"

#include "csr.h"
#include "se_identity.h"

static enum err identity_of(struct se *se, enum setup_identity *identity)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum se_identity state;
	struct ccert fields;
	enum err e;

	if ((e = se_identity(se, &state)) != OK)
		return e;
	*identity = SETUP_IDENTITY_PARTIAL;
	if (state == SE_IDENTITY_WHOLE)
		*identity = SETUP_IDENTITY_WHOLE;
	if (state != SE_IDENTITY_UNMARKED && state != SE_IDENTITY_CHANGED)
		return OK;
	if ((e = se_cert_read(se, slot10, slot11, slot12)) == OK)
		*identity = ccert_unpack(slot10, slot11, slot12, &fields) == OK
		                ? SETUP_IDENTITY_STORED
		                : SETUP_IDENTITY_NONE;
	return e;
}

static enum err info(void *ctx, struct setup_info *info)
{
	struct board_setup *b = ctx;
	struct se_locks locks;
	enum err e;

	if ((e = se_open(&b->se, b->hal)) != OK || (e = se_serial(&b->se, info->serial)) != OK ||
	    (e = se_locks(&b->se, &locks)) != OK)
		return e;
	for (unsigned i = 0; i < 4; i++)
		info->revision[i] = b->se.revision[i];
	info->config_locked = locks.config;
	info->data_locked = locks.data;
	info->slots_locked = locks.slots;
	if (!locks.config || !locks.data)
		return OK;
	e = se_public(&b->se, SE_SLOT_DEVICE_KEY, info->q);
	info->has_key = e == OK;
	if (e != OK && b->se.fault != SE_ECC)
		return e;
	return identity_of(&b->se, &info->identity);
}

static bool arduino(struct slice name)
{
	return slice_equal(name, TEXT("arduino"));
}

static enum err plan(void *ctx, struct slice name, struct setup_plan *plan)
{
	struct board_setup *b = ctx;
	struct se_locks locks;
	size_t n = 0;
	enum err e;

	if (!arduino(name))
		return ERR_NOT_FOUND;
	if ((e = se_open(&b->se, b->hal)) != OK || (e = se_locks(&b->se, &locks)) != OK ||
	    (e = se_config_read(&b->se, plan->config)) != OK ||
	    (e = se_profile_diff(
	         &b->se, &se_profile_arduino, plan->offsets, sizeof(plan->offsets), &n)) != OK)
		return e;
	plan->offsets_n = (uint8_t)n;
	plan->conflict = locks.config && n > 0;
	if (plan->conflict)
		return OK;
	if (!locks.config)
		plan->steps = SETUP_STEP_WRITE | SETUP_STEP_LOCK_CONFIG;
	if (!locks.data)
		plan->steps |= SETUP_STEP_LOCK_DATA;
	return OK;
}

static enum err lock(void *ctx, struct slice name)
{
	struct board_setup *b = ctx;
	enum err e;

	if (!arduino(name))
		return ERR_NOT_FOUND;
	e = se_lock(&b->se, &se_profile_arduino);
	return e != OK && b->se.fault == SE_LOCKED ? OK : e;
}

static enum err new_key(void *ctx)
{
	struct board_setup *b = ctx;
	uint8_t q[64];

	return se_identity_key(&b->se, q);
}

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct board_setup *b = ctx;
	uint8_t digest[32];
	enum err e = se_sha256(&b->se, message, digest);

	return e == OK ? se_sign(&b->se, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

static enum err csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct board_setup *b = ctx;
	struct x509_name subject = { .at[X509_CN] = common_name };
	struct x509_signer signer = { b, sign };
	uint8_t q[64];
	enum err e = se_public(&b->se, SE_SLOT_DEVICE_KEY, q);

	return e == OK ? csr_build(&subject, q, &signer, w) : e;
}

static enum err store_certificate(void *ctx, const struct ccert *fields)
{
	struct board_setup *b = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum err e = ccert_pack(fields, slot10, slot11, slot12);

	return e == OK ? se_identity_store(&b->se, slot10, slot11, slot12) : e;
}

static enum err read_certificate(void *ctx, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12])
{
	struct board_setup *b = ctx;

	return se_cert_read(&b->se, slot10, slot11, slot12);
}

static enum err forget(void *ctx)
{
	struct board_setup *b = ctx;

	return se_cert_erase(&b->se);
}

static void reason(void *ctx, struct setup_reason *reason)
{
	const struct board_setup *b = ctx;

	reason->opcode = b->se.opcode;
	reason->status = b->se.status;
}

static void put(void *ctx, const uint8_t *p, size_t n)
{
	struct board_setup *b = ctx;

	b->put(b->hal->ctx, p, n);
}

void board_setup_init(struct board_setup *b)
{
	b->platform = (struct setup_platform){ .ctx = b,
		.program = "bench 1",
		.put = put,
		.info = info,
		.plan = plan,
		.lock = lock,
		.new_key = new_key,
		.csr = csr,
		.store_certificate = store_certificate,
		.read_certificate = read_certificate,
		.sign = sign,
		.wipe = forget,
		.reason = reason };
	setup_board_init(&b->dialogue, &b->platform);
	setup_board_announce(&b->dialogue);
}
