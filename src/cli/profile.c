/* `imprint element diff` and `imprint element lock --dry-run`: what a profile would change, byte by byte. */
#include "chip.h"
#include "element.h"
#include "se_profile.h"
#include "text.h"

#include <jansson.h>
#include <string.h>

struct view {
	struct chip *chip;
	const struct se_profile *profile;
	uint8_t serial[9], config[SE_CONFIG_SIZE], offsets[SE_CONFIG_SIZE];
	size_t n; /* bytes that differ */
	struct se_locks locks;
	enum se_trust trust;
};

static const struct se_profile *profile_of(const char *name, struct errbuf *eb)
{
	for (const struct se_profile *const *p = se_profiles; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	err_set(eb, ERR_ARG, "%s: no such profile; there are %s and %s", name,
	    se_profile_arduino.name, se_profile_attestation.name);
	return NULL;
}

/* Asks the chip; nothing that is sent changes it. */
static enum err look(const struct cli *cli, const char *profile, struct view *v, struct errbuf *eb)
{
	struct element_places at;
	struct se *se;
	enum err e;

	memset(v, 0, sizeof(*v));
	if (!(v->profile = profile_of(profile, eb)))
		return ERR_ARG;
	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = chip_open(at.state, at.run, cli->args[0], &v->chip, eb)) != OK)
		return e;
	se = &v->chip->se;
	if ((e = se_serial(se, v->serial)) != OK || (e = se_config_read(se, v->config)) != OK ||
	    (e = se_locks(se, &v->locks)) != OK || (e = se_trust(se, &v->trust)) != OK ||
	    (e = se_profile_diff(se, v->profile, v->offsets, sizeof(v->offsets), &v->n)) != OK)
		return err_set(eb, e, "%s: %s", v->chip->where, se_fault_text(se->fault));
	return OK;
}

/* What stands at this byte of the configuration. */
static const char *field(const struct se *se, unsigned at, char out[24])
{
	bool old = se->family == SE_ATECC508A;

	if (at >= 20 && at < 52)
		snprintf(out, 24, "SlotConfig %u", (at - 20) / 2);
	else if (at >= 96)
		snprintf(out, 24, "KeyConfig %u", (at - 96) / 2);
	else if (at >= 52 && at < 68)
		snprintf(out, 24, "Counter %u", (at - 52) / 8);
	else
		snprintf(out, 24, "%s",
		    at == 16               ? "I2C_Address"
		    : at == 18             ? (old ? "OTPmode" : "CountMatch")
		    : at == 19             ? "ChipMode"
		    : at >= 68 && at < 84  ? (old           ? "LastKeyUse"
		                                 : at == 68 ? "UseLock"
		                                 : at == 69 ? "VolatileKeyPermission"
		                                 : at < 72  ? "SecureBoot"
		                                 : at < 75  ? "KdfIv"
		                                            : "reserved")
		    : at == 88 || at == 89 ? "SlotLocked"
		    : at == 90 || at == 91 ? (old ? "reserved" : "ChipOptions")
		    : at >= 92             ? "X509format"
		                           : "reserved");
	return out;
}

static const char *trust_text(enum se_trust trust)
{
	static const char *const texts[] = { [SE_TRUST_NONE] = NULL,
		[SE_TRUST_GO_TLS] = "Trust&GO, TLS",
		[SE_TRUST_GO_LORA] = "Trust&GO, LoRa",
		[SE_TRUST_FLEX_TLS] = "TrustFLEX, TLS" };

	return texts[trust];
}

static void print_head(const struct view *v)
{
	char serial[19];

	hex_encode(SLICE(v->serial), HEX_UPPER, serial);
	printf("%s %s, configuration %s, data and OTP %s\n", chip_model(v->chip), serial,
	    v->locks.config ? "locked" : "open", v->locks.data ? "locked" : "open");
	if (v->trust != SE_TRUST_NONE)
		printf("configured as Microchip's %s\n", trust_text(v->trust));
}

static void print_differences(const struct view *v)
{
	char name[24];

	if (v->n == 0) {
		printf("its configuration is that of %s\n", v->profile->name);
		return;
	}
	printf("%zu bytes are unlike %s\n\nbyte  chip  profile  field\n", v->n, v->profile->name);
	for (size_t i = 0; i < v->n; i++)
		printf("%4u  %02X    %02X       %s\n", v->offsets[i], v->config[v->offsets[i]],
		    v->profile->config[v->offsets[i]], field(&v->chip->se, v->offsets[i], name));
}

static json_t *view_json(const struct view *v)
{
	const char *trust = trust_text(v->trust);
	json_t *list = json_array(), *all;
	char serial[19], name[24];

	hex_encode(SLICE(v->serial), HEX_UPPER, serial);
	for (size_t i = 0; i < v->n; i++) {
		unsigned at = v->offsets[i];

		json_array_append_new(list, json_pack("{s:i,s:s,s:i,s:i}", "offset", (int)at,
		                                "field", field(&v->chip->se, at, name), "chip",
		                                v->config[at], "profile", v->profile->config[at]));
	}
	all = json_pack("{s:s,s:s,s:b,s:b,s:s,s:b,s:o}", "serial", serial, "model",
	    chip_model(v->chip), "config_locked", v->locks.config, "data_locked", v->locks.data,
	    "profile", v->profile->name, "equal", v->n == 0, "differences", list);
	if (all)
		json_object_set_new(all, "microchip", trust ? json_string(trust) : json_null());
	return all;
}

enum err element_diff(struct cli *cli, struct errbuf *eb)
{
	struct view v;
	enum err e = look(cli, cli->args[1], &v, eb);

	if (e != OK)
		goto out;
	if (cli_json(cli)) {
		e = cli_json_print(view_json(&v), eb);
		goto out;
	}
	print_head(&v);
	print_differences(&v);
out:
	chip_close(v.chip);
	return e;
}

/* --- lock --dry-run --- */

const struct cli_option element_lock_options[] = {
	{ .name = "dry-run", .kind = CLI_SWITCH, .help = "say what would be done, and do nothing" },
	{ .name = "profile",
	    .kind = CLI_CHOICE,
	    .value = "arduino|attestation-ready",
	    .help = "instead of arduino" },
	{ 0 },
};

/* The steps of se_lock for this chip, in its order. */
#define STEPS_MAX (3 + 16)
static size_t plan(const struct view *v, char steps[STEPS_MAX][64])
{
	size_t n = 0;

	if (!v->locks.config && v->n > 0)
		snprintf(steps[n++], 64, "write the configuration and read it back");
	if (!v->locks.config)
		snprintf(steps[n++], 64, "lock the configuration, with its CRC");
	for (unsigned slot = 0; slot < 16; slot++)
		if (!v->locks.data && v->profile->keys >> slot & 1)
			snprintf(
			    steps[n++], 64, "make the key of slot %u, unless it has one", slot);
	if (!v->locks.data)
		snprintf(steps[n++], 64, "lock data and OTP");
	return n;
}

static enum err print_plan(const struct cli *cli, const struct view *v, struct errbuf *eb)
{
	char steps[STEPS_MAX][64];
	size_t n = plan(v, steps);
	json_t *all, *list;

	if (!cli_json(cli)) {
		print_head(v);
		print_differences(v);
		printf("\nlocking it as %s would, for ever:\n", v->profile->name);
		for (size_t i = 0; i < n; i++)
			printf("  %zu  %s\n", i + 1, steps[i]);
		printf(
		    "%snothing has been changed\n", n == 0 ? "  do nothing: it is locked\n" : "");
		return OK;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(steps[i]));
	all = view_json(v);
	if (all)
		json_object_set_new(all, "steps", list);
	else
		json_decref(list);
	return cli_json_print(all, eb);
}

enum err element_lock(struct cli *cli, struct errbuf *eb)
{
	const char *profile = cli_text(cli, "profile");
	struct view v;
	enum err e;

	if (!cli_on(cli, "dry-run"))
		return err_set(eb, ERR_ARG,
		    "locking is for ever and happens in the course of `%s provision`; say "
		    "--dry-run to see what it would do",
		    cli->called);
	if ((e = look(cli, profile ? profile : se_profile_arduino.name, &v, eb)) != OK)
		goto out;
	if (v.locks.config && v.n > 0)
		e = err_set(eb, ERR_CONFLICT,
		    "%s: the configuration is locked for ever and %zu bytes of it are unlike %s; "
		    "`%s element diff` shows them",
		    v.chip->where, v.n, v.profile->name, cli->called);
	else
		e = print_plan(cli, &v, eb);
out:
	chip_close(v.chip);
	return e;
}
