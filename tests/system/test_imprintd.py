"""imprintd from outside: first start and every later one, its certificates, its end, and bad luck."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import time
import unittest
from pathlib import Path

import harness
from server import Key, Server

HOOKS = b"IMPRINT_TEST_CLOCK" in Path(harness.program("imprintd")).read_bytes()
DAY = 86400


class ServerTest(harness.SystemTest):
    def server(self, *argv, **how):
        return Server(self, *argv, **how)

    def fails(self, *argv, want, words, env=None):
        """Ends at once with this exit status and a reason in its log."""
        done = self.run_program("imprintd", "--port", "0", *argv, env=env)
        self.assertEqual(done.returncode, want, done)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, words)
        self.assertRegex(done.stderr, rf" error failed error=ERR_\w+ exit={want} reason=")
        return done

    def stops(self, server, want=0):
        self.assertEqual(server.process.stop(), want, server.process.output)

    def mode(self, *path):
        return stat.S_IMODE(self.state.joinpath(*path).stat().st_mode)


class FirstStart(ServerTest):
    def test_what_is_made(self):
        os.umask(0)
        server = self.server(env={"IMPRINT_LOG_LEVEL": "debug"})
        os.umask(0o022)
        self.assertEqual(set(server.ready), {"schema", "server", "port", "pid", "credentials", "state", "organization"})
        self.assertEqual(server.ready["pid"], server.process.pid)
        self.assertEqual(server.ready["server"], f"https://localhost:{server.port}")
        mine = server.credentials()
        self.assertEqual(set(mine), {"client", "secret", "organization", "server", "ca"})
        self.assertRegex(mine["client"], r"^[A-Za-z0-9]{32}$")
        self.assertRegex(mine["secret"], r"^[A-Za-z0-9]{64}$")
        self.assertRegex(mine["organization"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual((mine["server"], mine["ca"]), (server.ready["server"], str(self.state / "tls/service-root.pem")))
        self.assertEqual(server.ready["credentials"], str(self.folder / "config/imprint/credentials.json"))
        self.assertEqual(stat.S_IMODE(os.stat(server.ready["credentials"]).st_mode), 0o600)
        for path in (["tls/service-root.key"], ["tls/issuing.key"], ["tls/api.key"], ["tls/broker.key"], ["ca/key.pem"],
                ["broker/internal.key"], ["imprint.db"]):
            self.assertEqual(self.mode(*path), 0o600, path)
        for path in (["tls"], ["ca"], ["broker"]):
            self.assertEqual(self.mode(*path), 0o700, path)
        self.assertRegex((self.state / "broker/internal.key").read_text(), r"^[0-9a-f]{64}$")

        # Nothing of a secret is kept but its hash, and nothing of it is said.
        secrets = (mine["secret"], (self.state / "broker/internal.key").read_text())
        server.fetch_token()
        self.stops(server)
        for secret in (*secrets, server.token):
            for path in self.state.rglob("*"):
                if path.is_file() and path.name != "internal.key":
                    self.assertNotIn(secret.encode(), path.read_bytes(), path)
            self.assertNotIn(secret, server.process.output)

    def test_serves(self):
        server = self.server()
        self.assertEqual(server.request("GET", "/healthz")[0], 200)
        self.assertEqual(server.request("GET", "/readyz")[0], 200)
        device = server.device()
        status, answer = server.issue(device, Key(self.folder).csr(device))
        self.assertEqual(status, 201, answer)
        status, shown = server.call("GET", f"/iot/v2/devices/{device}")
        self.assertEqual((status, shown["device_status"]), (200, "UNKNOWN"))

        certificate = self.folder / "device.pem"
        certificate.write_text(answer["pem"])
        done = self.run_program("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
            self.state / "ca/certificate.pem", certificate)
        self.assertEqual(done.returncode, 0, done)

    def test_refused_before_it_is_read(self):
        """What no handler sees is refused in the form of the API that was meant; nobody without a token fills our memory."""
        server = self.server()
        for status, request in ((413, "PUT /iot/v2/devices HTTP/1.1\r\nHost: h\r\nContent-Length: 16385\r\n\r\n"),
                (431, "GET /iot/v2/devices HTTP/1.1\r\nHost: h\r\nA: " + "b" * 17000),
                (414, "GET /iot/v2/devices?" + "a" * 9000),
                (501, "BREW /iot/v2/devices HTTP/1.1\r\n\r\n")):
            connection = socket.create_connection(("localhost", server.port), timeout=harness.PATIENCE)
            with server.context().wrap_socket(connection, server_hostname="localhost") as tls:
                tls.sendall(request.encode())
                answer = http.client.HTTPResponse(tls)
                answer.begin()
                said = json.loads(answer.read())
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/vnd.goa.error+json"), said)
            self.assertEqual((sorted(said), said["status"]), (["code", "detail", "id", "status"], status))

    def test_second_start(self):
        first = self.server()
        device = first.device()
        before, root = first.credentials(), (self.state / "tls/service-root.pem").read_bytes()
        api = (self.state / "tls/api.pem").read_bytes()
        self.stops(first)
        second = self.server()
        after = second.credentials()
        for name in ("client", "secret", "organization", "ca"):
            self.assertEqual(before[name], after[name])
        self.assertEqual(after["server"], second.ready["server"])
        self.assertEqual((self.state / "tls/service-root.pem").read_bytes(), root)
        self.assertEqual((self.state / "tls/api.pem").read_bytes(), api)
        self.assertEqual(second.call("GET", f"/iot/v2/devices/{device}")[0], 200)

    def test_two_at_once(self):
        first = self.server()
        self.fails(want=6, words=r"imprintd\.lock: held by process \d+ \(imprintd\)")
        self.assertEqual(first.request("GET", "/healthz")[0], 200)

    def test_authority_of_before(self):
        """The authority that `imprint provision` made without a server is taken over."""
        (self.state / "ca").mkdir(mode=0o700)
        server = self.server()
        made = (self.state / "ca/certificate.pem").read_bytes()
        self.stops(server)
        for path in (*self.state.glob("imprint.db*"), Path(server.ready["credentials"])):
            path.unlink()
        shutil.rmtree(self.state / "tls")
        self.server()
        self.assertEqual((self.state / "ca/certificate.pem").read_bytes(), made)

    def test_as_json(self):
        server = self.server("--log", "json", "--log-level", "debug")
        server.request("GET", "/healthz")
        server.request("GET", "/nosuch?secret=query")
        self.stops(server)
        events = [json.loads(line) for line in server.process.lines]
        kinds = [event["event"] for event in events]
        for kind in ("credentials_made", "ready", "request", "draining", "stopped"):
            self.assertIn(kind, kinds)
        for event in events:
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        asked = [event for event in events if event["event"] == "request"]
        self.assertEqual([(event["method"], event["path"], event["status"]) for event in asked],
            [("GET", "/healthz", 200), ("GET", "/nosuch", 404)])
        self.assertNotIn("query", server.process.output)


class Credentials(ServerTest):
    """The file of another installation is somebody's work; ours gives way."""

    def setUp(self):
        super().setUp()
        self.usual = self.folder / "config/imprint/credentials.json"
        self.inside = self.state / "credentials.json"

    def other(self, ca="/elsewhere/tls/service-root.pem"):
        self.usual.parent.mkdir(exist_ok=True)
        text = json.dumps({"client": "c" * 32, "secret": "s" * 64, "organization": "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40",
            "server": "https://iot.example", "ca": ca})
        self.usual.write_text(text)
        self.usual.chmod(0o600)
        return text

    def works(self, server, path):
        self.assertEqual(server.ready["credentials"], str(path))
        server.fetch_token()
        self.stops(server)

    def test_of_another(self):
        text = self.other()
        server = self.server()
        server.process.wait_for(rf"warning credentials_of_another file={self.usual} reason=\"not of this installation\"")
        server.process.wait_for(rf"info credentials_made file={self.inside} client=\w{{32}}$")
        self.works(server, self.inside)
        self.assertEqual(self.usual.read_text(), text)
        self.works(self.server(), self.inside)
        self.usual.unlink() # it does not move about
        self.works(self.server(), self.inside)

    def test_unreadable(self):
        for text, mode in (("rubbish", 0o600), (self.other(), 0o644)):
            self.usual.write_text(text)
            self.usual.chmod(mode)
            self.works(self.server(), self.inside)
            self.assertEqual(self.usual.read_text(), text)

    def test_of_a_state_that_is_gone(self):
        """A state folder that was removed and begun anew: its old credentials are good for nothing."""
        self.other(ca=str(self.state / "tls/service-root.pem"))
        self.works(self.server(), self.usual)
        self.assertFalse(self.inside.exists())

    def test_lost(self):
        server = self.server()
        old = server.credentials()
        self.stops(server)
        self.usual.unlink()
        server = self.server()
        self.assertNotEqual(server.credentials()["client"], old["client"])
        self.works(server, self.usual)

    def test_named(self):
        named = self.folder / "a/b/mine.json"
        self.works(self.server("--credentials", named), named)
        self.assertFalse(self.usual.exists())
        self.works(self.server(env={"IMPRINT_CREDENTIALS": str(named)}), named)

    def test_relative(self):
        """Seen from where it was started; whoever hears of them stands elsewhere."""
        server = self.server("--state", "here/state", "--credentials", "there/mine.json")
        self.assertEqual(server.ready["state"], str(self.folder / "here/state"))
        self.assertEqual(server.credentials()["ca"], str(self.folder / "here/state/tls/service-root.pem"))
        self.works(server, self.folder / "there/mine.json")

    def test_no_home(self):
        for gone in ("HOME", "XDG_CONFIG_HOME"):
            del self.env[gone]
        self.works(self.server(), self.inside)


class Tls(ServerTest):
    def chain(self, server, *argv):
        """What openssl says of the connection."""
        return self.run_program("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", server.root,
            "-verify_return_error", "-x509_strict", "-purpose", "sslserver", *argv)

    def test_verified(self):
        server = self.server("--public-name", "iot.example,192.0.2.7", "--public-name", "b.example")
        for name in ("localhost", "iot.example", "b.example"):
            done = self.chain(server, "-verify_hostname", name)
            self.assertIn("Verification: OK", done.stdout, done)
        for address in ("127.0.0.1", "::1", "192.0.2.7"):
            self.assertIn("Verification: OK", self.chain(server, "-verify_ip", address).stdout)
        self.assertNotEqual(self.chain(server, "-verify_hostname", "elsewhere.example").returncode, 0)
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            self.assertIn(suite, self.chain(server, "-tls1_2", "-cipher", suite).stdout)
        self.assertNotEqual(self.chain(server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode, 0)
        # The root goes with the boards, not over the wire.
        self.assertEqual(self.chain(server, "-showcerts").stdout.count("BEGIN CERTIFICATE"), 2)

    def test_bad_names(self):
        for name in ("my_host", "a..b", "192.0.2.256", "x" * 64, "*.example"):
            done = self.run_program("imprintd", "--public-name", name)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(f"--public-name: '{name[:80]}' is neither a DNS name nor an address", done.stderr)
        self.assertEqual(list(self.state.iterdir()), [])

    def test_other_names_at_the_next_start(self):
        server = self.server()
        self.assertNotEqual(self.chain(server, "-verify_hostname", "iot.example").returncode, 0)
        self.stops(server)
        server = self.server("--public-name", "iot.example")
        self.assertEqual(self.chain(server, "-verify_hostname", "iot.example").returncode, 0)

    @unittest.skipUnless(HOOKS, "needs a build whose clock can be set")
    def test_renewal(self):
        """While it runs: connections stay, new ones see the new certificate, and the broker's file changes too."""
        clock = self.folder / "clock"
        clock.write_text("0")
        server = self.server(env={"IMPRINT_TEST_CLOCK": str(clock)})
        kept = server.connect()
        self.addCleanup(kept.close)
        self.assertEqual(server.request("GET", "/healthz", connection=kept)[0], 200)
        before = {name: (self.state / "tls" / name).read_bytes() for name in ("api.pem", "broker.pem", "api.key", "issuing.pem")}
        clock.write_text(str(59 * DAY))
        server.process.send(signal.SIGHUP)
        clock.write_text(str(61 * DAY))
        server.process.send(signal.SIGHUP)
        for which in ("api", "broker"):
            server.process.wait_for(rf"info certificate_renewed server={which} until=\d{{4}}-")
        after = {name: (self.state / "tls" / name).read_bytes() for name in before}
        self.assertEqual([name for name in before if before[name] != after[name]], ["api.pem", "broker.pem"])
        self.assertEqual(server.request("GET", "/healthz", connection=kept)[0], 200)
        done = self.chain(server, "-attime", str(int(time.time()) + 62 * DAY))
        self.assertIn("Verification: OK", done.stdout, done)
        served = done.stdout[done.stdout.index("-----BEGIN"):done.stdout.index("-----END")]
        self.assertIn(served, after["api.pem"].decode())

        # Past the issuing authority's life and beyond, but never past the root's.
        begun = len(server.process.lines)
        clock.write_text(str(700 * DAY))
        server.process.send(signal.SIGHUP)
        server.process.wait_for(r"certificate_renewed server=broker until=\d{4}-", start=begun)
        self.assertNotEqual((self.state / "tls/issuing.pem").read_bytes(), before["issuing.pem"])
        clock.write_text(str(8000 * DAY))
        server.process.send(signal.SIGHUP)
        server.process.wait_for(r"error certificate_not_renewed reason=\"the clock is outside of the service root's life")
        self.assertEqual(server.request("GET", "/healthz", connection=kept)[0], 200)


class Ports(ServerTest):
    def taken(self, port=0):
        s = socket.socket()
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        return s.getsockname()[1]

    def test_given_and_taken(self):
        port = self.taken()
        done = self.run_program("imprintd", "--port", port)
        self.assertEqual(done.returncode, 6, done)
        self.assertIn(str(port), done.stderr)

    def test_default(self):
        """The usual port or the next one that is free; 8444 is for callers with a client certificate."""
        try:
            self.taken(8443)
            first = 8445
        except OSError:
            first = 8443 # somebody else has it, and may give it back before we look
        process = self.start("imprintd")
        port = int(process.wait_for(r"info ready .* port=(\d+)").group(1))
        self.assertIn(port, range(first, 8443 + 70))
        self.assertNotEqual(port, 8444)

    def test_address(self):
        done = self.run_program("imprintd", "--listen", "localhost")
        self.assertEqual(done.returncode, 2, done)
        done = self.run_program("imprintd", "--listen", "192.0.2.1", "--port", "0")
        self.assertNotEqual(done.returncode, 0, done)
        server = self.server("--listen", "::1")
        self.assertEqual(server.ready["server"], f"https://[::1]:{server.port}")
        with socket.create_connection(("::1", server.port)) as s:
            server.context().wrap_socket(s, server_hostname="::1").close()
        self.stops(server)
        server = self.server("--listen", "::")
        self.assertEqual(server.ready["server"], f"https://[::1]:{server.port}")
        with socket.create_connection(("::1", server.port)) as s:
            server.context().wrap_socket(s, server_hostname="::1").close()
        self.stops(server)
        server = self.server("--listen", "127.0.0.2")
        self.assertEqual(server.ready["server"], f"https://127.0.0.2:{server.port}")
        with socket.create_connection(("127.0.0.2", server.port)) as s:
            server.context().wrap_socket(s, server_hostname="127.0.0.2").close()

    def test_ready_descriptor(self):
        done = self.run_program("imprintd", "--ready-fd", "77")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--ready-fd 77: Bad file descriptor", done.stderr)


class Options(ServerTest):
    def test_ini(self):
        ini = self.folder / "config/imprint/imprintd.ini"
        ini.parent.mkdir()
        ini.write_text("port = 0\n[log]\nlevel = debug\n[public]\nname = a.example, b.example\n")
        done = self.run_program("imprintd")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--public-name: ' b.example' is neither", done.stderr)
        ini.write_text("port = 0\n[log]\nlevel = debug\n[public]\nname = a.example,b.example\n")
        process = self.start("imprintd")
        port = int(process.wait_for(r"info ready .* port=(\d+)").group(1))
        self.assertNotEqual(port, 8443)
        process.stop()
        named = self.folder / "other.ini"
        named.write_text("prot = 0\n")
        done = self.run_program("imprintd", "--config", named)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn(f"{named}:1: there is no option --prot", done.stderr)
        self.assertEqual(self.run_program("imprintd", "--config", self.folder / "nosuch.ini").returncode, 3)

    def test_help_manual_completion(self):
        text = self.run_program("imprintd", "--help").stdout
        options = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", text, re.M))
        self.assertLessEqual({"state", "run", "credentials", "listen", "port", "public-name", "broker", "ready-fd", "log",
            "log-level", "config", "help", "version"}, options)
        self.assertTrue(all(len(line) < 80 for line in text.splitlines()), text)
        page = self.run_program("imprintd", "--print", "man").stdout
        self.assertTrue(page.startswith(".TH IMPRINTD 8 "))
        for shell in ("bash", "zsh", "fish"):
            script = self.run_program("imprintd", "--print", shell).stdout
            for option in options:
                self.assertIn(option, page.replace("\\-", "-"))
                self.assertIn(option, script)
        self.assertRegex(self.run_program("imprintd", "--version").stdout, r"^imprintd \d+\.\d+\.\d+\n$")
        script = self.folder / "completion"
        script.write_text(self.run_program("imprintd", "--print", "bash").stdout)
        done = subprocess.run(["bash", "-uc", f"source {script}; COMP_WORDS=(imprintd --log-level ''); COMP_CWORD=2; "
            "_imprintd; echo \"${COMPREPLY[@]}\""], capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout.split(), done.stderr), (["error", "warning", "info", "debug"], ""))


class End(ServerTest):
    def test_drains(self):
        """What was begun is answered; nobody new comes in; then it ends with 0."""
        server = self.server()
        server.fetch_token()
        device = server.device()
        idle = server.connect()
        self.addCleanup(idle.close)
        self.assertEqual(server.request("GET", "/healthz", connection=idle)[0], 200) # stays open and stops nobody
        slow = server.connect()
        body = json.dumps({"name": "renamed"}).encode()
        slow.putrequest("POST", f"/iot/v2/devices/{device}")
        for name, value in (("Authorization", f"Bearer {server.token}"), ("Content-Type", "application/json"),
                ("X-Organization", server.ready["organization"]), ("Content-Length", str(len(body))), ("Expect", "100-continue")):
            slow.putheader(name, value)
        slow.endheaders()
        self.assertEqual(slow.sock.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n", "the server has read the head")
        slow.send(body[:5])
        server.process.send(signal.SIGTERM)
        server.process.wait_for("info draining")
        until = time.monotonic() + harness.PATIENCE
        while True: # its port is closed
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            except OSError:
                break
            self.assertLess(time.monotonic(), until, "it still listens")
            time.sleep(0.05)
        slow.send(body[5:])
        answer = slow.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())["name"]), (200, "renamed"))
        slow.close()
        self.assertEqual(server.process.wait(), 0, server.process.output)
        server.process.wait_for("info stopped")
        again = self.server()
        self.assertEqual(again.call("GET", f"/iot/v2/devices/{device}")[1]["name"], "renamed")

    def test_interrupt(self):
        server = self.server()
        server.process.send(signal.SIGINT)
        self.assertEqual(server.process.wait(), 130)

    def test_hang_up(self):
        server = self.server()
        server.process.send(signal.SIGHUP)
        time.sleep(0.2)
        self.assertEqual(server.request("GET", "/healthz")[0], 200)


class Log(ServerTest):
    def test_nobody_reads(self):
        """Standard error is a pipe that is full: requests are answered all the same."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        child = subprocess.Popen([harness.program("imprintd"), "--port", "0"], env=self.env, cwd=self.folder, stderr=writer)
        os.close(writer)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        said = b""
        while not (found := re.search(rb" info ready .* port=(\d+)", said)):
            said += os.read(reader, 4096)
        os.set_blocking(reader, False)
        while True: # before it is as small as that, what is not read at once is not lost
            try:
                fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
                break
            except OSError:
                with contextlib.suppress(BlockingIOError):
                    os.read(reader, 4096)
        for _ in range(100):
            connection = http.client.HTTPSConnection("localhost", int(found.group(1)), timeout=harness.PATIENCE,
                context=ssl.create_default_context(cafile=self.state / "tls/service-root.pem"))
            connection.request("GET", "/nosuch")
            self.assertEqual(connection.getresponse().status, 404)
            connection.close()
        child.terminate()
        self.assertEqual(child.wait(harness.PATIENCE), 0)


class BadLuck(ServerTest):
    def made(self):
        server = self.server()
        self.device = server.device()
        self.stops(server)

    def test_database(self):
        self.made()
        database = self.state / "imprint.db"
        database.write_bytes(b"rubbish" * 1000)
        self.fails(want=5, words="imprint.db")
        self.assertEqual(database.read_bytes(), b"rubbish" * 1000)

    def test_database_gone(self):
        """What a file system may leave of a database is no reason to begin anew, and to know nothing of what was issued."""
        self.made()
        database = self.state / "imprint.db"
        kept = database.read_bytes()
        database.write_bytes(b"")
        self.fails(want=3, words="imprint.db: the registry is gone or empty.*put it back")
        database.unlink()
        self.fails(want=3, words="imprint.db: the registry is gone or empty.*put it back")
        database.write_bytes(kept)
        self.assertEqual(self.server().call("GET", f"/iot/v2/devices/{self.device}")[0], 200)

    def test_authority_gone(self):
        self.made()
        shutil.move(self.state / "ca", self.folder / "ca")
        self.fails(want=3, words="the device authority is gone.*put the folder back")
        self.assertFalse((self.state / "ca").exists())
        shutil.move(self.folder / "ca", self.state / "ca")
        self.assertEqual(self.server().call("GET", f"/iot/v2/devices/{self.device}")[0], 200)

    def test_authority_of_another(self):
        self.made()
        shutil.move(self.state / "ca", self.folder / "ca")
        shutil.move(self.state / "imprint.db", self.folder / "imprint.db")
        shutil.rmtree(self.state / "tls")
        self.made()
        for name in ("imprint.db-wal", "imprint.db-shm"):
            (self.state / name).unlink(missing_ok=True)
        shutil.move(self.folder / "imprint.db", self.state / "imprint.db")
        self.fails(want=6, words="not the device authority that the registry knows")

    def test_service_root_gone(self):
        self.made()
        for name in ("service-root.pem", "service-root.key"):
            (self.state / "tls" / name).unlink()
        self.fails(want=3, words="service-root.pem is gone; boards know no other")

    def test_open_folder(self):
        self.state.chmod(0o755)
        self.fails(want=4, words="mode 0755 lets others in; make it 0700")
        self.state.chmod(0o700)
        self.made()
        (self.state / "ca/key.pem").chmod(0o644)
        self.fails(want=4, words="key.pem: mode 0644 lets others in; make it 0600")

    def of_nobody(self, mode):
        """A state folder of a user who is not root, and how to become that user: root may write anywhere."""
        state = self.folder / "state of nobody"
        state.mkdir(mode=mode)
        if os.geteuid() != 0:
            return state, []
        os.chown(state, 65534, 65534)
        self.folder.chmod(0o755)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if subprocess.run([*become, harness.program("imprintd"), "--version"], capture_output=True, check=False).returncode:
            self.skipTest("the build folder is closed to others")
        return state, become

    def test_read_only(self):
        state, become = self.of_nobody(0o500)
        done = self.run_program(*become, harness.program("imprintd"), "--port", "0", "--state", state, "--run",
            state / "run")
        self.assertEqual(done.returncode, 4, done)
        self.assertRegex(done.stderr, rf"{state}/imprintd.lock: .*Permission denied")
        self.assertEqual(list(state.iterdir()), [])

    def test_any_user(self):
        """Neither root nor a home is needed, only the folders."""
        state, become = self.of_nobody(0o700)
        process = self.start(*become, "env", "-u", "HOME", "-u", "XDG_CONFIG_HOME", harness.program("imprintd"), "--port",
            "0", "--state", state, "--run", state / "run")
        process.wait_for(rf"info ready .* credentials=\"{state}/credentials.json\"")
        self.assertEqual(process.stop(), 0)

    @unittest.skipUnless(HOOKS, "needs a build whose clock can be set")
    def test_clock(self):
        clock = self.folder / "clock"
        env = {"IMPRINT_TEST_CLOCK": str(clock)}
        now = int(time.time())
        clock.write_text(str(946684800 - 1800 - now)) # 1999-12-31T23:30:00Z
        self.fails(want=6, env=env, words="the clock says 1999-12-31T23:00:00Z: no certificate can begin before 2000; set the clock")
        self.assertEqual(list(self.state.iterdir()), [])
        self.made()
        clock.write_text(str(-400 * DAY))
        self.fails(want=6, env=env, words="the clock is before the device authority's first hour, .*; set the clock")
        clock.write_text(str(1956528060 - now)) # 2032-01-01T00:01:00Z
        server = self.server(env=env)
        server.process.wait_for("warning clock_after_2031 .*certificates begin with the last hour of 2031")
        # What is issued then begins with the last hour that boards can store.
        server.context = ssl._create_unverified_context # the test's own clock stands where it always was
        status, answer = server.issue(self.device, Key(self.folder).csr(self.device))
        self.assertEqual(status, 201, answer)
        self.assertEqual(answer["compressed"]["not_before"][:13], "2031-12-31T23")


if __name__ == "__main__":
    unittest.main()
