"""imprint provision on virtual boards: every wording, what it prints, and boards that cheat or fail."""

import json
import os
import signal
import subprocess

import boards
import harness
import wire

STEPS = ["record", "open", "talk", "lock", "csr", "check", "issue", "send", "store", "compare", "activate", "finish"]


class Wordings(boards.BoardTest):
    cases = (
        ("today", ()),
        ("2020", ("--sketch", "2020")),
        ("wifi", ("--wifi",)),
        ("old-wifi", ("--wifi", "--wifi-firmware", "1.4.8")),
        ("608a", ("--family", "608a")),
        ("508a", ("--family", "508a", "--sketch", "2020")),
    )

    def test_blank_chip_then_again(self):
        for name, options in self.cases:
            with self.subTest(name):
                board = self.board(name, *options)
                first = self.identity(name, self.provision(name))
                done = self.provision(name)
                second = self.identity(name, done)
                firmware = {"wifi": "1.5.0", "old-wifi": "1.4.8"}.get(name)
                self.assertEqual(json.loads(done.stdout).get("wifi_firmware"), firmware, done)
                self.assertEqual("the latest is 1.5.0" in done.stderr, name == "old-wifi", done)
                self.assertEqual(first["device_id"], second["device_id"])
                self.assertEqual([c["state"] for c in second["certificates"]], ["superseded", "active"])
                board.stop()

    def test_chip_of_another_board_keeps_its_lock(self):
        self.board("first").stop()
        self.board("second")
        self.identity("second", self.provision("second"))
        done = self.provision("second")
        self.assertFalse(json.loads(done.stdout)["locked_now"], done)
        self.assertIn({"step": "lock", "state": "skipped"},
            [{k: s[k] for k in ("step", "state")} for s in json.loads(done.stdout)["steps"]])


class Output(boards.BoardTest):
    def test_steps(self):
        done = self.run_program("imprint", "provision", "--list-steps", "--json")
        self.assertEqual([s["name"] for s in json.loads(done.stdout)["steps"]], STEPS)
        text = self.run_program("imprint", "provision", "--list-steps").stdout
        self.assertEqual([line.split()[0] for line in text.splitlines()], STEPS)

    def test_result_and_progress(self):
        self.board("kitchen")
        done = self.run_program("imprint", "provision", "--local", "--port", "kitchen", "--name", "shelf", "--yes")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"\Adevice       [0-9a-f-]{36}\nserial       [0-9a-f]{32}\n"
            r"fingerprint  [0-9a-f]{64}\ncertificate  /.*/runs/shelf\.pem\nassurance    A1 possession: .*\n"
            r" +not more: the element cannot make statements about its keys\n\Z")
        self.assertRegex(done.stderr, r"(?m)^made a device authority in /")
        self.assertEqual(len([l for l in done.stderr.splitlines() if " s  done" in l]), len(STEPS), done)

    def test_path_of_the_port(self):
        self.board("kitchen")
        path = self.run_at / "tty/kitchen"
        self.identity("kitchen", self.provision("kitchen", board=path))
        self.identity("kitchen", self.provision("kitchen", board=path))

    def test_failures(self):
        self.board("kitchen")
        base = ("imprint", "provision", "--local", "--port", "kitchen", "--name", "kitchen")
        for name, argv, status, says in (
            ("no port", ("imprint", "provision", "--name", "a"), 2, "--port is missing"),
            ("no name", ("imprint", "provision", "--local", "--port", "a"), 2, "--name is missing"),
            ("bad name", (*base[:-1], "../a", "--yes"), 2, "name: 1 to 64"),
            ("bad years", (*base, "--years", "32"), 2, "years"),
            ("unknown board", ("imprint", "provision", "--local", "--port", "x", "--name", "x"), 3, "neither a virtual board"),
            ("not a port", ("imprint", "provision", "--local", "--port", "/dev/null", "--name", "x"), 2, "not a serial port"),
            ("no authority", (*base, "--ca-dir", self.folder / "none"), 3, "no authority in --ca-dir"),
            ("lock not allowed", base, 4, "kept         the device id"),
        ):
            with self.subTest(name):
                done = self.run_program(*argv)
                self.assertEqual(done.returncode, status, done)
                self.assertIn(says, done.stderr, done)
                self.assertEqual(done.stdout, "", done)
        self.assertFalse(self.chip("kitchen")["config_locked"])
        self.assertFalse((self.folder / "none").exists())

    def test_failure_as_json(self):
        self.board("kitchen")
        done = self.run_program("imprint", "provision", "--local", "--port", "kitchen", "--name", "kitchen", "--json")
        error = json.loads(done.stdout)["error"]
        self.assertEqual((error["name"], error["exit"], error["step"]), ("ERR_DENIED", 4, "lock"), done)
        self.assertEqual(error["said"], "That's all folks", done)
        self.assertTrue(error["kept"] and "--yes" in error["remedy"], done)

    def on_terminal(self, typed):
        """imprint provision where somebody sits and types: (exit status, what it said)."""
        ours, theirs = os.openpty()
        with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs) as terminal:
            keyboard.write(typed)
            run = subprocess.run([harness.program("imprint"), "provision", "--local", "--port", "kitchen", "--name", "kitchen"],
                stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env, timeout=60, check=False)
        return run.returncode, run.stdout.decode()

    def test_lock_is_confirmed_by_typing_the_name(self):
        self.board("kitchen")
        for typed in (b"y\n", b"\n", b"kitchen2\n", b"kitchen \n"):
            with self.subTest(typed):
                status, said = self.on_terminal(typed)
                self.assertEqual(status, 4, said)
                self.assertIn("Type the name of the board, kitchen, to lock it", said)
                self.assertFalse(self.chip("kitchen")["config_locked"])
        status, said = self.on_terminal(b"kitchen\n")
        self.assertEqual(status, 0, said)
        self.assertTrue(self.chip("kitchen")["config_locked"])
        status, said = self.on_terminal(b"")
        self.assertEqual(status, 0, said)
        self.assertNotIn("Type the name", said)

    def silent_port(self):
        """A port behind which nobody speaks."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        return os.ttyname(theirs)

    def test_interrupted(self):
        run = self.start("imprint", "provision", "--local", "--port", self.silent_port(), "--name", "a", "--timeout", "60")
        run.wait_for("^Open the port .* done$")
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(), 130, run.output)
        self.assertIn("kept         the device id", run.output)
        self.assertEqual(self.record("a")["certificates"], [])

    def test_silent_board(self):
        done = self.provision("a", "--timeout", "1", board=self.silent_port())
        self.assertEqual(done.returncode, 9, done)
        self.assertEqual(json.loads(done.stdout)["error"]["step"], "talk", done)
        self.assertIn("press the board's reset button", done.stderr)

    def test_one_process_a_board(self):
        if not boards.has_hooks():
            self.skipTest("release build: no place to stop at")
        self.board("kitchen")
        first = self.start("imprint", "provision", "--local", "--port", "kitchen", "--name", "kitchen", "--yes",
            env={"IMPRINT_TEST_STOP": "before:talk"})
        boards.wait_stopped(first)
        same_name = self.provision("kitchen")
        self.assertEqual(same_name.returncode, 6, same_name)
        self.assertIn(f"held by process {first.pid} (imprint)", same_name.stderr)
        same_port = self.provision("other", board="kitchen")
        self.assertEqual(same_port.returncode, 6, same_port)
        boards.go_on(first)
        self.assertEqual(first.wait(), 0, first.output)


class Cheats(boards.BoardTest):
    """Between board and chip, on the wire."""

    def rig(self, name):
        """A board whose chip can be reached only through a wire that we hold."""
        self.emulator, socket = self.element(name)
        tap = wire.Wire(self.folder / f"{name}.wire", socket)
        self.addCleanup(tap.close)
        self.board(name, "--element", tap.path)
        return tap

    def test_opcodes_are_counted(self):
        tap = self.rig("kitchen")
        created = []
        tap.on_command = lambda packet: created.append(packet[2]) or packet if packet[1] == 0x40 else packet
        self.identity("kitchen", self.provision("kitchen"))
        self.assertEqual(created.count(0x04), 1, "one key is made, in the chip")
        self.assertEqual(tap.opcodes[0x17], 2, "configuration, then data and OTP")
        self.assertGreaterEqual(tap.opcodes[0x41], 1, "the request is signed by the chip")
        # 27 words of configuration; 72 bytes, 72 bytes and 36 bytes in blocks of 32 and words of 4.
        self.assertGreaterEqual(tap.opcodes[0x12], 27 + 4 + 4 + 2)
        self.assertGreaterEqual(tap.opcodes[0x02], 6, "read back")

    def test_one_flipped_configuration_bit_on_the_bus(self):
        """The chip gets another byte with a right CRC: nothing may be locked."""
        words = range(4, 32) if os.environ.get("IMPRINT_TORTURE") else (5, 8, 24, 31)
        for word in words:
            if word == 21: # UserExtra, Selector, locks: not writable
                continue
            with self.subTest(word=word):
                name = f"flip{word}"
                tap = self.rig(name)
                tap.on_command = lambda packet, word=word: flipped(packet, word)
                done = self.provision(name)
                self.assertEqual(done.returncode, 7, done)
                self.assertEqual(json.loads(done.stdout)["error"]["step"], "lock", done)
                self.assertEqual(tap.opcodes[0x17], 0, "no Lock reached the chip")
                chip = self.chip(name)
                self.assertFalse(chip["config_locked"] or chip["data_locked"] or chip["arduino_profile"], chip)
                tap.on_command = lambda packet: packet
                self.identity(name, self.provision(name))

    def test_configuration_changed_after_the_read_back(self):
        """A write that the driver knows nothing of, just before Lock: its CRC must refuse."""
        name = "late"
        tap = self.rig(name)
        changed = wire.packet_of(0x12, 0x00, 5, bytes.fromhex("ff000000"))

        def sneak(packet):
            if packet[1] == 0x17 and packet[2] & 1 == 0:
                with wire.socket.socket(wire.socket.AF_UNIX) as element:
                    element.connect(tap.element)
                    tap.transfer(element, b"W\x60" + (len(changed) + 1).to_bytes(2, "little"), b"\x03" + changed)
                    self.sneaked = tap.transfer(element, b"R\x60\x04\x00", b"")
            return packet

        tap.on_command = sneak
        done = self.provision(name)
        self.assertEqual(self.sneaked[3:], bytes.fromhex("04000340"), "the chip took the write")
        self.assertEqual(done.returncode, 7, done)
        chip = self.chip(name)
        self.assertFalse(chip["config_locked"] or chip["data_locked"], chip)

    def test_noise_on_the_bus(self):
        """One wrong bit in every tenth command, CRC as it was: refused by the chip and said again."""
        tap = self.rig("noisy")
        self.count = 0

        def noise(packet):
            self.count += 1
            return packet[:-1] + bytes((packet[-1] ^ 4,)) if self.count % 10 == 0 else packet

        tap.on_command = noise
        done = self.provision("noisy")
        if done.returncode == 0:
            self.identity("noisy", done)
        self.assertIn(done.returncode, (0, 7), done)
        tap.on_command = lambda packet: packet
        self.identity("noisy", self.provision("noisy"))


def flipped(packet, word):
    """The packet with one bit of this configuration word changed and its CRC made right again."""
    if packet[1] != 0x12 or packet[2] & 3 != wire.CONFIG:
        return packet
    address, data = int.from_bytes(packet[3:5], "little"), bytearray(packet[5:-2])
    at = 4 * (word - address)
    if not 0 <= at < len(data):
        return packet
    data[at] ^= 1
    return wire.packet_of(packet[1], packet[2], address, bytes(data))
