"""imprint device, and imprint provision, with the real server."""

import contextlib
import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import termios
import unittest
import uuid

import boards
import harness
from server import Server


class DeviceTest(boards.BoardTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self)

    def device(self, *argv, want=0, **how):
        done = self.run_program("imprint", "device", *argv, **how)
        self.assertEqual(done.returncode, want, done)
        return done

    def create(self, name, *argv):
        return self.device("create", name, *argv).stdout.strip()

    def listed(self, *argv):
        return [json.loads(line) for line in self.device("list", "--json", *argv).stdout.splitlines()]

    def names(self, *argv):
        return [d["name"] for d in self.listed(*argv)]

    def shown(self, name):
        return json.loads(self.device("show", name, "--json").stdout)


class Life(DeviceTest):
    def test_create_list_show_update_delete(self):
        done = self.device("list")
        self.assertEqual(done.stdout, "")
        self.assertIn("no device", done.stderr)
        kitchen = self.create("kitchen", "--type", "opta", "--fqbn", "arduino:mbed_opta:opta", "--serial", "0123",
            "--connection", "eth", "--tag", "floor=1", "--tag", "room=kitchen")
        attic = self.create("attic")
        self.assertEqual(self.names(), ["attic", "kitchen"])
        self.assertEqual(self.names("--tag", "floor=1"), ["kitchen"])
        self.assertEqual(self.names("--tag", "floor=1", "--tag", "room=attic"), [])
        self.assertEqual(self.names("--status", "UNKNOWN"), ["attic", "kitchen"])
        self.assertEqual(self.names("--status", "ONLINE"), [])
        shown = self.shown("kitchen")
        self.assertEqual(shown, {**shown, "schema": 1, "id": kitchen, "type": "opta", "fqbn": "arduino:mbed_opta:opta",
            "serial": "0123", "connection": "eth", "status": "UNKNOWN", "deleted": False, "certificates": [],
            "tags": {"floor": "1", "room": "kitchen"}})
        self.assertRegex(shown["created_at"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        text = self.device("update", attic, "--name", "roof", "--tag", "floor=9", "--serial", "77").stdout
        self.assertRegex(text, r"(?m)^name +roof$")
        self.assertRegex(text, r"(?m)^tags +floor=9$")
        self.device("update", "roof", "--untag", "floor")
        self.assertEqual((self.shown("roof")["tags"], self.shown("roof")["serial"]), ({}, "77"))
        self.device("delete", "kitchen", "--yes")
        self.assertEqual((self.names(), self.names("--deleted")), (["roof"], ["kitchen"]))
        self.device("delete", kitchen, "--yes", want=3)
        self.device("delete", kitchen, "roof", "--forget", "--yes")
        self.assertEqual((self.names(), self.names("--deleted")), ([], []))

    def test_refused(self):
        first = self.create("twin")
        made = self.device("create", "twin")
        second = made.stdout.strip()
        self.assertEqual(made.stderr, "2 devices are named twin now: commands want the id of the one that is meant\n")
        for argv, want, says in (
            (("show", "twin"), 6, "2 devices are named twin; give the id of one: "),
            (("revoke", "twin", "--yes"), 6, first),
            (("disable", "twin"), 6, second),
            (("revoke", first), 4, "Not confirmed, with no terminal to ask on; --yes answers: Revoke the certificates of"),
            (("revoke", first, "--yes", "--reason", "boredom"), 2, "--reason: 'boredom' is not one of unspecified|keyCompromise|"),
            (("disable", first, "nobody"), 3, "no device is named nobody"),
            (("disable", first, "--reason", "x" * 201), 2, "at most 200"),
            (("show", "nobody"), 3, "no device is named nobody"),
            (("show", "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"), 3, "(404)"),
            (("create", "a", "--type", "toaster"), 5, "type"),
            (("create", "a\tb"), 5, "name"),
            (("create", "a", "--serial", "x" * 65), 5, "serial"),
            (("create", "a", "--tag", "floor"), 2, "--tag: not KEY=VALUE"),
            (("create", "a", "--tag", "=1"), 2, "1 to 64 characters"),
            (("update", first), 2, "nothing to change was given"),
            (("update", first, "--tag", "a b=c"), 5, "key"),
            (("delete", first), 4, "Not confirmed"),
            (("list", "--server", "ftp://localhost"), 5, "server: not https://"),
            (("list", "--credentials", self.folder / "none.json"), 3, "none.json"),
        ):
            with self.subTest(argv):
                done = self.device(*argv, want=want)
                self.assertIn(says, done.stderr, done)
                self.assertEqual(done.stdout, "")
        self.assertEqual([d["id"] for d in self.listed()], sorted([first, second]))
        self.assertIs(self.shown(first)["enabled"], True)

    def test_disable_enable(self):
        self.create("kitchen")
        self.create("attic")
        said = self.device("disable", "kitchen", "attic", "--reason", "moving").stdout
        self.assertEqual(said, "kitchen disabled: no broker speaks to the server\n"
            "attic disabled: no broker speaks to the server\n")
        self.assertRegex(self.device("show", "kitchen").stdout, r"(?m)^enabled +no: brokers refuse it$")
        done = json.loads(self.device("enable", "kitchen", "--json").stdout)
        self.assertEqual((done["name"], done["enabled"], done["brokers_reached"]), ("kitchen", True, 0))
        self.assertEqual([self.shown(name)["enabled"] for name in ("kitchen", "attic")], [True, False])
        self.assertEqual(self.device("history", "kitchen").stdout, "")
        self.assertEqual(self.device("revoke", "kitchen", "--yes").stdout, "kitchen has no certificate: nothing to revoke\n")

    def test_brokers(self):
        for options, want in (((), 0), (("--check",), 3)):
            done = self.run_program("imprint", "broker", "list", *options)
            self.assertEqual((done.returncode, done.stdout), (want, ""), done)
            self.assertIn("no broker has spoken to the server", done.stderr)

    def test_error_as_json(self):
        error = json.loads(self.device("show", "nobody", "--json", want=3).stdout)["error"]
        self.assertEqual((error["name"], error["exit"]), ("ERR_NOT_FOUND", 3))

    def test_server_is_gone(self):
        self.server.process.stop()
        done = self.device("list", want=8)
        self.assertIn(f"https://localhost:{self.server.port}: no answer; does the server run? (", done.stderr)


class Table(DeviceTest):
    def on_terminal(self, columns, *argv):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {**self.env, "TERM": "xterm"}
        env.pop("NO_COLOR")
        with os.fdopen(theirs) as terminal:
            subprocess.run([harness.program("imprint"), *argv], stdout=terminal, stderr=subprocess.DEVNULL, env=env,
                timeout=60, check=True)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        return shown.replace("\r\n", "\n")

    def test_aligned_and_cut(self):
        self.create("kitchen", "--tag", "room=" + "k" * 60)
        self.create("Küche im ersten Stock")
        plain = self.device("list").stdout.splitlines()
        self.assertEqual(len({line.index("mkrwifi1010") for line in plain[1:]}), 1, plain)
        self.assertEqual(plain[0].index("TYPE"), plain[1].index("mkrwifi1010"), plain)
        self.assertTrue(plain[2].endswith("k" * 60), plain)
        self.assertNotIn("\033", "".join(plain))
        shown = self.on_terminal(130, "device", "list")
        self.assertIn("\033[2mUNKNOWN\033[0m", shown)
        for line in shown.replace("\033[2m", "").replace("\033[0m", "").splitlines():
            self.assertLessEqual(len(line), 130, shown)
        self.assertEqual(shown.count("room=kkk"), 1)
        ids = [d["id"] for d in self.listed()]
        for columns, heads in ((110, "NAME ID TYPE STATUS LAST SEEN TAGS"), (80, "NAME ID STATUS LAST SEEN"), (60, "NAME ID STATUS"),
                (46, "ID STATUS"), (20, "ID")):
            lines = re.sub(r"\033\[\d*m", "", self.on_terminal(columns, "device", "list")).splitlines()
            self.assertEqual(" ".join(lines[0].split()), heads)
            self.assertLessEqual(max(map(len, lines)), max(columns, 36), lines)
            self.assertEqual([line for line in lines if line != line.rstrip()], [])
            self.assertTrue(all(id in line for id, line in zip(ids, lines[1:], strict=True)), lines)
        self.assertIn("Küche im e...  ", self.on_terminal(60, "device", "list"))


class Provision(DeviceTest):
    def via_api(self, name, *options, **kwargs):
        return self.run_program("imprint", "provision", "--port", name, "--name", name, "--yes", "--json", *options, **kwargs)

    def valid(self, name):
        return [c for c in self.shown(name)["certificates"] if c["enabled"]]

    def done(self, name, run):
        record = self.identity(name, run)
        result = json.loads(run.stdout)
        self.assertEqual(result["server"], f"https://localhost:{self.server.port}")
        self.assertEqual(self.shown(name)["id"], record["device_id"])
        self.assertEqual([(c["serial"], c["fingerprint"]) for c in self.valid(name)],
            [(result["serial"], result["fingerprint"])])

    def test_every_board(self):
        for name, options in (("sketch", ()), ("old", ("--sketch", "2020")), ("setup", ("--sketch", "setup"))):
            with self.subTest(name):
                board = self.board(name, *options)
                self.done(name, self.via_api(name))
                self.done(name, self.via_api(name))
                board.stop()
        self.assertEqual(self.names(), ["old", "setup", "sketch"])

    def test_revoke(self):
        self.board("kitchen")
        self.done("kitchen", self.via_api("kitchen"))
        serial = self.valid("kitchen")[0]["serial"]
        self.assertIn("kitchen revoked", self.device("revoke", "kitchen", "--yes", "--reason", "keyCompromise").stdout)
        certs = self.shown("kitchen")["certificates"]
        self.assertEqual([(c["serial"], c["state"], c["reason"]) for c in certs], [(serial, "revoked", "keyCompromise")])
        self.assertRegex(self.device("show", "kitchen").stdout, rf"(?m)^certificates {serial} revoked \(keyCompromise\), 20")
        self.done("kitchen", self.via_api("kitchen"))
        self.assertNotEqual(self.valid("kitchen")[0]["serial"], serial)

    def test_device_deleted_meanwhile(self):
        self.board("kitchen")
        self.done("kitchen", self.via_api("kitchen"))
        first = self.shown("kitchen")["id"]
        self.device("delete", "kitchen", "--yes")
        self.done("kitchen", self.via_api("kitchen"))
        self.assertNotEqual(self.shown("kitchen")["id"], first)

    def test_server_restarts_meanwhile(self):
        self.board("kitchen")
        self.done("kitchen", self.via_api("kitchen"))
        self.server.process.stop()
        self.server = Server(self, port=str(self.server.port))
        self.done("kitchen", self.via_api("kitchen"))

    @unittest.skipUnless(boards.has_hooks(), "release build: no place to die at")
    def test_killed(self):
        self.board("kitchen", "--sketch", "setup")
        for at in ("inside:record", "inside:issue", "after:store", "inside:activate"):
            with self.subTest(at):
                self.assertLess(self.via_api("kitchen", env={"IMPRINT_TEST_CRASH": at}).returncode, 0)
                self.settle("kitchen")
                self.done("kitchen", self.via_api("kitchen"))
        self.assertEqual(self.names(), ["kitchen"])


class Things(DeviceTest):
    def thing(self, *argv, want=0):
        done = self.run_program("imprint", "thing", *argv)
        self.assertEqual(done.returncode, want, done)
        return done

    def test_life(self):
        self.assertIn("no thing", self.thing("list").stderr)
        kitchen, attic = self.create("kitchen"), self.create("attic")
        hall = self.thing("create", "hall", "--timezone", "Europe/Rome", "--device", "kitchen").stdout.strip()
        self.thing("create", "yard")
        listed = [json.loads(line) for line in self.thing("list", "--json").stdout.splitlines()]
        self.assertEqual([(t["name"], t["timezone"], t.get("device")) for t in listed],
            [("hall", "Europe/Rome", kitchen), ("yard", "UTC", None)])
        self.assertRegex(self.thing("list").stdout, rf"(?m)^NAME +ID +TIME ZONE +DEVICE\nhall  {hall}  Europe/Rome  kitchen\nyard .* none$")
        self.assertRegex(self.device("show", "kitchen").stdout, r"(?m)^thing +hall$")
        self.assertRegex(self.thing("update", "hall", "--device", "attic", "--name", "roof").stdout, r"(?m)^device +attic$")
        self.assertEqual((self.shown("attic")["thing"], self.shown("kitchen").get("thing")), (hall, None))
        self.device("update", "kitchen", "--thing", "roof")
        self.assertEqual(json.loads(self.thing("show", hall, "--json").stdout)["device"], kitchen)
        self.device("update", "kitchen", "--thing", "none")
        self.device("update", "kitchen", "--thing", "none")
        self.assertRegex(self.thing("show", "roof").stdout, r"(?m)^device +none$")
        self.thing("update", "roof", "--device", attic)
        self.assertRegex(self.thing("update", "roof", "--detach").stdout, r"(?m)^device +none$")
        self.assertIn("nothing to change", self.thing("update", "roof", want=2).stderr)
        self.assertIn("exclude", self.thing("update", "roof", "--detach", "--device", attic, want=2).stderr)
        self.assertIn("no thing is named hall", self.thing("show", "hall", want=3).stderr)
        self.assertIn("is no time zone", self.thing("create", "x", "--timezone", "Europe/Atlantis", want=5).stderr)
        self.assertIn("no device is named x", self.thing("create", "x", "--device", "x", want=3).stderr)
        self.thing("create", "yard")
        self.assertIn("2 things are named yard", self.thing("show", "yard", want=6).stderr)
        self.assertIn("deleted roof", self.thing("delete", "roof", "--yes").stderr)
        self.assertEqual(len(self.thing("list", "--json").stdout.splitlines()), 2)

    def test_values(self):
        """What a board has said is shown with its thing."""
        hall = self.thing("create", "hall").stdout.strip()
        self.server.process.stop()
        with contextlib.closing(sqlite3.connect(self.state / "imprint.db")) as db, db:
            db.execute("INSERT INTO value SELECT id, ?, 'led', 'true', 1900000000000 FROM tenant WHERE id > 0",
                (uuid.UUID(hall).bytes,))
        self.server = Server(self)
        self.assertRegex(self.thing("show", "hall").stdout, r"(?m)^values +led true +2030-03-17T17:46:40Z$")
        self.assertEqual(json.loads(self.thing("show", "hall", "--json").stdout)["values"],
            [{"name": "led", "value": True, "at": "2030-03-17T17:46:40Z"}])
