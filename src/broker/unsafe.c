#include "unsafe.h"

#include <string.h>

static const struct {
	const char *option, *why;
} unsafe[] = {
	{ "use_identity_as_username", "lets every certificate in without asking the plugin" },
	{ "use_subject_as_username", "lets every certificate in without asking the plugin" },
	{ "per_listener_settings", "the plugin is never called to end a connection" },
	{ "use_username_as_clientid", "refuses boards, which give no user name" },
};

/* As mosquitto does it: words by spaces. */
static struct slice word(struct slice *line)
{
	struct slice w;

	while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t'))
		line->p++, line->n--;
	w = (struct slice){ line->p, 0 };
	while (line->n > 0 && line->p[0] != ' ' && line->p[0] != '\t' && line->p[0] != '\r')
		line->p++, line->n--, w.n++;
	return w;
}

static bool is(struct slice w, const char *text)
{
	return slice_equal(w, (struct slice){ (const uint8_t *)text, strlen(text) });
}

void unsafe_scan(struct slice text,
    void (*found)(void *ctx, unsigned line, const char *option, const char *why), void *ctx)
{
	unsigned number = 0;

	while (text.n > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		struct slice line = { text.p, end ? (size_t)(end - text.p) : text.n }, name, value;

		text.p += line.n + (end != NULL);
		text.n -= line.n + (end != NULL);
		number++;
		name = word(&line);
		value = word(&line);
		for (size_t i = 0; i < COUNT(unsafe); i++)
			if (is(name, unsafe[i].option) && (is(value, "true") || is(value, "1")))
				found(ctx, number, unsafe[i].option, unsafe[i].why);
	}
}
