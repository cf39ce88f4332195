"""imprint doctor and imprint version: what they find, what they advise, and when the exit code is 3."""

import contextlib
import datetime
import json
import os
import shutil
import socket
import time

import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from server import Server


def certificate(days):
    """A self-signed certificate, PEM, that ends at a whole hour in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    hour = datetime.datetime.utcnow().replace(minute=0, second=0, microsecond=0)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(hour - datetime.timedelta(days=100))
        .not_valid_after(hour + datetime.timedelta(days=days, hours=2))
        .add_extension(x509.BasicConstraints(False, None), True)
        .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


class Doctor(harness.SystemTest):
    def doctor(self, want=0, *argv, **how):
        """check -> its findings"""
        done = self.run_program("imprint", "doctor", "--json", *argv, **how)
        self.assertEqual(done.returncode, want, done)
        result = json.loads(done.stdout)
        self.assertEqual(result["schema"], 1)
        self.assertEqual(result["fine"], want == 0)
        found = {}
        for finding in result["findings"]:
            self.assertIn(finding["state"], ("ok", "note", "missing"))
            self.assertTrue(finding["state"] != "missing" or finding["remedy"], finding)
            found.setdefault(finding["check"], []).append(finding)
        return found

    def one(self, found, check, state, says, advice=""):
        finding, = found[check]
        self.assertEqual(finding["state"], state, finding)
        self.assertIn(says, finding["text"])
        self.assertIn(advice, finding.get("remedy", ""))

    def test_fresh_computer(self):
        found = self.doctor()
        self.one(found, "imprintd", "ok", "imprintd 0.")
        self.one(found, "mosquitto", "ok", "mosquitto version 2")
        self.one(found, "broker's plugin", "ok", str(harness.BUILD / "imprint-mosquitto.so"))
        self.one(found, "state folder", "ok", str(self.state))
        self.one(found, "credentials", "note", "none", "imprint up")
        self.assertNotIn("server", found)
        text = self.run_program("imprint", "doctor").stdout
        self.assertRegex(text, r"(?m)^ok +imprintd +imprintd \d")
        self.assertRegex(text, r"(?m)^note +credentials +none.*\n +-> run `\S+/imprint up`")
        self.assertFalse(list(self.state.iterdir()), "it changes nothing")

    def test_program_is_missing(self):
        alone = self.folder / "bin/imprint"
        alone.parent.mkdir()
        shutil.copy(harness.program("imprint"), alone)
        self.one(self.doctor(), "imprintd", "ok", "imprintd")
        done = self.run_program(alone, "doctor", env={"PATH": "/nowhere"})
        self.assertEqual(done.returncode, 3, done)
        self.assertRegex(done.stdout, r"(?m)^missing +imprintd .*\n +-> build or install")
        self.assertRegex(done.stdout, r"(?m)^missing +broker's plugin imprint-mosquitto.so: neither .*\n +-> build or install")
        self.assertIn("imprint doctor: imprintd and 1 more: see what to do above", done.stderr)
        shutil.copy(harness.program("imprintd"), alone.parent)
        done = self.run_program(alone, "doctor", env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("imprint doctor: broker's plugin: see what to do above", done.stderr)

    def test_program_that_hangs(self):
        """And one that says an escape sequence: neither stops or fools us."""
        tools = self.folder / "bin"
        tools.mkdir()
        for name, script in (("imprintd", "exec sleep 60"), ("mosquitto", "printf '\\033[31mversion 9\\n'")):
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        shutil.copy(harness.program("imprint"), tools)
        done = self.run_program(tools / "imprint", "doctor", "--json", env={"PATH": f"{tools}:/usr/bin:/bin"})
        found = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
        self.assertEqual((found["imprintd"]["state"], found["mosquitto"]["state"]), ("note", "note"), found)

    def test_folders(self):
        self.state.chmod(0o755)
        self.one(self.doctor(3), "state folder", "missing", str(self.state), "chmod 700")
        self.state.chmod(0o700)
        if os.geteuid() == 0: # as `sudo make up` leaves it to others
            os.chown(self.state, 65534, 65534)
            self.one(self.doctor(3), "state folder", "missing", "belongs to user 65534", "sudo chown -R $USER")
            os.chown(self.state, 0, 0)
        self.one(self.doctor(0, "--state", self.folder / "later"), "state folder", "ok", "made when it is needed")
        self.one(self.doctor(3, env={"XDG_RUNTIME_DIR": f"/tmp/{'x' * 90}"}), "run folder", "missing", "too long for sockets",
            "XDG_RUNTIME_DIR")

    def test_port_in_use(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found, until = {}, time.monotonic() + harness.PATIENCE
            while "used by another program" not in str(found) and time.monotonic() < until:
                with contextlib.suppress(OSError): # somebody else has it: as good, or it is free the next time
                    other.bind(("127.0.0.1", 8443))
                    other.listen()
                found = self.doctor()
            self.one(found, "port 8443", "note", "used by another program", "next free one")

    def test_server(self):
        server = Server(self)
        url = f"https://localhost:{server.port}"
        found = self.doctor()
        self.one(found, "credentials", "ok", server.ready["credentials"])
        self.one(found, "server", "ok", f"{url} is ready, and knows us")
        ends = {f["text"].split()[0]: f for f in found["certificate"]}
        self.assertEqual(set(ends), {"ca/certificate.pem", "tls/service-root.pem", "tls/issuing.pem", "tls/api.pem",
            "tls/broker.pem"})
        self.assertEqual({f["state"] for f in ends.values()}, {"ok"})
        self.assertIn("never ends", ends["ca/certificate.pem"]["text"])
        self.assertRegex(ends["tls/api.pem"]["text"], r"ends at 20\d\d-.*, in (89|90) days")

        credentials = server.credentials()
        path = self.folder / "wrong.json"
        path.write_text(json.dumps({**credentials, "secret": "x" * 64}))
        path.chmod(0o600)
        self.one(self.doctor(0, "--credentials", path), "server", "note", "does not know the credentials", "this server made")
        path.chmod(0o644)
        self.one(self.doctor(3, "--credentials", path), "credentials", "missing", "wrong.json", "mend the file")
        server.process.stop()
        self.one(self.doctor(), "server", "note", url, "imprint up")

    def test_certificates(self):
        (self.state / "tls").mkdir(mode=0o700)
        file = self.state / "tls/api.pem"
        for text, want, state, says in (
            (certificate(80), 0, "ok", "in 80 days"),
            (certificate(5), 0, "note", "in 5 days"),
            (certificate(-2), 3, "missing", "ended at 20"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0, "note", "cannot be read"),
            (b"", 0, "note", "cannot be read"),
        ):
            with self.subTest(says):
                file.write_bytes(text)
                self.one(self.doctor(want), "certificate", state, says, "" if state == "ok" else "start imprintd")


class Version(harness.SystemTest):
    def test_version(self):
        done = self.run_program("imprint", "version")
        self.assertRegex(done.stdout, r"\Aimprint +\d+\.\d+\.\d+\nopenssl +3\.\S+\nlibcurl +\d\S+\njansson +2\.\d+\S*\n\Z")
        self.assertEqual(list(json.loads(self.run_program("imprint", "version", "--json").stdout)),
            ["schema", "imprint", "openssl", "libcurl", "jansson"])
