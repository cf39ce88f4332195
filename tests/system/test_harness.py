"""The harness and the count of `make test` themselves: a test that cannot fail proves nothing."""

import importlib.machinery
import importlib.util
import signal
import sys
import unittest

import harness


def load(path):
    """A script without .py at its end, as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


class Programs(harness.SystemTest):
    def test_line_is_waited_for(self):
        talker = self.start("sh", "-c", "sleep 0.1; echo port 4711; exec sleep 60")
        self.assertEqual(talker.wait_for(r"^port (\d+)$").group(1), "4711")

    def test_missing_line_shows_what_was_said(self):
        talker = self.start("sh", "-c", "echo something else")
        with self.assertRaisesRegex(AssertionError, "(?s)ended.*something else"):
            talker.wait_for("port")

    def test_kill_takes_the_children_too(self):
        parent = self.start("sh", "-c", "sleep 60 & echo child $!; wait")
        parent.wait_for(r"^child \d+$")
        self.assertEqual(parent.kill(), -signal.SIGKILL)

    def test_state_is_private_and_empty(self):
        done = self.run_program("sh", "-c", 'ls -A "$IMPRINT_STATE"; stat -c %a "$IMPRINT_STATE"')
        self.assertEqual((done.returncode, done.stdout), (0, "700\n"), done)

    def test_sanitizer_report_fails_the_test(self):
        with self.assertRaisesRegex(AssertionError, "a sanitizer reported"):
            self.run_program("sh", "-c", "echo ERROR: AddressSanitizer: heap-use-after-free >&2")


class Tap(harness.SystemTest):
    def tap(self, body, *names):
        path = self.folder / "test_body.py"
        path.write_text("import unittest\nclass T(unittest.TestCase):\n" + body, encoding="utf-8")
        return self.run_program(sys.executable, "-B", harness.SOURCE / "tests/system/tap.py", path, *names)

    def test_points(self):
        done = self.tap("    def test_a(self): pass\n    def test_b(self): self.fail('why')\n")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout, r"(?s)^ok 1 - T.test_a\nnot ok 2 - T.test_b\n# .*why.*\n1\.\.2\n$")

    def test_one_by_its_name(self):
        body = "    def test_a(self): pass\n    def test_b(self): self.fail('why')\n"
        self.assertEqual(self.tap(body, "T.test_a").stdout, "ok 1 - T.test_a\n1..1\n")
        self.assertEqual(self.tap(body, "T.test_c").returncode, 1)

    def test_failure_in_clean_up_counts_once(self):
        done = self.tap("    def test_a(self): self.addCleanup(self.fail, 'late')\n")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout, r"(?s)^not ok 1 - T.test_a\n.*late.*\n1\.\.1\n$")

    def test_failed_class_set_up(self):
        done = self.tap("    @classmethod\n    def setUpClass(cls): 1 / 0\n    def test_a(self): pass\n")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout, r"(?s)^not ok 1 - .*ZeroDivisionError.*\n1\.\.1\n$")

    def test_skip_gives_its_reason(self):
        done = self.tap("    def test_a(self): self.skipTest('no chip')\n")
        self.assertEqual(done.stdout, "ok 1 - T.test_a # SKIP no chip\n1..1\n", done)

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.tap("    pass\n").returncode, 1)


class Counting(unittest.TestCase):
    cases = (
        # name, TAP, meson's result, exit status -> passed, failed, skipped
        ("all pass", "ok 1 - a\nok 2 - b\n1..2\n", "OK", 0, (2, 0, 0)),
        ("one fails", "ok 1 - a\nnot ok 2 - b\n1..2\n", "ERROR", 1, (1, 1, 0)),
        ("dies half-way", "ok 1 - a\n", "ERROR", -11, (1, 1, 0)),
        ("stops half-way without an error", "ok 1 - a\n", "OK", 0, (1, 1, 0)),
        ("leaks after the last point", "ok 1 - a\n1..1\n", "ERROR", 23, (1, 1, 0)),
        ("prints nothing", "", "SKIP", 0, (0, 1, 0)),
        ("times out", "ok 1 - a\n1..2\n", "TIMEOUT", -9, (1, 1, 0)),
        ("excused skip", "ok 1 - a # SKIP no chip\nok 2 - b\n1..2\n", "OK", 0, (1, 0, 1)),
        ("skip for another reason", "ok 1 - a # SKIP tired\n1..1\n", "SKIP", 0, (0, 1, 1)),
        ("skip of everything, excused", "1..0 # SKIP no chip\n", "SKIP", 0, (0, 0, 1)),
        ("empty plan", "1..0\n", "SKIP", 0, (0, 1, 1)),
        ("to-do point", "not ok 1 - a # TODO later\n1..1\n", "OK", 0, (0, 1, 0)),
        ("failure that also says skip", "not ok 1 - a # SKIP no chip\n1..1\n", "ERROR", 1, (0, 1, 0)),
    )

    def test_cases(self):
        module = load(harness.SOURCE / "tools/test")
        for name, stdout, result, status, want in self.cases:
            with self.subTest(name):
                count = module.Count({("emu/chip", "no chip")})
                count.add({"name": "imprint / emu/chip", "stdout": stdout, "result": result, "returncode": status})
                self.assertEqual((count.passed, count.failed, count.skipped), want, count.complaints)
