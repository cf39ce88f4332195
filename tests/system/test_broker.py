"""The real mosquitto with the configuration that we write: who comes in, and to which topics."""

import datetime
import re
import shutil
import socket
import ssl
import subprocess
import unittest
import uuid
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import harness

NEVER = datetime.datetime(9999, 12, 31, 23, 59, 59)
PASSWORD = "5f0c" * 16


def arduino_name():
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in ((NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATION_NAME, "Arduino LLC US"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "IT"), (NameOID.COMMON_NAME, "Arduino"))])


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, key, signer, start=-1, end=NEVER, extensions=()):
    """Days are counted from now; a number as `end` too."""
    now = datetime.datetime.utcnow().replace(microsecond=0)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=start))
        .not_valid_after(end if isinstance(end, datetime.datetime) else now + datetime.timedelta(days=end)))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256())


def pem(thing):
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = certificate(arduino_name(), arduino_name(), self.key, self.key,
            extensions=(x509.BasicConstraints(True, 0), x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())))

    def leaf(self, device, **dates):
        """In the form of a board's: common name, authority key identifier, nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return key, certificate(common_name(device), arduino_name(), key, self.key, extensions=(aki,), **dates)


class Broker(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority()
        self.device, self.other = str(uuid.uuid4()), str(uuid.uuid4())
        self.put("ca/certificate.pem", pem(self.authority.certificate))
        self.server()
        self.put("broker/internal.key", PASSWORD.encode())
        self.socket = self.run_folder / "broker.sock"
        self.port = harness.free_port()
        done = self.run_program("imprint", "broker", "config", "--no-plugin", "--broker-port", self.port, "--socket", self.socket)
        self.assertEqual(done.returncode, 0, done)
        self.broker = self.start(harness.MOSQUITTO, "-c", done.stdout.strip())
        self.broker.wait_for(r"mosquitto version \S+ running")

    def put(self, name, content):
        path = self.state / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)

    def server(self):
        """The broker's own certificate, from another hierarchy than the boards'."""
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = certificate(common_name("root"), common_name("root"), root_key, root_key, end=90,
            extensions=(x509.BasicConstraints(True, 1),))
        leaf = certificate(common_name("localhost"), common_name("root"), key, root_key, end=90,
            extensions=(x509.SubjectAlternativeName([x509.DNSName("localhost")]),))
        self.put("tls/broker.pem", pem(leaf))
        self.put("tls/broker.key", pem(key))
        self.put("tls/service-root.pem", pem(root))
        self.put("service.pem", pem(leaf))
        self.put("service.key", pem(key))

    def board(self, name, pair):
        """What mosquitto_pub and mosquitto_sub need to be that board."""
        self.put(f"{name}.key", pem(pair[0]))
        self.put(f"{name}.pem", pem(pair[1]))
        return ["-h", "localhost", "-p", str(self.port), "--cafile", str(self.state / "tls/service-root.pem"),
            "--cert", str(self.state / f"{name}.pem"), "--key", str(self.state / f"{name}.key")]

    def internal(self, password=PASSWORD):
        return ["--unix", str(self.socket), *(["-u", "imprint", "-P", password] if password else [])]

    def publish(self, board, topic, text="hello"):
        return subprocess.run(["mosquitto_pub", *board, "-i", "x", "-t", topic, "-m", text, "-q", "1"],
            capture_output=True, text=True, timeout=30, check=False)

    def listen(self, who, *topics, client_id="listener"):
        """A subscriber that prints 'TOPIC MESSAGE' lines; returns when it has subscribed."""
        process = self.start("stdbuf", "-oL", "mosquitto_sub", "-d", "-v", *who, "-i", client_id, *[a for t in topics for a in ("-t", t)])
        process.wait_for("^Subscribed")
        return process

    def up(self, device):
        return f"/a/d/{device}/c/up"

    def test_our_leaf_and_its_topics(self):
        board = self.board("board", self.authority.leaf(self.device))
        server = self.listen(self.internal(), self.up("+"))
        own = self.listen(board, f"/a/d/{self.device}/c/dw", f"/a/d/{self.other}/c/dw", self.up(self.other), "#",
            client_id=self.device)
        for topic in (self.up(self.other), f"/a/d/{self.device}/c/dw", "/a/d/x/y", self.up("imprint"), "$SYS/x"):
            self.publish(board, topic, "not mine")
        self.assertEqual(self.publish(board, self.up(self.device), "mine").returncode, 0)
        server.wait_for(f"^{self.up(self.device)} mine$")
        # The server speaks to both; only its own reaches the board.
        for device in (self.other, self.device):
            self.assertEqual(self.publish(self.internal(), f"/a/d/{device}/c/dw", f"for {device}").returncode, 0)
        own.wait_for(f"^/a/d/{self.device}/c/dw for {self.device}$")
        self.publish(self.internal(), self.up(self.device), "the server is no board")
        self.publish(board, self.up(self.device), "last")
        server.wait_for("last$")
        self.assertEqual([line for line in server.lines if line.startswith("/")],
            [f"{self.up(self.device)} mine", f"{self.up(self.device)} last"])
        self.assertEqual([line for line in own.lines if line.startswith("/")], [f"/a/d/{self.device}/c/dw for {self.device}"])

    def refused(self, board, topic=None):
        """No message arrives, and the tool says that it failed."""
        server = self.listen(self.internal(), "#", self.up("+"))
        done = self.publish(board, topic or self.up(self.device), "let me in")
        self.assertNotEqual(done.returncode, 0, done)
        good = self.board("good", self.authority.leaf(self.other))
        self.assertEqual(self.publish(good, self.up(self.other), "still open").returncode, 0)
        server.wait_for("still open$")
        self.assertNotIn("let me in", server.output)
        server.stop()

    def test_no_certificate(self):
        self.refused(["-h", "localhost", "-p", str(self.port), "--cafile", str(self.state / "tls/service-root.pem")])
        self.refused(["-h", "localhost", "-p", str(self.port), "--cafile", str(self.state / "tls/service-root.pem"),
            "-u", "imprint", "-P", PASSWORD])

    def test_foreign_authority_with_our_name(self):
        self.refused(self.board("foreign", Authority().leaf(self.device)))

    def test_expired(self):
        self.refused(self.board("expired", self.authority.leaf(self.device, start=-3, end=-1)))

    def test_not_yet_valid(self):
        self.refused(self.board("early", self.authority.leaf(self.device, start=1)))

    def test_the_servers_own_certificate(self):
        self.refused(["-h", "localhost", "-p", str(self.port), "--cafile", str(self.state / "tls/service-root.pem"),
            "--cert", str(self.state / "service.pem"), "--key", str(self.state / "service.key")])

    def test_internal_needs_its_password(self):
        self.assertEqual(self.publish(self.internal(), f"/a/d/{self.device}/c/dw").returncode, 0)
        for who in (self.internal(password=None), self.internal(password="wrong")):
            self.assertNotEqual(self.publish(who, f"/a/d/{self.device}/c/dw").returncode, 0)

    def test_tls(self):
        """1.2 at least, and a suite that boards offer."""
        pair = self.board("board", self.authority.leaf(self.device))
        for version, suite, want in (("TLSv1_1", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", False),
                ("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", True)):
            with self.subTest(version):
                context = ssl.create_default_context(cafile=str(self.state / "tls/service-root.pem"))
                context.load_cert_chain(pair[7], pair[9])
                context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
                context.set_ciphers(suite)
                try:
                    with socket.create_connection(("127.0.0.1", self.port)) as plain, \
                            context.wrap_socket(plain, server_hostname="localhost") as tls:
                        self.assertEqual(tls.cipher()[0], suite)
                        came = True
                except (ssl.SSLError, ConnectionError):
                    came = False
                self.assertEqual(came, want)

    def test_written_again_with_other_password(self):
        first = (self.state / "broker/internal.pw").read_text()
        done = self.run_program("imprint", "broker", "config", "--no-plugin", "--json", "--listen", "all")
        self.assertEqual(done.returncode, 0, done)
        self.assertNotEqual((self.state / "broker/internal.pw").read_text(), first, "another salt")
        self.assertNotIn(PASSWORD, "".join(p.read_text() for p in (self.state / "broker").iterdir() if p.name != "internal.key"))
        self.assertIn("\nlistener 8885\n", (self.state / "broker/mosquitto.conf").read_text())

    def test_with_the_plugin_unless_told_otherwise(self):
        done = self.run_program("imprint", "broker", "config", "--broker-name", "hall-2")
        self.assertEqual(done.returncode, 0, done)
        lines = Path(done.stdout.strip()).read_text().splitlines()
        for line in (f"plugin {harness.BUILD}/imprint-mosquitto.so", f"plugin_opt_feed {self.run_folder}/imprint/feed.sock",
            f"plugin_opt_device_ca {self.state}/ca/certificate.pem", "plugin_opt_name hall-2", "per_listener_settings false"):
            self.assertIn(line, lines)
        self.assertEqual(self.run_program("imprint", "broker", "check", done.stdout.strip()).returncode, 0)
        for option in ("--plugin", "--feed", "--broker-name", "--publish", "--subscribe"):
            done = self.run_program("imprint", "broker", "config", "--no-plugin", option, "x")
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("--no-plugin excludes", done.stderr)
        done = self.run_program("imprint", "broker", "config", "--broker-name", "two words")
        self.assertEqual(done.returncode, 2, done)

    def test_a_plugin_that_is_not_there(self):
        """Beside the program or installed, and nowhere else."""
        there = self.folder / "bin/imprint"
        there.parent.mkdir()
        shutil.copy(harness.program("imprint"), there)
        done = self.run_program(there, "broker", "config")
        self.assertEqual(done.returncode, 3, done)
        self.assertRegex(done.stderr, f"imprint-mosquitto.so: neither beside this program nor in {self.folder}/lib.*; `make` builds it")
        libraries = self.folder / re.search(r"nor in \S*?/(lib\S*);", done.stderr).group(1)
        libraries.mkdir(parents=True)
        shutil.copy(harness.program("imprint-mosquitto.so"), libraries)
        done = self.run_program(there, "broker", "config")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(f"\nplugin {libraries}/imprint-mosquitto.so\n", Path(done.stdout.strip()).read_text())

    def test_nothing_to_configure(self):
        (self.state / "broker/internal.key").unlink()
        done = self.run_program("imprint", "broker", "config", "--timeout", "1")
        self.assertEqual((done.returncode, done.stdout), (3, ""), done)
        self.assertIn(f"waiting for imprintd, which makes {self.state}/broker/internal.key", done.stderr)
        self.assertIn("internal.key: not there; imprintd makes it", done.stderr)
        done = self.run_program("imprint", "broker", "config", "--timeout", "1", "--state", self.folder / "none")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("none/ca/certificate.pem: not there", done.stderr)

    def test_what_comes_is_waited_for(self):
        key = self.state / "broker/internal.key"
        key.rename(self.folder / "key")
        run = self.start("imprint", "broker", "config")
        run.wait_for("^waiting for imprintd")
        (self.folder / "key").rename(key)
        self.assertEqual(run.wait(), 0, run.output)
        self.assertEqual(run.lines[-1], str(self.state / "broker/mosquitto.conf"))


if __name__ == "__main__":
    unittest.main()
