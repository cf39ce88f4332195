/* What clients ask about boards before they have one. */
#include "call.h"

#include <string.h>

static const struct board {
	const char *type, *fqbn, *label, *connection;
} boards[] = {
#define BOARD(type, fqbn, label, connection) { type, fqbn, label, connection },
#include "boards.def"
#undef BOARD
};

/* What a sketch must know to get into the network. */
static const struct secret {
	const char *connection, *name, *friendly;
	unsigned max;
	bool required, sensitive;
} secrets[] = {
	{ "wifi", "SECRET_SSID", "Wi-Fi name", 32, true, false },
	{ "wifi", "SECRET_OPTIONAL_PASS", "Password", 63, false, true },
	{ "gsm", "SECRET_PIN", "PIN", 8, false, true },
	{ "gsm", "SECRET_APN", "APN", 100, true, false },
	{ "gsm", "SECRET_LOGIN", "Login", 64, false, false },
	{ "gsm", "SECRET_PASS", "Password", 64, false, true },
	{ "nb", "SECRET_PIN", "PIN", 8, false, true },
};

const char *board_label(const char *type, const char *fqbn)
{
	for (size_t i = 0; i < COUNT(boards); i++)
		if (strcmp(boards[i].fqbn, fqbn) == 0)
			return boards[i].label;
	for (size_t i = 0; i < COUNT(boards); i++)
		if (strcmp(boards[i].type, type) == 0)
			return boards[i].label;
	return type;
}

enum err board_list(struct call *c)
{
	struct json_out w = json_out(4096);

	json_open(&w, NULL, '[');
	for (size_t i = 0; i < COUNT(boards); i++) {
		json_open(&w, NULL, '{');
		json_text(&w, "fqbn", boards[i].fqbn);
		json_text(&w, "label", boards[i].label);
		json_text(&w, "type", boards[i].type);
		json_text(&w, "vendor", "arduino");
		json_open(&w, "tags", '[');
		json_close(&w, ']');
		json_close(&w, '}');
	}
	json_close(&w, ']');
	answer_json(c, 200, &w);
	return OK;
}

static void put_secrets(struct json_out *w, const char *key, const char *connection)
{
	json_open(w, key, '[');
	for (size_t i = 0; i < COUNT(secrets); i++) {
		if (strcmp(secrets[i].connection, connection) != 0)
			continue;
		json_open(w, NULL, '{');
		json_text(w, "friendly_name", secrets[i].friendly);
		json_int(w, "max_length", secrets[i].max);
		json_bool(w, "required", secrets[i].required);
		json_text(w, "secret_name", secrets[i].name);
		json_bool(w, "sensitive", secrets[i].sensitive);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static const struct board *find_type(const char *type)
{
	for (size_t i = 0; i < COUNT(boards); i++)
		if (strcmp(boards[i].type, type) == 0)
			return &boards[i];
	return NULL;
}

/* A client that shows a device asks with its id in place of the type, and fails on an error: []. */
enum err network_credentials(struct call *c)
{
	const struct board *board = find_type(c->param[0]);
	struct json_out w;
	char connection[32];
	enum err e = call_query(c, "connection", connection, sizeof(connection));

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	w = json_out(512);
	put_secrets(&w, NULL, !board ? "" : e == OK ? connection : board->connection);
	answer_json(c, 200, &w);
	return OK;
}

enum err network_connections(struct call *c)
{
	const struct board *board = find_type(c->param[0]);
	struct json_out w = json_out(512);

	json_open(&w, NULL, '{');
	if (board)
		put_secrets(&w, board->connection, board->connection);
	json_close(&w, '}');
	answer_json(c, 200, &w);
	return OK;
}
