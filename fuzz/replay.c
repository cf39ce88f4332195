/* Runs a fuzz target over every file of its corpus folder, as TAP, plus each file cut short. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static int replay(const char *path, int number)
{
	static uint8_t bytes[1 << 17];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		printf("not ok %d - %s: cannot be opened\n", number, path);
		return 1;
	}
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (size_t cut = 0; cut <= n; cut += 1 + n / 64) {
		uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees a read past the end */

		if (!exact)
			return 1;
		memcpy(exact, bytes, cut);
		LLVMFuzzerTestOneInput(exact, cut);
		free(exact);
	}
	LLVMFuzzerTestOneInput(bytes, n);
	printf("ok %d - %s\n", number, path);
	return 0;
}

int main(int argc, char **argv)
{
	int number = 0, failed = 0;
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;

	if (!d) {
		printf("Bail out! usage: replay CORPUS-FOLDER\n");
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		char path[1024];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		failed += replay(path, ++number);
	}
	closedir(d);
	printf("1..%d\n", number);
	return failed != 0 || number == 0;
}
