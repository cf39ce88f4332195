/* Network settings from files: every kind, both forms of address, and each way to be wrong. */
#include "network_file.h"
#include "tap.h"

#include <string.h>

static enum err parse(const char *json, struct network_file **f, struct errbuf *eb)
{
	return network_file_parse((struct slice){ (const uint8_t *)json, strlen(json) }, f, eb);
}

static const struct setup_value *at(const struct network_file *f, unsigned field)
{
	return &network_file_settings(f)->at[field];
}

static void good(void)
{
	struct network_file *f = NULL;
	struct errbuf eb;

	ok(parse("{\"type\":1,\"wifi\":{\"ssid\":\"home net\",\"pwd\":\"geheim\"},\"eth\":7}", &f,
	       &eb) == OK &&
	        slice_equal(at(f, SETUP_WIFI_SSID)->bytes, TEXT("home net")) &&
	        slice_equal(at(f, SETUP_WIFI_PASSWORD)->bytes, TEXT("geheim")),
	    "Wi-Fi; other kinds are not looked at");
	network_file_free(f);
	f = NULL;
	ok(parse("{\"type\":2,\"eth\":{\"ip\":\"192.168.1.7\",\"dns\":{\"type\":0,\"bytes\":"
	         "[10,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0]},\"gateway\":\"fe80::1\",\"netmask\":"
	         "{\"type\":1,\"bytes\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},\"timeout\":15,"
	         "\"response_timeout\":4000000000}}",
	       &f, &eb) == OK &&
	        slice_equal(at(f, SETUP_ETHERNET_IP)->bytes, BYTES(192, 168, 1, 7)) &&
	        slice_equal(at(f, SETUP_ETHERNET_DNS)->bytes, BYTES(10, 0, 0, 1)) &&
	        at(f, SETUP_ETHERNET_GATEWAY)->bytes.n == 16 &&
	        at(f, SETUP_ETHERNET_MASK)->bytes.n == 0 &&
	        at(f, SETUP_ETHERNET_RESPONSE)->number == 4000000000u,
	    "Ethernet: texts, Arduino's form, DHCP");
	network_file_free(f);
	f = NULL;
	ok(parse("{\"type\":6,\"catm1\":{\"pin\":\"1234\",\"apn\":\"iot\",\"band\":[1,8,0,0]}}", &f,
	       &eb) == OK &&
	        at(f, SETUP_MODEM_BANDS)->number == 9,
	    "CAT-M1: bands add up");
	network_file_free(f);
	f = NULL;
	ok(parse("{\"type\":5,\"lora\":{\"appeui\":\"0011223344556677\",\"appkey\":"
	         "\"00112233445566778899aabbccddeeff\",\"band\":5,\"device_class\":\"A\"}}",
	       &f, &eb) == OK &&
	        at(f, SETUP_LORA_BAND)->number == 5,
	    "LoRa");
	network_file_free(f);
}

static const struct {
	const char *what, *json, *says;
} bad[] = {
	{ "not JSON", "{", "line 1" },
	{ "a list", "[]", "not an object" },
	{ "no kind", "{\"wifi\":{}}", "type" },
	{ "an unknown kind", "{\"type\":8}", "type: not 1 to 7" },
	{ "a kind without settings", "{\"type\":1}", "wifi: not an object" },
	{ "no SSID", "{\"type\":1,\"wifi\":{\"pwd\":\"x\"}}", "wifi.ssid: missing" },
	{ "an SSID of 33 bytes",
	    "{\"type\":1,\"wifi\":{\"ssid\":\"123456789012345678901234567890123\"}}", "wifi.ssid" },
	{ "a password that is a number", "{\"type\":1,\"wifi\":{\"ssid\":\"a\",\"pwd\":1}}",
	    "wifi.pwd: not a text" },
	{ "a misspelt member", "{\"type\":1,\"wifi\":{\"ssid\":\"a\",\"password\":\"b\"}}",
	    "unknown member \"password\"" },
	{ "a member twice", "{\"type\":1,\"wifi\":{\"ssid\":\"a\",\"ssid\":\"b\"}}", "line 1" },
	{ "an address of words", "{\"type\":2,\"eth\":{\"ip\":\"router\"}}",
	    "eth.ip: not an IPv4" },
	{ "an address of five bytes",
	    "{\"type\":2,\"eth\":{\"ip\":{\"type\":0,\"bytes\":[1,2,3,4,5]}}}", "eth.ip: not {" },
	{ "a byte of 256", "{\"type\":2,\"eth\":{\"ip\":{\"type\":0,\"bytes\":[1,2,3,256]}}}",
	    "bytes[3]" },
	{ "IPv6 in four bytes", "{\"type\":2,\"eth\":{\"ip\":{\"type\":1,\"bytes\":[1,2,3,4]}}}",
	    "16 bytes" },
	{ "a negative time-out", "{\"type\":2,\"eth\":{\"timeout\":-1}}", "eth.timeout" },
};

int main(void)
{
	good();
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct network_file *f = NULL;
		struct errbuf eb = { "" };

		ok(parse(bad[i].json, &f, &eb) == ERR_FORMAT && !f &&
		        strstr(eb.text, bad[i].says) && !strstr(eb.text, "geheim"),
		    "%s: %s", bad[i].what, eb.text);
	}
	return done_testing();
}
