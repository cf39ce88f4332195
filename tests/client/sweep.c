/* Memory and files that fail at any moment, and a process that dies there: nothing is lost, the next attempt succeeds. */
#include "answer.h"
#include "credentials.h"
#include "faults.h"
#include "file.h"
#include "record.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define NEW "019aade0-1c00-7000-8000-0000000000ff"

static struct slice text(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

/* --- answers --- */

static void answers(void)
{
	static const char devices[] =
	    "[{\"id\":\"" OLD "\",\"name\":\"a\",\"type\":\"b\",\"tags\":{\"c\":\"d\"}},"
	    "{\"id\":\"" NEW "\",\"name\":\"a\",\"type\":\"b\",\"tags\":{\"c\":\"d\"}}]";
	struct cloud_devices list = { NULL, 0 };
	long n = 0, wrong = 0;
	enum err e;

	for (;; n++) {
		faults_begin(FAULT_MEMORY, n);
		e = answer_devices(text(devices), &list, NULL);
		if (!faults_end())
			break;
		wrong += e != ERR_MEMORY || list.n != 0;
	}
	ok(n >= 3 && wrong == 0 && e == OK && list.n == 2, "no memory for a list, %ld times", n);
	cloud_devices_clear(&list);
}

/* --- credentials --- */

static void credentials(const char *folder)
{
	static const char whole[] =
	    "{\"client\":\"abcdefghijklmnopqrstuvwxyz012345\",\"secret\":"
	    "\"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345ABCDEFGHIJKLMNOPQRSTUVWXYZ012345\","
	    "\"organization\":\"" OLD "\",\"server\":\"https://localhost:8443\"}";
	char path[256];
	struct credentials_where where = { .file = path };
	struct credentials c;
	static const enum fault kinds[] = { FAULT_FILES, FAULT_MEMORY };

	snprintf(path, sizeof(path), "%s/credentials.json", folder);
	if (!ok(file_write(path, text(whole), 0600, NULL) == OK, "credentials"))
		return;
	for (size_t k = 0; k < COUNT(kinds); k++) {
		long n = 0, wrong = 0;
		enum err e;

		for (;; n++) {
			faults_begin(kinds[k], n);
			e = credentials_find(&where, &c, NULL);
			if (!faults_end())
				break;
			/* One that cannot be read is not one that is missing. */
			wrong += e == OK || e == ERR_NOT_FOUND;
		}
		ok(n >= 1 && wrong == 0 && e == OK, "credentials: %s fail, %ld times",
		    kinds[k] == FAULT_FILES ? "files" : "memory", n);
	}
}

/* --- a record of another device is set aside --- */

static enum err is_new(void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb)
{
	(void)ctx, (void)name, (void)eb;
	memcpy(id, NEW, sizeof(NEW));
	return OK;
}

static bool holds(const char *folder, const char *file, const char *what)
{
	char path[256];
	uint8_t *bytes = NULL;
	size_t n;
	bool found;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	found = file_read(path, 4096, &bytes, &n, NULL) == OK && strstr((const char *)bytes, what);
	free(bytes);
	return found;
}

static void prepare(const char *folder)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/a." OLD ".old", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/a.json", folder);
	if (file_write(path,
	        text("{\"schema\":1,\"name\":\"a\",\"device_id\":\"" OLD "\",\"certificates\":[]}"),
	        0600, NULL) != OK)
		ok(false, "a record");
}

static enum err attempt(const char *folder)
{
	struct record_ids ids = { NULL, is_new };
	struct record *r = NULL;
	enum err e = record_open(folder, "a", &ids, &r, NULL);

	record_free(r);
	return e;
}

/* True when the n-th call was reached; the process may be gone then. */
static bool bad_luck(const char *folder, enum fault kind, long n)
{
	enum err e;
	int status;
	pid_t child;

	if (kind != FAULT_CRASH) {
		faults_begin(kind, n);
		e = attempt(folder);
		return faults_end() || e != OK;
	}
	if ((child = fork()) == 0) {
		faults_begin(kind, n);
		e = attempt(folder);
		_exit(faults_end() ? 1 : 0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) != 0;
}

static void set_aside(const char *folder, enum fault kind, const char *name)
{
	long n = 0, lost = 0, stuck = 0;
	bool reached;

	do {
		prepare(folder);
		reached = bad_luck(folder, kind, n++);
		lost += !holds(folder, "a.json", OLD) && !holds(folder, "a." OLD ".old", OLD);
		stuck += attempt(folder) != OK || !holds(folder, "a.json", NEW) ||
		         !holds(folder, "a." OLD ".old", OLD);
	} while (reached && n < 200);
	ok(n > 2 && n < 200 && lost == 0 && stuck == 0,
	    "set aside, %s: %ld times, %ld lost, %ld not finished by the next", name, n, lost,
	    stuck);
}

int main(void)
{
	char folder[] = "/tmp/imprint-sweep-XXXXXX", command[64];

	if (!mkdtemp(folder))
		return 1;
	answers();
	credentials(folder);
	set_aside(folder, FAULT_FILES, "files fail");
	set_aside(folder, FAULT_MEMORY, "no memory");
	set_aside(folder, FAULT_CRASH, "killed");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ok(system(command) == 0, "cleaned up");
	return done_testing();
}
