#!/usr/bin/python3
"""Proves that nothing made for tests is in the programs of a release build (TAP).

	release.py BUILD-FOLDER

The names looked for are taken from the sources, so a new crash point is covered without a change
here. That the search can find anything is proven on the same programs: each holds a string of ours.
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


def main(build):
    in_sources = set()
    for path in (SOURCE / "src").rglob("*.[ch]"):
        in_sources |= set(HOOK.findall(path.read_bytes()))
    number = failed = 0

    def ok(good, name):
        nonlocal number, failed
        number += 1
        failed += not good
        print(f"{'' if good else 'not '}ok {number} - {name}")

    found = list(programs(build))
    ok(found, f"{len(found)} programs in the release build")
    for name, content in found:
        ok(b"imprint" in content, f"{name} can be searched")
        hooks = {h for h in HOOK.findall(content)} | {h for h in in_sources if h in content}
        ok(not hooks, f"{name} holds no test hook {b' '.join(sorted(hooks)).decode()}".rstrip())
    print(f"1..{number}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
