"""Devices that are let in, put out and taken back while boards connect, and broker and server begin anew at random.

One invariant, by the broker's own log: a board is never admitted while it is not wanted, counted from the answer that all brokers
know it, and never refused while it is wanted. What a broker cannot know is left out: changes whose answer says that it has not heard,
and, for a broker that was killed, what it had not saved yet.

IMPRINT_TORTURE=1 does much more of it; IMPRINT_SEED=N is the same again.
"""

import collections
import json
import os
import random
import re
import signal
import threading
import time
import unittest

import door
import server as imprintd

TORTURE = bool(os.environ.get("IMPRINT_TORTURE"))
CONNECTS = 6000 if TORTURE else 700
WORKERS = 6
DEVICES = 6 # of each worker
EVERY = 0.7 # seconds between two disturbances
WANTED, UNWANTED, UNSETTLED = "wanted", "not wanted", "not settled"


class Device:
    """What a worker knows of one of its devices: nobody else changes it."""

    def __init__(self, identity):
        self.identity = identity
        self.enabled = self.there = self.live = True
        self.settled = False
        self.whole = True # all of these three are known
        self.lost = False # an answer has not come, and nobody has asked since
        self.board = None
        self.new = False  # its certificate has not connected yet
        self.retired = [] # those that were replaced
        self.past = []    # what was done, and what came of it

    @property
    def name(self):
        return self.identity.device

    @property
    def state(self):
        if not self.settled:
            return UNSETTLED
        return WANTED if self.enabled and self.there and self.live else UNWANTED


class Worker(threading.Thread):
    def __init__(self, test, number, seed):
        super().__init__(daemon=True)
        self.test, self.random = test, random.Random(f"{seed}/{number}")
        self.devices = [Device(identity) for identity in test.identities[number]]
        self.connection = None
        self.trouble = None
        self.port = None

    def run(self):
        try:
            while self.test.goes_on():
                self.step(self.random.choice(self.devices))
        except Exception as e: # pylint: disable=broad-exception-caught
            self.trouble = e
            self.test.failed.set()

    def step(self, device):
        dice = self.random.random()
        if device.lost or (not device.settled and dice < 0.5):
            self.settle(device)
        elif dice < 0.62:
            self.connect(device)
        elif dice < 0.72:
            self.leave(device)
        else:
            self.change(device)

    # --- the server ---

    def call(self, method, path, value=None):
        """(status, header, JSON); None while the server is away."""
        server = self.test.server
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        try:
            if self.port != server.port or not self.connection:
                self.connection, self.port = server.connect(), server.port
            status, got, body = server.request(method, path, None if value is None else json.dumps(value), headers, self.connection)
        except (OSError, imprintd.http.client.HTTPException):
            self.connection = None
            return None
        return status, got.get("Imprint-Brokers"), json.loads(body) if body else None

    def change(self, device):
        """What happened is known by its answer; without one it is asked for later."""
        api, own = f"/iot/v2/devices/{device.name}", f"/v1/devices/{device.name}"
        kinds = "enabled", "there", "live", "live"
        missing = [k for k in kinds if not getattr(device, k)]
        kind = self.random.choice(missing if missing and self.random.random() < 0.6 else kinds)
        now = not getattr(device, kind)
        ways = {
            ("enabled", True): ("POST", f"{own}:enable", {}), ("enabled", False): ("POST", f"{own}:disable", {}),
            ("there", True): ("POST", api, {"soft_deleted": False}), ("there", False): ("DELETE", api, None),
        }
        if kind != "enabled" and not device.there and not (kind == "there" and now):
            return
        if kind == "enabled" and not device.there:
            return
        if kind == "live":
            if now or self.random.random() < 0.15:
                self.issue(device)
                return
            ways["live", False] = self.random.choice((
                ("DELETE", f"{api}/certs/{device.identity.serial}", None),
                ("POST", f"{own}:revoke", {"reason": "keyCompromise"})))
        known, device.settled = device.settled, False
        answer = self.call(*ways[kind, now])
        device.past.append((round(time.time(), 3), *ways[kind, now][:2], answer and answer[:2], answer and (answer[2] or {}).get("brokers")))
        if answer is None:
            device.lost = True
            return
        status, waiting, body = answer
        self.test.assertEqual(status, 200, (ways[kind, now], body))
        waiting = waiting or (body or {}).get("brokers", {}).get("waiting")
        setattr(device, kind, now)
        device.settled = known and device.whole and not waiting and not self.test.unsure()

    def issue(self, device):
        """Another certificate. The one before it goes when the new one connects, or is revoked at once."""
        key = imprintd.Key(self.test.folder)
        device.settled = False
        answer = self.call("PUT", f"/iot/v2/devices/{device.name}/certs", {"ca": "Arduino", "csr": key.csr(device.name), "enabled": True})
        if answer is None:
            return
        status, _, cert = answer
        self.test.assertEqual(status, 201, cert)
        device.past.append((round(time.time(), 3), "issue", cert["id"]))
        device.retired.append(device.identity)
        device.identity = door.Identity(device.name, cert["pem"], key.path, self.test.anchor)
        device.identity.serial = cert["id"]
        device.new = True

    def settle(self, device):
        """Asks the server how it stands, and whether every broker has that."""
        before = self.test.disturbed
        brokers = self.call("GET", "/v1/brokers")
        shown = self.call("GET", f"/v1/devices/{device.name}")
        again = self.call("GET", "/v1/brokers")
        if None in (brokers, shown, again) or shown[0] not in (200, 404):
            return
        if shown[0] == 200:
            device.there = not shown[2].get("deleted_at")
            device.enabled = shown[2]["enabled"]
            device.live = device.identity.serial in [c["id"] for c in shown[2]["certificates"]
                if c["state"] in ("issued", "active") and c["enabled"]]
        else:
            device.there = False
        device.whole = shown[0] == 200
        device.lost = False
        names = [b["name"] for b in again[2]["brokers"]]
        fresh = [b["name"] for b in again[2]["brokers"] if b["state"] == "fresh"]
        device.past.append((round(time.time(), 3), "settle", shown[0], device.enabled, device.there, device.live, names, fresh))
        device.settled = bool(names) and fresh == names and before == self.test.disturbed and not self.test.unsure()

    # --- the broker ---

    def connect(self, device):
        state, number, gently = device.state, self.test.disturbed, self.test.gently
        old = device.settled and device.retired and self.random.random() < 0.1
        identity = self.random.choice(device.retired) if old else device.identity
        if old:
            state = UNSETTLED # it may be live until the new one has connected
        try:
            board = self.test.connect_once(identity)
        except OSError:
            board = None
            time.sleep(0.02)
        quiet = number == self.test.disturbed and not self.test.unsure()
        gently = gently and self.test.gently
        code = board.code if board else None
        device.past.append((round(time.time(), 3), "connect", identity.serial, state, code, quiet))
        self.test.note(device.name, board.port if board else None, state, code, quiet, gently)
        if code == 0:
            self.leave(device)
            device.board = board
            if device.new and not old:
                device.new = device.settled = False # the one before it goes now, and nobody answers that
        elif board:
            board.close()

    def leave(self, device):
        if device.board:
            device.board.close()
            device.board = None


class Churn(door.DoorTest):
    patient = False # brokers are away here

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("IMPRINT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
        self.lock = threading.Lock()
        self.left = CONNECTS
        self.failed = threading.Event()
        self.disturbed = 0  # grows when a broker ends and when it is in order again
        self.away = False   # a broker is, or does not know everything yet
        self.gently = True  # it was not killed, and has saved what it knew
        self.starts = 0     # of the broker
        self.brokers = []   # its processes
        self.attempts = []
        self.counts = collections.Counter()

    def unsure(self):
        return self.away

    def goes_on(self):
        with self.lock:
            return self.left > 0 and not self.failed.is_set()

    def last_look(self, device, identity):
        board = self.connect_once(identity)
        self.note(device.name, board.port, UNSETTLED, board.code, True, True)
        return board

    def connect_once(self, identity):
        return door.test_plugin.Board(self.ports["mosquitto"], identity.context, identity.device)

    def note(self, device, port, state, code, quiet, gently):
        with self.lock:
            self.left -= code is not None
            self.attempts.append((self.starts, device, port, state, code, quiet, gently))
            self.counts[state if quiet else "disturbed", code] += 1

    # --- disturbances ---

    def fresh(self):
        try:
            status, value = self.server.call("GET", "/v1/brokers")
        except (OSError, imprintd.http.client.HTTPException):
            return False
        return status == 200 and [b["state"] for b in value["brokers"]] == ["fresh"]

    def broker_anew(self, kill):
        with self.lock:
            self.away, self.disturbed, self.gently = True, self.disturbed + 1, not kill
        start = len(self.server.process.lines)
        if kill:
            self.brokers[-1].kill()
        else:
            self.brokers[-1].stop()
        with self.lock:
            self.starts += 1
        self.brokers.append(self.broker())
        self.server.process.wait_for("broker_joined", start)
        self.until(self.fresh, "the broker is not fresh")
        with self.lock:
            self.away, self.disturbed, self.gently = False, self.disturbed + 1, True

    def server_anew(self, kill):
        """Meanwhile the broker goes on by its list."""
        token, port = self.server.token, self.server.port
        if kill:
            self.server.process.kill()
        else:
            self.server.process.stop()
        time.sleep(self.random.random() / 2)
        again = self.serve(port=str(port))
        again.token = token
        self.server = again
        again.process.wait_for("broker_joined")
        self.until(self.fresh, "the broker is not fresh")

    def stall(self, process):
        """Nobody may hear anything else afterwards than before; changes are answered without its word, or late."""
        process.send(signal.SIGSTOP)
        time.sleep(self.random.random() * 1.5)
        process.send(signal.SIGCONT)

    def disturb(self):
        dice, kill = self.random.random(), self.random.random() < 0.4
        if dice < 0.3:
            self.broker_anew(kill)
        elif dice < 0.6:
            self.server_anew(kill)
        else:
            self.stall(self.brokers[-1] if dice < 0.8 else self.server.process)
        what = "broker anew" if dice < 0.3 else "server anew" if dice < 0.6 else "stalled"
        self.counts[what, "killed" if kill and dice < 0.6 else ""] += 1

    # --- what the broker's log says ---

    def check_log(self):
        """Every admission is one that somebody asked for; those that must not be are not there, those that must be are."""
        admitted, refused = collections.Counter(), collections.Counter()
        for start, broker in enumerate(self.brokers):
            for line in broker.output.splitlines():
                if match := re.search(r"New client connected from 127\.0\.0\.1:(\d+) as (\S+) ", line):
                    admitted[start, match[2], int(match[1])] += 1
                if match := re.search(r"imprint: refused (\S+) from \S+: (\S+):", line):
                    refused[match[2]] += 1
        certain, possible = collections.Counter(), collections.Counter() # of a port, which may come again
        for attempt in self.attempts:
            start, device, port, state, code, quiet, gently = attempt
            out = state == UNWANTED and (quiet or gently)
            self.assertFalse(out and code == 0, f"seed {self.seed}: admitted while not wanted: {attempt}")
            self.assertFalse(state == WANTED and quiet and code != 0, f"seed {self.seed}: refused while wanted: {attempt}")
            certain[start, device, port] += code == 0 and quiet
            possible[start, device, port] += code == 0 or code is None and not out # an answer may be lost
        for key in set(possible) | set(admitted):
            self.assertLessEqual(admitted[key], possible[key], f"seed {self.seed}: admitted, and not by what was asked for: {key}")
            self.assertGreaterEqual(admitted[key], certain[key], f"seed {self.seed}: not in the broker's log: {key}")
        self.assertLessEqual(set(refused), {"unknown", "disabled", "revoked"}, refused)

    def check_end(self, workers):
        """When all is quiet: connected is who should be, and the server knows it."""
        self.until(self.fresh, "the broker is not fresh")
        for worker in workers:
            for device in worker.devices:
                self.until(lambda w=worker, d=device: w.settle(d) or d.settled, "not settled")
                board = self.last_look(device, device.identity)
                self.assertEqual(board.code, 0 if device.state == WANTED else 5, f"seed {self.seed}: {device.name}")
                if device.board:
                    device.board.close()
                device.board = board
                if device.state == WANTED:
                    self.check_retired(device)
        wanted = {d.name for w in workers for d in w.devices if d.state == WANTED}
        self.until(lambda: self.open_visits() == wanted, lambda: f"seed {self.seed}: connected: {self.open_visits() ^ wanted}")

    def check_retired(self, device):
        """The certificate that has connected is the only one; whoever comes with another does not disturb it."""
        self.until(lambda: self.live(device.name) == [device.identity.serial] and self.fresh(), lambda: self.live(device.name))
        for identity in device.retired:
            again = self.last_look(device, identity)
            self.assertEqual(again.code, 5, f"seed {self.seed}: {device.name} with {identity.serial}")
            again.close()

    def live(self, device):
        return [c["id"] for c in self.server.call("GET", f"/v1/devices/{device}")[1]["certificates"]
            if c["state"] in ("issued", "active") and c["enabled"]]

    def open_visits(self):
        return {str(door.uuid.UUID(bytes=row[0])) for row in self.rows("SELECT device FROM visit WHERE ended = 0")}

    def test_churn(self):
        self.random = random.Random(self.seed)
        self.server, broker = self.open()
        self.brokers.append(broker)
        self.anchor = str(self.state / "tls/service-root.pem")
        self.identities = [[self.identity(self.server) for _ in range(DEVICES)] for _ in range(WORKERS)]
        workers = [Worker(self, n, self.seed) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers) and not self.failed.is_set():
            time.sleep(EVERY * (0.5 + self.random.random()))
            if self.left > 0:
                self.disturb()
        for worker in workers:
            worker.join(4 * door.harness.PATIENCE)
            if worker.trouble:
                for device in worker.devices:
                    if device.name in str(worker.trouble):
                        print("# " + "\n# ".join(map(str, device.past)))
                raise worker.trouble
        try:
            self.check_end(workers)
            self.check_log()
        except AssertionError as e:
            for d in (d for w in workers for d in w.devices if d.name in str(e)):
                print("# " + "\n# ".join(map(str, d.past)))
                print("# " + "\n# ".join(line for b in self.brokers for line in b.output.splitlines() if d.name in line))
            raise
        counts = {"/".join(map(str, k)): n for k, n in sorted(self.counts.items(), key=str)}
        print(f"# seed {self.seed}: {counts}")
        for wanted in (WANTED, 0), (UNWANTED, 5):
            self.assertGreater(self.counts[wanted], CONNECTS // 20, counts)


if __name__ == "__main__":
    unittest.main()
