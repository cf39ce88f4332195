"""Clients that others wrote, unmodified, against imprintd: npm, PyPI and Go.

Each runs where its package can be had; what it said is recorded in recorded/NAME.jsonl, by a relay, and replayed
in any case. To record anew: IMPRINT_RECORD=1 in the environment.
"""

import base64
import datetime
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import exchange
import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from server import Server

HERE = Path(__file__).resolve().parent
RECORD = os.environ.get("IMPRINT_RECORD")
NPM = "@arduino/arduino-iot-client"
NPM_SHA512 = ("20f122c075060dc576b981334ed924467dccc24d6af0cafe170ed3d4daebfb24"
    "446bf69a5b5e5bdb643c4c1515a25249181537c0070873b43721e83c09fe1c4b")
PYPI_SHA256 = "105285ebddec3cfda68f4da96bae47ae86a9eea86ce02a2d068ff7675278e6ed"
NO_NPM = "npm has no arduino-iot-client or cannot be reached; the recorded exchange is replayed"
NO_PYPI = "PyPI has no arduino-iot-client for this Python or cannot be reached; the recorded exchange is replayed"
NO_GO = "arduino-cloud-cli is not installed, nor to be had from Go's module proxy; its requests are sent without it"


def installed(name, make):
    """A folder in the build folder, made once, whole or not at all; None when it cannot be had."""
    folder = harness.BUILD / name
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=harness.BUILD) as made:
        wanted = Path(made) / "package"
        wanted.mkdir()
        if not make(wanted):
            return None
        os.rename(wanted, folder)
    return folder


def run_quietly(*argv, **how):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=240, check=False, **how)
    if done.returncode:
        print("# " + (done.stdout + done.stderr).strip()[-2000:].replace("\n", "\n# "), flush=True)
    return done.returncode == 0


def npm_install(folder):
    if not shutil.which("npm") or not run_quietly("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
            "--fetch-retries=1", "--fetch-timeout=20000", "--omit=dev", "--prefix", folder, f"{NPM}@3.0.0", cwd=folder):
        return False
    lock = json.loads((folder / "node_modules/.package-lock.json").read_text())
    integrity = lock["packages"][f"node_modules/{NPM}"]["integrity"].removeprefix("sha512-")
    if base64.b64decode(integrity).hex() != NPM_SHA512:
        raise AssertionError("npm delivers another package than before")
    return True


def pip_install(folder):
    def pip(*argv):
        return run_quietly("/usr/bin/python3", "-m", "pip", *argv)
    quiet = ("--quiet", "--disable-pip-version-check", "--retries=1", "--timeout=10", "--only-binary=:all:")
    if not pip("download", *quiet, "--no-deps", "--dest", folder, "arduino-iot-client==3.0.0"):
        return False
    wheel, = folder.glob("*.whl")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(wheel.read_bytes())
    if digest.finalize().hex() != PYPI_SHA256:
        raise AssertionError("PyPI delivers another file than before")
    return pip("install", *quiet, "--target", folder / "lib", wheel, "requests-oauthlib")


class RealClient(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self)
        self.relay = exchange.Relay(self.server) if RECORD else None

    def configuration(self):
        """For a script: what a user of these packages has, and a request made with openssl."""
        self.key = self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            self.key, "-subj", "/CN=anything", "-out", self.folder / "csr.pem"], check=True, capture_output=True)
        credentials = self.server.credentials()
        return json.dumps({"server": self.relay.url if self.relay else credentials["server"], "ca": self.server.root,
            "client": credentials["client"], "secret": credentials["secret"], "organization": credentials["organization"],
            "csr": (self.folder / "csr.pem").read_text()})

    def certificate(self, answer, device):
        """What the API gives is one certificate in four forms, signed by our authority for this request's key."""
        certificate = x509.load_der_x509_certificate(base64.b64decode(answer["der"]))
        authority = x509.load_pem_x509_certificate((self.state / "ca/certificate.pem").read_bytes())
        authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        request = x509.load_pem_x509_csr((self.folder / "csr.pem").read_bytes())
        self.assertEqual(certificate.public_key().public_numbers(), request.public_key().public_numbers())
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={device}")
        if answer["pem"]: # "" where the client would refuse a longer one than its document says
            self.assertEqual(x509.load_pem_x509_certificate(answer["pem"].encode()), certificate)
        c = answer["compressed"]
        r, s = utils.decode_dss_signature(certificate.signature)
        aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        self.assertEqual((c["serial"], c["authority_key_identifier"], c["signature_asn1_x"], c["signature_asn1_y"]),
            (f"{certificate.serial_number:032x}", aki.hex(), f"{r:064x}", f"{s:064x}"))
        for name, want in (("not_before", certificate.not_valid_before), ("not_after", certificate.not_valid_after)):
            told = datetime.datetime.fromisoformat(str(c[name]).replace("Z", "+00:00")).replace(tzinfo=None)
            self.assertEqual(told, want)

    def check(self, got, name, type_):
        device = got["created"]["id"]
        self.assertEqual((got["created"]["name"], got["created"]["type"]), (f"from-{name}", type_))
        self.certificate(got["certificate"], device)
        self.assertEqual(got["one"]["der"], got["certificate"]["der"])
        self.assertEqual([c["der"] for c in got["certificates"]], [got["certificate"]["der"]])
        self.assertEqual(got["tags"], {"tags": [{"key": "room", "value": "kitchen"}]})
        self.assertEqual([d["id"] for d in got["listed"]], [device])
        self.assertEqual(got["not_listed"], [])
        self.assertEqual(got["updated"]["name"], f"still-from-{name}")
        self.assertEqual((got["shown"]["id"], got["shown"]["name"]), (device, f"still-from-{name}"))
        self.assertEqual((got["refused"]["status"], got["gone"]["status"]), (400, 404))
        self.assertTrue(got["refused"]["detail"])
        self.assertEqual([c["enabled"] for c in got["certificates_left"]].count(True), 0)
        if self.relay:
            self.relay.save(name)


class Npm(RealClient):
    def test_real(self):
        package = installed("npm-arduino-iot-client-3.0.0", npm_install)
        if not package:
            self.skipTest(NO_NPM)
        done = self.run_program("node", HERE / "real_client.js", self.configuration(),
            env={"NODE_PATH": str(package / "node_modules")})
        self.assertEqual(done.returncode, 0, done)
        self.check(json.loads(done.stdout), "npm", "mkrwifi1010")

    def test_recorded(self):
        exchange.replay(self, self.server, "npm")


class PyPi(RealClient):
    def test_real(self):
        package = installed("pypi-arduino-iot-client-3.0.0", pip_install)
        if not package:
            self.skipTest(NO_PYPI)
        done = self.run_program("/usr/bin/python3", "-B", HERE / "real_client.py", self.configuration(),
            env={"PYTHONPATH": str(package / "lib")})
        self.assertEqual(done.returncode, 0, done)
        self.check(json.loads(done.stdout), "pypi", "nano_33_iot")

    def test_recorded(self):
        exchange.replay(self, self.server, "pypi")


class Go(RealClient):
    """arduino-cloud-cli. Go's module proxy does not hand out its modules, so nothing could be recorded: the requests
    of test_written were taken from its source (commit c6c9ee2) and from golang.org/x/oauth2."""

    def test_real(self):
        if not shutil.which("arduino-cloud-cli"):
            self.skipTest(NO_GO)
        credentials = self.server.credentials()
        env = {"IOT_API_URL": credentials["server"], "SSL_CERT_FILE": self.server.root,
            "ARDUINO_CLOUD_CLIENT": credentials["client"], "ARDUINO_CLOUD_SECRET": credentials["secret"],
            "ARDUINO_CLOUD_ORGANIZATION": credentials["organization"]}

        def device(*argv):
            done = self.run_program("arduino-cloud-cli", "device", *argv, "--format", "json", env=env)
            self.assertEqual(done.returncode, 0, done)
            return json.loads(done.stdout) if done.stdout.strip() else None
        made = device("create-generic", "--name", "from-go")
        self.assertTrue(made["secret_key"])
        device("create-tags", "--id", made["id"], "--tags", "room=kitchen")
        self.assertEqual([d["id"] for d in device("list", "--tags", "room=kitchen")], [made["id"]])
        self.assertEqual(device("show", "--device-id", made["id"])["name"], "from-go")
        device("delete", "--id", made["id"])

    def get(self, method, path, value=None, want=200, required=()):
        """One request as iot-client-go sends it; members that it requires are there, as it does not go on without."""
        headers = {"Accept": "application/json", "User-Agent": "OpenAPI-Generator/1.0.0/go", "Authorization": f"Bearer {self.token}",
            "X-Organization": self.server.credentials()["organization"]}
        body = None if value is None else json.dumps(value) + "\n" # its encoder ends in a line end
        if body:
            headers["Content-Type"] = "application/json"
        status, said, answer = self.server.request(method, path, body, headers)
        self.assertEqual(status, want, answer)
        if not answer:
            return None
        self.assertRegex(said["Content-Type"], r"(?i)^(application|text)/([^;]+\+)?json")
        value = json.loads(answer)
        for one in value if isinstance(value, list) else [value]:
            self.assertLessEqual(set(required), set(one))
        return value

    def fetch_token(self, secret, want):
        """golang.org/x/oauth2 tries HTTP Basic first, and the body when that is refused."""
        credentials = self.server.credentials()
        basic = base64.b64encode(f"{credentials['client']}:{secret}".encode()).decode()
        status, said, answer = self.server.request("POST", "/iot/v1/clients/token",
            "audience=https%3A%2F%2Fapi2.arduino.cc%2Fiot&grant_type=client_credentials"
            f"&organization_id={credentials['organization']}",
            {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Go-http-client/1.1"})
        self.assertEqual(status, want, answer)
        self.assertRegex(said["Content-Type"], "^application/json")
        return json.loads(answer)

    def test_written(self):
        credentials = self.server.credentials()
        refused = self.fetch_token("x" * 64, 401)
        self.assertTrue("error" not in refused or "401" in refused["error_description"], refused) # else "wrong credentials" is lost
        token = self.fetch_token(credentials["secret"], 200)
        self.assertGreater(token["expires_in"], 0)
        self.assertEqual(token["token_type"].lower(), "bearer")
        self.token = token["access_token"]
        device = ("href", "id", "label", "name", "serial", "type", "user_id")
        made = self.get("PUT", "/iot/v2/devices", {"fqbn": "generic:generic:generic", "name": "from-go", "serial": "",
            "type": "login_and_secretkey_wifi"}, 201, device)
        path = f"/iot/v2/devices/{made['id']}"
        suggested = self.get("GET", f"{path}/pass?suggested_password=true", required=["set"])["suggested_password"]
        self.assertTrue(suggested)
        answer = self.get("PUT", f"{path}/pass", {"password": suggested}, required=["set"])
        self.assertEqual(answer["suggested_password"], suggested, "else the operator gets an empty key")
        self.get("PUT", f"{path}/tags", {"key": "room", "value": "kitchen"})
        listed = self.get("GET", "/iot/v2/devices?tags=room%3Akitchen", required=device)
        self.assertEqual([(d["id"], d["tags"]) for d in listed], [(made["id"], {"room": "kitchen"})])
        shown = self.get("GET", path, required=device)
        self.assertEqual((shown["name"], shown["fqbn"]), ("from-go", "generic:generic:generic"))
        self.assertEqual(self.get("GET", f"/iot/v1/network_credentials/{made['id']}?connection=wifi"), [])
        boards = self.get("GET", "/iot/v1/supported/devices", required=["label", "type", "vendor", "tags"])
        self.assertIn("arduino:samd:mkrwifi1010", [b.get("fqbn") for b in boards])
        self.get("DELETE", f"{path}/tags/room")
        self.get("DELETE", path)
        self.get("GET", path, want=404)
