"""The dialogue about a board's thing, over imprintd and a mosquitto with the plugin: a device that says byte for byte
what ArduinoIoTCloud 2.9 says, and the virtual board.

The bytes here are written by hand from the library's messages, not by our own code.
"""

import json
import struct
import threading
import time
import unittest
import uuid

import door
from server import Events

DEVICE_BEGIN = bytes.fromhex("da00010700 81 65") + b"2.9.0"
NET_CONFIG = bytes.fromhex("da00011100 82 01 68") + b"HomeWiFi"
THING_BEGIN = bytes.fromhex("da00010300 81 60")
THING_UPDATE = bytes.fromhex("da00010400 81")
NO_THING = THING_UPDATE + b"\x60"
LAST_VALUES_BEGIN = bytes.fromhex("da00010500 80")
LAST_VALUES = bytes.fromhex("da00010600 81")
TIMEZONE_BEGIN = bytes.fromhex("da00010800 80")
THING_DETACH = bytes.fromhex("da00011000 81")
TZ_OFFSET = bytes.fromhex("a2 00 69") + b"tz_offset" + b"\x02"
TZ_UNTIL = bytes.fromhex("a2 00 6c") + b"tz_dst_until" + b"\x02"
# What CBOREncoder of the library makes of a bool and a float: an array of no known length, floats of four bytes.
LED = bytes.fromhex("a2 00 63") + b"led" + bytes.fromhex("04 f5")
LIGHT = bytes.fromhex("a2 00 6b") + b"temperature" + bytes.fromhex("02 fa 41a8cccd") # 21.1
UPTIME = bytes.fromhex("a2 00 66") + b"uptime" + bytes.fromhex("02 19")
TRIES = 11 # of the same question; then the library hangs up


class Sketch:
    """A device that is connected: subscribed to its own topic, and maybe to its thing's."""

    def __init__(self, board, device):
        self.board, self.device = board, device
        self.waiting, self.named = [], None # messages that came before a SUBACK; the last thing-update
        assert self.subscribe(f"/a/d/{device}/c/dw") == 0

    def subscribe(self, topic):
        """SUBACK's code; what comes before it waits."""
        self.board.send(0x82, b"\x00\x01" + self.board.text(topic) + b"\x00")
        while True:
            kind, body = self.board.receive()
            if kind == 0x90:
                return body[2]
            self.waiting.append((kind, body))

    def say(self, payload, topic=None):
        """With QoS 0."""
        self.board.send(0x30, self.board.text(topic or f"/a/d/{self.device}/c/up") + payload)

    def hear(self):
        """(topic, payload) of the next message. The same thing named once more is no news, as for the library: a board
        that asks while it is being attached is told twice."""
        while True:
            kind, body = self.waiting.pop(0) if self.waiting else self.board.receive()
            n = struct.unpack(">H", body[:2])[0]
            topic, payload = body[2:2 + n].decode(errors="replace"), body[2 + n:]
            if kind != 0x30 or (payload == self.named and payload != NO_THING):
                continue
            if payload.startswith(THING_UPDATE):
                self.named = payload
            return topic, payload

    def begin(self):
        """As the library begins; what it is answered."""
        self.named = None
        for message in (DEVICE_BEGIN, NET_CONFIG, THING_BEGIN):
            self.say(message)
        topic, payload = self.hear()
        assert topic == f"/a/d/{self.device}/c/dw", topic
        return payload

    def values(self):
        """Asks for the last values; the SenML pack."""
        self.say(LAST_VALUES_BEGIN)
        payload = self.hear()[1]
        assert payload.startswith(LAST_VALUES), payload.hex()
        head, rest = payload[6], payload[7:]
        assert head in (0x58, 0x59), hex(head)
        size = 1 if head == 0x58 else 2
        n = int.from_bytes(rest[:size], "big")
        assert n == len(rest) - size
        return rest[size:]


    def ping(self):
        self.board.send(0xc0, b"")
        while (message := self.board.receive())[0] != 0xd0:
            self.waiting.append(message)

    def lives(self, thing, seconds, heard=lambda pack: pack):
        """Attached to its thing, by the library's rules and a clock that is ours: how many of the seconds it stays, and how
        often it asked for its last values. A time zone that has run out is asked for again, after 30 s, out of the same
        eleven tries. It pings, and a value (the seconds and 1000) leaves each minute."""
        began, until, tries, asked = int(time.time()), 0, 0, -30
        for second in range(seconds + 1):
            if began + second > until and second - asked >= 30:
                if tries == TRIES:
                    return second, tries
                tries, asked = tries + 1, second
                until = zone_until(heard(self.values()))
            if second % 30 == 0:
                self.ping()
            if second % 60 == 0:
                self.say(b"\x9f" + UPTIME + struct.pack(">H", 1000 + second) + b"\xff", f"/a/t/{thing}/e/o")
        return seconds, tries


def zone_until(pack):
    """0 when it is not there, as in the library."""
    at = pack.find(TZ_UNTIL + b"\x1a")
    return struct.unpack(">I", pack[at + len(TZ_UNTIL) + 1:][:4])[0] if at >= 0 else 0


def update(thing):
    return THING_UPDATE + b"\x78\x24" + thing.encode()


class Things(door.DoorTest):
    def setUp(self):
        super().setUp()
        self.server, self.mosquitto = self.open()
        self.server.process.wait_for("broker_connected") # a board would ask again; here nobody is asked twice

    def call(self, method, path, value=None, want=200):
        status, answer = self.server.call(method, path, value)
        self.assertEqual(status, want, answer)
        return answer

    def thing(self, **more):
        return self.call("PUT", "/iot/v2/things", {"name": "hall", "timezone": "Europe/Rome", **more}, 201)["id"]

    def sketch(self, identity):
        return Sketch(self.admitted(identity), identity.device)

    def synchronised(self, sketch, thing):
        """Attached and synchronised, as the library understands it: the records that it must find."""
        self.assertEqual(sketch.begin(), update(thing))
        self.assertEqual(sketch.subscribe(f"/a/t/{thing}/e/i"), 0, "the broker knows before the board does")
        pack = sketch.values()
        self.assertIn(TZ_OFFSET, pack)
        self.assertGreater(zone_until(pack), time.time() + 60)
        return pack

    def test_stock_sketch(self):
        """Section by section what a sketch needs: attached, synchronised, its values kept and given back."""
        thing = self.thing()
        identity = self.identity(self.server, name="board")
        self.call("POST", f"/iot/v2/things/{thing}", {"device_id": identity.device})
        sketch = self.sketch(identity)
        self.assertEqual(self.synchronised(sketch, thing)[0], 0x82, "two records, and no value yet")
        sketch.say(TIMEZONE_BEGIN)
        self.assertEqual(sketch.hear()[1][:6], bytes.fromhex("da00010900 82"))

        events = Events(self.server, f"?device={identity.device}")
        # As the library's first pass: its own time zone is among its properties.
        sketch.say(b"\x9f" + LED + LIGHT + TZ_OFFSET + b"\x00" + TZ_UNTIL + b"\x00" + b"\xff", f"/a/t/{thing}/e/o")
        told = {}
        while len(told) < 2:
            kind, event = events.next()
            if kind == "value":
                told[event["name"]] = event["value"]
        self.assertEqual(told, {"led": True, "temperature": 21.1})
        sketch.say(NET_CONFIG)
        while (event := events.next())[0] != "message":
            pass
        self.assertEqual((event[1]["command"], event[1]["device"]), ("net-config", identity.device))
        self.assertNotIn("HomeWiFi", json.dumps(event))
        events.close()

        def kept():
            shown = self.call("GET", f"/iot/v2/devices/{identity.device}/properties")["properties"]
            return {p["name"]: p["last_value"] for p in shown} == {"led": True, "temperature": 21.1}
        self.until(kept, "not kept")
        device = self.call("GET", f"/iot/v2/devices/{identity.device}")
        self.assertEqual((device["thing"]["id"], device["lib_version"], device["device_status"]), (thing, "2.9.0", "ONLINE"))
        sketch.board.close()
        pack = self.synchronised(self.sketch(identity), thing)
        self.assertEqual(pack[0], 0x84)
        self.assertIn(LED, pack)
        self.assertIn(b"temperature\x02\xfb" + struct.pack(">d", 21.1), pack) # the shortest decimal, as a double
        # Its Wi-Fi's name is nowhere: not in the registry, not in a log.
        self.assertNotIn("HomeWiFi", self.server.process.output)
        self.assertEqual(self.server.process.stop(), 0)
        for path in self.state.glob("imprint.db*"):
            self.assertNotIn(b"HomeWiFi", path.read_bytes(), path)

    def test_ten_minutes(self):
        """Of the library's time, over the real broker: the board is still there. Without its time zone it would not be."""
        lives, goes, nameless = (self.identity(self.server) for _ in range(3))
        sketches = {}
        for identity in (lives, goes):
            thing = self.thing(device_id=identity.device)
            sketch = self.sketch(identity)
            self.assertEqual(sketch.begin(), update(thing))
            self.assertEqual(sketch.subscribe(f"/a/t/{thing}/e/i"), 0)
            sketches[identity] = sketch, thing
        sketch, thing = sketches[goes]
        self.assertEqual(sketch.lives(thing, 600, lambda pack: pack.replace(TZ_UNTIL, b"")), (330, TRIES))
        sketch, thing = sketches[lives]
        self.assertEqual(sketch.lives(thing, 600), (600, 1))
        self.assertIn(UPTIME + struct.pack(">H", 1600), sketch.values(), "its last value came as well")
        self.assertNotIn("malformed", self.server.process.output)
        self.assertEqual(self.call("GET", f"/iot/v2/devices/{lives.device}")["device_status"], "ONLINE")
        self.visits_become(lives.device, (True, ""))
        # One that has no thing yet asks after 80, 160 and 320 s.
        sketch = self.sketch(nameless)
        for second in range(0, 601, 20):
            if second in (0, 80, 240, 560):
                self.assertEqual(sketch.begin(), NO_THING, second)
            sketch.ping()
        thing = self.thing(device_id=nameless.device)
        self.assertEqual(sketch.hear()[1], update(thing))

    def test_changed_while_connected(self):
        """Each time a thing is named, the broker admits to its topic at once; what is left is out of reach."""
        identity = self.identity(self.server)
        things = [self.thing(), self.thing()]
        sketch = self.sketch(identity)
        self.assertEqual(sketch.begin(), NO_THING)
        for round_ in range(10):
            thing = things[round_ % 2]
            self.call("POST", f"/iot/v2/things/{thing}", {"device_id": identity.device})
            self.assertEqual(sketch.hear()[1], update(thing))
            self.assertEqual(sketch.subscribe(f"/a/t/{thing}/e/i"), 0)
            if round_:
                self.assertEqual(sketch.subscribe(f"/a/t/{things[(round_ + 1) % 2]}/e/i"), 0x80)
        self.call("DELETE", f"/iot/v2/things/{thing}")
        self.assertEqual(sketch.hear()[1], THING_DETACH + b"\x78\x24" + thing.encode())
        self.assertEqual(sketch.begin(), NO_THING)
        self.call("POST", f"/iot/v2/things/{things[0]}", {"device_id": identity.device})
        self.assertEqual(sketch.hear()[1], update(things[0]))
        self.call("POST", f"/iot/v2/things/{things[0]}", {"timezone": "Asia/Kolkata"})
        self.assertEqual(sketch.subscribe(f"/a/t/{things[0]}/e/i"), 0)
        sketch.values()
        self.call("POST", f"/iot/v2/things/{things[0]}", {"timezone": "Asia/Tokyo"})
        topic, pack = sketch.hear()
        self.assertEqual(topic, f"/a/t/{things[0]}/e/i")
        self.assertEqual(pack[:1] + pack[1:].split(TZ_OFFSET)[1][:3], b"\x82\x19" + struct.pack(">H", 9 * 3600))

    def test_rubbish(self):
        """Whatever a board sends, the server answers the next one."""
        identity, other = self.identity(self.server), self.identity(self.server)
        thing = self.thing(device_id=identity.device)
        sketch = self.sketch(identity)
        self.assertEqual(sketch.begin(), update(thing)) # or the broker may not know yet whose the topic is
        for payload in (b"", b"\xff" * 200, b"\xda\x00\x01\x03\x00", bytes(255), b"\x9f" * 100, b"x" * 60000):
            sketch.say(payload)
            sketch.say(payload, f"/a/t/{thing}/e/o")
        sketch.say(LED[:-1], f"/a/t/{thing}/e/o")
        self.server.process.wait_for(f"message_malformed thing={thing} bytes=6")
        self.assertEqual(self.sketch(other).begin(), NO_THING)
        self.synchronised(sketch, thing)

    def test_the_server_was_away(self):
        """A board that asks while the server is away is answered when it asks again; what was said is not lost."""
        identity = self.identity(self.server)
        thing = self.thing(device_id=identity.device)
        sketch = self.sketch(identity)
        self.synchronised(sketch, thing)
        sketch.say(b"\x9f" + LED + b"\xff", f"/a/t/{thing}/e/o")
        sketch.say(b"\x9f" + LED[:-1] + b"\xf4\xff", f"/a/t/{thing}/e/o") # within ten seconds: it waits
        self.assertIn(LED[:-1] + b"\xf4", sketch.values(), "the server has heard it")
        self.assertEqual(self.server.process.stop(), 0)
        self.assertEqual(self.rows("SELECT name, json FROM value WHERE thing = ?", uuid.UUID(thing).bytes), [("led", "false")])
        sketch.say(LAST_VALUES_BEGIN)
        self.server = self.serve()
        self.server.process.wait_for("broker_connected")
        self.server.process.wait_for("broker_joined")
        self.assertIn(LED[:-1] + b"\xf4", sketch.values())

    def test_many_at_once(self):
        """Twenty who are attached while they connect are all told, each its own."""
        pairs = []
        for i in range(20):
            identity = self.identity(self.server, name=f"board-{i}")
            pairs.append((identity, self.thing(device_id=identity.device)))
        failed = []

        def one(identity, thing):
            try:
                self.synchronised(self.sketch(identity), thing)
            except Exception as error: # pylint: disable=broad-except
                failed.append(error)
        threads = [threading.Thread(target=one, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_virtual_board(self):
        """The board that `imprint board` is: online, attached and synchronised when it gets a thing, and detached again."""
        run = self.start("imprint", "board", "kitchen", "--timing", "instant", "--broker", f"localhost:{self.ports['mosquitto']}",
            "--anchor", self.state / "tls/service-root.pem")
        run.wait_for(r"^/.*/tty/kitchen$")
        done = self.run_program("imprint", "provision", "--port", "kitchen", "--name", "kitchen", "--yes",
            "--credentials", self.server.ready["credentials"])
        self.assertEqual(done.returncode, 0, done)
        device = run.wait_for(r"^kitchen: online: (\S+)$").group(1)
        thing = self.thing(device_id=device)
        run.wait_for(f"^kitchen: attached: {thing}$")
        run.wait_for(f"^kitchen: synchronised: {thing}, values: 0$")

        def uptime():
            shown = self.call("GET", f"/iot/v2/things/{thing}")["properties"]
            return [p["name"] for p in shown] == ["uptime"] and isinstance(shown[0]["last_value"], int)
        self.until(uptime, "no value")
        start = len(run.lines)
        self.call("POST", f"/iot/v2/things/{thing}", {"device_id": ""})
        run.wait_for(f"^kitchen: detached: {thing}$", start)
        self.call("POST", f"/iot/v2/things/{thing}", {"device_id": device})
        run.wait_for(f"^kitchen: synchronised: {thing}, values: 1$", start)
        self.assertNotIn("message:", run.output)


if __name__ == "__main__":
    unittest.main()
