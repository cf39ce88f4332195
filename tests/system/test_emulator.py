"""imprint-emulator: the emulated element for people who want nothing else, and its build without the rest's libraries."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness

WAKE = b"W\0\1\0\0"
INFO = bytes.fromhex("57600800" "0307300000" "00035d")


class Program(harness.SystemTest):
    def emulator(self, *argv):
        process = self.start("imprint-emulator", "--socket", self.folder / "bus.sock", *argv)
        return process, process.wait_for(r"^(/\S+)$").group(1)

    def refused(self, status, text, *argv):
        done = self.run_program("imprint-emulator", *argv)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(text, done.stderr)

    def test_serves_and_keeps_its_chip(self):
        chip = self.folder / "a.se"
        process, path = self.emulator("--timing", "instant", "--family", "608a", chip)
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(path)
            bus.sendall(WAKE + INFO + b"R\x60\7\0")
            answer = b""
            while len(answer) < 16:
                answer += bus.recv(64)
        self.assertEqual(answer[:14].hex(), "010000" "000000" "000700" "0700006002")
        self.assertEqual(process.stop(), 0)
        self.assertFalse(os.path.exists(path))
        before = chip.read_bytes()
        process, _ = self.emulator("--family", "508a", chip)
        self.assertEqual(process.stop(), 0)
        self.assertEqual(chip.read_bytes(), before, "the options of a new chip do not change an old one")

    def test_same_chip_as_imprint_element(self):
        process, path = self.emulator("--serial", "454D0102030405064D", self.folder / "a.se")
        done = self.run_program("imprint", "element", "info", path)
        self.assertIn("454D0102030405064D", done.stdout, done)
        process.stop()

    def test_genuine_looking_is_asked_for_each_time(self):
        chip = self.folder / "a.se"
        process, _ = self.emulator("--genuine-looking", chip)
        process.stop()
        self.refused(4, "looks genuine", "--socket", self.folder / "s", chip)
        self.refused(2, "45 4D", "--socket", self.folder / "s", "--serial", "0123AABBCCDDEEFFEE", self.folder / "b.se")

    def test_faults(self):
        plan = self.folder / "plan"
        plan.write_text("stuck 1\n")
        process, path = self.emulator("--timing", "instant", "--faults", plan, self.folder / "a.se")
        process.wait_for("faults planned: 1")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(path)
            bus.sendall(WAKE + b"R\x60\4\0" * 2)
            answer = b""
            while len(answer) < 13:
                answer += bus.recv(64)
        self.assertEqual(answer.hex(), "010000" "030000" "000400" "04113343")
        process.stop()
        plan.write_text("\nstuck\n")
        self.refused(5, "line 2: which one is missing", "--socket", self.folder / "s", "--faults", plan, self.folder / "a.se")

    def test_usage(self):
        self.refused(2, "--socket is needed", "a.se")
        self.refused(2, "0 state files", "--socket", "s")
        self.refused(2, "there is no '608c'", "--socket", "s", "--family", "608c", "a.se")
        self.refused(2, "18 hexadecimal digits", "--socket", "s", "--serial", "45", "a.se")
        short = self.folder / "short.bin"
        short.write_bytes(bytes(127))
        self.refused(5, "127 bytes", "--socket", "s", "--from", short, "a.se")
        self.assertIn("--genuine-looking", self.run_program("imprint-emulator", "--help").stdout)


class Build(unittest.TestCase):
    """`make emulator`, with every library hidden but OpenSSL."""

    def test_openssl_is_enough(self):
        with tempfile.TemporaryDirectory(prefix="imprint-emulator-") as top:
            top = Path(top)
            (top / "pc").mkdir()
            where = subprocess.run(["pkg-config", "--variable=pcfiledir", "libcrypto"], capture_output=True, text=True,
                check=True).stdout.strip()
            shutil.copy(Path(where) / "libcrypto.pc", top / "pc")
            env = {**os.environ, "PKG_CONFIG_LIBDIR": str(top / "pc"), "CFLAGS": ""}
            env.pop("PKG_CONFIG_PATH", None)
            source = os.environ["IMPRINT_SOURCE"]
            for step in (["meson", "setup", "-Demulator_only=true", "-Doptimization=0", top / "build", source],
                    ["ninja", "-C", top / "build"], [top / "build/imprint-emulator", "--help"]):
                done = subprocess.run(step, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("usage: imprint-emulator", done.stdout)
            whole = subprocess.run(["meson", "setup", top / "whole", source], env=env, capture_output=True, text=True, check=False)
            self.assertNotEqual(whole.returncode, 0, "the libraries were not hidden, so this test shows nothing")


if __name__ == "__main__":
    unittest.main()
