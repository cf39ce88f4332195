#include "board.h"
#include "control.h"
#include "file.h"
#include "folder.h"
#include "program.h"
#include "sketch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 50 /* how exactly the sketch knows the time */
#define IDLE_MS                                                                                    \
	500 /* a closed port is looked at so often even if nothing tells that it was opened */
/* As an Arduino core does: hosts often flush their input right after they have opened. */
#define START_MS 10
#define TAKEN_TRIES 10 /* a lock may be held for a moment by somebody who looks */

struct board {
	char name[65], element_file[FOLDER_PATH_MAX], settings[FOLDER_PATH_MAX];
	char wifi[BOARD_WIFI_MAX + 1], broker[264];
	char port[FOLDER_PATH_MAX], element[FOLDER_PATH_MAX], button[FOLDER_PATH_MAX];
	void (*event)(void *ctx, enum board_event event, const char *text);
	void *ctx;

	struct file_lock lock;
	struct emu *emu;
	struct emu_server *server;
	struct terminal terminal;
	struct control control;
	struct sketch sketch;
	struct program *program; /* NULL: there is no broker */
	bool running, stop;      /* running: the sketch has begun */
	bool restarted;          /* since when nobody has looked whether there is an identity */
	unsigned step;
	uint64_t looked_ms, opened_ms;

	int stop_pipe[2];
	pthread_t thread;
	bool has_thread;
};

static const char *const event_texts[BOARD_EVENTS] = {
	[BOARD_PLUGGED] = "plugged in",
	[BOARD_UNPLUGGED] = "unplugged",
	[BOARD_OPENED] = "port opened",
	[BOARD_CLOSED] = "port closed",
	[BOARD_RESET] = "reset",
	[BOARD_STARTED] = "sketch started",
	[BOARD_STEP] = "step",
	[BOARD_FAULT] = "secure element",
	[BOARD_OVER] = "sketch ended",
	[BOARD_CONNECTING] = "connecting",
	[BOARD_ONLINE] = "online",
	[BOARD_MESSAGE] = "message",
	[BOARD_ATTACHED] = "attached",
	[BOARD_SYNCHRONISED] = "synchronised",
	[BOARD_DETACHED] = "detached",
	[BOARD_REFUSED] = "not connected",
	[BOARD_LOST] = "connection lost",
};

const char *board_event_text(enum board_event event)
{
	return event_texts[event];
}

static void tell(struct board *b, enum board_event event, const char *text)
{
	if (b->event != NULL)
		b->event(b->ctx, event, text);
}

static void tell_fault(void *ctx, const char *text)
{
	tell(ctx, BOARD_FAULT, text);
}

static void tell_program(void *ctx, enum program_event event, const char *text)
{
	static const enum board_event events[PROGRAM_EVENTS] = {
		[PROGRAM_CONNECTING] = BOARD_CONNECTING,
		[PROGRAM_ONLINE] = BOARD_ONLINE,
		[PROGRAM_MESSAGE] = BOARD_MESSAGE,
		[PROGRAM_ATTACHED] = BOARD_ATTACHED,
		[PROGRAM_SYNCHRONISED] = BOARD_SYNCHRONISED,
		[PROGRAM_DETACHED] = BOARD_DETACHED,
		[PROGRAM_REFUSED] = BOARD_REFUSED,
		[PROGRAM_LOST] = BOARD_LOST,
	};

	tell(ctx, events[event], text);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

enum err board_name_check(const char *name, struct errbuf *eb)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	if (n < 1 || n > 64 || strspn(name, allowed) != n || name[0] == '.' || name[0] == '-')
		return err_set(eb, ERR_ARG,
		    "board name '%.80s': 1 to 64 letters, digits, '.', '_' or '-', beginning with "
		    "a "
		    "letter or digit",
		    name);
	return OK;
}

/* --- folders and names --- */

static enum err run_path(const char *run, const char *kind, const char *name, const char *suffix,
    char out[FOLDER_PATH_MAX], struct errbuf *eb)
{
	if ((size_t)snprintf(out, FOLDER_PATH_MAX, "%s/%s/%s%s", run, kind, name, suffix) >=
	    FOLDER_PATH_MAX)
		return err_set(eb, ERR_ARG, "%s: the path is too long", run);
	return OK;
}

static enum err folders_make(const struct board_options *o, struct errbuf *eb)
{
	static const char *const kinds[] = { "tty", "se", "board" };
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_make(o->run, 0700, eb)) != OK || (e = folder_private(o->run, eb)) != OK)
		return e;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if ((e = folder_join(o->run, kinds[i], path, eb)) != OK ||
		    (e = folder_make(path, 0700, eb)) != OK)
			return e;
	if (o->element != NULL)
		return OK;
	if ((e = folder_make(o->state, 0700, eb)) != OK ||
	    (e = folder_join(o->state, "elements", path, eb)) != OK)
		return e;
	return folder_make(path, 0700, eb);
}

static enum err paths_make(struct board *b, const struct board_options *o, struct errbuf *eb)
{
	enum err e;

	if ((e = run_path(o->run, "tty", b->name, "", b->port, eb)) != OK ||
	    (e = run_path(o->run, "board", b->name, ".sock", b->button, eb)) != OK ||
	    (e = run_path(o->state, "elements", b->name, ".se", b->element_file, eb)) != OK ||
	    (e = run_path(o->state, "elements", b->name, ".network", b->settings, eb)) != OK)
		return e;
	if (o->element == NULL)
		return run_path(o->run, "se", b->name, ".sock", b->element, eb);
	if ((size_t)snprintf(b->element, sizeof(b->element), "%s", o->element) >=
	    sizeof(b->element))
		return err_set(eb, ERR_ARG, "%s: the path is too long", o->element);
	return OK;
}

/* Somebody who looks whether the board lives holds the lock for a moment (serial_is_stale). */
static enum err name_take(struct board *b, const char *run, struct errbuf *eb)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	char path[FOLDER_PATH_MAX], dotted[68];
	enum err e;

	snprintf(dotted, sizeof(dotted), ".%s", b->name);
	if ((e = run_path(run, "tty", dotted, ".lock", path, eb)) != OK)
		return e;
	for (int i = 0; i < TAKEN_TRIES; i++) {
		if ((e = file_lock(&b->lock, path, eb)) != ERR_CONFLICT)
			return e;
		nanosleep(&moment, NULL);
	}
	return err_within(eb, e, "the virtual board %s runs already", b->name);
}

/* --- making and freeing --- */

/* A board is not kept from its chip for a second, but its thread is on a busy computer. */
static enum err element_make(struct board *b, const struct board_options *o, struct errbuf *eb)
{
	struct emu_options chip = o->chip;
	enum err e;

	if (o->element != NULL)
		return OK;
	chip.tireless = true;
	if ((e = emu_open(b->element_file, &chip, &b->emu, eb)) != OK ||
	    (e = emu_server_new(b->element, &b->emu, 1, &b->server, eb)) != OK)
		return e;
	return emu_server_start(b->server, eb);
}

static enum err program_make(struct board *b, const struct board_options *o, struct errbuf *eb)
{
	const struct program_options program = { .broker = o->broker,
		.anchor = o->anchor,
		.version = IMPRINT_VERSION,
		.hal = &b->sketch.bus.hal,
		.event = tell_program,
		.ctx = b };

	if ((o->broker == NULL) != (o->anchor == NULL))
		return err_set(
		    eb, ERR_ARG, "a board's broker needs an anchor, and the other way round");
	if (o->broker == NULL)
		return OK;
	snprintf(b->broker, sizeof(b->broker), "%s", o->broker);
	return program_new(&program, &b->program, eb);
}

enum err board_new(const struct board_options *o, struct board **board, struct errbuf *eb)
{
	struct board *b = calloc(1, sizeof(*b));
	enum err e;

	if (b == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for a virtual board");
	b->lock = FILE_UNLOCKED;
	b->terminal = TERMINAL_UNPLUGGED;
	b->control = CONTROL_CLOSED;
	b->stop_pipe[0] = b->stop_pipe[1] = -1;
	b->event = o->event;
	b->ctx = o->ctx;
	if ((e = board_name_check(o->name, eb)) != OK)
		goto out;
	snprintf(b->name, sizeof(b->name), "%s", o->name);
	snprintf(b->wifi, sizeof(b->wifi), "%s", o->wifi == NULL ? "" : o->wifi);
	if ((e = paths_make(b, o, eb)) != OK || (e = folders_make(o, eb)) != OK ||
	    (e = name_take(b, o->run, eb)) != OK || (e = element_make(b, o, eb)) != OK ||
	    (e = sketch_init(&b->sketch, b->element, &b->terminal,
	         o->wording == CONSOLE_2020 ? CONSOLE_2020 : CONSOLE_TODAY, o->setup,
	         o->wifi == NULL ? NULL : b->wifi, eb)) != OK ||
	    (e = program_make(b, o, eb)) != OK ||
	    (e = control_listen(&b->control, b->button, eb)) != OK ||
	    (e = terminal_plug(&b->terminal, b->port, eb)) != OK)
		goto out;
	b->sketch.fault = tell_fault;
	b->sketch.ctx = b;
	if (o->element == NULL) /* else there is no folder of ours to keep them in */
		b->sketch.settings = b->settings;
	b->restarted = true;
	tell(b, BOARD_PLUGGED, b->port);
	*board = b;
	b = NULL;
out:
	board_free(b);
	return e;
}

/* Also in the middle of board_new. The lock goes last: the name is free when nothing is left. */
static void take_down(struct board *b)
{
	struct control control = b->control;

	terminal_unplug(&b->terminal);
	program_free(b->program);
	b->program = NULL;
	sketch_close(&b->sketch);
	emu_server_free(b->server);
	emu_free(b->emu);
	b->server = NULL;
	b->emu = NULL;
	b->control = CONTROL_CLOSED;
	if (control.path != NULL)
		unlink(control.path);
	file_unlock(&b->lock);
	control.path = NULL; /* from now on it is perhaps somebody else's */
	if (b->stop)
		control_answer(&control, "", OK, NULL);
	b->stop = false;
	control_close(&control);
}

void board_free(struct board *b)
{
	if (b == NULL)
		return;
	if (b->has_thread) {
		close(b->stop_pipe[1]);
		pthread_join(b->thread, NULL);
		close(b->stop_pipe[0]);
	}
	take_down(b);
	free(b);
}

const char *board_port(const struct board *b)
{
	return b->port;
}

const char *board_element(const struct board *b)
{
	return b->element;
}

/* --- buttons --- */

static void restart(struct board *b)
{
	program_stop(b->program);
	b->running = false;
	b->restarted = true;
}

static void reset(struct board *b)
{
	uint8_t unread[256];

	while (terminal_read(&b->terminal, unread, sizeof(unread)) > 0)
		;
	restart(b);
}

static enum err plug(struct board *b, struct errbuf *eb)
{
	enum err e;

	if (b->terminal.master >= 0)
		return OK;
	/* Without power the chip has lost its registers. An absent one is the sketch's to report. */
	if (sei2c_power_cycle(&b->sketch.bus) != OK)
		tell(b, BOARD_FAULT, "the element does not answer at power-up");
	if ((e = terminal_plug(&b->terminal, b->port, eb)) == OK)
		tell(b, BOARD_PLUGGED, b->port);
	return e;
}

static void unplug(struct board *b)
{
	if (b->terminal.master < 0)
		return;
	terminal_unplug(&b->terminal);
	restart(b);
	sei2c_close(&b->sketch.bus);
	tell(b, BOARD_UNPLUGGED, "");
}

static const char *state_text(const struct board *b)
{
	if (b->terminal.master < 0)
		return "unplugged";
	if (program_runs(b->program))
		return program_is_online(b->program) ? "online" : "connecting";
	if (!b->running)
		return "waiting";
	return sketch_is_over(&b->sketch) ? "over" : "running";
}

static const char *step_text(const struct board *b)
{
	if (!b->running)
		return program_text(b->program);
	return sketch_step_text(&b->sketch);
}

static const char *sketch_name(const struct sketch *s)
{
	if (s->is_setup)
		return "setup";
	return s->wording == CONSOLE_2020 ? "2020" : "today";
}

/* Adds a line to a text of CONTROL_REPLY_MAX bytes; one that does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void line(char *text, const char *fmt, ...)
{
	size_t n = strlen(text), put;
	va_list ap;

	va_start(ap, fmt);
	put = (size_t)vsnprintf(text + n, CONTROL_REPLY_MAX - n, fmt, ap);
	va_end(ap);
	if (n + put >= CONTROL_REPLY_MAX)
		text[n] = '\0';
}

static void status(const struct board *b, char text[CONTROL_REPLY_MAX])
{
	struct emu_server_counters wire = { 0 };
	struct emu_info info = { 0 };
	uint64_t commands = 0;

	if (b->emu != NULL) {
		emu_info(b->emu, &info);
		emu_server_counters(b->server, &wire);
	}
	for (size_t i = 0; i < COUNT(wire.opcodes); i++)
		commands += wire.opcodes[i];
	line(text, "name %s\nstate %s\nstep %s\nport %s\nelement %s\npid %ld\n", b->name,
	    state_text(b), step_text(b), b->port, b->element, (long)getpid());
	line(text, "wording %s\nwifi %s\nbroker %s\n", sketch_name(&b->sketch), b->wifi, b->broker);
	line(text, "busy_us %llu\nframes %llu\ncommands %llu\n", (unsigned long long)info.busy_us,
	    (unsigned long long)wire.frames, (unsigned long long)commands);
	for (size_t i = 0; i < COUNT(wire.opcodes); i++)
		if (wire.opcodes[i] != 0)
			line(text, "opcode %02zx %llu\n", i, (unsigned long long)wire.opcodes[i]);
}

static void button_pressed(struct board *b)
{
	const char *word = b->control.word;
	char text[CONTROL_REPLY_MAX] = "";
	struct errbuf eb = { "" };
	enum err e = OK;

	if (strcmp(word, "status") == 0) {
		status(b, text);
	} else if (strcmp(word, "reset") == 0) {
		reset(b);
		tell(b, BOARD_RESET, "");
	} else if (strcmp(word, "unplug") == 0) {
		unplug(b);
	} else if (strcmp(word, "plug") == 0) {
		e = plug(b, &eb);
	} else if (strcmp(word, "stop") == 0) {
		b->stop = true;
		return; /* answered when nothing is left but the process */
	} else {
		e = err_set(&eb, ERR_ARG, "unknown word '%s'", word);
	}
	control_answer(&b->control, text, e, &eb);
}

/* --- running --- */

static void sketch_moved(struct board *b)
{
	unsigned step = sketch_step(&b->sketch);

	if (step != b->step && step != 0)
		tell(b, BOARD_STEP, sketch_step_text(&b->sketch));
	b->step = step;
	if (sketch_is_over(&b->sketch))
		tell(b, BOARD_OVER, step_text(b));
}

static void typed(struct board *b)
{
	uint8_t bytes[512];
	size_t n;

	if (b->terminal.open && !b->running)
		return; /* kept for the sketch, which is about to start */
	while ((n = terminal_read(&b->terminal, bytes, sizeof(bytes))) > 0) {
		if (!b->running || sketch_is_over(&b->sketch))
			continue; /* the endless loop at the end reads nothing */
		sketch_typed(&b->sketch, (struct slice){ bytes, n });
		sketch_moved(b);
	}
}

/* As long as something changes: a host may come and go while we look. */
static void look(struct board *b)
{
	enum terminal_change change;

	while (b->terminal.master >= 0 && (change = terminal_look(&b->terminal)) != TERMINAL_SAME) {
		if (change == TERMINAL_OPENED) {
			b->opened_ms = now_ms();
			program_stop(b->program);
			tell(b, BOARD_OPENED, "");
		} else if (change == TERMINAL_CLOSED) {
			typed(b);
			/* Who opens it next has to hear the announcement. */
			b->running = b->running && !b->sketch.is_setup;
			b->restarted = true;
			tell(b, BOARD_CLOSED, "");
		} else {
			reset(b);
			tell(b, BOARD_RESET, "");
		}
	}
}

/* `while (!Serial)`; a reset leaves the port open. */
static void start(struct board *b)
{
	if (b->running || !b->terminal.open || now_ms() < b->opened_ms + START_MS)
		return;
	b->running = true;
	b->step = 0;
	b->looked_ms = now_ms();
	tell(b, BOARD_STARTED, "");
	sketch_start(&b->sketch);
	sketch_moved(b);
}

/*
 * What a person would do after the setup is to put another sketch on the board; here the program starts by
 * itself, as soon as the setup has come to its end and nobody is at the port.
 */
static void program_begin(struct board *b)
{
	if (!b->restarted || b->terminal.master < 0 || b->terminal.open ||
	    (b->running && !sketch_is_over(&b->sketch)))
		return;
	b->restarted = false;
	if (program_start(b->program, now_ms()))
		b->running = false;
}

static void time_passed(struct board *b)
{
	uint64_t now = now_ms(), passed = now - b->looked_ms;

	b->looked_ms = now;
	if (!b->running || sketch_is_over(&b->sketch))
		return;
	sketch_elapsed(&b->sketch, passed > UINT32_MAX ? UINT32_MAX : (uint32_t)passed);
	sketch_moved(b);
}

/* A change of speed wakes nobody, so an open port is looked at from time to time. */
static int patience_at_port(const struct board *b)
{
	if (b->terminal.open && !b->running)
		return START_MS;
	if (b->control.client >= 0 || b->terminal.open ||
	    (b->running && !sketch_is_over(&b->sketch)))
		return TICK_MS;
	if (b->terminal.master >= 0)
		return b->terminal.watch >= 0 ? IDLE_MS : TICK_MS;
	return -1;
}

static int patience(const struct board *b)
{
	int port = patience_at_port(b), program = program_patience(b->program, now_ms());

	return port < 0 || (program >= 0 && program < port) ? program : port;
}

enum err board_run(struct board *b, int stop_fd, struct errbuf *eb)
{
	b->looked_ms = now_ms();
	while (!b->stop) {
		struct pollfd p[5];

		look(b);
		p[0] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = control_fd(&b->control), .events = POLLIN };
		p[2] = (struct pollfd){ .fd = b->terminal.watch, .events = POLLIN };
		/* While nobody has it open the master only repeats its hang-up. */
		p[3] =
		    (struct pollfd){ .fd = b->terminal.open && b->running ? b->terminal.master : -1,
			    .events = POLLIN };
		p[4] = program_poll(b->program);
		if (poll(p, COUNT(p), patience(b)) < 0 && errno != EINTR)
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		if (p[0].revents != 0)
			break;
		if ((p[1].revents != 0 || b->control.client >= 0) &&
		    control_take(&b->control, now_ms()))
			button_pressed(b);
		look(b);
		start(b);
		typed(b);
		time_passed(b);
		program_begin(b);
		program_run(b->program, now_ms());
	}
	unplug(b);
	take_down(b);
	return OK;
}

static void *thread_run(void *arg)
{
	struct board *b = arg;
	struct errbuf eb;

	if (board_run(b, b->stop_pipe[0], &eb) != OK)
		tell(b, BOARD_FAULT, eb.text);
	return NULL;
}

enum err board_start(struct board *b, struct errbuf *eb)
{
	sigset_t all, before;
	int error;

	if (pipe2(b->stop_pipe, O_CLOEXEC) != 0)
		return err_set(eb, ERR_IO, "pipe: %s", strerror(errno));
	/* Signals are for the thread that started us. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&b->thread, NULL, thread_run, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		close(b->stop_pipe[0]);
		close(b->stop_pipe[1]);
		return err_set(eb, ERR_IO, "thread: %s", strerror(error));
	}
	b->has_thread = true;
	return OK;
}
