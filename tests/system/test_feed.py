"""Server and broker, both real: who is in the registry comes in, who is taken out of it goes, and both ends survive
the other's absence."""

import os
import signal
import unittest

import door
import harness

FOLDER = "/iot/v2/devices"


class Feed(door.DoorTest):
    def join_again(self, server, start, name="mosquitto"):
        server.process.wait_for(f"broker_joined name={name}", start)

    def gone(self, board):
        board.wait_closed()
        board.close()

    def test_admission(self):
        """Unknown before it is issued, in at once behind the answer, and its first connection makes it active."""
        server, broker = self.open()
        identity = self.identity(server)
        board = self.admitted(identity)
        self.visits_become(identity.device, (True, ""))
        self.assertEqual(self.visits(identity.device)[0][:3], ("mosquitto", "127.0.0.1", 1))
        self.until(lambda: self.states(identity.device) == [1], lambda: self.states(identity.device))
        self.assertEqual(self.rows("SELECT count(*) FROM event WHERE kind = 'certificate.activated'")[0][0], 1)
        board.close()
        self.visits_become(identity.device, (False, ""))

    def test_expelled(self):
        """Softly deleted, restored, its certificate disabled, enabled, revoked: the connection follows each."""
        server, broker = self.open()
        identity = self.identity(server)
        one = f"{FOLDER}/{identity.device}"
        board = self.admitted(identity)
        self.until(lambda: self.states(identity.device) == [1], "not active")
        for method, path, body, reason, back in (
            ("DELETE", one, None, "unknown", ("POST", one, {"soft_deleted": False})),
            ("POST", f"{one}/certs/{identity.serial}", {"enabled": False}, "revoked",
                ("POST", f"{one}/certs/{identity.serial}", {"enabled": True})),
            ("DELETE", f"{one}/certs/{identity.serial}", None, "revoked", None)):
            with self.subTest(f"{method} {path}"):
                self.assertEqual(server.call(method, path, body)[0], 200)
                self.gone(board)
                broker.wait_for(f"imprint: expelled {identity.device} from 127.0.0.1: {reason}")
                self.assertEqual(self.connect(identity).code, 5)
                if back:
                    self.assertEqual(server.call(*back)[0], 200)
                    board = self.admitted(identity)
        self.until(lambda: "revoked" in [v[4] for v in self.visits(identity.device) if not v[2]],
            lambda: self.visits(identity.device))

    def fresh(self, server):
        """Until the brokers have all that the server knows."""
        self.until(lambda: {b["state"] for b in server.call("GET", "/v1/brokers")[1]["brokers"]} == {"fresh"}, "not fresh")

    def test_follower(self):
        """A second certificate is live beside the first until it connects; then the first is superseded, and out."""
        server, broker = self.open()
        first = self.identity(server)
        old = self.admitted(first)
        self.until(lambda: self.states(first.device) == [1], "not active")
        second = self.identity(server, first.device)
        self.assertEqual(self.states(first.device), [1, 0])
        new = self.admitted(second)
        self.gone(old)
        self.until(lambda: self.states(first.device) == [2, 1], lambda: self.states(first.device))
        self.fresh(server) # one that is let in would take the new one's place
        self.assertEqual(self.connect(first).code, 5)
        self.until(lambda: [bool(v[3]) for v in self.visits(first.device)].count(True) == 1, lambda: self.visits(first.device))
        new.close()

    def test_takeover(self):
        server, _ = self.open()
        identity = self.identity(server)
        first = self.admitted(identity)
        second = self.admitted(identity)
        self.gone(first)
        self.until(lambda: sorted((bool(v[3]), v[4]) for v in self.visits(identity.device)) ==
            [(False, "taken-over"), (True, "")], lambda: self.visits(identity.device))
        second.close()

    def test_server_restarts(self):
        """It gets a snapshot, since the epoch is another; what happened meanwhile is known afterwards."""
        server, broker = self.open()
        stays, leaves = self.identity(server), self.identity(server)
        board, other = self.admitted(stays), self.admitted(leaves)
        self.visits_become(stays.device, (True, ""))
        self.visits_become(leaves.device, (True, ""))
        self.assertEqual(server.process.stop(), 0)
        broker.wait_for("imprint: the server's feed is lost")
        other.close()
        broker.wait_for(f"Client {leaves.device}")
        server = self.serve()
        server.process.wait_for("broker_joined name=mosquitto told=everything")
        self.visits_become(leaves.device, (False, "unseen"))
        self.visits_become(stays.device, (True, ""))
        self.assertEqual(server.call("DELETE", f"{FOLDER}/{stays.device}")[0], 200)
        self.gone(board)

    def test_broker_restarts(self):
        """It goes on from the list that it saved; its boards of before are gone, unseen."""
        server, broker = self.open()
        identity, other = self.identity(server), self.identity(server)
        self.admitted(identity)
        self.visits_become(identity.device, (True, ""))
        start = len(server.process.lines)
        broker.stop()
        self.assertEqual(server.call("DELETE", f"{FOLDER}/{other.device}")[0], 200)
        broker = self.broker()
        self.join_again(server, start)
        server.process.wait_for("told=\"what has changed\"", start)
        self.visits_become(identity.device, (False, "unseen"))
        self.assertEqual(self.admitted(identity).code, 0)
        self.fresh(server)
        self.assertEqual(self.connect(other).code, 5)
        broker.wait_for(f"refused {other.device} .*: unknown")

    def test_silent_broker(self):
        """One that says nothing for 15 s: what was there is not known, and is again when it speaks."""
        server, broker = self.open()
        identity, other = self.identity(server), self.identity(server)
        board = self.admitted(identity)
        self.visits_become(identity.device, (True, ""))
        self.admitted(other).close()
        self.visits_become(other.device, (False, ""))
        self.assertEqual(self.status(server, identity, other), ["ONLINE", "OFFLINE"])
        start = len(server.process.lines)
        broker.send(signal.SIGSTOP)
        self.addCleanup(broker.send, signal.SIGCONT)
        server.process.wait_for('broker_left name=mosquitto reason="the broker is silent"', start, timeout=60)
        self.until(lambda: self.status(server, identity, other) == ["UNKNOWN", "UNKNOWN"],
            lambda: self.status(server, identity, other))
        self.visits_become(identity.device, (True, ""))
        broker.send(signal.SIGCONT)
        self.join_again(server, start)
        self.until(lambda: self.status(server, identity, other) == ["ONLINE", "OFFLINE"],
            lambda: self.status(server, identity, other))
        self.visits_become(identity.device, (True, ""))
        board.close()

    def test_silent_among_others(self):
        """A broker speaks, another does not: what was at that one is not known, across a start of the server too,
        until it comes back, as another start of it, without its boards."""
        server, _ = self.open()
        south = self.broker("south")
        server.process.wait_for("broker_joined name=south")
        here, there = self.identity(server), self.identity(server)
        stays, _ = self.admitted(here), self.admitted(there, broker="south")
        self.visits_become(here.device, (True, ""))
        self.visits_become(there.device, (True, ""))
        def status_is(*wanted):
            self.until(lambda: self.status(server, here, there) == list(wanted), lambda: self.status(server, here, there))
        status_is("ONLINE", "ONLINE")
        start = len(server.process.lines)
        south.stop()
        server.process.wait_for("broker_left name=south", start)
        status_is("ONLINE", "UNKNOWN")
        self.assertEqual(server.process.stop(), 0)
        server = self.serve()
        server.process.wait_for("broker_joined name=mosquitto told=everything")
        status_is("ONLINE", "UNKNOWN")
        self.visits_become(there.device, (True, ""))
        start = len(server.process.lines)
        self.broker("south")
        self.join_again(server, start, "south")
        status_is("ONLINE", "OFFLINE")
        self.visits_become(there.device, (False, "unseen"))
        stays.close()

    @staticmethod
    def status(server, *identities):
        return [server.call("GET", f"{FOLDER}/{i.device}")[1]["device_status"] for i in identities]

    def test_several_brokers(self):
        server, north = self.open()
        south = self.broker("south")
        server.process.wait_for("broker_joined name=south")
        for name in "broker.sock", "broker-south.sock":
            self.assertTrue((self.run_folder / "imprint" / name).is_socket(), name)
        for name in "mosquitto.conf", "mosquitto-south.conf":
            self.assertTrue((self.state / "broker" / name).is_file(), name)
        identity = self.identity(server)
        here, there = self.admitted(identity), self.admitted(identity, broker="south")
        self.until(lambda: sorted((v[0], bool(v[3])) for v in self.visits(identity.device)) ==
            [("mosquitto", True), ("south", True)], lambda: self.visits(identity.device))
        self.assertEqual(server.call("DELETE", f"{FOLDER}/{identity.device}")[0], 200)
        self.gone(here)
        self.gone(there)
        for broker in north, south:
            broker.wait_for(f"imprint: expelled {identity.device} .*: unknown")

    def test_one_name_for_two(self):
        """The second is told to take another; the first goes on."""
        server, _ = self.open()
        self.ports["second"] = harness.free_port()
        second = self.broker("second", config=["plugin_opt_name mosquitto"])
        server.process.wait_for("feed_refused .*another broker of this name")
        second.wait_for("imprint: the server's feed is lost")
        self.assertEqual(self.admitted(self.identity(server)).code, 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root is another user at will")
    def test_foreign_user(self):
        """nobody is refused by the server, whatever the modes; with --broker-user it is let in."""
        path = self.folder / "open/feed.sock"
        server = self.serve("--feed", path)
        for folder in (self.folder, path.parent):
            folder.chmod(0o755)
        path.chmod(0o666)
        said = self.ask_as("nobody", path)
        self.assertEqual((said.returncode, said.stdout), (0, ""), said)
        server.process.wait_for("feed_refused .*may not be a broker")
        server.process.stop()
        server = self.serve("--feed", path, "--broker-user", "nobody")
        self.assertRegex(self.ask_as("nobody", path).stdout, r"^v 1 \d+ \d+\n$")
        server.process.stop()
        failed = self.serve("--feed", path, "--broker-user", "no-such-user", wait=False)
        failed.process.wait_for("no such user")
        self.assertNotEqual(failed.process.wait(), 0)

    def ask_as(self, user, path):
        script = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(30);"
            " sys.stdout.write(s.recv(100).decode())")
        return self.run_program("setpriv", "--reuid", user, "--clear-groups", "/usr/bin/python3", "-c", script, path)

    def test_another_server(self):
        """One socket, one server."""
        self.serve()
        other = self.serve("--state", self.folder / "other", wait=False)
        other.process.wait_for("another process serves it")
        self.assertNotEqual(other.process.wait(), 0)


if __name__ == "__main__":
    unittest.main()
