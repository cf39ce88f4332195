/* token.h -- what a board does beyond board.h to present itself: a JWT signed by slot 1. */
#ifndef IMPRINT_BENCH_TOKEN_H
#define IMPRINT_BENCH_TOKEN_H

#include "jose.h"
#include "se.h"

/* iss: the board's hardware id; iat: seconds since 1970. The element makes digest and signature. */
enum err board_token(struct se *se, uint32_t iat, struct slice iss, char out[JWT_TOKEN_MAX + 1],
    size_t *n) MUST_CHECK;

#endif
