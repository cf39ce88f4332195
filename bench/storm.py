#!/usr/bin/python3
"""Many boards that come back at once, behind a broker that was restarted: with the rule of storm control and without.

	storm.py IMPRINT IMPRINTD RULE         prints `name ours reference ratio target PASS|FAIL`

A server, a mosquitto as we configure it, and `imprint board --count`, in a network of their own (unshare), where the
rule (packaging/nftables) can be loaded. The broker is killed and started again, and what counts is how many
handshakes were begun until all boards are online, divided by the boards: each handshake is the broker's work, one too
many is lost. The rule's rate is what `imprint mqtt bench` proposes, measured here and now.

The parts are for other measures too: Site is a server and a broker, Crowd the boards.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/system"))
import storm_network

BOARDS = (500, 2000)
TARGET = 1.1
SHARERS = 3 # of the broker's processor: boards must be quicker than it, as two thousand are
PATIENCE = 120 # seconds until all must be online
INSIDE = "IMPRINT_BENCH_INSIDE" # set in the network of our own


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def placed(processor):
    """What a child does before it becomes its program: one processor for the broker, the other for all else; and as far
    as this user may, ahead of what else the computer does, which would make the broker slower than its rate says."""
    mine = sorted(os.sched_getaffinity(0))

    def place():
        os.sched_setaffinity(0, {mine[processor % len(mine)]})
        os.setsid()
        for how in (lambda: os.nice(-15), lambda: Path("/proc/self/autogroup").write_text("-15", encoding="utf-8")):
            with contextlib.suppress(OSError):
                how()

    return place


class Site:
    """imprintd and mosquitto in a folder that is gone afterwards. `port` is the broker's for boards."""

    def __init__(self, imprint, imprintd, *config):
        self.imprint, self.port = str(imprint), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="imprint-storm-"))
        for name in ("state", "run", "run/imprint", "config"):
            (self.folder / name).mkdir(mode=0o700)
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("IMPRINT_")}, "HOME": str(self.folder),
            "IMPRINT_STATE": str(self.folder / "state"), "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "config"), "NO_COLOR": "1"}
        self.log = open(self.folder / "log", "ab")
        self.server, self.ready = self.start_server(imprintd)
        self.conf = subprocess.run([self.imprint, "broker", "config", "--broker-port", str(self.port), *config],
            env=self.env, check=True, capture_output=True, text=True).stdout.strip()
        self.broker, self.sharers = None, []
        self.start_broker()

    def start_server(self, imprintd):
        listen, said = os.pipe()
        server = subprocess.Popen([str(imprintd), "--port", str(free_port()), "--ready-fd", str(said)], env=self.env,
            pass_fds=[said], preexec_fn=placed(1), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(said)
        with os.fdopen(listen) as line:
            return server, json.loads(line.readline())

    def start_broker(self):
        self.broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self.conf], env=self.env, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, preexec_fn=placed(0))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.broker.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise RuntimeError("mosquitto does not serve:\n" + (self.folder / "log").read_text(errors="replace")[-2000:])

    def kill_broker(self):
        self.broker.kill()
        self.broker.wait()

    def slow_down(self, n):
        """n programs that do nothing, on the broker's processor. Two thousand boards have two thousand processors, and the
        one that they have here must not be what holds them back."""
        self.sharers += [subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=placed(0)) for _ in range(n)]

    def close(self):
        for process in (self.broker, self.server, *self.sharers):
            process.terminate()
            process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


class Crowd:
    """`imprint board --count N` at a site. `totals` is what it has said last: online, handshakes, refused, lost."""

    def __init__(self, site, n, *options):
        self.n, self.lines, self.news = n, [], threading.Condition()
        self.totals = {"online": 0, "handshakes": 0, "refused": 0, "lost": 0}
        self.process = subprocess.Popen([site.imprint, "board", "--count", str(n), "lot", "--every", "1", "--broker",
            f"localhost:{site.port}", "--credentials", site.ready["credentials"], *options], env=site.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=placed(1))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.rstrip("\n"))
                for name in self.totals:
                    found = re.search(rf"(\d+) {name}\b|\b{name} (\d+)", line)
                    if found and " of " in line:
                        self.totals[name] = int(found[1] or found[2])
                self.news.notify_all()
        with self.news:
            self.lines.append("ended")
            self.news.notify_all()

    def wait_for(self, pattern, start=0):
        """(match, number of the next line)"""
        until = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for i, line in enumerate(self.lines[start:], start):
                    if found := re.search(pattern, line):
                        return found, i + 1
                if self.lines and self.lines[-1] == "ended" or not self.news.wait(until - time.monotonic()):
                    raise RuntimeError(f"crowd: nothing like /{pattern}/ in\n" + "\n".join(self.lines[-30:]))

    def all_online(self, start=0):
        """(handshakes begun so far, number of the next line)"""
        found, start = self.wait_for(r"^all \d+ boards are online after .* with (\d+) handshakes", start)
        return int(found[1]), start

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Rule:
    """Storm control as it is shipped, with another port and rate."""

    def __init__(self, path, port, rate):
        storm_network.rule(path, port, rate)

    @staticmethod
    def dropped():
        return storm_network.dropped()

    @staticmethod
    def close():
        subprocess.run(["nft", "delete", "table", "inet", "imprint_broker"], check=True)


def come_back(site, crowd, start):
    """The broker goes and comes: (handshakes until all are back, seconds, number of the next line)."""
    before = crowd.totals["handshakes"]
    site.kill_broker()
    crowd.wait_for(r", 0 online;", start)
    before = crowd.totals["handshakes"]
    began = time.monotonic()
    site.start_broker()
    handshakes, start = crowd.all_online(start)
    return handshakes - before, time.monotonic() - began, start


def own_network():
    """Goes on in a network where nobody else is, and where we may drop packets; False: this computer does not let us."""
    if os.environ.get(INSIDE):
        return True
    how = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if not shutil.which("nft") or subprocess.run([*how, "nft", "list", "ruleset"], capture_output=True, check=False).returncode:
        return False
    os.environ[INSIDE] = "1"
    os.execvp(how[0], [*how, sys.executable, "-B", *sys.argv])
    return False


def proposed(imprint):
    done = subprocess.run([imprint, "mqtt", "bench", "--seconds", "3", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["proposed_rate"]


def measure(imprint, imprintd, rule, config):
    rate = proposed(imprint) // (1 + SHARERS)
    print(f"# storm control: {rate} new connections a second")
    bad = False
    for n in BOARDS:
        with contextlib.closing(Site(imprint, imprintd, *config)) as site, contextlib.closing(Crowd(site, n)) as crowd:
            _, at = crowd.all_online()
            site.slow_down(SHARERS)
            bare, bare_s, at = come_back(site, crowd, at)
            with contextlib.closing(Rule(rule, site.port, rate)) as control:
                ours, seconds, at = come_back(site, crowd, at)
                dropped = control.dropped()
        ratio = ours / n
        bad |= ratio > TARGET
        print(f"storm_handshakes_{n} {ours} {n} {ratio:.3f} {TARGET} {'PASS' if ratio <= TARGET else 'FAIL'}")
        print(f"# all back in {seconds:.1f} s, {dropped} openings dropped; without the rule {bare} handshakes "
            f"({bare / n:.2f} a board), {bare_s:.1f} s", flush=True)
    return bad


def main(imprint, imprintd, rule, *config):
    if not own_network():
        print("# storm: no network of our own here (unshare --net and nft); the rule cannot be tried")
        print("storm_handshakes - - - - FAIL")
        return 1
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return measure(imprint, imprintd, rule, config)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
