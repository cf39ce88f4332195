"""The whole door: imprintd, mosquitto with the plugin, and boards with certificates from the API.

    class Door(door.DoorTest):
        def test(self):
            server, broker = self.open()
            identity = self.identity(server)                  # a device with a certificate
            board = self.connect(identity)                    # an MQTT connection; .code is CONNACK's
            server.call("DELETE", f"/iot/v2/devices/{identity.device}")
            board.wait_closed()
"""

import contextlib
import sqlite3
import ssl
import time
import uuid
from pathlib import Path

import harness
import server as imprintd
import test_plugin

PLUGIN = harness.BUILD / "imprint-mosquitto.so"


class Identity:
    """A device's certificate and key, and the context of TLS with them."""

    def __init__(self, device, pem, key, anchor):
        self.device, self.pem, self.key = device, pem, key
        path = key + ".pem"
        with open(path, "w", encoding="ascii") as out, open(key, encoding="ascii") as secret:
            out.write(secret.read() + pem)
        self.context = ssl.create_default_context(cafile=anchor)
        self.context.load_cert_chain(path)
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2

    @property
    def print(self):
        return test_plugin.fingerprint(test_plugin.x509.load_pem_x509_certificate(self.pem.encode()))


class DoorTest(harness.SystemTest):
    patient = True # the server waits for its brokers longer than it would: they hear, and may be kept waiting

    def setUp(self):
        super().setUp()
        if self.patient:
            self.env.update(harness.PATIENT)
        self.boards = []
        self.addCleanup(lambda: [b.close() for b in self.boards])
        self.ports = {}

    # --- programs ---

    def serve(self, *argv, **how):
        return imprintd.Server(self, "--log-level", "debug", *argv, **how)

    def broker(self, name="mosquitto", config=(), wait=True):
        """A mosquitto with the plugin, on its own port, also when it was there before."""
        port = self.ports.setdefault(name, None) or harness.free_port()
        self.ports[name] = port
        done = self.run_program("imprint", "broker", "config", "--broker-port", port, "--plugin", PLUGIN, "--broker-name", name)
        self.assertEqual(done.returncode, 0, done)
        conf = Path(done.stdout.strip())
        with open(conf, "a", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in config)
        process = self.start(harness.MOSQUITTO, "-c", conf, env=test_plugin.Plugin.preload())
        if wait:
            process.wait_for(r"mosquitto version \S+ running", timeout=90)
        return process

    def open(self):
        server = self.serve()
        broker = self.broker()
        server.process.wait_for("broker_joined")
        return server, broker

    # --- boards ---

    def identity(self, server, device=None, name=None):
        device = device or server.device(name or f"board-{uuid.uuid4()}")
        key = imprintd.Key(self.folder)
        status, cert = server.issue(device, key.csr(device))
        self.assertEqual(status, 201, cert)
        identity = Identity(device, cert["pem"], key.path, str(self.state / "tls/service-root.pem"))
        identity.serial = cert["id"]
        return identity

    def connect(self, identity, broker="mosquitto", client_id=None, **how):
        board = test_plugin.Board(self.ports[broker], identity.context, client_id or identity.device, **how)
        self.boards.append(board)
        return board

    def admitted(self, identity, **how):
        """Connects until the broker has heard of it."""
        return self.until(lambda: self.comes_in(identity, **how), "not admitted")

    def comes_in(self, identity, **how):
        board = self.connect(identity, **how)
        if board.code == 0:
            return board
        board.close()
        return None

    # --- what is known ---

    @staticmethod
    def until(what, failure, patience=harness.PATIENCE):
        end = time.monotonic() + patience
        while True:
            if value := what():
                return value
            if time.monotonic() > end:
                raise AssertionError(failure() if callable(failure) else failure)
            time.sleep(0.02)

    def rows(self, query, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/imprint.db?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(query, values).fetchall()

    def visits(self, device):
        """(broker, address, admitted, lasts, reason) of each, oldest first."""
        return self.rows("SELECT broker, address, admitted, ended = 0, reason FROM visit WHERE device = ?"
            " ORDER BY change", uuid.UUID(device).bytes)

    def visits_become(self, device, *wanted):
        """`wanted`: (lasts, reason) of each."""
        self.until(lambda: [(bool(v[3]), v[4]) for v in self.visits(device)] == list(wanted),
            lambda: f"visits of {device}: {self.visits(device)}; wanted {wanted}")

    def states(self, device):
        """Of its certificates, oldest first: 0 issued, 1 active, 2 superseded, 3 revoked."""
        return [row[0] for row in self.rows("SELECT state FROM cert WHERE device = ? ORDER BY created, serial",
            uuid.UUID(device).bytes)]
