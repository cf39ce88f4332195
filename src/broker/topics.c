#include "topics.h"

#include "uuid.h"

#include <string.h>

#define DEVICE "{device}"
#define THING "{thing}"
/* Of Arduino's cloud; what else may come there is not a configuration's business. */
#define DEVICES "/a/d/"
#define THINGS "/a/t/"

#define ROW(access, text)                                                                          \
	{                                                                                          \
		access,                                                                            \
		{                                                                                  \
			(const uint8_t *)(text), sizeof(text) - 1                                  \
		}                                                                                  \
	}
static const struct topic always[] = {
	ROW(TOPIC_WRITE, DEVICES DEVICE "/c/up"),
	ROW(TOPIC_READ, DEVICES DEVICE "/c/dw"),
	ROW(TOPIC_WRITE, THINGS THING "/e/o"),
	ROW(TOPIC_READ, THINGS THING "/e/i"),
};

static bool begins(struct slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && memcmp(s.p, text, n) == 0;
}

static struct slice behind(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.n - n };
}

/* --- templates --- */

static enum err character(uint8_t c, struct errbuf *eb)
{
	if (c <= ' ' || c >= 0x7f)
		return err_set(eb, ERR_ARG, "a topic's template is printable ASCII without spaces");
	if (c == '+' || c == '#')
		return err_set(eb, ERR_ARG, "a topic's template has no wildcards");
	if (c == '{' || c == '}')
		return err_set(
		    eb, ERR_ARG, "in a topic's template stand " DEVICE " and " THING ", no others");
	return OK;
}

static enum err template_check(struct slice s, struct errbuf *eb)
{
	bool own = false;
	enum err e;

	if (s.n == 0 || s.n > TOPIC_TEMPLATE_MAX)
		return err_set(
		    eb, ERR_ARG, "a topic's template has 1 to %d characters", TOPIC_TEMPLATE_MAX);
	if (s.p[0] == '$' || begins(s, DEVICES) || begins(s, THINGS))
		return err_set(eb, ERR_ARG,
		    "a topic's template begins with neither \"$\" nor " DEVICES " nor " THINGS);
	while (s.n > 0) {
		size_t n = begins(s, DEVICE)  ? strlen(DEVICE)
		           : begins(s, THING) ? strlen(THING)
		                              : 0;

		if (n == 0 && (e = character(s.p[0], eb)) != OK)
			return e;
		own |= n > 0;
		s = behind(s, n > 0 ? n : 1);
	}
	if (!own)
		return err_set(eb, ERR_ARG,
		    "a topic's template names " DEVICE " or " THING ": none is all boards'");
	return OK;
}

enum err topics_add(
    struct topics *t, enum topic_access access, struct slice text, struct errbuf *eb)
{
	enum err e = template_check(text, eb);

	if (e != OK)
		return e;
	if (t->n == TOPICS_MAX)
		return err_set(eb, ERR_SPACE, "more than %d topics", TOPICS_MAX);
	t->row[t->n++] = (struct topic){ access, text };
	return OK;
}

/* --- topics --- */

/* Ids as text; NULL: there is none. */
struct who {
	const char *device, *thing;
	bool any;
};

static bool is_id(struct slice *topic, const char *id, bool any)
{
	uint8_t uuid[16];
	bool same;

	if (topic->n < UUID_TEXT || (!any && !id))
		return false;
	same = any ? uuid_parse((struct slice){ topic->p, UUID_TEXT }, uuid) == OK
	           : memcmp(topic->p, id, UUID_TEXT) == 0;
	*topic = behind(*topic, UUID_TEXT);
	return same;
}

static bool matches(struct slice text, struct slice topic, const struct who *who)
{
	while (text.n > 0) {
		bool device = begins(text, DEVICE);

		if (device || begins(text, THING)) {
			if (!is_id(&topic, device ? who->device : who->thing, who->any))
				return false;
			text = behind(text, device ? strlen(DEVICE) : strlen(THING));
		} else {
			if (topic.n == 0 || topic.p[0] != text.p[0])
				return false;
			text = behind(text, 1);
			topic = behind(topic, 1);
		}
	}
	return topic.n == 0;
}

static bool one_of(const struct topic *rows, size_t n, enum topic_access access, struct slice topic,
    const struct who *who)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].access == access && matches(rows[i].text, topic, who))
			return true;
	return false;
}

static bool has(
    const struct topics *t, enum topic_access access, const char *topic, const struct who *who)
{
	struct slice s = { (const uint8_t *)topic, strlen(topic) };

	return one_of(always, COUNT(always), access, s, who) ||
	       one_of(t->row, t->n, access, s, who);
}

bool topics_allow(const struct topics *t, enum topic_access access, const uint8_t device[16],
    const uint8_t thing[16], const char *topic)
{
	char device_text[UUID_TEXT], thing_text[UUID_TEXT];
	struct who who = { .device = device_text };

	uuid_text(device, device_text);
	if (!ct_zero(thing, 16)) {
		uuid_text(thing, thing_text);
		who.thing = thing_text;
	}
	return has(t, access, topic, &who);
}

bool topics_have(const struct topics *t, enum topic_access access, const char *topic)
{
	return has(t, access, topic, &(struct who){ .any = true });
}
