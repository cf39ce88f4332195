"""A cloud API in a few lines, over TLS: what our client is tested against when the server must misbehave.

    cloud = cloud_server.Cloud(folder)                       # listens; cloud.credentials is a file
    cloud.bend["PUT", "/iot/v2/devices"] = lambda request: request.answer(503, {}, Retry_After="1")
    ...
    cloud.close()

It keeps devices and certificates in memory, and every request in `seen`. A certificate is made by another
library than ours. The real server is tested elsewhere; this one proves what the client does about bad ones.
"""

import base64
import datetime
import http.server
import ipaddress
import json
import os
import ssl
import threading
import urllib.parse
import uuid
from pathlib import Path

import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

CLIENT, SECRET = "abcdefghijklmnopqrstuvwxyz012345", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345" * 2
ORGANIZATION = "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"


def printable(oid, text):
    return x509.NameAttribute(oid, text, _ASN1Type.PrintableString)


ISSUER = x509.Name([printable(NameOID.COUNTRY_NAME, "US"), printable(NameOID.ORGANIZATION_NAME, "Arduino LLC US"),
    printable(NameOID.ORGANIZATIONAL_UNIT_NAME, "IT"), printable(NameOID.COMMON_NAME, "Arduino")])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def service_certificates(folder, stem, names=("localhost",)):
    """A root and a leaf of its own: (root file, leaf file with its key)."""
    now = datetime.datetime.utcnow()
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"root of {stem}")])

    def build(subject, public, authority):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(root_name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(authority, None), True))
    root = build(root_name, root_key.public_key(), True).sign(root_key, hashes.SHA256())
    alternatives = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (build(x509.Name([]), key.public_key(), False)
        .add_extension(x509.SubjectAlternativeName(alternatives), True).sign(root_key, hashes.SHA256()))
    root_file, leaf_file = Path(folder) / f"{stem}-root.pem", Path(folder) / f"{stem}-leaf.pem"
    root_file.write_bytes(pem(root))
    leaf_file.write_bytes(pem(leaf) + key_pem(key))
    return root_file, leaf_file


class Authority:
    """Issues what a board can rebuild, with the encoder of another library."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.serial = 0x5a << 120

    def issue(self, csr, device):
        begin = datetime.datetime.utcnow().replace(minute=0, second=0, microsecond=0)
        if (begin.month, begin.day) == (2, 29):
            begin = begin.replace(day=28)
        self.serial += 1
        key_id = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()).digest
        certificate = (x509.CertificateBuilder().issuer_name(ISSUER).subject_name(x509.Name([printable(NameOID.COMMON_NAME, device)]))
            .public_key(csr.public_key()).serial_number(self.serial).not_valid_before(begin)
            .not_valid_after(begin.replace(year=begin.year + 31))
            .add_extension(x509.AuthorityKeyIdentifier(key_id, None, None), False).sign(self.key, hashes.SHA256()))
        r, s = utils.decode_dss_signature(certificate.signature)
        der = certificate.public_bytes(serialization.Encoding.DER)
        return {"id": f"{self.serial:032x}", "device_id": device, "enabled": True, "href": "/", "ca": "Arduino_v2",
            "pem": pem(certificate).decode(), "der": base64.b64encode(der).decode(),
            "compressed": {"serial": f"{self.serial:032x}", "authority_key_identifier": key_id.hex(),
                "signature": certificate.signature.hex(), "signature_asn1_x": f"{r:064x}", "signature_asn1_y": f"{s:064x}",
                "not_before": begin.strftime("%Y-%m-%dT%H:00:00Z"),
                "not_after": begin.replace(year=begin.year + 31).strftime("%Y-%m-%dT%H:00:00Z")}}


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, **headers):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, detail):
        self.answer(status, {"id": "x", "code": "refused", "status": status, "detail": detail})

    def handle_any(self):
        cloud = self.server.cloud
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query)
        self.data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with cloud.lock:
            cloud.seen.append((self.command, self.path, dict(self.headers), self.data))
            bent = cloud.bend.get((self.command, url.path)) or cloud.bend.get((self.command, url.path.rpartition("/")[2]))
        if bent and bent(self) is not cloud.CARRY_ON:
            return
        with cloud.lock:
            cloud.serve(self, [urllib.parse.unquote(part) for part in url.path.split("/")[1:]])

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_): # a client that went away, or liked our certificate not
        pass


class Cloud:
    CARRY_ON = object() # what a bent route returns to be served after all

    def __init__(self, folder, names=("localhost",), again=None):
        """`again`: a closed one, whose port and certificates this one gets."""
        self.folder, self.lock = Path(folder), threading.RLock()
        self.devices, self.certs, self.tokens, self.seen, self.bend = {}, {}, set(), [], {}
        self.authority = Authority()
        port = again.server.server_address[1] if again else harness.free_port()
        self.root, self.leaf = (again.root, again.leaf) if again else service_certificates(folder, f"cloud-{uuid.uuid4()}", names)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.leaf)
        self.server = Server(("127.0.0.1", port), Request)
        self.server.cloud = self
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        self.credentials = self.folder / "credentials.json"
        self.write_credentials()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def write_credentials(self, path=None, **other):
        path = path or self.credentials
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"client": CLIENT, "secret": SECRET, "organization": ORGANIZATION, "server": self.url,
            "ca": str(self.root), **other}))
        os.chmod(path, 0o600)
        return path

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def calls(self, method, ending):
        """Requests that were made, by method and end of the path."""
        with self.lock:
            return [s for s in self.seen if s[0] == method and urllib.parse.urlsplit(s[1]).path.endswith(ending)]

    def valid_certs(self, device):
        return [c for c in self.certs.get(device, []) if c["enabled"]]

    # --- routes; the lock is held ---

    def serve(self, request, path):
        if path == ["iot", "v1", "clients", "token"]:
            self.token(request)
        elif path in (["healthz"], ["readyz"]):
            request.answer(200, {})
        elif request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            request.error(401, "no such token")
        elif request.headers.get("X-Organization") != ORGANIZATION:
            request.error(403, "no such organization")
        elif path[:3] != ["iot", "v2", "devices"]:
            request.error(404, "no such route")
        elif len(path) == 3:
            self.collection(request)
        elif path[3] not in self.devices:
            request.error(404, "no such device")
        elif len(path) == 4:
            self.device(request, self.devices[path[3]])
        elif path[4] == "certs":
            self.certificate(request, path[3], path[5] if len(path) > 5 else None)
        elif path[4] == "tags":
            self.tag(request, self.devices[path[3]], path[5] if len(path) > 5 else None)
        else:
            request.error(404, "no such route")

    def token(self, request):
        form = urllib.parse.parse_qs(request.data.decode())
        if (form.get("client_id"), form.get("client_secret")) != ([CLIENT], [SECRET]):
            request.answer(401, {"error": "invalid_client", "error_description": "401 Unauthorized"})
            return
        token = uuid.uuid4().hex
        self.tokens.add(token)
        request.answer(200, {"access_token": token, "expires_in": 300, "token_type": "Bearer"})

    def collection(self, request):
        if request.command == "PUT":
            fields = json.loads(request.data)
            device = {"id": str(uuid.uuid4()), "href": "/", "label": "", "user_id": ORGANIZATION, "serial": "",
                "device_status": "UNKNOWN", "tags": {}, "created_at": "2026-11-23T02:00:00Z", **fields}
            self.devices[device["id"]] = device
            request.answer(201, device)
            return
        wanted = dict(tag.split(":") for tag in request.query.get("tags", []))
        deleted = request.query.get("show_deleted") == ["true"]
        request.answer(200, [d for d in self.devices.values() if bool(d.get("deleted_at")) == deleted
            and wanted.items() <= d["tags"].items()
            and request.query.get("serial", [d["serial"]]) == [d["serial"]]])

    def device(self, request, device):
        if request.command == "DELETE":
            if request.query.get("force") == ["true"]:
                del self.devices[device["id"]]
            else:
                device["deleted_at"] = "2026-11-23T03:00:00Z"
            request.answer(200)
            return
        if request.command == "POST":
            device.update(json.loads(request.data))
        request.answer(200, device)

    def certificate(self, request, device, cert):
        issued = self.certs.setdefault(device, [])
        if request.command == "PUT":
            csr = x509.load_pem_x509_csr(json.loads(request.data)["csr"].encode())
            issued.append(self.authority.issue(csr, device))
            request.answer(201, issued[-1])
        elif cert is None:
            request.answer(200, issued)
        elif request.command == "DELETE":
            for c in issued:
                c["enabled"] = c["enabled"] and c["id"] != cert
            request.answer(200)

    def tag(self, request, device, key):
        if request.command == "PUT":
            tag = json.loads(request.data)
            device["tags"][tag["key"]] = tag["value"]
        else:
            device["tags"].pop(key, None)
        request.answer(200)
