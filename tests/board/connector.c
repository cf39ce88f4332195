/* The board's connector and buttons by themselves, then several boards beside each other. */
#include "control.h"
#include "rig.h"
#include "terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>

enum { NOTHING_MS = 50, SOMETHING_MS = 10000 }; /* how long is waited for what is expected */

static size_t slave_read(int fd, char *out, size_t cap, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, ms) == 1 ? read(fd, out, cap) : 0;

	return n < 0 ? 0 : (size_t)n;
}

static enum terminal_change look(struct terminal *t)
{
	enum terminal_change change = terminal_look(t);

	ok(terminal_look(t) == TERMINAL_SAME, "then nothing changes");
	return change;
}

static void test_terminal(void)
{
	struct bench b = bench_make();
	struct terminal t = TERMINAL_UNPLUGGED;
	struct termios line;
	struct errbuf eb = { "" };
	char link[64], got[64];
	struct stat st;
	unsigned patience = SOMETHING_MS;
	size_t n;
	int fd;

	snprintf(link, sizeof(link), "%s/tty", b.folder);
	must(symlink("/dev/null", link) == 0, "symlink");
	ok(terminal_plug(&t, link, &eb) == OK, "plugged in over an old link");
	ok(stat(link, &st) == 0 && S_ISCHR(st.st_mode) && !t.open, "nobody has it open");
	ok(terminal_look(&t) == TERMINAL_SAME, "and nothing has changed");
	terminal_write(&t, "lost", 4);

	fd = open(link, O_RDWR | O_NOCTTY);
	ok(fd >= 0 && look(&t) == TERMINAL_OPENED, "opened");
	ok(slave_read(fd, got, sizeof(got), NOTHING_MS) == 0, "what was said before is lost");
	ok(tcgetattr(fd, &line) == 0 && (line.c_lflag & (ECHO | ICANON)) == 0 &&
	        (line.c_oflag & OPOST) == 0 && cfgetospeed(&line) == B9600,
	    "the line is raw at 9600 baud");
	terminal_write(&t, "heard\r\n", 7);
	n = slave_read(fd, got, sizeof(got), SOMETHING_MS);
	is_bytes(got, n, "heard\r\n", 7, "what is said now arrives unchanged");
	terminal_write(&t, "unread", 6);
	line.c_lflag |= ECHO | ICANON;
	must(tcsetattr(fd, TCSANOW, &line) == 0 && write(fd, "typed\n", 6) == 6, "host");
	close(fd);
	ok(look(&t) == TERMINAL_CLOSED, "closed");
	/* It goes from one end of a pseudo-terminal to the other by a thread of the kernel. */
	for (n = 0; n == 0 && patience > 0; patience--) {
		poll(NULL, 0, 1);
		n = terminal_read(&t, (uint8_t *)got, sizeof(got));
	}
	ok(n >= 5 && memcmp(got, "typed", 5) == 0, "what was typed last is read");

	fd = open(link, O_RDWR | O_NOCTTY);
	ok(fd >= 0 && look(&t) == TERMINAL_OPENED, "opened again");
	ok(slave_read(fd, got, sizeof(got), NOTHING_MS) == 0,
	    "what the last host did not read is gone");
	ok(tcgetattr(fd, &line) == 0 && (line.c_lflag & (ECHO | ICANON)) == 0,
	    "the line is raw again");
	terminal_unplug(&t);
	ok(slave_read(fd, got, sizeof(got), NOTHING_MS) == 0 && lstat(link, &st) != 0,
	    "unplugged: the link is gone");
	close(fd);
	terminal_unplug(&t);
	bench_clear(&b);
}

/* A host that opens and never reads must not hold the board for ever. */
static void test_deaf_host(void)
{
	static char much[1 << 18];
	struct bench b = bench_make();
	struct terminal t = TERMINAL_UNPLUGGED;
	struct errbuf eb = { "" };
	char link[64];
	int fd;

	memset(much, 'x', sizeof(much));
	snprintf(link, sizeof(link), "%s/tty", b.folder);
	must(terminal_plug(&t, link, &eb) == OK, eb.text);
	fd = open(link, O_RDWR | O_NOCTTY);
	terminal_write(&t, much, sizeof(much));
	ok(true, "writing to a host that does not read ends");
	close(fd);
	terminal_unplug(&t);
	bench_clear(&b);
}

static int client(const char *path, const char *text)
{
	int fd = wire_connect(path);

	must(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "send");
	return fd;
}

static bool is_cut_off(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
	bool cut = n == 0 || (n < 0 && errno == ECONNRESET);

	close(fd);
	return cut;
}

static void test_control(void)
{
	struct bench b = bench_make();
	struct control c = CONTROL_CLOSED;
	struct errbuf eb = { "" };
	char path[64], answer[64] = "";
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/button", b.folder);
	ok(control_listen(&c, path, &eb) == OK, "listens");
	fd = client(path, "res");
	ok(!control_take(&c, 0), "half a word");
	must(send(fd, "et\n", 3, MSG_NOSIGNAL) == 3, "send");
	ok(control_take(&c, 0) && strcmp(c.word, "reset") == 0, "the whole word");
	control_answer(&c, "key value\n", OK, NULL);
	ok(recv(fd, answer, sizeof(answer), 0) == 13 && strcmp(answer, "key value\nok\n") == 0,
	    "answered");
	ok(is_cut_off(fd), "and let go");

	fd = client(path, "a word that is much too long for this board to take it\n");
	ok(!control_take(&c, 0) && is_cut_off(fd), "too long a word is cut off");
	fd = client(path, "");
	ok(!control_take(&c, 1000), "a client that says nothing");
	ok(!control_take(&c, 2999), "is waited for");
	ok(!control_take(&c, 3000) && is_cut_off(fd), "for two seconds");
	fd = client(path, "plug");
	shutdown(fd, SHUT_WR);
	ok(!control_take(&c, 0), "an unfinished word");
	ok(!control_take(&c, 0) && is_cut_off(fd), "is none");
	control_close(&c);
	ok(lstat(path, &st) != 0, "the socket is gone");
	control_close(&c);
	bench_clear(&b);
}

static void test_names(void)
{
	static const struct {
		const char *name;
		enum err want;
	} cases[] = {
		{ "kitchen", OK },
		{ "A.b_c-9", OK },
		{ "", ERR_ARG },
		{ ".hidden", ERR_ARG },
		{ "-v", ERR_ARG },
		{ "a/b", ERR_ARG },
		{ "..", ERR_ARG },
		{ "k\xc3\xbc"
		  "che",
		    ERR_ARG },
		{ "1234567890123456789012345678901234567890123456789012345678901234", OK },
		{ "12345678901234567890123456789012345678901234567890123456789012345", ERR_ARG },
	};
	struct errbuf eb;

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(board_name_check(cases[i].name, &eb) == cases[i].want, "name '%s'",
		    cases[i].name);
}

static void test_neighbours(void)
{
	static struct host h = { .answers = { "y", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40" } };
	struct bench b = bench_make();
	struct board_options o = { .name = "left", .state = b.state, .run = b.run };
	struct board *left = NULL, *right = NULL, *third = NULL;
	struct board_status s;
	struct errbuf eb = { "" };
	char **names = NULL;
	size_t n = 0;

	ok(board_new(&o, &left, &eb) == OK && board_start(left, &eb) == OK, "one board");
	ok(board_new(&o, &third, &eb) == ERR_CONFLICT && third == NULL, "its name is taken: %s",
	    eb.text);
	o.name = "right";
	ok(board_new(&o, &right, &eb) == OK && board_start(right, &eb) == OK, "another one");
	ok(board_names(b.run, &names, &n, &eb) == OK && n == 2 && strcmp(names[0], "left") == 0 &&
	        strcmp(names[1], "right") == 0,
	    "both are listed");
	while (n > 0)
		free(names[--n]);
	free(names);
	host_talk(&h, board_port(right), false);
	ok(strstr(h.said, "CERTIFICATE REQUEST") != NULL, "one makes a request");
	ok(board_status_get(b.run, "right", &s, &eb) == OK && s.opcodes[0x41] == 1 &&
	        s.pid == getpid(),
	    "its chip has signed");
	ok(board_status_get(b.run, "left", &s, &eb) == OK && s.wire_commands == 0,
	    "the other's has not");
	ok(board_press(b.run, "left", BOARD_BUTTON_STOP, &eb) == OK,
	    "one is stopped by its button");
	ok(board_status_get(b.run, "left", &s, &eb) == ERR_NOT_FOUND, "and is gone");
	board_free(left);
	ok(board_status_get(b.run, "right", &s, &eb) == OK, "the other one stays");
	board_free(right);
	o.name = "left";
	ok(board_new(&o, &left, &eb) == OK, "the name is free again");
	board_free(left);
	bench_clear(&b);
}

int main(void)
{
	test_terminal();
	test_deaf_host();
	test_control();
	test_names();
	test_neighbours();
	return done_testing();
}
