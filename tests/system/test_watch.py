"""What happens is told as it happens: GET /v1/events of imprintd, over everything that may end a stream."""

import signal
import unittest

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


if __name__ == "__main__":
    unittest.main()
