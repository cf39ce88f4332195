/*
 * door.h -- who is let in, as `imprint device show` prints it: what the server says beside the cloud API.
 *
 *	if ((e = cloud_device_detail(cloud, id, &detail, eb)) == OK)
 *		door_json(&detail, all);        // "enabled", "certificates", "presence", "visits"
 *	door_print(all);                        // the same for people
 */
#ifndef IMPRINT_DOOR_H
#define IMPRINT_DOOR_H

#include "cloud.h"

#include <jansson.h>

void door_json(const struct cloud_detail *d, json_t *all);
/* What of it is there. */
void door_print(json_t *all);

#endif
