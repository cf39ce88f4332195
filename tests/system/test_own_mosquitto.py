"""A mosquitto of one's own, as Debian's service is configured: another user's where that can be, with what we ship for it."""

import os
import re
import shutil
import subprocess
import unittest

import harness

ROOT = os.geteuid() == 0
GROUP = "mosquitto" if ROOT else None
MAIN = """pid_file {run}/mosquitto.pid
persistence true
persistence_location {lib}/
log_dest stderr
include_dir {etc}/conf.d
"""


def recipe(word):
    """The commands in docs/broker.md with this word in them."""
    page = (harness.SOURCE / "docs/broker.md").read_text(encoding="utf-8")
    (block,) = [text for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if not kind and word in text]
    return block


class Recipes(harness.SystemTest):
    """The lines of docs/broker.md as they stand there, by a user whose PATH has no servers."""

    def shell(self, text, **env):
        mosquitto = self.env.get("IMPRINT_MOSQUITTO", harness.MOSQUITTO)
        return self.start("sh", "-c", text.replace("/usr/sbin/mosquitto", mosquitto),
            env={"PATH": f"{harness.BUILD}:/usr/local/bin:/usr/bin:/bin", "IMPRINT_PORT": "0", **env})

    def test_the_simplest(self):
        both = self.shell(recipe("imprintd &\n"), IMPRINT_BROKER_PORT=str(harness.free_port()))
        both.wait_for(r"mosquitto version \S+ running", timeout=90)
        both.wait_for("broker_connected")
        both.wait_for("broker_joined name=mosquitto")
        line = recipe("--broker-name south")
        self.assertIn("--broker-port 9102", line)
        south = self.shell(line.replace("9102", str(harness.free_port())))
        south.wait_for(r"mosquitto version \S+ running", timeout=90)
        both.wait_for("broker_joined name=south")

    def test_without_a_server(self):
        """Nothing is started, and the reason is the last word."""
        run = self.shell(recipe("imprintd &\n").replace("imprintd &\n", ""), IMPRINT_TIMEOUT="1")
        self.assertEqual(run.wait(), 3, run.output)
        self.assertRegex(run.lines[-1], "not there; imprintd makes it at its first start")


class OwnMosquitto(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        for name in ("etc/conf.d", "run-mosquitto", "lib"):
            (self.folder / name).mkdir(mode=0o750, parents=True)
        if ROOT:
            (self.folder / "etc").chmod(0o755)
            shutil.chown(self.folder / "etc/conf.d", "root", GROUP)
            for name in ("run-mosquitto", "lib"):
                shutil.chown(self.folder / name, "mosquitto", GROUP)
        self.port = harness.free_port()

    def there(self, text, *places):
        """Written for a whole computer, and now for this test's folders."""
        for place, here in places:
            self.assertIn(place, text)
            text = text.replace(place, str(here))
        return text

    def configure(self, existing="", passwords=False):
        """
        What docs/broker.md says, in this test's folders; the server runs then. `existing` is what that mosquitto was for
        before, with passwords of its own or without.
        """
        plugin = self.folder / "imprint-mosquitto.so"
        shutil.copy(harness.program("imprint-mosquitto.so"), plugin)
        plugin.chmod(0o755)
        text = (harness.SOURCE / "packaging/imprint.conf.in").read_text(encoding="utf-8")
        places = ("/etc/mosquitto", self.folder / "etc"), ("/run/mosquitto", self.folder / "run-mosquitto"), ("/run/imprint-feed", self.folder / "feed")
        if passwords:
            text = self.there(text, ("\npassword_file ", "\n#password_file "))
        text = self.there(text, *places, ("@plugin@", plugin), ("/var/lib/mosquitto", self.folder / "lib"),
            ("listener 8885", f"listener {self.port} 127.0.0.1"))
        (self.folder / "imprint.conf").write_text(text, encoding="utf-8")
        main = self.folder / "etc/mosquitto.conf"
        main.write_text(existing + MAIN.format(run=self.folder / "run-mosquitto", lib=self.folder / "lib", etc=self.folder / "etc"), encoding="utf-8")
        lines = self.there(recipe("systemctl restart mosquitto"), *places, ("/var/lib/imprint", self.state),
            ("/usr/local/share/doc/imprint/examples/imprint.conf", self.folder / "imprint.conf"))
        commands = lines.removesuffix("systemctl restart mosquitto\n")
        self.assertNotEqual(commands, lines)
        if not ROOT:
            for part in " -o root", " -g mosquitto", " --broker-user mosquitto":
                commands = commands.replace(part, "")
        self.server = self.start("sh", "-ec", commands + "echo done\nwait\n",
            env={"PATH": f"{harness.BUILD}:{os.environ['PATH']}", "IMPRINT_PORT": "0", **harness.PATIENT})
        self.server.wait_for("^done$")
        return main

    def test_it(self):
        main = self.configure()
        broker = self.start(self.env.get("IMPRINT_MOSQUITTO", harness.MOSQUITTO), "-c", main)
        broker.wait_for(r"mosquitto version \S+ running", timeout=60)
        board = self.start("imprint", "board", "kitchen", "--broker", f"localhost:{self.port}", "--anchor", self.state / "tls/service-root.pem")
        board.wait_for("/tty/kitchen$")
        done = self.run_program("imprint", "provision", "--port", "kitchen", "--name", "kitchen", "--yes")
        self.assertEqual(done.returncode, 0, done)
        board.wait_for("^kitchen: online: ", timeout=60)
        done = self.run_program("imprint", "device", "revoke", "kitchen", "--yes")
        self.assertEqual(done.returncode, 0, done)
        broker.wait_for("imprint: expelled .* revoked$")
        broker.wait_for("imprint: refused .* revoked: ")
        self.server.stop()
        self.assertEqual(broker.stop(), 0, broker.output)
        self.assertTrue((self.folder / "lib/imprint.list").exists(), "the list is kept for the next start")
        if ROOT:
            self.assertEqual((self.folder / "lib/imprint.list").owner(), "mosquitto")

    def test_other_clients_go_on(self):
        """Where there are listeners, users and retained messages already; and then with an acl_file."""
        port = harness.free_port()
        passwords, acl = self.folder / "etc/passwd", self.folder / "etc/acl"
        main = self.configure(f"listener {port} 127.0.0.1\npassword_file {passwords}\n", passwords=True)
        subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "home", "secret"], check=True, timeout=60)
        subprocess.run(self.there(recipe(">> /etc/mosquitto/passwd"), ("/etc/mosquitto", self.folder / "etc")), shell=True, check=True, timeout=60)
        acl.write_text("user home\ntopic readwrite home/#\n")
        for path in (passwords, acl):
            path.chmod(0o640)
            if ROOT:
                shutil.chown(path, "root", GROUP)
        self.assertEqual(self.run_program("imprint", "broker", "check", main).returncode, 0)
        where = ["-h", "127.0.0.1", "-p", port, "-u", "home", "-P", "secret"]
        for more in ("", f"acl_file {acl}\n"):
            with self.subTest(more):
                main.write_text(more + main.read_text())
                broker = self.start(self.env.get("IMPRINT_MOSQUITTO", harness.MOSQUITTO), "-c", main)
                broker.wait_for(r"mosquitto version \S+ running", timeout=60)
                subprocess.run([str(w) for w in ("mosquitto_pub", *where, "-t", "home/light", "-m", "on" + more[:3], "-r", "-q", "1")], check=True, timeout=60)
                done = subprocess.run([str(w) for w in ("mosquitto_sub", *where, "-t", "home/#", "-C", "1", "-W", "30")], check=True, timeout=60,
                    capture_output=True, text=True)
                self.assertEqual(done.stdout, "on" + more[:3] + "\n")
                broker.stop()


if __name__ == "__main__":
    unittest.main()
