"""docs/openapi.yaml and the server's own tables say the same, in both directions."""

import re
import unittest

import yaml

import harness

SERVER = harness.SOURCE / "src/server"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
OBJECTS = {"DEVICE": "DeviceRequest", "CERT": "CertificateRequest", "TAG": "TagRequest", "PASS": "PasswordRequest"}


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
                        words = "".join(re.findall(r'"([^"]*)"', rule)).split()
                        self.assertEqual(schema["enum"], words)
                        self.assertLessEqual(max(map(len, words)), largest)
                    elif kind != "FLAG":
                        self.assertEqual((schema["minLength"], schema["maxLength"]), (smallest, largest))

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


if __name__ == "__main__":
    unittest.main()
