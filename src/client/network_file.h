/*
 * network_file.h -- network settings from a JSON file, of the form that arduino-cloud-cli reads.
 *
 * {"type": 1, "wifi": {"ssid": "...", "pwd": "..."}}; kinds 1 Wi-Fi `wifi`, 2 Ethernet `eth`, 3 NB-IoT
 * `nb`, 4 GSM `gsm`, 5 LoRa `lora`, 6 CAT-M1 `catm1`, 7 cellular `cellular`. An address is a text
 * ("192.168.1.7", "" for DHCP) or Arduino's {"type": 0|1, "bytes": [...]}, for IPv4 or IPv6; all zero is
 * DHCP. Members of other kinds are not looked at; a wrong or unknown one of this kind is named. The
 * settings hold secrets: network_file_free wipes them.
 *
 *	struct network_file *file = NULL;
 *	if ((e = network_file_read("home.json", &file, eb)) == OK)
 *		run.network = network_file_settings(file);
 *	network_file_free(file);
 */
#ifndef IMPRINT_NETWORK_FILE_H
#define IMPRINT_NETWORK_FILE_H

#include "errbuf.h"
#include "setup.h"

struct network_file;

/* ERR_FORMAT with the member; ERR_NOT_FOUND and the like as file_read. */
enum err network_file_read(
    const char *path, struct network_file **file, struct errbuf *eb) MUST_CHECK;
enum err network_file_parse(
    struct slice json, struct network_file **file, struct errbuf *eb) MUST_CHECK;
/* Lives as long as the file. */
const struct setup_network *network_file_settings(const struct network_file *file);
/* NULL is fine. */
void network_file_free(struct network_file *file);

#endif
