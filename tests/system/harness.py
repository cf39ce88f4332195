"""Programs under test: started in a folder of their own, watched line by line, stopped at the end.

    class Board(harness.SystemTest):
        def test_plug(self):
            board = self.start("imprint", "board", "kitchen")
            board.wait_for(r"^serial (\\S+)$")               # the match; fails with all output on time-out
            done = self.run_program("imprint", "element", "info", "kitchen", "--json")
            self.assertEqual(done.returncode, 0, done)
            board.stop()                                     # or is stopped after the test

Each test gets an empty state folder, run folder and configuration folder (design: state, sockets and
credentials are found through IMPRINT_STATE and XDG_*). A sanitizer's report in any output fails the test.
"""

import contextlib
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

BUILD = Path(os.environ.get("IMPRINT_BUILD", "build/host")).resolve()
SOURCE = Path(os.environ.get("IMPRINT_SOURCE", Path(__file__).resolve().parents[2]))
VECTORS = SOURCE / "tests/vectors"
PACKAGED = "/usr/sbin/mosquitto"
MOSQUITTO = os.environ.get("IMPRINT_MOSQUITTO", PACKAGED) # another version of it
SANITIZER = re.compile(r"(?:Address|Leak|Memory|Thread)Sanitizer|runtime error: ")
PATIENCE = 60 # seconds until a line that must come counts as missing; never a measure of speed
# On a busy computer brokers may take their time to hear of a change (brokers.h), and to answer boards (program.c).
PATIENT = {"IMPRINT_TEST_REACH": "8000", "IMPRINT_TEST_PATIENT": "1"}
RESERVED = [] # held as long as this process runs


def program(name):
    """Where the build put a program; the name itself for a program of the system."""
    for path in (BUILD / name, *BUILD.glob(f"src/*/{name}"), *BUILD.glob(f"tests/*/{name}")):
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name}: neither in {BUILD} nor in PATH")
    return found


def free_port():
    """
    A TCP port of this test's own, also while nobody listens there: none that the system gives to who asks for any, nor
    one that another test got here.
    """
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = random.randrange(10000, max(first_given, 11000))
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0imprint-test-port-{port}")
            with socket.socket() as s:
                s.bind(("", port))
        except OSError:
            mark.close()
            continue
        RESERVED.append(mark)
        return port


@functools.cache
def runtimes(module):
    """The sanitizers' libraries that a module needs in a program that has none."""
    needs = subprocess.run(["ldd", module], capture_output=True, text=True, check=False).stdout
    return re.findall(r"=> (\S*lib(?:asan|ubsan|tsan)\S*)", needs)


def mosquitto(folder):
    """What to add to the environment, so that our programs start a mosquitto that can load the plugin: a
    sanitized one needs its runtime in a program that has none, whose own leaks are not ours."""
    found = runtimes(BUILD / "imprint-mosquitto.so")
    if not found:
        return {} if MOSQUITTO == PACKAGED else {"IMPRINT_MOSQUITTO": MOSQUITTO}
    wrapper = Path(folder) / "mosquitto"
    wrapper.write_text(f'#!/bin/sh\nASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="{" ".join(found)}" exec {MOSQUITTO} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o700)
    return {"IMPRINT_MOSQUITTO": str(wrapper)}


class Process:
    """A running program. `lines` grows as it prints (both streams, in order of arrival)."""

    def __init__(self, argv, env, cwd, pass_fds=()):
        self.argv = argv
        self.lines = []
        self.news = threading.Condition()
        self.child = subprocess.Popen([program(argv[0]), *argv[1:]], env=env, cwd=cwd, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
            start_new_session=True, pass_fds=pass_fds)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            with self.news:
                self.lines.append(line.rstrip("\r\n"))
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    @property
    def output(self):
        with self.news:
            return "\n".join(self.lines)

    @property
    def pid(self):
        return self.child.pid

    def wait_for(self, pattern, start=0, timeout=PATIENCE):
        """The first match in lines[start:], waiting until it is printed."""
        until, seen = time.monotonic() + timeout, start
        with self.news:
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = max(seen, len(self.lines))
                left = until - time.monotonic()
                if left <= 0 or not self.reader.is_alive():
                    break
                self.news.wait(min(left, 0.2))
        if not self.reader.is_alive(): # its output is closed a moment before it can be waited for
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(1)
        state = "ended" if self.child.poll() is not None else f"said nothing like it for {timeout} s"
        raise AssertionError(f"{' '.join(self.argv)}: {state}; wanted /{pattern}/ in\n{self.output}")

    def say(self, text):
        self.child.stdin.write(text)
        self.child.stdin.flush()

    def send(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit status, negative for a signal; all output has been read then."""
        status = self.child.wait(timeout)
        self.reader.join(timeout)
        return status

    def kill(self):
        """Power cut: SIGKILL to the program and its children. Returns when it is gone."""
        self.signal_group(signal.SIGKILL)
        return self.wait()

    def stop(self):
        """SIGTERM, and SIGKILL when that does not help; the exit status."""
        self.signal_group(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            return self.kill()

    def signal_group(self, number):
        if self.child.poll() is None:
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:
                pass

    def close(self):
        self.stop()
        self.signal_orphans()
        for pipe in (self.child.stdin, self.child.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def signal_orphans(self):
        """Children that outlived the program are in its group still."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


class Done(subprocess.CompletedProcess):
    """A finished run; printed whole when an assertion about it fails."""

    def __str__(self):
        return f"{' '.join(self.args)} -> {self.returncode}\n{self.stdout}\n{self.stderr}"


class SystemTest(unittest.TestCase):
    def setUp(self):
        # Short, because a socket's path ends at 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="im", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = self.folder / "state"
        self.run_folder = self.folder / "run"
        config = self.folder / "config"
        for folder in (self.state, self.run_folder, config):
            folder.mkdir(mode=0o700)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("IMPRINT_")}
        self.env.update(IMPRINT_STATE=str(self.state), XDG_RUNTIME_DIR=str(self.run_folder),
            XDG_CONFIG_HOME=str(config), HOME=str(self.folder), NO_COLOR="1", LC_ALL="C.UTF-8")
        self.env.update(mosquitto(self.folder))
        self.processes = []
        self.addCleanup(self.stop_all)

    def start(self, *argv, env=None):
        """A program that keeps running; env adds to the environment."""
        process = Process([str(a) for a in argv], {**self.env, **(env or {})}, self.folder)
        self.processes.append(process)
        return process

    def run_program(self, *argv, stdin="", env=None, timeout=2 * PATIENCE):
        """A program that ends by itself: Done with returncode, stdout, stderr."""
        argv = [str(a) for a in argv]
        run = subprocess.run([program(argv[0]), *argv[1:]], input=stdin, env={**self.env, **(env or {})},
            cwd=self.folder, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=timeout, check=False)
        self.no_report(argv, run.stdout + run.stderr)
        return Done(argv, run.returncode, run.stdout, run.stderr)

    def stop_all(self):
        for process in reversed(self.processes):
            process.close()
        for process in self.processes:
            self.no_report(process.argv, process.output)

    def no_report(self, argv, output):
        if SANITIZER.search(output):
            self.fail(f"{' '.join(argv)}: a sanitizer reported\n{output}")
