/* Random nonces: what ReqRandom, sessions and statements begin with. */
#include "se_exchange.h"
#include "se_more.h"
#include "sha256.h"

#include <string.h>

static const struct se_command_form nonce_form = { 0x16, 0x00, 20, 32, { 29, 20 } };

enum err se_nonce_awake(struct se *se, const uint8_t num_in[20], uint8_t rand_out[32])
{
	se->in = num_in;
	return se_exchange_other(se, &nonce_form, 0, rand_out);
}

enum err se_nonce_shared(struct se *se, const uint8_t num_in[20], uint8_t temp[32])
{
	uint8_t message[32 + 20 + 3];
	enum err e = se_nonce_awake(se, num_in, message);

	if (e != OK)
		return e;
	memcpy(message + 32, num_in, 20);
	message[52] = nonce_form.opcode;
	message[53] = message[54] = 0;
	sha256(SLICE(message), temp);
	return OK;
}

enum err se_nonce(struct se *se, const uint8_t num_in[20], uint8_t rand_out[32])
{
	return se_idle(se, se_nonce_awake(se, num_in, rand_out));
}
