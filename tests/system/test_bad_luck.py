"""Something dies at every step of a provisioning: the next attempt finishes, the board never has two active
certificates, and a certificate for another key in the chip is never shown as its own.

The steps are the program's own list. A stopped `imprint provision` (IMPRINT_TEST_STOP) keeps still until the
plug is pulled; a crash point (IMPRINT_TEST_CRASH) kills it. With IMPRINT_TORTURE the sweep over the chip's
commands takes every one.
"""

import concurrent.futures
import json
import os
import signal
import threading
import traceback

import boards
import wire

AT_LEAST = {"record", "open", "talk", "lock", "csr", "check", "issue", "send", "store", "compare", "activate", "finish"}
INSIDE = {"lock", "csr", "issue", "send"} # steps that have a place in the middle
SIDE_BY_SIDE = 4
WRITE, LOCK, GENKEY = 0x12, 0x17, 0x40


class BadLuck(boards.BoardTest):
    def setUp(self):
        if not boards.has_hooks():
            self.skipTest("release build: no place to stop at")
        super().setUp()
        steps = json.loads(self.run_program("imprint", "provision", "--list-steps", "--json").stdout)["steps"]
        self.steps = [s["name"] for s in steps]
        self.assertGreaterEqual(set(self.steps), AT_LEAST, "the list of steps is shorter than it was")
        self.board("authority")
        self.identity("authority", self.provision("authority")) # there is an authority before many ask at once
        self.reached, self.news = set(), threading.Lock()

    def sweep(self, cases, case):
        """Runs case(number, *arguments) for each, some side by side; one failure lists all that failed."""
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            runs = {pool.submit(case, number, *arguments): arguments for number, arguments in enumerate(cases)}
        bad = [(arguments, run.exception()) for run, arguments in runs.items() if run.exception()]
        self.assertFalse(bad, "".join(f"\n{arguments}: {''.join(traceback.format_exception(e))}" for arguments, e in bad))

    def places(self, *whens):
        """(when, step) for every step of the list."""
        return [(when, step) for step in self.steps for when in whens if when != "inside" or step in INSIDE]

    def note(self, *place):
        with self.news:
            self.reached.add(place)

    def wording(self, number):
        return ("--sketch", "2020") if number % 5 == 4 else ("--wifi",) if number % 5 == 3 else ()

    def stopped_at(self, name, when, step):
        """A provisioning that keeps still there, or None when it ended without coming by."""
        run = self.start("imprint", "provision", "--local", "--port", name, "--name", name, "--yes", "--timeout", "5",
            env={"IMPRINT_TEST_STOP": f"{when}:{step}"})
        if boards.wait_stopped(run):
            self.note(when, step)
        return run

    def go_on(self, run):
        """Lets it run to its end, also when it stops at the same place again."""
        while run.child.poll() is None:
            boards.go_on(run)
            boards.wait_stopped(run)
        return run.wait()

    def next_attempt(self, name):
        """After the bad luck: what is left is consistent, and the same command finishes the work."""
        before, chip = self.record(name), self.honest(name)
        if chip["config_locked"]:
            self.assertTrue(chip["arduino_profile"], chip)
        after = self.identity(name, self.provision(name))
        if before:
            self.assertEqual(before["device_id"], after["device_id"])
            self.assertEqual([c["der"] for c in before["certificates"]],
                [c["der"] for c in after["certificates"]][:len(before["certificates"])], "no certificate is forgotten")

    # --- imprint provision is killed ---

    def killed(self, number, when, step):
        name = f"k{number}"
        board = self.board(name, *self.wording(number))
        done = self.provision(name, env={"IMPRINT_TEST_CRASH": f"{when}:{step}"})
        if done.returncode == -signal.SIGKILL:
            self.note(when, step)
        else:
            self.assertEqual(done.returncode, 0, done)
        self.settle(name)
        self.next_attempt(name)
        board.stop()

    def test_provision_is_killed(self):
        places = self.places("before", "inside", "after")
        self.sweep(places, self.killed)
        self.assertEqual(self.reached, set(places))

    # --- the plug is pulled ---

    def unplugged(self, number, when, step):
        name = f"u{number}"
        board = self.board(name, *self.wording(number))
        run = self.stopped_at(name, when, step)
        self.press("unplug", name)
        status = self.go_on(run)
        if self.steps.index(step) < self.steps.index("store"):
            self.assertIn(status, (3, 7), run.output) # no such port, or the board went away
        self.press("plug", name)
        self.next_attempt(name)
        board.stop()

    def test_board_is_unplugged(self):
        places = self.places("before", "inside", "after")
        self.sweep(places, self.unplugged)
        self.assertEqual(self.reached, set(places))

    # --- the element is killed ---

    def element_killed(self, number, when, step):
        name = f"e{number}"
        emulator, socket = self.element(name)
        board = self.board(name, "--element", socket, *self.wording(number))
        run = self.stopped_at(name, when, step)
        self.assertEqual(emulator.kill(), -signal.SIGKILL)
        self.assertIn(self.go_on(run), (0, 7, 9), run.output)
        emulator, _ = self.element(name)
        self.next_attempt(name)
        board.stop()
        emulator.stop()

    def test_element_is_killed(self):
        places = self.places("before", "inside")
        self.sweep(places, self.element_killed)
        self.assertEqual(self.reached, set(places))

    # --- board and element die together ---

    def board_killed(self, number, when, step):
        name = f"b{number}"
        options = self.wording(number)
        board = self.board(name, *options)
        run = self.stopped_at(name, when, step)
        self.assertEqual(board.kill(), -signal.SIGKILL)
        self.go_on(run)
        board = self.board(name, *options)
        self.next_attempt(name)
        board.stop()

    def test_board_is_killed(self):
        places = self.places("before")
        self.sweep(places, self.board_killed)
        self.assertEqual(self.reached, set(places))

    # --- the element is killed at a command that changes it ---

    def rig(self, name):
        emulator, socket = self.element(name)
        tap = wire.Wire(self.folder / f"{name}.wire", socket)
        self.addCleanup(tap.close)
        return emulator, tap, self.board(name, "--element", tap.path)

    def commands(self):
        """All command packets of a provisioning of a blank chip."""
        emulator, tap, board = self.rig("dry")
        seen = []
        tap.after_command = seen.append
        self.identity("dry", self.provision("dry"))
        emulator.stop()
        board.stop()
        return seen

    @staticmethod
    def worth_it(number, packets):
        """Locks, the new key, writes into slots, the first and last words of the configuration."""
        packet = packets[number]
        if os.environ.get("IMPRINT_TORTURE"):
            return True
        if packet[1] == WRITE and packet[2] & 3 == wire.CONFIG:
            return packet[3] in (4, 31)
        return packet[1] in (WRITE, LOCK) or packet[1] == GENKEY and packet[2] & 4

    def killed_at_command(self, number, nth, late):
        name = f"c{number}"
        emulator, tap, board = self.rig(name)
        left = [nth]

        def count(packet):
            left[0] -= 1
            if left[0] == -1:
                emulator.send(signal.SIGKILL)
                emulator.wait()
            return packet

        if late:
            tap.after_command = count
        else:
            tap.on_command = count
        done = self.provision(name, "--timeout", "5")
        self.assertLess(left[0], 0, f"the chip was killed: {done}")
        self.assertIn(done.returncode, (0, 7, 9), done)
        emulator, _ = self.element(name)
        self.next_attempt(name)
        board.stop()
        emulator.stop()

    def test_element_is_killed_at_a_command(self):
        packets = self.commands()
        numbers = [n for n in range(len(packets)) if self.worth_it(n, packets)]
        self.assertGreaterEqual(len(numbers), 2 + 1 + 12 + 2, "locks, key, slots 10 to 12, configuration")
        self.sweep([(n, True) for n in numbers] + ([(n, False) for n in numbers] if len(numbers) == len(packets) else []),
            self.killed_at_command)
