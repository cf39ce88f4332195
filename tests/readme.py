#!/usr/bin/python3
"""Keeps the output shown in README.md and in docs/broker.md true.

	readme.py            runs the commands of every made block, compares what they print (TAP)
	readme.py --write    runs them and writes their output into the pages

A made block is a ```console block behind the line `<!-- made by tests/readme.py -->`. Its lines that begin
with "$ " are commands of one shell session, which goes on from page to page, run in order in an empty state folder, with the built programs
first in PATH; one that ends with " &" is shown with the first line it prints and runs to the end of its block.
`make up` stands for what it runs after building; it is shown until it says how to end it, and runs to the end of
the last page; a block of the line "# in the terminal of make up" has what it said since. Compared are lines with everything masked
that differs from run to run: times, serial numbers, keys, signatures, device ids, what was measured. Folders are shown as a user finds them.
"""

import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "system"))
import harness

SOURCE = Path(os.environ.get("IMPRINT_SOURCE", Path(__file__).resolve().parents[1]))
BUILD = Path(os.environ.get("IMPRINT_BUILD", SOURCE / "build/host")).resolve()
PAGES = ("README.md", "docs/broker.md")
MARK = "<!-- made by tests/readme.py -->\n```console\n"
# The last line of the rule, which runs what the lines before it have built.
MAKE_UP = re.search(r"^up:\n(?:\t.*\n)*\t(build/host/.*)\n\n", (SOURCE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
STAYS = {"make up": MAKE_UP.group(1)}
LAST_LINE = "end  " # of a command that stays
SINCE = "# in the terminal of make up"
PATIENCE, QUIET = 60, 5 # seconds, until a line that must come is missing, and for one that must not
MASKS = (
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms)\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d([T ]\d\d(:\d\d){0,2}(\.\d+)?Z?)?"), "DATE"),
    (re.compile(r"\blocalhost:\d+"), "localhost:PORT"),
    (re.compile(r"\bprocess \d+"), "process PID"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "DEVICE-ID"),
    (re.compile(r"\b(454D|454d)[0-9A-Fa-f]{12}(4D|4d)\b"), "CHIP"),
    (re.compile(r"\b([0-9A-Fa-f]{2}[: ]?){8,}\b"), "HEX"),
    (re.compile(r"^[A-Za-z0-9+/]{16,}={0,2}$"), "BASE64"),
    (re.compile(r"\b\d+(?= (in TIME|a second|new connections)\b)"), "COUNT"),
    (re.compile(r"\b(rate|burst) \d+"), r"\1 COUNT"),
)


def masked(line):
    for pattern, name in MASKS:
        line = pattern.sub(name, line)
    return re.sub(r" +", " ", line).rstrip()


def usual(line, folder):
    line = line.replace(str(BUILD), "/usr/local/lib/x86_64-linux-gnu/imprint")
    return line.replace(f"{folder}/run", "/run/user/1000").replace(folder, "~")


class Stay:
    """A command that runs to the end of the page; `lines` are what it said and nobody took."""

    def __init__(self, command, env, folder):
        self.process = subprocess.Popen(["sh", "-c", "exec " + STAYS[command]], env=env, cwd=folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def begin(self):
        lines = []
        while (line := self.lines.get()) is not None:
            lines.append(line)
            if line.startswith(LAST_LINE):
                return lines
        return [*lines, f"(exit status {self.process.wait()})"]

    def since(self, shown):
        """As many lines as are shown, which may take a while; and others that come meanwhile."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while len(lines) < shown:
                lines.append(self.lines.get(timeout=PATIENCE))
            while True:
                lines.append(self.lines.get(timeout=QUIET))
        return lines

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def stay(command, env, folder, stays):
    stays.append(Stay(command, env, folder))
    return stays[-1].begin()


def run(command, env, folder, behind, stays):
    if command in STAYS:
        return stay(command, env, folder, stays)
    if command.endswith(" &"):
        behind.append(subprocess.Popen(["sh", "-c", "exec " + command[:-2]], env=env, cwd=folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        return [behind[-1].stdout.readline().rstrip()]
    done = subprocess.run(["sh", "-c", command], env=env, cwd=folder, timeout=240,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.splitlines() + ([f"(exit status {done.returncode})"] if done.returncode else [])


def stop(process):
    process.terminate()
    process.wait()
    process.stdout.close()


def blocks(text):
    """(start, end) of the lines inside each made block."""
    at = 0
    while (found := text.find(MARK, at)) >= 0:
        start = found + len(MARK)
        at = text.index("```\n", start)
        yield start, at


def page(text, session):
    """The text with its blocks made anew, and of each what it showed and what it shows now."""
    env, folder, stays = session
    made, at, behind, pairs = "", 0, [], []
    try:
        for start, end in blocks(text):
            shown = text[start:end].splitlines()
            got = []
            if shown[0] == SINCE:
                got = [SINCE, *(usual(line, folder) for line in stays[-1].since(len(shown) - 1))]
            for command in (line[2:] for line in shown if line.startswith("$ ")):
                got += ["$ " + command, *(usual(line, folder) for line in run(command, env, folder, behind, stays))]
            made += text[at:start] + "".join(line.rstrip() + "\n" for line in got)
            at = end
            pairs.append((shown, got))
            while behind:
                stop(behind.pop())
    finally:
        for process in behind:
            stop(process)
    return made + text[at:], pairs


def main(write):
    points, failed, stays = 0, 0, []
    with tempfile.TemporaryDirectory(prefix="im", dir="/tmp") as folder:
        env = {name: value for name, value in os.environ.items() if not name.startswith("IMPRINT_")}
        env.update(PATH=f"{BUILD}:{env['PATH']}", IMPRINT_BUILD=str(BUILD), HOME=folder,
            IMPRINT_STATE=f"{folder}/.local/state/imprint", XDG_RUNTIME_DIR=f"{folder}/run",
            XDG_CONFIG_HOME=f"{folder}/.config", NO_COLOR="1", LC_ALL="C.UTF-8")
        env.update(harness.mosquitto(folder) | harness.PATIENT)
        os.mkdir(f"{folder}/run", 0o700)
        os.mkdir(f"{folder}/build") # what `make up` calls, and says how to call
        os.symlink(BUILD, f"{folder}/build/host")
        try:
            for name in PAGES:
                made, pairs = page((SOURCE / name).read_text(encoding="utf-8"), (env, folder, stays))
                if write:
                    (SOURCE / name).write_text(made, encoding="utf-8")
                for shown, got in pairs:
                    points += 1
                    same = [masked(line) for line in shown] == [masked(line) for line in got]
                    failed += not write and not same
                    if not write:
                        print(f"{'' if same else 'not '}ok {points} - {name}, the block of {shown[0]}")
                    for line in () if write or same else got:
                        print("# " + line)
        finally:
            for one in stays:
                one.stop()
    if not write:
        print(f"1..{points}")
    return failed != 0 or points == 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
