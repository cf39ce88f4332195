/*
 * value.h -- a property's value between what boards send (senml.h) and what the registry keeps: JSON.
 *
 * A number, a string, true or false. Floats get the fewest digits that lead back to them, as the board
 * had them: one that 32 bits hold is written as such (21.1, not 21.100000381469727). Refused: bytes,
 * and text whose JSON is longer than STORE_JSON_MAX.
 *
 *	if (value_json(&record.value, value.json) == OK)
 *		store_value_put(change, &value);
 */
#ifndef IMPRINT_VALUE_H
#define IMPRINT_VALUE_H

#include "senml.h"
#include "store.h"

/* ERR_FORMAT: bytes, or none; ERR_SPACE; ERR_MEMORY. */
enum err value_json(const struct senml_value *value, char json[STORE_JSON_MAX + 1]) MUST_CHECK;
/* Text goes into `text`, which the value borrows. ERR_FORMAT: not what value_json writes. */
enum err value_senml(
    const char *json, char text[SENML_DATA_MAX], struct senml_value *value) MUST_CHECK;

#endif
