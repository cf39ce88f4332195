#include "local.h"
#include "utc.h"

#include <string.h>

enum err local_authority(
    const struct cli *cli, const char *folder, struct ca **ca, struct errbuf *eb)
{
	char own[FOLDER_PATH_MAX], state[FOLDER_PATH_MAX];
	enum err e;

	if (folder) {
		e = ca_open(folder, NULL, ca, eb);
		return e == ERR_NOT_FOUND ? err_within(eb, e, "no authority in --ca-dir") : e;
	}
	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK ||
	    (e = folder_join(state, "ca", own, eb)) != OK)
		return e;
	if ((e = ca_open(own, NULL, ca, eb)) != ERR_NOT_FOUND)
		return e;
	if ((e = folder_make(state, 0700, eb)) != OK || (e = ca_create(own, utc_now(), eb)) != OK)
		return e;
	cli_say(cli, "made a device authority in %s: keep this folder, and keep it secret", own);
	return ca_open(own, NULL, ca, eb);
}

static enum err issue(void *ctx, const struct csr *csr, const char *device_id, unsigned years,
    uint8_t der[CCERT_CERT_MAX], size_t *n, struct errbuf *eb)
{
	struct ca_request request = { .csr = csr->der,
		.years = years,
		.device_id = { (const uint8_t *)device_id, CCERT_DEVICE_ID } };
	struct ca_issued issued;
	struct ccert seen;
	enum err e;

	if ((e = utc_hour(utc_now(), &request.start)) != OK)
		return err_set(eb, e, "the clock of this computer is wrong");
	if ((e = ca_issue(ctx, &request, &issued, eb)) != OK)
		return e;
	/* One board at a time: here its cost is nothing, and a faulty signature never leaves. */
	if ((e = ca_verify(ctx, (struct slice){ issued.der, issued.der_n }, &seen, eb)) != OK)
		return e;
	memcpy(der, issued.der, issued.der_n);
	*n = issued.der_n;
	return OK;
}

static bool own(void *ctx, struct slice der)
{
	struct ccert fields;

	return ca_verify(ctx, der, &fields, NULL) == OK;
}

struct issuer local_issuer(struct ca *ca)
{
	return (struct issuer){ .ctx = ca, .issue = issue, .own = own };
}

enum err local_records(const struct cli *cli, char records[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), state, eb)) != OK ||
	    (e = folder_join(state, "runs", records, eb)) != OK)
		return e;
	return folder_make(records, 0700, eb);
}

void local_line(const struct cli *cli, json_t *steps, const char *name, const char *text,
    double seconds, enum client_state state, const char *detail)
{
	static const char *const states[] = {
		[CLIENT_DONE] = "done", [CLIENT_SKIPPED] = "skipped", [CLIENT_FAILED] = "failed"
	};
	enum cli_ink ink = state == CLIENT_FAILED ? CLI_RED
	                   : state == CLIENT_DONE ? CLI_GREEN
	                                          : CLI_DIM;

	cli_say(cli, "%-31s %6.2f s  %s%s%s%s%s", text, seconds, cli_ink(cli, stderr, ink),
	    states[state], cli_ink(cli, stderr, CLI_PLAIN), detail[0] ? ": " : "", detail);
	json_array_append_new(
	    steps, json_pack("{s:s,s:s,s:f}", "step", name, "state", states[state], "seconds",
	               (double)(int64_t)(seconds * 1e3) / 1e3));
}

void local_step(const struct cli *cli, json_t *steps, const struct client_event *event)
{
	const struct client_step_info *step = &client_steps[event->step];

	/* Why a step failed is said by main, once. */
	if (event->state != CLIENT_BEGUN)
		local_line(cli, steps, step->name, step->text, event->seconds, event->state,
		    event->state == CLIENT_FAILED ? "" : event->text);
}
