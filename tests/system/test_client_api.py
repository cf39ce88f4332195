"""imprint provision through a server: what it asks for, what it leaves behind, and servers that cheat or fail."""

import json
import os
import signal
import socket
import ssl
import unittest
import warnings

import boards
import cloud_server
import harness


class ApiTest(boards.BoardTest):
    def setUp(self):
        super().setUp()
        self.clouds = []
        self.addCleanup(lambda: [cloud.close() for cloud in self.clouds])
        self.config = self.folder / "config/imprint"

    def cloud(self, **options):
        cloud = cloud_server.Cloud(self.folder, **options)
        self.clouds.append(cloud)
        cloud.write_credentials(self.config / "credentials.json")
        return cloud

    def via_api(self, name, *options, board=None, **kwargs):
        return self.run_program("imprint", "provision", "--port", board or name, "--name", name, "--yes", "--json",
            *options, **kwargs)

    def done(self, cloud, name, run):
        """The run succeeded; record, chip and server agree, and one certificate alone is valid."""
        self.assertEqual(run.returncode, 0, run)
        result, record = json.loads(run.stdout), self.record(name)
        self.assertEqual(result["server"], cloud.url)
        self.assertEqual(result["device_id"], record["device_id"])
        active = [c["der"] for c in record["certificates"] if c["state"] == "active"]
        self.assertEqual([c["der"] for c in cloud.valid_certs(result["device_id"])], active)
        self.assertTrue(self.belongs(name, self.honest(name)))
        return cloud.devices[result["device_id"]]

    def fails(self, run, status, says):
        self.assertEqual(run.returncode, status, run)
        self.assertIn(says, run.stderr, run)


class Devices(ApiTest):
    def test_a_server_with_nothing_but_the_cloud_api(self):
        """What it has is shown; who is let in is not its business."""
        cloud = self.cloud()
        self.board("kitchen")
        device = self.done(cloud, "kitchen", self.via_api("kitchen"))
        shown = self.run_program("imprint", "device", "show", "kitchen")
        self.assertRegex(shown.stdout, r"(?m)^certificates [0-9a-f]{32} valid, 20")
        self.assertNotIn("enabled", shown.stdout)
        for argv in (("revoke", device["id"], "--yes"), ("disable", device["id"]), ("history", device["id"])):
            self.fails(self.run_program("imprint", "device", *argv), 3, "no such route")
        self.fails(self.run_program("imprint", "broker", "list"), 3, "no such route")

    def test_a_server_that_ignores_the_name(self):
        """It answers with all devices; the right one is taken."""
        cloud = self.cloud()
        for name in ("attic", "kitchen"):
            self.assertEqual(self.run_program("imprint", "device", "create", name).returncode, 0)
        self.assertIn("kitchen", self.run_program("imprint", "device", "show", "kitchen").stdout)
        self.assertTrue([path for _, path, _, _ in cloud.seen if path.endswith("/devices?name=kitchen")])

    def test_answers_that_are_none(self):
        cloud = self.cloud()
        self.assertEqual(self.run_program("imprint", "device", "create", "kitchen").returncode, 0)
        device = list(cloud.devices)[0]
        for answer, says in (({}, "id: not a UUID"), ({"id": device, "name": "kitchen"}, "enabled: neither"),
                ({"id": device, "name": "kitchen", "enabled": True, "brokers": {"waiting": ["\x1b[31m"]}}, "not a name")):
            cloud.bend["POST", f"/v1/devices/{device}:revoke"] = lambda request, answer=answer: request.answer(200, answer)
            self.fails(self.run_program("imprint", "device", "revoke", "kitchen", "--yes"), 5, says)


class Provision(ApiTest):
    def test_new_device_then_again(self):
        cloud = self.cloud()
        self.board("kitchen")
        device = self.done(cloud, "kitchen", self.via_api("kitchen"))
        self.assertEqual((device["name"], device["type"], device["fqbn"]),
            ("kitchen", "mkrwifi1010", "arduino:samd:mkrwifi1010"))
        again = self.done(cloud, "kitchen", self.via_api("kitchen"))
        self.assertEqual(device["id"], again["id"])
        self.assertEqual(len(cloud.devices), 1)
        self.assertEqual(len(cloud.certs[device["id"]]), 2)
        self.assertEqual([path.partition("?")[2] for method, path, _, _ in cloud.seen if method == "DELETE"], ["reason=superseded"])
        for method, path, headers, _ in cloud.seen:
            with self.subTest(path):
                self.assertRegex(headers["User-Agent"], r"^imprint/\d+\.\d+\.\d+$")
                self.assertEqual(headers["X-Organization"], cloud_server.ORGANIZATION)
                self.assertEqual("Idempotency-Key" in headers, method == "PUT", headers)
                self.assertNotIn("Expect", headers)

    def test_setup_program(self):
        cloud = self.cloud()
        self.board("kitchen", "--sketch", "setup")
        self.done(cloud, "kitchen", self.via_api("kitchen", "--type", "nano_33_iot"))
        self.assertEqual([d["type"] for d in cloud.devices.values()], ["nano_33_iot"])

    def test_server_from_flags(self):
        cloud = self.cloud()
        moved = cloud.write_credentials(self.folder / "elsewhere.json", server="https://localhost:1")
        (self.config / "credentials.json").unlink()
        self.board("kitchen")
        self.fails(self.via_api("kitchen"), 3, f"no server is known: run `{harness.program('imprint')} up`")
        self.done(cloud, "kitchen", self.via_api("kitchen", "--server", cloud.url + "/", "--credentials", moved))
        self.done(cloud, "kitchen", self.via_api("kitchen", env={"IMPRINT_SERVER": cloud.url, "IMPRINT_CREDENTIALS": str(moved)}))
        up = self.state / "up.json"
        up.write_text(json.dumps({"schema": 1, "pid": 1, "server": cloud.url, "credentials": str(cloud.credentials)}))
        up.chmod(0o600)
        self.done(cloud, "kitchen", self.via_api("kitchen"))

    def test_device_made_before(self):
        cloud = self.cloud()
        cloud.devices[cloud_server.ORGANIZATION] = {"id": cloud_server.ORGANIZATION, "name": "kitchen", "type": "opta",
            "serial": "", "tags": {}}
        self.board("kitchen")
        device = self.done(cloud, "kitchen", self.via_api("kitchen"))
        self.assertEqual(device["id"], cloud_server.ORGANIZATION)
        self.assertEqual(len(cloud.devices), 1)

    def test_device_of_another_board(self):
        """Same name, but it has a certificate: nobody takes its identity over by accident."""
        cloud = self.cloud()
        self.board("kitchen")
        first = self.done(cloud, "kitchen", self.via_api("kitchen"))
        (self.state / "runs/kitchen.json").unlink()
        done = self.via_api("kitchen")
        self.fails(done, 6, f"give --device {first['id']} if this board is that one")
        self.assertEqual(len(cloud.valid_certs(first["id"])), 1)
        self.assertEqual(self.done(cloud, "kitchen", self.via_api("kitchen", "--device", first["id"]))["id"], first["id"])
        (self.state / "runs/kitchen.json").unlink()
        self.fails(self.via_api("kitchen", "--device", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f41"), 3, "no such device (404)")
        self.fails(self.via_api("kitchen", "--device", "kitchen"), 2, "'kitchen' is not a device id")

    def test_device_that_is_gone(self):
        """Deleted at the server, or recorded for another one: a new device, and the old record is kept."""
        cloud = self.cloud()
        self.board("kitchen")
        first = self.done(cloud, "kitchen", self.via_api("kitchen"))
        first["deleted_at"] = "2026-11-23T03:00:00Z"
        second = self.done(cloud, "kitchen", self.via_api("kitchen"))
        del cloud.devices[second["id"]]
        third = self.done(cloud, "kitchen", self.via_api("kitchen"))
        self.assertEqual(len({d["id"] for d in (first, second, third)}), 3)
        self.assertEqual(sorted(p.name for p in (self.state / "runs").glob("*.old")),
            sorted(f"kitchen.{d['id']}.old" for d in (first, second)))

    def test_years(self):
        cloud = self.cloud()
        self.board("kitchen")
        self.fails(self.via_api("kitchen", "--years", "5"), 2, "a server signs for 31")
        self.assertEqual(cloud.seen, [])

    @unittest.skipUnless(boards.has_hooks(), "release build: no place to die at")
    def test_killed_anywhere(self):
        """kill -9 before, in and after each step that speaks to the server: one device, one valid certificate."""
        cloud = self.cloud()
        self.board("kitchen", "--sketch", "setup")
        for at in ("before:record", "inside:record", "after:record", "before:issue", "inside:issue", "after:issue", "before:store",
                "before:activate", "inside:activate", "after:activate"):
            with self.subTest(at):
                killed = self.via_api("kitchen", env={"IMPRINT_TEST_CRASH": at})
                self.assertEqual(killed.returncode, -signal.SIGKILL, killed)
                self.settle("kitchen")
                self.done(cloud, "kitchen", self.via_api("kitchen"))
                self.assertEqual(len(cloud.devices), 1)


class Cheats(ApiTest):
    """Servers that answer what they should not. Nothing of it may reach the board."""

    def refuses(self, cloud, says, status=5):
        done = self.via_api("kitchen")
        self.fails(done, status, says)
        self.assertFalse(self.chip("kitchen")["certificate"], done)

    def bend_cert(self, cloud, change):
        def answer(request):
            body = json.loads(request.data)
            csr = cloud_server.x509.load_pem_x509_csr(body["csr"].encode())
            device = request.path.split("/")[4]
            cert = cloud.authority.issue(change(csr) if callable(change) else csr, device)
            if isinstance(change, dict):
                cert["compressed"].update(change)
            request.answer(201, cert)
        cloud.bend["PUT", "certs"] = answer

    def test_certificates(self):
        cloud = self.cloud()
        self.board("kitchen")

        class OtherKey:
            def public_key(self):
                return cloud_server.ec.generate_private_key(cloud_server.ec.SECP256R1()).public_key()

        for name, change, says in (
            ("another key", lambda csr: OtherKey(), "a certificate for another key"),
            ("serial", {"serial": "00" * 16}, "compressed.serial: not that of the certificate"),
            ("minutes", {"not_before": "2026-11-23T02:30:00Z"}, "compressed.not_before"),
            ("signature", {"signature_asn1_y": "11" * 32}, "compressed.signature_asn1_y"),
        ):
            with self.subTest(name):
                self.bend_cert(cloud, change)
                self.refuses(cloud, says)
        cloud.bend["PUT", "certs"] = lambda request: request.answer(201, b"{" * 70000)
        self.refuses(cloud, "more than 65536 bytes")
        cloud.bend["PUT", "certs"] = lambda request: request.answer(201, b"\xff")
        self.refuses(cloud, "not JSON")
        del cloud.bend["PUT", "certs"]
        self.done(cloud, "kitchen", self.via_api("kitchen"))

    def test_redirect_is_not_followed(self):
        cloud, other = self.cloud(), self.cloud()
        cloud.write_credentials(self.config / "credentials.json")
        self.board("kitchen")
        for status in (301, 302, 307, 308):
            with self.subTest(status):
                cloud.bend["GET", "/iot/v2/devices"] = lambda request, status=status: request.answer(
                    status, {}, Location=other.url + "/iot/v2/devices")
                self.refuses(cloud, f"sends us elsewhere ({status})", 8)
        self.assertEqual(other.seen, [])

    def test_another_server(self):
        """Only the ca of the credentials counts, and the name must be right; the secret is not sent before."""
        cloud, other = self.cloud(), self.cloud(names=("elsewhere.example",))
        self.board("kitchen")
        cloud.write_credentials(self.config / "credentials.json", ca=str(other.root))
        self.refuses(cloud, "is not the server of these credentials", 8)
        self.refuses_with(other, cloud.root)
        other.write_credentials(self.config / "credentials.json")
        self.refuses(other, "is not the server of these credentials", 8)
        self.assertEqual(cloud.seen + other.seen, [])
        cloud.write_credentials(self.config / "credentials.json", ca="/none.pem")
        self.refuses(cloud, "/none.pem, named as `ca` in", 3)

    def refuses_with(self, cloud, trusted):
        """What the system trusts is not trusted: SSL_CERT_FILE names the right root, the credentials another one."""
        cloud.write_credentials(self.config / "credentials.json", ca=str(trusted))
        done = self.via_api("kitchen", env={"SSL_CERT_FILE": str(cloud.root), "CURL_CA_BUNDLE": str(cloud.root)})
        self.fails(done, 8, "is not the server of these credentials")

    def test_old_tls(self):
        cloud = self.cloud()
        cloud.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        warnings.simplefilter("ignore", DeprecationWarning)
        cloud.context.minimum_version = ssl.TLSVersion.TLSv1_1
        cloud.context.maximum_version = ssl.TLSVersion.TLSv1_1
        old = ssl.create_default_context(cafile=cloud.root)
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with socket.create_connection(cloud.server.server_address, timeout=20) as plain:
            with old.wrap_socket(plain, server_hostname="localhost") as tls:
                self.assertEqual(tls.version(), "TLSv1.1", "the server speaks it")
        self.board("kitchen")
        self.refuses(cloud, cloud.url, 8)
        self.assertEqual(cloud.seen, [])

    def test_proxy_of_the_environment(self):
        """A server on this computer is spoken to directly, whatever the environment says."""
        cloud = self.cloud()
        self.board("kitchen")
        proxy = {"https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
        self.done(cloud, "kitchen", self.via_api("kitchen", env=proxy))


class Patience(ApiTest):
    def test_busy_server(self):
        cloud = self.cloud()
        self.board("kitchen")
        busy = iter([503, 429, 503])

        def answer(request):
            status = next(busy, None)
            return cloud.CARRY_ON if status is None else request.answer(status, {"detail": "later"}, Retry_After="1")
        cloud.bend["PUT", "/iot/v2/devices"] = answer
        self.done(cloud, "kitchen", self.via_api("kitchen"))
        puts = cloud.calls("PUT", "/iot/v2/devices")
        self.assertEqual(len(puts), 4)
        self.assertEqual(len({headers["Idempotency-Key"] for _, _, headers, _ in puts}), 1)

    def test_too_long(self):
        cloud = self.cloud()
        self.board("kitchen")
        cloud.bend["PUT", "/iot/v2/devices"] = lambda request: request.answer(503, {"detail": "closed today"}, Retry_After="3600")
        self.fails(self.via_api("kitchen"), 8, "closed today (503)")
        cloud.bend["PUT", "/iot/v2/devices"] = lambda request: request.answer(503, {})
        for _ in range(5): # the last answer may come too late, which is another failure
            done = self.via_api("kitchen", "--timeout", "2")
            if done.returncode != 9:
                break
        self.fails(done, 8, "not ready (503)")

    def test_token_that_ends(self):
        cloud = self.cloud()
        self.board("kitchen")

        def forget(request):
            cloud.tokens.clear()
            del cloud.bend["PUT", "certs"]
            return cloud.CARRY_ON
        cloud.bend["PUT", "certs"] = forget
        self.done(cloud, "kitchen", self.via_api("kitchen"))
        self.assertEqual(len(cloud.calls("POST", "/token")), 2)
        cloud.bend["GET", "certs"] = lambda request: request.answer(401, {})
        self.fails(self.via_api("kitchen"), 4, "(401)")

    def test_wrong_secret(self):
        cloud = self.cloud()
        self.board("kitchen")
        cloud.write_credentials(self.config / "credentials.json", secret="x" * 64)
        done = self.via_api("kitchen")
        self.fails(done, 4, "does not know the credentials in")
        self.assertNotIn("x" * 64, done.stdout + done.stderr)
        self.assertEqual(len(cloud.calls("POST", "/token")), 1)

    def test_nobody_there(self):
        cloud = self.cloud()
        self.board("kitchen")
        cloud.close()
        self.clouds.clear()
        self.fails(self.via_api("kitchen"), 8, cloud.url)

    def test_server_that_starts_late(self):
        """Connections that are refused are tried again for a while: the server may be starting."""
        cloud = self.cloud()
        self.board("kitchen")
        cloud.close()
        self.clouds.clear()
        for _ in range(5): # it is a second, which a busy machine may take to start the server
            run = self.start("imprint", "provision", "--port", "kitchen", "--name", "kitchen", "--yes", "--json")
            cloud_server.threading.Event().wait(0.3)
            late = self.cloud(again=cloud)
            if run.wait() == 0:
                break
            self.clouds.pop().close()
        self.assertEqual(run.wait(), 0, run.output)
        self.assertEqual(len(late.devices), 1)

    def test_file_that_others_can_read(self):
        cloud = self.cloud()
        os.chmod(self.config / "credentials.json", 0o644)
        self.board("kitchen")
        self.fails(self.via_api("kitchen"), 4, "credentials.json")
        self.assertEqual(cloud.seen, [])

    def test_interrupted(self):
        cloud = self.cloud()
        self.board("kitchen")
        asked = self.folder / "asked"

        def never(_):
            asked.touch()
            self.over.wait(60)
        self.over = cloud_server.threading.Event()
        self.addCleanup(self.over.set)
        cloud.bend["GET", "/iot/v2/devices"] = never
        run = self.start("imprint", "provision", "--port", "kitchen", "--name", "kitchen", "--yes")
        boards.wait_until(asked.exists)
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(), 130, run.output)
