"""`imprint up` and what belongs to it: the real server, the real broker, boards until they are ONLINE."""

import contextlib
import datetime
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import termios
import time
import unittest
from pathlib import Path

from cryptography import x509

import harness

SETUP = ["board", "record", "open", "talk", "lock", "csr", "check", "issue", "send", "store", "compare", "activate", "finish"]
LIMIT = ("--timeout", "120") # for the sanitizers, on a machine with company
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Up(harness.SystemTest):
    def once(self, *options, want=0, env=None):
        done = self.run_program("imprint", "up", "--once", "--json", *LIMIT, *options, env=env, timeout=180)
        self.assertEqual(done.returncode, want, done)
        self.leaves_nothing()
        return json.loads(done.stdout) if done.stdout else done

    def late(self, env=None):
        """One whose board has its identity, and does not come ONLINE."""
        done = self.run_program("imprint", "up", "--once", "--timeout", "12", env=env)
        self.assertEqual(done.returncode, 9, done)
        return done

    def stay(self, *options, env=None):
        """An `up` that runs, with its boards ONLINE."""
        run = self.start("imprint", "up", *LIMIT, *options, env={**harness.PATIENT, **(env or {})})
        run.wait_for("^end .* Ctrl-C", timeout=150)
        return run

    def status(self, *options):
        done = self.run_program("imprint", "status", "--json", *options)
        return done.returncode, json.loads(done.stdout)

    def all_is_well(self):
        self.until(lambda: self.status()[0] == 0, self.status)

    def children(self):
        """Processes that have this test's folder in their command line; not the broker's own, which writes its list."""
        found, parents = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if any(str(self.folder).encode() in word for word in words):
                found[int(folder.name)] = Path(words[0].decode()).name
        return {pid: name for pid, name in found.items() if found.get(parents[pid]) != "mosquitto"}

    def until(self, question, what):
        limit = time.monotonic() + 60
        while not question():
            self.assertLess(time.monotonic(), limit, what() if callable(what) else what)
            time.sleep(0.05)

    def leaves_nothing(self):
        self.until(lambda: not self.children(), "what is still there")
        left = [path for path in self.run_folder.rglob("*") if not path.is_dir() and not path.name.endswith(".lock")]
        self.assertEqual(left, [])
        self.assertFalse((self.state / "up.json").exists())
        self.assertEqual(self.run_program("imprint", "board", "list", "--json").stdout, "")

    def test_once(self):
        before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        made = self.once()
        (board,) = made["boards"]
        self.assertEqual((board["name"], board["device_status"]), ("demo", "ONLINE"))
        self.assertGreaterEqual(datetime.datetime.fromisoformat(board["last_activity_at"].replace("Z", "+00:00")), before)
        steps = [(step["who"], step["step"]) for step in made["steps"]]
        self.assertEqual(steps, [("imprintd", "server"), ("mosquitto", "broker"), *(("demo", step) for step in SETUP), ("demo", "online")])
        self.assertEqual({step["state"] for step in made["steps"]}, {"done"})
        certificate = x509.load_pem_x509_certificate((self.state / "runs/demo.pem").read_bytes())
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={board['device_id']}")
        # The credentials are the user's, and for the user alone.
        credentials = Path(made["credentials"])
        self.assertEqual(credentials, self.folder / "config/imprint/credentials.json")
        self.assertEqual(stat.S_IMODE(credentials.stat().st_mode), 0o600)
        for secret in ("ca/key.pem", "tls/api.key", "tls/broker.key", "broker/internal.key", "broker/internal.pw"):
            self.assertEqual(stat.S_IMODE((self.state / secret).stat().st_mode), 0o600, secret)
        # Again: it is only switched on. Another chip: the same device with another certificate. --fresh: another device.
        pem = (self.state / "runs/demo.pem").read_bytes()
        again = self.once()
        self.assertEqual(again["boards"][0]["device_id"], board["device_id"])
        self.assertEqual([step["step"] for step in again["steps"] if step["who"] == "demo"], ["identity", "board", "online"])
        self.assertEqual((self.state / "runs/demo.pem").read_bytes(), pem)
        (self.state / "elements/demo.se").unlink()
        (again,) = self.once()["boards"]
        self.assertEqual(again["device_id"], board["device_id"])
        self.assertNotEqual((self.state / "runs/demo.pem").read_bytes(), pem)
        done = self.run_program("imprint", "up", "--once", "--fresh", *LIMIT, timeout=180)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("threw away   demo: its emulated chip\n", done.stderr)
        self.assertIn(f"threw away   demo: its record and its device {board['device_id']}", done.stderr)
        self.assertRegex(done.stdout, rf"(?m)^board        demo is ONLINE, device {UUID}$")
        self.assertNotIn(board["device_id"], done.stdout)

    def test_fresh_in_vain(self):
        """What ends behind the chip and before the device leaves a record of the device."""
        (before,) = self.once()["boards"]
        with socket.create_server(("127.0.0.1", harness.free_port())) as taken:
            done = self.run_program("imprint", "up", "--once", "--fresh", "--broker-port", taken.getsockname()[1], *LIMIT)
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("threw away   demo: its emulated chip\n", done.stderr)
        self.assertNotIn("its record", done.stderr)
        (after,) = self.once()["boards"]
        self.assertEqual(after["device_id"], before["device_id"])

    def test_three_boards_and_status(self):
        run = self.stay("--boards", "3", "--name", "b")
        self.all_is_well()
        code, status = self.status()
        self.assertEqual((code, status["ok"], status["running"]), (0, True, True), status)
        self.assertEqual([(b["name"], b["device_status"]) for b in status["boards"]],
            [("b", "ONLINE"), ("b-2", "ONLINE"), ("b-3", "ONLINE")])
        self.assertEqual(len({b["device_id"] for b in status["boards"]}), 3)
        self.assertEqual(status["pid"], run.pid)
        self.assertEqual({status["server"]["pid"]: "imprintd", status["broker"]["pid"]: "mosquitto"}, self.children())
        ends = {c["name"]: c["not_after"] for c in status["certificates"]}
        self.assertEqual(set(ends), {"server", "broker", "issuing", "service root", "device authority"})
        for name, file in (("server", "tls/api.pem"), ("broker", "tls/broker.pem")):
            certificate = x509.load_pem_x509_certificate((self.state / file).read_bytes())
            self.assertEqual(ends[name], certificate.not_valid_after.isoformat() + "Z")
        shown = self.run_program("imprint", "status")
        self.assertEqual(shown.returncode, 0, shown)
        self.assertRegex(shown.stdout, rf"(?m)^b-2 +ONLINE +{UUID}, since \S+Z from 127.0.0.1$")
        self.assertRegex(shown.stdout, r"(?m)^list of mosquitto +fresh +3 boards connected$")
        self.assertEqual([(b["name"], b["state"], b["boards"]) for b in status["brokers"]], [("mosquitto", "fresh", 3)])
        # A second one says where the first runs, and disturbs nothing.
        second = self.run_program("imprint", "up", "--once")
        self.assertEqual(second.returncode, 6, second)
        self.assertIn(f"runs already, as process {run.pid}: server {status['server']['url']}, broker localhost:", second.stderr)
        other = self.run_program("imprint", "up", "--once", "--state", self.folder / "other")
        self.assertEqual(other.returncode, 6, other)
        self.assertIn("XDG_RUNTIME_DIR", other.stderr)
        self.assertEqual(self.run_program("imprint", "reset", "--yes").returncode, 6)
        self.all_is_well()
        down = self.run_program("imprint", "down", "--json")
        self.assertEqual((down.returncode, json.loads(down.stdout)), (0, {"schema": 1, "ended": True, "pid": run.pid}))
        self.assertEqual(run.wait(), 0, run.output)
        self.leaves_nothing()
        code, status = self.status()
        self.assertEqual((code, status["running"], status["boards"]), (3, False, []))
        down = self.run_program("imprint", "down", "--json")
        self.assertEqual((down.returncode, json.loads(down.stdout)["ended"]), (0, False))

    def test_a_board_goes_and_comes(self):
        run = self.stay("--name", "b")
        self.assertEqual(self.run_program("imprint", "board", "unplug", "b").returncode, 0)
        run.wait_for(r"^b +OFFLINE +\d{4}-\d\d-\d\dT\S+Z$")
        code, status = self.status()
        self.assertEqual((code, status["ok"], status["reason"]), (8, False, "b is OFFLINE"))
        self.assertEqual(self.run_program("imprint", "board", "plug", "b").returncode, 0)
        run.wait_for(r"^b +ONLINE +\S+  from 127.0.0.1$", timeout=60)
        self.all_is_well()

    def change(self, *how):
        done = self.run_program("imprint", "device", *how)
        self.assertEqual(done.returncode, 0, done)

    def test_a_board_that_must_go(self):
        """It is out, and its next attempt is refused, with the same reason; it was told to nobody twice."""
        run = self.stay("--name", "b")
        self.change("revoke", "b", "--yes", "--reason", "keyCompromise")
        run.wait_for(r"^b +OFFLINE +\S+  revoked: ")
        run.wait_for(r"^b +refused +\S+  revoked: ")
        code, status = self.status()
        board = status["boards"][0]
        self.assertEqual((code, board["device_status"], board["reason"], status["reason"]), (8, "OFFLINE", "revoked", "b is OFFLINE: revoked"))
        self.assertRegex(self.run_program("imprint", "status").stdout, rf"(?m)^b +OFFLINE +{UUID}, refused \S+Z: revoked$")
        self.assertEqual(sum("refused" in line for line in run.lines), 1, run.output)

    def test_revoked_is_not_for_ever(self):
        """The next `up` gives it another certificate, and says so; what is disabled stays out."""
        self.once()
        run = self.stay("--no-board")
        self.change("revoke", "demo", "--yes", "--reason", "keyCompromise")
        self.assertEqual(run.stop(), 0, run.output)
        done = self.run_program("imprint", "up", "--once", *LIMIT, timeout=180)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("demo: its certificate was revoked (keyCompromise); a new key and a new certificate are made", done.stderr)
        self.assertNotIn("its certificate was", self.run_program("imprint", "up", "--once", *LIMIT, timeout=180).stderr)
        run = self.stay("--no-board")
        self.change("disable", "demo")
        self.assertEqual(run.stop(), 0, run.output)
        done = self.late()
        self.assertIn("no broker has let it in (disabled: ", done.stderr)

    def test_a_device_that_is_deleted(self):
        """It is said once and clearly, and the boards behind it are still looked at."""
        run = self.stay("--name", "b", "--boards", "2")
        device = self.status()[1]["boards"][0]["device_id"]
        self.change("delete", "b", "--yes")
        run.wait_for(f"^b: its device {device} was deleted at the server")
        code, status = self.status()
        self.assertEqual((code, status["reason"]), (8, "b: its device was deleted at the server"))
        self.assertEqual([b["device_status"] for b in status["boards"]], ["UNKNOWN", "ONLINE"])
        self.assertEqual(self.run_program("imprint", "board", "unplug", "b-2").returncode, 0)
        run.wait_for("^b-2 +OFFLINE ")
        self.assertEqual(run.stop(), 0, run.output)
        self.assertEqual(sum("was deleted at the server" in line for line in run.lines), 1, run.output)
        self.assertNotIn("does not answer", run.output)
        again = self.once("--name", "b")
        self.assertNotEqual(again["boards"][0]["device_id"], device)

    def test_a_board_that_must_go_for_a_while(self):
        run = self.stay("--name", "b")
        self.change("disable", "b")
        run.wait_for(r"^b +OFFLINE +\S+  disabled: ")
        run.wait_for(r"^b +refused +\S+  disabled: ")
        self.change("enable", "b")
        run.wait_for(r"^b +ONLINE +\S+  from 127.0.0.1$", timeout=60)
        self.all_is_well()

    def test_a_broker_that_falls_silent(self):
        """Nobody knows then whether a board is there; and everybody, when it speaks again."""
        run = self.stay("--name", "b", env={"IMPRINT_TEST_REACH": "1000"})
        pid = self.status()[1]["broker"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            run.wait_for(r"^b +UNKNOWN +\S+  the broker is silent", timeout=60)
            code, status = self.status()
            self.assertEqual((code, [b["state"] for b in status["brokers"]]), (8, ["silent"]), status)
            seen = len(run.lines)
        finally:
            os.kill(pid, signal.SIGCONT)
        run.wait_for(r"^b +ONLINE ", start=seen, timeout=60)
        self.all_is_well()

    def test_another_board(self):
        """One that `up` does not run is shown as well."""
        run = self.stay("--no-board")
        broker = self.status()[1]["broker"]
        board = self.start("imprint", "board", "guest", "--broker", f"localhost:{broker['port']}", "--anchor", self.state / "tls/service-root.pem")
        board.wait_for("/tty/guest$")
        done = self.run_program("imprint", "provision", "--port", "guest", "--name", "guest", "--yes")
        self.assertEqual(done.returncode, 0, done)
        run.wait_for(r"^guest +ONLINE +\S+  from 127.0.0.1$", timeout=60)
        board.kill() # without a word to the broker: it sees that the connection is gone
        run.wait_for(r"^guest +OFFLINE ")

    def test_the_broker_reads_its_renewed_certificate(self):
        clock = self.folder / "clock"
        clock.write_text("0")
        run = self.stay("--no-board", env={"IMPRINT_TEST_CLOCK": str(clock)})
        status = self.status()[1]
        broker = ("127.0.0.1", status["broker"]["port"])
        first = ssl.get_server_certificate(broker)
        self.assertIn(first, (self.state / "tls/broker.pem").read_text())
        clock.write_text(str(70 * 86400)) # of the 90 days
        os.kill(status["server"]["pid"], signal.SIGHUP)
        run.wait_for("^the broker reads its renewed certificate$")
        self.until(lambda: ssl.get_server_certificate(broker) != first, "the old certificate")
        self.assertIn(ssl.get_server_certificate(broker), (self.state / "tls/broker.pem").read_text())

    def test_interrupted(self):
        for number, step, want in ((signal.SIGINT, "Make key and request", 130), (signal.SIGTERM, "Start the broker", 130)):
            run = self.start("imprint", "up", "--fresh", *LIMIT)
            run.wait_for(step, timeout=60)
            run.send(number)
            self.assertEqual(run.wait(60), want, run.output)
            self.leaves_nothing()
        run = self.stay()
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(60), 130, run.output)
        self.leaves_nothing()

    def test_killed(self):
        run = self.stay("--no-board")
        both = self.children()
        self.assertEqual(sorted(name for name in both.values() if name != "imprint"), ["imprintd", "mosquitto"])
        os.kill(run.pid, signal.SIGKILL) # that process alone: nobody tells its children but the kernel
        run.wait()
        self.until(lambda: not self.children(), "orphans")
        code, status = self.status()
        self.assertEqual((code, status["running"]), (3, False))
        self.assertIn("did not end in order", status["reason"])
        for step in ("Make key and request", "Store it in the element"):
            run = self.start("imprint", "up", *LIMIT)
            run.wait_for(step, timeout=60)
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
        (board,) = self.once()["boards"] # at once: it waits for those that still end
        states = [one["state"] for one in json.loads((self.state / "runs/demo.json").read_text())["certificates"]]
        self.assertEqual(states.count("active"), 1, states)
        self.assertEqual(board["device_status"], "ONLINE")

    def test_a_service_dies(self):
        for name, options in (("imprintd", ()), ("mosquitto", ("--no-board",))):
            with self.subTest(name):
                run = self.stay(*options)
                (pid,) = [pid for pid, program in self.children().items() if program == name]
                os.kill(pid, signal.SIGKILL)
                self.assertEqual(run.wait(60), 8, run.output)
                self.assertIn(f"{name} was ended by signal 9", run.output)
                self.leaves_nothing()

    def test_a_board_that_lies(self):
        """It says that it is online, everywhere one can ask it. The server knows better."""
        self.once()
        done = self.late(env={"IMPRINT_TEST_LIAR": "1"})
        self.assertIn("no broker has let it in", done.stderr)
        self.assertIn("the board itself says: online", done.stderr)
        self.leaves_nothing()

    def test_a_board_that_says_nothing(self):
        """It is let in, which is not enough."""
        self.once()
        done = self.late(env={"IMPRINT_TEST_MUTE": "1"})
        self.assertIn("the broker has let it in, but no message of it has come to the server", done.stderr)
        self.leaves_nothing()

    def test_mosquitto_is_missing(self):
        done = self.run_program("imprint", "up", "--once", "--mosquitto", "/nowhere/mosquitto")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("apt-get install mosquitto", done.stderr)
        self.leaves_nothing()

    def test_plugin_is_missing(self):
        done = self.run_program("imprint", "up", "--once", "--plugin", "/nowhere/plugin.so")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("/nowhere/plugin.so: cannot be the broker's plugin", done.stderr)
        self.leaves_nothing()

    def test_a_plugin_that_is_none(self):
        """The broker does not start without one."""
        (self.folder / "plugin.so").write_text("no library")
        done = self.run_program("imprint", "up", "--once", "--plugin", "plugin.so", *LIMIT)
        self.assertNotEqual(done.returncode, 0, done)
        self.assertIn("mosquitto ended with status", done.stderr)
        self.assertIn("plugin.so", done.stderr)
        self.leaves_nothing()

    def test_a_broker_that_ends_at_once(self):
        broker = self.folder / "broker"
        broker.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
        broker.chmod(0o700)
        done = self.run_program("imprint", "up", "--once", "--mosquitto", broker, *LIMIT)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("mosquitto ended with status 1: no such thing", done.stderr)
        self.leaves_nothing()

    def test_ports(self):
        server, broker = (socket.create_server(("127.0.0.1", harness.free_port())) for _ in range(2))
        with server, broker:
            for option, taken in (("--port", server), ("--broker-port", broker)):
                port = taken.getsockname()[1]
                done = self.run_program("imprint", "up", "--once", option, port, *LIMIT, timeout=120)
                self.assertEqual(done.returncode, 6, done)
                self.assertIn(str(port), done.stderr)
                self.leaves_nothing()
        self.assertTrue(self.once("--no-board", "--port", port)["server"].endswith(f":{port}"))

    def test_no_board(self):
        made = self.once("--no-board")
        self.assertEqual((made["boards"], [s["step"] for s in made["steps"]]), ([], ["server", "broker"]))
        # Another installation of the same user leaves the first one's credentials alone.
        own = self.folder / "config/imprint/credentials.json"
        before = own.read_text()
        other = self.once("--no-board", "--state", self.folder / "other")
        self.assertEqual((other["credentials"], own.read_text()), (str(self.folder / "other/credentials.json"), before))
        run = self.stay("--no-board", "--state", self.folder / "other")
        program = harness.program("imprint") # as it was called
        self.assertRegex(run.output, rf"(?m)^look +{program} status --state {self.folder}/other; {program} device .*\nend +Ctrl-C, or {program} down --state {self.folder}/other$")
        run.wait_for(f"^look .* --credentials {other['credentials']}$")
        self.assertEqual(run.stop(), 0, run.output)
        done = self.run_program("imprint", "up", "--no-board", "--boards", "2")
        self.assertEqual(done.returncode, 2, done)

    @staticmethod
    def screen(text):
        """What a terminal shows in the end of text that goes up lines and erases what is below."""
        lines = [""]
        for number, final, plain in re.findall(r"\x1b\[(\d*)([AJm])|([^\x1b]+)", text):
            if final == "A":
                lines = [*lines[:len(lines) - 1 - int(number)], ""] # what is below is erased next
            elif plain:
                first, *rest = plain.replace("\r", "").split("\n")
                lines[-1] += first
                lines += rest
        return lines

    def test_terminal(self):
        """Rows that are not finished are drawn again and again, and each is there once in the end."""
        main, other = pty.openpty()
        env = {**self.env, "TERM": "xterm"}
        del env["NO_COLOR"]
        run = subprocess.Popen([harness.program("imprint"), "up", "--once", "--boards", "2", "--name", "b", *LIMIT], env=env, cwd=self.folder,
            stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        said = b""
        with contextlib.suppress(OSError): # how the end of a terminal is read
            while part := os.read(main, 65536):
                said += part
        os.close(main)
        self.assertEqual(run.wait(60), 0, said)
        text = said.decode()
        self.no_report(["imprint up"], text)
        self.assertIn("\x1b[32mdone\x1b[0m", text)
        self.assertIn("\x1b[J", text)
        shown = [line for line in self.screen(text) if " s  done" in line]
        want = [("imprintd", "Start the server"), ("mosquitto", "Start the broker"),
            *((name, "Come online") for name in ("b", "b-2")), *((name, "Make key and request") for name in ("b", "b-2"))]
        for who, what in want:
            self.assertEqual(len([line for line in shown if line.startswith(f"{who} ") and what in line]), 1, "\n".join(shown))
        self.assertEqual(len(shown), 2 + 2 * (len(SETUP) + 1), "\n".join(shown))
        self.leaves_nothing()

    def test_terminal_table(self):
        """Who is connected stands below the lines; who goes leaves it."""
        main, other = pty.openpty()
        termios.tcsetwinsize(other, (24, 80))
        env = {**self.env, "TERM": "xterm"}
        run = subprocess.Popen([harness.program("imprint"), "up", "--name", "b", *LIMIT], env=env, cwd=self.folder,
            stdin=other, stdout=other, stderr=other, start_new_session=True)
        self.addCleanup(lambda: (run.kill(), run.wait()))
        os.close(other)
        said = b""

        def shows(pattern):
            nonlocal said
            limit = time.monotonic() + 150
            while not re.search(pattern, "\n".join(self.screen(said.decode(errors="replace"))), re.MULTILINE):
                self.assertLess(time.monotonic(), limit, said)
                self.assertTrue(select.select([main], [], [], 60)[0], said)
                said += os.read(main, 65536)

        shows(rf"^ONLINE +DEVICE +SINCE +FROM\nb +{UUID}  \S+Z  127\.0\.0\.1\n$")
        self.change("disable", "b")
        shows(r"^b +OFFLINE +\S+  disabled: [^\n]*\n(.*\n)*\nno board is connected\n$")
        self.assertNotIn("DEVICE", "\n".join(self.screen(said.decode())))
        run.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while part := os.read(main, 65536):
                said += part
        os.close(main)
        self.assertEqual(run.wait(60), 0, said)
        self.assertNotIn("no board is connected", "\n".join(self.screen(said.decode())))
        self.leaves_nothing()

    def test_lan(self):
        self.once("--no-board", "--lan")
        certificate = x509.load_pem_x509_certificate((self.state / "tls/broker.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        self.assertIn("localhost", names)
        self.assertIn(socket.gethostname().lower(), names)
        self.assertIn("\nlistener 8", (self.state / "broker/mosquitto.conf").read_text())
        self.assertIn(" 0.0.0.0\n", (self.state / "broker/mosquitto.conf").read_text())

    def test_state_that_cannot_be_written(self):
        (self.folder / "file").write_text("")
        done = self.run_program("imprint", "up", "--once", "--state", self.folder / "file")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("file", done.stderr)
        done = self.run_program("imprint", "up", "--once", "--state", "/proc/imprint")
        self.assertNotEqual(done.returncode, 0, done)
        self.assertIn("/proc/imprint", done.stderr)

    def test_state_that_may_only_be_read(self):
        """As somebody whom modes keep out, which root is not."""
        programs = self.folder / "bin"
        programs.mkdir()
        for name in ("imprint", "imprintd", "imprint-mosquitto.so"):
            shutil.copy(harness.program(name), programs)
        run = [str(programs / "imprint"), "up", "--once", "--no-board", *LIMIT]
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, 65534, 65534)
            run = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *run]
        self.state.chmod(0o500)
        done = self.run_program(*run)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn(f"{self.state}/up.lock: cannot be opened: Permission denied", done.stderr)
        self.state.chmod(0o700)
        done = self.run_program(*run)
        self.assertEqual(done.returncode, 0, done)
        (self.state / "imprint.db").chmod(0o400)
        self.state.chmod(0o500)
        done = self.run_program(*run)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("imprint.db", done.stderr)
        self.leaves_nothing()
        self.state.chmod(0o700)

    def test_names(self):
        for name in ("../x", "", "x" * 51):
            self.assertEqual(self.run_program("imprint", "up", "--name", name).returncode, 2, name)
        self.start("imprint", "board", "demo").wait_for("^/")
        done = self.run_program("imprint", "up", "--once", "--fresh", *LIMIT, timeout=120)
        self.assertEqual(done.returncode, 6, done)
        self.assertTrue((self.state / "elements/demo.se").is_file(), "the chip of a running board stays")

    def test_reset(self):
        self.once()
        mine = self.state / "notes.txt"
        mine.write_text("not theirs")
        outside = self.folder / "outside"
        outside.mkdir()
        (outside / "kept").write_text("")
        (self.state / "logs/link").symlink_to(outside)
        for options, want in (((), 4), (("--yes",), 0), (("--yes",), 0)):
            done = self.run_program("imprint", "reset", *options)
            self.assertEqual(done.returncode, want, done)
            self.assertEqual((self.state / "imprint.db").exists(), want != 0)
        self.assertEqual([path.name for path in self.state.iterdir() if path.suffix != ".lock"], ["notes.txt"])
        self.assertTrue((outside / "kept").exists(), "a link goes, what it leads to stays")
        self.assertFalse((self.folder / "config/imprint/credentials.json").exists())
        done = self.run_program("imprint", "reset", "--yes", "--state", self.folder)
        self.assertEqual((done.returncode, mine.exists()), (0, True))
        self.once("--no-board")


if __name__ == "__main__":
    unittest.main()
