#include "assurance.h"

#define ASSURANCE(name, text, what) { text, what },
static const struct {
	const char *name, *what;
} levels[ASSURANCE_LEVELS] = {
#include "assurance.def"
};
#undef ASSURANCE

const char *assurance_name(enum assurance level)
{
	return (unsigned)level < ASSURANCE_LEVELS ? levels[level].name : "unknown";
}

const char *assurance_text(enum assurance level)
{
	return (unsigned)level < ASSURANCE_LEVELS ? levels[level].what : "";
}

bool assurance_emulated(const uint8_t serial[9])
{
	return serial[0] == 0x45 && serial[1] == 0x4d;
}
