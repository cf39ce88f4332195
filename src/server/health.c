/* For those who watch the server. */
#include "call.h"

static void say(struct call *c, const char *status)
{
	struct json_out w = json_out(64);

	json_open(&w, NULL, '{');
	json_text(&w, "status", status);
	json_close(&w, '}');
	answer_json(c, 200, &w);
}

enum err health_alive(struct call *c)
{
	say(c, "alive");
	return OK;
}

enum err health_ready(struct call *c)
{
	if (api_ready(c->api, &c->eb) != OK)
		return call_refuse(c, 503, "%s", c->eb.text[0] ? c->eb.text : "not ready");
	say(c, "ready");
	return OK;
}
