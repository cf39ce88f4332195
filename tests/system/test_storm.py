"""The rule of storm control as it is shipped: nft takes it, and it lets in as many as it says, and everybody at last."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import harness

RULE = harness.SOURCE / "packaging/nftables/imprint-broker.nft"
RATE, CONNECTIONS = 5, 20


def own_network():
    """The words that run a command in a network of its own; None where that cannot be."""
    how = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if not shutil.which("nft") or not shutil.which("ip"):
        return None
    tried = subprocess.run([*how, "nft", "list", "ruleset"], capture_output=True, check=False)
    return None if tried.returncode else how


INSIDE = own_network()


@unittest.skipUnless(INSIDE, "no network of our own can be made here (unshare, nft)")
class Storm(unittest.TestCase):
    def inside(self, *argv):
        done = subprocess.run([*INSIDE, *map(str, argv)], capture_output=True, text=True, check=False, timeout=240)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_syntax(self):
        self.inside("nft", "--check", "--file", RULE)

    def test_limits(self):
        said = json.loads(self.inside(sys.executable, "-B", Path(__file__).parent / "storm_network.py", RULE, RATE, CONNECTIONS))
        self.assertEqual(said["other_port"], [CONNECTIONS, 0], "other ports are nobody's business")
        there, dropped = said["broker"]
        self.assertEqual(there, CONNECTIONS, "whoever is turned away comes again by himself")
        self.assertGreater(dropped, 0)
        self.assertEqual(said["connected"], 0, "who is connected does not notice")


if __name__ == "__main__":
    unittest.main()
