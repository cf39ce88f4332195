"""Many boards in one process, with the real server and the real broker: they get identities, come online, come back
behind a broker that was away, and leave nothing at the server."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
import unittest
from pathlib import Path

import boards
import harness
from server import Server

N = 20


class CrowdTest(harness.SystemTest):
    """A server and a broker run."""

    def setUp(self):
        super().setUp()
        (self.run_folder / "imprint").mkdir(mode=0o700)
        self.port = harness.free_port()
        self.server = Server(self)
        self.config = self.configure()
        self.broker = self.start_broker()

    def configure(self):
        done = self.run_program("imprint", "broker", "config", "--broker-port", self.port, "--listen",
            "127.0.0.1")
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.strip()

    def start_broker(self):
        broker = self.start(self.env.get("IMPRINT_MOSQUITTO", harness.MOSQUITTO), "-c", self.config)
        broker.wait_for(r"mosquitto version \S+ running")
        return broker

    def arguments(self, *options, count=N, name="lot"):
        return ["imprint", "board", "--count", str(count), name, "--every", "1", "--broker", f"localhost:{self.port}",
            "--credentials", self.server.ready["credentials"], *map(str, options)]

    def crowd(self, *options, count=N, name="lot"):
        return self.start(*self.arguments(*options, count=count, name=name))

    def devices(self):
        status, listed = self.server.call("GET", "/iot/v2/devices")
        self.assertEqual(status, 200, listed)
        return {d["name"]: d for d in listed}

    @staticmethod
    def online(crowd, start=0, count=N):
        """Waits until all are; (how many handshakes that took, where the line is)."""
        crowd.wait_for(rf"^all {count} boards are online", start, timeout=2 * harness.PATIENCE)
        where = next(i for i, line in enumerate(crowd.lines) if i >= start and line.startswith("all "))
        return int(re.search(r"with (\d+) handshakes", crowd.lines[where])[1]), where

    @staticmethod
    def end(crowd, number=signal.SIGINT):
        """The summary of a crowd with --json, which is asked to end."""
        crowd.send(number)
        crowd.wait()
        return json.loads(next(line for line in crowd.lines if line.startswith("{")))


class Crowd(CrowdTest):
    def test_comes_back(self):
        """Twenty boards online, a broker that is killed and started again, and all are back."""
        crowd = self.crowd("--json")
        handshakes, at = self.online(crowd)
        # A board may come before the broker has heard of it, and comes again.
        self.assertGreaterEqual(handshakes, N)
        self.assertEqual(sorted(self.devices()), sorted(f"lot-{i + 1}" for i in range(N)))
        boards.wait_until(lambda: all(d["device_status"] == "ONLINE" for d in self.devices().values()))
        self.broker.kill()
        crowd.wait_for(rf" 0 online; .* lost {N};.* last ", at)
        self.broker = self.start_broker()
        self.assertGreaterEqual(self.online(crowd, at + 1)[0], 2 * N)
        summary = self.end(crowd)
        self.assertEqual((summary["boards"], summary["online"], summary["lost"], summary["removed"]), (N, N, N, N), summary)
        self.assertGreaterEqual(summary["said"], 2 * N)
        self.assertEqual(self.devices(), {})

    def test_keep_and_again(self):
        crowd = self.crowd("--keep", count=3)
        self.online(crowd, count=3)
        crowd.send(signal.SIGTERM)
        crowd.wait()
        boards.wait_until(lambda: all(d["device_status"] == "OFFLINE" for d in self.devices().values()))
        kept = self.devices()
        self.assertEqual(sorted(kept), ["lot-1", "lot-2", "lot-3"])
        # They may be somebody's.
        done = self.run_program(*self.arguments(count=3))
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("--again", done.stderr)
        self.assertEqual(self.devices(), kept)
        crowd = self.crowd("--again", "--json", "--rate", "2", count=4)
        self.online(crowd, count=4)
        again = self.devices()
        self.assertEqual({name: again[name]["id"] for name in kept}, {name: kept[name]["id"] for name in kept})
        self.assertEqual(self.end(crowd)["removed"], 4)
        self.assertEqual(self.devices(), {})

    def test_lost_chip(self):
        """The first board's chip never answers again once it has its identity; the others do not notice."""
        plan = self.folder / "plan"
        plan.write_text("nack 1 times 1000000\n", encoding="utf-8")
        crowd = self.crowd("--json", "--faults", plan, count=3)
        crowd.wait_for(r" 1 connecting, 2 online; .*; last secure element: ")
        summary = self.end(crowd)
        self.assertEqual((summary["boards"], summary["online"], summary["connecting"], summary["removed"]), (3, 2, 1, 3),
            summary)
        self.assertEqual(self.devices(), {})

    def test_ends_in_between(self):
        """Ended while identities are made: none stays."""
        crowd = self.crowd(count=2000)
        crowd.wait_for(r"^\d+ of 2000 boards, ")
        crowd.send(signal.SIGINT)
        crowd.wait(timeout=2 * harness.PATIENCE)
        self.assertEqual(self.devices(), {})

    def test_server_goes(self):
        """What the server did not sign is an error; what cannot be removed is told."""
        crowd = self.crowd("--rate", "1", count=3)
        crowd.wait_for(r"^3 of 3 boards, ")
        self.server.process.kill()
        crowd.send(signal.SIGTERM)
        self.assertNotEqual(crowd.wait(timeout=3 * harness.PATIENCE), 0)
        self.assertRegex(crowd.output, r"lot-\d, device \S+, stays")

    def test_terminal(self):
        """The line of totals is there at once and always, never wider than the terminal, and gone in the end."""
        main, other = pty.openpty()
        termios.tcsetwinsize(other, (24, 60))
        crowd = subprocess.Popen([harness.program(word) if i == 0 else word for i, word in enumerate(self.arguments(count=2))],
            env=self.env, cwd=self.folder, stdin=other, stdout=other, stderr=other, start_new_session=True)
        self.addCleanup(lambda: (crowd.kill(), crowd.wait()))
        os.close(other)
        said, asked = b"", False
        with contextlib.suppress(OSError): # how the end of a terminal is read
            while part := os.read(main, 65536):
                said += part
                if b" 2 online" in said.partition(b"all 2 boards")[2] and not asked:
                    crowd.send_signal(signal.SIGINT)
                    asked = True
        os.close(main)
        self.assertEqual(crowd.wait(harness.PATIENCE), 130)
        lines = said.decode().split("\r\033[K")
        self.assertRegex(lines[1], r"^\d of 2 boards, ")
        self.assertTrue(all(len(line) < 60 for line in lines if " of 2 boards" in line), lines)
        self.assertEqual(lines[-1].strip(), "", lines)

    def test_arguments(self):
        for options, why in ((["--count", "0"], "count"), (["--count", "3", "--wifi"], "--wifi"),
            (["--count", "3", "--sketch", "setup"], "--sketch"), (["--count", "3", "--element", "/x"], "--element"),
            (["--keep"], "--keep needs --count"), (["--rate", "3"], "--rate needs --count"),
            (["--again"], "--again needs --count"), (["--every", "2"], "--every needs --count")):
            done = self.run_program("imprint", "board", "lot", *options)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(why, done.stderr)
        done = self.run_program("imprint", "board", "l" * 62, "--count", "20")
        self.assertEqual(done.returncode, 2, done)
        # No broker is named, and no `imprint up` runs.
        done = self.run_program("imprint", "board", "--count", "2", "lot", "--credentials", self.server.ready["credentials"])
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("--broker HOST:PORT", done.stderr)
        done = self.run_program(*self.arguments("--anchor", "/nonexistent", count=2))
        self.assertNotEqual(done.returncode, 0, done)
        self.assertEqual(self.devices(), {})


class Bench(harness.SystemTest):
    """What a broker of its own lets in, in a folder that is gone afterwards."""

    def bench(self, *options, want=0):
        done = self.run_program("imprint", "mqtt", "bench", *options, env={"TMPDIR": str(self.folder), **harness.PATIENT})
        self.assertEqual(done.returncode, want, done)
        self.assertEqual(list(self.folder.glob("imprint-bench-*")), [])
        return done

    def test_measures(self):
        for options, plugin in (([], harness.program("imprint-mosquitto.so")), (["--no-plugin"], "")):
            said = json.loads(self.bench("--seconds", "1", "--clients", "5", "--json", *options).stdout)
            self.assertEqual((said["plugin"], said["refused"]), (plugin, 0), said)
            self.assertGreater(said["connects"], 0)
            self.assertGreater(said["broker_cpu_ms"], 0)
            self.assertEqual(said["capacity"], int(1000 / said["broker_cpu_ms"]))
            self.assertEqual(said["proposed_rate"], int(said["capacity"] * 0.6))
        text = self.bench("--seconds", "1", "--clients", "5").stdout
        rate = re.search(r"^allow +(\d+) new connections a second .*: rate (\d+)/second burst (\d+) packets$", text, re.M)
        self.assertEqual(len(set(rate.groups())), 1, text)

    def test_broker_is_kept_waiting(self):
        """For longer than the time that is measured: then that time is longer."""
        bench = self.start("imprint", "mqtt", "bench", "--seconds", "1", "--clients", "5", env={"TMPDIR": str(self.folder)})
        children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
        boards.wait_until(children.read_text)
        broker = int(children.read_text())
        os.kill(broker, signal.SIGSTOP)
        time.sleep(4)
        os.kill(broker, signal.SIGCONT)
        bench.wait_for("^connects ")
        self.assertEqual(bench.wait(), 0)

    def test_stopped(self):
        bench = self.start("imprint", "mqtt", "bench", "--seconds", "300", env={"TMPDIR": str(self.folder)})
        boards.wait_until(lambda: list(self.folder.glob("imprint-bench-*/mosquitto.log")))
        bench.send(signal.SIGINT)
        self.assertEqual(bench.wait(), 130)
        self.assertEqual(list(self.folder.glob("imprint-bench-*")), [])

    def test_wrong(self):
        self.assertIn("excludes", self.bench("--plugin", "/x", "--no-plugin", want=2).stderr)
        self.assertIn("/nonexistent", self.bench("--mosquitto", "/nonexistent", want=3).stderr)
        self.assertIn("mosquitto ended", self.bench("--mosquitto", "/bin/false", "--no-plugin", want=1).stderr)
        self.assertIn("/nonexistent/x.so: cannot be the broker's plugin", self.bench("--plugin", "/nonexistent/x.so", want=3).stderr)


if __name__ == "__main__":
    unittest.main()
