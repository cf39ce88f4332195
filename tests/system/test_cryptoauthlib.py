"""Microchip's cryptoauthlib from PyPI, unmodified, on emulated chips of both families at /dev/i2c-N.

What it says to the chip is recorded in cryptoauthlib-FAMILY.txt, one transaction a line, and replayed without it:
`W ADDRESS DATA -> STATUS`, `R ADDRESS LENGTH -> STATUS DATA`. To record anew: IMPRINT_RECORD=1 in the environment.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent
RECORD = os.environ.get("IMPRINT_RECORD") # harness takes it out of the programs' environment, not out of ours
VERSION = "20260505"
WHEEL = "--hash=sha256:27cf9491fa765e8beb170cc32c47510f6949ea2d2506dd9ddc42270959adba2b" # CPython 3.11, x86-64
UNREACHABLE = "PyPI has no cryptoauthlib for this machine or cannot be reached; the recorded exchange is replayed"
SERIAL = "01233A5B7C9DAEBFEE"

STEPS = ("init info_and_serial blank lock_configuration lock_data random genkey sign_and_verify verify_stored sign_internal sha "
    "hmac counters zones certificate_slots request_by_definition certificate_by_definition validate ecdh mac_and_checkmac "
    "lock_slot").split()
OLD_STEPS = ["old_hmac"]
NEW_STEPS = ("new_aes new_gfm new_ecdh_ephemeral new_ecdh_hidden new_verify_with_mac new_kdf_hidden new_secure_boot new_kdf "
    "new_self_test").split()
WHOLE_STEPS = ["whole_encrypted", "whole_priv_write", "whole_derive_key", "whole_secure_boot"]

# Answers that depend on the chip's random numbers: Nonce, Random, GenKey, Sign, ECDH; of KDF the ones with an OutNonce.
RANDOM = {0x16, 0x1B, 0x40, 0x41, 0x43}
KDF, HIDDEN = 0x56, 3 + 32 + 32


def package():
    """The folder with the library; None when it cannot be had. Installed once a build, whole or not at all."""
    folder = harness.BUILD / f"cryptoauthlib-{VERSION}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=harness.BUILD) as made:
        wanted = Path(made) / "requirements.txt"
        wanted.write_text(f"cryptoauthlib=={VERSION} {WHEEL}\n")
        env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        try:
            done = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=10", "--require-hashes",
                "--target", str(Path(made) / "package"), "-r", str(wanted)], env=env, capture_output=True, text=True,
                timeout=240, check=False)
        except subprocess.TimeoutExpired as late:
            print(f"# {late}", flush=True)
            return None
        if "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr and os.uname().machine == "x86_64":
            raise AssertionError("PyPI delivers another file than before:\n" + done.stderr)
        if done.returncode:
            print("# " + done.stderr.strip().replace("\n", "\n# "), flush=True)
            return None
        os.rename(Path(made) / "package", folder)
    return folder


def receive(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def transact(sock, op, address, length, data=b""):
    """One transaction of SEI2C/1: status and data."""
    sock.sendall(op.encode() + bytes([address]) + length.to_bytes(2, "little") + data)
    head = receive(sock, 3)
    return head[0], receive(sock, int.from_bytes(head[1:], "little"))


class Recorder:
    """Stands between the library and the emulator, one connection after the other, and writes down what passes."""

    def __init__(self, path, emulator):
        self.emulator, self.lines = emulator, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            with near, socket.socket(socket.AF_UNIX) as far:
                far.connect(self.emulator)
                try:
                    while True:
                        self.one(near, far)
                except EOFError:
                    pass

    def one(self, near, far):
        op, address, *length = receive(near, 4)
        op, length = chr(op), int.from_bytes(length, "little")
        data = receive(near, length) if op == "W" else b""
        status, reply = transact(far, op, address, length, data)
        near.sendall(bytes([status]) + len(reply).to_bytes(2, "little") + reply)
        said = data.hex() or "-" if op == "W" else str(length)
        self.lines.append(f"{op} {address:02x} {said} -> {status} {reply.hex() or '-'}")


class Cryptoauthlib(harness.SystemTest):
    def emulator(self, family):
        process = self.start("imprint", "element", "emulate", self.folder / "chip.se", "--socket", self.folder / "chip.sock",
            "--family", family, "--timing", "instant", "--serial", SERIAL, "--genuine-looking")
        return process.wait_for(r"^(/\S+)$").group(1)

    def session(self, family, path, what):
        folder = package()
        if not folder:
            self.skipTest(UNREACHABLE)
        done = self.run_program("/usr/bin/python3", "-B", HERE / "cryptoauthlib_session.py", folder, family, what,
            env={"LD_PRELOAD": harness.program("libimprint-i2c.so"), "IMPRINT_I2C": "7=" + path})
        wanted = STEPS + (OLD_STEPS if family == "508a" else NEW_STEPS) + (WHOLE_STEPS if what == "whole" else []) + ["release"]
        self.assertEqual(done.stdout.splitlines(), ["done " + name for name in wanted], done)
        self.assertEqual(done.returncode, 0, done)

    def whole(self, family):
        self.session(family, self.emulator(family), "whole")

    def test_508a(self):
        """cryptoauthlib on a 508A, from blank to used"""
        self.whole("508a")

    def test_608a(self):
        """cryptoauthlib on a 608A, from blank to used"""
        self.whole("608a")

    def test_608b(self):
        """cryptoauthlib on a 608B, from blank to used"""
        self.whole("608b")

    def recorded(self, family):
        path = HERE / f"cryptoauthlib-{family}.txt"
        if RECORD:
            between = str(self.folder / "between.sock")
            recorder = Recorder(between, self.emulator(family))
            self.session(family, between, "recorded")
            path.write_text("\n".join(recorder.lines) + "\n")
            self.stop_all()
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        return path.read_text().splitlines()

    def replay(self, family):
        opcode, length, seen = 0, 0, set()
        lines = self.recorded(family)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.emulator(family))
            for number, line in enumerate(lines, 1):
                op, address, said, _, status, wanted = line.split()
                data = b"" if op == "R" or said == "-" else bytes.fromhex(said)
                wanted = b"" if wanted == "-" else bytes.fromhex(wanted)
                got = transact(sock, op, int(address, 16), int(said) if op == "R" else len(data), data)
                if data[:1] == b"\x03":
                    opcode, length = data[2], 0
                    seen.add(opcode)
                if op == "W" and address == "00":
                    opcode = 0 # what is read next is the wake frame
                if op == "R" and length == 0 and wanted:
                    length = wanted[0]
                # A status has 4 bytes in all and is never random; the CRC of what is random is, too.
                if (opcode in RANDOM and length > 4 or (opcode, length) == (KDF, HIDDEN)) and len(wanted) > 1:
                    got, wanted = (got[0], len(got[1])), len(wanted)
                self.assertEqual(got, (int(status), wanted), f"line {number}: {line}")
        return len(lines), seen

    def test_replay_508a(self):
        """what cryptoauthlib said to a 508A, said again"""
        lines, seen = self.replay("508a")
        self.assertGreater(lines, 1000)
        self.assertLessEqual({0x02, 0x08, 0x11, 0x12, 0x16, 0x17, 0x1B, 0x24, 0x28, 0x30, 0x40, 0x41, 0x43, 0x45, 0x47}, seen)

    def test_replay_608a(self):
        """what cryptoauthlib said to a 608A, said again"""
        lines, seen = self.replay("608a")
        self.assertGreater(lines, 1000)
        self.assertLessEqual({0x45, 0x51, 0x56, 0x77, 0x80}, seen)

    def test_replay_608b(self):
        """what cryptoauthlib said to a 608B, said again"""
        lines, seen = self.replay("608b")
        self.assertGreater(lines, 1000)
        self.assertLessEqual({0x02, 0x08, 0x12, 0x16, 0x17, 0x1B, 0x24, 0x28, 0x30, 0x40, 0x41, 0x43, 0x45, 0x47, 0x51, 0x56,
            0x77, 0x80}, seen)
