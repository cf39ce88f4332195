#!/usr/bin/python3
"""Turns the golden vectors of this folder into the C tables that vectors.h declares.

	tables.py FOLDER OUTPUT.c

A member that is missing stops the program: a table never gets quietly shorter.
"""

import json
import sys
from pathlib import Path

TRANSCRIPTS = ("serial-2020", "serial-today", "serial-today-wifi-old-firmware")


class Tables:
    def __init__(self):
        self.arrays = []
        self.known = {}
        self.tables = []

    def bytes_of(self, raw):
        """A slice initializer over an array of its own; equal bytes share one."""
        if not raw:
            return "{ NULL, 0 }"
        if raw not in self.known:
            name = f"b{len(self.known)}"
            self.known[raw] = name
            rows = [", ".join(f"0x{byte:02x}" for byte in raw[i:i + 16]) for i in range(0, len(raw), 16)]
            self.arrays.append(f"static const uint8_t {name}[{len(raw)}] = {{ " + ",\n\t".join(rows) + " };")
        return f"{{ {self.known[raw]}, {len(raw)} }}"

    def hex(self, text):
        return self.bytes_of(bytes.fromhex(text))

    def add(self, kind, name, rows):
        if not rows:
            sys.exit(f"tables.py: no rows for {name}")
        body = "".join(f"\t{{ {', '.join(row)} }},\n" for row in rows)
        self.tables.append(f"const struct {kind} {name}[] = {{\n{body}}};\nconst size_t {name}_n = COUNT({name});\n")


def text(value):
    return json.dumps(value)


def cert_row(tables, cert):
    issue = cert["issue"]
    return [text(cert["name"]), text(cert["device_id"]), *map(tables.hex, (cert["serial"], cert["authority_key_id"],
        cert["signature"], cert["public_xy"])), *(str(issue[part]) for part in ("year", "month", "day", "hour")),
        str(cert["expire_years"]), "true" if cert["signature_is_valid"] else "false", *map(tables.hex, (cert["slot10"],
        cert["slot11_written"], cert["slot12_after_device_id_write"], cert["slot12_after_certificate_write"],
        cert["dates"], cert["tbs"], cert["der"])), text(cert["pem"])]


def self_signed_row(tables, cert, q):
    issue, names = cert["issue"], cert.get("name_fields") or { "CN": cert["cn"] }
    return [text(cert["name"]), tables.hex(cert["der"]), "true" if cert["openssl"]["x509"] else "false",
        *(text(names.get(part, "")) for part in ("C", "ST", "L", "O", "OU", "CN")), tables.hex(cert["serial"]),
        tables.hex(q), *(str(issue[part]) for part in ("year", "month", "day", "hour")), str(cert["expire_years"]),
        tables.hex(cert.get("slot8_first_72", ""))]


def add_certificates(tables, data):
    tables.add("vector_csr", "vector_csrs", [
        [text(csr["name"]), *(text(csr["subject"][part]) for part in ("C", "ST", "L", "O", "OU", "CN")),
            *map(tables.hex, (csr["public_xy"], csr["info"], csr["der"])), text(csr["pem"])] for csr in data["csr"]])
    for name, member in (("vector_certs", "certificates"), ("vector_out_of_range", "out_of_range")):
        tables.add("vector_cert", name, [cert_row(tables, cert) for cert in data[member]])
    q = {key["name"]: key["public_xy"] for key in data["keys"]}
    tables.add("vector_self_signed", "vector_self_signed", [self_signed_row(tables, cert, q[cert["key"]])
        for cert in data["self_signed_eccx08"] + data["self_signed_secure_element"]])
    tables.add("vector_token", "vector_tokens", [
        [text(jws["token"]), text(jws["header"]), text(jws["claims"]), tables.hex(jws["signature_raw"])]
        for jws in data["jws"]])
    tables.add("vector_hardware_id", "vector_hardware_ids", [
        [tables.hex(row["hashed_bytes"]), text(row["uhwid"])] for row in data["hardware_id"]])
    config = tables.hex(data["element"]["default_tls_config"])
    tables.tables.append(f"const struct slice vector_default_config = {config};\n")


def add_keys(tables, golden, authority):
    p256 = [key for key in authority if "public_xy" in key]
    tables.add("vector_key", "vector_keys", [
        [text(key["name"]), tables.hex(key["private"]), tables.hex(key["public_xy"]),
            text(key["public_pem"]) if "public_pem" in key else "NULL"] for key in golden + p256])


def add_authority(tables, data):
    tables.add("vector_bytes", "vector_authority_certs",
        [[text(name), tables.hex(der)] for name, der in data["certificates"].items()])
    sig = data["signature"]
    tables.add("vector_sig", "vector_sigs",
        [[text(case["name"]), tables.hex(case["raw"]), tables.hex(case["der"])] for case in sig["cases"]])
    tables.add("vector_sig", "vector_sigs_refused", [
        [text(case["why"]), tables.hex(case.get("raw", "")), tables.hex(case.get("der", ""))]
        for case in sig["reject_raw"] + sig["reject_der"]])


def add_frames(tables, data):
    tables.add("vector_frame", "vector_frames", [
        [text(row["name"]), str(row["type"]), *map(tables.hex, (row["payload"], row["frame"])),
            "false" if row.get("result") == -2 else "true"]
        for row in data["device_to_host"] + data["host_to_device"]])


def main(folder, output):
    folder = Path(folder)
    golden, authority, provisioning = (json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("certificates.json", "authority.json", "provisioning2.json"))
    tables = Tables()
    add_keys(tables, golden["keys"], authority["keys"])
    add_certificates(tables, golden)
    add_authority(tables, authority)
    add_frames(tables, provisioning)
    tables.add("vector_bytes", "vector_transcripts", [
        [text(name), tables.bytes_of((folder / f"{name}.txt").read_bytes())] for name in TRANSCRIPTS])
    Path(output).write_text("\n".join(["/* Made by tables.py; see vectors.h. */", '#include "vectors.h"', "",
        *tables.arrays, "", *tables.tables]), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
