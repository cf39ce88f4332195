"""Arduino's SelfProvisioning sketch against imprintd: its requests byte for byte, its arrays, its way to read.

The sketch prints a request in pieces, one TLS record each, and a line end behind the body that Content-Length
does not count. It then takes what is there at that moment, once: an answer in two records, or behind a gap, is
lost to it. So this client decrypts exactly one record of data and never looks for another. It keeps the body in
arrays of 1024, 512 and 4096 bytes, which nobody measures, and needs a NUL behind it.
"""

import json
import re
import socket
import ssl

import cloud_server
import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.name import _ASN1Type
from server import Server

TOKEN_ARRAY, DEVICE_ARRAY, CERT_ARRAY = 1024, 512, 4096
APPLICATION_DATA = 23
HOST = "api2.arduino.cc" # whatever our server is called: the sketch has it four times as a literal


class Connection:
    """TLS 1.2 as a Wi-Fi module speaks it, with the records in our hands."""

    def __init__(self, test, server):
        self.test = test
        self.socket = socket.create_connection(("localhost", server.port), timeout=harness.PATIENCE)
        test.addCleanup(self.socket.close)
        context = server.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.record()[1])
        self.flush()
        test.assertEqual(self.tls.version(), "TLSv1.2")

    def flush(self):
        self.socket.sendall(self.outgoing.read())

    def exactly(self, n):
        data = b""
        while len(data) < n:
            got = self.socket.recv(n - len(data))
            if not got:
                raise EOFError(f"{len(data)} of {n} bytes")
            data += got
        return data

    def record(self):
        """(type, whole record)"""
        head = self.exactly(5)
        return head[0], head + self.exactly(int.from_bytes(head[3:5], "big"))

    def println(self, text=""):
        self.tls.write(text.encode() + b"\r\n")
        self.flush()

    def print(self, text):
        self.tls.write(text.encode())
        self.flush()

    def available(self):
        """The bytes of the first record of data, and nothing else."""
        while True:
            kind, record = self.record()
            self.incoming.write(record)
            if kind == APPLICATION_DATA:
                return self.tls.read(65536)

    def more(self):
        """Records of data that come behind the one that was read."""
        count = 0
        try:
            while True:
                count += self.record()[0] == APPLICATION_DATA
        except (EOFError, ConnectionError):
            return count

    def stop(self):
        self.socket.close()


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    return bytes([tag]) + (bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + n.to_bytes(2, "big")) + body


def integer(data):
    data = data.lstrip(b"\0") or b"\0"
    return tlv(2, b"\0" + data if data[0] > 127 else data)


def rebuild(device, key, c):
    """The certificate that the sketch makes of `compressed`: nothing else of the answer is looked at."""
    year, month, day, hour = (int(c["not_before"][a:b]) for a, b in ((0, 4), (5, 7), (8, 10), (11, 13)))
    ecdsa = tlv(0x30, bytes.fromhex("06082a8648ce3d040302"))

    def name(*attributes):
        return tlv(0x30, *(tlv(0x31, tlv(0x30, tlv(6, bytes([0x55, 4, n])), tlv(0x13, text.encode()))) for n, text in attributes))

    def time(y):
        rest = f"{month:02}{day:02}{hour:02}0000Z"
        return tlv(0x17, f"{y % 100:02}{rest}".encode()) if y < 2050 else tlv(0x18, f"{y}{rest}".encode())
    tbs = tlv(0x30, tlv(0xa0, integer(b"\2")), integer(bytes.fromhex(c["serial"])), ecdsa,
        name((6, "US"), (10, "Arduino LLC US"), (11, "IT"), (3, "Arduino")), tlv(0x30, time(year), time(year + 31)),
        name((3, device)), key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        tlv(0xa3, tlv(0x30, tlv(0x30, bytes.fromhex("0603551d23"),
            tlv(4, tlv(0x30, tlv(0x80, bytes.fromhex(c["authority_key_identifier"]))))))))
    r, s = (bytes.fromhex(c[f"signature_asn1_{v}"]) for v in "xy")
    return tlv(0x30, tbs, ecdsa, tlv(3, b"\0", tlv(0x30, integer(r), integer(s))))


class Sketch:
    def __init__(self, test, server, type_, fqbn):
        self.test, self.server, self.type, self.fqbn = test, server, type_, fqbn
        credentials = server.credentials()
        self.client_id, self.secret_id = credentials["client"], credentials["secret"]
        self.token = None

    def request(self, line, kind, body, hosts=1):
        connection = Connection(self.test, self.server)
        connection.println(line)
        for _ in range(hosts):
            connection.println(f"Host: {HOST}")
        connection.println("Connection: close")
        connection.println(f"Content-Type: {kind}")
        if self.token:
            connection.print("Authorization: Bearer ")
            connection.println(self.token)
        connection.print("Content-Length: ")
        connection.println(str(len(body)))
        connection.println()
        connection.println(body)
        return connection

    def answer(self, connection, array):
        """What lands in the array, parsed as the sketch does: from the first byte, up to where a NUL was put by luck."""
        data = connection.available()
        head, found, body = data.partition(b"\r\n\r\n")
        self.test.assertTrue(found, data)
        self.test.assertLess(len(body), array, "an array is overrun")
        self.test.assertEqual(connection.more(), 0, "the answer is in more than one record")
        connection.stop()
        self.test.assertNotRegex(head.lower(), rb"transfer-encoding|content-encoding|\nhttp/1.1 100")
        self.test.assertRegex(head.lower(), rb"\r\nconnection: close(\r\n|$)")
        self.test.assertIn(f"content-length: {len(body)}".encode(), head.lower().split(b"\r\n"))
        return json.loads(body)

    def get_token(self):
        body = (f"grant_type=client_credentials&client_id={self.client_id}&client_secret={self.secret_id}"
            "&audience=https://api2.arduino.cc/iot")
        self.token = self.answer(self.request("POST /iot/v1/clients/token HTTP/1.1", "application/x-www-form-urlencoded",
            body), TOKEN_ARRAY)["access_token"]

    def put_device(self, name, serial, hosts=1):
        body = f'{{"fqbn":"{self.fqbn}","name":"{name}","type":"{self.type}","serial":"{serial}"}}'
        return self.answer(self.request("PUT /iot/v2/devices HTTP/1.1", "application/json;charset=UTF-8", body, hosts),
            DEVICE_ARRAY)["id"]

    def post_firmware(self, device, version):
        """Nobody reads the answer."""
        self.request(f"POST /iot/v2/devices/{device} HTTP/1.1", "application/json;charset=UTF-8",
            f'{{"wifi_fw_version":"{version}"}}').stop()

    def put_cert(self, device, key):
        # ECCX08 gives a request of PrintableString whose PEM has lines of 76 characters and ends in a line end.
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(
            x509.NameOID.COMMON_NAME, device, _ASN1Type.PrintableString)])).sign(key, hashes.SHA256())
        text = "".join(request.public_bytes(serialization.Encoding.PEM).decode().splitlines()[1:-1])
        csr = "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *re.findall(".{1,76}", text),
            "-----END CERTIFICATE REQUEST-----", ""])
        body = '{"ca":"Arduino","csr":"' + csr.replace("\n", "\\n") + '","enabled":true}'
        return self.answer(self.request(f"PUT /iot/v2/devices/{device}/certs HTTP/1.1", "application/json;charset=UTF-8", body),
            CERT_ARRAY)


class SelfProvisioning(harness.SystemTest):
    def provision(self, sketch, server, hosts=1):
        key = ec.generate_private_key(ec.SECP256R1())
        sketch.get_token()
        device = sketch.put_device("NewDevice_65534", "0123456789ABCDEF0123456789ABCDEF", hosts)
        self.assertEqual(len(device), 36)
        sketch.post_firmware(device, "1.5.0")
        answer = sketch.put_cert(device, key)
        c = answer["compressed"]
        self.assertEqual([len(c[n]) for n in ("serial", "authority_key_identifier", "signature_asn1_x", "signature_asn1_y")],
            [32, 40, 64, 64])
        der = rebuild(device, key.public_key(), c)
        certificate = x509.load_der_x509_certificate(der)
        authority = x509.load_pem_x509_certificate((self.state / "ca/certificate.pem").read_bytes())
        authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(certificate.signature)
        self.assertEqual((f"{r:064x}", f"{s:064x}"), (c["signature_asn1_x"].lower(), c["signature_asn1_y"].lower()))
        self.assertEqual(x509.load_pem_x509_certificate(answer["pem"].encode()), certificate)
        shown = json.loads(self.run_program("imprint", "device", "show", device, "--json").stdout)
        self.assertEqual([x["serial"] for x in shown["certificates"]], [c["serial"].lower()])
        self.assertEqual((shown["name"], shown["serial"], shown["type"], shown["fqbn"]),
            ("NewDevice_65534", "0123456789ABCDEF0123456789ABCDEF", sketch.type, sketch.fqbn))
        self.assertEqual(server.call("GET", f"/iot/v2/devices/{device}")[1]["wifi_fw_version"], "1.5.0")
        return device

    def test_both_boards_and_again(self):
        server = Server(self)
        for type_, fqbn in (("nano_33_iot", "arduino:samd:nano_33_iot"), ("mkrwifi1010", "arduino:samd:mkrwifi1010")):
            with self.subTest(type_):
                sketch = Sketch(self, server, type_, fqbn)
                devices = {self.provision(sketch, server), self.provision(sketch, server)}
                self.assertEqual(len(devices), 2, "the sketch asks for a new device each time")

    def test_two_host_lines(self):
        server = Server(self)
        self.provision(Sketch(self, server, "mkrwifi1010", "arduino:samd:mkrwifi1010"), server, hosts=2)

    def test_what_it_cannot_see(self):
        """The sketch looks at no status: an error is an answer in one record that fits the array, too."""
        server = Server(self)
        sketch = Sketch(self, server, "mkrwifi1010", "arduino:samd:mkrwifi1010")
        sketch.secret_id = "x" * 64
        body = (f"grant_type=client_credentials&client_id={sketch.client_id}&client_secret={sketch.secret_id}"
            "&audience=https://api2.arduino.cc/iot")
        refused = sketch.answer(sketch.request("POST /iot/v1/clients/token HTTP/1.1", "application/x-www-form-urlencoded", body),
            TOKEN_ARRAY)
        self.assertNotIn("access_token", refused)
        sketch.token = "nonsense"
        self.assertNotEqual(len(sketch.put_device("a", "b")), 36)

    def test_two_records_are_noticed(self):
        """This client is as strict as it says: a server that writes head and body apart does not do."""
        cloud = cloud_server.Cloud(self.folder)
        self.addCleanup(cloud.close)

        class Other:
            port = cloud.server.server_address[1]
            context = staticmethod(lambda: ssl.create_default_context(cafile=cloud.root))
            credentials = staticmethod(lambda: {"client": cloud_server.CLIENT, "secret": cloud_server.SECRET})
        with self.assertRaisesRegex(AssertionError, "more than one record"):
            Sketch(self, Other, "mkrwifi1010", "arduino:samd:mkrwifi1010").get_token()
