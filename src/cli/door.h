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
/* What follows when the server has done it and a broker has not answered: ERR_TIMEOUT with its text. */
enum err door_unanswered(struct errbuf *eb);
/* What of it is there. */
void door_print(json_t *all);

#endif
