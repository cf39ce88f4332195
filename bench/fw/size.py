#!/usr/bin/python3
"""What the core costs a board: text, data and stack on Cortex-M0+.

	size.py BUILD/m0 QEMU       prints a table and `name ours reference ratio target PASS|FAIL`, bytes

fw_board opens the element, makes a key and a request, stores the compressed certificate, reads it back and
rebuilds the DER; it brings its own memcpy and the like. fw_empty is startup code alone. The difference is
ours: no link-time optimisation, -Os.
"""

import re
import subprocess
import sys
from pathlib import Path

TEXT_MAX = 4096
STACK_MAX = 1024
# Linked net of an empty program, or the sum of its objects, GCC 12.2, -Os, Cortex-M0+: driver, request and
# compressed certificate of ArduinoECCX08 with Arduino_SecureElement; cryptoauthlib with atcacert.
ARDUINO = 10013
CRYPTOAUTHLIB = 20148


def sections(program):
    """(text, data, bss)"""
    done = subprocess.run(["arm-none-eabi-size", program], stdout=subprocess.PIPE, text=True, check=True)
    return tuple(int(n) for n in done.stdout.splitlines()[1].split()[:3])


def stack(m0, qemu):
    done = subprocess.run([qemu, "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "stdio",
        "-semihosting-config", "enable=on,target=native", "-kernel", m0 / "bench/fw/fw_stack"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return int(re.search(r"^ok \d+ - stack: (\d+) bytes", done.stdout, re.MULTILINE).group(1))


def report(name, ours, reference, ratio, target, good):
    print(f"{name} {ours} {reference} {ratio:.2f} {target:.2f} {'PASS' if good else 'FAIL'}")
    return good


def main(m0, qemu):
    m0 = Path(m0)
    board, empty = sections(m0 / "bench/fw/fw_board"), sections(m0 / "bench/fw/fw_empty")
    text, data, bss = (ours - theirs for ours, theirs in zip(board, empty))
    depth = stack(m0, qemu)
    print("# Cortex-M0+   text   data    bss  stack")
    print(f"# fw_board   {board[0]:6} {board[1]:6} {board[2]:6}")
    print(f"# fw_empty   {empty[0]:6} {empty[1]:6} {empty[2]:6}")
    print(f"# ours       {text:6} {data:6} {bss:6} {depth:6}")
    good = report("fw-text", text, TEXT_MAX, text / TEXT_MAX, 1, text <= TEXT_MAX)
    good &= report("fw-text-arduino", text, ARDUINO, text / ARDUINO, 0.5, text <= ARDUINO * 0.5)
    good &= report("fw-text-cryptoauthlib", text, CRYPTOAUTHLIB, text / CRYPTOAUTHLIB, 0.33, text * 3 <= CRYPTOAUTHLIB)
    good &= report("fw-variables", data + bss, 0, 0, 0, data + bss == 0)
    return 0 if report("fw-stack", depth, STACK_MAX, depth / STACK_MAX, 1, depth <= STACK_MAX) and good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
