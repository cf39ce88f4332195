#include "folder.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err folder_join(
    const char *folder, const char *name, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	size_t n = strlen(folder), name_n = strlen(name);
	bool slash = n > 0 && folder[n - 1] != '/';

	if (n + slash + name_n >= FOLDER_PATH_MAX)
		return err_set(eb, ERR_ARG, "a path of %zu characters is too long (limit %d)",
		    n + slash + name_n, FOLDER_PATH_MAX - 1);
	memmove(path, folder, n);
	if (slash)
		path[n++] = '/';
	memcpy(path + n, name, name_n + 1);
	return OK;
}

/* The value of an XDG variable when it is absolute, else NULL. */
static const char *xdg(const char *variable)
{
	const char *value = getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

/* $XDG_..._HOME/imprint or ~/fallback/imprint. */
static enum err of_user(
    const char *variable, const char *fallback, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *base = xdg(variable), *home = getenv("HOME");
	enum err e;

	if (base)
		return folder_join(base, "imprint", path, eb);
	if (!home || home[0] != '/')
		return err_set(eb, ERR_NOT_FOUND, "neither %s nor HOME is set", variable);
	if ((e = folder_join(home, fallback, path, eb)) != OK)
		return e;
	return folder_join(path, "imprint", path, eb);
}

enum err folder_state(const char *flag, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *set = flag ? flag : getenv("IMPRINT_STATE");

	if (set && set[0])
		return folder_join("", set, path, eb);
	if (flag)
		return err_set(eb, ERR_ARG, "the state folder's name is empty");
	if (geteuid() == 0)
		return folder_join("/var/lib", "imprint", path, eb);
	return of_user("XDG_STATE_HOME", ".local/state", path, eb);
}

enum err folder_run(char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *base = xdg("XDG_RUNTIME_DIR");
	char name[40];

	if (base)
		return folder_join(base, "imprint", path, eb);
	if (geteuid() == 0)
		return folder_join("/run", "imprint", path, eb);
	snprintf(name, sizeof(name), "imprint-%lu", (unsigned long)geteuid());
	return folder_join("/tmp", name, path, eb);
}

enum err folder_config(char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	return of_user("XDG_CONFIG_HOME", ".config", path, eb);
}

enum err folder_private(const char *path, struct errbuf *eb)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return file_error(eb, errno, path, "cannot be examined");
	if (!S_ISDIR(st.st_mode))
		return err_set(eb, ERR_DENIED, "%s: is not a folder", path);
	if ((st.st_mode & 077) != 0)
		return err_set(eb, ERR_DENIED, "%s: mode %04o lets others in; make it 0700", path,
		    (unsigned)(st.st_mode & 07777));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(
		    eb, ERR_DENIED, "%s: belongs to user %lu", path, (unsigned long)st.st_uid);
	return OK;
}

/* Makes missing parents; a parent that exists, or that another process makes now, is fine. */
static enum err make_parents(const char *path, struct errbuf *eb)
{
	char part[FOLDER_PATH_MAX];
	enum err e = folder_join("", path, part, eb);

	for (char *slash = part + 1; e == OK && part[0] && (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			e = file_error(eb, errno, part, "cannot be made");
		*slash = '/';
	}
	return e;
}

enum err folder_make(const char *path, mode_t mode, struct errbuf *eb)
{
	enum err e = make_parents(path, eb);
	struct stat st;

	if (e != OK)
		return e;
	if (mkdir(path, mode) == 0) {
		if (chmod(path, mode) != 0)
			return file_error(eb, errno, path, "cannot be given its mode");
		return folder_sync_parent(path, eb);
	}
	if (errno != EEXIST)
		return file_error(eb, errno, path, "cannot be made");
	if (stat(path, &st) != 0)
		return file_error(eb, errno, path, "cannot be made");
	return S_ISDIR(st.st_mode)
	           ? OK
	           : err_set(eb, ERR_CONFLICT, "%s: exists and is not a folder", path);
}

enum err folder_sync(const char *path, struct errbuf *eb)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = OK;

	if (fd < 0)
		return file_error(eb, errno, path, "cannot be opened");
	if (fsync(fd) != 0)
		e = file_error(eb, errno, path, "cannot be flushed");
	close(fd);
	return e;
}

enum err folder_sync_parent(const char *path, struct errbuf *eb)
{
	char parent[FOLDER_PATH_MAX];
	size_t n = strlen(path);
	enum err e = folder_join("", path, parent, eb);

	if (e != OK)
		return e;
	while (n > 1 && parent[n - 1] == '/')
		n--;
	while (n > 0 && parent[n - 1] != '/')
		n--;
	while (n > 1 && parent[n - 1] == '/')
		n--;
	parent[n] = 0;
	return folder_sync(n ? parent : ".", eb);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

enum err folder_remove(const char *path, struct errbuf *eb)
{
	/* Physical: a link is not followed. */
	int number = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	return number == 0 ? OK
	                   : file_error(eb, number < 0 ? errno : number, path, "cannot be removed");
}
