/*
 * faults.h -- makes the n-th call to the system fail, or the program die there.
 *
 * Linked with the dependency `faults`, calls of the program and of our libraries to files, memory and random numbers
 * pass through here (the linker's --wrap); OpenSSL's memory does after faults_openssl. Between
 * faults_begin and faults_end the n-th call of the kind fails, counted from 0.
 *
 *	for (long n = 0;; n++) {
 *		faults_begin(FAULT_FILES, n);
 *		e = file_write(...);
 *		if (!faults_end())
 *			break;                     // n was beyond the last call
 *		ok(e != OK, ...);
 *	}
 */
#ifndef IMPRINT_FAULTS_H
#define IMPRINT_FAULTS_H

#include <stdbool.h>

enum fault {
	FAULT_FILES, /* fails with EIO, or ENOSPC for a write */
	FAULT_MEMORY,
	FAULT_RANDOM,
	FAULT_CRASH, /* the process ends with status 99 instead of a call to files */
};
#define FAULTS_CRASHED 99

void faults_begin(enum fault kind, long n);
/* Whether the call number n was reached. */
bool faults_end(void);

/* Before the first use of OpenSSL. */
void faults_openssl(void);

#endif
