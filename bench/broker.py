#!/usr/bin/python3
"""What the plugin costs mosquitto, and how fast a board that is not wanted any more is gone.

	broker.py IMPRINT PLUGIN METERED-PLUGIN BENCH_BOARDS FOLDER        prints `name ours reference ratio target PASS|FAIL`

The reference is the same mosquitto without any plugin, whose listener has require_certificate and lets everybody in.
Brokers run on one processor, boards on another, and take turns; a ratio is made in each round and the median counts.
What the admission callback costs is read from a plugin with a clock around its callbacks.

From the line in the feed to the closed socket: single boards are removed at random moments while 1 000, then 10 000 are
connected and silent, and while 2 000 more come all at once. An idle mosquitto looks at its plugin ten times a second.

Further: memory of a connected board, of a device in the list, seconds until a million devices are known, and the longest
that a board waited for an answer while these were saved. FOLDER is on the disk that is measured.
"""

import contextlib
import datetime
import hashlib
import mmap
import os
import random
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROUNDS, CONNECTS, WIDTH = 9, 300, 4
IDLE = (1000, 10000)
STORM = 2000
REVOKED = 120 # of each number of idle ones
MILLION = 1000000
CONNECT_CPU = 0.77 # of the reference's
ADMISSION = 0.01 # of the processor time of a connect
BOARD_MEMORY = 1.1 # of the reference's
REVOKED_S, STORM_S = 0.25, 1
LOAD_S, DEVICE_BYTES, STALL_S = 3, 120, 0.1
PATIENCE = 120
BASIC_AUTH = 3
UNTIL = 253402300799


MINE = sorted(os.sched_getaffinity(0))


def pinned(which):
    """What a child does before it becomes its program: brokers on one processor, boards and this program on another."""
    return lambda: os.sched_setaffinity(0, {MINE[which % len(MINE)]})


def descriptors(wanted):
    """As many for each process as there are boards, and some."""
    hard = max(resource.getrlimit(resource.RLIMIT_NOFILE)[1], wanted)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        sys.exit(f"bench/broker: {wanted} open files are needed")


# --- certificates ---

def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, public, signer, *extensions):
    now = datetime.datetime.utcnow().replace(minute=0, second=0, microsecond=0)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59)))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256())


def pem(thing):
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(Encoding.PEM)
    return thing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class World:
    """A state folder as imprint would have it, and as many boards as are needed, with one key."""

    def __init__(self, folder, boards):
        self.folder = folder
        folder.mkdir()
        authority, own, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        issuer = name("Arduino")
        self.put("ca/certificate.pem", pem(certificate(issuer, issuer, authority.public_key(), authority,
            x509.BasicConstraints(True, 0), x509.SubjectKeyIdentifier.from_public_key(authority.public_key()))))
        self.put("broker/internal.key", b"5f0c" * 16)
        self.put("tls/broker.pem", pem(certificate(name("localhost"), name("localhost"), own.public_key(), own)))
        self.put("tls/broker.key", pem(own))
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        self.ids = [str(uuid.uuid4()) for _ in range(boards)]
        made = [certificate(name(i), issuer, key.public_key(), authority, identifier) for i in self.ids]
        self.put("boards.key", pem(key))
        self.put("boards.pem", b"".join(map(pem, made)))
        prints = (hashlib.sha256(c.public_bytes(Encoding.DER)).hexdigest()[:32] for c in made)
        self.rows = [f"a {i} 1 - {p} - {UNTIL}" for i, p in zip(self.ids, prints)]

    def put(self, path, content):
        path = self.folder / path
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


# --- the three programs ---

class Feed:
    """The server's end: says what it is told to, and notes when something was applied."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(PATIENCE)
        self.lock = threading.Lock()
        self.news = threading.Condition()
        self.applied = 0

    def accept(self):
        self.peer, _ = self.listener.accept()
        self.say(b"v 1 1 1\n")
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.ping, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError), self.peer.makefile("r") as lines:
            for line in lines:
                if line.startswith("s "):
                    with self.news:
                        self.applied = int(line[2:])
                        self.news.notify_all()

    def ping(self):
        with contextlib.suppress(OSError):
            while True:
                time.sleep(3)
                self.say(b"p\n")

    def say(self, text):
        with self.lock:
            self.peer.sendall(text)

    def wait_for(self, number):
        with self.news:
            if not self.news.wait_for(lambda: self.applied >= number, PATIENCE):
                sys.exit(f"bench/broker: the list is not there after {PATIENCE} s")

    def snapshot(self, rows):
        self.say("".join(f"{row}\n" for row in ("b", *rows, "e 1")).encode())
        self.wait_for(1)

    def close(self):
        with contextlib.suppress(OSError, AttributeError):
            self.peer.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Broker:
    """A mosquitto: with a plugin as `imprint broker config` has it, or bare."""

    def __init__(self, imprint, plugin, world, folder, prepare=None):
        folder.mkdir()
        self.folder, self.port, self.feed = folder, free_port(), None
        self.meter = folder / "meter"
        self.meter.write_bytes(bytes(4096))
        if plugin:
            shutil.copytree(world.folder, folder / "state")
            self.feed = Feed(folder / "feed.sock")
            self.list = folder / "state/broker/list"
            subprocess.run([imprint, "broker", "config", "--broker-port", str(self.port), "--socket", folder / "broker.sock",
                "--plugin", plugin, "--feed", self.feed.path], check=True, stdout=subprocess.DEVNULL,
                env={**os.environ, "IMPRINT_STATE": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder)})
            conf = folder / "state/broker/mosquitto.conf"
        else:
            conf = folder / "mosquitto.conf"
            conf.write_text(f"user root\nlog_dest stderr\nsys_interval 0\nallow_anonymous true\nlistener {self.port}\nset_tcp_nodelay true\n"
                f"require_certificate true\ncafile {world.folder}/ca/certificate.pem\ncertfile {world.folder}/tls/broker.pem\n"
                f"keyfile {world.folder}/tls/broker.key\ntls_version tlsv1.2\n", encoding="ascii")
        if prepare:
            prepare(self)
        with open(folder / "log", "wb") as log:
            self.child = subprocess.Popen(["/usr/sbin/mosquitto", "-c", conf], stdout=log, stderr=log, preexec_fn=pinned(0),
                env={**os.environ, "IMPRINT_METER": str(self.meter)})
        self.boards = Boards(world, self.port)
        if self.feed:
            self.feed.accept()

    def wait(self):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until or self.child.poll() is not None:
                    sys.exit("bench/broker: mosquitto does not listen")
                time.sleep(0.05)

    def cpu_us(self):
        return int(Path(f"/proc/{self.child.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1000

    def kilobytes(self):
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0])

    def admission_us(self):
        """What its callback has cost so far, without the clock."""
        with open(self.meter, "rb") as f, mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ) as m:
            (clock, nothings), (spent, calls) = (struct.unpack_from("=QQ", m, 16 * event) for event in (0, BASIC_AUTH))
        return (spent - clock / max(1, nothings) * calls) / 1000

    def connects(self):
        """Processor time of a connection that comes and goes, and of its admission."""
        before, admission = self.cpu_us(), self.admission_us()
        self.boards.open(0, CONNECTS, WIDTH)
        self.boards.close(0, CONNECTS)
        time.sleep(0.3) # until it has seen all of them go
        return (self.cpu_us() - before) / CONNECTS, (self.admission_us() - admission) / CONNECTS

    def stop(self):
        self.boards.stop()
        if self.feed:
            self.feed.close()
        self.child.terminate()
        self.child.wait(PATIENCE)


class Boards:
    program = None

    def __init__(self, world, port):
        self.child = subprocess.Popen([self.program, str(port), world.folder / "boards.key", world.folder / "boards.pem"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(1))
        self.news = threading.Condition()
        self.answers, self.gone = [], {}
        threading.Thread(target=self.read, daemon=True).start()
        self.answer("ready")

    def read(self):
        for line in self.child.stdout:
            word, *numbers = line.split()
            with self.news:
                if word == "gone":
                    self.gone[int(numbers[0])] = int(numbers[1]) / 1e9
                else:
                    self.answers.append((word, list(map(int, numbers))))
                self.news.notify_all()

    def tell(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def answer(self, word):
        with self.news:
            if not self.news.wait_for(lambda: self.answers, PATIENCE):
                sys.exit(f"bench/broker: boards do not say {word}")
            said, numbers = self.answers.pop(0)
        if said != word:
            sys.exit(f"bench/broker: boards say {said}, not {word}")
        return numbers

    def open(self, first, end, width):
        self.tell(f"open {first} {end} {width}")
        good, bad, _ = self.answer("opened")
        if bad or good != end - first:
            sys.exit(f"bench/broker: {bad} boards did not get in")

    def close(self, first, end):
        self.tell(f"close {first} {end}")
        self.answer("closed")

    def when_gone(self, board):
        """The moment at which it saw the end of its connection."""
        with self.news:
            if not self.news.wait_for(lambda: board in self.gone, PATIENCE):
                sys.exit(f"bench/broker: board {board} is connected still")
            return self.gone[board]

    def stop(self):
        self.child.stdin.close()
        self.child.wait(PATIENCE)


# --- lines ---

def line(what, ours, reference, ratio, target, good):
    print(f"{what} {ours:.3g} {reference:.3g} {ratio:.3g} {target:g} {'PASS' if good else 'FAIL'}", flush=True)
    return good


def spread(values, form=".0f"):
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def at_most(what, ours, reference, target, form=".0f"):
    """ours / reference, round by round."""
    ratios = [a / b for a, b in zip(ours, reference)]
    print(f"# {what}: ours {spread(ours, form)}, reference {spread(reference)}, ratio {spread(ratios, '.3f')}")
    ratio = statistics.median(ratios)
    return line(what, statistics.median(ours), statistics.median(reference), ratio, target, ratio <= target)


def below(what, ours, limit):
    return line(what, ours, limit, ours / limit, 1, ours < limit)


# --- what is measured ---

def connect_cost(bare, ours, metered):
    rounds = {broker: [] for broker in (bare, ours, metered)}
    for broker in rounds:
        broker.connects() # what is made at first use is not the work
    for _ in range(ROUNDS):
        for broker, turns in rounds.items():
            turns.append(broker.connects())
    cost = {broker: [cpu for cpu, _ in turns] for broker, turns in rounds.items()}
    good = at_most("broker_connect_cpu_us", cost[ours], cost[bare], CONNECT_CPU)
    return at_most("broker_admission_cpu_us", [a for _, a in rounds[metered]], cost[metered], ADMISSION, ".1f") and good


def memory(bare, ours):
    """Kilobytes of a board that is connected and silent; of ours those that are removed next."""
    each = []
    for broker in (bare, ours):
        before = broker.kilobytes()
        broker.boards.open(0, IDLE[0], WIDTH)
        time.sleep(0.3)
        each.append((broker.kilobytes() - before) / IDLE[0])
    bare.boards.close(0, IDLE[0])
    return at_most("broker_board_kb", each[1:], each[:1], BOARD_MEMORY, ".1f")


def remove(broker, world, board):
    """The moment at which the line has left."""
    broker.feed.say(f"r {world.ids[board]}\n".encode())
    return time.monotonic()


def seconds(what, values, count):
    values = sorted(values)
    p99 = values[max(0, -(-len(values) * 99 // 100) - 1)]
    print(f"# {what}: {len(values)} of {count} boards, p50 {statistics.median(values):.3f} s, p99 {p99:.3f} s, max {values[-1]:.3f} s")
    return p99, values[-1]


def removed(broker, world, idle, first):
    """One after the other, at moments that have nothing to do with the broker's turns."""
    took = []
    for board in range(first, first + REVOKED):
        time.sleep(random.uniform(0, 0.15))
        took.append(-remove(broker, world, board) + broker.boards.when_gone(board))
    what = f"broker_removed_{idle}_p99_s"
    return below(what, seconds(what, took, idle)[0], REVOKED_S)


def storm(broker, world, first, idle):
    """While as many come as can, all at once."""
    begun = {}
    broker.boards.tell(f"open {idle} {idle + STORM} {STORM}")
    for board in range(first, idle):
        begun[board] = remove(broker, world, board)
        time.sleep(0.02)
        with broker.boards.news:
            if broker.boards.answers:
                break
    good, bad, us = broker.boards.answer("opened")
    print(f"# storm: {good} boards came in {us / 1e6:.1f} s, {bad} did not")
    took = [broker.boards.when_gone(board) - at for board, at in begun.items()]
    what = "broker_removed_storm_max_s"
    return below(what, seconds(what, took, idle)[1], STORM_S)


def revocation(ours, world):
    few, many = IDLE
    good = removed(ours, world, few, 0)
    # Those that have come in the storm stay: they are part of the many.
    good &= storm(ours, world, REVOKED, few)
    ours.boards.open(few + STORM, many, WIDTH)
    return removed(ours, world, many, many - REVOKED) and good


def saving(imprint, plugin, world, folder):
    """One board asks all the time; the list that the broker begins with has nobody else."""
    def known(broker):
        broker.list.write_text(f"v 1 1 1\nb\n{world.rows[0]}\ne 1\n", encoding="ascii")
        broker.list.chmod(0o600)

    rows = "".join(f"a {uuid.UUID(int=random.getrandbits(128))} 1 - {'0a' * 16} - {UNTIL}\n" for _ in range(MILLION)).encode()
    broker = Broker(imprint, plugin, world, folder, prepare=known)
    try:
        broker.boards.open(0, 1, 1)
        before, old = broker.kilobytes(), broker.list.stat().st_ino
        begun = time.monotonic()
        broker.boards.tell("ping 0")
        broker.feed.say(b"b\n" + rows + f"{world.rows[0]}\n".encode())
        broker.boards.tell("ping 0")
        broker.feed.say(b"e 2\n")
        broker.feed.wait_for(2)
        took = time.monotonic() - begun
        while broker.list.stat().st_ino == old:
            time.sleep(0.05)
        broker.boards.tell("close 0 1")
        (_, loading), (asked, stall) = broker.boards.answer("pinged"), broker.boards.answer("pinged")
        print(f"# a million devices: {took:.2f} s, the longest wait meanwhile {loading / 1e6:.3f} s; saved {time.monotonic() - begun - took:.2f} s "
            f"later, {asked} answers meanwhile")
        good = below("broker_load_million_s", took, LOAD_S)
        good &= below("broker_device_bytes", (broker.kilobytes() - before) * 1024 / MILLION, DEVICE_BYTES)
        return below("broker_save_stall_s", stall / 1e6, STALL_S) and good
    finally:
        broker.stop()


def main(imprint, plugin, metered, boards, folder):
    Boards.program = boards
    descriptors(IDLE[1] + 500)
    pinned(1)()
    folder = Path(tempfile.mkdtemp(prefix="bench", dir=folder))
    brokers = []
    try:
        world = World(folder / "world", IDLE[1])
        for which, so in (("bare", None), ("ours", plugin), ("metered", metered)):
            brokers.append(Broker(imprint, so, world, folder / which))
            brokers[-1].wait()
        bare, ours, measured = brokers
        for broker in (ours, measured):
            broker.feed.snapshot(world.rows)
        good = connect_cost(bare, ours, measured)
        good &= memory(bare, ours)
        good &= revocation(ours, world)
        while brokers:
            brokers.pop().stop()
        good &= saving(imprint, plugin, world, folder / "saving")
    finally:
        while brokers:
            brokers.pop().stop()
        shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
