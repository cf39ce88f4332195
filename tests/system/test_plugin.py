"""imprint-mosquitto.so in the real mosquitto: who comes in, who must go, and what a broker does whose server is away."""

import contextlib
import datetime
import hashlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest
import uuid
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import harness
import test_broker as broker

PLUGIN = harness.BUILD / "imprint-mosquitto.so"
HOOKS = b"IMPRINT_TEST_STOP" in PLUGIN.read_bytes()
HOUR = datetime.datetime.utcnow().replace(minute=0, second=0, microsecond=0)
PASSWORD = "5f0c" * 16
TORTURE = bool(os.environ.get("IMPRINT_TORTURE"))
LONG = 100000
IDLE = 1000
SLICES, SLICE = (40, 250) if TORTURE else (8, 150)
PATIENCE = harness.PATIENCE


def days(n):
    return HOUR + datetime.timedelta(days=n)


def fingerprint(certificate):
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()[:32]


class Server:
    """The feed's other end: what the plugin says is in `lines`; pings go by themselves."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.listener.settimeout(PATIENCE)
        self.peer = None
        self.lines = []
        self.news = threading.Condition()
        self.turn = threading.Lock() # what is long is said in pieces
        self.spoken = threading.Event() # nothing comes before the greeting
        self.seq = 0

    def accept(self):
        """The plugin's greeting: boot, epoch, seq."""
        self.spoken.clear()
        self.peer, _ = self.listener.accept()
        start = len(self.lines)
        threading.Thread(target=self.read, args=(self.peer,), daemon=True).start()
        return self.wait_for(r"^v 1 ([0-9a-f]{16}) (\d+) (\d+)$", start).groups()

    def read(self, peer):
        def ping():
            with contextlib.suppress(OSError):
                while True:
                    time.sleep(2)
                    self.spoken.wait()
                    with self.turn:
                        peer.sendall(b"p\n")

        threading.Thread(target=ping, daemon=True).start()
        with peer.makefile("r") as stream, contextlib.suppress(OSError):
            for line in stream:
                with self.news:
                    self.lines.append(line.rstrip("\n"))
                    self.news.notify_all()

    def wait_for(self, pattern, start=0):
        until = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for line in self.lines[start:]:
                    if match := re.search(pattern, line):
                        return match
                left = until - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"wanted /{pattern}/ in\n" + "\n".join(self.lines[-40:]))
                self.news.wait(left)

    def say(self, *lines):
        with self.turn:
            self.spoken.set()
            self.peer.sendall("".join(line + "\n" for line in lines).encode())

    def apply(self, *lines):
        """Says them; they are applied when this returns."""
        self.seq += 1
        start = len(self.lines)
        self.say(*lines, f"s {self.seq}")
        self.wait_for(f"^s {self.seq}$", start)

    def snapshot(self, *lines, epoch=77):
        self.seq += 1
        start = len(self.lines)
        self.say(f"v 1 {epoch} {self.seq}", "b", *lines, f"e {self.seq}")
        self.wait_for(f"^s {self.seq}$", start)

    def hang_up(self):
        self.peer.shutdown(socket.SHUT_RDWR)
        self.peer.close()

    def close(self):
        with contextlib.suppress(OSError, AttributeError):
            self.hang_up()
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class Board:
    """One MQTT connection over TLS, byte by byte. `code` is CONNACK's; None when none came."""

    def __init__(self, port, context, client_id, version=4, session=None, properties=b"", clean=True, will=None,
            will_properties=b"", keepalive=600):
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.port = plain.getsockname()[1]
        self.tls = context.wrap_socket(plain, server_hostname="localhost", session=session)
        body = self.text("MQTT") + bytes([version, (2 if clean else 0) | (4 if will else 0)]) + struct.pack(">H", keepalive)
        if version == 5:
            body += bytes([len(properties)]) + properties
        body += self.text(client_id)
        if will:
            body += bytes([len(will_properties)]) + will_properties if version == 5 else b""
            body += self.text(will) + self.text("gone")
        self.send(0x10, body)
        self.code = None
        with contextlib.suppress(OSError, EOFError):
            kind, answer = self.receive()
            self.code = answer[1] if kind == 0x20 else None

    @staticmethod
    def text(text):
        return struct.pack(">H", len(text)) + text.encode()

    def send(self, kind, body):
        n, length = len(body), b""
        while True:
            length += bytes([n % 128 | (0x80 if n >= 128 else 0)])
            n //= 128
            if not n:
                break
        self.tls.sendall(bytes([kind]) + length + body)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.tls.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        kind, n, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            n |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                return kind & 0xf0, self.exactly(n)

    def subscribe(self, topic):
        """SUBACK's code."""
        self.send(0x82, b"\x00\x01" + self.text(topic) + b"\x00")
        kind, answer = self.receive()
        assert kind == 0x90, kind
        return answer[2]

    def publish(self, topic, text, retain=False):
        """Returns when it is acknowledged."""
        self.send(0x33 if retain else 0x32, self.text(topic) + b"\x00\x02" + text.encode())
        kind, _ = self.receive()
        assert kind == 0x40, kind

    def wait_closed(self):
        with contextlib.suppress(OSError, EOFError):
            while True:
                self.receive()

    def close(self):
        self.tls.close()


class Plain(Board):
    """The same without TLS, by user and password or by nothing."""

    def __init__(self, port, client_id, user=None, password=None, will=None):
        self.tls = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        flags = 2 | (4 if will else 0) | (0xc0 if user else 0)
        body = self.text("MQTT") + bytes([4, flags]) + struct.pack(">H", 600) + self.text(client_id)
        for text in ((will, "gone") if will else ()) + ((user, password) if user else ()):
            body += self.text(text)
        self.send(0x10, body)
        self.code = self.receive()[1][1]

    def next(self):
        """The next message's topic and text."""
        kind, body = self.receive()
        assert kind == 0x30, kind
        n = struct.unpack(">H", body[:2])[0]
        return body[2:2 + n].decode(), body[2 + n:].decode()


class Plugin(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.authority = broker.Authority()
        self.device = str(uuid.uuid4())
        self.boards = []
        self.addCleanup(lambda: [b.close() for b in self.boards])
        self.put("ca/certificate.pem", broker.pem(self.authority.certificate))
        self.put("broker/internal.key", PASSWORD.encode())
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = broker.certificate(broker.common_name("root"), broker.common_name("root"), root_key, root_key, end=90,
            extensions=(x509.BasicConstraints(True, 1),))
        leaf = broker.certificate(broker.common_name("localhost"), broker.common_name("root"), key, root_key, end=90,
            extensions=(x509.SubjectAlternativeName([x509.DNSName("localhost")]),))
        for name, thing in (("tls/broker.pem", leaf), ("tls/broker.key", key), ("tls/service-root.pem", root)):
            self.put(name, broker.pem(thing))
        self.feed_path = self.run_folder / "feed.sock"
        self.port = harness.free_port()
        self.internal = ["--unix", str(self.run_folder / "broker.sock"), "-u", "imprint", "-P", PASSWORD]

    def put(self, name, content):
        path = self.state / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def feed(self):
        server = Server(self.feed_path)
        self.addCleanup(server.close)
        return server

    def configure(self, *more, without="", options=()):
        done = self.run_program("imprint", "broker", "config", "--broker-port", self.port, "--socket",
            self.run_folder / "broker.sock", "--plugin", PLUGIN, "--feed", self.feed_path, *options)
        self.assertEqual(done.returncode, 0, done)
        conf = self.state / "broker/mosquitto.conf"
        text = conf.read_text() + "".join(line + "\n" for line in more)
        conf.write_text(re.sub(without, "", text, flags=re.MULTILINE) if without else text)
        return conf

    def mosquitto(self, conf, *before, env=None):
        process = self.start(*before, harness.MOSQUITTO, "-c", conf, env={**self.preload(), **(env or {})})
        process.wait_for(r"mosquitto version \S+ running", timeout=90)
        return process

    @staticmethod
    def preload():
        """A sanitized plugin needs its runtime in a mosquitto that has none."""
        needs = subprocess.run(["ldd", PLUGIN], capture_output=True, text=True, check=True).stdout
        found = re.findall(r"=> (\S*lib(?:asan|ubsan|tsan)\S*)", needs)
        return {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0"} if found else {}

    def up(self, *more):
        """A broker whose list is empty, and its server."""
        self.server = self.feed()
        self.broker = self.mosquitto(self.configure(*more))
        self.greeting = self.server.accept()
        self.server.snapshot()
        return self.server

    # --- devices ---

    def leaf(self, device, authority=None, start=-1, end=None, named=None):
        authority = authority or self.authority
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (x509.CertificateBuilder().subject_name(broker.common_name(device)).issuer_name(broker.arduino_name())
            .public_key(key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(days(start))
            .not_valid_after(days(end) if end is not None else broker.NEVER))
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key((named or authority).key.public_key())
        return key, builder.add_extension(aki, critical=False).sign(authority.key, hashes.SHA256())

    def context(self, pair):
        name = f"board-{uuid.uuid4()}.pem"
        path = self.put(name, broker.pem(pair[0]) + broker.pem(pair[1]))
        context = ssl.create_default_context(cafile=str(self.state / "tls/service-root.pem"))
        context.load_cert_chain(path)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        return context

    def connect(self, pair, client_id=None, **how):
        board = Board(self.port, self.context(pair), client_id or self.device, **how)
        self.boards.append(board)
        return board

    def comes_in(self, pair, **how):
        """Where the list counts for a few seconds, which may be over before a board has come."""
        for _ in range(20):
            self.server.apply()
            if (board := self.connect(pair, **how)).code == 0:
                return board
        self.fail("never let in")

    def row(self, pair, device=None, enabled=1, thing="-", second="-"):
        return f"a {device or self.device} {enabled} {thing} {fingerprint(pair[1])} {second} 253402300799"

    def refused(self, pair, reason, **how):
        start = len(self.server.lines)
        self.assertEqual(self.connect(pair, **how).code, 5)
        self.server.wait_for(f"^x {reason} ", start)
        self.broker.wait_for(f"imprint: refused .*: {reason}: ")

    # --- tests ---

    def test_rules(self):
        server = self.up("plugin_opt_name north", "plugin_opt_stale admit")
        good = self.leaf(self.device)
        self.assertEqual(self.greeting[1:], ("0", "0"), "it knows nothing")
        server.wait_for("^l -$")
        server.wait_for("^i north$")
        self.refused(good, "unknown")
        server.apply(self.row(good))
        board = self.connect(good)
        self.assertEqual(board.code, 0)
        match = server.wait_for(rf"^c (\d+) {self.device} {fingerprint(good[1])} 127.0.0.1 4 \d+$")
        board.close()
        server.wait_for(rf"^d {match[1]} \d+ -$")

        self.refused(self.leaf("kitchen"), "bad-subject", client_id="kitchen")
        self.refused(self.leaf("imprint"), "bad-subject", client_id="imprint")
        self.refused(good, "client-id", client_id=str(uuid.uuid4()))
        self.refused(self.leaf(self.device), "revoked")
        server.apply(self.row(good, enabled=0))
        self.refused(good, "disabled")
        server.apply(self.row(good))
        server.apply(self.row(self.leaf(self.device), second=fingerprint(good[1])))
        self.assertEqual(self.connect(good).code, 0, "the second of two certificates")

        # What TLS refuses does not come as far as that.
        for outside in (self.leaf(self.device, start=-3, end=-1), self.leaf(self.device, start=1),
                self.leaf(self.device, authority=broker.Authority()), self.leaf(self.device, named=broker.Authority())):
            with contextlib.suppress(OSError):
                self.assertIsNone(self.connect(outside).code)
        # In cafile, and no longer one of the plugin's.
        server.apply("ca " + "0b" * 20 + " 1", "ca " + self.key_id() + " 0")
        self.refused(good, "wrong-ca")

    def key_id(self):
        return x509.SubjectKeyIdentifier.from_public_key(self.authority.key.public_key()).digest.hex()

    def test_topics(self):
        server = self.up()
        good, thing = self.leaf(self.device), str(uuid.uuid4())
        own = f"/a/d/{self.device}/c/"
        server.apply(self.row(good))
        listener = self.start("stdbuf", "-oL", "mosquitto_sub", "-d", "-v", *self.internal, "-i", "server", "-t", "#")
        listener.wait_for("^Subscribed")
        board = self.connect(good, will=f"/a/d/{uuid.uuid4()}/c/up")
        self.assertEqual(board.code, 0)
        self.assertEqual(board.subscribe(own + "dw"), 0)
        for topic in ("#", "$SYS/#", own + "up", own + "+", f"$share/g/{own}dw", f"/a/d/{uuid.uuid4()}/c/dw", f"/a/t/{thing}/e/i"):
            self.assertEqual(board.subscribe(topic), 0x80, topic)
        for topic in (own + "dw", f"/a/d/{uuid.uuid4()}/c/up", f"/a/t/{thing}/e/o", "x"):
            board.publish(topic, "not mine")
        board.publish(own + "up", "mine")
        listener.wait_for(f"^{own}up mine$")
        server.apply(self.row(good, thing=thing))
        self.assertEqual(board.subscribe(f"/a/t/{thing}/e/i"), 0, "the thing that is attached now")
        board.publish(f"/a/t/{thing}/e/o", "of the thing")
        listener.wait_for(f"^/a/t/{thing}/e/o of the thing$")
        server.apply(self.row(good))
        self.assertEqual(board.subscribe(f"/a/t/{thing}/e/i"), 0x80, "and no longer")
        board.publish(f"/a/t/{thing}/e/o", "not mine")
        subprocess.run(["mosquitto_pub", *self.internal, "-i", "other", "-t", own + "dw", "-m", "down"], check=True, timeout=PATIENCE)
        self.assertIn(b"down", board.receive()[1])
        board.tls.shutdown(socket.SHUT_RDWR) # its will is of a topic that is not its own
        server.wait_for("^d ")
        taken = self.connect(good, will=own + "up")
        last = self.connect(good)
        taken.wait_closed()
        last.publish(own + "up", "last")
        listener.wait_for("last$")
        self.assertNotIn("not mine", listener.output)
        self.assertNotIn("gone", listener.output)
        self.assertNotIn("nobody is let in", self.broker.output)
        done = subprocess.run(["mosquitto_sub", *self.internal, "-i", "other", "-t", "$SYS/#", "-W", str(PATIENCE)], capture_output=True, text=True,
            check=False, timeout=2 * PATIENCE)
        self.assertIn("denied", done.stderr, "not even the server's own")

    def test_more_topics(self):
        """Of a product: those that the configuration names, each board's its own and its thing's."""
        self.others("plugin_opt_subscribe line/{thing}/speed", without="^retain_available false$",
            options=("--publish", "mill/{device}/count,line/{thing}/load", "--subscribe", "mill/{device}/set"))
        self.assertEqual(re.findall("^plugin_opt_(publish|subscribe) (.*)$", (self.state / "broker/mosquitto.conf").read_text(), re.MULTILINE),
            [("publish", "mill/{device}/count"), ("publish", "line/{thing}/load"), ("subscribe", "mill/{device}/set"), ("subscribe", "line/{thing}/speed")])
        thing, stranger = str(uuid.uuid4()), str(uuid.uuid4())
        count, order = f"mill/{self.device}/count", f"mill/{self.device}/set"
        load, speed = f"line/{thing}/load", f"line/{thing}/speed"
        board, home = self.connect(self.good), self.plain("home")
        self.assertEqual(home.subscribe("#"), 0)
        for topic in (speed, count, f"mill/{stranger}/set", "mill/+/set", "mill/#", f"$share/g/{order}", "mill/{device}/set"):
            self.assertEqual(board.subscribe(topic), 0x80, topic)
        self.assertEqual(board.subscribe(order), 0)
        for topic in (load, order, f"mill/{stranger}/count", f"mill/{self.device}/other", "mill/{device}/count"):
            board.publish(topic, "not mine")
        board.publish(count, "7", retain=True)
        board.publish(count, "8")
        self.assertEqual(home.next(), (count, "8"))
        self.server.apply(self.row(self.good, thing=thing))
        self.assertEqual(board.subscribe(speed), 0, "the thing that is attached now")
        board.publish(load, "9")
        self.assertEqual(home.next(), (load, "9"))
        other = self.plain("other")
        other.publish(count, "forged")
        other.publish(speed, "fast")
        self.assertEqual(home.next(), (speed, "fast"))
        self.assertIn(b"fast", board.receive()[1])
        self.server.apply(self.row(self.good))
        self.assertEqual(board.subscribe(speed), 0x80, "and no longer")
        board.publish(load, "not mine")
        board.publish(count, "10")
        self.assertEqual(home.next(), (count, "10"))
        for topic, why in (("mill/count", "names {device} or {thing}"), ("mill/{device}/#", "no wildcards"), ("/a/d/{device}/c/up", "begins with neither")):
            done = self.run_program("imprint", "broker", "config", "--publish", topic)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(why, done.stderr)

    def test_expelled(self):
        """Among many: by disabling, revoking, removing, by the authority and by hand. The others stay."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        server = self.up()
        ids = [str(uuid.uuid4()) for _ in range(IDLE)]
        pair = {i: self.leaf(i) for i in ids[:6]}
        many = self.leaf(ids[6])
        pair.update({i: self.leaf(i) for i in ids[7:]})
        server.apply(*[self.row(pair[i], device=i) for i in pair], self.row(many, device=ids[6]))
        boards = {i: self.connect(pair[i], client_id=i) for i in pair}
        self.assertEqual({b.code for b in boards.values()}, {0})
        renewed = self.leaf(ids[1])
        for gone, lines in ((ids[0], [self.row(pair[ids[0]], device=ids[0], enabled=0)]), (ids[1], [self.row(renewed, device=ids[1])]),
                (ids[2], [f"r {ids[2]}"]), (ids[3], [f"k {ids[3]}"])):
            server.apply(*lines)
            boards[gone].wait_closed()
        start = len(server.lines)
        self.assertEqual([self.connect(pair[i], client_id=i).code for i in ids[:4]], [5, 5, 5, 0])
        server.wait_for(rf"^c \d+ {ids[3]} ", start) # or it counts among those that are told below
        # A snapshot that does not mention a device removes it.
        server.say("b", *[self.row(pair[i], device=i) for i in ids[5:] if i in pair])
        server.say(f"e {server.seq + 1}")
        boards[ids[4]].wait_closed()
        start = len(server.lines)
        server.say("n")
        server.wait_for("^o$", start)
        told = [line for line in server.lines[start:] if line.startswith("c ")]
        self.assertEqual({line.split()[2] for line in told}, set(ids[5:]) - {ids[6]})
        server.say("ca " + "0b" * 20 + " 1", "ca " + self.key_id() + " 0")
        for i in ids[7:]:
            boards[i].wait_closed()

    def test_takeover(self):
        """The same device twice: the old connection ends, the new one is what is reported."""
        server = self.up()
        good = self.leaf(self.device)
        server.apply(self.row(good))
        first = self.connect(good)
        second = self.connect(good)
        self.assertEqual((first.code, second.code), (0, 0))
        first.wait_closed()
        server.wait_for(r"^d 1 \d+ taken-over$")
        self.assertEqual([line.split()[:2] for line in server.lines if line[:2] in ("c ", "d ")], [["c", "1"], ["c", "2"], ["d", "1"]])
        server.apply(f"k {self.device}")
        second.wait_closed()
        server.wait_for(r"^d 2 \d+ -$")
        third = self.connect(good)
        server.apply(self.row(good, enabled=0))
        third.wait_closed()
        server.wait_for(r"^d 3 \d+ disabled$")

    def reload(self):
        """mosquitto asks once more about everybody who is there; it has when this returns."""
        start = len(self.broker.lines)
        self.broker.send(signal.SIGHUP)
        self.broker.wait_for("Reloading config", start)

    def told(self):
        """What the server was told of comings and goings, as (verb, number, reason of going)."""
        words = [line.split() for line in self.server.lines if line[:2] in ("c ", "d ")]
        return [(w[0], int(w[1]), w[3] if w[0] == "d" else None) for w in words]

    def test_reload(self):
        """SIGHUP changes nothing for who is connected, nor what is told when they go."""
        server = self.up("plugin_opt_stale_max 2")
        ids = [str(uuid.uuid4()) for _ in range(6)]
        pair = {i: self.leaf(i) for i in ids}
        rows = {i: self.row(pair[i], device=i) for i in ids}
        server.apply(*rows.values())
        boards = [self.comes_in(pair[i], client_id=i) for i in ids]
        listener = self.start("stdbuf", "-oL", "mosquitto_sub", "-d", "-v", *self.internal, "-i", "server", "-t", "/a/#")
        listener.wait_for("^Subscribed")
        for _ in range(2):
            self.reload()
            server.apply()
        came = [("c", n, None) for n in range(1, 7)]
        self.assertEqual(self.told(), came, "nobody came anew")
        for i, board in zip(ids, boards):
            board.publish(f"/a/d/{i}/c/up", "still here")
            listener.wait_for(f"^/a/d/{i}/c/up still here$")
        # By itself, revoked, disabled, removed; a reload comes between the list and the end of the connection, or not.
        boards[0].close()
        server.wait_for(r"^d 1 \d+ -$")
        for n, (line, reason) in enumerate(((self.row(self.leaf(ids[1]), device=ids[1]), "revoked"),
                (self.row(pair[ids[2]], device=ids[2], enabled=0), "disabled"), (f"r {ids[3]}", "unknown")), start=1):
            self.broker.send(signal.SIGHUP)
            server.apply(line)
            boards[n].wait_closed()
            server.wait_for(rf"^d {n + 1} \d+ {reason}$")
            self.assertEqual(self.connect(pair[ids[n]], client_id=ids[n]).code, 5)
        start = len(server.lines)
        server.say("n")
        server.wait_for("^o$", start)
        self.assertEqual([line.split()[1] for line in server.lines[start:] if line.startswith("c ")], ["5", "6"])
        # Without the server, and past the time for which its list counts.
        server.close()
        self.assertTrue(self.wait_until(lambda: self.connect(pair[ids[0]], client_id=ids[0]).code == 5))
        self.reload()
        self.assertEqual(boards[4].subscribe(f"/a/d/{ids[4]}/c/dw"), 0)
        self.assertEqual(boards[5].subscribe(f"/a/d/{ids[5]}/c/dw"), 0)
        self.assertNotRegex(self.broker.output, f"refused ({ids[4]}|{ids[5]})")

    def test_resumption_and_version_5(self):
        server = self.up()
        good = self.leaf(self.device)
        server.apply(self.row(good))
        context = self.context(good)
        board = Board(self.port, context, self.device)
        self.boards.append(board)
        session = board.tls.session
        again = Board(self.port, context, self.device, session=session)
        self.assertEqual((again.code, again.tls.session_reused), (0, True))
        again.close()
        for line, reason in ((f"r {self.device}", "unknown"), (self.row(good, enabled=0), "disabled"), (self.row(self.leaf(self.device)), "revoked")):
            server.apply(line)
            board.wait_closed()
            again = Board(self.port, context, self.device, session=session)
            self.assertEqual((again.code, again.tls.session_reused), (5, True))
            again.close()
            server.wait_for(f"^x {reason} {self.device}")
        # An authentication method of MQTT 5 does not lead around the rules.
        method = b"\x15" + Board.text("PLAIN")
        self.assertIn(self.connect(good, version=5, properties=method).code, (None, 0x8c, 0x87))
        self.assertEqual(self.connect(good, version=5).code, 0x87)
        server.apply(self.row(good))
        self.assertEqual(self.connect(good, version=5).code, 0)

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.broker.pid}/status").read_text())[1]) * 1024

    def test_growth(self):
        """Boards that come and go, are refused, take over, are expelled, or only shake hands: memory stays what it is."""
        self.server = server = self.feed()
        small = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:max_redzone=64:detect_leaks=0"
        self.broker = self.mosquitto(self.configure(), env={"ASAN_OPTIONS": small})
        server.accept()
        good, bad = self.leaf(self.device), self.leaf(self.device)
        server.snapshot(self.row(good))
        contexts = [self.context(pair) for pair in (good, bad)]
        sizes = []
        for _ in range(SLICES):
            for i in range(SLICE // 10):
                for kind in range(10):
                    if kind == 9:
                        contexts[0].wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="localhost").close()
                        continue
                    board = Board(self.port, contexts[kind % 3 == 2], self.device, version=4 + i % 2, clean=kind != 4)
                    self.assertEqual(board.code, [0, 0, 0x87 if i % 2 else 5][kind % 3])
                    if kind == 7 and i == 0: # costs a turn of the broker, which has nothing else to do
                        server.apply(self.row(good, enabled=0), self.row(good))
                        board.wait_closed()
                    if kind != 6: # the next one takes over
                        board.close()
                    else:
                        left = board
                left.close()
            sizes.append(self.resident())
        growth = sizes[-1] - sizes[SLICES // 2 - 1]
        # Bytes a connection: a certificate that nobody frees is 5 KiB, a record of ours 300. A sanitizer remembers a while.
        each, at_once = (1024, 1 << 18) if self.preload() else (16, 1 << 16)
        self.assertLess(growth, each * SLICE * (SLICES - SLICES // 2) + at_once, sizes)

    def test_stored_session(self):
        """A device with a session and no connection is revoked, or the broker reloads: nothing is freed twice (valgrind, else a sanitizer)."""
        self.server = self.feed()
        conf = self.configure("plugin_opt_fast_tls false")
        valgrind = not self.preload()
        self.broker = self.mosquitto(conf, *(["valgrind", "--quiet", "--error-exitcode=9"] if valgrind else []))
        self.server.accept()
        self.server.snapshot()
        good = self.leaf(self.device)
        for version, properties in ((4, b""), (5, b"\x11" + struct.pack(">I", 3))):
            self.server.apply(self.row(good))
            board = self.connect(good, version=version, properties=properties, clean=False)
            self.assertEqual(board.code, 0)
            start = len(self.server.lines)
            board.close()
            self.server.wait_for("^d ", start)
            self.reload()
            self.server.apply()
            self.server.apply(f"r {self.device}")
            self.server.apply(f"k {self.device}")
            if version == 5: # what was freed then is looked at again at the broker's end, if it was put down twice
                self.broker.wait_for(f"Expiring.* {self.device}")
                self.server.apply()
            self.assertIn(self.connect(good, version=version).code, (5, 0x87))
        self.assertEqual(self.broker.stop(), 0, self.broker.output)
        self.assertNotRegex(self.broker.output, "Invalid (read|write|free)|uninitialised")

    def test_feed_comes_and_goes(self):
        server = self.up()
        good, other = self.leaf(self.device), str(uuid.uuid4())
        server.apply("ca " + self.key_id() + " 1", self.row(good))
        board = self.connect(good)
        self.assertEqual(board.code, 0)
        for trouble in ("a x\n", "\x00\xff garbage\n", "x" * 600, "v 1 1 1\n"):
            server.peer.sendall(trouble.encode("latin-1"))
            boot, epoch, seq = server.accept()
            self.assertEqual((boot, epoch, seq), (self.greeting[0], "77", str(server.seq)))
            start = len(server.lines)
            server.say(f"v 1 77 {server.seq}")
            server.apply()
            server.wait_for(rf"^c \d+ {self.device} ") # told again after each greeting
            server.wait_for("^o$", start - 2)
        self.broker.wait_for("feed is lost: malformed: .*fields|feed is lost: malformed")
        # Half a snapshot removes nobody and leaves epoch and number as they were.
        server.hang_up()
        server.accept()
        server.say("v 1 78 5", "b", f"a {other} 1 - - - 1")
        server.hang_up()
        self.assertEqual(server.accept()[1:], ("77", str(server.seq)))
        self.assertEqual(self.connect(good).code, 0, "known devices come in while the server is away")
        server.snapshot(epoch=79)
        self.refused(good, "unknown")

    def test_stale(self):
        """Without the server: the last list for so long, then nobody; and what a restart knows."""
        server = self.up("plugin_opt_stale_max 3")
        server.wait_for("^l 3$")
        good = self.leaf(self.device)
        server.apply(self.row(good))
        self.comes_in(good)
        server.close()
        self.assertIsNotNone(self.wait_until(lambda: self.connect(good).code == 5))
        self.broker.wait_for("refused .*: stale: ")
        self.assertEqual(self.connect(good).code, 5)
        self.broker.stop()
        path = self.state / "broker/list"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        saved = path.read_text()
        self.assertIn(self.row(good), saved)
        # A list of now, one of yesterday, one of tomorrow, half a one, none.
        for age, text, more, want in ((0, saved, [], 0), (86400, saved, [], 5), (86400, saved, ["plugin_opt_stale admit"], 0),
                (-86400, saved, [], 5), (0, saved[:-9], [], 5), (0, None, [], 5)):
            path.unlink()
            if text is not None:
                path.write_text(text)
                path.chmod(0o600)
                os.utime(path, (time.time() - age, time.time() - age))
            self.broker = self.mosquitto(self.configure("plugin_opt_stale_max 600", *more))
            self.assertEqual(self.connect(good).code, want, (age, more))
            self.broker.stop()
            if text is None:
                break
        path.write_text(saved)
        path.chmod(0o640)
        self.broker = self.mosquitto(self.configure())
        self.assertEqual(self.connect(good).code, 5, "a list that others can read is not ours")
        self.broker.wait_for("no saved list")

    @staticmethod
    def wait_until(what):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if what():
                return True
            time.sleep(0.2)
        return None

    @staticmethod
    def is_stopped(pid):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T"

    @unittest.skipUnless(HOOKS, "needs a build that stops where it is told")
    def test_saved_beside(self):
        """A long list is written by another process: stopped in its middle it keeps nobody waiting, and no connection open."""
        server = self.feed()
        self.server, self.broker = server, self.mosquitto(self.configure(), env={"IMPRINT_TEST_STOP": "inside:list"})
        good, kicked, path = self.leaf(self.device), str(uuid.uuid4()), self.state / "broker/list"
        pair = self.leaf(kicked)
        row = self.row(good)
        many = [row.replace(self.device, str(uuid.uuid4())) for _ in range(LONG)]
        server.accept()
        server.say("v 1 77 1", "b", row, self.row(pair, device=kicked), *many, "e 1")
        server.seq = 1
        children = Path(f"/proc/{self.broker.pid}/task/{self.broker.pid}/children")
        self.assertTrue(self.wait_until(lambda: children.read_text() or path.exists()))
        self.assertFalse(path.exists(), "the list was written by the broker itself")
        writer = int(children.read_text())
        self.assertTrue(self.wait_until(lambda: self.is_stopped(writer)))
        # It may still have what the broker had then; what comes now is the broker's alone.
        boards = [self.connect(good), self.connect(pair, client_id=kicked)]
        self.assertEqual([b.code for b in boards], [0, 0])
        server.apply(f"r {kicked}")
        boards[1].wait_closed()
        self.assertEqual(self.connect(pair, client_id=kicked).code, 5)
        self.assertFalse(path.exists())
        os.kill(writer, signal.SIGCONT)
        self.assertTrue(self.wait_until(path.exists))
        lines = path.read_text().splitlines()
        self.assertEqual((sum(line.startswith("a ") for line in lines), lines[0], lines[-1]), (LONG + 2, "v 1 77 1", "e 1"))
        self.assertIn(self.row(pair, device=kicked), lines, "the list of that moment")
        self.assertEqual(self.broker.stop(), 0)
        self.assertNotIn(kicked, path.read_text(), "at its end the broker writes what it knows")

    def test_saved_number(self):
        """A broker that starts again asks for what is new, not for everything."""
        server = self.up()
        server.apply(self.row(self.leaf(self.device)))
        seq = str(server.seq)
        self.broker.stop()
        self.broker = self.mosquitto(self.state / "broker/mosquitto.conf")
        boot, epoch, number = server.accept()
        self.assertEqual((epoch, number), ("77", seq))
        self.assertNotEqual(boot, self.greeting[0])

    def test_unsafe_options(self):
        good = self.leaf(self.device)
        done = self.run_program("imprint", "broker", "check", self.configure())
        self.assertEqual((done.returncode, done.stdout), (0, ""), done)
        self.assertIn("no unsafe option", done.stderr)
        for name, text, why in (("hosts", "127.0.0.1 localhost\n", "no mosquitto would start with it"),
                ("plain.conf", "listener 1883\n", "no line loads imprint-mosquitto.so")):
            self.put(name, text.encode())
            done = self.run_program("imprint", "broker", "check", self.state / name)
            self.assertNotEqual(done.returncode, 0, done)
            self.assertIn(why, done.stderr)
        done = self.run_program("imprint", "broker", "check", "nowhere.conf")
        self.assertIn("nowhere.conf", done.stderr)
        self.assertNotEqual(done.returncode, 0, done)
        for option in ("use_identity_as_username", "use_subject_as_username", "per_listener_settings"):
            with self.subTest(option):
                self.server = self.feed()
                conf = self.configure(without="^per_listener_settings false$" if option.startswith("per") else "")
                text = conf.read_text()
                line = f"{option} true\n"
                conf.write_text(line + text if option.startswith("per") else text.replace("require_certificate true\n",
                    "require_certificate true\n" + line))
                done = self.run_program("imprint", "broker", "check", conf)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertRegex(done.stdout, rf"^{conf}:\d+: {option}: ")
                done = self.run_program("imprint", "broker", "check", conf, "--json")
                self.assertEqual([u["option"] for u in json.loads(done.stdout)["unsafe"]], [option], done)
                # The same by way of a folder that is included.
                part = self.folder / "conf.d" / f"{option}.conf"
                part.parent.mkdir(exist_ok=True)
                for old in part.parent.glob("*.conf"):
                    old.unlink()
                part.write_text(conf.read_text())
                conf.write_text(f"include_dir {part.parent}\n")
                done = self.run_program("imprint", "broker", "check", conf)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertRegex(done.stdout, rf"^{part}:\d+: {option}: ")
                self.broker = self.mosquitto(conf)
                self.broker.wait_for(rf"imprint: nobody is let in: {part} line \d+: {option}: ")
                with contextlib.suppress(AssertionError, OSError): # without ticks nobody connects to the feed before a board comes
                    self.server.listener.settimeout(1)
                    self.server.accept()
                    self.server.snapshot(self.row(good))
                with contextlib.suppress(OSError):
                    board = self.connect(good)
                    if board.code == 0: # past the plugin: it gets nothing
                        self.assertEqual(board.subscribe(f"/a/d/{self.device}/c/dw"), 0x80)
                    else:
                        self.assertEqual(board.code, 5)
                self.broker.stop()
                self.server.close()

    def test_unsafe_option_that_is_not_seen_beforehand(self):
        """More than the plugin reads: what happens shows it."""
        self.server = self.feed()
        conf = self.configure()
        text = conf.read_text().replace("require_certificate true\n", "require_certificate true\nuse_identity_as_username true\n")
        conf.write_text(1024 * ("#" * 1024 + "\n") + text)
        self.broker = self.mosquitto(conf)
        self.server.accept()
        good = self.leaf(self.device)
        self.server.snapshot(self.row(good))
        board = self.connect(good)
        self.assertEqual(board.code, 0)
        self.assertEqual(board.subscribe(f"/a/d/{self.device}/c/dw"), 0x80)
        self.broker.wait_for("not looked at for unsafe options: ")
        self.broker.wait_for("nobody is let in: a certificate came in without being asked about")

    def test_fast_tls(self):
        """With and without it: a broker with an elliptic or an RSA certificate, and a password on the other listener."""
        good = self.leaf(self.device)
        elliptic = [(self.state / f"tls/broker.{end}").read_bytes() for end in ("pem", "key")]
        root, key = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
        anchor = broker.certificate(broker.common_name("rsa"), broker.common_name("rsa"), root, root, end=90,
            extensions=(x509.BasicConstraints(True, 1),))
        leaf = broker.certificate(broker.common_name("localhost"), broker.common_name("rsa"), key, root, end=90,
            extensions=(x509.SubjectAlternativeName([x509.DNSName("localhost")]),))
        self.put("tls/service-root.pem", (self.state / "tls/service-root.pem").read_bytes() + broker.pem(anchor))
        for kind, pair in (("ECDSA", elliptic), ("RSA", [broker.pem(leaf), broker.pem(key)])):
            for fast in ("true", "false"):
                with self.subTest(f"{kind}, fast_tls {fast}"):
                    self.put("tls/broker.pem", pair[0])
                    self.put("tls/broker.key", pair[1])
                    self.server = self.feed()
                    conf = self.configure()
                    self.assertIn("plugin_opt_fast_tls true\n", conf.read_text())
                    conf.write_text(conf.read_text().replace("plugin_opt_fast_tls true", "plugin_opt_fast_tls " + fast))
                    self.broker = self.mosquitto(conf)
                    self.server.accept()
                    self.server.snapshot(self.row(good))
                    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                        context = self.context(good)
                        context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
                        context.maximum_version = version
                        self.boards.append(Board(self.port, context, self.device))
                        self.assertEqual(self.boards[-1].code, 0, version)
                    listener = self.start("stdbuf", "-oL", "mosquitto_sub", "-d", *self.internal, "-i", "server", "-t", "#")
                    listener.wait_for("^Subscribed")
                    wrong = [*self.internal[:-1], "another"]
                    done = subprocess.run(["mosquitto_pub", *wrong, "-t", "x", "-m", "x"], capture_output=True, check=False, timeout=PATIENCE)
                    self.assertNotEqual(done.returncode, 0, "a password that is wrong")
                    listener.stop()
                self.broker.stop()
                self.server.close()

    def others(self, *more, **how):
        """A broker that has a listener, a user and something to say about topics for others as well."""
        self.server = self.feed()
        self.plain_port = harness.free_port()
        conf = self.configure(f"listener {self.plain_port} 127.0.0.1", "allow_duplicate_messages false", *more, **how)
        subprocess.run(["mosquitto_passwd", "-b", self.state / "broker/internal.pw", "home", "secret"], check=True, timeout=PATIENCE)
        self.broker = self.mosquitto(conf)
        self.server.accept()
        self.good = self.leaf(self.device)
        self.server.snapshot(self.row(self.good))
        return conf

    def plain(self, client_id, user="home", password="secret", **how):
        self.boards.append(Plain(self.plain_port, client_id, user, password, **how))
        return self.boards[-1]

    def test_other_clients(self):
        """Who has no certificate keeps what mosquitto alone would give, but for the boards' topics and their names."""
        self.others()
        board = self.connect(self.good)
        up, down = (f"/a/d/{self.device}/c/{end}" for end in ("up", "dw"))
        self.assertEqual(board.subscribe(down), 0)
        home, other = self.plain("home"), self.plain("other", will="home/will")
        self.assertEqual((home.code, other.code), (0, 0))
        self.assertEqual([home.subscribe(t) for t in ("home/#", "#", up, "/a/d/+/c/up", "/a/t/+/e/o")], [0, 0, 0x80, 0x80, 0x80])
        board.publish(up, "secret")
        other.publish(down, "forged")
        other.publish(f"/a/d/{self.device}/c/up", "forged")
        other.publish("home/light", "on")
        self.assertEqual(home.next(), ("home/light", "on"), "and nothing before it")
        other.tls.shutdown(socket.SHUT_RDWR) # without a word of farewell
        self.assertEqual(home.next(), ("home/will", "gone"))
        self.server.apply(f"k {self.device}")
        with self.assertRaises((EOFError, OSError)): # nothing was published to it
            board.receive()
        self.assertEqual(self.plain(self.device).code, 5, "a client id that is a device's")
        self.broker.wait_for("imprint: refused a client from 127.0.0.1: client-id")
        self.assertEqual(self.plain("third", password="wrong").code, 5)
        self.assertEqual(self.plain("third", None).code, 5, "anonymous")

    def test_board_that_has_gone(self):
        """Its session and its will are a board's still, also where others may do everything."""
        self.others()
        home = self.plain("home")
        self.assertEqual(home.subscribe("#"), 0)
        for version, delay in ((4, b""), (5, b"\x18" + struct.pack(">I", 1))):
            board = self.connect(self.good, version=version, will="home/will", will_properties=delay,
                properties=b"\x11" + struct.pack(">I", 60) if version == 5 else b"", clean=False)
            self.assertEqual(board.code, 0)
            start = len(self.server.lines)
            board.tls.shutdown(socket.SHUT_RDWR)
            self.server.wait_for("^d ", start)
        time.sleep(2.5) # longer than the will's delay
        self.plain("other").publish("home/light", "on")
        self.assertEqual(home.next(), ("home/light", "on"))

    def test_acl_file_for_others(self):
        """It decides, from the broker's start or from a reload on; for boards it says nothing."""
        up = f"/a/d/{self.device}/c/up"
        acl = self.put("acl", f"user home\ntopic home/#\ntopic read {up}\n".encode())
        conf = self.others()
        home = self.plain("home")
        self.assertEqual([home.subscribe(t) for t in ("elsewhere", "home/#")], [0, 0])
        other = self.plain("other")
        other.publish("elsewhere", "x")
        self.assertEqual(home.next(), ("elsewhere", "x"))
        conf.write_text(conf.read_text() + f"acl_file {acl}\n")
        self.reload()
        other.publish("elsewhere", "x")
        other.publish("home/light", "on")
        self.assertEqual(home.next(), ("home/light", "on"))
        self.assertEqual(home.subscribe(up), 0)
        board = self.connect(self.good)
        self.assertEqual([board.subscribe(t) for t in ("home/#", f"/a/d/{self.device}/c/dw")], [0x80, 0])
        other.publish(up, "forged")
        board.publish(up, "hello")
        self.assertEqual(home.next(), (up, "hello"))
        self.broker.stop()
        self.server.close()
        self.others(f"acl_file {acl}")
        home = self.plain("home")
        self.assertEqual(home.subscribe("#"), 0)
        other = self.plain("other")
        other.publish("elsewhere", "x")
        other.publish("home/light", "off")
        self.assertEqual(home.next(), ("home/light", "off"))

    def test_wrong_options(self):
        for line, why in (("plugin_opt_fed x", "plugin_opt_fed x"), ("plugin_opt_stale_max -1", "stale_max"),
                ("plugin_opt_stale maybe", "stale maybe"), ("plugin_opt_name a b", "plugin_opt_name a b"), (f"plugin_opt_device_ca {self.state}/tls/broker.key", "no certificate in it"),
                ("plugin_opt_device_ca /nowhere.pem", "cannot be opened"),
                ("plugin_opt_publish mill/{device}/#", "no wildcards"), ("plugin_opt_subscribe mill", "names {device} or {thing}")):
            with self.subTest(line):
                done = self.start(harness.MOSQUITTO, "-c", self.configure(line), env=self.preload())
                done.wait_for(f"imprint: .*{why}")
                self.assertNotEqual(done.wait(), 0)

    def test_many_refusals(self):
        """A flood is told as a number, and nothing grows."""
        server = self.up()
        good = self.leaf(self.device)
        context = self.context(good)
        for _ in range(60):
            board = Board(self.port, context, self.device)
            self.assertEqual(board.code, 5)
            board.close()
        def told():
            lines = [line.split() for line in server.lines if line.startswith("x ")]
            return sum(int(words[3]) if words[1] == "many" else 1 for words in lines)
        self.assertTrue(self.wait_until(lambda: told() >= 60), told) # the number comes when the second is over
        self.assertEqual(told(), 60)


if __name__ == "__main__":
    unittest.main()
