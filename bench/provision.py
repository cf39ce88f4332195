#!/usr/bin/python3
"""How much longer than its chip a board takes: the whole `imprint provision --local`, from the start of the
process to its end, against the sum of the execution times that the emulated chip took (typical timing).

	provision.py IMPRINT                prints `name ours reference ratio target PASS|FAIL`, seconds
"""

import json
import os
import subprocess
import sys
import tempfile
import time

TARGET = 1.25
RUNS = 5 # the best counts: everything else on this machine only adds


def busy(imprint, env):
    """Seconds for which the chip has worked since the board was started."""
    listed = subprocess.run([imprint, "board", "list", "--json"], env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(listed.stdout)["chip_busy_us"] / 1e6


def measure(imprint, env, name):
    """(seconds of a run, seconds of its chip)"""
    before, begun = busy(imprint, env), time.monotonic()
    subprocess.run([imprint, "provision", "--local", "--port", name, "--name", name, "--yes", "--quiet"], env=env,
        stdout=subprocess.DEVNULL, check=True)
    took = time.monotonic() - begun
    return took, busy(imprint, env) - before


def with_board(imprint, env, name, runs):
    board = subprocess.Popen([imprint, "board", name, "--timing", "typical"], env=env, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    try:
        board.stdout.readline() # the port: it is plugged in
        return [measure(imprint, env, name) for _ in range(runs)]
    finally:
        board.terminate()
        board.wait()
        board.stdout.close()


def report(name, pairs):
    ours, reference = min(pairs, key=lambda pair: pair[0] / pair[1])
    ratio = ours / reference
    good = ratio <= TARGET
    print(f"{name} {ours:.3f} {reference:.3f} {ratio:.2f} {TARGET:.2f} {'PASS' if good else 'FAIL'}")
    return good


def main(imprint):
    with tempfile.TemporaryDirectory(prefix="im", dir="/tmp") as folder:
        env = {**os.environ, "IMPRINT_STATE": folder + "/state", "XDG_RUNTIME_DIR": folder, "XDG_CONFIG_HOME": folder, "HOME": folder}
        blank = [with_board(imprint, env, f"blank{i}", 1)[0] for i in range(RUNS + 1)][1:] # the first makes the authority
        again = with_board(imprint, env, "again", RUNS + 1)[1:] # the first locks the chip
    good = report("provision-blank-chip", blank)
    return 0 if report("provision-locked-chip", again) and good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
