"""What boards publish at a real mosquitto becomes what the API says of them."""

import subprocess
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path

import harness
from server import Server

HOOKS = b"IMPRINT_TEST_CLOCK" in Path(harness.program("imprintd")).read_bytes()


class InboxTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.socket = self.run_folder / "imprint/broker.sock"
        self.socket.parent.mkdir(mode=0o700)
        self.plain = self.run_folder / "imprint/test.sock"
        self.broker = None

    def start_broker(self, password):
        """Two sockets: the server's, and one on which the test speaks for any board."""
        folder = self.folder / "broker"
        folder.mkdir(exist_ok=True)
        users = folder / "users"
        users.write_text("")
        for user, word in (("imprint", password), ("test", "test")):
            subprocess.run(["mosquitto_passwd", "-b", users, user, word], check=True, capture_output=True)
        config = folder / "mosquitto.conf"
        config.write_text(f"listener 0 {self.socket}\nlistener 0 {self.plain}\npassword_file {users}\n"
            "allow_anonymous false\nper_listener_settings false\nlog_dest stderr\nuser root\n")
        for path in (self.socket, self.plain):
            path.unlink(missing_ok=True)
        self.broker = self.start("mosquitto", "-c", config)
        self.broker.wait_for("mosquitto version .* running")

    def stop_broker(self):
        self.broker.stop()

    def server(self, **how):
        server = Server(self, "--log-level", "debug", **how)
        self.password = (self.state / "broker/internal.key").read_text()
        return server

    def clocked(self):
        """The file that says how far the clock is ahead, a server by that clock, and a device of its."""
        clock = self.folder / "clock"
        clock.write_text("0")
        server = self.server(env={"IMPRINT_TEST_CLOCK": str(clock)})
        self.start_broker(self.password)
        self.connected(server)
        return clock, server, server.device()

    def connected(self, server, start=0):
        server.process.wait_for(rf"info broker_connected socket={self.socket}", start=start)

    def publish(self, device, message, *argv, leaf="c/up"):
        done = self.run_program("mosquitto_pub", "--unix", self.plain, "-u", "test", "-P", "test", "-q", "1",
            "-t", f"/a/d/{device}/{leaf}", "-m", message, *argv)
        self.assertEqual(done.returncode, 0, done)

    def seen(self, server, device):
        status, shown = server.call("GET", f"/iot/v2/devices/{device}")
        self.assertEqual(status, 200, shown)
        return shown["device_status"], shown.get("last_activity_at")

    def wait_seen(self, server, device, want, after=""):
        until = time.monotonic() + 2 * harness.PATIENCE
        while (got := self.seen(server, device))[0] != want or (got[1] or "") <= after:
            self.assertLess(time.monotonic(), until, got)
            time.sleep(0.1)
        return got[1]


class Messages(InboxTest):
    def test_online(self):
        server = self.server()
        self.start_broker(self.password)
        self.connected(server)
        kitchen, hall = server.device("kitchen"), server.device("hall")
        self.assertEqual(self.seen(server, kitchen), ("UNKNOWN", None))
        began = datetime.now(timezone.utc).replace(microsecond=0)
        self.publish(kitchen, "hello")
        at = self.wait_seen(server, kitchen, "ONLINE")
        self.assertLessEqual(began, datetime.fromisoformat(at.replace("Z", "+00:00")))
        self.assertEqual(self.seen(server, hall)[0], "UNKNOWN")
        # What is said within ten seconds waits, and is not lost when the server ends.
        time.sleep(1.1)
        self.publish(kitchen, "again")
        self.publish(hall, "x" * 1000)
        self.wait_seen(server, hall, "ONLINE")
        self.assertEqual(self.seen(server, kitchen), ("ONLINE", at))
        self.assertEqual(server.process.stop(), 0)
        after = self.server()
        self.assertGreater(self.seen(after, kitchen)[1], at)

    def test_not_theirs(self):
        """Neither strangers, nor other topics, nor what the broker kept, nor a device that is switched off."""
        server = self.server()
        self.start_broker(self.password)
        self.connected(server)
        device, other, off = server.device("device"), server.device("other"), server.device("off")
        status, answer = server.call("DELETE", f"/iot/v2/devices/{off}")
        self.assertEqual(status, 200, answer)
        self.publish(device, "m", leaf="c/dw")
        self.publish(device, "m", leaf="c/up/x")
        self.publish(device.upper(), "m")
        self.publish("0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40", "m")
        self.publish(off, "m")
        self.publish(other, "m") # behind all the others
        self.wait_seen(server, other, "ONLINE")
        self.assertEqual(self.seen(server, device)[0], "UNKNOWN")

        self.publish(device, "kept", "-r")
        first = self.wait_seen(server, device, "ONLINE") # live it counts
        server.process.stop()
        server = self.server()
        self.connected(server)
        third = server.device("third")
        self.publish(third, "m")
        self.wait_seen(server, third, "ONLINE")
        self.assertEqual(self.seen(server, device)[1], first) # retained it says nothing

    @unittest.skipUnless(HOOKS, "needs a build whose clock can be set")
    def test_offline(self):
        clock, server, device = self.clocked()
        self.publish(device, "m")
        self.wait_seen(server, device, "ONLINE")
        clock.write_text("80")
        self.assertEqual(self.seen(server, device)[0], "ONLINE")
        clock.write_text("100")
        self.assertEqual(self.seen(server, device)[0], "OFFLINE")

    @unittest.skipUnless(HOOKS, "needs a build whose clock can be set")
    def test_clock_set_back(self):
        """A message of the future is no activity when the clock is right again, and the next one is."""
        clock, server, device = self.clocked()
        clock.write_text("200")
        self.publish(device, "m")
        self.wait_seen(server, device, "ONLINE")
        clock.write_text("0")
        self.assertEqual(self.seen(server, device), ("OFFLINE", None))
        server.process.stop()
        server = self.server(env={"IMPRINT_TEST_CLOCK": str(clock)})
        self.connected(server)
        self.publish(device, "m")
        self.wait_seen(server, device, "ONLINE")


class Trouble(InboxTest):
    def test_broker_comes_and_goes(self):
        server = self.server()
        server.process.wait_for(r"warning broker_away .*No such file or directory")
        device = server.device()
        before = ""
        for _ in range(2):
            said = len(server.process.lines)
            self.start_broker(self.password)
            self.connected(server, said)
            time.sleep(1.1) # a second of the clock that the API shows
            self.publish(device, "m")
            before = self.wait_seen(server, device, "ONLINE", before)
            said = len(server.process.lines)
            self.stop_broker()
            server.process.wait_for("warning broker_away", start=said)
        self.assertEqual(server.request("GET", "/readyz")[0], 200)
        self.assertEqual(server.process.stop(), 0)

    def test_wrong_password(self):
        server = self.server()
        self.start_broker("0" * 64)
        server.process.wait_for(r"warning broker_away .*reason=\".*(?i:not authori[sz]ed).*\"")
        self.assertEqual(server.request("GET", "/healthz")[0], 200)

    def test_not_granted(self):
        """A broker that lets the server in, but hear only some of the boards' topics, is away."""
        server = self.server()
        listener = self.start("python3", "-c", "import socket\n"
            f"s = socket.socket(socket.AF_UNIX); s.bind({str(self.socket)!r}); s.listen()\n"
            "while True:\n"
            " c = s.accept()[0]; c.recv(1000); c.sendall(bytes.fromhex('20020000'))\n"
            " said = c.recv(1000); c.sendall(bytes.fromhex('9004') + said[2:4] + bytes.fromhex('0080'))\n"
            " print('said', said[:1].hex(), 'then', c.recv(1000).hex(), flush=True)")
        listener.wait_for("said 82 then e000")
        server.process.wait_for(r"warning broker_away .*reason=\"the broker lets imprint subscribe")
        self.assertNotIn("broker_connected", "".join(server.process.lines))
        listener.wait_for("said", start=1) # it tries again
        self.assertEqual(server.request("GET", "/healthz")[0], 200)

    def test_not_a_broker(self):
        """Something else behind the socket, which says nothing, or rubbish."""
        server = self.server()
        server.process.wait_for("broker_away .*No such file")
        begun = len(server.process.lines)
        listener = self.start("python3", "-c", "import socket, sys, time\n"
            f"s = socket.socket(socket.AF_UNIX); s.bind({str(self.socket)!r}); s.listen()\n"
            "print('listens', flush=True)\n"
            "while True:\n c = s.accept()[0]; c.sendall(b'HTTP/1.1 400 No\\r\\n\\r\\n' * 50); time.sleep(0.1); c.close()")
        listener.wait_for("listens")
        server.process.wait_for("broker_away .*reason=\"(?!No such file|Connection refused)", start=begun)
        self.assertEqual(server.request("GET", "/healthz")[0], 200)
        self.assertEqual(server.process.stop(), 0)


if __name__ == "__main__":
    unittest.main()
