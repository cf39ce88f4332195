"""imprint provision on boards with our own setup program: from a blank chip, again, after every kind of death, and
beside boards that only know the console."""

import concurrent.futures
import json
import os
import select
import signal
import threading
import tty

import boards

SETUP = ("--sketch", "setup")
READY = ("--profile", "attestation-ready")
INSIDE = {"talk", "lock", "csr", "issue", "send", "compare"} # steps in which something is sent or issued
WAITS = ("after:issue", "before:send", "inside:send", "after:send", "before:store", "after:store", "before:compare",
    "inside:compare", "after:compare", "before:activate")


def states(done):
    return {s["step"]: s["state"] for s in json.loads(done.stdout)["steps"]}


class Setup(boards.BoardTest):
    def test_blank_chip_then_again(self):
        for family in ("508a", "608a", "608b"):
            with self.subTest(family):
                board = self.board(family, *SETUP, "--family", family)
                done = self.provision(family)
                first = self.identity(family, done)
                self.assertTrue(json.loads(done.stdout)["locked_now"], done)
                self.assertEqual(set(states(done).values()), {"done"}, done)
                done = self.provision(family)
                second = self.identity(family, done)
                self.assertEqual([k for k, v in states(done).items() if v == "skipped"], ["lock"], done)
                self.assertEqual(first["device_id"], second["device_id"])
                self.assertEqual([c["state"] for c in second["certificates"]], ["superseded", "active"])
                board.stop()

    def test_status_and_options(self):
        board = self.board("kitchen", *SETUP)
        status = json.loads(self.run_program("imprint", "board", "list", "--json").stdout)
        self.assertEqual(status["sketch"], "setup", status)
        self.identity("kitchen", self.provision("kitchen"))
        board.stop()
        done = self.run_program("imprint", "board", "b", *SETUP, "--wifi")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--wifi: the setup program", done.stderr)

    def test_lock_not_allowed(self):
        self.board("kitchen", *SETUP)
        done = self.run_program("imprint", "provision", "--local", "--port", "kitchen", "--name", "kitchen", "--json")
        error = json.loads(done.stdout)["error"]
        self.assertEqual((error["name"], error["exit"], error["step"]), ("ERR_DENIED", 4, "lock"), done)
        self.assertFalse(self.chip("kitchen")["config_locked"])
        self.identity("kitchen", self.provision("kitchen"))

    def test_no_chip(self):
        self.board("kitchen", *SETUP, "--element", self.folder / "nobody.sock")
        done = self.provision("kitchen")
        self.assertEqual(done.returncode, 7, done)
        error = json.loads(done.stdout)["error"]
        self.assertEqual(error["step"], "talk", done)
        self.assertIn("element info: the chip refused or failed", error["text"])

    def test_same_chip_under_both_programs(self):
        """The console makes a new key each time; setup then takes over what it finds, and the other way round."""
        device = set()
        for sketch in ("today", "setup", "2020", "setup"):
            board = self.board("kitchen", "--sketch", sketch)
            device.add(self.identity("kitchen", self.provision("kitchen"))["device_id"])
            board.stop()
        self.assertEqual(len(device), 1)

    def test_each_opening_is_greeted(self):
        self.board("kitchen", *SETUP)
        for _ in range(3):
            port = os.open(self.run_at / "tty/kitchen", os.O_RDWR | os.O_NOCTTY)
            tty.setraw(port)
            heard = b""
            while not heard.endswith(b"\xaa\x55"):
                self.assertTrue(select.select([port], [], [], 20)[0], heard)
                heard += os.read(port, 256)
            self.assertTrue(heard.startswith(b"\x55\xaa\x11"), heard)
            self.assertIn(b"imprint-board ", heard)
            os.close(port)
            self.settle("kitchen")


class BadLuck(boards.BoardTest):
    def setUp(self):
        if not boards.has_hooks():
            self.skipTest("release build: no place to stop at")
        super().setUp()
        steps = json.loads(self.run_program("imprint", "provision", "--list-steps", "--json").stdout)["steps"]
        names = [s["name"] for s in steps]
        self.places = [f"{when}:{step}" for step in names for when in ("before", "inside", "after")
            if when != "inside" or step in INSIDE]
        self.board("authority")
        self.identity("authority", self.provision("authority"))
        self.reached, self.news = set(), threading.Lock()

    def sweep(self, case):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            runs = {place: pool.submit(case, number, place) for number, place in enumerate(self.places)}
        for place, run in runs.items():
            with self.subTest(place):
                run.result()
        self.assertEqual(self.reached, set(self.places))

    def next_attempt(self, name, *options):
        """The same command finishes; what had been issued for the key in the chip is not issued again."""
        before, chip = self.record(name), self.honest(name)
        waiting = [c for c in (before or {"certificates": []})["certificates"] if c["state"] == "issued"]
        kept = waiting and chip["slots"][0].get("public_key") == boards.point(boards.certificate_of(waiting[-1]))
        done = self.provision(name, *options)
        after = self.identity(name, done, arduino=not options)
        if options:
            self.assertEqual(json.loads(done.stdout)["assurance"], 3, done)
        if before:
            self.assertEqual(before["device_id"], after["device_id"])
        if kept:
            self.assertEqual(states(done)["issue"], "skipped", done)
            self.assertEqual(len(after["certificates"]), len(before["certificates"]), done)
        return bool(kept)

    def killed(self, number, place):
        name = f"k{number}"
        board = self.board(name, *SETUP)
        done = self.provision(name, env={"IMPRINT_TEST_CRASH": place})
        self.assertEqual(done.returncode, -signal.SIGKILL, done)
        with self.news:
            self.reached.add(place)
        self.settle(name)
        kept = self.next_attempt(name)
        self.assertEqual(kept, place in WAITS, place)
        board.stop()

    def test_provision_is_killed(self):
        self.sweep(self.killed)

    def interrupted(self, name, place, trouble, *options):
        """A run that keeps still at `place` while `trouble` happens, and then goes on."""
        run = self.start("imprint", "provision", "--local", "--port", name, "--name", name, "--yes", "--timeout", "5", *options,
            env={"IMPRINT_TEST_STOP": place})
        if boards.wait_stopped(run):
            with self.news:
                self.reached.add(place)
        trouble()
        while run.child.poll() is None:
            boards.go_on(run)
            boards.wait_stopped(run)
        self.assertIn(run.wait(), (0, 3, 7, 9), run.output)

    def unplugged(self, number, place):
        name = f"u{number}"
        board = self.board(name, *SETUP)
        self.interrupted(name, place, lambda: self.press("unplug", name))
        self.press("plug", name)
        self.next_attempt(name)
        board.stop()

    def element_killed(self, number, place):
        """Every other chip vouches for its key: statements are interrupted too."""
        name, options = f"e{number}", READY if number % 2 else ()
        emulator, socket = self.element(name)
        board = self.board(name, "--element", socket, *SETUP)
        self.interrupted(name, place, emulator.kill, *options)
        emulator, _ = self.element(name)
        self.next_attempt(name, *options)
        board.stop()
        emulator.stop()

    def board_killed(self, number, place):
        name, options = f"b{number}", () if number % 2 else READY
        board = self.board(name, *SETUP)
        self.interrupted(name, place, board.kill, *options)
        board = self.board(name, *SETUP)
        self.next_attempt(name, *options)
        board.stop()

    def test_board_is_unplugged(self):
        self.sweep(self.unplugged)

    def test_element_is_killed(self):
        self.sweep(self.element_killed)

    def test_board_is_killed(self):
        self.sweep(self.board_killed)
