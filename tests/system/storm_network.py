"""Storm control at work, in a network where nobody else is: what test_storm.py runs by unshare.

	storm_network.py RULE RATE CONNECTIONS        prints JSON
"""

import json
import re
import selectors
import socket
import subprocess
import sys
import time

PATIENCE = 60


def rule(path, port, rate):
    """The rule as it is shipped, with another port and rate."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text, ports = re.subn(r"^define broker = .*$", f"define broker = {port}", text, flags=re.MULTILINE)
    text, rates = re.subn(r"\brate over \d+/second burst \d+ packets", f"rate over {rate}/second burst {rate} packets", text)
    assert (ports, rates) == (1, 1)
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def dropped():
    listed = subprocess.run(["nft", "list", "table", "inet", "imprint_broker"], capture_output=True, text=True, check=True)
    return int(re.search(r"counter packets (\d+)", listed.stdout)[1])


def listener():
    made = socket.create_server(("127.0.0.1", 0), backlog=1000)
    return made, made.getsockname()[1]


def come(port, n):
    """n connections that begin at once; how many of them are there at last."""
    selector, there = selectors.DefaultSelector(), []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        selector.register(s, selectors.EVENT_WRITE)
    until = time.monotonic() + PATIENCE
    while selector.get_map() and time.monotonic() < until:
        for key, _ in selector.select(1):
            selector.unregister(key.fileobj)
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                there.append(key.fileobj)
    return there


def main(path, rate, n):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    broker, port = listener()
    other, other_port = listener()
    said = {}
    rule(path, port, rate)
    rule(path, port, rate) # a second time it replaces the first
    first = come(port, 1)[0]
    peer, _ = broker.accept()
    said["other_port"] = [len(come(other_port, n)), dropped()]
    said["broker"] = [len(come(port, n)), dropped()]
    # What is connected goes on, however many come.
    before = dropped()
    for _ in range(10 * rate):
        first.sendall(b"x")
        assert peer.recv(1) == b"x"
    said["connected"] = dropped() - before
    other.close()
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
