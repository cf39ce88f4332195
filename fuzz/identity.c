/*
 * A device certificate as JSON: what is accepted is completed, the completed object is accepted again
 * and means the same, and a refusal names its field.
 */
#include <string.h>
#include "certificate.h"
#include "fuzz.h"

static void check_again(json_t *json, const struct identity *id, const struct slice *der)
{
	uint8_t bytes[CCERT_CERT_MAX];
	struct identity again;
	const char *field = NULL;
	struct slice der_again;

	CHECK(identity_read(json, &again, &field, NULL) == OK);
	CHECK(ccert_compare(&id->fields, &again.fields) == CCERT_SAME &&
	      id->has_key == again.has_key);
	CHECK(identity_complete(json, &again, &field, NULL) == OK);
	if (id->has_key)
		CHECK(identity_der(&again, bytes, &der_again, NULL) == OK &&
		      slice_equal(*der, der_again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	uint8_t bytes[CCERT_CERT_MAX];
	struct slice der = { NULL, 0 };
	const char *field = NULL;
	struct identity id;

	if (!json_is_object(json)) {
		json_decref(json);
		return 0;
	}
	if (identity_read(json, &id, &field, NULL) != OK ||
	    identity_complete(json, &id, &field, NULL) != OK) {
		CHECK(field != NULL && field[0] != '\0');
	} else {
		CHECK(!id.has_key || identity_der(&id, bytes, &der, NULL) == OK);
		check_again(json, &id, &der);
	}
	json_decref(json);
	return 0;
}
