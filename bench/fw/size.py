#!/usr/bin/python3
"""What the core costs a board: text, data and stack on Cortex-M0+.

	size.py BUILD/m0 QEMU       prints a table and `name ours reference ratio target PASS|FAIL`, bytes

fw_board opens the element, makes a key and a request, stores the compressed certificate, reads it back and
rebuilds the DER; it brings its own memcpy and the like. fw_token signs a JWT on top of that. fw_setup is the
board's side of the setup dialogue: locks, key, request, certificate with its marker, proof, wipe, in frames
of CBOR. fw_empty is startup code alone. The difference is ours: no link-time optimisation, -Os.
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
CRYPTOAUTHLIB, CRYPTOAUTHLIB_RAM = 20148, 96 + 1992
# ArduinoECCX08's driver and request with all certificate, JWS, Base64 and id objects of Arduino_SecureElement.
ARDUINO_TOKEN = 3152 + 2418 + 6172
SETUP_STACK_MAX = 1792


def sections(program):
    """(text, data, bss)"""
    done = subprocess.run(["arm-none-eabi-size", program], stdout=subprocess.PIPE, text=True, check=True)
    return tuple(int(n) for n in done.stdout.splitlines()[1].split()[:3])


def stacks(m0, qemu):
    """Bytes of (board, token, setup)"""
    done = subprocess.run([qemu, "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "stdio",
        "-semihosting-config", "enable=on,target=native", "-kernel", m0 / "bench/fw/fw_stack"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return [int(re.search(rf"^ok \d+ - stack{of}: (\d+) bytes", done.stdout, re.MULTILINE).group(1))
        for of in ("", " of a token", " of setup")]


def report(name, ours, reference, ratio, target, good):
    print(f"{name} {ours} {reference} {ratio:.2f} {target:.2f} {'PASS' if good else 'FAIL'}")
    return good


def main(m0, qemu):
    m0 = Path(m0)
    empty, depths = sections(m0 / "bench/fw/fw_empty"), stacks(m0, qemu)
    print("# Cortex-M0+, less an empty program    text   data    bss  stack")
    ours = []
    for name, what, depth in zip(("board", "token", "setup"), ("key, request, certificate", "the same and a token",
            "setup dialogue"), depths):
        ours.append([mine - none for mine, none in zip(sections(m0 / f"bench/fw/fw_{name}"), empty)])
        print(f"# {what:36}", " ".join(f"{n:6}" for n in (*ours[-1], depth)))
    (text, data, bss), token, setup = ours
    depth = depths[0]
    good = report("fw-text", text, TEXT_MAX, text / TEXT_MAX, 1, text <= TEXT_MAX)
    good &= report("fw-text-arduino", text, ARDUINO, text / ARDUINO, 0.5, text <= ARDUINO * 0.5)
    good &= report("fw-text-cryptoauthlib", text, CRYPTOAUTHLIB, text / CRYPTOAUTHLIB, 0.33, text * 3 <= CRYPTOAUTHLIB)
    good &= report("fw-variables", data + bss, 0, 0, 0, data + bss == 0)
    good &= report("fw-stack", depth, STACK_MAX, depth / STACK_MAX, 1, depth <= STACK_MAX)
    good &= report("fw-token-text-arduino", token[0], ARDUINO_TOKEN, token[0] / ARDUINO_TOKEN, 0.5, token[0] <= ARDUINO_TOKEN * 0.5)
    good &= report("fw-token-stack", depths[1], STACK_MAX, depths[1] / STACK_MAX, 1, depths[1] <= STACK_MAX)
    # Nobody else has such a dialogue: beside a library that has the chip and its certificates alone.
    good &= report("fw-setup-text-cryptoauthlib", setup[0], CRYPTOAUTHLIB, setup[0] / CRYPTOAUTHLIB, 0.66,
        setup[0] <= CRYPTOAUTHLIB * 0.66)
    ram = setup[1] + setup[2]
    good &= report("fw-setup-variables-cryptoauthlib", ram, CRYPTOAUTHLIB_RAM, ram / CRYPTOAUTHLIB_RAM, 0.66,
        ram <= CRYPTOAUTHLIB_RAM * 0.66)
    good &= report("fw-setup-stack", depths[2], SETUP_STACK_MAX, depths[2] / SETUP_STACK_MAX, 1, depths[2] <= SETUP_STACK_MAX)
    return not good


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
