"""`imprint up`: from a blank chip to the identity, again and again, interrupted and killed."""

import hashlib
import json
import signal
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import harness

STEPS = ["authority", "board", "record", "open", "talk", "lock", "csr", "check", "issue", "send", "store", "compare",
    "activate", "finish", "read-back", "challenge"]


class Up(harness.SystemTest):
    def up(self, *options, want=0):
        done = self.run_program("imprint", "up", "--json", *options)
        self.assertEqual(done.returncode, want, done)
        self.leaves_nothing_running()
        return json.loads(done.stdout)

    def leaves_nothing_running(self):
        left = [path for path in (self.run_folder / "imprint").rglob("*")
            if not path.is_dir() and not path.name.endswith(".lock")]
        self.assertEqual(left, [])
        self.assertEqual(self.run_program("imprint", "board", "list", "--json").stdout, "")

    def record(self, name="demo"):
        return json.loads((self.state / f"runs/{name}.json").read_text())

    def states(self, name="demo"):
        return [one["state"] for one in self.record(name)["certificates"]]

    def proves(self, made):
        """The files say what the program said, by another library's reading."""
        pem = (self.state / f"runs/{made['name']}.pem").read_bytes()
        self.assertEqual(made["certificate"], str(self.state / f"runs/{made['name']}.pem"))
        certificate = x509.load_pem_x509_certificate(pem)
        authority = x509.load_pem_x509_certificate((self.state / "ca/certificate.pem").read_bytes())
        authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        self.assertEqual(certificate.issuer, authority.subject)
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={made['device_id']}")
        self.assertEqual(f"{certificate.serial_number:032x}", made["serial"])
        der = certificate.public_bytes(serialization.Encoding.DER)
        self.assertEqual(hashlib.sha256(der).hexdigest(), made["fingerprint"])
        spki = certificate.public_key().public_bytes(serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(hashlib.sha256(spki).hexdigest(), made["key"])
        info = self.run_program("imprint", "element", "info", made["name"], "--ca", self.state / "ca/certificate.pem")
        self.assertEqual(info.returncode, 0, info)
        self.assertIn(made["chip_serial"], info.stdout)
        self.assertIn(made["serial"], info.stdout)

    def test_blank_chip(self):
        made = self.up()
        self.assertEqual([step["step"] for step in made["steps"]], STEPS)
        self.assertEqual({step["state"] for step in made["steps"]}, {"done"})
        self.assertRegex(made["chip_serial"], r"^454D[0-9A-F]{12}4D$")
        self.proves(made)
        self.assertEqual(self.states(), ["active"])

    def test_shown(self):
        done = self.run_program("imprint", "up", "--once", "--name", "kitchen")
        self.assertEqual(done.returncode, 0, done)
        for words in ("Make key and request", "Challenge the key", "Read the chip back"):
            self.assertIn(words, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^board        kitchen, ATECC608B 454D\w{12}4D \(emulated\)$")
        shown = {line[:13].strip(): line[13:] for line in done.stdout.splitlines()}
        self.assertIn(shown["serial"], shown["slot 11"])
        self.assertEqual(f"CN={shown['slot 12']}", shown["subject"])
        self.assertTrue((self.state / "runs/kitchen.pem").is_file())

    def test_again_and_fresh(self):
        first = self.up()
        again = self.up()
        self.assertEqual([step["step"] for step in again["steps"] if step["state"] == "skipped"], ["lock"])
        self.assertEqual(again["chip_serial"], first["chip_serial"])
        fresh = self.up("--fresh")
        self.assertNotEqual(fresh["chip_serial"], first["chip_serial"])
        for later in (again, fresh):
            self.assertEqual(later["device_id"], first["device_id"])
            self.assertNotEqual(later["key"], first["key"])
        self.proves(fresh)
        self.assertEqual(self.states(), ["superseded", "superseded", "active"])

    def test_name_in_use(self):
        self.up()
        self.start("imprint", "board", "demo").wait_for("^/")
        for options in ((), ("--fresh",)):
            done = self.run_program("imprint", "up", *options)
            self.assertEqual(done.returncode, 6, done)
        self.assertTrue((self.state / "elements/demo.se").is_file(), "the chip of a running board stays")

    def test_bad_name(self):
        self.assertEqual(self.run_program("imprint", "up", "--name", "../x").returncode, 2)

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run = self.start("imprint", "up", "--fresh")
            run.wait_for("Start a virtual board")
            run.send(number)
            self.assertEqual(run.wait(), 130, run.output)
            self.leaves_nothing_running()
        self.proves(self.up())
        self.assertEqual(self.states().count("active"), 1)

    def test_killed(self):
        for step in ("Start a virtual board", "Lock the element", "Make key", "Issue the", "Store it", "Hear the board"):
            with self.subTest(step):
                run = self.start("imprint", "up", "--name", "killed")
                run.wait_for(step)
                run.kill()
                self.proves(self.up("--name", "killed"))
                self.assertEqual(self.states("killed").count("active"), 1)

    def test_stay(self):
        run = self.start("imprint", "up", "--stay", "--name", "here")
        port = run.wait_for(r"^here stays plugged in at (/\S+); Ctrl-C ends it$").group(1)
        done = self.run_program("imprint", "provision", "--local", "--port", port, "--name", "here", "--yes")
        self.assertEqual(done.returncode, 0, done)
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(), 130, run.output)
        self.leaves_nothing_running()
        self.assertEqual(self.states("here"), ["superseded", "active"])


if __name__ == "__main__":
    unittest.main()
