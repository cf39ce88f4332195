"""`imprint board` from outside: its serial port, its buttons, and all that can happen to them."""

import json
import os
import signal
import stat
import unittest

import harness
import serialhost
from serialhost import ANSWERS, Gone, Host, converse


class BoardTest(harness.SystemTest):
    def board(self, name="kitchen", *options):
        """A running board; the path of its port."""
        board = self.start("imprint", "board", name, *options)
        board.port = board.wait_for(r"^(/\S+)$").group(1)
        return board

    def status(self, name="kitchen"):
        done = self.run_program("imprint", "board", "list", "--json")
        self.assertEqual(done.returncode, 0, done)
        found = [s for s in map(json.loads, done.stdout.splitlines()) if s["name"] == name]
        return found[0] if found else None

    def press(self, button, name="kitchen"):
        done = self.run_program("imprint", "board", button, name)
        self.assertEqual(done.returncode, 0, done)

    def finishes(self, port):
        text = converse(port)
        self.assertIn("Program finished.", text)
        return text


class Faults(BoardTest):
    def test_plan_for_its_chip(self):
        plan = self.folder / "plan"
        plan.write_text("stuck 1\n")
        board = self.board("kitchen", "--timing", "instant", "--faults", plan)
        seen = self.run_program("imprint", "element", "info", "kitchen")
        self.assertIn("a fault plan is set: 1 to come", seen.stderr)
        self.assertEqual(seen.returncode, 8, seen)
        self.finishes(board.port)

    def test_wrong_plan_makes_no_board(self):
        plan = self.folder / "plan"
        plan.write_text("stuck\n")
        for options, status, text in ((["--faults", plan], 5, f"{plan}: line 1: which one is missing"),
                (["--faults", plan, "--element", self.folder / "s"], 2, "not for one behind --element")):
            done = self.run_program("imprint", "board", "kitchen", *options)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.returncode, status, done)
        self.assertFalse((self.state / "elements/kitchen.se").exists())


class Dialogue(BoardTest):
    def test_wordings(self):
        for options, present, absent in (
            ([], ["Your crypto is unlocked", "crypto locked successfully", "Cert PEM = ", "Program finished."],
                ["ECCX08", "firmware"]),
            (["--wifi"], ["Checking firmware of WiFi module...", "Current firmware version: 1.5.0\r\n",
                "Latest firmware version correctly installed."], ["Program finished."]),
            (["--wifi", "--wifi-firmware", "1.4.8"], ["Current firmware version: 1.4.8\r\n",
                "The firmware is not up to date. Latest version available: 1.5.0\r\n"], ["Program finished."]),
            (["--sketch", "2020"], ["Your ECCX08 is unlocked", "ECCX08 locked successfully", "Compressed cert = "],
                ["Cert PEM", "crypto"]),
        ):
            name = "b" + "".join(options).replace(".", "")
            with self.subTest(name):
                board = self.board(name, "--timing", "instant", *options)
                end = "Compressed cert = \r\n3082" if "2020" in options else None
                text = converse(board.port, end=end)
                for words in present:
                    self.assertIn(words, text)
                for words in absent:
                    self.assertNotIn(words, text)

    def test_families(self):
        for family, word in (("508a", "ATECC508A"), ("608a", "ATECC608A"), ("608b", "ATECC608B")):
            with self.subTest(family):
                board = self.board(family, "--family", family, "--timing", "instant")
                self.finishes(board.port)
                done = self.run_program("imprint", "element", "info", family)
                self.assertIn(word, done.stdout, done)

    def test_chip_is_used_over_the_wire(self):
        board = self.board()
        self.assertEqual(self.status()["wire_frames"], 0)
        self.finishes(board.port)
        seen = self.status()
        opcodes = seen["opcodes"]
        self.assertEqual((opcodes["17"], opcodes["40"], opcodes["41"]), (2, 3, 1), seen)
        self.assertGreaterEqual(opcodes["12"], 27 + 12)
        self.assertGreater(seen["chip_busy_us"], 100_000)

    def test_new_key_is_asked_for_again(self):
        prompt = b"Would you like to generate a new private key and CSR (y/N): "
        board = self.board("kitchen", "--timing", "instant")
        with Host(board.port) as host:
            host.wait_for(b"(y/N): ")
            host.type("y") # the lock
            host.wait_for(b"successfully\r\n\r\n" + prompt)
            host.wait_for(prompt + prompt)
            host.type("y")
            host.wait_for(b"y\r\nPlease enter the device id: ")

    def test_refusals(self):
        board = self.board("kitchen", "--timing", "instant")
        with Host(board.port) as host:
            host.wait_for(b"lock it (y/N): ")
            host.type("n")
            host.wait_for(b"That's all folks\r\n")
            host.type("y")
            self.assertFalse(host.read(0.3), "the sketch has stopped for ever")
        self.assertEqual(self.status()["state"], "over")


class Port(BoardTest):
    def test_sketch_waits_for_a_host(self):
        board = self.board()
        self.assertEqual(self.status()["state"], "waiting")
        self.assertTrue(stat.S_ISCHR(os.stat(board.port).st_mode))
        with Host(board.port) as host:
            host.wait_for(b"(y/N): ")
            self.assertEqual(self.status()["state"], "running")

    def test_closed_and_opened_in_the_middle(self):
        """The sketch neither notices nor starts again, as on a board: it waits where it was."""
        board = self.board("kitchen", "--timing", "instant")
        text = converse(board.port, ANSWERS[:4])
        self.assertTrue(text.endswith("(1 - 31): "), text)
        with Host(board.port) as host:
            host.type("22")
            host.wait_for(b"22\r\nPlease enter the issue hour of the certificate (0 - 23): ")

    def test_ports(self):
        def listed():
            done = self.run_program("imprint", "ports", "--json")
            self.assertEqual(done.returncode, 0, done)
            return [port for port in map(json.loads, done.stdout.splitlines()) if port["virtual"]]
        self.assertEqual(listed(), [])
        board = self.board()
        self.assertEqual([(port["name"], port["path"]) for port in listed()], [("kitchen", board.port)])
        self.assertRegex(self.run_program("imprint", "ports").stdout, rf"(?m)^{board.port}  (.*  )?virtual board$")
        self.press("unplug")
        self.assertEqual(listed(), [])
        self.press("plug")
        board.kill()
        self.assertEqual(listed(), [], "a killed board leaves a link that leads nowhere")

    def test_unplug_and_plug(self):
        board = self.board("kitchen", "--timing", "instant")
        with Host(board.port) as host:
            host.wait_for(b"(y/N): ")
            self.press("unplug")
            with self.assertRaises(Gone):
                while host.read(serialhost.PATIENCE):
                    pass
        self.assertFalse(os.path.lexists(board.port))
        self.assertEqual(self.status()["state"], "unplugged")
        self.press("unplug")
        self.press("plug")
        self.finishes(board.port)

    def test_unplugged_at_every_prompt(self):
        board = self.board("kitchen", "--timing", "instant")
        for n in range(len(ANSWERS)):
            with self.subTest(f"after {n} answers"):
                converse(board.port, ANSWERS[:n])
                self.press("unplug")
                self.press("plug")
                self.finishes(board.port)
                self.press("reset")

    def test_reset_at_every_prompt(self):
        board = self.board("kitchen", "--timing", "instant")
        for n in range(len(ANSWERS)):
            with self.subTest(f"after {n} answers"):
                converse(board.port, ANSWERS[:n])
                self.press("reset")
                self.finishes(board.port)
                self.press("reset")

    def test_two_boards(self):
        left, right = (self.board(name, "--timing", "instant") for name in ("left", "right"))
        with Host(left.port) as one, Host(right.port) as other:
            for host in (one, other):
                host.wait_for(b"(y/N): ")
                host.type("y")
                host.wait_for(b"CSR (y/N): ")
        self.press("reset", "left")
        self.press("reset", "right")
        self.assertNotEqual(self.csr(self.finishes(left.port)), self.csr(self.finishes(right.port)))
        self.assertEqual(self.run_program("imprint", "board", "list").stdout.count("\n"), 2)

    @staticmethod
    def csr(text):
        return text.split("CERTIFICATE REQUEST-----")[1]


class BadLuck(BoardTest):
    def test_no_element(self):
        for sketch, words in (("today", "No crypto present!\r\n"), ("2020", "No ECCX08 present!\r\n")):
            board = self.board(sketch, "--sketch", sketch, "--element", self.folder / "nobody.sock")
            self.assertEqual(converse(board.port), words)

    def element(self):
        element = self.start("imprint", "element", "emulate", "loose", "--timing", "instant")
        element.wait_for("loose.sock")
        return element

    def test_element_killed_at_every_prompt(self):
        """The emulator dies with -9 and is started again: the board says what failed, the next run finishes."""
        element = self.element()
        socket = self.run_folder / "imprint/se/loose.sock"
        board = self.board("kitchen", "--element", socket)
        for n in range(len(ANSWERS)):
            with self.subTest(f"after {n} answers"):
                with Host(board.port) as host:
                    for answer in ANSWERS[:n + 1]:
                        while not host.said.endswith(b": ") or host.line.startswith("Your "):
                            if host.line.startswith("Your ") and host.said.endswith(b": "):
                                host.type("y")
                            self.assertTrue(host.read(serialhost.PATIENCE), host.text)
                        if answer == ANSWERS[n]:
                            element.kill()
                        host.type(answer)
                        host.said = b""
                    while not host.is_over and host.said.count(b": ") == 0:
                        self.assertTrue(host.read(serialhost.PATIENCE), host.text)
                    if n in (1, len(ANSWERS) - 1):
                        self.assertRegex(host.text, r"Error [a-z ]+(CSR|device ID)!\r\n$")
                element = self.element()
                self.press("reset")
                self.finishes(board.port)
                self.press("reset")

    def test_board_killed(self):
        """What a killed board leaves is neither listed nor opened, and does not stop the next one."""
        board = self.board()
        self.finishes(board.port)
        public = self.key()
        board.kill()
        self.assertTrue(os.path.islink(board.port))
        self.assertIsNone(self.status())
        done = self.run_program("imprint", "provision", "--local", "--port", board.port, "--name", "kitchen")
        self.assertEqual(done.returncode, 3, done)
        done = self.run_program("imprint", "board", "reset", "kitchen")
        self.assertEqual(done.returncode, 3, done)
        again = self.board()
        self.assertEqual(again.port, board.port)
        with Host(again.port) as host:
            host.wait_for(b"Would you like to generate a new private key and CSR (y/N): ")
        self.assertEqual(self.key(), public, "the chip has kept its key")

    def key(self):
        done = self.run_program("imprint", "element", "info", "kitchen", "--json")
        self.assertEqual(done.returncode, 0, done)
        return [slot for slot in json.loads(done.stdout)["slots"] if slot["slot"] == 0]

    def test_name_is_taken(self):
        board = self.board()
        done = self.run_program("imprint", "board", "kitchen")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("runs already", done.stderr)
        self.assertIn(str(board.pid), done.stderr)
        self.assertEqual(done.stdout, "")

    def test_chip_is_in_use(self):
        self.start("imprint", "element", "emulate", "kitchen").wait_for("kitchen.sock")
        done = self.run_program("imprint", "board", "kitchen")
        self.assertEqual(done.returncode, 6, done)

    def test_bad_names(self):
        for name in ("list", "stop", "reset", "plug", "unplug", "a/b", ".hidden", "x" * 65, ""):
            with self.subTest(name):
                done = self.run_program("imprint", "board", "--timing", "instant", "--", name)
                self.assertEqual(done.returncode, 2, done)


class Ending(BoardTest):
    def leaves_nothing(self):
        left = [path for path in (self.run_folder / "imprint").rglob("*")
            if not path.is_dir() and not path.name.endswith(".lock")]
        self.assertEqual(left, [])

    def test_signals(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 0)):
            board = self.board()
            board.send(number)
            self.assertEqual(board.wait(), status, board.output)
            self.leaves_nothing()

    def test_stop(self):
        board = self.board()
        self.press("stop")
        self.leaves_nothing()
        self.assertEqual(board.wait(), 0, board.output)

    def test_events_as_json(self):
        board = self.start("imprint", "board", "kitchen", "--json", "--timing", "instant")
        port = json.loads(board.wait_for(r'^(\{.*"plugged".*\})$').group(1))["text"]
        self.finishes(port)
        board.wait_for('"over"')
        board.wait_for('"closed"')
        board.send(signal.SIGTERM)
        self.assertEqual(board.wait(), 0)
        lines = [json.loads(line) for line in board.lines]
        self.assertTrue(all(line["schema"] == 1 for line in lines), lines)
        steps = [line["text"] for line in lines if line["event"] == "step"]
        self.assertGreaterEqual(len(steps), 12, steps)
        self.assertEqual([line["event"] for line in lines if line["event"] != "step"],
            ["plugged", "opened", "started", "over", "closed", "unplugged"])


if __name__ == "__main__":
    unittest.main()
