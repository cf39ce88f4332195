/* Two programs with a driver each use one chip at the same time: every signature is over what was asked for. */
#include "emu.h"
#include "p256.h"
#include "se.h"
#include "sei2c.h"
#include "tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 40

static char folder[] = "/tmp/imprint-turns-XXXXXX";
static char path[64];
static uint8_t q[64];

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	exit(99);
}

struct user {
	uint8_t number;
	unsigned refused, wrong;
};

static void *use(void *arg)
{
	struct user *u = arg;
	uint8_t digest[32], sig[64];
	struct p256 *p = NULL;
	struct sei2c bus;
	struct se se;

	must(p256_new(&p, NULL) == OK && sei2c_init(&bus, path, SEI2C_ADDRESS) == OK &&
	         se_open(&se, &bus.hal) == OK,
	    "driver");
	memset(digest, u->number, sizeof(digest));
	for (unsigned i = 0; i < ROUNDS; i++) {
		digest[0] = (uint8_t)i;
		if (se_sign(&se, SE_SLOT_DEVICE_KEY, digest, sig) != OK)
			u->refused++;
		else if (p256_verify(p, q, digest, sig) != OK)
			u->wrong++;
	}
	se_close(&se);
	sei2c_close(&bus);
	p256_free(p);
	return NULL;
}

static void chip_make(void)
{
	struct sei2c bus;
	struct se se;

	must(sei2c_init(&bus, path, SEI2C_ADDRESS) == OK && se_open(&se, &bus.hal) == OK &&
	         se_lock(&se, &se_profile_arduino) == OK &&
	         se_genkey(&se, SE_SLOT_DEVICE_KEY, q) == OK,
	    "chip");
	se_close(&se);
	sei2c_close(&bus);
}

int main(void)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct user users[2] = { { .number = 1 }, { .number = 2 } };
	struct emu_server *server = NULL;
	struct emu *emu = NULL;
	pthread_t threads[COUNT(users)];

	must(mkdtemp(folder) != NULL, "folder");
	snprintf(path, sizeof(path), "%s/s", folder);
	must(emu_open(NULL, &o, &emu, NULL) == OK &&
	         emu_server_new(path, &emu, 1, &server, NULL) == OK &&
	         emu_server_start(server, NULL) == OK,
	    "emulator");
	chip_make();
	for (size_t i = 0; i < COUNT(users); i++)
		must(pthread_create(&threads[i], NULL, use, &users[i]) == 0, "thread");
	for (size_t i = 0; i < COUNT(users); i++) {
		pthread_join(threads[i], NULL);
		ok(users[i].refused == 0 && users[i].wrong == 0, "user %zu: %u refused, %u wrong",
		    i, users[i].refused, users[i].wrong);
	}
	emu_server_free(server);
	emu_free(emu);
	rmdir(folder);
	return done_testing();
}
