#!/usr/bin/python3
"""What imprintd costs, beside cfssl's server: certificates over kept connections.

	server.py IMPRINTD BENCH_LOAD FOLDER        prints `name ours reference ratio target PASS|FAIL`

Ours asks who it is, over TLS 1.3, and answers when certificate, audit entry and device are on the disk.
cfssl (Debian's golang-cfssl) is asked without TLS by anybody, once without keeping anything and once with
SQLite as it comes: rollback journal, synchronous FULL. All three sign the same requests with P-256, on one
processor, the clients on another; they take turns of a second or two, with 1, 8 and 64 clients. A ratio is made
in each round and the median counts. FOLDER is on the disk that is measured.

The lines of one client, or a few, are there to tell when that gets worse: they pay for a flush and for wake-ups that
nobody shares. With 64 clients about two fifths of the processor time are the verification and the signature themselves;
what is left of cfssl's time behind these two and an empty request over TLS, of which a line tells, is what a server
may spend on JSON, audit and disk if it wants to be so many times cheaper.

Further: memory of a server that nobody has asked anything, and seconds from its start until it takes requests.
"""

import http.client
import json
import os
import select
import shutil
import socket
import sqlite3
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROUNDS = 5
CLIENTS = {1: 1000, 8: 1000, 64: 2000} # how many: milliseconds of a turn
BOARDS = 512 # far more than clients: nobody waits for somebody else's board
EMPTY_MS = 500
STARTS = 7
PATIENCE = 30
CFSSL_CPU = {1: 0.4, 8: 0.75, 64: 1.25} # processor time of the other one, for what takes us one
CFSSL_SQLITE_CPU = {1: 1.5, 8: 3, 64: 4.5}
PRIMITIVES = 2.8 # processor time of ours at 64 clients, in verifications and signatures of OpenSSL's own
CFSSL_SQLITE_P99 = 30
IDLE_MB, READY_S = 32, 0.5


def pinned(which):
    """What a child does before it becomes its program: servers on one processor, clients on another."""
    mine = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {mine[which % len(mine)]})


def requests_for_boards():
    """A certification request for each board, signed by a key of its own, as PEM."""
    made = []
    for i in range(BOARDS):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"board {i}")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        made.append(request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()))
    return [request.public_bytes(Encoding.PEM).decode() for request in made]


def http_request(method, path, body, headers=""):
    body = json.dumps(body)
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n{body}\0").encode()


class Server:
    """A server under load. `root` is where the root of its TLS is; None without TLS."""

    status, root = 200, None

    def __init__(self, name, argv, folder, pass_fds=()):
        self.name, self.folder = name, folder
        with open(folder / "log", "ab") as log:
            self.child = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, pass_fds=pass_fds,
                preexec_fn=pinned(0))
        self.port = 0
        self.turns = {clients: [] for clients in CLIENTS}

    def turn(self, load, clients, ms):
        done = subprocess.run([load, str(self.child.pid), str(self.port), str(self.status), str(clients), str(ms),
            self.folder / "requests", *([self.root] if self.root else [])], stdout=subprocess.PIPE, check=True,
            preexec_fn=pinned(1))
        counted = json.loads(done.stdout)
        counted["cpu"] = counted["cpu_us"] / counted["good"]
        counted["rate"] = counted["good"] / counted["wall_us"] * 1e6
        self.turns[clients].append(counted)

    def of(self, clients, what):
        return [turn[what] for turn in self.turns[clients]]

    def stop(self):
        self.child.terminate()
        self.child.wait(PATIENCE)


class Ours(Server):
    status = 201

    def __init__(self, imprintd, folder):
        folder.mkdir(exist_ok=True)
        listen, said = os.pipe()
        begun = time.monotonic()
        super().__init__("imprintd", [imprintd, "--state", folder / "state", "--run", folder, "--credentials",
            folder / "credentials.json", "--port", "0", "--ready-fd", str(said)], folder, [said])
        os.close(said)
        with open(listen, encoding="utf-8") as ready:
            if not select.select([ready], [], [], PATIENCE)[0]:
                sys.exit("bench/server: imprintd does not become ready")
            self.ready = json.loads(ready.readline())
        self.seconds = time.monotonic() - begun
        self.port = self.ready["port"]
        self.root = folder / "state/tls/service-root.pem"
        self.boards = []

    def megabytes(self):
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def call(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201):
            sys.exit(f"bench/server: {method} {path}: {answer.status} {said}")
        return json.loads(said)

    def empty(self, load):
        """Microseconds of a request that asks for nothing."""
        self.status = 200
        (self.folder / "requests").write_bytes(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\0")
        self.turn(load, max(CLIENTS), EMPTY_MS)
        self.status = 201
        return self.turns[max(CLIENTS)].pop()["cpu"]

    def log_in(self, requests):
        """Tokens live for five minutes: one is fetched for every round."""
        credentials = json.loads((self.folder / "credentials.json").read_text(encoding="utf-8"))
        self.connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE,
            context=ssl.create_default_context(cafile=self.root))
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": credentials["client"],
            "client_secret": credentials["secret"]})
        token = self.call("POST", "/iot/v1/clients/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        bearer = f"Bearer {token['access_token']}"
        while len(self.boards) < BOARDS:
            board = {"name": f"board {len(self.boards)}", "type": "mkrwifi1010", "fqbn": "arduino:samd:mkrwifi1010"}
            made = self.call("PUT", "/iot/v2/devices", json.dumps(board),
                {"Authorization": bearer, "Content-Type": "application/json"})
            self.boards.append(made["id"])
        self.connection.close()
        (self.folder / "requests").write_bytes(b"".join(
            http_request("PUT", f"/iot/v2/devices/{board}/certs", {"ca": "Arduino", "csr": request, "enabled": True},
                f"Authorization: {bearer}\r\n") for board, request in zip(self.boards, requests)))


class Cfssl(Server):
    def __init__(self, folder, requests, kept):
        folder.mkdir()
        authority(folder)
        (folder / "conf.json").write_text(json.dumps(
            {"signing": {"default": {"expiry": "87600h", "usages": ["signing", "client auth"]}}}), encoding="ascii")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        argv = ["cfssl", "serve", "-address", "127.0.0.1", "-port", str(port), "-ca", "ca.crt", "-ca-key", "ca.key",
            "-config", "conf.json", "-loglevel", "3"]
        if kept:
            tables(folder / "certs.db")
            (folder / "db.json").write_text('{"driver": "sqlite3", "data_source": "certs.db"}', encoding="ascii")
            argv += ["-db-config", "db.json"]
        super().__init__("cfssl+sqlite" if kept else "cfssl", argv, folder)
        self.port = port
        (folder / "requests").write_bytes(b"".join(
            http_request("POST", "/api/v1/cfssl/sign", {"certificate_request": request, "hosts": [""]})
            for request in requests))
        self.wait()

    def wait(self):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until or self.child.poll() is not None:
                    sys.exit("bench/server: cfssl does not listen")
                time.sleep(0.05)


def authority(folder):
    """A P-256 root, as ours is."""
    key = ec.generate_private_key(ec.SECP256R1())
    subprocess.run(["openssl", "req", "-new", "-x509", "-key", "/dev/stdin", "-subj", "/O=Bench/CN=Root",
        "-days", "3650", "-sha256", "-out", folder / "ca.crt"], input=pem(key), check=True)
    (folder / "ca.key").write_bytes(pem(key))


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def tables(path):
    """What cfssl expects to find; it makes none itself."""
    with sqlite3.connect(path) as db:
        db.executescript("""
            CREATE TABLE certificates (serial_number blob NOT NULL, authority_key_identifier blob NOT NULL, ca_label blob,
                status blob NOT NULL, reason int, expiry timestamp, revoked_at timestamp, pem blob NOT NULL,
                PRIMARY KEY (serial_number, authority_key_identifier));
            CREATE TABLE ocsp_responses (serial_number blob NOT NULL, authority_key_identifier blob NOT NULL, body blob NOT NULL,
                expiry timestamp, PRIMARY KEY (serial_number, authority_key_identifier),
                FOREIGN KEY (serial_number, authority_key_identifier)
                    REFERENCES certificates (serial_number, authority_key_identifier));""")
    db.close()


# --- lines ---

def line(name, ours, reference, ratio, target, good):
    print(f"{name} {ours:.3g} {reference:.3g} {ratio:.3g} {target:g} {'PASS' if good else 'FAIL'}", flush=True)
    return good


def spread(values, form=".0f"):
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def at_least(name, ours, reference, target):
    """reference / ours, round by round."""
    ratios = [b / a for a, b in zip(ours, reference)]
    print(f"# {name}: ours {spread(ours)}, reference {spread(reference)}, ratio {spread(ratios, '.2f')}")
    ratio = statistics.median(ratios)
    return line(name, statistics.median(ours), statistics.median(reference), ratio, target, ratio >= target)


def at_most(name, ours, reference, target):
    """ours / reference, round by round."""
    ratios = [a / b for a, b in zip(ours, reference)]
    print(f"# {name}: ours {spread(ours)}, reference {spread(reference)}, ratio {spread(ratios, '.2f')}")
    ratio = statistics.median(ratios)
    return line(name, statistics.median(ours), statistics.median(reference), ratio, target, ratio <= target)


def below(name, values, limit):
    """The median against a limit."""
    ours = statistics.median(values)
    print(f"# {name}: {spread(values, '.3f')}")
    return line(name, ours, limit, ours / limit, 1, ours < limit)


def primitives_us():
    """One signature and one verification with P-256, as OpenSSL measures itself, where the servers run."""
    done = subprocess.run(["openssl", "speed", "-mr", "-seconds", "1", "ecdsap256"], capture_output=True, text=True, check=True,
        preexec_fn=pinned(0))
    sign, verify = done.stdout.split("+F4:")[1].split("\n")[0].split(":")[2:4]
    return 1e6 / float(sign) + 1e6 / float(verify)


def starts(imprintd, folder):
    """A first start makes authority and certificates; the others find them."""
    first, later, megabytes = [], [], []
    for i in range(STARTS):
        for seconds in (first, later):
            server = Ours(imprintd, folder / f"start{i}")
            seconds.append(server.seconds)
            megabytes.append(server.megabytes())
            server.stop()
    good = below("server_first_start_s", first, READY_S)
    good &= below("server_start_s", later, READY_S)
    return below("server_idle_mb", megabytes, IDLE_MB) and good


def report(ours, alone, kept, primitives, empty):
    print(f"# verification and signature {spread(primitives)} us, a request without work {spread(empty)} us")
    for server in (ours, alone, kept):
        for clients in CLIENTS:
            print(f"# {server.name}, {clients} clients: {spread(server.of(clients, 'rate'))} certificates/s, CPU "
                f"{spread(server.of(clients, 'cpu'))} us each, p50 {spread(server.of(clients, 'p50_us'))} us, p99 "
                f"{spread(server.of(clients, 'p99_us'))} us, {sum(server.of(clients, 'other'))} refused")
    good = sum(sum(ours.of(clients, "other")) for clients in CLIENTS) == 0
    for clients in CLIENTS:
        good &= at_least(f"server_cpu_us_{clients}_cfssl", ours.of(clients, "cpu"), alone.of(clients, "cpu"),
            CFSSL_CPU[clients])
        good &= at_least(f"server_cpu_us_{clients}_cfssl_sqlite", ours.of(clients, "cpu"), kept.of(clients, "cpu"),
            CFSSL_SQLITE_CPU[clients])
    good &= at_most("server_cpu_us_64_primitives", ours.of(64, "cpu"), primitives, PRIMITIVES)
    return at_least("server_p99_us_64_cfssl_sqlite", ours.of(64, "p99_us"), kept.of(64, "p99_us"), CFSSL_SQLITE_P99) and good


def main(imprintd, load, folder):
    servers, primitives, empty = [], [], []
    requests = requests_for_boards()
    folder = Path(tempfile.mkdtemp(prefix="bench", dir=folder))
    try:
        good = starts(imprintd, folder)
        ours = Ours(imprintd, folder / "imprintd")
        servers.append(ours)
        for kept in (False, True):
            servers.append(Cfssl(folder / f"cfssl{kept:d}", requests, kept))
        for _ in range(ROUNDS):
            primitives.append(primitives_us())
            empty.append(ours.empty(load))
            ours.log_in(requests)
            for clients, ms in CLIENTS.items():
                for server in servers:
                    server.turn(load, clients, ms)
        good &= report(*servers, primitives, empty)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
