/*
 * The plugin in a broker that is not there: what the mosquittos do otherwise that the tests of whole programs
 * do not run. 2.0.11 is the one that they do; 2.0.13 asks about a will while its certificate is still there;
 * 2.1 has an event of its own for a connection whose session stays, and ends when a plugin defers a reload.
 */
#include "admission.h"
#include "file.h"
#include "tap.h"
#include "text.h"
#include "uuid.h"
#include "vectors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/sha.h>

#include <mosquitto.h>
#include <mosquitto_broker.h> /* before the other one, which does not compile alone */
#include <mosquitto_plugin.h>

#define CLIENT_OFFLINE 28
#define EVENTS 29

/* --- a broker --- */

struct mosquitto {
	const char *id;
	char user[UUID_TEXT + 1];
	X509 *certificate;
};

static struct broker {
	int last_event;
	struct {
		MOSQ_FUNC_generic_callback run;
		void *userdata;
	} callback[EVENTS];
	char log[4096];
	int kicked;
	int server; /* the end of the feed that is not the plugin's */
	bool late;
} broker;

void mosquitto_log_printf(int level, const char *fmt, ...)
{
	size_t n = strlen(broker.log);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(broker.log + n, sizeof(broker.log) - n, fmt, ap);
	va_end(ap);
}

int mosquitto_callback_register(mosquitto_plugin_id_t *id, int event,
    MOSQ_FUNC_generic_callback run, const void *data, void *userdata)
{
	(void)id, (void)data;
	if (event > broker.last_event)
		return MOSQ_ERR_NOT_SUPPORTED;
	broker.callback[event].run = run;
	broker.callback[event].userdata = userdata;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_callback_unregister(
    mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback run, const void *data)
{
	(void)id, (void)data;
	if (broker.callback[event].run != run)
		return MOSQ_ERR_NOT_FOUND;
	broker.callback[event].run = NULL;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_kick_client_by_clientid(const char *id, bool with_will)
{
	char said[4096] = "";

	(void)id, (void)with_will;
	(void)!recv(broker.server, said, sizeof(said) - 1, MSG_PEEK | MSG_DONTWAIT);
	broker.late |= strstr(said, "\ns ") != NULL;
	broker.kicked++;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_set_username(struct mosquitto *client, const char *name)
{
	snprintf(client->user, sizeof(client->user), "%s", name);
	return MOSQ_ERR_SUCCESS;
}

void *mosquitto_client_certificate(const struct mosquitto *client)
{
	if (client->certificate)
		X509_up_ref(client->certificate);
	return client->certificate;
}

const char *mosquitto_client_address(const struct mosquitto *client)
{
	(void)client;
	return "192.0.2.7";
}

const char *mosquitto_client_id(const struct mosquitto *client)
{
	return client->id;
}

const char *mosquitto_client_username(const struct mosquitto *client)
{
	return client->user[0] ? client->user : NULL;
}

int mosquitto_client_protocol(const struct mosquitto *client)
{
	(void)client;
	return mp_mqtt;
}

int mosquitto_client_protocol_version(const struct mosquitto *client)
{
	(void)client;
	return 4;
}

static int call(int event, void *data)
{
	if (!broker.callback[event].run)
		return MOSQ_ERR_NOT_SUPPORTED;
	return broker.callback[event].run(event, data, broker.callback[event].userdata);
}

static int connects(struct mosquitto *client)
{
	struct mosquitto_evt_basic_auth e = { .client = client };

	return call(MOSQ_EVT_BASIC_AUTH, &e);
}

static int publishes(struct mosquitto *client, const char *topic)
{
	struct mosquitto_evt_acl_check e = {
		.client = client, .topic = topic, .access = MOSQ_ACL_WRITE
	};

	return call(MOSQ_EVT_ACL_CHECK, &e);
}

static void goes(struct mosquitto *client, int event)
{
	struct mosquitto_evt_disconnect e = { .client = client, .reason = -1 };

	(void)call(event, &e);
}

/* --- a device with a certificate, and a list with it --- */

static char folder[] = "/tmp/implugin-XXXXXX";
static char authority[64], saved[64], feed[64];
static char id[UUID_TEXT + 1], up[64];
static X509 *certificate;
static struct passport passport;

static void put(const char *path, struct slice text)
{
	if (file_write(path, text, 0600, NULL) != OK)
		exit(1);
}

static void list_put(void)
{
	char text[512], key[41], print[2 * ROSTER_PRINT + 1];
	int n;

	hex_encode(SLICE(passport.key_id), HEX_LOWER, key);
	hex_encode(SLICE(passport.print), HEX_LOWER, print);
	n = snprintf(text, sizeof(text), "v 1 77 1\nb\nca %s 1\na %s 1 - %s - 253402300799\ne 1\n",
	    key, id, print);
	put(saved, (struct slice){ (const uint8_t *)text, (size_t)n });
}

static void device_make(void)
{
	uint8_t sha256[32];
	char *pem;
	BIO *out;
	size_t i = 0;
	long n;

	while (i < vector_authority_certs_n && !strstr(vector_authority_certs[i].name, "leaf"))
		i++;
	if (i < vector_authority_certs_n) {
		struct slice der = vector_authority_certs[i].bytes;
		const uint8_t *at = der.p;

		SHA256(der.p, der.n, sha256);
		admission_read(der, sha256, &passport);
		certificate = d2i_X509(NULL, &at, (long)der.n);
	}
	if (!passport.has_id || !certificate || !mkdtemp(folder))
		exit(1);
	uuid_text(passport.id, id);
	snprintf(up, sizeof(up), "/a/d/%s/c/up", id);
	snprintf(authority, sizeof(authority), "%s/ca.pem", folder);
	snprintf(saved, sizeof(saved), "%s/list", folder);
	snprintf(feed, sizeof(feed), "%s/feed.sock", folder);
	if (!(out = BIO_new(BIO_s_mem())) || PEM_write_bio_X509(out, certificate) != 1)
		exit(1);
	n = BIO_get_mem_data(out, &pem);
	put(authority, (struct slice){ (const uint8_t *)pem, (size_t)n });
	BIO_free(out);
	list_put();
}

static struct mosquitto board(void)
{
	return (struct mosquitto){ .id = id, .certificate = certificate };
}

/* --- tests --- */

static bool begin(bool of_2_1, void **plugin)
{
	char names[][12] = { "feed", "device_ca", "saved" };
	struct mosquitto_opt options[] = { { names[0], feed }, { names[1], authority },
		{ names[2], saved } };

	broker = (struct broker){ .last_event = of_2_1 ? CLIENT_OFFLINE : MOSQ_EVT_DISCONNECT };
	return mosquitto_plugin_init(NULL, plugin, options, 3) == MOSQ_ERR_SUCCESS;
}

static void *start(bool of_2_1)
{
	void *plugin = NULL;

	if (!begin(of_2_1, &plugin)) {
		printf("# %s\n", broker.log);
		exit(1);
	}
	return plugin;
}

static void stop(void *plugin)
{
	bool all = true;

	(void)mosquitto_plugin_cleanup(plugin, NULL, 0);
	for (int i = 0; i < EVENTS; i++)
		all &= broker.callback[i].run == NULL;
	ok(all, "it leaves no callback behind");
}

static void wills(void)
{
	void *plugin = start(false);
	struct mosquitto a = board(), b = board(), c = board();

	ok(connects(&a) == MOSQ_ERR_SUCCESS && publishes(&a, up) == MOSQ_ERR_SUCCESS, "a board");
	ok(connects(&b) == MOSQ_ERR_SUCCESS && publishes(&a, up) == MOSQ_ERR_ACL_DENIED &&
	        publishes(&b, up) == MOSQ_ERR_SUCCESS,
	    "the will of a connection that was taken over is published before it ends, and "
	    "refused");
	goes(&a, MOSQ_EVT_DISCONNECT);
	goes(&b, MOSQ_EVT_DISCONNECT);
	ok(publishes(&b, up) == MOSQ_ERR_ACL_DENIED && !strstr(broker.log, "nobody is let in"),
	    "a will that comes with its certificate is refused");
	(void)call(MOSQ_EVT_TICK, NULL);
	ok(connects(&c) == MOSQ_ERR_SUCCESS && publishes(&c, up) == MOSQ_ERR_SUCCESS,
	    "and everybody comes in as before");
	ok(publishes(&a, up) == MOSQ_ERR_ACL_DENIED && strstr(broker.log, "nobody is let in") &&
	        connects(&b) == MOSQ_ERR_AUTH,
	    "a certificate that came in unasked lets nobody in");
	stop(plugin);
}

static void sessions(void)
{
	void *plugin = start(true);
	struct mosquitto a = board(), b = board();

	ok(connects(&a) == MOSQ_ERR_SUCCESS, "a board with a session that stays");
	goes(&a, CLIENT_OFFLINE);
	a.certificate = NULL;
	ok(publishes(&a, up) == MOSQ_ERR_ACL_DENIED, "it has gone, and its session stays");
	ok(connects(&b) == MOSQ_ERR_SUCCESS && publishes(&b, up) == MOSQ_ERR_SUCCESS,
	    "it comes again");
	stop(plugin);
}

/* The server's end of the feed. */
static int listens(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, feed, sizeof(feed));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1) != 0)
		exit(1);
	return fd;
}

/* Ticks until the plugin has answered with this line. */
static bool answers(int fd, const char *line)
{
	static char said[4096];
	size_t n = 0;

	for (int i = 0; i < 1000; i++) {
		ssize_t more;

		(void)call(MOSQ_EVT_TICK, NULL);
		usleep(20000);
		more = recv(fd, said + n, sizeof(said) - n - 1, MSG_DONTWAIT);
		n += more > 0 ? (size_t)more : 0;
		said[n] = '\0';
		if (strstr(said, line))
			return true;
	}
	return false;
}

static void say(int fd, const char *lines)
{
	if (write(fd, lines, strlen(lines)) != (ssize_t)strlen(lines))
		exit(1);
}

static void kicks(bool of_2_1)
{
	int listener = listens(), fd = -1;
	void *plugin = start(of_2_1);
	struct mosquitto a = board(), b = board();
	char lines[256];

	ok(connects(&a) == MOSQ_ERR_SUCCESS && (fd = accept(listener, NULL, NULL)) >= 0,
	    "a server");
	snprintf(lines, sizeof(lines), "v 1 77 2\nk %s\ns 2\n", id);
	say(fd, lines);
	broker.server = fd;
	ok(answers(fd, "\ns 2\n") && broker.kicked == 1, "who is connected is expelled, once");
	ok(!broker.late, "before it is acknowledged");
	goes(&a, of_2_1 ? CLIENT_OFFLINE : MOSQ_EVT_DISCONNECT);
	ok(connects(&b) == MOSQ_ERR_SUCCESS, "a board with a session that stays");
	goes(&b, of_2_1 ? CLIENT_OFFLINE : MOSQ_EVT_DISCONNECT);
	snprintf(lines, sizeof(lines), "k %s\nr %s\ns 3\n", id, id);
	say(fd, lines);
	ok(answers(fd, "\ns 3\n") && broker.kicked == 1, "a session without a connection is not");
	stop(plugin);
	close(fd);
	close(listener);
	unlink(feed);
}

static void reload(bool of_2_1)
{
	void *plugin = start(of_2_1);
	struct mosquitto a = board();
	struct mosquitto_evt_reload e = { .options = NULL };
	int want = of_2_1 ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;

	(void)connects(&a);
	ok(call(MOSQ_EVT_RELOAD, &e) == want && connects(&a) == MOSQ_ERR_SUCCESS &&
	        publishes(&a, up) == MOSQ_ERR_SUCCESS,
	    "a reload of %s, which goes on and tells the next plugin", of_2_1 ? "2.1" : "2.0");
	stop(plugin);
}

/* Started like mosquitto, since the plugin looks for the configuration among the arguments. */
static bool starts(const char *self, const char *line)
{
	char path[64], command[512];
	bool well;

	snprintf(path, sizeof(path), "%s/conf", folder);
	put(path, (struct slice){ (const uint8_t *)line, strlen(line) });
	snprintf(command, sizeof(command), "'%s' -c %s", self, path);
	well = system(command) == 0;
	unlink(path);
	return well;
}

static void configurations(const char *self)
{
	ok(starts(self, "plugin /x/imprint-mosquitto.so\n"), "a plugin for all listeners");
	ok(!starts(self, "plugin_load a /x/imprint-mosquitto.so\nlistener 1\nplugin_use a\n"),
	    "one for some of them does not start: it could keep nobody out of the others");
}

static int start_alone(void)
{
	void *plugin = NULL;
	bool well = begin(true, &plugin);

	if (well)
		(void)mosquitto_plugin_cleanup(plugin, NULL, 0);
	return !well;
}

static void clean(void)
{
	X509_free(certificate);
	unlink(authority);
	unlink(saved);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	int result;

	device_make();
	if (argc > 1) {
		result = start_alone();
		clean();
		return result;
	}
	wills();
	sessions();
	reload(false);
	reload(true);
	configurations(argv[0]);
	kicks(false);
	list_put();
	kicks(true);
	clean();
	return done_testing();
}
