/* The measured program: board.h, with nothing around it. */
#include "board.h"
#include "outside.h"

int main(void);

int main(void)
{
	uint8_t der[CCERT_CERT_MAX];
	struct der_w w = der_writer(der, sizeof(der));
	struct ccert c; /* device id and the authority's answer, from the serial line */
	struct se se;
	enum err e;

	outside(&c);
	e = board_request(&se, &outside_bus, c.device_id, &w);
	outside(&w);
	if (e == OK && (e = board_store(&se, &c)) == OK) {
		w.n = 0;
		e = board_rebuild(&se, &w);
	}
	outside(&w);
	se_close(&se);
	return (int)e;
}
