"""Microchip's kit protocol over TCP and a pseudo-terminal: emulators that serve it, and `imprint element` as its host."""

import json
import os
import re
import socket
import termios

import harness

LINES = b"board:device(00)\nE:physical:interface:i2c\nE:physical:select(60)\nE:w()\nE:t(0730000000035D)\nE:i()\nE:x()\n"
REPLIES = b"ECC608 TWI 00(60)\n00()\n00()\n00(04113343)\n00(070000600383BB)\n00()\nF5()\n"


class Kit(harness.SystemTest):
    def emulate(self, kit, *options):
        process = self.start("imprint", "element", "emulate", "kitchen", "--kit", kit, *options)
        return process, process.wait_for(r"^(tcp:\S+|pty:\S+)$").group(1)

    def port(self, where):
        host, port = re.fullmatch(r"tcp:(127\.0\.0\.1):(\d+)", where).groups()
        return host, int(port)

    def talk(self, address):
        with socket.create_connection(address, timeout=30) as peer:
            peer.sendall(LINES)
            peer.shutdown(socket.SHUT_WR)
            got = b""
            while piece := peer.recv(4096):
                got += piece
        return got

    def test_tcp(self):
        process, where = self.emulate("tcp:0", "--timing", "max")
        self.assertEqual(self.talk(self.port(where)), REPLIES)
        self.assertEqual(self.talk(self.port(where)), REPLIES, "a second client")
        seen = self.run_program("imprint", "element", "info", "kitchen", "--json")
        self.assertEqual(json.loads(seen.stdout)["model"], "ATECC608B", "the socket serves the same chip")
        self.assertEqual(process.stop(), 0)

    def test_pty(self):
        link = self.folder / "kit"
        process, where = self.emulate(f"pty:{link}")
        self.assertEqual(where, f"pty:{link}")
        for _ in range(2):
            fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
            self.assertFalse(termios.tcgetattr(fd)[3] & termios.ECHO, "the line is raw")
            os.write(fd, LINES)
            got = b""
            while len(got) < len(REPLIES):
                got += os.read(fd, 4096)
            os.close(fd)
            self.assertEqual(got, REPLIES)
        self.assertEqual(process.stop(), 0)
        self.assertFalse(os.path.lexists(link))

    def test_refused(self):
        _, where = self.emulate("tcp:0")
        for kit, status, text in (("udp:1", 2, "neither tcp:PORT nor pty:LINK"), ("tcp:65536", 2, "0 to 65535"),
                (f"tcp:{self.port(where)[1]}", 8, "in use")):
            done = self.run_program("imprint", "element", "emulate", "other", "--kit", kit)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.returncode, status, done)
            self.assertEqual(done.stdout, "", "nothing is announced")

    def looks(self, kit, serial):
        seen = self.run_program("imprint", "element", "info", kit, "--json")
        self.assertEqual(seen.returncode, 0, seen)
        self.assertEqual(json.loads(seen.stdout)["serial"], serial)

    def test_host_side(self):
        serial = "454D1111111111114D"
        process, where = self.emulate("tcp:0", "--serial", serial)
        self.looks(f"kit:{where}", serial)
        self.looks("kit:localhost:%d" % self.port(where)[1], serial)
        self.assertEqual(process.stop(), 0)
        link = self.folder / "kit"
        process, _ = self.emulate(f"pty:{link}")
        self.looks(f"kit:{link}", serial)
        dump = self.run_program("imprint", "element", "dump", f"kit:{link}")
        self.assertIn("454D1111", dump.stdout.replace(" ", "").upper())
        self.assertEqual(process.stop(), 0)
        for kit, status, text in ((f"kit:{link}", 3, "No such file"), ("kit:here", 2, "neither the path of a serial port nor HOST:PORT"),
                ("kit:127.0.0.1:1", 8, "refused"), ("kit:/dev/null", 2, "neither the path of a serial port")):
            done = self.run_program("imprint", "element", "info", kit)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.returncode, status, done)

    def test_stuck_bus_behind_a_kit(self):
        plan = self.folder / "plan"
        plan.write_text("stuck 5\n")
        _, where = self.emulate("tcp:0", "--faults", plan)
        done = self.run_program("imprint", "element", "info", f"kit:{where}")
        self.assertIn("Input/output error", done.stderr)
        self.assertEqual(done.returncode, 8, done)

    def test_emulator_alone(self):
        process = self.start("imprint-emulator", "--socket", self.folder / "bus.sock", "--kit", "tcp:0", self.folder / "a.se")
        where = process.wait_for(r"^(tcp:\S+)$").group(1)
        self.assertEqual(self.talk(self.port(where)), REPLIES)
        done = self.run_program("imprint-emulator", "--socket", self.folder / "other.sock", "--kit", "udp:1", self.folder / "b.se")
        self.assertIn("neither tcp:PORT nor pty:LINK", done.stderr)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(process.stop(), 0)
