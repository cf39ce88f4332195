/* The marker behind the certificate's serial number; docs/formats.md has its transitions. */
#include "se_exchange.h"
#include "se_identity.h"

#include <string.h>

#define MARKER_AT 36 /* in slot 11 */
#define DIGEST 16
#define DIGEST_AT(i) (MARKER_AT + 4 + DIGEST * (i))

/*
 * What the marker says, by the third letter; the fourth is the number of a digest, 0 or 1.
 * DONE, KEY and UNSURE look at that digest; STORING and REPLACING at both, where the number is the
 * new one's.
 */
enum {
	DONE = 'D',      /* stored */
	KEY = 'K',       /* a key is being made; before, the pair was whole */
	UNSURE = 'U',    /* a key is being made; before, nobody knew */
	STORING = 'C',   /* a certificate is being stored; before, whole or nothing */
	REPLACING = 'V', /* a certificate is being stored; before, nobody knew */
};

struct marker {
	uint8_t letter; /* 0: none */
	unsigned i;
	uint8_t now[DIGEST]; /* of what the chip holds */
	int match;           /* the digest that is of what the chip holds, or -1 */
	enum se_identity state;
};

struct content {
	uint8_t q[64], slot10[72], slot11[36], slot12[36];
};

/* The first half of SHA-256, by the chip. */
static enum err digest(struct se *se, const struct content *c, uint8_t out[DIGEST])
{
	uint8_t full[32];
	enum err e = se_sha256(se, (struct slice){ (const uint8_t *)c, sizeof(*c) }, full);

	if (e == OK)
		memcpy(out, full, DIGEST);
	return e;
}

/* The public key of slot 0, zeros when there is none. */
static enum err public_key(struct se *se, uint8_t q[64])
{
	enum err e = se_public(se, SE_SLOT_DEVICE_KEY, q);

	if (e != OK && se->fault == SE_ECC) {
		memset(q, 0, 64);
		e = OK;
	}
	return e;
}

static enum se_identity state_of(const struct marker *m)
{
	switch (m->letter) {
	case DONE:
		return m->match >= 0 ? SE_IDENTITY_WHOLE : SE_IDENTITY_CHANGED;
	case KEY:
		return m->match >= 0 ? SE_IDENTITY_WHOLE : SE_IDENTITY_KEY_ONLY;
	case UNSURE:
		return m->match >= 0 ? SE_IDENTITY_UNMARKED : SE_IDENTITY_KEY_ONLY;
	case STORING:
		return m->match >= 0 ? SE_IDENTITY_WHOLE : SE_IDENTITY_HALF;
	case REPLACING:
		return m->match == (int)m->i ? SE_IDENTITY_WHOLE
		       : m->match >= 0       ? SE_IDENTITY_UNMARKED
		                             : SE_IDENTITY_HALF;
	default:
		return SE_IDENTITY_UNMARKED;
	}
}

static enum err look(struct se *se, struct marker *m)
{
	uint8_t raw[72 - MARKER_AT];
	struct content c;
	enum err e;

	if ((e = se_cert_read(se, c.slot10, c.slot11, c.slot12)) != OK ||
	    (e = public_key(se, c.q)) != OK || (e = digest(se, &c, m->now)) != OK ||
	    (e = se_slot_read(se, SE_SLOT_SERIAL_AKI, MARKER_AT, raw, sizeof(raw))) != OK)
		return e;
	m->letter = raw[0] == 'I' && raw[1] == 'M' && (raw[3] == '0' || raw[3] == '1') ? raw[2] : 0;
	m->i = raw[3] & 1;
	m->match = -1;
	for (unsigned i = 0; i < 2; i++)
		if ((i == m->i || m->letter == STORING || m->letter == REPLACING) &&
		    memcmp(raw + 4 + DIGEST * i, m->now, DIGEST) == 0)
			m->match = (int)i;
	m->state = state_of(m);
	return OK;
}

/* One word: it is there or it is not. */
static enum err say(struct se *se, struct marker *m, uint8_t letter, unsigned i)
{
	const uint8_t word[4] = { 'I', 'M', letter, (uint8_t)('0' + i) };

	m->letter = letter;
	m->i = i;
	return se_slot_write(se, SE_SLOT_SERIAL_AKI, MARKER_AT, SLICE(word));
}

static enum err keep(struct se *se, unsigned i, const uint8_t value[DIGEST])
{
	return se_slot_write(se, SE_SLOT_SERIAL_AKI, DIGEST_AT(i), (struct slice){ value, DIGEST });
}

/* From unmarked or changed: notes what is there, so that it is known again if nothing happens to it. */
static enum err note(struct se *se, struct marker *m)
{
	unsigned i = m->letter == DONE ? 1 - m->i : 0;
	enum err e;

	if (m->match >= 0)
		return say(se, m, UNSURE, (unsigned)m->match);
	if ((e = keep(se, i, m->now)) != OK)
		return e;
	m->match = (int)i;
	return say(se, m, UNSURE, i);
}

enum err se_identity(struct se *se, enum se_identity *state)
{
	struct marker m;
	enum err e = look(se, &m);

	if (e == OK)
		*state = m.state;
	return e;
}

enum err se_identity_key(struct se *se, uint8_t q[64])
{
	struct marker m;
	enum err e;

	if ((e = look(se, &m)) != OK)
		return e;
	if (m.state == SE_IDENTITY_WHOLE)
		e = say(se, &m, KEY, (unsigned)m.match);
	else if (m.state == SE_IDENTITY_UNMARKED || m.state == SE_IDENTITY_CHANGED)
		e = note(se, &m);
	return e == OK ? se_genkey(se, SE_SLOT_DEVICE_KEY, q) : e;
}

/* Keeps the new digest where it does not matter yet; then one word makes it matter. */
static enum err announce(struct se *se, struct marker *m, const uint8_t value[DIGEST])
{
	unsigned i = 1 - m->i;
	uint8_t letter;
	enum err e;

	if ((m->state == SE_IDENTITY_UNMARKED || m->state == SE_IDENTITY_CHANGED) &&
	    (e = note(se, m)) != OK)
		return e;
	letter = m->letter == UNSURE || m->letter == REPLACING ? REPLACING : STORING;
	if (m->match >= 0)
		i = 1 - (unsigned)m->match;
	else if (m->state == SE_IDENTITY_HALF)
		i = m->i;
	e = keep(se, i, value);
	return e == OK ? say(se, m, letter, i) : e;
}

enum err se_identity_store(
    struct se *se, const uint8_t slot10[72], const uint8_t slot11[36], const uint8_t slot12[36])
{
	uint8_t value[DIGEST];
	struct marker m;
	struct content c;
	enum err e;

	memcpy(c.slot10, slot10, 72);
	memcpy(c.slot11, slot11, 36);
	memcpy(c.slot12, slot12, 36);
	if ((e = se_public(se, SE_SLOT_DEVICE_KEY, c.q)) != OK ||
	    (e = digest(se, &c, value)) != OK || (e = look(se, &m)) != OK ||
	    (e = announce(se, &m, value)) != OK ||
	    (e = se_cert_write(se, slot10, slot11, slot12)) != OK)
		return e;
	return say(se, &m, DONE, m.i);
}
