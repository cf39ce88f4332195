/*
 * A chip that is not there, that dies at the n-th bus transaction, that comes back: the board says so
 * with the sketch's own words, and the next attempt finishes.
 */
#include "rig.h"

#define SIGNATURE                                                                                  \
	"2a1d5b4669a85e51c9c3666b2af9203a0c0e9e0d8c11df04c542721bbf29e345"                         \
	"26dd72b3b3cefc6c45332cd791828fe915b01044bf749c7d673dbaecd98044e9"
#define SCRIPT                                                                                     \
	{                                                                                          \
		"y", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40", "2025", "11", "22", "23", "31",       \
		    "9f3c0d5e11a2b3c4d5e6f70812233445",                                            \
		    "27ef225f0a4abc3495559d2085c66d1d955ef033", SIGNATURE                          \
	}
/* Every so many transactions one is the last; a run has about 240. */
#define STRIDE 5

static struct board *board_at(const struct bench *b, const char *element, enum console_wording w)
{
	struct board_options o = {
		.name = "bench", .state = b->state, .run = b->run, .element = element, .wording = w
	};
	struct board *board = NULL;
	struct errbuf eb = { "" };

	must(board_new(&o, &board, &eb) == OK && board_start(board, &eb) == OK, eb.text);
	return board;
}

static void test_absent(void)
{
	static const struct {
		const char *name, *want;
		enum console_wording wording;
	} cases[] = {
		{ "today", "No crypto present!\r\n", CONSOLE_TODAY },
		{ "2020", "No ECCX08 present!\r\n", CONSOLE_2020 },
	};
	static struct host h = { .answers = SCRIPT };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bench b = bench_make();
		char nobody[64];
		struct board *board;

		snprintf(nobody, sizeof(nobody), "%s/nobody", b.folder);
		board = board_at(&b, nobody, cases[i].wording);
		host_talk(&h, board_port(board), false);
		is_bytes(h.said, h.n, cases[i].want, strlen(cases[i].want), cases[i].name);
		board_free(board);
		bench_clear(&b);
	}
}

static bool said(const struct host *h, const char *text)
{
	return strstr(h->said, text) != NULL;
}

/* One chip from blank, its wire cut after n transactions, then whole again. */
static bool cut_at(long n, long *frames)
{
	static struct host h = { .answers = SCRIPT };
	struct bench b = bench_make();
	struct chip c = { 0 };
	struct board *board;
	struct errbuf eb;
	bool finished;

	chip_start(&c, &b, EMU_ATECC608B);
	c.wire.cut_after = n;
	board = board_at(&b, c.wire.path, CONSOLE_TODAY);
	host_talk(&h, board_port(board), false);
	finished = said(&h, "Program finished.");
	*frames = c.wire.frames;
	if (!ok(h.e == OK && (finished || said(&h, " present!") || said(&h, " failed!") ||
	                         said(&h, "Error ")),
	        "cut after %ld transactions: %s", n, finished ? "finished" : host_line(&h)))
		printf("# %s\n", h.said);
	c.wire.cut_after = -1;
	must(board_press(b.run, "bench", BOARD_BUTTON_RESET, &eb) == OK, eb.text);
	host_talk(&h, board_port(board), false);
	if (!ok(h.e == OK && said(&h, "Program finished."), "and finishes once the wire is whole"))
		printf("# %s\n", h.said);
	board_free(board);
	chip_stop(&c);
	bench_clear(&b);
	return finished;
}

static void test_cut_everywhere(void)
{
	long n = 0, frames;

	while (!cut_at(n, &frames))
		n += STRIDE;
	ok(n > 200 && frames <= n, "a whole run has %ld transactions", frames);
}

int main(void)
{
	test_absent();
	test_cut_everywhere();
	return done_testing();
}
