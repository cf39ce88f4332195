#include "bus.h"
#include "fault_plan.h"
#include "file.h"
#include "seed.h"
#include "state.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GENKEY = 0x40 };

struct emu {
	pthread_mutex_t mutex; /* guards everything below but path and lock, which never change */
	struct engine engine;
	struct bus bus;
	struct fault_plan plan;
	uint32_t cut_at; /* the EEPROM write at which the power fails, 0: none */
	enum emu_timing timing;
	bool real_time;
	uint64_t advanced_us;
	enum err fault;
	char *path; /* NULL: in memory only */
	struct file_lock lock;
	struct seed seed; /* of a test */
};

static uint64_t now_us(const struct emu *emu)
{
	struct timespec t;

	if (!emu->real_time)
		return emu->advanced_us;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return emu->advanced_us + (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* --- making and opening --- */

static enum err serial_for(
    const struct engine *g, const struct emu_options *o, uint8_t serial[9], struct errbuf *eb)
{
	bool genuine = o->genuine_looking;
	enum err e;

	if (o->serial) {
		memcpy(serial, o->serial, 9);
		if (!genuine && (serial[0] != 0x45 || serial[1] != 0x4D || serial[8] != 0x4D))
			return err_set(
			    eb, ERR_ARG, "serial number: an emulated one begins 45 4D and ends 4D");
		return OK;
	}
	if ((e = g->random(g->random_ctx, serial, 9)) != OK)
		return err_set(eb, e, "no random numbers for the serial number");
	serial[0] = genuine ? 0x01 : 0x45;
	serial[1] = genuine ? 0x23 : 0x4D;
	serial[8] = genuine ? 0xEE : 0x4D;
	return OK;
}

/* The serial number stays our own: a dump is a configuration, not an identity to copy. */
static enum err take_dump(struct memory *m, const uint8_t config[CONFIG_SIZE], struct errbuf *eb)
{
	const char *fault;

	if (memcmp(config + AT_REVISION, m->config + AT_REVISION, 4) != 0)
		return err_set(eb, ERR_FORMAT,
		    "configuration dump: revision %02X%02X%02X%02X is not %s's", config[4],
		    config[5], config[6], config[7], emu_family_name(m->family));
	memcpy(m->config + 13, config + 13, CONFIG_SIZE - 13);
	if ((fault = memory_fault(m)))
		return err_set(eb, ERR_FORMAT, "configuration dump: %s", fault);
	return OK;
}

static enum err make(struct emu *emu, const struct emu_options *o, struct errbuf *eb)
{
	struct memory *m = &emu->engine.mem;
	uint8_t serial[9];
	enum err e;

	if ((unsigned)o->family > EMU_ATECC608B)
		return err_set(eb, ERR_ARG, "unknown element family %d", (int)o->family);
	if ((e = serial_for(&emu->engine, o, serial, eb)) != OK)
		return e;
	memory_factory(m, o->family, serial);
	m->genuine_looking = o->genuine_looking;
	if (o->config && (e = take_dump(m, o->config, eb)) != OK)
		return e;
	return emu->path ? state_save(emu->path, m, eb) : OK;
}

static enum err load(struct emu *emu, const struct emu_options *o, struct errbuf *eb)
{
	struct memory *m = &emu->engine.mem;
	enum err e;

	if ((e = state_load(emu->path, m, eb)) != OK)
		return e;
	if (m->genuine_looking && !o->genuine_looking)
		return err_set(eb, ERR_DENIED,
		    "%s: this element looks genuine; that must be asked for again to run it",
		    emu->path);
	return OK;
}

static enum err load_or_make(struct emu *emu, const struct emu_options *o, struct errbuf *eb)
{
	struct errbuf why;
	enum err e = emu->path ? load(emu, o, &why) : ERR_NOT_FOUND;

	if (e == ERR_NOT_FOUND && o->how != EMU_OPEN_ONLY)
		return make(emu, o, eb);
	if (e == OK && o->how == EMU_MAKE_ONLY)
		return err_set(eb, ERR_CONFLICT, "%s: an element is there already", emu->path);
	return e == OK     ? OK
	       : emu->path ? err_set(eb, e, "%s", why.text)
	                   : err_set(eb, ERR_ARG, "nothing to open: no state file named");
}

static enum err lock_path(struct emu *emu, const char *path, enum emu_how how, struct errbuf *eb)
{
	char name[PATH_MAX];

	if (how == EMU_OPEN_ONLY && access(path, F_OK) != 0)
		return err_set(eb, ERR_NOT_FOUND, "%s: no element is there", path);

	if ((size_t)snprintf(name, sizeof(name), "%s.lock", path) >= sizeof(name))
		return err_set(eb, ERR_ARG, "%s: the path is too long", path);
	if (!(emu->path = strdup(path)))
		return err_set(eb, ERR_MEMORY, "no memory for an element");
	return file_lock(&emu->lock, name, eb);
}

/* Before which EEPROM write the power fails next, or after which. */
static void arm(struct emu *emu)
{
	struct memory *m = &emu->engine.mem;
	bool kept;

	emu->cut_at = fault_next_cut(&emu->plan, m->writes, &kept);
	m->lost_from = emu->cut_at && kept ? emu->cut_at + 1 : emu->cut_at;
}

static void plan_set(struct emu *emu, const struct fault_plan *plan)
{
	emu->plan = *plan;
	emu->engine.mem.writes = 0;
	arm(emu);
}

enum err emu_open(
    const char *path, const struct emu_options *o, struct emu **emu, struct errbuf *eb)
{
	struct fault_plan plan;
	struct emu *made;
	enum err e;

	if ((e = fault_plan_parse(o->faults, &plan, eb)) != OK)
		return err_within(eb, e, "fault plan");
	if (!(made = calloc(1, sizeof(*made))))
		return err_set(eb, ERR_MEMORY, "no memory for an element");
	pthread_mutex_init(&made->mutex, NULL);
	made->lock = FILE_UNLOCKED;
	made->timing = o->timing;
	made->real_time = o->timing != EMU_INSTANT && !o->virtual_time;
	if ((e = engine_init(&made->engine, seed_plant(&made->seed, path) ? seed_random : NULL,
	         &made->seed, eb)) != OK ||
	    (path && (e = lock_path(made, path, o->how, eb)) != OK) ||
	    (e = load_or_make(made, o, eb)) != OK)
		goto out;
	made->bus.tireless = o->tireless;
	bus_power_up(&made->bus, &made->engine, made->timing);
	plan_set(made, &plan);
	*emu = made;
	made = NULL;
out:
	emu_free(made);
	return e;
}

void emu_free(struct emu *emu)
{
	if (!emu)
		return;
	engine_free(&emu->engine);
	file_unlock(&emu->lock);
	free(emu->path);
	pthread_mutex_destroy(&emu->mutex);
	wipe(emu, sizeof(*emu));
	free(emu);
}

/* --- the bus --- */

/*
 * Saves what a command changed. When that fails nobody may learn of the change, and whether the
 * disk holds it is unknown: the chip loses its power, and gets it back with what the disk really
 * holds.
 */
static void settle(struct emu *emu)
{
	struct memory *m = &emu->engine.mem;

	if (m->changed && emu->path && (emu->fault = state_save(emu->path, m, NULL)) != OK)
		bus_power_off(&emu->bus);
	m->changed = false;
}

static void power_cycle(struct emu *emu)
{
	uint32_t writes = emu->engine.mem.writes;

	bus_power_off(&emu->bus);
	if (emu->fault != OK)
		emu->fault = state_load(emu->path, &emu->engine.mem, NULL);
	if (emu->fault == OK)
		bus_power_up(&emu->bus, &emu->engine, emu->timing);
	emu->engine.mem.writes = writes;
	arm(emu);
}

enum err emu_plan_read(const char *path, uint8_t **text, size_t *n, struct errbuf *eb)
{
	struct fault_plan plan;
	enum err e;

	if ((e = file_read(path, EMU_PLAN_SIZE_MAX, text, n, eb)) != OK)
		return e;
	if ((e = fault_plan_parse((struct slice){ *text, *n }, &plan, eb)) != OK) {
		free(*text);
		*text = NULL;
		return err_within(eb, e, "%s", path);
	}
	return OK;
}

enum err emu_faults_set(struct emu *emu, struct slice text, struct errbuf *eb)
{
	struct fault_plan plan;
	enum err e = fault_plan_parse(text, &plan, eb);

	if (e != OK)
		return e;
	pthread_mutex_lock(&emu->mutex);
	plan_set(emu, &plan);
	pthread_mutex_unlock(&emu->mutex);
	return OK;
}

/* What the plan does to a transfer that the chip would acknowledge. */
static enum emu_ack transfer(struct emu *emu, uint64_t now, uint8_t addr7)
{
	bool stuck, nack;

	if (emu->plan.n == 0 || !bus_answers(&emu->bus, now, addr7))
		return EMU_ACK;
	stuck = fault_strikes(&emu->plan, FAULT_STUCK, 0);
	nack = fault_strikes(&emu->plan, FAULT_NACK, 0);
	return stuck ? EMU_STUCK : nack ? EMU_NACK_ADDRESS : EMU_ACK;
}

/* True when a fault of the plan ends the command before it changes anything. */
static bool command_lost(struct emu *emu, uint8_t opcode)
{
	bool watchdog = fault_strikes(&emu->plan, FAULT_WATCHDOG, opcode);
	bool reset = opcode == GENKEY && fault_strikes(&emu->plan, FAULT_BROWN_OUT, opcode);

	if (reset)
		power_cycle(emu);
	else if (watchdog)
		bus_sleep(&emu->bus);
	return reset || watchdog;
}

/* What the plan does to a command that has been executed, and saves. */
static void command_done(struct emu *emu, uint64_t now, uint8_t opcode)
{
	struct bus *b = &emu->bus;
	uint32_t slow = fault_strikes(&emu->plan, FAULT_SLOW, opcode);
	bool cut = emu->cut_at && emu->engine.mem.writes >= emu->cut_at;

	settle(emu);
	if (b->output_n && fault_strikes(&emu->plan, FAULT_BAD_CRC, opcode))
		b->output[b->output_n - 1] ^= 0xFF;
	if (slow)
		bus_delay(b, now, (uint64_t)slow * 1000);
	if (cut && emu->fault == OK) {
		emu->engine.mem.writes = emu->cut_at; /* what came behind never was */
		power_cycle(emu);
	}
}

static enum emu_ack write_through(
    struct emu *emu, uint64_t now, uint8_t addr7, const uint8_t *p, size_t n)
{
	bool command = n && p[0] == WORD_COMMAND && bus_answers(&emu->bus, now, addr7);
	uint8_t opcode = n >= 3 ? p[2] : 0;
	enum emu_ack ack;

	if (command && command_lost(emu, opcode))
		return EMU_ACK;
	ack = bus_write(&emu->bus, now, addr7, p, n);
	if (command)
		command_done(emu, now, opcode);
	return ack;
}

enum emu_ack emu_i2c_write(struct emu *emu, uint8_t addr7, const uint8_t *p, size_t n)
{
	enum emu_ack ack;
	uint64_t now;

	pthread_mutex_lock(&emu->mutex);
	now = now_us(emu);
	if ((ack = transfer(emu, now, addr7)) == EMU_ACK)
		ack = write_through(emu, now, addr7, p, n);
	pthread_mutex_unlock(&emu->mutex);
	return ack;
}

enum emu_ack emu_i2c_read(struct emu *emu, uint8_t addr7, uint8_t *p, size_t n)
{
	enum emu_ack ack;
	uint64_t now;

	pthread_mutex_lock(&emu->mutex);
	now = now_us(emu);
	if ((ack = transfer(emu, now, addr7)) == EMU_ACK)
		ack = bus_read(&emu->bus, now, addr7, p, n);
	pthread_mutex_unlock(&emu->mutex);
	return ack;
}

void emu_power_cycle(struct emu *emu)
{
	pthread_mutex_lock(&emu->mutex);
	power_cycle(emu);
	pthread_mutex_unlock(&emu->mutex);
}

void emu_advance(struct emu *emu, uint32_t us)
{
	pthread_mutex_lock(&emu->mutex);
	emu->advanced_us += us;
	pthread_mutex_unlock(&emu->mutex);
}

enum err emu_execute(
    struct emu *emu, struct slice command, uint8_t out[EMU_RESPONSE_MAX], size_t *n)
{
	uint8_t opcode = command.n >= 2 ? command.p[1] : 0;
	bool lost = false;
	enum err e;

	pthread_mutex_lock(&emu->mutex);
	if (emu->fault == OK && !(lost = command_lost(emu, opcode))) {
		bus_execute(&emu->bus, now_us(emu), command);
		command_done(emu, now_us(emu), opcode);
	}
	if ((e = emu->fault) == OK) {
		*n = lost ? 0 : emu->bus.output_n;
		memcpy(out, emu->bus.output, *n);
	} else {
		e = ERR_IO;
	}
	pthread_mutex_unlock(&emu->mutex);
	return e;
}

/* --- what it is --- */

void emu_info(struct emu *emu, struct emu_info *info)
{
	const struct memory *m = &emu->engine.mem;

	pthread_mutex_lock(&emu->mutex);
	*info = (struct emu_info){
		.family = m->family,
		.genuine_looking = m->genuine_looking,
		.address = emu->bus.address,
		.config_locked = memory_config_locked(m),
		.data_locked = memory_data_locked(m),
		.slots_locked = (uint16_t)~load_le16(m->config + AT_SLOT_LOCKED),
		.wear_config = m->wear_config,
		.wear_otp = m->wear_otp,
		.busy_us = emu->bus.busy_us,
		.faults = (unsigned)emu->plan.n,
		.faults_left = fault_plan_left(&emu->plan, m->writes),
		.fault = emu->fault,
	};
	memory_serial(m, info->serial);
	memcpy(info->revision, m->config + AT_REVISION, 4);
	memcpy(info->wear_slot, m->wear_slot, sizeof(info->wear_slot));
	memcpy(info->commands, emu->bus.commands, sizeof(info->commands));
	pthread_mutex_unlock(&emu->mutex);
}

const char *emu_family_name(enum emu_family family)
{
	static const char *const names[] = { "ATECC508A", "ATECC608A", "ATECC608B" };

	return names[family];
}
