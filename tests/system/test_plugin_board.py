"""The virtual board, whose TLS is BearSSL with ArduinoIoTCloud's profile and whose chip signs, at a broker with the plugin."""

import unittest

import boards
import harness
import test_online as online
import test_plugin as plugin


class PluginBoard(online.OnlineTest):
    def test_comes_goes_and_comes_back(self):
        path = self.run_folder / "feed.sock"
        server = plugin.Server(path)
        self.addCleanup(server.close)
        done = self.run_program("imprint", "broker", "config", "--broker-port", self.port, "--socket", self.socket,
            "--plugin", plugin.PLUGIN, "--feed", path)
        self.assertEqual(done.returncode, 0, done)
        broker = self.start(harness.MOSQUITTO, "-c", self.state / "broker/mosquitto.conf", env=plugin.Plugin.preload())
        server.accept()
        certificate = boards.certificate_of(self.record("kitchen")["certificates"][-1])
        live = f"a {self.device} 1 - {plugin.fingerprint(certificate)} - 253402300799"
        server.snapshot(live)

        heard = self.listen()
        board = self.online_board()
        board.wait_for(f"^kitchen: online: {self.device}$")
        server.wait_for(rf"^c 1 {self.device} {plugin.fingerprint(certificate)} 127.0.0.1 4 \d+$")
        heard.wait_for(f"^/a/d/{self.device}/c/up {online.BEGIN}$")
        begun = len(board.lines)
        server.apply(f"a {self.device} 1 - {'00' * 15}01 - 253402300799")
        server.wait_for(r"^d 1 \d+ revoked$")
        board.wait_for("^kitchen: connection lost: ", begun)
        server.wait_for(f"^x revoked {self.device} 127.0.0.1$")
        board.wait_for("^kitchen: not connected: .*CONNACK 5", begun)
        begun = len(board.lines)
        server.apply(live)
        board.wait_for(f"^kitchen: online: {self.device}$", begun, timeout=60) # it waits longer and longer
        server.wait_for(rf"^c 2 {self.device} ")
        self.assertNotRegex(broker.output, "OpenSSL Error")


if __name__ == "__main__":
    unittest.main()
