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
NO_GO = "arduino-cloud-cli is not installed, nor to be had from Go's module proxy; the recorded exchange is replayed"


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
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=240, check=False, **how)
    except subprocess.TimeoutExpired as late:
        print(f"# {late}", flush=True)
        return False
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
        thing = got["thing"]["id"]
        self.assertEqual((got["attached"]["device_id"], got["attached"]["timezone"]), (device, "Europe/Rome"))
        self.assertEqual([t["id"] for t in got["things"]], [thing])
        self.assertEqual((got["with_thing"]["thing"]["id"], got["with_thing"]["thing"]["name"]), (thing, "hall"))
        self.assertEqual(got["properties"]["properties"], [])
        self.assertIsNone(got["detached"].get("device_id"))
        self.assertEqual(got["no_thing"]["status"], 404)
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
    """arduino-cloud-cli, built from its source at c6c9ee2: Go's module proxy hands out neither it nor its modules."""

    def device(self, *argv, **env):
        """What `arduino-cloud-cli device ...` prints; None when it prints nothing."""
        credentials = self.server.credentials()
        done = self.run_program("arduino-cloud-cli", "device", *argv, "--format", "json", env={
            "IOT_API_URL": self.relay.url if self.relay else credentials["server"], "SSL_CERT_FILE": self.server.root,
            "ARDUINO_CLOUD_CLIENT": credentials["client"], "ARDUINO_CLOUD_SECRET": credentials["secret"],
            "ARDUINO_CLOUD_ORGANIZATION": credentials["organization"], **env})
        if env:
            return done
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def test_real(self):
        if not shutil.which("arduino-cloud-cli"):
            self.skipTest(NO_GO)
        made = self.device("create-generic", "--name", "from-go")
        self.assertTrue(made["secret_key"])
        self.device("create-tags", "--id", made["id"], "--tags", "room=kitchen,floor=2")
        self.assertEqual([d["id"] for d in self.device("list", "--tags", "room=kitchen")], [made["id"]])
        self.device("delete-tags", "--id", made["id"], "--keys", "floor")
        shown = self.device("show", "--device-id", made["id"])
        self.assertEqual((shown["name"], shown["fqbn"], shown["tags"]), ("from-go", "generic:generic:generic", ["room=kitchen"]))
        self.device("delete", "--id", made["id"])
        self.assertIsNone(self.device("list"))
        refused = self.device("list", ARDUINO_CLOUD_SECRET="x" * 64)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("wrong credentials", refused.stderr + refused.stdout)
        if self.relay:
            self.relay.save("go")

    def test_recorded(self):
        exchange.replay(self, self.server, "go")
