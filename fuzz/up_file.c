/* up.json: what is accepted is written again and read again, and means the same. */
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "up_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct up_file *up = calloc(1, sizeof(*up));
	struct errbuf eb = { "" };
	char *text = NULL, *again = NULL;

	CHECK(up != NULL);
	if (up_file_parse((struct slice){ data, size }, up, &eb) == OK) {
		CHECK(up_file_print(up, &text, &eb) == OK);
		CHECK(up_file_parse(
		          (struct slice){ (const uint8_t *)text, strlen(text) }, up, &eb) == OK);
		CHECK(up_file_print(up, &again, &eb) == OK && strcmp(text, again) == 0);
	} else {
		CHECK(eb.text[0] != '\0' && up->pid == 0);
	}
	free(again);
	free(text);
	free(up);
	return 0;
}
