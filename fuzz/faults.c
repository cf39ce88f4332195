/* Fault plans: what is accepted prints as a text that reads as the same plan and prints the same. */
#include "emu.h"
#include "fault_plan.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fault_plan plan, again;
	char text[FAULT_PLAN_TEXT], twice[FAULT_PLAN_TEXT];
	struct errbuf eb;
	bool kept;

	if (fault_plan_parse((struct slice){ data, size }, &plan, &eb) != OK) {
		CHECK(strncmp(eb.text, "line ", 5) == 0);
		return 0;
	}
	CHECK(plan.n <= FAULTS_MAX);
	fault_plan_print(&plan, text);
	CHECK(fault_plan_parse(
	          (struct slice){ (const uint8_t *)text, strlen(text) }, &again, &eb) == OK);
	fault_plan_print(&again, twice);
	CHECK(again.n == plan.n && strcmp(text, twice) == 0);
	for (size_t i = 0; i < plan.n; i++)
		CHECK(plan.at[i].kind == again.at[i].kind && plan.at[i].n == again.at[i].n &&
		      plan.at[i].more == again.at[i].more);
	CHECK(fault_next_cut(&plan, 0, &kept) <= FAULT_NUMBER_MAX);
	return 0;
}
