/* A record that is taken is written and read again without a change, and never has two active certificates. */
#include "fuzz.h"
#include "record.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record *r = NULL, *again = NULL;
	char *text = NULL, *second = NULL;
	size_t active = 0;

	if (record_parse((struct slice){ data, size }, &r, NULL) != OK)
		return 0;
	for (size_t i = 0; i < record_count(r); i++)
		active += record_at(r, i)->state == RECORD_ACTIVE;
	CHECK(active <= 1);
	CHECK(record_name_check(record_name(r), NULL) == OK);
	CHECK(record_print(r, &text, NULL) == OK);
	CHECK(record_parse((struct slice){ (const uint8_t *)text, strlen(text) }, &again, NULL) ==
	      OK);
	CHECK(record_print(again, &second, NULL) == OK);
	CHECK(strcmp(text, second) == 0);
	free(text);
	free(second);
	record_free(r);
	record_free(again);
	return 0;
}
