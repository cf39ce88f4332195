/* imprint: a table of subcommands. */
#include "cli.h"
#include "commands.h"

int main(int argc, char **argv)
{
	static const struct cli_program imprint = {
		.name = "imprint",
		.version = IMPRINT_VERSION,
		.title = "device identity that cannot be copied, self-hosted",
		.does = "gives a board an identity that cannot be copied",
		.about =
		    "A private key is born inside a board's secure element and never leaves it. "
		    "Imprint issues\na certificate for it from your own authority and writes it "
		    "back into the chip.\nResults go to standard output, progress and errors to "
		    "standard error.",
		.section = "1",
		.book = "User Commands",
		.globals = cli_globals,
		.tables = cli_commands,
	};

	return cli_main(&imprint, argc, argv);
}
