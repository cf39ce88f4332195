/* Startup code and nothing else: the rest of the measured program is ours. */
int main(void);

int main(void)
{
	return 0;
}
