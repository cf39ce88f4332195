/* Stored values: what a column takes comes back as it was; what was taken can be stored. */
#include "fuzz.h"
#include "row.h"

#include <string.h>

static const struct noun *const nouns[] = { &noun_tenant, &noun_principal, &noun_token,
	&noun_device, &noun_tag, &noun_cert, &noun_authority, &noun_event, &noun_setting,
	&noun_visit, &noun_thing, &noun_value, &noun_counter };

/* noun, column, type, then 8 bytes of a number, or the bytes */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union row_any row, before;
	struct value v, again;
	const struct noun *noun;
	size_t column;
	enum err e;

	if (size < 3)
		return 0;
	noun = nouns[data[0] % COUNT(nouns)];
	column = data[1] % noun->n;
	v = (struct value){ (enum value_type)(data[2] % (VALUE_OTHER + 1)), 0, { NULL, 0 } };
	if (v.type == VALUE_NUMBER)
		memcpy(&v.number, data + 3, size - 3 < 8 ? size - 3 : 8);
	else if (v.type == VALUE_TEXT || v.type == VALUE_BYTES)
		v.bytes = (struct slice){ data + 3, size - 3 };
	memset(&row, 0, sizeof(row));
	before = row;
	e = row_take(noun, column, &v, &row, NULL);
	CHECK(e == OK || e == ERR_FORMAT);
	if (e != OK) {
		CHECK(memcmp(&row, &before, sizeof(row)) == 0);
		return 0;
	}
	CHECK(row_check(noun, &row, NULL) == OK);
	again = row_value(&noun->columns[column], &row);
	if (again.type == VALUE_NULL) { /* all zero is nothing */
		CHECK(noun->columns[column].kind == COLUMN_maybe);
		CHECK(v.type == VALUE_NULL || ct_zero(v.bytes.p, v.bytes.n));
		return 0;
	}
	CHECK(
	    again.type == v.type && again.number == v.number && slice_equal(again.bytes, v.bytes));
	return 0;
}
