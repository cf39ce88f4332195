/* `imprint reset`: everything in the state folder goes, after a question. */
#include "commands.h"
#include "credentials.h"
#include "emu.h"
#include "up_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What we make there, and nothing else: a mistyped --state loses nothing of others. */
static const char *const ours[] = { "imprint.db", "imprint.db-wal", "imprint.db-shm", "ca", "tls",
	"broker", "elements", "runs", "logs", "credentials.json", "up.json" };

static bool there(const char *state, const char *name, char path[FOLDER_PATH_MAX])
{
	return folder_join(state, name, path, NULL) == OK &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool any(const char *state)
{
	char path[FOLDER_PATH_MAX];

	for (size_t i = 0; i < COUNT(ours); i++)
		if (there(state, ours[i], path))
			return true;
	return false;
}

/* --- who would miss it --- */

/* An emulated chip that is in use has its file locked. */
static enum err chips_rest(const char *state, struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct emu_options o = { .how = EMU_OPEN_ONLY };
	const struct dirent *entry;
	enum err e = OK;
	DIR *dir;

	if ((e = folder_join(state, "elements", folder, eb)) != OK)
		return e;
	dir = opendir(folder);
	while (dir && e == OK && (entry = readdir(dir))) {
		const char *end = strrchr(entry->d_name, '.');
		struct emu *emu = NULL;

		if (!end || strcmp(end, ".se") != 0 ||
		    folder_join(folder, entry->d_name, path, NULL) != OK)
			continue;
		/* One that cannot be read may go. */
		if (emu_open(path, &o, &emu, eb) == ERR_CONFLICT)
			e = err_within(eb, ERR_CONFLICT, "a virtual board or an emulator runs");
		emu_free(emu);
	}
	if (dir)
		closedir(dir);
	return e;
}

/* The user's own credentials, when they are of this installation: their `ca` lies in it. */
static bool credentials_of_it(const char *state, char path[FOLDER_PATH_MAX])
{
	struct credentials c = { .server = "" };
	char folder[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	size_t n, length = strlen(state);
	bool yes = false;

	if (folder_config(folder, NULL) == OK &&
	    folder_join(folder, "credentials.json", path, NULL) == OK &&
	    file_read_private(path, CREDENTIALS_SIZE_MAX, &text, &n, NULL) == OK)
		yes = credentials_parse((struct slice){ text, n }, &c, NULL) == OK &&
		      strncmp(c.ca, state, length) == 0 && c.ca[length] == '/';
	if (text)
		wipe(text, n);
	free(text);
	wipe(&c, sizeof(c));
	return yes;
}

/* --- away --- */

static enum err question(
    const struct cli *cli, const char *state, const char *credentials, struct errbuf *eb)
{
	char text[FOLDER_PATH_MAX * 2 + 200];

	snprintf(text, sizeof(text),
	    "Remove the authority with its key, all devices, certificates, emulated chips and "
	    "records in %s%s%s? Boards with a certificate of it need new ones then.",
	    state, credentials[0] ? ", and " : "", credentials);
	return cli_confirm(cli, text, eb);
}

static enum err away(const struct cli *cli, const char *state, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], credentials[FOLDER_PATH_MAX] = "";
	enum err e;

	if ((e = chips_rest(state, eb)) != OK)
		return e;
	if (!credentials_of_it(state, credentials))
		credentials[0] = 0;
	if ((e = question(cli, state, credentials, eb)) != OK)
		return e;
	for (size_t i = 0; i < COUNT(ours); i++) {
		if (!there(state, ours[i], path))
			continue;
		if ((e = folder_remove(path, eb)) != OK)
			return e;
		cli_say(cli, "removed      %s", path);
	}
	if (!credentials[0])
		return OK;
	if (unlink(credentials) != 0)
		return file_error(eb, errno, credentials, "cannot be removed");
	cli_say(cli, "removed      %s", credentials);
	return OK;
}

/* A server that runs by itself, without `imprint up`. */
static enum err server_rests(const char *state, struct file_lock *lock, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e = folder_join(state, "imprintd.lock", path, eb);

	if (e != OK || access(path, F_OK) != 0)
		return e;
	e = file_lock(lock, path, eb);
	return e == ERR_CONFLICT ? err_within(eb, e, "imprintd runs with this folder") : e;
}

static enum err reset(struct cli *cli, struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX], *real;
	struct file_lock lock = FILE_UNLOCKED, server = FILE_UNLOCKED;
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK)
		return e;
	real = realpath(state, NULL);
	if (!real) {
		cli_say(cli, "there is no folder %s", state);
		return OK;
	}
	if ((e = folder_join("", real, state, eb)) == OK && !any(state)) {
		cli_say(cli, "nothing of ours is in %s", state);
		free(real);
		return OK;
	}
	if (e == OK)
		e = up_file_lock(state, &lock, eb);
	if (e == ERR_CONFLICT)
		e = err_set(
		    eb, e, "`imprint up` runs with %s; `%s down` first", state, cli->called);
	if (e == OK && (e = server_rests(state, &server, eb)) == OK)
		e = away(cli, state, eb);
	file_unlock(&server);
	file_unlock(&lock);
	free(real);
	return e;
}

const struct cli_command reset_commands[] = {
	{ .name = "reset",
	    .summary = "remove everything that was made in the state folder",
	    .about = "Authority, devices, certificates, records, emulated chips, logs: all of it, "
	             "for ever, after a question that --yes answers. Refused while `imprint up` "
	             "or a virtual board runs. The user's credentials file goes too when it is of "
	             "this installation. Files of others in the folder stay.",
	    .run = reset },
	{ 0 },
};
