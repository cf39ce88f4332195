/* `imprint down`: ends the `imprint up` that runs. */
#include "commands.h"
#include "up_file.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60
#define LOOK_MS 50

static enum err done(const struct cli *cli, long pid, struct errbuf *eb)
{
	if (cli_json(cli))
		return cli_json_print(
		    json_pack("{s:b,s:I}", "ended", pid > 0, "pid", (json_int_t)pid), eb);
	if (pid > 0)
		cli_say(cli, "ended process %ld", pid);
	return OK;
}

static enum err down(struct cli *cli, struct errbuf *eb)
{
	long limit = cli_timeout(cli, PATIENCE_S), pid, holder;
	char state[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK)
		return e;
	/* Nothing to end is what was wanted. */
	if ((e = up_file_holder(state, &pid, eb)) == ERR_NOT_FOUND) {
		cli_say(cli, "%s", eb->text);
		return done(cli, 0, eb);
	}
	if (e != OK)
		return e;
	if (kill((pid_t)pid, SIGTERM) != 0 && errno != ESRCH)
		return err_set(eb, ERR_DENIED, "process %ld: %s", pid, strerror(errno));
	for (long ms = 0; ms < limit * 1000; ms += LOOK_MS) {
		e = up_file_holder(state, &holder, eb);
		if (e == ERR_NOT_FOUND || (e == OK && holder != pid))
			return done(cli, pid, eb);
		if (e != OK)
			return e;
		usleep(LOOK_MS * 1000);
	}
	return err_set(eb, ERR_TIMEOUT, "process %ld has not ended after %ld s", pid, limit);
}

const struct cli_command down_commands[] = {
	{ .name = "down",
	    .summary = "end the `imprint up` that runs",
	    .about = "Returns when boards, broker and server have stopped. When nothing runs, "
	             "that is said, and nothing is wrong.",
	    .run = down },
	{ 0 },
};
