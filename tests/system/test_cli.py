"""The command line itself: tables, help, errors, exit codes, colours, manual and completions."""

import json
import os
import pty
import re
import signal
import subprocess
import unittest

import harness

VALUE = re.compile(r"^  (?:-\w, )?--([\w-]+)( [A-Z0-9a-z|]\S*)?(?:  |$)", re.M)


def exit_codes():
    """Code -> texts, out of errors.def."""
    rows = re.findall(r'^ERROR\((\w+), (\d+), \d+, "(.*)"\)$', (harness.SOURCE / "src/core/base/errors.def").read_text(), re.M)
    codes = {}
    for _, code, text in rows:
        codes.setdefault(int(code), []).append(text)
    return codes


class CliTest(harness.SystemTest):
    def imprint(self, *argv, want=0, **how):
        done = self.run_program("imprint", *argv, **how)
        self.assertEqual(done.returncode, want, done)
        return done

    def usage(self, argv, words, **how):
        """Refused with exit 2, and with these words on standard error alone."""
        with self.subTest(argv):
            done = self.imprint(*argv, want=2, **how)
            self.assertEqual(done.stdout, "")
            self.assertIn(words, done.stderr)
            self.assertNotIn("\033", done.stderr)

    def commands(self):
        """Every command's name, from the list that help prints."""
        listed = self.imprint("help").stdout.split("commands:\n")[1].split("\n\n")[0]
        names = [re.match(r"  ([a-z]+(?: [a-z]+)?)  ", line).group(1) for line in listed.splitlines()]
        self.assertGreater(len(names), 10)
        return names


class Help(CliTest):
    def test_every_command_explains_itself(self):
        takes = {}
        for name in self.commands():
            words = name.split()
            with self.subTest(name):
                text = self.imprint(*words, "--help").stdout
                self.assertEqual(self.imprint("help", *words).stdout, text)
                self.assertIn(f"usage: imprint {name}", text)
                self.assertIn("global options:", text)
                self.assertTrue(all(len(line) < 80 and line == line.rstrip() for line in text.splitlines()), text)
                # The parser finds a command before it knows it, so an option takes a value everywhere or nowhere.
                for option, value in VALUE.findall(text):
                    takes.setdefault(option, set()).add(bool(value))
        self.assertGreater(len(takes), 15)
        self.assertEqual([o for o, kinds in takes.items() if len(kinds) > 1], [])

    def test_lists_fit_a_terminal(self):
        for argv in ([], ["element"], ["device"], ["certificate"]):
            text = self.imprint(*argv, "--help").stdout
            self.assertEqual([line for line in text.splitlines() if len(line) >= 80 or line != line.rstrip()], [])
            self.assertNotRegex(text, r"(?m)^ {3,24}\S", "a summary takes a second line")

    def test_group(self):
        for argv in (["help", "element"], ["element", "--help"]):
            text = self.imprint(*argv).stdout
            self.assertIn("element info", text)
            self.assertNotIn("board list", text)
        self.assertIn("element info", self.imprint("element", want=2).stderr)

    def test_exit_codes(self):
        text = self.imprint("help", "exit").stdout
        self.assertLess(max(map(len, text.splitlines())), 80)
        text = re.sub("\n {7}", " ", text)
        for code, texts in exit_codes().items():
            self.assertIn(f"{code:5}  {'; '.join(texts)}\n", text)
        self.assertIn("  130  interrupted\n", text)

    def test_long_choices(self):
        """They stand behind the help text, in as many lines as it takes."""
        words = ", ".join(("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"))
        text = self.imprint("device", "revoke", "--help").stdout
        self.assertRegex(" ".join(text.split()), rf"--reason WORD why \(RFC 5280\): {words} global options")
        self.assertIn(f"\nwhy (RFC 5280): {words}.\n", self.imprint("help", "man").stdout)

    def test_version(self):
        self.assertRegex(self.imprint("--version").stdout, r"^imprint \d+\.\d+\.\d+\n$")
        self.assertEqual(self.imprint("board", "--version").stdout, self.imprint("--version").stdout)

    def test_nothing_given(self):
        done = self.imprint(want=2)
        self.assertEqual(done.stdout, "")
        self.assertIn("usage: imprint COMMAND", done.stderr)


class Usage(CliTest):
    def test_commands(self):
        self.usage(["bard"], "did you mean 'board'?")
        self.usage(["elements"], "did you mean 'element'?")
        self.usage(["element", "inof"], "did you mean 'element info'?")
        self.usage(["element", "frobnicate"], f"`{harness.program('imprint')} help element` lists them")
        self.usage(["board", "list", "extra"], "unexpected argument 'extra'")
        self.usage(["board"], "an argument is missing: NAME")
        self.usage(["frobnicate"], f"`{harness.program('imprint')} help` lists them")
        self.usage(["help", "prov"], "did you mean 'provision'?")
        self.usage(["help", "x" * 300], "unknown command")

    def test_options(self):
        self.usage(["board", "--tming", "max", "a"], "unknown option --tming; did you mean --timing?")
        self.usage(["board", "--frobnicate", "a"], "unknown option --frobnicate of imprint board")
        self.usage(["board", "list", "--timing", "max"], "unknown option --timing of imprint board list")
        self.usage(["-x", "board", "list"], "unknown option -x")
        self.usage(["--stat", "folder", "up"], "unknown option --stat; did you mean --state?")
        self.usage(["--frobnicate", "folder", "up"], "unknown option --frobnicate")
        self.usage(["frobnicate", "--stat"], "unknown command 'frobnicate'; ")
        self.usage(["board", "a", "--timing"], "--timing needs a value: instant|typical|max")
        self.usage(["board", "a", "--timing", "slow"], "--timing: 'slow' is not one of instant|typical|max")
        self.usage(["board", "a", "--timing="], "--timing: '' is not one of")
        self.usage(["board", "a", "--wifi=yes"], "--wifi takes no value")
        self.usage(["board", "a", "--element", ""], "--element: the value is empty")
        self.usage(["board", "a", "--wifi-firmware", "1.4.8"], "--wifi-firmware needs --wifi")
        for number in ("0", "-1", "86401"):
            self.usage(["--timeout", number, "board", "list"], f"--timeout: {number} is outside 1 to 86400")
        for number in ("", "ten", "1.5", "1s", " 1", "99999999999999999999"):
            self.usage(["board", "list", "--timeout", number], f"--timeout: '{number}' is not a whole number")
        self.usage(["up", "--no-board", "--boards", "2"], "--no-board and --boards exclude each other")

    def test_environment(self):
        self.usage(["board", "list"], "IMPRINT_TIMEOUT: 'soon' is not a whole number", env={"IMPRINT_TIMEOUT": "soon"})
        self.usage(["board", "list"], "IMPRINT_JSON: 'maybe' is neither yes nor no", env={"IMPRINT_JSON": "maybe"})
        self.usage(["board", "a"], "IMPRINT_TIMING: 'slow' is not one of", env={"IMPRINT_TIMING": "slow"})
        # A flag wins, so the environment is not even looked at.
        self.imprint("board", "list", "--timeout", "5", env={"IMPRINT_TIMEOUT": "soon"})
        board = self.start("imprint", "board", "a", env={"IMPRINT_SKETCH": "2020", "IMPRINT_WIFI": "yes"})
        board.wait_for(r"^/")
        status = json.loads(self.imprint("board", "list", env={"IMPRINT_JSON": "1"}).stdout)
        self.assertEqual((status["sketch"], status["wifi"]), ("2020", "1.5.0"))
        # What is asked of this one call is not inherited by all others.
        self.imprint("board", "list", env={"IMPRINT_HELP": "1", "IMPRINT_VERSION": "1"})

    def test_places(self):
        """Options stand before, between and behind; -- ends them."""
        for argv in (["--json", "board", "list"], ["board", "--json", "list"], ["board", "list", "--json"],
                ["--timeout", "5", "board", "-q", "list"], ["--timeout=5", "-qv", "board", "list"]):
            with self.subTest(argv):
                self.imprint(*argv)
        self.usage(["board", "--", "--json"], "board name '--json'")
        self.usage(["board", "list", "--", "--json"], "unexpected argument '--json'")


class Configuration(CliTest):
    """The INI file: below the environment, above the defaults, and never half understood."""

    def setUp(self):
        super().setUp()
        self.file = self.folder / "config/imprint/imprint.ini"
        self.file.parent.mkdir()

    def wrong(self, text, words):
        self.file.write_text(text)
        self.usage(["board", "list"], f"{self.file}:{words}")

    def test_order(self):
        self.file.write_text("# ours\ntimeout = soon\n")
        self.usage(["board", "list"], f"{self.file}:2: timeout: 'soon' is not a whole number")
        self.imprint("board", "list", env={"IMPRINT_TIMEOUT": "5"})
        self.imprint("board", "list", "--timeout", "5")
        self.file.write_text("json = yes\n")
        done = self.imprint("board", "reset", "nobody", want=3)
        self.assertEqual(json.loads(done.stdout)["error"]["exit"], 3)
        done = self.imprint("board", "reset", "nobody", want=3, env={"IMPRINT_JSON": "no"})
        self.assertEqual(done.stdout, "")

    def test_sections(self):
        """A section is what stands before the first hyphen of an option; the rest of it belongs to another command."""
        self.file.write_text("[wifi]\nfirmware = 1.4.8\n")
        self.usage(["board", "a"], "--wifi-firmware needs --wifi")
        self.file.write_text("wifi-firmware = 1.4.8\n")
        self.usage(["board", "a"], "--wifi-firmware needs --wifi")
        self.imprint("board", "list")

    def test_refused(self):
        self.wrong("\n\ntimeuot = 5\n", "3: there is no option --timeuot")
        self.wrong("[log]\ntimeout = 5\n", "2: there is no option --log-timeout")
        self.wrong("timeout = 5\n\ntimeout = 6\n", "3: timeout has a value in line 1 already")
        self.wrong("timeout = 5\n  6\n", "2: timeout has a value in line 1 already")
        self.wrong("help = yes\n", "1: --help is for the command line only")
        self.wrong("timeout\n", "1: neither [section] nor key = value")
        self.wrong("[timeout\n", "1: neither [section] nor key = value")
        self.wrong("timeout = 5\0\n", "1: a NUL byte")
        self.imprint("board", "list", "--help") # who asks what can be written is not stopped by what is

    def test_long_lines(self):
        """The library would cut them, and take the rest for a line of its own."""
        self.wrong("# fine\nsketch = " + "x" * 1000 + "\n", "2: the line is longer than 190 bytes")
        self.wrong("# " + "x" * 187 + "timeout = 5\n", "1: the line is longer than 190 bytes")
        self.file.write_text("# " + "x" * 188 + "\ntimeout = 5")
        self.imprint("board", "list")

    def test_file(self):
        self.file.mkdir()
        self.assertIn("not a regular file", self.imprint("board", "list", want=5).stderr)
        self.file.rmdir()
        self.file.write_bytes(b"#" * 70000)
        self.imprint("board", "list", want=1)


class Output(CliTest):
    def test_error_as_json(self):
        done = self.imprint("board", "reset", "nobody", "--json", want=3)
        self.assertEqual(json.loads(done.stdout),
            {"schema": 1, "error": {"name": "ERR_NOT_FOUND", "exit": 3, "text": done.stderr.strip().split(": ", 1)[1]}})

        done = self.imprint("nosuch", "--json", want=2)
        self.assertEqual(json.loads(done.stdout)["error"]["exit"], 2)

    def test_progress_is_not_the_result(self):
        board = self.start("imprint", "board", "a")
        board.wait_for(r"^/")
        done = self.imprint("board", "reset", "a")
        self.assertEqual((done.stdout, done.stderr), ("", "a: reset\n"))
        done = self.imprint("board", "reset", "a", "--quiet")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        done = self.imprint("board", "reset", "a", "--json")
        self.assertEqual(json.loads(done.stdout), {"schema": 1, "name": "a", "done": "reset"})

    def on_terminal(self, *argv, **env):
        """What imprint writes to a terminal as its standard error."""
        terminal, child = pty.openpty()
        clean = {name: value for name, value in self.env.items() if name != "NO_COLOR"}
        subprocess.run([harness.program("imprint"), *argv], env={**clean, "TERM": "xterm", **env}, stderr=child, check=False)
        os.close(child)
        said = b""
        try:
            while got := os.read(terminal, 4096):
                said += got
        except OSError:
            pass # the other side is closed
        os.close(terminal)
        return said.decode()

    def test_colour(self):
        self.assertIn("\033[31mimprint", self.on_terminal("nosuch"))
        for argv, env in ((["--no-color", "nosuch"], {}), (["nosuch"], {"NO_COLOR": "1"}), (["nosuch"], {"TERM": "dumb"})):
            said = self.on_terminal(*argv, **env)
            self.assertIn("unknown command", said)
            self.assertNotIn("\033", said)

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([harness.program("imprint"), "help"], env=self.env, stdout=full, stderr=subprocess.PIPE,
                text=True, check=False)
        self.assertEqual(done.returncode, 8, done)
        self.assertIn("standard output", done.stderr)

    def test_reader_gone(self):
        done = subprocess.run(["sh", "-c", f"{harness.program('imprint')} help man | true"], env=self.env,
            stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_interrupted(self):
        board = self.start("imprint", "board", "a", "--json", "--verbose")
        board.wait_for("plugged")
        board.send(signal.SIGINT)
        self.assertEqual(board.wait(), 130)


class Manual(CliTest):
    def setUp(self):
        super().setUp()
        self.page = self.imprint("help", "man").stdout

    def test_everything_is_in_it(self):
        plain = self.page.replace("\\-", "-")
        for name in self.commands():
            self.assertIn(f'.SS "imprint {name}', plain)
            for option, _ in VALUE.findall(self.imprint(*name.split(), "--help").stdout):
                self.assertIn(f"--{option}", plain)
        for texts in exit_codes().values():
            self.assertIn("; ".join(texts), " ".join(plain.split()))

    def test_macros(self):
        """Only macros of man(7), each at a line's start, and no text line that roff would take for one."""
        known = {"TH", "SH", "SS", "PP", "TP", "B", "RI", "I", "nf", "fi"}
        lines = self.page.splitlines()
        self.assertTrue(lines[0].startswith(".TH IMPRINT 1 "))
        for line in lines:
            self.assertNotEqual(line, "")
            self.assertNotIn(line[0], "'")
            if line[0] == ".":
                self.assertIn(line[1:].split(" ")[0], known, line)
        self.assertEqual(self.page.count(".nf\n"), self.page.count(".fi\n"))
        self.assertNotIn("-", re.sub(r"\\-", "", "\n".join(l for l in lines if not l.startswith((".SS", ".TH")))))


class Completion(CliTest):
    def bash(self, *words):
        """What bash offers for the last word."""
        script = self.folder / "completion"
        script.write_text(self.imprint("completion", "bash").stdout)
        quoted = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(["bash", "-uc", f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
            "_imprint; printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True, check=False, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return set(done.stdout.split())

    def test_bash(self):
        (self.folder / "somefile").touch()
        (self.folder / "somefolder").mkdir()
        firsts = {name.split()[0] for name in self.commands()}
        self.assertIn("version", firsts)
        for words, offered in (
            (["imprint", "bo"], {"board"}),
            (["imprint", "device", "re"], {"revoke"}),
            (["imprint", ""], firsts),
            (["imprint", "completion", ""], {"bash", "zsh", "fish"}),
            (["imprint", "help", ""], firsts | {"exit", "man"}),
            *((["imprint", group, ""], {name.split()[1] for name in self.commands() if name.startswith(group + " ")})
                for group in ("board", "broker", "device", "element", "mqtt")), # some are of several tables
            (["imprint", "board", "--tim"], {"--timing", "--timeout"}),
            (["imprint", "board", "a", "--timing", ""], {"instant", "typical", "max"}),
            (["imprint", "board", "a", "--sketch", "t"], {"today"}),
            (["imprint", "device", "revoke", "a", "--reason", "s"], {"superseded"}),
            (["imprint", "board", "a", "--element", "some"], {"somefile", "somefolder"}),
            (["imprint", "board", "a", "--state", "some"], {"somefolder"}),
            (["imprint", "board", "reset", "--no"], {"--no-color"}),
            (["imprint", "board", "list", "--timeout", ""], set()),
        ):
            with self.subTest(words):
                got = self.bash(*words)
                if len(words) == 3 and words[-1] == "":
                    got = {word for word in got if not word.startswith("-")}
                self.assertEqual(got, offered)

    def test_all_shells_know_all_commands(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.imprint("completion", shell).stdout
            for name in self.commands():
                with self.subTest(f"{shell}: {name}"):
                    self.assertIn(name.split()[-1], script)
        self.assertTrue(self.imprint("completion", "zsh").stdout.startswith("#compdef imprint\n"))

    def test_other_shells(self):
        self.usage(["completion", "tcsh"], "there is bash, zsh and fish")


if __name__ == "__main__":
    unittest.main()
