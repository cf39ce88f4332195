/*
 * login.h -- what a client sends to get a token: a form (RFC 6749 4.4.2), perhaps HTTP Basic beside it.
 *
 * Basic first: then the form may repeat the client's name but no secret. Nothing is compared here. The
 * struct holds a secret: the caller wipes it.
 *
 *	struct login l = { .basic = false };
 *	if ((header && !login_basic(header, &l)) || (why = login_form(body, &l)) != NULL)
 *		...
 *	wipe(&l, sizeof(l));
 */
#ifndef IMPRINT_LOGIN_H
#define IMPRINT_LOGIN_H

#include "base.h"

#define LOGIN_FORM_MAX 4096
#define LOGIN_CLIENT_MAX 64
#define LOGIN_SECRET_MAX 128

struct login {
	char grant[32], client[LOGIN_CLIENT_MAX + 1], secret[LOGIN_SECRET_MAX + 1],
	    organization[64];
	bool basic, grants, clients, secrets, organizations; /* what was given */
};

/*
 * "Basic " and Base64 of id:secret, both escaped as in a form (RFC 6749 2.3.1). False: it is something
 * else; login is untouched then.
 */
bool login_basic(const char *header, struct login *login) MUST_CHECK;
/*
 * Why the form is none, or NULL. What nobody knows in it is ignored (RFC 6749 3.2). What is too long is
 * cut, and still longer than anything that could be right.
 */
const char *login_form(struct slice form, struct login *login) MUST_CHECK;

#endif
