#include "json_take.h"

#include <string.h>

enum err json_take_object(struct slice text, const char *what, json_t **object, struct errbuf *eb)
{
	json_error_t fault;
	json_t *from = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &fault);

	if (json_is_object(from)) {
		*object = from;
		return OK;
	}
	err_set(eb, ERR_FORMAT, "%s: %s%.100s", what,
	    from ? "is no object" : "is no JSON: ", from ? "" : fault.text);
	json_decref(from);
	return ERR_FORMAT;
}

enum err json_take_text(
    const json_t *from, const char *member, char *out, size_t cap, struct errbuf *eb)
{
	const json_t *value = json_object_get(from, member);

	if (!json_is_string(value) || json_string_length(value) >= cap)
		return err_set(eb, ERR_FORMAT, "%s: missing, no text, or too long", member);
	memcpy(out, json_string_value(value), json_string_length(value) + 1);
	return OK;
}

enum err json_take_number(
    const json_t *from, const char *member, json_int_t max, json_int_t *out, struct errbuf *eb)
{
	const json_t *value = json_object_get(from, member);

	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > max)
		return err_set(eb, ERR_FORMAT, "%s: missing, no number, or not 1 to %lld", member,
		    (long long)max);
	*out = json_integer_value(value);
	return OK;
}
