/*
 * What a board has anyway: startup code, and the four memory functions that the core asks of its
 * platform (the linker is told to keep them). The rest of the measured program is ours.
 */
int main(void);

int main(void)
{
	return 0;
}
