#!/usr/bin/python3
"""Proves that nothing made for tests is in the programs of a release build (TAP).

	release.py BUILD-FOLDER           the release: no test hook in any program
	release.py BUILD-FOLDER test      a test build: every hook that the sources name is found

The names are taken from the sources, so a new crash point is covered without a change here. The second
form proves that the search finds what is there.
"""

import os
import re
import sys
from pathlib import Path

SOURCE = Path(os.environ["IMPRINT_SOURCE"])
HOOK = re.compile(rb"IMPRINT_TEST_[A-Z0-9_]+")


def programs(build):
    """What is installed or run by people: ELF files, but for tests, fuzz, bench and meson's own."""
    for path in sorted(build.rglob("*")):
        inside = path.relative_to(build)
        if inside.parts[0] in ("tests", "fuzz", "bench", "meson-private") or path.suffix == ".o" or not path.is_file():
            continue
        with path.open("rb") as f:
            if f.read(4) == b"\x7fELF":
                yield inside, path.read_bytes()


def main(build, release):
    asked_for = set() # hooks that a program looks up by name
    for path in (SOURCE / "src").rglob("*.[ch]"):
        asked_for |= set(re.findall(b'"(' + HOOK.pattern + b')"', path.read_bytes()))
    number = failed = 0

    def ok(good, name):
        nonlocal number, failed
        number += 1
        failed += not good
        print(f"{'' if good else 'not '}ok {number} - {name}")

    found = list(programs(build))
    ok(found, f"{len(found)} programs in the build")
    if release:
        for name, content in found:
            hooks = b" ".join(sorted(set(HOOK.findall(content)))).decode()
            ok(not hooks, f"{name} holds no test hook {hooks}".rstrip())
    else:
        for hook in sorted(asked_for):
            ok(any(hook in content for _, content in found), f"{hook.decode()} is in a program made for tests")
    print(f"1..{number}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] != ["test"]))
