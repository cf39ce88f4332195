"""Virtual boards for system tests, and what must hold for a board that has its identity.

    class Example(boards.BoardTest):
        def test_it(self):
            self.board("kitchen")
            self.identity("kitchen", self.provision("kitchen"))
"""

import base64
import json
import signal
import time
from pathlib import Path

import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


def has_hooks():
    """Whether `imprint` was built with the places where tests stop or kill it."""
    return b"IMPRINT_TEST_STOP" in Path(harness.program("imprint")).read_bytes()


def wait_stopped(process):
    """True when it has stopped itself at IMPRINT_TEST_STOP, False when it ended without."""
    for _ in range(100 * harness.PATIENCE):
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        state = stat.rpartition(") ")[2][:1]
        if state in "TZX":
            return state == "T"
        time.sleep(0.01)
    raise AssertionError(f"{' '.join(process.argv)}: neither stopped nor ended")


def wait_until(condition):
    """Returns when it holds; fails when it does not within the usual patience."""
    for _ in range(100 * harness.PATIENCE):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("what must happen did not")


def go_on(process):
    process.send(signal.SIGCONT)


def certificate_of(entry):
    return x509.load_der_x509_certificate(base64.b64decode(entry["der"]))


def point(certificate):
    """X|Y in lower-case hex."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)[1:].hex()


def slots_of(certificate):
    """What slots 10 (less its zeros), 11 and 12 hold for this certificate."""
    r, s = utils.decode_dss_signature(certificate.signature)
    begin, end = certificate.not_valid_before, certificate.not_valid_after
    dates = begin.year - 2000 << 19 | begin.month << 15 | begin.day << 10 | begin.hour << 5 | end.year - begin.year
    aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return (r.to_bytes(32, "big") + s.to_bytes(32, "big") + dates.to_bytes(3, "big"),
        certificate.serial_number.to_bytes(16, "big") + aki,
        certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value.encode())


class BoardTest(harness.SystemTest):
    maxDiff = None

    @property
    def run_at(self):
        return self.run_folder / "imprint"

    def board(self, name, *options):
        """A virtual board, plugged in; its chip takes no time unless the options say so."""
        board = self.start("imprint", "board", name, "--timing", "instant", *options)
        board.wait_for(rf"^/.*/tty/{name}$")
        return board

    def element(self, name):
        """An emulated element in a process of its own: (process, its socket)."""
        process = self.start("imprint", "element", "emulate", name, "--timing", "instant")
        socket = process.wait_for(rf"^(/.*/{name}\.sock)$").group(1)
        return process, socket

    def provision(self, name, *options, board=None, **kwargs):
        return self.run_program("imprint", "provision", "--local", "--port", board or name, "--name", name, "--yes", "--json",
            *options, **kwargs)

    def settle(self, name):
        """Returns when the board does nothing: it answers only between its works, and takes what was typed then."""
        for _ in range(2):
            listed = self.run_program("imprint", "board", "list", "--json")
            self.assertIn(f'"name":"{name}"', listed.stdout, listed)

    def press(self, button, name):
        done = self.run_program("imprint", "board", button, name)
        self.assertEqual(done.returncode, 0, done)

    def record(self, name):
        """The record of a board, None before there is one. Never two active certificates."""
        path = self.state / "runs" / f"{name}.json"
        if not path.exists():
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
        active = [c for c in record["certificates"] if c["state"] == "active"]
        self.assertLessEqual(len(active), 1, record)
        return record

    def chip(self, name):
        """What `element info` says, with the content of the open slots."""
        dump = self.run_program("imprint", "element", "dump", name, "--json")
        self.assertEqual(dump.returncode, 0, dump)
        return json.loads(dump.stdout)

    def authority(self):
        return x509.load_pem_x509_certificate((self.state / "ca/certificate.pem").read_bytes())

    def belongs(self, name, chip):
        """Whether the chip's certificate is for its key, found without our own code: from the record."""
        slots = {s["slot"]: s for s in chip["slots"]}
        stored = tuple(bytes.fromhex(slots[n].get("bytes", ""))[:size] for n, size in ((10, 67), (11, 36), (12, 36)))
        for entry in (self.record(name) or {"certificates": []})["certificates"]:
            certificate = certificate_of(entry)
            if stored == slots_of(certificate):
                return slots[0].get("public_key") == point(certificate)
        return False

    def honest(self, name):
        """A certificate for another key is never shown as this chip's."""
        chip = self.chip(name)
        if chip["certificate"] is not None:
            self.assertEqual(chip["certificate"]["belongs_to_slot0"] == "yes", self.belongs(name, chip), chip)
        return chip

    def identity(self, name, done, arduino=True):
        """The run succeeded, and record, chip, certificate and authority agree."""
        self.assertEqual(done.returncode, 0, done)
        result, record = json.loads(done.stdout), self.record(name)
        active = [c for c in record["certificates"] if c["state"] == "active"]
        self.assertEqual(len(active), 1, record)
        self.assertEqual({c["state"] for c in record["certificates"][:-1]} - {"superseded"}, set(), record)
        certificate = certificate_of(active[0])
        self.authority().public_key().verify(
            certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={record['device_id']}")
        self.assertEqual(result["device_id"], record["device_id"])
        self.assertEqual(result["fingerprint"], certificate.fingerprint(hashes.SHA256()).hex())
        self.assertEqual(result["serial"], f"{certificate.serial_number:032x}")
        with open(result["certificate"], "rb") as pem:
            self.assertEqual(x509.load_pem_x509_certificate(pem.read()), certificate)
        chip = self.honest(name)
        self.assertEqual(chip["slots"][0]["public_key"], point(certificate), chip)
        self.assertEqual(chip["certificate"]["belongs_to_slot0"], "yes", chip)
        self.assertEqual(chip["certificate"]["serial"], result["serial"], chip)
        self.assertTrue(chip["config_locked"] and chip["data_locked"] and chip["arduino_profile"] == arduino, chip)
        return record

