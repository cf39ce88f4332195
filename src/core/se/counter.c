/* Counters, and the other bytes of a chip that change once at most. */
#include "se_exchange.h"
#include "se_more.h"

#include <string.h>

static const struct se_command_form counter_form = { 0x24, 0x00, 0, 4, { 20, 25 } };
static const struct se_command_form extra_form = { 0x20, 0x00, 0, 0, { 10, 10 } };
#define INCREMENT (1ul << 16)
#define EXTRA_SELECTOR (1ul << 16)

static enum err count(struct se *se, unsigned counter, uint32_t param, uint32_t *value)
{
	uint8_t le[4];
	enum err e;

	if (counter > 1)
		return se_fail(se, SE_ARGUMENT);
	e = se_idle(se, se_exchange_other(se, &counter_form, counter | param, le));
	if (e == OK && value)
		*value = load_le32(le);
	return e;
}

enum err se_counter_read(struct se *se, unsigned counter, uint32_t *value)
{
	return count(se, counter, 0, value);
}

enum err se_counter_increment(struct se *se, unsigned counter, uint32_t *value)
{
	return count(se, counter, INCREMENT, value);
}

enum err se_update_extra(struct se *se, unsigned which, uint8_t value)
{
	if (which > 1)
		return se_fail(se, SE_ARGUMENT);
	return se_idle(
	    se, se_exchange_other(se, &extra_form, (which ? EXTRA_SELECTOR : 0) | value, NULL));
}

enum err se_otp_read(struct se *se, uint8_t otp[SE_OTP_SIZE])
{
	enum err e = se_move(se, SE_OTP_AT(0), otp, 32);

	return se_idle(se, e == OK ? se_move(se, SE_OTP_AT(1), otp + 32, 32) : e);
}

enum err se_otp_write(struct se *se, const uint8_t otp[SE_OTP_SIZE])
{
	enum err e = se_put(se, SE_OTP_AT(0), otp, 32);

	return se_idle(se, e == OK ? se_put(se, SE_OTP_AT(1), otp + 32, 32) : e);
}
