/* What newlib's printf and malloc ask of the machine: a serial port and some memory. */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

extern uint8_t heap_start[], heap_end[];

_Noreturn void leave(int status);
int _write(int fd, const char *p, int n);
void *_sbrk(ptrdiff_t more);
int _close(int fd);
int _fstat(int fd, struct stat *st);
int _isatty(int fd);
off_t _lseek(int fd, off_t at, int whence);
int _read(int fd, char *p, int n);
int _kill(int pid, int signal);
int _getpid(void);
_Noreturn void _exit(int status);

/* CMSDK UART 0 of the mps2 boards: DATA, STATE (bit 0: transmitter full), CTRL, -, BAUDDIV. */
struct uart {
	volatile uint32_t data, state, ctrl, interrupt, bauddiv;
};
#define UART0 ((struct uart *)0x40004000u)

int _write(int fd, const char *p, int n)
{
	(void)fd;
	UART0->bauddiv = 16;
	UART0->ctrl = 3;
	for (int i = 0; i < n; i++) {
		while (UART0->state & 1)
			;
		UART0->data = (uint8_t)p[i];
	}
	return n;
}

void *_sbrk(ptrdiff_t more)
{
	static uint8_t *end = heap_start;
	uint8_t *was = end;

	if (more > heap_end - end) {
		errno = ENOMEM;
		return (void *)-1;
	}
	end += more;
	return was;
}

int _close(int fd)
{
	(void)fd;
	return -1;
}

int _fstat(int fd, struct stat *st)
{
	(void)fd;
	st->st_mode = S_IFCHR;
	return 0;
}

int _isatty(int fd)
{
	(void)fd;
	return 1;
}

off_t _lseek(int fd, off_t at, int whence)
{
	(void)fd;
	(void)at;
	(void)whence;
	return 0;
}

int _read(int fd, char *p, int n)
{
	(void)fd;
	(void)p;
	(void)n;
	return 0;
}

int _kill(int pid, int signal)
{
	(void)pid;
	leave(128 + signal);
}

int _getpid(void)
{
	return 1;
}

_Noreturn void _exit(int status)
{
	leave(status);
}
