#!/usr/bin/python3
"""A board that is put out while thousands are connected: from the request to the server until its connection has ended.

	revoke.py IMPRINT IMPRINTD [CONFIG...]         prints `name ours reference ratio target PASS|FAIL`

A server, a mosquitto as we configure it, `imprint board --count` for those that are merely there, and some connections of
our own, whose boards are revoked one after the other at moments that have nothing to do with the broker's turns. The
reference is the limit in seconds; p50, p99 and the longest stand in a comment.
"""

import contextlib
import http.client
import json
import random
import resource
import select
import socket
import ssl
import statistics
import sys
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import storm

IDLE = (1000, 10000)
REVOKED = 200
LIMIT_S = 0.25
DESCRIPTORS = 500 # besides connections
PATIENCE = 30


class Api:
    """The server's API on one connection."""

    def __init__(self, ready):
        c = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))
        self.root = str(Path(ready["state"]) / "tls/service-root.pem")
        self.line = http.client.HTTPSConnection("localhost", ready["port"], context=ssl.create_default_context(cafile=self.root))
        form = f"grant_type=client_credentials&client_id={c['client']}&client_secret={c['secret']}&audience=x"
        token = self.request("POST", "/iot/v1/clients/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        self.headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json"}

    def request(self, method, path, body, headers):
        self.line.request(method, path, body, headers)
        answer = self.line.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)

    def call(self, method, path, value):
        return self.request(method, path, json.dumps(value), self.headers)


class Boards:
    """Connections of our own, and when each has ended."""

    def __init__(self, api, port, folder, n):
        self.ended, self.news = {}, threading.Condition()
        self.poll = select.epoll()
        self.open = {}
        for i in range(n):
            device = api.call("PUT", "/iot/v2/devices", {"name": f"goes-{n}-{i}-{random.random()}", "type": "opta"})["id"]
            tls = self.connect(api, port, folder, device)
            self.open[tls.fileno()] = (device, tls)
            self.poll.register(tls.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        threading.Thread(target=self.watch, daemon=True).start()

    @staticmethod
    def connect(api, port, folder, device):
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])).sign(key, hashes.SHA256())
        cert = api.call("PUT", f"/iot/v2/devices/{device}/certs",
            {"csr": csr.public_bytes(serialization.Encoding.PEM).decode(), "enabled": True})
        path = Path(folder) / "board.pem"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()) + cert["pem"].encode())
        context = ssl.create_default_context(cafile=api.root)
        context.load_cert_chain(path)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
            name = device.encode()
            tls.sendall(bytes([0x10, 12 + len(name)]) + b"\0\4MQTT\4\2\4\0" + len(name).to_bytes(2, "big") + name)
            if tls.recv(4)[-1:] == b"\0":
                return tls
            tls.close() # the broker has not heard of it yet
        raise RuntimeError(f"{device} is not let in")

    def watch(self):
        while True:
            for fd, _ in self.poll.poll():
                now = time.monotonic()
                self.poll.unregister(fd)
                with self.news:
                    self.ended[self.open[fd][0]] = now
                    self.news.notify_all()

    def when_ended(self, device):
        with self.news:
            if not self.news.wait_for(lambda: device in self.ended, PATIENCE):
                raise RuntimeError(f"{device} is connected still")
            return self.ended[device]


def p99(values):
    return sorted(values)[max(0, -(-len(values) * 99 // 100) - 1)]


def measure(site, crowd):
    api = Api(site.ready)
    boards = Boards(api, site.port, site.folder, REVOKED)
    gone, answered = [], []
    for device, _ in boards.open.values():
        time.sleep(random.uniform(0, 0.15))
        at = time.monotonic()
        brokers = api.call("POST", f"/v1/devices/{device}:revoke", {"reason": "keyCompromise"})["brokers"]
        answered.append(time.monotonic() - at)
        if brokers != {"reached": 1, "waiting": []}:
            raise RuntimeError(f"{device}: {brokers}")
        gone.append(boards.when_ended(device) - at)
    for what, values in (("connection ended", gone), ("request answered", answered)):
        print(f"# {what}, {crowd.n} others idle: p50 {statistics.median(values):.3f} s, p99 {p99(values):.3f} s, max {max(values):.3f} s")
    ours = p99(gone)
    good = ours < LIMIT_S
    print(f"revoke_{crowd.n}_p99_s {ours:.3f} {LIMIT_S} {ours / LIMIT_S:.3f} 1 {'PASS' if good else 'FAIL'}", flush=True)
    for _, tls in boards.open.values():
        tls.close()
    return good


def main(imprint, imprintd, *config):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    good = True
    for n in IDLE:
        if n + REVOKED + DESCRIPTORS > most:
            print(f"# revoke: {most} open files are too few for {n} boards\nrevoke_{n}_p99_s - - - - FAIL")
            good = False
            continue
        with contextlib.closing(storm.Site(imprint, imprintd, *config)) as site, contextlib.closing(storm.Crowd(site, n)) as crowd:
            crowd.all_online()
            good &= measure(site, crowd)
    return not good


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
