"""Exchanges between a client and the server: recorded by a relay between them, and replayed without the client.

A file has a line of JSON a request: method, path, headers, body, and of the answer the status and the names of
its members. What is another each time stands in it as {client} {secret} {organization} {token} {device} {cert} {thing}.
"""

import base64
import http.client
import http.server
import json
import ssl
import threading
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "recorded"
NOT_KEPT = {"host", "content-length", "connection"}


def names_of(body):
    """The members of an answer; of the first one of a list."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if isinstance(value, list):
        return [sorted(value[0])] if value else []
    return sorted(value) if isinstance(value, dict) else None


class Words:
    """What is another each time, learnt from answers."""

    def __init__(self, credentials):
        self.known = {name: credentials[name] for name in ("client", "secret", "organization")}

    def learn(self, method, path, status, body):
        value = json.loads(body) if status in (200, 201) and names_of(body) else {}
        if isinstance(value, dict):
            if "access_token" in value:
                self.known["token"] = value["access_token"]
            elif method == "PUT" and "id" in value:
                noun = {"certs": "cert", "things": "thing"}.get(path.rpartition("/")[2], "device")
                self.known[noun] = value["id"]

    def hide(self, text):
        basic = base64.b64encode(f"{self.known['client']}:{self.known['secret']}".encode()).decode()
        text = text.replace(basic, "{basic}")
        for name in sorted(self.known, key=lambda n: -len(self.known[n])):
            text = text.replace(self.known[name], "{" + name + "}")
        return text

    def fill(self, text):
        text = text.replace("{basic}", base64.b64encode(f"{self.known['client']}:{self.known['secret']}".encode()).decode())
        for name, value in self.known.items():
            text = text.replace("{" + name + "}", value)
        return text


class Relay:
    """Stands before a server, with its name and certificate, and writes down what passes."""

    def __init__(self, server):
        relay, self.lines, self.words = self, [], Words(server.credentials())

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = server.request(self.command, self.path, body or None,
                    {n: v for n, v in self.headers.items() if n.lower() not in NOT_KEPT})
                relay.words.learn(self.command, self.path.partition("?")[0], status, answer)
                line = {"method": self.command, "path": self.path, "body": body.decode(), "status": status,
                    "headers": {n: v for n, v in self.headers.items() if n.lower() not in NOT_KEPT}, "answer": names_of(answer)}
                relay.lines.append(relay.words.hide(json.dumps(line, separators=(",", ":")))) # before the next token
                self.send_response(status)
                for name in ("Content-Type", "Content-Length"):
                    if headers.get(name):
                        self.send_header(name, headers[name])
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_DELETE = pass_on

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls = Path(server.ready["state"]) / "tls"
        context.load_cert_chain(tls / "api.pem", tls / "api.key")
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def save(self, name):
        self.http.shutdown()
        self.http.server_close()
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.jsonl").write_text("\n".join(self.lines) + "\n")


def replay(test, server, name):
    """Sends what was recorded, and holds status and members of each answer against the recording."""
    words = Words(server.credentials())
    connection = server.connect()
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        request = json.loads(words.fill(line))
        with test.subTest(line=number + 1, request=f"{request['method']} {request['path']}"):
            status, _, answer = server.request(request["method"], request["path"], request["body"] or None, request["headers"],
                connection)
            words.learn(request["method"], request["path"].partition("?")[0], status, answer)
            test.assertEqual((status, names_of(answer)), (request["status"], request["answer"]), answer)
    connection.close()
    test.assertGreater(len(lines), 2)
