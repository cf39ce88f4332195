"""What happens is told as it happens: GET /v1/events of imprintd, and `imprint device watch`, over all that may end a stream."""

import json
import signal
import subprocess
import threading
import unittest

import cloud_server
import door
import harness
from server import Events, Server


class EventsTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self)
        self.server.fetch_token()

    def heard(self, events, kind):
        """The next event, which must be an audit event of this kind."""
        got = events.next()
        self.assertIsNotNone(got, "the stream has ended")
        self.assertEqual((got[0], got[1]["kind"]), ("audit", kind))
        return got[1]

    def test_as_it_happens(self):
        events = Events(self.server)
        device = self.server.device("kitchen")
        self.assertEqual(self.heard(events, "device.created")["device"], device)
        self.server.call("DELETE", f"/iot/v2/devices/{device}")
        told = self.heard(events, "device.deleted")
        self.assertEqual((told["name"], told["peer"]), ("kitchen", "127.0.0.1"))
        events.close()

    def test_after_a_restart(self):
        """Killed in the middle, and nothing is missed or told twice."""
        events = Events(self.server)
        self.server.device("one")
        first = self.heard(events, "device.created")
        last = events.id
        self.server.process.kill()
        events.close()
        self.server = Server(self)
        self.server.fetch_token()
        self.server.device("two")
        events = Events(self.server, headers={"Last-Event-ID": last})
        kinds = [self.heard(events, kind)["seq"] for kind in ("token.issued", "device.created")]
        self.assertEqual(kinds, [first["seq"] + 1, first["seq"] + 2])
        events.close()

    def test_the_end_of_the_server(self):
        """A stream does not keep it from stopping."""
        events = Events(self.server)
        self.server.process.send(signal.SIGTERM)
        self.assertIsNone(events.next())
        self.assertEqual(self.server.process.wait(), 0)
        self.assertNotIn(" error ", self.server.process.output)


class WatchTest(harness.SystemTest):
    """The command, with the real server."""

    def setUp(self):
        super().setUp()
        self.server = Server(self)
        self.kitchen = self.server.device("kitchen")

    def watch(self, *argv):
        run = self.start("imprint", "device", "watch", *argv)
        run.wait_for("^watching ")
        return run

    def rename(self, device, name):
        status, answer = self.server.call("POST", f"/iot/v2/devices/{device}", {"name": name})
        self.assertEqual(status, 200, answer)

    def test_one(self):
        attic = self.server.device("attic")
        run = self.watch("kitchen")
        self.rename(attic, "roof")
        self.rename(self.kitchen, "hall")
        run.wait_for(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  hall +device\.changed name$")
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(), 130, run.output)
        self.assertNotIn("roof", run.output)

    def test_all_and_those_that_are_new(self):
        run = self.watch()
        self.server.device("attic")
        run.wait_for(r"Z  attic +device\.created")
        self.server.token = None
        self.server.call("DELETE", f"/iot/v2/devices/{self.kitchen}")
        run.wait_for(r"Z  kitchen +device\.deleted")
        self.assertNotIn("token.issued", run.output)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(), 0, run.output)

    def test_json(self):
        run = self.watch("--json", "kitchen", self.kitchen, "--replay")
        line = run.wait_for(r"^\{.*device\.created.*$").group()
        self.assertEqual(json.loads(line), {**json.loads(line), "schema": 1, "event": "audit", "device": self.kitchen,
            "name": "kitchen", "kind": "device.created"})

    def test_ends_by_itself(self):
        done = self.run_program("imprint", "device", "watch", "--timeout", "4")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done)

    def test_refused(self):
        for argv, status, says in ((["cellar"], 3, "no device is named cellar"),
                ([self.kitchen.replace(self.kitchen[:8], "00000000")], 3, "there is no device"),
                (["--server", "https://localhost:1", "--timeout", "5"], 8, "localhost:1")):
            with self.subTest(argv):
                done = self.run_program("imprint", "device", "watch", *argv)
                self.assertEqual(done.returncode, status, done)
                self.assertIn(says, done.stderr)

    def test_output_that_cannot_be_written(self):
        """It is that what ends the watch, and that is what is said, once."""
        for options in ((), ("--json",)):
            with self.subTest(options), open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([harness.program("imprint"), "device", "watch", "--replay", *options], env=self.env,
                    stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 8, done)
                self.assertRegex(done.stderr, r"^watching all devices\nimprint device watch: standard output.* cannot be written\n$")

    def test_a_server_that_is_started_again(self):
        """What it has recorded while nobody listened is told."""
        run = self.watch("kitchen")
        port = self.server.port
        self.server.process.stop()
        run.wait_for("^nothing is heard: ")
        self.server = Server(self, port=str(port))
        self.rename(self.kitchen, "pantry")
        run.wait_for(r"pantry +device\.changed")
        self.assertEqual(run.output.count("device.changed"), 1)


class DoorTest(door.DoorTest):
    """Boards that come and go, with a real broker."""

    def test_connected_revoked_refused(self):
        server, broker = self.open()
        identity = self.identity(server, name="kitchen")
        events = Events(server, f"?device={identity.device}")
        run = self.start("imprint", "device", "watch", "kitchen")
        run.wait_for("^watching ")
        board = self.admitted(identity)
        run.wait_for(r"Z  kitchen +connected from 127\.0\.0\.1$")
        run.wait_for(rf"Z  kitchen +certificate\.activated {identity.serial}")
        server.call("DELETE", f"/iot/v2/devices/{identity.device}/certs/{identity.serial}")
        run.wait_for(rf"Z  kitchen +certificate\.revoked {identity.serial}")
        run.wait_for(r"Z  kitchen +left: revoked$")
        board.wait_closed()
        self.assertEqual(self.connect(identity).code, 5)
        run.wait_for(r"Z  kitchen +refused: revoked, from 127\.0\.0\.1$")
        told = [events.next() for _ in range(5)]
        self.assertEqual(sorted(kind for kind, _ in told), ["audit", "audit", "visit", "visit", "visit"])
        self.assertEqual([(v["connected"], v["admitted"], v.get("reason")) for kind, v in told if kind == "visit"],
            [(True, True, None), (False, True, "revoked"), (False, False, "revoked")])
        events.close()


class BadStreams(harness.SystemTest):
    """The command, with a server that does what it should not."""

    def setUp(self):
        super().setUp()
        self.cloud = cloud_server.Cloud(self.folder)
        self.addCleanup(self.cloud.close)
        self.cloud.write_credentials(self.folder / "config/imprint/credentials.json")
        self.asked, self.over = [], threading.Event()
        self.addCleanup(self.over.set)

    def serve(self, *streams):
        """One for each request; the last one stays open. None: refused with 503."""
        def answer(request):
            self.asked.append(request.headers.get("Last-Event-ID"))
            last = len(self.asked) >= len(streams)
            stream = streams[min(len(self.asked), len(streams)) - 1]
            if stream is None:
                return request.answer(503, {"detail": "full"})
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.send_header("Connection", "close")
            request.end_headers()
            request.wfile.write(stream)
            request.wfile.flush()
            request.close_connection = True
            if last:
                self.over.wait(60)
        self.cloud.bend["GET", "/v1/events"] = answer

    def event(self, number, data=None, word="audit"):
        data = data or {"seq": number, "kind": f"number.{number}", "device": cloud_server.ORGANIZATION, "name": "a"}
        return f"id: {number}.0\nevent: {word}\ndata: {json.dumps(data)}\n\n".encode()

    def ends(self, stream, says, status=5):
        self.serve(stream)
        done = self.run_program("imprint", "device", "watch")
        self.assertEqual(done.returncode, status, done)
        self.assertIn(says, done.stderr)
        return done

    def test_cut_anywhere(self):
        """In the middle of the second event; it comes whole with the next stream, and the first is not told again."""
        one, two = self.event(1), self.event(2)
        self.serve(b"retry: 10\n" + one + two[:-1], None, one[:20], two + self.event(3))
        run = self.start("imprint", "device", "watch")
        run.wait_for(r"number\.3")
        self.assertEqual([line.split()[-1] for line in run.lines if "number" in line], ["number.1", "number.2", "number.3"])
        self.assertEqual(self.asked, [None, "1.0", "1.0", "1.0"])

    def test_a_token_that_ends(self):
        """The stream goes on without it; who comes back gets another one."""
        self.serve(b"retry: 10\n" + self.event(1), self.event(2))
        kept = self.cloud.bend["GET", "/v1/events"]

        def careful(request):
            if request.headers["Authorization"].removeprefix("Bearer ") not in self.cloud.tokens:
                return request.error(401, "no such token")
            self.cloud.tokens.clear()
            return kept(request)
        self.cloud.bend["GET", "/v1/events"] = careful
        run = self.start("imprint", "device", "watch")
        run.wait_for(r"number\.2")
        self.assertEqual(len(self.cloud.calls("POST", "/token")), 2)

    def test_what_must_not_be_shown(self):
        self.serve(self.event(1, {"kind": "\x1b[2J", "device": cloud_server.ORGANIZATION}))
        run = self.start("imprint", "device", "watch")
        self.assertNotIn("\x1b", run.wait_for(r"\\u001B\[2J").string)
        self.ends(self.event(1, {"device": "kitchen"}), "device: not a UUID")
        self.ends(b"event: audit\ndata: [1\n\n", "not JSON")

    def test_what_a_terminal_obeys(self):
        """DEL and U+0080 to U+009F in what a board says stand as \\uXXXX in JSON; letters stay letters."""
        said = "\x1b[2J \x7f \x80 \x9b2J \x9f \xa0 grün"
        self.serve(self.event(1, {"device": cloud_server.ORGANIZATION, "name": "led", "value": said}, "value"))
        run = self.start("imprint", "device", "watch", "--json")
        line = run.wait_for(r"^\{.*$").group()
        self.assertEqual(json.loads(line)["value"], said)
        self.assertRegex(line, "^[\x20-\x7e\xa0-\xff]+$")
        self.assertIn("grün", line)

    def test_too_long(self):
        self.ends(b"data: " + b"x" * 100000, "too long")
        self.ends(b"data: 12345678\n" * 10000, "too long")

    def test_words_of_another_server(self):
        """Events and members that we do not know are passed over, and shown by name."""
        self.serve(self.event(1, {"device": cloud_server.ORGANIZATION, "mood": ["good"]}, "weather")
            + b": nothing\n\n" + self.event(2, {"device": cloud_server.ORGANIZATION, "name": "led", "value": [1, "on"]}, "value"))
        run = self.start("imprint", "device", "watch")
        run.wait_for(rf"Z  {cloud_server.ORGANIZATION}  weather$")
        run.wait_for(rf"Z  {cloud_server.ORGANIZATION}  led = \[1,\"on\"\]$")

    def test_messages(self):
        said = {"device": cloud_server.ORGANIZATION, "at": "2026-11-23T02:00:00Z", "bytes": 36}
        self.serve(self.event(1, said, "message") + self.event(2, {**said, "command": "DeviceBegin", "value": "1.2"}, "message"))
        run = self.start("imprint", "device", "watch")
        run.wait_for(r"Z  0f2b\S+  says 36 bytes$")
        run.wait_for(r'Z  0f2b\S+  says DeviceBegin "1\.2"$')

    def test_visits(self):
        visit = {"device": cloud_server.ORGANIZATION, "name": "demo", "admitted": True, "connected": True,
            "address": "192.0.2.9", "began": "2026-11-23T02:00:00Z"}
        ended = {**visit, "connected": False, "ended": "2026-11-23T02:00:07Z", "reason": "revoked"}
        self.serve(self.event(1, visit, "visit") + self.event(2, ended, "visit")
            + self.event(3, {**ended, "admitted": False}, "visit"))
        run = self.start("imprint", "device", "watch")
        run.wait_for(r"refused")
        self.assertEqual([line for line in run.lines if "demo" in line],
            ["2026-11-23T02:00:00Z  demo              connected from 192.0.2.9",
             "2026-11-23T02:00:07Z  demo              left: revoked",
             "2026-11-23T02:00:07Z  demo              refused: revoked, from 192.0.2.9"])


if __name__ == "__main__":
    unittest.main()
