"""imprintd dies at every step of an issuance, and at any moment under load: what it acknowledged is there, no
serial number is given twice, and nothing is there by half. And the disk that is full.

The steps are the program's own list (steps.def). With IMPRINT_TORTURE it dies under load many times.
"""

import http.client
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
import unittest
from pathlib import Path

import harness
from server import Key, Server

HOOKS = b"IMPRINT_TEST_CRASH" in Path(harness.program("imprintd")).read_bytes()
STEPS = re.findall(r'^STEP\(\w+, "(\w+)"\)', (harness.SOURCE / "src/server/steps.def").read_text(), re.M)
GONE = (OSError, http.client.HTTPException)


class CrashTest(harness.SystemTest):
    def issue(self, server, device, csr, key, connection=None):
        """(status, answer), or None when the server died first."""
        headers = {"Authorization": f"Bearer {server.token}", "X-Organization": self.organization,
            "Content-Type": "application/json", "Idempotency-Key": key}
        body = json.dumps({"ca": "Arduino", "csr": csr, "enabled": True})
        try:
            status, _, answer = server.request("PUT", f"/iot/v2/devices/{device}/certs", body, headers, connection)
            return status, json.loads(answer)
        except GONE:
            return None

    def begin(self, devices):
        """An organization with so many devices; their ids and a request for each."""
        server = Server(self)
        self.organization = server.ready["organization"]
        ids = [server.device(f"device {i}") for i in range(devices)]
        self.token = server.token
        self.assertEqual(server.process.stop(), 0)
        return [(device, Key(self.folder).csr(device)) for device in ids]

    def again(self, **how):
        """The token of before the crash is still good: it was acknowledged."""
        server = Server(self, **how)
        server.token = self.token
        return server

    def certificates(self, server, device):
        status, answer = server.call("GET", f"/iot/v2/devices/{device}/certs")
        self.assertEqual(status, 200, answer)
        return answer["certs"] if isinstance(answer, dict) else answer

    def whole(self, cert, device):
        """A certificate that openssl verifies, for this device."""
        path = self.folder / "one.pem"
        path.write_text(cert["pem"])
        done = self.run_program("openssl", "verify", "-x509_strict", "-CAfile", self.state / "ca/certificate.pem", path)
        self.assertEqual(done.returncode, 0, done)
        subject = self.run_program("openssl", "x509", "-in", path, "-noout", "-subject").stdout
        self.assertIn(device, subject)

    def registry_is_whole(self):
        """Looks into the database itself: no half rows, no gap in the numbers, a serial only once."""
        db = sqlite3.connect(f"file:{self.state}/imprint.db?mode=ro", uri=True)
        self.addCleanup(db.close)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        serials = [row[0] for row in db.execute("SELECT serial FROM cert")]
        self.assertEqual(len(serials), len(set(serials)))
        for serial, sig, fingerprint in db.execute("SELECT serial, sig, fingerprint FROM cert"):
            self.assertNotEqual(bytes(sig), bytes(64), serial)
            self.assertNotEqual(bytes(fingerprint), bytes(32), serial)
        events = [row[0] for row in db.execute("SELECT seq FROM event ORDER BY seq")]
        self.assertEqual(events, list(range(1, len(events) + 1)))
        issued = db.execute("SELECT count(*) FROM event WHERE kind = 'certificate.issued'").fetchone()[0]
        self.assertEqual(issued, len(serials))
        db.close()
        return {bytes(serial).hex() for serial in serials}


@unittest.skipUnless(HOOKS, "release build: no place to die at")
class Steps(CrashTest):
    def test_every_step(self):
        points = [f"{when}:{step}" for step in STEPS for when in ("before", "inside", "after")]
        self.assertGreaterEqual(len(STEPS), 6)
        board = self.begin(len(points))
        died, acknowledged, known = [], {}, set()
        for number, (point, (device, csr)) in enumerate(zip(points, board)):
            server = self.again(env={"IMPRINT_TEST_CRASH": point})
            if number > 0: # what the last death left, seen through a server that is alive
                before, left = board[number - 1][0], self.certificates(server, board[number - 1][0])
                self.assertLessEqual(len(left), 1, points[number - 1])
                if points[number - 1] in acknowledged:
                    self.assertEqual(len(left), 1, points[number - 1])
                for cert in left:
                    self.whole(cert, before)
            answer = self.issue(server, device, csr, point)
            if answer is None:
                self.assertEqual(server.process.wait(), -signal.SIGKILL, f"{point}: {server.process.output}")
                died.append(point)
            else:
                self.assertEqual(answer[0], 201, (point, answer))
                acknowledged[point] = answer[1]
                server.process.kill() # one that was not reached dies too, behind the answer
            serials = self.registry_is_whole()
            self.assertLessEqual(known, serials, point)
            self.assertLessEqual(len(serials - known), 1, point)
            known = serials
        for step in STEPS:
            self.assertTrue([point for point in died if point.endswith(f":{step}")], f"it never died at {step}: {died}")
        self.assertIn("inside:commit", died) # written, and not committed
        self.assertGreaterEqual(len(died), 2 * len(STEPS), died)

        # The same request with the same key once more: the certificate that was committed, or the first one.
        server = self.again()
        for point, (device, csr) in zip(points, board):
            committed = self.certificates(server, device)
            status, cert = self.issue(server, device, csr, point)
            self.assertEqual(status, 201, (point, cert))
            after = self.certificates(server, device)
            self.assertEqual(len(after), 1, point)
            if committed:
                self.assertEqual(cert["pem"], committed[0]["pem"], point)
            if point in acknowledged:
                self.assertEqual(cert["pem"], acknowledged[point]["pem"], point)
            self.whole(cert, device)
        self.assertEqual(len(self.registry_is_whole()), len(points))


@unittest.skipUnless(HOOKS, "release build: no place to die at")
class Start(CrashTest):
    def test_every_step(self):
        """Each start dies one step later than the one before, on what that one left; the last one lives."""
        steps = re.findall(r'^START\("(\w+)", \w+\)', (harness.SOURCE / "src/server/start.def").read_text(), re.M)
        self.assertGreaterEqual(len(steps), 10)
        for step in steps:
            for when in ("before", "inside", "after") if step in ("authority", "credentials") else ("before", "after"):
                server = Server(self, env={"IMPRINT_TEST_CRASH": f"{when}:{step}"}, wait=False)
                self.assertEqual(server.process.wait(), -signal.SIGKILL, f"{when}:{step}: {server.process.output}")
        server = Server(self)
        device = server.device()
        self.token, self.organization = server.token, server.ready["organization"]
        self.assertEqual(self.issue(server, device, Key(self.folder).csr(device), "k")[0], 201)
        self.assertEqual(server.process.stop(), 0)
        self.registry_is_whole()


class Load(CrashTest):
    """Clients that issue as fast as they are let, and a server that is killed under their hands."""

    CLIENTS = 6

    def client(self, server, board, number, got):
        connection = server.connect()
        rng = random.Random(number)
        try:
            for turn in range(10000):
                device, csr = rng.choice(board)
                key = f"{server.process.pid}-{number}-{turn}"
                answer = self.issue(server, device, csr, key, connection)
                if answer is None:
                    return
                got.append((device, *answer))
        finally:
            connection.close()

    def load(self, board, end):
        """What was answered until the end came."""
        server, got = self.again(), []
        clients = [threading.Thread(target=self.client, args=(server, board, n, got)) for n in range(self.CLIENTS)]
        for client in clients:
            client.start()
        until = time.monotonic() + harness.PATIENCE
        while len(got) < 20 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(random.random() * 0.3)
        end(server.process)
        for client in clients:
            client.join()
        self.assertGreaterEqual(len(got), 20)
        return got

    def test_stopped(self):
        """SIGTERM at full speed: whoever was served was served whole, and the end is in order."""
        board = self.begin(6)
        got = self.load(board, lambda process: self.assertEqual(process.stop(), 0, process.output))
        self.assertEqual({status for _, status, _ in got}, {201})
        given = {cert["compressed"]["serial"].lower() for _, _, cert in got}
        self.assertEqual(len(given), len(got))
        self.assertLessEqual(given, self.registry_is_whole())

    def test_killed(self):
        board = self.begin(12)
        acknowledged = []
        for _ in range(20 if os.environ.get("IMPRINT_TORTURE") else 3):
            got = self.load(board, harness.Process.kill)
            for device, status, cert in got:
                self.assertEqual(status, 201, cert)
                acknowledged.append((device, cert))
            serials = self.registry_is_whole()
            given = [cert["compressed"]["serial"].lower() for _, cert in acknowledged]
            self.assertEqual(len(given), len(set(given)))
            self.assertLessEqual(set(given), serials)
        server = self.again()
        for device, _ in board:
            shown = {cert["compressed"]["serial"]: cert for cert in self.certificates(server, device)}
            for of, cert in acknowledged:
                if of == device:
                    self.assertEqual(shown[cert["compressed"]["serial"]]["pem"], cert["pem"])


class FullDisk(CrashTest):
    def setUp(self):
        super().setUp()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "none", self.state], check=False,
            capture_output=True)
        if done.returncode != 0:
            self.skipTest("no small file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=False)

    def fill(self):
        """All but nothing is left; returns the file that takes the room."""
        stone = self.state / "stone"
        with stone.open("wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        return stone

    def test_while_it_runs(self):
        board = self.begin(8)
        server = self.again()
        stone = self.fill()
        refused = None
        for turn in range(2000): # the log of the database has room for a while
            device, csr = board[turn % len(board)]
            answer = self.issue(server, device, csr, f"full-{turn}")
            self.assertIsNotNone(answer, server.process.output)
            if answer[0] != 201:
                refused = (turn, device, csr, answer)
                break
        self.assertIsNotNone(refused, "the disk never was full")
        turn, device, csr, (status, answer) = refused
        self.assertIn(status, (500, 503, 507), answer)
        server.process.wait_for(r"error request_failed id=\S+ status=5\d\d reason=\".*(full|no space|No space).*\"")
        self.assertEqual(server.request("GET", "/healthz")[0], 200)
        self.assertEqual(server.request("GET", "/readyz")[0], 503)
        self.assertEqual(server.call("GET", f"/iot/v2/devices/{device}")[0], 200)
        stone.unlink()
        until = time.monotonic() + harness.PATIENCE
        while (answer := self.issue(server, device, csr, f"full-{turn}"))[0] != 201:
            self.assertLess(time.monotonic(), until, answer)
            time.sleep(0.1)
        self.assertEqual(server.request("GET", "/readyz")[0], 200)
        self.assertEqual(len(self.registry_is_whole()), turn + 1)
        self.assertEqual(server.process.stop(), 0)

    def test_first_start(self):
        stone = self.fill()
        done = self.run_program("imprintd", "--port", "0")
        self.assertNotEqual(done.returncode, 0, done)
        self.assertRegex(done.stderr, r"error failed .*(No space left on device|full)")
        stone.unlink()
        self.assertEqual(Server(self).request("GET", "/readyz")[0], 200)


if __name__ == "__main__":
    unittest.main()
