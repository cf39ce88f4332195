"""Certificates of server and broker are renewed under a running `imprint up`, and its board notices nothing."""

import json
import os
import re
import signal
import time
import unittest
from pathlib import Path

import harness

HOOKS = b"IMPRINT_TEST_CLOCK" in Path(harness.program("imprintd")).read_bytes()


@unittest.skipUnless(HOOKS, "needs a build whose clock can be set")
class Renewal(harness.SystemTest):
    def shown(self, port):
        """The certificate that a server shows at this port."""
        done = self.run_program("openssl", "s_client", "-connect", f"127.0.0.1:{port}")
        found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", done.stdout, re.S)
        self.assertTrue(found, done)
        return found.group(0)

    def wait_shown(self, port, name, before):
        want = None
        until = time.monotonic() + 3 * harness.PATIENCE
        while (got := self.shown(port)) == before or got != want:
            self.assertLess(time.monotonic(), until, f"{name}: the same certificate still")
            time.sleep(0.2)
            text = (self.state / "tls" / name).read_text()
            want = text[:text.index("-----END CERTIFICATE-----\n")] + "-----END CERTIFICATE-----\n"

    def test_under_up(self):
        clock = self.folder / "clock"
        clock.write_text("0")
        up = self.start("imprint", "up", "--timeout", "120", env={**harness.PATIENT, "IMPRINT_TEST_CLOCK": str(clock)})
        up.wait_for("^end .* Ctrl-C", timeout=150)
        running = json.loads((self.state / "up.json").read_text())
        api = int(running["server"].rsplit(":", 1)[1])
        broker = running["broker"]["port"]
        before = self.shown(api), self.shown(broker)
        clock.write_text(str(61 * 86400))
        os.kill(running["imprintd"]["pid"], signal.SIGHUP)
        self.wait_shown(api, "api.pem", before[0])
        self.wait_shown(broker, "broker.pem", before[1])
        clock.write_text("0")
        log = (self.state / "logs/mosquitto.log").read_text()
        self.assertEqual(log.count("New client connected"), 2, log) # imprintd and the board, once each
        self.assertEqual(up.stop(), 0)


if __name__ == "__main__":
    unittest.main()
