"""A mosquitto of one's own, as Debian's service is configured: another user's where that can be, with what we ship for it."""

import os
import shutil
import unittest
from pathlib import Path

import harness
import server as imprintd
import test_broker

ROOT = os.geteuid() == 0
GROUP = "mosquitto" if ROOT else None
MAIN = """pid_file {run}/mosquitto.pid
persistence true
persistence_location {lib}/
log_dest stderr
include_dir {etc}/conf.d
"""


class OwnMosquitto(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        for name in ("etc/conf.d", "etc/imprint", "run-mosquitto", "lib", "feed"):
            (self.folder / name).mkdir(mode=0o750, parents=True)
        if ROOT:
            (self.folder / "etc").chmod(0o755)
            for name in ("etc/conf.d", "etc/imprint", "feed"):
                shutil.chown(self.folder / name, "root", GROUP)
            for name in ("run-mosquitto", "lib"):
                shutil.chown(self.folder / name, "mosquitto", GROUP)
        self.port = test_broker.Broker.free_port()

    def configure(self):
        """What docs/broker.md says, in this test's folders."""
        plugin = self.folder / "imprint-mosquitto.so"
        shutil.copy(harness.program("imprint-mosquitto.so"), plugin)
        plugin.chmod(0o755)
        text = (harness.SOURCE / "packaging/imprint.conf.in").read_text(encoding="utf-8")
        for there, here in (("@plugin@", plugin), ("/etc/mosquitto", self.folder / "etc"), ("/run/mosquitto", self.folder / "run-mosquitto"),
            ("/run/imprint-feed", self.folder / "feed"), ("/var/lib/mosquitto", self.folder / "lib"), ("listener 8885", f"listener {self.port} 127.0.0.1")):
            self.assertIn(there, text)
            text = text.replace(there, str(here))
        (self.folder / "etc/conf.d/imprint.conf").write_text(text, encoding="utf-8")
        main = self.folder / "etc/mosquitto.conf"
        main.write_text(MAIN.format(run=self.folder / "run-mosquitto", lib=self.folder / "lib", etc=self.folder / "etc"), encoding="utf-8")
        done = self.run_program("imprint", "broker", "config")
        self.assertEqual(done.returncode, 0, done)
        for name in ("ca/certificate.pem", "tls/broker.pem", "tls/broker.key", "broker/internal.pw"):
            copy = self.folder / "etc/imprint" / Path(name).name
            shutil.copy(self.state / name, copy)
            copy.chmod(0o640)
            if ROOT:
                shutil.chown(copy, "root", GROUP)
        return main

    def serve(self):
        user = ["--broker-user", "mosquitto"] if ROOT else []
        return imprintd.Server(self, "--feed", self.folder / "feed/feed.sock", "--broker", self.folder / "run-mosquitto/imprint.sock", *user)

    def test_it(self):
        server = self.serve()
        broker = self.start(self.env.get("IMPRINT_MOSQUITTO", "/usr/sbin/mosquitto"), "-c", self.configure())
        broker.wait_for(r"mosquitto version \S+ running", timeout=60)
        board = self.start("imprint", "board", "kitchen", "--broker", f"localhost:{self.port}", "--anchor", self.state / "tls/service-root.pem")
        board.wait_for("/tty/kitchen$")
        done = self.run_program("imprint", "provision", "--port", "kitchen", "--name", "kitchen", "--yes")
        self.assertEqual(done.returncode, 0, done)
        board.wait_for("^kitchen: online: ", timeout=60)
        done = self.run_program("imprint", "device", "revoke", "kitchen", "--yes")
        self.assertEqual(done.returncode, 0, done)
        broker.wait_for("imprint: expelled .* revoked$")
        broker.wait_for("imprint: refused .* revoked: ")
        server.process.stop()
        self.assertEqual(broker.stop(), 0, broker.output)
        self.assertTrue((self.folder / "lib/imprint.list").exists(), "the list is kept for the next start")
        if ROOT:
            self.assertEqual((self.folder / "lib/imprint.list").owner(), "mosquitto")


if __name__ == "__main__":
    unittest.main()
