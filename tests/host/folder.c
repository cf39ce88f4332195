/* Folders: where state, sockets and configuration live, and how they are made. */
#include "tap.h"
#include "file.h"
#include "folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/imprint-folder-XXXXXX";

/* Sets variables for one question; NULL takes one away. */
static void environment(
    const char *state, const char *xdg_state, const char *xdg_run, const char *home)
{
	const char *const names[] = { "IMPRINT_STATE", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
		"HOME" };
	const char *const values[] = { state, xdg_state, xdg_run, home };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (values[i])
			setenv(names[i], values[i], 1);
		else
			unsetenv(names[i]);
	}
	unsetenv("XDG_CONFIG_HOME");
}

static void look_ups(void)
{
	char path[FOLDER_PATH_MAX];
	struct errbuf eb = { "" };
	bool root = geteuid() == 0;

	environment("/srv/from-env", "/xdg", "/run/user/1", "/home/a");
	ok(folder_state("/srv/from-flag", path, &eb) == OK && strcmp(path, "/srv/from-flag") == 0,
	    "--state comes first");
	ok(folder_state(NULL, path, &eb) == OK && strcmp(path, "/srv/from-env") == 0,
	    "then IMPRINT_STATE");
	ok(folder_state("", path, &eb) == ERR_ARG, "an empty --state is a mistake (%s)", eb.text);
	ok(folder_run(path, &eb) == OK && strcmp(path, "/run/user/1/imprint") == 0,
	    "XDG_RUNTIME_DIR");
	environment(NULL, "/xdg", NULL, "/home/a");
	ok(folder_state(NULL, path, &eb) == OK &&
	        strcmp(path, root ? "/var/lib/imprint" : "/xdg/imprint") == 0,
	    "then root's, or XDG_STATE_HOME");
	ok(folder_run(path, &eb) == OK && (root ? strcmp(path, "/run/imprint") == 0
	                                        : strncmp(path, "/tmp/imprint-", 13) == 0),
	    "run folder without XDG_RUNTIME_DIR");
	environment("", "relative", "relative", "/home/a");
	ok(folder_state(NULL, path, &eb) == OK &&
	        strcmp(path, root ? "/var/lib/imprint" : "/home/a/.local/state/imprint") == 0,
	    "empty and relative values are ignored");
	ok(folder_config(path, &eb) == OK && strcmp(path, "/home/a/.config/imprint") == 0,
	    "configuration");
	setenv("XDG_CONFIG_HOME", "/xdg/config", 1);
	ok(folder_config(path, &eb) == OK && strcmp(path, "/xdg/config/imprint") == 0,
	    "XDG_CONFIG_HOME");
	environment(NULL, NULL, NULL, NULL);
	ok(folder_config(path, &eb) == ERR_NOT_FOUND, "no home (%s)", eb.text);
}

static void joining(void)
{
	char path[FOLDER_PATH_MAX], longest[FOLDER_PATH_MAX];
	struct errbuf eb = { "" };

	ok(folder_join("a", "b", path, &eb) == OK && strcmp(path, "a/b") == 0, "a, b");
	ok(folder_join("a/", "b", path, &eb) == OK && strcmp(path, "a/b") == 0, "a/, b");
	ok(folder_join("/", "b", path, &eb) == OK && strcmp(path, "/b") == 0, "/, b");
	ok(folder_join("", "b", path, &eb) == OK && strcmp(path, "b") == 0, "nothing, b");
	memset(longest, 'x', sizeof(longest));
	longest[FOLDER_PATH_MAX - 3] = 0;
	ok(folder_join(longest, "b", path, &eb) == OK && strlen(path) == FOLDER_PATH_MAX - 1,
	    "the longest path");
	strcpy(path, "untouched");
	ok(folder_join(longest, "bc", path, &eb) == ERR_ARG && strcmp(path, "untouched") == 0,
	    "one more (%s)", eb.text);
	ok(folder_join(path, "b", path, &eb) == OK && strcmp(path, "untouched/b") == 0, "in place");
}

static void making(void)
{
	char path[128], deep[160];
	struct errbuf eb = { "" };
	struct stat st;

	snprintf(path, sizeof(path), "%s/a", top);
	snprintf(deep, sizeof(deep), "%s/a/b/c", top);
	umask(022);
	ok(folder_make(deep, 0700, &eb) == OK, "a folder and its parents (%s)", eb.text);
	ok(stat(deep, &st) == 0 && (st.st_mode & 07777) == 0700, "its mode");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0755, "its parents' mode");
	ok(folder_make(deep, 0700, &eb) == OK, "again");
	ok(folder_private(deep, &eb) == OK, "it is private");
	ok(folder_private(path, &eb) == ERR_DENIED, "its parent is not (%s)", eb.text);
	ok(folder_private("/nowhere/at/all", &eb) == ERR_NOT_FOUND, "one that is not there (%s)",
	    eb.text);
	rmdir(deep);
	ok(symlink(top, deep) == 0 && folder_private(deep, &eb) == ERR_DENIED, "a link (%s)",
	    eb.text);
	unlink(deep);
	ok(file_write(deep, TEXT("x"), 0600, &eb) == OK &&
	        folder_make(deep, 0700, &eb) == ERR_CONFLICT,
	    "a file of that name (%s)", eb.text);
	ok(folder_private(deep, &eb) == ERR_DENIED, "is no private folder");
	strcat(deep, "/d");
	ok(folder_make(deep, 0700, &eb) != OK, "below a file (%s)", eb.text);
	snprintf(deep, sizeof(deep), "%s/a/b/c", top);
	unlink(deep);
	snprintf(deep, sizeof(deep), "%s/a/b", top);
	rmdir(deep);
	rmdir(path);
}

static void removing(void)
{
	char path[128], file[160], other[160], link[160];
	struct errbuf eb = { "" };

	snprintf(path, sizeof(path), "%s/r", top);
	snprintf(file, sizeof(file), "%s/r/a/b", top);
	snprintf(other, sizeof(other), "%s/kept", top);
	snprintf(link, sizeof(link), "%s/r/link", top);
	ok(folder_make(file, 0700, &eb) == OK && folder_make(other, 0700, &eb) == OK,
	    "two folders");
	snprintf(file, sizeof(file), "%s/r/a/b/c", top);
	ok(file_write(file, TEXT("x"), 0600, &eb) == OK, "a file in it (%s)", eb.text);
	snprintf(file, sizeof(file), "%s/kept/c", top);
	ok(file_write(file, TEXT("x"), 0600, &eb) == OK && symlink(other, link) == 0, "a link");
	ok(folder_remove(path, &eb) == OK && access(path, F_OK) != 0, "all of it is gone (%s)",
	    eb.text);
	ok(access(file, F_OK) == 0, "but what the link leads to");
	ok(folder_remove(other, &eb) == OK, "the other (%s)", eb.text);
	ok(folder_remove("/nowhere/at/all", &eb) != OK, "one that is not there (%s)", eb.text);
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	look_ups();
	joining();
	making();
	removing();
	ok(rmdir(top) == 0, "nothing is left");
	return done_testing();
}
