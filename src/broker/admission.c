#include "admission.h"

#include "utc.h"
#include "uuid.h"
#include "x509.h"

#include <stdio.h>
#include <string.h>

#define REASON(name, word, text) { word, text },
static const struct {
	const char *word, *text;
} reasons[REASONS] = {
#include "reasons.def"
};
#undef REASON

const char *reason_word(enum reason reason)
{
	return (unsigned)reason < REASONS ? reasons[reason].word : "unknown-reason";
}

const char *reason_text(enum reason reason)
{
	return (unsigned)reason < REASONS ? reasons[reason].text : "";
}

/* --- who it is --- */

static enum reason subject(struct slice der, struct passport *p)
{
	struct x509_name name;

	if (x509_name_parse(der, &name) != OK)
		return REASON_BAD_SUBJECT;
	for (unsigned i = 0; i < COUNT(name.at); i++)
		if (i != X509_CN && name.at[i].n > 0)
			return REASON_BAD_SUBJECT;
	p->has_id = uuid_parse(name.at[X509_CN], p->id) == OK;
	return p->has_id ? REASON_ADMIT : REASON_BAD_SUBJECT;
}

void admission_read(struct slice der, const uint8_t print[ROSTER_PRINT], struct passport *p)
{
	struct x509_cert cert;

	memset(p, 0, sizeof(*p));
	memcpy(p->print, print, ROSTER_PRINT);
	if (x509_cert_parse(der, &cert) != OK) {
		p->fault = REASON_BAD_CERTIFICATE;
		return;
	}
	if ((p->fault = subject(cert.tbs.subject, p)) != REASON_ADMIT)
		return;
	if (!cert.tbs.aki) {
		p->fault = REASON_WRONG_CA;
		return;
	}
	memcpy(p->key_id, cert.tbs.aki, sizeof(p->key_id));
	if (utc_seconds(&cert.tbs.not_before, &p->not_before) != OK ||
	    utc_seconds(&cert.tbs.not_after, &p->not_after) != OK)
		p->fault = REASON_BAD_CERTIFICATE;
}

/* --- whether it is wanted --- */

static bool is_client(const struct passport *p, const char *client_id)
{
	char own[UUID_TEXT];

	uuid_text(p->id, own);
	return client_id && strlen(client_id) == UUID_TEXT &&
	       memcmp(client_id, own, UUID_TEXT) == 0;
}

static enum reason wanted(const struct passport *p, const struct roster *roster)
{
	struct roster_device d;

	if (!roster_get(roster, p->id, &d))
		return REASON_UNKNOWN;
	if (!d.enabled)
		return REASON_DISABLED;
	return roster_has_print(&d, p->print) ? REASON_ADMIT : REASON_REVOKED;
}

enum reason admission_judge(const struct passport *p, const char *client_id, int64_t now,
    bool stale, const struct feed *feed)
{
	if (p->fault != REASON_ADMIT)
		return p->fault;
	if (!feed_accepts(feed, p->key_id))
		return REASON_WRONG_CA;
	if (now < p->not_before)
		return REASON_NOT_YET;
	if (now > p->not_after)
		return REASON_EXPIRED;
	if (!is_client(p, client_id))
		return REASON_CLIENT_ID;
	if (stale)
		return REASON_STALE;
	return wanted(p, feed->roster);
}

enum reason admission_again(const struct passport *p, int64_t now, const struct feed *feed)
{
	if (!feed_accepts(feed, p->key_id))
		return REASON_WRONG_CA;
	if (now > p->not_after)
		return REASON_EXPIRED;
	return wanted(p, feed->roster);
}

/* --- where it may speak --- */

bool admission_topic(const uint8_t id[16], const char *topic, enum topic_access access,
    const struct roster *roster, const struct topics *topics)
{
	struct roster_device d;

	return roster_get(roster, id, &d) && d.enabled &&
	       topics_allow(topics, access, id, d.thing, topic);
}
