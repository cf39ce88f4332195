#include "login.h"

#include "form.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool login_basic(const char *header, struct login *login)
{
	struct login l = *login;
	struct slice id, secret;
	const uint8_t *colon;
	uint8_t plain[512];
	size_t n;
	bool right = false;

	if (strncasecmp(header, "Basic ", 6) != 0)
		return false;
	if (base64_decode((struct slice){ (const uint8_t *)header + 6, strlen(header + 6) }, plain,
	        sizeof(plain), &n) == OK &&
	    (colon = memchr(plain, ':', n)) != NULL) {
		id = (struct slice){ plain, (size_t)(colon - plain) };
		secret = (struct slice){ colon + 1, n - id.n - 1 };
		right = form_decode(id, true, l.client, sizeof(l.client)) == OK &&
		        form_decode(secret, true, l.secret, sizeof(l.secret)) == OK;
	}
	if (right) {
		l.basic = l.clients = l.secrets = true;
		*login = l;
	}
	wipe(plain, sizeof(plain));
	wipe(&l, sizeof(l));
	return right;
}

/* Puts a parameter where it belongs; when it stands twice, that is said. */
static const char *take(struct login *l, const char *key, const char *value)
{
	const struct {
		const char *key, *twice;
		char *to;
		size_t cap;
		bool *given;
	} known[] = {
		{ "grant_type", "grant_type stands twice", l->grant, sizeof(l->grant), &l->grants },
		{ "client_id", "client_id stands twice", l->client, sizeof(l->client),
		    &l->clients },
		{ "client_secret", "client_secret stands twice", l->secret, sizeof(l->secret),
		    &l->secrets },
		{ "organization_id", "organization_id stands twice", l->organization,
		    sizeof(l->organization), &l->organizations },
	};

	/* Beside Basic the same name may stand here again. */
	if (l->basic && strcmp(key, "client_id") == 0 && strcmp(value, l->client) == 0)
		return NULL;
	for (size_t i = 0; i < COUNT(known); i++) {
		if (strcmp(key, known[i].key) != 0)
			continue;
		if (*known[i].given)
			return known[i].twice;
		*known[i].given = true;
		snprintf(known[i].to, known[i].cap, "%s", value);
	}
	return NULL;
}

const char *login_form(struct slice form, struct login *login)
{
	char key[32], value[LOGIN_FORM_MAX + 1];
	const char *why = form.n > LOGIN_FORM_MAX ? "the form is too long" : NULL;
	enum err e = OK;

	while (!why && e != ERR_NOT_FOUND) {
		e = form_take(&form, key, sizeof(key), value, sizeof(value));
		if (e == ERR_FORMAT)
			why = "the form has a wrong escape";
		else if (e == OK)
			why = take(login, key, value);
	}
	wipe(value, sizeof(value));
	return why;
}
