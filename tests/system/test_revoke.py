"""Revoked, disabled, enabled: what the API answers when a real broker has it or has not, what becomes of the board's
connection, and what is known of it afterwards."""

import json
import re
import signal
import unittest

import door

DEVICES, OWN = "/iot/v2/devices", "/v1/devices"


class RevokeTest(door.DoorTest):
    def setUp(self):
        super().setUp()
        self.server, self.mosquitto = self.open()

    def ask(self, method, path, value=None, headers=None):
        """(status, headers, JSON)"""
        if not self.server.token:
            self.server.fetch_token()
        headers = {"Authorization": f"Bearer {self.server.token}", "Content-Type": "application/json", **(headers or {})}
        status, got, raw = self.server.request(method, path, None if value is None else json.dumps(value), headers)
        return status, got, json.loads(raw) if raw else None

    def own(self, identity, rest="", method="GET", value=None, **headers):
        status, _, answer = self.ask(method, f"{OWN}/{identity.device}{rest}", value, headers)
        self.assertEqual(status, 200, answer)
        return answer

    def device(self, *argv, want=0):
        done = self.run_program("imprint", "device", *argv)
        self.assertEqual(done.returncode, want, done)
        return done

    def status_becomes(self, identity, wanted):
        def status():
            return self.ask("GET", f"{DEVICES}/{identity.device}")[2]["device_status"]
        self.until(lambda: status() == wanted, lambda: f"{status()}, not {wanted}")


class Revoke(RevokeTest):
    """Out, and in again."""

    def test_revoked(self):
        """Out when it is answered, refused from then on by its reason; a new certificate opens again."""
        identity = self.identity(self.server, name="kitchen")
        board = self.admitted(identity)
        answer = self.own(identity, ":revoke", "POST", {"reason": "keyCompromise"})
        self.assertEqual(answer["brokers"], {"reached": 1, "waiting": []})
        self.assertEqual([(c["state"], c["reason"]) for c in answer["certificates"]], [("revoked", "keyCompromise")])
        board.wait_closed()
        self.assertEqual(self.connect(identity).code, 5)
        self.mosquitto.wait_for(f"refused {identity.device} .*: revoked")
        second = self.identity(self.server, identity.device)
        self.assertEqual(self.admitted(second).code, 0)
        self.assertEqual(self.own(identity)["enabled"], True)

    def test_disabled(self):
        identity = self.identity(self.server)
        for _ in range(3):
            board = self.admitted(identity)
            answer = self.own(identity, ":disable", "POST", {"reason": "lost"})
            self.assertEqual((answer["enabled"], answer["brokers"]), (False, {"reached": 1, "waiting": []}))
            board.wait_closed()
            self.assertEqual(self.connect(identity).code, 5)
            self.mosquitto.wait_for(f"refused {identity.device} .*: disabled")
            answer = self.own(identity, ":enable", "POST")
            self.assertEqual((answer["enabled"], answer["brokers"]), (True, {"reached": 1, "waiting": []}))
            self.assertEqual(self.connect(identity).code, 0, "in at once behind the answer")

    def test_commands(self):
        identity = self.identity(self.server, name="kitchen")
        board = self.admitted(identity)
        self.assertEqual(self.device("disable", "kitchen").stdout, "kitchen disabled: out at once, 1 broker has it\n")
        board.wait_closed()
        self.assertEqual(self.device("enable", "kitchen").stdout, "kitchen enabled: can come in, 1 broker has it\n")
        board = self.admitted(identity)
        self.status_becomes(identity, "ONLINE")
        shown = self.device("show", "kitchen").stdout
        self.assertRegex(shown, r"(?m)^status +ONLINE$")
        self.assertRegex(shown, r"(?m)^connected +since 20\S+Z, from 127\.0\.0\.1 at mosquitto$")
        self.assertEqual(self.device("revoke", "kitchen", "--yes").stdout, "kitchen revoked: out at once, 1 broker has it\n")
        board.wait_closed()
        self.connect(identity)
        self.until(lambda: "refused" in self.device("history", "kitchen").stdout, "no refusal in its history")
        self.assertRegex(self.device("history", "kitchen", "--limit", "1").stdout,
            r"^20\S+Z refused, from 127\.0\.0\.1 at mosquitto: revoked\n$")
        done = self.run_program("imprint", "broker", "list", "--check")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"(?m)^mosquitto +fresh +0 +0 +2 +1 +20")

    def test_reload(self):
        """A broker that reloads (SIGHUP) tells no visit twice: who leaves or is revoked afterwards is gone."""
        first, second, third = (self.identity(self.server) for _ in range(3))
        boards = [self.admitted(identity) for identity in (first, second, third)]
        def counted():
            return self.ask("GET", "/v1/brokers")[2]["brokers"][0]["boards"]
        self.until(lambda: counted() == 3, counted)
        start = len(self.mosquitto.lines)
        self.mosquitto.send(signal.SIGHUP)
        self.mosquitto.wait_for("Reloading config", start)
        self.own(third, ":disable", "POST")
        self.assertEqual(self.own(second, ":revoke", "POST", {})["brokers"], {"reached": 1, "waiting": []})
        boards[0].close()
        for board in boards[1:]:
            board.wait_closed()
        for identity, reason in ((first, ""), (second, "revoked"), (third, "disabled")):
            self.visits_become(identity.device, (False, reason))
            self.status_becomes(identity, "OFFLINE")
        self.until(lambda: counted() == 0, counted)


class Deaf(RevokeTest):
    """A broker that does not hear."""

    patient = False

    def brokers_become(self, wanted, *asked, **headers):
        """What is answered to a request that may be made again."""
        def brokers():
            return self.own(*asked, **headers)["brokers"]
        self.until(lambda: brokers() == wanted, lambda: f"{brokers()}, not {wanted}")

    def test_silent_broker(self):
        """It is named within a second or so, on both kinds of route, and by the command; then it catches up."""
        identity, other = self.identity(self.server, name="kitchen"), self.identity(self.server)
        third = self.identity(self.server, name="attic")
        board, last = self.admitted(identity), self.admitted(other)
        self.mosquitto.send(signal.SIGSTOP)
        self.identity(self.server) # a certificate does not wait for it for long
        key = {"Idempotency-Key": "once"}
        answer = self.own(identity, ":revoke", "POST", {}, **key)
        self.assertEqual(answer["brokers"], {"reached": 0, "waiting": ["mosquitto"]})
        done = self.device("revoke", "kitchen", "--yes", want=9)
        self.assertEqual(done.stdout, "kitchen revoked: mosquitto has not answered yet\n")
        self.assertIn("not every broker has answered", done.stderr)
        status, headers, _ = self.ask("DELETE", f"{DEVICES}/{other.device}")
        self.assertEqual((status, headers["Imprint-Brokers"]), (200, "reached=0 waiting=mosquitto"))
        done = self.device("delete", "attic", "--yes", want=9)
        self.assertIn("deleted attic: not answered yet by mosquitto", done.stderr)
        listed = self.run_program("imprint", "broker", "list", "--check")
        self.assertEqual(listed.returncode, 9, listed)
        self.assertRegex(listed.stdout, r"(?m)^mosquitto +behind ")
        self.mosquitto.send(signal.SIGCONT)
        board.wait_closed()
        last.wait_closed()
        self.assertEqual(self.connect(third).code, 5)
        self.brokers_become({"reached": 1, "waiting": []}, identity, ":revoke", "POST", {}, **key) # the same request again
        def waiting():
            status, headers, _ = self.ask("POST", f"{DEVICES}/{other.device}", {"soft_deleted": False})
            self.assertEqual(status, 200)
            return headers["Imprint-Brokers"]
        self.until(lambda: waiting() is None, waiting)

    def broker_command(self, *argv, want=0):
        done = self.run_program("imprint", "broker", *argv)
        self.assertEqual(done.returncode, want, done)
        return done

    def join(self, name):
        start = len(self.server.process.lines)
        broker = self.broker(name, ["plugin_opt_stale admit"])
        self.server.process.wait_for(f"broker_joined name={name}", start)
        return broker

    def silent(self, name):
        hint = f"when {name} never comes again: imprint broker forget {name}\n"
        self.until(lambda: self.broker_command("list").stderr == hint, f"{name} is not silent")

    def test_retired_broker(self):
        """One that goes on for ever is named for ever, behind a start of the server too, until it is forgotten."""
        identity = self.identity(self.server, name="kitchen")
        admitted = {"reached": 1, "waiting": []}
        for name in ("south", ".."):
            self.join(name).stop()
            self.silent(name)
            self.brokers_become({"reached": 1, "waiting": [name]}, identity, ":disable", "POST")
            done = self.broker_command("forget", name, want=4)
            self.assertIn("goes on admitting those who were revoked", done.stderr)
            self.assertIn("--yes answers", done.stderr)
            self.assertEqual(self.broker_command("forget", name, "--yes").stderr, f"forgot {name}\n")
            self.brokers_become(admitted, identity, ":enable", "POST")
            self.broker_command("forget", name, "--yes", want=3)
        self.assertIn("is connected", self.broker_command("forget", "mosquitto", "--yes", want=6).stderr)
        self.until(lambda: self.run_program("imprint", "broker", "list", "--check").returncode == 0, "not fresh")
        self.assertEqual([(row[0], row[1]) for row in self.rows("SELECT kind, subject FROM event WHERE kind LIKE 'broker.%'")],
            [("broker.forgotten", bytes(16))] * 2)
        self.server.process.kill()
        self.server = self.serve()
        self.server.process.wait_for("broker_joined name=mosquitto")
        self.brokers_become(admitted, identity, ":disable", "POST")
        self.join("south")
        self.brokers_become({"reached": 2, "waiting": []}, identity, ":enable", "POST")


class Known(RevokeTest):
    """What is known afterwards."""

    def test_presence(self):
        identity, stranger = self.identity(self.server), self.identity(self.server)
        self.status_becomes(identity, "UNKNOWN")
        board = self.admitted(identity)
        self.status_becomes(identity, "ONLINE")
        presence = self.own(identity)["presence"]
        self.assertEqual((presence["state"], presence["address"], presence["broker"]), ("online", "127.0.0.1", "mosquitto"))
        self.assertEqual(presence["fingerprint"], self.own(identity)["certificates"][0]["fingerprint"][:32])
        board.close()
        self.status_becomes(identity, "OFFLINE")
        self.status_becomes(stranger, "UNKNOWN")
        status, _, answer = self.ask("GET", f"{DEVICES}/{identity.device}/status")
        self.assertEqual((status, [e["value"] for e in answer["events"]]), (200, ["DISCONNECTED", "CONNECTED"]))
        self.assertEqual(self.ask("GET", f"{DEVICES}/{identity.device}")[2]["last_activity_at"],
            answer["events"][0]["updated_at"])
        self.own(identity, ":disable", "POST")
        self.connect(identity)
        def events():
            return [(e["name"], e["value"]) for e in self.ask("GET", f"{DEVICES}/{identity.device}/events")[2]["events"]]
        self.until(lambda: events()[0] == ("REFUSED", "127.0.0.1: disabled"), events)

    def test_half_open(self):
        """A board that is gone without a word, its connection open, is missed by its keep-alive alone; then it may come again."""
        identity, other = self.identity(self.server), self.identity(self.server)
        board, stays = self.admitted(identity, keepalive=1), self.admitted(other)
        self.visits_become(identity.device, (False, "")) # mosquitto tells its plugins no reason
        self.status_becomes(identity, "OFFLINE")
        self.status_becomes(other, "ONLINE")
        self.assertEqual(stays.subscribe(f"/a/d/{other.device}/c/dw"), 0)
        board.wait_closed() # only now does it notice
        self.mosquitto.wait_for(f"{identity.device} .*exceeded timeout")
        self.assertRegex(self.device("history", identity.device).stdout, r"^20\S+Z to 20\S+Z, from 127\.0\.0\.1 at mosquitto\n$")
        self.admitted(identity)
        self.visits_become(identity.device, (False, ""), (True, ""))
        self.status_becomes(identity, "ONLINE")

    def test_brokers_and_metrics(self):
        self.admitted(self.identity(self.server))
        def broker():
            return self.ask("GET", "/v1/brokers")[2]["brokers"][0]
        self.until(lambda: (broker()["state"], broker()["boards"], broker()["admitted"]) == ("fresh", 1, 1), broker)
        self.assertEqual(broker()["name"], "mosquitto")
        status, _, raw = self.server.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.server.token}"})
        text = raw.decode()
        self.assertEqual(status, 200)
        for line in ('imprint_broker_synced{broker="mosquitto"} 1', 'imprint_broker_boards{broker="mosquitto"} 1',
                "imprint_devices_online 1", "imprint_certificates_issued_total 1",
                'imprint_broker_refused_total{broker="mosquitto",reason="unknown"} 0'):
            self.assertIn(f"\n{line}\n", text)
        self.assertGreater(int(re.search(r"(?m)^imprint_http_requests_total (\d+)$", text)[1]), 3)


if __name__ == "__main__":
    unittest.main()
