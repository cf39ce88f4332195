"""imprint certificate: every golden vector through every form, and what must be refused."""

import base64
import json
import subprocess

import harness

VECTORS = json.loads((harness.VECTORS / "certificates.json").read_text(encoding="utf-8"))
FIELDS = ("device_id", "serial", "authority_key_id", "issue", "expire_years", "signature")
SLOTS = ("slot10", "slot11_written", "slot12_after_certificate_write")
RESULTS = (*FIELDS, *SLOTS, "slot12_after_device_id_write", "dates", "tbs", "der", "pem", "public_xy")


def openssl(*argv, stdin=None):
    return subprocess.run(["openssl", *map(str, argv)], input=stdin, capture_output=True, check=True).stdout


class Vectors(harness.SystemTest):
    """Each of the 27 in-range certificates, from each form that says everything."""

    def convert(self, command, members, certs=None):
        certs = VECTORS["certificates"] if certs is None else certs
        lines = [{"name": c["name"], **{m: c[m] for m in members}} for c in certs]
        done = self.run_program("imprint", "certificate", command, "--jsonl",
            stdin="".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([a["name"] for a in answers], [c["name"] for c in certs])
        return list(zip(certs, answers))

    def compare(self, pairs, members):
        for cert, answer in pairs:
            for member in members:
                self.assertEqual(answer[member], cert[member], f"{cert['name']}: {member}")

    def test_there_are_27(self):
        self.assertEqual(len(VECTORS["certificates"]), 27)

    def test_compress_der(self):
        self.compare(self.convert("compress", ["der"]), RESULTS)

    def test_compress_pem(self):
        self.compare(self.convert("compress", ["pem"]), RESULTS)

    def test_compress_fields(self):
        pairs = self.convert("compress", FIELDS)
        self.compare(pairs, (*SLOTS, "dates"))
        for _, answer in pairs:
            self.assertNotIn("der", answer, "the key is not known, so neither is the certificate")

    def test_rebuild_slots(self):
        self.compare(self.convert("rebuild", (*SLOTS, "public_xy")), RESULTS)

    def test_rebuild_fields(self):
        self.compare(self.convert("rebuild", (*FIELDS, "public_xy")), RESULTS)

    def test_rebuild_slots_without_12(self):
        self.compare(self.convert("rebuild", ("slot10", "slot11_written", "device_id", "public_xy")), RESULTS)

    def test_complete_objects_agree(self):
        pairs = self.convert("rebuild", VECTORS["certificates"][0].keys())
        for cert, answer in pairs:
            self.assertEqual(answer, {"schema": 1, **cert})

    def test_output_is_input_again(self):
        (_, first), = self.convert("compress", ["der"], VECTORS["certificates"][:1])
        done = self.run_program("imprint", "certificate", "rebuild", "--jsonl", stdin=json.dumps(first))
        self.assertEqual(json.loads(done.stdout), first, done)

    def test_files_one_by_one(self):
        for cert in VECTORS["certificates"]:
            with self.subTest(cert["name"]):
                path = self.folder / "cert"
                for content in (bytes.fromhex(cert["der"]), cert["pem"].encode(), cert["der"].upper().encode() + b"\r\n"):
                    path.write_bytes(content)
                    done = self.run_program("imprint", "certificate", "compress", path)
                    self.assertEqual((done.returncode, done.stdout), (0, f"slot10 {cert['slot10']}\n"
                        f"slot11 {cert['slot11_written']}\nslot12 {cert['device_id'].encode().hex()}\n"), done)
                slots = [word for line in done.stdout.splitlines() for word in ("--" + line.split()[0], line.split()[1])]
                done = self.run_program("imprint", "certificate", "rebuild", *slots, "--public-key", cert["public_xy"])
                self.assertEqual((done.returncode, done.stdout), (0, cert["pem"]), done)


class Refused(harness.SystemTest):
    """A line that cannot be completed names its field; the others go through."""

    def lines(self, command, *lines):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        done = self.run_program("imprint", "certificate", command, "--jsonl", stdin=text)
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    def refused(self, change, field, text, command="rebuild", members=(*FIELDS, "public_xy")):
        good = {m: VECTORS["certificates"][0][m] for m in members}
        bad = {**good, **change}
        bad = {member: value for member, value in bad.items() if value is not None}
        done, answers = self.lines(command, good, bad, good)
        self.assertEqual(done.returncode, 5, done)
        self.assertEqual(["error" in a for a in answers], [False, True, False], done)
        error = answers[1]["error"]
        self.assertEqual((error["field"], error["line"], error["name"], error["exit"]), (field, 2, "ERR_FORMAT", 5), error)
        self.assertRegex(error["text"], text)
        self.assertIn("line 2: " + error["text"], done.stderr)
        self.assertIn("1 of 3 lines refused", done.stderr)
        self.assertLessEqual(bad.items(), answers[1].items(), "the object comes back as it was")

    def test_out_of_range_vectors(self):
        fields = {"expire-32": "expire_years", "year-2032": "issue.year", "serial-zero": "serial",
            "device-id-38": "device_id", "device-id-short": "device_id"}
        self.assertEqual({v["name"] for v in VECTORS["out_of_range"]}, set(fields))
        for vector in VECTORS["out_of_range"]:
            with self.subTest(vector["name"]):
                self.refused({m: vector[m] for m in FIELDS}, fields[vector["name"]], ".")

    def test_each_member_missing(self):
        for member in (*FIELDS, "public_xy"):
            with self.subTest(member):
                self.refused({member: None}, member, "missing")

    def test_values(self):
        issue = VECTORS["certificates"][0]["issue"]
        cases = (
            ({"serial": "5ad0"}, "serial", "32 hex digits wanted, 4 given"),
            ({"serial": "zz" * 16}, "serial", "not hex"),
            ({"serial": 17}, "serial", "not a string"),
            ({"serial": "00" * 17}, "serial", "34 given"),
            ({"authority_key_id": "00" * 19}, "authority_key_id", "40 hex digits wanted"),
            ({"signature": "00" * 64}, "signature", "r or s"),
            ({"signature": "ff" * 64}, "signature", "r or s"),
            ({"issue": {**issue, "month": 0}}, "issue.month", "0 is not within 1 and 12"),
            ({"issue": {**issue, "day": 32}}, "issue.day", "32 is not within"),
            ({"issue": {**issue, "hour": 24}}, "issue.hour", "24 is not within"),
            ({"issue": {**issue, "year": "2020"}}, "issue.year", "not a whole number"),
            ({"issue": {**issue, "year": 4294969316}}, "issue.year", "not within"),
            ({"issue": "2020-08-31"}, "issue", "not an object"),
            ({"issue": {}}, "issue.year", "missing"),
            ({"expire_years": -1}, "expire_years", "-1 is not within 0 and 31"),
            ({"device_id": "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3fé"}, "device_id", "not printable"),
            ({"public_xy": "01" * 64}, "public_xy", "not a point"),
            ({"public_xy": "01" * 63}, "public_xy", "128 hex digits wanted"),
            ({"schema": 2}, "schema", "only 1"),
        )
        for change, field, text in cases:
            with self.subTest(f"{field}: {text}"):
                self.refused(change, field, text)

    def test_slots(self):
        cert = VECTORS["certificates"][0]
        cases = (
            ({"slot10": cert["slot10"][:128] + "ffffff" + "00" * 5}, "slot10", "date bytes ffffff"),
            ({"slot10": cert["slot10"][:-2]}, "slot10", "144 hex digits"),
            ({"slot11_written": "00" * 36}, "slot11_written", "serial number is zero"),
            ({"slot11_written": None}, "slot11_written", "missing"),
            ({"slot12_after_certificate_write": "00" * 72}, "slot12_after_certificate_write", "printable"),
            ({"slot12_after_certificate_write": None}, "slot12_after_certificate_write", "missing"),
            ({"slot12_after_certificate_write": None, "slot12_after_device_id_write": "30"},
                "slot12_after_device_id_write", "72 hex digits wanted"),
            ({"public_xy": None}, "public_xy", "missing"),
        )
        for change, field, text in cases:
            with self.subTest(f"{field}: {text}"):
                self.refused(change, field, text, members=(*SLOTS, "public_xy"))

    def test_contradictions(self):
        first, second = VECTORS["certificates"][:2]
        for member in ("serial", "issue", "dates", "slot10", "tbs", "pem", "public_xy", "device_id"):
            other = next(c for c in VECTORS["certificates"] if c[member] != first[member])
            with self.subTest(member):
                self.refused({member: other[member]}, member, "contradicts", members=["der"])
        self.assertNotEqual(first["der"], second["der"])

    def test_undefined_tail_of_slot_12_is_no_contradiction(self):
        cert = VECTORS["certificates"][0]
        slot12 = cert["slot12_after_certificate_write"][:72] + "00" + "a5" * 35
        done, answers = self.lines("rebuild", {"slot10": cert["slot10"], "slot11_written": cert["slot11_written"] +
            "ff" * 36, "slot12_after_certificate_write": slot12, "public_xy": cert["public_xy"]})
        self.assertEqual((done.returncode, answers[0]["der"]), (0, cert["der"]), done)

    def test_lines_that_are_no_objects(self):
        good = {"der": VECTORS["certificates"][0]["der"]}
        done, answers = self.lines("compress", good, "{", "", "  ", "[1]", '{"der": "30", "der": "30"}', "null",
            '{"der": "' + "30" * 40000 + '"}', good)
        self.assertEqual(done.returncode, 5, done)
        self.assertEqual([a.get("error", {}).get("line") for a in answers], [None, 2, 5, 6, 7, 8, None])
        self.assertIn("5 of 7 lines refused", done.stderr)

    def test_a_name_that_commands_the_terminal(self):
        done, answers = self.lines("compress", {"name": "\x9b2J\x7f"}, {"name": "kitchen"})
        self.assertRegex(done.stderr, r"^line 1: .*\nline 2 \(kitchen\): ")
        self.assertEqual([a["name"] for a in answers], ["\x9b2J\x7f", "kitchen"])
        self.assertIn(r"\u009B2J\u007F", done.stdout)

    def test_other_certificates(self):
        """Refused with the reason, in whichever way they do not fit."""
        key = self.folder / "key.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        plain = openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=me", "-days", "3650")
        rsa = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.folder / "rsa.pem", "-subj", "/CN=me")
        self_signed = VECTORS["self_signed_eccx08"][0]["der"]
        cases = (
            (plain.decode(), "strict DER|the issuer is not"),
            (rsa.decode(), "not a P-256 certificate"),
            (self_signed, "the issuer is not"),
            (VECTORS["self_signed_secure_element"][0]["der"], "not a P-256 certificate"),
            (VECTORS["csr"][0]["pem"], "a CERTIFICATE REQUEST, not a certificate"),
            ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "not base64"),
            ("-----BEGIN PGP MESSAGE-----\n", "no CERTIFICATE"),
            ("abc", "odd number"),
            ("", "empty"),
        )
        for text, reason in cases:
            with self.subTest(reason):
                done = self.run_program("imprint", "certificate", "compress", stdin=text)
                self.assertEqual((done.returncode, done.stdout), (5, ""), done)
                self.assertRegex(done.stderr, reason)

    def test_rebuild_options(self):
        cert = VECTORS["certificates"][0]
        good = {"--slot10": cert["slot10"], "--slot11": cert["slot11_written"],
            "--slot12": cert["slot12_after_certificate_write"], "--public-key": cert["public_xy"]}
        cases = [({name: None}, 2, name) for name in good]
        cases += [({name: "30"}, 5, name) for name in ("--slot10", "--slot11", "--slot12")]
        (self.folder / "key").write_text("abc")
        cases += [({"--public-key": "no-such-file"}, 3, "--public-key: no-such-file: "), ({"--public-key": "01" * 64}, 5, "not a point")]
        cases += [({"--public-key": "key"}, 5, "--public-key: key: an odd number")]
        for change, status, text in cases:
            with self.subTest(f"{change}"):
                words = [w for name, value in {**good, **change}.items() if value is not None for w in (name, value)]
                done = self.run_program("imprint", "certificate", "rebuild", *words)
                self.assertEqual((done.returncode, done.stdout), (status, ""), done)
                self.assertIn(text, done.stderr)

    def test_rebuild_takes_the_key_from_files(self):
        cert = VECTORS["certificates"][0]
        csr = VECTORS["csr"][0]
        self.assertEqual(csr["public_xy"], cert["public_xy"])
        key = next(k for k in VECTORS["keys"] if k["public_xy"] == cert["public_xy"])
        spki = base64.b64decode("".join(key["public_pem"].splitlines()[1:-1]))
        path = self.folder / "key"
        for content in (csr["pem"].encode(), bytes.fromhex(csr["der"]), cert["pem"].encode(), key["public_pem"].encode(), spki):
            path.write_bytes(content)
            done = self.run_program("imprint", "certificate", "rebuild", "--slot10", cert["slot10"], "--slot11",
                cert["slot11_written"], "--slot12", cert["slot12_after_certificate_write"], "--public-key", path, "--json")
            self.assertEqual(json.loads(done.stdout)["der"], cert["der"], done)
        path.write_text("-----BEGIN EC PRIVATE KEY-----\n", encoding="utf-8")
        done = self.run_program("imprint", "certificate", "rebuild", "--slot10", cert["slot10"], "--slot11",
            cert["slot11_written"], "--slot12", cert["slot12_after_certificate_write"], "--public-key", path)
        self.assertEqual(done.returncode, 5, done)

    def test_der_goes_to_a_pipe(self):
        cert = VECTORS["certificates"][0]
        done = subprocess.run([harness.program("imprint"), "certificate", "rebuild", "--der", "--slot10", cert["slot10"],
            "--slot11", cert["slot11_written"], "--slot12", cert["slot12_after_certificate_write"], "--public-key",
            cert["public_xy"]], capture_output=True, env=self.env, check=True)
        self.assertEqual(done.stdout.hex(), cert["der"])
        self.assertEqual(openssl("x509", "-inform", "DER", "-outform", "PEM", stdin=done.stdout).decode().split(),
            openssl("x509", "-outform", "PEM", stdin=cert["pem"].encode()).decode().split())


class Show(harness.SystemTest):
    def show(self, text, *flags, status=0):
        done = self.run_program("imprint", "certificate", "show", *flags, stdin=text)
        self.assertEqual(done.returncode, status, done)
        return done

    def test_every_vector(self):
        done = self.show("".join(c["pem"] for c in VECTORS["certificates"]), "--json")
        shown = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(shown), 27)
        for cert, said in zip(VECTORS["certificates"], shown):
            with self.subTest(cert["name"]):
                self.assertEqual((said["form"], said["rebuildable"], said["public_xy"], said["signature"]),
                    ("certificate", True, cert["public_xy"], cert["signature"]))
                self.assertEqual(said["serial"].zfill(32), cert["serial"])
                self.assertEqual(said.get("authority_key_id", "00" * 20), cert["authority_key_id"])
                self.assertEqual(said["subject"], "CN=" + cert["device_id"])
                self.assertEqual(said["issuer"], "C=US, O=Arduino LLC US, OU=IT, CN=Arduino")
                issue = cert["issue"]
                self.assertEqual(said["not_before"], f"{issue['year']}-{issue['month']:02}-{issue['day']:02}T{issue['hour']:02}:00:00Z")

    def test_agrees_with_openssl(self):
        cert = VECTORS["certificates"][0]
        said = json.loads(self.show(cert["pem"], "--json").stdout)
        text = openssl("x509", "-noout", "-fingerprint", "-sha256", stdin=cert["pem"].encode()).decode()
        self.assertEqual(said["fingerprint"], text.split("=")[1].strip().replace(":", "").lower())
        spki = openssl("pkey", "-pubin", "-outform", "DER",
            stdin=openssl("x509", "-noout", "-pubkey", stdin=cert["pem"].encode()))
        self.assertEqual(said["key_fingerprint"], openssl("dgst", "-sha256", "-r", stdin=spki).decode().split()[0])

    def test_requests(self):
        done = self.show("".join(c["pem"] for c in VECTORS["csr"]), "--json")
        for csr, line in zip(VECTORS["csr"], done.stdout.splitlines()):
            said = json.loads(line)
            want = ", ".join(f"{k}={v}" for k, v in csr["subject"].items() if v)
            self.assertEqual((said["form"], said["subject"], said["public_xy"], said["signature_right"]),
                ("request", want, csr["public_xy"], True), csr["name"])
        self.assertEqual(len(done.stdout.splitlines()), len(VECTORS["csr"]))

    def test_text(self):
        done = self.show(VECTORS["certificates"][0]["pem"] + VECTORS["csr"][0]["pem"])
        self.assertRegex(done.stdout, r"(?s)^form +certificate\nserial number +5ad0f2d6.*\nfits the slots +yes\n\n"
            r"form +request\n.*\nsigned by its key +yes\n")

    def test_wrong_signature_is_shown_and_an_error(self):
        der = bytearray.fromhex(VECTORS["csr"][0]["der"])
        der[-1] ^= 1
        done = self.show(der.hex(), "--json", status=5)
        self.assertEqual([json.loads(line)["signature_right"] for line in done.stdout.splitlines()], [False], done)
        self.assertRegex(done.stderr, "signature")

    def test_obstacles(self):
        """An X.509 certificate for P-256 that Arduino's boards cannot hold: shown, with the reason."""
        said = json.loads(self.show(VECTORS["self_signed_eccx08"][1]["der"], "--json").stdout)
        self.assertFalse(said["rebuildable"])
        self.assertIn("issuer", said["obstacle"])
        # one byte of the subject's tag: UTF8String names the same, but no board writes it
        der = VECTORS["certificates"][0]["der"]
        changed = der.replace("06035504031324", "060355040" + "30c24")
        self.assertNotEqual(changed, der)
        said = json.loads(self.show(changed, "--json").stdout)
        self.assertIn("subject", said["obstacle"])

    def test_names_cannot_command_the_terminal(self):
        key = self.folder / "key.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = openssl("req", "-new", "-key", key, "-utf8", "-subj", "/O=Köln, \"x\"/CN=a\\+b")
        done = self.show(request.decode())
        self.assertIn(r"O=K\C3\B6ln\, \"x\", CN=a\+b", done.stdout)

    def test_garbage(self):
        for text in ("30", "0500", "hello", VECTORS["self_signed_secure_element"][0]["pem"], "30820" * 20000):
            done = self.run_program("imprint", "certificate", "show", stdin=text)
            self.assertEqual((done.returncode, done.stdout), (5, ""), done)

    def test_missing_file(self):
        done = self.run_program("imprint", "certificate", "show", "no-such-file")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("no-such-file", done.stderr)
