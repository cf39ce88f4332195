"""imprint element: emulated chips on sockets, what they hold, and whether the certificate fits the key."""

import datetime
import hashlib
import json
import os
import re
import socket
import stat
import struct
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import boards
import harness

GOLDEN = json.loads((harness.VECTORS / "certificates.json").read_text())
KEYS = {key["name"]: key for key in GOLDEN["keys"]}
CERTIFICATES = {one["name"]: one for one in GOLDEN["certificates"]}
TYPICAL = CERTIFICATES["typical-31-years"]
SERIAL = bytes.fromhex("454d0102030405064d")


def state_file(key=None, certificate=None, edit=None):
    """A 508A with Arduino's configuration, locked, as its state file: written from the format's description."""
    config = bytearray.fromhex(GOLDEN["element"]["default_tls_config"])
    config[0:4], config[8:13] = SERIAL[:4], SERIAL[4:]
    config[86:88] = b"\0\0"
    slots = [bytearray(b"\xff" * (36 if n < 8 else 416 if n == 8 else 72)) for n in range(16)]
    if key:
        slots[0][:] = bytes(4) + bytes.fromhex(KEYS[key]["private"])
    if certificate:
        slots[10][:] = bytes.fromhex(certificate["slot10"])
        slots[11][:36] = bytes.fromhex(certificate["slot11_written"])
        slots[12][:] = bytes.fromhex(certificate["slot12_after_certificate_write"])
    if edit:
        edit(slots)
    body = b"imprint element\n" + struct.pack("<IBBH", 1, 0, 0, 0) + bytes(config) + b"\xff" * 64
    body += b"".join(slots) + bytes(4 * 18)
    return body + hashlib.sha256(body).digest()


def packet(opcode, param1, param2, data=b""):
    """Word address 03 and a command, count to CRC."""
    body = struct.pack("<BBBH", 7 + len(data), opcode, param1, param2) + data
    crc = 0
    for byte in body:
        for bit in range(8):
            crc = (crc << 1 & 0xFFFF) ^ (0x8005 if (byte >> bit & 1) != crc >> 15 else 0)
    return b"\x03" + body + struct.pack("<H", crc)


class Element(harness.SystemTest):
    def put(self, **what):
        path = self.folder / "chip.se"
        path.write_bytes(state_file(**what))
        return path

    def info(self, name, *options):
        done = self.run_program("imprint", "element", "info", name, "--json", *options)
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout)

    def authority(self, public_xy=GOLDEN["about"]["ca_public_xy"]):
        """A certificate of the authority's key, in a file; who signed it does not matter here."""
        point = bytes.fromhex("04" + public_xy)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
            .not_valid_before(datetime.datetime(2024, 1, 1)).not_valid_after(datetime.datetime(2044, 1, 1))
            .public_key(key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()))
        path = self.folder / "ca.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path

    def emulate(self, *argv):
        process = self.start("imprint", "element", "emulate", *argv)
        return process, process.wait_for(r"^(/\S+)$").group(1)


class Emulate(Element):
    def test_made_served_and_stopped(self):
        process, path = self.emulate("kitchen")
        self.assertTrue(path.endswith("/se/kitchen.sock"), path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        seen = self.info("kitchen")
        self.assertTrue(seen["emulated"])
        self.assertRegex(seen["serial"], "^454D.{12}4D$")
        self.assertEqual((seen["model"], seen["config_locked"], seen["where"]),
            ("ATECC608B", False, "socket " + path))
        self.assertEqual(process.stop(), 0)
        self.assertFalse(os.path.exists(path))
        again = self.info("kitchen")
        self.assertEqual(again["serial"], seen["serial"], "the chip is the same from its state file")
        self.assertTrue(again["where"].startswith("state file"))

    def test_killed_emulator_leaves_chip_and_socket_usable(self):
        process, path = self.emulate("kitchen")
        serial = self.info("kitchen")["serial"]
        process.kill()
        self.assertTrue(os.path.exists(path), "a killed process cleans nothing up")
        self.assertEqual(self.info("kitchen")["serial"], serial)
        process, path = self.emulate("kitchen")
        self.assertEqual(self.info("kitchen")["serial"], serial)

    def test_one_process_a_chip(self):
        self.emulate("kitchen")
        done = self.run_program("imprint", "element", "emulate", "kitchen")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("held by process", done.stderr)

    def test_genuine_looking_is_asked_for_each_time(self):
        process, _ = self.emulate("kitchen", "--genuine-looking", "--family", "608a")
        seen = self.info("kitchen")
        self.assertRegex(seen["serial"], "^0123.{12}EE$")
        self.assertTrue(seen["emulated"], "behind an emulator's socket it still says so")
        process.stop()
        self.assertTrue(self.info("kitchen")["emulated"])
        done = self.run_program("imprint", "element", "emulate", "kitchen")
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("genuine", done.stderr)
        self.assertIn("emulated, with a serial number that looks genuine",
            self.run_program("imprint", "element", "info", "kitchen").stdout)

    def test_serial_numbers_that_pretend_are_refused(self):
        done = self.run_program("imprint", "element", "emulate", "kitchen", "--serial", "0123AABBCCDDEEFFEE")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("45 4D", done.stderr)
        self.assertFalse((self.state / "elements/kitchen.se").exists())
        self.emulate("kitchen", "--serial", "454DAABBCCDDEEFF4D")
        self.assertEqual(self.info("kitchen")["serial"], "454DAABBCCDDEEFF4D")

    def test_faults_strike_where_the_plan_says(self):
        plan = self.folder / "plan"
        plan.write_text("# the first of all transfers, then nothing\nstuck 1\nnack 2 times 2\nbad-crc 1 of Info\n")
        process, path = self.emulate("kitchen", "--timing", "instant", "--faults", plan)
        process.wait_for("faults planned: 3")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(path)

            def transfer(op, address, data, n=0):
                bus.sendall(struct.pack("<BBH", ord(op), address, n or len(data)) + data)
                status, size = struct.unpack("<BH", bus.recv(3, socket.MSG_WAITALL))
                return status, bus.recv(size, socket.MSG_WAITALL) if size else b""
            self.assertEqual(transfer("W", 0, b"\0")[0], 1)
            self.assertEqual([transfer("R", 0x60, b"", 4)[0] for _ in range(4)], [3, 1, 1, 0])
            info = packet(0x30, 0, 0)
            answers = []
            for _ in range(2):
                self.assertEqual(transfer("W", 0x60, info), (0, b""))
                while (reply := transfer("R", 0x60, b"", 7))[0] == 1:
                    pass
                answers.append(reply[1])
        self.assertEqual(answers[1], bytes.fromhex("070000600383bb"))
        self.assertEqual(answers[0][:6], answers[1][:6])
        self.assertEqual(answers[0][6], answers[1][6] ^ 0xFF)

    def test_faults_are_named_by_line_and_only_asked_for_aloud(self):
        plan = self.folder / "plan"
        plan.write_text("stuck 1\n\nbad-crc 1 of Everything\n")
        done = self.run_program("imprint", "element", "emulate", "kitchen", "--faults", plan)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{plan}: line 3: no chip has a command of this name", done.stderr)
        self.assertFalse((self.state / "elements/kitchen.se").exists(), "and no chip was made for it")
        process = self.start("imprint", "element", "emulate", "kitchen", env={"IMPRINT_FAULTS": str(plan)})
        process.wait_for(r"^/\S+$")
        self.assertFalse([line for line in process.lines if "planned" in line])

    def test_seed_of_a_test_build(self):
        if not boards.has_hooks():
            self.skipTest("release build: no seed")
        for seed, name in (("a", "kitchen"), ("a", "hall"), ("b", "attic")):
            self.start("imprint", "element", "emulate", name, "--family", "608a", env={"IMPRINT_TEST_SEED": seed}).wait_for(r"^/\S+$")
        made = {name: self.info(name)["serial"] for name in ("kitchen", "hall", "attic")}
        self.assertEqual(len(set(made.values())), 3)
        self.assertRegex(made["kitchen"], "^454D.{12}4D$")
        again = self.start("imprint", "element", "emulate", self.folder / "kitchen.se", "--socket", self.folder / "s",
            env={"IMPRINT_TEST_SEED": "a"}).wait_for(r"^(/\S+)$").group(1)
        self.assertEqual(self.info(again)["serial"], made["kitchen"], "the same seed and name make the same chip")
        other = self.start("imprint", "element", "emulate", self.folder / "hall.se", "--socket", self.folder / "t").wait_for(
            r"^(/\S+)$").group(1)
        self.assertNotEqual(self.info(other)["serial"], made["hall"], "no seed, no foresight")

    def test_random_numbers_of_a_test_build(self):
        if not boards.has_hooks():
            self.skipTest("release build: no seed")
        dump = self.folder / "config.bin"
        golden = self.put(key="golden-device-1")
        self.assertEqual(self.run_program("imprint", "element", "dump", golden, "--to", dump).returncode, 0)
        drawn = []
        for _ in range(3):
            process = self.start("imprint", "element", "emulate", self.folder / "locked.se", "--socket", self.folder / "s", "--timing",
                "instant", "--family", "508a", "--from", dump, env={"IMPRINT_TEST_SEED": "a"})
            path = process.wait_for(r"^(/\S+)$").group(1)
            with socket.socket(socket.AF_UNIX) as bus:
                bus.connect(path)
                request = packet(0x1B, 0, 0)
                bus.sendall(b"W\0\1\0\0" + struct.pack("<BBH", 0x57, 0x60, len(request)) + request + b"R\x60\x23\0")
                answer = b""
                while len(answer) < 3 + 3 + 3 + 35:
                    answer += bus.recv(64)
                drawn.append(answer[9:])
            self.assertEqual(process.stop(), 0)
        self.assertEqual(drawn[1], drawn[2])
        self.assertNotEqual(drawn[0], drawn[1], "the first run drew a serial number before")
        self.assertEqual(drawn[0][0], 35)

    def fault(self, *argv, code=0):
        done = self.run_program("imprint", "element", "fault", *argv)
        self.assertEqual(done.returncode, code, done)
        return done

    def test_faults_while_it_runs(self):
        plan = self.folder / "plan"
        plan.write_text("# first its Info, then nothing\nwatchdog 1\nslow 900000 1\n")
        self.emulate("kitchen", "--timing", "instant")
        self.assertEqual(self.info("kitchen")["faults"], 0)
        trace = self.start("imprint", "element", "trace", "kitchen")
        trace.wait_for("^listening")
        self.assertIn("faults planned: 2", self.fault("kitchen", plan).stderr)
        trace.wait_for("60  fault plan set$")
        done = self.run_program("imprint", "element", "info", "kitchen")
        self.assertEqual(done.returncode, 9, done)
        self.assertIn("a fault plan is set: 2 to come", done.stderr)
        seen = self.info("kitchen")
        self.assertEqual((seen["faults"], seen["faults_left"]), (2, 1))
        self.assertIn("faults         2 planned, 1 still to come\n", self.run_program("imprint", "element", "info", "kitchen").stdout)
        plan.write_text("\nstuck\n")
        self.assertIn(f"{plan}: line 2: which one is missing", self.fault("kitchen", plan, code=5).stderr)
        self.assertEqual(self.info("kitchen")["faults"], 2, "the old plan stays")
        self.assertEqual(json.loads(self.fault("kitchen", "--off", "--json").stdout)["faults"], 0)
        trace.wait_for("60  fault plan ended$")
        self.assertEqual(self.info("kitchen")["faults"], 0)

    def test_faults_from_standard_input_and_refused(self):
        _, path = self.emulate("kitchen")
        done = self.run_program("imprint", "element", "fault", path, "-", stdin="nack 7\n")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.info(path)["faults"], 1)
        self.assertIn("either a plan or --off", self.fault("kitchen", code=2).stderr)
        self.assertIn("either a plan or --off", self.fault("kitchen", "-", "--off", code=2).stderr)
        self.assertIn("nobody.sock", self.fault("nobody", "--off", code=3).stderr)

    def test_wear_and_commands_are_counted(self):
        self.emulate("kitchen", "--timing", "instant")
        self.info("kitchen")
        seen = self.info("kitchen")
        self.assertEqual(seen["wear"], {"config": 0, "otp": 0, "slots": [0] * 16})
        self.assertEqual(seen["commands"]["Info"], 1)
        self.assertGreater(seen["commands"]["Read"], 8)
        self.assertNotIn("GenKey", seen["commands"])

    def test_bench_prints_rates_and_leaves_nothing(self):
        done = self.run_program("imprint", "element", "bench", "--json")
        self.assertEqual(done.returncode, 0, done)
        rates = json.loads(done.stdout)
        self.assertEqual(set(rates) - {"schema"}, {"random", "sha256", "genkey", "sign"})
        for name, commands in (("random", 1), ("sign", 3)):
            for where in ("in_process", "socket"):
                rate = rates[name][where]
                self.assertGreater(rate["calls"], 0)
                self.assertAlmostEqual(rate["commands"] / rate["calls"], commands, delta=0.01)
        text = self.run_program("imprint", "element", "bench")
        self.assertRegex(text.stdout, r"(?m)^signature +\d+ +\d+ ")
        self.assertFalse(self.run_program("imprint", "element", "bench", "more").returncode == 0)

    def test_from_dump(self):
        golden = self.put(key="golden-device-1")
        dump = self.folder / "config.bin"
        done = self.run_program("imprint", "element", "dump", golden, "--to", dump)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(dump.read_bytes()), 128)
        self.emulate("twin", "--family", "508a", "--from", dump)
        seen = self.info("twin")
        self.assertTrue(seen["config_locked"] and seen["data_locked"] and seen["arduino_profile"])
        self.assertNotEqual(seen["serial"], SERIAL.hex().upper(), "a dump gives no identity")

    def test_diff_names_each_byte(self):
        def check(path, profile):
            done = self.run_program("imprint", "element", "diff", path, profile, "--json")
            self.assertEqual(done.returncode, 0, done)
            return json.loads(done.stdout)

        path = self.put(key="golden-device-1")
        before = path.read_bytes()
        seen = check(path, "arduino")
        self.assertEqual((seen["equal"], seen["differences"], seen["data_locked"]), (True, [], True))
        seen = check(path, "attestation-ready")
        found = {one["offset"]: (one["field"], one["chip"], one["profile"]) for one in seen["differences"]}
        self.assertFalse(seen["equal"])
        self.assertEqual(found[18], ("OTPmode", 0x55, 0xaa))
        self.assertEqual(found[22], ("SlotConfig 1", 0x87, 0x82))
        self.assertEqual(found[98], ("KeyConfig 1", 0x33, 0x53))
        self.assertEqual(len(found), len(seen["differences"]))
        text = self.run_program("imprint", "element", "diff", path, "attestation-ready").stdout
        self.assertRegex(text, r"(?m)^  22  87    82       SlotConfig 1$")
        self.assertEqual(path.read_bytes(), before, "asking changes nothing")
        done = self.run_program("imprint", "element", "diff", path, "nothing")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("attestation-ready", done.stderr)

    def test_lock_dry_run_changes_nothing(self):
        self.emulate("kitchen")
        path = self.state / "elements/kitchen.se"
        before = path.read_bytes()
        done = self.run_program("imprint", "element", "lock", "kitchen", "--dry-run", "--profile",
            "attestation-ready", "--json")
        self.assertEqual(done.returncode, 0, done)
        seen = json.loads(done.stdout)
        self.assertEqual([step.split(",")[0] for step in seen["steps"]], ["write the configuration and read it back",
            "lock the configuration", "make the key of slot 1", "lock data and OTP"])
        self.assertGreater(len(seen["differences"]), 10)
        text = self.run_program("imprint", "element", "lock", "kitchen", "--dry-run").stdout
        self.assertIn("  3  lock data and OTP\n", text, "Arduino's profile needs no key first")
        done = self.run_program("imprint", "element", "lock", "kitchen")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("for ever", done.stderr)
        self.assertEqual(path.read_bytes(), before)

    def test_lock_dry_run_of_a_locked_chip(self):
        path = self.put(key="golden-device-1")
        done = self.run_program("imprint", "element", "lock", path, "--dry-run", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["steps"]), (0, []))
        done = self.run_program("imprint", "element", "lock", path, "--dry-run", "--profile", "attestation-ready")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("locked for ever", done.stderr)

    def test_two_chips_on_one_bus(self):
        config = bytearray.fromhex(GOLDEN["element"]["default_tls_config"])
        config[16] = 0x6A
        (self.folder / "other.bin").write_bytes(config)
        first, _ = self.emulate("other", "--family", "508a", "--from", self.folder / "other.bin")
        first.stop()
        _, path = self.emulate("kitchen", "other")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(path)
            answers = []
            for frame in (b"W\0\1\0\0", b"W\x60\0\0", b"W\x35\0\0", b"W\x36\0\0"):
                bus.sendall(frame)
                answers.append(bus.recv(3))
        self.assertEqual(answers, [b"\1\0\0", b"\0\0\0", b"\0\0\0", b"\1\0\0"])


class Snapshot(Element):
    def element(self, *argv, code=0):
        done = self.run_program("imprint", "element", *argv)
        self.assertEqual(done.returncode, code, done)
        return done

    def test_there_and_back_while_running(self):
        process, _ = self.emulate("kitchen")
        copy = self.folder / "copy.se"
        seen = json.loads(self.element("snapshot", "kitchen", copy, "--json").stdout)
        self.assertEqual(seen["serial"], self.info("kitchen")["serial"])
        self.assertEqual(stat.S_IMODE(os.stat(copy).st_mode), 0o600)
        self.assertEqual(copy.read_bytes(), (self.state / "elements/kitchen.se").read_bytes())
        self.assertIn("held by process", self.element("restore", "kitchen", copy, code=6).stderr)
        process.stop()
        copy.write_bytes(state_file(key="golden-device-1"))
        self.assertIn(SERIAL.hex().upper(), self.element("restore", "kitchen", copy).stdout)
        self.assertEqual(self.info("kitchen")["serial"], SERIAL.hex().upper())
        self.element("restore", "another", copy)
        self.assertEqual(self.info("another")["slots"][0]["public_key"], KEYS["golden-device-1"]["public_xy"])

    def test_snapshot_is_whole_while_the_chip_is_written(self):
        """A driver writes a slot again and again; every copy is a state that the chip had."""
        path = self.put()
        process = self.start("imprint", "element", "emulate", path, "--socket", self.folder / "bus.sock", "--timing", "instant")
        process.wait_for(r"^(/\S+)$")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(str(self.folder / "bus.sock"))
            for n in range(40):
                write = packet(0x12, 0x82, 8 << 3, bytes([n]) * 32)
                bus.sendall(b"W\0\1\0\0" + struct.pack("<BBH", 0x57, 0x60, len(write)) + write)
                if n % 8 == 0:
                    self.element("snapshot", path, self.folder / "copy.se")
                    slot8 = (self.folder / "copy.se").read_bytes()[216 + 8 * 36:][:32]
                    self.assertEqual(len(set(slot8)), 1, slot8)

    def test_genuine_looking_stays_asked_for(self):
        process, _ = self.emulate("kitchen", "--genuine-looking")
        process.stop()
        copy = self.folder / "copy.se"
        self.element("snapshot", "kitchen", copy)
        self.assertIn("looks genuine", self.element("restore", "other", copy, code=4).stderr)
        self.assertFalse((self.state / "elements/other.se").exists())
        self.element("restore", "other", copy, "--genuine-looking")
        self.assertEqual(self.run_program("imprint", "element", "emulate", "other").returncode, 4)

    def test_refused(self):
        copy = self.folder / "copy.se"
        self.assertIn("nobody.se", self.element("snapshot", "nobody", copy, code=3).stderr)
        self.assertFalse(copy.exists())
        copy.write_bytes(state_file()[:-1])
        self.assertIn("1527 bytes", self.element("restore", "kitchen", copy, code=5).stderr)
        copy.write_bytes(state_file()[:-1] + b"?")
        self.assertIn("checksum", self.element("restore", "kitchen", copy, code=5).stderr)
        self.assertFalse((self.state / "elements/kitchen.se").exists())


class Trace(Element):
    def test_documented_sample(self):
        """The trace shown in docs/emulator.md, by the same commands to such a chip; seconds and milliseconds differ."""
        text = (harness.SOURCE / "docs/emulator.md").read_text(encoding="utf-8")
        shown = re.search(r"\$ imprint element trace kitchen\n((?:    .+\n)+)", text).group(1)
        def masked(line):
            return re.sub(r"\b\d+\.\d{4}\b|\b[\d.]+ ms\b", "TIME", " ".join(line.split()))
        config = bytearray(bytes.fromhex("454D0000" "00006003" "0000000000" "010000" "C0000004" "83208720")) # its watchdog waits longer
        config += bytes(52 - len(config)) + bytes.fromhex("FFFFFFFF00000000" * 2) + bytes(16) + bytes.fromhex("00005500" "FFFF000000000000")
        config += bytes.fromhex("33003300") + bytes(28)
        dump = self.folder / "config.bin"
        dump.write_bytes(config)
        self.emulate("kitchen", "--from", dump)
        trace = self.start("imprint", "element", "trace", "kitchen")
        trace.wait_for("^listening")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(str(self.run_folder / "imprint/se/kitchen.sock"))
            def say(frame, size):
                bus.sendall(frame)
                answer = bus.recv(3, socket.MSG_WAITALL)
                return answer + (bus.recv(size, socket.MSG_WAITALL) if answer[0] == 0 and size else b"")
            say(b"P\0\0\0", 0)
            say(b"W\0\1\0\0", 0)
            say(b"R\x60\4\0", 4)
            for request, size in ((packet(0x30, 0, 0), 7), (packet(0x41, 0x80, 0), 4), (packet(0x40, 4, 0), 67)):
                say(struct.pack("<BBH", 0x57, 0x60, len(request)) + request, 0)
                while say(struct.pack("<BBH", 0x52, 0x60, size), size)[0] != 0:
                    time.sleep(0.001)
            say(b"W\x60\1\0\2", 0)
        trace.wait_for("idle")
        got = [masked(line) for line in trace.lines if re.match(r" *\d+\.\d{4} ", line)]
        self.assertEqual(got, [masked(line) for line in shown.splitlines()])

    def test_commands_in_words(self):
        path, bus_path = self.put(key="golden-device-1"), str(self.folder / "bus.sock")
        emulator = self.start("imprint", "element", "emulate", path, "--socket", bus_path, "--timing", "instant")
        emulator.wait_for(r"^(/\S+)$")
        text = self.start("imprint", "element", "trace", bus_path)
        lines = self.start("imprint", "element", "trace", bus_path, "--json")
        for trace in (text, lines):
            trace.wait_for("^listening")
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(bus_path)
            def say(frame, size):
                bus.sendall(frame)
                answer = b""
                while len(answer) < size:
                    answer += bus.recv(size - len(answer))
            def write(data, address=0x60):
                say(struct.pack("<BBH", 0x57, address, len(data)) + data, 3)
            def read(size):
                say(struct.pack("<BBH", 0x52, 0x60, size), 3 + size)
            write(b"\1")
            say(b"P\0\0\0", 3)
            write(b"\0", 0)
            read(4)
            for request, size in ((packet(0x41, 0x80, 0), 4), (packet(0x16, 3, 0, bytes(32)), 4),
                    (packet(0x41, 0x80, 0), 67), (packet(0x40, 4, 0), 67)):
                write(request)
                read(1)
                read(size - 1)
            write(packet(0x02, 0x82, 10 << 3))
            write(b"\2")
        text.wait_for("idle$")
        self.assertRegex(text.output, "Sign slot 0 -> execution error; expected a Nonce before: TempKey is empty, ")
        self.assertRegex(text.output, "Nonce fixed -> done, ")
        self.assertRegex(text.output, "Sign slot 0 -> 64 bytes, [0-9.]+ ms")
        self.assertRegex(text.output, "GenKey create slot 0 -> 64 bytes, [0-9.]+ ms")
        self.assertRegex(text.output, r"Read slot 10 bytes 0\.\. -> nobody read an answer")
        lines.wait_for('"idle"')
        seen = [json.loads(line) for line in lines.output.splitlines() if line.startswith("{")]
        self.assertEqual([one.get("status") for one in seen if one["event"] == "command"], [15, 0, -1, -1, -2])
        self.assertEqual(emulator.stop(), 0)
        self.assertEqual((text.wait(), lines.wait()), (0, 0), "ends with the emulator")

    def test_nobody_to_listen_to(self):
        done = self.run_program("imprint", "element", "trace", "kitchen")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("kitchen.sock", done.stderr)


class Info(Element):
    def belongs(self, path, *options):
        seen = self.info(path, *options)
        self.assertEqual(seen["certificate_state"], "present")
        return seen["certificate"]["belongs_to_slot0"]

    def test_certificate_that_fits(self):
        path = self.put(key="golden-device-1", certificate=TYPICAL)
        seen = self.info(path)
        self.assertEqual(seen["certificate"]["belongs_to_slot0"], "yes")
        self.assertEqual(seen["certificate"]["device_id"], TYPICAL["device_id"])
        self.assertEqual(seen["certificate"]["serial"], TYPICAL["serial"])
        self.assertEqual(seen["certificate"]["issued"], "2020-08-31T10:00:00Z")
        self.assertEqual(seen["slots"][0]["public_key"], KEYS["golden-device-1"]["public_xy"])
        self.assertEqual(self.belongs(path, "--ca", self.authority()), "yes")
        self.assertIn("belongs to the key in slot 0", self.run_program("imprint", "element", "info", path).stdout)

    def test_every_golden_certificate(self):
        usable = {name: one for name, one in CERTIFICATES.items()
            if one["signature_is_valid"] and one["key"] in KEYS}
        self.assertEqual(len(usable), 24)
        for name, one in usable.items():
            with self.subTest(name):
                path = self.put(key=one["key"], certificate=one)
                self.assertEqual(self.belongs(path, "--ca", self.authority()), "yes")
                named = one["authority_key_id"] == TYPICAL["authority_key_id"]
                unnamed = one["authority_key_id"] == "00" * 20
                self.assertEqual(self.belongs(path), "yes" if named else "unknown" if unnamed else "no")

    def test_certificate_of_another_key(self):
        path = self.put(key="golden-device-2", certificate=TYPICAL)
        self.assertEqual(self.belongs(path), "no")
        self.assertEqual(self.belongs(path, "--ca", self.authority()), "no")
        self.assertIn("DOES NOT BELONG", self.run_program("imprint", "element", "info", path).stdout)

    def test_every_edited_byte_shows(self):
        """One flipped bit anywhere in what the certificate is made of."""
        for slot, size in ((10, 67), (11, 36), (12, 36)):
            for at in range(0, size, 3):
                def edit(slots, slot=slot, at=at):
                    slots[slot][at] ^= 1
                with self.subTest(slot=slot, at=at):
                    seen = self.info(self.put(key="golden-device-1", certificate=TYPICAL, edit=edit))
                    if seen["certificate_state"] == "present":
                        self.assertEqual(seen["certificate"]["belongs_to_slot0"], "no")
                    else:
                        self.assertEqual(seen["certificate_state"], "malformed")

    def test_no_key(self):
        path = self.put(certificate=TYPICAL)
        self.assertEqual(self.belongs(path), "no")
        self.assertIn("slot 0 holds no key", self.run_program("imprint", "element", "info", path).stdout)

    def test_another_authority(self):
        other = KEYS["golden-device-2"]["public_xy"]
        path = self.put(key="golden-device-1", certificate=TYPICAL)
        self.assertEqual(self.belongs(path, "--ca", self.authority(other)), "no")

    def test_no_certificate(self):
        def erase(slots):
            slots[10][:4] = slots[12][:4] = bytes(4)
        self.assertEqual(self.info(self.put(key="golden-device-1"))["certificate_state"], "none")
        erased = self.put(key="golden-device-1", certificate=TYPICAL, edit=erase)
        self.assertEqual(self.info(erased)["certificate_state"], "none")

    def test_damaged_state_file(self):
        path = self.put(key="golden-device-1")
        path.write_bytes(path.read_bytes()[:-1])
        done = self.run_program("imprint", "element", "info", path)
        self.assertEqual(done.returncode, 5, done)
        self.assertIn("state file of 1527 bytes", done.stderr)

    def test_nothing_there(self):
        done = self.run_program("imprint", "element", "info", "nobody")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("no element is there", done.stderr)

    def test_private_keys_do_not_come_out(self):
        path = self.put(key="golden-device-1", certificate=TYPICAL)
        private = KEYS["golden-device-1"]["private"]
        for command in (("info",), ("info", "--json"), ("dump",), ("dump", "--json")):
            done = self.run_program("imprint", "element", *command, path)
            text = "".join(part for line in (done.stdout + done.stderr).splitlines()
                for part in line.split()[1:] or line.split())
            self.assertEqual(done.returncode, 0, done)
            self.assertNotIn(private, text)
            self.assertNotIn(private, done.stdout)
            self.assertIn(KEYS["golden-device-1"]["public_xy"] if command != ("info",) else "device key",
                text if command != ("info",) else done.stdout)
