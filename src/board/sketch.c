#include "sketch.h"
#include "board.h"
#include "cbor.h"
#include "csr.h"
#include "file.h"
#include "se_identity.h"
#include "se_more.h"
#include "se_profile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- the terminal: collected, since the dialogue speaks in small pieces --- */

static void flush(struct sketch *s)
{
	terminal_write(s->terminal, s->out, s->out_n);
	s->out_n = 0;
}

static void put(void *ctx, const char *text, size_t n)
{
	struct sketch *s = ctx;

	while (n > 0) {
		size_t part = sizeof(s->out) - s->out_n;

		if (part > n)
			part = n;
		memcpy(s->out + s->out_n, text, part);
		s->out_n += part;
		text += part;
		n -= part;
		if (s->out_n == sizeof(s->out))
			flush(s);
	}
}

/* --- the chip --- */

/* What was said before the chip works is read before it is done. */
static struct se *chip(struct sketch *s)
{
	flush(s);
	return &s->se;
}

static enum err result(struct sketch *s, enum err e)
{
	if (e != OK && s->fault != NULL)
		s->fault(s->ctx, se_fault_text(s->se.fault));
	return e;
}

static bool present(void *ctx)
{
	struct sketch *s = ctx;

	flush(s);
	return result(s, se_open(&s->se, &s->bus.hal)) == OK;
}

static bool locked(void *ctx)
{
	struct sketch *s = ctx;
	struct se_locks locks;

	return result(s, se_locks(chip(s), &locks)) == OK && locks.config && locks.data;
}

/* A half-locked chip has its configuration for ever; se_lock compares it before it goes on. */
static enum err write_config(void *ctx)
{
	struct sketch *s = ctx;
	struct se_locks locks;
	enum err e = se_locks(chip(s), &locks);

	if (e == OK && !locks.config)
		e = se_profile_write(&s->se, &se_profile_arduino);
	return result(s, e);
}

static enum err lock(void *ctx)
{
	struct sketch *s = ctx;

	return result(s, se_lock(chip(s), &se_profile_arduino));
}

static enum err new_key(void *ctx)
{
	struct sketch *s = ctx;
	uint8_t q[64];

	return result(s, se_genkey(chip(s), SE_SLOT_DEVICE_KEY, q));
}

/* The chip hashes and signs, as it does on a board. */
static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig) : e;
}

static enum err csr(void *ctx, struct slice common_name, struct der_w *w)
{
	struct sketch *s = ctx;
	struct x509_name subject = { .at[X509_CN] = common_name };
	struct x509_signer signer = { &s->se, sign };
	uint8_t q[64];
	enum err e;

	if ((e = se_public(chip(s), SE_SLOT_DEVICE_KEY, q)) != OK)
		return result(s, e);
	return result(s, csr_build(&subject, q, &signer, w));
}

static enum err store_device_id(void *ctx, const uint8_t slot12[72])
{
	struct sketch *s = ctx;

	return result(
	    s, se_slot_write(chip(s), SE_SLOT_DEVICE_ID, 0, (struct slice){ slot12, 72 }));
}

static enum err store_certificate(void *ctx, const struct ccert *fields)
{
	struct sketch *s = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum err e = ccert_pack(fields, slot10, slot11, slot12);

	if (e != OK)
		return e;
	return result(s, se_cert_write(chip(s), slot10, slot11, slot12));
}

static enum err rebuild(void *ctx, struct der_w *w)
{
	struct sketch *s = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64];
	struct ccert fields;
	enum err e;

	if ((e = se_public(chip(s), SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = se_cert_read(&s->se, slot10, slot11, slot12)) != OK)
		return result(s, e);
	if ((e = ccert_unpack(slot10, slot11, slot12, &fields)) != OK)
		return e;
	ccert_cert_put(w, &fields, q);
	return OK;
}

static const char *wifi_firmware(void *ctx)
{
	const struct sketch *s = ctx;

	return s->wifi;
}

/* --- what only the setup program does --- */

static void put_frame(void *ctx, const uint8_t *p, size_t n)
{
	put(ctx, (const char *)p, n);
}

static const struct se_profile *profile_find(struct slice name)
{
	for (size_t i = 0; se_profiles[i] != NULL; i++) {
		const char *text = se_profiles[i]->name;

		if (slice_equal(name, (struct slice){ (const uint8_t *)text, strlen(text) }))
			return se_profiles[i];
	}
	return NULL;
}

/* Without a marker only the slots can tell whether there is a certificate at all. */
static enum err identity_get(struct sketch *s, enum setup_identity *identity)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum se_identity state;
	struct ccert fields;
	enum err e;

	if ((e = se_identity(&s->se, &state)) != OK)
		return e;
	if (state == SE_IDENTITY_WHOLE || state == SE_IDENTITY_KEY_ONLY ||
	    state == SE_IDENTITY_HALF) {
		*identity =
		    state == SE_IDENTITY_WHOLE ? SETUP_IDENTITY_WHOLE : SETUP_IDENTITY_PARTIAL;
		return OK;
	}
	if ((e = se_cert_read(&s->se, slot10, slot11, slot12)) == OK)
		*identity = ccert_unpack(slot10, slot11, slot12, &fields) == OK
		                ? SETUP_IDENTITY_STORED
		                : SETUP_IDENTITY_NONE;
	return e;
}

/* A slot without a key answers GenKey with the status of an ECC fault; that is an answer here. */
static enum err key_get(struct sketch *s, struct setup_info *info)
{
	enum err e = se_public(&s->se, SE_SLOT_DEVICE_KEY, info->q);

	info->has_key = e == OK;
	return e != OK && s->se.fault == SE_ECC ? OK : e;
}

/* Whether slot 1 is for statements alone, and its key. What stands there is in the data sheet's SlotConfig. */
static enum err attester_get(struct sketch *s, struct setup_info *info)
{
	enum { SLOT_CONFIG = 20, USES = 0x0f, INTERNAL_SIGN = 0x02 };
	uint8_t config[128];
	enum err e;

	if ((e = se_config_read(&s->se, config)) != OK ||
	    (config[SLOT_CONFIG + 2 * SE_SLOT_ATTESTATION] & USES) != INTERNAL_SIGN)
		return e;
	e = se_public(&s->se, SE_SLOT_ATTESTATION, info->attester);
	info->attests = e == OK;
	return e != OK && s->se.fault == SE_ECC ? OK : e;
}

/* Begins with the chip from its first word: it may have lost power, or be another one by now. */
static enum err info(void *ctx, struct setup_info *info)
{
	struct sketch *s = ctx;
	struct se_locks locks;
	enum err e;

	flush(s);
	if ((e = se_open(&s->se, &s->bus.hal)) != OK ||
	    (e = se_serial(&s->se, info->serial)) != OK || (e = se_locks(&s->se, &locks)) != OK)
		return result(s, e);
	memcpy(info->revision, s->se.revision, sizeof(info->revision));
	info->config_locked = locks.config;
	info->data_locked = locks.data;
	info->slots_locked = locks.slots;
	if (!locks.config || !locks.data)
		return OK;
	if ((e = key_get(s, info)) == OK && (e = attester_get(s, info)) == OK)
		e = identity_get(s, &info->identity);
	return result(s, e);
}

static enum err plan(void *ctx, struct slice name, struct setup_plan *plan)
{
	const struct se_profile *profile = profile_find(name);
	struct sketch *s = ctx;
	struct se_locks locks;
	size_t n = 0;
	enum err e;

	if (profile == NULL)
		return ERR_NOT_FOUND;
	flush(s);
	if ((e = se_open(&s->se, &s->bus.hal)) != OK || (e = se_locks(&s->se, &locks)) != OK ||
	    (e = se_config_read(&s->se, plan->config)) != OK ||
	    (e = se_profile_diff(&s->se, profile, plan->offsets, sizeof(plan->offsets), &n)) != OK)
		return result(s, e);
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

static enum err lock_with(void *ctx, struct slice name)
{
	const struct se_profile *profile = profile_find(name);
	struct sketch *s = ctx;
	enum err e;

	if (profile == NULL)
		return ERR_NOT_FOUND;
	e = se_lock(chip(s), profile);
	return e != OK && s->se.fault == SE_LOCKED ? OK : result(s, e);
}

static enum err new_key_marked(void *ctx)
{
	struct sketch *s = ctx;
	uint8_t q[64];

	return result(s, se_identity_key(chip(s), q));
}

static enum err store_marked(void *ctx, const struct ccert *fields)
{
	struct sketch *s = ctx;
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	enum err e = ccert_pack(fields, slot10, slot11, slot12);

	return e == OK ? result(s, se_identity_store(chip(s), slot10, slot11, slot12)) : e;
}

static enum err read_certificate(void *ctx, uint8_t slot10[CCERT_SLOT10],
    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12])
{
	struct sketch *s = ctx;

	return result(s, se_cert_read(chip(s), slot10, slot11, slot12));
}

static enum err prove(void *ctx, struct slice message, uint8_t sig[64])
{
	struct sketch *s = ctx;

	return result(s, sign(chip(s), message, sig));
}

/* The marker is written ahead of a new key; the one that counts is made within the statement. */
static enum err attest(
    void *ctx, const uint8_t challenge[20], bool create, struct setup_statement *statement)
{
	struct sketch *s = ctx;
	struct se_statement made;
	struct se_locks locks;
	uint8_t q[64];
	enum err e;

	if ((e = se_locks(chip(s), &locks)) != OK ||
	    (e = se_serial(&s->se, statement->serial)) != OK ||
	    (create && (e = se_identity_key(&s->se, q)) != OK) ||
	    (e = se_attest(
	         &s->se, SE_SLOT_DEVICE_KEY, SE_SLOT_ATTESTATION, create, challenge, &made)) != OK)
		return result(s, e);
	statement->mode = made.mode;
	statement->slot_locked = (locks.slots >> SE_SLOT_DEVICE_KEY & 1) != 0;
	memcpy(statement->random, made.rand_out, sizeof(statement->random));
	memcpy(statement->q, made.q, sizeof(statement->q));
	memcpy(statement->sig, made.sig, sizeof(statement->sig));
	return OK;
}

/* As a board's flash: passwords as they are, for this user alone. */
static enum err network(void *ctx, const struct setup_network *settings)
{
	const struct sketch *s = ctx;
	uint8_t bytes[SETUP_MESSAGE_MAX];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct slice map;
	enum err e;

	setup_network_put(&w, settings);
	if ((e = cbor_finish(&w, &map)) == OK)
		e = file_write(s->settings, map, 0600, NULL);
	wipe(bytes, sizeof(bytes));
	return e;
}

static enum err forget(void *ctx)
{
	struct sketch *s = ctx;

	if (s->settings != NULL && unlink(s->settings) != 0 && errno != ENOENT)
		return ERR_IO;
	return result(s, se_cert_erase(chip(s)));
}

/* Done when the answer has left, and not from within the dialogue. */
static void restart_later(void *ctx)
{
	((struct sketch *)ctx)->again = true;
}

static void reason(void *ctx, struct setup_reason *reason)
{
	const struct sketch *s = ctx;

	*reason = (struct setup_reason){ s->se.opcode, s->se.status, se_fault_text(s->se.fault) };
}

static struct setup_platform setup_platform(struct sketch *s)
{
	return (struct setup_platform){ .ctx = s,
		.program = "imprint-board " IMPRINT_VERSION,
		.put = put_frame,
		.info = info,
		.plan = plan,
		.lock = lock_with,
		.new_key = new_key_marked,
		.csr = csr,
		.store_certificate = store_marked,
		.read_certificate = read_certificate,
		.sign = prove,
		.attest = attest,
		.wipe = forget,
		.restart = restart_later,
		.reason = reason };
}

/* --- running --- */

enum err sketch_init(struct sketch *s, const char *element_socket, struct terminal *terminal,
    enum console_wording wording, bool setup, const char *wifi, struct errbuf *eb)
{
	memset(s, 0, sizeof(*s));
	if (sei2c_init(&s->bus, element_socket, SEI2C_ADDRESS) != OK)
		return err_set(eb, ERR_ARG, "%s: a socket's path has 1 to %d bytes", element_socket,
		    SEI2C_PATH_MAX);
	s->terminal = terminal;
	s->wording = wording;
	s->is_setup = setup;
	s->setup_platform = setup_platform(s);
	s->wifi = wifi;
	s->platform = (struct console_platform){ .ctx = s,
		.put = put,
		.present = present,
		.locked = locked,
		.write_config = write_config,
		.lock = lock,
		.new_key = new_key,
		.csr = csr,
		.store_device_id = store_device_id,
		.store_certificate = store_certificate,
		.rebuild = rebuild,
		.wifi_firmware = wifi == NULL ? NULL : wifi_firmware,
		.wifi_latest = BOARD_WIFI_LATEST };
	console_board_init(&s->console, wording, &s->platform);
	setup_board_init(&s->setup, &s->setup_platform);
	return OK;
}

/* The bus begins anew too, as after Wire.begin(): the chip behind it may be another process by now. */
void sketch_start(struct sketch *s)
{
	sei2c_close(&s->bus);
	s->out_n = 0;
	s->again = false;
	if (s->is_setup) {
		s->setup_platform.network = s->settings == NULL ? NULL : network;
		setup_board_init(&s->setup, &s->setup_platform);
		setup_board_announce(&s->setup);
	} else {
		console_board_init(&s->console, s->wording, &s->platform);
		console_board_start(&s->console);
	}
	flush(s);
}

void sketch_typed(struct sketch *s, struct slice in)
{
	if (s->is_setup)
		setup_board_take(&s->setup, in);
	else
		console_board_take(&s->console, in);
	flush(s);
	if (s->again)
		sketch_start(s);
}

void sketch_elapsed(struct sketch *s, uint32_t ms)
{
	if (s->is_setup)
		setup_board_elapsed(&s->setup, ms);
	else
		console_board_elapsed(&s->console, ms);
	flush(s);
}

unsigned sketch_step(const struct sketch *s)
{
	return s->is_setup ? (unsigned)s->setup.request : (unsigned)s->console.step;
}

const char *sketch_step_text(const struct sketch *s)
{
	if (s->is_setup)
		return s->setup.request == 0 ? "" : setup_request_text(s->setup.request);
	return s->console.cause == CONSOLE_FINE ? console_step_text(s->console.step)
	                                        : console_cause_text(s->console.cause);
}

/* The setup program answers for as long as the board has power. */
bool sketch_is_over(const struct sketch *s)
{
	if (s->is_setup)
		return false;
	return s->console.cause != CONSOLE_FINE || s->console.step == CONSOLE_DONE;
}

void sketch_close(struct sketch *s)
{
	if (s->se.hal != NULL && s->bus.fd >= 0)
		se_close(&s->se);
	sei2c_close(&s->bus);
}
