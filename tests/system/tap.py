#!/usr/bin/python3
"""Runs one file of unittest cases, or some of them, and reports as TAP, one point a test method.

	tap.py tests/system/test_something.py [CLASS.METHOD...]
"""

import importlib.util
import sys
import unittest
from pathlib import Path


class TapResult(unittest.TestResult):
    """Prints one TAP point a test; the trace of a failure follows it as `#` lines."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.said = None # the verdict of the running test, and its trace

    def startTest(self, test):
        super().startTest(test)
        self.said = None

    def stopTest(self, test):
        super().stopTest(test)
        verdict, trace = self.said or ("ok", "")
        self.point(verdict, test, trace)

    def point(self, verdict, test, trace=""):
        self.number += 1
        name = (test.shortDescription() or test.id().split(".", 1)[-1]).replace("#", "")
        skip = ""
        if verdict == "skip":
            verdict, skip, trace = "ok", " # SKIP " + trace, ""
        print(f"{verdict} {self.number} - {name}{skip}")
        for line in trace.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def bad(self, test, err):
        trace = self._exc_info_to_string(err, test)
        before = self.said[1] if self.said else ""
        self.said = ("not ok", before + trace)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, err)
        if not isinstance(test, unittest.TestCase): # setUpClass or setUpModule: no stopTest follows
            self.point(*self.said[:1], test, self.said[1])
            self.said = None

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.bad(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if self.said is None:
            self.said = ("skip", reason)
        if not isinstance(test, unittest.TestCase): # skipped as a class or module
            self.point("skip", test, reason)
            self.said = None

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.said = ("not ok", "passed although marked as expected to fail")


def main(path, *names):
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = TapResult()
    loader = unittest.defaultTestLoader
    tests = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    tests.run(result)
    print(f"1..{result.number}")
    return not result.wasSuccessful() or result.number == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
