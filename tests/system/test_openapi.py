"""docs/openapi.yaml, the server's own tables, and what imprintd really answers say the same."""

import json
import re
import socket
import unittest

import yaml

import harness
from server import Events, Key, Server

SERVER = harness.SOURCE / "src/server"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
OBJECTS = {"DEVICE": "DeviceRequest", "CERT": "CertificateRequest", "TAG": "TagRequest", "PASS": "PasswordRequest",
    "THING": "ThingRequest", "SWITCH": "SwitchRequest", "REVOKE": "RevokeRequest"}


def document():
    return yaml.safe_load((harness.SOURCE / "docs/openapi.yaml").read_text(encoding="utf-8"))


def routes():
    """(method, path) -> (access, handler)"""
    text = (SERVER / "routes.def").read_text(encoding="utf-8")
    found = re.findall(r'^ROUTE\("(\w+)", "([^"]+)", (\w+), (\w+)\)$', text, re.M)
    assert len(found) == text.count("\nROUTE("), "a route that this test cannot read"
    return {(method, path): (access, handler) for method, path, access, handler in found}


def fields(prefix):
    """name -> (kind, smallest, largest, rule)"""
    text = (SERVER / "fields.def").read_text(encoding="utf-8")
    found = re.findall(prefix + r'_FIELD\((\w+), (\w+), (\d+), (\d+),\s+((?:"[^"]*"\s*)+|\w+),', text)
    assert len(found) == text.count(f"\n{prefix}_FIELD("), "a field that this test cannot read"
    return {name: (kind, int(smallest), int(largest), rule) for name, kind, smallest, largest, rule in found}


def reasons():
    """The words why a certificate is revoked; fields.def names them all at once."""
    text = (harness.SOURCE / "src/core/x509/crl_reasons.def").read_text(encoding="utf-8")
    return re.findall(r'^CRL_REASON\(\d+, "(\w+)"\)$', text, re.M)


def operations(openapi):
    for path, item in openapi["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method], item.get("parameters", [])


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


class OpenApiTest(unittest.TestCase):
    def test_routes(self):
        ours, openapi = routes(), document()
        theirs = {(method, path): operation for method, path, operation, _ in operations(openapi)}
        self.assertEqual(set(ours), set(theirs))
        for route, (access, handler) in ours.items():
            with self.subTest(route):
                self.assertEqual(theirs[route]["operationId"], handler)
                self.assertEqual(theirs[route].get("security"), [] if access == "OPEN" else None)

    def test_path_parameters(self):
        for method, path, operation, shared in operations(document()):
            named = [p["name"] for p in shared + operation.get("parameters", []) if p.get("in") == "path"]
            with self.subTest(method + " " + path):
                self.assertEqual(named, re.findall(r"{(\w+)}", path))

    def test_fields(self):
        schemas = document()["components"]["schemas"]
        for prefix, name in OBJECTS.items():
            ours, theirs = fields(prefix), schemas[name]
            self.assertEqual(set(ours), set(theirs["properties"]), name)
            self.assertIs(theirs["additionalProperties"], False)
            for field, (kind, smallest, largest, rule) in ours.items():
                with self.subTest(f"{name}.{field}"):
                    schema = theirs["properties"][field]
                    self.assertEqual(schema["type"], "boolean" if kind == "FLAG" else "string")
                    if kind == "WORD":
                        words = reasons() if rule == "BODY_REASON_WORDS" else "".join(re.findall(r'"([^"]*)"', rule)).split()
                        self.assertEqual(schema["enum"], words)
                        self.assertLessEqual(max(map(len, words)), largest)
                    elif kind != "FLAG":
                        self.assertEqual((schema["minLength"], schema["maxLength"]), (smallest, largest))

    def test_reason_of_a_deleted_certificate(self):
        given = [p for _, path, operation, _ in operations(document()) for p in operation.get("parameters", []) if p.get("name") == "reason"]
        self.assertEqual([p["schema"]["enum"] for p in given], [reasons()])

    def test_answers(self):
        """Each operation has one answer that is no error; bodies have a shape."""
        openapi = document()
        for method, path, operation, _ in operations(openapi):
            with self.subTest(method + " " + path):
                good = [status for status in operation["responses"] if status.startswith("2")]
                self.assertEqual(len(good), 1)
                self.assertTrue(operation["summary"])
                self.assertTrue(all("schema" in content for content in
                    operation["responses"][good[0]].get("content", {}).values()))

    def test_references(self):
        openapi = document()
        used = set(references(openapi))
        for reference in used:
            node = openapi
            for part in reference.removeprefix("#/").split("/"):
                self.assertIn(part, node, reference)
                node = node[part]
        for kind in ("schemas", "responses", "parameters"):
            for name in openapi["components"][kind]:
                self.assertIn(f"#/components/{kind}/{name}", used, "nothing refers to it")

    def test_answers_in_order(self):
        """Paths of one shape would be taken by the first."""
        shapes = [(method, re.sub(r"{\w+}", "{}", path)) for method, path in routes()]
        self.assertEqual(len(shapes), len(set(shapes)))


class Shapes:
    """Whether a value has the shape of a schema: the part of JSON Schema that the document uses."""

    TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
    FORMATS = {"uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "byte": r"[A-Za-z0-9+/]+={0,2}"}

    def __init__(self, openapi):
        self.openapi = openapi

    def resolve(self, node):
        while "$ref" in node:
            path = node["$ref"].removeprefix("#/").split("/")
            node = self.openapi
            for part in path:
                node = node[part]
        return node

    def faults(self, value, schema, at="body"):
        schema = self.resolve(schema)
        if "type" not in schema: # anything
            return
        if type(value) is not self.TYPES[schema["type"]]: # a bool is an int to isinstance
            yield f"{at}: {value!r} is no {schema['type']}"
            return
        if isinstance(value, str):
            for pattern in (schema.get("pattern"), self.FORMATS.get(schema.get("format"))):
                if pattern and not re.fullmatch(pattern, value):
                    yield f"{at}: {value!r} is not {pattern}"
            if value not in schema.get("enum", [value]):
                yield f"{at}: {value!r} is none of {schema['enum']}"
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from self.faults(item, schema["items"], f"{at}[{i}]")
        elif isinstance(value, dict):
            known, more = schema.get("properties", {}), schema.get("additionalProperties")
            yield from (f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value)
            for name, member in value.items():
                if name in known or more:
                    yield from self.faults(member, known.get(name, more), f"{at}.{name}")
                elif known:
                    yield f"{at}.{name}: not in the document"


def prometheus(test, text):
    """The text format, version 0.0.4, strictly: families stand together, named, explained and typed once."""
    kinds, seen, family = {}, set(), None
    test.assertTrue(text.endswith("\n"))
    for line in text.splitlines():
        comment = re.fullmatch(r"# (HELP|TYPE) (imprint_[a-z_]+) (.+)", line)
        if comment and comment[1] == "HELP":
            test.assertNotIn(comment[2], kinds, "a family twice")
            family, kinds[comment[2]] = comment[2], None
            test.assertRegex(comment[3], r"[A-Z].*\.")
        elif comment:
            test.assertEqual((comment[2], kinds[family]), (family, None), line)
            test.assertIn(comment[3], ("counter", "gauge"))
            kinds[family] = comment[3]
        else:
            sample = re.fullmatch(r'(imprint_[a-z_]+)(\{[a-z]+="[A-Za-z0-9._-]+"(?:,[a-z]+="[A-Za-z0-9._-]+")*\})? (\d+)', line)
            test.assertTrue(sample, line)
            test.assertEqual(sample[1], family, line)
            test.assertNotIn((sample[1], sample[2]), seen, line)
            seen.add((sample[1], sample[2]))
    for name, kind in kinds.items():
        test.assertEqual(kind == "counter", name.endswith("_total"), name)
        test.assertIn(name, {name for name, _ in seen}, "a family without a sample")


class LiveTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.openapi = document()
        self.shapes = Shapes(self.openapi)
        self.seen = set()
        self.server = Server(self)
        self.server.fetch_token()

    def operation(self, method, path):
        """The operation of the document that this path belongs to."""
        for m, template, operation, _ in operations(self.openapi):
            pattern = re.sub(r"{\w+}", "[^/]+", template)
            if m == method and re.fullmatch(pattern, path.split("?")[0]):
                return operation
        return None

    def ask(self, want, method, path, value=None, token=True, form=None, headers=None):
        """One request; its answer must be one of those that the document has, in its shape."""
        operation = self.operation(method, path)
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {self.server.token}"
        if value is not None:
            headers.setdefault("Content-Type", "application/json")
        body = form if value is None else value if isinstance(value, bytes) else json.dumps(value)
        status, got, raw = self.server.request(method, path, body, headers)
        with self.subTest(f"{method} {path} {status}"):
            self.assertEqual(status, want, raw)
            answer = self.shapes.resolve(operation["responses"][str(status)])
            kind = got.get("Content-Type")
            self.assertEqual([kind] if kind else [], list(answer.get("content", {})))
            self.assertEqual(got["Content-Length"], str(len(raw)))
            for content in answer.get("content", {}).values():
                value = json.loads(raw) if "json" in kind else raw.decode()
                self.assertEqual(list(self.shapes.faults(value, content["schema"])), [])
            if status < 400:
                self.seen.add(operation["operationId"])
            elif "json" in (kind or "") and "error" not in json.loads(raw):
                self.assertEqual(json.loads(raw)["status"], status)
        return json.loads(raw) if raw and "json" in kind else raw.decode() or None

    def watch(self, device):
        """What does not end: its first event."""
        events = Events(self.server, f"?device={device}&replay=all")
        self.assertEqual(events.next()[1]["kind"], "device.created")
        events.close()
        self.seen.add("event_stream")

    def broker(self, name):
        """One that comes and goes."""
        with socket.socket(socket.AF_UNIX) as broker:
            broker.connect(str(self.run_folder / "imprint/feed.sock"))
            broker.sendall(f"v 1 0011223344556677 0 0\ni {name}\n".encode())
            self.server.process.wait_for(f"broker_joined name={name}")
            self.ask(409, "DELETE", f"/v1/brokers/{name}")
        self.server.process.wait_for(f"broker_left name={name}")

    def test_every_operation(self):
        device = self.ask(201, "PUT", "/iot/v2/devices", {"type": "opta", "name": "shape"})["id"]
        path, nobody = f"/iot/v2/devices/{device}", "/iot/v2/devices/00000000-0000-4000-8000-000000000000"
        csr = Key(self.folder).csr(device)
        self.ask(200, "POST", path, {"wifi_fw_version": "1.5.0", "ble_mac": "AA:BB:CC:DD:EE:FF", "connection_type": "wifi",
            "serial": "S", "fqbn": "a:b:c", "unique_hardware_id": "1", "locked": True})
        self.ask(200, "PUT", path + "/tags", {"key": "a", "value": "b"})
        for listed in ("/tags", "/pass?suggested_password=true", "/status", "/events", "/properties", "", "/certs"):
            self.ask(200, "GET", path + listed)
        self.ask(200, "GET", "/iot/v2/devices?tags=a:b&serial=S&show_deleted=false&across_user_ids=true")
        cert = self.ask(201, "PUT", path + "/certs", {"csr": csr, "enabled": True})["id"]
        self.ask(200, "GET", path + "/certs")
        self.ask(200, "GET", path + "/certs/" + cert)
        self.ask(200, "POST", path + "/certs/" + cert, {"enabled": False})
        newer = self.ask(200, "POST", path + "/certs/" + cert, {"csr": csr})["id"]
        self.ask(412, "POST", path + "/certs/" + cert, {"enabled": True})
        self.ask(200, "DELETE", path + "/certs/" + newer)
        self.ask(404, "DELETE", path + "/certs/" + newer)
        self.ask(200, "PUT", path + "/pass", {"password": "p"})
        self.ask(200, "POST", path + "/pass", {"password": "p"})
        self.ask(401, "POST", path + "/pass", {"password": "q"})
        self.ask(200, "DELETE", path + "/pass")
        self.ask(200, "DELETE", path + "/tags/a")
        thing = self.ask(201, "PUT", "/iot/v2/things", {"name": "hall", "timezone": "Europe/Rome", "device_id": device})["id"]
        self.ask(200, "GET", "/iot/v2/things?show_properties=true&device_id=" + device)
        self.ask(200, "GET", "/iot/v2/things/" + thing)
        self.ask(200, "GET", path)
        self.ask(400, "POST", "/iot/v2/things/" + thing, {"timezone": "Europe/Atlantis"})
        self.ask(404, "POST", "/iot/v2/things/" + thing, {"device_id": "00000000-0000-4000-8000-000000000000"})
        self.ask(200, "POST", "/iot/v2/things/" + thing, {"device_id": None})
        self.ask(200, "DELETE", "/iot/v2/things/" + thing)
        self.ask(404, "GET", "/iot/v2/things/" + thing)
        self.ask(200, "GET", "/iot/v1/supported/devices")
        self.ask(200, "GET", "/iot/v1/network_credentials/opta?connection=wifi")
        self.ask(200, "GET", "/iot/v1/network_credentials/opta/connections")
        own = f"/v1/devices/{device}"
        self.ask(200, "POST", own + ":disable", {"reason": "lost"})
        self.ask(200, "POST", own + ":enable")
        self.ask(201, "PUT", path + "/certs", {"csr": csr, "enabled": True})
        self.ask(200, "POST", own + ":revoke", {"reason": "keyCompromise"})
        self.ask(400, "POST", own + ":revoke", {"reason": "boredom"})
        self.ask(200, "GET", own)
        self.ask(200, "GET", own + "/visits?limit=5")
        self.ask(404, "GET", "/v1/devices/x")
        self.broker("north.1")
        self.ask(200, "GET", "/v1/brokers")
        self.ask(200, "DELETE", "/v1/brokers/north.1")
        self.ask(404, "DELETE", "/v1/brokers/north.1")
        self.ask(401, "GET", "/metrics", token=False)
        prometheus(self, self.ask(200, "GET", "/metrics"))
        self.watch(device)
        self.ask(400, "GET", "/v1/events?after=now")
        self.ask(404, "GET", "/v1/events?device=" + nobody.rpartition("/")[2])
        self.ask(200, "GET", "/healthz", token=False)
        self.ask(200, "GET", "/readyz", token=False)
        self.ask(200, "DELETE", path)
        self.ask(404, "GET", path)

        mine = self.server.credentials()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        grant = "grant_type=client_credentials&client_id={client}&client_secret={secret}".format(**mine)
        for want, body in ((200, grant), (401, grant + "x"), (400, "grant_type=password"),
                (403, grant + "&organization_id=00000000-0000-4000-8000-000000000000")):
            self.ask(want, "POST", "/iot/v1/clients/token", form=body, token=False, headers=form)

        self.ask(400, "PUT", "/iot/v2/devices", {"type": "opta", "colour": "red"})
        self.ask(400, "PUT", "/iot/v2/devices", b'{"type":"opta"')
        self.ask(401, "GET", "/iot/v2/devices", token=False)
        self.ask(403, "GET", "/iot/v2/devices", headers={"X-Organization": "00000000-0000-4000-8000-000000000000"})
        self.ask(404, "GET", nobody)
        self.ask(413, "PUT", "/iot/v2/devices", b" " * 20000)
        self.ask(415, "PUT", "/iot/v2/devices", b"type=opta", headers=form)
        once = {"Idempotency-Key": "once"}
        self.ask(201, "PUT", "/iot/v2/devices", {"type": "opta"}, headers=once)
        self.ask(201, "PUT", "/iot/v2/devices", {"type": "opta"}, headers=once)
        self.ask(409, "PUT", "/iot/v2/devices", {"type": "giga"}, headers=once)
        self.assertEqual(self.seen, {operation["operationId"] for _, _, operation, _ in operations(self.openapi)})


if __name__ == "__main__":
    unittest.main()
