#include "fault_plan.h"

#include "trace.h"

#include <stdio.h>
#include <string.h>

/* What follows the first number: nothing, or a word and a value, or a value alone. */
enum more { MORE_NONE, MORE_TIMES, MORE_OPCODE, MORE_MS };

static const struct {
	const char *name;
	enum more more;
} kinds[FAULT_KINDS] = {
	[FAULT_NACK] = { "nack", MORE_TIMES },
	[FAULT_STUCK] = { "stuck", MORE_NONE },
	[FAULT_BAD_CRC] = { "bad-crc", MORE_OPCODE },
	[FAULT_POWER_BEFORE] = { "power-before", MORE_NONE },
	[FAULT_POWER_AFTER] = { "power-after", MORE_NONE },
	[FAULT_WATCHDOG] = { "watchdog", MORE_NONE },
	[FAULT_BROWN_OUT] = { "brown-out", MORE_NONE },
	[FAULT_SLOW] = { "slow", MORE_MS },
};

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is(struct slice word, const char *text)
{
	return word.n == strlen(text) && memcmp(word.p, text, word.n) == 0;
}

static struct slice take_line(struct slice *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->n);
	struct slice line = { text->p, end ? (size_t)(end - text->p) : text->n };
	const uint8_t *comment = line.n ? memchr(line.p, '#', line.n) : NULL;

	text->p += line.n + (end ? 1 : 0);
	text->n -= line.n + (end ? 1 : 0);
	if (comment)
		line.n = (size_t)(comment - line.p);
	return line;
}

/* Empty at the end of the line. */
static struct slice take_word(struct slice *line)
{
	struct slice word;

	while (line->n && blank(*line->p)) {
		line->p++;
		line->n--;
	}
	word = (struct slice){ line->p, 0 };
	while (line->n && !blank(*line->p)) {
		line->p++;
		line->n--;
		word.n++;
	}
	return word;
}

static enum err take_number(
    struct slice *line, const char *what, uint32_t *number, struct errbuf *eb)
{
	struct slice word = take_word(line);
	uint32_t v = 0;

	if (word.n == 0)
		return err_set(eb, ERR_FORMAT, "%s is missing", what);
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] < '0' || word.p[i] > '9')
			return err_set(eb, ERR_FORMAT, "%s is not a number", what);
		if ((v = v * 10 + (word.p[i] - '0')) > FAULT_NUMBER_MAX)
			break;
	}
	if (v == 0 || v > FAULT_NUMBER_MAX)
		return err_set(eb, ERR_FORMAT, "%s is not from 1 to %u", what, FAULT_NUMBER_MAX);
	*number = v;
	return OK;
}

static enum err take_opcode(struct slice *line, uint32_t *opcode, struct errbuf *eb)
{
	struct slice word = take_word(line);

	for (unsigned i = 1; i < 256; i++) {
		const char *name = trace_command_name((uint8_t)i);

		if (name && is(word, name)) {
			*opcode = i;
			return OK;
		}
	}
	return err_set(eb, ERR_FORMAT, "no chip has a command of this name");
}

static enum err take_more(struct slice *line, struct fault *f, struct errbuf *eb)
{
	enum more more = kinds[f->kind].more;
	struct slice rest = *line;
	struct slice word = take_word(&rest);

	f->more = more == MORE_TIMES ? 1 : 0;
	if (more == MORE_MS)
		return take_number(line, "the number of milliseconds", &f->more, eb);
	if (more == MORE_TIMES && is(word, "times")) {
		*line = rest;
		return take_number(line, "how many times", &f->more, eb);
	}
	if (more == MORE_OPCODE && is(word, "of")) {
		*line = rest;
		return take_opcode(line, &f->more, eb);
	}
	return OK;
}

static enum err parse_line(struct slice word, struct slice line, struct fault *f, struct errbuf *eb)
{
	unsigned kind = 0;
	enum err e;

	while (kind < FAULT_KINDS && !is(word, kinds[kind].name))
		kind++;
	if (kind == FAULT_KINDS)
		return err_set(eb, ERR_FORMAT,
		    "not a fault; there are nack, stuck, bad-crc, power-before, power-after, "
		    "watchdog, brown-out and slow");
	*f = (struct fault){ .kind = (enum fault_kind)kind };
	if ((e = take_number(&line, "which one", &f->n, eb)) != OK ||
	    (e = take_more(&line, f, eb)) != OK)
		return e;
	if (take_word(&line).n)
		return err_set(eb, ERR_FORMAT, "more words than %s takes", kinds[kind].name);
	return OK;
}

enum err fault_plan_parse(struct slice text, struct fault_plan *plan, struct errbuf *eb)
{
	struct fault_plan read = { .n = 0 };
	enum err e;

	for (unsigned number = 1; text.n; number++) {
		struct slice line = take_line(&text);
		struct slice word = take_word(&line);
		struct fault f;

		if (word.n == 0)
			continue;
		if ((e = parse_line(word, line, &f, eb)) != OK)
			return err_within(eb, e, "line %u", number);
		if (read.n == FAULTS_MAX)
			return err_set(eb, ERR_SPACE, "line %u: a plan has at most %d faults",
			    number, FAULTS_MAX);
		read.at[read.n++] = f;
	}
	*plan = read;
	return OK;
}

/* "power-before 1000000" and "nack 1000000 times 1000000" are the longest of their kinds. */
static size_t print(const struct fault *f, char *out, size_t cap)
{
	const char *name = kinds[f->kind].name;
	int n;

	if (kinds[f->kind].more == MORE_TIMES && f->more > 1)
		n = snprintf(out, cap, "%s %u times %u\n", name, f->n, f->more);
	else if (kinds[f->kind].more == MORE_OPCODE && f->more)
		n = snprintf(
		    out, cap, "%s %u of %s\n", name, f->n, trace_command_name((uint8_t)f->more));
	else if (kinds[f->kind].more == MORE_MS)
		n = snprintf(out, cap, "%s %u %u\n", name, f->n, f->more);
	else
		n = snprintf(out, cap, "%s %u\n", name, f->n);
	return (size_t)n;
}

void fault_plan_print(const struct fault_plan *plan, char out[FAULT_PLAN_TEXT])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < plan->n; i++)
		at += print(&plan->at[i], out + at, FAULT_PLAN_TEXT - at);
}

static bool strikes(struct fault *f)
{
	if (f->seen == UINT32_MAX) /* long past */
		return false;
	f->seen++;
	return f->seen >= f->n && f->seen < f->n + (f->kind == FAULT_NACK ? f->more : 1);
}

uint32_t fault_strikes(struct fault_plan *plan, enum fault_kind kind, uint8_t opcode)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct fault *f = &plan->at[i];

		if (f->kind != kind || (kind == FAULT_BAD_CRC && f->more && f->more != opcode))
			continue;
		if (strikes(f))
			sum += kind == FAULT_SLOW ? f->more : 1;
	}
	return sum;
}

unsigned fault_plan_left(const struct fault_plan *plan, uint32_t writes)
{
	unsigned left = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct fault *f = &plan->at[i];
		bool cut = f->kind == FAULT_POWER_BEFORE || f->kind == FAULT_POWER_AFTER;
		uint32_t last = f->kind == FAULT_NACK ? f->n + f->more - 1 : f->n;

		left += (cut ? writes : f->seen) < last;
	}
	return left;
}

uint32_t fault_next_cut(const struct fault_plan *plan, uint32_t done, bool *kept)
{
	uint32_t next = 0;

	*kept = true;
	for (size_t i = 0; i < plan->n; i++) {
		const struct fault *f = &plan->at[i];
		bool before = f->kind == FAULT_POWER_BEFORE;

		if ((!before && f->kind != FAULT_POWER_AFTER) || f->n <= done ||
		    (next && f->n > next))
			continue;
		*kept = !before && (f->n != next || *kept);
		next = f->n;
	}
	return next;
}
