/* Who is connected: lines and the table, from visits and answers in every order in which they come. */
#include "visitors.h"
#include "tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define A "11111111-1111-4111-8111-111111111111"
#define B "22222222-2222-4222-8222-222222222222"

/* What visitors.c says and draws, in place of steps.c. */
static char said[65536], drawn[4096];
static unsigned lines;

void steps_say(struct steps *steps, const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	(void)steps;
	va_start(ap, fmt);
	vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
	n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "\n");
	lines++;
}

void steps_table(struct steps *steps, const char *text)
{
	(void)steps;
	snprintf(drawn, sizeof(drawn), "%s", text);
}

static struct visitors *all;

static void begin(void)
{
	static const struct cli_option none[] = { { .name = "no-color", .kind = CLI_SWITCH },
		{ 0 } };
	static const struct cli_program program = { .name = "test", .globals = none };
	static const struct cli cli = { .program = &program };
	struct errbuf eb = { "" };

	visitors_free(all);
	ok(visitors_new(&cli, NULL, &all, &eb) == OK, "begins");
	said[0] = drawn[0] = 0;
	lines = 0;
}

/* Times are seconds of one minute; ended 0: it lasts. */
static void visit(const char *device, int began, int ended, bool admitted, const char *reason)
{
	struct cloud_event e = {
		.kind = CLOUD_VISIT, .admitted = admitted, .connected = admitted && !ended
	};

	snprintf(e.device, sizeof(e.device), "%s", device);
	snprintf(e.name, sizeof(e.name), "%s", strcmp(device, A) == 0 ? "a" : "");
	snprintf(e.at, sizeof(e.at), "2026-11-23T06:00:%02dZ", ended ? ended : began);
	snprintf(e.address, sizeof(e.address), "192.0.2.7");
	snprintf(e.reason, sizeof(e.reason), "%s", reason);
	visitors_told(all, &e);
}

static void answer(const char *device, const char *status)
{
	struct cloud_device d = { .name = "a", .last_activity_at = "2026-11-23T06:00:00Z" };

	snprintf(d.id, sizeof(d.id), "%s", device);
	snprintf(d.status, sizeof(d.status), "%s", status);
	visitors_asked(all, &d);
}

static bool says(const char *want)
{
	bool same = strcmp(said, want) == 0;

	if (!same)
		printf("# said:\n%s# wanted:\n%s", said, want);
	said[0] = 0;
	return same;
}

static void comes_and_goes(void)
{
	begin();
	visit(A, 1, 0, true, "");
	ok(says("") && !drawn[0], "nothing is said before it is shown");
	visitors_hold(all);
	visitors_show(all);
	ok(says("") && strstr(drawn, "\na    ") && strstr(drawn, A) && !strstr(drawn, B),
	    "the table has who came before");
	visit(B, 2, 0, true, "");
	ok(says(B " ONLINE   2026-11-23T06:00:02Z  from 192.0.2.7\n") && strstr(drawn, B),
	    "one comes, who has no name");
	visit(A, 1, 3, true, "revoked");
	ok(says("a          OFFLINE  2026-11-23T06:00:03Z  revoked: the certificate is not a live "
	        "one of this device\n") &&
	        !strstr(drawn, A) && strstr(drawn, B),
	    "one must go, and leaves the table");
	visit(A, 4, 4, false, "revoked");
	visit(A, 14, 14, false, "revoked");
	ok(says("a          refused  2026-11-23T06:00:04Z  revoked: the certificate is not a live "
	        "one of this device\n"),
	    "it is refused, which is said once");
	visit(A, 20, 20, false, "disabled");
	ok(says("a          refused  2026-11-23T06:00:20Z  disabled: the device is disabled\n"),
	    "another reason is said");
	visit(A, 30, 0, true, "");
	ok(says("a          ONLINE   2026-11-23T06:00:30Z  from 192.0.2.7\n") && strstr(drawn, A),
	    "it is back");
	visit(A, 31, 31, false, "disabled");
	ok(strstr(said, "refused  2026-11-23T06:00:31Z") != NULL, "refused anew, said anew");
	visit(B, 2, 40, true, "");
	visit(A, 30, 41, true, "");
	ok(strcmp(drawn, "\nno board is connected\n") == 0, "all are gone");
}

static void in_any_order(void)
{
	begin();
	visitors_hold(all);
	visitors_show(all);
	visit(A, 1, 0, true, "");
	said[0] = 0;
	visit(A, 1, 0, true, "");
	visit(A, 5, 0, true, "");
	visit(A, 1, 5, true, "taken-over");
	visitors_told(all, &(struct cloud_event){ .kind = CLOUD_AUDIT, .device = A });
	ok(says("") && strstr(drawn, "06:00:05Z"), "it took its own place: it was never away");
	visit(A, 5, 5, true, "taken-over");
	ok(says("") && strstr(drawn, A), "within one second as well");
	visit(A, 5, 9, true, "");
	ok(says("a          OFFLINE  2026-11-23T06:00:09Z\n"), "then it goes; nobody said why");
	visit(A, 5, 9, true, "");
	visit(B, 1, 2, true, "");
	visit("nobody", 1, 0, true, "");
	ok(says(""), "who was not here does not go, and what is no device is nobody");
}

static void answers(void)
{
	begin();
	answer(A, "ONLINE");
	answer(A, "ONLINE");
	visitors_hold(all);
	visitors_show(all);
	ok(strstr(drawn, A) != NULL, "two answers are believed");
	answer(A, "OFFLINE");
	ok(says(""), "one is not");
	answer(A, "ONLINE");
	answer(A, "OFFLINE");
	ok(says("") && strstr(drawn, A), "nor are two that differ");
	visit(A, 1, 2, true, "revoked");
	ok(strstr(said, "OFFLINE") && !strstr(drawn, A), "an event is believed at once");
	said[0] = 0;
	answer(A, "ONLINE");
	ok(says("") && !strstr(drawn, A), "an answer from before it is not");
	answer(A, "OFFLINE");
	answer(A, "UNKNOWN");
	answer(A, "UNKNOWN");
	ok(strstr(said, "UNKNOWN") && strstr(said, "nobody knows"), "the broker went silent");
	said[0] = 0;
	answer(A, "ONLINE");
	answer(A, "ONLINE");
	ok(strstr(said, "ONLINE") && strstr(drawn, A), "and speaks again");
}

static void why(void)
{
	char text[128] = "x";

	begin();
	visitors_refused(all, A, text);
	ok(!text[0], "nobody refused it");
	visit(A, 1, 1, false, "wrong-ca");
	visitors_refused(all, A, text);
	ok(strcmp(text, "wrong-ca: the authority key identifier is of no accepted device "
	                "authority") == 0,
	    "%s", text);
	visit(A, 1, 1, false, "from-the-future");
	visitors_refused(all, A, text);
	ok(strcmp(text, "from-the-future") == 0, "a word that is not known here: %s", text);
	visit(A, 2, 0, true, "");
	visitors_refused(all, A, text);
	ok(!text[0], "it was let in");
}

static void *leaves(void *ctx)
{
	(void)ctx;
	visit(A, 1, 2, true, "revoked");
	return NULL;
}

/* Between the report of what there is and the first line. */
static void at_once(void)
{
	pthread_t thread;

	begin();
	visit(A, 1, 0, true, "");
	visitors_hold(all);
	if (pthread_create(&thread, NULL, leaves, NULL) != 0)
		exit(1);
	usleep(50000);
	visitors_show(all);
	pthread_join(thread, NULL);
	ok(strstr(said, "OFFLINE") != NULL, "who goes while it is said who is there is said to go");
}

static void a_thousand(void)
{
	char device[40];

	begin();
	visitors_hold(all);
	visitors_show(all);
	for (int i = 0; i < 1000; i++) {
		snprintf(device, sizeof(device), "%08d-1111-4111-8111-111111111111", i);
		visit(device, 1, 0, true, "");
	}
	/* Seconds may begin while they come: few in each. */
	ok(lines >= 20 && lines < 500, "a thousand come, in %u lines", lines);
	ok(strstr(drawn, "\nand 988 more\n") != NULL, "the table has twelve of them");
	for (int i = 0; i < 1000; i++) {
		snprintf(device, sizeof(device), "%08d-1111-4111-8111-111111111111", i);
		visit(device, 1, 2, true, "unseen");
	}
	ok(strcmp(drawn, "\nno board is connected\n") == 0, "and go");
}

int main(void)
{
	comes_and_goes();
	in_any_order();
	answers();
	why();
	at_once();
	a_thousand();
	visitors_free(all);
	return done_testing();
}
