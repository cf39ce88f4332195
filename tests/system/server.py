"""imprintd under test: started on a port of its own, spoken to as any client does, over TLS from its own root.

    server = imprintd.start(test)                      # waits until it says that it is ready
    status, body = server.call("PUT", "/iot/v2/devices", {"name": "kitchen", ...})
    server.process.stop()
"""

import http.client
import json
import os
import select
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import harness


class Server:
    """One start of imprintd. `ready` is the line it says when it takes requests."""

    def __init__(self, test, *argv, env=None, port=None, wait=True):
        listen, said = os.pipe()
        self.test = test
        self.ready = None
        try:
            os.set_inheritable(said, True)
            command = ["imprintd", "--port", port or harness.free_port(), "--ready-fd", said, *argv]
            self.process = harness.Process([str(a) for a in command], {**test.env, **(env or {})}, test.folder,
                pass_fds=[said])
            test.processes.append(self.process)
        finally:
            os.close(said)
        self.token = None
        self.connection = None
        if wait:
            self.wait_ready(listen)
        os.close(listen)

    def wait_ready(self, listen):
        said, until = b"", time.monotonic() + harness.PATIENCE
        while not said.endswith(b"\n"):
            if not select.select([listen], [], [], max(0, until - time.monotonic()))[0]:
                self.test.fail(f"imprintd is not ready:\n{self.process.output}")
            got = os.read(listen, 4096)
            if not got:
                self.process.wait()
                self.test.fail(f"imprintd ended:\n{self.process.output}")
            said += got
        self.ready = json.loads(said)

    @property
    def port(self):
        return self.ready["port"]

    @property
    def root(self):
        return str(Path(self.ready["state"]) / "tls/service-root.pem")

    def credentials(self):
        return json.loads(Path(self.ready["credentials"]).read_text())

    def context(self):
        return ssl.create_default_context(cafile=self.root)

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, context=self.context(), timeout=harness.PATIENCE)

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, bytes) of one request on a connection of its own, or on the one given."""
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers or {})
            answer = own.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            if not connection:
                own.close()

    def fetch_token(self):
        c = self.credentials()
        status, _, body = self.request("POST", "/iot/v1/clients/token",
            f"grant_type=client_credentials&client_id={c['client']}&client_secret={c['secret']}"
            "&audience=https://api2.arduino.cc/iot", {"Content-Type": "application/x-www-form-urlencoded"})
        self.test.assertEqual(status, 200, body)
        self.token = json.loads(body)["access_token"]

    def call(self, method, path, value=None, connection=None):
        """(status, JSON) with a token."""
        if not self.token:
            self.fetch_token()
        headers = {"Authorization": f"Bearer {self.token}", "X-Organization": self.ready["organization"]}
        if value is not None:
            headers["Content-Type"] = "application/json"
        status, _, body = self.request(method, path, None if value is None else json.dumps(value), headers, connection)
        return status, json.loads(body) if body else None

    def device(self, name="kitchen", **more):
        """A new device's id."""
        status, device = self.call("PUT", "/iot/v2/devices", {"name": name, "type": "nano_33_iot",
            "fqbn": "arduino:samd:nano_33_iot", **more})
        self.test.assertEqual(status, 201, device)
        return device["id"]

    def issue(self, device, csr):
        return self.call("PUT", f"/iot/v2/devices/{device}/certs", {"ca": "Arduino", "csr": csr, "enabled": True})


class Events:
    """The stream of what happens: `next()` waits for an event, (kind, data); `id` is the last that was heard."""

    def __init__(self, server, query="", headers=None):
        self.connection = server.connect()
        self.connection.request("GET", "/v1/events" + query, headers={"Authorization": f"Bearer {server.token}", **(headers or {})})
        self.answer = self.connection.getresponse()
        self.id = None
        server.test.assertEqual(self.answer.status, 200)
        server.test.assertEqual(self.answer.headers["Content-Type"], "text/event-stream")

    def lines(self):
        """Those of one event; [] at the end."""
        lines = []
        while (line := self.answer.readline().decode()) != "\n":
            if not line:
                return []
            lines.append(line.rstrip("\n"))
        return lines

    def next(self):
        while lines := self.lines():
            parts = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            self.id = parts.get("id", self.id)
            if "data" in parts:
                return parts.get("event"), json.loads(parts["data"])
        return None

    def close(self):
        self.connection.close()


class Key:
    """A board's key and its request, made by OpenSSL."""

    def __init__(self, folder):
        self.path = tempfile.mktemp(dir=folder, suffix=".key")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path],
            check=True, capture_output=True)

    def csr(self, cn):
        return subprocess.run(["openssl", "req", "-new", "-key", self.path, "-subj", f"/CN={cn}"], check=True,
            capture_output=True, text=True).stdout
