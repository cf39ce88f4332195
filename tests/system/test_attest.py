"""Keys that vouch for themselves: the attestation-ready profile from a blank chip, again, after the chip was locked
elsewhere, and what a board with Arduino's sketch says to it. Network settings cross with them."""

import json
import stat

import boards

SETUP = ("--sketch", "setup")
READY = ("--profile", "attestation-ready")


class Attest(boards.BoardTest):
    def test_blank_chip_then_again(self):
        for family in ("508a", "608b"):
            with self.subTest(family):
                board = self.board(family, *SETUP, "--family", family)
                done = self.provision(family, *READY)
                self.identity(family, done, arduino=False)
                answer = json.loads(done.stdout)
                self.assertEqual((answer["assurance"], answer["emulated"], answer["locked_now"]), (3, True, True))
                first = self.record(family)
                self.assertEqual(first["certificates"][0]["level"], 3)
                self.assertEqual(len(first["element"]["attester"]), 128)
                done = self.provision(family, *READY)
                self.identity(family, done, arduino=False)
                self.assertEqual(json.loads(done.stdout)["assurance"], 3, done)
                self.assertEqual(self.record(family)["element"], first["element"])
                board.stop()

    def test_locked_elsewhere(self):
        """Nobody here knows the key that makes the statements: possession is all that is proven."""
        self.board("kitchen", *SETUP)
        self.provision("kitchen", *READY)
        (self.state / "runs/kitchen.json").unlink()
        done = self.provision("kitchen")
        self.identity("kitchen", done, arduino=False)
        self.assertEqual(json.loads(done.stdout)["assurance"], 1, done)
        self.assertNotIn("element", self.record("kitchen"))

    def test_another_key_vouches(self):
        """Who swaps the chip for one with the same serial number does not get a certificate."""
        self.board("kitchen", *SETUP)
        self.provision("kitchen", *READY)
        path = self.state / "runs/kitchen.json"
        record = self.record("kitchen")
        record["element"]["attester"] = "00" * 64
        path.write_text(json.dumps(record), encoding="utf-8")
        done = self.provision("kitchen")
        self.assertEqual(done.returncode, 6, done)
        self.assertIn("another attestation key", done.stderr)
        self.assertEqual(len(self.record("kitchen")["certificates"]), 1)

    def test_arduino_profile_is_possession(self):
        self.board("kitchen", *SETUP)
        done = self.provision("kitchen")
        self.assertEqual(json.loads(done.stdout)["assurance"], 1, done)

    def test_console_refuses(self):
        self.board("kitchen")
        wifi = self.folder / "wifi.json"
        wifi.write_text('{"type":1,"wifi":{"ssid":"home","pwd":"geheimnis"}}', encoding="utf-8")
        for options, word in ((READY, "attestation-ready"), (("--network", wifi), "network settings")):
            done = self.provision("kitchen", *options)
            self.assertEqual(done.returncode, 6, done)
            self.assertIn(word, done.stderr)
        self.assertFalse(self.chip("kitchen")["config_locked"])

    def test_network_settings(self):
        self.board("kitchen", *SETUP)
        wifi = self.folder / "wifi.json"
        wifi.write_text('{"type":1,"wifi":{"ssid":"home","pwd":"geheimnis"}}', encoding="utf-8")
        done = self.provision("kitchen", "--network", wifi, "-v")
        self.identity("kitchen", done)
        kept = self.state / "elements/kitchen.network"
        self.assertEqual(kept.read_bytes(), bytes.fromhex("a3000101") + b"\x64home" + b"\x02\x69geheimnis")
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        self.assertNotIn("geheimnis", done.stdout + done.stderr)
        wifi.write_text('{"type":1,"wifi":{"ssid":"","pwd":"geheimnis"}}', encoding="utf-8")
        done = self.provision("kitchen", "--network", wifi)
        self.assertEqual(done.returncode, 5, done)
        self.assertIn("wifi.ssid", done.stderr)
        self.assertNotIn("geheimnis", done.stderr)
