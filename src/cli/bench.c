/* `imprint element bench`: how fast emulated chips are on this computer. */
#include "chip.h"
#include "element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLICE_SECONDS 0.2

static enum err do_random(struct se *se)
{
	uint8_t out[32];

	return se_random(se, out);
}

static enum err do_sha256(struct se *se)
{
	static const uint8_t message[64];
	uint8_t digest[32];

	return se_sha256(se, SLICE(message), digest);
}

static enum err do_genkey(struct se *se)
{
	uint8_t q[64];

	return se_genkey(se, SE_SLOT_DEVICE_KEY, q);
}

static enum err do_sign(struct se *se)
{
	static const uint8_t digest[32] = { 1 };
	uint8_t sig[64];

	return se_sign(se, SE_SLOT_DEVICE_KEY, digest, sig);
}

static const struct {
	const char *name, *key;
	enum err (*run)(struct se *se);
} calls[] = {
	{ "random number", "random", do_random },
	{ "SHA-256 of 64 bytes", "sha256", do_sha256 },
	{ "new key", "genkey", do_genkey },
	{ "signature", "sign", do_sign },
};

struct rate {
	double calls, commands; /* a second */
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double commands_of(struct emu *emu)
{
	struct emu_info info;
	double sum = 0;

	emu_info(emu, &info);
	for (unsigned i = 0; i < COUNT(info.commands); i++)
		sum += info.commands[i];
	return sum;
}

static enum err measure(
    struct emu *emu, const struct se_hal *hal, struct rate rates[COUNT(calls)], struct errbuf *eb)
{
	struct se se;

	if (se_open(&se, hal) != OK)
		return err_set(eb, ERR_DEVICE, "%s", se_fault_text(se.fault));
	for (size_t i = 0; i < COUNT(calls); i++) {
		double begun = seconds(), spent, before = commands_of(emu), n = 0;

		do {
			if (calls[i].run(&se) != OK)
				return err_set(eb, ERR_DEVICE, "%s: %s", calls[i].name,
				    se_fault_text(se.fault));
			n++;
		} while ((spent = seconds() - begun) < SLICE_SECONDS);
		rates[i] = (struct rate){ n / spent, (commands_of(emu) - before) / spent };
	}
	se_close(&se);
	return OK;
}

/* A socket in a folder of its own, for as long as it takes. */
static enum err measure_socket(struct emu *emu, struct rate rates[COUNT(calls)], struct errbuf *eb)
{
	char folder[] = "/tmp/imprint-bench-XXXXXX", path[64];
	struct emu_server *server = NULL;
	struct sei2c bus;
	enum err e;

	if (!mkdtemp(folder))
		return err_set(eb, ERR_IO, "%s: %s", folder, strerror(errno));
	snprintf(path, sizeof(path), "%s/se", folder);
	if ((e = emu_server_new(path, &emu, 1, &server, eb)) != OK ||
	    (e = emu_server_start(server, eb)) != OK ||
	    (e = sei2c_init(&bus, path, SEI2C_ADDRESS)) != OK)
		goto out;
	e = measure(emu, &bus.hal, rates, eb);
	sei2c_close(&bus);
out:
	emu_server_free(server);
	rmdir(folder);
	return e;
}

static enum err show(
    const struct cli *cli, const struct rate *process, const struct rate *socket, struct errbuf *eb)
{
	json_t *all = json_object();

	for (size_t i = 0; i < COUNT(calls); i++)
		json_object_set_new(all, calls[i].key,
		    json_pack("{s:{s:f,s:f},s:{s:f,s:f}}", "in_process", "calls", process[i].calls,
		        "commands", process[i].commands, "socket", "calls", socket[i].calls,
		        "commands", socket[i].commands));
	if (cli_json(cli))
		return cli_json_print(all, eb);
	json_decref(all);
	printf("%-20s  %12s  %12s  commands a second (calls)\n", "", "in process", "socket");
	for (size_t i = 0; i < COUNT(calls); i++)
		printf("%-20s  %12.0f  %12.0f  (%.0f, %.0f)\n", calls[i].name, process[i].commands,
		    socket[i].commands, process[i].calls, socket[i].calls);
	return OK;
}

enum err element_bench(struct cli *cli, struct errbuf *eb)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct rate process[COUNT(calls)], socket[COUNT(calls)];
	struct emu *emu = NULL;
	struct se_hal hal;
	struct se se;
	enum err e;

	if ((e = emu_open(NULL, &o, &emu, eb)) != OK)
		return e;
	hal = emu_hal(emu);
	if (se_open(&se, &hal) != OK || se_lock(&se, &se_profile_arduino) != OK)
		e = err_set(eb, ERR_DEVICE, "%s", se_fault_text(se.fault));
	else if ((e = measure(emu, &hal, process, eb)) == OK &&
	         (e = measure_socket(emu, socket, eb)) == OK)
		e = show(cli, process, socket, eb);
	emu_free(emu);
	return e;
}
