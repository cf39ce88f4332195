/* The measured program of main.c, and a token on top of it. */
#include "board.h"
#include "outside.h"
#include "token.h"

int main(void);

int main(void)
{
	uint8_t der[CCERT_CERT_MAX];
	struct der_w w = der_writer(der, sizeof(der));
	char token[JWT_TOKEN_MAX + 1], id[JWT_ISS_MAX];
	struct ccert c; /* device id and the authority's answer, from the serial line */
	struct se se;
	uint32_t now;
	enum err e;
	size_t n;

	outside(&c);
	e = board_request(&se, &outside_bus, c.device_id, &w);
	outside(&w);
	if (e == OK && (e = board_store(&se, &c)) == OK) {
		w.n = 0;
		e = board_rebuild(&se, &w);
	}
	outside(&w);
	outside(&now);
	outside(id);
	if (e == OK)
		e = board_token(&se, now, (struct slice){ (uint8_t *)id, sizeof(id) }, token, &n);
	outside(token);
	se_close(&se);
	return (int)e;
}
