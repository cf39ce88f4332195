"""A virtual board with an identity and the real mosquitto: it goes online, stays, comes back, and is refused
by whom it should be and refuses whom it should."""

import json
import os
import shutil
import socket
import threading
import unittest

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import boards
import harness
import serialhost
import test_broker as certificates

PASSWORD = "5f0c" * 16
BEGIN = r"da0001070081\w*" # CBOR: tag 0x010700, an array of one: the version


class OnlineTest(boards.BoardTest):
    """kitchen has its identity; nothing runs."""

    def setUp(self):
        super().setUp()
        self.env.update(harness.PATIENT) # attempts are counted
        self.port = harness.free_port()
        self.anchor = self.state / "tls/service-root.pem"
        self.socket = self.run_folder / "broker.sock"
        board = self.board("kitchen", "--sketch", "setup")
        self.device = self.identity("kitchen", self.provision("kitchen"))["device_id"]
        board.stop()
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self.root_of(self.root_key)
        self.put("tls/service-root.pem", self.root)
        self.put("broker/internal.key", PASSWORD.encode())
        self.server()

    def put(self, name, content):
        path = self.state / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else certificates.pem(content))
        path.chmod(0o600)
        return path

    @staticmethod
    def root_of(key):
        return certificates.certificate(certificates.common_name("root"), certificates.common_name("root"), key, key,
            end=90, extensions=(x509.BasicConstraints(True, 1),))

    def server(self, key=None, name="localhost", **dates):
        """The broker's own key and certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        self.put("tls/broker.key", key)
        self.put("tls/broker.pem", certificates.certificate(certificates.common_name("broker"), self.root.subject, key,
            self.root_key, extensions=(x509.SubjectAlternativeName([x509.DNSName(name)]),), **{"end": 90, **dates}))

    def broker(self, *before, **edits):
        """mosquitto with our configuration, in which a setting may be replaced: cafile="...", ..."""
        done = self.run_program("imprint", "broker", "config", "--no-plugin", "--broker-port", self.port, "--socket", self.socket)
        self.assertEqual(done.returncode, 0, done)
        path = self.state / "broker/mosquitto.conf"
        lines = path.read_text(encoding="utf-8").splitlines()
        for name, value in edits.items():
            self.assertEqual(len([line for line in lines if line.startswith(name + " ")]), 1)
            lines = [f"{name} {value}" if line.startswith(name + " ") else line for line in lines]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        broker = self.start(*before, harness.MOSQUITTO, "-c", path)
        broker.wait_for(r"mosquitto version \S+ running")
        return broker

    def internal(self):
        return ["--unix", str(self.socket), "-u", "imprint", "-P", PASSWORD]

    def listen(self):
        """What the server hears: lines 'TOPIC PAYLOAD', the payload in hex."""
        server = self.start("stdbuf", "-oL", "mosquitto_sub", "-d", *self.internal(), "-i", "server", "-F", "%t %x",
            "-t", "/a/d/+/c/up")
        server.wait_for("^Subscribed")
        return server

    def online_board(self, name="kitchen", *options, port=None, anchor=None, host="localhost"):
        return self.board(name, "--broker", f"{host}:{port or self.port}", "--anchor", anchor or self.anchor, *options)

    def status(self, name="kitchen"):
        done = self.run_program("imprint", "board", "list", "--json")
        found = [s for s in map(json.loads, done.stdout.splitlines()) if s["name"] == name]
        return found[0] if found else None


class Online(OnlineTest):
    def test_message_arrives(self):
        broker, server = self.broker(), self.listen()
        board = self.online_board()
        board.wait_for(f"^kitchen: online: {self.device}$")
        server.wait_for(f"^/a/d/{self.device}/c/up {BEGIN}$")
        # MQTT 3.1.1, clean session, keep-alive of 30 s; the user name is the certificate's.
        broker.wait_for(rf"as {self.device} \(p2, c1, k30, u'{self.device}'\)")
        seen = self.status()
        self.assertEqual((seen["state"], seen["step"], seen["broker"]), ("online", *2 * [f"localhost:{self.port}"]), seen)
        self.assertEqual(seen["opcodes"]["41"], 1, "the chip has signed the handshake and nothing else")
        own, other = (f"/a/d/{device}/c/dw" for device in (self.device, serialhost.DEVICE))
        # Five times as long as the board's records, and another board's; then one that it can use.
        for topic, text in ((own, "x" * 40000), (other, "not ours"), (own, "seven b")):
            done = self.run_program("mosquitto_pub", *self.internal(), "-i", "server2", "-t", topic, "-s", stdin=text)
            self.assertEqual(done.returncode, 0, done)
        board.wait_for("^kitchen: message: 7 bytes$")
        self.assertEqual(board.output.count("message: "), 1, board.output)
        self.assertEqual(board.output.count("online: "), 1, board.output)
        self.assertEqual(self.run_program("imprint", "board", "list").stdout.split()[1], "online")

    def test_after_setup(self):
        """Nothing before there is an identity; as soon as the port is closed behind it, online."""
        self.broker()
        for sketch in ("setup", "today", "2020"):
            with self.subTest(sketch):
                board = self.online_board(sketch, "--sketch", sketch)
                self.assertEqual(self.status(sketch)["state"], "waiting")
                device = self.identity(sketch, self.provision(sketch))["device_id"]
                board.wait_for(f"^{sketch}: online: {device}$")
                self.assertEqual(sum("connecting" in line for line in board.lines), 1, board.output)
                board.stop()

    def test_port_ends_it(self):
        broker = self.broker()
        for sketch in ("setup", "today"):
            with self.subTest(sketch):
                board = self.online_board("kitchen", "--sketch", sketch)
                board.wait_for("online")
                begun, said = len(broker.lines), len(board.lines)
                with serialhost.Host(self.run_at / "tty/kitchen"):
                    broker.wait_for(f"Client {self.device} closed its connection", begun)
                    board.wait_for("sketch started", said)
                    self.assertEqual(self.status()["state"], "running")
                board.wait_for("port closed", said)
                if sketch == "today": # is at its prompt still, whoever has gone
                    self.assertEqual(self.status()["state"], "running")
                    self.press("reset", "kitchen")
                board.wait_for("online", said)
                board.stop()

    def test_buttons(self):
        broker = self.broker()
        board = self.online_board()
        board.wait_for("online")
        broker.wait_for("as " + self.device) # is said when the board has its answer
        for press, again in (("unplug", "plug"), ("reset", None)):
            begun, said = len(broker.lines), len(board.lines)
            self.press(press, "kitchen")
            broker.wait_for(f"Client {self.device} closed its connection", begun)
            if again:
                self.assertEqual(self.status()["state"], "unplugged")
                self.press(again, "kitchen")
            board.wait_for("online", said)
            broker.wait_for("as " + self.device, begun)
        board.stop()
        self.assertEqual(broker.output.count("as " + self.device), 3, broker.output)

    def test_broker_comes_back(self):
        board = self.online_board()
        board.wait_for(rf"^kitchen: not connected: localhost:{self.port}: Connection refused; again in 2 s$")
        self.assertEqual(self.status()["state"], "connecting")
        self.assertIn("refused", self.status()["step"])
        broker = self.broker()
        board.wait_for("^kitchen: online")
        broker.kill()
        board.wait_for("^kitchen: connection lost: .*; again in 2 s$")
        self.assertEqual(self.status()["state"], "connecting")
        begun = len(board.lines)
        self.broker()
        board.wait_for("^kitchen: online", begun)

    def test_arguments(self):
        for options in (["--broker", "localhost:1"], ["--anchor", self.anchor],
            ["--broker", "localhost", "--anchor", self.anchor], ["--broker", "localhost:0", "--anchor", self.anchor],
            ["--broker", ":1", "--anchor", self.anchor], ["--broker", "::1:1", "--anchor", self.anchor],
            ["--broker", "localhost:65536", "--anchor", self.anchor]):
            done = self.run_program("imprint", "board", "kitchen", *options)
            self.assertEqual(done.returncode, 2, done)
            self.assertRegex(done.stderr, "broker|anchor")
        for content, why in ((b"", "no certificate"), (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "not a certificate"), (certificates.pem(self.leaf()), "not a CA")):
            self.put("other.pem", content)
            done = self.run_program("imprint", "board", "kitchen", "--broker", "localhost:1", "--anchor",
                self.state / "other.pem")
            self.assertEqual(done.returncode, 5, done)
            self.assertIn(why, done.stderr)
        done = self.run_program("imprint", "board", "kitchen", "--broker", "localhost:1", "--anchor", "nowhere.pem")
        self.assertEqual(done.returncode, 3, done)

    def leaf(self):
        key = ec.generate_private_key(ec.SECP256R1())
        return certificates.certificate(certificates.common_name("x"), self.root.subject, key, self.root_key)


class Refused(OnlineTest):
    def refused(self, why, broker, board, **options):
        """The board says why; the broker has seen nobody."""
        board = self.online_board("kitchen", **options)
        self.assertRegex(board.wait_for("^kitchen: not connected: (.*); again in 2 s$").group(1), why)
        self.assertEqual(self.status()["state"], "connecting")
        self.assertNotIn("online", board.output)
        board.stop()
        self.assertNotIn("New client connected", broker.output)
        broker.stop()

    def test_by_the_broker(self):
        foreign = self.put("foreign.pem", certificates.Authority().certificate)
        with self.subTest("foreign authority with our issuer's name"):
            self.refused("the broker refuses our certificate: unknown authority .alert 48, TLS error 304.",
                self.broker(cafile=foreign), "kitchen")
        with self.subTest("expired"):
            self.refused("the broker refuses our certificate: expired .alert 45", self.broker("faketime", "+33 years"), "kitchen")
        with self.subTest("TLS 1.3 alone"):
            self.refused("another version of TLS", self.broker(tls_version="tlsv1.3"), "kitchen")
        with self.subTest("an RSA key"):
            self.server(key=rsa.generate_private_key(65537, 2048))
            self.refused("no common ground for a handshake .alert 40", self.broker(), "kitchen")
        with self.subTest("a chip whose certificate is for another key"):
            self.server()
            self.damage("kitchen")
            self.refused("the broker refuses our certificate|could not verify", self.broker(), "kitchen")

    def damage(self, name):
        """A new key in slot 0, made by somebody who keeps no marker."""
        board = self.board(name)
        with serialhost.Host(self.run_at / f"tty/{name}") as host:
            host.wait_for(b"(y/N): ")
            host.type("y")
            host.wait_for(b"device id: ")
            host.type(self.device)
            host.wait_for(b"issue year of the certificate (2000 - 2031): ")
        board.stop()

    def test_by_the_board(self):
        other = ec.generate_private_key(ec.SECP256R1())
        with self.subTest("another anchor of the same name"):
            path = self.put("other.pem", self.root_of(other))
            self.refused("a signature in the broker's chain is wrong|does not lead to the anchor", self.broker(), "kitchen",
                anchor=path)
        with self.subTest("another name"):
            self.server(name="broker.example")
            self.refused("certificate is for another name", self.broker(), "kitchen")
        with self.subTest("the address instead of the name"):
            self.server()
            self.refused("certificate is for another name", self.broker(), "kitchen", host="127.0.0.1")
        with self.subTest("expired"):
            self.server(start=-9, end=-1)
            self.refused("certificate is not valid now", self.broker(), "kitchen")
        with self.subTest("not valid yet"):
            self.server(start=1, end=9)
            self.refused("certificate is not valid now", self.broker(), "kitchen")

    def test_no_identity(self):
        """A chip without one does not even try; neither does one that is between two."""
        broker = self.broker()
        blank = self.online_board("blank")
        self.settle("blank")
        self.assertEqual(self.status("blank")["state"], "waiting")
        self.assertNotIn("connecting", blank.output)
        self.assertNotIn("New connection", broker.output)


class Relay:
    """Stands between board and broker; calls `met` when the board's TCP connection is there."""

    def __init__(self, port, met):
        self.to, self.met = port, met
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                board, _ = self.listener.accept()
            except OSError:
                return
            self.met()
            threading.Thread(target=self.carry, args=(board,), daemon=True).start()

    def carry(self, board):
        with board, socket.create_connection(("127.0.0.1", self.to)) as broker:
            back = threading.Thread(target=self.copy, args=(broker, board), daemon=True)
            back.start()
            self.copy(board, broker)
            back.join(harness.PATIENCE)

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Element(OnlineTest):
    def test_removed_after_connect(self):
        """Without the chip nothing signs: there is no other key. With it, the same board is online."""
        broker = self.broker()
        element, path = self.element("kitchen")
        relay = Relay(self.port, lambda: element.kill())
        self.addCleanup(relay.close)
        board = self.online_board("other", "--element", path, port=relay.port)
        board.wait_for(r"^other: not connected: secure element: .*; again in 2 s$")
        self.assertNotIn("New client connected", broker.output)
        relay.met = lambda: None
        self.element("kitchen")
        board.wait_for(f"^other: online: {self.device}$")
        broker.wait_for("New client connected")
        self.assertEqual(broker.output.count("New client connected"), 1, broker.output)

    def test_another_chip_after_connect(self):
        """A chip with another key signs the handshake; the broker is not taken in."""
        broker = self.broker()
        stranger = self.board("stranger", "--sketch", "setup")
        self.identity("stranger", self.provision("stranger"))
        stranger.stop()
        element, path = self.element("kitchen")
        swapped = threading.Event()

        def swap():
            if not swapped.is_set():
                swapped.set()
                element.kill()
                shutil.copy(self.state / "elements/stranger.se", self.state / "elements/kitchen.se")
                self.element("kitchen")
        relay = Relay(self.port, swap)
        self.addCleanup(relay.close)
        board = self.online_board("other", "--element", path, port=relay.port)
        why = board.wait_for(r"^other: not connected: (.*); again in 2 s$").group(1)
        self.assertRegex(why, "could not verify our signature .alert 51|alert")
        self.assertNotIn(f"as {self.device}", broker.output)

    def test_a_transfer_fails(self):
        """The bus hangs at the n-th transfer of the first attempt: the second one succeeds."""
        self.broker()
        last = 1000
        step = 1 if "IMPRINT_TORTURE" in os.environ else 61
        for n in range(1, last, step):
            with self.subTest(n):
                plan = self.folder / "plan"
                plan.write_text(f"stuck {n}\n", encoding="utf-8")
                element = self.start("imprint", "element", "emulate", "kitchen", "--timing", "instant", "--faults", plan)
                path = element.wait_for(r"^(/.*/kitchen\.sock)$").group(1)
                board = self.online_board("other", "--element", path)
                board.wait_for(f"^other: online: {self.device}$")
                failed = [line for line in board.lines if "not connected" in line]
                self.assertLessEqual(len(failed), 1, board.output)
                for line in failed:
                    self.assertIn("secure element: ", line)
                board.stop()
                element.stop()
                if not failed: # there is no n-th one
                    self.assertGreater(n, step, "a handshake has more transfers")
                    return
        self.fail(f"more than {last} transfers")


if __name__ == "__main__":
    unittest.main()
