/*
 * The first start with one call to the system failing, whichever it is: it says so, nothing is half there
 * afterwards, and the next start finishes it.
 */
#include "tap.h"
#include "credentials.h"
#include "faults.h"
#include "file.h"
#include "installation.h"
#include "utc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], state[80], database[96], config[96];
static struct log quiet = LOG_TO(-1, LOG_LEVEL_ERROR, false);

static void bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static void empty(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *entry; d && (entry = readdir(d));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) != 0)
			empty(fd, entry->d_name);
	}
	if (d)
		closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static void begin(void)
{
	empty(AT_FDCWD, top);
	if (mkdir(top, 0700) != 0 || mkdir(state, 0700) != 0)
		bail_out("no folder");
}

/* One start, as imprintd makes it. */
static enum err start(
    struct store *store, struct installation *in, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	struct installation_access how = { .state = state,
		.server = "https://localhost:8443",
		.ca = "/somewhere/service-root.pem",
		.log = &quiet,
		.now_ms = utc_now_ms() };
	enum err e = installation_open(in, state, store, NULL, utc_now(), eb);

	if (e == OK && (e = installation_credentials(in, &how, store, path, eb)) != OK)
		installation_close(in);
	return e;
}

static bool counts_one(void *ctx, const struct store_authority *a)
{
	unsigned *n = ctx;

	(void)a;
	(*n)++;
	return true;
}

/* What a start without faults finds: one organization, one authority, credentials that are known. */
static bool is_whole(struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	struct installation in;
	struct store *store = NULL;
	struct store_principal client;
	struct credentials c;
	uint8_t *text = NULL;
	uint32_t tenant = 0;
	unsigned authorities = 0;
	size_t n;
	bool good = false;

	if (store_open(database, NULL, &store, eb) != OK)
		return false;
	if (start(store, &in, path, eb) == OK) {
		good = store_authority_list(store, in.tenant, counts_one, &authorities, eb) == OK &&
		       authorities == 1 &&
		       file_read_private(path, CREDENTIALS_SIZE_MAX, &text, &n, eb) == OK &&
		       credentials_parse((struct slice){ text, n }, &c, eb) == OK &&
		       strcmp(c.organization, in.organization) == 0 &&
		       store_client(store, c.client, &tenant, &client, eb) == OK &&
		       tenant == in.tenant;
		installation_close(&in);
	}
	free(text);
	store_close(store);
	return good;
}

static void sweep(enum fault kind, const char *what)
{
	long n, failed = 0;
	unsigned bad = 0;

	for (n = 0;; n++) {
		char path[FOLDER_PATH_MAX];
		struct installation in;
		struct store *store = NULL;
		struct errbuf eb = { "" };
		bool reached;
		enum err e;

		begin();
		if (store_open(database, NULL, &store, &eb) != OK)
			bail_out(eb.text);
		faults_begin(kind, n);
		e = start(store, &in, path, &eb);
		reached = faults_end();
		if (e == OK)
			installation_close(&in);
		else if (eb.text[0] == '\0')
			bad++; /* without a reason */
		failed += e != OK;
		store_close(store);
		eb.text[0] = '\0';
		if (!is_whole(&eb)) {
			printf("# after %s %ld: %s\n", what, n, eb.text);
			bad++;
		}
		if (!reached)
			break;
	}
	ok(bad == 0 && failed > 0, "%s: %ld starts failed, and the next one finished", what,
	    failed);
}

static void random_names(void)
{
	unsigned seen[128] = { 0 }, least = UINT32_MAX, most = 0, letters = 0;
	char text[6201];

	if (installation_random(text, sizeof(text) - 1, NULL) != OK)
		bail_out("no random bytes");
	for (const char *p = text; *p != '\0'; p++)
		seen[*p & 127]++;
	for (size_t i = 0; i < COUNT(seen); i++) {
		if (seen[i] == 0)
			continue;
		letters++;
		least = seen[i] < least ? seen[i] : least;
		most = seen[i] > most ? seen[i] : most;
	}
	/* 100 of each are expected; six standard deviations are 60. */
	ok(strlen(text) == 6200 && letters == 62 && least > 40 && most < 160,
	    "62 letters and digits, none preferred: %u to %u of each", least, most);
}

int main(void)
{
	snprintf(top, sizeof(top), "%s/imprint-installation-%ld",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
	snprintf(state, sizeof(state), "%s/state", top);
	snprintf(database, sizeof(database), "%s/imprint.db", state);
	snprintf(config, sizeof(config), "%s/config", top);
	setenv("XDG_CONFIG_HOME", config, 1);

	random_names();
	sweep(FAULT_FILES, "a call to files");
	sweep(FAULT_MEMORY, "memory");
	sweep(FAULT_RANDOM, "random numbers");
	empty(AT_FDCWD, top);
	ok(access(top, F_OK) != 0, "nothing is left");
	return done_testing();
}
